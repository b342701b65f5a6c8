package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

// auditSetting is a database with six sequenced events, the last checkpoint in a witness file, and keys.
type auditSetting struct {
	*testing.T
	url, dir, private, public, witness string
	db                                 *pg.DB
	ids                                []string
}

func newAuditSetting(t *testing.T) *auditSetting {
	t.Helper()
	ctx := context.Background()
	s := &auditSetting{T: t, url: pgtest.URL(t), dir: t.TempDir()}
	if _, err := makeKeys(s.dir, false); err != nil {
		t.Fatal(err)
	}
	s.private, s.public, s.witness = keysIn(s.dir).audit, filepath.Join(s.dir, "audit.pub"), filepath.Join(s.dir, "checkpoint")
	var err error
	if s.db, err = pg.Open(ctx, s.url, pg.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	for range 6 {
		e := audit.NewEvent(audit.Disclosed, hie.Actor{Organization: "oak", User: "Zyxquill"}, time.Now()).About(7)
		if err := auditpg.New(s.db).Record(ctx, e); err != nil {
			t.Fatal(err)
		}
		s.ids = append(s.ids, e.ID)
	}
	key, err := readAuditKey(s.private)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := auditpg.NewSequencer(s.db, auditpg.SequencerOptions{Key: key, Witness: s.witness, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- seq.Run(ctx) }()
	for end := time.Now().Add(20 * time.Second); seq.Size() < 6 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil || seq.Size() != 6 {
		t.Fatalf("sequenced %d of 6: %v", seq.Size(), err)
	}
	out, _ := s.run(0, "audit", "key", "--key", s.private)
	if err := os.WriteFile(s.public, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs the program and checks its exit status; it returns what went to stdout and stderr.
func (s *auditSetting) run(status int, args ...string) (string, string) {
	s.Helper()
	var out, errOut bytes.Buffer
	got := run(context.Background(), append([]string{"--database-url", s.url}, args...), &out, &errOut)
	if got != status {
		s.Errorf("%v: status %d, want %d; said %s", args, got, status, errOut.String())
	}
	if strings.Contains(errOut.String(), "Zyxquill") {
		s.Errorf("%v: a message quotes an event", args)
	}
	return out.String(), errOut.String()
}

func TestAuditIsVerifiedProvedAndExportedFromTheCommandLine(t *testing.T) {
	s := newAuditSetting(t)
	s.run(0, "audit", "verify", "--key", s.public, "--checkpoint", s.witness)
	s.run(0, "audit", "verify", "--key", s.private)

	export := filepath.Join(s.dir, "log.ndjson")
	s.run(0, "audit", "export", "--out", export)
	s.run(1, "audit", "export", "--out", export) // never over a file that is there
	s.run(0, "audit", "verify", "--key", s.public, "--file", export, "--checkpoint", s.witness)

	proof, _ := s.run(0, "audit", "prove", "--key", s.public, s.ids[3])
	var shape struct {
		Row int64 `json:"row"`
	}
	if err := json.Unmarshal([]byte(proof), &shape); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.dir, "proof.json")
	if err := os.WriteFile(file, []byte(proof), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(0, "audit", "prove", "--key", s.public, "--file", file)
	if err := os.WriteFile(file, []byte(strings.Replace(proof, fmt.Sprintf(`"row":%d`, shape.Row), fmt.Sprintf(`"row":%d`, (shape.Row+1)%6), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(exitBad, "audit", "prove", "--key", s.public, "--file", file)
	s.run(exitUnreadable, "audit", "prove", "--key", s.public, "019caa0c-8a7b-7000-8000-00000000ffff")
	s.run(exitUnreadable, "audit", "prove", "--key", s.public)
	s.run(exitUnreadable, "audit", "verify", "--key", export)
	s.run(exitUnreadable, "audit", "verify", "--key", s.public, "--checkpoint", export)
	s.run(exitUnreadable, "audit", "verify", "--key", s.public, "--file", s.public)

	if out, _ := s.run(0, "audit", "shred", s.ids[2], "--reason", "retention", "--dry-run"); !strings.Contains(out, s.ids[2]) {
		t.Errorf("the dry run does not name the event")
	}
	s.run(0, "audit", "prove", "--key", s.public, s.ids[2])
	s.run(0, "audit", "shred", s.ids[2], "--reason", "retention")
	s.run(1, "audit", "shred", s.ids[2], "--reason", "retention")
}

func TestAuditVerifyNamesTheBadRowAndEndsWithItsStatus(t *testing.T) {
	s := newAuditSetting(t)
	var row int64
	if err := s.db.QueryRow(t.Context(), `select seq from audit.leaf where event_id = $1`, s.ids[4]).Scan(&row); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.SQL().Exec(`update audit.event set salt = decode(repeat('00', 32), 'hex') where id = $1`, s.ids[4]); err != nil {
		t.Fatal(err)
	}
	out, said := s.run(exitBad, "audit", "verify", "--key", s.public, "--checkpoint", s.witness, "--output", "json")
	var report struct {
		Holds bool `json:"holds"`
		Bad   struct {
			Row   int64  `json:"row"`
			Event string `json:"event"`
			Fault string `json:"fault"`
		} `json:"bad"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Holds || report.Bad.Row != row || report.Bad.Event != s.ids[4] || report.Bad.Fault != "edited" {
		t.Errorf("reported %+v (%v), want row %d edited", report, err, row)
	}
	if !strings.Contains(said, fmt.Sprintf("row %d ", row)) {
		t.Errorf("said %q, want the row's number", said)
	}
}

func TestATableIsCheckedAgainstTheKeyOfTheLog(t *testing.T) {
	s := newAuditSetting(t)
	key, err := readAuditKey(s.private)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := auditpg.NewSequencer(s.db, auditpg.SequencerOptions{Key: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := seq.SignTable("made,today\nzyx,quill\n")
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := os.ReadFile(s.witness)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, text string
		status     int
	}{
		{"a table as it was signed holds", signed, 0},
		{"one with another cell does not", strings.Replace(signed, "quill", "quilt", 1), exitBad},
		{"nor one with a row more", strings.Replace(signed, "zyx", "zyx,more\nzyx", 1), exitBad},
		{"nor one without its signature", strings.SplitN(signed, "\n\n", 2)[0] + "\n", exitBad},
		{"a checkpoint is no table", string(checkpoint), exitBad},
	} {
		file := filepath.Join(s.dir, "table.csv")
		if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := s.run(row.status, "audit", "table", "--key", s.public, file)
		if row.status == 0 && out != "made,today\nzyx,quill\n" {
			t.Errorf("%s: printed %q", row.name, out)
		}
	}
	public, err := os.ReadFile(s.public)
	if err != nil {
		t.Fatal(err)
	}
	v, err := auditpg.ParseKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auditpg.OpenCheckpoint(signed, v); err == nil {
		t.Error("a table was taken for a checkpoint")
	}
}
