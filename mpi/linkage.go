package mpi

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/concord-hie/concord/hie"
)

// A Linkage links the records of a batch to each other in memory, with the engine of the index. Add every record, then
// Run once. The zero Linkage is empty. It is for one goroutine; it uses all processors itself.
type Linkage struct {
	waiting []arrival
	chunks  []chunk
	room    []piece
}

// An arrival is a record that waits for its chunk to be full.
type arrival struct {
	site hie.SiteID
	d    Demographics
}

// A chunk holds what is kept of up to chunkSize records: so a batch grows without being copied.
type chunk struct {
	shelf shelf
	keys  [1 << partBits]packedKeys
}

// A piece is room for a part of a chunk while it is made.
type piece struct {
	shelf shelf
	keys  [1 << partBits][]uint64
	found []Key // of one record
}

// pieceSize is how many records a processor takes at a time.
const pieceSize = 64

func (p *piece) empty() {
	p.shelf.bytes, p.shelf.ends = p.shelf.bytes[:0], p.shelf.ends[:0]
	for part := range p.keys {
		p.keys[part] = p.keys[part][:0]
	}
}

const chunkSize = 1 << recordBits

// Add takes one record of site and returns its number, from 0. The caller leaves d's slices as they are.
func (l *Linkage) Add(site hie.SiteID, d Demographics) int {
	n := l.Len()
	l.waiting = append(l.waiting, arrival{site, d})
	if len(l.waiting) == chunkSize {
		l.settle()
	}
	return n
}

// settle makes a chunk of the waiting records.
func (l *Linkage) settle() {
	if len(l.waiting) == 0 {
		return
	}
	if l.room == nil {
		l.room = make([]piece, chunkSize/pieceSize)
	}
	pieces := l.room[:(len(l.waiting)+pieceSize-1)/pieceSize]
	_ = spread(context.Background(), len(l.waiting), pieceSize, func(_, from, to int) {
		p := &pieces[from/pieceSize]
		p.empty()
		for i := from; i < to; i++ {
			v := normalize(l.waiting[i].d)
			f := v.features(l.waiting[i].site)
			p.shelf.put(&f)
			p.found = v.batchKeys(p.found)
			for _, k := range p.found {
				part, packed := packKey(k, i)
				p.keys[part] = append(p.keys[part], packed)
			}
		}
	})
	var c chunk
	size := 0
	for i := range pieces {
		size += len(pieces[i].shelf.bytes)
	}
	c.shelf = shelf{make([]byte, 0, size), make([]shelved, 0, len(l.waiting))}
	for i := range pieces {
		c.shelf.add(&pieces[i].shelf)
	}
	for part := range c.keys {
		n := 0
		for i := range pieces {
			n += len(pieces[i].keys[part])
		}
		c.keys[part] = make(packedKeys, 0, n*keySize)
		for i := range pieces {
			for _, k := range pieces[i].keys[part] {
				c.keys[part] = c.keys[part].add(k)
			}
		}
	}
	l.chunks = append(l.chunks, c)
	clear(l.waiting)
	l.waiting = l.waiting[:0]
}

// Len is how many records were added.
func (l *Linkage) Len() int {
	n := len(l.waiting)
	if len(l.chunks) > 0 {
		n += (len(l.chunks)-1)*chunkSize + len(l.chunks[len(l.chunks)-1].shelf.ends)
	}
	return n
}

// take writes record i into f.
func (l *Linkage) take(i int32, f *Features) { l.chunks[i/chunkSize].shelf.take(i%chunkSize, f) }

// Features returns the records' features, by number. No record may be added afterwards.
func (l *Linkage) Features() []Features {
	l.settle()
	out := make([]Features, l.Len())
	for i := range out {
		l.take(int32(i), &out[i])
	}
	return out
}

// LinkageOptions say how a Linkage runs. The zero value is the default.
type LinkageOptions struct {
	// Model is used as it is; nil means that one is estimated from the records.
	Model *Model
	// Threshold moves the bar above even odds, in bits.
	Threshold Bits
	// Automatic joins only what is certain; what is probable is left apart.
	Automatic bool
	// Progress, if set, is told of each stage as it goes: stages follow each other, done rises within one. One call at a time.
	Progress func(stage string, done, total int)
	// Checkpoint, if set, keeps what is dear to work out; a run begins with what it has.
	Checkpoint Checkpoint
}

// Linked is what a Linkage found.
type Linked struct {
	// Cluster holds for each record the number of its person; persons are numbered by their first record.
	Cluster []int32
	// Model is the one used.
	Model *Model
	// Pairs is how many candidate pairs were compared.
	Pairs int
	// Joined are links made that an automatic bar would have left to a steward, Apart groups left apart that are probable:
	// strongest first, by records' numbers.
	Joined, Apart []Doubt
}

// Run links the records. The result depends on the records, not on their order or the number of processors. It returns
// the zero Linked and ctx's error within a second of ctx's end.
func (l *Linkage) Run(ctx context.Context, o LinkageOptions) (Linked, error) {
	l.settle()
	l.waiting, l.room = nil, nil
	r := &running{l: l, n: l.Len(), o: o, ctx: ctx}
	if err := r.run(); err != nil {
		return Linked{}, fmt.Errorf("mpi: link: %w", err)
	}
	out := Linked{Cluster: make([]int32, r.n), Model: r.model, Pairs: r.at.total, Joined: r.was(r.joined), Apart: r.was(r.apart)}
	group := make([]int32, r.n)
	for now, was := range r.order {
		group[was] = r.group[now]
	}
	number := make([]int32, r.n) // of a group, from 1
	last := int32(0)
	for i, g := range group {
		if number[g] == 0 {
			last++
			number[g] = last
		}
		out.Cluster[i] = number[g] - 1
	}
	return out, nil
}

// A running is one Run. Within it, records go by their place in the canonical order.
type running struct {
	l     *Linkage
	ctx   context.Context //nolint:containedctx // a running is one call of Run and ends with it
	o     LinkageOptions
	n     int
	order []int32    // place -> record's number
	pairs pairList   // all candidate pairs
	nears [][]uint64 // those of them that may matter, a<<32|b with a < b, sorted, as they were found
	near  []uint64   // all of those
	at    standing
	model *Model
	group []int32 // place -> the first place of its person
	last  bool    // the round whose result counts

	shelves []shelf  // the records in the order of places, chunkSize each
	glances []glance // place -> what is to be seen of it
	seenBy  *Model   // under which the values' commonness was looked up

	mu            sync.Mutex
	joined, apart []Doubt
	stage         string // last told
	done          int
}

// take writes the record at place into f; layOut has been called.
func (r *running) take(place int32, f *Features) { r.shelves[place/chunkSize].take(place%chunkSize, f) }

// run is canonical order, blocks, model and clusters.
func (r *running) run() error {
	if err := r.canonical(); err != nil {
		return err
	}
	r.group = make([]int32, r.n)
	for i := range r.group {
		r.group[i] = int32(i)
	}
	if err := r.resume(); err != nil {
		return err
	}
	if r.at.scanned < r.stretches() {
		p, err := r.pairUp()
		if err != nil {
			return err
		}
		if err := r.listPairs(p); err != nil {
			return err
		}
	} else {
		r.dropKeys()
	}
	if err := r.layOut(); err != nil {
		return err
	}
	if r.o.Model == nil {
		return r.estimateAndCluster()
	}
	r.model, r.last = r.o.Model, true
	if !r.at.sampled {
		r.at.total, r.at.sampled = r.pairs.total(), true
		if err := r.keepSample(); err != nil {
			return err
		}
	}
	if err := r.scan(0); err != nil {
		return err
	}
	return r.cluster()
}

// layOut puts the records in the order of their places, so that one is found without looking up where it is, and those of neighbouring
// places are neighbours; once.
func (r *running) layOut() error {
	if r.shelves != nil {
		return nil
	}
	r.shelves = make([]shelf, (r.n+chunkSize-1)/chunkSize)
	return spread(r.ctx, r.n, chunkSize, func(_, from, to int) {
		size := 0
		for _, was := range r.order[from:to] {
			size += r.l.chunks[was/chunkSize].shelf.size(was % chunkSize)
		}
		s := shelf{make([]byte, 0, size), make([]shelved, 0, to-from)}
		for _, was := range r.order[from:to] {
			s.copy(&r.l.chunks[was/chunkSize].shelf, was%chunkSize)
		}
		r.shelves[from/chunkSize] = s
	})
}

// was names the records of doubts by their numbers and sorts them.
func (r *running) was(all []Doubt) []Doubt {
	for i := range all {
		d := &all[i]
		a, b := r.order[d.A], r.order[d.B]
		d.A, d.B = min(a, b), max(a, b)
	}
	slices.SortFunc(all, func(x, y Doubt) int {
		return cmp.Or(cmp.Compare(y.Bits, x.Bits), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	return all
}

// canonical orders the records by content.
func (r *running) canonical() error {
	content := func(i int32) []byte { return r.l.chunks[i/chunkSize].shelf.compact(i % chunkSize) }
	r.order = make([]int32, r.n)
	for i := range r.order {
		r.order[i] = int32(i)
	}
	var err error
	r.order, err = sorted(r.ctx, r.order, func(a, b int32) int { return cmp.Or(bytes.Compare(content(a), content(b)), cmp.Compare(a, b)) })
	return err
}

// sortedRun is how much is sorted at one go, so that an end of the context is soon seen.
const sortedRun = 1 << 16

// sorted sorts all on all processors, in place or into a slice of its own. compare leaves no two equal.
func sorted[T any](ctx context.Context, all []T, compare func(a, b T) int) ([]T, error) {
	err := spread(ctx, len(all), sortedRun, func(_, from, to int) { slices.SortFunc(all[from:to], compare) })
	other := []T(nil)
	for width := sortedRun; width < len(all) && err == nil; width *= 2 {
		if other == nil {
			other = make([]T, len(all))
		}
		err = spread(ctx, len(all), 2*width, func(_, from, to int) {
			middle := min(from+width, to)
			merge(other[from:to], all[from:middle], all[middle:to], compare)
		})
		all, other = other, all
	}
	return all, err
}

// merge fills out with a and b, both sorted.
func merge[T any](out, a, b []T, compare func(a, b T) int) {
	for i := range out {
		if len(b) == 0 || len(a) > 0 && compare(a[0], b[0]) <= 0 {
			out[i], a = a[0], a[1:]
		} else {
			out[i], b = b[0], b[1:]
		}
	}
}

// spread calls do for the stretches of step that 0 to n-1 fall into, on all processors, from workers numbered from 0. It
// returns ctx's error when that ends before all is done.
func spread(ctx context.Context, n, step int, do func(worker, from, to int)) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range min(workers(), (n+step-1)/step) {
		wg.Go(func() {
			for ctx.Err() == nil {
				from := int(next.Add(int64(step))) - step
				if from >= n {
					return
				}
				do(w, from, min(from+step, n))
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

func workers() int { return runtime.GOMAXPROCS(0) }
