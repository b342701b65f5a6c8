package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// Trail is what the AuditEvent doors ask of the audit trail.
type Trail interface {
	// Search returns events newest first, and whether there are more.
	Search(ctx context.Context, q audit.Query) (events []audit.Event, more bool, err error)
	// Event returns one event, or hie.ErrNotFound.
	Event(ctx context.Context, id string) (audit.Event, error)
}

// view is what one caller may see of the trail. The zero view sees nothing.
type view struct {
	// own are the records of the patient whose own access history this is; nil for an auditor.
	own []hie.SourcePatientID
	// orgs are the organisations whose acts an auditor sees, nil for those of all.
	orgs []hie.OrgID
	// actor is who looks.
	actor hie.Actor
}

// viewOf says what the caller may see: a patient the history of their own records; an auditor or privacy officer
// what their organisation and its units did, and one of the network itself everything. Others get hie.ErrForbidden.
//
// Source: spec federation 2.7 (separation of duties) and 3.3; issue 2, "audit".
func (s *Server) viewOf(ctx context.Context, actor hie.Actor) (view, error) {
	if actor.Patient != 0 {
		p, err := s.deps.Patients.PersonOf(ctx, actor.Patient)
		if err != nil {
			return view{}, err
		}
		v := view{own: []hie.SourcePatientID{actor.Patient}, actor: actor}
		for _, m := range p.Members {
			if m.Link == hie.LinkConfirmed && m.Record != actor.Patient {
				v.own = append(v.own, m.Record) // a record that is theirs only perhaps is perhaps somebody else's
			}
		}
		return v, nil
	}
	if !actor.HasRole(hie.RoleAuditor) && !actor.HasRole(hie.RolePrivacyOfficer) {
		return view{}, hie.ErrForbidden
	}
	n := s.deps.Network()
	own, known := n.Organization(actor.Organization)
	if !known {
		return view{}, hie.ErrForbidden
	}
	v := view{actor: actor}
	if own.Kind != networkKind {
		v.orgs = []hie.OrgID{}
		for _, o := range n.Organizations() {
			if n.Within(o.ID, own.ID) {
				v.orgs = append(v.orgs, o.ID)
			}
		}
	}
	return v, nil
}

// networkKind is the kind of the organisation that runs the exchange.
const networkKind = "network"

// restrict narrows q to what v may see.
func (v view) restrict(q *audit.Query) {
	if v.own != nil {
		q.Records = v.own
		kinds := slices.Clone(audit.PatientKinds)
		if q.Kinds != nil {
			kinds = slices.DeleteFunc(kinds, func(k audit.Kind) bool { return !slices.Contains(q.Kinds, k) })
		}
		q.Kinds = kinds
	}
	switch {
	case v.orgs == nil:
	case q.Organizations == nil:
		q.Organizations = v.orgs
	default:
		q.Organizations = slices.DeleteFunc(slices.Clone(q.Organizations), func(o hie.OrgID) bool { return !slices.Contains(v.orgs, o) })
	}
}

// show returns what v may see of e.
func (v view) show(e audit.Event) (audit.Event, bool) {
	if v.own != nil {
		return audit.ForPatient(e, v.own)
	}
	return e, v.orgs == nil || slices.Contains(v.orgs, e.Actor.Organization)
}

// searchAuditEvents answers GET /fhir/AuditEvent and POST _search (ITI-81): newest first.
func (s *Server) searchAuditEvents(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	v, err := s.viewOf(ctx, actor)
	if err != nil {
		s.fail(c, err)
		return
	}
	ps, ctl, err := s.controls(c, 50, 500)
	if err != nil {
		s.fail(c, err)
		return
	}
	q, named, unknown, err := s.auditQuery(ctx, v, ps, ctl)
	if err != nil {
		s.fail(c, err)
		return
	}
	q.Limit = ctl.count
	v.restrict(&q)
	events, more, err := s.deps.Trail.Search(ctx, q)
	if err != nil {
		s.fail(c, err)
		return
	}
	if err := s.recordLook(ctx, v, "search", rawParams(ps), named, len(events)); err != nil {
		s.fail(c, err)
		return
	}
	base := s.cfg.FHIRBase() + "/AuditEvent"
	next := ""
	if more {
		q.Before = events[len(events)-1].ID
		next = base + "?" + encodeParams([]fhir.Param{{Name: "_count", Values: []string{strconv.Itoa(ctl.count)}},
			{Name: "_cursor", Values: []string{s.deps.Sealer.Seal(auditCursor(actor), sealedQuery(q))}}})
	}
	var entries []fhir.BundleEntry
	for _, e := range events {
		if shown, ok := v.show(e); ok {
			entries = append(entries, searchEntry(base+"/"+e.ID, fhir.Encode(s.auditWriter().Event(shown))))
		}
	}
	s.sendSearchset(c, base, next, nil, entries, unknownIssues(unknown))
}

// auditQuery reads what is asked: a cursor alone, which carries its whole query, or search parameters. named are the
// records a patient parameter led to.
func (s *Server) auditQuery(ctx context.Context, v view, ps []fhir.Param, ctl searchControls) (q audit.Query, named []hie.SourcePatientID, unknown []string, err error) {
	if ctl.countOnly {
		return q, nil, nil, &hie.InvalidError{Path: "_summary", Rule: "cannot be count: the trail is read page by page", Code: "not-supported"}
	}
	if ctl.cursor != "" {
		b, err := s.deps.Sealer.Open(auditCursor(v.actor), ctl.cursor)
		if err != nil || len(ps) > 0 {
			return q, nil, nil, errCursor
		}
		q, err = openQuery(b)
		return q, q.Records, nil, err
	}
	sought, unknown, err := auditfhir.ParseSearch(ps, s.deps.Sealer)
	if err != nil {
		return q, nil, nil, err
	}
	if err := ctl.refuseUnknown(unknown); err != nil {
		return q, nil, nil, err
	}
	q = sought.Query
	if v.own != nil {
		return q, v.own, unknown, nil // whichever patient is named, it is one's own history
	}
	if !sought.Dated {
		return q, nil, nil, hie.Required("date")
	}
	if sought.Named {
		if q.Records, err = s.auditRecords(ctx, sought); err != nil {
			return q, nil, nil, err
		}
	}
	return q, q.Records, unknown, nil
}

// auditRecords returns the records of the patients named: whole persons, since a history follows the person. An unknown
// patient adds none. The result is not nil.
func (s *Server) auditRecords(ctx context.Context, sought auditfhir.Search) ([]hie.SourcePatientID, error) {
	out := []hie.SourcePatientID{}
	for _, r := range sought.Patients {
		p, err := s.deps.Patients.PersonOf(ctx, r)
		if err != nil && !errors.Is(err, hie.ErrNotFound) {
			return nil, err
		}
		out = append(out, p.Records()...)
	}
	for _, id := range sought.Identifiers {
		p, err := s.deps.Patients.Resolve(ctx, id)
		if err != nil && !errors.Is(err, hie.ErrNotFound) {
			return nil, err
		}
		out = append(out, p.Records()...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// readAuditEvent answers GET /fhir/AuditEvent/{id}. What the caller may not see is not there.
func (s *Server) readAuditEvent(c *gin.Context) {
	ctx := c.Request.Context()
	v, err := s.viewOf(ctx, caller(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	e, err := s.deps.Trail.Event(ctx, c.Param("id"))
	if err != nil {
		s.fail(c, err)
		return
	}
	shown, ok := v.show(e)
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	if err := s.recordLook(ctx, v, "read", "", shown.Records, 1); err != nil {
		s.fail(c, err)
		return
	}
	s.send(c, http.StatusOK, s.auditWriter().Event(shown))
}

// recordLook records that the trail was read, before the answer: reading it is itself on record.
func (s *Server) recordLook(ctx context.Context, v view, interaction, query string, named []hie.SourcePatientID, n int) error {
	e := audit.NewEvent(audit.AuditRead, v.actor, s.deps.Now()).About(named...)
	e.Action, e.Query = "R", query
	e.Detail = map[string]string{"interaction": interaction, "events": strconv.Itoa(n)}
	return s.deps.Audit.Record(context.WithoutCancel(ctx), e)
}

func (s *Server) auditWriter() auditfhir.Writer {
	n := s.deps.Network()
	return auditfhir.Writer{Base: s.cfg.FHIRBase(), Sealer: s.deps.Sealer, Name: func(id hie.OrgID) string {
		o, _ := n.Organization(id)
		return o.Name
	}}
}

// auditCursor binds a cursor to who may go on with it.
func auditCursor(a hie.Actor) string {
	return "AuditEvent " + string(a.Client) + " " + string(a.Organization) + " " + a.User + " " + a.Patient.String()
}

// wireQuery is an audit.Query inside a sealed cursor. Who may see what is applied again on every page.
type wireQuery struct {
	From, To      time.Time
	Records       []hie.SourcePatientID
	Organizations []hie.OrgID
	User          string
	Kinds         []audit.Kind
	Outcomes      []audit.Outcome
	Before        string
}

func sealedQuery(q audit.Query) []byte {
	b, err := json.Marshal(wireQuery{From: q.From, To: q.To, Records: q.Records, Organizations: q.Organizations, User: q.User,
		Kinds: q.Kinds, Outcomes: q.Outcomes, Before: q.Before})
	if err != nil {
		panic("server: seal a query: " + err.Error()) // times, numbers and strings always encode
	}
	return b
}

func openQuery(b []byte) (audit.Query, error) {
	var w wireQuery
	if err := json.Unmarshal(b, &w); err != nil {
		return audit.Query{}, errCursor
	}
	return audit.Query{From: w.From, To: w.To, Records: w.Records, Organizations: w.Organizations, User: w.User,
		Kinds: w.Kinds, Outcomes: w.Outcomes, Before: w.Before}, nil
}
