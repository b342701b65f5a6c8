package server

import (
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
	ctx := c.Request.Context()
	toDefault, err := s.readRevocation(c)
	if err != nil {
		return consent.Version{}, err
	}
	match, err := ifMatch(c)
	if err != nil {
		return consent.Version{}, err
	}
	for try := 1; ; try++ {
		versions, err := s.deps.Consents.History(ctx, record, id)
		if err != nil {
			return consent.Version{}, err
		}
		v := versions[0]
		if match != 0 && v.Number != match {
			return consent.Version{}, hie.ErrStale
		}
		if v.Status == "inactive" && v.ReturnToDefault == toDefault {
			return v, nil
		}
		if v.Content, err = consentfhir.Revoked(v.Content, toDefault); err != nil {
			return consent.Version{}, err
		}
		v.Status, v.ReturnToDefault, v.By, v.ByPatient = "inactive", toDefault, caller(c).Organization, caller(c).Patient != 0
		done, err := s.deps.Consents.File(ctx, caller(c), v, v.Number)
		if !errors.Is(err, hie.ErrStale) || match != 0 || try == maxRevocations {
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
