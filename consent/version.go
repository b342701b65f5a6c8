package consent

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Version is one version of a directive as it was filed. Versions are only ever added; the one with the
// highest number is current.
type Version struct {
	hie.Private
	Record hie.SourcePatientID
	// ID names the directive within its record; Number counts its versions from 1.
	ID     int64
	Number int64
	// By is the organisation that filed it, ByPatient whether the patient did, through a client of theirs.
	By        hie.OrgID
	ByPatient bool
	Status    string
	Filed     time.Time
	// Signed is zero when it is not known.
	Signed                                           time.Time
	Verified, NetworkWide, Absolute, ReturnToDefault bool
	// Content is the resource as received, unchanged.
	Content []byte
	// Evidence is what this version rests on; a store fills it in only when asked for it.
	Evidence []Evidence
}

// A Task asks a privacy officer to review an emergency.
type Task struct {
	hie.Private
	ID       int64
	Opened   time.Time
	Actor    hie.Actor // organisation, client, user and roles of the claimant
	Claim    Emergency
	Until    time.Time
	Records  []hie.SourcePatientID // nil when the claim named nobody known here
	Closed   time.Time             // zero while open
	ClosedBy string
	Finding  string // "justified" or "unjustified", "" while open
	Note     string
}

// A TaskFilter selects review tasks, oldest first.
type TaskFilter struct {
	Closed bool
	// Organization selects claims of one organisation, "" of all.
	Organization hie.OrgID
	// After continues a list: only tasks with a larger id.
	After int64
	Limit int
}
