package consent_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

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
	cases, differ := 400, 0
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
					for _, label := range []string{"plain", "HIV", "PSY"} {
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
	if differ < cases {
		t.Errorf("only %d answers differed: nothing was compared", differ)
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
