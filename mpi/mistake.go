package mpi

// A Mistake is a kind of error of a linkage, told from how well the fields of the pair agree. Its text is for people.
type Mistake string

// Kinds of pairs of one person that were not joined. The first that holds is named.
const (
	MissedUnmet         Mistake = "no key in common that is narrow enough"
	MissedSaidApart     Mistake = "generation or birth order differs"
	MissedFewFields     Mistake = "few fields on both records"
	MissedAllDamaged    Mistake = "names and birth date damaged"
	MissedNamesReplaced Mistake = "both names replaced"
	MissedNamesDamaged  Mistake = "both names damaged"
	MissedGiven         Mistake = "given name replaced"
	MissedFamily        Mistake = "family name replaced"
	MissedBirth         Mistake = "birth date replaced"
	MissedGivenDamaged  Mistake = "given name damaged"
	MissedFamilyDamaged Mistake = "family name damaged"
	MissedBirthDamaged  Mistake = "birth date damaged"
	MissedNumber        Mistake = "another number on one record"
	MissedBare          Mistake = "names and birth date agree and nothing else does"
	MissedOthers        Mistake = "alike, and kept apart by other records"
)

// Kinds of pairs of two persons that were joined. The first that holds is named.
const (
	WrongNumber    Mistake = "a number of the one on the other's record"
	WrongThrough   Mistake = "unlike, and joined through other records"
	WrongTwins     Mistake = "twins, or siblings of one birth date"
	WrongRelatives Mistake = "relatives or a household, of one given name"
	WrongHousehold Mistake = "relatives or a household"
	WrongNamesakes Mistake = "namesakes of one birth date"
	WrongNames     Mistake = "namesakes"
	WrongFewFields Mistake = "few fields on both records"
	WrongAlike     Mistake = "alike by chance"
)

// MissedBecause says what kind of error it is that a and b, records of one person, were not joined; that they share no key,
// a comparison cannot tell.
func MissedBecause(a, b *Features) Mistake {
	c := Compare(a, b)
	l := &c.levels
	given, family, birth := soundness(fieldGiven, l), soundness(fieldFamily, l), soundness(fieldBirth, l)
	names := min(given, family)
	switch {
	case l[fieldSuffix] == suffixDifferent || l[fieldOrder] == orderDifferent:
		return MissedSaidApart
	case c.individual() < 3 && !c.sameNumber() && !c.household():
		return MissedFewFields
	case names < intact && birth < intact:
		return MissedAllDamaged
	case given == replaced && family == replaced:
		return MissedNamesReplaced
	case given < intact && family < intact:
		return MissedNamesDamaged
	case given == replaced:
		return MissedGiven
	case family == replaced:
		return MissedFamily
	case birth == replaced:
		return MissedBirth
	case given == damaged:
		return MissedGivenDamaged
	case family == damaged:
		return MissedFamilyDamaged
	case birth == damaged:
		return MissedBirthDamaged
	case l[fieldSSN] == ssnDifferent || l[fieldID] == idDifferent:
		return MissedNumber
	case !c.household() && !c.sameNumber():
		return MissedBare
	}
	return MissedOthers
}

// WronglyBecause says what kind of error it is that a and b, records of two persons, were joined.
func WronglyBecause(a, b *Features) Mistake {
	c := Compare(a, b)
	l := &c.levels
	given, family, birth := soundness(fieldGiven, l), soundness(fieldFamily, l), soundness(fieldBirth, l)
	switch {
	case c.sameNumber():
		return WrongNumber
	case given == replaced && birth == replaced:
		return WrongThrough
	case l[fieldBirth] == birthExact && family == intact && (l[fieldGiven] > givenNickname || l[fieldOrder] == orderDifferent):
		return WrongTwins
	case c.household() && given == intact && birth != intact:
		return WrongRelatives
	case c.household() && (given != intact || birth != intact):
		return WrongHousehold
	case given == intact && family == intact && birth == intact && l[fieldBirth] != missing:
		return WrongNamesakes
	case given == intact && family == intact && l[fieldGiven] != missing && l[fieldFamily] != missing:
		return WrongNames
	case c.individual() < 3:
		return WrongFewFields
	}
	return WrongAlike
}

// How sound an agreement is: missing counts as sound, since it tells nothing.
const (
	replaced = iota
	damaged
	intact
)

// soundness tells names and dates that agree from those with an error and those with another value.
func soundness(f field, levels *[numFields]level) int {
	l := levels[f]
	good, bad := givenNickname, givenDifferent
	switch f {
	case fieldFamily:
		good, bad = familyPart, familyDifferent
	case fieldBirth:
		good, bad = birthWeak, birthSameYear
		if l == birthMonth || l == birthYear { // as far as known
			return intact
		}
	}
	switch {
	case l <= good:
		return intact
	case l >= bad:
		return replaced
	}
	return damaged
}

// individual is how many of given name, family name and birth date both records know.
func (c *Comparison) individual() int {
	n := 0
	for _, f := range [...]field{fieldGiven, fieldFamily, fieldBirth} {
		if c.levels[f] != missing {
			n++
		}
	}
	return n
}

// sameNumber reports whether a number of one person's own is on both records.
func (c *Comparison) sameNumber() bool {
	return c.levels[fieldSSN] == ssnExact || c.levels[fieldID] == idEqual
}

// household reports whether something agrees that a household shares: address, phone, mail, insurance, parent.
func (c *Comparison) household() bool {
	l := &c.levels
	return l[fieldPhone] == phoneEqual || l[fieldEmail] == emailOwn || l[fieldEmail] == emailEqual || l[fieldMember] == memberEqual ||
		l[fieldAddress] >= addressExact && l[fieldAddress] <= addressElsewhere || l[fieldGuardian] == guardianEqual || l[fieldMaiden] == maidenEqual
}
