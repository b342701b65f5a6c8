package consent

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

// TestEveryBuiltInFormSaysWhatItDoesInBothLanguagesAndDoesIt fills each form and decides as its words say.
func TestEveryBuiltInFormSaysWhatItDoesInBothLanguagesAndDoesIt(t *testing.T) {
	env, err := NewEnv(Setup{EmergencyHours: 4, Policies: BuiltinPolicies(),
		Organizations: []Organization{{ID: "gh"}, {ID: "elm"}, {ID: "oak"}, {ID: "dawn"}},
		Sites:         []Site{{ID: "s", Org: "gh", Regimes: []string{}, PrivilegedRoles: []string{"ed"}}, {ID: "p2", Org: "dawn", Regimes: []string{"part2"}}},
		Rules:         []Rule{{ID: "p2", Layer: LayerLaw, Effect: Require, Kind: InstrumentPart2, Scope: Scope{Regimes: []string{"part2"}}}},
		Defaults:      []Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}})
	if err != nil {
		t.Fatal(err)
	}
	filed := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := filed.Add(time.Hour)
	answers := map[string]Answers{"chosen-organizations": {Organizations: []hie.OrgID{"elm"}}, "hide-groups": {Labels: []string{"HIV", "MH"}},
		"part2-treatment": {Organizations: []hie.OrgID{"dawn"}, Until: "2027"}}
	// Of each form: elm for treatment, oak for treatment, oak in an emergency, elm for an HIV result; elm for a Part 2 note.
	want := map[string]string{"share": "yyyyn", "emergency-only": "nnynn", "never": "nnnnn", "chosen-organizations": "ynyyn", "hide-groups": "yyynn", "part2-treatment": "yyyyy"}
	for _, form := range BuiltinTemplates() {
		if err := form.Check(); err != nil {
			t.Errorf("%s: %v", form.ID, err)
		}
		root, err := form.Fill(answers[form.ID])
		if err != nil {
			t.Fatalf("%s: %v", form.ID, err)
		}
		d := Directive{ID: "1", Record: "1", Status: "active", Scope: "patient-privacy", Filed: filed, Signed: filed, Verified: true, NetworkWide: true,
			Policies: form.Policies, Absolute: form.Absolute, Provision: &root}
		dec := Compile(env, Subject{Records: []Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}, {ID: "2", Site: "p2", Link: hie.LinkConfirmed}}}, []Directive{d})
		got := ""
		ask := func(org hie.OrgID, purpose hie.Purpose, record string, site hie.SiteID, sensitivity ...string) {
			s := Sight{Site: site, Asker: Asker{Organization: org}, Purpose: purpose, Kind: "ordinary"}
			req, doc := s.supposed(env, env.sites[site], Record{ID: record, Site: site}, now)
			doc.Sensitivity = sensitivity
			if dec.Decide(req, doc, now).Release {
				got += "y"
			} else {
				got += "n"
			}
		}
		ask("elm", "TREAT", "1", "s")
		ask("oak", "TREAT", "1", "s")
		ask("oak", "BTG", "1", "s")
		ask("elm", "TREAT", "1", "s", "HIV")
		ask("elm", "TREAT", "2", "p2")
		if got != want[form.ID] {
			t.Errorf("%s: %s, want %s", form.ID, got, want[form.ID])
		}
		for _, s := range dec.standings(tickOf(now)) {
			if s.State != "in force" {
				t.Errorf("%s is %s: %v", form.ID, s.State, s.Why)
			}
		}
	}
}

// TestThePlainWordsOfFormsArePlain: short sentences, and none of the words patients do not use.
//
// Source: spec ux 1.7 (grade 6; never "opt-out", "disclosure", "golden record").
func TestThePlainWordsOfFormsArePlain(t *testing.T) {
	for _, form := range BuiltinTemplates() {
		for lang, w := range form.Words {
			for _, text := range []string{w.Choice, w.Happens, w.Anyway, w.Undo} {
				for _, never := range []string{"opt-out", "opt out", "disclos", "golden record", "consent directive"} {
					if strings.Contains(strings.ToLower(text), never) {
						t.Errorf("%s in %s says %q", form.ID, lang, never)
					}
				}
				for _, sentence := range strings.Split(text, ". ") {
					if n := len(strings.Fields(sentence)); n > 40 {
						t.Errorf("%s in %s has a sentence of %d words", form.ID, lang, n)
					}
				}
			}
		}
	}
}

func TestAFormIsFilledInAsItAsksAndNotOtherwise(t *testing.T) {
	forms := map[string]Template{}
	for _, f := range BuiltinTemplates() {
		forms[f.ID] = f
	}
	for _, tt := range []struct {
		name, form string
		a          Answers
		path       string
	}{
		{"nobody chosen", "chosen-organizations", Answers{}, "organizations"},
		{"somebody chosen where nobody is asked", "never", Answers{Organizations: []hie.OrgID{"x"}}, "organizations"},
		{"no group chosen", "hide-groups", Answers{}, "labels"},
		{"a group there is not", "hide-groups", Answers{Labels: []string{"TALL"}}, "labels"},
		{"an end where none is asked", "share", Answers{Until: "2027"}, "until"},
		{"an end that is no date", "chosen-organizations", Answers{Organizations: []hie.OrgID{"x"}, Until: "soon"}, "until"},
	} {
		f := forms[tt.form]
		_, err := f.Fill(tt.a)
		var inv *hie.InvalidError
		if !errors.As(err, &inv) || inv.Path != tt.path {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	chosen := forms["chosen-organizations"]
	before := chosen.Root.Provisions[0].Actors[0]
	if _, err := chosen.Fill(Answers{Organizations: []hie.OrgID{"a", "b"}}); err != nil || chosen.Root.Provisions[0].Actors[0] != before {
		t.Errorf("filling changed the form: %v", err)
	}
}

func TestAFormIsRefusedWithThePlaceOfTheFault(t *testing.T) {
	for path, spoil := range map[string]func(*Template){
		"id":        func(f *Template) { f.ID = "Share!" },
		"root.type": func(f *Template) { f.Root.Type = "" },
		"words.es":  func(f *Template) { f.Words = map[string]Words{"en": f.Words["en"]} },
		"asks":      func(f *Template) { f.Asks = nil },
	} {
		f := BuiltinTemplates()[3]
		spoil(&f)
		var inv *hie.InvalidError
		if err := f.Check(); !errors.As(err, &inv) || inv.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestTheNewestActiveVersionIsOffered(t *testing.T) {
	v := func(id string, n int64, state TemplateState, where ...string) Template {
		return Template{ID: id, Version: n, State: state, Jurisdictions: where}
	}
	got := Offered([]Template{v("b", 1, TemplateActive), v("a", 1, TemplateActive), v("a", 2, TemplateActive), v("a", 3, TemplateDraft), v("c", 1, TemplateRetired),
		v("d", 1, TemplateActive, "US-NY")}, "US-MD")
	var names []string
	for _, o := range got {
		names = append(names, o.ID+string(rune('0'+o.Version)))
	}
	if !slices.Equal(names, []string{"a2", "b1"}) {
		t.Errorf("%q", names)
	}
}
