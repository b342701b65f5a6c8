package mpi

// A field is one thing compared. The order is that of evidence rows.
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
	numFields
)

var fieldNames = [numFields]string{"given", "middle", "family", "suffix", "birth-date", "birth-order", "sex", "ssn", "identifier",
	"phone", "email", "address", "mothers-maiden-name", "death-date", "source"}

// A level says how well one field agrees. Level 0 is always "missing" and 0 bits.
type level uint8

const missing level = 0

// The levels of each field. Their order is that of the tables below.
const (
	givenExact level = iota + 1
	givenCommon
	givenNickname
	givenOneEdit
	givenNear
	givenSwapped // given and family names have changed places
	givenMiddle  // the other's middle name
	givenInitial
	givenSound
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
	familyCommon
	familyPart // one part of a double name, or the name without its particle
	familyOneEdit
	familyNear
	familySwapped
	familySound
	familyDifferent
)

const (
	suffixEqual level = iota + 1
	suffixDifferent
)

const (
	birthExact    level = iota + 1
	birthWeak           // exact, but a date often put for "only the year is known"
	birthSwapped        // day and month have changed places
	birthMonth          // equal as far as known: year and month
	birthOneDigit       // one digit, or two neighbouring digits swapped
	birthYear           // equal as far as known: the year
	birthTwoParts       // two of year, month, day equal
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
	ssnDifferent
)

const (
	idEqual level = iota + 1
	idDifferent
)

const (
	phoneEqual level = iota + 1
	phoneDifferent
)

const (
	emailEqual level = iota + 1
	emailDifferent
)

const (
	addressExact  level = iota + 1 // number, street and place
	addressStreet                  // number and street; the place is not known
	addressNear                    // number and place, the street sounds alike
	addressPlace                   // postal code
	addressCity
	addressDifferent
)

const (
	maidenEqual level = iota + 1
	maidenDifferent
)

const (
	deathEqual level = iota + 1
	deathDifferent
)

const sourceSame level = 1

const maxLevels = 11

var levelNames = [numFields][]string{
	fieldGiven:   {"missing", "exact", "exact, common", "nickname", "one edit", "similar", "swapped with family", "other's middle name", "initial", "sounds alike", "different"},
	fieldMiddle:  {"missing", "exact", "initial", "similar", "different"},
	fieldFamily:  {"missing", "exact", "exact, common", "part", "one edit", "similar", "swapped with given", "sounds alike", "different"},
	fieldSuffix:  {"missing", "equal", "different"},
	fieldBirth:   {"missing", "exact", "exact, default-like", "day and month swapped", "year and month", "one digit", "year", "two parts", "different"},
	fieldOrder:   {"missing", "equal", "different"},
	fieldSex:     {"missing", "equal", "different"},
	fieldSSN:     {"missing", "exact", "last four", "one digit", "different"},
	fieldID:      {"missing", "equal", "different"},
	fieldPhone:   {"missing", "equal", "different"},
	fieldEmail:   {"missing", "equal", "different"},
	fieldAddress: {"missing", "street and place", "street", "similar street", "postal code", "city", "different"},
	fieldMaiden:  {"missing", "equal", "different"},
	fieldDeath:   {"missing", "equal", "different"},
	fieldSource:  {"missing", "same site, another registration"},
}

// A Model is the whole of what evidence is worth: what each level of each field is worth, and where the grades begin. Use
// [DefaultModel]; it is not changed once an Index uses it.
type Model struct {
	// ID names this model in link events and evidence.
	ID string
	// Prior is how many bits of evidence make a link as likely as not: log2 of the size of the population.
	Prior Bits
	// Certain, Probable and Possible are the evidence a grade needs at least.
	Certain, Probable, Possible Bits
	// Household bounds what family name, address, phone, mail and mother's maiden name may add together: a
	// family shares all of them.
	Household Bits
	// Margin is by how much the best identity must beat the next to be certain.
	Margin Bits
	// Overlay: an update scoring below it against its own previous self looks like somebody else.
	Overlay Bits

	bits [numFields][maxLevels]Bits
}

// DefaultModel returns the hand-set model "hand-1" for a population of about a million.
//
// Source: README.md, "Weights": each is log2 of how often the level is seen among records of one person over
// how often among two strangers, estimated from the frequencies named there.
func DefaultModel() *Model {
	return &Model{
		ID: "hand-1", Prior: 20, Certain: 30, Probable: 23, Possible: 15, Household: 16, Margin: 6, Overlay: -6,
		bits: [numFields][maxLevels]Bits{
			fieldGiven:   {0, 8, 5.5, 4.5, 4, 3, 4, 2, 1.5, 1.5, -7},
			fieldMiddle:  {0, 4, 1.5, 1, -2.5},
			fieldFamily:  {0, 9, 6.5, 6, 5.5, 3.5, 4, 2, -5},
			fieldSuffix:  {0, 2, -8},
			fieldBirth:   {0, 13.5, 9, 7.5, 8, 5, 4.5, 2.5, -9},
			fieldOrder:   {0, 2, -8},
			fieldSex:     {0, 0.9, -3.5},
			fieldSSN:     {0, 17, 9, 7, -6},
			fieldID:      {0, 17, -3},
			fieldPhone:   {0, 8, -0.5},
			fieldEmail:   {0, 9, -0.5},
			fieldAddress: {0, 9, 7, 6, 2.5, 1.5, -0.7},
			fieldMaiden:  {0, 5, -2},
			fieldDeath:   {0, 6, -4},
			fieldSource:  {0, -2},
		},
	}
}
