package mpi

import "slices"

// household are the fields a family shares. What they add together is bounded by Model.Household, and it
// never makes a match certain by itself.
const household = 1<<fieldFamily | 1<<fieldAddress | 1<<fieldPhone | 1<<fieldEmail | 1<<fieldMaiden

// stable are the fields that do not change in a life, so that a contradiction in one counts against every
// member of a person it is found in.
const stable = 1<<fieldGiven | 1<<fieldSuffix | 1<<fieldBirth | 1<<fieldOrder | 1<<fieldSSN | 1<<fieldID | 1<<fieldDeath

// Score returns the evidence of c in bits, the household bounded.
func (w *Model) Score(c *Comparison) Bits {
	var individual, shared, against Bits
	for f := range numFields {
		b := w.bits[f][c.levels[f]]
		switch {
		case household&(1<<f) == 0:
			individual += b
		case b > 0:
			shared += b
		default:
			against += b
		}
	}
	return individual + min(shared, w.Household) + against
}

// contradiction returns the bits, 0 or negative, by which c's stable fields speak against one person.
func (w *Model) contradiction(c *Comparison) Bits {
	var sum Bits
	for f := range numFields {
		if b := w.bits[f][c.levels[f]]; b < 0 && stable&(1<<f) != 0 {
			sum += b
		}
	}
	return sum
}

// A Set is a record scored against all records of a person: Union holds, for each field, the best agreement
// with any of them; Consistency, 0 or negative, is how much more the members contradict than the union shows,
// at their lower quartile, so that a record resembling one member cannot chain two people together.
//
// Source: spec mpi section 6, 5 (cluster score); section 7 scenarios 5 and 7.
type Set struct {
	Union       Comparison
	Consistency Bits
	// Bits is the whole score.
	Bits Bits
	// vetoes found with any member.
	vetoes veto
}

// ScoreSet scores r against members. It does not change them. No members give the zero Set.
func (w *Model) ScoreSet(r *Features, members []Features) Set {
	if len(members) == 0 {
		return Set{}
	}
	var s Set
	var buf [32]Bits
	against := buf[:0]
	for i := range members {
		c := Compare(r, &members[i])
		against = append(against, w.contradiction(&c))
		s.vetoes |= vetoesOf(&c, r, &members[i])
		for f := range numFields {
			was := s.Union.levels[f]
			if now := c.levels[f]; now != missing && (was == missing || w.bits[f][now] > w.bits[f][was]) {
				s.Union.levels[f] = now
			}
		}
	}
	slices.Sort(against)
	quartile := against[(len(against)-1)/4]
	s.Consistency = min(0, quartile-w.contradiction(&s.Union))
	s.Bits = w.Score(&s.Union) + s.Consistency
	return s
}

// evidence returns the waterfall of s: its rows add up to s.Bits.
func (w *Model) evidence(s *Set) []Evidence {
	var out []Evidence
	var shared Bits
	for f := range numFields {
		l := s.Union.levels[f]
		if l == missing {
			continue
		}
		b := w.bits[f][l]
		out = append(out, Evidence{Field: fieldNames[f], Level: levelNames[f][l], Bits: b})
		if household&(1<<f) != 0 && b > 0 {
			shared += b
		}
	}
	if shared > w.Household {
		out = append(out, Evidence{Field: "household", Level: "ceiling", Bits: w.Household - shared})
	}
	if s.Consistency != 0 {
		out = append(out, Evidence{Field: "consistency", Level: "members disagree", Bits: s.Consistency})
	}
	return out
}
