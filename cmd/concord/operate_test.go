package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/federation/federationpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

// operates runs commands against a database in which one site is known.
func operates(t *testing.T) (g *Globals, run func(c interface {
	Run(context.Context, *Globals, *streams) error
}) (string, error)) {
	t.Helper()
	g = &Globals{DatabaseURL: pgtest.URL(t)}
	run = func(c interface {
		Run(context.Context, *Globals, *streams) error
	}) (string, error) {
		t.Helper()
		var out, messages bytes.Buffer
		err := c.Run(context.Background(), g, &streams{out: &out, err: &messages})
		return out.String(), err
	}
	file := filepath.Join(t.TempDir(), "sites.json")
	if err := os.WriteFile(file, []byte(siteFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(&siteApplyCmd{File: file, Output: "json"}); err != nil {
		t.Fatal(err)
	}
	return g, run
}

func TestTheStateOfSitesIsToldFromTheCommandLine(t *testing.T) {
	g, run := operates(t)
	db, err := g.open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if out, err := run(&siteStatusCmd{Hours: 6, Output: "table"}); err != nil || !strings.Contains(out, "mercy-main") || !strings.Contains(out, "  -  ") {
		t.Errorf("a site nobody has asked: %v\n%s", err, out)
	}
	health, now := federationpg.NewHealth(db, 1), hie.Now()
	for i := range 10 {
		fate := federation.Answered
		if i == 0 {
			fate = federation.Failed
		}
		health.Observe(federation.Call{Site: "mercy-main", Operation: federation.OperationSearch, Ended: now, Took: 40 * time.Millisecond, Fate: fate})
	}
	if err := health.Flush(context.Background(), now); err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Site  string  `json:"site"`
		Calls int64   `json:"calls"`
		P50   float64 `json:"p50_ms"`
		Rate  float64 `json:"error_rate"`
	}
	out, err := run(&siteStatusCmd{Hours: 6, Output: "json"})
	if err != nil || json.Unmarshal([]byte(out), &rows) != nil || len(rows) != 1 || rows[0].Site != "mercy-main" || rows[0].Calls != 10 || rows[0].Rate != 0.1 {
		t.Errorf("%v %+v\n%s", err, rows, out)
	}
	if out, err := run(&siteStatusCmd{Hours: 6, Output: "table"}); err != nil || !strings.Contains(out, "  10%  ") || strings.Contains(out, "~") {
		t.Errorf("calls made for requests: %v\n%s", err, out)
	}
	out, err = run(&siteStatusCmd{Site: "mercy-main", Hours: 1, Output: "table"})
	if err != nil || !strings.Contains(out, "FROM") || !strings.Contains(out, "  9         0        1") {
		t.Errorf("one site's last hour: %v\n%s", err, out)
	}
	out, err = run(&siteStatusCmd{Site: "mercy-main", Hours: 1, Output: "json"})
	var points []struct{ Calls, Answered, Failed int64 }
	if err != nil || json.Unmarshal([]byte(out), &points) != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	calls, answered, failed := int64(0), int64(0), int64(0)
	for _, p := range points {
		calls, answered, failed = calls+p.Calls, answered+p.Answered, failed+p.Failed
	}
	if calls != 10 || answered != 9 || failed != 1 {
		t.Errorf("%d calls, %d answered, %d failed", calls, answered, failed)
	}
	for name, c := range map[string]*siteStatusCmd{"a site there is not": {Site: "nowhere", Hours: 6}, "no hours": {Hours: 0}, "too many hours": {Hours: 49}} {
		if _, err := run(c); err == nil {
			t.Errorf("%s was answered", name)
		}
	}
}

func TestARequestIsFollowedFromTheCommandLine(t *testing.T) {
	g, run := operates(t)
	ctx := context.Background()
	db, err := g.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	traces, began := federationpg.NewTraces(db, hie.NewIDs(nil)), hie.Now()
	watching, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); traces.Watch(watching, slog.New(slog.DiscardHandler)) }()
	traces.Keep(hie.Traced{Request: "req-1", ID: strings.Repeat("ab", 16), Began: began, Took: 30 * time.Millisecond, Organization: "mercy", Client: "mercy-emr", Roles: []string{"physician"},
		Purposes: []hie.Purpose{"TREAT"}, Status: 200, Spans: []hie.Span{{Name: "identity", Began: began, Took: time.Millisecond, Outcome: "ok"},
			{Name: "site", Site: "mercy-main", Began: began.Add(2 * time.Millisecond), Took: 20 * time.Millisecond, Outcome: "answered", Detail: "GET /fhir/DocumentReference"}}})
	stop()
	<-ended // what was kept is written
	out, err := run(&traceCmd{ID: "req-1", Output: "table"})
	for _, want := range []string{"request req-1  trace abab", "answered 200 after 30.0 ms", "by mercy, client mercy-emr, as physician, for TREAT", "identity", "mercy-main", "GET /fhir/DocumentReference"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("the trace does not say %q: %v\n%s", want, err, out)
		}
	}
	var rows []struct {
		Request string
		Spans   []struct{ Name, Site, Outcome string }
	}
	if out, err = run(&traceCmd{ID: "req-1", Output: "json"}); err != nil || json.Unmarshal([]byte(out), &rows) != nil || len(rows) != 1 || len(rows[0].Spans) != 2 || rows[0].Spans[1].Site != "mercy-main" {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := run(&traceCmd{ID: "req-2", Output: "table"}); err == nil || !strings.Contains(err.Error(), "nothing is kept") {
		t.Errorf("a request nobody made: %v", err)
	}
	var looks int
	if err := db.QueryRow(ctx, `select count(*) from audit.event where kind = 'audit.read'`).Scan(&looks); err != nil || looks != 3 {
		t.Errorf("%d looks are on record, %v; want 3, that at nothing too", looks, err)
	}
}
