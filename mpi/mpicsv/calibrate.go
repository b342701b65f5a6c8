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

// Observe counts, by evidence under m, the pairs of records that share a narrow key, the live index's, and how many of them are one
// person by truth. nodes and keys are those of the records, by row. Rows whose person is not known count nowhere. The stretches are
// in ascending order, the first and the last hold what lies beyond them.
func Observe(m *mpi.Model, truth []Truth, nodes []mpi.Features, keys [][]mpi.Key) []mpi.Observed {
	out := make([]mpi.Observed, (highest-lowest)/stretch)
	for i := range out {
		out[i].From, out[i].To = mpi.Bits(lowest+i*stretch), mpi.Bits(lowest+(i+1)*stretch)
	}
	for _, p := range candidates(truth, keys) {
		a, b := int(p>>32), int(uint32(p))
		e := m.Edge(&nodes[a], &nodes[b])
		over := e.Bits - m.Prior
		o := &out[min(len(out)-1, max(0, int(math.Floor(float64(over-lowest)/stretch))))]
		same := truth[a].Person == truth[b].Person
		o.Pairs++
		o.Stated += float64(m.Probability(e.Bits))
		if same {
			o.Same++
		}
		if e.Grade() == mpi.GradeCertain {
			o.Certain++
			if !same {
				o.CertainWrong++
			}
		}
	}
	return out
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
