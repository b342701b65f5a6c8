package mpi

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/hie"
)

// A Registration is what a site says about a patient of its own.
//
// Source: IHE PMIR/PIXm ITI-104; HL7 v2 ADT A04, A08, A31, A40.
type Registration struct {
	hie.Private
	Site hie.SiteID
	// Local is the identifier the site knows the patient by; its system is one the site assigns.
	Local        hie.Identifier
	Demographics Demographics
	// Received are the bytes the site sent, kept and served unchanged.
	Received []byte
	// Active is false when the site withdraws the registration.
	Active bool
	// ReplacedBy, with Active false, names the site's own registration that takes this one's place.
	ReplacedBy *hie.Identifier
	// IfMatch is the version the caller believes current; 0 means any.
	IfMatch int64
}

// Registered says what came of a registration.
type Registered struct {
	Record  hie.SourcePatientID
	Version int64
	// Created is set for the first registration of the identifier; Changed when anything was written.
	Created bool
	Changed bool
	Person  hie.PersonID
	// Grade is how surely the record belongs to the person it was put into: GradeNone when it stands alone.
	Grade Grade
	// ReviewTask is set when a steward has been asked to look.
	ReviewTask bool
}

// Register creates or revises the registration r.Local of r.Site, finds who it is, and links it where that is
// certain. All of it, with its link events and its audit event, is one transaction. Repeating identical bytes
// changes nothing. Errors: *hie.InvalidError, hie.ErrStale for another version than IfMatch, hie.ErrConflict
// when the identifier was merged into another, hie.ErrUnavailable.
func (x *Index) Register(ctx context.Context, actor hie.Actor, r Registration) (Registered, error) {
	return Registered{}, fmt.Errorf("mpi: register: %w", hie.ErrUnavailable)
}

// MergeInSite makes retired an alias of survivor: both identifiers of one assigning authority. A retired
// identifier never registered is kept as a tombstone, so that late messages under it still find the survivor.
// Chains are followed; a cycle is refused with hie.ErrConflict, an unknown survivor with hie.ErrNotFound.
//
// Source: HL7 v2 ADT A40; ITI-104 replaced-by.
func (x *Index) MergeInSite(ctx context.Context, actor hie.Actor, site hie.SiteID, survivor, retired hie.Identifier) (ChangeID, error) {
	return 0, fmt.Errorf("mpi: merge: %w", hie.ErrUnavailable)
}
