package mpi

import (
	"bytes"
	"math/bits"
	"slices"
	"sync/atomic"
)

// A pairing knows which records share a key of a block small enough: a block costs four bytes a member here and there. The
// pairs are made from it once.
type pairing struct {
	starts  []uint32 // block -> where its members start; one more for the end
	members []int32  // ascending within a block
	ends    []uint32 // record -> where its blocks end
	blocks  []uint32 // of all records one after the other; liveBlock marks those of the live index' keys
	need    uint32   // what the blocks two records share must weigh together
}

// What a shared block weighs, and which blocks are of keys of the live index.
const (
	wideWeight = 1
	liveWeight = 2
	liveBlock  = 1 << 31
)

// crowded is how many pairs a record a batch may have before one wide key is too little to compare a pair: records of one
// person mostly share several, and strangers one. A key of the live index is always enough, so that a batch misses nothing
// the index finds. Pairs are counted once however many keys they share, lest persons of many records crowd a batch.
const crowded = 100

// crowdSample is about how many records the pairs are counted of.
const crowdSample = 4096

// packedKeys are keys of keySize bytes each: as much of the hash as there is room for, and in its lowest bits the kind. Two
// of a million records share what is kept of two keys of a kind by chance once in ten batches.
type packedKeys []byte

const (
	keySize  = 6
	kindBits = 6
	keyLow   = 64 - 8*keySize // bits of a hash that are not kept
)

func (k packedKeys) len() int { return len(k) / keySize }

func (k packedKeys) add(key Key) packedKeys {
	v := uint64(key.Hash)>>keyLow&^(1<<kindBits-1) | uint64(key.Kind)
	return append(k, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40))
}

// at returns a key with the hash in its highest bits and the kind in its lowest.
func (k packedKeys) at(i uint32) uint64 {
	b := k[i*keySize : i*keySize+keySize]
	v := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40
	return v&^(1<<kindBits-1)<<keyLow | v&(1<<kindBits-1)
}

// keysAtOnce is about how many keys a processor sorts at a time: it bounds memory and how late an end of the context is seen.
const keysAtOnce = 1 << 21

// pairUp finds the blocks and lets go of the keys. Keys are sorted part by part of the range of their hashes, as numbers
// of 64 bits: as much of the hash as there is room for, then the kind, then the record.
func (r *running) pairUp() (*pairing, error) {
	now := make([]int32, r.n)
	for place, was := range r.order {
		now[was] = int32(place)
	}
	total := 0
	for i := range r.l.chunks {
		total += r.l.chunks[i].keys.len()
	}
	partBits := bits.Len(uint(total / keysAtOnce))
	type part struct {
		sizes   []uint8
		live    []bool
		members []int32
	}
	parts, buffers := make([]part, 1<<partBits), make([][]uint64, workers())
	var done atomic.Int64
	err := spread(r.ctx, len(parts), 1, func(w, p, _ int) {
		buffers[w] = r.keysOf(buffers[w][:0], uint64(p), partBits, now)
		slices.Sort(buffers[w])
		parts[p].sizes, parts[p].live, parts[p].members = blocksOf(slices.Compact(buffers[w]), placeBits(r.n))
		r.tell("blocks", int(done.Add(1)), len(parts))
	})
	if err != nil {
		return nil, err
	}
	blocks, members := 0, 0
	for _, p := range parts {
		blocks, members = blocks+len(p.sizes), members+len(p.members)
	}
	out := &pairing{starts: make([]uint32, 1, blocks+1), members: make([]int32, 0, members), ends: make([]uint32, r.n), blocks: make([]uint32, members)}
	r.dropKeys()
	live := make([]bool, 0, blocks)
	for i := range parts {
		at := out.starts[len(out.starts)-1]
		for _, size := range parts[i].sizes {
			at += uint32(size)
			out.starts = append(out.starts, at)
		}
		live = append(live, parts[i].live...)
		out.members = append(out.members, parts[i].members...)
		parts[i] = part{}
	}
	out.need = wideWeight
	out.turn(live)
	if out.pairsEach() > crowded {
		out.need = 2 * wideWeight
	}
	return out, nil
}

// dropKeys lets go of the keys.
func (r *running) dropKeys() {
	for i := range r.l.chunks {
		r.l.chunks[i].keys, r.l.chunks[i].ends = nil, nil
	}
}

// pairsEach is about how many pairs there are a record, counted at records evenly spaced.
func (p *pairing) pairsEach() float64 {
	met, others, counted, pairs := make(seen, len(p.ends)), []int32(nil), 0, 0
	for a := 0; a < len(p.ends); a += max(1, len(p.ends)/crowdSample) {
		others = p.after(others[:0], int32(a), met)
		counted, pairs = counted+1, pairs+len(others)
	}
	return float64(pairs) / float64(max(1, counted))
}

func placeBits(n int) int { return bits.Len(uint(max(n, 2) - 1)) }

// keysOf appends the keys whose hash begins with part.
func (r *running) keysOf(out []uint64, part uint64, partBits int, now []int32) []uint64 {
	low := placeBits(r.n)
	for c := range r.l.chunks {
		keys, from := r.l.chunks[c].keys, uint32(0)
		for i, end := range r.l.chunks[c].ends {
			place := uint64(now[c*chunkSize+i])
			for j := from; j < end; j++ {
				if k := keys.at(j); k>>(64-partBits) == part {
					out = append(out, k<<partBits>>(low+kindBits)<<(low+kindBits)|k&(1<<kindBits-1)<<low|place)
				}
			}
			from = end
		}
	}
	return out
}

// blocksOf returns the blocks that are worth comparing, of keys sorted and each there once.
func blocksOf(keys []uint64, low int) (sizes []uint8, live []bool, members []int32) {
	for i := 0; i < len(keys); {
		j := i + 1
		for j < len(keys) && keys[j]>>low == keys[i]>>low {
			j++
		}
		if kind := KeyKind(keys[i] >> low & (1<<kindBits - 1)); j-i > 1 && j-i <= capOf(kind) {
			sizes, live = append(sizes, uint8(j-i)), append(live, kind < firstBatchKind)
			for _, k := range keys[i:j] {
				members = append(members, int32(k&(1<<low-1)))
			}
		}
		i = j
	}
	return sizes, live, members
}

// turn lists the blocks of each record; live tells which blocks are of keys of the live index.
func (p *pairing) turn(live []bool) {
	for _, m := range p.members {
		p.ends[m]++
	}
	at := uint32(0)
	for i, n := range p.ends {
		p.ends[i] = at // where they start, until they are filled in
		at += n
	}
	for b := range len(p.starts) - 1 {
		name := uint32(b)
		if live[b] {
			name |= liveBlock
		}
		for _, m := range p.members[p.starts[b]:p.starts[b+1]] {
			p.blocks[p.ends[m]] = name
			p.ends[m]++
		}
	}
}

// A seen remembers for one worker beside which record, from 1, another was met last, and in its low bits what the blocks
// they share weigh: so up to 2^30 records.
type seen []uint32

const weightBits = 2

// after appends the records behind a that share blocks enough with it, each once, in no order.
func (p *pairing) after(out []int32, a int32, met seen) []int32 {
	from := uint32(0)
	if a > 0 {
		from = p.ends[a-1]
	}
	none := uint32(a+1) << weightBits
	for _, b := range p.blocks[from:p.ends[a]] {
		weight := uint32(wideWeight)
		if b&liveBlock != 0 {
			weight = liveWeight
		}
		b &^= liveBlock
		block := p.members[p.starts[b]:p.starts[b+1]]
		for i := len(block) - 1; block[i] != a; i-- {
			other := block[i]
			was := max(met[other], none) - none
			if was >= p.need {
				continue
			}
			met[other] = none + was + weight
			if was+weight >= p.need {
				out = append(out, other)
			}
		}
	}
	return out
}

// listPairs makes the list of all candidate pairs and lets go of the pairing.
func (r *running) listPairs(p *pairing) error {
	stretches := r.stretches()
	r.pairs = pairList{make([][]byte, stretches), make([]int, stretches+1)}
	met, others, buffers := make([]seen, workers()), make([][]int32, workers()), make([][]byte, workers())
	var done atomic.Int64
	err := spread(r.ctx, r.n, nodesAtOnce, func(w, from, to int) {
		if met[w] == nil {
			met[w] = make(seen, r.n)
		}
		out, pairs := buffers[w][:0], 0
		for a := int32(from); a < int32(to); a++ {
			others[w] = p.after(others[w][:0], a, met[w])
			slices.Sort(others[w])
			out, pairs = appendOthers(out, a, others[w]), pairs+len(others[w])
		}
		buffers[w] = out
		r.pairs.packed[from/nodesAtOnce], r.pairs.before[from/nodesAtOnce+1] = bytes.Clone(out), pairs
		r.tell("pairs", int(done.Add(int64(to-from))), r.n)
	})
	for i := range stretches {
		r.pairs.before[i+1] += r.pairs.before[i]
	}
	return err
}
