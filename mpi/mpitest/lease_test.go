package mpitest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// A link that is undone is acknowledged when no release gate acts any more on what it read before; a registration that
// joins somebody waits for nothing. The clock is the test's own.
//
// Source: spec consent 2.14 (a revocation acknowledges only after outstanding leases end).
func TestAnUndoneLinkIsAcknowledgedAfterTheReadLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, NewMemory())
		took := func(f func()) time.Duration {
			start := time.Now()
			f()
			return time.Since(start)
		}
		var a, b mpi.Registered
		if d := took(func() { a = w.Register("a", "1", Maria()); b = w.Register("b", "1", Maria()) }); d != 0 {
			t.Errorf("two registrations of one person waited %v", d)
		}
		if !w.Together(a.Record, b.Record) {
			t.Fatal("not one person")
		}
		var change mpi.ChangeID
		if d := took(func() {
			var err error
			if change, err = w.Decide(ctx, Actor, a.Record, b.Record, mpi.CannotLink, "two people"); err != nil {
				t.Fatal(err)
			}
		}); w.Together(a.Record, b.Record) || d != hie.ReleaseLease {
			t.Errorf("an unlinking was acknowledged after %v, want %v", d, hie.ReleaseLease)
		}
		if d := took(func() {
			if _, err := w.Index.Undo(ctx, Actor, change, "one after all"); err != nil {
				t.Fatal(err)
			}
		}); d != hie.ReleaseLease {
			t.Errorf("its undoing, which a refusal may cross, after %v, want %v", d, hie.ReleaseLease)
		}
		other := Maria()
		other.Names[0].Family, other.Birth.Year, other.Telecoms, other.Addresses, other.Identifiers = "Quartermain", 1990, nil, nil, nil
		if d := took(func() { w.Register("b", "1", other) }); !w.Together(a.Record, b.Record) && d != hie.ReleaseLease {
			t.Errorf("a registration that parted two records was acknowledged after %v, want %v", d, hie.ReleaseLease)
		}
	})
}
