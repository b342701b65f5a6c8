package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// Flagging says of events why they may be worth a look, from the trail and the index.
type Flagging struct {
	Trail    consent.SearchTrail
	PersonOf func(ctx context.Context, record hie.SourcePatientID) (mpi.Person, error)
	Records  func(ctx context.Context, records []hie.SourcePatientID) ([]mpi.SourcePatient, error)
	Network  func() *directory.Network
}

// maxPast bounds how many acts of one person are read for one look.
const maxPast = 5000

// A pastKey names the past of one person up to a day's end.
type pastKey struct {
	org  hie.OrgID
	user string
	day  time.Time
}

// Flags returns the flags of events, in their order, nil for an event without one.
func (f *Flagging) Flags(ctx context.Context, events []audit.Event) ([][]audit.Flag, error) {
	pasts, persons := map[pastKey][]audit.Event{}, map[hie.SourcePatientID]audit.Surrounding{}
	out := make([][]audit.Flag, len(events))
	for i, e := range events {
		if len(audit.Flags(e, audit.Surrounding{})) == 0 {
			continue // nothing that could be flagged: without any relation it would be
		}
		about, known := persons[slices.Min(e.Records)]
		if !known {
			var err error
			if about, err = f.about(ctx, slices.Min(e.Records)); err != nil {
				return nil, err
			}
			persons[slices.Min(e.Records)] = about
		}
		key := pastKey{e.Actor.Organization, e.Actor.User, e.Time.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)}
		if _, read := pasts[key]; !read {
			var err error
			if pasts[key], err = f.past(ctx, key); err != nil {
				return nil, err
			}
		}
		s, err := f.at(ctx, e, about)
		if err != nil {
			return nil, err
		}
		s.Past = pasts[key]
		out[i] = audit.Flags(e, s)
	}
	return out, nil
}

// about returns the family names of record's person.
func (f *Flagging) about(ctx context.Context, record hie.SourcePatientID) (audit.Surrounding, error) {
	person, err := f.PersonOf(ctx, record)
	if err != nil {
		return audit.Surrounding{}, err
	}
	all, err := f.Records(ctx, person.Records())
	if err != nil {
		return audit.Surrounding{}, err
	}
	var s audit.Surrounding
	for _, r := range all {
		for _, n := range r.Demographics.Names {
			s.Families = append(s.Families, n.Family)
		}
	}
	return s, nil
}

// at adds to s where e's organisation is, and whether it has to do with the patient.
func (f *Flagging) at(ctx context.Context, e audit.Event, s audit.Surrounding) (audit.Surrounding, error) {
	n, org := f.Network(), e.Actor.Organization
	for _, site := range n.Sites() {
		if n.Within(site.Org, org) && s.Zone == nil {
			s.Zone = n.Zone(site.ID)
		}
	}
	person, err := f.PersonOf(ctx, slices.Min(e.Records))
	if err != nil {
		return s, err
	}
	s.Related = slices.ContainsFunc(person.Members, func(m mpi.Member) bool {
		site, known := n.Site(m.Site)
		return known && (n.Within(site.Org, org) || n.Within(org, site.Org))
	})
	return s, nil
}

// past reads what one person did up to the end of a day, newest first.
func (f *Flagging) past(ctx context.Context, key pastKey) ([]audit.Event, error) {
	q := audit.Query{From: key.day.Add(-audit.FlagHistory), To: key.day, Organizations: []hie.OrgID{key.org}, User: key.user, Limit: 1000,
		Kinds: []audit.Kind{audit.DocumentsQueried, audit.Disclosed, audit.EmergencyClaimed}}
	var out []audit.Event
	for {
		events, more, err := f.Trail(ctx, q)
		if err != nil {
			return nil, err
		}
		if out = append(out, events...); !more || len(out) >= maxPast {
			return out, nil
		}
		q.Before = events[len(events)-1].ID
	}
}

// maxFlagged bounds how many events one question is about.
const maxFlagged = 200

type flagJSON struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
	Usual int    `json:"usual"`
}

type flaggedJSON struct {
	Event string     `json:"event"`
	Flags []flagJSON `json:"flags"`
}

// flagEvents answers POST /admin/v1/audit/flags {"events"}: why events the caller may see may be worth a look; those without a
// reason are left out.
func (s *Server) flagEvents(c *gin.Context) {
	ctx := c.Request.Context()
	var in struct {
		Events []string `json:"events"`
	}
	v, err := s.viewOf(ctx, caller(c))
	if err == nil && v.own != nil {
		err = hie.ErrForbidden
	}
	if err == nil {
		err = s.readJSON(c, &in)
	}
	if err == nil && (len(in.Events) == 0 || len(in.Events) > maxFlagged) {
		err = hie.Invalid("events", "must name from 1 to 200 events")
	}
	var events []audit.Event
	var about []hie.SourcePatientID
	for i := 0; err == nil && i < len(in.Events); i++ {
		e, readErr := s.deps.Trail.Event(ctx, in.Events[i])
		shown, ok := v.show(e)
		if err = readErr; err == nil && !ok {
			err = hie.ErrNotFound
		}
		events, about = append(events, shown), append(about, shown.Records...)
	}
	if err == nil {
		slices.Sort(about)
		err = s.recordLook(ctx, v, "flags", "", slices.Compact(about), len(events))
	}
	var flags [][]audit.Flag
	if err == nil {
		flags, err = (&Flagging{Trail: s.deps.Trail.Search, PersonOf: s.deps.Patients.PersonOf, Records: s.deps.Patients.Records, Network: s.deps.Network}).Flags(ctx, events)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Flagged []flaggedJSON `json:"flagged"`
	}{[]flaggedJSON{}}
	for i, fs := range flags {
		if len(fs) == 0 {
			continue
		}
		f := flaggedJSON{Event: events[i].ID}
		for _, x := range fs {
			f.Flags = append(f.Flags, flagJSON{string(x.Code), x.Count, x.Usual})
		}
		out.Flagged = append(out.Flagged, f)
	}
	s.sendJSON(c, http.StatusOK, out)
}
