package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorfhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// Documents is what the doors of publishers ask of the locator. *locator.Index is one; its methods say what each does.
type Documents interface {
	Provide(ctx context.Context, actor hie.Actor, p locator.Provision) ([]locator.Published, []locator.List, error)
	Revise(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, id hie.PointerID, s locator.Submission, ifMatch int64) (locator.Pointer, error)
	Delete(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, id hie.PointerID, ifMatch int64) error
	Read(ctx context.Context, record hie.SourcePatientID, id hie.PointerID) (locator.Pointer, error)
	ReadList(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, id int64) (locator.List, error)
	Owns(actor hie.Actor, p locator.Pointer) bool
}

// Visible returns the reference to a document that is not actor's own, with what goes with it, and has that recorded;
// hie.ErrNotFound when actor may not see it.
type Visible func(ctx context.Context, actor hie.Actor, p locator.Pointer) (federation.Entry, error)

// The kinds of sealed ids of what publishers store.
const (
	kindDocument = "document"
	kindList     = "list"
)

func (s *Server) documentID(ref locator.Ref) string {
	return s.deps.Sealer.ID(kindDocument, int64(ref.Record), int64(ref.ID))
}

// documentRef returns the document a public id names.
func (s *Server) documentRef(id string) (locator.Ref, bool) {
	record, ptr, err := s.deps.Sealer.OpenID(kindDocument, id)
	return locator.Ref{Record: hie.SourcePatientID(record), ID: hie.PointerID(ptr)}, err == nil
}

func (s *Server) listID(record hie.SourcePatientID, id int64) string {
	return s.deps.Sealer.ID(kindList, int64(record), id)
}

// known is what locatorfhir needs to know to read references and searches.
func (s *Server) known() locatorfhir.Known {
	return locatorfhir.Known{Base: s.cfg.FHIRBase(), Document: s.documentRef, Now: s.deps.Now(),
		Organization: func(id hie.Identifier) (hie.OrgID, bool) {
			o, ok := s.deps.Network().OrganizationByURI(id.Value)
			return o.ID, ok
		}}
}

// served returns p as FHIR.
func (s *Server) served(p locator.Pointer) []byte {
	return locatorfhir.DocumentReference(p, locatorfhir.Public{ID: s.documentID(p.Ref()), Patient: s.patientID(p.Record), URL: s.binaryURL(p.Ref(), false)})
}

// publishDocument takes in one pointer: POST /fhir/DocumentReference. 201 for a new one; 200 and the pointer there is when
// the same document was published before.
//
// Source: IHE MHD ITI-105, with attachment.url in place of data; spec locator section 3.
func (s *Server) publishDocument(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	if c.GetHeader("If-None-Exist") != "" {
		s.fail(c, &hie.InvalidError{Path: "If-None-Exist", Rule: "is not needed: a document is recognised by its masterIdentifier", Code: "not-supported"})
		return
	}
	body, err := s.body(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	doc, err := locatorfhir.ReadPublished(body, s.known())
	if err != nil {
		s.fail(c, err)
		return
	}
	record, site, err := s.publisherPatient(ctx, actor, doc.Subject)
	if err != nil {
		s.fail(c, err)
		return
	}
	sub, err := doc.Submission(site, record)
	if err != nil {
		s.fail(c, err)
		return
	}
	done, _, err := s.deps.Documents.Provide(ctx, actor, locator.Provision{Documents: []locator.Submission{sub}})
	if err != nil {
		s.fail(c, err)
		return
	}
	p, status := done[0].Pointer, http.StatusCreated
	if done[0].Existing {
		status = http.StatusOK
		if p, err = s.deps.Documents.Read(ctx, done[0].Record, done[0].ID); err != nil {
			s.fail(c, err)
			return
		}
	}
	s.sendDocument(c, status, p, s.cfg.FHIRBase()+"/DocumentReference/"+s.documentID(p.Ref()), locatorfhir.Warnings(p, doc.Subject.Identifiers))
}

// sendDocument answers a change with the document, or with what the caller prefers.
func (s *Server) sendDocument(c *gin.Context, status int, p locator.Pointer, location string, warnings []fhir.Issue) {
	c.Header("Last-Modified", p.Updated.UTC().Format(http.TimeFormat))
	version := strconv.FormatInt(p.Version, 10)
	switch {
	case prefers(c, "return=minimal"):
		c.Header("ETag", weakTag(p.Version))
		c.Header("Location", location)
		c.Status(status)
	case prefers(c, "return=OperationOutcome") || len(warnings) > 0 && !prefers(c, "return=representation"):
		issues := append([]fhir.Issue{{Severity: "information", Code: "informational", Diagnostics: "The reference is stored."}}, warnings...)
		s.sendVersion(c, status, fhir.Encode(outcome("information", issues...)), location, version)
	default:
		s.sendVersion(c, status, s.served(p), location, version)
	}
}

// publisherPatient returns the record a subject means, with its site: a patient registered and active at a site of the
// caller's organisation. Everything else is the same refusal, so that nobody learns whom others have registered.
func (s *Server) publisherPatient(ctx context.Context, actor hie.Actor, subject locatorfhir.Subject) (hie.SourcePatientID, directory.Site, error) {
	if actor.Patient != 0 {
		return 0, directory.Site{}, hie.ErrForbidden
	}
	refused := &hie.InvalidError{Path: subject.Path, Rule: "must name a patient registered by a site of yours", Code: "not-found", Detail: locator.ErrorUnknownPatient}
	var record hie.SourcePatientID
	var home mpi.Home
	if named, ok := s.patientRecord(subject.PatientID); ok && subject.PatientID != "" {
		patient, err := s.deps.Patients.Record(ctx, named)
		if err == nil && patient.AliasOf != 0 { // merged within its site: documents go to the survivor
			patient, err = s.deps.Patients.Record(ctx, patient.AliasOf)
		}
		if errors.Is(err, hie.ErrNotFound) {
			return 0, directory.Site{}, refused
		}
		if err != nil {
			return 0, directory.Site{}, err
		}
		record, home = patient.Record, mpi.Home{AliasOf: patient.AliasOf, Site: patient.Site, Active: patient.Active}
	}
	for _, id := range subject.Identifiers {
		if record != 0 {
			break
		}
		site, known := s.deps.Network().SiteOf(id.System)
		if !known || !s.deps.Network().Within(site.Org, actor.Organization) {
			continue
		}
		var err error
		if record, home, err = s.deps.Patients.HomeOf(ctx, id); err != nil && !errors.Is(err, hie.ErrNotFound) {
			return 0, site, err
		}
	}
	site, known := s.deps.Network().Site(home.Site)
	if record == 0 || !known || !site.Active || !home.Active || home.AliasOf != 0 || !s.deps.Network().Within(site.Org, actor.Organization) {
		return 0, site, refused
	}
	return record, site, nil
}

// reviseDocument changes what is said of a document: PUT /fhir/DocumentReference/{id}, by its owner, with If-Match.
//
// Source: IHE ITI-57 (metadata update); FHIR R4 http, update and contention.
func (s *Server) reviseDocument(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	old, err := s.ownDocument(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	match, err := ifMatch(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	body, err := s.body(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	doc, err := locatorfhir.ReadPublished(body, s.known())
	if err != nil {
		s.fail(c, err)
		return
	}
	if doc.ID() != c.Param("id") {
		s.fail(c, &hie.InvalidError{Path: "DocumentReference.id", Rule: "must be the id in the path", Code: "value"})
		return
	}
	if !doc.SameRelations(old) {
		s.fail(c, &hie.InvalidError{Path: "DocumentReference.relatesTo", Rule: "cannot be changed; publish a new document", Code: "business-rule", Detail: locator.ErrorMetadata})
		return
	}
	if address, ok := locator.Address(s.deps.Network(), old.Location); ok {
		doc.Keep(s.binaryURL(old.Ref(), false), address) // what was served is sent back: the document stays where it is
	}
	record, site, err := s.publisherPatient(ctx, actor, doc.Subject)
	if err != nil {
		s.fail(c, err)
		return
	}
	sub, err := doc.Submission(site, record)
	if err != nil {
		s.fail(c, err)
		return
	}
	p, err := s.deps.Documents.Revise(ctx, actor, old.Record, old.ID, sub, match)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendDocument(c, http.StatusOK, p, "", locatorfhir.Warnings(p, doc.Subject.Identifiers))
}

// ownDocument returns the document of the path when it is the caller's own; anything else is hie.ErrNotFound.
func (s *Server) ownDocument(c *gin.Context) (locator.Pointer, error) {
	ref, ok := s.documentRef(c.Param("id"))
	if !ok {
		return locator.Pointer{}, hie.ErrNotFound
	}
	p, err := s.deps.Documents.Read(c.Request.Context(), ref.Record, ref.ID)
	if err != nil {
		return locator.Pointer{}, err
	}
	if !s.deps.Documents.Owns(caller(c), p) {
		return locator.Pointer{}, hie.ErrNotFound
	}
	return p, nil
}

// deleteDocument removes a pointer for its owner: DELETE /fhir/DocumentReference/{id}.
func (s *Server) deleteDocument(c *gin.Context) {
	ref, ok := s.documentRef(c.Param("id"))
	match, err := ifMatch(c)
	switch {
	case !ok:
		s.fail(c, hie.ErrNotFound)
		return
	case err != nil:
		s.fail(c, err)
		return
	}
	if err := s.deps.Documents.Delete(c.Request.Context(), caller(c), ref.Record, ref.ID, match); err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// readDocument answers GET /fhir/DocumentReference/{id}: the owner sees its own, others what they may see. A document
// that may not be seen is answered as one that does not exist.
func (s *Server) readDocument(c *gin.Context) {
	ref, ok := s.documentRef(c.Param("id"))
	if !ok {
		s.readLive(c)
		return
	}
	p, err := s.deps.Documents.Read(c.Request.Context(), ref.Record, ref.ID)
	if err != nil {
		s.fail(c, err)
		return
	}
	actor := caller(c)
	if actor.Patient != 0 || !s.deps.Documents.Owns(actor, p) {
		if s.deps.Visible == nil {
			s.fail(c, hie.ErrNotFound)
			return
		}
		e, err := s.deps.Visible(c.Request.Context(), actor, p)
		if err != nil {
			s.fail(c, err)
			return
		}
		s.sendVersion(c, http.StatusOK, s.reference(c, e, false), "", strconv.FormatInt(e.Version, 10))
		return
	}
	s.sendVersion(c, http.StatusOK, s.served(p), "", strconv.FormatInt(p.Version, 10))
}

// readList answers GET /fhir/List/{id} to the organisation that published the list.
func (s *Server) readList(c *gin.Context) {
	record, id, err := s.deps.Sealer.OpenID(kindList, c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return
	}
	l, err := s.deps.Documents.ReadList(c.Request.Context(), caller(c), hie.SourcePatientID(record), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	public := locatorfhir.Public{ID: c.Param("id"), Patient: s.patientID(l.Record)}
	s.send(c, http.StatusOK, locatorfhir.List(l, public, s.documentID))
}
