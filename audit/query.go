package audit

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Query selects events. Empty fields select everything; several values of one field are alternatives.
type Query struct {
	hie.Private
	// From and To bound the event's time: From <= time < To. Zero is unbounded.
	From, To time.Time
	// Records selects events that touch any of these source patients: nil any at all, an empty slice none.
	Records []hie.SourcePatientID
	// Organizations and User select by who acted.
	Organizations []hie.OrgID
	User          string
	Kinds         []Kind
	Outcomes      []Outcome
	// Before continues a page: only events older than this event id. "" starts with the newest.
	Before string
	// Limit is how many events to return at most. It must be positive.
	Limit int
}
