package mpi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// Decide records a steward's verdict about records a and b and brings the links in line with it: MustLink
// joins their persons and confirms both links; CannotLink parts them, the record that came later leaving with
// those that joined because of it. It returns the change, for Undo. A reason is required. Errors:
// *hie.InvalidError, hie.ErrNotFound, hie.ErrConflict when an opposite verdict stands between others of them.
func (x *Index) Decide(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v Verdict, reason string) (ChangeID, error) {
	if err := checkDecision(a, b, v, reason); err != nil {
		return 0, fmt.Errorf("mpi: decide: %w", err)
	}
	var id ChangeID
	err := x.update(ctx, func(tx Tx) error {
		c := x.newChange(tx, CauseSteward, actor, reason)
		id = c.id
		if err := x.decide(ctx, c, a, b, v); err != nil {
			return err
		}
		return x.conclude(ctx, c, actor, a, b)
	})
	if err != nil {
		return 0, fmt.Errorf("mpi: decide: %w", err)
	}
	return id, nil
}

func checkDecision(a, b hie.SourcePatientID, v Verdict, reason string) error {
	switch {
	case a == b:
		return hie.Invalid("records", "must be two")
	case v > CannotLink:
		return hie.Invalid("verdict", "must be must-link, cannot-link or clear")
	case strings.TrimSpace(reason) == "":
		return hie.Required("reason")
	}
	return nil
}

// conclude writes the change's events and its audit event.
func (x *Index) conclude(ctx context.Context, c *change, actor hie.Actor, about ...hie.SourcePatientID) error {
	if err := c.finish(ctx); err != nil {
		return err
	}
	events := c.auditEvents(actor)
	if len(events) == 0 {
		e := audit.NewEvent(audit.LinkChanged, actor, c.at).About(about...)
		e.Action, e.Detail = "U", map[string]string{"cause": string(c.cause)}
		events = []audit.Event{e}
	}
	return c.tx.Record(ctx, events...)
}

func (x *Index) decide(ctx context.Context, c *change, a, b hie.SourcePatientID, v Verdict) error {
	pa, pb, sets, err := x.lockBoth(ctx, c, a, b)
	if err != nil {
		return err
	}
	verdicts, err := c.tx.Constraints(ctx, append(recordsOf(sets[pa]), recordsOf(sets[pb])...))
	if err != nil {
		return err
	}
	was := Clear
	for _, t := range verdicts {
		if t.A == a && t.B == b {
			was = t.Verdict
		}
	}
	bits := x.between(sets[pa], sets[pb], a, b)
	c.bits = bits
	if err := c.constrain(ctx, a, b, was, v, bits); err != nil {
		return err
	}
	switch v {
	case MustLink:
		return x.join(ctx, c, pa, pb, sets, a, b, verdicts)
	case CannotLink:
		if pa == pb {
			return x.part(ctx, c, pa, sets[pa], a, b, verdicts)
		}
	}
	return nil
}

// lockBoth locks the persons of a and b and reads their members.
func (x *Index) lockBoth(ctx context.Context, c *change, a, b hie.SourcePatientID) (pa, pb hie.PersonID, sets map[hie.PersonID][]MemberRow, err error) {
	homes, err := c.tx.Homes(ctx, []hie.SourcePatientID{a, b})
	if err != nil {
		return 0, 0, nil, err
	}
	pa, pb = homes[a].Person, homes[b].Person
	if pa == 0 || pb == 0 {
		return 0, 0, nil, hie.ErrNotFound
	}
	if err := c.lock(ctx, pa, pb); err != nil {
		return 0, 0, nil, err
	}
	sets, err = members(ctx, c.tx, pa, pb)
	if err == nil && (!holds(sets[pa], a) || !holds(sets[pb], b)) {
		err = errMoved
	}
	return pa, pb, sets, err
}

// between returns what the engine thinks of two records, for the constraint.
func (x *Index) between(as, bs []MemberRow, a, b hie.SourcePatientID) Bits {
	var f, g Features
	for _, m := range as {
		if m.Record == a && f.Decode(m.Features) != nil {
			return 0
		}
	}
	for _, m := range bs {
		if m.Record == b && g.Decode(m.Features) != nil {
			return 0
		}
	}
	c := Compare(&f, &g)
	return x.model.Score(&c)
}

// join merges the persons of a and b, or confirms the two within one.
func (x *Index) join(ctx context.Context, c *change, pa, pb hie.PersonID, sets map[hie.PersonID][]MemberRow, a, b hie.SourcePatientID, verdicts []Constraint) error {
	if pa == pb {
		for _, m := range sets[pa] {
			if m.Record == a || m.Record == b {
				if err := c.move(ctx, m, Place{pa, hie.LinkConfirmed}, other(m.Record, a, b)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, t := range verdicts {
		if t.Verdict == CannotLink && holds(sets[pa], t.A) && holds(sets[pb], t.B) && !(t.A == a && t.B == b) {
			return fmt.Errorf("a verdict keeps others of the two apart: %w", hie.ErrConflict)
		}
	}
	winner, loser := survivorOf(pa, pb, len(sets[pa]), len(sets[pb]))
	stays, leaves := a, b
	if winner == pb {
		stays, leaves = b, a
	}
	for _, m := range sets[loser] {
		link := m.Link
		if m.Record == leaves {
			link = hie.LinkConfirmed
		}
		if err := c.move(ctx, m, Place{winner, link}, stays); err != nil {
			return err
		}
	}
	for _, m := range sets[winner] {
		if m.Record == stays {
			if err := c.move(ctx, m, Place{winner, hie.LinkConfirmed}, leaves); err != nil {
				return err
			}
		}
	}
	return c.redirect(ctx, loser, 0, winner)
}

func other(r, a, b hie.SourcePatientID) hie.SourcePatientID {
	if r == a {
		return b
	}
	return a
}

// part moves the later of a and b, with its followers, into a person of its own.
func (x *Index) part(ctx context.Context, c *change, person hie.PersonID, set []MemberRow, a, b hie.SourcePatientID, verdicts []Constraint) error {
	events, err := c.tx.EventsOfRecords(ctx, recordsOf(set))
	if err != nil {
		return err
	}
	var at [2]int64
	for _, e := range events {
		if e.Kind == EventMoved && e.From.Person != e.To.Person && e.To.Person == person {
			switch e.Record {
			case a:
				at[0] = e.ID
			case b:
				at[1] = e.ID
			}
		}
	}
	leaves, stays := b, a
	if at[0] > at[1] {
		leaves, stays = a, b
	}
	group := followers([]hie.SourcePatientID{leaves}, set, events, min(at[0], at[1]), verdicts)
	if group[stays] {
		return fmt.Errorf("a must-link ties the two together through others: %w", hie.ErrConflict)
	}
	to, err := c.newPerson(ctx)
	if err != nil {
		return err
	}
	for _, m := range set {
		if group[m.Record] {
			if err := c.move(ctx, m, Place{to, m.Link}, leaves); err != nil {
				return err
			}
		}
	}
	return nil
}

// Settle closes a task with a verdict: for a duplicate or a conflict as Decide does; for an overlay, MustLink
// says the record still means the same person (the update takes effect and the link is confirmed), CannotLink
// that it now means another (it gets a person of its own, where the update takes effect), Clear leaves it in
// dispute. hie.ErrConflict means it is closed already. The change is 0 when nothing about links changed.
func (x *Index) Settle(ctx context.Context, actor hie.Actor, id TaskID, v Verdict, reason string) (ChangeID, error) {
	if v > CannotLink {
		return 0, fmt.Errorf("mpi: settle: %w", hie.Invalid("verdict", "must be must-link, cannot-link or clear"))
	}
	if strings.TrimSpace(reason) == "" {
		return 0, fmt.Errorf("mpi: settle: %w", hie.Required("reason"))
	}
	var out ChangeID
	err := x.update(ctx, func(tx Tx) error {
		task, err := tx.TaskByID(ctx, id)
		if err != nil {
			return err
		}
		c := x.newChange(tx, CauseSteward, actor, reason)
		task.Closed, task.Verdict, task.By, task.Reason = c.at, v, c.by, reason
		if err := tx.CloseTask(ctx, task); err != nil {
			return err
		}
		switch {
		case v == Clear:
		case task.Kind == TaskOverlay:
			err = x.settleOverlay(ctx, c, task.Record, v)
		default:
			err = x.decide(ctx, c, task.Record, task.Other, v)
		}
		if err != nil {
			return err
		}
		out = 0
		if len(c.events) > 0 {
			out = c.id
		}
		about := []hie.SourcePatientID{task.Record}
		if task.Other != 0 {
			about = append(about, task.Other)
		}
		return x.conclude(ctx, c, actor, about...)
	})
	if err != nil {
		return 0, fmt.Errorf("mpi: settle: %w", err)
	}
	return out, nil
}

// settleOverlay lets the update in dispute take effect: in its person, or in one of its own.
func (x *Index) settleOverlay(ctx context.Context, c *change, record hie.SourcePatientID, v Verdict) error {
	row, err := patient(ctx, c.tx, record)
	if err != nil {
		return err
	}
	if err := c.lock(ctx, row.Person); err != nil {
		return err
	}
	sets, err := members(ctx, c.tx, row.Person)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(sets[row.Person], func(m MemberRow) bool { return m.Record == record })
	if i < 0 {
		return errMoved
	}
	m := sets[row.Person][i]
	to := row.Person
	if v == CannotLink && len(sets[row.Person]) > 1 {
		if to, err = c.newPerson(ctx); err != nil {
			return err
		}
	}
	r := Registration{Local: row.Local, Demographics: row.Demographics}
	f := Extract(row.Site, r.withLocal())
	m.Features = f.AppendTo(nil)
	if row.Active {
		if err := x.unlist(ctx, c.tx, &row); err != nil {
			return err
		}
		if err := x.list(ctx, c.tx, &row, m.Features); err != nil {
			return err
		}
		if err := c.tx.PutPatient(ctx, row); err != nil {
			return err
		}
	}
	if err := c.tx.PutFeatures(ctx, m.Person, record, m.Features); err != nil {
		return err
	}
	return c.move(ctx, m, Place{to, hie.LinkConfirmed}, 0)
}

// Tasks returns review tasks, oldest first, and whether there are more.
func (x *Index) Tasks(ctx context.Context, f TaskFilter) (tasks []Task, more bool, err error) {
	n := pageSize(f.Count)
	tasks, err = x.store.ListTasks(ctx, f, n+1)
	if err != nil {
		return nil, false, fmt.Errorf("mpi: tasks: %w", err)
	}
	if len(tasks) > n {
		return tasks[:n], true, nil
	}
	return tasks, false, nil
}

// Task returns one task, or hie.ErrNotFound.
func (x *Index) Task(ctx context.Context, id TaskID) (Task, error) {
	t, err := x.store.TaskByID(ctx, id)
	if err != nil {
		return Task{}, fmt.Errorf("mpi: task: %w", err)
	}
	return t, nil
}

func pageSize(count int) int {
	if count <= 0 {
		return 50
	}
	return min(count, 200)
}
