package consent

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A DeskTask is a finding as staff work on it.
type DeskTask struct {
	hie.Private
	ID int64
	// Record is the record the directive was given on, Organization whose site that is.
	Record       hie.SourcePatientID
	Organization hie.OrgID
	Finding
	Opened time.Time
	Closed time.Time // zero while open
	// ClosedBy is "org/user"; Outcome "settled" when somebody settled it, "gone" when what was found is no more.
	ClosedBy, Outcome, Note string
}

// A DeskFilter selects desk tasks, oldest first.
type DeskFilter struct {
	Kind   FindingKind // "" for all
	Closed bool
	// Organization selects those about one organisation's registrations, "" all.
	Organization hie.OrgID
	// Record selects those about one record, 0 all.
	Record hie.SourcePatientID
	// After continues a list: only tasks with a larger id.
	After int64
	Limit int
}
