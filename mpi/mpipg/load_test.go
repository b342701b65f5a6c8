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

func newIndexed(t testing.TB) indexed { return indexedWith(t, mpi.Options{}) }

func indexedWith(t testing.TB, o mpi.Options) indexed {
	db := pgtest.DB(t)
	s := New(db, auditpg.Append)
	return indexed{mpi.New(s, hie.NewIDs(nil), auditpg.New(db), o), s, db}
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

// TestALoadGivesWhatRegisteringOneByOneGives feeds an index one by one and others by loads: in one part, in parts of one load, by half
// and then live, and in parts with live registrations between them. All come to the same persons, links, edges, tasks and key counts.
// The feed holds twins, namesakes and shared numbers as a town does, revisions, withdrawals, merges in a site and what is refused; with the lower
// limits a key is soon a hub, and the order decides who was looked for under it.
//
// Source: issue "Identity", Batch.
func TestALoadGivesWhatRegisteringOneByOneGives(t *testing.T) {
	for name, o := range map[string]mpi.Options{"limits as they are": {}, "a key of more than two records is a hub": {Hub: 2, Budget: 9}} {
		t.Run(name, func(t *testing.T) {
			all := eventful(town(t, 7, 130))
			one := indexedWith(t, o)
			for _, r := range all {
				var inv *hie.InvalidError
				if _, err := one.Register(t.Context(), loader, r); err != nil && !errors.As(err, &inv) && !errors.Is(err, hie.ErrConflict) {
					t.Fatal(err)
				}
			}
			want := one.said(t)
			for _, way := range []struct {
				name  string
				parts []int // registrations a part, in turn; a negative number of live ones
			}{
				{"one part", []int{len(all)}}, {"parts", []int{90}}, {"by half and live", []int{len(all) / 2, -len(all)}}, {"live ones between the parts", []int{150, -3, 40, -20}},
			} {
				x := indexedWith(t, o)
				bulk := NewLoading(x.Store, 0)
				for rest, i := all, 0; len(rest) > 0; i++ {
					n := way.parts[i%len(way.parts)]
					part := rest[:min(max(n, -n), len(rest))]
					rest = rest[len(part):]
					if n > 0 {
						if _, err := x.Index.Load(t.Context(), loader, bulk, nil, part); err != nil {
							t.Fatal(err)
						}
						continue
					}
					for _, r := range part {
						_, _ = x.Register(t.Context(), loader, r) // what is refused was refused above
					}
				}
				got := x.said(t)
				for what := range want {
					if !slices.Equal(got[what], want[what]) {
						t.Errorf("%s: %d %s, one by one %d:\n%s", way.name, len(got[what]), what, len(want[what]), difference(got[what], want[what]))
					}
				}
			}
			t.Logf("%d registrations, %d persons, %d edges, %d tasks", len(all), len(want["persons"]), len(want["edges"])/2, len(want["tasks"]))
		})
	}
}

// eventful is a feed of all in which some come again, changed, withdrawn or merged into another of their site.
func eventful(all []mpi.Registration) []mpi.Registration {
	var out []mpi.Registration
	bySite := map[hie.SiteID]mpi.Registration{}
	for i, r := range all {
		out = append(out, r)
		again := r
		again.Received = append(bytes.Clone(r.Received), ' ')
		switch before := bySite[r.Site]; {
		case i%9 == 4: // moved house: a revision that changes keys
			again.Demographics.Addresses = append([]mpi.Address{{Lines: []string{fmt.Sprint(i, " Harbor Row")}, City: "Laurel", State: "MD", PostalCode: "20707"}}, r.Demographics.Addresses...)
			again.Demographics.Telecoms = all[i/2].Demographics.Telecoms
			out = append(out, again)
		case i%31 == 7:
			again.Active = false
			out = append(out, again)
		case i%37 == 11 && before.Local.Value != "":
			again.Active, again.ReplacedBy = false, &before.Local
			out = append(out, again)
		case i%41 == 13: // refused: nobody there is merged into
			again.Active, again.ReplacedBy = false, &hie.Identifier{System: r.Local.System, Value: "nobody"}
			out = append(out, again)
		case i%43 == 17: // somebody else's data over it
			again.Demographics = all[(i+57)%len(all)].Demographics
			out = append(out, again)
		case i%23 == 3:
			out = append(out, r)
		}
		if i%5 == 0 {
			bySite[r.Site] = r
		}
	}
	return out
}

// said returns what the index holds, by sort, with records named by their identifiers: each sort in order.
func (x indexed) said(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{"persons": x.partition(t)}
	for what, query := range map[string]string{
		"edges": `select a.system || a.value || ' ' || b.system || b.value || ' ' || e.bits::numeric(9,3) from mpi.match_edge e
			join mpi.source_patient a on a.sp_id = e.sp_id join mpi.source_patient b on b.sp_id = e.other_id order by 1`,
		"tasks": `select t.kind || ' ' || least(a.system || a.value, b.system || b.value) || ' ' || greatest(a.system || a.value, b.system || b.value) || (t.closed is null)
			from mpi.review_task t join mpi.source_patient a on a.sp_id = t.sp_id left join mpi.source_patient b on b.sp_id = t.other_id order by 1`,
		"moves": `select a.system || a.value || ' ' || count(*) from mpi.link_event e join mpi.source_patient a on a.sp_id = e.sp_id where e.kind = 'moved' group by a.system, a.value order by 1`,
		"keys":  `select c.key || ' ' || c.n || ' ' || (select count(*) from mpi.candidate_key k where k.key = c.key and k.live) from mpi.key_claim c where c.n > 0 order by 1`,
	} {
		rows, err := pg.Collect(t.Context(), x.db, func(r *pg.Rows) (string, error) {
			var s string
			return s, r.Scan(&s)
		}, `/* all shards: a test */ `+query)
		if err != nil {
			t.Fatal(err)
		}
		out[what] = rows
	}
	for table, n := range x.counts(t) {
		out["rows"] = append(out["rows"], fmt.Sprint(table, " ", n))
	}
	slices.Sort(out["rows"])
	return out
}

// A stock loses the keys that somebody else has claimed since, and those alone; the person comes out whole all the same.
func TestAStockIsNotTrustedWhereOthersWrote(t *testing.T) {
	x := newIndexed(t)
	bulk := NewLoading(x.Store, 0)
	maria := func(site string) mpi.Registration { return mpitest.Registration(site, "1", mpitest.Maria()) }
	crowd := town(t, 3, 60) // enough keys for a COPY
	for _, part := range [][]mpi.Registration{append([]mpi.Registration{maria("first")}, crowd...), {maria("second")}} {
		if _, err := x.Index.Load(t.Context(), loader, bulk, nil, part); err != nil {
			t.Fatal(err)
		}
	}
	known := len(bulk.stock.heads)
	if _, err := x.Register(t.Context(), loader, maria("live")); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Index.Load(t.Context(), loader, bulk, nil, []mpi.Registration{maria("third")}); err != nil {
		t.Fatal(err)
	}
	if lost := known - len(bulk.stock.heads); lost == 0 || lost > 20 {
		t.Errorf("%d of %d keys are not trusted any more after one record was registered live; want those of the record", lost, known)
	}
	p, err := x.Resolve(t.Context(), maria("live").Local)
	if err != nil || len(p.Members) != 4 {
		t.Errorf("the person has %d records, %v; want the three loaded and the one that came live", len(p.Members), err)
	}
}

// A load that keeps too little to hold them all reads what it does not have, and comes to the same.
func TestALoadBeyondItsStockComesToTheSame(t *testing.T) {
	all := town(t, 9, 80)
	one, x := newIndexed(t), newIndexed(t)
	one.register(t, all)
	bulk := NewLoading(x.Store, len(all)/2)
	for part := range slices.Chunk(all, 40) {
		if _, err := x.Index.Load(t.Context(), loader, bulk, nil, part); err != nil {
			t.Fatal(err)
		}
	}
	if len(bulk.stock.records) != 0 {
		t.Errorf("%d records are kept beyond the bound", len(bulk.stock.records))
	}
	if got, want := x.said(t), one.said(t); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("the outcome differs: %s", difference(got["persons"], want["persons"]))
	}
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
