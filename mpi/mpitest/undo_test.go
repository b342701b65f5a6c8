package mpitest

import (
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"pgregory.net/rapid"
)

// Whatever has happened to a handful of registrations, one more decision taken back leaves every link row as
// it was.
func TestADecisionThenItsUndoIsIdentity(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := NewWorld(t, NewMemory())
		var records []hie.SourcePatientID
		for i := range rapid.IntRange(2, 6).Draw(rt, "records") {
			d := stranger(rapid.IntRange(0, 3).Draw(rt, "who"))
			if rapid.Bool().Draw(rt, "bare") {
				d.Telecoms, d.Addresses = nil, nil
			}
			site := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "site")
			records = append(records, w.Register(site, site+string(rune('0'+i)), d).Record)
		}
		persons := everyPerson(w, records...)
		decide := func() (mpi.ChangeID, bool) {
			a := rapid.SampledFrom(records).Draw(rt, "a")
			b := rapid.SampledFrom(records).Draw(rt, "b")
			v := rapid.SampledFrom([]mpi.Verdict{mpi.MustLink, mpi.CannotLink, mpi.Clear}).Draw(rt, "verdict")
			id, err := w.Decide(ctx, Actor, a, b, v, "drawn")
			for _, p := range everyPerson(w, records...) {
				persons = once(append(persons, p))
			}
			return id, err == nil
		}
		for range rapid.IntRange(0, 5).Draw(rt, "before") {
			decide()
		}
		before := w.Links(persons, records)
		constraints, err := w.Store.Constraints(ctx, records)
		if err != nil {
			rt.Fatal(err)
		}
		known := persons
		change, ok := decide()
		if !ok {
			return
		}
		if events, err := w.Store.EventsOfChange(ctx, change); err != nil || len(events) == 0 {
			return // it changed nothing, so there is nothing to take back
		}
		if _, err := w.Undo(ctx, Actor, change, "drawn too"); err != nil {
			rt.Fatalf("undo: %v", err)
		}
		if after := w.Links(known, records); after != before {
			rt.Fatalf("after the undo:\n%swant:\n%s", after, before)
		}
		again, err := w.Store.Constraints(ctx, records)
		if err != nil || len(again) != len(constraints) {
			rt.Fatalf("%d verdicts, %v; want %d", len(again), err, len(constraints))
		}
		for i := range again {
			if again[i].A != constraints[i].A || again[i].B != constraints[i].B || again[i].Verdict != constraints[i].Verdict {
				rt.Fatal("the verdicts are others")
			}
		}
		once := map[hie.SourcePatientID]int{}
		for _, p := range everyPerson(w, records...) {
			members, err := w.Store.Members(ctx, []hie.PersonID{p})
			if err != nil {
				rt.Fatal(err)
			}
			for _, m := range members {
				once[m.Record]++
			}
		}
		for _, r := range records {
			if once[r] != 1 {
				rt.Fatalf("a record has %d memberships", once[r])
			}
		}
	})
}
