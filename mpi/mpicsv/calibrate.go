package mpicsv

import (
	"cmp"
	"math"
	"slices"

	"github.com/concord-hie/concord/mpi"
)

// stretch is how many bits of evidence are counted together, from lowest to highest beyond even odds.
const (
	stretch = 2
	lowest  = -8
	highest = 24
)

// Observe counts, by evidence under m, the records and persons that share a narrow key, the live index's, and how many of the records are that
// person's by truth: each record against all other records of one person, which is what a search answers with. nodes and keys are those of the
// records, by row. Rows whose person is not known count nowhere. The stretches are in ascending order, the first and the last hold what lies beyond them.
func Observe(m *mpi.Model, truth []Truth, nodes []mpi.Features, keys [][]mpi.Key) []mpi.Observed {
	out := make([]mpi.Observed, (highest-lowest)/stretch)
	for i := range out {
		out[i].From, out[i].To = mpi.Bits(lowest+i*stretch), mpi.Bits(lowest+(i+1)*stretch)
	}
	rows := map[string][]int{}
	for i, t := range truth {
		rows[t.Person] = append(rows[t.Person], i)
	}
	var set []mpi.Features
	for _, p := range meetings(truth, keys, rows) {
		row, person := int(p>>32), truth[uint32(p)].Person
		set = set[:0]
		for _, i := range rows[person] {
			if i != row {
				set = append(set, nodes[i])
			}
		}
		s := m.ScoreSet(&nodes[row], set)
		over := s.Bits - m.Prior
		o := &out[min(len(out)-1, max(0, int(math.Floor(float64(over-lowest)/stretch))))]
		same := truth[row].Person == person
		o.Pairs++
		o.Stated += float64(m.Probability(s.Bits))
		if same {
			o.Same++
		}
		if m.Grade(&s) == mpi.GradeCertain {
			o.Certain++
			if !same {
				o.CertainWrong++
			}
		}
	}
	return out
}

// meetings returns the rows, and the persons by the first of their rows, that share a key few share: row<<32|first, each once.
func meetings(truth []Truth, keys [][]mpi.Key, rows map[string][]int) []uint64 {
	var out []uint64
	for _, p := range candidates(truth, keys) {
		for _, way := range [...][2]uint32{{uint32(p >> 32), uint32(p)}, {uint32(p), uint32(p >> 32)}} {
			out = append(out, uint64(way[0])<<32|uint64(rows[truth[way[1]].Person][0]))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// candidates returns the pairs of rows that share a key few share, a<<32|b with a < b, each once.
func candidates(truth []Truth, keys [][]mpi.Key) []uint64 {
	type entry struct {
		key mpi.Key
		row uint32
	}
	var all []entry
	for i, ks := range keys {
		if truth[i].Person != "" {
			for _, k := range ks {
				all = append(all, entry{k, uint32(i)})
			}
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(compareKeys(a.key, b.key), cmp.Compare(a.row, b.row)) })
	var out []uint64
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].key == all[i].key {
			j++
		}
		if j-i <= all[i].key.Kind.BlockCap() {
			for b := i + 1; b < j; b++ {
				for a := i; a < b; a++ {
					out = append(out, uint64(all[a].row)<<32|uint64(all[b].row))
				}
			}
		}
		i = j
	}
	slices.Sort(out)
	return slices.Compact(out)
}
