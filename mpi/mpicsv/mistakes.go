package mpicsv

import (
	"cmp"
	"slices"

	"github.com/concord-hie/concord/mpi"
)

// Mistakes counts one kind of error of clusters.
type Mistakes struct {
	// Error is "missed" for pairs of one person that lie in two clusters, "wrong" for pairs of two persons in one.
	Error string      `json:"error"`
	Kind  mpi.Mistake `json:"kind"`
	Pairs int         `json:"pairs"`
	// Examples are the record ids of the first few such pairs, in the order of the file.
	Examples [][2]string `json:"examples"`
}

// mostExamples bounds how many pairs of a kind are named.
const mostExamples = 3

// A misplaced is a pair of rows that clusters got wrong.
type misplaced struct {
	a, b   int
	missed bool
}

// KindsOfError says what the errors of clusters are like: one entry a kind that occurs, missed before wrong, commonest
// first. read reads the records of truth, in its order, and is called twice. It returns read's error.
//
// In a crowded batch a pair must share more than one of the wider keys to be compared; that it did not is not told apart here.
func KindsOfError(truth []Truth, clusters []int32, read func(do func(Record) error) error) ([]Mistakes, error) {
	wrong := misplacedPairs(truth, clusters)
	nodes, keys := map[int]*mpi.Features{}, map[int][]mpi.Key{}
	for _, p := range wrong {
		nodes[p.a], nodes[p.b] = nil, nil
		if p.missed {
			keys[p.a], keys[p.b] = nil, nil
		}
	}
	row := 0
	err := read(func(r Record) error {
		if _, wanted := nodes[row]; wanted {
			f := mpi.Extract(r.Source, r.Demographics)
			nodes[row] = &f
		}
		if _, wanted := keys[row]; wanted {
			keys[row] = slices.Compact(sortedKeys(mpi.BatchKeys(r.Demographics)))
		}
		row++
		return nil
	})
	if err != nil {
		return nil, err
	}
	blocks := map[mpi.Key]int{}
	for _, p := range wrong {
		if p.missed {
			for _, k := range common(keys[p.a], keys[p.b]) {
				blocks[k] = 0
			}
		}
	}
	err = read(func(r Record) error {
		for _, k := range slices.Compact(sortedKeys(mpi.BatchKeys(r.Demographics))) {
			if n, wanted := blocks[k]; wanted {
				blocks[k] = n + 1
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	met := func(p misplaced) bool {
		return slices.ContainsFunc(common(keys[p.a], keys[p.b]), func(k mpi.Key) bool { return blocks[k] <= k.Kind.BlockCap() })
	}
	return count(truth, wrong, nodes, met), nil
}

// misplacedPairs returns the pairs clusters got wrong, in order of rows.
func misplacedPairs(truth []Truth, clusters []int32) []misplaced {
	persons, groups := map[string][]int{}, map[int32][]int{}
	for i, t := range truth {
		if t.Person != "" {
			persons[t.Person] = append(persons[t.Person], i)
			groups[clusters[i]] = append(groups[clusters[i]], i)
		}
	}
	var out []misplaced
	for _, rows := range persons {
		for k, b := range rows {
			for _, a := range rows[:k] {
				if clusters[a] != clusters[b] {
					out = append(out, misplaced{a, b, true})
				}
			}
		}
	}
	for _, rows := range groups {
		for k, b := range rows {
			for _, a := range rows[:k] {
				if truth[a].Person != truth[b].Person {
					out = append(out, misplaced{a, b, false})
				}
			}
		}
	}
	slices.SortFunc(out, func(p, q misplaced) int { return cmp.Or(cmp.Compare(p.a, q.a), cmp.Compare(p.b, q.b)) })
	return out
}

// count sorts the pairs by kind.
func count(truth []Truth, wrong []misplaced, nodes map[int]*mpi.Features, met func(misplaced) bool) []Mistakes {
	type kind struct {
		missed bool
		kind   mpi.Mistake
	}
	found := map[kind]*Mistakes{}
	for _, p := range wrong {
		k := kind{missed: p.missed}
		switch {
		case !p.missed:
			k.kind = mpi.WronglyBecause(nodes[p.a], nodes[p.b])
		case !met(p):
			k.kind = mpi.MissedUnmet
		default:
			k.kind = mpi.MissedBecause(nodes[p.a], nodes[p.b])
		}
		m := found[k]
		if m == nil {
			m = &Mistakes{Error: "wrong", Kind: k.kind}
			if k.missed {
				m.Error = "missed"
			}
			found[k] = m
		}
		if m.Pairs++; len(m.Examples) < mostExamples {
			m.Examples = append(m.Examples, [2]string{truth[p.a].ID, truth[p.b].ID})
		}
	}
	out := make([]Mistakes, 0, len(found))
	for _, m := range found {
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b Mistakes) int {
		return cmp.Or(cmp.Compare(a.Error, b.Error), cmp.Compare(b.Pairs, a.Pairs), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

func compareKeys(a, b mpi.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Hash, b.Hash))
}

func sortedKeys(keys []mpi.Key) []mpi.Key {
	slices.SortFunc(keys, compareKeys)
	return keys
}

// common returns the keys that stand in both a and b, each sorted.
func common(a, b []mpi.Key) []mpi.Key {
	var out []mpi.Key
	for _, k := range a {
		if _, ok := slices.BinarySearchFunc(b, k, compareKeys); ok {
			out = append(out, k)
		}
	}
	return out
}
