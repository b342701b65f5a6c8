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

// ReleaseLease is [hie.ReleaseLease]: a change of consents is acknowledged only when every lease that could have begun before
// it has ended.
const ReleaseLease = hie.ReleaseLease
