package auditpg

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgcluster"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/migrations"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var (
	testPublic, testKey, _ = ed25519.GenerateKey(nil)
	quiet                  = slog.New(slog.DiscardHandler)
)

func testVerifier(t testing.TB) note.Verifier {
	t.Helper()
	vkey, err := PublicKey(testPublic)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseKey([]byte(vkey))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newSequencer(t testing.TB, db *pg.DB, witness string) *Sequencer {
	t.Helper()
	s, err := NewSequencer(db, SequencerOptions{Key: testKey, Log: quiet, Witness: witness})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill records n events, one transaction each, whose records lie around 1000.
func fill(t testing.TB, db *pg.DB, n int) []audit.Event {
	t.Helper()
	out := make([]audit.Event, n)
	for i := range out {
		e := audit.NewEvent(audit.Disclosed, hie.Actor{Organization: "org-1", User: "u1", UserName: "Zyxquill Vraggemont"}, time.Now())
		e.Query, e.Classes = "patient.identifier=urn:x|Qworbstle", []string{"11506-3"}
		out[i] = e.About(hie.SourcePatientID(1000+i%7), hie.SourcePatientID(1000+i%3))
		if err := New(db).Record(context.Background(), out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// sequence takes all pending events in one go.
func sequence(t testing.TB, s *Sequencer) {
	t.Helper()
	ctx := context.Background()
	if err := s.load(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := s.batch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

func verify(t testing.TB, db *pg.DB, trusted ...Checkpoint) Report {
	t.Helper()
	r, err := VerifyDB(context.Background(), db, testVerifier(t), trusted, DefaultSkew)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOurTreeIsTheTreeOfRFC6962(t *testing.T) {
	var ours tree
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(ix))
		for i, x := range ix {
			out[i] = stored[x]
		}
		return out, nil
	})
	for n := range int64(300) {
		want, err := tlog.TreeHash(n, reader)
		if err != nil || ours.root() != want {
			t.Fatalf("root of %d leaves differs from tlog's (%v)", n, err)
		}
		leaf := tlog.RecordHash([]byte{byte(n), byte(n >> 8)})
		wantStored, err := tlog.StoredHashesForRecordHash(n, leaf, reader)
		if err != nil {
			t.Fatal(err)
		}
		got := ours.add(leaf)
		if len(got) != len(wantStored) {
			t.Fatalf("leaf %d completes %d hashes, want %d", n, len(got), len(wantStored))
		}
		for i := range got {
			if got[i] != wantStored[i] {
				t.Fatalf("leaf %d, hash %d differs from tlog's", n, i)
			}
			if seq, level := storedAt(int64(len(stored) + i)); seq != n || level != i {
				t.Fatalf("stored index %d is looked for at (%d, %d), want (%d, %d)", len(stored)+i, seq, level, n, i)
			}
		}
		stored = append(stored, got...)
	}
}

func TestASequencedLogVerifies(t *testing.T) {
	db := pgtest.DB(t)
	if r := verify(t, db); r.Bad != nil || r.Size != 0 {
		t.Fatalf("an empty log: %v", r.Bad)
	}
	s := newSequencer(t, db, "")
	fill(t, db, 5)
	sequence(t, s)
	fill(t, db, 8)
	sequence(t, s)
	fill(t, db, 2) // still pending
	r := verify(t, db)
	if r.Bad != nil || r.Clock != nil || r.Size != 13 || r.Checkpoints != 2 {
		t.Errorf("got %+v, %v", r, r.Bad)
	}
	c := checkpoint(t, db, 5)
	if r := verify(t, db, c); r.Bad != nil || r.Trusted != 1 {
		t.Errorf("against an older checkpoint: %v, %d agreed", r.Bad, r.Trusted)
	}
}

func checkpoint(t testing.TB, db *pg.DB, size int64) Checkpoint {
	t.Helper()
	var signed string
	if err := db.QueryRow(context.Background(), `select note from audit.checkpoint where size = $1`, size).Scan(&signed); err != nil {
		t.Fatal(err)
	}
	c, err := OpenCheckpoint(signed, testVerifier(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSequencerSurvivesAFaultAtEachStep stops a sequencer at each step, starts another, and checks that every event
// has exactly one place, in a tree that agrees with all that was ever signed or published.
func TestSequencerSurvivesAFaultAtEachStep(t *testing.T) {
	killed := errors.New("killed")
	for _, step := range []string{"after read", "after leaves", "after pending", "before commit", "after commit", "before witness", "after witness"} {
		t.Run(step, func(t *testing.T) {
			ctx, db := context.Background(), pgtest.DB(t)
			witness := filepath.Join(t.TempDir(), "checkpoint")
			fill(t, db, 3)
			sequence(t, newSequencer(t, db, witness))
			old, err := readWitness(witness)
			if err != nil || old == "" {
				t.Fatalf("no witness: %v", err)
			}

			fill(t, db, 6)
			s := newSequencer(t, db, witness)
			hit := false
			s.fault = func(at string) error {
				if at == step {
					hit = true
					return killed
				}
				return nil
			}
			if err := s.load(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := s.batch(ctx); !errors.Is(err, killed) || !hit {
				t.Fatalf("the fault was not met: %v", err)
			}

			fill(t, db, 4)
			sequence(t, newSequencer(t, db, witness))
			c, err := OpenCheckpoint(old, testVerifier(t))
			if err != nil {
				t.Fatal(err)
			}
			if r := verify(t, db, c); r.Bad != nil || r.Size != 13 {
				t.Errorf("after the restart: size %d, %v; want 13 and nothing bad", r.Size, r.Bad)
			}
		})
	}
}

func TestARestoredDatabaseIsNotContinued(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	witness := filepath.Join(t.TempDir(), "checkpoint")
	fill(t, db, 4)
	sequence(t, newSequencer(t, db, witness))
	fill(t, db, 4)
	sequence(t, newSequencer(t, db, witness))
	exec(t, db, `delete from audit.event where id in (select event_id from audit.leaf where seq >= 4)`)
	exec(t, db, `delete from audit.leaf where seq >= 4`)
	exec(t, db, `delete from audit.checkpoint where size > 4`)
	if err := newSequencer(t, db, witness).load(ctx); !errors.Is(err, ErrBroken) {
		t.Errorf("a database older than its witness was continued: %v", err)
	}
	// Events written after the restore make it as long again: a fork.
	fill(t, db, 9)
	sequence(t, newSequencer(t, db, ""))
	if err := newSequencer(t, db, witness).load(ctx); !errors.Is(err, ErrBroken) {
		t.Errorf("a fork was continued: %v", err)
	}
	if err := newSequencer(t, db, witness).Run(ctx); !errors.Is(err, ErrBroken) {
		t.Errorf("Run = %v, want ErrBroken", err)
	}
}

func TestOfTwoSequencersOneLeadsAndTheOtherTakesOver(t *testing.T) {
	db := pgtest.DB(t)
	ctxA, stopA := context.WithCancel(context.Background())
	ctxB, stopB := context.WithCancel(context.Background())
	a, b := newSequencer(t, db, ""), newSequencer(t, db, "")
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopB()
	defer stopA()
	run := func(ctx context.Context, s *Sequencer) {
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	run(ctxA, a)
	waitFor(t, a.Leads)
	run(ctxB, b)
	fill(t, db, 20)
	waitFor(t, func() bool { return a.Size() == 20 })
	if b.Leads() || b.Size() != 0 {
		t.Errorf("both sequencers worked")
	}
	// The leader's session dies without a word; somebody leads again and nothing is lost.
	exec(t, db, `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()`)
	fill(t, db, 20)
	waitFor(t, func() bool { return max(a.Size(), b.Size()) == 40 })
	stopA()
	fill(t, db, 5)
	waitFor(t, func() bool { return b.Size() == 45 })
	if r := verify(t, db); r.Bad != nil || r.Size != 45 {
		t.Errorf("size %d, %v", r.Size, r.Bad)
	}
}

// TestSequencersThatBothBelieveToLeadCannotFork runs batches of two at once, without the lock.
func TestSequencersThatBothBelieveToLeadCannotFork(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s := newSequencer(t, db, "")
			for try := 0; s.Size() < 60 && try < 2000; try++ {
				if err := s.load(ctx); err != nil {
					t.Error(err)
					return
				}
				_, _ = s.batch(ctx) // the loser's failure is the point
			}
		})
	}
	for range 60 {
		fill(t, db, 1)
	}
	wg.Wait()
	if r := verify(t, db); r.Bad != nil || r.Size != 60 {
		t.Errorf("size %d, %v", r.Size, r.Bad)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited too long")
		}
	}
}

func exec(t testing.TB, db *pg.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.SQL().Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

func TestTheWitnessFileAlwaysHoldsAWholeCheckpoint(t *testing.T) {
	db := pgtest.DB(t)
	path := filepath.Join(t.TempDir(), "checkpoint")
	s := newSequencer(t, db, path)
	for i := range 3 {
		fill(t, db, 2)
		sequence(t, s)
		if err := s.publish(true); err != nil {
			t.Fatal(err)
		}
		signed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := OpenCheckpoint(string(signed), testVerifier(t))
		if err != nil || c.Size != int64(2*i+2) {
			t.Errorf("the witness has size %d (%v), want %d", c.Size, err, 2*i+2)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("%d files lie beside the witness (%v)", len(left)-1, err)
	}
}

// durable returns a migrated database whose commits reach the disk, unlike those of pgtest.
func durable(b *testing.B) *pg.DB {
	b.Helper()
	ctx := context.Background()
	dir := b.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // as root, the server runs as another user
		if err := os.Chmod(d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	c, err := pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(dir, "data")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Stop)
	db, err := pg.Open(ctx, c.URL("postgres"), pg.Options{MaxConns: 32})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if _, err := pg.Migrate(ctx, db, migrations.Files); err != nil {
		b.Fatal(err)
	}
	return db
}

// BenchmarkRecord commits single events of three records durably from 32 callers while a sequencer runs.
func BenchmarkRecord(b *testing.B) {
	db := durable(b)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	s := newSequencer(b, db, "")
	wg.Go(func() { _ = s.Run(ctx) })
	log := New(db)
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			e := audit.NewEvent(audit.DocumentsQueried, hie.Actor{Organization: "org-1", User: "u1"}, time.Now()).About(1, 2, 3)
			if err := log.Record(ctx, e); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkSequence(b *testing.B) {
	db := pgtest.DB(b)
	s := newSequencer(b, db, "")
	for b.Loop() {
		b.StopTimer()
		events := make([]audit.Event, maxBatch)
		for i := range events {
			events[i] = audit.NewEvent(audit.DocumentsQueried, hie.Actor{Organization: "org-1"}, time.Now()).About(1, 2, 3)
		}
		if err := New(db).Record(context.Background(), events...); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		sequence(b, s)
	}
	b.ReportMetric(float64(b.N)*maxBatch/b.Elapsed().Seconds(), "events/s")
}
