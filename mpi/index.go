package mpi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// An Index answers who is who. Make one with New; it is safe for concurrent use.
type Index struct {
	store  Store
	ids    *hie.IDs
	log    Recorder
	model  *Model
	now    func() time.Time
	hub    int64
	budget int64
	stakes func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]Stake, error)
}

// A Recorder keeps audit events that belong to no change: those of queries. An error fails the query.
type Recorder interface {
	Record(ctx context.Context, events ...audit.Event) error
}

// Options set an Index up. The zero Options are the defaults.
type Options struct {
	// Model is what evidence is worth; nil means DefaultModel.
	Model *Model
	// Now is the clock; nil means hie.Now.
	Now func() time.Time
	// Hub is how many records may share a key before it says too little to look under; 0 means 400.
	Hub int64
	// Budget bounds the candidate rows one search reads, rarest keys first; 0 means 3,000.
	Budget int64
	// Stakes says what hangs on records, for previews and for who must agree to a decision; nil means nothing known.
	Stakes func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]Stake, error)
}

// New returns an Index over store. Queries are recorded in log.
func New(store Store, ids *hie.IDs, log Recorder, o Options) *Index {
	x := &Index{store: store, ids: ids, log: log, model: o.Model, now: o.Now, hub: o.Hub, budget: o.Budget, stakes: o.Stakes}
	if x.model == nil {
		x.model = DefaultModel()
	}
	if x.now == nil {
		x.now = hie.Now
	}
	if x.hub == 0 {
		x.hub = 400
	}
	if x.budget == 0 {
		x.budget = 3000
	}
	return x
}

// errMoved means that what a transaction had read changed under it: it is run again.
var errMoved = fmt.Errorf("mpi: rows moved: %w", hie.ErrUnavailable)

// maxTries bounds how often a transaction is run again for errMoved.
const maxTries = 8

// An attempt is one try at a transaction. first are the persons to lock before all others, learned by earlier tries.
// locks is set when the transaction itself sees to it that persons are locked without waiting in a circle.
type attempt struct {
	Tx
	first *[]hie.PersonID
	// parted is set when a link was undone or weakened; nil where nobody is told when the change is done.
	parted *bool
	locks  bool
}

// update runs f in a transaction, again while others move the rows it read. A try that learned of further persons to lock
// first does not count: a wide neighbourhood takes as many as it is deep. When a link was undone or weakened, it returns
// only after no release gate acts any more on what it read before the commit.
//
// Source: spec consent 2.14; hie.ReleaseLease.
func (x *Index) update(ctx context.Context, f func(attempt) error) error {
	var first []hie.PersonID
	var parted bool
	for try := 1; ; try++ {
		knew := len(first)
		err := x.store.Update(ctx, func(tx Tx) error {
			parted = false
			return f(attempt{Tx: tx, first: &first, parted: &parted})
		})
		if err == nil && parted {
			time.Sleep(hie.ReleaseLease)
		}
		if len(first) > knew {
			try = 1
		}
		if !errors.Is(err, errMoved) || try == maxTries || ctx.Err() != nil {
			return err
		}
	}
}

// maxAliases bounds how far a chain of in-site merges is followed; it cannot be longer without a fault.
const maxAliases = 64

// RecordOf returns the record registered under id, following merges in the site to the survivor.
// hie.ErrNotFound means no site has registered id.
func (x *Index) RecordOf(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, error) {
	record, _, err := x.homeOf(ctx, x.store, id)
	if err != nil {
		return 0, fmt.Errorf("mpi: record of: %w", err)
	}
	return record, nil
}

// HomeOf is RecordOf with where that record belongs and whose it is, for callers who need not know what it says.
func (x *Index) HomeOf(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, Home, error) {
	record, home, err := x.homeOf(ctx, x.store, id)
	if err != nil {
		return 0, Home{}, fmt.Errorf("mpi: home of: %w", err)
	}
	return record, home, nil
}

// A Located is a record with where it belongs and whose it is.
type Located struct {
	Record hie.SourcePatientID
	Home
}

// HomesOf is HomeOf for many at once; what no site has registered is left out.
func (x *Index) HomesOf(ctx context.Context, ids []hie.Identifier) (map[hie.Identifier]Located, error) {
	owners, err := x.store.Owners(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("mpi: homes of: %w", err)
	}
	homes, err := x.store.Homes(ctx, slices.Collect(maps.Values(owners)))
	if err != nil {
		return nil, fmt.Errorf("mpi: homes of: %w", err)
	}
	out := make(map[hie.Identifier]Located, len(owners))
	for id, record := range owners {
		home, there := homes[record]
		if !there {
			continue
		}
		if home.AliasOf != 0 {
			if record, home, err = x.survivor(ctx, x.store, record); err != nil {
				return nil, fmt.Errorf("mpi: homes of: %w", err)
			}
		}
		out[id] = Located{record, home}
	}
	return out, nil
}

func (x *Index) homeOf(ctx context.Context, r Reader, id hie.Identifier) (hie.SourcePatientID, Home, error) {
	if id.System == "" || id.Value == "" {
		return 0, Home{}, hie.ErrNotFound
	}
	record, err := r.Owner(ctx, id)
	if err != nil {
		return 0, Home{}, err
	}
	return x.survivor(ctx, r, record)
}

// survivor follows record's aliases to the record that stands for it in its site.
func (x *Index) survivor(ctx context.Context, r Reader, record hie.SourcePatientID) (hie.SourcePatientID, Home, error) {
	for range maxAliases {
		homes, err := r.Homes(ctx, []hie.SourcePatientID{record})
		if err != nil {
			return 0, Home{}, err
		}
		home, ok := homes[record]
		if !ok {
			return 0, Home{}, hie.ErrNotFound
		}
		if home.AliasOf == 0 {
			return record, home, nil
		}
		record = home.AliasOf
	}
	return 0, Home{}, fmt.Errorf("chain of aliases too long: %w", hie.ErrConflict)
}

// Resolve returns the person whom id's source means, following merges in the site and between persons to the
// survivor. hie.ErrNotFound means no site has registered id.
func (x *Index) Resolve(ctx context.Context, id hie.Identifier) (Person, error) {
	_, home, err := x.homeOf(ctx, x.store, id)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: resolve: %w", err)
	}
	p, err := x.person(ctx, x.store, home.Person)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: resolve: %w", err)
	}
	return p, nil
}

// Home returns where a registration belongs and whose it is, of retired ones too, or hie.ErrNotFound: for callers who need not
// know what it says, nor whom in its site it stands for now.
func (x *Index) Home(ctx context.Context, record hie.SourcePatientID) (Home, error) {
	home, err := x.home(ctx, record)
	if err != nil {
		return Home{}, fmt.Errorf("mpi: home: %w", err)
	}
	return home, nil
}

func (x *Index) home(ctx context.Context, record hie.SourcePatientID) (Home, error) {
	homes, err := x.store.Homes(ctx, []hie.SourcePatientID{record})
	if err != nil {
		return Home{}, err
	}
	home, ok := homes[record]
	if !ok {
		return Home{}, hie.ErrNotFound
	}
	return home, nil
}

// PersonOf returns the person record belongs to, or hie.ErrNotFound.
func (x *Index) PersonOf(ctx context.Context, record hie.SourcePatientID) (Person, error) {
	home, err := x.home(ctx, record)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: person of: %w", err)
	}
	p, err := x.person(ctx, x.store, home.Person)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: person of: %w", err)
	}
	return p, nil
}

// Person returns the person id means, following merges between persons to the survivor, or hie.ErrNotFound. Its Members
// are none when all it had moved away.
func (x *Index) Person(ctx context.Context, id hie.PersonID) (Person, error) {
	p, err := x.person(ctx, x.store, id)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: person: %w", err)
	}
	return p, nil
}

// Persons returns the persons that ids mean, as Person does each: ordered by id, each once, what does not exist left out. It asks
// one statement, and one more for every step of the longest chain of merges.
func (x *Index) Persons(ctx context.Context, ids []hie.PersonID) ([]Person, error) {
	found := map[hie.PersonID]Person{}
	for range maxAliases {
		rows, err := x.store.Gathered(ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
		if err != nil {
			return nil, fmt.Errorf("mpi: persons: %w", err)
		}
		ids = nil
		for id, row := range rows {
			if row.Redirect != 0 {
				ids = append(ids, row.Redirect)
				continue
			}
			found[id] = row.person()
		}
		if len(ids) == 0 {
			out := slices.Collect(maps.Values(found))
			slices.SortFunc(out, func(a, b Person) int { return cmp.Compare(a.ID, b.ID) })
			return out, nil
		}
	}
	return nil, fmt.Errorf("mpi: persons: %w", errLongChain)
}

// errLongChain means that persons were merged into each other more often than can be.
var errLongChain = fmt.Errorf("chain of redirects too long: %w", hie.ErrConflict)

// person is the person as others see it.
func (g Gathered) person() Person {
	p := Person{ID: g.ID, Version: g.Version}
	for _, m := range g.Members {
		m.Died = DiedOf(m.Features)
		p.Members = append(p.Members, m.Member)
	}
	return p
}

// person reads a person, following redirects. Version and members belong together, so that the release gate finds out
// any change since.
func (x *Index) person(ctx context.Context, r Reader, id hie.PersonID) (Person, error) {
	for range maxAliases {
		rows, err := r.Gathered(ctx, []hie.PersonID{id})
		if err != nil {
			return Person{}, err
		}
		row, ok := rows[id]
		if !ok {
			return Person{}, hie.ErrNotFound
		}
		if row.Redirect != 0 {
			id = row.Redirect
			continue
		}
		return row.person(), nil
	}
	return Person{}, errLongChain
}

// Record returns one registration, retired ones too, or hie.ErrNotFound.
func (x *Index) Record(ctx context.Context, record hie.SourcePatientID) (SourcePatient, error) {
	row, err := patient(ctx, x.store, record)
	if err != nil {
		return SourcePatient{}, fmt.Errorf("mpi: record: %w", err)
	}
	return row.SourcePatient, nil
}

func patient(ctx context.Context, r Reader, record hie.SourcePatientID) (PatientRow, error) {
	rows, err := r.Patients(ctx, []hie.SourcePatientID{record})
	if err != nil {
		return PatientRow{}, err
	}
	if len(rows) == 0 {
		return PatientRow{}, hie.ErrNotFound
	}
	return rows[0], nil
}

// Records returns the registrations that exist of records, ordered by record, each once.
func (x *Index) Records(ctx context.Context, records []hie.SourcePatientID) ([]SourcePatient, error) {
	rows, err := x.store.Patients(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("mpi: records: %w", err)
	}
	return bare(rows), nil
}

func bare(rows []PatientRow) []SourcePatient {
	out := make([]SourcePatient, len(rows))
	for i, r := range rows {
		out[i] = r.SourcePatient
	}
	return out
}

// Versions returns the current version of each person; one that does not exist, or was merged away, is
// missing. The release gate compares it.
func (x *Index) Versions(ctx context.Context, persons []hie.PersonID) (map[hie.PersonID]int64, error) {
	rows, err := x.store.Persons(ctx, persons)
	if err != nil {
		return nil, fmt.Errorf("mpi: versions: %w", err)
	}
	out := make(map[hie.PersonID]int64, len(rows))
	for id, row := range rows {
		if row.Redirect == 0 {
			out[id] = row.Version
		}
	}
	return out, nil
}

// sortedRecords returns records in order, each once.
func sortedRecords(records []hie.SourcePatientID) []hie.SourcePatientID {
	out := slices.Clone(records)
	slices.Sort(out)
	return slices.Compact(out)
}
