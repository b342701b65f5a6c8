package mpi

import (
	"github.com/concord-hie/concord/hie"
)

// Demographics are what a registration or a query says about somebody, as received: nothing is folded,
// corrected or dropped here. Every part may be missing. The zero value says nothing at all.
type Demographics struct {
	hie.Private
	// Names are all names on record, current and former, in the order received.
	Names []Name
	Birth Date
	Sex   Sex
	// Addresses and Telecoms, current and former, in the order received.
	Addresses []Address
	Telecoms  []Telecom
	// Identifiers are those besides the local one of the registration: SSN, insurance, licences, other sites' numbers.
	Identifiers []Identifier
	// Multiple says whether the person was born as one of several.
	Multiple MultipleBirth
	// MothersMaidenName is the family name of the mother before marriage, or "".
	MothersMaidenName string
	// Guardians are the names of parents or guardians, in the order received.
	Guardians []Name
	Deceased  Deceased
}

// A Name is one name of a person. Text is used where the parts are missing.
//
// Source: FHIR R4 HumanName; HL7 v2 XPN.
type Name struct {
	hie.Private
	// Use is a FHIR name-use code: "official", "usual", "maiden", "old", "nickname", "anonymous", "temp", or "".
	Use    string
	Text   string
	Given  []string
	Family string
	Prefix []string
	Suffix []string
	Period Period
}

// An Address is one postal address.
//
// Source: FHIR R4 Address; HL7 v2 XAD.
type Address struct {
	hie.Private
	// Use is a FHIR address-use code: "home", "work", "temp", "old", "billing", or "".
	Use        string
	Text       string
	Lines      []string
	City       string
	District   string
	State      string
	PostalCode string
	Country    string
	Period     Period
}

// A Telecom is a telephone number, an e-mail address or another contact point.
type Telecom struct {
	hie.Private
	// System is a FHIR contact-point-system code: "phone", "email", "fax", "sms", "url", ..., or "".
	System string
	Value  string
	Use    string
	Period Period
}

// An Identifier is a business identifier with its kind.
type Identifier struct {
	hie.Identifier
	// Type is an HL7 table 0203 code ("MR", "SS", "DL", "MC", "MB", "SN", "PPN", ...), or "".
	Type   string
	Use    string
	Period Period
}

// A Date is a calendar date at the precision it was given: Month 0 means only the year is known, Day 0 that
// only year and month are. The zero Date means unknown.
type Date struct {
	hie.Private
	Year, Month, Day int
}

// IsZero reports whether nothing is known.
func (d Date) IsZero() bool { return d.Year == 0 }

// A Period is when something held; a zero end is open.
type Period struct {
	hie.Private
	Start, End Date
}

// Sex is administrative sex: a FHIR administrative-gender code, or "" when not given.
type Sex string

// The codes of administrative sex.
const (
	Male         Sex = "male"
	Female       Sex = "female"
	OtherSex     Sex = "other"
	SexIsUnknown Sex = "unknown"
)

// MultipleBirth says whether somebody was born as one of several, and which. The zero value says nothing.
type MultipleBirth struct {
	hie.Private
	// Known is set when the source said anything.
	Known bool
	// Multiple is set for a twin, triplet and so on; Order is 1-9, or 0 when not said;
	// order 1 without Multiple is the first or only one.
	Multiple bool
	Order    int
}

// Deceased says whether somebody died. The zero value says nothing.
type Deceased struct {
	hie.Private
	Known bool
	Dead  bool
	On    Date
}
