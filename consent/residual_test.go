package consent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

// filtered is what a site that understands residuals lets go, as PCF says: permit overrides an explicit forbid.
func filtered(rules []ResidualRule, doc Document) bool {
	hits := func(r ResidualRule) bool {
		switch {
		case r.Labels != nil:
			return slices.Contains(r.Labels, doc.Confidentiality) || slices.ContainsFunc(doc.Sensitivity, func(s string) bool { return slices.Contains(r.Labels, s) })
		case r.Period != nil:
			in, _ := r.Period.read(time.UTC)
			if r.Permit {
				return interval{tickOf(doc.Start), tickOf(doc.End)}.within(in)
			}
			return in.overlaps(interval{tickOf(doc.Start), tickOf(doc.End)})
		case r.Data != nil:
			return slices.ContainsFunc(r.Data, func(d Data) bool {
				return d.Reference == "DocumentReference/"+doc.ID || d.Meaning == "related" && d.Reference == "Encounter/"+doc.Encounter || d.Meaning == "authoredby" && slices.Contains(doc.Authors, d.Reference)
			})
		}
		return true
	}
	out := true
	for _, r := range rules {
		if !r.Permit && hits(r) {
			out = false
		}
	}
	for _, r := range rules {
		if r.Permit && hits(r) {
			out = true
		}
	}
	return out
}

// TestASiteThatFiltersByItselfLetsGoWhatTheEngineWould gives the residuals of PCF's notes and compares, over documents of one
// label, a site's filter with the engine.
//
// Source: spec consent vector 93; IHE PCF, Consent-ex-* notes.
func TestASiteThatFiltersByItselfLetsGoWhatTheEngineWould(t *testing.T) {
	filed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := filed.AddDate(0, 1, 0)
	year := &Period{Start: "2022-01-01", End: "2022-12-31"}
	care := []string{"TREAT", "HPAYMT"}
	permit, deny := "permit", "deny"
	kid := func(kind string, p Provision) Provision { p.Type = kind; return p }
	for _, tt := range []struct {
		name string
		root Provision
		want string // "" for a refusal
	}{
		{"basic-treat: nothing remains", Provision{Type: permit, Purposes: care}, "[]"},
		{"timeframe: forbid everything, permit 2022", Provision{Type: permit, Purposes: care, DataPeriod: year}, "[forbid permit 2022-01-01T05:00:00Z]"},
		{"not-timeframe: forbid 2022", Provision{Type: permit, Purposes: care, Provisions: []Provision{kid(deny, Provision{DataPeriod: year})}}, "[forbid 2022-01-01T05:00:00Z]"},
		{"advanced-normal: forbid everything, permit up to N", Provision{Type: permit, Purposes: care, Labels: []string{"N"}}, "[forbid permit [U L M N]]"},
		{"not-restricted: forbid R and above", Provision{Type: permit, Purposes: care, Provisions: []Provision{kid(deny, Provision{Labels: []string{"R"}})}}, "[forbid [R V]]"},
		{"encounter", Provision{Type: permit, Purposes: care, Data: []Data{{"related", "Encounter/e1"}}}, "[forbid permit related]"},
		{"not-data", Provision{Type: permit, Purposes: care, Provisions: []Provision{kid(deny, Provision{Data: []Data{{"instance", "DocumentReference/d1"}}})}}, "[forbid instance]"},
		{"authoredby", Provision{Type: permit, Purposes: care, Data: []Data{{"authoredby", "Practitioner/q"}}}, "[forbid permit authoredby]"},
		{"a refusal", Provision{Type: deny}, ""},
		{"a refusal with this practice excepted", Provision{Type: deny, Provisions: []Provision{kid(permit, Provision{Actors: []Actor{{Reference: "Organization/elm"}}})}}, "[]"},
		{"a purpose it does not name", Provision{Type: permit, Purposes: []string{"HRESCH"}}, ""},
		{"two limits at once, which residuals cannot say", Provision{Type: permit, Purposes: care, DataPeriod: year, Labels: []string{"N"}}, ""},
		{"a limit and an exception to it, likewise", Provision{Type: permit, Purposes: care, DataPeriod: year, Provisions: []Provision{kid(deny, Provision{Labels: []string{"HIV"}})}}, ""},
	} {
		d := wishes(t, wish("7", "p1", filed, tt.root))
		req := Request{Organization: "elm", Practitioner: "x", Roles: []string{}, CareTeams: []string{}, Purposes: []hie.Purpose{"TREAT"}}
		r := d.Residual(req, "1", now)
		got := ""
		if r.Permit {
			words := []string{}
			for _, rule := range r.Rules {
				w := map[bool]string{true: "permit", false: "forbid"}[rule.Permit]
				switch {
				case rule.Labels != nil:
					w += fmt.Sprint(" ", rule.Labels)
				case rule.Period != nil:
					w += " " + rule.Period.Start
				case rule.Data != nil:
					w += " " + rule.Data[0].Meaning
				}
				words = append(words, w)
			}
			got = fmt.Sprint(words)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			continue
		}
		if !r.Permit {
			continue
		}
		rng := rand.New(rand.NewPCG(9, 3))
		one := func(of ...string) string { return of[rng.IntN(len(of))] }
		for range 2000 {
			doc := Document{ID: one("d1", "d2"), Record: "1", Site: "s", Class: "lab", Type: "lab", Confidentiality: one("L", "N", "R", "V"), LabelState: Labelled,
				Encounter: one("e1", "e2"), Authors: []string{one("Practitioner/q", "Practitioner/r")}}
			doc.Start = time.Date(2021+rng.IntN(3), time.Month(1+rng.IntN(12)), 1, 0, 0, 0, 0, time.UTC)
			doc.End = doc.Start.AddDate(0, rng.IntN(6), 0)
			if site, engine := filtered(r.Rules, doc), d.Decide(req, doc, now).Release; site != engine {
				t.Errorf("%s: the site lets go %t, the engine %t", tt.name, site, engine)
				break
			}
		}
	}
	if r := wishes(t, wish("7", "p1", filed, Provision{Type: deny, Purposes: []string{"HMARKT"}}), wish("8", "p2", filed, Provision{Type: permit})).Residual(
		Request{Organization: "elm", Purposes: []hie.Purpose{"TREAT"}}, "1", now); r.Permit {
		t.Error("two wishes weighed against each other were put into residuals")
	}
	if r := wishes(t).Residual(Request{Organization: "elm", Purposes: []hie.Purpose{"TREAT"}}, "1", now); !r.Permit || r.Rules != nil {
		t.Error("where nobody has said anything and all is shared, something remains")
	}
}
