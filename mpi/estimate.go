package mpi

import (
	"context"
	"math"
)

// An observation is one pair as the estimation sees it: levels, and how much rarer than usual the agreed values are.
type observation struct {
	levels [numFields]level
	rarity [numFields]float32 // 1 where frequency plays no part
}

func (m *Model) observe(c *Comparison) observation {
	o := observation{levels: c.levels}
	for f := range numFields {
		o.rarity[f] = 1
		if c.levels[f] != missing {
			if s, _ := m.likelihood(f, c); m.same[f][c.levels[f]] > 0 {
				o.rarity[f] = float32(s / m.same[f][c.levels[f]])
			}
		}
	}
	return o
}

// Bounds that keep an estimate from learning households, or a file's quirks, for persons.
//
// Source: spec mpi-model section 2; moj-analytical-services/splink issue 1817.
const (
	priorPairs    = 50  // pairs the defaults count as in m
	priorKinPairs = 500 // and in r
	emSteps       = 12
	surely        = 0.95 // how sure the other fields must be before a field learns from a pair
	leastMatches  = 0.01 // pairs of one person, a record
	mostMatches   = 20
)

// Pairs of relatives, and of twins, a record.
var (
	leastKin = ratios{relatives: 0.08, twins: 0.003}
	mostKin  = ratios{relatives: 3, twins: 0.1}
)

// mostDifferent bounds how often a field may differ among records of one person.
var mostDifferent = [numFields]float64{fieldGiven: .10, fieldMiddle: .30, fieldFamily: .20, fieldSuffix: .10, fieldBirth: .15, fieldOrder: .05,
	fieldSex: .10, fieldSSN: .12, fieldID: .12, fieldPhone: .6, fieldEmail: .6, fieldAddress: .6, fieldMaiden: .3, fieldDeath: .2, fieldSource: 1,
	fieldSwap: .1, fieldGuardian: .5, fieldMember: .5, fieldFormer: .5}

// learnsKin are the fields whose r is learnt.
const learnsKin = 1<<fieldFamily | 1<<fieldAddress | 1<<fieldPhone | 1<<fieldEmail | 1<<fieldBirth | 1<<fieldSource | 1<<fieldGuardian | 1<<fieldMaiden | 1<<fieldMember

// estimate fits m and the relatives' tables to observed candidate pairs, each standing for scale pairs, of n records;
// u stays. It returns ctx's error when that ends before.
func (m *Model) estimate(ctx context.Context, pairs []observation, scale float64, n int) error {
	strangers := float64(n) * float64(n-1) / 2
	records := float64(n)
	for range emSteps {
		// parts of a fixed size, added up in their order: the sums do not depend on how many processors there are
		parts := make([]expected, (len(pairs)+expectedAtOnce-1)/expectedAtOnce)
		err := spread(ctx, len(pairs), expectedAtOnce, func(_, from, to int) {
			m.expect(&parts[from/expectedAtOnce], pairs[from:to])
		})
		if err != nil {
			return err
		}
		var sum expected
		for i := range parts {
			sum.add(&parts[i])
		}
		matches := min(mostMatches*records, max(leastMatches*records, sum.matches*scale))
		m.Prior = Bits(math.Log2(strangers / matches))
		for k := range sum.kins {
			m.Kin[k] = Bits(math.Log2(min(mostKin[k]*records, max(leastKin[k]*records, sum.kins[k]*scale)) / strangers))
		}
		m.purge(&sum)
		for f := range numFields {
			m.learn(f, &sum.same, &sum.kin)
		}
		m.finish()
	}
	return nil
}

// expectedAtOnce is how many pairs are added up at a time.
const expectedAtOnce = 1 << 13

// expected is how often each level is to be expected among pairs of one person and of relatives, and how many of those
// there are, under the model as it is.
type expected struct {
	same    table
	kin     [kinds]table
	matches float64
	kins    ratios
	// strange and alien are how many of the pairs in same are of strangers, and of relatives, all the same, field by field.
	strange [numFields]float64
	alien   [numFields]ratios
}

func (e *expected) add(other *expected) {
	for f := range numFields {
		for l := range e.same[f] {
			e.same[f][l] += other.same[f][l]
			for k := range e.kin {
				e.kin[k][f][l] += other.kin[k][f][l]
			}
		}
	}
	for f := range numFields {
		e.strange[f] += other.strange[f]
		for k := range e.alien[f] {
			e.alien[f][k] += other.alien[f][k]
		}
	}
	e.matches += other.matches
	for k := range e.kins {
		e.kins[k] += other.kins[k]
	}
}

// hold counts a pair at level l of f, held for one person by all else; strangers and kin are what total holds against that.
func (e *expected) hold(f field, l level, total float64, kin *ratios) {
	e.same[f][l]++
	if apart(f, l) {
		return
	}
	e.strange[f] += 1 / total
	for k := range kin {
		e.alien[f][k] += kin[k] / total
	}
}

// expect adds pairs to e.
func (m *Model) expect(e *expected, pairs []observation) {
	odds := math.Exp2(-float64(m.Prior))
	for i := range pairs {
		o := &pairs[i]
		same, kin := m.odds(o, odds)
		total := same + kin.odds()
		e.matches += same / total
		for k := range e.kins {
			e.kins[k] += kin[k] / total
		}
		e.same[fieldSwap][missing] += same / total
		for f := range numFields {
			l := o.levels[f]
			if l == missing {
				continue
			}
			// what the other fields say: a field does not vouch for itself, and only where they leave no doubt
			rarity := float64(o.rarity[f])
			rest, restKin := same/(m.same[f][l]*rarity), kin
			for k := range restKin {
				restKin[k] /= m.kin[k][f][l] * rarity
			}
			total := rest + restKin.odds()
			if rest > surely*total {
				e.hold(f, l, total, &restKin)
			}
			if learnsKin&(1<<f) != 0 {
				for k := range restKin {
					e.kin[k][f][l] += restKin[k] / total
				}
			}
		}
	}
}

// purge takes from what pairs held for one person show what those among them would show that are not. All but the given name speaks for twins as it does
// for one person; were they counted, one person's given names would seem to differ as often as there are twins, and twins would be joined.
func (m *Model) purge(e *expected) {
	for f := range numFields {
		if f == fieldSwap {
			continue
		}
		for l := level(1); int(l) < levelsOf(f); l++ {
			if apart(f, l) {
				continue
			}
			others := e.strange[f] * m.u[f][l]
			for k := range kinds {
				others += e.alien[f][k] * m.r[k][f][l]
			}
			e.same[f][l] = max(0, e.same[f][l]-others)
		}
	}
}

// odds returns how many times likelier than of strangers o is of one person, whose odds before are given, and of relatives.
func (m *Model) odds(o *observation, before float64) (same float64, kin ratios) {
	same, kin = before, ratios(m.kinOdds)
	for f := range numFields {
		if l := o.levels[f]; l != missing {
			rarity := float64(o.rarity[f])
			same *= m.same[f][l] * rarity
			for k := range kin {
				kin[k] *= m.kin[k][f][l] * rarity
			}
		}
	}
	return same, kin
}

// learn sets field f's tables from weighted counts.
func (m *Model) learn(f field, sums *table, kinSums *[kinds]table) {
	if f == fieldSwap { // its other level is "missing"
		m.m[f][nameSwapped] = (sums[f][nameSwapped] + priorPairs*defaultM[f][nameSwapped]) / (sums[f][missing] + priorPairs)
		either := sums[f][nameFamilyFirst] + sums[f][nameFamilyLast] + priorPairs
		for _, l := range [...]level{nameFamilyFirst, nameFamilyLast} {
			m.m[f][l] = (sums[f][l] + priorPairs*defaultM[f][l]) / either
		}
		single := sums[f][nameSingle] + sums[f][nameStraight] + priorPairs
		m.m[f][nameSingle] = (sums[f][nameSingle] + priorPairs*defaultM[f][nameSingle]) / single
		return
	}
	m.m[f] = blend(f, sums[f], defaultM[f], priorPairs)
	if learnsKin&(1<<f) != 0 {
		for k := range kinds {
			if k == relatives || f != fieldBirth { // twins are born on one day by definition
				m.r[k][f] = blend(f, kinSums[k][f], defaultR[k][f], priorKinPairs)
			}
		}
	}
	m.bound(f)
}

// apart reports whether a level is met only where a value is known in part: its worth is that of agreement as far as known,
// and it takes no part in the field's distribution.
func apart(f field, l level) bool {
	return f == fieldBirth && (l == birthMonth || l == birthYear) || f == fieldSSN && l == ssnLast4Equal ||
		f == fieldGiven && l == givenInitial || f == fieldMiddle && l == middleInitial
}

// blend is the distribution of counts and of prior pairs spread as before.
func blend(f field, counts, before [maxLevels]float64, prior float64) [maxLevels]float64 {
	total, was := 0.0, 0.0
	for l := level(1); int(l) < levelsOf(f); l++ {
		total += counts[l]
		if !apart(f, l) {
			was += before[l]
		}
	}
	out := before
	for l := level(1); int(l) < levelsOf(f); l++ {
		if !apart(f, l) {
			out[l] = (counts[l] + prior*before[l]/was) / (total + prior)
		}
	}
	return out
}

// remote is how many times oftener one person's birth dates that differ are a generation apart than not, at most: of dates put in another's place
// at random in a lifetime of a hundred years, three of four are. What is oftener is father and son.
const remote = 3

// bound keeps f's estimate within reason: full agreement never speaks for strangers or relatives, difference never for
// one person, and difference is no rule among records of one person.
func (m *Model) bound(f field) {
	last := levelsOf(f) - 1
	if f == fieldSwap || f == fieldSource {
		return
	}
	if over := m.m[f][last] - mostDifferent[f]; over > 0 {
		m.m[f][last] -= over
		m.m[f][1] += over
	}
	if f == fieldBirth {
		if over := m.m[f][birthGeneration] - remote*m.m[f][birthDifferent]; over > 0 {
			m.m[f][birthGeneration] -= over
			m.m[f][birthExact] += over
		}
		m.m[f][birthDifferent] = min(m.m[f][birthDifferent], m.u[f][birthDifferent], m.r[relatives][f][birthDifferent], mostDifferent[f])
	}
	m.m[f][1] = max(m.m[f][1], m.u[f][1])
	m.m[f][last] = min(m.m[f][last], m.u[f][last])
	for k := range kinds {
		if k == relatives || f != fieldBirth {
			m.m[f][1] = max(m.m[f][1], m.r[k][f][1])
			m.m[f][last] = min(m.m[f][last], m.r[k][f][last])
		}
	}
}

// learnStrangers sets u from random pairs, each weighed by how surely they are strangers under m as it is.
func (m *Model) learnStrangers(pairs []observation) {
	odds := math.Exp2(-float64(m.Prior))
	var sums table
	for i := range pairs {
		o := &pairs[i]
		same, kin := m.odds(o, odds)
		w := 1 / (same + kin.odds())
		for f := range numFields {
			if l := o.levels[f]; l != missing {
				sums[f][l] += w
			}
		}
	}
	for f := range numFields {
		if f == fieldSwap {
			continue
		}
		m.u[f] = blend(f, sums[f], defaultU[f], priorPairs)
		m.bound(f)
	}
	m.finish()
}
