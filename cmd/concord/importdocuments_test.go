package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// importSetting is a database with two organisations and patients p0, p1, ... of Mercy.
type importSetting struct {
	*testing.T
	url, dir string
	db       *pg.DB
}

func newImportSetting(t *testing.T, patients int) *importSetting {
	t.Helper()
	s := &importSetting{T: t, url: pgtest.URL(t), dir: t.TempDir()}
	db, err := pg.Open(t.Context(), s.url, pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s.db = db
	s.file("directory.json", `{"organizations":[{"id":"mercy","name":"Mercy","identifier":"urn:org:mercy"},{"id":"oak","name":"Oak","identifier":"urn:org:oak"}],
		"sites":[{"id":"mercy-main","org":"mercy","name":"Mercy Main","authorities":["urn:mercy"],"zone":"UTC","publishes":true,"endpoints":[{"id":"m","address":"https://mercy.example/fhir"}]},
		{"id":"oak-street","org":"oak","name":"Oak Street","authorities":["urn:oak"],"zone":"UTC","publishes":true,"endpoints":[{"id":"o","address":"https://oak.example/fhir"}]}]}`)
	s.must("site", "apply", filepath.Join(s.dir, "directory.json"))
	x := mpi.New(mpipg.New(db, auditpg.Append), hie.NewIDs(nil), auditpg.New(db), mpi.Options{})
	register := func(site hie.SiteID, org hie.OrgID, system, value string, active bool) {
		_, err := x.Register(t.Context(), hie.Actor{Organization: org, Client: "feed"}, mpi.Registration{Site: site, Local: hie.Identifier{System: system, Value: value},
			Demographics: mpi.Demographics{Names: []mpi.Name{{Family: "Family" + value, Given: []string{"Given" + value}}}}, Received: []byte(`{"resourceType":"Patient"}`), Active: active})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range patients {
		register("mercy-main", "mercy", "urn:mercy", fmt.Sprint("p", i), true)
	}
	register("oak-street", "oak", "urn:oak", "q0", true)
	return s
}

func (s *importSetting) file(name, text string) string {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

func (s *importSetting) run(ctx context.Context, args ...string) (status int, errOut string) {
	s.Helper()
	var out, e bytes.Buffer
	status = run(ctx, append([]string{"--database-url", s.url}, args...), &out, &e)
	return status, e.String()
}

func (s *importSetting) must(args ...string) string {
	s.Helper()
	status, errOut := s.run(s.Context(), args...)
	if status != 0 {
		s.Fatalf("%v: status %d: %s", args, status, errOut)
	}
	return errOut
}

func (s *importSetting) number(query string) (n int) {
	s.Helper()
	if err := s.db.QueryRow(s.Context(), query).Scan(&n); err != nil {
		s.Fatal(err)
	}
	return n
}

// line is one DocumentReference of Mercy about patient; extra are further members.
func importLine(unique, patient, extra string) string {
	return `{"resourceType":"DocumentReference","status":"current","masterIdentifier":{"system":"urn:ietf:rfc:3986","value":"` + unique + `"},"subject":{"identifier":{"system":"urn:mercy","value":"` +
		patient + `"}},"date":"2026-01-02T03:04:05Z","type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},"content":[{"attachment":{"contentType":"text/plain","url":"Binary/` +
		strings.ReplaceAll(unique, ":", "-") + `","hash":"2jmj7l5rSw0yVb/vlWAYkK/YBwk=","size":0}}]` + extra + `}`
}

func TestImportTakesWhatIsGoodAndSaysWhatIsNot(t *testing.T) {
	s := newImportSetting(t, 3)
	replaces := func(unique string) string {
		return `,"relatesTo":[{"code":"replaces","target":{"identifier":{"system":"urn:ietf:rfc:3986","value":"` + unique + `"}}}]`
	}
	lines := []string{
		importLine("urn:a", "p0", ""),
		importLine("urn:b", "p1", ""),
		`{"resourceType":"DocumentReference","status":`,                                                                // 3: not JSON
		importLine("urn:c", "Zyxquill-nobody", ""),                                                                     // 4: unknown patient
		strings.Replace(importLine("urn:d", "p0", ""), `"urn:mercy"`, `"urn:oak"`, 1),                                  // 5: another organisation's system
		strings.Replace(importLine("urn:e", "p0", ""), "Binary/urn-e", "https://evil.example/1", 1),                    // 6: elsewhere
		importLine("urn:a", "p0", ""),                                                                                  // 7: again
		strings.Replace(importLine("urn:b", "p1", ""), "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", strings.Repeat("A", 27)+"=", 1), // 8: another hash
		importLine("urn:f", "p0", replaces("urn:a")),                                                                   // 9: replaces line 1
		importLine("urn:g", "p0", replaces("urn:a")),                                                                   // 10: no longer current
		importLine("urn:h", "p2", replaces("urn:b")),                                                                   // 11: another patient's
		`{"resourceType":"DocumentReference","text":"` + strings.Repeat("x", maxLine) + `"}`,                           // 12: too long
		importLine("urn:i", "p2", ""),
	}
	in := s.file("in.ndjson", strings.Join(lines, "\n")) // no line end at the end
	if said := s.must("import", "documents", "--org", "mercy", "--dry-run", in); !strings.Contains(said, "8 good") || s.number(`select count(*) from locator.pointer`) != 0 {
		t.Errorf("dry run: %s", said)
	}
	said := s.must("import", "documents", "--org", "mercy", "--batch", "4", in)
	if !strings.Contains(said, "4 stored, 1 repeated, 8 rejected") {
		t.Errorf("said %s", said)
	}
	raw, err := os.ReadFile(in + ".rejects.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "Zyxquill") || strings.Contains(string(raw), "evil") || strings.Contains(said, "Zyxquill") {
		t.Error("the rejects quote what was sent")
	}
	got := map[int]string{}
	for l := range strings.Lines(string(raw)) {
		var r struct {
			Line             int
			Path, Rule, Code string
		}
		if err := json.Unmarshal([]byte(l), &r); err != nil || r.Rule == "" {
			t.Fatalf("%s: %v", l, err)
		}
		got[r.Line] = r.Code
	}
	want := map[int]string{3: "", 4: "XDSUnknownPatientId", 5: "XDSUnknownPatientId", 6: "XDSRegistryMetadataError", 8: "XDSNonIdenticalHash",
		10: "XDSRegistryDeprecatedDocumentError", 11: "XDSPatientIdDoesNotMatch", 12: ""}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("rejected %v, want %v", got, want)
	}
	if n := s.number(`select count(*) from locator.pointer where status = 2`); n != 1 {
		t.Errorf("%d superseded, want the first line's", n)
	}
	if n := s.number(`select count(*) from locator.presence where count > 0`); n != 3 {
		t.Errorf("presence has %d rows, want one a patient", n)
	}
	if again := s.must("import", "documents", "--org", "mercy", in); !strings.Contains(again, "4 stored, 1 repeated, 8 rejected") || s.number(`select count(*) from locator.pointer`) != 4 {
		t.Errorf("a file that is done was done again: %s", again)
	}
	for _, bad := range [][]string{{"--org", "nobody", in}, {in}, {"--org", "mercy", "--batch", "0", in}, {"--org", "mercy", in + ".not-there"}} {
		if status, errOut := s.run(t.Context(), append([]string{"import", "documents"}, bad...)...); status == 0 || strings.Count(errOut, "\n") > 3 {
			t.Errorf("%v: status %d: %s", bad, status, errOut)
		}
	}
}

// A load that is stopped again and again at places of nobody's choosing ends with every document once and the counts of
// one that ran through.
func TestAnInterruptedImportGoesOnWhereItStopped(t *testing.T) {
	oneAfterAnother(t)
	s := newImportSetting(t, 50)
	var b strings.Builder
	const n = 2400
	for i := range n {
		patient := fmt.Sprint("p", i%50)
		if i%400 == 399 {
			patient = "nobody"
		}
		b.WriteString(importLine(fmt.Sprint("urn:n:", i), patient, "") + "\n")
	}
	in := s.file("in.ndjson", b.String())
	args := []string{"import", "documents", "--org", "mercy", "--batch", "100", in}
	stops := 0
	for wait := 30 * time.Millisecond; ; wait += wait / 6 {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		status, errOut := s.run(ctx, args...)
		cancel()
		if status == 0 {
			if !strings.Contains(errOut, "2394 stored, 0 repeated, 6 rejected") {
				t.Errorf("said %s", errOut)
			}
			break
		}
		if stops++; stops > 50 {
			t.Fatal("it never ends")
		}
	}
	if got := s.number(`select count(*) from locator.pointer`); got != n-6 {
		t.Errorf("%d documents, want %d", got, n-6)
	}
	if got := s.number(`select count(*) from (select sp_id, kind, count(*) n from locator.pointer group by 1, 2) p full join locator.presence q using (sp_id, kind) where p.n is distinct from q.count`); got != 0 {
		t.Errorf("presence differs from a recount in %d rows", got)
	}
	t.Logf("stopped %d times", stops)
	if stops < 2 {
		t.Errorf("it was stopped only %d times; nothing was shown", stops)
	}
}

func TestLongLinesAreSkippedToTheirEnd(t *testing.T) {
	in := bulk[documentLine]{batch: 10, check: (&importer{}).check}
	out := make(chan []bulkLine[documentLine], 10)
	text := "{}\n" + strings.Repeat("x", 3*maxLine) + "\n[]\r\n\nlast"
	if err := in.read(t.Context(), strings.NewReader(text), 0, out); err != nil {
		t.Fatal(err)
	}
	batch := <-out
	var got []string
	for _, l := range batch {
		var inv *hie.InvalidError
		if !errors.As(l.err, &inv) {
			t.Errorf("line %d: %v", l.n, l.err)
		}
		got = append(got, fmt.Sprint(l.n, ":", len(l.text)))
	}
	if fmt.Sprint(got) != "[1:2 2:0 3:2 4:0 5:4]" {
		t.Errorf("lines %v", got)
	}
}
