package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
)

// recordsAPerson is about how often the simulated sites register one person.
const recordsAPerson = 3.14

// simulated makes the files of a simulated exchange of about CONCORD_BENCH_BATCH records (1000000) and returns their folder.
func (b *bencher) simulated(format string) string {
	dir := filepath.Join(b.t.TempDir(), "sim")
	people := int(float64(envInt(b.t, "CONCORD_BENCH_BATCH", 1_000_000)) / recordsAPerson)
	b.program("simulate", "--people", strconv.Itoa(people), "--sites", "14", "--seed", "1", "--formats", format, "--out", dir)
	return dir
}

// A batchRun is what a command took.
type batchRun struct {
	printed      string
	took, worked time.Duration // on the clock, and of processor time
	peak         int64         // bytes of memory
}

// program runs concord as a process of its own to its end.
func (b *bencher) program(args ...string) batchRun {
	b.t.Helper()
	began := time.Now()
	p := start(b.t, concord(nil, args...))
	var peak int64
	for running := true; running; {
		select {
		case <-p.done:
			running = false
		case <-time.After(20 * time.Millisecond):
			peak = max(peak, peakOf(p.cmd.Process.Pid))
		case <-b.ctx.Done():
			p.kill()
			b.t.Fatal(b.ctx.Err())
		}
	}
	if !p.cmd.ProcessState.Success() {
		b.t.Fatalf("%v: %s", args[0], p.printed())
	}
	return batchRun{printed: p.printed(), took: time.Since(began), worked: p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), peak: peak}
}

// peakOf returns the most memory a running process has had, in bytes. What wait tells would count the memory of this process in.
func peakOf(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(found[1]), 10, 64) // digits only
	return n * 1024
}

// number returns the number that pattern finds in what a command printed.
func (b *bencher) number(printed, pattern string) float64 {
	b.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(printed)
	if found == nil {
		b.t.Fatalf("no %s in what was printed:\n%s", pattern, printed)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// linkBatch measures concord link on simulated records, and the scoring of its candidates beside the bare comparison loop.
//
// Source: DESIGN section 6, concord link batch.
func (b *bencher) linkBatch() {
	dir := b.simulated("csv")
	file := filepath.Join(dir, "records.csv")
	run := b.program("link", file, "--out", filepath.Join(dir, "clusters.csv"))
	records, pairs := b.number(run.printed, `records +(\d+)`), b.number(run.printed, `pairs compared +(\d+)`)
	cores := float64(runtime.GOMAXPROCS(0))
	b.add(bench.Figure{Name: fmt.Sprintf("concord link, %.0f simulated records", records), Goal: "1 M ≤ 60 s on 2 cores, ≤ 1 KiB a record", Callers: 1,
		PerSecond: records / run.took.Seconds(),
		Note: fmt.Sprintf("%s, %s of processor time, peak %.2f KiB a record, program included", run.took.Round(100*time.Millisecond), run.worked.Round(100*time.Millisecond),
			float64(run.peak)/records/1024)})
	scored, err := time.ParseDuration(regexp.MustCompile(`comparing: \d+ in (\S+)`).FindStringSubmatch(run.printed)[1])
	if err != nil {
		b.t.Fatal(err)
	}
	f := bench.Figure{Name: "its candidates scored, a core", Goal: "≥ 100 k records/s/core", Callers: 1, PerSecond: pairs / scored.Seconds() / cores,
		Note: fmt.Sprintf("pairs; %.1f a record: %.0f records/s/core have theirs scored", pairs/records, records/scored.Seconds()/cores)}
	b.add(f.Against("the bare comparison loop, features ready", b.comparing(file)))
}

// comparing returns how many pairs of a file's first records one core compares and weighs a second, their features ready.
func (b *bencher) comparing(file string) float64 {
	f, err := mpicsv.Open(file)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var nodes []mpi.Features
	err = mpicsv.Read(f, nil, func(r mpicsv.Record) error {
		if nodes = append(nodes, mpi.Extract(r.Source, r.Demographics)); len(nodes) == 1000 {
			return io.EOF
		}
		return nil
	})
	if err != nil && !errors.Is(err, io.EOF) {
		b.t.Fatal(err)
	}
	m, n, sum, began := mpi.DefaultModel(), 0, mpi.Bits(0), time.Now()
	for time.Since(began) < b.d {
		for i := range nodes {
			c := mpi.Compare(&nodes[i], &nodes[(i*7+n)%len(nodes)])
			sum += m.Score(&c)
		}
		n += len(nodes)
	}
	_ = sum
	return float64(n) / time.Since(began).Seconds()
}

// importPatients measures concord import patients into an empty index beside a COPY of the rows it wrote.
//
// Source: DESIGN section 4 (import patients) and section 6 (live index on disk).
func (b *bencher) importPatients() {
	dir := b.simulated("fhir")
	url := pgtest.URL(b.t)
	b.program("--database-url", url, "site", "apply", filepath.Join(dir, "directory.json"))
	run := b.program("--database-url", url, "import", "patients", filepath.Join(dir, "patients.ndjson"))
	db, err := pg.Open(b.ctx, url, pg.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var records, size float64
	if err := db.QueryRow(b.ctx, `select (select count(*) from mpi.source_patient), (select sum(pg_total_relation_size(c.oid)) from pg_class c
		join pg_namespace s on s.oid = c.relnamespace where s.nspname = 'mpi' and c.relkind = 'r')`).Scan(&records, &size); err != nil {
		b.t.Fatal(err)
	}
	copied := b.copied(url, db)
	f := bench.Figure{Name: fmt.Sprintf("concord import patients, %.0f simulated", records), Goal: "≤ 6 KiB a source patient on disk", Callers: 1, PerSecond: records / run.took.Seconds(),
		Note: fmt.Sprintf("%s, %s of it in this program's processor time; %.2f KiB a source patient on disk", run.took.Round(100*time.Millisecond),
			run.worked.Round(100*time.Millisecond), size/records/1024)}
	b.add(f.Against("COPY of the same rows, indexes kept", records/copied.Seconds()))
}

// copied returns how long COPY takes to write the rows of the index into tables like its own.
func (b *bencher) copied(url string, db *pg.DB) time.Duration {
	b.t.Helper()
	dir, err := os.MkdirTemp("", "concord-bench-")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // PostgreSQL may be another user of this machine
		b.t.Fatal(err)
	}
	tables, err := pg.Collect(b.ctx, db, func(r *pg.Rows) (string, error) {
		var name string
		return name, r.Scan(&name)
	}, `select c.relname from pg_class c join pg_namespace s on s.oid = c.relnamespace where s.nspname = 'mpi' and c.relkind = 'r' order by 1`)
	if err != nil {
		b.t.Fatal(err)
	}
	out, in := []string{`create schema copied`}, []string(nil)
	for _, t := range tables {
		out = append(out, fmt.Sprintf(`copy mpi.%[1]s to '%[2]s/%[1]s' (format binary)`, t, dir), fmt.Sprintf(`create table copied.%[1]s (like mpi.%[1]s including all)`, t))
		in = append(in, fmt.Sprintf(`copy copied.%[1]s from '%[2]s/%[1]s' (format binary)`, t, dir))
	}
	if _, err := bench.PSQL(b.ctx, url, out); err != nil {
		b.t.Fatal(err)
	}
	took, err := bench.PSQL(b.ctx, url, in)
	if err != nil {
		b.t.Fatal(err)
	}
	return took
}
