package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// A growth is people beyond those of the region, who come into the index by the loader of concord import patients.
type growth struct {
	b     *bencher
	town  *sim.Town
	index *mpi.Index
	store *mpipg.Store
	left  []sim.Registration
	given int
}

func (b *bencher) growth(seed uint64) *growth {
	store := mpipg.New(b.db, auditpg.Append)
	return &growth{b: b, town: sim.NewTown(seed, b.region.Sites, sim.DefaultNames(seed)), store: store,
		index: mpi.New(store, hie.NewIDs(nil), auditpg.New(b.db), mpi.Options{})}
}

// next returns the next registration, under a local identifier that nobody of the region has.
func (g *growth) next() sim.Registration {
	for len(g.left) == 0 {
		g.left = g.town.Next(1 << 20).Records
	}
	r := g.left[0]
	g.left = g.left[1:]
	g.given++
	r.Local = fmt.Sprintf("G%d-%s", g.given, r.Local)
	return r
}

// load takes registrations in, 4,000 a transaction.
func (g *growth) load(rs []sim.Registration) {
	g.b.t.Helper()
	part := make([]mpi.Registration, 0, 4000)
	flush := func() {
		if _, err := g.index.Load(g.b.ctx, operatorActor, g.store, nil, part); err != nil {
			g.b.t.Fatal(err)
		}
		part = part[:0]
	}
	for _, r := range rs {
		site, _ := g.b.region.Site(r.Site)
		p, err := mpifhir.Read(r.Patient(site))
		if err != nil {
			g.b.t.Fatal(err)
		}
		if part = append(part, p.Registration(hie.SiteID(r.Site), hie.Identifier{System: site.Authority, Value: r.Local})); len(part) == cap(part) {
			flush()
		}
	}
	flush()
}

// analyze brings the planner's figures up to date, as autovacuum would before long.
func (b *bencher) analyze() {
	b.t.Helper()
	if _, err := b.db.SQL().ExecContext(b.ctx, "vacuum analyze"); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bencher) indexed() int {
	b.t.Helper()
	var n int
	if err := b.db.QueryRow(b.ctx, `select count(*) from mpi.source_patient where system <> 'bench'`).Scan(&n); err != nil {
		b.t.Fatal(err)
	}
	return n
}

// grow fills the index to CONCORD_BENCH_INDEX source patients (1000000), and measures registering and $match there. What
// it all takes on disk is a note of the first figure.
func (b *bencher) grow() {
	want := envInt(b.t, "CONCORD_BENCH_INDEX", 1_000_000)
	g := b.growth(demoSeed + 1)
	began, had := time.Now(), b.indexed()
	var sample []sim.Registration
	part := make([]sim.Registration, 0, 20_000)
	for n := had; n < want; n++ {
		r := g.next()
		if part = append(part, r); len(part) == cap(part) || n == want-1 {
			g.load(part)
			part = part[:0]
		}
		if rand.IntN(max(1, (want-had)/2000)) == 0 {
			sample = append(sample, r)
		}
	}
	n := b.indexed()
	b.t.Logf("loaded %d more in %s: %d source patients", n-had, time.Since(began).Round(time.Second), n)
	b.analyze()
	var size int64
	if err := b.db.QueryRow(b.ctx, `select sum(pg_total_relation_size(c.oid))::bigint from pg_class c join pg_namespace s on s.oid = c.relnamespace
		where s.nspname = 'mpi' and c.relkind = 'r'`).Scan(&size); err != nil {
		b.t.Fatal(err)
	}
	if len(sample) == 0 {
		sample = b.known
	}
	bodies := make([][]byte, len(sample))
	for i, r := range sample {
		bodies[i] = b.matchBody(r)
	}
	one, many := b.matching(fmt.Sprintf("$match over HTTP at %d source patients", n), bodies)
	one.Note = fmt.Sprintf("on disk %.2f KiB a source patient, goal ≤ 6", float64(size)/float64(n)/1024)
	b.add(one)
	b.add(many)
	var making sync.Mutex
	var made []sim.Registration
	one, many = b.registering(n, func() (sim.Registration, bool) {
		making.Lock()
		defer making.Unlock()
		if len(made) == 0 {
			for range stretch {
				made = append(made, g.next())
			}
			made = parted(made)
		}
		r := made[0]
		made = made[1:]
		return r, true
	})
	b.add(one)
	b.add(many)
}

// hubs is scenario 4 of spec mpi section 7: 5,000 residents share a clinic's phone, 3,000 of them a shelter's address, 800
// a default date of birth and 400 a number never issued. A $match about them is measured beside one about as many people of the
// same town, registered with them, who say what is their own; where somebody is shown: other answers are held back until none
// tells by its haste how little there was to do (server/even.go).
func (b *bencher) hubs() {
	g := b.growth(demoSeed + 2)
	residents, neighbours := make([]sim.Registration, 5000), make([]sim.Registration, 5000)
	for i := range residents {
		neighbours[i] = g.next()
		r := g.next()
		r.Phone, r.Email = "410-827-2231", ""
		if i < 3000 {
			r.Address = sim.Address{Line: "1 Shelter Road", City: "Laurel", State: "MD", ZIP: "20707"}
		}
		if i%6 == 0 && i < 4800 {
			r.Birth = "1900-01-01"
		}
		if i%12 == 1 && i < 4800 {
			r.SSN = "999-99-9999"
		}
		residents[i] = r
	}
	g.load(residents)
	g.load(neighbours)
	b.analyze()
	client, bearer := b.client(), b.bearer("harbor-main-emr", treating)
	ask := func(name string, of []sim.Registration) bench.Figure {
		var bodies [][]byte
		for tries := 0; len(bodies) < 500 && tries < 4000; tries++ {
			if body := b.matchBody(of[rand.IntN(len(of))]); b.shows(client, bearer, body) {
				bodies = append(bodies, body)
			}
		}
		return b.measure(name, "p99 within 20 % of that about others", 16, func(ctx context.Context, _, n int) error {
			return fetch(ctx, client, http.MethodPost, b.base+"/fhir/Patient/$match", bearer, "application/fhir+json", bodies[n%len(bodies)], http.StatusOK)
		})
	}
	others := ask("others", neighbours)
	f := ask("$match about residents of hubs (5,000 under one phone)", residents)
	f.Note = fmt.Sprintf("others beside them p50 %.1f ms, p99 %.1f ms: p99 %+.0f %%", others.P50, others.P99, (f.P99/others.P99-1)*100)
	b.add(f.Against("$match about others", others.PerSecond))
}

// shows reports whether a $match with body shows somebody.
func (b *bencher) shows(client *http.Client, bearer string, body []byte) bool {
	req, err := http.NewRequest(http.MethodPost, b.base+"/fhir/Patient/$match", bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return bytes.Contains(answer, []byte(`"mode":"match"`))
}

func (b *bencher) matchBody(g sim.Registration) []byte {
	site, _ := b.region.Site(g.Site)
	return fmt.Appendf(nil, `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":%s}]}`, g.Patient(site))
}

// matching measures $match about bodies beside the candidate query alone, with 1 and 16 callers.
func (b *bencher) matching(name string, bodies [][]byte) (one, many bench.Figure) {
	client, bearer := b.client(), b.bearer("harbor-main-emr", treating)
	one, many = b.run(name, "p99 ≤ 10 ms at 16 callers; ≥ 40 % of the ceiling", func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodPost, b.base+"/fhir/Patient/$match", bearer, "application/fhir+json", bodies[n%len(bodies)], http.StatusOK)
	})
	low, high := b.recordRange()
	// Each transaction looks up the twelve keys of one real record, those left out that more than an eighth of a hub share, as the
	// index does of two kinds and hardly has of others.
	script := fmt.Sprintf(`\set n random(%d, %d)
select key, sp_id, features from mpi.candidate_key where live and key = any(array(select c.key from mpi.key_claim c where c.n <= 50 and c.key = any(array(
  select unnest(s.keys) from (select keys from mpi.source_patient where sp_id >= :n::bigint order by sp_id limit 1) s limit 12)))) limit 3000;
`, low, high)
	return one.Against("pgbench, its candidate query", b.ceilingAt(script, 1)), many.Against("pgbench, its candidate query", b.ceilingAt(script, 16))
}

// registering measures registering what next gives, beside the same rows written, with 1 and 16 callers.
func (b *bencher) registering(at int, next func() (sim.Registration, bool)) (one, many bench.Figure) {
	client, bearers := b.client(), map[string]string{}
	for _, s := range b.region.Sites {
		bearers[s.ID] = b.bearer(s.ID+"-feed", feeding)
	}
	one, many = b.run(fmt.Sprintf("register over HTTP at %d source patients", at), "p99 ≤ 10 ms at 16 callers", func(ctx context.Context, _, _ int) error {
		g, ok := next()
		if !ok {
			return fmt.Errorf("no registrations left")
		}
		site, _ := b.region.Site(g.Site)
		return fetch(ctx, client, http.MethodPut, b.base+"/fhir/Patient?identifier="+url.QueryEscape(site.Authority+"|"+g.Local),
			bearers[g.Site], "application/fhir+json", g.Patient(site), http.StatusCreated, http.StatusOK)
	})
	// The same rows without any thought: an identifier claim, a registration, a person with its member, twelve keys
	// claimed and twelve written with features, one event.
	return one.Against("pgbench, the same rows written", b.ceilingAt(registerScript, 1)), many.Against("pgbench, the same rows written", b.ceilingAt(registerScript, 16))
}

// queue hands out todo one by one.
func queue(todo []sim.Registration, next *atomic.Int64) func() (sim.Registration, bool) {
	return func() (sim.Registration, bool) {
		i := int(next.Add(1)) - 1
		if i >= len(todo) {
			return sim.Registration{}, false
		}
		return todo[i], true
	}
}
