package consent

import (
	"slices"
	"time"
)

// A Conflict is a permission that a refusal keeps from acting, though nobody can tell from the papers which of the two
// the patient meant. What the refusal covers is refused meanwhile; somebody asks the patient.
//
// Source: spec consent 2.8c and 2.16 ("or asked the patient"), vector 79.
type Conflict struct {
	// Permit and Deny name the directives, PermitNode and DenyNode the places in their trees.
	Permit, Deny         DirectiveName
	PermitNode, DenyNode string
	// Why is one of the Conflict words.
	Why string
}

// A DirectiveName names one version of a directive.
type DirectiveName struct {
	ID      string
	Version int64
}

// Why a permission does not prevail although it may have been meant to.
const (
	ConflictSameTime = "neither is later than the other" // signed and filed do not order them
	ConflictWider    = "the later permission is not narrower than the refusal"
	ConflictAbsolute = "the refusal was marked absolute"
)

// Conflicts returns the conflicts among what is in force at now, each pair of directives once, in the order of the
// permits' and then the denies' directives. A refusal that came after a permission is no conflict: it cancelled it. Nor
// is one on which the permission prevails.
func (d *Decider) Conflicts(now time.Time) []Conflict {
	ph := d.at(tickOf(now))
	var out []Conflict
	for i := range ph.live {
		p := &ph.live[i]
		if p.mode != inForce || p.restricted() {
			continue
		}
		for j := range ph.live {
			n := &ph.live[j]
			if n.mode != inForce || n.compiled == p.compiled || n.research != p.research {
				continue
			}
			if c, found := d.conflict(p.compiled, n.compiled); found {
				out = append(out, c)
			}
		}
	}
	return out
}

// conflict returns the first conflict between a permit of p and a deny of n.
func (d *Decider) conflict(p, n *compiled) (Conflict, bool) {
	for permit := range p.root.all {
		if permit.sense != permitting {
			continue
		}
		for deny := range n.root.all {
			if deny.sense != denying || d.beat(said{p, permit}, said{n, deny}) || n.after(said{p, permit}) || !overlap(&permit.scope, &deny.scope) {
				continue
			}
			why := ConflictSameTime
			switch {
			case p.after(said{n, deny}) && deny.absolute:
				why = ConflictAbsolute
			case p.after(said{n, deny}):
				why = ConflictWider
			}
			return Conflict{Permit: p.named(), Deny: n.named(), PermitNode: permit.path, DenyNode: deny.path, Why: why}, true
		}
	}
	return Conflict{}, false
}

func (c *compiled) named() DirectiveName { return DirectiveName{ID: c.id, Version: c.version} }

// overlap reports whether some document and request may lie in both scopes: false only when a dimension keeps them
// apart for certain.
func overlap(permit, deny *scope) bool {
	if apart(permit.recipient, deny.recipient, func(a, b recipient) bool { return !a.apart(b) }) ||
		apart(permit.source, deny.source, func(a, b source) bool { return a.under(b) || b.under(a) || a.unknown() || b.unknown() }) ||
		apart(permit.class, deny.class, func(a, b string) bool { return a == b }) ||
		apart(permit.code, deny.code, func(a, b string) bool { return a == b }) {
		return false
	}
	if p, n := permit.purpose, deny.purpose; p != nil && n != nil && p.odd == nil && n.odd == nil &&
		apart(p.known, n.known, func(a, b *purpose) bool { return a.under(b) || b.under(a) }) {
		return false
	}
	if p, n := permit.times, deny.times; p != nil && n != nil && !p.unreadable && !n.unreadable && !p.overlaps(n.interval) {
		return false
	}
	if p, n := permit.label, deny.label; p != nil && n != nil && p.odd == nil && n.odd == nil {
		pc, nc := p.cells(permitting), n.cells(denying)
		meets := false
		for i := range pc {
			meets = meets || pc[i]&nc[i] != 0
		}
		return meets
	}
	return true
}

// apart reports whether both lists are stated and no value of one goes with any of the other.
func apart[V any](a, b []V, together func(V, V) bool) bool {
	if a == nil || b == nil {
		return false
	}
	for _, v := range a {
		if slices.ContainsFunc(b, func(w V) bool { return together(v, w) }) {
			return false
		}
	}
	return true
}

// unknown reports whether s names nothing that is known here.
func (s source) unknown() bool { return s.org == nil && s.site == nil }

// apart reports whether nobody can be both r and x.
func (r recipient) apart(x recipient) bool {
	switch {
	case r.unresolved || x.unresolved:
		return false
	case r.organization != nil && x.organization != nil && r.organization.org != nil && x.organization.org != nil &&
		!r.organization.under(x.organization) && !x.organization.under(r.organization):
		return true
	case r.practitioner != nil && x.practitioner != nil && r.practitioner.id != "" && x.practitioner.id != "":
		return r.practitioner.id != x.practitioner.id
	}
	return false
}
