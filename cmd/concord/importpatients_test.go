package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

// newSimulated is a database with the directory of a simulated exchange, and its files in dir.
func newSimulated(t *testing.T, people int) *importSetting {
	t.Helper()
	s := &importSetting{T: t, url: pgtest.URL(t), dir: filepath.Join(t.TempDir(), "sim")}
	db, err := pg.Open(t.Context(), s.url, pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s.db = db
	s.must("simulate", "--people", fmt.Sprint(people), "--sites", "9", "--formats", "fhir", "--out", s.dir)
	s.must("site", "apply", filepath.Join(s.dir, "directory.json"))
	return s
}

const (
	countRecords = `select count(*) from mpi.source_patient`
	countPersons = `select count(distinct person_id) from mpi.person_member`
)

func TestPatientsAreImportedOnceAndAFileGoesOnWhereItStopped(t *testing.T) {
	oneAfterAnother(t)
	s := newSimulated(t, 400)
	file := filepath.Join(s.dir, "patients.ndjson")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := bytes.Count(text, []byte("\n"))
	if said := s.must("import", "patients", "--dry-run", file); !strings.Contains(said, fmt.Sprintf("%d good", n)) || s.number(countRecords) != 0 {
		t.Errorf("dry run said %s and stored %d", said, s.number(countRecords))
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { // stop it when some of it is in
		defer close(stopped)
		for ctx.Err() == nil {
			var some int
			if err := s.db.QueryRow(t.Context(), countRecords).Scan(&some); err == nil && some > 0 {
				cancel()
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	status, _ := s.run(ctx, "import", "patients", "--batch", "50", file)
	some := s.number(countRecords)
	cancel()
	<-stopped
	if status == 0 || some == 0 || some >= n || some%50 != 0 {
		t.Fatalf("stopped with status %d after %d of %d records; want whole batches of 50", status, some, n)
	}
	if said := s.must("import", "patients", "--batch", "50", file); !strings.Contains(said, fmt.Sprintf("%d registered, 0 revised, 0 repeated, 0 rejected", n)) {
		t.Errorf("going on said %s", said)
	}
	if got := s.number(countRecords); got != n {
		t.Errorf("%d records, want %d", got, n)
	}
	persons := s.number(countPersons)
	if persons < 300 || persons > n-100 {
		t.Errorf("%d persons of 400 people and %d records", persons, n)
	}
	s.must("import", "patients", file)
	if got := s.number(countRecords); got != n {
		t.Error("a file that was loaded to its end was loaded again")
	}
	again := s.file("again.ndjson", string(text)+" \n")
	if said := s.must("import", "patients", again); !strings.Contains(said, fmt.Sprintf("0 registered, 0 revised, %d repeated, 1 rejected", n)) {
		t.Errorf("the same patients from another file: %s", said)
	}
	if s.number(countPersons) != persons {
		t.Error("repeated registrations changed who is who")
	}
}

func TestLinesThatBreakARuleAreRejectedByNumberAndRule(t *testing.T) {
	s := newSimulated(t, 20)
	const harbor, riverside = "https://harbor-general.example.org/patient-id/harbor-main", "https://riverside.example.org/patient-id/riverside-clinic"
	good := `{"resourceType":"Patient","identifier":[{"system":"` + harbor + `","value":"T-1"}],"name":[{"family":"Zyxquill","given":["Ada"]}]}`
	file := s.file("some.ndjson", strings.Join([]string{
		good,
		`{"resourceType":"Patient","identifier":[{"system":"urn:nobody","value":"1"}],"name":[{"family":"Zyxquill"}]}`,
		`{"resourceType":"Observation"}`,
		`not JSON, Zyxquill`,
		`{"resourceType":"Patient","identifier":[{"system":"` + harbor + `","value":"T-2"},{"system":"` + riverside + `","value":"T-2"}]}`,
		`{"resourceType":"Patient","active":false,"identifier":[{"system":"` + harbor + `","value":"T-3"}],"link":[{"type":"replaced-by","other":{"identifier":{"system":"` + harbor + `","value":"T-9"}}}]}`,
		good,
	}, "\n"))
	if said := s.must("import", "patients", file); !strings.Contains(said, "1 registered, 0 revised, 1 repeated, 5 rejected") {
		t.Errorf("said %s", said)
	}
	rejects, err := os.ReadFile(file + ".rejects.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(rejects), "Zyxquill") || strings.Contains(string(rejects), "T-") {
		t.Error("the rejects file tells what the lines said")
	}
	for _, want := range []string{`"line":2,"path":"Patient.identifier"`, `"line":3`, `"line":4`, `"line":5,"path":"Patient.identifier"`, `"line":6`} {
		if !strings.Contains(string(rejects), want) {
			t.Errorf("no %s among the rejects:\n%s", want, rejects)
		}
	}
	if s.number(countRecords) != 1 || s.number(`select count(*) from mpi.identifier_key`) != 1 {
		t.Error("a rejected line left something")
	}
	for _, refused := range [][]string{{"--org", "nobody", file}, {"--batch", "0", file}, {"--rejects", "x", file, file}, {filepath.Join(s.dir, "missing")}} {
		if status, said := s.run(t.Context(), append([]string{"import", "patients"}, refused...)...); status == 0 || said == "" {
			t.Errorf("%v: status %d, %q", refused, status, said)
		}
	}
}
