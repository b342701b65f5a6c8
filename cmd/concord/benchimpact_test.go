package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/migrations"
	"github.com/concord-hie/concord/mpi"
)

// impact measures the change of an opt-in state's default over a million stored patients, as a simulation from the desk walks
// over them: persons, directives and legal bases read from PostgreSQL. The ceiling is reading the same rows and looking at none.
// CONCORD_BENCH_PEOPLE says how many there are. It checks that as many change as without PostgreSQL.
//
// Source: spec consent section 4 (full re-decision of 1 M patients) and section 6, scenario 7.
func (b *bencher) impact() {
	people := envInt(b.t, "CONCORD_BENCH_PEOPLE", 1_000_000)
	if err := makeDatabase(b.ctx, b.cluster, "impact"); err != nil {
		b.t.Fatal(err)
	}
	db, err := pg.Open(b.ctx, b.cluster.URL("impact"), pg.Options{MaxConns: 8})
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := pg.Migrate(b.ctx, db, migrations.Files); err != nil {
		b.t.Fatal(err)
	}
	began := time.Now()
	var own []string
	for n := range 12 {
		own = append(own, forAnybody("own", n))
	}
	for _, statement := range []struct {
		query string
		args  []any
	}{
		{`insert into mpi.person_member (person_id, sp_id, link, site, system, value, features)
			select i, i, $2, case when i % 2 = 0 then 's1' else 's2' end, 'urn:s', i::text, '' from generate_series(1, $1::bigint) i`,
			[]any{people, int16(hie.LinkConfirmed)}},
		{`insert into consent.directive (sp_id, directive_id, version, status, filed, signed, verified, network_wide, absolute, return_to_default, org, by_patient, content)
			select i, i, 1, 'active', timestamptz '2026-01-05' + i * interval '1 second', timestamptz '2026-01-05', true, true, i % 1000 < 19, false, 'north', true,
				convert_to(replace(case when i % 1000 < 44 then $2 when i % 1000 < 94 then ($3::text[])[1 + i % 12] else $4 end, '#', i::text), 'UTF8')
			from generate_series(1, $1::bigint) i where i % 8 <> 0`,
			[]any{people, forAnybody("no", 0), own, forAnybody("yes", 0)}},
		{`analyze`, nil},
	} {
		if _, err := db.Exec(b.ctx, statement.query, statement.args...); err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Logf("%d patients are stored after %s", people, time.Since(began).Round(100*time.Millisecond))

	now := hie.Now().AddDate(5, 0, 0) // after every filing
	run := newImpactRun(db, nil, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	im := consent.NewImpact(statewide(b.t, "deny"), statewide(b.t, "basic-normal"), now)
	var listed atomic.Int64
	here := cpuOf(os.Getpid())
	_, database, _ := b.cpu()
	began = time.Now()
	if err := run.walk(b.ctx, im, now, func(mpi.Person, []consent.CellChange) { listed.Add(1) }); err != nil {
		b.t.Fatal(err)
	}
	took := time.Since(began)
	here = cpuOf(os.Getpid()) - here
	_, databaseNow, _ := b.cpu()
	runtime.GC()
	runtime.ReadMemStats(&after)
	seen, changed := im.Patients()
	if seen != int64(people) || changed != listed.Load() || changed == 0 {
		b.t.Errorf("%d patients seen, %d change, %d are listed", seen, changed, listed.Load())
	}
	opens := 0
	for _, c := range im.Cells() {
		if c.Opens() {
			opens++
		}
	}
	held := max(0, int64(after.HeapAlloc)-int64(before.HeapAlloc))
	began = time.Now()
	for _, query := range []string{`select count(*) from (select person_id, sp_id, link, site, features from mpi.person_member order by person_id, sp_id offset 0) x`,
		`select sum(length(content)) from (select distinct on (sp_id, directive_id) * from consent.directive order by sp_id, directive_id, version desc) x`} {
		var n int64
		if err := db.QueryRow(b.ctx, query).Scan(&n); err != nil {
			b.t.Fatal(err)
		}
	}
	bare := time.Since(began)
	workers := runtime.GOMAXPROCS(0)
	f := bench.Figure{Name: fmt.Sprintf("impact of a default over %d stored patients", people), Goal: "1 M in ≤ 60 s on 4 cores", Callers: workers, PerSecond: float64(people) / took.Seconds(), P50: took.Seconds() * 1e3,
		Note: strings.TrimSpace(fmt.Sprintf("%s in all with PostgreSQL, %s of CPU time here and %s there; %d patients change, %d cells open, %d kinds of people; %.2f bytes a patient held at the end", took.Round(10*time.Millisecond), here.Round(100*time.Millisecond),
			(databaseNow - database).Round(100*time.Millisecond), changed, opens, im.Kinds(), float64(held)/float64(people)))}
	b.add(f.Against("the same rows read by PostgreSQL", float64(people)/bare.Seconds()))
	runtime.KeepAlive(im)
}

// forAnybody is wishJSON of patient n with # where the patient's number stands.
func forAnybody(kind string, n int) string {
	return strings.ReplaceAll(string(wishJSON(kind, n)), fmt.Sprintf("Patient/%d", n), "Patient/#")
}
