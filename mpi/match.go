package mpi

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/hie"
)

// Bits measure evidence: +10 means what was seen is 1024 times likelier for one person than for two.
type Bits float32

// A Probability is between 0 and 1.
type Probability float64

// A Grade says what may be done with a match. The zero Grade is no match.
type Grade uint8

// The grades, weakest first.
const (
	GradeNone Grade = iota
	GradePossible
	GradeProbable
	GradeCertain
)

// String returns the FHIR match-grade code: "certain", "probable", "possible" or "certainly-not".
func (g Grade) String() string {
	return [...]string{"certainly-not", "possible", "probable", "certain"}[g]
}

// MatchOptions say what a caller wants of Match. The zero value asks for all identities.
type MatchOptions struct {
	// OnlyCertain asks for exactly one provable person or nothing.
	OnlyCertain bool
	// Count bounds the identities returned; 0 means 20.
	Count int
}

// Matched is what a search for somebody found.
type Matched struct {
	hie.Private
	// Identities are the persons found, best first, each once.
	Identities []Identity
	// Keys are the kinds of key that were looked up, Skipped those left out because too many records share
	// the value; both sorted, each once.
	Keys, Skipped []string
	// Truncated is set when somebody who would have to be weighed may not have been seen.
	Truncated bool
	// Withheld says in a code why OnlyCertain returned nothing though something was found ("truncated",
	// "disputed", "two-proven", "unproven", "none"). It is for the audit trail, never for the caller.
	Withheld string
}

// An Identity is one person found, with why.
type Identity struct {
	hie.Private
	Person Person
	// Records are the person's live registrations, ordered by record.
	Records     []SourcePatient
	Grade       Grade
	Bits        Bits
	Probability Probability
	// Margin is how many bits better than the next identity; the last one's is its own Bits.
	Margin Bits
	// Evidence is the waterfall: one row a field that said anything, in field order, then ceilings and the
	// consistency term; they add up to Bits.
	Evidence []Evidence
	// Vetoes name what forbids linking ("suffix", "birth-order", "steward", ...), sorted; nil for none.
	Vetoes []string
	// Proof is the approved combination that proves the identity ("01" to "26"), or "".
	Proof string
}

// Evidence is one step of a waterfall. It holds no value of the person's.
type Evidence struct {
	// Field is what was compared ("given", "family", "birth-date", ...), or "household-ceiling", "consistency".
	Field string
	// Level is how well it agreed ("exact", "nickname", "one-edit", "different", ...).
	Level string
	Bits  Bits
}

// Match says who d might be: identities with grade, bits, probability and evidence. It records the query.
// With OnlyCertain it returns exactly one identity whose grade is certain and that an approved combination
// proves, and only if no other identity is provable, the search was complete and nothing about it is in
// dispute; else none.
//
// Source: IHE PDQm ITI-119; spec cms-matching; DESIGN idea 3.
func (x *Index) Match(ctx context.Context, actor hie.Actor, d Demographics, o MatchOptions) (Matched, error) {
	return Matched{}, fmt.Errorf("mpi: match: %w", hie.ErrUnavailable)
}
