// Package hie holds the words every part of Concord shares: identities, who asks and what for, private
// values, and the kinds of error. It has no rules and does no I/O.
//
// A source patient is one site's registration of somebody (site + local id) and never changes; pointers,
// consents and audit rows name a source patient. A person is only a set of source patients, so linking and
// unlinking touch link rows and nothing else.
package hie

import (
	"strconv"
	"time"
)

// A SourcePatientID names one site's registration of a patient. It is positive, fits 63 bits, is ordered by
// the time it was made, and is never reused. Zero means none.
type SourcePatientID int64

// A PersonID names a set of source patients held to be one person. Same shape as a [SourcePatientID]; a person
// that was merged away keeps its id for as-of questions.
type PersonID int64

// A PointerID names one document pointer within its source patient. Same shape as a [SourcePatientID].
type PointerID int64

// An OrgID is an organisation's FHIR id: 1-64 of [A-Za-z0-9.-].
type OrgID string

// A SiteID is a site's FHIR id: 1-64 of [A-Za-z0-9.-]. A site is one place with an assigning authority of its own.
type SiteID string

// A ClientID names a registered software client: 1-128 printable ASCII characters.
type ClientID string

func (id SourcePatientID) String() string { return strconv.FormatInt(int64(id), 10) }
func (id PersonID) String() string        { return strconv.FormatInt(int64(id), 10) }
func (id PointerID) String() string       { return strconv.FormatInt(int64(id), 10) }

// An Identifier is a business identifier: an assigning authority's system (a URI) and the value it gave.
// Both parts are needed for it to mean anything; the zero Identifier means none.
//
// Source: FHIR R4 datatypes, Identifier; HL7 v2 CX.
type Identifier struct {
	Private
	System string
	Value  string
}

// IsZero reports whether id has neither system nor value.
func (id Identifier) IsZero() bool { return id.System == "" && id.Value == "" }

// A Coding is a code from a code system. It is not private by itself.
type Coding struct {
	System, Code, Display string
}

// LinkState says how surely a source patient belongs to its person.
//
// Source: spec consent 2.13: denies cross every link, permits only confirmed ones.
type LinkState uint8

const (
	// LinkDisputed is the zero value: the weakest, and so the safe one.
	LinkDisputed LinkState = iota
	LinkTentative
	LinkConfirmed
)

func (s LinkState) String() string {
	switch s {
	case LinkConfirmed:
		return "confirmed"
	case LinkTentative:
		return "tentative"
	default:
		return "disputed"
	}
}

// Now is the clock services use: UTC, to the microsecond, as PostgreSQL stores it.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
