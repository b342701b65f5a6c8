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

// paperJSON is what a version of a consent rests on.
type paperJSON struct {
	Version   int64  `json:"version"`
	Kind      string `json:"kind"`
	Hash      string `json:"hash,omitzero"`
	MediaType string `json:"media_type,omitzero"`
	Size      int64  `json:"size"`
	Signer    string `json:"signer,omitzero"`
	Capacity  string `json:"capacity,omitzero"`
	Witness   string `json:"witness,omitzero"`
	Method    string `json:"method,omitzero"`
	Language  string `json:"language,omitzero"`
	Form      string `json:"form,omitzero"`
	FormVer   int64  `json:"form_version,omitzero"`
	Kept      bool   `json:"kept"`
	Recorded  string `json:"recorded"`
}

// listEvidence answers GET /admin/v1/consent/directives/{id}/evidence: what the versions of a consent rest on, oldest first. The
// papers themselves stay where they are.
func (s *Server) listEvidence(c *gin.Context) {
	ctx := c.Request.Context()
	record, id, err := s.consentNamed(c, mayRead)
	var byVersion map[int64][]consent.Evidence
	var versions []consent.Version
	if err == nil {
		versions, err = s.deps.Consents.History(ctx, record, id)
	}
	if err == nil {
		byVersion, err = s.deps.Forms.Evidence(ctx, record, id)
	}
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), s.reviewed(c, "consent evidence").About(record))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Evidence []paperJSON `json:"evidence"`
	}{[]paperJSON{}}
	for i := len(versions) - 1; i >= 0; i-- {
		for _, e := range byVersion[versions[i].Number] {
			out.Evidence = append(out.Evidence, paperJSON{Version: versions[i].Number, Kind: e.Kind, Hash: e.Hash, MediaType: e.MediaType, Size: e.Size,
				Signer: e.Signer, Capacity: string(e.Capacity), Witness: e.Witness, Method: e.Method, Language: e.Language, Form: e.Template,
				FormVer: e.TemplateVersion, Kept: e.Content != nil, Recorded: fhir.Instant(e.Recorded)})
		}
	}
	s.sendJSON(c, http.StatusOK, out)
}

// verifyConsent answers POST /admin/v1/consent/directives/{id}/verify {"verified", "version"}: an officer who has looked at the
// evidence says whether it holds. It is a new version: a permission whose evidence holds acts from now on, one whose
// evidence does not, no more; what it refuses acts either way.
//
// Source: FHIR R4 Consent.verification; spec consent 2.7, vector 81.
func (s *Server) verifyConsent(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Verified *bool `json:"verified"`
		Version  int64 `json:"version"`
	}
	record, id, err := s.consentNamed(c, mayRead)
	var versions []consent.Version
	if err == nil {
		versions, err = s.deps.Consents.History(ctx, record, id)
	}
	if err == nil {
		err = s.readJSON(c, &in)
	}
	switch {
	case err != nil:
	case in.Verified == nil:
		err = hie.Required("verified")
	case actor.User == "":
		err = hie.ErrForbidden
	case in.Version != versions[0].Number:
		err = hie.ErrConflict // somebody changed it since the officer looked
	}
	var v consent.Version
	if err == nil {
		v = versions[0]
		v.Verified, v.By, v.ByPatient = *in.Verified, actor.Organization, false
		if v.Content, err = consentfhir.Verified(v.Content, *in.Verified, s.deps.Now()); err == nil {
			v, err = s.keepConsent(c, v, in.Version)
		}
	}
	if errors.Is(err, hie.ErrStale) {
		err = hie.ErrConflict
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Consent  string `json:"consent"`
		Version  int64  `json:"version"`
		Verified bool   `json:"verified"`
	}{s.consentID(v), v.Number, v.Verified})
}
