package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// readConsent answers GET /fhir/Consent/{id}.
func (s *Server) readConsent(c *gin.Context) {
	s.showVersion(c, "read", func(versions []consent.Version) (consent.Version, bool) { return versions[0], true })
}

// readConsentVersion answers GET /fhir/Consent/{id}/_history/{version}.
func (s *Server) readConsentVersion(c *gin.Context) {
	s.showVersion(c, "vread", func(versions []consent.Version) (consent.Version, bool) {
		i := slices.IndexFunc(versions, func(v consent.Version) bool { return strconv.FormatInt(v.Number, 10) == c.Param("version") })
		if i < 0 {
			return consent.Version{}, false
		}
		return versions[i], true
	})
}

func (s *Server) showVersion(c *gin.Context, interaction string, choose func([]consent.Version) (consent.Version, bool)) {
	versions, ok := s.consentVersions(c, interaction)
	if !ok {
		return
	}
	v, found := choose(versions)
	if !found {
		s.fail(c, hie.ErrNotFound)
		return
	}
	s.sendConsent(c, http.StatusOK, v, "")
}

// consentHistory answers GET /fhir/Consent/{id}/_history: all versions, newest first.
func (s *Server) consentHistory(c *gin.Context) {
	versions, ok := s.consentVersions(c, "history")
	if !ok {
		return
	}
	total := len(versions)
	b := fhir.Bundle{ResourceType: "Bundle", Type: "history", Total: &total,
		Link: []fhir.BundleLink{{Relation: "self", URL: s.cfg.FHIRBase() + "/Consent/" + c.Param("id") + "/_history"}}}
	for _, v := range versions {
		resource, err := consentfhir.Render(v, s.consentID(v))
		if err != nil {
			s.fail(c, err)
			return
		}
		method, status := http.MethodPut, "200"
		if v.Number == 1 {
			method, status = http.MethodPost, "201"
		}
		b.Entry = append(b.Entry, fhir.BundleEntry{FullURL: s.cfg.FHIRBase() + "/Consent/" + s.consentID(v), Resource: resource,
			Request:  &fhir.BundleRequest{Method: method, URL: "Consent/" + s.consentID(v)},
			Response: &fhir.BundleResponse{Status: status, Etag: weakTag(v.Number), LastModified: fhir.Instant(v.Filed)}})
	}
	s.send(c, http.StatusOK, b)
}

// consentVersions returns all versions of the Consent the URL names, newest first, after recording the look. When
// not ok, the request has been answered.
func (s *Server) consentVersions(c *gin.Context, interaction string) (_ []consent.Version, ok bool) {
	ctx := c.Request.Context()
	record, id, err := s.consentNamed(c, mayRead)
	var versions []consent.Version
	if err == nil {
		versions, err = s.deps.Consents.History(ctx, record, id)
	}
	if err != nil {
		s.refuseConsent(c, interaction, record, err)
		return nil, false
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), s.consentLook(c, interaction).About(record)); err != nil {
		s.fail(c, err)
		return nil, false
	}
	return versions, true
}

// consentLook begins the event of a look at consents.
func (s *Server) consentLook(c *gin.Context, interaction string) audit.Event {
	e := s.asked(caller(c), interaction, "")
	e.Action = "R"
	e.Detail = map[string]string{"interaction": "consent " + interaction}
	return e
}

// refuseConsent records and answers a refused interaction with consents.
func (s *Server) refuseConsent(c *gin.Context, interaction string, record hie.SourcePatientID, err error) {
	status, _ := outcomeOf(err)
	if status < http.StatusInternalServerError {
		e := audit.NewEvent(audit.Refused, caller(c), s.deps.Now())
		e.Outcome, e.Detail = audit.Refusal, map[string]string{"interaction": "consent " + interaction, "status": strconv.Itoa(status)}
		if record != 0 {
			e = e.About(record)
		}
		if failed := s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), e); failed != nil {
			err = failed
		}
	}
	s.fail(c, err)
}

func (s *Server) consentID(v consent.Version) string {
	return s.deps.Sealer.ID("consent", int64(v.Record), v.ID)
}

func (s *Server) sendConsent(c *gin.Context, status int, v consent.Version, location string) {
	body, err := consentfhir.Render(v, s.consentID(v))
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Last-Modified", v.Filed.UTC().Format(http.TimeFormat))
	s.sendVersion(c, status, body, location, strconv.FormatInt(v.Number, 10))
}
