package server

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Reports are made from the audit trail each time they are asked for: they say what it says. They follow the person as
// the person is now; what happened is attributed to source patients, so merge and unmerge move nothing.
//
// Source: spec federation 3.3; 45 CFR 164.528; spec ux P3 and O7.
type Reports struct {
	Trail       consent.SearchTrail
	Consents    Consents
	Suspensions Suspensions
	// History returns the link events of a record, oldest first.
	History func(ctx context.Context, record hie.SourcePatientID) ([]mpi.Event, error)
	Network func() *directory.Network
	Env     func() *consent.Env
	Now     func() time.Time
	// Asked returns the record that a recorded query named its patient by, 0 when it cannot be told.
	Asked func(ctx context.Context, query string) hie.SourcePatientID
}

// Suspensions is what reports ask of the store.
type Suspensions interface {
	Suspend(ctx context.Context, actor hie.Actor, x consent.Suspension) (consent.Suspension, error)
	Suspensions(ctx context.Context, records []hie.SourcePatientID) ([]consent.Suspension, error)
}

// A Stretch of the trail is what one page of a report reads: whose records, between when, from which event on, and how many
// rows.
type Stretch struct {
	// Records are those whose events are read, Person all records of the person, for their consents.
	Records, Person []hie.SourcePatientID
	From, To        time.Time
	Before          string // an event id, "" for the newest
	Count           int
}

func (x Stretch) query(kinds []audit.Kind) audit.Query {
	return audit.Query{Records: x.Records, From: x.From, To: x.To, Before: x.Before, Kinds: kinds}
}

// Accounting returns a page of the disclosures law lists, as the patient is shown them, newest first, and the event the
// next page goes on from.
func (r *Reports) Accounting(ctx context.Context, law consent.Accounting, x Stretch) ([]audit.Event, string, error) {
	if since := law.Since(r.Now()); x.From.Before(since) {
		x.From = since
	}
	lists, err := r.listedBy(ctx, law, x)
	if err != nil {
		return nil, "", err
	}
	events, next, err := consent.Page(ctx, r.Trail, x.query([]audit.Kind{audit.Disclosed}), x.Count, lists)
	for i, e := range events {
		detail := e.Detail
		if events[i], _ = audit.ForPatient(e, x.Records); detail["interaction"] == "recorded" {
			events[i].Detail = detail // when and to whom a site disclosed on its own
		}
	}
	return events, next, err
}

// hidden returns whether a suspension keeps an event from the patient now.
func (r *Reports) hidden(ctx context.Context, records []hie.SourcePatientID) (func(audit.Event) bool, error) {
	suspensions, err := r.Suspensions.Suspensions(ctx, records)
	now := r.Now()
	return func(e audit.Event) bool {
		return slices.ContainsFunc(suspensions, func(x consent.Suspension) bool { return x.Hides(e, now) })
	}, err
}

// listedBy returns which disclosures law lists.
func (r *Reports) listedBy(ctx context.Context, law consent.Accounting, x Stretch) (func(audit.Event) bool, error) {
	hidden, err := r.hidden(ctx, x.Records)
	if err != nil {
		return nil, err
	}
	onFile, err := r.Consents.Load(ctx, x.Person)
	if err != nil {
		return nil, err
	}
	env, n := r.Env(), r.Network()
	directives, err := r.versions(ctx, onFile.Directives)
	if err != nil {
		return nil, err
	}
	authorized := env.Authorizations(directives)
	return func(e audit.Event) bool {
		site, _ := n.Site(e.Site)
		about := consent.Circumstance{Regimes: site.Regimes, Root: env.Root,
			Authorized: consent.RestsOn(e.Ground, authorized)}
		return !hidden(e) && law.Lists(e, about)
	}, nil
}

// versions returns directives with the versions before theirs: what a disclosure rested on is a version of its own day.
func (r *Reports) versions(ctx context.Context, directives []consent.Directive) ([]consent.Directive, error) {
	out := slices.Clone(directives)
	for _, d := range directives {
		if d.Version <= 1 {
			continue
		}
		record, err1 := strconv.ParseInt(d.Record, 10, 64)
		id, err2 := strconv.ParseInt(d.ID, 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		all, err := r.Consents.History(ctx, hie.SourcePatientID(record), id)
		if err != nil {
			return nil, err
		}
		for _, v := range all {
			if v.Number == d.Version {
				continue
			}
			before, err := consentfhir.Directive(v)
			if err != nil {
				return nil, err
			}
			out = append(out, before)
		}
	}
	return out, nil
}

// Access returns a page of everybody who looked, asked, was refused or changed something, as the patient is shown it,
// newest first, and the event the next page goes on from. automatic includes what no person is named for.
func (r *Reports) Access(ctx context.Context, automatic bool, x Stretch) ([]audit.Event, string, error) {
	hidden, err := r.hidden(ctx, x.Records)
	if err != nil {
		return nil, "", err
	}
	events, next, err := consent.Page(ctx, r.Trail, x.query(audit.PatientKinds), x.Count,
		func(e audit.Event) bool { return !hidden(e) && (automatic || e.Actor.User != "") })
	for i, e := range events {
		events[i], _ = audit.ForPatient(e, x.Records)
	}
	return events, next, err
}

// maxLeaned bounds how many events one report of leaning disclosures weighs.
const maxLeaned = 100_000

// Leaned returns the disclosures that leaned on the link between record and other while it lasted, newest first.
//
// Source: spec consent 2.13 and scenario 1.
func (r *Reports) Leaned(ctx context.Context, record, other hie.SourcePatientID) ([]consent.Leaning, error) {
	l := consent.Linked{Records: [2]hie.SourcePatientID{record, other}}
	var err error
	if l.Spans, err = r.together(ctx, record, other); err != nil || l.Spans == nil {
		return nil, err
	}
	versions, err := r.Consents.Current(ctx, l.Records[:])
	if err != nil {
		return nil, err
	}
	of := map[string]hie.SourcePatientID{}
	for _, v := range versions {
		of[strconv.FormatInt(v.ID, 10)] = v.Record
	}
	l.Directives = func(id string) hie.SourcePatientID { return of[id] }
	l.Asked = func(e audit.Event) hie.SourcePatientID { return r.Asked(ctx, e.Query) }
	q := audit.Query{Records: l.Records[:], Kinds: []audit.Kind{audit.Disclosed, audit.DocumentsQueried}, From: l.Spans[0].From,
		To: l.Spans[len(l.Spans)-1].To.Add(time.Microsecond), Limit: 1000}
	var events []audit.Event
	for len(events) < maxLeaned {
		part, more, err := r.Trail(ctx, q)
		if err != nil {
			return nil, err
		}
		events = append(events, part...)
		if !more {
			break
		}
		q.Before = part[len(part)-1].ID
	}
	return consent.Leaned(events, l), nil
}

// together returns when two records were held to be one person.
func (r *Reports) together(ctx context.Context, record, other hie.SourcePatientID) ([]consent.Span, error) {
	var histories [2][]mpi.Event
	for i, rec := range []hie.SourcePatientID{record, other} {
		h, err := r.History(ctx, rec)
		if err != nil {
			return nil, err
		}
		histories[i] = h
	}
	var out []consent.Span
	for _, stay := range mpi.Together(histories[0], histories[1]) {
		to := stay.To
		if to.IsZero() {
			to = r.Now()
		}
		out = append(out, consent.Span{From: stay.From, To: to})
	}
	return out, nil
}
