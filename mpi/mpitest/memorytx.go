package mpitest

import (
	"context"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// memoryTx implements mpi.Tx; each write leaves what takes it back.
type memoryTx struct {
	*tables
	m    *Memory
	undo []func()
}

// set writes m[k] = v and keeps how to take it back; keep false deletes.
func set[K comparable, V any](t *memoryTx, m map[K]V, k K, v V, keep bool) {
	old, had := m[k]
	t.undo = append(t.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
	if keep {
		m[k] = v
	} else {
		delete(m, k)
	}
}

func (t *memoryTx) Claim(_ context.Context, id hie.Identifier, record hie.SourcePatientID) (hie.SourcePatientID, error) {
	if owner, ok := t.owners[id]; ok {
		return owner, nil
	}
	set(t, t.owners, id, record, true)
	return record, nil
}

func (t *memoryTx) ClaimKeys(_ context.Context, keys []mpi.KeyClaim) error {
	for _, k := range keys {
		set(t, t.counts, k.Key, max(0, t.counts[k.Key]+k.Add), true)
	}
	return nil
}

func (t *memoryTx) PutPatient(_ context.Context, p mpi.PatientRow) error {
	set(t, t.patients, p.Record, p, true)
	return nil
}

func (t *memoryTx) MoveHome(_ context.Context, record hie.SourcePatientID, person hie.PersonID) error {
	if p, ok := t.patients[record]; ok {
		p.Person = person
		set(t, t.patients, record, p, true)
	}
	return nil
}

func (t *memoryTx) PutCandidates(_ context.Context, record hie.SourcePatientID, live, dead []int64, features []byte) error {
	put := func(k int64, row candidateRow) {
		set(t, t.candidates, candidateKey{k, record}, row, true)
		if t.byKey[k] == nil {
			t.byKey[k] = map[hie.SourcePatientID]bool{}
		}
		set(t, t.byKey[k], record, true, true)
	}
	for _, k := range live {
		put(k, candidateRow{true, features})
	}
	for _, k := range dead {
		put(k, candidateRow{})
	}
	return nil
}

func (t *memoryTx) PutRegistration(ctx context.Context, p mpi.PatientRow, was *mpi.Version, terms []string) error {
	if was != nil {
		if err := t.PutVersion(ctx, *was); err != nil {
			return err
		}
	}
	for _, w := range terms {
		set(t, t.terms, termKey{w, p.Record}, true, true)
	}
	return t.PutPatient(ctx, p)
}

func (t *memoryTx) RemoveTerms(_ context.Context, record hie.SourcePatientID, terms []string) error {
	for _, w := range terms {
		set(t, t.terms, termKey{w, record}, true, false)
	}
	return nil
}

func (t *memoryTx) NewPerson(ctx context.Context, first mpi.MemberRow) error {
	set(t, t.persons, first.Person, mpi.PersonRow{ID: first.Person, Version: 1}, true)
	return t.PutMember(ctx, first)
}

func (t *memoryTx) Lock(context.Context, []hie.PersonID) error { return nil } // transactions run one after another

func (t *memoryTx) Bump(_ context.Context, ids []hie.PersonID) error {
	for _, id := range ids {
		if p, ok := t.persons[id]; ok {
			p.Version++
			set(t, t.persons, id, p, true)
		}
	}
	return nil
}

func (t *memoryTx) PutEdges(_ context.Context, edges []mpi.EdgeRow) error {
	for _, e := range edges {
		set(t, t.edges, [2]hie.SourcePatientID{e.A, e.B}, e.Bits, true)
		set(t, t.edges, [2]hie.SourcePatientID{e.B, e.A}, e.Bits, true)
	}
	return nil
}

func (t *memoryTx) RemoveEdges(_ context.Context, edges []mpi.EdgeRow) error {
	for _, e := range edges {
		set(t, t.edges, [2]hie.SourcePatientID{e.A, e.B}, 0, false)
		set(t, t.edges, [2]hie.SourcePatientID{e.B, e.A}, 0, false)
	}
	return nil
}

func (t *memoryTx) PutVersion(_ context.Context, v mpi.Version) error {
	set(t, t.versions, versionKey{v.Record, v.Number}, v, true)
	return nil
}

func (t *memoryTx) PutRebuilding(_ context.Context, r mpi.Rebuilding) error {
	set(t, t.rebuilds, r.Target, r, true)
	return nil
}

func (t *memoryTx) Notify(_ context.Context, notices []mpi.Notice) error {
	n := len(t.notices)
	t.undo = append(t.undo, func() { t.notices = t.notices[:n] })
	for _, v := range notices {
		t.notices = append(t.notices, mpi.NoticeWith(v, v.ID(), mpi.Cursor{Notice: v.ID()}))
	}
	return nil
}

func (t *memoryTx) Redirect(_ context.Context, id, into hie.PersonID) error {
	if p, ok := t.persons[id]; ok {
		p.Redirect = into
		set(t, t.persons, id, p, true)
	}
	return nil
}

func (t *memoryTx) PutMember(_ context.Context, m mpi.MemberRow) error {
	set(t, t.members, memberKey{m.Person, m.Record}, m, true)
	return nil
}

func (t *memoryTx) PutFeatures(_ context.Context, person hie.PersonID, record hie.SourcePatientID, features []byte) error {
	m, ok := t.members[memberKey{person, record}]
	if !ok {
		return hie.ErrNotFound
	}
	m.Features = features
	set(t, t.members, memberKey{person, record}, m, true)
	return nil
}

func (t *memoryTx) RemoveMember(_ context.Context, person hie.PersonID, record hie.SourcePatientID) error {
	set(t, t.members, memberKey{person, record}, mpi.MemberRow{}, false)
	return nil
}

func (t *memoryTx) PutConstraint(_ context.Context, c mpi.Constraint) error {
	for _, ends := range [][2]hie.SourcePatientID{{c.A, c.B}, {c.B, c.A}} {
		set(t, t.constraints, ends, c, c.Verdict != mpi.Clear)
	}
	return nil
}

func (t *memoryTx) AddEvents(_ context.Context, events []mpi.Event) error {
	n := len(t.events)
	t.undo = append(t.undo, func() { t.events = t.events[:n] })
	for _, e := range events {
		e.Evidence = mpi.DecodeEvidence(mpi.EncodeEvidence(e.Evidence)) // to the hundredth, as stored elsewhere
		t.events = append(t.events, e)
	}
	return nil
}

func (t *memoryTx) OpenTasks(_ context.Context, tasks []mpi.Task) (int, error) {
	opened := 0
	for _, k := range tasks {
		there := false
		for _, o := range t.tasks {
			there = there || o.Closed.IsZero() && o.Kind == k.Kind && (o.Record == k.Record && o.Other == k.Other || o.Record == k.Other && o.Other == k.Record)
		}
		if !there {
			k.Evidence = mpi.DecodeEvidence(mpi.EncodeEvidence(k.Evidence))
			set(t, t.tasks, k.ID, k, true)
			opened++
		}
	}
	return opened, nil
}

func (t *memoryTx) TakeTask(_ context.Context, id mpi.TaskID) (mpi.Task, error) {
	k, ok := t.tasks[id]
	switch {
	case !ok:
		return k, hie.ErrNotFound
	case !k.Closed.IsZero():
		return k, hie.ErrConflict
	}
	return k, nil
}

func (t *memoryTx) PutRisk(_ context.Context, id mpi.TaskID, risk float64) error {
	if k, ok := t.tasks[id]; ok && k.Closed.IsZero() {
		k.Risk = risk
		set(t, t.tasks, id, k, true)
	}
	return nil
}

func (t *memoryTx) PutTask(_ context.Context, k mpi.Task) error {
	if _, ok := t.tasks[k.ID]; !ok {
		return hie.ErrNotFound
	}
	set(t, t.tasks, k.ID, k, true)
	return nil
}

func (t *memoryTx) Record(_ context.Context, events ...audit.Event) error {
	n := len(t.m.Audit)
	t.undo = append(t.undo, func() { t.m.Audit = slices.Clip(t.m.Audit[:n]) })
	t.m.Audit = append(t.m.Audit, events...)
	return nil
}
