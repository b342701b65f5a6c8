package mpi

// An attribute is a field of the approved combinations.
type attribute uint8

const (
	attrFirst attribute = iota
	attrLast
	attrBirth
	attrStreet
	attrPhone
	attrEmail
	attrSSN4
	attrITIN4
	attrMBI
	attrLegal
	attrMember
	attrSubscriber
	attrZIP
	numAttributes
)

// attributeNames are how an answer calls the attributes.
var attributeNames = [numAttributes]string{"given", "family", "birth-date", "address", "phone", "email", "ssn-last4", "itin-last4", "mbi",
	"legal-id", "member-id", "subscriber-id", "postal-code"}

// agreement says how an attribute agrees.
type agreement uint8

const (
	agreesNot agreement = iota
	agreesFuzzy
	agreesExact
)

// A combination of attributes proves two records to be one person closely enough to disclose on.
type combination struct {
	name string
	// attributes must all agree; of those in fuzzy, one may differ by a single edit.
	attributes, fuzzy []attribute
	// guards are the kinds of key each of which alone finds everybody who could satisfy it exactly.
	guards []KeyKind
	// exact and fuzzed are how likely two strangers agree so by chance, in all and with one edit.
	exact, fuzzed float64
	// household marks a combination of category 2.
	household bool
}

// combinations are the approved ones of category 1. Number 22, an identifier bound to its namespace, is
// decided by equality of the local identifier and stands outside the table.
//
// Source: CMS HTE patient matching proposal v3.4.0, Table 2 (spec cms-matching).
var combinations = []combination{
	{name: "01", attributes: attrs(attrFirst, attrLast, attrBirth, attrStreet), fuzzy: attrs(attrFirst, attrLast, attrBirth, attrStreet), guards: birthKeys, exact: 3e-13, fuzzed: 9e-13},
	{name: "02", attributes: attrs(attrFirst, attrLast, attrBirth, attrPhone), fuzzy: attrs(attrLast, attrBirth), guards: append(birthKeys, KeyPhone), exact: 1e-14, fuzzed: 2e-14},
	{name: "03", attributes: attrs(attrFirst, attrLast, attrBirth, attrEmail), fuzzy: attrs(attrFirst, attrLast, attrBirth), guards: append(birthKeys, KeyEmail), exact: 1e-14, fuzzed: 3e-14},
	{name: "04", attributes: attrs(attrFirst, attrLast, attrBirth, attrSSN4), fuzzy: attrs(attrFirst), guards: append(birthKeys, KeySSN4Year), exact: 1e-12, fuzzed: 2e-12},
	{name: "05", attributes: attrs(attrFirst, attrLast, attrBirth, attrSSN4), fuzzy: attrs(attrLast), guards: append(birthKeys, KeySSN4Year), exact: 1e-12, fuzzed: 2e-12},
	{name: "06", attributes: attrs(attrFirst, attrLast, attrBirth, attrITIN4), fuzzy: attrs(attrFirst), guards: birthKeys, exact: 1e-12, fuzzed: 2e-12},
	{name: "07", attributes: attrs(attrFirst, attrLast, attrBirth, attrITIN4), fuzzy: attrs(attrLast), guards: birthKeys, exact: 1e-12, fuzzed: 2e-12},
	{name: "08", attributes: attrs(attrFirst, attrBirth, attrMBI), guards: []KeyKind{KeyBirthGiven, KeyIdentifier}, exact: 2e-12},
	{name: "09", attributes: attrs(attrFirst, attrBirth, attrLegal), guards: []KeyKind{KeyBirthGiven, KeyIdentifier}, exact: 2e-12},
	{name: "10", attributes: attrs(attrLast, attrBirth, attrLegal), fuzzy: attrs(attrLast, attrBirth), guards: []KeyKind{KeyBirthFamily, KeyIdentifier}, exact: 5e-13, fuzzed: 1e-12},
	{name: "11", attributes: attrs(attrFirst, attrBirth, attrPhone), guards: []KeyKind{KeyBirthGiven, KeyPhone}, exact: 2e-12},
	{name: "12", attributes: attrs(attrFirst, attrBirth, attrEmail), guards: []KeyKind{KeyBirthGiven, KeyEmail}, exact: 2e-12},
	{name: "13", attributes: attrs(attrFirst, attrPhone, attrSSN4), guards: []KeyKind{KeyPhone}, exact: 2e-12},
	{name: "14", attributes: attrs(attrFirst, attrPhone, attrITIN4), guards: []KeyKind{KeyPhone}, exact: 2e-12},
	{name: "15", attributes: attrs(attrFirst, attrEmail, attrSSN4), guards: []KeyKind{KeyEmail}, exact: 2e-12},
	{name: "16", attributes: attrs(attrFirst, attrEmail, attrITIN4), guards: []KeyKind{KeyEmail}, exact: 2e-12},
	{name: "17", attributes: attrs(attrPhone, attrMBI), guards: []KeyKind{KeyPhone, KeyIdentifier}, exact: 1e-12},
	{name: "18", attributes: attrs(attrPhone, attrLegal), guards: []KeyKind{KeyPhone, KeyIdentifier}, exact: 1e-12},
	{name: "19", attributes: attrs(attrEmail, attrMBI), guards: []KeyKind{KeyEmail, KeyIdentifier}, exact: 1e-12},
	{name: "20", attributes: attrs(attrEmail, attrLegal), guards: []KeyKind{KeyEmail, KeyIdentifier}, exact: 1e-12},
	{name: "21", attributes: attrs(attrLegal, attrMBI), guards: []KeyKind{KeyIdentifier}, exact: 1e-12},
	{name: "23", attributes: attrs(attrFirst, attrBirth, attrMember), guards: []KeyKind{KeyBirthGiven, KeyIdentifier}, exact: 2e-12},
	{name: "24", attributes: attrs(attrLast, attrBirth, attrMember), fuzzy: attrs(attrLast, attrBirth), guards: []KeyKind{KeyBirthFamily, KeyIdentifier}, exact: 5e-13, fuzzed: 1e-12},
	{name: "25", attributes: attrs(attrPhone, attrMember), guards: []KeyKind{KeyPhone, KeyIdentifier}, exact: 1e-12},
	{name: "26", attributes: attrs(attrEmail, attrMember), guards: []KeyKind{KeyEmail, KeyIdentifier}, exact: 1e-12},
}

var birthKeys = []KeyKind{KeyBirthGiven, KeyBirthFamily}

func attrs(a ...attribute) []attribute { return a }

// A household leg says that two records are of one household, an individual leg which member of it; together
// they prove. p is how likely strangers, or other members, agree so by chance.
//
// Source: CMS HTE patient matching proposal v3.4.0, Tables 2-H and 2-I (spec cms-matching).
type leg struct {
	name       string
	attributes []attribute
	p          float64
}

var households = []leg{
	{"H-01", attrs(attrSSN4, attrPhone), 1.0e-10},
	{"H-02", attrs(attrSSN4, attrEmail), 1.0e-10},
	{"H-03", attrs(attrSSN4, attrStreet), 3.0e-9},
	{"H-04", attrs(attrITIN4, attrPhone), 1.0e-10},
	{"H-05", attrs(attrITIN4, attrEmail), 1.0e-10},
	{"H-06", attrs(attrITIN4, attrStreet), 3.0e-9},
	{"H-07", attrs(attrSubscriber, attrPhone), 1.0e-10},
	{"H-08", attrs(attrSubscriber, attrEmail), 1.0e-10},
	{"H-09", attrs(attrSubscriber, attrStreet), 3.0e-9},
	{"H-10", attrs(attrPhone, attrEmail), 1.0e-12},
	{"H-11", attrs(attrSSN4, attrSubscriber), 1.0e-8},
	{"H-12", attrs(attrPhone, attrZIP), 3.0e-10},
	{"H-13", attrs(attrEmail, attrZIP), 3.0e-10},
	{"H-14", attrs(attrPhone, attrStreet), 3.0e-11},
}

// The individual legs. I-02 (first and last name with the birth date) is left out: what satisfies it satisfies
// I-01, which the proposal makes the default.
var (
	firstAndBirth = leg{"I-01", attrs(attrFirst, attrBirth), 2.0e-6}
	firstAlone    = leg{"I-03", attrs(attrFirst), 0.02}
)

const (
	// firstFuzzed is I-01's chance when the first name differs by one edit.
	firstFuzzed = 3.0e-6
	// firstAloneNeeds is the household row that I-03 asks for, at most.
	firstAloneNeeds = 1.0e-10
)
