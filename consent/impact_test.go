package consent_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// optInState is two sites, one in a state that asks first, under extra rules.
func optInState(rule string, rules ...consent.Rule) consent.Setup {
	return consent.Setup{EmergencyHours: 4, Organizations: []consent.Organization{{ID: "a"}, {ID: "b"}, {ID: "x"}},
		Sites:    []consent.Site{{ID: "s1", Org: "a", Jurisdiction: "IN", Regimes: []string{}, PrivilegedRoles: []string{"ed"}}, {ID: "s2", Org: "b", Jurisdiction: "OUT", Regimes: []string{}}},
		Defaults: []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}, {Site: "s1", PurposeClass: "*", Category: "*", Rule: rule}},
		Policies: consent.BuiltinPolicies(), Rules: rules}
}

func environment(t testing.TB, s consent.Setup) *consent.Env {
	t.Helper()
	env, err := consent.NewEnv(s)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func personAt(sites ...hie.SiteID) consent.Subject {
	var s consent.Subject
	for i, site := range sites {
		s.Records = append(s.Records, consent.Record{ID: fmt.Sprint("r", i), Site: site, Link: hie.LinkConfirmed})
	}
	return s
}

func TestAnImpactNamesTheCellsAndPatientsThatChangeAndNoOthers(t *testing.T) {
	im := consent.NewImpact(environment(t, optInState("deny")), environment(t, optInState("basic-normal")), t0)
	out := consent.Directive{ID: "1", Record: "r0", Filed: t0.AddDate(0, -1, 0), Signed: t0.AddDate(0, -1, 0), Verified: true, NetworkWide: true, Status: "active",
		Scope: "patient-privacy", Provision: &consent.Provision{Type: "deny"}}
	for range 5 {
		im.Patient(personAt("s1"), nil)
	}
	if c := im.Patient(personAt("s2"), nil); c != nil {
		t.Errorf("somebody at the other site: %d cells change", len(c))
	}
	if c := im.Patient(personAt("s1"), []consent.Directive{out}); c != nil {
		t.Errorf("somebody who opted out: %d cells change", len(c))
	}
	seen, changed := im.Patients()
	if seen != 7 || changed != 5 || im.Kinds() != 3 {
		t.Errorf("%d seen, %d changed, %d kinds; want 7, 5, 3", seen, changed, im.Kinds())
	}
	cells := im.Cells()
	for _, c := range cells {
		if c.Site != "s1" || c.Patients != 5 || !c.Opens() && c.After != consent.ReasonDefaultNormal && !c.Emergency {
			t.Errorf("%v: %v to %v for %d", c.Cell, c.Before, c.After, c.Patients)
		}
		if c.Opens() && (c.Confidentiality != "N" || !c.Emergency && c.Purpose != "TREAT" && c.Purpose != "ETREAT") {
			t.Errorf("%v opens", c.Cell)
		}
	}
	if len(cells) == 0 || !cells[0].Opens() {
		t.Error("nothing opens")
	}
}

func TestAChangeThatChangesNothingSaysSo(t *testing.T) {
	before, after := optInState("deny"), optInState("deny")
	after.Rules = []consent.Rule{}
	im := consent.NewImpact(environment(t, before), environment(t, after), t0)
	if c := im.Patient(personAt("s1", "s2"), nil); c != nil {
		t.Errorf("%d cells", len(c))
	}
}

// TestAnImpactIsWhatTheChangeThenDoes: for random people, rules and questions, an answer differs after the change only in a
// cell the impact named.
//
// Source: spec consent section 6, scenario 7.
func TestAnImpactIsWhatTheChangeThenDoes(t *testing.T) {
	cases, differ, kin := 400, 0, 0
	if testing.Short() {
		cases = 80
	}
	for i := range cases {
		g := gen{rand.New(rand.NewPCG(uint64(i), 29))}
		o := g.all()
		for o.now.IsZero() || len(o.setup.Sites) == 0 {
			o = g.all()
		}
		changed := o.setup
		changed.Rules = append(slices.Clone(o.setup.Rules), consent.Rule{ID: "new", Layer: pickOne(g, consent.LayerLaw, consent.LayerSite), Effect: consent.Forbid,
			Scope: consent.Scope{Purposes: []hie.Purpose{hie.Purpose(pickOne(g, "TREAT", "HRESCH", "COC"))}, Labels: pickSome(g, 1, "HIV", "PSY"), Classes: pickSome(g, 1, "lab", "note")}})
		changed.Rules[len(changed.Rules)-1].Scope.Sites = pickSome(g, 1, hie.SiteID("s1"), "s2")
		labels := []string{"plain", "HIV", "PSY"}
		if i%4 == 3 { // not a rule, but which label lies under which
			changed.Rules, changed.Sensitivities = o.setup.Rules, g.kin()
			labels = append([]string{"plain"}, consent.Sensitivities()...)
			o.dirs = append(o.dirs, g.about(o))
		}
		before, after := environment(t, o.setup), environment(t, changed)
		im := consent.NewImpact(before, after, o.now)
		cells := map[consent.Cell]bool{}
		for _, c := range im.Patient(o.subj, o.dirs) {
			cells[c.Cell] = true
		}
		was, is := consent.Compile(before, o.subj, o.dirs), consent.Compile(after, o.subj, o.dirs)
		for _, rec := range o.subj.Records {
			for _, purpose := range []hie.Purpose{"TREAT", "HRESCH", "COC", "HPAYMT"} {
				for _, class := range []string{"lab", "note", "\x00other"} {
					for _, label := range labels {
						doc := consent.Document{ID: "\x00other", Record: rec.ID, Site: rec.Site, Class: class, Type: "\x00other", Confidentiality: "N", LabelState: consent.Labelled, Flags: []string{}}
						if label != "plain" {
							doc.Sensitivity = []string{label}
						}
						for _, who := range []string{"any organisation", "practitioner x"} {
							req := consent.Request{Organization: "a", Roles: []string{}, CareTeams: []string{}, Kinds: []string{}, Relationship: consent.Treating, Purposes: []hie.Purpose{purpose},
								Abilities: append(before.Abilities(), "DELAU")}
							if who != "any organisation" {
								req.Practitioner = "x"
							}
							a, b := was.Decide(req, doc, o.now), is.Decide(req, doc, o.now)
							if a.Reason == b.Reason && slices.Equal(a.Obligations, b.Obligations) {
								continue
							}
							differ++
							if i%4 == 3 {
								kin++
							}
							found := false // a value nothing names is asked about as "other" or "plain"
							for _, c := range []string{class, "other"} {
								for _, l := range []string{label, "plain"} {
									for _, w := range []string{who, "any organisation"} {
										upper := map[hie.Purpose]hie.Purpose{"COC": "TREAT"}[purpose]
										found = found || cells[consent.Cell{Site: rec.Site, Purpose: upper, Class: c, Label: l, Confidentiality: "N", Requester: w}]
										found = found || cells[consent.Cell{Site: rec.Site, Purpose: purpose, Class: c, Label: l, Confidentiality: "N", Requester: w}]
									}
								}
							}
							if !found {
								t.Fatalf("case %d: %s %s %s %s %s went from %v to %v, and no cell says so\n%s", i, rec.Site, purpose, class, label, who, a.Reason, b.Reason, o.dump())
							}
						}
					}
				}
			}
		}
	}
	if differ < cases || kin < cases/8 {
		t.Errorf("only %d answers differed, %d by what lies under what: nothing was compared", differ, kin)
	}
}

// TestEachCellAnImpactNamesChangesWhenItIsAskedAlone is the other half: of random people and rules, each cell the impact named
// is asked by itself, of the requester and about the document its words say, and the answers are what it said they would be.
//
// Source: spec consent section 6, scenario 7.
func TestEachCellAnImpactNamesChangesWhenItIsAskedAlone(t *testing.T) {
	asked := 0
	for i := range 100 {
		g := gen{rand.New(rand.NewPCG(uint64(i), 30))}
		o := g.all()
		for o.now.IsZero() || len(o.setup.Sites) == 0 {
			o = g.all()
		}
		changed := o.setup
		changed.Rules = append(slices.Clone(o.setup.Rules), consent.Rule{ID: "new", Layer: pickOne(g, consent.LayerLaw, consent.LayerNetwork, consent.LayerSite), Effect: consent.Forbid,
			Scope: consent.Scope{Purposes: []hie.Purpose{hie.Purpose(pickOne(g, "TREAT", "HRESCH", "COC"))}, Labels: pickSome(g, 1, "HIV", "PSY"), Classes: pickSome(g, 1, "lab", "note")}})
		if g.chance(50) {
			changed.Defaults = append(slices.Clone(o.setup.Defaults), consent.Default{Network: true, PurposeClass: "TREAT", Category: "lab", Rule: "deny"})
		}
		if g.chance(25) {
			changed.Rules, changed.Sensitivities = o.setup.Rules, g.kin()
			o.dirs = append(o.dirs, g.about(o))
		}
		before, after := environment(t, o.setup), environment(t, changed)
		cells := consent.NewImpact(before, after, o.now).Patient(o.subj, o.dirs)
		was, is := consent.Compile(before, o.subj, o.dirs), consent.Compile(after, o.subj, o.dirs)
		for _, c := range cells {
			req, ok := requestOf(c.Cell, before, o.setup)
			if !ok {
				continue
			}
			asked++
			found := false // of several records at one site one at least
			for _, rec := range o.subj.Records {
				doc := consent.Document{ID: "\x00other", Record: rec.ID, Site: rec.Site, Class: c.Class, Type: "\x00other", Confidentiality: c.Confidentiality, LabelState: consent.Labelled, Flags: []string{}}
				if doc.Class == "other" {
					doc.Class = "\x00other"
				}
				if c.Label != "plain" {
					doc.Sensitivity = []string{c.Label}
				}
				a, b := was.Decide(req, doc, o.now), is.Decide(req, doc, o.now)
				found = found || rec.Site == c.Site && a.Reason == c.Before && b.Reason == c.After && (a.Reason != b.Reason || !slices.Equal(a.Obligations, b.Obligations))
			}
			if !found {
				t.Fatalf("case %d: %v is said to go from %v to %v, and does not\n%s", i, c.Cell, c.Before, c.After, o.dump())
			}
		}
	}
	if asked < 2000 {
		t.Errorf("only %d cells were asked about", asked)
	}
}

// kin puts a few sensitivities under others.
func (g gen) kin() (out []consent.SensitivityUnder) {
	for range 1 + g.IntN(3) {
		out = append(out, consent.SensitivityUnder{Code: pickOne(g, consent.Sensitivities()...), Under: pickOne(g, "HIV", "PSY", "SUD", pickOne(g, consent.Sensitivities()...))})
	}
	return out
}

// about is a refusal of a few sensitivities, or a permission for them.
func (g gen) about(o *oracle) consent.Directive {
	filed := o.now.Add(-time.Hour)
	d := consent.Directive{ID: "about", Version: 1, Status: "active", Scope: "patient-privacy", Filed: filed, Signed: filed, Verified: true, NetworkWide: true,
		Provision: &consent.Provision{Type: pickOne(g, "deny", "permit"), Labels: pickSome(g, 2, "HIV", "PSY", "SUD", "STD")}}
	if len(o.subj.Records) > 0 {
		d.Record = o.subj.Records[0].ID
	}
	return d
}

// requestOf reads back who a cell says asks; ok is false for an emergency, or whom the test has no words for.
func requestOf(c consent.Cell, env *consent.Env, s consent.Setup) (consent.Request, bool) {
	req := consent.Request{Roles: []string{}, CareTeams: []string{}, Kinds: []string{}, Relationship: consent.Treating, Purposes: []hie.Purpose{c.Purpose}, Abilities: append(env.Abilities(), "DELAU")}
	for _, o := range s.Organizations { // somebody no changed rule names
		if req.Organization == "" {
			req.Organization = o.ID
		}
	}
	kind, name, _ := strings.Cut(c.Requester, " ")
	switch {
	case c.Emergency:
		return req, false
	case c.Requester == "any organisation":
	case kind == "organisation":
		req.Organization = hie.OrgID(name)
	case kind == "practitioner":
		req.Practitioner = name
	case kind == "role":
		req.Roles = []string{name}
	case strings.HasPrefix(c.Requester, "care team "):
		req.CareTeams = []string{strings.TrimPrefix(c.Requester, "care team ")}
	default:
		return req, false
	}
	return req, true
}

// TestALegalBasisIsPartOfAnImpact: who has a basis on file fares otherwise than others, and people with one are told apart.
func TestALegalBasisIsPartOfAnImpact(t *testing.T) {
	asks := consent.Rule{ID: "new", Layer: consent.LayerLaw, Effect: consent.Require, Kind: "court-order", Scope: consent.Scope{Purposes: []hie.Purpose{"HPAYMT"}}}
	im := consent.NewImpact(environment(t, optInState("permit")), environment(t, optInState("permit", asks)), t0)
	with, over := personAt("s1"), personAt("s1")
	with.Records[0].ID, over.Records[0].ID = "7", "8"
	with.Instruments = []consent.Instrument{{Record: 7, Kind: "court-order", Organization: "b", From: t0.AddDate(0, -1, 0)}}
	over.Instruments = []consent.Instrument{{Record: 8, Kind: "court-order", Organization: "b", From: t0.AddDate(0, -2, 0), Until: t0.AddDate(0, -1, 0)}}
	closes := func(s consent.Subject, who string) bool {
		return slices.ContainsFunc(im.Patient(s, nil), func(c consent.CellChange) bool { return c.Closes() && c.Requester == who && c.Purpose == "HPAYMT" })
	}
	if !closes(with, "any organisation") || closes(with, "organisation b") {
		t.Error("who holds the court order is said to lose what it may have")
	}
	if !closes(over, "organisation b") {
		t.Error("an order that is over is said to go on")
	}
	if im.Kinds() != 2 {
		t.Errorf("%d kinds of people, want 2", im.Kinds())
	}
}

// A person registered twice at a site counts once.
func TestAPatientOfTwoRecordsAtOneSiteCountsOnce(t *testing.T) {
	im := consent.NewImpact(environment(t, optInState("deny")), environment(t, optInState("basic-normal")), t0)
	im.Patient(personAt("s1", "s1"), nil)
	for _, c := range im.Cells() {
		if c.Patients != 1 {
			t.Fatalf("%v counts %d patients", c.Cell, c.Patients)
		}
	}
}

// BenchmarkImpact is a person of a kind seen before.
func BenchmarkImpact(b *testing.B) {
	im := consent.NewImpact(environment(b, optInState("deny")), environment(b, optInState("basic-normal")), t0)
	d := consent.Directive{ID: "1", Record: "r0", Filed: t0.AddDate(0, -1, 0), Signed: t0.AddDate(0, -1, 0), Verified: true, NetworkWide: true, Status: "active",
		Scope: "patient-privacy", Policies: []string{consent.PolicySharing}, Performers: []string{"Patient/1"}, Provision: &consent.Provision{Type: "permit", Purposes: []string{"TREAT"}}}
	s, ds := personAt("s1", "s2"), []consent.Directive{d}
	b.ReportAllocs()
	for b.Loop() {
		im.Patient(s, ds)
	}
}

// TestASimulationIsWhatTheChangeThenDoes is row 96: revoking a wish is supposed, then done, and does the same.
func TestASimulationIsWhatTheChangeThenDoes(t *testing.T) {
	env := environment(t, optInState("permit"))
	wish := func(id string, month int, p consent.Provision) consent.Directive {
		at := t0.AddDate(0, -month, 0)
		return consent.Directive{ID: id, Record: "r0", Filed: at, Signed: at, Verified: true, NetworkWide: true, Status: "active", Scope: "patient-privacy", Performers: []string{"Patient/p"},
			Organizations: []string{"Organization/" + id}, Provision: &p}
	}
	first := wish("1", 6, consent.Provision{Type: "deny", Labels: []string{"HIV"}})
	second := wish("2", 5, consent.Provision{Type: "permit", Labels: []string{"N"}, Purposes: []string{"TREAT"}})
	subject, before := personAt("s1"), []consent.Directive{first, second}
	revoked := second
	revoked.Version, revoked.Status, revoked.Filed = 2, "inactive", t0
	supposed := consent.WhatIf(env, subject, before, []consent.Directive{first, revoked}, t0)
	was, is := consent.Compile(env, subject, before), consent.Compile(env, subject, []consent.Directive{first, second, revoked})
	closes := 0
	for _, c := range supposed {
		if c.Emergency || c.Requester != "any organisation" {
			continue
		}
		req := consent.Request{Organization: "a", Roles: []string{}, CareTeams: []string{}, Kinds: []string{}, Relationship: consent.Treating, Purposes: []hie.Purpose{c.Purpose}}
		doc := consent.Document{ID: "x", Record: "r0", Site: c.Site, Class: c.Class, Confidentiality: c.Confidentiality, LabelState: consent.Labelled}
		if c.Label != "plain" {
			doc.Sensitivity = []string{c.Label}
		}
		if a, b := was.Decide(req, doc, t0), is.Decide(req, doc, t0); a.Reason != c.Before || b.Reason != c.After {
			t.Errorf("%v: supposed %v to %v, was %v to %v", c.Cell, c.Before, c.After, a.Reason, b.Reason)
		}
		if c.Closes() {
			closes++
		}
		if c.Opens() {
			t.Errorf("%v opens: revoking a permit never does", c.Cell)
		}
	}
	if closes == 0 {
		t.Error("revoking the permit closes nothing")
	}
}
