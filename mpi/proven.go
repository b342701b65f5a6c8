package mpi

import "github.com/concord-hie/concord/hie"

// Proven returns the one person of m that may be disclosed to somebody who does not hold the record already:
// certain, proved by an approved combination, the only one so proved, found by a search that was not cut
// short, without veto and with no link of its in question. ok is false otherwise, and nobody is disclosed.
//
// Source: DESIGN idea 3; spec cms-matching, "Restrictions": two proven persons, or a candidate search that was
// cut short, prove nothing.
func (m Matched) Proven() (_ hie.PersonID, ok bool) {
	var found *Identity
	for i := range m.Identities {
		if m.Identities[i].Proof == "" {
			continue
		}
		if found != nil {
			return 0, false
		}
		found = &m.Identities[i]
	}
	if found == nil || m.Truncated || found.Grade != GradeCertain || len(found.Vetoes) > 0 {
		return 0, false
	}
	for _, member := range found.Person.Members {
		if member.Link != hie.LinkConfirmed {
			return 0, false
		}
	}
	return found.Person.ID, true
}
