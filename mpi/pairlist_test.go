package mpi

import (
	"slices"
	"testing"
)

// All pairs come out of the list as they were put there, and single ones are found by their places.
func TestAPairListGivesBackAllPairsAndAnyByItsPlace(t *testing.T) {
	const n = 2*nodesAtOnce + 10
	r := &running{ctx: t.Context(), n: n, pairs: pairList{make([][]byte, 3), make([]int, 4)}}
	var want []uint64
	for a := range int32(n) {
		var others []int32
		for b := a + 1; b < n; b += 1 + a*a%200 {
			others = append(others, b)
			want = append(want, uint64(a)<<32|uint64(b))
		}
		k := a / nodesAtOnce
		r.pairs.packed[k] = appendOthers(r.pairs.packed[k], a, others)
		r.pairs.before[k+1] = len(want)
	}
	var got []uint64
	for from := 0; from < n; from += nodesAtOnce {
		r.pairs.each(from, min(from+nodesAtOnce, n), nil, func(a int32, others []int32) {
			for _, b := range others {
				got = append(got, uint64(a)<<32|uint64(b))
			}
		})
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d pairs come back, or others than the %d put there", len(got), len(want))
	}
	places := []int{0, 1, len(want) / 3, len(want)/3 + 1, len(want) - 1}
	picked, err := r.pick(places)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range places {
		if picked[i] != want[p] {
			t.Errorf("the pair at place %d is another", p)
		}
	}
}

// What is ruled out without counting values would have fallen short with them, and the other way round.
func TestEvidenceReachesABarExactlyWhenItWeighsAsMuch(t *testing.T) {
	m := DefaultModel()
	people := []person{
		{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912"},
		{given: "Ottoline", family: "Smith", birth: day(1964, 6, 20), sex: Female},
		{given: "Casimir", family: "Smith", birth: day(1966, 1, 2), sex: Male, street: "12 Harbor Road"},
		{given: "Casimir", family: "Smyth", birth: day(1966, 1, 2), phone: "410-366-0912"},
	}
	nodes, given, family := make([]Features, len(people)), []uint32(nil), []uint32(nil)
	for i, p := range people {
		nodes[i] = p.features()
		nodes[i].each(fieldGiven, func(h uint32) { given = append(given, h) })
		for range 500 * i {
			nodes[i].each(fieldFamily, func(h uint32) { family = append(family, h) })
		}
	}
	m.freq[fieldGiven], m.freq[fieldFamily] = newFrequencies(given, 4), newFrequencies(family, 3000)
	for i := range nodes {
		for j := range i {
			c := Compare(&nodes[i], &nodes[j])
			for low := Bits(-40); low < 60; low++ {
				if got, want := m.reaches(&c, hurdleAt(low)), m.weigh(&c) >= low; got != want {
					t.Errorf("pair %d %d reaches %v bits: %v, want %v", i, j, low, got, want)
				}
			}
		}
	}
}
