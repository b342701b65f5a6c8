package consent_test

import (
	"fmt"
	"testing"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// loadMix is a person with n directives (an opt-in with limits, denies of labels, exceptions for a doctor) at one of
// two sites under 30 rules of law, network and site.
func loadMix(tb testing.TB, n int) (*consent.Decider, consent.Request, consent.Document) {
	tb.Helper()
	s := consent.Setup{EmergencyHours: 4, Organizations: []consent.Organization{{ID: "north"}, {ID: "elm"}, {ID: "elm-cardio", Parent: "elm"}},
		Sites: []consent.Site{{ID: "s1", Org: "north", Jurisdiction: "US-MD", Regimes: []string{}, Zone: "America/New_York", PrivilegedRoles: []string{"ed"}},
			{ID: "s2", Org: "elm", Jurisdiction: "US-CA", Regimes: []string{"part2"}, Zone: "America/New_York"}},
		Defaults: []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}}
	for i := range 30 {
		r := consent.Rule{ID: fmt.Sprint("r", i), Layer: []consent.Layer{consent.LayerLaw, consent.LayerNetwork, consent.LayerSite}[i%3], Effect: consent.Require, Kind: "k"}
		switch i % 6 {
		case 0:
			r.Scope.Purposes = []hie.Purpose{"HMARKT", "HRESCH"}
		case 1:
			r.Scope = consent.Scope{Regimes: []string{"part2"}, Purposes: []hie.Purpose{"TREAT"}}
		case 2:
			r.Scope.Classes = []string{"psychotherapy-note"}
		case 3:
			r.Scope = consent.Scope{Jurisdictions: []string{"US-CA"}, Labels: []string{"REPRO"}}
		case 4:
			r.Scope = consent.Scope{Labels: []string{"HIV"}, Purposes: []hie.Purpose{"HPAYMT"}}
		case 5:
			r.Effect, r.Obligations, r.Scope = consent.Neutral, []string{"STATE-STMT:MD"}, consent.Scope{Sites: []hie.SiteID{"s2"}}
		}
		s.Rules = append(s.Rules, r)
	}
	env, err := consent.NewEnv(s)
	if err != nil {
		tb.Fatal(err)
	}
	var ds []consent.Directive
	for i := range n {
		at := t0.AddDate(-1, 0, i)
		d := consent.Directive{ID: fmt.Sprint(i), Record: "r1", Filed: at, Signed: at, Verified: true, NetworkWide: true, Status: "active",
			Scope: "patient-privacy", Performers: []string{fmt.Sprint("Patient/", i)}, Organizations: []string{fmt.Sprint("Organization/o", i)}}
		p := &consent.Provision{Type: "permit", Purposes: []string{"TREAT", "HPAYMT", "HOPERAT"}, Provisions: []consent.Provision{
			{Type: "deny", Labels: []string{"HIV", "PSY"}}, {Type: "deny", Actors: []consent.Actor{{Reference: "Organization/other"}}, Purposes: []string{"HRESCH"}}}}
		if i%3 == 1 {
			p = &consent.Provision{Type: "deny", Classes: []string{"note"}, Provisions: []consent.Provision{{Type: "permit", Actors: []consent.Actor{{Reference: "Practitioner/x"}}}}}
		}
		d.Provision = p
		ds = append(ds, d)
	}
	subject := consent.Subject{Records: []consent.Record{{ID: "r1", Site: "s1", Link: hie.LinkConfirmed}, {ID: "r2", Site: "s2", Link: hie.LinkConfirmed}}}
	req := consent.Request{Organization: "elm-cardio", Practitioner: "y", Roles: []string{"physician"}, Purposes: []hie.Purpose{"TREAT"}, Abilities: []string{"STATE-STMT"}}
	doc := consent.Document{ID: "d1", Record: "r1", Site: "s1", Class: "lab", Type: "t", Confidentiality: "N", LabelState: consent.Labelled,
		Start: t0.AddDate(0, -3, 0), End: t0.AddDate(0, -3, 1)}
	return consent.Compile(env, subject, ds), req, doc
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 3, 10, 30} {
		d, req, doc := loadMix(b, n)
		b.Run(fmt.Sprintf("directives=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			released := 0
			for b.Loop() {
				if d.Decide(req, doc, t0).Release {
					released++
				}
			}
			if released == 0 {
				b.Fatal("the mix releases nothing")
			}
		})
	}
}

// mixedDocuments are n documents of some forty kinds, each with dates and authors of its own.
func mixedDocuments(n int, like consent.Document) []consent.Document {
	out := make([]consent.Document, n)
	for i := range out {
		d := like
		d.ID = fmt.Sprint("d", i)
		d.Class = []string{"lab", "note", "imaging", "summary", "prescription"}[i%5]
		d.Sensitivity = [][]string{nil, nil, nil, {"HIV"}, {"PSY", "SUD"}}[i/5%5]
		d.Confidentiality = []string{"N", "N", "R"}[i/25%3]
		if i%7 == 0 {
			d.Record, d.Site = "r2", "s2"
		}
		d.Start = like.Start.AddDate(0, 0, -i%900)
		d.End = d.Start
		d.Authors = []string{fmt.Sprint("Practitioner/", i%50)}
		out[i] = d
	}
	return out
}

func BenchmarkBulk(b *testing.B) {
	for _, n := range []int{500, 10_000} {
		d, req, doc := loadMix(b, 3)
		docs := mixedDocuments(n, doc)
		out := make([]consent.Decision, n)
		b.Run(fmt.Sprintf("documents=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out = d.Ask(req, t0).DecideAll(docs, out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/document")
		})
		b.Run(fmt.Sprintf("documents=%d one by one", n), func(b *testing.B) {
			for b.Loop() {
				q := d.Ask(req, t0)
				for i := range docs {
					out[i] = q.Decide(docs[i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/document")
		})
	}
}

func BenchmarkExplain(b *testing.B) {
	for _, n := range []int{1, 3, 10, 30} {
		d, req, doc := loadMix(b, n)
		b.Run(fmt.Sprintf("directives=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Explain(req, doc, t0)
			}
		})
	}
}

// TestDecidingAllocatesNothing holds what makes bulk decisions cheap.
func TestDecidingAllocatesNothing(t *testing.T) {
	d, req, doc := loadMix(t, 3)
	if n := testing.AllocsPerRun(100, func() { d.Decide(req, doc, t0) }); n != 0 {
		t.Errorf("a decision allocates %v times, want 0", n)
	}
	doc.Sensitivity = []string{"HIV", "SUD"}
	if n := testing.AllocsPerRun(100, func() { d.Decide(req, doc, t0) }); n != 0 {
		t.Errorf("a refusal allocates %v times, want 0", n)
	}
}
