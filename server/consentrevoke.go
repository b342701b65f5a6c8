package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// revokeConsent answers POST /fhir/Consent/{id}/$revoke-consent: a new version with status inactive. The body,
// Parameters with returnToDefault (valueBoolean), may be missing: then what the consent permitted is refused from
// now on, whatever the default. Revoking twice is revoking once.
//
// Source: HL7 FAST consent management, $revoke; spec consent 2.8f.
func (s *Server) revokeConsent(c *gin.Context) {
	record, id, err := s.consentNamed(c, mayFile)
	if err != nil {
		s.refuseConsent(c, "revoke", record, err)
		return
	}
	v, err := s.revoke(c, record, id)
	if err != nil {
		s.refuseConsent(c, "revoke", record, err)
		return
	}
	s.sendConsent(c, http.StatusOK, v, "")
}

// maxRevocations bounds how often a revocation that meets another change is tried again.
const maxRevocations = 8

func (s *Server) revoke(c *gin.Context, record hie.SourcePatientID, id int64) (consent.Version, error) {
	toDefault, err := s.readRevocation(c)
	if err != nil {
		return consent.Version{}, err
	}
	match, err := ifMatch(c)
	if err != nil {
		return consent.Version{}, err
	}
	return s.withdraw(c.Request.Context(), caller(c), withdrawal{record: record, id: id, match: match, toDefault: toDefault})
}

// A withdrawal is one revocation: of which directive, of which version (0 for whichever is current), and whether the
// defaults are to hold again.
type withdrawal struct {
	record    hie.SourcePatientID
	id, match int64
	toDefault bool
	evidence  []consent.Evidence
}

func (s *Server) withdraw(ctx context.Context, actor hie.Actor, w withdrawal) (consent.Version, error) {
	for try := 1; ; try++ {
		versions, err := s.deps.Consents.History(ctx, w.record, w.id)
		if err != nil {
			return consent.Version{}, err
		}
		v := versions[0]
		if w.match != 0 && v.Number != w.match {
			return consent.Version{}, hie.ErrStale
		}
		if v.Status == "inactive" && v.ReturnToDefault == w.toDefault {
			return v, nil
		}
		if v.Content, err = consentfhir.Revoked(v.Content, w.toDefault); err != nil {
			return consent.Version{}, err
		}
		v.Status, v.ReturnToDefault, v.By, v.ByPatient, v.Evidence = "inactive", w.toDefault, actor.Organization, actor.Patient != 0, w.evidence
		done, err := s.deps.Consents.File(ctx, actor, v, v.Number)
		if !errors.Is(err, hie.ErrStale) || w.match != 0 || try == maxRevocations {
			return done, err
		}
	}
}

// readRevocation reads the optional Parameters of a revocation.
func (s *Server) readRevocation(c *gin.Context) (toDefault bool, err error) {
	if c.Request.ContentLength == 0 {
		return false, nil
	}
	b, err := s.body(c)
	if err != nil || len(b) == 0 {
		return false, err
	}
	var p fhir.Parameters
	if err := fhir.Decode(b, &p); err != nil {
		return false, err
	}
	if p.ResourceType != "Parameters" {
		return false, hie.Invalid("resourceType", "must be Parameters")
	}
	for _, q := range p.Parameter {
		if q.Name != "returnToDefault" || q.ValueBoolean == nil {
			return false, &hie.InvalidError{Path: "Parameters.parameter", Rule: "may only be returnToDefault with a boolean", Code: "not-supported"}
		}
		toDefault = *q.ValueBoolean
	}
	return toDefault, nil
}
