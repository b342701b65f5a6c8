package audit

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Query selects events. A nil or zero field selects everything, an empty slice nothing; several values of one field
// are alternatives.
type Query struct {
	hie.Private
	// From and To bound the event's time: From <= time < To. Zero is unbounded.
	From, To time.Time
	// Records selects events that touch any of these source patients.
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
