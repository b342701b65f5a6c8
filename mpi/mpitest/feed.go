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

// A Feed is registrations and verdicts about them.
type Feed struct {
	registrations []mpi.Registration
	verdicts      []said
	// orders are ways to send them; early says whether verdicts come as soon as they can or last.
	orders [][]int
	early  []bool
}

// said is a steward's word on two of the registrations.
type said struct {
	a, b int
	v    mpi.Verdict
}

// Feeds draws feeds of a few people, written down in several ways by three sites.
var Feeds = rapid.Custom(func(rt *rapid.T) Feed {
	n := rapid.IntRange(2, 9).Draw(rt, "records")
	f := Feed{registrations: make([]mpi.Registration, n), orders: [][]int{make([]int, n)}, early: []bool{false}}
	for i := range n {
		d := variant(stranger(rapid.IntRange(0, 3).Draw(rt, "who")), rapid.IntRange(0, 6).Draw(rt, "variant"))
		f.registrations[i] = Registration(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "site"), fmt.Sprint(i), d)
		f.orders[0][i] = i
	}
	used := map[[2]int]bool{}
	for range rapid.IntRange(0, 2).Draw(rt, "verdicts") {
		a, b := rapid.IntRange(0, n-1).Draw(rt, "a"), rapid.IntRange(0, n-1).Draw(rt, "b")
		if a != b && !used[[2]int{min(a, b), max(a, b)}] {
			used[[2]int{min(a, b), max(a, b)}] = true
			f.verdicts = append(f.verdicts, said{a, b, rapid.SampledFrom([]mpi.Verdict{mpi.MustLink, mpi.CannotLink}).Draw(rt, "verdict")})
		}
	}
	for range 2 {
		f.orders = append(f.orders, rapid.Permutation(f.orders[0]).Draw(rt, "order"))
		f.early = append(f.early, rapid.Bool().Draw(rt, "verdicts early"))
	}
	return f
})

// Agrees sends f in each of its orders to a store of its own and returns where two outcomes differ, or "". Each time the
// events alone must give the rows. Verdicts that contradict each other are refused, whichever comes second: such a feed
// says nothing.
func (f Feed) Agrees(t testing.TB, open func() mpi.Store) string {
	want, ok := f.send(t, open(), f.orders[0], f.early[0])
	for i := 1; ok && i < len(f.orders); i++ {
		if got, ok := f.send(t, open(), f.orders[i], f.early[i]); ok && got != want {
			return fmt.Sprintf("in order %v: %s, in order %v: %s", f.orders[0], want, f.orders[i], got)
		}
	}
	return ""
}

func (f Feed) send(t testing.TB, store mpi.Store, order []int, early bool) (together string, ok bool) {
	w := NewWorld(t, store)
	records := make([]hie.SourcePatientID, len(f.registrations))
	done := make([]bool, len(f.verdicts))
	ok = true
	decide := func() {
		for i, v := range f.verdicts {
			if !done[i] && records[v.a] != 0 && records[v.b] != 0 {
				done[i] = true
				_, err := w.Decide(ctx, Actor, records[v.a], records[v.b], v.v, "drawn")
				ok = ok && err == nil
			}
		}
	}
	for _, i := range order {
		records[i] = w.Send(f.registrations[i]).Record
		if early {
			decide()
		}
	}
	decide()
	w.replays(records)
	return partition(w, records), ok
}
