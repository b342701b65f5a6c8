package mpi

import "math"

// stable are the fields that do not change in a life, so that a contradiction in one counts against every
// member of a person it is found in.
const stable = 1<<fieldGiven | 1<<fieldSuffix | 1<<fieldBirth | 1<<fieldOrder | 1<<fieldSSN | 1<<fieldID | 1<<fieldDeath

// contradiction returns the bits, 0 or negative, by which c's stable fields speak against one person.
func (m *Model) contradiction(c *Comparison) Bits {
	sum := 0.0
	for f := range numFields {
		if s := m.same[f][c.levels[f]]; s < 1 && stable&(1<<f) != 0 {
			sum += math.Log2(s)
		}
	}
	return Bits(sum)
}

// A profile adds up what all pairs between two groups of records say. For each field it keeps the mean likelihood ratio
// over the pairs that know it, so that evidence spread over the members of a group counts once; beside it the mean of
// the pairs' own evidence, so that a bridge record cannot chain two persons together.
type profile struct {
	same   [numFields]float64
	kin    [numFields]ratios
	known  [numFields]uint32
	pairs  uint32
	bits   float64 // each at most clip above the prior
	vetoes veto
	// best holds for each field the level of the pair that agrees best: what a gate looks at.
	best Comparison
	// differs has a bit for each field in which some pair differs outright.
	differs uint32
	// names tells whether one word is all that given and family names have in common.
	names oneWord
}

// clip bounds what one pair says for itself above the prior.
const clip = 15

// oneByOne is the weight of the members one by one beside the profile of the whole.
const oneByOne = 0.25

func (p *profile) add(m *Model, c *Comparison, vetoes veto) {
	same, kin := 1.0, ratios(m.kinOdds)
	for f := range numFields {
		if c.levels[f] == missing {
			continue
		}
		s, k := m.likelihood(f, c)
		p.same[f] += s
		for i := range k {
			p.kin[f][i] += k[i]
		}
		p.known[f]++
		if int(c.levels[f]) == levelsOf(f)-1 {
			p.differs |= 1 << f
		}
		same *= s
		kin.times(k)
	}
	p.names.add(c)
	p.best.improve(c)
	p.pairs++
	p.bits += min(clip+float64(m.Prior), math.Log2(same/kin.odds()))
	p.vetoes |= vetoes
}

// join adds what q's pairs say.
func (p *profile) join(q *profile) {
	for f := range numFields {
		p.same[f] += q.same[f]
		for i := range p.kin[f] {
			p.kin[f][i] += q.kin[f][i]
		}
		p.known[f] += q.known[f]
	}
	p.names.join(q.names)
	p.best.improve(&q.best)
	p.pairs += q.pairs
	p.bits += q.bits
	p.vetoes |= q.vetoes
	p.differs |= q.differs
}

// A Set is a record scored against all records of a person, or two groups of records: Union holds, for each field, the
// best agreement of any pair; Bits is the whole score.
//
// Source: spec mpi section 6, 5 (cluster score); section 7 scenarios 5 and 7.
type Set struct {
	Union Comparison
	// Consistency is what the members say one by one beyond, or, negative, short of, their profile as a whole; 0 for a pair.
	Consistency Bits
	// Bits is the whole score.
	Bits Bits
	// fields are the bits of each field, kin what is held against them because relatives share much.
	fields [numFields]Bits
	kin    Bits
	vetoes veto
	// differs is as in profile.
	differs uint32
	// bornApart is set when each side's birth date was told by two sites, and they differ: an error is not made twice. namedApart is the
	// same of given names that differ outright.
	bornApart, namedApart bool
}

// twoTold reports whether two sites each tell of two persons: by their given names, or by birth dates that no slip explains. A number shared
// beside a birth date that agrees outweighs names: somebody is called otherwise.
func (s *Set) twoTold() bool {
	l := &s.Union.levels
	number := l[fieldSSN] == ssnExact || l[fieldID] == idEqual
	born := l[fieldBirth] >= birthExact && l[fieldBirth] <= birthOneDigit
	return s.namedApart && !(number && born) || s.bornApart && l[fieldBirth] >= birthTwoDigits && !number
}

// score returns p's evidence: the profile, drawn a quarter of the way towards the mean of its pairs.
func (p *profile) score(m *Model) Set {
	s := Set{Union: p.best, vetoes: p.vetoes, differs: p.differs}
	if p.pairs == 0 {
		return s
	}
	whole, kin := 0.0, ratios(m.kinOdds)
	for f := range numFields {
		if f == fieldFamily && p.names.twice() {
			continue // the word counts as the given name
		}
		if n := float64(p.known[f]); n > 0 {
			b := math.Log2(p.same[f] / n)
			s.fields[f] = Bits(b)
			whole += b
			for i := range kin {
				kin[i] *= p.kin[f][i] / n
			}
		}
	}
	s.kin = -Bits(math.Log2(kin.odds()))
	whole += float64(s.kin)
	if p.pairs > 1 {
		s.Consistency = Bits((p.bits/float64(p.pairs) - whole) * oneByOne)
	}
	s.Bits = Bits(whole) + s.Consistency
	s.settleVetoes()
	return s
}

// scorePair is the score of one pair, compared as c.
func (m *Model) scorePair(c *Comparison) Set {
	var p profile
	p.add(m, c, 0)
	return p.score(m)
}

// ScoreSet scores r against members. It does not change them. No members give the zero Set.
func (m *Model) ScoreSet(r *Features, members []Features) Set {
	var p profile
	for i := range members {
		c := Compare(r, &members[i])
		p.add(m, &c, vetoesOf(&c, r, &members[i]))
	}
	return p.score(m)
}

// settleVetoes drops vetoes found for want of something that another member knows: which of several newborns a nameless
// record is, or that the one goes by the other's given or middle name as well.
func (s *Set) settleVetoes() {
	if given := s.Union.levels[fieldGiven]; given >= givenExact && given <= givenKeyed || given == givenMiddle {
		s.vetoes &^= vetoGiven
	}
	if s.Union.levels[fieldOrder] == orderEqual {
		s.vetoes &^= vetoNewborn
	}
}

// evidence returns the waterfall of s: its rows add up to s.Bits.
func (m *Model) evidence(s *Set) []Evidence {
	var out []Evidence
	for f := range numFields {
		if l := s.Union.levels[f]; l != missing {
			out = append(out, Evidence{Field: fieldNames[f], Level: levelNames[f][l], Bits: s.fields[f]})
		}
	}
	if s.kin < -0.005 {
		out = append(out, Evidence{Field: "household", Level: "ceiling", Bits: s.kin})
	}
	if s.Consistency != 0 {
		out = append(out, Evidence{Field: "consistency", Level: "members disagree", Bits: s.Consistency})
	}
	return out
}
