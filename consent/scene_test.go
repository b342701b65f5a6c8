package consent_test

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/hie"
)

// scene is a world, a patient and a question. GH is a general hospital (opt-out state A), CL a clinic (opt-in state
// B), P2 a Part 2 program. Dr X works at "x", Dr Y at "y".
type scene struct {
	setup consent.Setup
	subj  consent.Subject
	dirs  []consent.Directive
	req   consent.Request
	doc   consent.Document
	now   time.Time
}

type change func(*scene)

// duties are the obligations named, and those that go with every release.
func (s *scene) duties(named string) []string {
	out := append(strings.Fields(named), "AUDIT", "RECHECK")
	if s.doc.Confidentiality != "" || len(s.doc.Sensitivity) > 0 {
		out = append(out, "LABELS")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// standingRules are the rules every exchange starts with: the packs concord-network, us-hipaa and us-part2.
func standingRules() []consent.Rule {
	o, err := consentjson.Options(t0)
	if err != nil {
		panic(err)
	}
	return o.Rules
}

func newScene(rule string) *scene {
	return &scene{now: t0,
		setup: consent.Setup{EmergencyHours: 4, HomeDefault: false,
			Organizations: []consent.Organization{{ID: "gh"}, {ID: "cl"}, {ID: "p2"}, {ID: "x"}, {ID: "x-unit", Parent: "x"}, {ID: "y"}, {ID: "54"}, {ID: "54-unit", Parent: "54"},
				{ID: "54-parent"}, {ID: "r"}, {ID: "s"}, {ID: "health-dept"}, {ID: "plan"}},
			Sites: []consent.Site{{ID: "GH", Org: "gh", Jurisdiction: "A", Regimes: []string{}, Zone: "America/New_York", PrivilegedRoles: []string{"ed"}},
				{ID: "CL", Org: "cl", Jurisdiction: "B", Regimes: []string{}, Zone: "America/New_York", PrivilegedRoles: []string{"ed"}},
				{ID: "P2", Org: "p2", Jurisdiction: "A", Regimes: []string{"part2"}, Zone: "America/New_York", PrivilegedRoles: []string{"ed"}}},
			Policies: append(consent.BuiltinPolicies(), consent.Policy{URI: "p:wide", Widening: true}, consent.Policy{URI: "p:add", Additive: true}, consent.Policy{URI: "p:deny", OnExpiry: "deny"}),
			Purposes: []consent.LocalPurpose{{Code: "FooBar"}},
			Rules:    standingRules(),
			Defaults: []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: rule}}},
		subj: consent.Subject{Records: []consent.Record{{ID: "a", Site: "GH", Link: hie.LinkConfirmed}, {ID: "b", Site: "CL", Link: hie.LinkConfirmed}, {ID: "c", Site: "P2", Link: hie.LinkConfirmed}}},
		req:  consent.Request{Organization: "x", Practitioner: "drx", Roles: []string{"physician"}, Kinds: []string{"hospital"}, Relationship: consent.Treating, Purposes: []hie.Purpose{"TREAT"}, Abilities: []string{"P2-NOTICE", "NORDSCLCD", "NO-PROCEEDINGS", "STATE-STMT"}},
		doc:  consent.Document{ID: "1", Record: "a", Site: "GH", Class: "lab", Confidentiality: "N", LabelState: consent.Labelled, Flags: []string{}, Start: t0.AddDate(0, -1, 0), End: t0.AddDate(0, -1, 0)},
	}
}

// What is asked.
func asY(s *scene)                      { s.req.Organization, s.req.Practitioner = "y", "dry" }
func org(id hie.OrgID) change           { return func(s *scene) { s.req.Organization = id } }
func practitioner(id string) change     { return func(s *scene) { s.req.Practitioner = id } }
func purposes(ps ...hie.Purpose) change { return func(s *scene) { s.req.Purposes = ps } }
func kind(kinds ...string) change       { return func(s *scene) { s.req.Kinds = kinds } }
func conf(code string) change           { return func(s *scene) { s.doc.Confidentiality = code } }
func sens(codes ...string) change       { return func(s *scene) { s.doc.Sensitivity = codes } }
func class(c string) change             { return func(s *scene) { s.doc.Class = c } }
func at(now time.Time) change           { return func(s *scene) { s.now = now } }
func clinicDoc(s *scene)                { s.doc.Record, s.doc.Site = "b", "CL" }
func p2Doc(s *scene)                    { s.doc.Record, s.doc.Site = "c", "P2" }
func unlabelled(s *scene)               { s.doc.LabelState, s.doc.Confidentiality = consent.Unlabelled, "" }
func years(from, to int) change {
	return func(s *scene) { s.doc.Start, s.doc.End = day(from, 3, 1), day(to, 3, 1) }
}
func undated(s *scene) { s.doc.Start, s.doc.End = time.Time{}, time.Time{} }
func emergency(s *scene) {
	s.req.Roles, s.req.Purposes = []string{"ed"}, []hie.Purpose{"TREAT"}
	s.req.Emergency = &consent.Emergency{ReasonCode: "unconscious", Text: "found unconscious at the bus stop", Role: "ed", At: s.now.Add(-time.Hour), Attested: consent.Attestations()}
}
func parent(s *scene) {
	s.req.OwnRecord, s.req.Representative, s.req.Purposes = true, true, []hie.Purpose{"PATRQT"}
}
func related(r consent.Relationship) change { return func(s *scene) { s.req.Relationship = r } }
func from(jurisdiction string) change       { return func(s *scene) { s.req.Jurisdiction = jurisdiction } }
func exchange(code string) change           { return func(s *scene) { s.req.Exchange = code } }
func flag(f string) change                  { return func(s *scene) { s.doc.Flags = []string{f} } }
func paid(s *scene)                         { flag(consent.FlagSelfPay)(s) }
func died(years int) change                 { return func(s *scene) { s.subj.Died = t0.AddDate(-years, 0, 0) } }
func lapses(at time.Time) change {
	return func(s *scene) { s.subj.Proxies = []consent.Proxy{{Ref: "RelatedPerson/mum", Lapses: at}} }
}

// pack adds what a pack of the program says.
func pack(id string) change {
	return func(s *scene) {
		all, err := consentjson.Builtins()
		if err != nil {
			panic(err)
		}
		for _, b := range all {
			if b.Pack.ID == id {
				o := consent.Options{}.In([]consent.PackVersion{{Pack: b.Pack}}, s.now)
				s.setup.Rules, s.setup.Policies, s.setup.Defaults = append(s.setup.Rules, o.Rules...), append(s.setup.Policies, o.Policies...), append(s.setup.Defaults, o.Defaults...)
				s.setup.Statements = append(s.setup.Statements, o.Statements...)
				return
			}
		}
		panic(id)
	}
}

func patient(s *scene) { s.req.OwnRecord, s.req.Purposes = true, []hie.Purpose{"PATRQT"} }
func all(cs ...change) change {
	return func(s *scene) {
		for _, c := range cs {
			c(s)
		}
	}
}
func day(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 12, 0, 0, 0, time.UTC) }

// What is given.
func say(p consent.Provision, edits ...func(*consent.Directive)) change {
	return func(s *scene) {
		n := len(s.dirs)
		when := day(2025, 6, 1+n)
		d := consent.Directive{ID: string(rune('A' + n)), Record: "a", Filed: when, Signed: when, Verified: true, NetworkWide: true, Status: "active", Scope: "patient-privacy",
			Performers: []string{"Patient/p"}, Organizations: []string{"Organization/gh" + strings.Repeat("x", n)}, Policies: []string{"p:wide"}, Provision: &p}
		for _, e := range edits {
			e(&d)
		}
		s.dirs = append(s.dirs, d)
	}
}

// many gives the same n times over.
func many(n int, c change) change {
	return func(s *scene) {
		for range n {
			c(s)
		}
	}
}
func policy(uri string) func(*consent.Directive) {
	return func(d *consent.Directive) { d.Policies = []string{uri} }
}
func status(code string) func(*consent.Directive) {
	return func(d *consent.Directive) { d.Status = code }
}
func given(record string) func(*consent.Directive) {
	return func(d *consent.Directive) { d.Record = record }
}
func sameKey(d *consent.Directive)          { d.Organizations = []string{"Organization/gh"} }
func siteOnly(d *consent.Directive)         { d.NetworkWide, d.Organizations = false, nil }
func unverified(d *consent.Directive)       { d.Verified = false }
func absolute(d *consent.Directive)         { d.Absolute = true }
func undatedSignature(d *consent.Directive) { d.Signed = time.Time{} }
func rule(r consent.Rule) change            { return func(s *scene) { s.setup.Rules = append(s.setup.Rules, r) } }
func link(record string, l hie.LinkState) change {
	return func(s *scene) {
		for i := range s.subj.Records {
			if s.subj.Records[i].ID == record {
				s.subj.Records[i].Link = l
			}
		}
	}
}

type node = consent.Provision

func permit(edits ...func(*node)) node { return edited("permit", edits) }
func deny(edits ...func(*node)) node   { return edited("deny", edits) }
func edited(t string, edits []func(*node)) node {
	p := node{Type: t}
	for _, e := range edits {
		e(&p)
	}
	return p
}
func but(kids ...node) func(*node) {
	return func(p *node) { p.Provisions = append(p.Provisions, kids...) }
}
func to(refs ...string) func(*node) {
	return func(p *node) {
		for _, r := range refs {
			p.Actors = append(p.Actors, consent.Actor{Role: "IRCP", Reference: r})
		}
	}
}
func forP(codes ...string) func(*node)    { return func(p *node) { p.Purposes = codes } }
func label(codes ...string) func(*node)   { return func(p *node) { p.Labels = codes } }
func classes(codes ...string) func(*node) { return func(p *node) { p.Classes = codes } }
func in(start, end string) func(*node) {
	return func(p *node) { p.DataPeriod = &consent.Period{Start: start, End: end} }
}
func valid(start, end string) func(*node) {
	return func(p *node) { p.Period = &consent.Period{Start: start, End: end} }
}
func about(meaning string, refs ...string) func(*node) {
	return func(p *node) {
		for _, r := range refs {
			p.Data = append(p.Data, consent.Data{Meaning: meaning, Reference: r})
		}
	}
}
func role(code string) func(*node) {
	return func(p *node) {
		p.Actors = []consent.Actor{{Reference: "#r", Team: &consent.PractitionerRole{Codes: []string{code}}}}
	}
}

type asked struct {
	what   string
	with   change
	reason string
	duties string // obligations that must be there, space-separated; "" for none to look at
}
