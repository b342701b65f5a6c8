// Package locator knows which documents exist about a source patient, where they are and what state they are
// in: pointers, never content. It decides who may publish, replace, revise and delete a pointer, when two
// publications are the same document, what kind of document a pointer is for consent, and in what order and
// pages pointers are found.
//
// It leaves to others who is who (mpi: a pointer names a source patient and is never rewritten when persons
// are linked or unlinked), who may see what (consent, whose answer arrives as a [Plan]), how a document is
// fetched (federation), and how any of it looks in FHIR (locatorfhir) or in tables (locatorpg).
//
// Source: IHE MHD 4.2 and XDS.b (ITI TF-2 3.42, 3.65-3.68; TF-3 4.2); spec locator sections 3, 6 and 7.
package locator

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Status says whether a pointer is in force. The zero Status is none.
type Status uint8

// The states of a pointer. FHIR DocumentReference.status names them.
const (
	Current        Status = 1
	Superseded     Status = 2
	EnteredInError Status = 3
)

// String returns the FHIR code of s, "" for no status.
func (s Status) String() string {
	switch s {
	case Current:
		return "current"
	case Superseded:
		return "superseded"
	case EnteredInError:
		return "entered-in-error"
	default:
		return ""
	}
}

// ParseStatus returns the status a FHIR code names.
func ParseStatus(code string) (Status, bool) {
	for _, s := range []Status{Current, Superseded, EnteredInError} {
		if s.String() == code {
			return s, true
		}
	}
	return 0, false
}

// A Span is [Start, End) in UTC. A zero Start or End is open; both zero means there is no span at all.
type Span struct {
	Start, End time.Time
}

// IsZero reports whether there is no span.
func (s Span) IsZero() bool { return s.Start.IsZero() && s.End.IsZero() }

// A Ref names a stored pointer. The zero Ref names none.
type Ref struct {
	Record hie.SourcePatientID
	ID     hie.PointerID
}

// A Relation says how one document stands to another: "replaces", "transforms", "signs" or "appends".
type Relation struct {
	Code string
	// Target is the other document, resolved. A zero Target is possible only before publication, with
	// Identifier or Entry set.
	Target Ref
	// Identifier is the target's master identifier, when the publisher named it that way.
	Identifier hie.Identifier
	// Entry is 1 + the position of the target in the same publication, or 0.
	Entry int
}

// An Author is who wrote the document, as far as the publisher said.
type Author struct {
	hie.Private
	Given  []string
	Family string
	// Reference is the literal reference or "system|value" of the author, or "".
	Reference string
	// Organization is the authoring organisation's reference or "system|value", or "".
	Organization string
}

// A Location says where the bytes of a document are: a path at a site's endpoint, so that a site that moves
// changes one row of the directory.
type Location struct {
	Site hie.SiteID
	// Endpoint is the id of the site's endpoint in the directory.
	Endpoint string
	// Path is relative to the endpoint's address, without a leading slash, query included: "Binary/17".
	Path string
}

// A Pointer is what the exchange knows of one document. It is private: it names a patient's record and
// tells what was written about them.
type Pointer struct {
	hie.Private
	Record hie.SourcePatientID
	ID     hie.PointerID
	// Site is the record's site; Custodian the organisation that site belongs to, which owns the pointer.
	Site      hie.SiteID
	Custodian hie.OrgID
	// MasterIdentifier is the document's unique id; zero when the publisher gave none.
	MasterIdentifier hie.Identifier
	// Identifiers are further business identifiers.
	Identifiers []hie.Identifier
	Status      Status
	// DocStatus is FHIR DocumentReference.docStatus, or "".
	DocStatus string
	Kind      Kind
	// Types are the codings of its one type; Categories those of all its categories.
	Types, Categories []hie.Coding
	Formats           []hie.Coding
	// Settings are the practice settings, Facilities the facility types, Events the event codes.
	Settings, Facilities, Events []hie.Coding
	// Labels are all its security labels, of whatever system.
	Labels  []hie.Coding
	Authors []Author
	// Date is when the reference was made, Creation when the document was, Period the time of the service.
	// Each covers its precision.
	Date, Creation, Period Span
	ContentType            string
	Language               string
	Title                  string
	// Size is the length in bytes, -1 when unknown (an on-demand document); 0 with the hash of nothing means
	// assembled on first retrieval.
	Size int64
	// Hash is the SHA-1 of the content, 20 bytes, or nil when unknown.
	Hash     []byte
	Location Location
	// Relations are its own statements about other documents.
	Relations []Relation
	// Related are the literal references and "system|value" identifiers of DocumentReference.context.related,
	// Encounters those of context.encounter.
	Related, Encounters []string
	// Received is the resource as published, with references within its bundle resolved. Nil where a query
	// did not ask for it. The caller must not change it.
	Received []byte
	// Version counts from 1 and rises with every change. Published and Updated are when the first and this
	// version were recorded.
	Version            int64
	Published, Updated time.Time
	// SortAt orders answers: the first known of Date, Creation and Period, else Published.
	SortAt time.Time
}

// Ref returns the pointer's own reference.
func (p Pointer) Ref() Ref { return Ref{Record: p.Record, ID: p.ID} }
