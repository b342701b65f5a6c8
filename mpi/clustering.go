package mpi

import (
	"cmp"
	"runtime"
	"slices"
	"sync/atomic"
)

// bar is the evidence from which two records may be joined in this round, and the policy that joins them.
func (r *running) bar() (Bits, Policy) {
	if r.last && r.o.Automatic {
		return r.model.Possible, Policy{}
	}
	return r.model.Prior + r.o.Threshold, Policy{Batch: true, Threshold: r.o.Threshold}
}

// scan scores all candidate pairs, unless that has been done, and keeps those that reach the bar less slack in any round.
func (r *running) scan(slack Bits) error {
	low, _ := r.bar()
	if r.o.Automatic {
		low = min(low, r.model.Possible)
	}
	low -= slack
	step := max(1, (r.stretches()+scanPieces-1)/scanPieces)
	for r.at.scanned < r.stretches() {
		upto := min(r.at.scanned+step, r.stretches())
		if err := r.scanStretches(r.at.scanned, upto, hurdleAt(low)); err != nil {
			return err
		}
		if err := r.keepNear(upto); err != nil {
			return err
		}
		r.at.scanned = upto
	}
	if r.nears != nil {
		r.near, r.nears = slices.Concat(r.nears...), nil
	}
	return nil
}

// scanPieces is in how many pieces all pairs are scanned: what an end in between costs, and how often it is written down.
const scanPieces = 32

func (r *running) stretches() int { return (r.n + nodesAtOnce - 1) / nodesAtOnce }

// scanStretches appends to nears the pairs of the stretches from from to upto that weigh low at least.
func (r *running) scanStretches(from, upto int, low hurdle) error {
	found := make([][]uint64, upto-from)
	if err := r.look(); err != nil {
		return err
	}
	sight := r.model.sight(low)
	warmed, both, room := make([]byte, workers()*warmedApart), make([][2]Features, workers()), make([][]int32, workers())
	var done atomic.Int64
	done.Store(int64(r.pairs.before[from]))
	err := spread(r.ctx, upto-from, 1, func(w, i, _ int) {
		stretch := from + i
		node, other := &both[w][0], &both[w][1]
		room[w] = r.pairs.each(stretch*nodesAtOnce, min((stretch+1)*nodesAtOnce, r.n), room[w], func(a int32, others []int32) {
			if others = r.worthwhile(sight, a, others); len(others) == 0 {
				return
			}
			r.take(a, node)
			for i, b := range others {
				if i%warmAtOnce == 0 {
					for _, next := range others[i:min(i+warmAtOnce, len(others))] {
						warmed[w*warmedApart] ^= r.warm(next)
					}
				}
				r.take(b, other)
				if c := Compare(node, other); r.model.reaches(&c, low) {
					found[stretch-from] = append(found[stretch-from], uint64(a)<<32|uint64(b))
				}
			}
		})
		r.pairs.packed[stretch] = nil
		r.tell("comparing", int(done.Add(int64(r.pairs.before[stretch+1]-r.pairs.before[stretch]))), r.at.total)
	})
	r.nears = append(r.nears, slices.Concat(found...))
	return err
}

// worthwhile returns those of others, overwritten, that may reach what sight asks for beside a.
func (r *running) worthwhile(sight *sight, a int32, others []int32) []int32 {
	one, out, warmed := &r.glances[a], others[:0], byte(0)
	home := one.address()
	for i, b := range others {
		if i%warmAtOnce == 0 {
			for _, next := range others[i:min(i+warmAtOnce, len(others))] {
				warmed ^= r.glances[next].warm()
			}
		}
		if sight.enough(one, &r.glances[b], &home) {
			out = append(out, b)
		}
	}
	runtime.KeepAlive(warmed)
	return out
}

// worthwhilePairs appends those of pairs, a<<32|b, that may reach what sight asks for.
func (r *running) worthwhilePairs(out []uint64, sight *sight, pairs []uint64) []uint64 {
	warmed, last, home := byte(0), int32(-1), address{}
	for i, p := range pairs {
		if i%warmAtOnce == 0 {
			for _, next := range pairs[i:min(i+warmAtOnce, len(pairs))] {
				warmed ^= r.glances[uint32(next)].warm()
			}
		}
		a := int32(p >> 32)
		if a != last {
			home, last = r.glances[a].address(), a
		}
		if sight.enough(&r.glances[a], &r.glances[uint32(p)], &home) {
			out = append(out, p)
		}
	}
	runtime.KeepAlive(warmed)
	return out
}

// look takes glances of all records, unless that has been done, and sees how common their values are under the model as it is.
func (r *running) look() error {
	if r.seenBy == r.model {
		return nil
	}
	first := r.glances == nil
	if first {
		r.glances = make([]glance, r.n)
	}
	room := make([]Features, workers())
	r.seenBy = r.model
	return spread(r.ctx, r.n, nodesAtOnce, func(w, from, to int) {
		for place := from; place < to; place++ {
			if first {
				f := &room[w]
				r.take(int32(place), f)
				r.glances[place] = glanceOf(f)
			}
			r.glances[place].commonness(r.model)
		}
	})
}

// Records are far apart in memory, and most of the time of a comparison goes into waiting for it. So a few records are
// touched together, whose waits overlap, before they are compared one by one.
const (
	warmAtOnce  = 8
	warmedApart = 64 // so that workers do not share a cache line
)

func (r *running) warm(place int32) byte {
	return r.shelves[place/chunkSize].warm(place % chunkSize)
}

// eachPair calls do with the place and the records of each of pairs, a<<32|b.
func (r *running) eachPair(pairs []uint64, do func(i int, a, b *Features)) {
	var both [2]Features
	warmed, last := byte(0), int32(-1)
	for i, p := range pairs {
		if i%warmAtOnce == 0 {
			for _, next := range pairs[i:min(i+warmAtOnce, len(pairs))] {
				warmed ^= r.warm(int32(next>>32)) ^ r.warm(int32(uint32(next)))
			}
		}
		if a := int32(p >> 32); a != last {
			r.take(a, &both[0])
			last = a
		}
		r.take(int32(uint32(p)), &both[1])
		do(i, &both[0], &both[1])
	}
	runtime.KeepAlive(warmed)
}

// cluster scores the pairs near the bar and partitions the components of those that may be joined.
func (r *running) cluster() error {
	bar, policy := r.bar()
	enough := hurdleAt(bar)
	if err := r.look(); err != nil {
		return err
	}
	sight := r.model.sight(enough)
	const stretch = 1024
	edges, rooms := make([][]Edge, (len(r.near)+stretch-1)/stretch), make([]clusterRoom, workers())
	err := spread(r.ctx, len(r.near), stretch, func(w, from, to int) {
		room := &rooms[w]
		room.pairs, room.edges = r.worthwhilePairs(room.pairs[:0], sight, r.near[from:to]), room.edges[:0]
		r.eachPair(room.pairs, func(i int, a, b *Features) {
			c := Compare(a, b)
			if !r.model.mayReach(&c, enough) {
				return
			}
			if e := r.model.edge(a, b, &c); e.Bits >= bar {
				e.A, e.B = int32(room.pairs[i]>>32), int32(uint32(room.pairs[i]))
				room.edges = append(room.edges, e)
			}
		})
		edges[from/stretch] = slices.Clone(room.edges)
	})
	if err != nil {
		return err
	}
	all := make([]int32, r.n)
	for i := range all {
		all[i], r.group[i] = int32(i), int32(i)
	}
	components := componentsOf(component{all, slices.Concat(edges...)}, make([]int32, r.n))
	local := make([]int32, r.n)
	return spread(r.ctx, len(components), 16, func(w, from, to int) {
		for _, c := range components[from:to] {
			for _, piece := range c.cut(bar, local) {
				if r.ctx.Err() == nil {
					r.partition(&rooms[w], piece, local, policy)
				}
			}
		}
	})
}

// A clusterRoom is what a worker needs again and again while it forms clusters.
type clusterRoom struct {
	pairs         []uint64
	edges         []Edge
	nodes         []Features
	joints, forks []joint
}

// A component is records that edges hold together: members ascending, edges in the order of the records.
type component struct {
	members []int32
	edges   []Edge
}

// componentsOf returns the components of more than one record that c falls into; place is room for c's records by number.
func componentsOf(c component, place []int32) []component {
	for i, m := range c.members {
		place[m] = int32(i)
	}
	set := newUnion(len(c.members))
	for _, e := range c.edges {
		a, b := set.find(place[e.A]), set.find(place[e.B])
		set[max(a, b)] = min(a, b)
	}
	// counting sort by root: first how many, then where each begins, then all to their places
	nodes, edges := make([]int32, len(c.members)+1), make([]int32, len(c.members)+1)
	for i := range c.members {
		nodes[set.find(int32(i))+1]++
	}
	for _, e := range c.edges {
		edges[set.find(place[e.A])+1]++
	}
	var out []component
	byRoot, edgesByRoot := make([]int32, len(c.members)), make([]Edge, len(c.edges))
	for root := range c.members {
		if nodes[root+1] > 1 {
			n, e := nodes[root], edges[root]
			out = append(out, component{byRoot[n : n+nodes[root+1]], edgesByRoot[e : e+edges[root+1]]})
		}
		nodes[root+1] += nodes[root]
		edges[root+1] += edges[root]
	}
	for i, m := range c.members {
		root := set.find(int32(i))
		byRoot[nodes[root]] = m
		nodes[root]++
	}
	for _, e := range c.edges {
		root := set.find(place[e.A])
		edgesByRoot[edges[root]] = e
		edges[root]++
	}
	return out
}

// mostTogether is how many records a component may have to be partitioned as a whole. Larger ones are no person and no
// household but a chain of many, and the time to partition grows with the square.
const mostTogether = 400

// cut returns c, or, when it is too large, what it falls into when the bar is raised bit by bit: the weakest edges of a
// long chain are left out first. A piece whose edges are all equally strong stays whole.
func (c component) cut(bar Bits, place []int32) []component {
	if len(c.members) <= mostTogether {
		return []component{c}
	}
	bar++
	stronger := make([]Edge, 0, len(c.edges))
	for _, e := range c.edges {
		if e.Bits >= bar {
			stronger = append(stronger, e)
		}
	}
	if len(stronger) == 0 {
		return []component{c}
	}
	var out []component
	for _, piece := range componentsOf(component{c.members, stronger}, place) {
		out = append(out, piece.cut(bar, place)...)
	}
	return out
}

// partition groups the records of a component.
func (r *running) partition(room *clusterRoom, c component, local []int32, policy Policy) {
	room.nodes = slices.Grow(room.nodes[:0], len(c.members))
	nodes := room.nodes[:len(c.members)]
	warmed := byte(0)
	for _, place := range c.members {
		warmed ^= r.warm(place)
	}
	runtime.KeepAlive(warmed)
	for k, place := range c.members {
		local[place] = int32(k)
		r.take(place, &nodes[k])
	}
	room.edges = append(room.edges[:0], c.edges...)
	here := room.edges
	for k := range here {
		here[k].A, here[k].B = local[here[k].A], local[here[k].B]
	}
	room.joints = slices.Grow(room.joints[:0], len(here))
	parts := r.model.partitioning(nodes, here, nil, room.joints)
	var sure *partitioning
	if r.last && !r.o.Automatic {
		room.forks = slices.Grow(room.forks[:0], len(here))
		sure = parts.fork(room.forks)
	}
	p := parts.run(policy)
	if r.last {
		certain := p
		if sure != nil {
			certain = sure.run(Policy{})
		}
		r.doubts(c.members, nodes, here, &p, &certain)
	}
	first := make([]int32, len(c.members)) // of a group, behind one
	for k, g := range p.Group {
		if first[g] == 0 {
			first[g] = c.members[k] + 1
		}
		r.group[c.members[k]] = first[g] - 1
	}
}

// doubts keeps what of a component's partition an automatic bar, which would have parted it as sure, had seen otherwise.
func (r *running) doubts(members []int32, nodes []Features, edges []Edge, p, sure *Partition) {
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
