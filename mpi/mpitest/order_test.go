package mpitest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"pgregory.net/rapid"
)

// variant returns the nth of a few ways a site may write d down: exact, without contact, moved, with a typo, without a
// birth date but with a number, or as a newborn twin sibling of the same household.
func variant(d mpi.Demographics, n int) mpi.Demographics {
	name := d.Names[0]
	given := slices.Clone(name.Given)
	d.Names = []mpi.Name{{Given: given, Family: name.Family}}
	switch n {
	case 1:
		d.Telecoms, d.Addresses = nil, nil
	case 2:
		d.Addresses, d.Telecoms = []mpi.Address{{Lines: []string{"901 Elm Terrace"}, City: "Bowie", PostalCode: "20715"}}, nil
	case 3:
		d.Names[0].Family = name.Family[:len(name.Family)-1]
	case 4:
		d.Birth = mpi.Date{}
		d.Identifiers = []mpi.Identifier{{Identifier: hie.Identifier{System: "urn:payer:one", Value: "W-" + name.Family}, Type: "MB"}}
	case 5:
		d.Names[0].Given = []string{given[0] + "ne"}
		d.Multiple = mpi.MultipleBirth{Known: true, Multiple: true}
	case 6:
		d.Identifiers = []mpi.Identifier{{Identifier: hie.Identifier{System: "urn:payer:one", Value: "W-" + name.Family}, Type: "MB"}}
	}
	return d
}

// The same registrations and verdicts, in whatever order they come, give the same persons.
//
// Source: issue "Identity", properties: order of feed irrelevant.
func TestTheOrderOfTheFeedIsIrrelevant(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 9).Draw(rt, "records")
		registrations := make([]mpi.Registration, n)
		for i := range n {
			d := variant(stranger(rapid.IntRange(0, 3).Draw(rt, "who")), rapid.IntRange(0, 6).Draw(rt, "variant"))
			registrations[i] = Registration(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "site"), fmt.Sprint(i), d)
		}
		type said struct {
			a, b int
			v    mpi.Verdict
		}
		var verdicts []said
		used := map[[2]int]bool{}
		for range rapid.IntRange(0, 2).Draw(rt, "verdicts") {
			a, b := rapid.IntRange(0, n-1).Draw(rt, "a"), rapid.IntRange(0, n-1).Draw(rt, "b")
			if a != b && !used[[2]int{min(a, b), max(a, b)}] {
				used[[2]int{min(a, b), max(a, b)}] = true
				verdicts = append(verdicts, said{a, b, rapid.SampledFrom([]mpi.Verdict{mpi.MustLink, mpi.CannotLink}).Draw(rt, "verdict")})
			}
		}
		run := func(order []int, early bool) (string, bool) {
			w := NewWorld(t, NewMemory())
			records := make([]hie.SourcePatientID, n)
			done := make([]bool, len(verdicts))
			ok := true
			decide := func() {
				for i, v := range verdicts {
					if !done[i] && records[v.a] != 0 && records[v.b] != 0 {
						done[i] = true
						_, err := w.Decide(ctx, Actor, records[v.a], records[v.b], v.v, "drawn")
						ok = ok && err == nil
					}
				}
			}
			for _, i := range order {
				records[i] = w.Send(registrations[i]).Record
				if early {
					decide()
				}
			}
			decide()
			w.replays(records)
			return partition(w, records), ok
		}
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		want, ok := run(order, false)
		if !ok {
			return // verdicts that contradict each other are refused, whichever comes second
		}
		for range 2 {
			other := rapid.Permutation(order).Draw(rt, "order")
			early := rapid.Bool().Draw(rt, "verdicts early")
			if got, ok := run(other, early); ok && got != want {
				rt.Fatalf("in order %v: %s, in order %v: %s", order, want, other, got)
			}
		}
	})
}
