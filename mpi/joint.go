package mpi

import (
	"cmp"
	"maps"
	"slices"
)

// A joint is what is known between two groups.
type joint struct {
	a, b    int32 // groups, a < b
	best    [2]int32
	bits    Bits    // of the best pair of nodes
	sum     profile // of all pairs of nodes; empty where ties make a group show one face
	set     Set
	grade   Grade
	verdict bool
	margin  bool // another group fits nearly as well
	half    bool // while its group grows: sum lacks the pairs with what is new
	gone    bool // merged into another joint, or its groups are one
}

// other returns the group j ties to group.
func (j *joint) other(group int32) int32 { return j.a + j.b - group }

// between returns the joint between two groups, nil for none.
func (p *partitioning) between(a, b int32) *joint {
	if len(p.near[a]) > len(p.near[b]) {
		a, b = b, a
	}
	for _, k := range p.near[a] {
		if j := &p.joints[k]; j.other(a) == b {
			return j
		}
	}
	return nil
}

// connect weighs every two groups that share an edge.
func (p *partitioning) connect(edges []Edge) {
	p.joints = slices.Grow(p.joints, len(edges))
	for _, e := range edges {
		a, b := p.of[e.A], p.of[e.B]
		if a == b {
			continue
		}
		if j := p.between(a, b); j == nil {
			k := int32(len(p.joints))
			p.joints = append(p.joints, joint{a: min(a, b), b: max(a, b), best: pairOf(e.A, e.B), bits: e.Bits})
			p.near[a], p.near[b] = append(p.near[a], k), append(p.near[b], k)
		} else {
			p.improve(j, e.Bits, pairOf(e.A, e.B))
		}
	}
	for k := range p.joints {
		p.weigh(&p.joints[k])
	}
}

// improve makes pair the best of j, if it is.
func (p *partitioning) improve(j *joint, bits Bits, pair [2]int32) {
	if p.likelier(bits, pair, j.bits, j.best) {
		j.best, j.bits = pair, bits
	}
}

// weigh scores one group against another. Nodes that a steward or a site tied together show one face to a third: for each
// field the one most like it, and the veto of the kindest; that they contradict each other has been settled.
func (p *partitioning) weigh(j *joint) { p.weighGroups(j, p.groups[j.a], p.groups[j.b]) }

func (p *partitioning) weighGroups(j *joint, one, other []int32) {
	j.sum = profile{}
	if p.anyTied {
		p.facing(j, one, other)
	} else {
		p.add(j, one, other)
	}
	p.score(j, one, other)
}

// score sets what j, between the nodes one and other, amounts to.
func (p *partitioning) score(j *joint, one, other []int32) {
	j.set = j.sum.score(p.m)
	if birth := j.set.Union.levels[fieldBirth]; birth > birthWeak && birth != birthMonth && birth != birthYear {
		j.set.bornApart = p.vouched(one, sameBirth) && p.vouched(other, sameBirth)
	}
	if j.set.Union.levels[fieldGiven] == givenDifferent {
		j.set.namedApart = p.vouched(one, sameGiven) && p.vouched(other, sameGiven) && !p.beginAlike(one, other)
	}
	j.grade = p.m.grade(&j.set)
}

// vouched reports whether two sites tell the same of a group.
func (p *partitioning) vouched(group []int32, same func(a, b *Features) bool) bool {
	for i, a := range group {
		for _, b := range group[:i] {
			if x, y := &p.nodes[a], &p.nodes[b]; x.source != y.source && x.source != 0 && y.source != 0 && same(x, y) {
				return true
			}
		}
	}
	return false
}

// beginAlike reports whether given names of two groups begin with one letter: they may be a name and a nickname that no table has.
func (p *partitioning) beginAlike(one, other []int32) bool {
	for _, a := range one {
		for _, b := range other {
			x, y := &p.nodes[a], &p.nodes[b]
			if x.nGivens != 0 && y.nGivens != 0 && x.givens[0].text[0] == y.givens[0].text[0] {
				return true
			}
		}
	}
	return false
}

func sameBirth(a, b *Features) bool { return a.Birth != 0 && a.Birth == b.Birth }

func sameGiven(a, b *Features) bool {
	return a.nGivens != 0 && b.nGivens != 0 && a.givens[0].n > 1 && a.givens[0].hash == b.givens[0].hash
}

// add adds to j what all pairs between two sets of nodes say.
func (p *partitioning) add(j *joint, one, other []int32) {
	for _, a := range one {
		for _, b := range other {
			c := Compare(&p.nodes[a], &p.nodes[b])
			j.verdict = j.verdict || p.apart[pairOf(a, b)]
			j.sum.add(p.m, &c, vetoesOf(&c, &p.nodes[a], &p.nodes[b]))
		}
	}
}

// facing adds to j what the faces of tied nodes say.
func (p *partitioning) facing(j *joint, one, other []int32) {
	faces := map[[2]int32]face{}
	for _, a := range one {
		for _, b := range other {
			c := Compare(&p.nodes[a], &p.nodes[b])
			vetoes := vetoesOf(&c, &p.nodes[a], &p.nodes[b])
			j.verdict = j.verdict || p.apart[pairOf(a, b)]
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
		j.sum.add(p.m, &f.best, f.vetoes)
	}
}

// A face is what tied nodes show to others: the best agreement of each field, and what forbids all of them.
type face struct {
	best   Comparison
	vetoes veto
}

// join merges the groups of joint k and weighs the new one against the neighbours of both. Profiles are sums over pairs, so
// those of the two parts are added up, and only pairs that had no joint are compared.
func (p *partitioning) join(k int32) {
	j := &p.joints[k]
	into, gone := j.a, j.b
	if p.hasTie(into) || p.hasTie(gone) {
		// A person of several faces: who joins because of one of them contradicts the others as that one does.
		for _, i := range slices.Concat(p.groups[into], p.groups[gone]) {
			p.tied.join(j.best[0], i)
			p.tiedTo[i] = true
		}
	}
	first, second := p.groups[into], p.groups[gone]
	p.merge(into, gone)
	j.gone = true
	isJ := func(x int32) bool { return x == k }
	p.near[into] = slices.DeleteFunc(p.near[into], isJ)
	moved := slices.DeleteFunc(p.near[gone], isJ)
	p.near[gone] = nil
	for _, i := range p.near[into] {
		p.joints[i].half = true
	}
	for _, i := range moved {
		own := &p.joints[i]
		third := own.other(gone)
		if both := p.between(into, third); both != nil {
			p.improve(both, own.bits, own.best)
			both.sum.join(&own.sum)
			both.verdict, both.half, own.gone = both.verdict || own.verdict, false, true
			p.near[third] = slices.DeleteFunc(p.near[third], func(x int32) bool { return x == i })
			continue
		}
		own.a, own.b = min(into, third), max(into, third)
		if !p.anyTied {
			p.add(own, first, p.groups[third])
		}
		p.near[into] = append(p.near[into], i)
	}
	for _, i := range p.near[into] {
		grown := &p.joints[i]
		if p.anyTied {
			p.weigh(grown)
		} else {
			if grown.half {
				p.add(grown, second, p.groups[grown.other(into)])
			}
			p.score(grown, p.groups[grown.a], p.groups[grown.b])
		}
		grown.half = false
	}
}
