package consent_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// gen makes random cases from small vocabularies, so that rules meet often. Some values are outside every list.
type gen struct{ *rand.Rand }

func pickOne[T any](g gen, list ...T) T { return list[g.IntN(len(list))] }

// some returns up to n values of list; nil one time in three.
func pickSome[T any](g gen, n int, list ...T) []T {
	if g.IntN(3) == 0 {
		return nil
	}
	out := []T{}
	for range g.IntN(n + 1) {
		out = append(out, pickOne(g, list...))
	}
	return out
}

func (g gen) chance(percent int) bool { return g.IntN(100) < percent }

var t0 = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func (g gen) day() time.Time {
	return t0.AddDate(0, 0, g.IntN(9)-6).Add(pickOne[time.Duration](g, 0, 0, 0, 0, 0, 0, 0, 1, -1, time.Microsecond))
}

func (g gen) date() string {
	switch g.IntN(8) {
	case 7:
		return pickOne(g, "2026-03-08", "2026-03-01T05:00:00.5-05:00", "2026-03-01T10:00:00.000001Z", "2026-02-28T20:00:00-14:00", "2026-03-01T10:00:00+15:00",
			"2026-03-01T10:00:00", "2026-03-01T10:00:00.Z", "2026-03-01T24:00:00Z", "0000", "2026-13", "2026/03/01", "2026-03-01T10:00:0xZ", "2026-0a-01", "2026-03-32", "2026-03-01T10:00:00*00:00")
	case 0:
		return g.day().Format(time.RFC3339Nano)
	case 1:
		return g.day().Format("2006-01")
	case 2:
		return pickOne(g, "2025", "2026", "2027")
	case 3:
		return pickOne(g, "", "", "soon", "2026-02-30")
	}
	return g.day().Format("2006-01-02")
}

func (g gen) period() *consent.Period {
	p := &consent.Period{}
	if g.chance(70) {
		p.Start = g.date()
	}
	if g.chance(70) {
		p.End = g.date()
	}
	return p
}

var (
	genOrgs     = []string{"a", "b", "a1", "a2", "ghost"}
	genPurposes = []string{"TREAT", "TREAT", "COC", "COC", "ETREAT", "BTG", "HPAYMT", "HRESCH", "BIORCH", "LOCAL", "SUBLOCAL", "INTREAT", "LOOP"}
	genLabels   = []string{"HIV", "PSY", "SUD", "ETH", "ETHUD", "BH", "PSYTHPN", "GDIS", "ODD", "EVEN"}
	genLevels   = []string{"U", "L", "M", "N", "R", "V"}
	genClasses  = []string{"lab", "note", "psychotherapy-note"}
	genPolicies = []string{"p:plain", "p:additive", "p:deny", "p:wide", "p:odd", "p:ghost"}
	genRoles    = []string{"md", "rn", "ed"}
)

func (g gen) setup() consent.Setup {
	s := consent.Setup{
		Organizations: []consent.Organization{{ID: "a"}, {ID: "b"}, {ID: "a1", Parent: "a"}, {ID: "a2", Parent: "a1"}},
		Policies: []consent.Policy{{URI: "p:plain"}, {URI: "p:additive", Additive: true}, {URI: "p:deny", OnExpiry: "deny"},
			{URI: "p:wide", Widening: true}, {URI: "p:odd", OnExpiry: "perhaps", Additive: true, Widening: true}},
		Purposes: []consent.LocalPurpose{{Code: "LOCAL"}, {Code: "SUBLOCAL", Parent: "LOCAL"}, {Code: "INTREAT", Parent: "TREAT"},
			{Code: "LOOP", Parent: "POOL"}, {Code: "POOL", Parent: "LOOP"}},
		HomeDefault:    g.chance(15),
		EmergencyHours: pickOne(g, 4, 4, 4, 2.5, 1.1, 0),
	}
	if g.chance(5) {
		s.Organizations[0].Parent = "a2" // a cycle
	}
	for i, id := range []hie.SiteID{"s1", "s2"} {
		st := consent.Site{ID: id, Org: hie.OrgID(pickOne(g, "a", "b", "a1", "ghost")), Zone: pickOne(g, "America/New_York", "UTC", "Asia/Tokyo", "No/Where", ""),
			Unlabelled: g.chance(30), PrivilegedRoles: []string{"ed"}, Regimes: pickSome(g, 1, "part2"), Jurisdiction: pickOne(g, "A", "B", "")}
		if i == 0 && g.chance(70) {
			st.Org = "a"
		}
		s.Sites = append(s.Sites, st)
	}
	if g.chance(25) { // a second site of the same organisation: the first one gives its Consents their zone
		s.Sites = append(s.Sites, consent.Site{ID: "s3", Org: s.Sites[0].Org, Zone: pickOne(g, "Asia/Tokyo", "America/New_York"), Regimes: []string{}})
	}
	for range g.IntN(5) {
		d := consent.Default{PurposeClass: pickOne(g, "*", "*", "*", "TREAT", "HRESCH", "LOCAL"), Category: pickOne(g, "*", "*", "*", "lab", "note"),
			Rule: pickOne(g, "permit", "permit", "permit", "permit", "basic-normal", "basic-normal", "btg-only", "deny", "odd")}
		switch g.IntN(6) {
		case 0:
			d.Site = pickOne(g, hie.SiteID("s1"), "s2")
		case 1:
			d.Jurisdiction = pickOne(g, "A", "B")
		default:
			d.Network = true
		}
		s.Defaults = append(s.Defaults, d)
	}
	for i := range max(0, g.IntN(6)-3) {
		s.Rules = append(s.Rules, g.rule(i))
	}
	if g.chance(1) { // more obligations than fit where they usually stand
		for i := range 140 {
			s.Rules = append(s.Rules, consent.Rule{ID: fmt.Sprint("many", i), Layer: consent.LayerSite, Effect: consent.Neutral, Obligations: []string{fmt.Sprint("DELAU:", i%135)}})
		}
	}
	return s
}

func (g gen) rule(i int) consent.Rule {
	r := consent.Rule{ID: fmt.Sprint("rule", i), Layer: pickOne(g, consent.LayerLaw, consent.LayerNetwork, consent.LayerSite),
		Effect: pickOne(g, consent.Forbid, consent.Require, consent.Mandate, consent.Neutral), Kind: pickOne(g, "part2-consent", "part2-consent", "k2", "k2", ""),
		Overridable: g.chance(50), EmergencyClause: g.chance(50), Obligations: pickSome(g, 2, "P2-NOTICE", "DELAU:2026-06-30", "AOD", "LABELS")}
	if g.chance(20) {
		r.Start = g.day()
	}
	if g.chance(20) {
		r.End = g.day()
	}
	sc := &r.Scope
	for _, f := range []func(){
		func() { sc.Purposes = pickSome(g, 2, hie.Purpose("TREAT"), "COC", "BTG", "HRESCH", "WEIRD") },
		func() { sc.Sites = pickSome(g, 1, hie.SiteID("s1"), "s2") },
		func() { sc.Regimes = pickSome(g, 1, "part2") },
		func() { sc.Jurisdictions = pickSome(g, 1, "A", "B") },
		func() { sc.RequesterJurisdictions = pickSome(g, 1, "A", "B") },
		func() { sc.Classes = pickSome(g, 2, genClasses...) },
		func() { sc.Labels = pickSome(g, 2, genLabels...) },
		func() { sc.Orgs = pickSome(g, 2, hie.OrgID("a"), "b", "a1", "ghost") },
		func() { sc.Roles = pickSome(g, 2, genRoles...) },
	} {
		if g.chance(25) {
			f()
		}
	}
	return r
}

func (g gen) reference() string {
	return pickOne(g, "Organization/"+pickOne(g, genOrgs...), "Organization/"+pickOne(g, genOrgs...), "Practitioner/x", "Practitioner/y", "CareTeam/t", "Group/g", "#pr", "")
}

func (g gen) actor() consent.Actor {
	a := consent.Actor{Role: pickOne(g, "", "", "IRCP", "IRCP", "IRCP", "CST", "INF", "PRCP", consent.UnknownRole), Reference: g.reference()}
	if a.Role == "CST" || a.Role == "INF" {
		a.Reference = pickOne(g, "Organization/"+pickOne(g, genOrgs...), "Organization/a", "Location/s1", "Location/s2", "Location/ghost", "Device/d", "Organization/a/b", "")
	}
	if a.Reference == "#pr" && g.chance(90) {
		a.Team = &consent.PractitionerRole{HasOrganization: g.chance(60), HasPractitioner: g.chance(30), Codes: pickSome(g, 2, "md", "rn", "")}
		if a.Team.HasOrganization {
			a.Team.Organization = pickOne(g, "Organization/a", "Organization/a1", "Organization/ghost", "Group/g", "")
		}
		if a.Team.HasPractitioner {
			a.Team.Practitioner = pickOne(g, "Practitioner/x", "Practitioner/y", "")
		}
	}
	return a
}

func (g gen) labels() []string {
	var out []string
	if g.chance(50) {
		out = pickSome(g, 2, genLevels...)
	}
	return append(out, pickSome(g, 2, genLabels...)...)
}

func (g gen) provision(depth int) consent.Provision {
	p := consent.Provision{Type: pickOne(g, "permit", "permit", "deny", "deny", "permit", "deny", "permit", "deny", "", "other"), Modified: g.chance(1)}
	for _, f := range []struct {
		percent int
		set     func()
	}{
		{10, func() { p.Period = g.period() }},
		{30, func() {
			for range 1 + g.IntN(2) {
				p.Actors = append(p.Actors, g.actor())
			}
		}},
		{6, func() { p.Actions = pickSome(g, 2, "access", "disclose", "use", "sing") }},
		{30, func() { p.Labels = g.labels() }},
		{40, func() { p.Purposes = pickSome(g, 2, append(slices.Clone(genPurposes), "", "WEIRD")...) }},
		{15, func() { p.Classes = pickSome(g, 2, append(slices.Clone(genClasses), "")...) }},
		{8, func() { p.Codes = pickSome(g, 2, "t1", "t2", "") }},
		{12, func() { p.DataPeriod = g.period() }},
		{12, func() {
			p.Data = pickSome(g, 2, consent.Data{Meaning: "instance", Reference: "DocumentReference/d1"}, consent.Data{Meaning: "instance", Reference: "DocumentReference/d0"},
				consent.Data{Meaning: "related", Reference: "Encounter/e1"}, consent.Data{Meaning: "authoredby", Reference: "Organization/a"},
				consent.Data{Meaning: "authoredby", Reference: "Practitioner/x"}, consent.Data{Meaning: "dependents", Reference: "Encounter/e1"},
				consent.Data{Meaning: "authoredby", Reference: "Organization/ghost"}, consent.Data{Meaning: "instance", Reference: "Observation/o"},
				consent.Data{Meaning: "related", Reference: "DocumentReference/d1"}, consent.Data{Meaning: "instance", Reference: "Encounter/e1"},
				consent.Data{Meaning: "related", Reference: "Observation/o"}, consent.Data{Meaning: "authoredby", Reference: "Device/d"},
				consent.Data{Meaning: "", Reference: "DocumentReference/d1"}, consent.Data{Meaning: "related", Reference: ""})
		}},
	} {
		if g.chance(f.percent) {
			f.set()
		}
	}
	if depth == 1 && g.chance(1) { // more nodes than fit where they usually stand
		for range 15 {
			k := g.provision(9)
			k.Type, k.Actors, k.Labels = p.Type, nil, nil
			p.Provisions = append(p.Provisions, k)
		}
	}
	if depth < 5 {
		for range max(0, g.IntN(4)-depth/2-1) {
			p.Provisions = append(p.Provisions, g.provision(depth+1))
		}
	}
	return p
}

func (g gen) directive(i int) consent.Directive {
	d := consent.Directive{ID: fmt.Sprint("c", i), Record: pickOne(g, "r1", "r1", "r2", "r9"), Filed: g.day(), Signed: g.day(), Verified: g.chance(85),
		NetworkWide: g.chance(60), Absolute: g.chance(10), ReturnToDefault: g.chance(20),
		Status:   pickOne(g, "active", "active", "active", "active", "inactive", "draft"),
		Scope:    pickOne(g, "patient-privacy", "patient-privacy", "patient-privacy", "patient-privacy", "patient-privacy", "patient-privacy", "research", "adr", "treatment", "", "odd"),
		Modified: g.chance(1)}
	if g.chance(5) {
		d.Signed = time.Time{}
	}
	if g.chance(50) {
		d.Policies = pickSome(g, 2, genPolicies...)
	}
	if g.chance(30) {
		d.Organizations = pickSome(g, 2, "Organization/a", "Organization/a1", "Organization/ghost", "Group/g", "Location/s1", "")
	}
	if g.chance(30) {
		d.Performers = pickSome(g, 2, "Patient/p", "Patient/q", "RelatedPerson/m", "RelatedPerson/z", "")
	}
	if g.chance(15) {
		d.PolicyRules = pickSome(g, 2, "OPTIN", "OPTOUT", "OTHER")
	}
	if g.chance(97) {
		p := g.provision(1)
		if len(d.PolicyRules) > 0 && g.chance(60) {
			p.Type = ""
		}
		d.Provision = &p
	}
	return d
}

func (g gen) subject() consent.Subject {
	link := func() hie.LinkState {
		return pickOne(g, hie.LinkConfirmed, hie.LinkConfirmed, hie.LinkConfirmed, hie.LinkConfirmed, hie.LinkConfirmed, hie.LinkTentative, hie.LinkTentative, hie.LinkDisputed)
	}
	s := consent.Subject{Home: pickOne(g, "", "A", "B"), Records: []consent.Record{{ID: "r1", Site: "s1", Link: link()}, {ID: "r2", Site: "s2", Link: link()}}}
	if g.chance(40) {
		s.Proxies = []consent.Proxy{{Ref: "RelatedPerson/m", Period: *g.period()}}
	}
	return s
}

func (g gen) request() consent.Request {
	r := consent.Request{Organization: hie.OrgID(pickOne(g, "a", "b", "a1", "a2")), Practitioner: pickOne(g, "", "x", "y"),
		Roles: pickSome(g, 2, genRoles...), CareTeams: pickSome(g, 1, "t", "u"), Instruments: pickSome(g, 1, "part2-consent", "part2-consent", "k2", "k2", ""),
		Abilities: pickOne(g, []string{"P2-NOTICE", "DELAU", "LABELS"}, []string{"P2-NOTICE", "DELAU", "LABELS"}, []string{"P2-NOTICE"}, nil), Jurisdiction: pickOne(g, "", "A", "B")}
	if g.chance(2) {
		r.Organization = "ghost"
	}
	for range pickOne(g, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 5) {
		r.Purposes = append(r.Purposes, hie.Purpose(pickOne(g, genPurposes...)))
	}
	if g.chance(1) {
		r.Purposes = pickOne(g, nil, []hie.Purpose{"WEIRD"})
	}
	if g.chance(20) {
		r.Emergency = &consent.Emergency{ReasonCode: pickOne(g, "unconscious", "disaster", "unconscious", "curious"), Text: pickOne(g, "patient found unconscious in the street", "  short          reason   "),
			Role: pickOne(g, "ed", "ed", "ed", "rn"), At: t0.Add(-time.Duration(g.IntN(5)-1) * time.Hour), Attested: consent.Attestations()}
		if g.chance(20) {
			r.Emergency.Attested = r.Emergency.Attested[:2]
		}
		if g.chance(10) {
			r.Emergency.At = time.Time{}
		}
		if g.chance(85) {
			r.Emergency.ReasonCode, r.Emergency.Text, r.Emergency.Role = "life-threat", pickOne(g, "patient found unconscious in the street", "\u3000twenty characters ok\n"), "ed"
			r.Emergency.At, r.Emergency.Attested = t0.Add(-time.Duration(g.IntN(150))*time.Minute), consent.Attestations()
			r.Roles = []string{"md", "ed"}
			if g.chance(80) {
				r.Purposes = []hie.Purpose{hie.Purpose(pickOne(g, "TREAT", "BTG", "ETREAT"))}
			}
		}
	}
	return r
}

func (g gen) document() consent.Document {
	d := consent.Document{ID: pickOne(g, "d1", "d1", "d1", "d1", "d1", "d1", "d1", "d1", "d2", ""), Record: pickOne(g, "r1", "r1", "r2"), Site: pickOne(g, hie.SiteID("s1"), "s2"), Class: pickOne(g, "lab", "lab", "note", "psychotherapy-note", ""),
		Type: pickOne(g, "", "t1", "t2"), Confidentiality: pickOne(g, append(slices.Clone(genLevels), "N", "N", "", "X")...),
		LabelState: pickOne(g, consent.Labelled, consent.Labelled, consent.Labelled, consent.Unlabelled, consent.LabelsUnknown, consent.LabelledInPart),
		Authors:    pickSome(g, 2, "Practitioner/x", "Practitioner/q", "Organization/a1", "Organization/b", "Organization/ghost", "Device/d", "x"), Encounter: pickOne(g, "", "e1", "e2")}
	if g.chance(2) {
		d.Site = "s9"
	}
	if g.chance(1) {
		d.LabelState = consent.LabelsStale
	}
	if g.chance(1) {
		d.Record = "r9"
	}
	if d.LabelState != consent.LabelledInPart {
		d.Sensitivity = pickSome(g, 3, genLabels...)
	}
	if g.chance(20) {
		d.Replaces = []string{"d0"}
	}
	return d
}

func (g gen) all() *oracle {
	o := &oracle{setup: g.setup(), subj: g.subject(), req: g.request(), doc: g.document(), now: t0}
	if g.chance(60) {
		o.start = g.date()
	}
	if g.chance(60) {
		o.end = g.date()
	}
	o.documentTimes()
	if g.chance(1) {
		o.now = time.Time{}
	}
	for i := range pickOne(g, 0, 1, 1, 2, 2, 3, 3, 4, 5) {
		d := g.directive(i)
		if i > 0 && g.chance(40) {
			d = g.reply(o.dirs[g.IntN(i)], i)
		}
		o.dirs = append(o.dirs, d)
	}
	if g.chance(4) {
		g.part(o)
	}
	if g.chance(1) && len(o.dirs) > 0 { // a filing time that could not be read
		o.dirs[g.IntN(len(o.dirs))].Filed = time.Time{}
	}
	if g.chance(2) { // a second entry of one name: the first counts
		o.setup.Policies = append(o.setup.Policies, consent.Policy{URI: "p:plain", Additive: true, Widening: true, OnExpiry: "deny"})
		o.setup.Organizations = append(o.setup.Organizations, consent.Organization{ID: "a1", Parent: "b"})
		o.setup.Sites = append(o.setup.Sites, consent.Site{ID: "s1", Org: "nowhere", Unlabelled: true})
		o.subj.Records = append(o.subj.Records, consent.Record{ID: "r1", Site: "s2", Link: hie.LinkConfirmed})
	}
	return o
}

// part adds two refusals and two later permissions, each of which prevails on one of them and mostly on no other: each
// refusal is beaten, but by no single permission.
func (g gen) part(o *oracle) {
	at := t0.AddDate(0, 0, -6)
	say := func(kind string, days int, p consent.Provision, more ...string) {
		p.Type = kind
		d := consent.Directive{ID: fmt.Sprint("c", len(o.dirs)), Record: "r1", Filed: at.AddDate(0, 0, days), Signed: at.AddDate(0, 0, days), Verified: g.chance(97), NetworkWide: true,
			Absolute: kind == "deny" && g.chance(3), Status: "active", Scope: "patient-privacy", Policies: pickOne(g, []string{"p:additive"}, []string{"p:plain"}), Organizations: more, Provision: &p}
		if kind == "permit" && g.chance(10) {
			d.Status = "inactive"
		}
		o.dirs = append(o.dirs, d)
	}
	to := func(org string) []consent.Actor { return []consent.Actor{{Reference: "Organization/" + org}} }
	say("deny", 0, consent.Provision{Actors: to("a")}, "Organization/a")
	say("deny", 1, consent.Provision{Classes: []string{"lab"}}, "Organization/b")
	say("permit", 2, consent.Provision{Actors: to("a1")}, "Organization/a1")
	narrow := consent.Provision{Classes: []string{"lab"}, Purposes: []string{"TREAT"}}
	if g.chance(20) { // one that beats both
		narrow.Actors = to("a1")
	}
	say("permit", 3, narrow, "Organization/a2")
	g.Shuffle(len(o.dirs), func(i, j int) { o.dirs[i], o.dirs[j] = o.dirs[j], o.dirs[i] })
	o.req.Organization, o.doc.Class, o.doc.Record = "a1", "lab", "r1"
	if g.chance(80) {
		o.req.Purposes = []hie.Purpose{"TREAT"}
	}
}

// reply is a later word on an earlier directive: mostly a permit of the same scope or a part of it, so that the
// comparison of scopes matters.
func (g gen) reply(to consent.Directive, i int) consent.Directive {
	d := to
	d.ID, d.Status, d.Verified, d.Absolute, d.PolicyRules = fmt.Sprint("c", i), "active", true, false, nil
	d.Performers = []string{"Patient/p"}
	d.Organizations = append(slices.Clone(to.Organizations), "Organization/a")
	d.Filed, d.Signed = to.Filed.AddDate(0, 0, g.IntN(3)), to.Filed.AddDate(0, 0, g.IntN(3))
	p := consent.Provision{}
	if to.Provision != nil {
		p = *to.Provision
	}
	p.Type, p.Provisions, p.Period, p.Modified = pickOne(g, "permit", "permit", "permit", "deny"), nil, nil, false
	if g.chance(50) {
		q := g.provision(9)
		switch g.IntN(5) {
		case 0:
			p.Actors = q.Actors
		case 1:
			p.Labels = g.labels()
		case 2:
			p.Purposes = q.Purposes
		case 3:
			p.Classes = []string{"lab"}
		case 4:
			p.Data = []consent.Data{{Meaning: "instance", Reference: "DocumentReference/d1"}}
		}
	}
	d.Provision = &p
	return d
}
