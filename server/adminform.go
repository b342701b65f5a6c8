package server

import (
	"net/http"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json/jsontext"
)

// formJSON is one version of a form; Form is what it says.
type formJSON struct {
	Version    int64          `json:"version"`
	State      string         `json:"state"`
	Form       jsontext.Value `json:"form"`
	Proposed   string         `json:"proposed,omitzero"`
	ProposedBy string         `json:"proposed_by,omitzero"`
	Decided    string         `json:"decided,omitzero"`
	DecidedBy  string         `json:"decided_by,omitzero"`
}

func asFormJSON(t consent.Template) formJSON {
	j := formJSON{Version: t.Version, State: string(t.State), Form: consentfhir.WriteTemplate(t), ProposedBy: t.ProposedBy, DecidedBy: t.DecidedBy}
	if !t.Proposed.IsZero() {
		j.Proposed = fhir.Instant(t.Proposed)
	}
	if !t.Decided.IsZero() {
		j.Decided = fhir.Instant(t.Decided)
	}
	return j
}

// listForms answers GET /admin/v1/consent/forms?state=: every version of every form, by id and version. There are few.
func (s *Server) listForms(c *gin.Context) {
	p, err := readListParams(c, "state")
	var all []consent.Template
	if err == nil {
		all, err = s.deps.Forms.Templates(c.Request.Context())
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Forms []formJSON `json:"forms"`
	}{[]formJSON{}}
	for _, t := range all {
		if state := p.values["state"]; state == "" || state == string(t.State) {
			out.Forms = append(out.Forms, asFormJSON(t))
		}
	}
	s.sendJSON(c, http.StatusOK, out)
}

// proposeForm answers POST /admin/v1/consent/forms with a form: the next version of it, as a draft.
func (s *Server) proposeForm(c *gin.Context) {
	body, err := s.body(c)
	var t consent.Template
	if err == nil {
		t, err = consentfhir.ReadTemplate(body)
	}
	if err == nil && caller(c).User == "" {
		err = hie.ErrForbidden
	}
	if err == nil {
		t, err = s.deps.Forms.ProposeTemplate(c.Request.Context(), caller(c), t)
	}
	s.sendForm(c, t, err)
}

// turnedForm is which version of which form is turned.
type turnedForm struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
}

// decideForm answers POST /admin/v1/consent/forms/decide {"id", "version", "approve"}: somebody else than who proposed a
// draft puts it in force or rejects it.
func (s *Server) decideForm(c *gin.Context) {
	var in struct {
		turnedForm
		Approve *bool `json:"approve"`
	}
	err := s.readJSON(c, &in)
	var t consent.Template
	switch {
	case err != nil:
	case in.Approve == nil:
		err = hie.Required("approve")
	case caller(c).User == "":
		err = hie.ErrForbidden
	default:
		t, err = s.deps.Forms.DecideTemplate(c.Request.Context(), caller(c), strings.TrimSpace(in.ID), in.Version, *in.Approve)
	}
	s.sendForm(c, t, err)
}

// retireForm answers POST /admin/v1/consent/forms/retire {"id", "version"}: it is offered no more.
func (s *Server) retireForm(c *gin.Context) {
	var in turnedForm
	err := s.readJSON(c, &in)
	if err == nil && caller(c).User == "" {
		err = hie.ErrForbidden
	}
	var t consent.Template
	if err == nil {
		t, err = s.deps.Forms.RetireTemplate(c.Request.Context(), caller(c), in.ID, in.Version)
	}
	s.sendForm(c, t, err)
}

func (s *Server) sendForm(c *gin.Context, t consent.Template, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, asFormJSON(t))
}
