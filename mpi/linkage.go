package mpi

import (
	"bytes"
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/concord-hie/concord/hie"
)

// A Linkage links the records of a batch to each other in memory, with the engine of the index. Add every record, then
// Run once. The zero Linkage is empty.
type Linkage struct {
	nodes []Features
	keys  []blockKey
}

// A blockKey says that a node is found under a key; hash holds the kind in its lowest bits.
type blockKey struct {
	hash uint64
	node int32
}

const kindBits = 6

// Add takes one record of site and returns its number, from 0.
func (l *Linkage) Add(site hie.SiteID, d Demographics) int {
	v := normalize(d)
	n := int32(len(l.nodes))
	l.nodes = append(l.nodes, v.features(site))
	for _, k := range v.batchKeys() {
		l.keys = append(l.keys, blockKey{uint64(k.Hash)&^(1<<kindBits-1) | uint64(k.Kind), n})
	}
	return int(n)
}

// Len is how many records were added.
func (l *Linkage) Len() int { return len(l.nodes) }

// Features returns a copy of the records' features, by number; after Run they are no longer to be had.
func (l *Linkage) Features() []Features { return slices.Clone(l.nodes) }

// LinkageOptions say how a Linkage runs. The zero value is the default.
type LinkageOptions struct {
	// Model is used as it is; nil means that one is estimated from the records.
	Model *Model
	// Threshold moves the bar above even odds, in bits.
	Threshold Bits
	// Automatic joins only what is certain; what is probable is left apart.
	Automatic bool
	// Progress, if set, is told of each stage as it goes.
	Progress func(stage string, done, total int)
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

// rounds is how often clusters are formed; between them values are counted once a person.
const rounds = 3

// Run links the records. The result depends on the records, not on their order or the number of processors.
func (l *Linkage) Run(o LinkageOptions) Linked {
	back := l.canonical()
	pairs := l.candidates()
	r := &running{nodes: l.nodes, pairs: pairs, o: o, group: make([]int32, len(l.nodes))}
	for i := range r.group {
		r.group[i] = int32(i)
	}
	if o.Model != nil {
		r.model, r.last = o.Model, true
		r.cluster()
		r.tell("linked", 1, 1)
	} else {
		r.estimateAndCluster()
	}
	out := Linked{Cluster: make([]int32, len(l.nodes)), Model: r.model, Pairs: len(pairs)}
	number := map[int32]int32{}
	group := make([]int32, len(l.nodes))
	for now, was := range back {
		group[was] = r.group[now]
	}
	was := func(all []Doubt) []Doubt {
		for i := range all {
			d := &all[i]
			d.A, d.B = back[d.A], back[d.B]
			d.A, d.B = min(d.A, d.B), max(d.A, d.B)
		}
		slices.SortFunc(all, func(x, y Doubt) int {
			return cmp.Or(cmp.Compare(y.Bits, x.Bits), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
		})
		return all
	}
	out.Joined, out.Apart = was(r.joined), was(r.apart)
	for i, g := range group {
		n, seen := number[g]
		if !seen {
			n = int32(len(number))
			number[g] = n
		}
		out.Cluster[i] = n
	}
	return out
}

// canonical puts the nodes in an order of their content and returns each node's number before.
func (l *Linkage) canonical() []int32 {
	n := len(l.nodes)
	content, order := make([][]byte, n), make([]int32, n)
	for i := range n {
		content[i], order[i] = l.nodes[i].AppendTo(nil), int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return bytes.Compare(content[a], content[b]) })
	nodes, now := make([]Features, n), make([]int32, n)
	for to, from := range order {
		nodes[to] = l.nodes[from]
		now[from] = int32(to)
	}
	l.nodes = nodes
	for i := range l.keys {
		l.keys[i].node = now[l.keys[i].node]
	}
	return order
}

// candidates returns the pairs of nodes that share a key of a block small enough, as a<<32|b with a < b, sorted, each once.
func (l *Linkage) candidates() []uint64 {
	slices.SortFunc(l.keys, func(a, b blockKey) int {
		if a.hash != b.hash {
			return cmp.Compare(a.hash, b.hash)
		}
		return cmp.Compare(a.node, b.node)
	})
	l.keys = slices.Compact(l.keys)
	var out []uint64
	for i := 0; i < len(l.keys); {
		j := i + 1
		for j < len(l.keys) && l.keys[j].hash == l.keys[i].hash {
			j++
		}
		if j-i > 1 && j-i <= capOf(KeyKind(l.keys[i].hash&(1<<kindBits-1))) {
			for x := i; x < j; x++ {
				for y := x + 1; y < j; y++ {
					out = append(out, uint64(l.keys[x].node)<<32|uint64(l.keys[y].node))
				}
			}
		}
		i = j
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A running is one Run.
type running struct {
	nodes []Features
	pairs []uint64
	model *Model
	group []int32
	o     LinkageOptions
	last  bool // the round whose result counts

	mu            sync.Mutex
	joined, apart []Doubt
}

func (r *running) tell(stage string, done, total int) {
	if r.o.Progress != nil {
		r.o.Progress(stage, done, total)
	}
}

// sampled bounds the pairs an estimation looks at.
const (
	sampledPairs = 200_000
	randomPairs  = 400_000
)

func (r *running) estimateAndCluster() {
	n := len(r.nodes)
	m := DefaultModel()
	if n > 1 {
		all := float64(n) * float64(n-1) / 2
		m.Prior = Bits(math.Log2(all / (0.3 * float64(n))))
		m.Kin = [kinds]Bits{Bits(math.Log2(0.3 * float64(n) / all)), Bits(math.Log2(0.01 * float64(n) / all))}
	}
	m.finish()
	r.model = m
	for round := range rounds {
		r.last = round == rounds-1
		m = r.model.clone()
		m.ID = "estimated"
		m.freq = r.frequencies()
		strangers := r.strangers(m)
		m.learnStrangers(strangers)
		sample, scale := r.sample(m)
		m.estimate(sample, scale, n)
		m.learnStrangers(strangers)
		m.estimate(sample, scale, n)
		m.setGrades()
		r.model = m
		r.cluster()
		r.tell("rounds", round+1, rounds)
	}
}

func (m *Model) clone() *Model {
	c := *m
	return &c
}

// frequencies counts values once a group.
func (r *running) frequencies() [numFields]*Frequencies {
	persons := map[int32]bool{}
	for _, g := range r.group {
		persons[g] = true
	}
	var out [numFields]*Frequencies
	type seen struct {
		group int32
		hash  uint32
	}
	for _, f := range []field{fieldGiven, fieldMiddle, fieldFamily, fieldBirth, fieldSSN, fieldID, fieldPhone, fieldEmail, fieldAddress} {
		had := map[seen]bool{}
		var all []uint32
		known := map[int32]bool{}
		for i := range r.nodes {
			r.nodes[i].each(f, func(h uint32) {
				known[r.group[i]] = true
				if s := (seen{r.group[i], h}); !had[s] {
					had[s] = true
					all = append(all, h)
				}
			})
		}
		out[f] = newFrequencies(all, len(known))
	}
	return out
}

// each calls do with the hash of each value of field f, as comparisons name it.
func (f *Features) each(what field, do func(uint32)) {
	switch what {
	case fieldGiven:
		for i := range f.nGivens {
			do(f.givens[i].hash)
		}
	case fieldMiddle:
		for i := range f.nMiddles {
			do(f.middles[i].hash)
		}
	case fieldFamily:
		for i := range f.nFamilies {
			do(f.families[i].hash)
		}
	case fieldBirth:
		if f.Birth != 0 {
			do(f.Birth)
		}
	case fieldSSN:
		if f.ssn != 0 && !f.ssnLast4 {
			do(f.ssn)
		}
	case fieldID:
		for i := range f.nIDs {
			v := f.ids[i].value
			do(uint32(v ^ v>>32))
		}
	case fieldPhone:
		for i := range f.nPhones {
			do(uint32(f.phones[i] % 1e7))
		}
	case fieldEmail:
		for i := range f.nEmails {
			do(f.emails[i].hash)
		}
	case fieldAddress:
		for i := range f.nAddresses {
			a := &f.addresses[i]
			for _, x := range a.lines {
				if x.hash != 0 {
					do(x.hash ^ a.number*0x9e3779b1)
					if a.number != 0 {
						do(x.hash)
					}
				}
			}
			if a.city != 0 {
				do(a.city)
			}
			if a.zip != 0 {
				do(a.zip*0x9e3779b1 | 1)
				do(uint32(a.area)*0x85ebca6b | 1)
			}
		}
	}
}

// strangers observes random pairs, or all there are, those in one group left out.
func (r *running) strangers(m *Model) []observation {
	n := uint64(len(r.nodes))
	all := n * (n - 1) / 2
	var picks []uint64
	if all <= randomPairs {
		for a := range n {
			for b := a + 1; b < n; b++ {
				picks = append(picks, a<<32|b)
			}
		}
	} else {
		x := uint64(88172645463325252)
		for len(picks) < randomPairs {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			if a, b := x>>32%n, x&0xffffffff%n; a < b {
				picks = append(picks, a<<32|b)
			}
		}
	}
	picks = slices.DeleteFunc(picks, func(p uint64) bool { return r.group[p>>32] == r.group[uint32(p)] })
	return r.observeAll(m, picks)
}

// sample observes candidate pairs, evenly spaced when there are many.
func (r *running) sample(m *Model) ([]observation, float64) {
	pairs := r.pairs
	scale := 1.0
	if len(pairs) > sampledPairs {
		step := float64(len(pairs)) / sampledPairs
		picks := make([]uint64, sampledPairs)
		for i := range picks {
			picks[i] = pairs[int(float64(i)*step)]
		}
		pairs, scale = picks, step
	}
	return r.observeAll(m, pairs), scale
}

func (r *running) observeAll(m *Model, pairs []uint64) []observation {
	out := make([]observation, len(pairs))
	parallel(len(pairs), func(i int) {
		c := Compare(&r.nodes[pairs[i]>>32], &r.nodes[uint32(pairs[i])])
		out[i] = m.observe(&c)
	})
	return out
}

// parallel calls do for 0 to n-1 on all processors.
func parallel(n int, do func(i int)) {
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := n * w / workers; i < n*(w+1)/workers; i++ {
				do(i)
			}
		})
	}
	wg.Wait()
}

// cluster scores all pairs and partitions the components of those that may be joined.
func (r *running) cluster() {
	m := r.model
	edges := make([]Edge, len(r.pairs))
	parallel(len(r.pairs), func(i int) {
		a, b := int32(r.pairs[i]>>32), int32(uint32(r.pairs[i]))
		e := m.Edge(&r.nodes[a], &r.nodes[b])
		e.A, e.B = a, b
		edges[i] = e
	})
	bar, policy := m.Prior+r.o.Threshold, Policy{Batch: true, Threshold: r.o.Threshold}
	if r.last && r.o.Automatic {
		bar, policy = m.Possible, Policy{}
	}
	edges = slices.DeleteFunc(edges, func(e Edge) bool { return e.Bits < bar })
	parent := make([]int32, len(r.nodes))
	for i := range parent {
		parent[i] = int32(i)
	}
	find := func(x int32) int32 {
		for parent[x] != x {
			parent[x] = parent[parent[x]]
			x = parent[x]
		}
		return x
	}
	for _, e := range edges {
		a, b := find(e.A), find(e.B)
		parent[max(a, b)] = min(a, b)
	}
	components := map[int32][]int32{}
	for i := range r.nodes {
		root := find(int32(i))
		components[root] = append(components[root], int32(i))
	}
	inside := map[int32][]Edge{}
	for _, e := range edges {
		root := find(e.A)
		inside[root] = append(inside[root], e)
	}
	roots := make([]int32, 0, len(inside))
	for root := range inside {
		roots = append(roots, root)
	}
	slices.Sort(roots)
	for i := range r.group {
		r.group[i] = int32(i)
	}
	parallel(len(roots), func(i int) {
		members, es := components[roots[i]], inside[roots[i]]
		local := map[int32]int32{}
		nodes := make([]Features, len(members))
		for k, node := range members {
			local[node], nodes[k] = int32(k), r.nodes[node]
		}
		here := make([]Edge, len(es))
		for k, e := range es {
			e.A, e.B = local[e.A], local[e.B]
			here[k] = e
		}
		p := m.Partition(nodes, here, nil, policy)
		if r.last {
			r.doubts(members, nodes, here, &p)
		}
		first := map[int32]int32{}
		for k, g := range p.Group {
			if _, ok := first[g]; !ok {
				first[g] = members[k]
			}
			r.group[members[k]] = first[g]
		}
	})
}

// doubts keeps what of a component's partition an automatic bar would have seen otherwise.
func (r *running) doubts(members []int32, nodes []Features, edges []Edge, p *Partition) {
	sure := *p
	if !r.o.Automatic {
		sure = r.model.Partition(nodes, edges, nil, Policy{})
	}
	var joined, apart []Doubt
	for _, d := range p.Review {
		d.A, d.B = members[d.A], members[d.B]
		apart = append(apart, d)
	}
	// one doubt for each group that certainty alone would have left beside another: the strongest edge into it
	together := newUnion(len(nodes))
	for i, g := range sure.Group {
		for j := range i {
			if sure.Group[j] == g {
				together.join(int32(i), int32(j))
				break
			}
		}
	}
	slices.SortFunc(edges, func(x, y Edge) int {
		return cmp.Or(cmp.Compare(y.Bits, x.Bits), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	for _, e := range edges {
		if p.Group[e.A] != p.Group[e.B] || together.find(e.A) == together.find(e.B) {
			continue
		}
		together.join(e.A, e.B)
		c := Compare(&nodes[e.A], &nodes[e.B])
		set := r.model.scorePair(&c)
		joined = append(joined, Doubt{A: members[e.A], B: members[e.B], Bits: e.Bits, Grade: e.grade, Vetoes: e.Vetoes(), Missing: cmp.Or(r.model.gap(&set), "margin")})
	}
	if len(joined)+len(apart) > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.joined, r.apart = append(r.joined, joined...), append(r.apart, apart...)
	}
}
