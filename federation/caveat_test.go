package federation

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// heartConsent is Maria's consent, of a kind that law requires for what the heart centre holds.
func heartConsent() consent.Directive {
	d := denyAll(mariaHeart)
	d.ID, d.Version, d.PolicyRules, d.Policies = "heart", 3, []string{"OPTIN"}, []string{"p:part2"}
	d.Provision = &consent.Provision{Type: "permit", Purposes: []string{"TREAT"}, Actors: []consent.Actor{{Reference: "Organization/rural"}, {Reference: "Organization/clinic"}}}
	return d
}

// underNotice puts the heart centre's documents under a law that requires a consent, with a notice that goes with them.
func (w *world) underNotice(t *testing.T, more ...consent.Rule) {
	t.Helper()
	env := w.env(t, func(s *consent.Setup) {
		s.Policies = []consent.Policy{{URI: "p:part2", Instrument: "part2-consent"}}
		s.Rules = append(more, consent.Rule{ID: "notice", Layer: consent.LayerLaw, Effect: consent.Require, Kind: "part2-consent", Obligations: []string{"P2-NOTICE"},
			Scope: consent.Scope{Sites: []hie.SiteID{"heart"}}, Statements: []consent.Statement{{Code: "P2-NOTICE", Scope: true, Pack: "law", Edition: "2026", Version: 2,
				Words: map[string]consent.StatementWords{"en": {Long: "Protected by law."}, "es": {Long: "Protegido por la ley."}}}}})
	})
	w.Env = func() *consent.Env { return env }
}

// What law has go with a document goes with it in each answer that discloses it, and the trail says so; nothing of it is
// there where it is not disclosed.
//
// Source: 42 CFR 2.32; spec consent 2.11.
func TestTheNoticeGoesWithEveryAnswerThatDiscloses(t *testing.T) {
	w := newWorld(t)
	w.underNotice(t)
	b := pattern(20)
	plain, protected := w.doc(mariaHospital, "hospital", "18842-5", 1), w.doc(mariaHeart, "heart", "11488-4", 2, content(b))
	if f := find(t, w, Query{}); !slices.Equal(ids(f), []hie.PointerID{plain.ID}) || f.Entries[0].Caveats != nil || f.Entries[0].Obligations == nil {
		t.Fatalf("without the consent: %v", ids(f))
	}
	w.say(heartConsent())
	w.serve(b)
	said := func(where string, obligations []string, caveats []consent.Caveat) {
		t.Helper()
		if len(caveats) != 1 || !slices.Contains(obligations, "P2-NOTICE") || caveats[0].Words("es").Long != "Protegido por la ley." {
			t.Fatalf("%s: %v, %d caveats", where, obligations, len(caveats))
		}
		if got := consent.ExplainScope(caveats[0].Permissions, "en", consent.Names{}); !strings.Contains(got, "given to clinic and its units, for treatment") || strings.Contains(got, "rural") {
			t.Errorf("%s: %s", where, got)
		}
		d := w.recorded(audit.Disclosed)
		last := d[slices.IndexFunc(d, func(e audit.Event) bool { return slices.Contains(e.Records, mariaHeart) })]
		if last.Detail["statements"] != "P2-NOTICE law 2026 v2 scope" || !slices.Contains(last.Ground, "heart/3") {
			t.Errorf("%s: recorded %q on ground %v", where, last.Detail["statements"], last.Ground)
		}
		w.events = nil
	}
	f := find(t, w, Query{})
	if !slices.Equal(ids(f), []hie.PointerID{protected.ID, plain.ID}) || f.Entries[1].Caveats != nil {
		t.Fatalf("with the consent: %v", ids(f))
	}
	said("found", f.Entries[0].Obligations, f.Entries[0].Caveats)
	e, err := w.Show(context.Background(), clinician(), Handle{Ref: protected.Ref()})
	if err != nil {
		t.Fatal(err)
	}
	said("read", e.Obligations, e.Caveats)
	d, err := w.Retrieve(context.Background(), clinician(), Handle{Ref: protected.Ref()})
	if err != nil {
		t.Fatal(err)
	}
	said("retrieved", d.Obligations, d.Caveats)
	if err := errors.Join(d.Pass(context.Background(), io.Discard), d.Close()); err != nil {
		t.Error(err)
	}
}

// An entry that tells that a protected site has the same document carries what goes with that.
func TestTheNoticeOfAnAlternateGoesWithTheEntry(t *testing.T) {
	w := newWorld(t)
	w.underNotice(t)
	w.say(heartConsent())
	b := pattern(20)
	w.doc(mariaHeart, "heart", "18842-5", 1, content(b))
	first := w.doc(mariaHospital, "hospital", "18842-5", 2, content(b))
	f := find(t, w, Query{})
	if len(f.Entries) != 1 || f.Entries[0].ID != first.ID || len(f.Entries[0].Alternates) != 1 {
		t.Fatalf("found %v", ids(f))
	}
	if e := f.Entries[0]; len(e.Caveats) != 1 || !slices.Contains(e.Obligations, "P2-NOTICE") || !slices.IsSorted(e.Obligations) {
		t.Errorf("told %v and %d caveats", e.Obligations, len(e.Caveats))
	}
}

// moving changes the rules once something has left.
type moving struct {
	then func()
	n    int
}

func (m *moving) Write(b []byte) (int, error) {
	if m.n += len(b); m.then != nil {
		m.then()
		m.then = nil
	}
	return len(b), nil
}

// What begins to be obliged to while a document is on its way could not be told with its first bytes: it ends there.
func TestADocumentThatComesToBeUnderANoticeOnItsWayEnds(t *testing.T) {
	says := func(words string) consent.Rule {
		return consent.Rule{ID: "new", Layer: consent.LayerLaw, Effect: consent.Neutral, Obligations: []string{"STATE-STMT:ZZ"},
			Statements: []consent.Statement{{Code: "STATE-STMT:ZZ", Words: map[string]consent.StatementWords{"en": {Long: words}}}}}
	}
	for _, tt := range []struct {
		name          string
		before, after []consent.Rule
		whole         bool
	}{
		{"nothing new is to be told", []consent.Rule{says("Keep it.")}, []consent.Rule{says("Keep it.")}, true},
		{"a statement is new", nil, []consent.Rule{says("Keep it.")}, false},
		{"its words are", []consent.Rule{says("Keep it.")}, []consent.Rule{says("Keep it to yourself.")}, false},
		{"one is gone", []consent.Rule{says("Keep it.")}, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.underNotice(t, tt.before...)
			b := pattern(3 * wholeLimit)
			p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(b))
			w.serve(b)
			d, err := w.Retrieve(context.Background(), clinician(), Handle{Ref: p.Ref()})
			if err != nil {
				t.Fatal(err)
			}
			to := &moving{then: func() {
				w.underNotice(t, tt.after...)
				w.mu.Lock()
				w.epochs[mariaHospital]++
				w.mu.Unlock()
			}}
			err = d.Pass(context.Background(), to)
			if (err == nil) != tt.whole || (to.n == len(b)) != tt.whole || err != nil && !errors.Is(err, hie.ErrNotFound) {
				t.Errorf("%d of %d bytes left, %v", to.n, len(b), err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a consent artefact lets go until a day goes to a client registered to erase it by then, with the day and the words; to
// another it is as if it were not there.
//
// Source: spec consent 2.11 (DELAU), vectors 91 and 92.
func TestWhatMustBeErasedGoesToWhoIsRegisteredToErase(t *testing.T) {
	w := newWorld(t)
	env := w.env(t, func(s *consent.Setup) {
		s.Policies = []consent.Policy{{URI: "p:artefact", Erase: true}}
		s.Worded, s.Statements = true, []consent.Statement{{Code: "DELAU", Words: map[string]consent.StatementWords{"en": {Long: "Erase it by the end of {value}."}}}}
		s.Defaults[0].Rule = "deny"
	})
	w.Env = func() *consent.Env { return env }
	d := denyAll(mariaHospital)
	d.PolicyRules, d.Policies = []string{"OPTIN"}, []string{"p:artefact"}
	d.Provision = &consent.Provision{Type: "permit", Period: &consent.Period{End: "2026-06-30"}}
	w.say(d)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1)
	if f := find(t, w, Query{}); f.Total != 0 || f.Entries != nil {
		t.Errorf("who is registered for nothing is shown %d", f.Total)
	}
	if e := w.recorded(audit.DocumentsQueried); len(e) != 1 || !slices.Contains(e[0].Reasons, "OBLIGATION") {
		t.Errorf("recorded: %v", e[0].Reasons)
	}
	eraser := clinician()
	eraser.Abilities = []string{"DELAU"}
	f, err := w.Find(context.Background(), eraser, Query{Patient: clinicID, Limit: 5})
	if err != nil || !slices.Equal(ids(f), []hie.PointerID{p.ID}) {
		t.Fatalf("who erases finds %v, %v", ids(f), err)
	}
	e := f.Entries[0]
	if !slices.Contains(e.Obligations, "DELAU:2026-06-30") || len(e.Caveats) != 1 || e.Caveats[0].Words("en").Long != "Erase it by the end of 2026-06-30." {
		t.Errorf("told %v", e.Obligations)
	}
}

// What binds the exchange alone is told nobody and done: a disclosure that a rule has accounted for says so, and one of a Part 2
// program in an emergency has what 42 CFR 2.51(c) has documented.
//
// Source: spec consent 2.11 (AOD, P2-EMERGENCY-RECORD, BTG-REVIEW), vector 56.
func TestWhatTheExchangeOwesIsNotedAndNotTold(t *testing.T) {
	w := newWorld(t)
	env := w.env(t, func(s *consent.Setup) {
		s.Rules = []consent.Rule{{ID: "p2", Layer: consent.LayerLaw, Effect: consent.Require, Kind: consent.InstrumentPart2, EmergencyClause: true, Scope: consent.Scope{Sites: []hie.SiteID{"heart"}}},
			{ID: "list", Layer: consent.LayerNetwork, Effect: consent.Neutral, Obligations: []string{"AOD"}, Scope: consent.Scope{Classes: []string{"11502-2"}}}}
	})
	w.Env = func() *consent.Env { return env }
	w.doc(mariaHospital, "hospital", "11502-2", 1)
	w.doc(mariaHospital, "hospital", "18842-5", 2)
	w.doc(mariaHeart, "heart", "11488-4", 3)
	w.grants = []consent.Grant{{Emergency: consent.Emergency{ReasonCode: "unconscious", Text: "found without consciousness at home", Role: "ed", At: w.now.Add(-time.Hour),
		Attested: consent.Attestations()}, ID: 1, Record: mariaHeart.String(), Organization: "clinic", User: "dr-a", Until: w.now.Add(3 * time.Hour)}}
	a := clinician()
	a.Roles, a.Purposes = []string{"ed"}, []hie.Purpose{hie.PurposeBreakGlass}
	told := func(a hie.Actor) (out []string) {
		t.Helper()
		w.events = nil
		f, err := w.Find(context.Background(), a, Query{Patient: clinicID, Limit: 5})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range f.Entries {
			out = append(out, strings.Join(e.Obligations, " "))
			for _, c := range e.Caveats {
				out = append(out, c.Words("en").Long)
			}
		}
		return out
	}
	noted := func(record hie.SourcePatientID) string {
		for _, e := range w.recorded(audit.Disclosed) {
			if slices.Contains(e.Records, record) {
				return e.Detail["owed"] + ", " + e.Detail["nature"]
			}
		}
		return ""
	}
	if got, want := told(clinician()), []string{"LABELS", "LABELS"}; !slices.Equal(got, want) || noted(mariaHospital) != "AOD, " {
		t.Errorf("for treatment %q is told and %q noted", got, noted(mariaHospital))
	}
	got := told(a)
	if len(got) != 2 || got[0] != "BTG-REVIEW LABELS" || !strings.Contains(got[1], "until 2026-03-01 15:00 UTC at the latest") || noted(mariaHeart) != "P2-EMERGENCY-RECORD, unconscious" {
		t.Errorf("in an emergency %q is told and %q noted", got, noted(mariaHeart))
	}
}

// That a site did not answer tells that it has the patient: where that is told by a consent, its notice goes with it.
func TestTheNoticeGoesWithTheNameOfASiteThatIsSilent(t *testing.T) {
	w := newWorld(t)
	env := w.env(t, func(s *consent.Setup) {
		s.Rules = []consent.Rule{{ID: "notice", Layer: consent.LayerLaw, Effect: consent.Neutral, Obligations: []string{"P2-NOTICE"}, Scope: consent.Scope{Regimes: []string{"part2"}},
			Statements: []consent.Statement{{Code: "P2-NOTICE", Words: map[string]consent.StatementWords{"en": {Long: "Protected by law."}}}}}}
		for i := range s.Sites {
			if s.Sites[i].ID == "rural" {
				s.Sites[i].Regimes = []string{"part2"}
			}
		}
	})
	silent := func() []Silence {
		t.Helper()
		w.search = func(context.Context, Ask) ([]locator.Pointer, error) {
			return nil, &SiteError{Fate: Failed, Reason: "http 500"}
		}
		f := find(t, w, Query{})
		if len(f.Silent) != 1 || f.Silent[0].Site != "rural" {
			t.Fatalf("silent: %v", f.Silent)
		}
		return f.Silent
	}
	if s := silent(); s[0].Caveats != nil {
		t.Errorf("of an ordinary site %d caveats are told", len(s[0].Caveats))
	}
	w.Env = func() *consent.Env { return env }
	if s := silent(); len(s[0].Caveats) != 1 || s[0].Caveats[0].Words("en").Long != "Protected by law." {
		t.Errorf("with the program's name %d caveats are told, want its notice", len(s[0].Caveats))
	}
}
