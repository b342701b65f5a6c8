package mpipg

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

type memberKey struct {
	person hie.PersonID
	record hie.SourcePatientID
}

type pair [2]hie.SourcePatientID

// A desk is a transaction that keeps at hand what a load reads and holds what it writes until the end. It implements
// mpi.Workbench. What is not at hand is read from the database, so a load that needs more than was read ahead is slow
// and not wrong.
//
// A map's missing key means not known; what is known to be absent has an entry that says so.
type desk struct {
	*writer
	undo []func()

	owners   map[hie.Identifier]hie.SourcePatientID
	mine     map[hie.Identifier]hie.SourcePatientID // claims written ahead
	fresh    map[hie.SourcePatientID]bool           // records that are new
	patients map[hie.SourcePatientID]*mpi.PatientRow
	homes    map[hie.SourcePatientID]*mpi.Home
	features map[hie.SourcePatientID][]byte // of fresh records' keys
	terms    map[hie.SourcePatientID][]string
	byKey    map[int64][]mpi.Candidate
	counts   map[int64]int64
	claimed  map[int64]int64 // what has been written to the counts already
	// countsThere is set when a key without a count may have one before this transaction ends.
	countsThere bool
	stock       *stock         // nil for none
	first       map[int64]bool // keys that had no count before
	altered     map[int64]bool // keys under which a stock does not know all rows any more

	persons map[hie.PersonID]*mpi.PersonRow
	locked  map[hie.PersonID]bool
	made    map[hie.PersonID]bool // persons that are new
	raised  map[hie.PersonID]bool
	members map[hie.PersonID]map[hie.SourcePatientID]mpi.MemberRow
	stored  map[memberKey]bool // memberships there were
	moved   map[memberKey]bool

	edges       map[hie.SourcePatientID]map[hie.SourcePatientID]mpi.Bits
	storedEdges map[pair]bool
	putEdges    map[pair]bool
	constraints map[hie.SourcePatientID][]mpi.Constraint
	tasks       map[mpi.TaskID]*mpi.Task
	tasksKnown  map[hie.SourcePatientID]bool
	tasksOf     map[hie.SourcePatientID][]mpi.TaskID
	opened      []mpi.TaskID
	sealed      int // how many of opened are written by what is kept for later

	events  []mpi.Event
	notices []mpi.Notice
	records map[hie.SourcePatientID]bool // the audit event is about
	later   []func(context.Context) error
}

func newDesk(w *writer) *desk {
	return &desk{writer: w, owners: map[hie.Identifier]hie.SourcePatientID{}, mine: map[hie.Identifier]hie.SourcePatientID{}, fresh: map[hie.SourcePatientID]bool{},
		patients: map[hie.SourcePatientID]*mpi.PatientRow{}, homes: map[hie.SourcePatientID]*mpi.Home{}, features: map[hie.SourcePatientID][]byte{},
		terms: map[hie.SourcePatientID][]string{}, byKey: map[int64][]mpi.Candidate{}, counts: map[int64]int64{}, claimed: map[int64]int64{},
		persons: map[hie.PersonID]*mpi.PersonRow{}, locked: map[hie.PersonID]bool{}, made: map[hie.PersonID]bool{}, raised: map[hie.PersonID]bool{},
		members: map[hie.PersonID]map[hie.SourcePatientID]mpi.MemberRow{}, stored: map[memberKey]bool{}, moved: map[memberKey]bool{},
		edges: map[hie.SourcePatientID]map[hie.SourcePatientID]mpi.Bits{}, storedEdges: map[pair]bool{}, putEdges: map[pair]bool{},
		constraints: map[hie.SourcePatientID][]mpi.Constraint{}, tasks: map[mpi.TaskID]*mpi.Task{}, tasksKnown: map[hie.SourcePatientID]bool{},
		tasksOf: map[hie.SourcePatientID][]mpi.TaskID{}, records: map[hie.SourcePatientID]bool{},
		first: map[int64]bool{}, altered: map[int64]bool{}}
}

// Try implements mpi.Workbench.
func (d *desk) Try(f func() error) error {
	d.undo = d.undo[:0]
	err := f()
	if err != nil {
		for _, undo := range slices.Backward(d.undo) {
			undo()
		}
	}
	return err
}

// set writes m[k] = v and keeps how to take it back.
func set[K comparable, V any](d *desk, m map[K]V, k K, v V) {
	old, had := m[k]
	d.undo = append(d.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
	m[k] = v
}

// put appends v to *list and keeps how to take it back.
func put[V any](d *desk, list *[]V, v ...V) {
	n := len(*list)
	d.undo = append(d.undo, func() { *list = (*list)[:n] })
	*list = append(*list, v...)
}

// unknown returns ids that m has no entry for, sorted, each once.
func unknown[K cmp.Ordered, V any](ids []K, m map[K]V) []K {
	var out []K
	for _, id := range ids {
		if _, known := m[id]; !known {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Owner implements mpi.Reader.
func (d *desk) Owner(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, error) {
	if r := d.owners[id]; r != 0 {
		return r, nil
	}
	return d.writer.Owner(ctx, id)
}

// Owners implements mpi.Reader.
func (d *desk) Owners(ctx context.Context, ids []hie.Identifier) (map[hie.Identifier]hie.SourcePatientID, error) {
	out := make(map[hie.Identifier]hie.SourcePatientID, len(ids))
	var ask []hie.Identifier
	for _, id := range ids {
		if r := d.owners[id]; r != 0 {
			out[id] = r
		} else {
			ask = append(ask, id)
		}
	}
	rest, err := d.writer.Owners(ctx, ask)
	maps.Copy(out, rest)
	return out, err
}

// Claim implements mpi.Tx. A claim of this load whose registration came to nothing goes to the next that asks. A record
// that claims its own identifier is new unless it was read before: who claims for a record that is there has read it.
func (d *desk) Claim(ctx context.Context, id hie.Identifier, record hie.SourcePatientID) (hie.SourcePatientID, error) {
	owner := d.owners[id]
	if owner == 0 {
		var err error
		if owner, err = d.writer.Claim(ctx, id, record); err != nil {
			return 0, err
		}
		d.owners[id] = owner
	}
	if d.mine[id] != 0 && d.patients[owner] == nil {
		owner = record
		d.owners[id] = record
	}
	if owner == record && d.patients[record] == nil {
		d.begin(record)
	}
	return owner, nil
}

// begin says that nothing is known of a new record because there is nothing.
func (d *desk) begin(record hie.SourcePatientID) {
	d.fresh[record], d.patients[record], d.homes[record], d.edges[record] = true, nil, nil, map[hie.SourcePatientID]mpi.Bits{}
	d.constraints[record], d.tasksKnown[record] = nil, true
}

// Patients implements mpi.Reader.
func (d *desk) Patients(ctx context.Context, records []hie.SourcePatientID) ([]mpi.PatientRow, error) {
	if ask := unknown(records, d.patients); len(ask) > 0 {
		rows, err := d.writer.Patients(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, r := range ask {
			d.patients[r] = nil
		}
		for i := range rows {
			d.patients[rows[i].Record] = &rows[i]
		}
	}
	var out []mpi.PatientRow
	for _, r := range slices.Compact(slices.Sorted(slices.Values(records))) {
		if p := d.patients[r]; p != nil {
			row := *p
			row.Packed = nil // who reads it may change it
			if h := d.homes[r]; h != nil {
				row.Person, row.AliasOf = h.Person, h.AliasOf
			}
			out = append(out, row)
		}
	}
	return out, nil
}

// Homes implements mpi.Reader.
func (d *desk) Homes(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]mpi.Home, error) {
	if ask := unknown(records, d.homes); len(ask) > 0 {
		rows, err := d.writer.Homes(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, r := range ask {
			d.homes[r] = nil
			if h, there := rows[r]; there {
				d.homes[r] = &h
			}
		}
	}
	out := make(map[hie.SourcePatientID]mpi.Home, len(records))
	for _, r := range records {
		if h := d.homes[r]; h != nil {
			out[r] = *h
		}
	}
	return out, nil
}

// Persons implements mpi.Reader.
func (d *desk) Persons(ctx context.Context, ids []hie.PersonID) (map[hie.PersonID]mpi.PersonRow, error) {
	if ask := unknown(ids, d.persons); len(ask) > 0 {
		rows, err := d.writer.Persons(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, p := range ask {
			d.persons[p] = nil
			if row, there := rows[p]; there {
				d.persons[p] = &row
			}
		}
	}
	out := make(map[hie.PersonID]mpi.PersonRow, len(ids))
	for _, p := range ids {
		if row := d.persons[p]; row != nil {
			out[p] = *row
		}
	}
	return out, nil
}

// Members implements mpi.Reader.
func (d *desk) Members(ctx context.Context, ids []hie.PersonID) ([]mpi.MemberRow, error) {
	if ask := unknown(ids, d.members); len(ask) > 0 {
		rows, err := d.writer.Members(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, p := range ask {
			d.members[p] = map[hie.SourcePatientID]mpi.MemberRow{}
		}
		for _, m := range rows {
			d.members[m.Person][m.Record] = m
			d.stored[memberKey{m.Person, m.Record}] = true
		}
	}
	var out []mpi.MemberRow
	for _, p := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		for _, r := range slices.Sorted(maps.Keys(d.members[p])) {
			out = append(out, d.members[p][r])
		}
	}
	return out, nil
}

// KeyCounts implements mpi.Reader.
func (d *desk) KeyCounts(ctx context.Context, keys []int64) (map[int64]int64, error) {
	if ask := unknown(keys, d.counts); len(ask) > 0 {
		rows, err := d.writer.KeyCounts(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, k := range ask {
			d.counts[k], d.claimed[k] = rows[k], rows[k]
		}
	}
	out := make(map[int64]int64, len(keys))
	for _, k := range keys {
		if n := d.counts[k]; n > 0 {
			out[k] = n
		}
	}
	return out, nil
}

// Candidates implements mpi.Reader.
func (d *desk) Candidates(ctx context.Context, keys []int64) ([]mpi.Candidate, error) {
	if ask := unknown(keys, d.byKey); len(ask) > 0 {
		rows, err := d.writer.Candidates(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, k := range ask {
			d.byKey[k] = nil
		}
		for _, c := range rows {
			d.byKey[c.Key] = append(d.byKey[c.Key], c)
		}
	}
	n := 0
	for _, k := range keys {
		n += len(d.byKey[k])
	}
	out := make([]mpi.Candidate, 0, n)
	for _, k := range keys {
		out = append(out, d.byKey[k]...)
	}
	return out, nil
}

// Edges implements mpi.Reader.
func (d *desk) Edges(ctx context.Context, records []hie.SourcePatientID) ([]mpi.EdgeRow, error) {
	if ask := unknown(records, d.edges); len(ask) > 0 {
		rows, err := d.writer.Edges(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, r := range ask {
			d.edges[r] = map[hie.SourcePatientID]mpi.Bits{}
		}
		for _, e := range rows {
			d.edges[e.A][e.B] = e.Bits
			d.storedEdges[pair{e.A, e.B}] = true
		}
	}
	var out []mpi.EdgeRow
	for _, r := range slices.Compact(slices.Sorted(slices.Values(records))) {
		for _, b := range slices.Sorted(maps.Keys(d.edges[r])) {
			out = append(out, mpi.EdgeRow{A: r, B: b, Bits: d.edges[r][b]})
		}
	}
	return out, nil
}

// Constraints implements mpi.Reader.
func (d *desk) Constraints(ctx context.Context, records []hie.SourcePatientID) ([]mpi.Constraint, error) {
	if ask := unknown(records, d.constraints); len(ask) > 0 {
		rows, err := d.writer.Constraints(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, r := range ask {
			d.constraints[r] = nil
		}
		for _, c := range rows {
			d.constraints[c.A] = append(d.constraints[c.A], c)
		}
	}
	var out []mpi.Constraint
	for _, r := range slices.Compact(slices.Sorted(slices.Values(records))) {
		out = append(out, d.constraints[r]...)
	}
	return out, nil
}

// EventsOfRecords implements mpi.Reader.
func (d *desk) EventsOfRecords(ctx context.Context, records []hie.SourcePatientID) ([]mpi.Event, error) {
	out, err := d.writer.EventsOfRecords(ctx, records)
	if err != nil {
		return nil, err
	}
	for _, e := range d.events {
		if e.Record != 0 && slices.Contains(records, e.Record) {
			out = append(out, e)
		}
	}
	return out, nil // a load's events are later than any before it
}

// TasksAbout implements mpi.Reader.
func (d *desk) TasksAbout(ctx context.Context, records []hie.SourcePatientID) ([]mpi.Task, error) {
	if ask := unknown(records, d.tasksKnown); len(ask) > 0 {
		rows, err := d.writer.TasksAbout(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, r := range ask {
			d.tasksKnown[r] = true
		}
		for i := range rows {
			if _, known := d.tasks[rows[i].ID]; !known {
				d.tasks[rows[i].ID] = &rows[i]
				d.indexTask(&rows[i])
			}
		}
	}
	var ids []mpi.TaskID
	for _, r := range records {
		ids = append(ids, d.tasksOf[r]...)
	}
	slices.Sort(ids)
	var out []mpi.Task
	for _, id := range slices.Compact(ids) {
		if t := d.tasks[id]; t != nil {
			out = append(out, *t)
		}
	}
	return out, nil
}

func (d *desk) indexTask(t *mpi.Task) {
	d.tasksOf[t.Record] = append(d.tasksOf[t.Record], t.ID)
	if t.Other != 0 {
		d.tasksOf[t.Other] = append(d.tasksOf[t.Other], t.ID)
	}
}

// Record implements mpi.Tx: the load has one event for all; here it is only kept whom it is about.
func (d *desk) Record(_ context.Context, events ...audit.Event) error {
	for _, e := range events {
		for _, r := range e.Records {
			set(d, d.records, r, true)
		}
	}
	return nil
}
