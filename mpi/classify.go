package mpi

// A veto forbids linking whatever the score.
type veto uint16

const (
	vetoSuffix     veto = 1 << iota // generations differ: father and son
	vetoOrder                       // birth orders differ: twins
	vetoGiven                       // given names differ and no identifier is shared: twins, siblings, spouses
	vetoSexGiven                    // sex and given name both differ
	vetoBorrowed                    // an identifier is shared, but neither birth date nor given name: mother's number on her child
	vetoGeneration                  // same name and household, born a generation apart
	vetoSteward                     // a steward said cannot-link
	vetoNewborn                     // one has no name of its own yet, and birth order does not tell which child it is
)

// vetoHard are those no batch overrules either: values that say outright that there are two persons.
const vetoHard = vetoSuffix | vetoOrder | vetoSteward

var vetoNames = []struct {
	v    veto
	name string
}{
	{vetoOrder, "birth-order"}, {vetoBorrowed, "borrowed-identifier"}, {vetoGeneration, "generation"}, {vetoGiven, "given"},
	{vetoNewborn, "newborn"}, {vetoSexGiven, "sex-and-given"}, {vetoSteward, "steward"}, {vetoSuffix, "suffix"},
}

// names returns the vetoes' names, sorted; nil for none.
func (v veto) names() []string {
	var out []string
	for _, n := range vetoNames {
		if v&n.v != 0 {
			out = append(out, n.name)
		}
	}
	return out
}

// vetoesOf returns what forbids a and b, compared as c, to be linked by the engine.
//
// Source: spec mpi section 6, 4; section 7 scenarios 1 and 2.
func vetoesOf(c *Comparison, a, b *Features) veto {
	var v veto
	given, birth := c.levels[fieldGiven], c.levels[fieldBirth]
	sharedID := c.levels[fieldSSN] == ssnExact || c.levels[fieldID] == idEqual
	if c.levels[fieldSuffix] == suffixDifferent {
		v |= vetoSuffix
	}
	if c.levels[fieldOrder] == orderDifferent {
		v |= vetoOrder
	}
	if given == givenDifferent && !sharedID {
		v |= vetoGiven
	}
	if given == givenDifferent && c.levels[fieldSex] == sexDifferent {
		v |= vetoSexGiven
	}
	if sharedID && birth >= birthDifferent && (given == missing || given > givenKeyed) {
		v |= vetoBorrowed
	}
	if birth == birthGeneration {
		v |= vetoGeneration
	}
	if (a.nGivens == 0) != (b.nGivens == 0) && !sharedID && c.levels[fieldOrder] != orderEqual && (a.isMultiple() || b.isMultiple()) {
		v |= vetoNewborn
	}
	return v
}

func (f *Features) isMultiple() bool {
	return f.Order != 0 && f.Order != single && f.Order != firstOrOnly
}

// grade says what may be done with a set's score. Certain needs, besides the bits, no veto, evidence that is
// the individual's own, agreement on the date of birth or an identifier, something that corroborates name and
// birth, and no identifier that speaks against it. A vetoed match is at best possible.
//
// Source: spec mpi section 6, 3, 4, 6; spec mpi-model, "Gate"; spec cms-matching, "Restrictions".
func (m *Model) grade(s *Set) Grade {
	switch {
	case s.Bits < m.Possible:
		return GradeNone
	case s.vetoes != 0 || s.Bits < m.Probable:
		return pickGrade(s.vetoes != 0 || s.Bits >= m.Possible, GradePossible, GradeNone)
	case m.gap(s) == "" && (s.Bits >= m.Certain || m.settled(s)), m.beyondDoubt(s):
		return GradeCertain
	}
	return GradeProbable
}

// Grade says what the engine may do with s by itself, rivals left out.
func (m *Model) Grade(s *Set) Grade { return m.grade(s) }

func pickGrade(ok bool, yes, no Grade) Grade {
	if ok {
		return yes
	}
	return no
}

// beyond is how many bits above certain stand for what is missing beside a name that agrees in part, or a birth date of which
// only the year is known: one in a thousand by the model, which weighs twins and relatives.
const beyond = 2

// beyondDoubt reports whether s is so strong that the field gap names may be missing: twins, relatives and namesakes would have to agree in
// more than they do.
//
// Source: README.md, "Grades". That two persons of one name and birth date are few, and fewer still in one place: Zech et al. 2016 count 1.0009
// persons to a name and birth date among the patients of a health information exchange.
func (m *Model) beyondDoubt(s *Set) bool {
	l := &s.Union.levels
	given, family, birth := l[fieldGiven], l[fieldFamily], l[fieldBirth]
	if family == missing || family > familyPart && family < familyDifferent {
		return false
	}
	gap := m.gap(s)
	if family == familyDifferent {
		return gap == "family" && m.counts() && s.renamed() && s.Bits >= m.Certain
	}
	switch gap {
	case "given":
		switch {
		case given == missing: // not named yet
			return s.Bits >= m.Certain && s.unnamed()
		case given == givenInitial: // names of twins often begin alike
			return s.Bits >= m.Certain+beyond/2 && birth == birthExact && l[fieldSex] != sexDifferent && !s.Union.ofSeveral && s.corroborated()
		case given == givenMiddle: // goes by the middle name; twins do not bear each other's
			return s.Bits >= m.Certain-below && birth == birthExact && l[fieldSex] != sexDifferent && s.corroborated()
		case given > givenKeyed && given < givenDifferent && !s.Union.ofSeveral && !s.Union.twoNames: // shortened or misspelt
			return s.Bits >= m.Certain+beyond && birth >= birthExact && birth <= birthOneDigit && s.corroborated()
		}
	case "birth-date": // father and son are not born in one year
		return s.Bits >= m.Certain+beyond && birth == birthYear && given >= givenExact && given <= givenKeyed
	case "address": // a namesake of the same birth date lives elsewhere, or has another middle name
		switch {
		case !s.whole() || s.differs&(1<<fieldMiddle) != 0:
		case l[fieldAddress] == addressPlace && (l[fieldMiddle] == middleExact || l[fieldMiddle] == middleInitial):
			return s.Bits >= m.Certain
		case !m.counts() || l[fieldSex] == sexDifferent || l[fieldSource] == sourceSame: // a site that registers two has mostly asked
		case l[fieldAddress] == addressPlace:
			return s.Bits >= m.Certain+beyond
		case l[fieldAddress] == missing:
			return s.Bits >= m.Certain+2*beyond
		}
	}
	return false
}

// counts reports whether m knows how common names, and numbers to reach people, are in its population: a rare name that agrees is then known to be
// rare, and a clinic's telephone to be a clinic's.
func (m *Model) counts() bool {
	return m.freq[fieldGiven] != nil && m.freq[fieldFamily] != nil && m.freq[fieldPhone] != nil
}

// unnamed reports whether one side of s has no given name, as a newborn has none, and all else is one child's: the birth date to the day, the sex,
// and two ways to reach it, or one and the mother's maiden name. That it was born alone is not known, but nothing tells of another.
//
// Source: Adelman et al. 2015: most newborns are registered without a name; NCHS 2022: three in a hundred are twins, half of those of two sexes.
func (s *Set) unnamed() bool {
	l := &s.Union.levels
	contacts := s.contacts()
	return l[fieldGiven] == missing && l[fieldBirth] == birthExact && l[fieldSex] == sexEqual && !s.Union.ofSeveral &&
		(contacts >= 2 || contacts == 1 && l[fieldMaiden] == maidenEqual)
}

// renamed reports whether only the family name of s differs: whoever bears one given name and was born on one day, and is reached at one telephone
// or by one mail, has married or divorced.
//
// Source: Pew Research 2023: four of five women take another name at marriage; spec simulator section 1.
func (s *Set) renamed() bool {
	l := &s.Union.levels
	return l[fieldGiven] >= givenExact && l[fieldGiven] <= givenSpelling && l[fieldBirth] == birthExact && l[fieldSex] != sexDifferent &&
		(l[fieldPhone] == phoneEqual || l[fieldEmail] == emailOwn || l[fieldEmail] == emailEqual) && s.differs&(1<<fieldMiddle) == 0
}

// whole reports whether both names and the birth date are those of one person to the letter, or to the sound.
func (s *Set) whole() bool {
	l := &s.Union.levels
	return l[fieldGiven] >= givenExact && l[fieldGiven] <= givenSpelling && l[fieldFamily] >= familyExact && l[fieldFamily] <= familySpelling &&
		l[fieldBirth] == birthExact
}

// below is how many bits short of certain names and birth date as a whole may be, where something corroborates them.
const below = 5

// settled reports whether s may be short of certain: names and birth date as a whole, and something that corroborates them. What a household
// shares takes bits back, but nobody in it shares all of these. Where the sex differs, or a middle name does, but not both, it takes a bit more, and a
// way to reach the person: both are often wrong, and nobody else in the household has these names and this birth date.
//
// Source: Just et al. 2016: the middle name differs in 58 of 100 confirmed duplicates.
func (m *Model) settled(s *Set) bool {
	if !s.whole() || !s.corroborated() {
		return false
	}
	switch sex, middle := s.Union.levels[fieldSex] == sexDifferent, s.differs&(1<<fieldMiddle) != 0; {
	case sex && middle:
		return false
	case sex || middle: // of twins called Pedro Henrique and Pedro Lucas no middle names agree
		return s.Bits >= m.Certain-below+1 && s.contacts() > 0 && s.Union.levels[fieldMiddle] != middleDifferent
	}
	return s.Bits >= m.Certain-below
}

// gap names the field without which s cannot be certain however high its score, or returns "".
func (m *Model) gap(s *Set) string {
	l := &s.Union.levels
	id := l[fieldSSN] == ssnExact || l[fieldID] == idEqual
	last4 := l[fieldSSN] == ssnLast4Equal
	given, birth := l[fieldGiven], l[fieldBirth]
	named := given >= givenExact && given <= givenKeyed
	born := birth >= birthExact && birth <= birthOneDigit
	whole := s.whole()
	own := l[fieldEmail] == emailOwn
	contacts := s.contacts()
	middle := l[fieldMiddle] == middleExact || l[fieldMiddle] == middleInitial
	lone := whole && (own || contacts >= 2 || contacts == 1 && l[fieldMiddle] == middleExact) // a number is the one thing that differs
	switch {
	case !id && l[fieldSSN] == ssnDifferent && !lone:
		return "ssn" // unless it is the one thing that differs: a spouse's or a parent's number
	case !id && l[fieldID] == idDifferent && !lone:
		return "identifier" // one namespace gives a person one number, and another only when a card is replaced
	case !id && !named && !m.ownName(s, last4, contacts):
		return "given"
	case !id && s.Union.ofSeveral && given >= givenSpelling && given <= givenKeyed && !m.ownName(s, last4, contacts):
		return "given" // Evelyn and Evelynn, Miguel and Mike: one name, or the names of twins
	case !id && s.bornApart:
		return "birth-date"
	case !id && !born && !(last4 && named && contacts > 0) && !((birth == missing || birth == birthYear) && named && own && contacts > 1):
		return "birth-date"
	case id && given == missing && birth == missing:
		return "birth-date"
	case !id && l[fieldFamily] == familyDifferent && !own && !last4 && l[fieldMaiden] != maidenEqual && l[fieldMiddle] != middleExact &&
		!(given == givenExact && birth == birthExact && (contacts >= 2 || contacts == 1 && middle)):
		return "family" // a house and a birth date are shared by children who are no kin, and a given name by chance
	case s.corroborated():
		return ""
	}
	return "address"
}

// contacts counts what agrees beside the name and is a household's: phone, mail, insurance, address.
func (s *Set) contacts() int {
	l := &s.Union.levels
	n := 0
	for _, agrees := range [...]bool{l[fieldPhone] == phoneEqual, l[fieldEmail] == emailOwn || l[fieldEmail] == emailEqual, l[fieldMember] == memberEqual,
		l[fieldAddress] >= addressExact && l[fieldAddress] <= addressElsewhere} {
		if agrees {
			n++
		}
	}
	return n
}

// corroborated reports whether something agrees besides names, birth date and sex.
func (s *Set) corroborated() bool {
	l := &s.Union.levels
	// a second syllable of the given name, which stands as a middle name, is no value of its own
	fullMiddle := l[fieldMiddle] == middleExact && s.Union.values[fieldMiddle] != (pairOfValues{})
	return l[fieldSSN] == ssnExact || l[fieldID] == idEqual || l[fieldSSN] == ssnLast4Equal || s.contacts() > 0 || fullMiddle ||
		l[fieldMaiden] == maidenEqual || l[fieldGuardian] == guardianEqual || l[fieldFormer] == formerEqual || l[fieldPhone] == phoneNear
}

// ownName reports whether a given name that agrees only in part is the individual's own all the same: an equal order of
// birth, the last four digits of a number with a birth date that agrees nearly, mail that bears it, or a middle name tell twins apart.
func (m *Model) ownName(s *Set, last4 bool, contacts int) bool {
	l := &s.Union.levels
	given := l[fieldGiven]
	switch {
	case l[fieldOrder] == orderEqual:
		return true
	case last4 && given >= givenOneEdit && given <= givenSimilar && l[fieldBirth] >= birthExact && l[fieldBirth] <= birthOneDigit:
		return true
	case given < givenOneEdit || given > givenInitial:
		return false
	case l[fieldEmail] == emailOwn && l[fieldBirth] >= birthExact && l[fieldBirth] <= birthOneDigit:
		return true
	}
	if given == givenMiddle || l[fieldMiddle] != middleExact && l[fieldMiddle] != middleInitial || s.Union.ofSeveral {
		return false // twins may have one middle name: their father's
	}
	return l[fieldMiddle] == middleExact && given <= givenNear || l[fieldBirth] == birthExact && contacts > 0
}
