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
	// Source cites the rule's ground, Words says it plainly.
	Source, Words string
	// Statements are the words of its obligations that recipients are told, as its pack has them; Mute says that the pack lacks
	// some, and that nothing is released that the rule speaks of. [Options.In] sets both.
	Statements []Statement
	Mute       bool
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
	// Kinds and ExceptKinds are kinds of the requester's organisation ("health-plan", "public-health"): of these, or
	// of any but these.
	Kinds, ExceptKinds []string
	// ExceptRequesterJurisdictions speaks of requesters from anywhere but there.
	ExceptRequesterJurisdictions []string
	// Instruments limits the rule to requests with one of these instruments in force ("required-by-law").
	Instruments []string
	// Exchanges are network exchange codes the requester asserts ("T-TRTMNT"). Nobody asserts one by silence.
	Exchanges []string
	// Flags are what a document carries besides labels ("self-pay"). A document whose flags are not known may carry any.
	Flags []string
	// Unrelated limits the rule to requesters who have no treating relationship with the patient.
	Unrelated bool
	// DiedWithin limits the rule to the living and to those who died less than so many years ago; 0 is no limit.
	DiedWithin int
}

// A Requester tells the patient's own access from everybody else's.
type Requester uint8

// The requesters a scope can name. The zero value is anybody. Who represents the patient asks as the patient does.
const (
	Anybody            Requester = iota
	PatientOnly                  // the patient, or who represents them
	AllButPatient                // neither
	RepresentativeOnly           // who represents them, not the patient in person
)

// matches says whether q is made by such a requester.
func (r Requester) matches(q *query) tri {
	switch r {
	case PatientOnly:
		return known(q.req.OwnRecord)
	case AllButPatient:
		return known(!q.req.OwnRecord)
	case RepresentativeOnly:
		return known(q.req.OwnRecord && q.req.Representative)
	}
	return yes
}

// rule is a Rule made ready.
type rule struct {
	*Rule
	sense      sense
	purposes   []*purpose
	oddPurpose bool // names a purpose outside the tree
	orgs       []*org
	oddOrg     bool
	labels     *labels
	from, to   tick // counts in [from, to)
	duties     []int
	mute       bool // of obligations without words
	special    bool // states what few rules state
	asks       bool // states something of who asks, besides purposes
}

func (e *Env) readRules(in []Rule) ([]rule, error) {
	out := make([]rule, len(in))
	for i := range in {
		r := &in[i]
		switch r.Layer {
		case LayerLaw, LayerNetwork, LayerSite:
		default:
			return nil, invalidRule(i, "layer", "must be law, network or site")
		}
		c := rule{Rule: r, from: always, to: forever, mute: r.Mute}
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
			c.from = tickOf(r.Start)
		}
		if !r.End.IsZero() {
			c.to = tickOf(r.End)
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
			c.labels = readSensitivities(r.Scope.Labels, e.kin)
		}
		sc := &r.Scope
		c.special = len(sc.Kinds) > 0 || len(sc.ExceptKinds) > 0 || len(sc.Exchanges) > 0 || len(sc.Flags) > 0 || sc.Unrelated || sc.DiedWithin > 0 ||
			len(sc.ExceptRequesterJurisdictions) > 0 || len(sc.Instruments) > 0
		c.asks = c.special || sc.Requester != Anybody || c.orgs != nil || c.oddOrg || len(sc.RequesterJurisdictions) > 0 || len(sc.Roles) > 0
		for _, o := range r.Obligations {
			c.duties = append(c.duties, e.addDuty(o))
		}
		out[i] = c
	}
	return out, nil
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

// ofPurpose matches the purposes of the scope.
func (r *rule) ofPurpose(asked *purpose) tri {
	if r.purposes == nil && !r.oddPurpose {
		return yes
	}
	for _, p := range r.purposes {
		if asked.coveredBy(p, r.sense) {
			return yes
		}
	}
	if r.oddPurpose {
		return unknown
	}
	return no
}

// match says whether the rule, whose purposes match, speaks of q's atom.
//
// Source: spec consent-cases 25.
func (r *siteRule) match(q *query) tri {
	if r.bounded && (q.now < r.from || q.now >= r.to) {
		return no
	}
	m := r.here
	if r.classes != nil {
		m = min(m, among(q.doc.Class, r.classes))
	}
	if r.asks && m != no {
		m = min(m, r.matchAsker(q))
	}
	if r.labels != nil && m != no {
		m = min(m, r.labels.sensitivity(q.atom, r.sense))
	}
	return m
}

// matchAsker matches the parts of a scope that are about who asks, and those that few rules state.
func (r *siteRule) matchAsker(q *query) tri {
	m := r.Scope.Requester.matches(q)
	if r.special && m != no {
		m = min(m, r.matchSpecial(q))
	}
	if m == no {
		return no
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
	if len(r.Scope.Roles) > 0 {
		if q.req.Roles == nil {
			m = min(m, unknown)
		} else {
			m = min(m, known(meet(q.req.Roles, r.Scope.Roles)))
		}
	}
	return m
}

// matchSpecial matches the parts of a scope that few rules state.
//
// Source: spec consent 2.1; spec consent 2.18.
func (r *siteRule) matchSpecial(q *query) tri {
	s, m := &r.Scope, yes
	if len(s.Kinds) > 0 || len(s.ExceptKinds) > 0 {
		switch {
		case q.req.Kinds == nil:
			m = min(m, unknown)
		default:
			m = min(m, known((len(s.Kinds) == 0 || meet(q.req.Kinds, s.Kinds)) && !meet(q.req.Kinds, s.ExceptKinds)))
		}
	}
	if len(s.ExceptRequesterJurisdictions) > 0 {
		m = min(m, not(among(q.req.Jurisdiction, s.ExceptRequesterJurisdictions)))
	}
	if len(s.Instruments) > 0 {
		m = min(m, known(q.holds(s.Instruments...)))
	}
	if len(s.Exchanges) > 0 {
		m = min(m, known(slices.Contains(s.Exchanges, q.req.Exchange)))
	}
	if len(s.Flags) > 0 {
		if q.doc.Flags == nil {
			m = min(m, unknown)
		} else {
			m = min(m, known(meet(q.doc.Flags, s.Flags)))
		}
	}
	if s.Unrelated {
		m = min(m, q.req.Relationship.unrelated())
	}
	if s.DiedWithin > 0 && q.died != always {
		m = min(m, known(q.now < tickOf(q.died.time().AddDate(s.DiedWithin, 0, 0))))
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
