package mpi

import (
	"slices"
	"testing"

	"github.com/concord-hie/concord/hie"
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

// A batch joins at even odds, and would join relatives of one name, or twins, by all that a household shares. What two
// sites each say of either is no error.
func TestABatchJoinsNobodyWhomTwoSitesEachTellApart(t *testing.T) {
	m := DefaultModel()
	base := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912"}
	with := func(f func(p *person)) person { p := base; f(&p); return p }
	cousin := with(func(p *person) { p.birth = day(1966, 8, 20) })
	sister := with(func(p *person) { p.given = "Perpetua" })
	nickname := with(func(p *person) { p.given = "Ozzy" })
	numbered := func(p person) person { p.ssn = "219-42-0938"; return p }
	for _, test := range []struct {
		name  string
		nodes []person
		want  []int32
	}{
		{"one site's other birth date is an error", []person{base, base, cousin}, []int32{0, 0, 0}},
		{"two sites' is another person's", []person{base, base, cousin, cousin}, []int32{0, 0, 1, 1}},
		{"one site's other given name is an error", []person{base, base, sister}, []int32{0, 0, 0}},
		{"two sites' is another person's", []person{base, base, sister, sister}, []int32{0, 0, 1, 1}},
		{"unless it may be a nickname", []person{base, base, nickname, nickname}, []int32{0, 0, 0, 0}},
		{"or a number and the birth date are the same", []person{numbered(base), numbered(base), numbered(sister), numbered(sister)}, []int32{0, 0, 0, 0}},
	} {
		nodes := make([]Features, len(test.nodes))
		for i, p := range test.nodes {
			nodes[i] = Extract(hie.SiteID(rune('a'+i)), p.demographics())
		}
		if got := m.Partition(nodes, edgesOf(m, nodes), nil, Policy{Batch: true}); !slices.Equal(got.Group, test.want) {
			t.Errorf("%s: groups %v, want %v", test.name, got.Group, test.want)
		}
	}
}

// Brothers, or cousins, of one name born in years that differ in a digit share a house or a phone: what two sites say of either's birth is
// no slip.
func TestBirthDatesThatTwoSitesTellAreNoSlips(t *testing.T) {
	m := DefaultModel()
	older := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912"}
	younger := older
	younger.birth = day(1967, 6, 20)
	nodes := func(ps ...person) (out []Features) {
		for i, p := range ps {
			out = append(out, Extract(hie.SiteID(rune('a'+i)), p.demographics()))
		}
		return out
	}
	for _, test := range []struct {
		name   string
		nodes  []Features
		want   []int32
		review int
	}{
		{"one site's other date is a slip", nodes(older, older, younger), []int32{0, 0, 0}, 0},
		{"two sites' is not", nodes(older, older, younger, younger), []int32{0, 0, 1, 1}, 1},
	} {
		got := m.Partition(test.nodes, edgesOf(m, test.nodes), nil, Policy{})
		if !slices.Equal(got.Group, test.want) || len(got.Review) != test.review {
			t.Errorf("%s: groups %v, %d to review; want %v, %d", test.name, got.Group, len(got.Review), test.want, test.review)
		}
		for _, d := range got.Review {
			if d.Missing != "birth-date" {
				t.Errorf("%s: %q is missing", test.name, d.Missing)
			}
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
