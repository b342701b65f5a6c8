package consent

import "slices"

// dimensions are those in which scopes are compared. Period and action are not.
//
// Source: spec consent-cases 21.
var dimensions = [...]func(a *scope, as sense, b *scope, bs sense) bool{
	func(a *scope, _ sense, b *scope, _ sense) bool { return within(a.recipient, b.recipient) },
	func(a *scope, _ sense, b *scope, _ sense) bool { return within(a.source, b.source) },
	func(a *scope, _ sense, b *scope, _ sense) bool { return purposesWithin(a.purpose, b.purpose) },
	func(a *scope, as sense, b *scope, bs sense) bool { return labelsWithin(a.label, as, b.label, bs) },
	func(a *scope, _ sense, b *scope, _ sense) bool { return subset(a.class, b.class) },
	func(a *scope, _ sense, b *scope, _ sense) bool { return subset(a.code, b.code) },
	func(a *scope, _ sense, b *scope, _ sense) bool { return spansWithin(a.times, b.times) },
	func(a *scope, _ sense, b *scope, _ sense) bool { return dataWithin(a.data, b.data) },
}

// narrower reports whether p's scope is contained in d's in every dimension and smaller in at least one.
//
// Source: spec consent 2.8c.
func narrower(p, d *node) bool {
	smaller := false
	for _, dim := range dimensions {
		if !dim(&p.scope, p.sense, &d.scope, d.sense) {
			return false
		}
		smaller = smaller || !dim(&d.scope, d.sense, &p.scope, p.sense)
	}
	return smaller
}

// narrows reports whether each dimension that kid states is contained in up's effective one; a dimension it
// does not state is inherited and so is.
//
// Source: spec consent-cases 14.
func narrows(kid *scope, up *scope, upAs sense) bool {
	stated := [len(dimensions)]bool{kid.recipient != nil, kid.source != nil, kid.purpose != nil, kid.label != nil,
		kid.class != nil, kid.code != nil, kid.times != nil, kid.data != nil}
	for i, dim := range dimensions {
		if stated[i] && !dim(kid, permitting, up, upAs) {
			return false
		}
	}
	return true
}

// within says whether each value of a lies under some value of b. nil is unlimited.
func within[V interface{ under(V) bool }](a, b []V) bool {
	if b == nil {
		return true
	}
	if a == nil {
		return false
	}
	for _, v := range a {
		if !slices.ContainsFunc(b, v.under) {
			return false
		}
	}
	return true
}

// under reports whether r names nobody but whom x names: each element x states is met by r's. A value that
// cannot be resolved lies only under the identical one.
func (r recipient) under(x recipient) bool { //nolint:unused // through within
	if r.unresolved || x.unresolved {
		return r.unresolved && x.unresolved && r.raw == x.raw
	}
	if x.organization != nil && (r.organization == nil || !r.organization.under(x.organization)) {
		return false
	}
	if x.practitioner != nil && (r.practitioner == nil || r.practitioner.raw != x.practitioner.raw) {
		return false
	}
	if x.team != "" && r.team != x.team {
		return false
	}
	return x.roles == nil || r.roles != nil && subset(r.roles, x.roles)
}

func (p *party) under(x *party) bool {
	if p.org == nil || x.org == nil {
		return p.raw == x.raw
	}
	return p.org.under(x.org)
}

func (s source) under(x source) bool {
	switch {
	case s.raw == x.raw:
		return true
	case x.org == nil:
		return false
	case s.site != nil:
		return s.site.org != nil && s.site.org.under(x.org)
	}
	return s.org != nil && s.org.under(x.org)
}

func purposesWithin(a, b *purposes) bool {
	if b == nil {
		return true
	}
	if a == nil {
		return false
	}
	for _, p := range a.known {
		if !slices.ContainsFunc(b.known, p.under) {
			return false
		}
	}
	for _, code := range a.odd {
		if !slices.Contains(b.odd, code) {
			return false
		}
	}
	return true
}

// subset reports whether every code of a is in b. nil is unlimited.
func subset(a, b []string) bool {
	if a == nil || b == nil {
		return b == nil
	}
	for _, v := range a {
		if !slices.Contains(b, v) {
			return false
		}
	}
	return true
}

func spansWithin(a, b *span) bool {
	switch {
	case b == nil:
		return true
	case a == nil:
		return false
	case a.unreadable || b.unreadable:
		return a.unreadable && b.unreadable && a.raw == b.raw
	}
	return a.within(b.interval)
}

func dataWithin(a, b []datum) bool {
	if b == nil {
		return true
	}
	if a == nil {
		return false
	}
	for _, v := range a {
		if !slices.ContainsFunc(b, func(w datum) bool { return v.Data == w.Data }) {
			return false
		}
	}
	return true
}
