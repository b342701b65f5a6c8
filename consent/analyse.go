package consent

import (
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A Redundancy is something about rules or wishes that has no effect, or not the one it seems to have.
type Redundancy struct {
	// Rule is what has none: a rule's id, or a directive's node as "id/version node". By is what takes it away, "" when
	// nothing does.
	Rule, By string
	// What is "never applies" or "shadowed".
	What string
	Why  string
}

// Analyse says which rules of e can never apply, and which never matter because another one of at least its rank says at
// least as much wherever it speaks. Scopes are finite sets and intervals, so this is decided, not guessed.
//
// Source: spec consent section 4 (containment, unreachable rules, shadowed permits).
func (e *Env) Analyse() []Redundancy {
	var out []Redundancy
	rules := e.setup.Rules
	for i := range rules {
		if why := e.unreachable(&rules[i]); why != "" {
			out = append(out, Redundancy{Rule: rules[i].ID, What: "never applies", Why: why})
			continue
		}
		for j := range rules {
			if i != j && e.shadows(&rules[j], &rules[i]) && (!e.shadows(&rules[i], &rules[j]) || j < i) {
				out = append(out, Redundancy{Rule: rules[i].ID, By: rules[j].ID, What: "shadowed", Why: "wherever it speaks, the other one does and refuses as much"})
				break
			}
		}
	}
	return out
}

// unreachable says why r can never speak, "" when it can.
func (e *Env) unreachable(r *Rule) string {
	s := &r.Scope
	switch {
	case !r.Start.IsZero() && !r.End.IsZero() && !r.Start.Before(r.End):
		return "it ends before it begins"
	case len(s.Sites) > 0 && !slices.ContainsFunc(s.Sites, func(id hie.SiteID) bool { return e.sites[id] != nil }):
		return "none of its sites is in the directory"
	case len(s.Kinds) > 0 && !slices.ContainsFunc(s.Kinds, func(k string) bool { return !slices.Contains(s.ExceptKinds, k) }):
		return "it excepts every kind it names"
	case r.Effect == Mandate && r.Layer != LayerLaw:
		return "only a law mandates"
	}
	return ""
}

// rank orders effects by how much they refuse.
var rank = map[Effect]int{Forbid: 3, Require: 2, Mandate: 1, Neutral: 0}

// shadows reports whether a makes b pointless: a refuses at least as much wherever b speaks, for as long, and nothing
// sets a aside where b would still hold.
func (e *Env) shadows(a, b *Rule) bool {
	switch {
	case rank[a.Effect] < 2 || len(b.Obligations) > 0:
		return false // what only mandates or attaches takes nothing away; obligations add up
	case layerRank[a.Layer] > layerRank[b.Layer]:
		return false // the reason given would be another
	case a.Effect == Require && (b.Effect == Forbid || b.Effect == Require && b.Kind != a.Kind):
		return false
	case a.Presume && !b.Presume:
		return false
	case a.givesWay() && !b.givesWay() && rank[b.Effect] >= 2:
		return false // in an emergency b would still hold
	case !a.Start.IsZero() && (b.Start.IsZero() || b.Start.Before(a.Start)), !a.End.IsZero() && (b.End.IsZero() || b.End.After(a.End)):
		return false
	}
	return e.scopeWithin(&b.Scope, &a.Scope)
}

// givesWay reports whether a valid emergency replaces r's refusal.
func (r *Rule) givesWay() bool {
	if r.Layer == LayerLaw {
		return r.Effect == Require && r.EmergencyClause
	}
	return r.Overridable
}

var layerRank = map[Layer]int{LayerLaw: 0, LayerNetwork: 1, LayerSite: 2}

// scopeWithin reports whether whatever a speaks of, b speaks of too.
func (e *Env) scopeWithin(a, b *Scope) bool {
	return listWithin(a.Purposes, b.Purposes, func(x, y hie.Purpose) bool {
		p, q := e.purpose(x), e.purpose(y)
		return x == y || p != nil && q != nil && p.under(q)
	}) && listWithin(a.Orgs, b.Orgs, func(x, y hie.OrgID) bool {
		o, p := e.orgs[x], e.orgs[y]
		return x == y || o != nil && p != nil && o.under(p)
	}) && listWithin(a.Labels, b.Labels, func(x, y string) bool {
		k, l := readSensitivity(x), readSensitivity(y)
		return x == y || k != other && l != other && e.kin.below[l].has(k)
	}) && listWithin(a.Sites, b.Sites, equal) && listWithin(a.Regimes, b.Regimes, equal) && listWithin(a.Jurisdictions, b.Jurisdictions, equal) &&
		listWithin(a.RequesterJurisdictions, b.RequesterJurisdictions, equal) && listWithin(a.Classes, b.Classes, equal) && listWithin(a.Roles, b.Roles, equal) &&
		listWithin(a.Kinds, b.Kinds, equal) && listWithin(a.Exchanges, b.Exchanges, equal) && listWithin(a.Flags, b.Flags, equal) && listWithin(a.Instruments, b.Instruments, equal) &&
		exceptWithin(a.Kinds, a.ExceptKinds, b.ExceptKinds) && exceptWithin(a.RequesterJurisdictions, a.ExceptRequesterJurisdictions, b.ExceptRequesterJurisdictions) &&
		(b.Requester == Anybody || a.Requester == b.Requester || b.Requester == PatientOnly && a.Requester == RepresentativeOnly) &&
		(!b.Unrelated || a.Unrelated) && (b.DiedWithin == 0 || a.DiedWithin > 0 && a.DiedWithin <= b.DiedWithin)
}

func equal[T comparable](x, y T) bool { return x == y }

// listWithin reports whether each value of a lies under one of b; an empty list is any.
func listWithin[T any](a, b []T, under func(x, y T) bool) bool {
	if len(b) == 0 {
		return true
	}
	if len(a) == 0 {
		return false
	}
	return !slices.ContainsFunc(a, func(x T) bool { return !slices.ContainsFunc(b, func(y T) bool { return under(x, y) }) })
}

// exceptWithin reports whether whatever a names, or does not except, b does not except either.
func exceptWithin(named, aExcept, bExcept []string) bool {
	return !slices.ContainsFunc(bExcept, func(x string) bool {
		return !slices.Contains(aExcept, x) && (len(named) == 0 || slices.Contains(named, x))
	})
}

// Shadowed says which permits of d can release nothing as things stand at q's instant, because a denial that they do not
// beat covers all they speak of.
func (d *Decider) Shadowed(q *Question) []Redundancy {
	var permits, denies []said
	for i := range q.phase.live {
		l := &q.phase.live[i]
		if l.mode == tombstones {
			for _, t := range l.tombs {
				denies = append(denies, said{l.compiled, t})
			}
			continue
		}
		for n := range l.root.all {
			switch {
			case n.sense == denying:
				denies = append(denies, said{l.compiled, n})
			case l.mode == inForce && !l.restricted():
				permits = append(permits, said{l.compiled, n})
			}
		}
	}
	var out []Redundancy
	for _, p := range permits {
		for _, n := range denies {
			if n.compiled == p.compiled || n.scope.period != nil || n.scope.action != nil || d.beat(p, n) || n.research && !p.research || !covers(n.node, p.node) || !n.childless() {
				continue
			}
			out = append(out, Redundancy{Rule: p.name() + " " + p.path, By: n.name() + " " + n.path, What: "shadowed", Why: "a denial it does not beat covers all it permits"})
			break
		}
	}
	return out
}

// covers reports whether everything p speaks of, n speaks of too.
func covers(n, p *node) bool {
	for _, dim := range dimensions {
		if !dim(&p.scope, p.sense, &n.scope, n.sense) {
			return false
		}
	}
	return true
}

// childless reports whether nothing under n, nor anything that stands over it, could let through what n denies.
func (n *node) childless() bool { return n.tombstone || len(n.kids) == 0 }
