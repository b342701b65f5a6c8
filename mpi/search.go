package mpi

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/hie"
)

// Criteria are the conditions of a demographics search; all that are set must hold, on one source patient.
// Strings match where a value begins with them, ignoring case and accents; a list holds if any entry does.
//
// Source: IHE PDQm ITI-78; FHIR R4 search (string, token, date).
type Criteria struct {
	hie.Private
	Records []hie.SourcePatientID
	// Identifiers match the local identifier or any other; an empty System matches every system.
	Identifiers []hie.Identifier
	// Family and Given: each entry is one parameter's alternatives; all entries must hold.
	Family, Given [][]string
	// FamilyExact and GivenExact are the same with the :exact modifier: case and accents count, whole value.
	FamilyExact, GivenExact [][]string
	Birth                   []DateRange
	// Sex lists alternatives.
	Sex []Sex
	// Address matches any part; the others that part.
	Address, City, State, PostalCode, Country []string
	// Telecoms match phone numbers and mail addresses however they are written.
	Telecoms []string
	// Active restricts to active or inactive registrations when set.
	Active *bool
	// After continues behind a record: the Next of the page before.
	After hie.SourcePatientID
	// Count bounds the page; 0 means 50, at most 200.
	Count int
}

// A DateRange holds for dates that lie within it: From <= date < Until, either zero for open. Not turns it round.
type DateRange struct {
	hie.Private
	From, Until Date
	Not         bool
}

// A Page is one page of a search.
type Page struct {
	hie.Private
	// Patients are ordered by record.
	Patients []SourcePatient
	// Next is the After of the following page, or 0 when there is none. A page may be short, even empty, and
	// still have a next one: one call reads a bounded number of rows.
	Next hie.SourcePatientID
}

// Search returns the source patients that meet c. An *hie.InvalidError says when c names nothing to search by.
func (x *Index) Search(ctx context.Context, c Criteria) (Page, error) {
	return Page{}, fmt.Errorf("mpi: search: %w", hie.ErrUnavailable)
}
