package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// Desk is what the queue of wishes asks of the store. *consentpg.Store is one; its methods say what each does.
type Desk interface {
	DeskTasks(ctx context.Context, f consent.DeskFilter) ([]consent.DeskTask, bool, error)
	DeskTask(ctx context.Context, id int64) (consent.DeskTask, error)
	SettleTask(ctx context.Context, actor hie.Actor, id int64, note string) error
}

// deskTaskJSON is something staff must see to about a patient's wishes.
type deskTaskJSON struct {
	ID      string   `json:"id"`
	Kind    string   `json:"kind"`
	Record  string   `json:"record"`
	Consent string   `json:"consent"`
	Version int64    `json:"version"`
	Other   string   `json:"other,omitzero"`
	Mark    string   `json:"mark,omitzero"`
	Opened  string   `json:"opened"`
	Due     string   `json:"due,omitzero"`
	Detail  []string `json:"detail"`
	Closed  string   `json:"closed,omitzero"`
	By      string   `json:"closed_by,omitzero"`
	Outcome string   `json:"outcome,omitzero"`
	Note    string   `json:"note,omitzero"`
}

func (s *Server) deskTaskJSON(t consent.DeskTask) deskTaskJSON {
	j := deskTaskJSON{ID: s.adminID("desk", t.ID), Kind: string(t.Kind), Record: s.patientID(t.Record), Version: t.Directive.Version, Mark: t.Mark,
		Opened: fhir.Instant(t.Opened), Detail: t.Detail, By: t.ClosedBy, Outcome: t.Outcome, Note: t.Note}
	j.Consent = s.publicConsent(consent.Directive{ID: t.Directive.ID, Record: t.Record.String()})
	if t.Other.ID != "" {
		j.Other = s.adminID("directive", mustNumber(t.Other.ID)) // it may hang on another record: a mark, not an address
	}
	if j.Detail == nil {
		j.Detail = []string{}
	}
	if !t.Due.IsZero() {
		j.Due = fhir.Instant(t.Due)
	}
	if !t.Closed.IsZero() {
		j.Closed = fhir.Instant(t.Closed)
	}
	return j
}

// mustNumber reads an id the store wrote; 0 for none.
func mustNumber(id string) int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// listDeskTasks answers GET /admin/v1/consent/tasks?kind=&closed=&patient=&after=&count=: oldest first. Officers of an
// organisation see what concerns its own sites' registrations.
func (s *Server) listDeskTasks(c *gin.Context) {
	ctx := c.Request.Context()
	f, err := s.deskFilter(c)
	var tasks []consent.DeskTask
	var more bool
	if err == nil {
		tasks, more, err = s.deps.Desk.DeskTasks(ctx, f)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Tasks []deskTaskJSON `json:"tasks"`
		Next  string         `json:"next,omitzero"`
	}{Tasks: make([]deskTaskJSON, 0, len(tasks))}
	event := s.reviewed(c, "consent task list")
	for _, t := range tasks {
		out.Tasks = append(out.Tasks, s.deskTaskJSON(t))
		event = event.About(t.Record)
	}
	if more {
		out.Next = out.Tasks[len(out.Tasks)-1].ID
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), event); err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, out)
}

func (s *Server) deskFilter(c *gin.Context) (f consent.DeskFilter, err error) {
	p, err := readListParams(c, "kind", "closed", "patient")
	if err != nil {
		return f, err
	}
	f.Limit = p.count
	if f.Organization, err = s.reviewScope(caller(c)); err != nil {
		return f, err
	}
	if f.Kind = consent.FindingKind(p.values["kind"]); f.Kind != "" && !slices.Contains(consent.FindingKinds(), f.Kind) {
		return f, hie.Invalid("kind", "must be conflict, held, unverified, renewal, majority, broken, representative or form")
	}
	if f.Closed, err = p.flag("closed"); err != nil {
		return f, err
	}
	if id := strings.TrimPrefix(p.values["patient"], "Patient/"); id != "" {
		record, ok := s.patientRecord(id)
		if !ok {
			return f, hie.ErrNotFound
		}
		f.Record = record
	}
	if after := p.values["after"]; after != "" {
		if f.After, err = s.openAdminID("desk", after); err != nil {
			return f, errAfter
		}
	}
	return f, nil
}

// settleDeskTask answers POST /admin/v1/consent/tasks/{id}/settle {"note"}.
func (s *Server) settleDeskTask(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Note string `json:"note"`
	}
	only, err := s.reviewScope(actor)
	var t consent.DeskTask
	if err == nil {
		var id int64
		if id, err = s.openAdminID("desk", c.Param("id")); err != nil {
			err = hie.ErrNotFound
		} else if t, err = s.deps.Desk.DeskTask(ctx, id); err == nil && only != "" && t.Organization != only {
			err = hie.ErrNotFound
		}
	}
	if err == nil {
		err = s.readJSON(c, &in)
	}
	switch {
	case err != nil:
	case actor.User == "":
		err = hie.ErrForbidden
	case strings.TrimSpace(in.Note) == "" || len(in.Note) > maxClaimText:
		err = hie.Invalid("note", "must say in at most 4000 bytes what was done")
	default:
		if err = s.deps.Desk.SettleTask(ctx, actor, t.ID, in.Note); err == nil {
			t, err = s.deps.Desk.DeskTask(ctx, t.ID)
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.deskTaskJSON(t))
}
