package mpi

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A change collects what one decision does to links and writes it: members, redirects, constraints, versions
// and the events that tell of them, in one transaction.
type change struct {
	tx     Tx
	id     ChangeID
	at     time.Time
	cause  Cause
	model  string
	by     string
	reason string
	undoes ChangeID
	grade  Grade
	bits   Bits
	proof  []Evidence

	// joinable is what an edge has at least.
	joinable Bits
	nextID   func() int64
	// locked are the persons this transaction holds, fresh those it made, moved those whose version must rise.
	// first are those to be locked before all others when the transaction runs again.
	locked, fresh, moved map[hie.PersonID]bool
	// unborn are those of fresh that have no row yet: it comes with the first member.
	unborn  map[hie.PersonID]bool
	first   *[]hie.PersonID
	highest hie.PersonID
	// anyOrder is set when the transaction sees to the order of locks itself.
	anyOrder bool
	parted   *bool
	// self is the record whose row the caller writes itself, so that its home need not be moved.
	self hie.SourcePatientID
	// back says, when a change is taken back, which person a record was in before it, redirects what a person was merged
	// into before it.
	back      map[hie.SourcePatientID]hie.PersonID
	redirects map[hie.PersonID]hie.PersonID
	events    []Event
	notices   []Notice
	touched   map[hie.SourcePatientID]bool
}

func (x *Index) newChange(tx attempt, cause Cause, actor hie.Actor, reason string) *change {
	c := &change{tx: tx, id: ChangeID(x.ids.Next()), at: x.now(), cause: cause, reason: reason, nextID: x.ids.Next, joinable: x.model.joinableBits(),
		locked: map[hie.PersonID]bool{}, fresh: map[hie.PersonID]bool{}, moved: map[hie.PersonID]bool{}, unborn: map[hie.PersonID]bool{}, first: tx.first, anyOrder: tx.locks, parted: tx.parted,
		touched: map[hie.SourcePatientID]bool{}}
	if cause == CauseRule {
		c.model = x.model.ID
	} else {
		c.by = nameOf(actor)
	}
	return c
}

// lock takes persons, in order of their ids so that two changes never wait for each other. When a person turns up
// that comes before one that is locked already, the transaction starts again and takes both in order.
func (c *change) lock(ctx context.Context, persons []hie.PersonID) error {
	var take []hie.PersonID
	for _, p := range append(persons, *c.first...) {
		if p != 0 && !c.locked[p] {
			take = append(take, p)
		}
	}
	slices.Sort(take)
	take = slices.Compact(take)
	if len(take) == 0 {
		return nil
	}
	*c.first = slices.Clone(take)
	for p := range c.locked {
		if !c.fresh[p] {
			*c.first = append(*c.first, p)
		}
	}
	if take[0] < c.highest && !c.anyOrder {
		return errMoved
	}
	c.highest = max(c.highest, take[len(take)-1])
	for _, p := range take {
		c.locked[p] = true
	}
	return c.tx.Lock(ctx, take)
}

// newPerson returns a person that belongs to this change. It is made by the first move into it.
func (c *change) newPerson() hie.PersonID {
	id := hie.PersonID(c.nextID())
	c.locked[id], c.fresh[id], c.unborn[id] = true, true, true
	return id
}

// move puts m's record into to; m is the membership as it is (zero Person for a new record), because names the
// record that is the reason.
func (c *change) move(ctx context.Context, m MemberRow, to Place, because hie.SourcePatientID) error {
	from := Place{}
	if m.Person != 0 {
		from = Place{m.Person, m.Link}
	}
	if from == to {
		return nil
	}
	if m.Person != 0 && m.Person != to.Person {
		if err := c.tx.RemoveMember(ctx, m.Person, m.Record); err != nil {
			return err
		}
		if m.Record != c.self {
			if err := c.tx.MoveHome(ctx, m.Record, to.Person); err != nil {
				return err
			}
		}
	}
	c.moved[m.Person], c.moved[to.Person] = true, true
	kind := NoticeMoved
	switch {
	case m.Person == 0:
		kind = NoticeRegistered
	case m.Person == to.Person:
		kind = NoticeLink
	}
	c.notify(Notice{Kind: kind, Record: m.Record, Person: to.Person, Former: m.Person})
	m.Person, m.Link = to.Person, to.Link
	put := c.tx.PutMember
	if c.unborn[m.Person] {
		put = c.tx.NewPerson
		delete(c.unborn, m.Person)
	}
	if err := put(ctx, m); err != nil {
		return err
	}
	c.add(Event{Kind: EventMoved, Record: m.Record, Other: because, From: from, To: to})
	return nil
}

// redirect says that person was merged into into, or stands for itself again when into is 0.
func (c *change) redirect(ctx context.Context, person, was, into hie.PersonID) error {
	if err := c.tx.Redirect(ctx, person, into); err != nil {
		return err
	}
	c.moved[person] = true
	if into != 0 {
		c.notify(Notice{Kind: NoticeRedirected, Person: into, Former: person})
	} else {
		c.notify(Notice{Kind: NoticeRestored, Person: person, Former: was})
	}
	c.add(Event{Kind: EventRedirected, From: Place{Person: was}, To: Place{Person: into}, Person: person})
	return nil
}

// constrain sets a verdict about a and b; was is the verdict before.
func (c *change) constrain(ctx context.Context, a, b hie.SourcePatientID, was, v Verdict, bits Bits) error {
	if was == v {
		return nil
	}
	if err := c.tx.PutConstraint(ctx, Constraint{A: a, B: b, Verdict: v, Bits: bits, Change: c.id, At: c.at}); err != nil {
		return err
	}
	a, b = min(a, b), max(a, b)
	c.add(Event{Kind: EventConstrained, Record: a, Other: b, FromVerdict: was, ToVerdict: v, Bits: bits}) // one for each end's history
	c.add(Event{Kind: EventConstrained, Record: b, Other: a, FromVerdict: was, ToVerdict: v, Bits: bits})
	return nil
}

func (c *change) add(e Event) {
	e.ID, e.Change, e.At, e.Cause, e.Model, e.By, e.Reason, e.Undoes = c.nextID(), c.id, c.at, c.cause, c.model, c.by, c.reason, c.undoes
	if e.Kind == EventMoved {
		e.Grade, e.Bits, e.Evidence = c.grade, c.bits, c.proof
	}
	if e.Person == 0 {
		e.Person = e.To.Person
	}
	c.touched[e.Record] = true
	if e.Other != 0 {
		c.touched[e.Other] = true
	}
	c.events = append(c.events, e)
}

func (c *change) notify(n Notice) {
	n.At, n.Change, n.id = c.at, c.id, c.nextID()
	c.notices = append(c.notices, n)
}

// parts reports whether c undid or weakened a link, so that what was shown through it no longer may be, or whether somebody
// decided about links at all. A person who becomes part of another is parted from nobody.
func (c *change) parts() bool {
	whole := map[hie.PersonID]bool{}
	for _, e := range c.events {
		if e.Kind == EventRedirected && e.To.Person != 0 {
			whole[e.Person] = true
		}
	}
	return slices.ContainsFunc(c.events, func(e Event) bool {
		if e.Kind != EventMoved || e.From.Person == 0 {
			return false
		}
		return c.cause != CauseRule || e.From.Person == e.To.Person && e.From.Link == hie.LinkConfirmed || e.From.Person != e.To.Person && !whole[e.From.Person]
	})
}

// finish raises the versions of the persons that changed and writes the events and notices.
func (c *change) finish(ctx context.Context) error {
	var bump []hie.PersonID
	for p := range c.moved {
		if p != 0 && !c.fresh[p] {
			bump = append(bump, p)
		}
	}
	if len(bump) > 0 {
		slices.Sort(bump)
		if err := c.tx.Bump(ctx, bump); err != nil {
			return err
		}
	}
	if c.parted != nil && c.parts() {
		*c.parted = true
	}
	if len(c.events) > 0 {
		if err := c.tx.AddEvents(ctx, c.events); err != nil {
			return err
		}
	}
	if len(c.notices) > 0 {
		return c.tx.Notify(ctx, c.notices)
	}
	return nil
}

// records returns the records the change touched, in order.
func (c *change) records() []hie.SourcePatientID {
	delete(c.touched, 0)
	return slices.Sorted(maps.Keys(c.touched))
}

// auditEvents tells of records that changed person or link state; none when the change only put a new record into
// a person of its own.
func (c *change) auditEvents(actor hie.Actor) []audit.Event {
	if !slices.ContainsFunc(c.events, func(e Event) bool { return e.Other != 0 || e.From != Place{} }) {
		return nil
	}
	e := audit.NewEvent(audit.LinkChanged, actor, c.at).About(c.records()...)
	e.Action = "U"
	e.Detail = map[string]string{"cause": string(c.cause), "change": strconv.FormatInt(int64(c.id), 10)}
	if c.model != "" {
		e.Ground = []string{"model " + c.model}
	}
	return []audit.Event{e}
}
