package mpi

import (
	"bytes"
	"cmp"
	"slices"
)

// A Policy says how much it takes to join. The zero Policy is the automatic one: only what is certain.
type Policy struct {
	// Batch joins at the model's own even odds, moved by Threshold bits; else only certain groups are joined.
	Batch     bool
	Threshold Bits
}

// A Partition groups the nodes of one neighbourhood into persons.
type Partition struct {
	// Group holds for each node the number of its group; groups are numbered by their first node, from 0.
	Group []int32
	// Review lists what was left apart and may be one person, strongest first; nil for nothing. Each is a question of its own: of
	// groups that hang together by doubts, only as many pairs are listed as it takes to join them.
	Review []Doubt
}

// A Doubt is a pair of groups the policy left apart although they may be one person.
type Doubt struct {
	// A < B are nodes, one of either group: the pair most alike.
	A, B int32
	// Bits is the evidence between the groups, Grade what it amounts to.
	Bits  Bits
	Grade Grade
	// Vetoes name what forbids joining, sorted; nil for none. Verdict is set when a steward's word does.
	Vetoes  []string
	Verdict bool
	// Missing names the field that would settle it ("address", "birth-order", ...), "margin" when another group
	// fits nearly as well and they exclude each other, or "".
	Missing string
}

// Partition groups the nodes of one neighbourhood into persons. edges are the pairs worth a look, those left
// out count as saying nothing. The result depends on the features, edges and ties only, not on the order of
// the nodes: equal scores are settled by content. MustLink ties are joined first; no group the engine makes
// holds a CannotLink pair or a vetoed pair. Neither nodes nor edges are changed.
//
// Source: spec mpi section 6, 5, 7, 14, 15.
func (m *Model) Partition(nodes []Features, edges []Edge, ties []Tie, policy Policy) Partition {
	return m.partitioning(nodes, edges, ties, nil).run(policy)
}

// A partitioning is one run: groups by their smallest node, and the joints between groups that share an edge.
type partitioning struct {
	m       *Model
	nodes   []Features
	policy  Policy
	of      []int32           // node -> its group
	groups  [][]int32         // group -> nodes, sorted; nil for a node that is in another's
	apart   map[[2]int32]bool // nodes a steward keeps apart; nil for none
	tied    union             // nodes that must be together
	anyTied bool
	tiedTo  []bool    // node -> whether it is of a tie
	joints  []joint   // never longer than connect makes it, so that its elements stay where they are
	near    [][]int32 // group -> its joints
	ranks   []int32   // node -> its place by content, so that ties do not depend on order; nil until it matters
}

// partitioning prepares a partition: ties joined, and all joints weighed. room is where the joints go, if there is enough of it.
func (m *Model) partitioning(nodes []Features, edges []Edge, ties []Tie, room []joint) *partitioning {
	p := &partitioning{m: m, nodes: nodes, joints: room[:0]}
	p.begin(ties)
	p.connect(edges)
	return p
}

// fork returns a copy that can be run for itself, its joints in room if there is enough of it.
func (p *partitioning) fork(room []joint) *partitioning {
	q := *p
	q.of, q.groups, q.tied, q.tiedTo = slices.Clone(p.of), slices.Clone(p.groups), slices.Clone(p.tied), slices.Clone(p.tiedTo)
	room = append(room[:0], p.joints...)
	q.joints = room
	q.near = make([][]int32, len(p.near))
	for g, near := range p.near {
		q.near[g] = slices.Clone(near)
	}
	return &q
}

func (p *partitioning) run(policy Policy) Partition {
	p.policy = policy
	for p.joinBest() {
	}
	return p.result()
}

func (p *partitioning) begin(ties []Tie) {
	n := len(p.nodes)
	p.tied, p.tiedTo = newUnion(n), make([]bool, n)
	p.of, p.groups, p.near = make([]int32, n), make([][]int32, n), make([][]int32, n)
	single := make([]int32, n)
	for i := range n {
		p.of[i], single[i] = int32(i), int32(i)
		p.groups[i] = single[i : i+1 : i+1]
	}
	for _, t := range ties {
		switch t.Verdict {
		case MustLink:
			p.merge(p.of[t.A], p.of[t.B])
			p.tied.join(t.A, t.B)
			p.anyTied = true
			p.tiedTo[t.A], p.tiedTo[t.B] = true, true
		case CannotLink:
			if p.apart == nil {
				p.apart = map[[2]int32]bool{}
			}
			p.apart[pairOf(t.A, t.B)] = true
		}
	}
}

// rank returns the node's place by content; equal nodes have one.
func (p *partitioning) rank(i int32) int32 {
	if p.ranks != nil {
		return p.ranks[i]
	}
	n := len(p.nodes)
	content, order := make([][]byte, n), make([]int32, n)
	for i := range n {
		order[i], content[i] = int32(i), p.nodes[i].AppendTo(nil)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return bytes.Compare(content[a], content[b]) })
	p.ranks = make([]int32, n)
	for place, i := range order {
		p.ranks[i] = int32(place)
		if place > 0 && bytes.Equal(content[i], content[order[place-1]]) {
			p.ranks[i] = p.ranks[order[place-1]]
		}
	}
	return p.ranks[i]
}

func pairOf(a, b int32) [2]int32 { return [2]int32{min(a, b), max(a, b)} }

// merge makes one group of a and b.
func (p *partitioning) merge(a, b int32) {
	if a == b {
		return
	}
	a, b = min(a, b), max(a, b)
	for _, i := range p.groups[b] {
		p.of[i] = a
	}
	both := slices.Concat(p.groups[a], p.groups[b])
	slices.Sort(both)
	p.groups[a], p.groups[b] = both, nil
}

// likelier orders pairs of nodes: more bits first, then by content.
func (p *partitioning) likelier(x Bits, a [2]int32, y Bits, b [2]int32) bool {
	if x != y {
		return x > y
	}
	ra, rb := pairOf(p.rank(a[0]), p.rank(a[1])), pairOf(p.rank(b[0]), p.rank(b[1]))
	return cmp.Or(cmp.Compare(ra[0], rb[0]), cmp.Compare(ra[1], rb[1])) < 0
}

// open reports whether the policy would join j, its rivals aside.
func (p *partitioning) open(j *joint) bool {
	if j.verdict || j.set.vetoes&vetoHard != 0 || !p.policy.Batch && j.set.vetoes != 0 {
		return false
	}
	if p.policy.Batch {
		return !j.set.twoTold() && j.set.Bits >= p.m.Prior+p.policy.Threshold
	}
	return j.grade == GradeCertain
}

// joinBest joins the two groups that belong together most; false means that none are left. Where rivals count, they are looked
// for from the likeliest joint down, and only until one has none.
func (p *partitioning) joinBest() bool {
	if p.policy.Batch {
		best := int32(-1)
		for k := range int32(len(p.joints)) {
			j := &p.joints[k]
			if !j.gone && p.open(j) && (best < 0 || p.first(j, &p.joints[best])) {
				best = k
			}
		}
		if best >= 0 {
			p.join(best)
		}
		return best >= 0
	}
	open := make([]int32, 0, len(p.joints))
	for k := range int32(len(p.joints)) {
		j := &p.joints[k]
		j.margin = false
		if !j.gone && p.open(j) {
			open = append(open, k)
		}
	}
	slices.SortFunc(open, func(x, y int32) int {
		switch {
		case p.first(&p.joints[x], &p.joints[y]):
			return -1
		case p.first(&p.joints[y], &p.joints[x]):
			return 1
		}
		return 0
	})
	for _, k := range open {
		if j := &p.joints[k]; p.rivalled(j, p.near[j.a]) || p.rivalled(j, p.near[j.b]) {
			j.margin = true
			continue
		}
		p.join(k)
		return true
	}
	return false
}

// first reports whether x is joined before y.
func (p *partitioning) first(x, y *joint) bool {
	return p.likelier(x.set.Bits, x.best, y.set.Bits, y.best)
}

// rivalled reports whether one of near, the joints of a group of j, fits j's side nearly as well and cannot be the
// other side.
func (p *partitioning) rivalled(j *joint, near []int32) bool {
	for _, i := range near {
		k := &p.joints[i]
		if k == j || k.verdict || k.set.vetoes != 0 || k.grade < GradePossible || k.set.Bits <= j.set.Bits-p.m.Margin {
			continue
		}
		if j.distinguished(k) {
			continue
		}
		var third, other int32
		switch {
		case k.a == j.a:
			third, other = k.b, j.b
		case k.a == j.b:
			third, other = k.b, j.a
		case k.b == j.a:
			third, other = k.a, j.b
		case k.b == j.b:
			third, other = k.a, j.a
		default:
			continue
		}
		if shared := k.a + k.b - third; p.otherFace(shared, j, k) {
			continue
		}
		between := p.between(third, other)
		if between == nil { // no edge was handed in: what the two say decides, not who was compared when
			between = &joint{a: min(third, other), b: max(third, other)}
			p.weigh(between)
		}
		if !p.compatible(between) && !p.compatible(p.after(j, third)) {
			return true
		}
	}
	return false
}

// compatible reports whether nothing between the two groups of j speaks against their being one person, so that a
// third that fits both need not choose. That a newborn has no name yet speaks against nobody.
func (p *partitioning) compatible(j *joint) bool {
	if j.verdict || j.set.vetoes&^vetoNewborn != 0 {
		return false
	}
	return j.set.Bits >= p.m.Probable || j.set.Bits >= p.m.Possible && p.m.contradiction(&j.set.Union)+j.set.Consistency >= -3
}

// after returns what third would have to do with the group that joining j makes: the one may hold what explains the other, as
// a middle name the given name somebody goes by.
func (p *partitioning) after(j *joint, third int32) *joint {
	k := &joint{}
	p.weighGroups(k, slices.Concat(p.groups[j.a], p.groups[j.b]), p.groups[third])
	return k
}

// distinguished reports whether j agrees on the given name or the birth order, which tell twins and siblings apart, and
// its rival k does not: the rival is then another person whatever household and birth date they share.
func (j *joint) distinguished(k *joint) bool {
	own, other := j.set.Union.levels[fieldGiven], k.set.Union.levels[fieldGiven]
	named := own >= givenExact && own <= givenKeyed && other > givenKeyed
	ordered := j.set.Union.levels[fieldOrder] == orderEqual && k.set.Union.levels[fieldOrder] != orderEqual
	return (named || ordered) && j.set.Bits > k.set.Bits
}

// otherFace reports whether j and k fit the group they share by different faces of it: nodes a tie holds together although
// they contradict each other. They then do not compete.
func (p *partitioning) otherFace(shared int32, j, k *joint) bool {
	if !p.hasTie(shared) {
		return false
	}
	node := func(x *joint) int32 {
		if p.of[x.best[0]] == shared {
			return x.best[0]
		}
		return x.best[1]
	}
	a, b := node(j), node(k)
	return a != b && !p.m.alike(p.m.Edge(&p.nodes[a], &p.nodes[b]))
}

// hasTie reports whether a steward or a site tied nodes of group together.
func (p *partitioning) hasTie(group int32) bool {
	for _, i := range p.groups[group] {
		if p.tiedTo[i] {
			return true
		}
	}
	return false
}

func (p *partitioning) result() Partition {
	out := Partition{Group: make([]int32, len(p.nodes))}
	last := int32(0)
	for i, g := range p.of {
		if g == int32(i) { // a group is named by its smallest node
			out.Group[i] = last
			last++
			continue
		}
		out.Group[i] = out.Group[g]
	}
	for k := range p.joints {
		j := &p.joints[k]
		if j.gone {
			continue
		}
		if j.grade < GradeProbable && !(j.set.Bits >= p.m.Probable && (j.set.vetoes == vetoNewborn || j.verdict)) {
			continue
		}
		d := Doubt{A: j.best[0], B: j.best[1], Bits: j.set.Bits, Grade: j.grade, Vetoes: j.set.vetoes.names(), Verdict: j.verdict,
			Missing: p.m.gap(&j.set)}
		switch {
		case j.set.vetoes&vetoNewborn != 0:
			d.Missing = "birth-order"
		case j.margin:
			d.Missing = "margin"
		}
		out.Review = append(out.Review, d)
	}
	slices.SortFunc(out.Review, func(x, y Doubt) int {
		return cmp.Or(cmp.Compare(y.Bits, x.Bits), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	out.Review = out.questions()
	return out
}

// questions leaves out of the doubts those that the answers to stronger ones settle: of three groups that may be one person, two
// questions are asked and not three. Should an answer be no, what it leaves open is asked then.
func (p *Partition) questions() []Doubt {
	asked := newUnion(len(p.Group))
	return slices.DeleteFunc(p.Review, func(d Doubt) bool {
		a, b := p.Group[d.A], p.Group[d.B]
		if d.Verdict {
			return false
		}
		if asked.find(a) == asked.find(b) {
			return true
		}
		asked.join(a, b)
		return false
	})
}
