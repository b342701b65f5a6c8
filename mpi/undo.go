package mpi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// Undo takes a change back: its verdicts and merges in a site are as they were, what the engine linked is kept apart
// from now on by cannot-links (so that rescoring does not repeat it), and everybody concerned is where evidence and the
// other verdicts put them. Persons that had been merged away come back under their ids, so that taking a decision back
// at once leaves every link row as it was, byte for byte but for the person's version. A reason is required.
// hie.ErrConflict means that a later change touched the same: undo that one first. hie.ErrNotFound means that there is no
// such change.
func (x *Index) Undo(ctx context.Context, actor hie.Actor, id ChangeID, reason string) (ChangeID, error) {
	if strings.TrimSpace(reason) == "" {
		return 0, fmt.Errorf("mpi: undo: %w", hie.Required("reason"))
	}
	var out ChangeID
	err := x.update(ctx, func(tx attempt) error {
		c := x.newChange(tx, CauseUndo, actor, reason)
		c.undoes, out = id, c.id
		if err := x.undo(ctx, c, id); err != nil {
			return err
		}
		return x.conclude(ctx, c, actor)
	})
	if err != nil {
		return 0, fmt.Errorf("mpi: undo: %w", err)
	}
	return out, nil
}

func (x *Index) undo(ctx context.Context, c *change, id ChangeID) error {
	events, err := c.tx.EventsOfChange(ctx, id)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return hie.ErrNotFound
	}
	c.back, c.redirects = map[hie.SourcePatientID]hie.PersonID{}, map[hie.PersonID]hie.PersonID{}
	for _, e := range slices.Backward(events) {
		if e.Kind == EventRedirected {
			c.redirects[e.Person] = e.From.Person
		}
		if e.Kind == EventMoved && e.From.Person != 0 {
			c.back[e.Record] = e.From.Person
		}
	}
	u := undoing{x: x, c: c, events: events}
	if err := u.run(ctx); err != nil {
		return err
	}
	if len(c.events) == 0 {
		return fmt.Errorf("the change linked nothing: %w", hie.ErrConflict)
	}
	return nil
}

// An undoing takes the events of one change back.
type undoing struct {
	x      *Index
	c      *change
	events []Event
	// records are those whose neighbourhood is settled anew; self is a record in dispute again.
	records []hie.SourcePatientID
	self    *MemberRow
	near    []EdgeRow
}

func (u *undoing) run(ctx context.Context) error {
	for _, e := range slices.Backward(u.events) {
		var err error
		switch e.Kind {
		case EventConstrained:
			err = u.constrainBack(ctx, e)
		case EventAliased:
			err = u.aliasBack(ctx, e)
		case EventMoved:
			err = u.disputeBack(ctx, e)
		}
		if err != nil {
			return err
		}
		for _, r := range []hie.SourcePatientID{e.Record, e.Other} {
			if r != 0 {
				u.records = append(u.records, r)
			}
		}
	}
	if err := u.forbid(ctx); err != nil {
		return err
	}
	if len(u.c.events) == 0 {
		return nil
	}
	s, err := u.x.resettle(ctx, u.c, u.self, u.near, u.records...)
	if err != nil {
		return err
	}
	for _, e := range u.events {
		if e.Kind == EventConstrained {
			if err := s.contradicts(e.Record, e.Other); err != nil {
				return err
			}
		}
	}
	_, err = s.ask(ctx)
	return err
}

var errLater = fmt.Errorf("a later change moved one of the records: %w", hie.ErrConflict)

// forbid keeps apart what the engine put together in the change: the records by the person each came from, a new one
// by itself, and those that were there. Pairs between them that evidence could join get a cannot-link.
func (u *undoing) forbid(ctx context.Context) error {
	from := map[hie.SourcePatientID]int64{} // the class of a record that moved: its former person, or its own
	into := map[hie.PersonID]int64{}        // the last move into a person
	for _, e := range u.events {
		if e.Kind != EventMoved || e.Cause != CauseRule || e.From.Person == e.To.Person {
			continue
		}
		from[e.Record] = int64(e.From.Person)
		if e.From.Person == 0 {
			from[e.Record] = -int64(e.Record)
		}
		into[e.To.Person] = max(into[e.To.Person], e.ID)
	}
	if len(from) == 0 {
		return nil
	}
	rows, err := u.c.tx.Members(ctx, sortedKeys(into))
	if err != nil {
		return err
	}
	for _, e := range u.events {
		_, moved := from[e.Record]
		if moved && e.Kind == EventMoved && !slices.ContainsFunc(rows, func(m MemberRow) bool { return m.Record == e.Record && m.Person == e.To.Person }) {
			return errLater
		}
	}
	all, err := u.c.tx.EventsOfRecords(ctx, recordsOf(rows))
	if err != nil {
		return err
	}
	later := map[hie.SourcePatientID]bool{} // joined after the change: they go where the evidence puts them
	for _, e := range all {
		if e.Kind == EventMoved && e.From.Person != e.To.Person && e.ID > into[e.To.Person] && into[e.To.Person] != 0 {
			later[e.Record] = true
		}
	}
	rows = slices.DeleteFunc(rows, func(m MemberRow) bool { return later[m.Record] })
	class := func(m MemberRow) int64 {
		if c, moved := from[m.Record]; moved {
			return c
		}
		return int64(m.Person)
	}
	for i, a := range rows {
		for _, b := range rows[i+1:] {
			if a.Person != b.Person || class(a) == class(b) {
				continue
			}
			if err := u.part(ctx, a, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// part records a cannot-link between two records, if evidence could join them and nobody said that they are one.
func (u *undoing) part(ctx context.Context, a, b MemberRow) error {
	var f, g Features
	if f.Decode(a.Features) != nil || g.Decode(b.Features) != nil {
		return nil //nolint:nilerr // what cannot be read joins nothing
	}
	e := u.x.model.Edge(&f, &g)
	if !u.x.model.alike(e) {
		return nil
	}
	was, err := verdictOn(ctx, u.c.tx, a.Record, b.Record)
	if err != nil || was != Clear {
		return err
	}
	return u.c.constrain(ctx, a.Record, b.Record, was, CannotLink, e.Bits)
}

func (u *undoing) constrainBack(ctx context.Context, e Event) error {
	if e.Record > e.Other {
		return nil // its twin, for the other end's history, is the one taken back
	}
	now, err := verdictOn(ctx, u.c.tx, e.Record, e.Other)
	if err != nil {
		return err
	}
	if now != e.ToVerdict {
		return errLater
	}
	bits, err := u.bitsBefore(ctx, e)
	if err != nil {
		return err
	}
	return u.c.constrain(ctx, e.Record, e.Other, now, e.FromVerdict, bits)
}

// bitsBefore returns what the engine thought of the pair when the verdict that e replaced was given.
func (u *undoing) bitsBefore(ctx context.Context, e Event) (bits Bits, err error) {
	if e.FromVerdict == Clear {
		return 0, nil
	}
	events, err := u.c.tx.EventsOfRecords(ctx, []hie.SourcePatientID{e.Record})
	for _, old := range events {
		if old.Kind == EventConstrained && old.Other == e.Other && old.ID < e.ID {
			bits = old.Bits
		}
	}
	return bits, err
}

func (u *undoing) aliasBack(ctx context.Context, e Event) error {
	row, err := patient(ctx, u.c.tx, e.Record)
	if err != nil {
		return err
	}
	if row.AliasOf != e.ToAlias {
		return errLater
	}
	if err := u.c.tx.PutVersion(ctx, row.version(u.c.at, false)); err != nil {
		return err
	}
	row.AliasOf, row.Active, row.Updated = e.FromAlias, e.WasActive, u.c.at
	row.Version++
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
	u.c.notify(Notice{Kind: NoticeReplaced, Record: e.Record, Person: row.Person})
	return nil
}
