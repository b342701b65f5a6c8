package mpi

import "math/bits"

// Names are compared in the order given, and crossed when the given name of one looks like the family name of
// the other. Crossed counts only when it fits much better, and costs the bits of its own field.

// worth ranks name levels for choosing between the two orders; it is no evidence.
var (
	worthGiven  = [...]int8{0, 8, 5, 5, 4, 2, 1, 1, -4}
	worthFamily = [...]int8{0, 8, 5, 5, 4, 1, -4}
)

// crossGain is by how much the crossed order must fit better.
const crossGain = 4

// compareNames sets the levels of given, family and name-order.
func (c *Comparison) compareNames(a, b *Features) {
	given, gv := compareGivens(a, b)
	family, fv := compareFamilies(a, b)
	if straight := worthGiven[given] + worthFamily[family]; straight < 10 {
		ab, x := compareCross(a, b)
		ba, y := compareCross(b, a)
		// both crossed names must agree, or be missing; one must be there
		crossed := worthFamily[ab] + worthFamily[ba]
		if ab != familyDifferent && ba != familyDifferent && ab+ba != 0 && crossed >= straight+crossGain {
			c.levels[fieldSwap] = pick(a.single() || b.single(), nameSingle, nameSwapped)
			// the pair with the clearer agreement stands for the family name, the other for the given
			if ba != missing && (ab == missing || ba < ab || ba == ab && y.less(x)) {
				ab, ba, x, y = ba, ab, y, x
			}
			c.levels[fieldFamily], c.values[fieldFamily] = ab, x
			c.levels[fieldGiven], c.values[fieldGiven] = asGiven[ba], y
			return
		}
	}
	c.levels[fieldGiven], c.values[fieldGiven] = given, gv
	c.levels[fieldFamily], c.values[fieldFamily] = family, fv
	if a.single() != b.single() && given|family != missing {
		c.levels[fieldSwap] = nameStraight
	}
}

// single reports whether only one kind of name is known, which may be of the other kind.
func (f *Features) single() bool { return (f.nGivens == 0) != (f.nFamilies == 0) }

// asGiven maps how a given name agrees with a family name to the levels of given names.
var asGiven = [...]level{missing, givenExact, givenNear, givenOneEdit, givenNear, givenSimilar, givenDifferent}

// compareGivens returns the best level over all pairs of given names in use, and the names that reach it.
func compareGivens(a, b *Features) (level, pairOfValues) {
	if a.nGivens == 0 || b.nGivens == 0 {
		return missing, pairOfValues{}
	}
	best, values := givenDifferent, pairOfValues{}
	for i := range a.nGivens {
		for j := range b.nGivens {
			x, y := &a.givens[i], &b.givens[j]
			if l := compareGivenTokens(x, y); l <= best && l != givenDifferent {
				if v := valuesOf(x.hash, y.hash); l < best || values == (pairOfValues{}) || v.less(values) {
					best, values = l, v
				}
			}
		}
	}
	if best > givenMiddle {
		if h := max(amongMiddles(a, b), amongMiddles(b, a)); h != 0 {
			return givenMiddle, pairOfValues{h, h}
		}
	}
	return best, values
}

func compareGivenTokens(a, b *token) level {
	x, y := a.bytes(), b.bytes()
	if a.hash == b.hash && string(x) == string(y) {
		if len(x) == 1 {
			return givenInitial
		}
		return givenExact
	}
	if len(x) == 1 || len(y) == 1 {
		return pick(x[0] == y[0], givenInitial, givenDifferent)
	}
	if a.nicks[0] != 0 && b.nicks[0] != 0 {
		for _, g := range a.nicks {
			if g != 0 && (g == b.nicks[0] || g == b.nicks[1] || g == b.nicks[2]) {
				return givenNickname
			}
		}
	}
	return [...]level{givenOneEdit, givenNear, givenSimilar, givenDifferent}[likeness(a, b)]
}

// likeness says how alike two different words are: 0 one edit, 1 close, 2 similar in letters or sound, 3 different.
func likeness(a, b *token) int {
	x, y := a.bytes(), b.bytes()
	n, longest := min(len(x), len(y)), max(len(x), len(y))
	sound := a.sound != 0 && a.sound == b.sound
	// words that share few letters need no closer look
	if apart := bits.OnesCount32(a.mask ^ b.mask); apart > 2+longest/2 {
		if sound {
			return 2
		}
		return 3
	}
	switch {
	case n >= 4 && oneEdit(x, y), n == 3 && longest == 3 && oneEdit(x, y) && x[0] == y[0], n == 3 && longest == 4 && oneEdit(x, y):
		return 0
	case n >= 3 && longest-n >= 1 && (string(x[:n]) == string(y[:n])):
		return 1 // cut short
	case n < 3:
		if sound {
			return 2
		}
		return 3
	}
	sim := jaroWinkler(x, y)
	switch {
	case sim >= 0.92, n >= 7 && sim >= 0.75 && editDistance(x, y) <= 2:
		return 1
	case sound, sim >= 0.82:
		return 2
	}
	return 3
}

// amongMiddles returns the hash of one of a's middle names that b goes by, or 0.
func amongMiddles(a, b *Features) uint32 {
	for i := range a.nMiddles {
		for j := range b.nGivens {
			if m := &a.middles[i]; m.n > 1 && m.hash == b.givens[j].hash {
				return m.hash
			}
		}
	}
	return 0
}

func compareMiddle(a, b *Features) (level, pairOfValues) {
	if a.nMiddles == 0 || b.nMiddles == 0 {
		return missing, pairOfValues{}
	}
	best, values := middleDifferent, pairOfValues{}
	for i := range a.nMiddles {
		for j := range b.nMiddles {
			l, s, t := middleDifferent, &a.middles[i], &b.middles[j]
			x, y := s.bytes(), t.bytes()
			switch {
			case s.hash == t.hash:
				l = pick(len(x) > 1, middleExact, middleInitial)
			case len(x) == 1 || len(y) == 1:
				l = pick(x[0] == y[0], middleInitial, middleDifferent)
			case likeness(s, t) <= 1, s.nicks[0] != 0 && s.nicks[0] == t.nicks[0]:
				l = middleNear
			}
			if l < best {
				best, values = l, valuesOf(s.hash, t.hash)
			}
		}
	}
	return best, values
}

// compareFamilies returns the best level over all family names, current and former.
func compareFamilies(a, b *Features) (level, pairOfValues) {
	if a.nFamilies == 0 || b.nFamilies == 0 {
		return missing, pairOfValues{}
	}
	best, values := familyDifferent, pairOfValues{}
	for i := range a.nFamilies {
		for j := range b.nFamilies {
			x, y := &a.families[i], &b.families[j]
			if l := compareFamilyTokens(x, y); l <= best && l != familyDifferent {
				if v := valuesOf(x.hash, y.hash); l < best || values == (pairOfValues{}) || v.less(values) {
					best, values = l, v
				}
			}
		}
	}
	return best, values
}

func compareFamilyTokens(a, b *token) level {
	part := (a.flags|b.flags)&flagPart != 0
	if a.hash == b.hash && a.n == b.n {
		return pick(part, familyPart, familyExact)
	}
	if part {
		return familyDifferent // parts count only whole
	}
	if a.n == 1 || b.n == 1 {
		return pick(a.text[0] == b.text[0], familySimilar, familyDifferent)
	}
	return [...]level{familyOneEdit, familyNear, familySimilar, familyDifferent}[likeness(a, b)]
}

// compareCross compares a's given names with b's family names.
func compareCross(a, b *Features) (level, pairOfValues) {
	if a.nGivens == 0 || b.nFamilies == 0 {
		return missing, pairOfValues{}
	}
	best, values := familyDifferent, pairOfValues{}
	for i := range a.nGivens {
		for j := range b.nFamilies {
			x, y := &a.givens[i], &b.families[j]
			l := familyDifferent
			switch {
			case x.n < 3 || y.n < 3:
			case x.hash == y.hash:
				l = familyExact
			case y.flags&flagPart == 0:
				if k := likeness(x, y); k < 2 {
					l = [...]level{familyOneEdit, familyNear}[k]
				}
			}
			if l < best {
				best, values = l, valuesOf(x.hash, y.hash)
			}
		}
	}
	return best, values
}
