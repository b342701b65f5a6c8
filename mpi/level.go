package mpi

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
	numFields
)

var fieldNames = [numFields]string{"given", "middle", "family", "suffix", "birth-date", "birth-order", "sex", "ssn", "identifier",
	"phone", "email", "address", "mothers-maiden-name", "death-date", "source", "name-order", "guardian"}

// A level says how well one field agrees. Level 0 is always "missing" and 0 bits; the others are ordered, best first.
type level uint8

const missing level = 0

// The levels of each field. Their order is that of the tables below.
const (
	givenExact level = iota + 1
	givenNickname
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
	familyExact level = iota + 1
	familyPart        // one part of a double name, or the name without its particle
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
	emailEqual level = iota + 1
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
	nameSwapped  level = iota + 1 // given and family names have changed places
	nameSingle                    // one record has a single name, and it is the other name of the other record
	nameStraight                  // one record has a single name, which is what it says
)

const (
	guardianEqual level = iota + 1
	guardianNear
	guardianDifferent
)

const maxLevels = 11

var levelNames = [numFields][]string{
	fieldGiven:    {"missing", "exact", "nickname", "one edit", "similar", "other's middle name", "initial", "sounds alike", "different"},
	fieldMiddle:   {"missing", "exact", "initial", "similar", "different"},
	fieldFamily:   {"missing", "exact", "part", "one edit", "similar", "sounds alike", "different"},
	fieldSuffix:   {"missing", "equal", "different"},
	fieldBirth:    {"missing", "exact", "exact, default-like", "day and month swapped", "year and month", "one digit", "year", "two parts", "two digits", "same year", "different"},
	fieldOrder:    {"missing", "equal", "different"},
	fieldSex:      {"missing", "equal", "different"},
	fieldSSN:      {"missing", "exact", "last four", "one digit", "two digits", "different"},
	fieldID:       {"missing", "equal", "one digit", "different"},
	fieldPhone:    {"missing", "equal", "similar", "different"},
	fieldEmail:    {"missing", "equal", "similar", "different"},
	fieldAddress:  {"missing", "street and place", "street", "similar street", "street elsewhere", "place", "city or postal code", "postal area", "similar street elsewhere", "different"},
	fieldMaiden:   {"missing", "equal", "similar", "different"},
	fieldDeath:    {"missing", "equal", "different"},
	fieldSource:   {"missing", "same site", "another site"},
	fieldSwap:     {"missing", "given and family swapped", "single name, of the other kind", "single name"},
	fieldGuardian: {"missing", "equal", "similar", "different"},
}

// levelsOf is how many levels a field has, missing included.
func levelsOf(f field) int { return len(levelNames[f]) }
