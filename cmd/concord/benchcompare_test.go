package main

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
)

// compare measures comparing one pair of records, features ready, and ranking the 500 likeliest candidates of one as they are read
// from the index: unpacked, compared, weighed and sorted.
//
// Source: DESIGN section 6; spec mpi section 6, 11.
func (b *bencher) compare() {
	var all []mpi.Features
	var packed [][]byte
	var keys [][]mpi.Key
	for _, r := range b.known[:min(len(b.known), 20_000)] {
		site, _ := b.region.Site(r.Site)
		p, err := mpifhir.Read(r.Patient(site))
		if err != nil {
			b.t.Fatal(err)
		}
		d := p.Registration(hie.SiteID(r.Site), hie.Identifier{System: site.Authority, Value: r.Local}).Demographics
		f := mpi.Extract(hie.SiteID(r.Site), d)
		all, packed, keys = append(all, f), append(packed, f.AppendTo(nil)), append(keys, mpi.Keys(d))
	}
	m, n, sum := mpi.DefaultModel(), 0, mpi.Bits(0)
	pair := func() {
		n++
		c := mpi.Compare(&all[n%1000], &all[n*7%1000])
		sum += m.Score(&c)
	}
	const run = 100 // pairs a sample: a clock tells no single one apart
	times := sampled(20_000, func() {
		for range run {
			pair()
		}
	})
	perPair := times.rate * run
	b.add(bench.Figure{Name: "compare one pair of records, features ready", Goal: "≤ 400 ns, 0 allocations", Callers: 1, PerSecond: perPair,
		P50: times.p(50) / run, P95: times.p(95) / run, P99: times.p(99) / run,
		Note: fmt.Sprintf("%.0f ns a pair, weighed; %.0f allocations", times.p(50)/run*1e6, testing.AllocsPerRun(1000, pair))})

	var candidates []int
	for i := range all {
		candidates = append(candidates, i)
	}
	shared := func(i int) (n int) {
		for _, k := range keys[i] {
			if slices.Contains(keys[0], k) {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(candidates, func(i, j int) int { return cmp.Compare(shared(j), shared(i)) })
	candidates = candidates[:min(len(candidates), 500)]
	type ranked struct {
		at   int
		bits mpi.Bits
	}
	order := make([]ranked, 0, len(candidates))
	var g mpi.Features
	times = sampled(2_000, func() {
		order = order[:0]
		for _, i := range candidates {
			if err := g.Decode(packed[i]); err != nil {
				b.t.Fatal(err)
			}
			c := mpi.Compare(&all[0], &g)
			order = append(order, ranked{i, m.Score(&c)})
		}
		slices.SortFunc(order, func(a, b ranked) int { return cmp.Or(cmp.Compare(b.bits, a.bits), cmp.Compare(a.at, b.at)) })
	})
	f := bench.Figure{Name: fmt.Sprintf("%d candidates ranked", len(candidates)), Goal: "≤ 0.3 ms", Callers: 1, PerSecond: times.rate, P50: times.p(50), P95: times.p(95), P99: times.p(99),
		Note: "unpacked, compared, weighed and sorted"}
	b.add(f.Against("as many pairs, features ready", perPair/float64(len(candidates))))
}
