package federation

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// withRules puts rules in force, beside the mandate of the patient's own access.
func (w *world) withRules(t *testing.T, rules ...consent.Rule) {
	t.Helper()
	s := consent.Setup{EmergencyHours: 4, Defaults: []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}, Rules: rules}
	for _, o := range w.network.Organizations() {
		s.Organizations = append(s.Organizations, consent.Organization{ID: o.ID, Parent: o.Parent})
	}
	for _, st := range w.network.Sites() {
		s.Sites = append(s.Sites, consent.Site{ID: st.ID, Org: st.Org, Jurisdiction: "US-MD", Regimes: st.Regimes, Zone: st.Zone, PrivilegedRoles: st.PrivilegedRoles})
	}
	env, err := consent.NewEnv(s)
	if err != nil {
		t.Fatal(err)
	}
	w.Env = func() *consent.Env { return env }
}

func labelled(code string) func(*locator.Pointer) {
	return func(p *locator.Pointer) {
		system := locator.SystemActCode
		if strings.HasPrefix(code, "hipaa-") {
			system = locator.SystemConsentPolicy
		}
		p.Labels = append(p.Labels, hie.Coding{System: system, Code: code})
	}
}

// What a rule reads of the request, of the person and of the document is there when a request comes in.
func TestRulesSeeWhatTheDoorKnows(t *testing.T) {
	forbid := func(s consent.Scope) consent.Rule {
		return consent.Rule{ID: "rule", Layer: consent.LayerLaw, Effect: consent.Forbid, Presume: true, Scope: s}
	}
	require := func(kind string) consent.Rule {
		return consent.Rule{ID: "rule", Layer: consent.LayerLaw, Effect: consent.Require, Kind: kind}
	}
	basis := func(w *world, edit func(*consent.Instrument)) {
		i := consent.Instrument{Record: mariaHospital, ID: 1, Number: 1, Kind: "court-order", Organization: "clinic", From: w.now.Add(-time.Hour)}
		edit(&i)
		w.instruments = append(w.instruments, i)
	}
	for _, tt := range []struct {
		name  string
		rule  consent.Rule
		label string
		edit  func(w *world, a *hie.Actor)
		want  int64
	}{
		{"a code the rule names is asserted", forbid(consent.Scope{Exchanges: []string{"T-PH-ECR"}}), "N", func(_ *world, a *hie.Actor) { a.Exchange = "T-PH-ECR" }, 0},
		{"another code is", forbid(consent.Scope{Exchanges: []string{"T-PH-ECR"}}), "N", func(_ *world, a *hie.Actor) { a.Exchange = "T-TRTMNT" }, 1},
		{"none is", forbid(consent.Scope{Exchanges: []string{"T-PH-ECR"}}), "N", nil, 1},
		{"a document paid for by the patient", forbid(consent.Scope{Flags: []string{consent.FlagSelfPay}}), "HIPAASelfPay", nil, 0},
		{"one that was not", forbid(consent.Scope{Flags: []string{consent.FlagSelfPay}}), "PSY", nil, 1},
		{"one paid for by the patient, by the policy's name", forbid(consent.Scope{Flags: []string{consent.FlagSelfPay}}), "hipaa-self-pay", nil, 0},
		{"one its site agreed to restrict", forbid(consent.Scope{Flags: []string{consent.FlagAgreedRestriction}}), "hipaa-restrictions", nil, 0},
		{"one its patient authorized: another policy, and no flag is known", forbid(consent.Scope{Flags: []string{consent.FlagAgreedRestriction}}), "hipaa-auth", nil, 1},
		{"psychotherapy notes by the name the law gives them", forbid(consent.Scope{Labels: []string{"PSYTHPN"}}), "HIPAAPsyNotes", nil, 0},
		{"nobody knows of a death", forbid(consent.Scope{DiedWithin: 50}), "N", nil, 0},
		{"the patient died fifty years ago", forbid(consent.Scope{DiedWithin: 50}), "N", func(w *world, _ *hie.Actor) { w.died(mariaHospital, w.now.AddDate(-50, 0, -1)) }, 1},
		{"a little less than fifty", forbid(consent.Scope{DiedWithin: 50}), "N", func(w *world, _ *hie.Actor) { w.died(mariaHospital, w.now.AddDate(-50, 0, 1)) }, 0},
		{"another site says it was later", forbid(consent.Scope{DiedWithin: 50}), "N", func(w *world, _ *hie.Actor) {
			w.died(mariaHospital, w.now.AddDate(-50, 0, -1))
			w.died(mariaClinic, w.now.AddDate(-20, 0, 0))
		}, 0},
		{"an instrument nobody recorded", require("court-order"), "N", nil, 0},
		{"one on record", require("court-order"), "N", func(w *world, _ *hie.Actor) { basis(w, func(*consent.Instrument) {}) }, 1},
		{"one of another kind", require("court-order"), "N", func(w *world, _ *hie.Actor) { basis(w, func(i *consent.Instrument) { i.Kind = "required-by-law" }) }, 0},
		{"one for somebody else", require("court-order"), "N", func(w *world, _ *hie.Actor) { basis(w, func(i *consent.Instrument) { i.Organization = "heart" }) }, 0},
		{"one for another purpose", require("court-order"), "N", func(w *world, _ *hie.Actor) {
			basis(w, func(i *consent.Instrument) { i.Purposes = []hie.Purpose{"PUBHLTH"} })
		}, 0},
		{"one on another site's record", require("court-order"), "N", func(w *world, _ *hie.Actor) { basis(w, func(i *consent.Instrument) { i.Record = mariaHeart }) }, 0},
		{"one that is over", require("court-order"), "N", func(w *world, _ *hie.Actor) { basis(w, func(i *consent.Instrument) { i.Until = w.now }) }, 0},
		{"one that has not begun", require("court-order"), "N", func(w *world, _ *hie.Actor) {
			basis(w, func(i *consent.Instrument) { i.From = w.now.Add(time.Second) })
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, a := newWorld(t), clinician()
			w.doc(mariaHospital, "hospital", "18842-5", 1, labelled(tt.label))
			w.withRules(t, tt.rule)
			if tt.edit != nil {
				tt.edit(w, &a)
			}
			f, err := w.Find(context.Background(), a, Query{Patient: clinicID, Limit: 5})
			if err != nil || f.Total != tt.want {
				t.Errorf("found %d, %v; want %d", f.Total, err, tt.want)
			}
		})
	}
}

func (w *world) died(record hie.SourcePatientID, at time.Time) {
	p := w.persons[1]
	p.Members = slices.Clone(p.Members)
	for i := range p.Members {
		if p.Members[i].Record == record {
			p.Members[i].Died = at
		}
	}
	w.persons[1] = p
}

// A parent looks in their child's name until midnight of the child's birthday where the child's site is; a query that runs
// across it is answered as after it. What the child consented to alone leaves no gap a parent could see.
//
// Source: spec consent, scenario 11.
func TestAParentsAccessEndsAtMidnightOfTheBirthday(t *testing.T) {
	minor := consent.Rule{ID: "minor", Layer: consent.LayerLaw, Effect: consent.Forbid, Presume: true,
		Scope: consent.Scope{Flags: []string{consent.FlagMinorConsented}, Requester: consent.RepresentativeOnly}}
	access := consent.Rule{ID: "own", Layer: consent.LayerLaw, Effect: consent.Mandate, Scope: consent.Scope{Requester: consent.PatientOnly}}
	for _, name := range []string{"America/New_York", "Asia/Kolkata", "Pacific/Apia"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sites := w.network.Sites()
			for i := range sites {
				sites[i].Zone = name
			}
			var err error
			if w.network, err = directory.NewNetwork(1, w.network.Organizations(), sites, nil); err != nil {
				t.Fatal(err)
			}
			w.withRules(t, access, minor)
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			midnight, _ := consent.Majority(2008, 2, 29, "US-MD", zone)
			if want := time.Date(2026, 3, 1, 0, 0, 0, 0, zone); !midnight.Equal(want) {
				t.Fatalf("of age at %v, want %v", midnight, want)
			}
			w.representatives = []consent.Representative{{Record: mariaClinic, ID: 1, Number: 1, Ref: "RelatedPerson/mother", Capacity: consent.CapacityParent,
				Rights: consent.RightsView, Lapses: midnight, Recorded: midnight.AddDate(-1, 0, 0)}}
			plain := w.doc(mariaHospital, "hospital", "18842-5", 1)
			alone := w.doc(mariaHospital, "hospital", "18842-5", 2, labelled("ADOL"))
			parent := hie.Actor{Organization: "patient-app", Client: "app", User: "RelatedPerson/mother", Representative: "RelatedPerson/mother",
				Roles: []string{hie.RolePatient}, Purposes: []hie.Purpose{hie.PurposePatientRequest}, Patient: mariaClinic}
			child := parent
			child.User, child.Representative = "maria", ""
			ask := func(a hie.Actor) Found {
				t.Helper()
				f, err := w.Find(context.Background(), a, Query{Record: mariaClinic, Limit: 5})
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			w.now = midnight.Add(-time.Microsecond)
			if f := ask(parent); !slices.Equal(ids(f), []hie.PointerID{plain.ID}) || f.Total != 1 || f.More {
				t.Errorf("the parent, just before: %v of %d; want the ordinary document alone", ids(f), f.Total)
			}
			if f := ask(child); !slices.Equal(ids(f), []hie.PointerID{alone.ID, plain.ID}) {
				t.Errorf("the child: %v; want both", ids(f))
			}
			stranger := parent
			stranger.Representative = "RelatedPerson/uncle"
			if f := ask(stranger); f.Total != 0 {
				t.Error("somebody not on record as a representative was shown something")
			}
			w.onFind = func() { w.now = midnight }
			if f := ask(parent); f.Total != 0 {
				t.Errorf("a query across midnight showed %d; want none", f.Total)
			}
			w.onFind = nil
			if f := ask(parent); f.Total != 0 {
				t.Errorf("at midnight the parent is shown %d", f.Total)
			}
			if f := ask(child); f.Total != 2 {
				t.Errorf("at midnight the patient is shown %d, want 2", f.Total)
			}
		})
	}
}

// A permit that ends while an answer is made does not release it.
func TestAPeriodThatEndsMeanwhileCounts(t *testing.T) {
	w := newWorld(t)
	end := time.Date(2026, 3, 1, 23, 59, 59, 999999000, time.UTC)
	no := denyAll(mariaHospital)
	no.Provision.Provisions = []consent.Provision{{Type: "permit", Purposes: []string{"TREAT"}, Period: &consent.Period{End: "2026-03-01"}}}
	w.say(no)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.now = end
	if f := find(t, w, Query{}); f.Total != 1 {
		t.Fatalf("while the exception lasts: %d, want 1", f.Total)
	}
	w.onFind = func() { w.now = end.Add(time.Microsecond) }
	if f := find(t, w, Query{}); f.Total != 0 {
		t.Errorf("it ended meanwhile: %d, want none", f.Total)
	}
}
