package consent

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An Effect is what a rule of law, network or site says.
type Effect string

// The effects. All rules of a layer are evaluated: FORBID > REQUIRE > MANDATE > NEUTRAL, and REQUIREs add up.
//
// Source: spec consent 2.5.
const (
	Forbid  Effect = "FORBID"
	Require Effect = "REQUIRE" // needs an instrument of Kind
	Mandate Effect = "MANDATE" // skips the patient's directives and the defaults; only in the law layer
	Neutral Effect = "NEUTRAL"
)

// A Rule is one rule of a law pack, of the network or of a source site.
type Rule struct {
	ID     string
	Layer  Layer // LayerLaw, LayerNetwork or LayerSite
	Effect Effect
	// Kind is the instrument a REQUIRE needs.
	Kind string
	// Overridable says that a valid emergency replaces this network or site rule; EmergencyClause that it
	// replaces this law REQUIRE.
	Overridable, EmergencyClause bool
	// Obligations attach to every release the rule speaks of, whatever its effect.
	Obligations []string
	// Start and End bound when the rule counts: Start <= now < End. Zero is open.
	Start, End time.Time
	Scope      Scope
	// Presume reads the scope as a permit does, so that what a document does not say counts as ordinary.
	//
	// Source: spec consent 2.17, the one exception to the missing-metadata property.
	Presume bool
	// Source cites the rule's ground.
	Source string
}

// A Scope says what a rule speaks of. An empty list is any; values of one list are OR, lists are AND.
type Scope struct {
	Purposes               []hie.Purpose
	Sites                  []hie.SiteID // of the document
	Regimes                []string     // of its site
	Jurisdictions          []string     // of its site
	RequesterJurisdictions []string
	Classes                []string
	Labels                 []string // sensitivity
	Orgs                   []hie.OrgID
	Roles                  []string
	Requester              Requester
}

// A Requester tells the patient's own access from everybody else's.
type Requester uint8

// The requesters a scope can name. The zero value is anybody.
const (
	Anybody Requester = iota
	PatientOnly
	AllButPatient
)

// rule is a Rule made ready.
type rule struct {
	Rule
	sense      sense
	purposes   []*purpose
	oddPurpose bool // names a purpose outside the tree
	orgs       []*org
	oddOrg     bool
	labels     *labels
	from, to   micros // counts in [from, to)
	duties     []int
}

func (e *Env) readRules(in []Rule) ([]rule, error) {
	out := make([]rule, len(in))
	for i, r := range in {
		switch r.Layer {
		case LayerLaw, LayerNetwork, LayerSite:
		default:
			return nil, invalidRule(i, "layer", "must be law, network or site")
		}
		c := rule{Rule: r, from: always, to: forever}
		switch r.Effect {
		case Forbid, Require:
			c.sense = denying
		case Mandate, Neutral:
		default:
			return nil, invalidRule(i, "effect", "must be FORBID, REQUIRE, MANDATE or NEUTRAL")
		}
		if r.Presume {
			c.sense = permitting
		}
		if !r.Start.IsZero() {
			c.from = micros(r.Start.UnixMicro())
		}
		if !r.End.IsZero() {
			c.to = micros(r.End.UnixMicro())
		}
		for _, code := range r.Scope.Purposes {
			if p := e.purpose(code); p != nil {
				c.purposes = append(c.purposes, p)
			} else {
				c.oddPurpose = true
			}
		}
		for _, id := range r.Scope.Orgs {
			if o := e.orgs[id]; o != nil {
				c.orgs = append(c.orgs, o)
			} else {
				c.oddOrg = true
			}
		}
		if len(r.Scope.Labels) > 0 {
			c.labels = readSensitivities(r.Scope.Labels)
		}
		for _, o := range r.Obligations {
			c.duties = append(c.duties, e.addDuty(o))
		}
		out[i] = c
	}
	return out, nil
}

// A siteRule is a rule with how the part of its scope that depends on the site alone matches, which is not no.
type siteRule struct {
	*rule
	here tri
}

// ofSite matches the part of the scope that depends on the site alone.
func (r *rule) ofSite(s *site) tri {
	m := yes
	if len(r.Scope.Sites) > 0 {
		m = min(m, known(slices.Contains(r.Scope.Sites, s.ID)))
	}
	if len(r.Scope.Regimes) > 0 {
		switch {
		case s.Regimes == nil:
			m = min(m, unknown)
		default:
			m = min(m, known(meet(s.Regimes, r.Scope.Regimes)))
		}
	}
	if len(r.Scope.Jurisdictions) > 0 {
		m = min(m, among(s.Jurisdiction, r.Scope.Jurisdictions))
	}
	return m
}

// match says whether the rule speaks of q's atom and purpose.
//
// Source: spec consent-cases 25.
func (r *siteRule) match(q *query) tri {
	if q.now < r.from || q.now >= r.to {
		return no
	}
	m := r.here
	switch r.Scope.Requester {
	case PatientOnly:
		m = min(m, known(q.req.OwnRecord))
	case AllButPatient:
		m = min(m, known(!q.req.OwnRecord))
	}
	if m == no {
		return no
	}
	if r.purposes != nil || r.oddPurpose {
		covered := unknown
		if !r.oddPurpose {
			covered = no
		}
		for _, p := range r.purposes {
			if q.purpose.coveredBy(p, r.sense) {
				covered = yes
				break
			}
		}
		if m = min(m, covered); m == no {
			return no
		}
	}
	if r.orgs != nil || r.oddOrg {
		under := unknown
		if !r.oddOrg {
			under = no
		}
		for _, o := range r.orgs {
			if q.org.under(o) {
				under = yes
				break
			}
		}
		m = min(m, under)
	}
	if len(r.Scope.RequesterJurisdictions) > 0 {
		m = min(m, among(q.req.Jurisdiction, r.Scope.RequesterJurisdictions))
	}
	if len(r.Scope.Classes) > 0 {
		m = min(m, among(q.doc.Class, r.Scope.Classes))
	}
	if len(r.Scope.Roles) > 0 {
		if q.req.Roles == nil {
			m = min(m, unknown)
		} else {
			m = min(m, known(meet(q.req.Roles, r.Scope.Roles)))
		}
	}
	if r.labels != nil {
		m = min(m, r.labels.sensitivity(q.atom, r.sense))
	}
	return m
}

// among looks a value up in a list; a missing value is unknown.
func among(value string, list []string) tri {
	if value == "" {
		return unknown
	}
	return known(slices.Contains(list, value))
}

func meet(a, b []string) bool {
	for _, v := range a {
		if slices.Contains(b, v) {
			return true
		}
	}
	return false
}
