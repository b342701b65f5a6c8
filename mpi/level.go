package mpi

import "slices"

// A field is one thing compared. The order is that of evidence rows; numbers are stored and never change.
type field uint8

const (
	fieldGiven field = iota
	fieldMiddle
	fieldFamily
	fieldSuffix
	fieldBirth
	fieldOrder
	fieldSex
	fieldSSN
	fieldID
	fieldPhone
	fieldEmail
	fieldAddress
	fieldMaiden
	fieldDeath
	fieldSource
	fieldSwap
	fieldGuardian
	fieldMember // number in an insurance plan: a family may share it
	fieldFormer // two family names, present and former
	numFields
)

var fieldNames = [numFields]string{"given", "middle", "family", "suffix", "birth-date", "birth-order", "sex", "ssn", "identifier",
	"phone", "email", "address", "mothers-maiden-name", "death-date", "source", "name-order", "guardian", "insurance", "former-name"}

// A level says how well one field agrees. Level 0 is always "missing" and 0 bits; the others are ordered, best first. A level
// is stored by its code, which never changes (see levelCodes).
type level uint8

const missing level = 0

// The levels of each field. Their order is that of the tables below.
const (
	givenExact    level = iota + 1
	givenSpelling       // spelled otherwise, and said the same
	givenNickname
	givenKeyed // one key hit wrong in a name known to exist
	givenOneEdit
	givenNear
	givenMiddle  // the other's middle name
	givenInitial // one is only an initial, and it agrees
	givenSimilar // sounds alike, or resembles by Jaro-Winkler
	givenDifferent
)

const (
	middleExact level = iota + 1
	middleInitial
	middleNear
	middleDifferent
)

const (
	familyExact    level = iota + 1
	familySpelling       // spelled otherwise, and said the same, or brought from another script otherwise
	familyPart           // one part of a double name, or the name without its particle
	familyOneEdit
	familyNear
	familySimilar
	familyDifferent
)

const (
	suffixEqual level = iota + 1
	suffixDifferent
)

const (
	birthExact     level = iota + 1
	birthWeak            // exact, but a date often put for "only the year is known"
	birthSwapped         // day and month have changed places
	birthMonth           // equal as far as known: year and month
	birthOneDigit        // one digit, or two neighbouring digits swapped
	birthYear            // equal as far as known: the year
	birthTwoParts        // two of year, month, day equal
	birthTwoDigits       // two of the eight digits differ
	birthSameYear        // only the year is equal
	birthDifferent
	birthGeneration // different, and so many years apart as parents and children are
)

const (
	orderEqual level = iota + 1
	orderDifferent
)

const (
	sexEqual level = iota + 1
	sexDifferent
)

const (
	ssnExact level = iota + 1
	ssnLast4Equal
	ssnOneDigit
	ssnTwoDigits
	ssnDifferent
)

const (
	idEqual level = iota + 1
	idOneDigit
	idDifferent
)

const (
	phoneEqual level = iota + 1
	phoneNear        // one digit, or the seven behind the area code
	phoneDifferent
)

const (
	emailOwn   level = iota + 1 // equal, and it bears the person's own given name
	emailEqual                  // equal: a family's, for all that is known
	emailNear
	emailDifferent
)

const (
	addressExact      level = iota + 1 // number, street and place
	addressStreet                      // number and street; the place is not known
	addressNear                        // number or street nearly, and place
	addressElsewhere                   // number and street, another place
	addressPlace                       // the whole place, another street
	addressCity                        // city or postal code
	addressArea                        // the wider postal area
	addressNearStreet                  // nearly the street, another place
	addressDifferent
)

const (
	maidenEqual level = iota + 1
	maidenNear
	maidenDifferent
)

const (
	deathEqual level = iota + 1
	deathDifferent
)

const (
	sourceSame level = iota + 1
	sourceOther
)

const (
	nameFamilyFirst level = iota + 1 // given and family names have changed places, as is the custom where the family name comes from
	nameSwapped                      // given and family names have changed places
	nameSingle                       // one record has a single name, and it is the other name of the other record
	nameFamilyLast                   // the usual order, with a family name that its people write first
	nameStraight                     // one record has a single name, which is what it says
)

const (
	guardianEqual level = iota + 1
	guardianNear
	guardianDifferent
)

const (
	memberEqual level = iota + 1
	memberNear        // one digit, or two neighbouring digits swapped
	memberDifferent
)

const (
	formerEqual level = iota + 1
	formerDifferent
)

const maxLevels = 12

var levelNames = [numFields][]string{
	fieldGiven:    {"missing", "exact", "spelled otherwise", "nickname", "slip of a key", "one edit", "similar", "other's middle name", "initial", "sounds alike", "different"},
	fieldMiddle:   {"missing", "exact", "initial", "similar", "different"},
	fieldFamily:   {"missing", "exact", "spelled otherwise", "part", "one edit", "similar", "sounds alike", "different"},
	fieldSuffix:   {"missing", "equal", "different"},
	fieldBirth:    {"missing", "exact", "exact, default-like", "day and month swapped", "year and month", "one digit", "year", "two parts", "two digits", "same year", "different", "a generation apart"},
	fieldOrder:    {"missing", "equal", "different"},
	fieldSex:      {"missing", "equal", "different"},
	fieldSSN:      {"missing", "exact", "last four", "one digit", "two digits", "different"},
	fieldID:       {"missing", "equal", "one digit", "different"},
	fieldPhone:    {"missing", "equal", "similar", "different"},
	fieldEmail:    {"missing", "equal, the person's own", "equal", "similar", "different"},
	fieldAddress:  {"missing", "street and place", "street", "similar street", "street elsewhere", "place", "city or postal code", "postal area", "similar street elsewhere", "different"},
	fieldMaiden:   {"missing", "equal", "similar", "different"},
	fieldDeath:    {"missing", "equal", "different"},
	fieldSource:   {"missing", "same site", "another site"},
	fieldSwap:     {"missing", "family name first", "given and family swapped", "single name, of the other kind", "family name last", "single name"},
	fieldGuardian: {"missing", "equal", "similar", "different"},
	fieldMember:   {"missing", "equal", "one digit", "different"},
	fieldFormer:   {"missing", "both equal", "different"},
}

// levelCodes are the codes under which levels are stored, for fields where that is not their place: a level that was found
// later stands between the others, and its code behind all. Codes never change.
var levelCodes = [numFields][]byte{
	fieldGiven:  {0, 1, 9, 2, 10, 3, 4, 5, 6, 7, 8},
	fieldFamily: {0, 1, 7, 2, 3, 4, 5, 6},
	fieldEmail:  {0, 4, 1, 2, 3},
	fieldSwap:   {0, 4, 1, 2, 5, 3},
}

// code returns the code of level l of f.
func (f field) code(l level) byte {
	if c := levelCodes[f]; c != nil {
		return c[l]
	}
	return byte(l)
}

// levelOf returns the level whose code is c; ok is false when f has none.
func (f field) levelOf(c byte) (l level, ok bool) {
	if codes := levelCodes[f]; codes != nil {
		i := slices.Index(codes, c)
		return level(max(i, 0)), i >= 0
	}
	return level(c), int(c) < levelsOf(f)
}

// levelsOf is how many levels a field has, missing included.
func levelsOf(f field) int { return len(levelNames[f]) }
