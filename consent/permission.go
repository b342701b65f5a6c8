package consent

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Permission is what a consent of the patient permits, as far as it concerns one request and one document released under it:
// of each list in the consent there stands what this request and this document fit, and nothing else, but for the purposes,
// which say what the recipient may go on to do with it. Its exceptions are no part of it.
//
// Source: 42 CFR 2.31(a) (what a written consent states), 2.32(b) (its scope goes with a disclosure), 2.33(b).
type Permission struct {
	// Directive names the consent as grounds do, "id/version"; Node is the place in it. Neither is told a recipient.
	Directive, Node string

	// Everybody says that it limits its recipients to nobody. Else the others say who they are, one limit beside the other.
	Everybody    bool
	Organization hie.OrgID // with its units; "" is not stated
	Person, Team bool      // the practitioner who asks; a care team they belong to
	Role         string

	// Purposes are for what, in the order stated; nil is for any.
	Purposes []hie.Purpose

	// What it limits documents to, as this one fits it: those of this site, class, type, confidentiality, bearing these labels, this
	// document alone, those of its visit, those by its author, and those about care from From to To. Zero is no limit.
	Site                      hie.SiteID
	Kind, This, Visit, Author bool
	Confidentiality           string
	Labels                    []string
	From, To                  time.Time
	// Until is the last instant at which it holds, in the consent's own zone; zero is without an end.
	Until time.Time
}

// permission is what p permits, as far as it concerns q.
func (d *Decider) permission(q *query, p said) Permission {
	s := &p.node.scope
	out := Permission{Directive: p.name(), Node: p.path, Everybody: s.recipient == nil, Kind: s.class != nil || s.code != nil}
	for i := range s.recipient {
		if r := &s.recipient[i]; r.match(q) == yes {
			r.tell(&out)
			break
		}
	}
	if s.purpose != nil {
		for _, known := range s.purpose.known {
			out.Purposes = append(out.Purposes, known.code)
		}
	}
	if s.source != nil {
		out.Site = q.doc.Site
	}
	if l := s.label; l != nil && l.confidential() {
		out.Confidentiality = q.doc.Confidentiality
	}
	if l := s.label; l != nil && l.sensitive {
		out.Labels = slices.Clone(q.doc.Sensitivity)
	}
	for i := range s.data {
		x := s.data[i : i+1]
		if matchData(x, q, permitting) != yes {
			continue
		}
		out.This = out.This || x[0].kind == "DocumentReference"
		out.Visit = out.Visit || x[0].kind == "Encounter"
		out.Author = out.Author || x[0].Meaning == "authoredby"
	}
	if s.times != nil && !s.times.unreadable {
		out.From, out.To = p.dated(s.times.from), p.dated(s.times.to)
	}
	ends := p.ends
	if s.period != nil && !s.period.unreadable {
		ends = min(ends, s.period.to)
	}
	if p.lapses != forever {
		ends = min(ends, p.lapses-1)
	}
	out.Until = p.dated(ends)
	return out
}

// tell says in out who r is.
func (r *recipient) tell(out *Permission) {
	if r.organization != nil {
		out.Organization = r.organization.org.id
	}
	out.Person, out.Team = r.practitioner != nil, r.team != ""
	for _, role := range r.roles {
		if role != "" {
			out.Role = role
			break
		}
	}
}

// dated is t in the consent's zone, zero for an open end.
func (s *shape) dated(t tick) time.Time {
	if t == always || t == forever {
		return time.Time{}
	}
	return t.time().In(s.zone)
}

// addPermission adds p to ps unless it is there.
func addPermission(ps []Permission, p Permission) []Permission {
	if slices.ContainsFunc(ps, func(o Permission) bool { return o.Directive == p.Directive && o.Node == p.Node }) {
		return ps
	}
	return append(ps, p)
}

// Join adds the caveats of another part of the same document to all, each obligation's text and each permission once: a
// document of several classes or types is told what each of them brings.
func Join(all, more []Caveat) []Caveat {
	for _, n := range more {
		i := slices.IndexFunc(all, func(o Caveat) bool {
			return o.Obligation == n.Obligation && o.Statement.Words["en"] == n.Statement.Words["en"] && o.Statement.Scope == n.Statement.Scope
		})
		if i < 0 {
			all = append(all, n)
			continue
		}
		at := &all[i]
		at.Until = later(at.Until, n.Until)
		at.Permissions = slices.Clip(at.Permissions)
		for _, p := range n.Permissions {
			at.Permissions = addPermission(at.Permissions, p)
		}
	}
	return all
}
