package federation

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// abilities are the obligations this exchange honours by itself: it delivers the notice, the refrain and the label
// with every entry, reference and document they are attached to, in codes and in the words of the pack that attached them. What the
// recipient alone can do, as to erase by a day, it must be registered for.
//
// Source: spec consent 2.11.
var abilities = []string{"P2-NOTICE", "NORDSCLCD", "NODSCLCDS", "NO-PROCEEDINGS", "STATE-STMT", "LABELS", "MINEC"}

// RequestOf turns who asks about p into the words of consent: what the token establishes, and what the directory and the
// registrations say of the organisation. Whether who acts for a patient may is not settled here.
func RequestOf(actor hie.Actor, network *directory.Network, p mpi.Person) consent.Request {
	r := consent.Request{Organization: actor.Organization, Roles: slices.Clone(actor.Roles), Purposes: slices.Clone(actor.Purposes),
		Abilities: append(slices.Clip(abilities), actor.Abilities...), User: actor.User, OwnRecord: actor.Patient != 0, Representative: actor.Representative != "",
		Exchange: actor.Exchange, Relationship: relationship(actor.Organization, network, p)}
	r.Practitioner, _ = strings.CutPrefix(actor.User, "Practitioner/") // a bare id, as directives are compared
	if r.Practitioner == actor.User {
		r.Practitioner = "" // not named as a practitioner: not known
	}
	if r.Roles == nil {
		r.Roles = []string{} // the token states the roles; none stated is none held
	}
	for _, id := range network.Ancestors(actor.Organization) {
		o, ok := network.Organization(id)
		if !ok {
			continue
		}
		r.Kinds = append(r.Kinds, o.Kind)
		if r.Jurisdiction == "" {
			r.Jurisdiction = o.Jurisdiction
		}
	}
	return r
}

// relationship says whether the organisation treats p: it, a unit of it or one it is a unit of has registered them. A
// registration whose link is not sure says nothing, nor does one of a site that is not live.
//
// Source: 45 CFR 164.506(c)(4); 42 CFR 2.31(a)(4)(ii)(B).
func relationship(asks hie.OrgID, network *directory.Network, p mpi.Person) consent.Relationship {
	out := consent.Unrelated
	for _, m := range p.Members {
		s, known := network.Site(m.Site)
		if !known || s.Membership != directory.Live || !slices.Contains(network.Ancestors(s.Org), asks) && !slices.Contains(network.Ancestors(asks), s.Org) {
			continue
		}
		if m.Link == hie.LinkConfirmed {
			return consent.Treating
		}
		out = consent.RelationshipUnknown
	}
	return out
}
