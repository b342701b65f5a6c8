package consent

import (
	"slices"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// A reducer rewrites one wish given on another record so that it says nothing of other places.
type reducer struct {
	*copier
	name string // stands for every place not named
	mode mode
	// others says that the stand-in was needed.
	others bool
}

// node rewrites p, which was read as n. It does not act when no part of it can act on documents of the site.
//
// What is compared between wishes must not come out wider than it was: a stand-in is this wish's own, so that of two wishes that
// named different places neither lies within the other. A permission can so lose to a refusal it would beat, never the other way
// round (Copy.Ask, "source").
func (r *reducer) node(n *node, p *Provision, root bool) (_ Provision, acts bool) {
	out := Provision{Type: "deny", Actions: p.Actions, Labels: p.Labels, Purposes: p.Purposes, Classes: p.Classes, Codes: p.Codes}
	if n.sense == permitting {
		out.Type = "permit"
	}
	out.Period, out.DataPeriod = instants(p.Period, n.scope.period), instants(p.DataPeriod, n.scope.times)
	stated := false
	for _, a := range p.Actors {
		switch a.Role {
		case "CST", "INF":
			stated = true
		case "", "IRCP":
			out.Actors = append(out.Actors, a)
		default: // nobody knows who that is
			out.Actors = append(out.Actors, Actor{Role: UnknownRole, Reference: r.name})
		}
	}
	if stated || root && n.scope.source != nil {
		out.Actors = append(out.Actors, r.sources(n.scope.source)...)
	}
	out.Data = r.data(p.Data)
	acts = r.here(&n.scope) != no && !r.aboutOthers(n, root)
	for i, k := range n.kids {
		kid, kidActs := r.node(k, &p.Provisions[i], false)
		if kidActs {
			out.Provisions, acts = append(out.Provisions, kid), true
		}
	}
	return out, acts
}

// aboutOthers reports whether n, while the wish is in force, can act on nothing but single documents that are not the record's. A
// permission at the root refuses what it does not cover, whatever it names.
func (r *reducer) aboutOthers(n *node, root bool) bool {
	return r.mode != tombstones && len(n.scope.data) > 0 && (n.sense == denying || !root) &&
		!slices.ContainsFunc(n.scope.data, func(d datum) bool { return !r.elsewhere(d.Data) })
}

// sources writes the sources stated as they concern the site.
func (r *reducer) sources(stated []source) (out []Actor) {
	q := &query{site: r.site}
	vague, other := false, false
	for _, s := range stated {
		switch s.match(q) {
		case yes:
			if a := (Actor{Role: "CST", Reference: s.raw}); !slices.Contains(out, a) {
				out = append(out, a)
			}
		case unknown:
			vague = true
		default:
			other = true
		}
	}
	if other {
		r.others = true
		out = append(out, Actor{Role: "CST", Reference: "Location/" + r.name})
	}
	if vague {
		r.others = true
		out = append(out, Actor{Role: "CST", Reference: r.name}) // no reference: unknown
	}
	return out
}

// elsewhere reports whether d names a document that is not the record's.
func (r *reducer) elsewhere(d Data) bool {
	id, document := strings.CutPrefix(d.Reference, "DocumentReference/")
	return document && (d.Meaning == "instance" || d.Meaning == "related") && !strings.Contains(id, "/") && !r.own(id)
}

// data writes the pieces of data stated; a document of another record is one without a name.
func (r *reducer) data(stated []Data) (out []Data) {
	for _, d := range stated {
		if r.elsewhere(d) {
			r.narrowed = true
			d.Reference = "DocumentReference/" + r.name
		}
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// instants writes a period by the instants it was read as, whose meaning hangs on no zone.
func instants(p *Period, read *span) *Period {
	switch {
	case p == nil:
		return nil
	case read == nil || read.unreadable:
		return &Period{Start: "?"}
	}
	return &Period{Start: read.from.instant(), End: read.to.instant()}
}

// SetupAt returns what e was made of as far as it bears on documents of sites: their rules, their defaults and those of the network,
// the policies, purposes and organisations; of other sites what their organisation's dates need.
func (e *Env) SetupAt(sites ...hie.SiteID) Setup {
	in := &e.setup
	out := Setup{Organizations: in.Organizations, Policies: in.Policies, Purposes: in.Purposes, Sensitivities: in.Sensitivities,
		Statements: in.Statements, Worded: in.Worded, HomeDefault: in.HomeDefault, EmergencyHours: in.EmergencyHours, Notice: in.Notice, Zone: in.Zone}
	var jurisdictions []string
	for _, s := range in.Sites {
		if slices.Contains(sites, s.ID) {
			jurisdictions = append(jurisdictions, s.Jurisdiction)
			out.Sites = append(out.Sites, s)
		} else {
			out.Sites = append(out.Sites, Site{ID: s.ID, Org: s.Org, Zone: s.Zone})
		}
	}
	for i := range in.Rules {
		r := &rule{Rule: &in.Rules[i]}
		if slices.ContainsFunc(sites, func(id hie.SiteID) bool { return e.sites[id] != nil && r.ofSite(e.sites[id]) != no }) {
			out.Rules = append(out.Rules, in.Rules[i])
		}
	}
	for _, d := range in.Defaults {
		if d.Network || slices.Contains(sites, d.Site) || d.Jurisdiction != "" && (in.HomeDefault || slices.Contains(jurisdictions, d.Jurisdiction)) {
			out.Defaults = append(out.Defaults, d)
		}
	}
	return out
}

// ReducedBy stands for everything of e that a Copy is made of besides what is on file: copies made under two Envs for which it
// is the same say the same.
func (e *Env) ReducedBy() string {
	var key []byte
	for _, o := range e.setup.Organizations {
		key = keyText(keyText(key, string(o.ID)), string(o.Parent))
	}
	key = append(key, 0)
	for _, s := range e.setup.Sites {
		key = keyTexts(keyText(keyText(keyText(keyText(key, string(s.ID)), string(s.Org)), s.Zone), s.Jurisdiction), s.Regimes)
	}
	key = append(key, 0)
	for _, p := range e.setup.Policies {
		key = keyFlags(keyText(keyText(keyText(key, p.URI), p.OnExpiry), p.Instrument), p.Additive, p.Widening, p.Erase)
	}
	key = append(key, 0)
	for i := range e.setup.Rules {
		r := &e.setup.Rules[i]
		if r.Effect == Require || r.Scope.DiedWithin > 0 {
			key = keyTexts(keyText(keyText(key, r.Kind), strconv.Itoa(r.Scope.DiedWithin)), r.Scope.Regimes)
			key = keyTexts(keyTexts(key, texts(r.Scope.Sites)), r.Scope.Jurisdictions)
		}
	}
	for _, p := range e.setup.Purposes {
		key = keyText(keyText(key, string(p.Code)), string(p.Parent))
	}
	return string(key)
}

func texts(sites []hie.SiteID) []string {
	out := make([]string, len(sites))
	for i, s := range sites {
		out[i] = string(s)
	}
	return out
}
