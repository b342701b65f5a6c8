// Package mpitest holds the contract every mpi.Store must pass, and an in-memory store that passes it, for
// tests of what stands above the index.
package mpitest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// A Memory is an mpi.Store in memory. Transactions run one after another.
type Memory struct {
	mu sync.Mutex
	tables
	// Audit holds the events recorded with changes and, since a Memory is a Recorder too, with queries.
	Audit []audit.Event
}

type memberKey struct {
	person hie.PersonID
	record hie.SourcePatientID
}

type candidateKey struct {
	key    int64
	record hie.SourcePatientID
}

type termKey struct {
	term   string
	record hie.SourcePatientID
}

type candidateRow struct {
	live     bool
	features []byte
}

type tables struct {
	owners      map[hie.Identifier]hie.SourcePatientID
	patients    map[hie.SourcePatientID]mpi.PatientRow
	candidates  map[candidateKey]candidateRow
	byKey       map[int64]map[hie.SourcePatientID]bool
	counts      map[int64]int64
	terms       map[termKey]bool
	persons     map[hie.PersonID]mpi.PersonRow
	members     map[memberKey]mpi.MemberRow
	constraints map[[2]hie.SourcePatientID]mpi.Constraint
	edges       map[[2]hie.SourcePatientID]mpi.Bits
	versions    map[versionKey]mpi.Version
	events      []mpi.Event
	notices     []mpi.Notice
	readers     map[string]mpi.NoticeReader
	pruned      mpi.Cursor
	tasks       map[mpi.TaskID]mpi.Task
	rebuilds    map[string]mpi.Rebuilding
}

type versionKey struct {
	record hie.SourcePatientID
	number int64
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{tables: tables{owners: map[hie.Identifier]hie.SourcePatientID{}, patients: map[hie.SourcePatientID]mpi.PatientRow{},
		candidates: map[candidateKey]candidateRow{}, byKey: map[int64]map[hie.SourcePatientID]bool{}, counts: map[int64]int64{},
		terms: map[termKey]bool{}, persons: map[hie.PersonID]mpi.PersonRow{}, members: map[memberKey]mpi.MemberRow{},
		edges: map[[2]hie.SourcePatientID]mpi.Bits{}, versions: map[versionKey]mpi.Version{},
		constraints: map[[2]hie.SourcePatientID]mpi.Constraint{}, tasks: map[mpi.TaskID]mpi.Task{}, readers: map[string]mpi.NoticeReader{},
		rebuilds: map[string]mpi.Rebuilding{}}}
}

// Update implements mpi.Store.
func (m *Memory) Update(ctx context.Context, f func(mpi.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := &memoryTx{tables: &m.tables, m: m}
	if err := f(tx); err != nil {
		for _, undo := range slices.Backward(tx.undo) {
			undo()
		}
		return err
	}
	return nil
}

// Record implements mpi.Recorder.
func (m *Memory) Record(_ context.Context, events ...audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Audit = append(m.Audit, events...)
	return nil
}

// locked runs a read outside transactions.
func locked[T any](m *Memory, f func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f()
}

func (m *Memory) Owner(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, error) {
	return locked(m, func() (hie.SourcePatientID, error) { return m.tables.Owner(ctx, id) })
}

// Owners implements mpi.Reader.
func (m *Memory) Owners(ctx context.Context, ids []hie.Identifier) (map[hie.Identifier]hie.SourcePatientID, error) {
	return locked(m, func() (map[hie.Identifier]hie.SourcePatientID, error) { return m.tables.Owners(ctx, ids) })
}

func (m *Memory) Patients(ctx context.Context, r []hie.SourcePatientID) ([]mpi.PatientRow, error) {
	return locked(m, func() ([]mpi.PatientRow, error) { return m.tables.Patients(ctx, r) })
}

func (m *Memory) Homes(ctx context.Context, r []hie.SourcePatientID) (map[hie.SourcePatientID]mpi.Home, error) {
	return locked(m, func() (map[hie.SourcePatientID]mpi.Home, error) { return m.tables.Homes(ctx, r) })
}

func (m *Memory) Sighted(ctx context.Context, r []hie.SourcePatientID, whole int) (map[hie.SourcePatientID]mpi.Home, mpi.Said, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	homes, _ := m.tables.Homes(ctx, r) // maps cannot fail
	rows, err := m.tables.Patients(ctx, r[:whole])
	return homes, func(record hie.SourcePatientID) (*mpi.PatientRow, error) {
		for i := range rows {
			if rows[i].Record == record {
				row := rows[i]
				row.Keys = nil
				return &row, nil
			}
		}
		return nil, nil //nolint:nilnil // nil means "not read"
	}, err
}

func (m *Memory) Persons(ctx context.Context, p []hie.PersonID) (map[hie.PersonID]mpi.PersonRow, error) {
	return locked(m, func() (map[hie.PersonID]mpi.PersonRow, error) { return m.tables.Persons(ctx, p) })
}

func (m *Memory) Members(ctx context.Context, p []hie.PersonID) ([]mpi.MemberRow, error) {
	return locked(m, func() ([]mpi.MemberRow, error) { return m.tables.Members(ctx, p) })
}

func (m *Memory) KeyCounts(ctx context.Context, k []int64) (map[int64]int64, error) {
	return locked(m, func() (map[int64]int64, error) { return m.tables.KeyCounts(ctx, k) })
}

func (m *Memory) Candidates(ctx context.Context, k []int64) ([]mpi.Candidate, error) {
	return locked(m, func() ([]mpi.Candidate, error) { return m.tables.Candidates(ctx, k) })
}

func (m *Memory) Look(ctx context.Context, keys []mpi.Wanted) (map[int64]int64, []mpi.Candidate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tables.Look(ctx, keys)
}

func (m *Memory) Constraints(ctx context.Context, r []hie.SourcePatientID) ([]mpi.Constraint, error) {
	return locked(m, func() ([]mpi.Constraint, error) { return m.tables.Constraints(ctx, r) })
}

func (m *Memory) EventsOfRecords(ctx context.Context, r []hie.SourcePatientID) ([]mpi.Event, error) {
	return locked(m, func() ([]mpi.Event, error) { return m.tables.EventsOfRecords(ctx, r) })
}

func (m *Memory) EventsOfPerson(ctx context.Context, p hie.PersonID) ([]mpi.Event, error) {
	return locked(m, func() ([]mpi.Event, error) { return m.tables.EventsOfPerson(ctx, p) })
}

func (m *Memory) EventsOfChange(ctx context.Context, c mpi.ChangeID) ([]mpi.Event, error) {
	return locked(m, func() ([]mpi.Event, error) { return m.tables.EventsOfChange(ctx, c) })
}

func (m *Memory) ListTasks(ctx context.Context, f mpi.TaskFilter, limit int) ([]mpi.Task, error) {
	return locked(m, func() ([]mpi.Task, error) { return m.tables.ListTasks(ctx, f, limit) })
}

func (m *Memory) OpenTasksBehind(ctx context.Context, after mpi.TaskID, limit int) ([]mpi.Task, error) {
	return locked(m, func() ([]mpi.Task, error) { return m.tables.OpenTasksBehind(ctx, after, limit) })
}

func (m *Memory) TasksAbout(ctx context.Context, r []hie.SourcePatientID) ([]mpi.Task, error) {
	return locked(m, func() ([]mpi.Task, error) { return m.tables.TasksAbout(ctx, r) })
}

func (m *Memory) Edges(ctx context.Context, r []hie.SourcePatientID) ([]mpi.EdgeRow, error) {
	return locked(m, func() ([]mpi.EdgeRow, error) { return m.tables.Edges(ctx, r) })
}

func (m *Memory) RecordVersions(ctx context.Context, r hie.SourcePatientID) ([]mpi.Version, error) {
	return locked(m, func() ([]mpi.Version, error) { return m.tables.RecordVersions(ctx, r) })
}

func (m *Memory) Notices(ctx context.Context, after mpi.Cursor, limit int) ([]mpi.Notice, error) {
	return locked(m, func() ([]mpi.Notice, error) { return m.tables.Notices(ctx, after, limit) })
}

func (m *Memory) Rebuilding(ctx context.Context, target string) (mpi.Rebuilding, error) {
	return locked(m, func() (mpi.Rebuilding, error) { return m.tables.Rebuilding(ctx, target) })
}

func (m *Memory) TaskByID(ctx context.Context, id mpi.TaskID) (mpi.Task, error) {
	return locked(m, func() (mpi.Task, error) { return m.tables.TaskByID(ctx, id) })
}

func (m *Memory) Find(ctx context.Context, p mpi.Probe, after hie.SourcePatientID, limit int) ([]hie.SourcePatientID, error) {
	return locked(m, func() ([]hie.SourcePatientID, error) { return m.tables.Find(ctx, p, after, limit) })
}

func (t *tables) Owners(_ context.Context, ids []hie.Identifier) (map[hie.Identifier]hie.SourcePatientID, error) {
	out := map[hie.Identifier]hie.SourcePatientID{}
	for _, id := range ids {
		if r, there := t.owners[id]; there {
			out[id] = r
		}
	}
	return out, nil
}

func (t *tables) Owner(_ context.Context, id hie.Identifier) (hie.SourcePatientID, error) {
	if r, ok := t.owners[id]; ok {
		return r, nil
	}
	return 0, hie.ErrNotFound
}

func once[T cmp.Ordered](list []T) []T {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

func (t *tables) Patients(_ context.Context, records []hie.SourcePatientID) ([]mpi.PatientRow, error) {
	var out []mpi.PatientRow
	for _, r := range once(records) {
		if p, ok := t.patients[r]; ok {
			out = append(out, p)
		}
	}
	return out, nil
}

func (t *tables) Homes(_ context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]mpi.Home, error) {
	out := map[hie.SourcePatientID]mpi.Home{}
	for _, r := range records {
		if p, ok := t.patients[r]; ok {
			out[r] = p.Home()
		}
	}
	return out, nil
}

func (t *tables) Persons(_ context.Context, ids []hie.PersonID) (map[hie.PersonID]mpi.PersonRow, error) {
	out := map[hie.PersonID]mpi.PersonRow{}
	for _, id := range ids {
		if p, ok := t.persons[id]; ok {
			out[id] = p
		}
	}
	return out, nil
}

func (t *tables) Members(_ context.Context, ids []hie.PersonID) ([]mpi.MemberRow, error) {
	var out []mpi.MemberRow
	for k, m := range t.members {
		if slices.Contains(ids, k.person) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b mpi.MemberRow) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Record, b.Record))
	})
	return out, nil
}

func (t *tables) KeyCounts(_ context.Context, keys []int64) (map[int64]int64, error) {
	out := map[int64]int64{}
	for _, k := range keys {
		if n, ok := t.counts[k]; ok {
			out[k] = n
		}
	}
	return out, nil
}

func (t *tables) Candidates(_ context.Context, keys []int64) ([]mpi.Candidate, error) {
	var out []mpi.Candidate
	for _, k := range once(keys) {
		for r := range t.byKey[k] {
			if c := t.candidates[candidateKey{k, r}]; c.live {
				out = append(out, mpi.Candidate{Key: k, Record: r, Features: c.features})
			}
		}
	}
	return out, nil
}

func (t *tables) Look(ctx context.Context, keys []mpi.Wanted) (map[int64]int64, []mpi.Candidate, error) {
	counts, err := t.KeyCounts(ctx, mpi.Within(keys, nil))
	if err != nil {
		return nil, nil, err
	}
	rows, err := t.Candidates(ctx, mpi.Within(keys, counts))
	return counts, rows, err
}

func (t *tables) Constraints(_ context.Context, records []hie.SourcePatientID) ([]mpi.Constraint, error) {
	var out []mpi.Constraint
	for ends, c := range t.constraints {
		if slices.Contains(records, ends[0]) {
			c.A, c.B = ends[0], ends[1]
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b mpi.Constraint) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return out, nil
}

func (t *tables) eventsWhere(keep func(mpi.Event) bool) ([]mpi.Event, error) {
	var out []mpi.Event
	for _, e := range t.events {
		if keep(e) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b mpi.Event) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func (t *tables) EventsOfRecords(_ context.Context, records []hie.SourcePatientID) ([]mpi.Event, error) {
	return t.eventsWhere(func(e mpi.Event) bool { return e.Record != 0 && slices.Contains(records, e.Record) })
}

func (t *tables) EventsOfPerson(_ context.Context, person hie.PersonID) ([]mpi.Event, error) {
	return t.eventsWhere(func(e mpi.Event) bool { return e.Person == person })
}

func (t *tables) EventsOfChange(_ context.Context, change mpi.ChangeID) ([]mpi.Event, error) {
	return t.eventsWhere(func(e mpi.Event) bool { return e.Change == change })
}

func (t *tables) ListTasks(_ context.Context, f mpi.TaskFilter, limit int) ([]mpi.Task, error) {
	claimed := func(k mpi.Task) bool {
		by := k.ClaimedBy
		if !k.ClaimedUntil.After(f.Now) {
			by = ""
		}
		return f.Claimed == "" || f.Claimed == mpi.Unclaimed && by == "" || f.Claimed == by
	}
	order := func(a, b mpi.Task) int {
		if f.Closed {
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Or(cmp.Compare(b.Risk, a.Risk), cmp.Compare(a.ID, b.ID))
	}
	var out []mpi.Task
	for _, k := range t.tasks {
		snoozed := k.Snooze != nil && k.Snooze.Until.After(f.Now)
		if !f.Closed && (f.Record == 0 || f.Snoozed) && snoozed != f.Snoozed {
			continue
		}
		if !f.OpenedBefore.IsZero() && !k.Opened.Before(f.OpenedBefore) || f.Grade != nil && k.Grade != *f.Grade || !f.Closed && k.Risk < f.MinRisk {
			continue
		}
		if f.Waiting && k.Pending() == 0 {
			continue
		}
		if f.Escalated && (k.Escalation == nil || f.For != nil && !k.Escalation.Calls(*f.For)) {
			continue
		}
		if k.Closed.IsZero() != f.Closed && (f.Kind == "" || f.Kind == k.Kind) && (f.Record == 0 || f.Record == k.Record || f.Record == k.Other) &&
			(f.Closed || claimed(k)) && (f.After == 0 || order(k, t.tasks[f.After]) > 0) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, order)
	return out[:min(len(out), limit)], nil
}

func (t *tables) OpenTasksBehind(_ context.Context, after mpi.TaskID, limit int) ([]mpi.Task, error) {
	var out []mpi.Task
	for _, id := range slices.Sorted(maps.Keys(t.tasks)) {
		if k := t.tasks[id]; k.Closed.IsZero() && id > after && len(out) < limit {
			out = append(out, k)
		}
	}
	return out, nil
}

func (t *tables) TasksAbout(_ context.Context, records []hie.SourcePatientID) ([]mpi.Task, error) {
	var out []mpi.Task
	for _, id := range slices.Sorted(maps.Keys(t.tasks)) {
		if k := t.tasks[id]; slices.Contains(records, k.Record) || k.Other != 0 && slices.Contains(records, k.Other) {
			out = append(out, k)
		}
	}
	return out, nil
}

func (t *tables) Edges(_ context.Context, records []hie.SourcePatientID) ([]mpi.EdgeRow, error) {
	var out []mpi.EdgeRow
	for ends, bits := range t.edges {
		if slices.Contains(records, ends[0]) {
			out = append(out, mpi.EdgeRow{A: ends[0], B: ends[1], Bits: bits})
		}
	}
	slices.SortFunc(out, func(a, b mpi.EdgeRow) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return out, nil
}

func (t *tables) RecordVersions(_ context.Context, record hie.SourcePatientID) ([]mpi.Version, error) {
	var out []mpi.Version
	for k, v := range t.versions {
		if k.record == record {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b mpi.Version) int { return cmp.Compare(a.Number, b.Number) })
	return out, nil
}

func (t *tables) Notices(_ context.Context, after mpi.Cursor, limit int) ([]mpi.Notice, error) {
	var out []mpi.Notice
	for _, n := range t.notices {
		if n.Cursor.Notice > after.Notice && len(out) < limit {
			out = append(out, n)
		}
	}
	return out, nil
}

func (t *tables) Rebuilding(_ context.Context, target string) (mpi.Rebuilding, error) {
	if r, ok := t.rebuilds[target]; ok {
		return r, nil
	}
	return mpi.Rebuilding{}, hie.ErrNotFound
}

func (t *tables) TaskByID(_ context.Context, id mpi.TaskID) (mpi.Task, error) {
	if k, ok := t.tasks[id]; ok {
		return k, nil
	}
	return mpi.Task{}, hie.ErrNotFound
}

func (t *tables) Find(_ context.Context, p mpi.Probe, after hie.SourcePatientID, limit int) ([]hie.SourcePatientID, error) {
	var out []hie.SourcePatientID
	switch {
	case len(p.Records) > 0:
		for _, r := range p.Records {
			if _, ok := t.patients[r]; ok {
				out = append(out, r)
			}
		}
	case len(p.Keys) > 0:
		for _, k := range p.Keys {
			out = slices.AppendSeq(out, maps.Keys(t.byKey[k]))
		}
	case len(p.Terms) > 0:
		for k := range t.terms {
			if slices.ContainsFunc(p.Terms, func(prefix string) bool { return strings.HasPrefix(k.term, prefix) }) {
				out = append(out, k.record)
			}
		}
	default:
		for r, row := range t.patients {
			n := row.Demographics.Birth.BirthNumber()
			if p.BirthUntil == 0 || n > 0 && n >= p.BirthFrom && n < p.BirthUntil {
				out = append(out, r)
			}
		}
	}
	out = slices.DeleteFunc(once(out), func(r hie.SourcePatientID) bool { return r <= after })
	return out[:min(len(out), limit)], nil
}
