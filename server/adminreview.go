package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// Privacy officers review emergencies. Those of an organisation see the claims its own people made, and those that opened
// registrations of its sites, which they may contest; those of the network see all.

// reviewJSON is a claim as a privacy officer sees it.
type reviewJSON struct {
	ID           string   `json:"id"`
	Opened       string   `json:"opened"`
	Until        string   `json:"until"`
	Organization string   `json:"organization"`
	Client       string   `json:"client"`
	User         string   `json:"user"`
	UserName     string   `json:"user_name,omitzero"`
	Role         string   `json:"role"`
	Reason       string   `json:"reason"`
	Text         string   `json:"text"`
	Attested     []string `json:"attested"`
	// Records are the records the claim opened, as Patient ids; empty when it named nobody known here.
	Records []string `json:"records"`
	// Due is when it should be done; Overdue, Escalated and Alarm say what has come of waiting, and of the claimant's
	// other claims.
	Due       string `json:"due"`
	Overdue   bool   `json:"overdue"`
	Escalated string `json:"escalated,omitzero"`
	// Claims and Unjustified count the claimant's claims in the 30 days up to this one.
	Claims      int    `json:"claims"`
	Unjustified int    `json:"unjustified"`
	Alarm       bool   `json:"alarm"`
	Contested   string `json:"contested,omitzero"`
	ContestedBy string `json:"contested_by,omitzero"`
	Contest     string `json:"contest,omitzero"`
	// Ended says that it was ended before Until, by whom and why.
	Ended     string `json:"ended,omitzero"`
	EndedBy   string `json:"ended_by,omitzero"`
	EndReason string `json:"end_reason,omitzero"`
	Closed    string `json:"closed,omitzero"`
	ClosedBy  string `json:"closed_by,omitzero"`
	Finding   string `json:"finding,omitzero"`
	Note      string `json:"note,omitzero"`
}

func (s *Server) reviewJSON(t consent.Task) reviewJSON {
	r := reviewJSON{ID: s.adminID("review", t.ID), Opened: fhir.Instant(t.Opened), Until: fhir.Instant(t.Until),
		Organization: string(t.Actor.Organization), Client: string(t.Actor.Client), User: t.Actor.User, UserName: t.Actor.UserName,
		Role: t.Claim.Role, Reason: t.Claim.ReasonCode, Text: t.Claim.Text, Attested: t.Claim.Attested, Records: []string{},
		Due: fhir.Instant(t.Due()), Overdue: t.Overdue(s.deps.Now()), Claims: t.Claims, Unjustified: t.Unjustified, Alarm: t.Alarm(),
		ContestedBy: t.ContestedBy, Contest: t.Contest, EndedBy: t.EndedBy, EndReason: t.EndReason, ClosedBy: t.ClosedBy, Finding: t.Finding, Note: t.Note}
	for _, record := range t.Records {
		r.Records = append(r.Records, s.patientID(record))
	}
	for to, at := range map[*string]time.Time{&r.Closed: t.Closed, &r.Escalated: t.Escalated, &r.Contested: t.Contested, &r.Ended: t.Ended} {
		if !at.IsZero() {
			*to = fhir.Instant(at)
		}
	}
	return r
}

// reviewScope returns the organisation whose claims the caller sees, "" for all.
func (s *Server) reviewScope(actor hie.Actor) (hie.OrgID, error) {
	o, known := s.deps.Network().Organization(actor.Organization)
	if !known {
		return "", hie.ErrForbidden
	}
	if o.Kind == networkKind {
		return "", nil
	}
	return o.ID, nil
}

// listReviews answers GET /admin/v1/reviews?closed=&overdue=&escalated=&contested=&alarm=&holds=&after=&count=: oldest first.
func (s *Server) listReviews(c *gin.Context) {
	f, err := s.reviewFilter(c)
	var tasks []consent.Task
	var more bool
	if err == nil {
		tasks, more, err = s.deps.Emergencies.Tasks(c.Request.Context(), f)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Reviews []reviewJSON `json:"reviews"`
		Next    string       `json:"next,omitzero"`
	}{Reviews: make([]reviewJSON, 0, len(tasks))}
	event := s.reviewed(c, "review list")
	for _, t := range tasks {
		if t, err = s.ownPart(c.Request.Context(), f.Organization, t); err != nil {
			s.fail(c, err)
			return
		}
		out.Reviews = append(out.Reviews, s.reviewJSON(t))
		event = event.About(t.Records...)
	}
	if more {
		out.Next = out.Reviews[len(out.Reviews)-1].ID
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), event); err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, out)
}

func (s *Server) reviewFilter(c *gin.Context) (f consent.TaskFilter, err error) {
	p, err := readListParams(c, "closed", "overdue", "escalated", "contested", "alarm", "holds")
	if err != nil {
		return f, err
	}
	f.Limit = p.count
	if f.Organization, err = s.reviewScope(caller(c)); err != nil {
		return f, err
	}
	var overdue, holds bool
	for name, to := range map[string]*bool{"closed": &f.Closed, "overdue": &overdue, "holds": &holds, "escalated": &f.Escalated, "contested": &f.Contested, "alarm": &f.Alarm} {
		if *to, err = p.flag(name); err != nil {
			return f, err
		}
	}
	if holds {
		f.HoldsAt = s.deps.Now()
	}
	if overdue {
		f.OpenedBefore = s.deps.Now().Add(-consent.ReviewDue)
	}
	if after := p.values["after"]; after != "" {
		if f.After, err = s.openAdminID("review", after); err != nil {
			return f, errAfter
		}
	}
	return f, nil
}

// ownPart returns t as an officer of only may see it, "" for one of the network: of a claim of other people, which of
// their own sites' registrations it opened.
func (s *Server) ownPart(ctx context.Context, only hie.OrgID, t consent.Task) (consent.Task, error) {
	if only == "" || t.Actor.Organization == only {
		return t, nil
	}
	patients, err := s.deps.Patients.Records(ctx, t.Records)
	if err != nil {
		return t, err
	}
	t.Records = nil
	for _, p := range patients {
		if site, known := s.deps.Network().Site(p.Site); known && site.Org == only {
			t.Records = append(t.Records, p.Record)
		}
	}
	return t, nil
}

// review returns the task the URL names, as far as the caller may see it.
func (s *Server) review(c *gin.Context) (consent.Task, error) {
	only, err := s.reviewScope(caller(c))
	if err != nil {
		return consent.Task{}, err
	}
	id, err := s.openAdminID("review", c.Param("id"))
	if err != nil {
		return consent.Task{}, hie.ErrNotFound
	}
	t, err := s.deps.Emergencies.Task(c.Request.Context(), id)
	if err != nil {
		return t, err
	}
	if only != "" && t.Actor.Organization != only && !slices.Contains(t.Owners, only) {
		return consent.Task{}, hie.ErrNotFound
	}
	return s.ownPart(c.Request.Context(), only, t)
}

// readReview answers GET /admin/v1/reviews/{id}.
func (s *Server) readReview(c *gin.Context) {
	t, err := s.review(c)
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), s.reviewed(c, "review read").About(t.Records...))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.reviewJSON(t))
}

// closeReview answers POST /admin/v1/reviews/{id}/close {"finding": "justified" | "unjustified", "note"}.
func (s *Server) closeReview(c *gin.Context) {
	var in struct {
		Finding string `json:"finding"`
		Note    string `json:"note"`
	}
	t, err := s.review(c)
	if err == nil {
		err = s.readJSON(c, &in)
	}
	if err == nil {
		var only hie.OrgID
		if only, err = s.reviewScope(caller(c)); err == nil {
			err = t.MayClose(caller(c), only == "")
		}
	}
	switch {
	case err != nil:
	case in.Finding != "justified" && in.Finding != "unjustified":
		err = hie.Invalid("finding", "must be justified or unjustified")
	case strings.TrimSpace(in.Note) == "" || len(in.Note) > maxClaimText:
		err = hie.Invalid("note", "must say in at most 4000 bytes what the finding rests on")
	default:
		err = s.deps.Emergencies.Close(c.Request.Context(), caller(c), t.ID, !t.Contested.IsZero(), in.Finding, in.Note)
	}
	s.sendReview(c, t.ID, err)
}

// contestReview answers POST /admin/v1/reviews/{id}/contest {"reason"}: an organisation whose registrations were opened
// says that it was no emergency. From then on only the network's officers settle it.
//
// Source: spec consent, scenario 9.
func (s *Server) contestReview(c *gin.Context) {
	var in struct {
		Reason string `json:"reason"`
	}
	t, err := s.review(c)
	if err == nil {
		err = s.readJSON(c, &in)
	}
	switch actor := caller(c); {
	case err != nil:
	case actor.User == "" || !slices.Contains(t.Owners, actor.Organization) || t.Actor.Organization == actor.Organization:
		err = hie.ErrForbidden
	case strings.TrimSpace(in.Reason) == "" || len(in.Reason) > maxClaimText:
		err = hie.Invalid("reason", "must say in at most 4000 bytes what speaks against it")
	default:
		err = s.deps.Emergencies.Contest(c.Request.Context(), actor, t.ID, in.Reason)
	}
	s.sendReview(c, t.ID, err)
}

// endReview answers POST /admin/v1/reviews/{id}/end {"reason"}: an officer of the claimant's organisation or of the network ends
// the emergency before its time. Its review stays.
func (s *Server) endReview(c *gin.Context) {
	var in struct {
		Reason string `json:"reason"`
	}
	t, err := s.review(c)
	if err == nil {
		err = s.readJSON(c, &in)
	}
	if err == nil {
		var only hie.OrgID
		if only, err = s.reviewScope(caller(c)); err == nil {
			err = t.MayEnd(caller(c), only == "", in.Reason)
		}
	}
	if err == nil {
		err = s.deps.Emergencies.End(c.Request.Context(), caller(c), t.ID, strings.TrimSpace(in.Reason))
	}
	s.sendReview(c, t.ID, err)
}

// sendReview answers with the task as it is now, or with err.
func (s *Server) sendReview(c *gin.Context, id int64, err error) {
	var t consent.Task
	if err == nil {
		t, err = s.deps.Emergencies.Task(c.Request.Context(), id)
	}
	if err == nil {
		var only hie.OrgID
		if only, err = s.reviewScope(caller(c)); err == nil {
			t, err = s.ownPart(c.Request.Context(), only, t)
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.reviewJSON(t))
}

// holdNotice answers POST /admin/v1/reviews/{id}/hold {"until", "reason"}: the patient is told of the emergency later,
// because somebody's safety asks for it. Only the network's officers hold a notice back.
//
// Source: spec consent, scenario 9 (notice delayed only by a recorded safety reason).
func (s *Server) holdNotice(c *gin.Context) {
	var in struct {
		Until  string `json:"until"`
		Reason string `json:"reason"`
	}
	t, err := s.review(c)
	if err == nil {
		err = s.readJSON(c, &in)
	}
	if err == nil && caller(c).User == "" {
		err = hie.ErrForbidden
	}
	var until time.Time
	if err == nil {
		if until, err = time.Parse(time.RFC3339, in.Until); err != nil {
			err = hie.Invalid("until", "must be an instant with offset")
		}
	}
	if err == nil {
		err = consent.CheckHold(s.deps.Now(), until, in.Reason)
	}
	if err == nil {
		err = s.deps.Emergencies.HoldNotices(c.Request.Context(), caller(c), t, until, in.Reason)
	}
	s.sendReview(c, t.ID, err)
}

// listNotices answers GET /admin/v1/notices?patient=&count=: what the patient is told beside their access history,
// newest first. A notice that is held back is not shown to the patient, nor that there is one.
func (s *Server) listNotices(c *gin.Context) {
	p, err := readListParams(c, "patient")
	var r *reading
	if err == nil {
		r, err = s.readReport(c, "notices", p)
	}
	var notices []consent.Notice
	if err == nil {
		notices, err = s.deps.Emergencies.Notices(c.Request.Context(), r.Records, p.count)
	}
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), s.reviewed(c, "notices").About(r.Records...))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	type noticeJSON struct {
		ID      string `json:"id"`
		Kind    string `json:"kind"`
		Record  string `json:"record"`
		Created string `json:"created"`
		// What only officers see.
		HeldUntil string `json:"held_until,omitzero"`
		Reason    string `json:"held_reason,omitzero"`
	}
	out := struct {
		Notices []noticeJSON `json:"notices"`
	}{[]noticeJSON{}}
	for _, n := range notices {
		officer := caller(c).Patient == 0
		if !officer && !n.Shown(s.deps.Now()) {
			continue
		}
		j := noticeJSON{ID: s.adminID("notice", n.ID), Kind: n.Kind, Record: s.patientID(n.Record), Created: fhir.Instant(n.Created)}
		if officer && !n.HeldUntil.IsZero() {
			j.HeldUntil, j.Reason = fhir.Instant(n.HeldUntil), n.HeldReason
		}
		out.Notices = append(out.Notices, j)
	}
	s.sendJSON(c, http.StatusOK, out)
}

func (s *Server) reviewed(c *gin.Context, interaction string) audit.Event {
	e := audit.NewEvent(audit.AuditRead, caller(c), s.deps.Now())
	e.Action, e.Detail = "R", map[string]string{"interaction": interaction}
	return e
}
