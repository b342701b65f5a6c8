package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/internal/sim"
)

// register feeds registrations until the index holds as many as asked, and measures the last seconds of it.
func (b *bencher) register() {
	client := b.client()
	todo := parted(b.region.Registrations)
	if len(todo) > b.sources+40_000 {
		todo = todo[:b.sources+40_000]
	}
	var count atomic.Int64
	next := queue(todo, &count)
	bearers := map[string]string{}
	put := func(ctx context.Context, _, _ int) error {
		g, ok := next()
		if !ok {
			return fmt.Errorf("no registrations left")
		}
		site, _ := b.region.Site(g.Site)
		return fetch(ctx, client, http.MethodPut, b.base+"/fhir/Patient?identifier="+url.QueryEscape(site.Authority+"|"+g.Local),
			bearers[g.Site], "application/fhir+json", g.Patient(site), http.StatusCreated, http.StatusOK)
	}
	began := time.Now()
	for int(count.Load()) < b.sources-5000 {
		for _, s := range b.region.Sites { // tokens live five minutes; those still good come from the store
			bearers[s.ID] = b.bearer(s.ID+"-feed", feeding)
		}
		if _, err := bench.Measure(b.ctx, "fill", 16, 2*time.Second, put); err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Logf("registered %d in %s", count.Load(), time.Since(began).Round(time.Second))
	one, many := b.registering(int(count.Load()), next)
	b.known = todo[:count.Load()]
	b.report.SourcePatients = len(b.known)
	b.add(one)
	b.add(many)
}

// stretch is within how many registrations those of one person are told.
const stretch = 2000

// parted returns rs shuffled within stretches. As they are made a person's follow one another, and six in ten of sixteen callers
// would wait for another's claims of the same person, whom sites in life register weeks apart.
func parted(rs []sim.Registration) []sim.Registration {
	out := slices.Clone(rs)
	r := rand.New(rand.NewPCG(demoSeed, stretch))
	for part := range slices.Chunk(out, stretch) {
		r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	}
	return out
}

const registerScript = `\set sp random(5000000000000000, 9000000000000000)
\set k random(1, 1000000000)
begin;
insert into mpi.identifier_key (claim, system, value, sp_id) values (:sp::bigint, 'bench', :sp::bigint::text, :sp::bigint) on conflict do nothing;
insert into mpi.key_claim (key, n) values (:k::bigint,1),(:k::bigint+1,1),(:k::bigint+2,1),(:k::bigint+3,1),(:k::bigint+4,1),(:k::bigint+5,1) on conflict (key) do update set n = key_claim.n + 1;
select key, sp_id, features from mpi.candidate_key where key = any(array[:k::bigint,:k::bigint+1,:k::bigint+2,:k::bigint+3,:k::bigint+4,:k::bigint+5,:k::bigint+6,:k::bigint+7,:k::bigint+8,:k::bigint+9,:k::bigint+10,:k::bigint+11]::bigint[]);
insert into mpi.source_patient (sp_id, person_id, alias_of, version, created, updated, birth, active, site, system, value, keys, body)
 values (:sp::bigint, :sp::bigint, 0, 1, now(), now(), 0, true, 'bench', 'bench', :sp::bigint::text, array[:k::bigint]::bigint[], convert_to(repeat('x', 900), 'UTF8')) on conflict do nothing;
insert into mpi.person (person_id, version, redirect) values (:sp::bigint, 1, 0) on conflict do nothing;
insert into mpi.person_member (person_id, sp_id, link, site, system, value, features) values (:sp::bigint, :sp::bigint, 2, 'bench', 'bench', :sp::bigint::text, decode(repeat('ab', 160), 'hex')) on conflict do nothing;
insert into mpi.candidate_key (key, sp_id, live, features) values
 (:k::bigint, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+1, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+2, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),
 (:k::bigint+3, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+4, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+5, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),
 (:k::bigint+6, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+7, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+8, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),
 (:k::bigint+9, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+10, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+11, :sp::bigint, false, decode(repeat('ab', 160), 'hex')) on conflict do nothing;
commit;
`

// match measures $match beside the candidate query alone.
func (b *bencher) match() {
	bodies := make([][]byte, 2000)
	for i := range bodies {
		bodies[i] = b.matchBody(b.known[rand.IntN(len(b.known))])
	}
	one, many := b.matching(fmt.Sprintf("$match over HTTP at %d source patients", len(b.known)), bodies)
	b.add(one)
	b.add(many)
}

// merge measures a steward's link between two persons with 10,000 pointers between them, and its undoing. No row of the
// locator is written, as TestAMergeTouchesLinksAndNothingElse shows.
func (b *bencher) merge() {
	site, _ := b.region.Site("harbor-main")
	ids := make([]string, 2)
	var file bytes.Buffer
	for i, who := range [][3]string{{"Tancred", "Wintersgill", "1941-05-06"}, {"Eudora", "Applegarth", "1988-11-30"}} {
		local := fmt.Sprint("MERGE-", i)
		path, body := patientPut(b.exchangeUnderTest, local, who[0], who[1], who[2])
		ids[i] = idOf(b.t, b.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPut, path, body))
		for n := range 5000 {
			file.Write(pointerPost(b.exchangeUnderTest, local, fmt.Sprintf("urn:bench:merge:%d:%d", i, n)))
			file.WriteByte('\n')
		}
	}
	b.load(site.Org, file.Bytes())
	var linking []time.Duration
	f, err := bench.Times(b.ctx, "link two persons with 10,000 pointers, then undo it", 1, 100, func(context.Context, int, int) error {
		start := time.Now()
		change := b.link(ids...)
		linking = append(linking, time.Since(start))
		b.must(http.StatusOK, "steward-desk", settling, http.MethodPost, "/admin/v1/match/changes/"+change+"/undo", map[string]any{"reason": "measured"})
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(linking)
	f.Goal = "a link ≤ 50 ms"
	f.Note = fmt.Sprintf("the link alone, two stewards' verdicts: p50 %.1f ms, p99 %.1f ms", linking[len(linking)/2].Seconds()*1000, linking[len(linking)*99/100].Seconds()*1000)
	b.add(f)
}
