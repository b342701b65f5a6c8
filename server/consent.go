package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// Consents is what the Consent doors ask of the store. *consentpg.Store is one; its methods say what each does.
type Consents interface {
	File(ctx context.Context, actor hie.Actor, v consent.Version, expected int64) (consent.Version, error)
	Current(ctx context.Context, records []hie.SourcePatientID) ([]consent.Version, error)
	History(ctx context.Context, record hie.SourcePatientID, id int64) ([]consent.Version, error)
	Load(ctx context.Context, records []hie.SourcePatientID) (consent.OnFile, error)
}

// readFiling reads a Consent that is filed for a patient the caller may file for.
func (s *Server) readFiling(c *gin.Context) (consent.Version, error) {
	body, err := s.body(c)
	if err != nil {
		return consent.Version{}, err
	}
	return s.filing(c.Request.Context(), caller(c), body)
}

// filing reads resource as a Consent that actor files, if they may file for its patient. Its dates are those of the
// zone of the patient's site.
func (s *Server) filing(ctx context.Context, actor hie.Actor, resource []byte) (consent.Version, error) {
	now := s.deps.Now()
	_, patient, err := consentfhir.ReadFiling(resource, now, time.UTC)
	if err != nil {
		return consent.Version{}, err
	}
	record, err := s.consentPatient(ctx, actor, patient)
	if err != nil {
		return consent.Version{}, err
	}
	_, home, err := s.consentRight(ctx, actor, record)
	if err != nil {
		return consent.Version{}, err
	}
	v, _, err := consentfhir.ReadFiling(resource, now, s.zoneOf(home.Site))
	if err != nil {
		return consent.Version{}, err
	}
	v.Record, v.By, v.ByPatient = record, actor.Organization, actor.Patient != 0 && actor.Representative == ""
	if actor.Representative != "" { // whoever signs for a patient signs with their own name
		d, err := consentfhir.Directive(v)
		if err != nil {
			return consent.Version{}, err
		}
		if len(d.Performers) != 1 || d.Performers[0] != actor.Representative {
			return consent.Version{}, &hie.InvalidError{Path: "Consent.performer", Rule: "must be who acts in the patient's name, alone", Code: "business-rule"}
		}
	}
	return v, nil
}

// zoneOf returns the zone of a site's dates, UTC when it has none we know.
func (s *Server) zoneOf(id hie.SiteID) *time.Location {
	return s.deps.Network().Zone(id)
}

// keepConsent files v: from here on every decision follows it.
func (s *Server) keepConsent(c *gin.Context, v consent.Version, expected int64) (consent.Version, error) {
	return s.deps.Consents.File(c.Request.Context(), caller(c), v, expected)
}

// createConsent answers POST /fhir/Consent. Once it has answered, every decision follows the new directive.
//
// Source: IHE PCF ITI-108; spec consent 2.14.
func (s *Server) createConsent(c *gin.Context) {
	v, err := s.readFiling(c)
	if err == nil {
		v, err = s.keepConsent(c, v, 0)
	}
	if err != nil {
		s.refuseConsent(c, "create", 0, err)
		return
	}
	s.sendConsent(c, http.StatusCreated, v, s.consentLocation(v))
}

// updateConsent answers PUT /fhir/Consent/{id}; If-Match must name the current version. The patient stays.
func (s *Server) updateConsent(c *gin.Context) {
	record, id, err := s.consentNamed(c, mayFile)
	if err != nil {
		s.refuseConsent(c, "update", record, err)
		return
	}
	v, err := s.revision(c, record)
	if err == nil {
		var expected int64
		if expected, err = requiredMatch(c); err == nil {
			v.ID = id
			err = s.mayReplace(c.Request.Context(), v, expected)
		}
		if err == nil {
			v, err = s.keepConsent(c, v, expected)
		}
	}
	if err != nil {
		s.refuseConsent(c, "update", record, err)
		return
	}
	s.sendConsent(c, http.StatusOK, v, "")
}

// mayReplace checks that v may be the version after expected, if that is the current one; if not, filing v says so.
func (s *Server) mayReplace(ctx context.Context, v consent.Version, expected int64) error {
	versions, err := s.deps.Consents.History(ctx, v.Record, v.ID)
	if err != nil || versions[0].Number != expected {
		return err
	}
	home, err := s.deps.Patients.Home(ctx, v.Record)
	if err != nil {
		return err
	}
	last, err1 := consentfhir.Directive(versions[0])
	next, err2 := consentfhir.Directive(v)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return s.deps.ConsentEnv().MayReplace(last, next, home.Site, s.deps.Now())
}

// revision reads the body of an update of a directive of record.
func (s *Server) revision(c *gin.Context, record hie.SourcePatientID) (consent.Version, error) {
	v, err := s.readFiling(c)
	if err != nil {
		return v, err
	}
	if v.Record != record {
		return v, &hie.InvalidError{Path: "Consent.patient", Rule: "must stay the patient the consent was filed for", Code: "business-rule"}
	}
	var h fhir.Header
	if err := fhir.Decode(v.Content, &h); err != nil {
		return v, err
	}
	if h.ID != c.Param("id") {
		return v, &hie.InvalidError{Path: "Consent.id", Rule: "must be the id of the URL", Code: "value"}
	}
	return v, nil
}

func requiredMatch(c *gin.Context) (int64, error) {
	v, err := ifMatch(c)
	if err == nil && v == 0 {
		err = hie.Required("If-Match")
	}
	return v, err
}
