package mpi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A batch's outcome depends on the records, not on the order in which they came.
func TestABatchDoesNotDependOnTheOrderOfItsRecords(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	given, family := []string{"Ottoline", "Casimir", "Perpetua", "John", "Mary", "Xochitl"}, []string{"Fairweather", "Dobrzynski", "Smith", "Vanterpool", "Quintanilla"}
	var all []person
	for i := range 60 {
		p := person{given: given[random.IntN(len(given))], family: family[random.IntN(len(family))], birth: day(1950+i, 1+i%12, 1+i%28),
			sex: Female, street: fmt.Sprint(10+i, " Harbor Road"), phone: fmt.Sprintf("410366%04d", i)}
		all = append(all, p)
		if i%2 == 0 {
			typo := p
			typo.given, typo.phone = p.given[1:], ""
			all = append(all, typo, p)
		}
	}
	var first map[[2]int]bool
	for range 3 {
		order := random.Perm(len(all))
		var l Linkage
		for _, i := range order {
			l.Add("", all[i].demographics())
		}
		got, err := l.Run(t.Context(), LinkageOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pairs := map[[2]int]bool{}
		for x, i := range order {
			for y, j := range order[:x] {
				if got.Cluster[x] == got.Cluster[y] {
					pairs[[2]int{min(i, j), max(i, j)}] = true
				}
			}
		}
		if len(pairs) == 0 {
			t.Fatal("nothing was linked")
		}
		if first == nil {
			first = pairs
		}
		if fmt.Sprint(first) != fmt.Sprint(pairs) {
			t.Fatalf("%d pairs and, in another order, %d", len(first), len(pairs))
		}
	}
}

func TestAnEmptyBatchAndOneRecordAreLinked(t *testing.T) {
	var l Linkage
	if got, err := l.Run(t.Context(), LinkageOptions{}); err != nil || len(got.Cluster) != 0 {
		t.Errorf("clusters of nothing: %v", got.Cluster)
	}
	l = Linkage{}
	l.Add("", person{given: "Ottoline"}.demographics())
	if got, err := l.Run(t.Context(), LinkageOptions{}); err != nil || len(got.Cluster) != 1 || got.Cluster[0] != 0 {
		t.Errorf("clusters of one: %v", got.Cluster)
	}
}

func TestABatchWhoseContextEndsStopsSoonAndLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var l Linkage
	for i := range 3000 {
		l.Add("", person{given: "Ottoline", family: fmt.Sprint("Fairweather", i%1500), birth: day(1950, 1, 1+i%28)}.demographics())
	}
	got, err := l.Run(ctx, LinkageOptions{Progress: func(string, int, int) { cancel() }})
	if !errors.Is(err, context.Canceled) || got.Cluster != nil || got.Model != nil {
		t.Errorf("%d clusters, %v", len(got.Cluster), err)
	}
}

// A chain of many records falls apart at its weakest edges, whatever else is in it; equal edges give no place to cut.
func TestALargeComponentIsCutWhereItsEdgesAreWeakest(t *testing.T) {
	chain := func(n int, bits func(i int) Bits) component {
		var c component
		for i := range n {
			c.members = append(c.members, int32(i))
			if i > 0 {
				c.edges = append(c.edges, Edge{A: int32(i - 1), B: int32(i), Bits: bits(i)})
			}
		}
		return c
	}
	for _, row := range []struct {
		name string
		c    component
		want []int
	}{
		{"one small enough stays whole", chain(mostTogether, func(int) Bits { return 20 }), []int{mostTogether}},
		{"two persons on a weak bridge are two", chain(2*mostTogether, func(i int) Bits { return Bits(20 + 10*min(1, i%mostTogether)) }), []int{mostTogether, mostTogether}},
		{"equal edges stay together", chain(mostTogether+1, func(int) Bits { return 30 }), []int{mostTogether + 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []int
			for _, piece := range row.c.cut(20, make([]int32, len(row.c.members))) {
				got = append(got, len(piece.members))
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("pieces of %v, want %v", got, row.want)
			}
		})
	}
}
