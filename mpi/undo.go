package mpi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// Undo takes a change back: every link row it wrote is again as it was before, byte for byte but for the
// person's version. A record that was new gets a person of its own; records that joined later because of one
// that goes back go with it. Undoing what the engine linked records a cannot-link between the records, so that
// rescoring does not bring it back. A reason is required. hie.ErrConflict means that a later change moved one
// of the same records: undo that one first. hie.ErrNotFound means that there is no such change.
func (x *Index) Undo(ctx context.Context, actor hie.Actor, id ChangeID, reason string) (ChangeID, error) {
	if strings.TrimSpace(reason) == "" {
		return 0, fmt.Errorf("mpi: undo: %w", hie.Required("reason"))
	}
	var out ChangeID
	err := x.update(ctx, func(tx Tx) error {
		events, err := tx.EventsOfChange(ctx, id)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return hie.ErrNotFound
		}
		u := undoing{x: x, c: x.newChange(tx, CauseUndo, actor, reason), events: events}
		u.c.undoes, out = id, u.c.id
		if err := u.run(ctx); err != nil {
			return err
		}
		if len(u.c.events) == 0 {
			return fmt.Errorf("the change linked nothing: %w", hie.ErrConflict)
		}
		return x.conclude(ctx, u.c, actor)
	})
	if err != nil {
		return 0, fmt.Errorf("mpi: undo: %w", err)
	}
	return out, nil
}

// An undoing takes the events of one change back.
type undoing struct {
	x      *Index
	c      *change
	events []Event
	homes  map[hie.SourcePatientID]Home
	sets   map[hie.PersonID][]MemberRow
}

func (u *undoing) run(ctx context.Context) error {
	if err := u.load(ctx); err != nil {
		return err
	}
	for _, e := range slices.Backward(u.events) {
		var err error
		switch e.Kind {
		case EventMoved:
			err = u.moveBack(ctx, e)
		case EventRedirected:
			err = u.redirectBack(ctx, e)
		case EventConstrained:
			err = u.constrainBack(ctx, e)
		case EventAliased:
			err = u.aliasBack(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// load locks every person the change touched and reads where things stand now.
func (u *undoing) load(ctx context.Context) error {
	var persons []hie.PersonID
	var records []hie.SourcePatientID
	for _, e := range u.events {
		for _, p := range []hie.PersonID{e.Person, e.From.Person, e.To.Person} {
			if p != 0 {
				persons = append(persons, p)
			}
		}
		if e.Record != 0 {
			records = append(records, e.Record)
		}
	}
	if err := u.c.lock(ctx, persons...); err != nil {
		return err
	}
	var err error
	if u.homes, err = u.c.tx.Homes(ctx, records); err != nil {
		return err
	}
	u.sets, err = members(ctx, u.c.tx, persons...)
	return err
}

var errLater = fmt.Errorf("a later change moved one of the records: %w", hie.ErrConflict)

// moveBack returns e's record, with its followers, to where it was.
func (u *undoing) moveBack(ctx context.Context, e Event) error {
	set := u.sets[e.To.Person]
	i := slices.IndexFunc(set, func(m MemberRow) bool { return m.Record == e.Record })
	if i < 0 || set[i].Link != e.To.Link {
		return errLater
	}
	if e.From.Person == e.To.Person {
		m := set[i]
		if err := u.c.move(ctx, m, e.From, e.Other); err != nil {
			return err
		}
		u.sets[e.To.Person][i].Link = e.From.Link
		return nil
	}
	to := e.From
	if to.Person == 0 { // it was new
		if len(set) == 1 {
			return nil // alone already
		}
		fresh, err := u.c.newPerson(ctx)
		if err != nil {
			return err
		}
		to = Place{fresh, e.To.Link}
	}
	if err := u.forbid(ctx, e); err != nil {
		return err
	}
	events, err := u.c.tx.EventsOfRecords(ctx, recordsOf(set))
	if err != nil {
		return err
	}
	last := u.events[len(u.events)-1].ID
	group := followers([]hie.SourcePatientID{e.Record}, set, events, last, nil)
	var stay []MemberRow
	for _, m := range set {
		switch {
		case m.Record == e.Record:
			if err := u.c.move(ctx, m, to, e.Other); err != nil {
				return err
			}
			m.Person, m.Link = to.Person, to.Link
			u.sets[to.Person] = append(u.sets[to.Person], m)
		case group[m.Record] && !u.moves(m.Record):
			if err := u.c.move(ctx, m, Place{to.Person, m.Link}, e.Record); err != nil {
				return err
			}
			m.Person = to.Person
			u.sets[to.Person] = append(u.sets[to.Person], m)
		default:
			stay = append(stay, m)
		}
	}
	u.sets[e.To.Person] = stay
	return nil
}

// moves reports whether the change itself moved record, so that its own event takes it back.
func (u *undoing) moves(record hie.SourcePatientID) bool {
	return slices.ContainsFunc(u.events, func(e Event) bool { return e.Kind == EventMoved && e.Record == record })
}

// forbid keeps the engine from repeating a link it made and a steward took back.
func (u *undoing) forbid(ctx context.Context, e Event) error {
	if e.Cause != CauseRule || e.Other == 0 {
		return nil
	}
	verdicts, err := u.c.tx.Constraints(ctx, []hie.SourcePatientID{e.Record})
	if err != nil {
		return err
	}
	was := Clear
	for _, t := range verdicts {
		if t.B == e.Other {
			was = t.Verdict
		}
	}
	return u.c.constrain(ctx, e.Record, e.Other, was, CannotLink, e.Bits)
}

func (u *undoing) redirectBack(ctx context.Context, e Event) error {
	rows, err := u.c.tx.Persons(ctx, []hie.PersonID{e.Person})
	if err != nil {
		return err
	}
	if rows[e.Person].Redirect != e.To.Person {
		return errLater
	}
	return u.c.redirect(ctx, e.Person, e.To.Person, e.From.Person)
}

func (u *undoing) constrainBack(ctx context.Context, e Event) error {
	if e.Record > e.Other {
		return nil // its twin, for the other end's history, is the one taken back
	}
	verdicts, err := u.c.tx.Constraints(ctx, []hie.SourcePatientID{e.Record})
	if err != nil {
		return err
	}
	now := Clear
	for _, t := range verdicts {
		if t.B == e.Other {
			now = t.Verdict
		}
	}
	if now != e.ToVerdict {
		return errLater
	}
	return u.c.constrain(ctx, e.Record, e.Other, now, e.FromVerdict, e.Bits)
}

func (u *undoing) aliasBack(ctx context.Context, e Event) error {
	row, err := patient(ctx, u.c.tx, e.Record)
	if err != nil {
		return err
	}
	if row.AliasOf != e.ToAlias {
		return errLater
	}
	row.AliasOf, row.Active, row.Updated = e.FromAlias, e.WasActive, u.c.at
	if row.Active {
		r := Registration{Local: row.Local, Demographics: row.Demographics}
		f := Extract(row.Site, r.withLocal())
		if err := u.x.list(ctx, u.c.tx, &row, f.AppendTo(nil)); err != nil {
			return err
		}
	}
	if err := u.c.tx.PutPatient(ctx, row); err != nil {
		return err
	}
	u.c.add(Event{Kind: EventAliased, Record: e.Record, Other: e.Other, FromAlias: e.ToAlias, ToAlias: e.FromAlias, WasActive: false,
		Person: e.Person})
	return nil
}

// HistoryOfRecord returns the events that touched record, oldest first; nil when there were none.
func (x *Index) HistoryOfRecord(ctx context.Context, record hie.SourcePatientID) ([]Event, error) {
	events, err := x.store.EventsOfRecords(ctx, []hie.SourcePatientID{record})
	if err != nil {
		return nil, fmt.Errorf("mpi: history: %w", err)
	}
	return events, nil
}

// HistoryOfPerson returns the events that put somebody into person, took them out again, or redirected it,
// oldest first; nil when there were none.
func (x *Index) HistoryOfPerson(ctx context.Context, person hie.PersonID) ([]Event, error) {
	joined, err := x.store.EventsOfPerson(ctx, person)
	if err != nil {
		return nil, fmt.Errorf("mpi: history: %w", err)
	}
	ever := everIn(joined, person)
	moves, err := x.store.EventsOfRecords(ctx, ever)
	if err != nil {
		return nil, fmt.Errorf("mpi: history: %w", err)
	}
	var out []Event
	seen := map[int64]bool{}
	for _, e := range append(joined, moves...) {
		if !seen[e.ID] && (e.Person == person || e.From.Person == person || e.To.Person == person || e.Kind == EventConstrained) {
			seen[e.ID] = true
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Event) int { return int(max(-1, min(1, a.ID-b.ID))) })
	return out, nil
}

// everIn returns the records events put into person, in order.
func everIn(events []Event, person hie.PersonID) []hie.SourcePatientID {
	var out []hie.SourcePatientID
	for _, e := range events {
		if e.Kind == EventMoved && e.To.Person == person {
			out = append(out, e.Record)
		}
	}
	return sortedRecords(out)
}

// AsOf returns the person record belonged to at t, with the members it had then. Version is 0: it is not a
// current version. hie.ErrNotFound means record was not registered yet.
func (x *Index) AsOf(ctx context.Context, record hie.SourcePatientID, t time.Time) (Person, error) {
	own, err := x.store.EventsOfRecords(ctx, []hie.SourcePatientID{record})
	if err != nil {
		return Person{}, fmt.Errorf("mpi: as of: %w", err)
	}
	at, ok := placeAt(own, record, t)
	if !ok {
		return Person{}, fmt.Errorf("mpi: as of: %w", hie.ErrNotFound)
	}
	joined, err := x.store.EventsOfPerson(ctx, at.Person)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: as of: %w", err)
	}
	ever := everIn(joined, at.Person)
	moves, err := x.store.EventsOfRecords(ctx, ever)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: as of: %w", err)
	}
	rows, err := x.store.Patients(ctx, ever)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: as of: %w", err)
	}
	p := Person{ID: at.Person}
	for _, row := range rows {
		if then, ok := placeAt(moves, row.Record, t); ok && then.Person == at.Person {
			p.Members = append(p.Members, Member{Record: row.Record, Site: row.Site, Local: row.Local, Link: then.Link})
		}
	}
	return p, nil
}

// placeAt returns where record was at t, from events in order.
func placeAt(events []Event, record hie.SourcePatientID, t time.Time) (Place, bool) {
	var at Place
	for _, e := range events {
		if e.Kind == EventMoved && e.Record == record && !e.At.After(t) {
			at = e.To
		}
	}
	return at, at != Place{}
}
