package consent

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A CopyNotice says that what binds a registration changed, for the last time up to now: who holds a copy of it has it anew.
//
// The feed keeps one notice a registration, the last, under the next number of a single series. So whoever reads it from its
// beginning learns of every registration that anything binds, and can go on from there; nobody falls behind what is kept, and no
// reader need be known.
//
// Source: spec consent 2.19 (change feed so that enforcing sites can hold fresh copies) and section 5 (stale copies).
type CopyNotice struct {
	Number int64
	Record hie.SourcePatientID
	At     time.Time
	// Digest is the copy's as it was then ([Copy.Digest]), nil when nothing binds the registration any more.
	Digest []byte
}

// A CopyState is what a copy of a record says now; Digest is nil when nothing binds it.
type CopyState struct {
	Record hie.SourcePatientID
	Site   hie.SiteID
	Digest []byte
}
