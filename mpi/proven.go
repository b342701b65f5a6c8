package mpi

import (
	"slices"

	"github.com/concord-hie/concord/hie"
)

// Proven returns the one person of m that may be disclosed to somebody who does not hold the record already:
// certain, proved by an approved combination, the only one so proved, found by a search that was not cut
// short, without veto and with no link of its in question. ok is false otherwise, and nobody is disclosed.
//
// Source: DESIGN idea 3; spec cms-matching, "Restrictions": two proven persons, or a candidate search that was
// cut short, prove nothing.
func (m Matched) Proven() (_ hie.PersonID, ok bool) {
	i, reason := m.disclosable()
	if reason != "" {
		return 0, false
	}
	return i.Person.ID, true
}

// disclosable returns the one identity of m that may be disclosed and "", or the reason why none may.
func (m Matched) disclosable() (_ *Identity, reason string) {
	var proven []*Identity
	for i := range m.Identities {
		if m.Identities[i].Proof.Rule != "" {
			proven = append(proven, &m.Identities[i])
		}
	}
	switch {
	case len(m.Identities) == 0:
		return nil, WithheldNone
	case m.Truncated:
		return nil, WithheldTruncated
	case len(proven) == 0:
		return nil, WithheldUnproven
	case len(proven) > 1:
		return nil, WithheldTwo
	case slices.ContainsFunc(proven[0].Person.Members, func(m Member) bool { return m.Link != hie.LinkConfirmed }):
		return nil, WithheldDisputed
	case proven[0].Grade != GradeCertain || len(proven[0].Vetoes) > 0:
		return nil, WithheldUncertain
	}
	return proven[0], ""
}
