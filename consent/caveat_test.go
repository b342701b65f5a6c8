package consent_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

const tailEN = "The patient may revoke consent at any time; that ends further disclosure and does not reach back to this one. Only what concerns this document is told here."

var placeNames = consent.Names{
	Organization: func(id hie.OrgID) string {
		return map[hie.OrgID]string{"x": "Xavier Hospital", "y": "Yew Practice"}[id]
	},
	Site: func(id hie.SiteID) string { return map[hie.SiteID]string{"P2": "New Dawn", "GH": "General"}[id] },
}

// Each row is what is on file, and what the recipient of the Part 2 document is told of the scope of the consent it left by.
//
// Source: 42 CFR 2.31(a), 2.32(b).
func TestTheScopeOfTheConsentIsToldAsFarAsItConcernsTheDocument(t *testing.T) {
	p2 := func(p consent.Provision, edits ...func(*consent.Directive)) change {
		return say(p, append([]func(*consent.Directive){given("c"), policy(consent.PolicyPart2)}, edits...)...)
	}
	tpo := forP("TREAT", "HPAYMT", "HOPERAT")
	for _, tt := range []struct {
		name   string
		given  change
		asks   change
		en, es string // of the explanation, without what always stands at its end
	}{
		{"the single consent for treatment, payment and operations", p2(permit(tpo)), all(),
			"The patient has consented that documents from their record may be given to whoever takes part in this exchange, for treatment, payment and health care operations. The consent holds without an end date.",
			"El paciente ha consentido que documentos de su expediente se entreguen a quien participe en este intercambio, para tratamiento, pago y operaciones de atención médica. El consentimiento vale sin fecha de término."},
		{"one with a day on which it ends, to one organisation of several named", p2(permit(forP("TREAT"), to("Organization/y", "Organization/x"), valid("", "2026-12-31"))), all(),
			"The patient has consented that documents from their record may be given to Xavier Hospital and its units, for treatment. The consent holds until 31 December 2026.",
			"El paciente ha consentido que documentos de su expediente se entreguen a Xavier Hospital y sus unidades, para tratamiento. El consentimiento vale hasta el 31 de diciembre de 2026."},
		{"a unit is told of the organisation that is named", p2(permit(to("Organization/x"))), org("x-unit"),
			"The patient has consented that documents from their record may be given to Xavier Hospital and its units, for any purpose. The consent holds without an end date.", ""},
		{"one to the practitioner who asks", p2(permit(to("Practitioner/other", "Practitioner/drx"))), all(),
			"The patient has consented that documents from their record may be given to the practitioner who asked, for any purpose. The consent holds without an end date.", ""},
		{"one to a care team", p2(permit(to("CareTeam/t"))), func(s *scene) { s.req.CareTeams = []string{"t"} },
			"The patient has consented that documents from their record may be given to a care team that the one who asked belongs to, for any purpose. The consent holds without an end date.",
			"El paciente ha consentido que documentos de su expediente se entreguen a un equipo de atención al que pertenece quien los pidió, para cualquier propósito. El consentimiento vale sin fecha de término."},
		{"one to a role", p2(permit(role("physician"))), all(),
			"The patient has consented that documents from their record may be given to those in the role physician, for any purpose. The consent holds without an end date.", ""},
		{"one limited to classes: the others are not named", p2(permit(tpo, classes("secret-class", "lab"))), all(),
			"The patient has consented that documents from their record of this one's kind may be given to whoever takes part in this exchange, for treatment, payment and health care operations. The consent holds without an end date.", ""},
		{"one limited to labels: those the document lacks are not named", p2(permit(tpo, label("SUD", "HIV"))), sens("SUD"),
			"The patient has consented that documents from their record labelled SUD may be given to whoever takes part in this exchange, for treatment, payment and health care operations. The consent holds without an end date.", ""},
		{"one about a time of care", p2(permit(in("2026", "2026"))), all(func(s *scene) { s.doc.Start, s.doc.End = day(2026, 2, 3), day(2026, 2, 3) }),
			"The patient has consented that documents from their record about care from 1 January 2026 to 31 December 2026 may be given to whoever takes part in this exchange, for any purpose. The consent holds without an end date.",
			"El paciente ha consentido que documentos de su expediente sobre la atención del 1 de enero de 2026 al 31 de diciembre de 2026 se entreguen a quien participe en este intercambio, para cualquier propósito. El consentimiento vale sin fecha de término."},
		{"one of single documents: the others are not named", p2(permit(about("instance", "DocumentReference/secret", "DocumentReference/1"))), all(),
			"The patient has consented that this document may be given to whoever takes part in this exchange, for any purpose. The consent holds without an end date.", ""},
		{"one for the place where it was given", p2(permit(tpo), siteOnly), all(),
			"The patient has consented that documents from their record held by New Dawn may be given to whoever takes part in this exchange, for treatment, payment and health care operations. The consent holds without an end date.", ""},
		{"its exceptions are not told", p2(permit(tpo, but(deny(label("HIV")), deny(to("Organization/y"))))), all(),
			"The patient has consented that documents from their record may be given to whoever takes part in this exchange, for treatment, payment and health care operations. The consent holds without an end date.", ""},
		{"an exception inside a refusal is told by itself", p2(deny(but(permit(forP("TREAT"), to("Organization/x"))))), all(),
			"The patient has consented that documents from their record may be given to Xavier Hospital and its units, for treatment. The consent holds without an end date.", ""},
		{"other wishes on file are not told", all(say(permit(tpo, to("Organization/y"))), say(deny(label("HIV"))), p2(permit(tpo))), all(),
			"The patient has consented that documents from their record may be given to whoever takes part in this exchange, for treatment, payment and health care operations. The consent holds without an end date.", ""},
		{"two that law requires are told together", all(p2(permit(tpo)), func(s *scene) {
			s.setup.Policies = append(s.setup.Policies, consent.Policy{URI: "p:state", Additive: true, Instrument: "state"})
			s.setup.Rules = append(s.setup.Rules, consent.Rule{ID: "state", Layer: consent.LayerLaw, Effect: consent.Require, Kind: "state"})
		}, say(permit(forP("TREAT"), to("Organization/x")), given("c"), policy("p:state"))), all(),
			"This document is disclosed under 2 consents of the patient together. 1. The patient has consented that documents from their record may be given to whoever takes part in this exchange, for treatment, payment and health care operations. The consent holds without an end date. " +
				"2. The patient has consented that documents from their record may be given to Xavier Hospital and its units, for treatment. The consent holds without an end date.",
			"Este documento se divulga por 2 consentimientos del paciente en conjunto. 1. El paciente ha consentido que documentos de su expediente se entreguen a quien participe en este intercambio, para tratamiento, pago y operaciones de atención médica. El consentimiento vale sin fecha de término. " +
				"2. El paciente ha consentido que documentos de su expediente se entreguen a Xavier Hospital y sus unidades, para tratamiento. El consentimiento vale sin fecha de término."},
		{"in an emergency there is none to tell", all(), emergency, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene("deny")
			if tt.name == "other wishes on file are not told" || strings.Contains(tt.name, "exception inside") {
				s = newScene("permit")
			}
			s.now = day(2026, 3, 1)
			tt.given(s)
			p2Doc(s)
			tt.asks(s)
			d := consent.Compile(environment(t, s.setup), s.subj, s.dirs)
			if got := d.Decide(s.req, s.doc, s.now); !got.Release {
				t.Fatalf("refused: %s", got.Reason)
			}
			var notice *consent.Caveat
			for _, c := range d.Caveats(s.req, s.doc, s.now) {
				if c.Obligation == "P2-NOTICE" {
					notice = &c
				}
			}
			if notice == nil {
				t.Fatal("no notice goes with it")
			}
			for lang, want := range map[string]string{"en": tt.en, "es": tt.es} {
				got := consent.ExplainScope(notice.Permissions, lang, placeNames)
				if want == "" && (lang == "es" || got == "") {
					continue
				}
				if lang == "en" && got != want+" "+tailEN || !strings.HasPrefix(got, want+" ") {
					t.Errorf("told\n%s\nwant\n%s", got, want)
				}
			}
		})
	}
}

// What a recipient is told in words of each obligation, and what not.
func TestTheWordsOfEachObligation(t *testing.T) {
	tpo := forP("TREAT", "HPAYMT", "HOPERAT")
	p2 := all(say(permit(tpo), given("c"), policy(consent.PolicyPart2)), p2Doc)
	for _, tt := range []struct {
		name   string
		given  change
		want   []string // obligations told
		phrase string   // of the words of the first
	}{
		{"nothing of an ordinary document", all(), nil, ""},
		{"nothing of one that is refused", all(say(deny()), p2Doc), nil, ""},
		{"the notice of Part 2 and what it forbids", p2, []string{"NO-PROCEEDINGS", "P2-NOTICE"}, "proceeding against the patient"},
		{"and that it goes no further, outside HIPAA", all(p2, kind("housing-agency")), []string{"NO-PROCEEDINGS", "NORDSCLCD", "P2-NOTICE"}, ""},
		{"an emergency, and when it ends", emergency, []string{"BTG-REVIEW"}, "until 2026-03-01 15:00 UTC at the latest"},
		{"a restriction that a site agreed to, in one", all(flag(consent.FlagAgreedRestriction), emergency), []string{"BTG-REVIEW", "NORDSCLCD"}, ""},
		{"a statement of a state", all(pack("us-ny-opt-in"), sens("HIV"), func(s *scene) {
			s.setup.Sites[0].Jurisdiction, s.req.Instruments = "US-NY", []string{"state-hiv-release"}
		}, say(permit())), []string{"STATE-STMT:NY"}, "fine or jail sentence or both"},
		{"a day of erasure that a directive sets", all(pack("in-abdm"), say(permit(valid("", "2026-06-30")), policy("https://concord-hie.org/policies/abdm-artefact")), func(s *scene) {
			s.req.Abilities = append(s.req.Abilities, "DELAU")
		}), []string{"DELAU:2026-06-30"}, "by the end of 2026-06-30"},
		{"no day of erasure where a directive has no end", all(pack("in-abdm"), say(permit(), policy("https://concord-hie.org/policies/abdm-artefact"))), nil, ""},
		{"a day of erasure that a rule sets", all(rule(consent.Rule{ID: "r", Layer: consent.LayerNetwork, Effect: consent.Neutral, Obligations: []string{"DELAU:2026-07-01"},
			Statements: []consent.Statement{{Code: "DELAU", Words: map[string]consent.StatementWords{"en": {Long: "Erase it on {value}."}}}}}), func(s *scene) {
			s.req.Abilities = []string{"DELAU"}
		}), []string{"DELAU:2026-07-01"}, "Erase it on 2026-07-01."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene("permit")
			s.now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			tt.given(s)
			got := consent.Compile(environment(t, s.setup), s.subj, s.dirs).Caveats(s.req, s.doc, s.now)
			var told []string
			for _, c := range got {
				told = append(told, c.Obligation)
				if c.Words("en").Long == "" || len(c.Statement.Words) > 1 && c.Words("es").Long == c.Words("en").Long {
					t.Errorf("%s has no words of its own in both languages", c.Obligation)
				}
			}
			if !slices.Equal(told, tt.want) {
				t.Fatalf("told %v, want %v", told, tt.want)
			}
			if tt.phrase != "" && !strings.Contains(got[0].Words("en").Long, tt.phrase) {
				t.Errorf("told %q, want %q in it", got[0].Words("en").Long, tt.phrase)
			}
		})
	}
}

// Whatever is on file: words go with what Decide releases and with nothing else, and what they explain is a permit of one of
// the directives, never more.
func TestWordsGoWithWhatIsReleasedAlone(t *testing.T) {
	told := 0
	for i := range 4000 {
		g := gen{rand.New(rand.NewPCG(uint64(i), 211))}
		o := g.all()
		for n := range o.setup.Rules {
			for _, code := range o.setup.Rules[n].Obligations {
				o.setup.Rules[n].Statements = append(o.setup.Rules[n].Statements, consent.Statement{Code: code, Scope: true, Words: map[string]consent.StatementWords{"en": {Long: code}}})
			}
		}
		d := o.engine(t)
		got, words := d.Decide(o.req, o.doc, o.now), d.Caveats(o.req, o.doc, o.now)
		if !got.Release && words != nil {
			t.Fatalf("case %d: words go with a refusal", i)
		}
		for _, c := range words {
			told++
			if !slices.Contains(got.Obligations, c.Obligation) {
				t.Errorf("case %d: told of %s, which does not go with it", i, c.Obligation)
			}
			if got.Reason == consent.ReasonEmergency && c.Permissions != nil {
				t.Errorf("case %d: what leaves by an emergency is told to leave by a consent", i)
			}
			for _, p := range c.Permissions {
				text := consent.ExplainScope([]consent.Permission{p}, "en", consent.Names{})
				if !slices.ContainsFunc(o.dirs, func(x consent.Directive) bool { return strings.HasPrefix(p.Directive, x.ID) }) || strings.Contains(text, "given to ,") {
					t.Errorf("case %d: %s %q", i, p.Directive, text)
				}
			}
		}
	}
	if told < 100 {
		t.Errorf("only %d words were told: the cases show nothing", told)
	}
}

// Who declared everything is refused all the same what no policy has the words of, by a rule and by a directive.
func TestWhatNobodyHasWordsForIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given change
		want  string
	}{
		{"a rule whose pack lacks the words", rule(consent.Rule{ID: "r", Layer: consent.LayerNetwork, Effect: consent.Neutral, Obligations: []string{"STATE-STMT:ZZ"}, Mute: true}), "OBLIGATION"},
		{"a directive that obliges to erase", say(permit(valid("", "2026-06-30")), policy("p:erase")), "OBLIGATION"},
		{"one with words", all(say(permit(valid("", "2026-06-30")), policy("p:erase")), func(s *scene) {
			s.setup.Statements = []consent.Statement{{Code: "DELAU", Words: map[string]consent.StatementWords{"en": {Long: "Erase it."}}}}
		}), "PERMIT"},
		{"a directive that says how often one may ask", say(permit(), often), "OBLIGATION"},
		{"one with words", all(say(permit(), often), func(s *scene) {
			s.setup.Statements = []consent.Statement{{Code: "FREQUENCY", Words: map[string]consent.StatementWords{"en": {Long: "Count."}}}}
		}), "PERMIT"},
		{"one beside another that does not say so", all(say(permit(), often), say(permit(), policy("p:add"), given("c"))), "PERMIT"},
		{"an ordinary document", all(), "DEFAULT"},
	} {
		s := newScene("permit")
		s.now = day(2026, 3, 1)
		s.setup.Worded = true
		s.setup.Policies = append(s.setup.Policies, consent.Policy{URI: "p:erase", Erase: true})
		s.req.Abilities = append(s.req.Abilities, "DELAU", "FREQUENCY")
		tt.given(s)
		if got := consent.Compile(environment(t, s.setup), s.subj, s.dirs).Decide(s.req, s.doc, s.now); got.Reason.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.Reason, tt.want)
		}
	}
}

// A site that lets documents go by a token is not told of those that a statement goes with, nor given rules under a consent that
// obliges to erase: a token holds no words. The exchange itself releases them.
func TestNoTokenReleasesWhatWordsMustGoWith(t *testing.T) {
	s := newScene("deny")
	s.now = day(2026, 3, 1)
	all(say(permit(forP("TREAT"))), say(permit(forP("TREAT")), given("c"), policy(consent.PolicyPart2)))(s)
	d := consent.Compile(environment(t, s.setup), s.subj, s.dirs)
	plain, protected := s.doc, s.doc
	p2Doc(s)
	protected.ID, protected.Record, protected.Site = "2", s.doc.Record, s.doc.Site
	if !d.Decide(s.req, plain, s.now).Release || !d.Decide(s.req, protected, s.now).Release {
		t.Fatal("the exchange does not release both")
	}
	listed := d.List(s.req, []consent.Listed{{Parts: []consent.Document{plain}, Name: "1"}, {Parts: []consent.Document{protected}, Name: "2"}}, 10, s.now)
	if len(listed.Rules) != 2 || len(listed.Rules[1].Data) != 1 || listed.Rules[1].Data[0].Reference != "DocumentReference/1" {
		t.Errorf("listed %+v, want the ordinary one alone", listed.Rules)
	}
	for uri, want := range map[string]bool{"p:add": true, "p:erase": false} {
		s := newScene("permit")
		s.setup.Rules = nil
		s.setup.Policies = append(s.setup.Policies, consent.Policy{URI: "p:erase", Erase: true})
		s.req.Abilities = append(s.req.Abilities, "DELAU")
		say(permit(), policy(uri))(s)
		if got := consent.Compile(environment(t, s.setup), s.subj, s.dirs).Residual(s.req, "a", s.now); got.Permit != want {
			t.Errorf("under %s a token permits %t, want %t", uri, got.Permit, want)
		}
		s.dirs[0].Frequency = "4/DAY"
		if consent.Compile(environment(t, s.setup), s.subj, s.dirs).Residual(s.req, "a", s.now).Permit {
			t.Errorf("under %s a token permits what may be asked for four times a day", uri)
		}
	}
}

// A directive that says how often one may ask obliges who asks, and nobody else is released anything by it.
//
// Source: ABDM consent artefact, permission.frequency; spec consent 2.11, 2.18 f.
func TestHowOftenOneMayAskIsAnObligation(t *testing.T) {
	s := newScene("deny")
	say(permit(), often)(s)
	d := consent.Compile(environment(t, s.setup), s.subj, s.dirs)
	if got := d.Decide(s.req, s.doc, s.now); got.Release || got.Reason != consent.ReasonObligation {
		t.Errorf("who does not count: %t, %s", got.Release, got.Reason)
	}
	s.req.Abilities = append(s.req.Abilities, "FREQUENCY")
	if got := d.Decide(s.req, s.doc, s.now); !got.Release || !slices.Contains(got.Obligations, "FREQUENCY:4/DAY") {
		t.Errorf("who counts: %t, %s, %q", got.Release, got.Reason, got.Obligations)
	}
}

func often(d *consent.Directive) { d.Frequency = "4/DAY" }
