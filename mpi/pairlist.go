package mpi

import (
	"encoding/binary"
	"slices"
)

// A pairList holds the candidate pairs of a batch, two or three bytes each: for each record, stretch by stretch, how many
// behind it are to be compared with it and the distances from one to the next.
type pairList struct {
	packed [][]byte // stretch of nodesAtOnce records
	before []int    // stretch -> how many pairs come before it; one more for all
}

// nodesAtOnce is how many records a worker takes at a time.
const nodesAtOnce = 256

// total is how many pairs there are.
func (l *pairList) total() int {
	if len(l.before) == 0 {
		return 0
	}
	return l.before[len(l.before)-1]
}

// appendOthers appends those to be compared with a, ascending and behind it.
func appendOthers(b []byte, a int32, others []int32) []byte {
	b = binary.AppendUvarint(b, uint64(len(others)))
	for _, o := range others {
		b = binary.AppendUvarint(b, uint64(o-a))
		a = o
	}
	return b
}

// takeOthers appends to out what appendOthers wrote for a and returns the rest of b.
func takeOthers(out []int32, b []byte, a int32) (others []int32, rest []byte) {
	n, size := binary.Uvarint(b)
	b = b[size:]
	for range n {
		step, size := binary.Uvarint(b)
		b = b[size:]
		a += int32(step)
		out = append(out, a)
	}
	return out, b
}

// each calls do for each record of the stretch that begins with from and ends before to, with those to be compared with it,
// ascending; others is room for them, and do may overwrite it.
func (l *pairList) each(from, to int, others []int32, do func(a int32, others []int32)) []int32 {
	b := l.packed[from/nodesAtOnce]
	for a := int32(from); a < int32(to); a++ {
		others, b = takeOthers(others[:0], b, a)
		if len(others) > 0 {
			do(a, others)
		}
	}
	return others
}

// pick returns the pairs at places, ascending, in the order of all pairs.
func (r *running) pick(places []int) ([]uint64, error) {
	out, others := make([]uint64, len(places)), make([][]int32, workers())
	err := spread(r.ctx, r.n, nodesAtOnce, func(w, from, to int) {
		place := r.pairs.before[from/nodesAtOnce]
		next, _ := slices.BinarySearch(places, place)
		others[w] = r.pairs.each(from, to, others[w], func(a int32, others []int32) {
			for ; next < len(places) && places[next] < place+len(others); next++ {
				out[next] = uint64(a)<<32 | uint64(others[places[next]-place])
			}
			place += len(others)
		})
	})
	return out, err
}
