package mpipg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// A town is registrations as the sites of an exchange send them.
func town(t testing.TB, seed uint64, people int) []mpi.Registration {
	t.Helper()
	sites := sim.Exchange(10)
	bySite := map[string]sim.Site{}
	for _, s := range sites {
		bySite[s.ID] = s
	}
	var out []mpi.Registration
	made := sim.NewTown(seed, sites, sim.DefaultNames(seed))
	for n := 0; n < people; {
		f := made.Next(people - n)
		n += len(f.People)
		for _, g := range f.Records {
			p, err := mpifhir.Read(g.Patient(bySite[g.Site]))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, p.Registration(hie.SiteID(g.Site), hie.Identifier{System: bySite[g.Site].Authority, Value: g.Local}))
		}
	}
	return out
}

type indexed struct {
	*mpi.Index
	*Store
	db *pg.DB
}

func newIndexed(t testing.TB) indexed {
	db := pgtest.DB(t)
	s := New(db, auditpg.Append)
	return indexed{mpi.New(s, hie.NewIDs(nil), auditpg.New(db), mpi.Options{}), s, db}
}

var loader = hie.Actor{Organization: "network", User: "operator"}

// partition returns the persons, each as its identifiers in order, in order.
func (x indexed) partition(t *testing.T) []string {
	t.Helper()
	rows, err := pg.Collect(t.Context(), x.db, func(r *pg.Rows) (string, error) {
		var s string
		return s, r.Scan(&s)
	}, `/* all shards: a test */ select string_agg(system || '|' || value || ':' || link, ' ' order by system, value) from mpi.person_member group by person_id order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// counts returns how many rows each table holds.
func (x indexed) counts(t *testing.T) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for table, where := range map[string]string{"identifier_key": "", "source_patient": "", "candidate_key": "where live", "key_claim": "where n > 0", "name_term": "",
		"person": "where redirect = 0", "person_member": "", "match_edge": ""} {
		var n int64
		if err := x.db.QueryRow(t.Context(), `/* all shards: a test */ select count(*) from mpi.`+table+` `+where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		out[table] = n
	}
	var sum int64
	if err := x.db.QueryRow(t.Context(), `/* all shards: a test */ select sum(n) from mpi.key_claim`).Scan(&sum); err != nil {
		t.Fatal(err)
	}
	out["key counts"] = sum
	return out
}

func (x indexed) load(t *testing.T, rs []mpi.Registration, batch int) {
	t.Helper()
	for part := range slices.Chunk(rs, batch) {
		done, err := x.Index.Load(t.Context(), loader, x.Store, nil, part)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range done {
			if d.Err != nil || !d.Created {
				t.Fatalf("registration %d: created %v, %v", i, d.Created, d.Err)
			}
		}
	}
}

func (x indexed) register(t *testing.T, rs []mpi.Registration) {
	t.Helper()
	for _, r := range rs {
		if _, err := x.Register(t.Context(), loader, r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestALoadGivesWhatRegisteringOneByOneGives compares an index that was registered, one that was loaded, and one that
// was loaded by half and went on live.
//
// Source: issue "Identity", Batch.
func TestALoadGivesWhatRegisteringOneByOneGives(t *testing.T) {
	all := town(t, 7, 260)
	one, bulk, half := newIndexed(t), newIndexed(t), newIndexed(t)
	one.register(t, all)
	bulk.load(t, all, 200)
	half.load(t, all[:len(all)/2], 150)
	half.register(t, all[len(all)/2:])
	want := one.partition(t)
	for name, x := range map[string]indexed{"loaded": bulk, "loaded by half": half} {
		got := x.partition(t)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d persons, registered one by one %d; differences:\n%s", name, len(got), len(want), difference(got, want))
		}
		if n, m := x.counts(t), one.counts(t); !maps.Equal(n, m) {
			t.Errorf("%s: rows %v, registered one by one %v", name, n, m)
		}
	}
	var tasks [2][]string
	for i, x := range []indexed{one, bulk} {
		rows, err := pg.Collect(t.Context(), x.db, func(r *pg.Rows) (string, error) {
			var s string
			return s, r.Scan(&s)
		}, `/* all shards: a test */ select kind || ' ' || count(*) from mpi.review_task where closed is null group by kind order by kind`)
		if err != nil {
			t.Fatal(err)
		}
		tasks[i] = rows
	}
	t.Logf("%d registrations, %d persons, open tasks one by one %v, loaded %v", len(all), len(want), tasks[0], tasks[1])
}

func difference(a, b []string) string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, "+ "+s)
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			out = append(out, "- "+s)
		}
	}
	slices.Sort(out)
	return strings.Join(out[:min(len(out), 12)], "\n")
}

func TestALoadedRecordLivesOnAsARegisteredOne(t *testing.T) {
	x := newIndexed(t)
	all := town(t, 3, 60)
	x.load(t, all, 50)
	r := all[5]
	done, err := x.Register(t.Context(), loader, r)
	if err != nil || done.Changed {
		t.Errorf("the same bytes again: changed %v, %v", done.Changed, err)
	}
	r.Received = append(bytes.Clone(r.Received), ' ')
	r.Demographics.Telecoms = append(slices.Clone(r.Demographics.Telecoms), mpi.Telecom{System: "phone", Value: "410-366-0912"})
	if done, err = x.Register(t.Context(), loader, r); err != nil || done.Version != 2 {
		t.Errorf("a revision: version %d, %v", done.Version, err)
	}
	if v, err := x.Store.RecordVersions(t.Context(), done.Record); err != nil || len(v) != 1 {
		t.Errorf("%d versions kept, %v", len(v), err)
	}
	m, err := x.Match(t.Context(), loader, all[9].Demographics, mpi.MatchOptions{})
	if err != nil || len(m.Identities) == 0 {
		t.Errorf("a loaded person is not found: %v", err)
	}
	notices, err := x.Index.Notices(t.Context(), mpi.Cursor{}, 1000)
	if err != nil || len(notices) < len(all) {
		t.Errorf("%d notices of %d registrations, %v", len(notices), len(all), err)
	}
	p, err := x.Resolve(t.Context(), all[0].Local)
	if err != nil {
		t.Fatal(err)
	}
	if events, err := x.EventsOfPerson(t.Context(), p.ID); err != nil || len(events) == 0 || events[0].Model == "" {
		t.Errorf("%d link events, %v; want them with cause and model", len(events), err)
	}
}

func TestALoadRepeatsRevisesAndRejects(t *testing.T) {
	x := newIndexed(t)
	all := town(t, 3, 30)
	x.load(t, all[:20], 20)
	revised := all[3]
	revised.Received = append(bytes.Clone(revised.Received), ' ')
	orphan := all[22]
	orphan.Active, orphan.ReplacedBy = false, &hie.Identifier{System: orphan.Local.System, Value: "nobody"}
	merged := all[4]
	merged.Active, merged.ReplacedBy = false, nil
	elsewhere := all[6]
	elsewhere.Site = "another"
	mark := &mpi.Mark{Feed: "f", From: 0, Upto: 9}
	done, err := x.Index.Load(t.Context(), loader, x.Store, mark, []mpi.Registration{all[1], revised, all[21], all[21], orphan, all[22], merged, elsewhere, {}})
	if err != nil {
		t.Fatal(err)
	}
	var inv *hie.InvalidError
	for i, want := range []struct {
		created, changed bool
		err              string
	}{{}, {changed: true}, {created: true, changed: true}, {}, {err: "invalid"}, {created: true, changed: true}, {changed: true}, {err: "conflict"}, {err: "invalid"}} {
		d := done[i]
		kind := ""
		switch {
		case errors.As(d.Err, &inv):
			kind = "invalid"
		case errors.Is(d.Err, hie.ErrConflict):
			kind = "conflict"
		case d.Err != nil:
			kind = d.Err.Error()
		}
		if d.Created != want.created || d.Changed != want.changed || kind != want.err {
			t.Errorf("registration %d: created %v, changed %v, %q; want %+v", i, d.Created, d.Changed, kind, want)
		}
	}
	if *mark != (mpi.Mark{Feed: "f", Upto: 9, Created: 2, Revised: 2, Repeated: 2, Rejected: 3}) {
		t.Errorf("counted %+v", *mark)
	}
	if fed, err := x.Fed(t.Context(), "f"); err != nil || fed != (Fed{Line: 9, Created: 2, Revised: 2, Repeated: 2, Rejected: 3}) {
		t.Errorf("stored mark %+v, %v", fed, err)
	}
	if r, err := x.RecordOf(t.Context(), all[22].Local); err != nil || r != done[5].Record {
		t.Errorf("an identifier whose first registration was refused means %d, %v; want the second's", r, err)
	}
	if _, err := x.Index.Load(t.Context(), loader, x.Store, &mpi.Mark{Feed: "f", From: 0, Upto: 12}, all[23:25]); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("a second load from the same place: %v, want hie.ErrConflict", err)
	}
	if _, err := x.RecordOf(t.Context(), all[23].Local); !errors.Is(err, hie.ErrNotFound) {
		t.Error("a load that was refused left something")
	}
}

// TestALoadAndLiveRegistrationsDoNotLoseEachOther loads and registers the same people at the same time.
func TestALoadAndLiveRegistrationsDoNotLoseEachOther(t *testing.T) {
	x, one := newIndexed(t), newIndexed(t)
	all := town(t, 11, 90)
	one.register(t, all)
	errs := make(chan error, 2)
	go func() {
		for part := range slices.Chunk(all[:len(all)/2], 40) {
			if _, err := x.Index.Load(context.WithoutCancel(t.Context()), loader, x.Store, nil, part); err != nil {
				errs <- fmt.Errorf("load: %w", err)
				return
			}
		}
		errs <- nil
	}()
	go func() {
		for _, r := range all[len(all)/2:] {
			if _, err := x.Register(context.WithoutCancel(t.Context()), loader, r); err != nil {
				errs <- fmt.Errorf("register: %w", err)
				return
			}
		}
		errs <- nil
	}()
	for range 2 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if got, want := x.partition(t), one.partition(t); !slices.Equal(got, want) {
		t.Errorf("%d persons, one after another %d:\n%s", len(got), len(want), difference(got, want))
	}
}

// bulkStore does every update at a desk.
type bulkStore struct{ *Store }

func (s bulkStore) Update(ctx context.Context, f func(mpi.Tx) error) error {
	return s.Load(ctx, mpi.Ahead{Event: audit.NewEvent(audit.PatientRegistered, loader, hie.Now())}, func(w mpi.Workbench) error { return f(w) })
}

// TestADeskKeepsTheContractOfATransaction runs the contract of stores with every transaction at a desk, where nothing has
// been read ahead.
func TestADeskKeepsTheContractOfATransaction(t *testing.T) {
	mpitest.Run(t, func(t *testing.T) mpi.Store { return bulkStore{New(pgtest.DB(t), auditpg.Append)} })
}
