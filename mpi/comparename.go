package mpi

import (
	"math/bits"
	"unicode/utf8"
)

// Names are compared in the order given, and crossed when the given name of one looks like the family name of
// the other. Crossed counts only when it fits much better, and costs the bits of its own field.

// worth ranks name levels for choosing between the two orders; it is no evidence.
var (
	worthGiven  = [...]int8{0, 8, 7, 5, 5, 5, 4, 2, 1, 1, -4}
	worthFamily = [...]int8{0, 8, 7, 5, 5, 4, 1, -4}
)

// crossGain is by how much the crossed order must fit better.
const crossGain = 4

// compareNames sets the levels of given, family and name-order.
func (c *Comparison) compareNames(a, b *Features) {
	given, gv := compareGivens(a, b)
	family, fv := compareFamilies(a, b)
	if family == familyDifferent && given >= givenExact && given <= givenNickname && a.doubled() != b.doubled() {
		family = missing // the given name keyed into both fields
	}
	if straight := worthGiven[given] + worthFamily[family]; straight < 10 {
		ab, x := compareCross(a, b)
		ba, y := compareCross(b, a)
		// both crossed names must agree, or be missing; one must be there
		crossed := worthFamily[ab] + worthFamily[ba]
		if ab != familyDifferent && ba != familyDifferent && ab+ba != 0 && crossed >= straight+crossGain {
			switch {
			case a.single() || b.single():
				c.levels[fieldSwap] = nameSingle
			case a.familyFirst() || b.familyFirst():
				c.levels[fieldSwap] = nameFamilyFirst
			default:
				c.levels[fieldSwap] = nameSwapped
			}
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
	c.twoNames = given >= givenOneEdit && given <= givenSimilar && a.knownGiven() && b.knownGiven()
	switch {
	case given|family == missing:
	case a.single() != b.single():
		c.levels[fieldSwap] = nameStraight
	case given != missing && family != missing && (a.familyFirst() || b.familyFirst()):
		c.levels[fieldSwap] = nameFamilyLast
	}
}

// knownGiven reports whether the given name in use is known to exist.
func (f *Features) knownGiven() bool { return f.nGivens > 0 && f.givens[0].flags&flagKnown != 0 }

// single reports whether only one kind of name is known, which may be of the other kind.
func (f *Features) single() bool { return (f.nGivens == 0) != (f.nFamilies == 0) }

// asGiven maps how a given name agrees with a family name to the levels of given names.
var asGiven = [...]level{missing, givenExact, givenSpelling, givenNear, givenOneEdit, givenNear, givenSimilar, givenDifferent}

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
	if best > givenSpelling {
		switch {
		case writtenApart(a, b):
			return givenSpelling, pairOfValues{a.givens[0].hash, a.givens[0].hash}
		case writtenApart(b, a):
			return givenSpelling, pairOfValues{b.givens[0].hash, b.givens[0].hash}
		}
	}
	if best > givenMiddle {
		if h := max(amongMiddles(a, b), amongMiddles(b, a)); h != 0 {
			return givenMiddle, pairOfValues{h, h}
		}
	}
	if best == givenDifferent && a.doubled() != b.doubled() {
		return missing, pairOfValues{}
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
	l := likeness(a, b)
	switch {
	case l < 3 && saidAlike(x, y):
		return givenSpelling
	case l == 0 && slipped(a, b):
		return givenKeyed
	}
	return [...]level{givenOneEdit, givenNear, givenSimilar, givenDifferent}[l]
}

// From which similarity in letters on two words are near, and similar; and near where they are long and no more than two edits apart.
const (
	nearJaro    = 0.92
	similarJaro = 0.82
	farJaro     = 0.75
)

// likeness says how alike two different words are: 0 one edit, 1 close, 2 similar in letters or sound, 3 different.
func likeness(a, b *token) int {
	x, y := a.bytes(), b.bytes()
	if x[0] >= utf8.RuneSelf || y[0] >= utf8.RuneSelf {
		return likenessOfSigns(x, y)
	}
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
	least := similarJaro // that would make a difference below
	if n >= 7 {
		least = farJaro
	} else if sound {
		least = nearJaro
	}
	sim := 0.0
	if mostAlike(a, b) >= least {
		sim = jaroWinkler(x, y)
	}
	switch {
	case sim >= nearJaro, n >= 7 && sim >= farJaro && editDistance(x, y) <= 2:
		return 1
	case sound, sim >= similarJaro:
		return 2
	}
	return 3
}

// likenessOfSigns is likeness for a script that is kept as it is. A Chinese character is a syllable with its meaning: another one makes another
// name, and children of a generation may share one of two.
func likenessOfSigns(x, y []byte) int {
	if n := min(len(x), len(y)); string(x[:n]) == string(y[:n]) || string(x[len(x)-n:]) == string(y[len(y)-n:]) {
		return 2
	}
	signs, other := 0, 0
	for len(x) > 0 && len(y) > 0 {
		r, i := utf8.DecodeRune(x)
		q, j := utf8.DecodeRune(y)
		if signs++; r != q {
			other++
		}
		x, y = x[i:], y[j:]
	}
	if len(x)+len(y) == 0 && signs >= 4 && other == 1 {
		return 0
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
	best, values, known := middleDifferent, pairOfValues{}, false
	for i := range a.nMiddles {
		for j := range b.nMiddles {
			l, s, t := middleDifferent, &a.middles[i], &b.middles[j]
			x, y := s.bytes(), t.bytes()
			switch {
			case s.hash == t.hash:
				l = pick(len(x) > 1, middleExact, middleInitial)
			case b.hasFamily(s.hash) || a.hasFamily(t.hash):
				continue // a family name that was put among the given ones
			case len(x) == 1 || len(y) == 1:
				l = pick(x[0] == y[0], middleInitial, middleDifferent)
			case likeness(s, t) <= 1, s.nicks[0] != 0 && s.nicks[0] == t.nicks[0]:
				l = middleNear
			}
			if known = true; l < best {
				best, values = l, valuesOf(s.hash, t.hash)
			}
		}
	}
	if !known {
		return missing, pairOfValues{}
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
	if best != familyExact && a.nFamilies+b.nFamilies > 2 {
		if h := max(rearranged(a, b), rearranged(b, a)); h != 0 {
			return familyExact, pairOfValues{h, h}
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
		// a part counts whole, or with one error where it is long enough
		return pick(min(a.n, b.n) >= 5 && oneEdit(a.bytes(), b.bytes()), familySimilar, familyDifferent)
	}
	if a.n == 1 || b.n == 1 {
		return pick(a.text[0] == b.text[0], familySimilar, familyDifferent)
	}
	if transcribed(a, b) {
		return familySpelling
	}
	l := likeness(a, b)
	switch {
	case l < 3 && saidAlike(a.bytes(), b.bytes()):
		return familySpelling
	case l == 3 && endsWith(a, b):
		return familySimilar
	}
	return [...]level{familyOneEdit, familyNear, familySimilar, familyDifferent}[l]
}

// endsWith reports whether one of two names is the end of the other: two names written as one, of which the other record has
// the second. The beginning is near anyway, as a name cut short.
func endsWith(a, b *token) bool {
	x, y := a.bytes(), b.bytes()
	if len(x) > len(y) {
		x, y = y, x
	}
	return len(x) >= 4 && len(y)-len(x) >= 4 && string(y[len(y)-len(x):]) == string(x)
}

// rearranged reports whether a double family name of the one stands with the other in its family and middle names:
// "García López" and given names "Ana García", family name "López". It returns the hash of the whole.
func rearranged(a, b *Features) uint32 {
	for j := 0; j < int(b.nFamilies); j++ {
		whole := &b.families[j]
		if whole.flags&flagPart != 0 {
			continue
		}
		parts, met, inFamily := 0, 0, false
		for k := j + 1; k < int(b.nFamilies) && b.families[k].flags&flagPart != 0; k++ {
			parts++
			family := a.hasFamily(b.families[k].hash)
			inFamily = inFamily || family
			if family || a.hasMiddle(b.families[k].hash) {
				met++
			}
		}
		if parts > 1 && met == parts && inFamily {
			return whole.hash
		}
	}
	return 0
}

func (f *Features) hasFamily(hash uint32) bool {
	for i := range f.nFamilies {
		if f.families[i].hash == hash {
			return true
		}
	}
	return false
}

func (f *Features) hasMiddle(hash uint32) bool {
	for i := range f.nMiddles {
		if f.middles[i].hash == hash {
			return true
		}
	}
	return false
}

// familyFirst reports whether the family name in use is of a people that writes it first.
func (f *Features) familyFirst() bool { return f.nFamilies > 0 && f.families[0].flags&flagKnown != 0 }

// compareFormer looks at records that know two family names each, as after a marriage: two that agree are hardly chance.
func compareFormer(a, b *Features) level {
	x, y, both := 0, 0, 0
	for i := range a.nFamilies {
		if a.families[i].flags&flagPart == 0 {
			x++
			for j := range b.nFamilies {
				if b.families[j].flags&flagPart == 0 && a.families[i].hash == b.families[j].hash {
					both++
				}
			}
		}
	}
	for j := range b.nFamilies {
		if b.families[j].flags&flagPart == 0 {
			y++
		}
	}
	switch {
	case both > 1:
		return formerEqual
	case x > 1 && y > 1:
		return formerDifferent
	}
	return missing
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
			case x.n < 2 || y.n < 2:
			case x.hash == y.hash:
				l = familyExact
			case x.flags&flagPart != 0 && transcribedAs(x, y):
				l = familySpelling
			case x.n < 3 || y.n < 3:
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
