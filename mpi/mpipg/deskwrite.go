package mpipg

import (
	"context"
	"maps"
	"slices"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// then keeps a write to rows that are there already for the end of the load.
func (d *desk) then(f func(context.Context) error) { put(d, &d.later, f) }

// ClaimKeys implements mpi.Tx.
func (d *desk) ClaimKeys(ctx context.Context, keys []mpi.KeyClaim) error {
	var ask []int64
	for _, k := range keys {
		ask = append(ask, k.Key)
	}
	if _, err := d.KeyCounts(ctx, ask); err != nil {
		return err
	}
	for _, k := range keys {
		set(d, d.counts, k.Key, max(0, d.counts[k.Key]+k.Add))
	}
	return nil
}

// PutPatient implements mpi.Tx.
func (d *desk) PutPatient(_ context.Context, p mpi.PatientRow) error {
	set(d, d.patients, p.Record, &p)
	home := p.Home()
	set(d, d.homes, p.Record, &home)
	if !d.fresh[p.Record] {
		d.then(func(ctx context.Context) error { return d.writer.PutPatient(ctx, p) })
	}
	return nil
}

// MoveHome implements mpi.Tx.
func (d *desk) MoveHome(ctx context.Context, record hie.SourcePatientID, person hie.PersonID) error {
	if _, err := d.Homes(ctx, []hie.SourcePatientID{record}); err != nil {
		return err
	}
	if h := d.homes[record]; h != nil {
		moved := *h
		moved.Person = person
		set(d, d.homes, record, &moved)
	}
	if !d.fresh[record] {
		d.then(func(ctx context.Context) error { return d.writer.MoveHome(ctx, record, person) })
	}
	return nil
}

// PutCandidates implements mpi.Tx.
func (d *desk) PutCandidates(ctx context.Context, record hie.SourcePatientID, live, dead []int64, features []byte) error {
	if _, err := d.Candidates(ctx, slices.Concat(live, dead)); err != nil {
		return err
	}
	_, listed := d.features[record]
	for _, k := range slices.Concat(live, dead) {
		rows := d.byKey[k]
		if listed || !d.fresh[record] {
			rows = slices.DeleteFunc(slices.Clone(rows), func(c mpi.Candidate) bool { return c.Record == record })
		}
		if slices.Contains(live, k) {
			rows = append(rows, mpi.Candidate{Key: k, Record: record, Features: features})
		}
		set(d, d.byKey, k, rows)
	}
	if d.fresh[record] {
		set(d, d.features, record, features)
		return nil
	}
	for _, k := range slices.Concat(live, dead) {
		d.altered[k] = true
	}
	d.then(func(ctx context.Context) error { return d.writer.PutCandidates(ctx, record, live, dead, features) })
	return nil
}

// PutRegistration implements mpi.Tx.
func (d *desk) PutRegistration(_ context.Context, p mpi.PatientRow, was *mpi.Version, terms []string) error {
	set(d, d.patients, p.Record, &p)
	home := p.Home()
	set(d, d.homes, p.Record, &home)
	if !d.fresh[p.Record] {
		d.then(func(ctx context.Context) error { return d.writer.PutRegistration(ctx, p, was, terms) })
		return nil
	}
	if was != nil {
		v := *was
		d.then(func(ctx context.Context) error { return d.writer.PutVersion(ctx, v) })
	}
	kept := slices.DeleteFunc(slices.Clone(d.terms[p.Record]), func(t string) bool { return slices.Contains(terms, t) })
	set(d, d.terms, p.Record, append(kept, terms...))
	return nil
}

// RemoveTerms implements mpi.Tx.
func (d *desk) RemoveTerms(_ context.Context, record hie.SourcePatientID, terms []string) error {
	if d.fresh[record] {
		set(d, d.terms, record, slices.DeleteFunc(slices.Clone(d.terms[record]), func(t string) bool { return slices.Contains(terms, t) }))
		return nil
	}
	d.then(func(ctx context.Context) error { return d.writer.RemoveTerms(ctx, record, terms) })
	return nil
}

// NewPerson implements mpi.Tx.
func (d *desk) NewPerson(ctx context.Context, first mpi.MemberRow) error {
	id := first.Person
	set(d, d.persons, id, &mpi.PersonRow{ID: id, Version: 1})
	set(d, d.made, id, true)
	set(d, d.locked, id, true)
	set(d, d.members, id, map[hie.SourcePatientID]mpi.MemberRow{})
	return d.PutMember(ctx, first)
}

// Lock implements mpi.Tx. Persons read ahead are locked in order; one that turns up later may wait in a circle with a
// live registration, which PostgreSQL ends and the load begins again. What was read of a person before it was locked is read again; so nothing is written to a
// person that is not locked, even where the index knows that nobody else has it in hand.
func (d *desk) Lock(ctx context.Context, ids []hie.PersonID) error {
	ask := unknown(ids, d.locked)
	if len(ask) == 0 {
		return nil
	}
	if err := d.writer.raise(ctx, ask, 0, d.now); err != nil {
		return err
	}
	for _, p := range ask {
		d.locked[p] = true
		delete(d.members, p)
		delete(d.persons, p)
	}
	return nil
}

// Bump implements mpi.Tx. A person's version rises once for the whole load: nobody sees those between.
func (d *desk) Bump(ctx context.Context, ids []hie.PersonID) error {
	if err := d.Lock(ctx, ids); err != nil {
		return err
	}
	if _, err := d.Persons(ctx, ids); err != nil {
		return err
	}
	for _, id := range ids {
		if p := d.persons[id]; p != nil && !d.made[id] && !d.raised[id] {
			row := *p
			row.Version++
			set(d, d.persons, id, &row)
			set(d, d.raised, id, true)
		}
	}
	return nil
}

// Redirect implements mpi.Tx.
func (d *desk) Redirect(ctx context.Context, id, into hie.PersonID) error {
	if err := d.Lock(ctx, []hie.PersonID{id}); err != nil {
		return err
	}
	if _, err := d.Persons(ctx, []hie.PersonID{id}); err != nil {
		return err
	}
	if p := d.persons[id]; p != nil {
		row := *p
		row.Redirect = into
		set(d, d.persons, id, &row)
	}
	if !d.made[id] {
		d.then(func(ctx context.Context) error { return d.writer.Redirect(ctx, id, into) })
	}
	return nil
}

// PutMember implements mpi.Tx.
func (d *desk) PutMember(ctx context.Context, m mpi.MemberRow) error {
	if err := d.Lock(ctx, []hie.PersonID{m.Person}); err != nil {
		return err
	}
	if _, err := d.Members(ctx, []hie.PersonID{m.Person}); err != nil {
		return err
	}
	set(d, d.members[m.Person], m.Record, m)
	set(d, d.moved, memberKey{m.Person, m.Record}, true)
	return nil
}

// PutFeatures implements mpi.Tx.
func (d *desk) PutFeatures(ctx context.Context, person hie.PersonID, record hie.SourcePatientID, features []byte) error {
	if _, err := d.Members(ctx, []hie.PersonID{person}); err != nil {
		return err
	}
	m, there := d.members[person][record]
	if !there {
		return hie.ErrNotFound
	}
	m.Features = features
	return d.PutMember(ctx, m)
}

// RemoveMember implements mpi.Tx.
func (d *desk) RemoveMember(ctx context.Context, person hie.PersonID, record hie.SourcePatientID) error {
	if err := d.Lock(ctx, []hie.PersonID{person}); err != nil {
		return err
	}
	if _, err := d.Members(ctx, []hie.PersonID{person}); err != nil {
		return err
	}
	if m, there := d.members[person][record]; there {
		of := d.members[person]
		delete(of, record)
		d.undo = append(d.undo, func() { of[record] = m })
		set(d, d.moved, memberKey{person, record}, true)
	}
	return nil
}

// PutEdges implements mpi.Tx.
func (d *desk) PutEdges(ctx context.Context, edges []mpi.EdgeRow) error {
	for _, e := range edges {
		if _, err := d.Edges(ctx, []hie.SourcePatientID{e.A, e.B}); err != nil {
			return err
		}
		set(d, d.edges[e.A], e.B, e.Bits)
		set(d, d.edges[e.B], e.A, e.Bits)
		set(d, d.putEdges, pair{min(e.A, e.B), max(e.A, e.B)}, true)
	}
	return nil
}

// RemoveEdges implements mpi.Tx.
func (d *desk) RemoveEdges(ctx context.Context, edges []mpi.EdgeRow) error {
	for _, e := range edges {
		if _, err := d.Edges(ctx, []hie.SourcePatientID{e.A, e.B}); err != nil {
			return err
		}
		for _, end := range []pair{{e.A, e.B}, {e.B, e.A}} {
			of := d.edges[end[0]]
			if bits, there := of[end[1]]; there {
				delete(of, end[1])
				d.undo = append(d.undo, func() { of[end[1]] = bits })
			}
		}
		set(d, d.putEdges, pair{min(e.A, e.B), max(e.A, e.B)}, true)
	}
	return nil
}

// PutConstraint implements mpi.Tx.
func (d *desk) PutConstraint(ctx context.Context, c mpi.Constraint) error {
	if _, err := d.Constraints(ctx, []hie.SourcePatientID{c.A, c.B}); err != nil {
		return err
	}
	for _, end := range []mpi.Constraint{c, {A: c.B, B: c.A, Verdict: c.Verdict, Bits: c.Bits, Change: c.Change, At: c.At}} {
		rows := slices.DeleteFunc(slices.Clone(d.constraints[end.A]), func(o mpi.Constraint) bool { return o.B == end.B })
		if end.Verdict != mpi.Clear {
			rows = append(rows, end)
		}
		set(d, d.constraints, end.A, rows)
	}
	d.then(func(ctx context.Context) error { return d.writer.PutConstraint(ctx, c) })
	return nil
}

// AddEvents implements mpi.Tx.
func (d *desk) AddEvents(_ context.Context, events []mpi.Event) error {
	put(d, &d.events, events...)
	return nil
}

// Notify implements mpi.Tx.
func (d *desk) Notify(_ context.Context, notices []mpi.Notice) error {
	put(d, &d.notices, notices...)
	return nil
}

// OpenTasks implements mpi.Tx.
func (d *desk) OpenTasks(ctx context.Context, tasks []mpi.Task) (int, error) {
	n := 0
	for _, t := range tasks {
		about := []hie.SourcePatientID{t.Record}
		if t.Other != 0 {
			about = append(about, t.Other)
		}
		known, err := d.TasksAbout(ctx, about)
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(known, func(k mpi.Task) bool {
			return k.Closed.IsZero() && k.Kind == t.Kind && (k.Record == t.Record && k.Other == t.Other || k.Record == t.Other && k.Other == t.Record)
		}) {
			continue
		}
		set(d, d.tasks, t.ID, &t)
		for _, r := range about {
			set(d, d.tasksOf, r, append(slices.Clone(d.tasksOf[r]), t.ID))
		}
		put(d, &d.opened, t.ID)
		n++
	}
	return n, nil
}

// PutTask implements mpi.Tx. Tasks opened before are written before it: one closed now may be asked again later in the
// load, and only one of a kind about a pair is ever open.
func (d *desk) PutTask(_ context.Context, t mpi.Task) error {
	set(d, d.tasks, t.ID, &t)
	if was, now := d.sealed, len(d.opened); now > was {
		d.undo = append(d.undo, func() { d.sealed = was })
		d.sealed = now
		opened := slices.Clone(d.opened[was:now])
		d.then(func(ctx context.Context) error { return d.insertTasks(ctx, opened) })
	}
	d.then(func(ctx context.Context) error { return d.writer.PutTask(ctx, t) })
	return nil
}

// PutRisk implements mpi.Tx.
func (d *desk) PutRisk(_ context.Context, id mpi.TaskID, risk float64) error {
	d.then(func(ctx context.Context) error { return d.writer.PutRisk(ctx, id, risk) })
	return nil
}

// PutVersion implements mpi.Tx.
func (d *desk) PutVersion(_ context.Context, v mpi.Version) error {
	d.then(func(ctx context.Context) error { return d.writer.PutVersion(ctx, v) })
	return nil
}

// newRecords returns the new records that have a row, in order.
func (d *desk) newRecords() []hie.SourcePatientID {
	var out []hie.SourcePatientID
	for _, r := range slices.Sorted(maps.Keys(d.fresh)) {
		if d.patients[r] != nil {
			out = append(out, r)
		}
	}
	return out
}
