package mpi

import (
	"math"
	"math/bits"
)

// A sight bounds by two glances what a comparison of the whole records would say, under one model. Of each field it takes the levels
// that are possible beside what is seen, and of those the most that they may be worth; so what it finds too little is too little.
//
// Source: the bits of a pair are -log2(1/S + Σ K/S), S and K being the products of Model.likelihood's ratios for one person and for each
// kind of relatives. S and S/K are products over the fields, and the most of a product is at most the product of the most.
type sight struct {
	low   int64 // what each part of a worth must reach
	start worth // what any two records have

	given                                   [givenOutcomes]worth
	middle, middleOrNone                    [middleOutcomes]worth
	family                                  [familyOutcomes]worth
	former, anyNames, familyLast            worth
	birth                                   [birthOutcomes]worth
	birthPart                               worth
	sex, suffix, source                     [2]worth // other, equal
	ssn                                     [4]worth // by digits apart, three and more together
	last4                                   [2]worth // other, equal
	died, order                             worth
	numberAny                               worth
	memberAny, memberNear, memberApart      worth
	phone                                   [4]worth // by digits apart, three and more together
	phones, mails, addresses                worth
	mail                                    [3]worth // other, alike, equal
	address                                 [maxLevels]worth
	maiden, guardian                        [2]worth   // other, equal
	byGiven, byFamily, byMiddle             [256]worth // what a value as common as that adds where it is equal
	byGivenNear, byFamilyNear, byMiddleNear [256]worth // where it is nearly
	byAddress                               [maxLevels][256]worth
}

// What may be seen of a name.
const (
	givenSame    = iota
	givenPerhaps // the same, and the names behind it may make it another one
	givenAlike   // not the same
	givenFar
	givenOutcomes
)

const (
	middleSame   = iota
	middleLetter // the same initial
	middleAny
	middleBegins // perhaps the other's initial
	middleAlike
	middleFar
	middleOutcomes
)

const (
	familySame = iota
	familyAny
	familyAlike // not the same
	familyFar
	familyOutcomes
)

// What may be seen of birth dates: in how many digits they differ, three and more together, which of year, month and day are equal, and
// whether one of them is a first of January or, of equal ones, often put for "only the year is known"; and what may have changed places.
const (
	birthSpecial = 1 << iota
	birthSlip    // two neighbouring digits, which may have changed places
	birthTurned
	birthDay
	birthMonthEqual
	birthYearEqual
	birthDigit
	birthOutcomes = 4 * birthDigit
)

// A worth holds for one person against strangers, and for one person against each kind of relatives, the most that something may be
// worth, in bits times worthScale, worthBits each: so worths are added up as numbers.
type worth int64

const (
	worthBits  = 21
	worthScale = 256
	mostWorth  = 150 // bits: more in one field, as where no relatives agree at all, outweighs all that the others may say
	leastWorth = -40
)

func worthOf(bits [1 + kinds]float64) worth {
	var w worth
	for i, b := range bits {
		w += worth(math.Ceil(min(mostWorth, max(leastWorth, b))*worthScale)) << (i * worthBits)
	}
	return w
}

// least returns the smallest part of w.
func (w worth) least() int64 {
	x, least := int64(w), int64(math.MaxInt64)
	for range 1 + kinds {
		part := x << (64 - worthBits) >> (64 - worthBits)
		least = min(least, part)
		x = (x - part) >> worthBits
	}
	return least
}

// mostOf returns the most that levels of f may be worth; rare says that their values may be as rare as can be.
func (m *Model) mostOf(f field, rare bool, levels ...level) worth {
	out := [1 + kinds]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1)}
	for _, l := range levels {
		same := m.same[f][l]
		rarity := 1.0
		if rare && l != missing && m.freq[f] != nil {
			rarity = max(1, m.most[f][l])
		}
		out[0] = max(out[0], math.Log2(same*rarity))
		for k := range kinds {
			if kin := m.kin[k][f][l]; kin > 0 {
				out[1+k] = max(out[1+k], math.Log2(same/kin))
			} else {
				out[1+k] = math.Inf(1)
			}
		}
	}
	return worthOf(out)
}

// lowOf is bits as a part of a worth, a little less: for what is added up otherwise than by weigh.
func lowOf(bits Bits) int64 {
	const rounding = 0.02
	return int64(math.Floor((float64(bits) - rounding) * worthScale))
}

// allLevels returns f's levels from a level on.
func allLevels(f field, from level) []level {
	var out []level
	for l := from; int(l) < levelsOf(f); l++ {
		out = append(out, l)
	}
	return out
}

// sight returns what m makes of glances where a hurdle is to be reached.
func (m *Model) sight(h hurdle) *sight {
	s := &sight{low: lowOf(h.bits)}
	start := [1 + kinds]float64{}
	for k := range kinds {
		start[1+k] = -math.Log2(m.kinOdds[k])
	}
	s.start = worthOf(start)
	anything := func(f field) worth { return m.mostOf(f, true, allLevels(f, missing)...) }
	known := func(f field) worth { return m.mostOf(f, true, allLevels(f, 1)...) }
	m.sightOfNames(s, anything)
	m.sightOfBirth(s)
	for i := range 2 {
		s.sex[i] = m.mostOf(fieldSex, false, pick(i == 1, sexEqual, sexDifferent))
		s.suffix[i] = m.mostOf(fieldSuffix, false, pick(i == 1, suffixEqual, suffixDifferent))
		s.source[i] = m.mostOf(fieldSource, false, pick(i == 1, sourceSame, sourceOther))
		s.maiden[i] = m.mostOf(fieldMaiden, false, allLevels(fieldMaiden, pick(i == 1, maidenEqual, maidenNear))...)
		s.guardian[i] = m.mostOf(fieldGuardian, false, allLevels(fieldGuardian, pick(i == 1, guardianEqual, guardianNear))...)
	}
	s.ssn = [...]worth{m.mostOf(fieldSSN, true, ssnExact, ssnOneDigit), m.mostOf(fieldSSN, true, ssnOneDigit, ssnTwoDigits),
		m.mostOf(fieldSSN, true, ssnOneDigit, ssnTwoDigits, ssnDifferent), m.mostOf(fieldSSN, true, ssnDifferent)}
	s.last4 = [...]worth{m.mostOf(fieldSSN, true, ssnDifferent), m.mostOf(fieldSSN, true, ssnLast4Equal)}
	s.died, s.order = anything(fieldDeath), anything(fieldOrder)
	s.numberAny = anything(fieldID)
	s.memberAny, s.memberNear = anything(fieldMember), m.mostOf(fieldMember, true, memberNear, memberDifferent)
	s.memberApart = m.mostOf(fieldMember, true, memberDifferent)
	near := m.mostOf(fieldPhone, true, phoneNear, phoneDifferent)
	s.phone = [...]worth{m.mostOf(fieldPhone, true, phoneEqual, phoneNear), near, near, m.mostOf(fieldPhone, true, phoneDifferent)}
	s.mail = [...]worth{m.mostOf(fieldEmail, true, emailDifferent), m.mostOf(fieldEmail, true, emailNear, emailDifferent), m.mostOf(fieldEmail, true, emailOwn, emailEqual)}
	s.phones, s.mails, s.addresses = known(fieldPhone), known(fieldEmail), anything(fieldAddress)
	for l := addressExact; int(l) < levelsOf(fieldAddress); l++ {
		s.address[l] = m.mostOf(fieldAddress, false, l)
		s.byAddress[l] = m.byCommonness(fieldAddress, l)
	}
	return s
}

func (m *Model) sightOfNames(s *sight, anything func(field) worth) {
	except := func(f field, not level) []level { return append(allLevels(f, not+1), missing) }
	s.given = [...]worth{givenSame: m.mostOf(fieldGiven, false, givenExact), givenPerhaps: m.mostOf(fieldGiven, false, givenExact, givenSimilar),
		givenAlike: m.mostOf(fieldGiven, false, except(fieldGiven, givenExact)...), givenFar: m.mostOf(fieldGiven, false, givenDifferent)}
	s.family = [...]worth{familySame: m.mostOf(fieldFamily, false, familyExact), familyAny: anything(fieldFamily),
		familyAlike: m.mostOf(fieldFamily, false, familySpelling, familyOneEdit, familyNear, familySimilar, familyDifferent),
		familyFar:   m.mostOf(fieldFamily, false, familyDifferent)}
	s.middle = [...]worth{middleSame: m.mostOf(fieldMiddle, false, middleExact), middleLetter: m.mostOf(fieldMiddle, false, middleInitial),
		middleAny:    anything(fieldMiddle),
		middleBegins: m.mostOf(fieldMiddle, false, middleInitial, middleDifferent),
		middleAlike:  m.mostOf(fieldMiddle, false, middleNear, middleDifferent), middleFar: m.mostOf(fieldMiddle, false, middleDifferent)}
	s.middleOrNone = [...]worth{middleBegins: m.mostOf(fieldMiddle, false, missing, middleInitial, middleDifferent),
		middleAlike: m.mostOf(fieldMiddle, false, missing, middleNear, middleDifferent), middleFar: m.mostOf(fieldMiddle, false, missing, middleDifferent)}
	s.anyNames = anything(fieldGiven) + anything(fieldFamily) + anything(fieldSwap)
	s.former, s.familyLast = anything(fieldFormer), m.mostOf(fieldSwap, false, nameFamilyLast)
	s.byGiven, s.byFamily, s.byMiddle = m.byCommonness(fieldGiven, givenExact), m.byCommonness(fieldFamily, familyExact), m.byCommonness(fieldMiddle, middleExact)
	s.byGivenNear, s.byFamilyNear = m.byCommonness(fieldGiven, givenOneEdit), m.byCommonness(fieldFamily, familyOneEdit)
	s.byMiddleNear = m.byCommonness(fieldMiddle, middleNear)
}

// byCommonness returns what an equal or nearly equal value adds to a level of f, by how common it is. Near levels are taken for those that may
// have no value as well, so theirs takes nothing away.
func (m *Model) byCommonness(f field, l level) (out [256]worth) {
	if m.freq[f] == nil {
		return out
	}
	near := l > exactLevels[f]
	u := m.u[f][l]
	if near {
		u = m.u[f][1]
	}
	for q := range out {
		ratio := m.freq[f].ratioOf(f, q, u)
		if near {
			ratio = max(1, soften(ratio))
		}
		out[q] = worthOf([1 + kinds]float64{math.Log2(ratio)})
	}
	return out
}

func (m *Model) sightOfBirth(s *sight) {
	s.birthPart = m.mostOf(fieldBirth, true, allLevels(fieldBirth, 1)...)
	for i := range s.birth {
		special, day, month, year := i&birthSpecial != 0, i&birthDay != 0, i&birthMonthEqual != 0, i&birthYearEqual != 0
		digits, equal := i/birthDigit, 0
		for _, x := range [...]bool{day, month, year} {
			if x {
				equal++
			}
		}
		var levels []level
		add := func(possible bool, l level) {
			if possible {
				levels = append(levels, l)
			}
		}
		if digits == 0 {
			add(true, birthExact)
			add(special, birthWeak)
		} else {
			add(year && special, birthYear)
			add(year && i&birthTurned != 0, birthSwapped)
			add(digits == 1 || digits == 2 && i&birthSlip != 0 || month && day, birthOneDigit)
			switch {
			case equal == 2:
				add(true, birthTwoParts)
			case digits == 2:
				add(true, birthTwoDigits)
			default:
				add(year, birthSameYear)
				add(!year, birthDifferent)
				add(!year, birthGeneration)
			}
		}
		s.birth[i] = m.mostOf(fieldBirth, true, levels...)
	}
}

// enough reports whether a comparison of the records that a and b are glances of may reach the hurdle; home is a's address.
func (s *sight) enough(a, b *glance, home *address) bool { return s.most(a, b, home).least() >= s.low }

// most returns what a comparison of the records that a and b are glances of may find at most.
func (s *sight) most(a, b *glance, home *address) worth {
	either, both := a.marks|b.marks, a.marks&b.marks
	w := s.start + s.names(a, b, either, both)
	if both&markBirth != 0 {
		w += s.births(a, b, either)
	}
	if a.sex != 0 && b.sex != 0 {
		w += s.sex[bit(a.sex == b.sex)]
	}
	if a.source != 0 && b.source != 0 {
		w += s.source[bit(a.source == b.source)]
	}
	if a.suffix != 0 && b.suffix != 0 {
		w += s.suffix[bit(a.suffix == b.suffix)]
	}
	w += s.numbers(a, b, either, both)
	if both&markPhone != 0 {
		if either&markPhones != 0 {
			w += s.phones
		} else {
			w += s.phone[min(3, digitsBetween(a.phone, b.phone))]
		}
	}
	if both&markMail != 0 {
		switch {
		case either&markMails != 0:
			w += s.mails
		case a.mail == b.mail:
			w += s.mail[2]
		default:
			w += s.mail[bit(resembles(a.mailSketch, b.mailSketch, nearMail))]
		}
	}
	if a.maiden != 0 && b.maiden != 0 {
		w += s.maiden[bit(a.maiden == b.maiden)]
	}
	if a.guardian != 0 && b.guardian != 0 {
		w += s.guardian[bit(a.guardian == b.guardian)]
	}
	if both&markDied != 0 {
		w += s.died
	}
	if both&markOrder != 0 && both&markSingle == 0 {
		w += s.order
	}
	if both&markAddress != 0 {
		w += s.homes(b, either, home)
	}
	return w
}

func bit(set bool) int {
	if set {
		return 1
	}
	return 0
}

func (s *sight) births(a, b *glance, either marks) worth {
	if either&markPart != 0 {
		return s.birthPart
	}
	x := a.birth ^ b.birth
	i := min(3, digitsBetween(a.birth, b.birth))*birthDigit | bit(x>>16 == 0)*birthYearEqual | bit(x&0xff00 == 0)*birthMonthEqual | bit(x&0xff == 0)*birthDay
	if x == 0 {
		return s.birth[i|bit(either&markWeak != 0)*birthSpecial]
	}
	slip := x >> (bits.TrailingZeros32(x) &^ 3)
	return s.birth[i|bit(either&markNewYear != 0)*birthSpecial|bit(slip == slip&15*0x11)*birthSlip|bit(bits.ReverseBytes16(uint16(a.birth)) == uint16(b.birth))*birthTurned]
}

func (s *sight) numbers(a, b *glance, either, both marks) worth {
	w := worth(0)
	if both&markSSN != 0 {
		if either&markLast4 != 0 {
			w += s.last4[bit((a.ssn^b.ssn)&0xffff == 0)]
		} else {
			w += s.ssn[min(3, digitsBetween(a.ssn, b.ssn))]
		}
	}
	switch {
	case either&markOwns != 0, both&markOwn != 0 && a.own == b.own, both&markOther != 0:
		w += s.numberAny
	}
	if both&markMember != 0 {
		switch {
		case either&markMembers != 0:
			w += s.memberAny
		case a.plan != b.plan:
		case a.member == b.member:
			w += s.memberAny
		case both&markMemberDigits != 0:
			w += s.memberNear
		default:
			w += s.memberApart
		}
	}
	return w
}

func (s *sight) homes(b *glance, either marks, home *address) worth {
	if either&markAddresses != 0 {
		return s.addresses
	}
	other := b.address()
	l, v := compareAddress(home, &other)
	if l == missing {
		return 0
	}
	w := s.address[l]
	if v == (pairOfValues{}) {
		return w
	}
	q := b.qStreet
	switch l {
	case addressNear, addressNearStreet:
		q = b.qLine
	case addressPlace, addressCity:
		if q = b.qZip; v[0] == b.city {
			q = min(q, b.qCity)
		}
	case addressArea:
		q = 0
	}
	return w + s.byAddress[l][q]
}

// names bounds what given, middle and family names and their order say.
func (s *sight) names(a, b *glance, either, both marks) worth {
	w, other := s.middles(a, b, either, both)
	if either&markFamilies != 0 {
		w += s.former
	}
	if either&markNames != 0 {
		return w + s.anyNames
	}
	sameGiven := a.given == b.given
	sameFamily := either&(markFamilies|markParts) == 0 && a.family.hash == b.family.hash && a.family.length() == b.family.length()
	if !(sameGiven && sameFamily) && a.crosses(b) && b.crosses(a) {
		return w + s.anyNames
	}
	if either&markFamilyFirst != 0 {
		w += s.familyLast
	}
	switch {
	case sameGiven && other:
		w += s.given[givenPerhaps] + max(0, s.byGiven[a.qGiven])
	case sameGiven:
		w += s.given[givenSame] + s.byGiven[a.qGiven]
	case a.givenNear(b, either):
		w += s.given[givenAlike] + s.byGivenNear[min(a.qGiven, b.qGiven)]
	default:
		w += s.given[givenFar]
	}
	switch {
	case sameFamily:
		w += s.family[familySame] + s.byFamily[a.qFamily]
	case either&(markFamilies|markParts) != 0 && a.families&b.families != 0, (a.marks^b.marks)&markDoubled != 0:
		w += s.family[familyAny]
	case either&markFamilies != 0:
		w += s.family[familyAlike] + s.byFamilyNear[0]
	case either&markParts != 0 && a.partNear(b):
		w += s.family[familyAlike] + s.byFamilyNear[0]
	case a.familyNear(b):
		w += s.family[familyAlike] + s.byFamilyNear[max(a.qFamily, b.qFamily)]
	default:
		w += s.family[familyFar]
	}
	return w
}

// crosses reports whether a's given name may look like a family name of b.
func (a *glance) crosses(b *glance) bool {
	return a.marks&markTranscribed != 0 || b.marks&markFamilies != 0 || place16(a.given.hash)&b.families != 0 ||
		leastLikeness(a.given, b.family, beginning(a.givenBegin, b.familyBegin), false) < 2
}

// givenNear reports whether given names that are not the same may agree at all, or say nothing.
func (a *glance) givenNear(b *glance, either marks) bool {
	return a.groups&b.groups != 0 || leastLikeness(a.given, b.given, beginning(a.givenBegin, b.givenBegin), (a.sounds^b.sounds)&0xffff == 0) < 3 ||
		either&markMiddle != 0 && (either&markMiddles != 0 || a.given.within(b.given) || a.middle.hash == b.given.hash || b.middle.hash == a.given.hash) ||
		(a.marks^b.marks)&markDoubled != 0
}

// familyNear reports whether family names that are not the same, one each, may agree at all.
func (a *glance) familyNear(b *glance) bool {
	return a.spellings&b.spellings != 0 || leastLikeness(a.family, b.family, beginning(a.familyBegin, b.familyBegin), (a.sounds^b.sounds)>>16 == 0) < 3 ||
		a.family.within(b.family)
}

// partNear reports whether a family name of the one may be one edit from a part of one of the other.
func (a *glance) partNear(b *glance) bool {
	x, y := a.family.letters<<(32-lettersBits), b.family.letters<<(32-lettersBits)
	return a.marks&markParts != 0 && (bits.OnesCount32(y&^x) <= 1 || a.family.length() == maxToken) ||
		b.marks&markParts != 0 && (bits.OnesCount32(x&^y) <= 1 || b.family.length() == maxToken)
}

// middles bounds what middle names say; other is set when they may differ.
func (s *sight) middles(a, b *glance, either, both marks) (w worth, other bool) {
	x, y := a.middle, b.middle
	q := max(a.qMiddle, b.qMiddle)
	switch {
	case both&markMiddle == 0:
		return 0, false
	case either&markMiddles != 0:
		return s.middle[middleAny], true
	case x.hash == y.hash && x.length() == 1:
		return s.middle[middleLetter] + s.byMiddleNear[q], false
	case x.hash == y.hash && either&markFamilyFirst != 0:
		return s.middle[middleSame] + max(0, s.byMiddle[q]), false // its value may count for nothing
	case x.hash == y.hash:
		return s.middle[middleSame] + s.byMiddle[q], false
	}
	of := &s.middle
	if place16(x.hash)&b.families != 0 || place16(y.hash)&a.families != 0 {
		of = &s.middleOrNone // a family name that was put among the given ones, perhaps
	}
	switch {
	case x.length() > 1 && y.length() > 1 && leastLikeness(x, y, 4, false) < 2:
		return of[middleAlike] + s.byMiddleNear[q], true
	case (x.length() == 1 || y.length() == 1) && x.within(y):
		return of[middleBegins] + s.byMiddleNear[q], true
	}
	return of[middleFar], true
}
