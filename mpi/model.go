package mpi

import "math"

// A Model is the whole of what evidence is worth: for each field and level how likely it is among records of one
// person (m), of two strangers (u), of two relatives or members of one household, and of two twins; how common values
// are; and where the grades begin. Use [DefaultModel] or an estimated one; it is not changed once in use.
//
// Source: Fellegi and Sunter 1969, with classes for relatives and twins; README.md, "The model".
type Model struct {
	// ID names this model in link events and evidence.
	ID string
	// Prior is how many bits of evidence make a link as likely as not: the pairs of strangers to one pair of records of
	// one person, as log2.
	Prior Bits
	// Kin is how rare pairs of relatives, and pairs of twins, are among pairs of strangers, as log2.
	Kin [kinds]Bits
	// Certain, Probable and Possible are the evidence a grade needs at least; certain needs less where names and birth date agree as a whole.
	Certain, Probable, Possible Bits
	// Margin is by how much the best identity must beat the next to be certain.
	Margin Bits
	// Overlay: an update scoring below it against its own previous self looks like somebody else.
	Overlay Bits

	m, u table
	r    [kinds]table
	freq [numFields]*Frequencies

	// calibration, where it was measured, says what evidence is worth as a probability.
	calibration []CalibrationPoint

	// same and kin are m/u and r/u.
	same    table
	kin     [kinds]table
	kinOdds [kinds]float64
	// most is by how many times a value may be rarer than its field's average at a level.
	most table
}

// The kinds of relatives. Twins share their birth date and never their given name, which other relatives may: father and
// son.
const (
	relatives = iota
	twins
	kinds
)

// ratios are how many times likelier something is for each kind of relatives than for strangers.
type ratios [kinds]float64

func (r *ratios) times(other ratios) {
	for k := range r {
		r[k] *= other[k]
	}
}

// odds returns what is held against one person: 1 for strangers and what r adds for relatives.
func (r *ratios) odds() float64 {
	sum := 1.0
	for _, x := range r {
		sum += x
	}
	return sum
}

type table [numFields][maxLevels]float64

// finish computes what follows from the rest.
func (m *Model) finish() {
	for k := range kinds {
		m.kinOdds[k] = math.Exp2(float64(m.Kin[k]))
	}
	for f := range numFields {
		m.same[f][missing] = 1
		for l := 1; l < levelsOf(f); l++ {
			m.same[f][l] = m.m[f][l] / m.u[f][l]
			m.most[f][l] = mostRatio(f, level(l))
		}
		for k := range kinds {
			m.kin[k][f][missing] = 1
			for l := 1; l < levelsOf(f); l++ {
				m.kin[k][f][l] = m.r[k][f][l] / m.u[f][l]
			}
		}
	}
}

// exactLevels is the last level of a field whose values are equal as a whole, so that their frequency counts fully;
// behind it, half.
var exactLevels = [numFields]level{fieldGiven: givenExact, fieldMiddle: middleExact, fieldFamily: familyPart, fieldBirth: birthWeak,
	fieldSSN: ssnExact, fieldID: idEqual, fieldPhone: phoneEqual, fieldEmail: emailEqual, fieldAddress: addressNearStreet, fieldMember: memberEqual}

// likelihood returns how many times likelier c's level of f is for one person, and for relatives, than for strangers.
func (m *Model) likelihood(f field, c *Comparison) (same float64, kin ratios) {
	l := c.levels[f]
	same = m.same[f][l]
	for k := range kin {
		kin[k] = m.kin[k][f][l]
	}
	v := c.values[f]
	if v == (pairOfValues{}) || m.freq[f] == nil {
		return same, kin
	}
	u, near := m.u[f][l], l > exactLevels[f] || f == fieldFamily && l == familySpelling
	if near {
		u = m.u[f][1]
	}
	ratio := m.freq[f].ratio(f, v, u)
	if near {
		ratio = soften(ratio)
	}
	for k := range kin {
		kin[k] *= ratio
	}
	return same * ratio, kin
}

// weigh returns the evidence of c in bits. Relatives share much, so what speaks for one person is held against what would
// speak for two relatives.
func (m *Model) weigh(c *Comparison) Bits {
	same, kin := 1.0, ratios(m.kinOdds)
	for f := range numFields {
		if c.levels[f] != missing {
			s, k := m.likelihood(f, c)
			same *= s
			kin.times(k)
		}
	}
	return Bits(math.Log2(same / kin.odds()))
}

// A hurdle is an amount of evidence to reach: in bits, and as odds a little lower.
type hurdle struct {
	bits Bits
	odds float64
}

func hurdleAt(low Bits) hurdle {
	const almost = 0.01 // bits, for what rounding takes
	return hurdle{low, math.Exp2(float64(low) - almost)}
}

// mayReach reports whether c's evidence could be as much as h says, were its values as rare as can be. Most pairs fall short all the
// same, and then nobody counts their values: the more often likelier values make both one person and relatives, the more bits there are.
func (m *Model) mayReach(c *Comparison, h hurdle) bool {
	same, kin, rarity := 1.0, ratios(m.kinOdds), 1.0
	for f := range numFields {
		l := c.levels[f]
		same *= m.same[f][l]
		for k := range kin {
			kin[k] *= m.kin[k][f][l]
		}
		if c.values[f] != (pairOfValues{}) && m.freq[f] != nil {
			rarity *= m.most[f][l]
		}
	}
	for k := range kin {
		kin[k] *= rarity
	}
	return same*rarity >= h.odds*kin.odds()
}

// reaches reports whether c's evidence is as much as h says.
func (m *Model) reaches(c *Comparison, h hurdle) bool {
	return m.mayReach(c, h) && m.weigh(c) >= h.bits
}

// Score returns the evidence of c in bits.
func (m *Model) Score(c *Comparison) Bits { return m.weigh(c) }

// Probability returns how likely bits of evidence mean one person, given the prior; where m was calibrated, the share that was
// observed to.
func (m *Model) Probability(b Bits) Probability {
	if len(m.calibration) > 0 {
		return calibrated(m.calibration, b-m.Prior)
	}
	return Probability(1 / (1 + math.Exp2(float64(m.Prior-b))))
}

// setGrades sets where grades begin by the prior: certain at a thousand to one for one person, probable at eight to one,
// possible at one to thirty-two.
func (m *Model) setGrades() {
	m.Certain, m.Probable, m.Possible = m.Prior+8, m.Prior+3, m.Prior-5
}

// A Judgement is what the model says of one pair of records.
type Judgement struct {
	Bits        Bits
	Probability Probability
	// Match says that a link may stand unseen, NoMatch that the pair is likelier two persons than one; neither leaves it to
	// a steward.
	Match, NoMatch bool
	// Missing names the field without which it is no match, Vetoes what forbids it.
	Missing string
	Vetoes  []string
}

// matchOdds is the evidence above even odds from which a judged pair may be a match: sixteen to one.
const matchOdds = 4

// Judge grades one pair of records, taken by itself: a match needs, besides the evidence, what a certain link needs.
//
// Source: spec mpi-model section 1, "Gate".
func (m *Model) Judge(a, b *Features) Judgement {
	c := Compare(a, b)
	s := m.scorePair(&c)
	s.vetoes = vetoesOf(&c, a, b)
	j := Judgement{Bits: s.Bits, Probability: m.Probability(s.Bits), Missing: m.gap(&s), Vetoes: s.vetoes.names()}
	j.Match = s.Bits >= m.Prior+matchOdds && j.Missing == "" && s.vetoes == 0
	j.NoMatch = s.Bits < m.Prior
	return j
}
