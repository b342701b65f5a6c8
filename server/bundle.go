package server

import (
	"context"
	"net/http"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorfhir"
	"github.com/gin-gonic/gin"
)

// provideDocuments takes in the transaction of ITI-65: POST /fhir. All of it is stored or nothing.
//
// Source: IHE MHD 4.2, 2:3.65; spec locator section 3.
func (s *Server) provideDocuments(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	body, err := s.body(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	p, err := locatorfhir.ReadProvision(body, s.known())
	if err != nil {
		s.fail(c, err)
		return
	}
	record, site, err := s.onePatient(ctx, actor, p.Subjects)
	if err != nil {
		s.fail(c, err)
		return
	}
	provision, err := p.Prepare(site, record, locatorfhir.Names{Document: s.documentID, List: s.listID})
	if err != nil {
		s.fail(c, err)
		return
	}
	done, lists, err := s.deps.Documents.Provide(ctx, actor, provision)
	if err != nil {
		s.fail(c, err)
		return
	}
	var identifiers []hie.Identifier
	for _, subject := range p.Subjects {
		identifiers = append(identifiers, subject.Identifiers...)
	}
	s.send(c, http.StatusOK, s.transactionResponse(p, record, done, lists, provision, identifiers))
}

// onePatient returns the one record all subjects of a transaction mean.
//
// Source: IHE ITI TF-3 table 4.2.4.1-2, XDSPatientIdDoesNotMatch.
func (s *Server) onePatient(ctx context.Context, actor hie.Actor, subjects []locatorfhir.Subject) (record hie.SourcePatientID, site directory.Site, err error) {
	for i, subject := range subjects {
		r, at, err := s.publisherPatient(ctx, actor, subject)
		if err != nil {
			return 0, at, err
		}
		if i > 0 && r != record {
			return 0, at, &hie.InvalidError{Path: subject.Path, Rule: "must be the same patient throughout the Bundle", Code: "business-rule", Detail: locator.ErrorPatientMismatch}
		}
		record, site = r, at
	}
	return record, site, nil
}

// transactionResponse names what became of each entry, in the order of the request.
func (s *Server) transactionResponse(p *locatorfhir.Provision, record hie.SourcePatientID, done []locator.Published, lists []locator.List,
	provision locator.Provision, identifiers []hie.Identifier) fhir.Bundle {
	b := fhir.Bundle{ResourceType: "Bundle", Type: "transaction-response"}
	base := s.cfg.FHIRBase()
	for _, e := range p.Entries {
		r := &fhir.BundleResponse{Status: "201 Created"}
		switch e.Kind {
		case "DocumentReference":
			d := done[e.Index]
			r.Location = base + "/DocumentReference/" + s.documentID(d.Ref)
			if d.Existing {
				r.Status = "200 OK"
				break
			}
			r.Etag, r.LastModified = weakTag(d.Version), fhir.Instant(d.Pointer.Updated)
			if warnings := locatorfhir.Warnings(provision.Documents[e.Index].Pointer, identifiers); len(warnings) > 0 {
				r.Outcome = fhir.Encode(outcome("warning", warnings...))
			}
		case "List":
			l := lists[e.Index]
			r.Location = base + "/List/" + s.listID(l.Record, l.ID)
			if l.Existing {
				r.Status = "200 OK"
			} else {
				r.Etag, r.LastModified = weakTag(1), fhir.Instant(l.Recorded)
			}
		case "Parameters":
			r.Status, r.Location = "200 OK", base+"/DocumentReference/"+s.documentID(e.Target)
		case "Patient":
			r.Status, r.Location = "200 OK", base+"/Patient/"+s.patientID(record)
		}
		b.Entry = append(b.Entry, fhir.BundleEntry{Response: r})
	}
	return b
}

// requireProvideScopes lets a transaction pass whose token grants all that ITI-65 does.
func (s *Server) requireProvideScopes(c *gin.Context) {
	for _, resource := range []string{"DocumentReference", "List"} {
		if !Allows(caller(c).Scopes, resource, 'c') {
			s.fail(c, hie.ErrForbidden)
			return
		}
	}
}
