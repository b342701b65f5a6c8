package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/sheet"
	"github.com/gin-gonic/gin"
)

// maxTableRows bounds a table; one that is cut says so in its first row.
const maxTableRows = 10_000

// tableColumns are the columns of a table of events.
var tableColumns = []string{"time", "event", "kind", "outcome", "organization", "client", "user", "user name", "roles", "purposes", "patients", "site", "classes",
	"documents", "emergency", "reasons"}

// exportEvents answers POST /admin/v1/audit/table: the events a search for AuditEvents selects (its parameters as a form,
// and besides purpose and emergency), newest first, as a signed table. The look is recorded first.
func (s *Server) exportEvents(c *gin.Context) {
	ctx := c.Request.Context()
	v, err := s.viewOf(ctx, caller(c))
	if err == nil && v.own != nil {
		err = hie.ErrForbidden
	}
	var t eventTable
	var q audit.Query
	if err == nil {
		t, q, err = s.tableQuery(c, v)
	}
	if err == nil {
		err = s.fillTable(ctx, v, q, &t)
	}
	if err == nil {
		err = s.recordLook(ctx, v, "table", t.raw, q.Records, len(t.events))
	}
	var signed string
	if err == nil {
		signed, err = s.deps.SignTable(s.writeTable(t, q))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Disposition", `attachment; filename="access.csv"`)
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(signed)) // rows, and then a signature
}

// An eventTable is what goes into a table.
type eventTable struct {
	raw       string
	purpose   string
	emergency bool
	events    []audit.Event
	cut       bool
}

func (t eventTable) wants(e audit.Event) bool {
	return (t.purpose == "" || slices.Contains(e.Actor.Purposes, hie.Purpose(t.purpose))) && (!t.emergency || e.Emergency)
}

func (s *Server) tableQuery(c *gin.Context, v view) (t eventTable, q audit.Query, err error) {
	ps, ctl, err := s.controls(c, 500, 500)
	if err != nil {
		return t, q, err
	}
	if ctl.cursor != "" {
		return t, q, hie.Invalid("_cursor", "is not needed: a table is whole")
	}
	t.raw = rawParams(ps)
	var sought []fhir.Param
	for _, p := range ps {
		switch p.Name {
		case "purpose":
			t.purpose = fhir.ParseToken(p.Values[0]).Code
		case "emergency":
			t.emergency = fhir.Text(p.Values[0]) == "true"
		default:
			sought = append(sought, p)
		}
	}
	ctl.strict = true // what is not understood would be missing from the table unseen
	q, _, _, err = s.auditQuery(c.Request.Context(), v, sought, ctl)
	v.restrict(&q)
	q.Limit = ctl.count
	return t, q, err
}

func (s *Server) fillTable(ctx context.Context, v view, q audit.Query, t *eventTable) error {
	for more := true; more; {
		events, further, err := s.deps.Trail.Search(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range events {
			if shown, ok := v.show(e); ok && t.wants(shown) {
				t.events = append(t.events, shown)
			}
		}
		if more = further; more {
			q.Before = events[len(events)-1].ID
		}
		if len(t.events) > maxTableRows {
			t.events, t.cut, more = t.events[:maxTableRows], true, false
		}
	}
	return nil
}

// writeTable writes when it was made, over which time and whether it is whole, then the rows.
func (s *Server) writeTable(t eventTable, q audit.Query) string {
	var b strings.Builder
	w := sheet.NewWriter(&b)
	bound := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return fhir.Instant(at)
	}
	w.Row("made", fhir.Instant(s.deps.Now()), "from", bound(q.From), "to", bound(q.To), "rows", strconv.Itoa(len(t.events)), "whole", strconv.FormatBool(!t.cut))
	w.Row(tableColumns...)
	for _, e := range t.events {
		patients := make([]string, len(e.Records))
		for i, r := range e.Records {
			patients[i] = s.patientID(r)
		}
		purposes := make([]string, len(e.Actor.Purposes))
		for i, p := range e.Actor.Purposes {
			purposes[i] = string(p)
		}
		documents := ""
		if n := max(len(e.Documents), e.Released); n > 0 {
			documents = strconv.Itoa(n)
		}
		w.Row(fhir.Instant(e.Time), e.ID, string(e.Kind), string(e.Outcome), string(e.Actor.Organization), string(e.Actor.Client), e.Actor.User, e.Actor.UserName,
			strings.Join(e.Actor.Roles, " "), strings.Join(purposes, " "), strings.Join(patients, " "), string(e.Site), strings.Join(e.Classes, " "), documents,
			strconv.FormatBool(e.Emergency), strings.Join(e.Reasons, " "))
	}
	_ = w.Flush() // a Builder takes everything
	return b.String()
}
