package mpi

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// edgesOf returns the edges between all nodes at or above possible, as a store would keep them.
func edgesOf(m *Model, nodes []Features) []Edge {
	var out []Edge
	for i := range nodes {
		for j := range i {
			e := m.Edge(&nodes[j], &nodes[i])
			e.A, e.B = int32(j), int32(i)
			if e.Bits >= m.Possible {
				out = append(out, e)
			}
		}
	}
	return out
}

func TestPartition(t *testing.T) {
	m := DefaultModel()
	base := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912"}
	with := func(f func(p *person)) person { p := base; f(&p); return p }
	stranger := person{given: "Casimir", family: "Dobrzynski", birth: day(1966, 1, 2), sex: Male, street: "9 Mill Lane"}
	for _, test := range []struct {
		name   string
		nodes  []person
		ties   []Tie
		want   []int32
		review int
	}{
		{"nobody", nil, nil, []int32{}, 0},
		{"strangers stay apart", []person{base, stranger}, nil, []int32{0, 1}, 0},
		{"equal records are one", []person{base, stranger, base, base}, nil, []int32{0, 1, 0, 0}, 0},
		{"a verdict keeps equal records apart", []person{base, base}, []Tie{{0, 1, CannotLink}}, []int32{0, 1}, 1},
		{"a verdict joins strangers", []person{base, stranger}, []Tie{{0, 1, MustLink}}, []int32{0, 0}, 0},
		{"what is probable waits for a steward", []person{base, with(func(p *person) { p.given = "Ottaline" })}, nil, []int32{0, 1}, 1},
		{"twins stay apart", []person{with(func(p *person) { p.order = 1 }), with(func(p *person) { p.order = 2 })}, nil, []int32{0, 1}, 0},
		{"one who could be either twin is left to a steward",
			[]person{with(func(p *person) { p.order = 1 }), with(func(p *person) { p.order = 2 }), base}, nil, []int32{0, 1, 2}, 2},
	} {
		nodes := make([]Features, len(test.nodes))
		for i, p := range test.nodes {
			nodes[i] = p.features()
		}
		got := m.Partition(nodes, edgesOf(m, nodes), test.ties, Policy{})
		if !slices.Equal(got.Group, test.want) || len(got.Review) != test.review {
			t.Errorf("%s: groups %v, %d to review; want %v, %d", test.name, got.Group, len(got.Review), test.want, test.review)
		}
	}
}

func TestPartitionDoesNotDependOnTheOrderOfNodes(t *testing.T) {
	m := DefaultModel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(t, "n")
		nodes := make([]Features, n)
		order := make([]int, n)
		for i := range n {
			nodes[i] = drawPerson(t, "p").features()
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(t, "order")
		moved := make([]Features, n)
		for to, from := range order {
			moved[to] = nodes[from]
		}
		for _, policy := range []Policy{{}, {Batch: true}} {
			a, b := m.Partition(nodes, edgesOf(m, nodes), nil, policy), m.Partition(moved, edgesOf(m, moved), nil, policy)
			for i := range n {
				for j := range i {
					if (b.Group[i] == b.Group[j]) != (a.Group[order[i]] == a.Group[order[j]]) {
						t.Fatalf("groups %v and, in the order %v, %v", a.Group, order, b.Group)
					}
				}
			}
		}
	})
}
