package mpi

import (
	"bytes"
	"cmp"
	"maps"
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
	p := &partitioning{m: m, nodes: nodes, policy: policy, apart: map[[2]int32]bool{}}
	p.begin(ties)
	p.connect(edges)
	for p.joinBest() {
	}
	return p.result()
}

// A partitioning is one run: groups by their smallest node, and the joints between groups that share an edge.
type partitioning struct {
	m       *Model
	nodes   []Features
	policy  Policy
	of      []int32           // node -> its group
	groups  map[int32][]int32 // group -> nodes, sorted
	apart   map[[2]int32]bool // nodes a steward keeps apart
	tied    union             // nodes that must be together
	anyTied bool
	tiedTo  map[int32]bool // nodes of a tie
	joints  map[[2]int32]*joint
	rank    []int32 // node -> its place by content, so that ties do not depend on order
}

// A joint is what is known between two groups.
type joint struct {
	a, b    int32 // groups, a < b
	best    [2]int32
	bits    Bits // of the best pair of nodes
	set     Set
	grade   Grade
	verdict bool
	margin  bool // another group fits nearly as well
}

func (p *partitioning) begin(ties []Tie) {
	n := len(p.nodes)
	p.tied, p.tiedTo = newUnion(n), map[int32]bool{}
	p.of, p.rank, p.groups, p.joints = make([]int32, n), make([]int32, n), make(map[int32][]int32, n), map[[2]int32]*joint{}
	content, order := make([][]byte, n), make([]int32, n)
	for i := range n {
		p.of[i], order[i] = int32(i), int32(i)
		p.groups[int32(i)] = []int32{int32(i)}
		content[i] = p.nodes[i].AppendTo(nil)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return bytes.Compare(content[a], content[b]) })
	for place, i := range order {
		p.rank[i] = int32(place)
		if place > 0 && bytes.Equal(content[i], content[order[place-1]]) {
			p.rank[i] = p.rank[order[place-1]]
		}
	}
	for _, t := range ties {
		switch t.Verdict {
		case MustLink:
			p.merge(p.of[t.A], p.of[t.B])
			p.tied.join(t.A, t.B)
			p.anyTied = true
			p.tiedTo[t.A], p.tiedTo[t.B] = true, true
		case CannotLink:
			p.apart[pairOf(t.A, t.B)] = true
		}
	}
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
	p.groups[a] = append(p.groups[a], p.groups[b]...)
	slices.Sort(p.groups[a])
	delete(p.groups, b)
}

// connect weighs every two groups that share an edge.
func (p *partitioning) connect(edges []Edge) {
	for _, e := range edges {
		a, b := p.of[e.A], p.of[e.B]
		if a == b {
			continue
		}
		j := p.joints[pairOf(a, b)]
		if j == nil {
			j = &joint{a: min(a, b), b: max(a, b), best: pairOf(e.A, e.B), bits: e.Bits}
			p.joints[pairOf(a, b)] = j
		} else if p.likelier(e.Bits, pairOf(e.A, e.B), j.bits, j.best) {
			j.best, j.bits = pairOf(e.A, e.B), e.Bits
		}
	}
	for _, j := range p.joints {
		p.weigh(j)
	}
}

// likelier orders pairs of nodes: more bits first, then by content.
func (p *partitioning) likelier(x Bits, a [2]int32, y Bits, b [2]int32) bool {
	if x != y {
		return x > y
	}
	ra, rb := pairOf(p.rank[a[0]], p.rank[a[1]]), pairOf(p.rank[b[0]], p.rank[b[1]])
	return cmp.Or(cmp.Compare(ra[0], rb[0]), cmp.Compare(ra[1], rb[1])) < 0
}

// weigh scores one group against another. Nodes that a steward or a site tied together show one face to a third: for each
// field the one most like it, and the veto of the kindest; that they contradict each other has been settled.
func (p *partitioning) weigh(j *joint) { p.weighGroups(j, p.groups[j.a], p.groups[j.b]) }

func (p *partitioning) weighGroups(j *joint, one, other []int32) {
	var sum profile
	faces := map[[2]int32]face{}
	for _, a := range one {
		for _, b := range other {
			c := Compare(&p.nodes[a], &p.nodes[b])
			vetoes := vetoesOf(&c, &p.nodes[a], &p.nodes[b])
			j.verdict = j.verdict || p.apart[pairOf(a, b)]
			if !p.anyTied {
				sum.add(p.m, &c, vetoes)
				continue
			}
			key := [2]int32{p.tied.find(a), p.tied.find(b)}
			f, seen := faces[key]
			if !seen {
				f.vetoes = vetoes
			} else if (vetoes == 0) != (f.vetoes == 0) {
				f.vetoes = 0
			} else {
				f.vetoes = min(f.vetoes, vetoes)
			}
			f.best.improve(&c)
			faces[key] = f
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(faces), func(x, y [2]int32) int {
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
	}) {
		f := faces[key]
		sum.add(p.m, &f.best, f.vetoes)
	}
	j.set = sum.score(p.m)
	j.grade = p.m.grade(&j.set)
}

// A face is what tied nodes show to others: the best agreement of each field, and what forbids all of them.
type face struct {
	best   Comparison
	vetoes veto
}

// open reports whether the policy would join j, its rivals aside.
func (p *partitioning) open(j *joint) bool {
	if j.verdict || j.set.vetoes&vetoHard != 0 || !p.policy.Batch && j.set.vetoes != 0 {
		return false
	}
	if p.policy.Batch {
		return j.set.Bits >= p.m.Prior+p.policy.Threshold
	}
	return j.grade == GradeCertain
}

// joinBest joins the two groups that belong together most; false means that none are left. Rivals are looked for from
// the likeliest joint down, and only until one has none.
func (p *partitioning) joinBest() bool {
	open := make([]*joint, 0, len(p.joints))
	near := map[int32][]*joint{} // joints by the groups they touch
	for _, j := range p.joints {
		j.margin = false
		if p.open(j) {
			open = append(open, j)
		}
		near[j.a], near[j.b] = append(near[j.a], j), append(near[j.b], j)
	}
	slices.SortFunc(open, func(x, y *joint) int {
		switch {
		case p.likelier(x.set.Bits, x.best, y.set.Bits, y.best):
			return -1
		case p.likelier(y.set.Bits, y.best, x.set.Bits, x.best):
			return 1
		}
		return 0
	})
	for _, j := range open {
		if !p.policy.Batch && (p.rivalled(j, near[j.a]) || p.rivalled(j, near[j.b])) {
			j.margin = true
			continue
		}
		p.join(j)
		return true
	}
	return false
}

// rivalled reports whether one of near, the joints of a group of j, fits j's side nearly as well and cannot be the
// other side.
func (p *partitioning) rivalled(j *joint, near []*joint) bool {
	for _, k := range near {
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
		between := p.joints[pairOf(third, other)]
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

// join merges j's groups and weighs the new one against the neighbours of both.
func (p *partitioning) join(j *joint) {
	into, gone := j.a, j.b
	if p.hasTie(into) || p.hasTie(gone) {
		// A person of several faces: who joins because of one of them contradicts the others as that one does.
		for _, i := range append(slices.Clone(p.groups[into]), p.groups[gone]...) {
			p.tied.join(j.best[0], i)
			p.tiedTo[i] = true
		}
	}
	p.merge(into, gone)
	delete(p.joints, [2]int32{into, gone})
	touched := map[[2]int32]*joint{}
	for key, k := range p.joints {
		if k.a != into && k.b != into && k.a != gone && k.b != gone {
			continue
		}
		delete(p.joints, key)
		other := k.a
		if other == into || other == gone {
			other = k.b
		}
		now := touched[pairOf(into, other)]
		if now == nil {
			touched[pairOf(into, other)] = &joint{a: min(into, other), b: max(into, other), best: k.best, bits: k.bits}
		} else if p.likelier(k.bits, k.best, now.bits, now.best) {
			now.best, now.bits = k.best, k.bits
		}
	}
	for key, k := range touched {
		p.weigh(k)
		p.joints[key] = k
	}
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
	numbers := make(map[int32]int32, len(p.groups))
	for i := range p.nodes {
		n, seen := numbers[p.of[i]]
		if !seen {
			n = int32(len(numbers))
			numbers[p.of[i]] = n
		}
		out.Group[i] = n
	}
	for _, j := range p.joints {
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
