package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/internal/sim"
)

// TestBench is `make bench`: it fills an exchange, measures what DESIGN section 6 names beside its ceiling, and
// writes bench/latest.json. It runs only when CONCORD_BENCH says where to write; speed is never a test.
//
// The stages link and patients measure batches of CONCORD_BENCH_BATCH records (1000000) and need none of the rest: where
// only those are asked for, nothing else is filled.
//
// CONCORD_BENCH_SOURCES and CONCORD_BENCH_POINTERS set how much there is (100000 and 1000000), and
// CONCORD_BENCH_SECONDS how long each figure is measured (5); CONCORD_BENCH_INDEX is how large the index is made by the
// loader at the end, for the figures of a large one (1000000). CONCORD_BENCH_ONLY names the figures to take, separated
// by commas, of the stages below; registering and importing, which the others need, are always done. CONCORD_BENCH_PROFILE
// names a folder for CPU profiles of the node, one a figure, and CONCORD_BENCH_STATEMENTS how many statements to show with
// each, the dearest first, with what they cost PostgreSQL.
//
// Each figure is written as soon as it is known. A stage that fails, or takes longer than stageTime, is named in the
// report and the next one begins; the run as a whole then fails at its end.
func TestBench(t *testing.T) {
	out := os.Getenv("CONCORD_BENCH")
	if out == "" {
		t.Skip("a measurement, not a test: make bench")
	}
	b := newBencher(t, envInt(t, "CONCORD_BENCH_SOURCES", 100_000), envInt(t, "CONCORD_BENCH_POINTERS", 1_000_000),
		time.Duration(envInt(t, "CONCORD_BENCH_SECONDS", 5))*time.Second)
	b.out = out
	only := map[string]bool{}
	for name := range strings.SplitSeq(os.Getenv("CONCORD_BENCH_ONLY"), ",") {
		only[name] = true
	}
	alone := !only[""] // are all that are asked for batches?
	for name := range only {
		alone = alone && (name == "link" || name == "patients")
	}
	began := time.Now()
	for _, s := range []struct {
		name   string
		needed bool
		run    func()
	}{
		{"register", true, b.register}, {"import", true, b.importDocuments}, {"token", false, b.tokens}, {"compare", false, b.compare}, {"match", false, b.match},
		{"publish", false, b.publish}, {"query", false, b.query}, {"heavy", false, b.heavy}, {"retrieve", false, b.retrieve},
		{"revoke", false, b.revoke}, {"merge", false, b.merge}, {"fanout", false, b.fanOut}, {"audit", false, b.audit}, {"decide", false, b.decide},
		{"engine", false, b.engine}, {"impact", false, b.impact}, {"page", false, b.page}, {"hubs", false, b.hubs}, {"grow", false, b.grow},
		{"link", false, b.linkBatch}, {"patients", false, b.importPatients},
	} {
		if s.needed && !alone || only[""] || only[s.name] {
			b.stage(t, s.name, s.run)
		}
	}
	t.Logf("all in %s", time.Since(began).Round(time.Second))
	if err := b.report.Table(os.Stdout); err != nil {
		t.Fatal(err)
	}
}

// stageTime bounds one stage, the filling aside.
const stageTime = 8 * time.Minute

// stage runs one part as a test of its own, so that what fails there fails there alone, and saves what is known.
func (b *bencher) stage(t *testing.T, name string, run func()) {
	began := time.Now()
	all := b.ctx
	done := t.Run(name, func(sub *testing.T) {
		limit := stageTime
		if name == "register" || name == "import" || name == "grow" || name == "link" || name == "patients" { // as long as the index is large
			limit = 40 * time.Minute
		}
		ctx, cancel := context.WithTimeout(all, limit)
		defer cancel()
		b.t, b.ctx = sub, ctx
		run()
	})
	b.t, b.ctx = t, all
	if !done {
		b.report.Failed = append(b.report.Failed, name)
	}
	t.Logf("%s: %s", name, time.Since(began).Round(100*time.Millisecond))
	if err := b.report.Save(b.out); err != nil {
		t.Fatal(err)
	}
}

func envInt(t testing.TB, name string, fallback int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("%s must be a positive number", name)
	}
	return n
}

// A bencher measures one exchange.
type bencher struct {
	*exchangeUnderTest
	report   bench.Report
	out      string // where the report is saved
	d        time.Duration
	sources  int
	pointers int
	here     bool               // what is measured runs in this process
	known    []sim.Registration // registered so far, with the documents their sites really hold
	// statements is how many statements are shown with each figure.
	statements int
}

func newBencher(t *testing.T, sources, pointers int, d time.Duration) *bencher {
	t.Helper()
	region, err := sim.Population(demoSeed, max(14, sources), 5) // more registrations than people, so that some are left to be measured
	if err != nil {
		t.Fatal(err)
	}
	x := newExchangeOf(t, 1, region, "127.0.0.0/8") // further sites come while it runs
	b := &bencher{exchangeUnderTest: x, report: bench.NewReport(), d: d, sources: sources, pointers: pointers}
	b.watchStatements(envInt(t, "CONCORD_BENCH_STATEMENTS", 0))
	if err := b.db.QueryRow(b.ctx, `select current_setting('server_version')`).Scan(&b.report.PostgreSQL); err != nil {
		t.Fatal(err)
	}
	return b
}

// add keeps a figure and shows it.
func (b *bencher) add(f bench.Figure) {
	b.report.Figures = append(b.report.Figures, f)
	ceiling := ""
	if f.CeilingPerSecond > 0 {
		ceiling = fmt.Sprintf(", %.0f %% of %.0f/s (%s)", f.Ratio*100, f.CeilingPerSecond, f.Ceiling)
	}
	b.t.Logf("%s, %d callers: %.0f/s, p50 %.3f p95 %.3f p99 %.3f ms, CPU %.2f + %.2f ms%s %s", f.Name, f.Callers, f.PerSecond, f.P50, f.P95, f.P99,
		f.NodeCPU, f.DatabaseCPU, ceiling, f.Note)
}

// measure times op with so many callers.
func (b *bencher) measure(name, goal string, callers int, op func(ctx context.Context, caller, n int) error) bench.Figure {
	b.t.Helper()
	wait := b.profile(name, callers)
	show := b.countStatements()
	node, database, redis := b.cpu()
	f, err := bench.Measure(b.ctx, name, callers, b.d, op)
	wait()
	nodeNow, databaseNow, redisNow := b.cpu()
	if each := 1.2 * b.d.Seconds() * f.PerSecond; each > 0 { // the warm-up counts too
		f.NodeCPU = (nodeNow - node).Seconds() * 1000 / each
		f.DatabaseCPU = (databaseNow - database + redisNow - redis).Seconds() * 1000 / each
		show(each)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	f.Goal = goal
	return f
}

// run measures op with 1 and 16 callers.
func (b *bencher) run(name, goal string, op func(ctx context.Context, caller, n int) error) (one, many bench.Figure) {
	b.t.Helper()
	return b.measure(name, goal, 1, op), b.measure(name, goal, 16, op)
}

// ceiling is what pgbench reaches with script at 16 clients.
func (b *bencher) ceiling(script string) float64 {
	b.t.Helper()
	return b.ceilingAt(script, 16)
}

// ceilingAt is what pgbench reaches with script at so many clients.
func (b *bencher) ceilingAt(script string, callers int) float64 {
	b.t.Helper()
	rate, err := bench.PGBench(b.ctx, b.dbURL, script, callers, b.d)
	if err != nil {
		b.t.Fatal(err)
	}
	return rate
}

func (b *bencher) client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &http.Client{Transport: transport}
}

// fetch makes a request and reads its answer.
func fetch(ctx context.Context, c *http.Client, method, target, bearer, contentType string, body []byte, want ...int) error {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	for _, s := range want {
		if resp.StatusCode == s {
			return nil
		}
	}
	return fmt.Errorf("status %d", resp.StatusCode)
}

func (b *bencher) bearer(client string, who asker) string {
	b.t.Helper()
	v, err := b.clients[client].api.token(b.ctx, who)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// recordRange is where the ids of real records lie; those the ceilings made lie below.
func (b *bencher) recordRange() (low, high int64) {
	b.t.Helper()
	if err := b.db.QueryRow(b.ctx, `select min(sp_id), max(sp_id) from mpi.source_patient where system <> 'bench'`).Scan(&low, &high); err != nil {
		b.t.Fatal(err)
	}
	return low, high
}
