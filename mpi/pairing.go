package mpi

import (
	"bytes"
	"math/bits"
	"runtime"
	"slices"
	"sync/atomic"
)

// A pairing knows which records share a key of a block small enough: four bytes for each member of a block, and four more for
// each but the last. The pairs are made from it once.
type pairing struct {
	parts  [][]uint32 // members of blocks, ascending within a block, with lastOfBlock and liveBlock
	ends   []uint32   // record -> where its places end
	places []uint32   // of all records one after the other: where they stand in blocks with others behind them, part and offset
	need   uint32     // what the blocks two records share must weigh together
}

// What a shared block weighs.
const (
	wideWeight = 1
	liveWeight = 2
)

// Marks of a member: that it is the last of its block, and that the block is of a key of the live index. So up to 2^30 records.
const (
	lastOfBlock = 1 << 31
	liveBlock   = 1 << 30
	offsetBits  = 32 - partBits
)

// crowded is how many pairs a record a batch may have before one wide key is too little to compare a pair: records of one
// person mostly share several, and strangers one. A key of the live index is always enough, so that a batch misses nothing
// the index finds. Pairs are counted once however many keys they share, lest persons of many records crowd a batch.
const crowded = 100

// crowdSample is about how many records the pairs are counted of.
const crowdSample = 4096

// partBits is how many bits of a key's hash tell its part. Parts are sorted each by itself, which bounds memory and how late an end
// of the context is seen.
const partBits = 6

// packedKeys are keys of one part of a chunk, keySize bytes each: as much of the hash as there is room for, the kind, and the
// record's number within the chunk. Keys of a kind of a million records are kept apart by 46 bits: two fall together by
// chance once in a hundred batches.
type packedKeys []byte

const (
	keySize    = 7
	kindBits   = 6
	recordBits = 10 // of chunkSize
	hashBits   = 8*keySize - kindBits - recordBits
)

// packKey returns a key's part and what is kept of it.
func packKey(k Key, record int) (part int, v uint64) {
	h := uint64(k.Hash)
	return int(h >> (64 - partBits)), h<<partBits>>(64-hashBits)<<(kindBits+recordBits) | uint64(k.Kind)<<recordBits | uint64(record)
}

func (k packedKeys) len() int { return len(k) / keySize }

func (k packedKeys) add(v uint64) packedKeys {
	return append(k, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48))
}

// at returns the i-th key: hash and kind as numbers, and the record.
func (k packedKeys) at(i int) (hash, kind uint64, record int) {
	b := k[i*keySize : i*keySize+keySize]
	v := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48
	return v >> (kindBits + recordBits), v >> recordBits & (1<<kindBits - 1), int(v & (1<<recordBits - 1))
}

// pairUp finds the blocks, part by part, and lets go of the keys as it goes. Keys are sorted as numbers of 64 bits: as much of
// the hash as there is room for, then the kind, then the record.
func (r *running) pairUp() (*pairing, error) {
	now := make([]int32, r.n)
	for place, was := range r.order {
		now[was] = int32(place)
	}
	out := &pairing{parts: make([][]uint32, 1<<partBits), need: wideWeight}
	buffers, spare, found := make([][]uint64, workers()), make([][]uint64, workers()), make([][]uint32, workers())
	var done atomic.Int64
	err := spread(r.ctx, len(out.parts), 1, func(w, part, _ int) {
		buffers[w] = r.keysOf(buffers[w][:0], part, now)
		buffers[w], spare[w] = sortedNumbers(buffers[w], spare[w])
		found[w] = blocksOf(found[w][:0], slices.Compact(buffers[w]), placeBits(r.n))
		out.parts[part] = slices.Clone(found[w])
		r.tell("blocks", int(done.Add(1)), len(out.parts))
	})
	if err != nil {
		return nil, err
	}
	out.turn(r.n)
	if out.pairsEach() > crowded {
		out.need = 2 * wideWeight
	}
	return out, nil
}

// sortBits is by how many of their highest bits numbers are laid out before each heap is sorted by itself: so many that a heap of evenly spread
// numbers stays in the nearest cache.
const sortBits = 11

// sortedNumbers returns all sorted, and room for the next call: of all and spare, one is the one and the other the other.
func sortedNumbers(all, spare []uint64) (sorted, room []uint64) {
	var ends [1 << sortBits]uint32
	for _, x := range all {
		ends[x>>(64-sortBits)]++
	}
	at := uint32(0)
	for heap, n := range ends {
		ends[heap] = at // where it begins, until it is filled
		at += n
	}
	spare = slices.Grow(spare[:0], len(all))[:len(all)]
	for _, x := range all {
		heap := &ends[x>>(64-sortBits)]
		spare[*heap] = x
		*heap++
	}
	from := uint32(0)
	for _, to := range ends {
		slices.Sort(spare[from:to])
		from = to
	}
	return spare, all
}

// dropKeys lets go of the keys.
func (r *running) dropKeys() {
	for i := range r.l.chunks {
		r.l.chunks[i].keys = [1 << partBits]packedKeys{}
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

// keysOf appends the keys of a part and lets go of them.
func (r *running) keysOf(out []uint64, part int, now []int32) []uint64 {
	low := placeBits(r.n)
	for c := range r.l.chunks {
		keys := r.l.chunks[c].keys[part]
		for i := range keys.len() {
			hash, kind, record := keys.at(i)
			out = append(out, hash<<(64-hashBits)>>(low+kindBits)<<(low+kindBits)|kind<<low|uint64(now[c*chunkSize+record]))
		}
		r.l.chunks[c].keys[part] = nil
	}
	return out
}

// blocksOf appends the members of the blocks that are worth comparing, of keys sorted and each there once.
func blocksOf(out []uint32, keys []uint64, low int) []uint32 {
	for i := 0; i < len(keys); {
		j := i + 1
		for j < len(keys) && keys[j]>>low == keys[i]>>low {
			j++
		}
		if kind := KeyKind(keys[i] >> low & (1<<kindBits - 1)); j-i > 1 && j-i <= capOf(kind) {
			mark := uint32(0)
			if kind < firstBatchKind {
				mark = liveBlock
			}
			for _, k := range keys[i:j] {
				out = append(out, uint32(k&(1<<low-1))|mark)
			}
			out[len(out)-1] |= lastOfBlock
		}
		i = j
	}
	return out
}

// turn lists the places of each of n records.
func (p *pairing) turn(n int) {
	p.ends = make([]uint32, n)
	each := func(do func(place uint32, member uint32)) {
		for part, members := range p.parts {
			for i, m := range members {
				if m&lastOfBlock == 0 {
					do(uint32(part)<<offsetBits|uint32(i), m&^liveBlock)
				}
			}
		}
	}
	each(func(_, m uint32) { p.ends[m]++ })
	at := uint32(0)
	for i, n := range p.ends {
		p.ends[i] = at // where they start, until they are filled in
		at += n
	}
	p.places = make([]uint32, at)
	each(func(place, m uint32) {
		p.places[p.ends[m]] = place
		p.ends[m]++
	})
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
	places, warmed := p.places[from:p.ends[a]], uint32(0)
	for _, place := range places { // all together, so that the waits for memory overlap
		warmed ^= p.parts[place>>offsetBits][place&(1<<offsetBits-1)+1]
	}
	runtime.KeepAlive(warmed)
	for _, place := range places {
		block := p.parts[place>>offsetBits][place&(1<<offsetBits-1)+1:]
		weight := uint32(wideWeight)
		if block[0]&liveBlock != 0 {
			weight = liveWeight
		}
		for _, m := range block {
			other := m &^ (lastOfBlock | liveBlock)
			was := max(met[other], none) - none
			now := min(was+weight, p.need)
			met[other] = none + now
			if was < now && now == p.need {
				out = append(out, int32(other))
			}
			if m&lastOfBlock != 0 {
				break
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
