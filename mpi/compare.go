package mpi

// A Comparison says for each field how well two records, or a record and a person, agree, and on what. It is
// symmetric: swapping the records changes nothing.
type Comparison struct {
	levels [numFields]level
	// values are the hashes of what was compared, where a rare value says more than a common one.
	values [numFields]pairOfValues
	// ofSeveral is set when one of the records says that its person was born as one of several.
	ofSeveral bool
	// twoNames is set when given names that agree in part are both known to exist: Julio and Julia, Lan and Linh may be twins, while the one
	// of Julio and Juleo is a misprint.
	twoNames bool
}

// A pairOfValues holds the hashes of two values, the smaller first; both are 0 where frequencies play no part.
type pairOfValues [2]uint32

func valuesOf(a, b uint32) pairOfValues { return pairOfValues{min(a, b), max(a, b)} }

func (v pairOfValues) less(w pairOfValues) bool { return v[0] < w[0] || v[0] == w[0] && v[1] < w[1] }

// Compare compares a and b field by field, without allocating. What is missing on either side stays missing.
//
// Source: README.md, "Levels"; spec mpi section 6, 1-4.
func Compare(a, b *Features) Comparison {
	var c Comparison
	c.compareNames(a, b)
	c.levels[fieldMiddle], c.values[fieldMiddle] = compareMiddle(a, b)
	if c.levels[fieldMiddle] == middleExact && secondSyllable(a, b) {
		c.values[fieldMiddle] = pairOfValues{}
	}
	if c.levels[fieldGiven] == givenExact && c.levels[fieldMiddle] == middleDifferent && otherSecond(a, b) {
		c.levels[fieldGiven], c.values[fieldGiven] = givenSimilar, pairOfValues{}
	}
	if a.Suffix != 0 && b.Suffix != 0 {
		c.levels[fieldSuffix] = pick(a.Suffix == b.Suffix, suffixEqual, suffixDifferent)
	}
	if c.levels[fieldBirth] = compareDates(a, b); c.levels[fieldBirth] == birthExact || c.levels[fieldBirth] == birthWeak {
		c.values[fieldBirth] = valuesOf(a.Birth, a.Birth)
	}
	c.levels[fieldOrder], c.ofSeveral = compareOrder(a.Order, b.Order), a.isMultiple() || b.isMultiple()
	if a.Sex != 0 && b.Sex != 0 {
		c.levels[fieldSex] = pick(a.Sex == b.Sex, sexEqual, sexDifferent)
	}
	c.levels[fieldSSN], c.values[fieldSSN] = compareSSN(a, b)
	c.levels[fieldID], c.values[fieldID] = compareIDs(a, b)
	c.levels[fieldPhone], c.values[fieldPhone] = comparePhones(a, b)
	c.levels[fieldEmail], c.values[fieldEmail] = compareEmails(a, b)
	if c.levels[fieldEmail] == emailOwn && (c.levels[fieldGiven] == missing || c.levels[fieldGiven] == givenDifferent) {
		c.levels[fieldEmail] = emailEqual // it bears the one's name, and the other may be the child
	}
	c.levels[fieldMember], c.values[fieldMember] = compareMembers(a, b)
	c.levels[fieldFormer] = compareFormer(a, b)
	c.levels[fieldAddress], c.values[fieldAddress] = compareAddresses(a, b)
	if a.maiden.n != 0 && b.maiden.n != 0 {
		c.levels[fieldMaiden] = compareWord(&a.maiden, &b.maiden)
	}
	if a.guardian.n != 0 && b.guardian.n != 0 {
		c.levels[fieldGuardian] = compareWord(&a.guardian, &b.guardian)
	}
	if a.Died != 0 && b.Died != 0 {
		x, y := unpackDate(a.Died), unpackDate(b.Died)
		if x.day != 0 && y.day != 0 || a.Died == b.Died {
			c.levels[fieldDeath] = pick(a.Died == b.Died, deathEqual, deathDifferent)
		}
	}
	if a.source != 0 && b.source != 0 {
		c.levels[fieldSource] = pick(a.source == b.source, sourceSame, sourceOther)
	}
	return c
}

// improve takes from d each field that agrees better there.
func (c *Comparison) improve(d *Comparison) {
	switch now, was := d.levels[fieldGiven], c.levels[fieldGiven]; {
	case now != missing && (was == missing || now < was):
		c.twoNames = d.twoNames
	case now == was:
		c.twoNames = c.twoNames && d.twoNames
	}
	for f := range numFields {
		if now, was := d.levels[f], c.levels[f]; now != missing && (was == missing || now < was) {
			c.levels[f], c.values[f] = now, d.values[f]
		}
	}
	c.ofSeveral = c.ofSeveral || d.ofSeveral
}

func pick(equal bool, yes, no level) level {
	if equal {
		return yes
	}
	return no
}

// compareWord compares single words whose levels are equal, similar, different.
func compareWord(a, b *token) level {
	switch {
	case a.hash == b.hash:
		return 1
	case likeness(a, b) <= 1, a.nicks[0] != 0 && a.nicks[0] == b.nicks[0]:
		return 2
	}
	return 3
}

// compareOrder speaks only of multiple births: two single births say nothing new, and one said to be single
// against one said to be multiple contradict each other.
func compareOrder(a, b byte) level {
	switch {
	case a == 0 || b == 0 || a == single && b == single:
		return missing
	case a == firstOrOnly || b == firstOrOnly:
		other := min(a, b) // an order, where one is known
		return pick(other >= 2 && other <= 9, orderDifferent, missing)
	case a == single || b == single:
		return orderDifferent
	case a == multiple || b == multiple:
		return missing
	}
	return pick(a == b, orderEqual, orderDifferent)
}

func compareSSN(a, b *Features) (level, pairOfValues) {
	if a.ssn == 0 || b.ssn == 0 {
		return missing, pairOfValues{}
	}
	if a.ssnLast4 || b.ssnLast4 {
		return pick(a.ssn%10000 == b.ssn%10000, ssnLast4Equal, ssnDifferent), pairOfValues{}
	}
	switch {
	case a.ssn == b.ssn:
		return ssnExact, pairOfValues{a.ssn, a.ssn}
	case oneDigit(int(a.ssn), int(b.ssn)):
		return ssnOneDigit, pairOfValues{}
	case digitsApart(int(a.ssn), int(b.ssn)) == 2:
		return ssnTwoDigits, pairOfValues{}
	}
	return ssnDifferent, pairOfValues{}
}

// compareIDs looks at identifiers of the same namespace only. That a site's own numbers differ says nothing here:
// that both are registrations of one site is a field of its own.
func compareIDs(a, b *Features) (level, pairOfValues) {
	out := missing
	for i := range a.nIDs {
		for j := range b.nIDs {
			x, y := a.ids[i], b.ids[j]
			switch {
			case x.space != y.space || x.member():
			case x.value == y.value:
				h := uint32(x.value ^ x.value>>32)
				return idEqual, pairOfValues{h, h}
			case x.local():
			case x.value>>63 == 0 && y.value>>63 == 0 && oneDigit(int(x.value), int(y.value)):
				out = idOneDigit
			case out == missing:
				out = idDifferent
			}
		}
	}
	return out, pairOfValues{}
}

// compareMembers looks at numbers in insurance plans, within each plan.
func compareMembers(a, b *Features) (level, pairOfValues) {
	out := missing
	for i := range a.nIDs {
		for j := range b.nIDs {
			x, y := a.ids[i], b.ids[j]
			switch {
			case x.space != y.space || !x.member():
			case x.value == y.value:
				h := uint32(x.value ^ x.value>>32)
				return memberEqual, pairOfValues{h, h}
			case x.value>>63 == 0 && y.value>>63 == 0 && oneDigit(int(x.value), int(y.value)):
				out = memberNear
			case out == missing:
				out = memberDifferent
			}
		}
	}
	return out, pairOfValues{}
}

func comparePhones(a, b *Features) (level, pairOfValues) {
	if a.nPhones == 0 || b.nPhones == 0 {
		return missing, pairOfValues{}
	}
	out := phoneDifferent
	for i := range a.nPhones {
		for j := range b.nPhones {
			x, y := a.phones[i], b.phones[j]
			switch {
			case x == y || endsIn(max(x, y), min(x, y)): // without area code or country
				h := uint32(min(x, y) % 1e7)
				return phoneEqual, pairOfValues{h, h}
			case x%1e7 == y%1e7, oneDigit(int(x), int(y)):
				out = phoneNear
			}
		}
	}
	return out, pairOfValues{}
}

// endsIn reports whether the last digits of a telephone number, seven at least, are all of another one.
func endsIn(long, short uint64) bool {
	for _, whole := range [...]uint64{1e7, 1e8, 1e9} {
		if short < whole {
			return long%whole == short
		}
	}
	return false
}

// nearMail is how much of two mail addresses' letters must agree to call them similar.
const nearMail = 70

func compareEmails(a, b *Features) (level, pairOfValues) {
	if a.nEmails == 0 || b.nEmails == 0 {
		return missing, pairOfValues{}
	}
	out := emailDifferent
	for i := range a.nEmails {
		for j := range b.nEmails {
			x, y := &a.emails[i], &b.emails[j]
			if h := x.value(); h == y.value() {
				return pick(x.own() || y.own(), emailOwn, emailEqual), pairOfValues{h, h}
			}
			if resembles(x.sketch, y.sketch, nearMail) {
				out = emailNear
			}
		}
	}
	return out, pairOfValues{}
}

func compareAddresses(a, b *Features) (level, pairOfValues) {
	if a.nAddresses == 0 || b.nAddresses == 0 {
		return missing, pairOfValues{}
	}
	best, value := missing, pairOfValues{}
	for i := range a.nAddresses {
		for j := range b.nAddresses {
			if l, v := compareAddress(&a.addresses[i], &b.addresses[j]); l != missing && (best == missing || l < best || l == best && v.less(value)) {
				best, value = l, v
			}
		}
	}
	return best, value
}

// How well streets and places agree.
const (
	agreeUnknown = iota
	agreeNot
	agreePart
	agreeNear
	agreeFull
)

func compareAddress(a, b *address) (level, pairOfValues) {
	street, sv := compareStreet(a, b)
	place, pv := comparePlace(a, b)
	switch {
	case street == agreeFull && place >= agreePart:
		return addressExact, sv
	case street == agreeFull && place == agreeUnknown:
		return addressStreet, sv
	case street == agreeFull:
		return addressElsewhere, sv
	case street == agreeNear && place != agreeNot:
		return addressNear, sv
	case place == agreeFull:
		return addressPlace, pv
	case place >= agreePart:
		return addressCity, pv
	case a.area != 0 && a.area == b.area:
		h := uint32(a.area)*0x85ebca6b | 1
		return addressArea, pairOfValues{h, h}
	case street == agreeNear:
		return addressNearStreet, sv
	case street == agreeNot || place == agreeNot:
		return addressDifferent, pairOfValues{}
	}
	return missing, pairOfValues{}
}

// nearLine is how much of two street names' letters must agree to call them similar.
const nearLine = 60

// compareStreet compares house numbers and the names in the lines, which may have changed places.
func compareStreet(a, b *address) (int, pairOfValues) {
	exact, near, known := uint32(0), false, false
	for i := range a.lines {
		for j := range b.lines {
			x, y := &a.lines[i], &b.lines[j]
			if x.hash == 0 || y.hash == 0 {
				continue
			}
			known = true
			if x.hash == y.hash {
				exact = x.hash
			} else if resembles(x.sketch, y.sketch, nearLine) {
				near = true
			}
		}
	}
	numbers := a.number != 0 && b.number != 0
	number := numbers && a.number == b.number
	h := exact ^ a.number*0x9e3779b1
	switch {
	case exact != 0 && (number || a.number == 0 && b.number == 0):
		return agreeFull, pairOfValues{h, h}
	case exact != 0 && (!numbers || oneDigit(int(a.number), int(b.number))), near && number:
		return agreeNear, pairOfValues{exact, exact}
	case number && !known && a.number >= 10: // a number without a street on either side says a little
		return agreeUnknown, pairOfValues{}
	case known || numbers:
		return agreeNot, pairOfValues{}
	}
	return agreeUnknown, pairOfValues{}
}

// nearCity is how much of two cities' letters must agree to call them similar.
const nearCity = 65

func comparePlace(a, b *address) (int, pairOfValues) {
	zip, city := agreeUnknown, agreeUnknown
	value := uint32(0)
	if a.city != 0 && b.city != 0 {
		switch {
		case a.city == b.city:
			city, value = agreeFull, a.city
		case resembles(uint64(a.citySketch), uint64(b.citySketch), nearCity):
			city = agreeNear
		default:
			city = agreeNot
		}
	}
	if a.zip != 0 && b.zip != 0 {
		switch {
		case a.zip == b.zip:
			zip, value = agreeFull, a.zip*0x9e3779b1|1
		case a.zip < 1<<24 && b.zip < 1<<24 && oneDigit(int(a.zip), int(b.zip)):
			zip = agreeNear
		default:
			zip = agreeNot
		}
	}
	v := pairOfValues{value, value}
	switch {
	case zip == agreeFull && city != agreeNot:
		return agreeFull, v
	case zip == agreeFull || city == agreeFull || zip == agreeNear && city == agreeNear:
		return agreePart, v
	case zip == agreeNear && city == agreeUnknown || city == agreeNear && zip == agreeUnknown:
		return agreePart, pairOfValues{}
	case zip == agreeUnknown && city == agreeUnknown:
		return agreeUnknown, pairOfValues{}
	}
	return agreeNot, pairOfValues{}
}
