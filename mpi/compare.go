package mpi

// A Comparison says for each field how well two records, or a record and a person, agree. It is symmetric:
// swapping the records changes nothing.
type Comparison struct {
	levels [numFields]level
}

// Compare compares a and b field by field, without allocating. What is missing on either side stays missing.
//
// Source: README.md, "Levels"; spec mpi section 6, 1-4.
func Compare(a, b *Features) Comparison {
	var c Comparison
	c.levels[fieldGiven] = compareGiven(a, b)
	c.levels[fieldFamily] = compareFamily(a, b)
	if c.levels[fieldGiven] >= givenInitial && c.levels[fieldFamily] >= familySound && swapped(a, b) {
		c.levels[fieldGiven], c.levels[fieldFamily] = givenSwapped, familySwapped
	}
	c.levels[fieldMiddle] = compareMiddle(a, b)
	if a.Suffix != 0 && b.Suffix != 0 {
		c.levels[fieldSuffix] = pick(a.Suffix == b.Suffix, suffixEqual, suffixDifferent)
	}
	c.levels[fieldBirth] = compareDates(a, b)
	c.levels[fieldOrder] = compareOrder(a.Order, b.Order)
	if a.Sex != 0 && b.Sex != 0 {
		c.levels[fieldSex] = pick(a.Sex == b.Sex, sexEqual, sexDifferent)
	}
	c.levels[fieldSSN] = compareSSN(a, b)
	c.levels[fieldID] = compareIDs(a, b)
	c.levels[fieldPhone] = comparePhones(a, b)
	c.levels[fieldEmail] = compareEmails(a, b)
	c.levels[fieldAddress] = compareAddresses(a, b)
	if a.maiden != 0 && b.maiden != 0 {
		c.levels[fieldMaiden] = pick(a.maiden == b.maiden, maidenEqual, maidenDifferent)
	}
	if a.Died != 0 && b.Died != 0 {
		if shared := a.Died & b.Died; shared&31 != 0 && shared>>5&15 != 0 || a.Died == b.Died {
			c.levels[fieldDeath] = pick(a.Died == b.Died, deathEqual, deathDifferent)
		}
	}
	if a.source != 0 && a.source == b.source {
		c.levels[fieldSource] = sourceSame
	}
	return c
}

func pick(equal bool, yes, no level) level {
	if equal {
		return yes
	}
	return no
}

// compareGiven returns the best level over all pairs of given names in use.
func compareGiven(a, b *Features) level {
	if a.nGivens == 0 || b.nGivens == 0 {
		return missing
	}
	best := givenDifferent
	for i := range a.nGivens {
		for j := range b.nGivens {
			best = min(best, compareGivenTokens(&a.givens[i], &b.givens[j]))
		}
	}
	if best > givenMiddle && (amongMiddles(a, b) || amongMiddles(b, a)) {
		return givenMiddle
	}
	return best
}

func compareGivenTokens(a, b *token) level {
	x, y := a.bytes(), b.bytes()
	if string(x) == string(y) {
		if len(x) == 1 {
			return givenInitial
		}
		return pick(a.flags&flagCommon != 0, givenCommon, givenExact)
	}
	if len(x) == 1 || len(y) == 1 {
		return pick(x[0] == y[0], givenInitial, givenDifferent)
	}
	for _, g := range a.nicks {
		if g != 0 && (g == b.nicks[0] || g == b.nicks[1] || g == b.nicks[2]) {
			return givenNickname
		}
	}
	switch {
	case min(len(x), len(y)) >= 4 && oneEdit(x, y):
		return givenOneEdit
	case min(len(x), len(y)) >= 3 && jaroWinkler(x, y) >= 0.92:
		return givenNear
	case a.sound != 0 && a.sound == b.sound:
		return givenSound
	}
	return givenDifferent
}

// amongMiddles reports whether b goes by one of a's middle names.
func amongMiddles(a, b *Features) bool {
	for i := range a.nMiddles {
		for j := range b.nGivens {
			if m := &a.middles[i]; m.n > 1 && string(m.bytes()) == string(b.givens[j].bytes()) {
				return true
			}
		}
	}
	return false
}

func compareMiddle(a, b *Features) level {
	if a.nMiddles == 0 || b.nMiddles == 0 {
		return missing
	}
	best := middleDifferent
	for i := range a.nMiddles {
		for j := range b.nMiddles {
			x, y := a.middles[i].bytes(), b.middles[j].bytes()
			switch {
			case string(x) == string(y) && len(x) > 1:
				return middleExact
			case len(x) == 1 || len(y) == 1:
				if x[0] == y[0] {
					best = min(best, middleInitial)
				}
			case oneEdit(x, y):
				best = min(best, middleNear)
			}
		}
	}
	return best
}

// compareFamily returns the best level over all family names, current and former.
func compareFamily(a, b *Features) level {
	if a.nFamilies == 0 || b.nFamilies == 0 {
		return missing
	}
	best := familyDifferent
	for i := range a.nFamilies {
		for j := range b.nFamilies {
			best = min(best, compareFamilyTokens(&a.families[i], &b.families[j]))
		}
	}
	return best
}

func compareFamilyTokens(a, b *token) level {
	x, y := a.bytes(), b.bytes()
	part := (a.flags|b.flags)&flagPart != 0
	if string(x) == string(y) {
		switch {
		case part:
			return familyPart
		case a.flags&flagCommon != 0:
			return familyCommon
		}
		return familyExact
	}
	switch {
	case part:
		return familyDifferent // parts count only whole
	case min(len(x), len(y)) >= 4 && oneEdit(x, y):
		return familyOneEdit
	case similarFamily(x, y):
		return familyNear
	case a.sound != 0 && a.sound == b.sound:
		return familySound
	}
	return familyDifferent
}

// similarFamily reports whether two names are close: by Jaro-Winkler, or, in eight letters or more, by two edits.
// Names of strangers, which are most, fail the cheaper test first.
func similarFamily(x, y []byte) bool {
	n := min(len(x), len(y))
	if n < 3 {
		return false
	}
	sim := jaroWinkler(x, y)
	return sim >= 0.92 || n >= 8 && sim >= 0.75 && editDistance(x, y) <= 2
}

// swapped reports whether the given name of each is the family name of the other.
func swapped(a, b *Features) bool {
	cross := func(a, b *Features) bool {
		for i := range a.nGivens {
			for j := range b.nFamilies {
				if a.givens[i].n > 1 && string(a.givens[i].bytes()) == string(b.families[j].bytes()) {
					return true
				}
			}
		}
		return false
	}
	return cross(a, b) && cross(b, a)
}

// compareDates compares birth dates at the coarser of the two precisions.
func compareDates(a, b *Features) level {
	if a.Birth == 0 || b.Birth == 0 {
		return missing
	}
	ya, ma, da := int(a.Birth>>9), int(a.Birth>>5&15), int(a.Birth&31)
	yb, mb, db := int(b.Birth>>9), int(b.Birth>>5&15), int(b.Birth&31)
	if ma == 0 || mb == 0 {
		return pick(ya == yb, birthYear, birthDifferent)
	}
	if da == 0 || db == 0 {
		switch {
		case ya == yb && ma == mb:
			return birthMonth
		case ya == yb || ma == mb && oneDigit(ya, yb):
			return birthTwoParts
		}
		return birthDifferent
	}
	if a.Birth == b.Birth {
		return pick(a.BirthWeak, birthWeak, birthExact)
	}
	if ya == yb && ma == db && da == mb {
		return birthSwapped
	}
	if oneDigit(ya*10000+ma*100+da, yb*10000+mb*100+db) {
		return birthOneDigit
	}
	same := 0
	for _, eq := range [...]bool{ya == yb, ma == mb, da == db} {
		if eq {
			same++
		}
	}
	return pick(same == 2, birthTwoParts, birthDifferent)
}

// oneDigit reports whether two numbers differ in exactly one decimal digit, or by a swap of two neighbours.
func oneDigit(x, y int) bool {
	diff, last, at, swap := 0, 0, -2, false
	for i := 0; x != 0 || y != 0; i++ {
		p, q := x%10, y%10
		if p != q {
			diff++
			swap = diff == 2 && at == i-1 && last == q*10+p
			last, at = p*10+q, i
		}
		x, y = x/10, y/10
	}
	return diff == 1 || diff == 2 && swap
}

// compareOrder speaks only of multiple births: two single births say nothing new, and one said to be single
// against one said to be multiple contradict each other.
func compareOrder(a, b byte) level {
	switch {
	case a == 0 || b == 0 || a == single && b == single:
		return missing
	case a == single || b == single:
		return orderDifferent
	case a == multiple || b == multiple:
		return missing
	}
	return pick(a == b, orderEqual, orderDifferent)
}

func compareSSN(a, b *Features) level {
	if a.ssn == 0 || b.ssn == 0 {
		return missing
	}
	if a.ssnLast4 || b.ssnLast4 {
		return pick(a.ssn%10000 == b.ssn%10000, ssnLast4Equal, ssnDifferent)
	}
	switch {
	case a.ssn == b.ssn:
		return ssnExact
	case oneDigit(int(a.ssn), int(b.ssn)):
		return ssnOneDigit
	}
	return ssnDifferent
}

// compareIDs looks at identifiers of the same namespace only.
func compareIDs(a, b *Features) level {
	out := missing
	for i := range a.nIDs {
		for j := range b.nIDs {
			if a.ids[i].space != b.ids[j].space {
				continue
			}
			if a.ids[i].value == b.ids[j].value {
				return idEqual
			}
			out = idDifferent
		}
	}
	return out
}

func comparePhones(a, b *Features) level {
	if a.nPhones == 0 || b.nPhones == 0 {
		return missing
	}
	for i := range a.nPhones {
		for j := range b.nPhones {
			x, y := a.phones[i], b.phones[j]
			if x == y || min(x, y) < 1e7 && max(x, y)%1e7 == min(x, y) { // without area code
				return phoneEqual
			}
		}
	}
	return phoneDifferent
}

func compareEmails(a, b *Features) level {
	if a.nEmails == 0 || b.nEmails == 0 {
		return missing
	}
	for i := range a.nEmails {
		for j := range b.nEmails {
			if a.emails[i] == b.emails[j] {
				return emailEqual
			}
		}
	}
	return emailDifferent
}

func compareAddresses(a, b *Features) level {
	if a.nAddresses == 0 || b.nAddresses == 0 {
		return missing
	}
	best := addressDifferent
	for i := range a.nAddresses {
		for j := range b.nAddresses {
			best = min(best, compareAddress(&a.addresses[i], &b.addresses[j]))
		}
	}
	return best
}

func compareAddress(a, b *address) level {
	zip := a.zip != 0 && a.zip == b.zip
	city := a.city != 0 && a.city == b.city
	known := (a.zip != 0 && b.zip != 0) || (a.city != 0 && b.city != 0)
	street := a.street != 0 && a.street == b.street && a.number == b.number && a.number != 0
	switch {
	case street && (zip || city):
		return addressExact
	case street && !known:
		return addressStreet
	case (zip || city) && a.number != 0 && a.number == b.number && a.sound != 0 && a.sound == b.sound:
		return addressNear
	case zip:
		return addressPlace
	case city:
		return addressCity
	}
	return addressDifferent
}
