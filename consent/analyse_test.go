package consent_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/hie"
)

func TestRulesThatNeverMatterAreNamed(t *testing.T) {
	forbid := func(id string, s consent.Scope) consent.Rule {
		return consent.Rule{ID: id, Layer: consent.LayerNetwork, Effect: consent.Forbid, Scope: s}
	}
	wide := forbid("wide", consent.Scope{Purposes: []hie.Purpose{"TREAT"}})
	for _, tt := range []struct {
		name  string
		rules []consent.Rule
		want  string // of the second rule
	}{
		{"a narrower purpose", []consent.Rule{wide, forbid("x", consent.Scope{Purposes: []hie.Purpose{"COC"}, Classes: []string{"lab"}})}, "shadowed"},
		{"a wider purpose", []consent.Rule{wide, forbid("x", consent.Scope{Purposes: []hie.Purpose{"TREAT", "HPAYMT"}})}, ""},
		{"a requirement under a prohibition", []consent.Rule{wide, {ID: "x", Layer: consent.LayerSite, Effect: consent.Require, Kind: "k", Scope: consent.Scope{Purposes: []hie.Purpose{"COC"}}}}, "shadowed"},
		{"a prohibition under a requirement", []consent.Rule{{ID: "wide", Layer: consent.LayerNetwork, Effect: consent.Require, Kind: "k"}, forbid("x", consent.Scope{})}, ""},
		{"one that still holds in an emergency", []consent.Rule{{ID: "wide", Layer: consent.LayerNetwork, Effect: consent.Forbid, Overridable: true}, forbid("x", consent.Scope{})}, ""},
		{"one that attaches an obligation", []consent.Rule{wide, {ID: "x", Layer: consent.LayerNetwork, Effect: consent.Neutral, Obligations: []string{"D"}, Scope: wide.Scope}}, ""},
		{"a label under another", []consent.Rule{forbid("wide", consent.Scope{Labels: []string{"SUD"}}), forbid("x", consent.Scope{Labels: []string{"ETHUD"}})}, "shadowed"},
		{"a law over a network rule", []consent.Rule{{ID: "wide", Layer: consent.LayerLaw, Effect: consent.Forbid}, forbid("x", consent.Scope{})}, "shadowed"},
		{"a network rule over a law", []consent.Rule{forbid("wide", consent.Scope{}), {ID: "x", Layer: consent.LayerLaw, Effect: consent.Forbid}}, ""},
		{"a longer time", []consent.Rule{{ID: "wide", Layer: consent.LayerNetwork, Effect: consent.Forbid, End: t0}, forbid("x", consent.Scope{})}, ""},
		{"all kinds but one", []consent.Rule{forbid("wide", consent.Scope{ExceptKinds: []string{"hospital"}}), forbid("x", consent.Scope{Kinds: []string{"practice"}})}, "shadowed"},
		{"the kind excepted", []consent.Rule{forbid("wide", consent.Scope{ExceptKinds: []string{"hospital"}}), forbid("x", consent.Scope{Kinds: []string{"hospital"}})}, ""},
		{"one that ends before it begins", []consent.Rule{wide, {ID: "x", Layer: consent.LayerNetwork, Effect: consent.Forbid, Start: t0, End: t0}}, "never applies"},
		{"of a site nobody knows", []consent.Rule{forbid("other", consent.Scope{Classes: []string{"q"}}), forbid("x", consent.Scope{Sites: []hie.SiteID{"gone"}})}, "never applies"},
		{"two alike: the second", []consent.Rule{wide, forbid("x", wide.Scope)}, "shadowed"},
	} {
		got := ""
		for _, f := range environment(t, optInState("permit", tt.rules...)).Analyse() {
			if f.Rule == "x" {
				got = f.What
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestTakingAShadowedRuleAwayChangesNoAnswer tries on random cases what Analyse says.
func TestTakingAShadowedRuleAwayChangesNoAnswer(t *testing.T) {
	tried := 0
	for i := 0; i < 30_000 && tried < 400; i++ {
		g := gen{rand.New(rand.NewPCG(uint64(i), 41))}
		o := g.all()
		for j := range 5 {
			r := g.rule(10 + j)
			r.Effect, r.Obligations = pickOne(g, consent.Forbid, consent.Require), nil
			o.setup.Rules = append(o.setup.Rules, r)
		}
		env := environment(t, o.setup)
		for _, f := range env.Analyse() {
			less := o.setup
			less.Rules = slices.DeleteFunc(slices.Clone(o.setup.Rules), func(r consent.Rule) bool { return r.ID == f.Rule })
			with, without := consent.Compile(env, o.subj, o.dirs), consent.Compile(environment(t, less), o.subj, o.dirs)
			for range 20 {
				doc, req := g.document(), g.request()
				a, b := with.Decide(req, doc, o.now), without.Decide(req, doc, o.now)
				if a.Release != b.Release {
					t.Fatalf("case %d: without %+v %v becomes %v\n%s", i, f, a.Reason, b.Reason, o.dump())
				}
			}
			tried++
		}
	}
	if tried < 100 {
		t.Errorf("only %d findings", tried)
	}
}

func TestPermitsThatReleaseNothingAreNamed(t *testing.T) {
	s := newScene("permit")
	all(say(permit(label("N"), to("Practitioner/drx"))), say(deny()), say(permit(to("Practitioner/dry"))))(s)
	d := consent.Compile(environment(t, s.setup), s.subj, s.dirs)
	found := d.Shadowed(d.Ask(s.req, s.now))
	if len(found) != 1 || found[0].Rule != "A provision" || found[0].By != "B provision" {
		t.Errorf("%+v: only the permit given before the opt-out releases nothing", found)
	}
}

func TestThePacksThatStandHaveNoRuleWithoutEffect(t *testing.T) {
	o, err := consentjson.Options(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range environment(t, optInState("permit", o.Rules...)).Analyse() {
		t.Errorf("%+v", f)
	}
}
