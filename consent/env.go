package consent

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Setup is what decisions rest on besides the person's own directives.
type Setup struct {
	Organizations []Organization
	// Sites in order: where several belong to one organisation, the first gives a Consent its time zone.
	Sites    []Site
	Policies []Policy
	Purposes []LocalPurpose
	// Sensitivities are what the exchange puts under what, besides HL7's list.
	Sensitivities []SensitivityUnder
	Defaults      []Default
	Rules         []Rule
	// HomeDefault says that the defaults of the patient's home jurisdiction count too.
	HomeDefault bool
	// EmergencyHours is how long an emergency claim holds.
	EmergencyHours float64
	// Notice is what requesters are told of what is withheld; "" means NoticeGeneric.
	Notice WithheldNotice
	// Statements are the words of what directives oblige to; with Worded, nothing is released that obliges to what has none.
	Statements []Statement
	Worded     bool
	// Zone finds a time zone by its IANA name; nil means time.LoadLocation.
	Zone func(name string) (*time.Location, error)
}

// An Organization is a participant; Parent is the organisation it is a unit of, or "".
type Organization struct{ ID, Parent hie.OrgID }

// A Site is where documents come from.
type Site struct {
	ID  hie.SiteID
	Org hie.OrgID
	// Jurisdiction is a code such as "US-MD"; "" is not known.
	Jurisdiction string
	// Regimes are special regimes its content is under ("part2"). nil is not known, empty is none.
	Regimes []string
	// Zone is the IANA zone of its dates; unknown ones count as UTC.
	Zone string
	// Unlabelled says that the site is known not to label: its documents are ordinary ones as far as the
	// defaults and an emergency go.
	Unlabelled bool
	// PrivilegedRoles may claim an emergency towards its content.
	PrivilegedRoles []string
}

// A Policy is what a Consent's policy.uri refers to. A Consent that names a policy not registered is held.
type Policy struct {
	URI string
	// Additive says that a permit adds to the defaults instead of listing all that is allowed.
	Additive bool
	// OnExpiry is "default" or "deny"; "" is "default", anything else counts as "deny".
	OnExpiry string
	// Widening says that a child permit may be wider than its parent.
	Widening bool
	// Instrument is the kind of legal instrument a permit under this policy is ("part2-consent"), or "". Where
	// such a permit covers the document, recipient and purpose, a rule that requires the kind is satisfied.
	//
	// Source: 42 CFR 2.31(a): a written consent names recipient, purpose and what is disclosed.
	Instrument string
	// Erase says that who is released something by a permit under this policy must erase it when the permit ends.
	//
	// Source: ABDM consent artefact, dataEraseAt; spec consent 2.11 (DELAU).
	Erase bool
}

// A Default is what holds when no directive speaks. Exactly one of Network, Site and Jurisdiction says whose.
//
// Source: spec consent 2.9; spec consent-cases 24.
type Default struct {
	Network      bool
	Site         hie.SiteID
	Jurisdiction string
	// PurposeClass is a root of the purpose tree or "*"; Category a document class or "*".
	PurposeClass, Category string
	// Rule is "deny", "btg-only", "basic-normal" or "permit"; anything else counts as "deny".
	Rule string
}

// An Env is a Setup made ready for decisions. It does not change and may be shared.
type Env struct {
	version int64
	closed  bool  // refuses everything
	setup   Setup // what it was made of

	orgs     map[hie.OrgID]*org
	sites    map[hie.SiteID]*site
	inOrder  []*site
	policies map[string]Policy
	local    purposeTree // purposes besides the built-in ones
	kin      *kinship

	network []defaultRow
	home    map[string][]defaultRow
	homeToo bool
	classes []string      // classes named in a default row
	window  time.Duration // of an emergency claim
	duties  []duty
	// statements are the words of what directives oblige to; worded says that there must be some.
	statements []Statement
	worded     bool
	dutySets   dutyCache
	shapes     shapes
}

var shut = &Env{closed: true, version: -1, kin: listed}

// Closed returns an Env under which everything is refused: for when it is not known which rules are in force.
//
// Source: spec consent 2.15.
func Closed() *Env { return shut }

// Open reports whether anything can be decided under e. Where it is false, a refusal means "try again later".
func (e *Env) Open() bool { return !e.closed }

// Version is the same for two Envs only where they were made of the same picture of the directory and the same policies:
// what was decided under another is decided anew. It is 0 for one made by NewEnv.
func (e *Env) Version() int64 { return e.version }

type org struct {
	id hie.OrgID
	// up is the organisation and what it is a unit of, nearest first.
	up []*org
}

func (o *org) under(x *org) bool {
	for _, u := range o.up {
		if u == x {
			return true
		}
	}
	return false
}

type site struct {
	Site
	org   *org // nil when the organisation is not listed
	zone  *time.Location
	rules []siteRule // those not excluded by what is known of the site
	rows  []defaultRow
	// asked are the rules for the purposes asked for already.
	asked atomic.Pointer[[]*askedRules]
}

// NewEnv makes s ready; the caller leaves what s holds alone afterwards. It returns an *hie.InvalidError for a rule whose layer or effect is not known.
func NewEnv(s Setup) (*Env, error) {
	e := &Env{
		orgs:     make(map[hie.OrgID]*org, len(s.Organizations)),
		sites:    make(map[hie.SiteID]*site, len(s.Sites)),
		policies: make(map[string]Policy, len(s.Policies)),
		home:     map[string][]defaultRow{},
		homeToo:  s.HomeDefault, window: hours(s.EmergencyHours), setup: s, statements: s.Statements, worded: s.Worded, kin: listed,
	}
	if len(s.Sensitivities) > 0 {
		e.kin = newKinship(s.Sensitivities)
	}
	if len(s.Purposes) > 0 {
		e.addPurposes(s.Purposes)
	}
	for _, p := range s.Policies {
		if _, twice := e.policies[p.URI]; !twice { // as with organisations, sites and records, the first counts
			e.policies[p.URI] = p
		}
	}
	e.addOrgs(s.Organizations)
	rules, err := e.readRules(s.Rules)
	if err != nil {
		return nil, err
	}
	load := s.Zone
	if load == nil {
		load = time.LoadLocation
	}
	for _, in := range s.Sites {
		if _, twice := e.sites[in.ID]; twice {
			continue
		}
		st := &site{Site: in, org: e.orgs[in.Org], zone: time.UTC}
		if in.Zone != "" && in.Zone != "Local" { // "Local" is this machine's zone, not an IANA name
			if z, err := load(in.Zone); err == nil {
				st.zone = z
			}
		}
		for i := range rules {
			if m := rules[i].ofSite(st); m != no {
				st.rules = append(st.rules, rules[i].at(m))
			}
		}
		e.sites[in.ID] = st
		e.inOrder = append(e.inOrder, st)
	}
	for _, d := range s.Defaults {
		e.addDefault(d)
	}
	return e, nil
}

func (e *Env) addOrgs(orgs []Organization) {
	parents := make(map[hie.OrgID]hie.OrgID, len(orgs))
	for _, o := range orgs {
		if _, twice := e.orgs[o.ID]; !twice {
			e.orgs[o.ID] = &org{id: o.ID}
			parents[o.ID] = o.Parent
		}
	}
	for _, o := range e.orgs {
		for at := o; at != nil && !o.under(at); at = e.orgs[parents[at.id]] {
			o.up = append(o.up, at)
		}
	}
}

// zoneOf returns the zone a Consent's dates are in: that of the first site of its first organisation, else of
// the site of its record, else UTC.
//
// Source: spec consent-cases 1.
func (e *Env) zoneOf(organizations []string, record hie.SiteID) *time.Location {
	if len(organizations) > 0 {
		if id, ok := strings.CutPrefix(organizations[0], "Organization/"); ok {
			for _, s := range e.inOrder {
				if s.Org == hie.OrgID(id) {
					return s.zone
				}
			}
		}
	}
	if s := e.sites[record]; s != nil {
		return s.zone
	}
	return time.UTC
}

// DocumentTimes reads a document's service times as FHIR writes them, dates in the zone of its site: the first
// instant of start and the last of end. A time that is missing or cannot be read is the zero Time.
//
// Source: spec consent-cases 1.
func (e *Env) DocumentTimes(id hie.SiteID, start, end string) (from, to time.Time) {
	zone := time.UTC
	if s := e.sites[id]; s != nil {
		zone = s.zone
	}
	if m, ok := readMoment(start, zone); ok {
		from = stated(m.from)
	}
	if m, ok := readMoment(end, zone); ok {
		to = stated(m.to)
	}
	return from, to
}

// KnowsPurpose reports whether code is in the tree of purposes.
func (e *Env) KnowsPurpose(code hie.Purpose) bool { return e.purpose(code) != nil }

// Treatment reports whether code is TREAT or under it: the purposes an emergency may be claimed for.
func (e *Env) Treatment(code hie.Purpose) bool {
	p := e.purpose(code)
	return p != nil && p.treatment
}

func invalidRule(i int, member, what string) error {
	return hie.Invalid(fmt.Sprintf("rules[%d].%s", i, member), what)
}

// Abilities returns the names of every obligation that a rule may attach or a directive bring: what a requester would have to
// honour.
func (e *Env) Abilities() []string {
	var out []string
	for _, d := range e.duties {
		if !slices.Contains(out, d.name) {
			out = append(out, d.name)
		}
	}
	for _, p := range e.policies {
		if p.Erase && !slices.Contains(out, dutyErase) {
			out = append(out, dutyErase)
		}
	}
	return out
}
