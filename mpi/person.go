package mpi

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Member is one source patient in a person, with how surely it belongs there.
type Member struct {
	hie.Private
	Record hie.SourcePatientID
	Site   hie.SiteID
	// Local is the identifier the site registered it under.
	Local hie.Identifier
	Link  hie.LinkState
	// Died is the end of the stretch in which the registration says the patient died, wherever on earth: half a day after
	// the day, month or year it names. Zero when it names none.
	Died time.Time
}

// A Person is a set of source patients held to be one human being, as of Version. It has no demographics of
// its own. Members are ordered by Record, each once; retired and inactive registrations stay members, since
// their documents and consents do.
type Person struct {
	ID hie.PersonID
	// Version rises by at least one with every change of the person's links.
	Version int64
	Members []Member
}

// Records returns the members' records, in order.
func (p Person) Records() []hie.SourcePatientID {
	out := make([]hie.SourcePatientID, len(p.Members))
	for i, m := range p.Members {
		out[i] = m.Record
	}
	return out
}

// Died is when the registrations that are surely this person's say they had died at the latest; zero when none names a
// date. Where they differ the later one counts, so that what protects the living and the lately dead ends late.
func (p Person) Died() time.Time {
	var out time.Time
	for _, m := range p.Members {
		if m.Link == hie.LinkConfirmed && m.Died.After(out) {
			out = m.Died
		}
	}
	return out
}

// Member returns the membership of record in p.
func (p Person) Member(record hie.SourcePatientID) (Member, bool) {
	for _, m := range p.Members {
		if m.Record == record {
			return m, true
		}
	}
	return Member{}, false
}

// A SourcePatient is one site's registration as the index holds it.
type SourcePatient struct {
	hie.Private
	Record hie.SourcePatientID
	Site   hie.SiteID
	Local  hie.Identifier
	// Demographics are the latest registered ones, also while an overlay is in dispute.
	Demographics Demographics
	// Received holds the bytes the site sent, unchanged; nil for a record known only from a merge.
	Received []byte
	Active   bool
	// AliasOf is the record that replaced this one in its site, or 0.
	AliasOf hie.SourcePatientID
	// Version counts registrations of this record, from 1.
	Version int64
	Created time.Time
	Updated time.Time
}
