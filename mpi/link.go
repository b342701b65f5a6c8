package mpi

import (
	"cmp"
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

	nextID  func() int64
	bumped  map[hie.PersonID]bool
	events  []Event
	touched map[hie.SourcePatientID]bool
}

func (x *Index) newChange(tx Tx, cause Cause, actor hie.Actor, reason string) *change {
	c := &change{tx: tx, id: ChangeID(x.ids.Next()), at: x.now(), cause: cause, reason: reason, nextID: x.ids.Next,
		bumped: map[hie.PersonID]bool{}, touched: map[hie.SourcePatientID]bool{}}
	if cause == CauseRule {
		c.model = x.model.ID
	} else {
		c.by = string(actor.Organization) + "/" + actor.User
	}
	return c
}

// lock raises the versions of persons, in order of their ids so that two changes never wait for each other.
// All persons a change touches are locked by one call; reading members comes after.
func (c *change) lock(ctx context.Context, persons ...hie.PersonID) error {
	slices.Sort(persons)
	for _, p := range slices.Compact(persons) {
		if p == 0 || c.bumped[p] {
			continue
		}
		if err := c.tx.Bump(ctx, p); err != nil {
			return err
		}
		c.bumped[p] = true
	}
	return nil
}

// newPerson makes an empty person that belongs to this change.
func (c *change) newPerson(ctx context.Context) (hie.PersonID, error) {
	id := hie.PersonID(c.nextID())
	c.bumped[id] = true
	return id, c.tx.NewPerson(ctx, id)
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
		if err := c.tx.MoveHome(ctx, m.Record, to.Person); err != nil {
			return err
		}
	}
	m.Person, m.Link = to.Person, to.Link
	if err := c.tx.PutMember(ctx, m); err != nil {
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
	c.add(Event{Kind: EventConstrained, Record: a, Other: b, FromVerdict: was, ToVerdict: v}) // one for each end's history
	c.add(Event{Kind: EventConstrained, Record: b, Other: a, FromVerdict: was, ToVerdict: v})
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

// finish writes the events.
func (c *change) finish(ctx context.Context) error {
	if len(c.events) == 0 {
		return nil
	}
	return c.tx.AddEvents(ctx, c.events)
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

// members reads the current members of persons, by person.
func members(ctx context.Context, r Reader, persons ...hie.PersonID) (map[hie.PersonID][]MemberRow, error) {
	rows, err := r.Members(ctx, persons)
	if err != nil {
		return nil, err
	}
	out := make(map[hie.PersonID][]MemberRow, len(persons))
	for _, m := range rows {
		out[m.Person] = append(out[m.Person], m)
	}
	return out, nil
}

// sameMembers reports whether two readings of a person's members agree.
func sameMembers(a, b []MemberRow) bool {
	return slices.EqualFunc(a, b, func(x, y MemberRow) bool {
		return x.Record == y.Record && x.Link == y.Link && string(x.Features) == string(y.Features)
	})
}

// merge moves all members of loser into winner and redirects it. Both are locked.
func (c *change) merge(ctx context.Context, winner, loser hie.PersonID, losers []MemberRow, because hie.SourcePatientID) error {
	for _, m := range losers {
		if err := c.move(ctx, m, Place{winner, m.Link}, because); err != nil {
			return err
		}
	}
	return c.redirect(ctx, loser, 0, winner)
}

// survivorOf chooses which of two persons keeps its id: the one with more members, else the older.
func survivorOf(a, b hie.PersonID, na, nb int) (winner, loser hie.PersonID) {
	if c := cmp.Compare(na, nb); c > 0 || c == 0 && a < b {
		return a, b
	}
	return b, a
}

// followers returns, of members, those that joined after since because of one that leaves, directly or through
// another; leaving is not changed. Records a must-link ties to a leaving one go too.
func followers(leaving []hie.SourcePatientID, members []MemberRow, events []Event, since int64, ties []Constraint) map[hie.SourcePatientID]bool {
	out := map[hie.SourcePatientID]bool{}
	for _, r := range leaving {
		out[r] = true
	}
	joined := map[hie.SourcePatientID]Event{} // the latest
	for _, e := range events {
		if e.Kind == EventMoved && e.From.Person != e.To.Person {
			joined[e.Record] = e
		}
	}
	for grew := true; grew; {
		grew = false
		for _, m := range members {
			e := joined[m.Record]
			if !out[m.Record] && e.ID > since && e.Other != 0 && out[e.Other] {
				out[m.Record], grew = true, true
			}
		}
		for _, t := range ties {
			if t.Verdict == MustLink && out[t.A] && !out[t.B] && slices.ContainsFunc(members, func(m MemberRow) bool { return m.Record == t.B }) {
				out[t.B], grew = true, true
			}
		}
	}
	return out
}
