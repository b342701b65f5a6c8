package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/gin-gonic/gin"
)

// Patients is what the Patient doors ask of the index. *mpi.Index is one; its methods say what each does.
type Patients interface {
	Register(ctx context.Context, actor hie.Actor, r mpi.Registration) (mpi.Registered, error)
	Resolve(ctx context.Context, id hie.Identifier) (mpi.Person, error)
	RecordOf(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, error)
	HomeOf(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, mpi.Home, error)
	Home(ctx context.Context, record hie.SourcePatientID) (mpi.Home, error)
	Person(ctx context.Context, id hie.PersonID) (mpi.Person, error)
	PersonOf(ctx context.Context, record hie.SourcePatientID) (mpi.Person, error)
	Record(ctx context.Context, record hie.SourcePatientID) (mpi.SourcePatient, error)
	Records(ctx context.Context, records []hie.SourcePatientID) ([]mpi.SourcePatient, error)
	Search(ctx context.Context, c mpi.Criteria) (mpi.Page, error)
	Match(ctx context.Context, actor hie.Actor, d mpi.Demographics, o mpi.MatchOptions) (mpi.Matched, error)
}

// Nameable says which of a person's records actor may learn of: true for those whose site may be named to it.
// A record that is missing may not be named. Locating is disclosure, so this is a consent decision; still says, right before
// the answer leaves, whether it holds.
type Nameable func(ctx context.Context, actor hie.Actor, p mpi.Person) (named map[hie.SourcePatientID]bool, still Still, err error)

// Recorder commits audit events on their own, before what they tell of is answered.
type Recorder interface {
	Record(ctx context.Context, events ...audit.Event) error
}

// putPatient registers or revises a patient of the caller's own: PUT /fhir/Patient?identifier=system|value.
//
// Source: IHE PIXm ITI-104; FHIR R4 http, conditional update.
func (s *Server) putPatient(c *gin.Context) {
	ps, err := fhir.ParseParams(c.Request.URL.RawQuery)
	if err != nil {
		s.fail(c, err)
		return
	}
	var local hie.Identifier
	for _, p := range ps {
		switch {
		case p.Name == "_format" || p.Name == "_pretty":
		case p.Name != "identifier" || p.Modifier != "" || len(p.Values) != 1 || !local.IsZero():
			s.fail(c, errConditional)
			return
		default:
			t := fhir.ParseToken(p.Values[0])
			local = hie.Identifier{System: t.System, Value: t.Code}
		}
	}
	if local.System == "" || local.Value == "" {
		s.fail(c, errConditional)
		return
	}
	s.register(c, local)
}

var errConditional = &hie.InvalidError{Path: "identifier", Rule: "must be the one condition of the update, once, as system|value", Code: "required"}

// postPatient registers a patient of the caller's own under the one identifier of the body that a site of the
// caller's assigns. Repeating it revises, so a sender that lost the answer may simply send again.
func (s *Server) postPatient(c *gin.Context) { s.register(c, hie.Identifier{}) }

// register does the work of both; local is zero when the body is to name it.
func (s *Server) register(c *gin.Context, local hie.Identifier) {
	body, err := s.body(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	r, err := s.registration(c.Request.Context(), caller(c), local, body)
	if errors.Is(err, hie.ErrForbidden) {
		event := audit.NewEvent(audit.Refused, caller(c), s.deps.Now())
		event.Outcome, event.Action = audit.Refusal, "U"
		event.Reasons = []string{"not a site of the caller's"}
		event.Detail = map[string]string{"interaction": "patient register"}
		err = errors.Join(err, s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), event))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if r.IfMatch, err = ifMatch(c); err != nil {
		s.fail(c, err)
		return
	}
	done, err := s.deps.Patients.Register(c.Request.Context(), caller(c), r)
	if err != nil {
		s.fail(c, err)
		return
	}
	status, id := http.StatusOK, s.patientID(done.Record)
	location := ""
	if done.Created {
		status, location = http.StatusCreated, s.cfg.FHIRBase()+"/Patient/"+id
	}
	if prefers(c, "return=minimal") {
		c.Header("ETag", weakTag(done.Version))
		if location != "" {
			c.Header("Location", location)
		}
		c.Status(status)
		return
	}
	sp := done.Stored
	if sp.Record == 0 {
		if sp, err = s.deps.Patients.Record(c.Request.Context(), done.Record); err != nil {
			s.fail(c, err)
			return
		}
	}
	s.sendVersion(c, status, s.ownPatient(sp), location, strconv.FormatInt(sp.Version, 10))
}

// deletePatient says that a registration is withdrawn by active=false, which keeps what hangs on it.
//
// Source: IHE PIXm ITI-104, 2:3.104.4.3.4.
func (s *Server) deletePatient(c *gin.Context) {
	s.send(c, http.StatusBadRequest, outcome("error", fhir.Issue{Code: "not-supported",
		Diagnostics: "Remove Patient is not supported. Revise the Patient with active false instead."}))
}

// registration reads body as a registration under local by a site of actor's organisation.
func (s *Server) registration(ctx context.Context, actor hie.Actor, local hie.Identifier, body []byte) (mpi.Registration, error) {
	if actor.Patient != 0 {
		return mpi.Registration{}, hie.ErrForbidden
	}
	p, err := mpifhir.Read(body)
	if err != nil {
		return mpi.Registration{}, err
	}
	if local.IsZero() {
		if local, err = s.onlyOwnIdentifier(actor, p); err != nil {
			return mpi.Registration{}, err
		}
	}
	site, err := s.ownSite(actor, local.System, "identifier")
	if err != nil {
		return mpi.Registration{}, err
	}
	if !p.Holds(local) {
		return mpi.Registration{}, &hie.InvalidError{Path: "Patient.identifier", Rule: "must hold the identifier of the condition", Code: "business-rule"}
	}
	r := p.Registration(site.ID, local)
	if p.ReplacedBy.IsZero() {
		return r, nil
	}
	survivor, err := s.survivor(ctx, site, p.ReplacedBy)
	if err != nil {
		return mpi.Registration{}, err
	}
	r.ReplacedBy = &survivor
	return r, nil
}

// ownSite returns the site that assigns system if it is the caller's organisation's and takes part. An
// *hie.InvalidError at path says that nobody assigns it; hie.ErrForbidden that it is not the caller's.
func (s *Server) ownSite(actor hie.Actor, system, path string) (directory.Site, error) {
	site, known := s.deps.Network().SiteOf(system)
	switch {
	case !known:
		return site, &hie.InvalidError{Path: path, Rule: "must be of a system that a site of the network assigns", Code: "code-invalid"}
	case !site.Active || site.Org != actor.Organization || actor.Organization == "":
		return site, hie.ErrForbidden
	}
	return site, nil
}

func (s *Server) onlyOwnIdentifier(actor hie.Actor, p mpifhir.Patient) (hie.Identifier, error) {
	var found hie.Identifier
	for _, id := range p.Demographics.Identifiers {
		if _, err := s.ownSite(actor, id.System, ""); err != nil {
			continue
		}
		if !found.IsZero() && (found.System != id.System || found.Value != id.Value) {
			return found, &hie.InvalidError{Path: "Patient.identifier", Rule: "holds several of the caller's own; say by PUT with ?identifier= which one this registers", Code: "business-rule"}
		}
		found = id.Identifier
	}
	if found.IsZero() {
		return found, &hie.InvalidError{Path: "Patient.identifier", Rule: "must hold one that a site of the caller's assigns", Code: "required"}
	}
	return found, nil
}

// survivor returns the identifier a replaced-by link means: one of the same site, since duplicates are resolved
// where they were made.
func (s *Server) survivor(ctx context.Context, site directory.Site, r mpifhir.Replacement) (hie.Identifier, error) {
	id := r.Identifier
	if id.IsZero() {
		record, ok := s.patientRecord(strings.TrimPrefix(strings.TrimPrefix(r.Reference, s.cfg.FHIRBase()+"/"), "Patient/"))
		if !ok {
			return id, errSurvivor
		}
		sp, err := s.deps.Patients.Record(ctx, record)
		if err != nil || sp.Site != site.ID {
			return id, errSurvivor
		}
		id = sp.Local
	}
	if other, known := s.deps.Network().SiteOf(id.System); !known || other.ID != site.ID {
		return id, errSurvivor
	}
	return id, nil
}

var errSurvivor = &hie.InvalidError{Path: "Patient.link", Rule: "must name a Patient of the same site as replaced-by", Code: "business-rule"}

// readPatient serves a registration to the organisation that made it, or to the patient it is about. Any other
// id is not found, whether it exists or not.
func (s *Server) readPatient(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	record, ok := s.patientRecord(c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	sp, err := s.deps.Patients.Record(ctx, record)
	if err == nil && !s.owns(actor, sp) {
		err = hie.ErrNotFound
	}
	event := s.asked(actor, "read", "").About(record)
	event.Action = "R"
	if err != nil {
		event.Outcome = audit.Refusal
	}
	if recordErr := s.deps.Audit.Record(context.WithoutCancel(ctx), event); recordErr != nil {
		s.fail(c, recordErr)
		return
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendVersion(c, http.StatusOK, s.ownPatient(sp), "", strconv.FormatInt(sp.Version, 10))
}

// owns reports whether sp is a registration of the caller's organisation, or of the patient who asks.
func (s *Server) owns(actor hie.Actor, sp mpi.SourcePatient) bool {
	if actor.Patient != 0 {
		return sp.Record == actor.Patient
	}
	site, known := s.deps.Network().Site(sp.Site)
	return known && site.Org == actor.Organization && actor.Organization != ""
}

// shown returns sp as the caller may see it and the URL of the entry.
func (s *Server) shown(actor hie.Actor, sp mpi.SourcePatient) (fullURL string, resource []byte) {
	fullURL = s.cfg.FHIRBase() + "/Patient/" + s.patientID(sp.Record)
	if s.owns(actor, sp) {
		return fullURL, s.ownPatient(sp)
	}
	return fullURL, mpifhir.Other(sp, s.patientID(sp.Record))
}

func (s *Server) ownPatient(sp mpi.SourcePatient) []byte {
	survivor := ""
	if sp.AliasOf != 0 {
		survivor = s.patientID(sp.AliasOf)
	}
	return mpifhir.Own(sp, s.patientID(sp.Record), survivor)
}

// asked begins the event of a query about patients.
func (s *Server) asked(actor hie.Actor, interaction, query string) audit.Event {
	e := audit.NewEvent(audit.PatientQueried, actor, s.deps.Now())
	e.Query = query
	e.Detail = map[string]string{"interaction": "patient " + interaction}
	return e
}

func (s *Server) patientID(record hie.SourcePatientID) string {
	return s.deps.Sealer.ID("patient", int64(record), 0)
}

// patientRecord returns the record a public Patient id names.
func (s *Server) patientRecord(id string) (hie.SourcePatientID, bool) {
	record, _, err := s.deps.Sealer.OpenID("patient", id)
	return hie.SourcePatientID(record), err == nil
}

// ifMatch returns the version the caller believes current, 0 for none. A precondition that is not understood
// is refused: acting without it could overwrite.
func ifMatch(c *gin.Context) (int64, error) {
	if c.GetHeader("If-None-Match") != "" {
		return 0, &hie.InvalidError{Path: "If-None-Match", Rule: "is not a precondition of this interaction", Code: "not-supported"}
	}
	tag := c.GetHeader("If-Match")
	if tag == "" {
		return 0, nil
	}
	digits, found := strings.CutPrefix(tag, `W/"`)
	digits, closed := strings.CutSuffix(digits, `"`)
	version, err := strconv.ParseInt(digits, 10, 64)
	if !found || !closed || err != nil || version < 1 {
		return 0, &hie.InvalidError{Path: "If-Match", Rule: `must be one ETag as served, W/"1"`, Code: "value"}
	}
	return version, nil
}

func weakTag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }
