package consent_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// The vectors of spec consent section 3 that the engine alone can answer, numbered as there; a row that speaks of
// several requests asks them one after the other. Where a row and section 2 disagree, section 2 decides; such rows
// say so.

// elsewhere are the rows the engine alone cannot show, with the test that does.
var elsewhere = map[int]string{
	88: "TestNothingIsDecidedWhileThePoliciesAreNotKnown (policies); federation (epoch, consent and audit stores)",
	89: "TestManyDocumentsAreAnsweredAsEachOneIs",
	93: "consentfhir (token residuals)",
	94: "accounting_test.go",
	95: "TestTheTraceOfARefusalNamesWhatAnOfficerNeeds",
	96: "TestASimulationIsWhatTheChangeThenDoes (impact_test.go)",
}

func TestAcceptanceVectors(t *testing.T) {
	shown := map[int]bool{}
	for n := range elsewhere {
		shown[n] = true
	}
	defer func() {
		for n := 1; n <= 100; n++ {
			if !shown[n] {
				t.Errorf("row %d is shown nowhere", n)
			}
		}
	}()
	none := all()
	tpo := forP("TREAT", "HPAYMT", "HOPERAT")
	for _, v := range []struct {
		name  string
		rule  string // network default
		given change
		asks  []asked
	}{
		{"1 no directive, default permit", "permit", none, []asked{{"Dr X", none, "DEFAULT", "AUDIT LABELS RECHECK"}}},
		{"2 no directive, default deny", "deny", none, []asked{{"Dr X", clinicDoc, "DEFAULT_DENY", ""}}},
		{"3 default basic-normal", "basic-normal", none, []asked{{"treatment", none, "DEFAULT", ""}, {"payment", purposes("HPAYMT"), "DEFAULT_NORMAL", ""}, {"a restricted document", conf("R"), "DEFAULT_NORMAL", ""}}},
		{"4 default btg-only", "btg-only", none, []asked{{"treatment", none, "DEFAULT_BTG", ""}, {"an emergency", emergency, "EMERGENCY", "BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"}}},
		{"5 opt-out hospital and opt-in clinic", "permit", func(s *scene) {
			s.setup.Defaults = append(s.setup.Defaults, consent.Default{Site: "CL", PurposeClass: "*", Category: "*", Rule: "deny"})
		}, []asked{{"the hospital's", none, "DEFAULT", ""}, {"the clinic's", clinicDoc, "DEFAULT_DENY", ""}}},
		{"6 an opt-out without filters", "permit", say(deny()), []asked{{"Dr X", none, "DENY", ""}, {"Dr Y at another site", all(asY, clinicDoc), "DENY", ""}}},
		{"7 an opt-out with an exception", "permit", say(deny(but(permit(to("Organization/x"), forP("TREAT"))))), []asked{{"Dr X", none, "PERMIT", ""}, {"Dr Y", asY, "DENY", ""}}},
		{"8 drafts and errors do not count", "permit", all(say(deny(), status("draft")), say(deny(), status("proposed")), say(deny(), status("entered-in-error"))), []asked{{"Dr X", none, "DEFAULT", ""}}},
		{"9 a revoked second version does not revive the first", "deny", all(say(permit(), sameKey), say(permit(), sameKey, status("inactive"))), []asked{{"Dr X", none, "TOMBSTONE", ""}}},
		{"10 a permit for treatment, payment and operations", "deny", say(permit(tpo)), []asked{{"research", purposes("HRESCH"), "DEFAULT_DENY", ""}}},
		{"11 every purpose must be permitted", "deny", say(permit(forP("TREAT"))), []asked{{"treatment and marketing", purposes("TREAT", "HMARKT"), "LAW_REQUIRE", ""}, {"treatment and payment", purposes("TREAT", "HPAYMT"), "DEFAULT_DENY", ""}}},
		{"12 no purpose, unknown purpose", "permit", say(permit(forP("TREAT"))), []asked{{"none", purposes(), "INPUT", ""}, {"unknown", purposes("WHATEVER"), "INPUT", ""}}},
		{"13 a permit for treatment covers its kinds but break-glass", "deny", say(permit(forP("TREAT"))), []asked{{"COC", purposes("COC"), "PERMIT", ""}, {"BTG", purposes("BTG"), "BTG_ONLY", ""}, {"BTG with a claim", all(emergency, purposes("BTG")), "EMERGENCY", "BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"}}},
		{"14 a permit for one project", "permit", say(permit(to("Organization/r"), forP("FooBar"))), []asked{{"r", all(org("r"), purposes("FooBar")), "PERMIT", "MINEC"}, {"s", all(org("s"), purposes("FooBar")), "NOT_COVERED", ""}, {"treatment keeps the default", none, "DEFAULT", ""}}},
		{"15 a plan's delegate asserts treatment", "permit", rule(consent.Rule{ID: "tefca-4.3", Layer: consent.LayerNetwork, Effect: consent.Forbid, Scope: consent.Scope{Orgs: []hie.OrgID{"plan"}, Purposes: []hie.Purpose{"TREAT"}}}),
			[]asked{{"the plan", org("plan"), "NETWORK_FORBID", ""}, {"Dr X", none, "DEFAULT", ""}}},
		{"16 the patient's own record", "permit", say(deny(), absolute), []asked{{"their data", patient, "MANDATE", "AOD MINEC"}, {"minus psychotherapy notes", all(patient, class("psychotherapy-note")), "LAW_REQUIRE", ""},
			{"somebody else in their name", purposes("PATRQT"), "NETWORK_FORBID", ""}}},
		{"17 a mandated report", "permit", all(say(deny()), rule(consent.Rule{ID: "report", Layer: consent.LayerLaw, Effect: consent.Mandate, Scope: consent.Scope{Orgs: []hie.OrgID{"health-dept"}, Purposes: []hie.Purpose{"PUBHLTH"}}})),
			[]asked{{"the authority", all(org("health-dept"), purposes("PUBHLTH")), "MANDATE", "AOD MINEC"}, {"Dr X", purposes("PUBHLTH"), "DENY", ""}}},
		{"18 public health by a non-authority", "permit", rule(consent.Rule{ID: "tefca-ph", Layer: consent.LayerNetwork, Effect: consent.Require, Kind: "public-health-authority", Scope: consent.Scope{Purposes: []hie.Purpose{"PUBHLTH"}}}),
			[]asked{{"Dr X", purposes("PUBHLTH"), "NETWORK_REQUIRE", ""}}},
		{"19 a government determination", "permit", rule(consent.Rule{ID: "ssd", Layer: consent.LayerLaw, Effect: consent.Require, Kind: "hipaa-authorization", Scope: consent.Scope{Purposes: []hie.Purpose{"GOVDTRM"}}}),
			[]asked{{"without authorization", purposes("GOVDTRM"), "LAW_REQUIRE", ""}, {"with", all(purposes("GOVDTRM"), func(s *scene) { s.req.Instruments = []string{"hipaa-authorization"} }), "DEFAULT", "MINEC"}}},
		{"20 marketing under a treatment consent", "permit", say(permit(tpo)), []asked{{"marketing", purposes("HMARKT"), "LAW_REQUIRE", ""}}},
		{"21 genetic data for underwriting", "permit", rule(consent.Rule{ID: "164.502(a)(5)(i)", Layer: consent.LayerLaw, Effect: consent.Forbid, Scope: consent.Scope{Purposes: []hie.Purpose{"COVERAGE"}, Labels: []string{"GDIS"}}}),
			[]asked{{"the plan", all(org("plan"), purposes("COVERAGE"), sens("GDIS")), "LAW_FORBID", ""}, {"another document", all(org("plan"), purposes("COVERAGE"), sens("STD")), "DEFAULT", "MINEC"}}},
		{"23 a denied organisation", "deny", say(permit(but(deny(to("Organization/54"))))), []asked{{"its unit", org("54-unit"), "DENY", ""}, {"its parent", org("54-parent"), "PERMIT", ""}}},
		{"24 a permitted organisation", "deny", say(permit(to("Organization/54"))), []asked{{"its unit", org("54-unit"), "PERMIT", ""}, {"its parent", org("54-parent"), "NOT_COVERED", ""}}},
		{"25 a denied practitioner", "deny", say(permit(but(deny(to("Practitioner/z"))))), []asked{{"at one", practitioner("z"), "DENY", ""}, {"at another", all(org("y"), practitioner("z")), "DENY", ""}, {"Dr Y", asY, "PERMIT", ""}}},
		{"26 a care team", "deny", say(permit(to("CareTeam/t"))), []asked{{"a member", func(s *scene) { s.req.CareTeams = []string{"t"} }, "PERMIT", ""}, {"who left", func(s *scene) { s.req.CareTeams = []string{} }, "NOT_COVERED", ""}}},
		{"27 a role", "deny", say(permit(role("physician"))), []asked{{"a nurse", func(s *scene) { s.req.Roles = []string{"nurse"} }, "NOT_COVERED", ""}, {"a physician", none, "PERMIT", ""}}},
		{"28 a deny whose actor cannot be resolved", "permit", say(deny(to("Organization/gone"))), []asked{{"anyone", none, "DENY", ""}}},
		{"29 a permit whose actor cannot be resolved", "deny", say(permit(to("Organization/gone"))), []asked{{"anyone", none, "NOT_COVERED", ""}}},
		{"30 not by that author", "deny", say(permit(but(deny(about("authoredby", "Organization/gh"))))), []asked{{"theirs", func(s *scene) { s.doc.Authors = []string{"Organization/gh"} }, "DENY", ""}, {"another's", func(s *scene) { s.doc.Authors = []string{"Organization/cl"} }, "PERMIT", ""},
			{"another's, and one's who cannot be read", func(s *scene) { s.doc.Authors = []string{"Organization/cl", "Organization/gh/_history/1"} }, "DENY", ""}}},
		{"31 only by that author", "deny", say(permit(about("authoredby", "Practitioner/q"))), []asked{{"theirs", func(s *scene) { s.doc.Authors = []string{"Practitioner/q"} }, "PERMIT", ""}, {"another's", func(s *scene) { s.doc.Authors = []string{"Practitioner/w"} }, "NOT_COVERED", ""}, {"nobody's", none, "NOT_COVERED", ""}}},
		{"32 only 2022", "deny", say(permit(in("2022", "2022"))), []asked{{"2022", years(2022, 2022), "PERMIT", ""}, {"2021", years(2021, 2021), "NOT_COVERED", ""}, {"2021 to 2022", years(2021, 2022), "NOT_COVERED", ""}}},
		{"33 not 2022", "deny", say(permit(but(deny(in("2022", "2022"))))), []asked{{"2021", years(2021, 2021), "PERMIT", ""}, {"2022", years(2022, 2022), "DENY", ""}, {"spanning", years(2021, 2022), "DENY", ""}, {"undated", undated, "DENY", ""}}},
		{"34 only documents 1 and 2", "deny", say(permit(about("instance", "DocumentReference/1", "DocumentReference/2"))), []asked{{"1", none, "PERMIT", ""}, {"3", func(s *scene) { s.doc.ID = "3" }, "NOT_COVERED", ""}, {"1b, which replaces 1", func(s *scene) { s.doc.ID, s.doc.Replaces = "1b", []string{"1"} }, "NOT_COVERED", ""}}},
		{"34 denying an instance follows what replaces it", "permit", say(deny(about("instance", "DocumentReference/1"))), []asked{{"1b", func(s *scene) { s.doc.ID, s.doc.Replaces = "1b", []string{"1"} }, "DENY", ""}, {"3", func(s *scene) { s.doc.ID = "3" }, "DEFAULT", ""}}},
		{"35 not that encounter", "deny", say(permit(but(deny(about("related", "Encounter/e"))))), []asked{{"in it", func(s *scene) { s.doc.Encounter = "e" }, "DENY", ""}, {"not in it", func(s *scene) { s.doc.Encounter = "f" }, "PERMIT", ""}, {"not reported", none, "DENY", ""}}},
		{"36 only laboratory", "deny", say(permit(classes("lab"))), []asked{{"lab", none, "PERMIT", ""}, {"note", class("note"), "NOT_COVERED", ""}, {"unknown", class(""), "NOT_COVERED", ""}}},
		{"37 until the end of 2025, local time", "deny", say(permit(valid("", "2025-12-31")), siteOnly), []asked{{"the last minute", at(time.Date(2026, 1, 1, 4, 59, 59, 0, time.UTC)), "PERMIT", ""}, {"midnight", at(time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC)), "DEFAULT_DENY", ""}}},
		{"38 from tomorrow", "permit", say(deny(valid("2026-03-02", ""))), []asked{{"now", none, "DEFAULT", ""}}},
		{"39 a permit up to N is exhaustive", "permit", say(permit(label("N"))), []asked{{"L", conf("L"), "PERMIT", ""}, {"N", none, "PERMIT", ""}, {"R", conf("R"), "NOT_COVERED", ""}}},
		{"40 not restricted ones", "deny", say(permit(but(deny(label("R"))))), []asked{{"N", none, "PERMIT", ""}, {"R", conf("R"), "DENY", ""}, {"V", conf("V"), "DENY", ""}}},
		{"41 restricted ones to P alone", "deny", say(permit(label("N"), but(permit(label("R"), to("Organization/x"))))), []asked{{"P on R", conf("R"), "PERMIT", ""}, {"Dr Y on R", all(asY, conf("R")), "NOT_COVERED", ""}, {"P on V", conf("V"), "NOT_COVERED", ""}}},
		{"41 without a policy that allows widening it is held", "deny", say(permit(label("N"), but(permit(label("R"), to("Organization/x")))), func(d *consent.Directive) { d.Policies = nil }), []asked{{"P on R", conf("R"), "DEFAULT_DENY", ""}}},
		{"42 two labels to P", "deny", say(permit(label("N"), but(permit(label("PSY", "SDV"), to("Organization/x"))))), []asked{{"PSY", all(sens("PSY"), conf("R")), "PERMIT", ""}, {"both", all(sens("SDV", "PSY"), conf("R")), "PERMIT", ""}, {"PSY and HIV", all(sens("PSY", "HIV"), conf("R")), "NOT_COVERED", ""}}},
		{"43 not SUD", "deny", say(permit(but(deny(label("SUD"))))), []asked{{"ETHUD", sens("ETHUD"), "DENY", ""}, {"SUD", sens("SUD"), "DENY", ""}, {"ETH", sens("ETH"), "DENY", ""}, {"PSY", sens("PSY"), "PERMIT", ""}}},
		{"44 not ETHUD: SUD may contain it", "deny", say(permit(but(deny(label("ETHUD"))))), []asked{{"SUD", sens("SUD"), "DENY", ""}, {"OPIOIDUD", sens("OPIOIDUD"), "PERMIT", ""}}},
		{"45 a label rule and an unlabelled note", "permit", say(permit(but(deny(label("HIV"))))), []asked{{"Dr X", unlabelled, "DENY", ""}}},
		{"46 no label rule at an ordinary site", "basic-normal", func(s *scene) { s.setup.Sites[0].Unlabelled = true }, []asked{{"Dr X", unlabelled, "DEFAULT", ""}}},
		{"48 the AB 352 tree", "deny", say(permit(tpo, but(deny(label("REPRO"), but(permit(to("Organization/x"))))))), []asked{{"shielded, in state", sens("REPRO"), "PERMIT", ""}, {"shielded, out of state", all(sens("REPRO"), asY), "DENY", ""}, {"ordinary, out of state", asY, "PERMIT", ""}}},
		{"49 a Part 2 document without consent", "permit", none, []asked{{"Dr X", p2Doc, "LAW_REQUIRE", ""}}},
		{"50 a Part 2 consent on file", "deny", say(permit(tpo), given("c"), policy(consent.PolicyPart2)), []asked{{"Dr X", p2Doc, "PERMIT", "P2-NOTICE NO-PROCEEDINGS"},
			{"who cannot honour the notice", all(p2Doc, func(s *scene) { s.req.Abilities = nil }), "OBLIGATION", ""}}},
		{"51 a recipient that is neither covered entity, associate nor program", "deny", say(permit(tpo), given("c"), policy(consent.PolicyPart2)), []asked{{"a housing agency", all(p2Doc, kind("housing-agency")), "PERMIT", "P2-NOTICE NO-PROCEEDINGS NORDSCLCD"}}},
		{"52 the same, for a proceeding", "deny", say(permit(tpo), given("c"), policy(consent.PolicyPart2)), []asked{{"HLEGAL", all(p2Doc, purposes("HLEGAL")), "LAW_REQUIRE", ""}}},
		{"53 the same, a counselling note", "deny", say(permit(tpo), given("c"), policy(consent.PolicyPart2)), []asked{{"Dr X", all(p2Doc, class("sud-counselling-note")), "LAW_REQUIRE", ""}}},
		{"54 the same, revoked", "permit", all(say(permit(tpo), given("c"), policy(consent.PolicyPart2), sameKey), say(permit(tpo), given("c"), policy(consent.PolicyPart2), sameKey, status("inactive"))),
			[]asked{{"before", all(p2Doc, at(day(2025, 6, 2).Add(-time.Hour))), "PERMIT", "P2-NOTICE NO-PROCEEDINGS"}, {"after", p2Doc, "LAW_REQUIRE", ""}}},
		{"56 a Part 2 emergency", "permit", none, []asked{{"the emergency physician", all(p2Doc, emergency), "EMERGENCY", "P2-EMERGENCY-RECORD P2-NOTICE NO-PROCEEDINGS BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"}}},
		{"58 a psychotherapy note in an emergency", "permit", say(permit(tpo)), []asked{{"another provider", all(class("psychotherapy-note"), emergency), "LAW_REQUIRE", ""}}},
		{"58 an authorization for whatever else does not open one", "permit", say(permit(), given("c"), policy(consent.PolicyAuthorization)), []asked{{"another provider", class("psychotherapy-note"), "LAW_REQUIRE", ""},
			{"the patient", all(patient, class("psychotherapy-note")), "LAW_REQUIRE", ""}, {"what is labelled one", sens("PSYTHPN"), "LAW_REQUIRE", ""}, {"another document", none, "PERMIT", ""}}},
		{"58 an authorization of its own does", "permit", say(permit(), given("c"), policy(consent.PolicyPsychotherapy)), []asked{{"another provider", class("psychotherapy-note"), "PERMIT", ""}}},
		{"59 paid in full, restricted against the plan", "permit", none, []asked{{"the plan", all(paid, purposes("HPAYMT"), kind("health-plan")), "LAW_REQUIRE", ""}, {"Dr X", paid, "DEFAULT", ""},
			{"the plan, as law requires", all(paid, purposes("HPAYMT"), kind("health-plan"), func(s *scene) { s.req.Instruments = []string{"required-by-law"} }), "DEFAULT", "MINEC"}}},
		{"60 a site's agreed restriction gives way in an emergency", "permit", rule(consent.Rule{ID: "agreed", Layer: consent.LayerSite, Effect: consent.Forbid, Overridable: true, Obligations: []string{"NORDSCLCD"}}), []asked{
			{"treatment", none, "SITE_FORBID", ""}, {"emergency, with no further disclosure", emergency, "EMERGENCY", "NORDSCLCD BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"},
			{"who cannot keep it from others", all(emergency, func(s *scene) { s.req.Abilities = nil }), "OBLIGATION", ""}}},
		{"61 a state HIV release", "permit", rule(consent.Rule{ID: "ny-27f", Layer: consent.LayerLaw, Effect: consent.Require, Kind: "state-hiv-release", Obligations: []string{"STATE-STMT:NY"}, Scope: consent.Scope{Labels: []string{"HIV"}}}),
			[]asked{{"without", sens("HIV"), "LAW_REQUIRE", ""}, {"with", all(sens("HIV"), func(s *scene) { s.req.Instruments = []string{"state-hiv-release"} }), "DEFAULT", "STATE-STMT:NY"}}},
		{"63 a dated rule", "permit", rule(consent.Rule{ID: "164.509", Layer: consent.LayerLaw, Effect: consent.Require, Kind: "attestation", End: time.Date(2025, 6, 18, 0, 0, 0, 0, time.UTC), Scope: consent.Scope{Labels: []string{"REPRO"}}}),
			[]asked{{"in May 2025", all(sens("REPRO"), at(day(2025, 5, 1))), "LAW_REQUIRE", ""}, {"in July", all(sens("REPRO"), at(day(2025, 7, 1))), "DEFAULT", ""}}},
		{"67 a guardianship that ended", "deny", say(permit(), func(d *consent.Directive) { d.Performers = []string{"RelatedPerson/g"} }), []asked{{"ended", func(s *scene) {
			s.subj.Proxies = []consent.Proxy{{Ref: "RelatedPerson/g", Period: consent.Period{End: "2025-05-31"}}}
		}, "DEFAULT_DENY", ""}, {"lasting", func(s *scene) { s.subj.Proxies = []consent.Proxy{{Ref: "RelatedPerson/g"}} }, "PERMIT", ""}}},
		{"71 no, except in an emergency", "permit", say(deny()), []asked{{"treatment", none, "DENY", ""}, {"emergency", emergency, "EMERGENCY", "BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"}}},
		{"72 no, including in an emergency", "permit", say(deny(), absolute), []asked{{"emergency", emergency, "ABSOLUTE", ""}}},
		{"73 a faulty claim refuses everything", "permit", none, []asked{{"no reason", all(emergency, func(s *scene) { s.req.Emergency.ReasonCode = "" }), "EMERGENCY_INVALID", ""},
			{"no privileged role", all(emergency, func(s *scene) { s.req.Roles = []string{"physician"} }), "EMERGENCY_INVALID", ""}, {"payment", all(emergency, purposes("HPAYMT")), "EMERGENCY_INVALID", ""}}},
		{"75 a claim runs out", "deny", none, []asked{{"within", emergency, "EMERGENCY", "BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"}, {"after four hours", all(emergency, func(s *scene) { s.req.Emergency.At = s.now.Add(-4 * time.Hour) }), "EMERGENCY_INVALID", ""}}},
		{"76 an older opt-out, a later permit to Dr X", "permit", all(say(deny()), say(permit(to("Practitioner/drx")))), []asked{{"Dr X", none, "PERMIT", ""}, {"Dr Y", asY, "DENY", ""}}},
		{"77 an older permit, a later opt-out", "permit", all(say(permit(to("Practitioner/drx"))), say(deny())), []asked{{"Dr X", none, "DENY", ""}}},
		{"78 not HIV to anybody; later Dr X", "permit", all(say(deny(label("HIV"))), say(permit(to("Practitioner/drx")))), []asked{{"plain", none, "PERMIT", ""}, {"HIV: the permit is not contained", sens("HIV"), "DENY", ""}}},
		{"2.8c a permit as wide as the denial does not undo it", "permit", all(say(deny(tpo)), say(permit(tpo))), []asked{{"Dr X", none, "DENY", ""}}},
		{"2.8c whoever denied R can later name one doctor for R", "permit", all(say(deny(label("R"))), say(permit(label("R"), to("Practitioner/drx")))), []asked{{"Dr X", conf("R"), "PERMIT", ""}, {"Dr Y", all(asY, conf("R")), "DENY", ""}}},
		{"2.8f a later permit beats a tombstone it is narrower than", "permit", all(say(permit(label("R")), status("inactive")), say(permit(to("Practitioner/drx")))), []asked{{"plain tombstone only", conf("N"), "PERMIT", ""}, {"the label's own tombstone too", conf("R"), "TOMBSTONE", ""}}},
		{"2.8f an additive permit's tombstone keeps to its recipients", "permit", say(permit(to("Practitioner/drx")), policy("p:add"), status("inactive")), []asked{{"Dr X", none, "TOMBSTONE", ""}, {"Dr Y", asY, "DEFAULT", ""}}},
		{"79 signed on the same day", "permit", all(say(deny()), say(permit(to("Practitioner/drx")), func(d *consent.Directive) { d.Signed = day(2025, 6, 1) })), []asked{{"anyone", none, "DENY", ""}}},
		{"80 filed later, signed before", "permit", all(say(deny()), say(permit(to("Practitioner/drx")), func(d *consent.Directive) { d.Signed = day(2025, 5, 1) })), []asked{{"Dr X", none, "DENY", ""}}},
		{"81 a scan not yet verified", "permit", say(deny(), unverified), []asked{{"a deny acts", none, "DENY", ""}}},
		{"81 a permit not yet verified", "deny", say(permit(), unverified), []asked{{"does not", none, "DEFAULT_DENY", ""}}},
		{"82 consents of sites", "deny", all(say(permit(), siteOnly), say(deny(), siteOnly, given("b"))), []asked{{"the hospital's", none, "PERMIT", ""}, {"the clinic's", clinicDoc, "DENY", ""}}},
		{"83 an opt-out crosses a tentative link", "permit", all(say(deny()), link("b", hie.LinkTentative)), []asked{{"the other's", clinicDoc, "DENY", ""}, {"their own", none, "DENY", ""}}},
		{"84 a permit does not cross a tentative link", "deny", all(say(permit()), link("b", hie.LinkTentative)), []asked{{"tentative", clinicDoc, "DEFAULT_DENY", ""}, {"confirmed", all(clinicDoc, link("b", hie.LinkConfirmed)), "PERMIT", ""}}},
		{"84 nothing reaches a disputed record but a permit given on it", "permit", link("b", hie.LinkDisputed), []asked{{"default", clinicDoc, "LINK_DISPUTED", ""}, {"emergency", all(clinicDoc, emergency), "LINK_DISPUTED", ""},
			{"own access", all(clinicDoc, patient), "LINK_DISPUTED", ""}, {"a permit given on it", all(clinicDoc, say(permit(), given("b"))), "PERMIT", ""}}},
		{"84 on a disputed record an emergency replaces a site's overridable rule, never the permit given on it that is missing", "permit",
			all(link("b", hie.LinkDisputed), rule(consent.Rule{ID: "agreed", Layer: consent.LayerSite, Effect: consent.Forbid, Overridable: true})), []asked{
				{"a permit given on it", all(clinicDoc, say(permit(), given("b"))), "SITE_FORBID", ""},
				{"a permit given on it, in an emergency", all(clinicDoc, say(permit(), given("b")), emergency), "EMERGENCY", "BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"},
				{"an emergency alone", all(clinicDoc, emergency), "LINK_DISPUTED", ""}, {"a permit given elsewhere, in an emergency", all(clinicDoc, say(permit()), emergency), "LINK_DISPUTED", ""}}},
		{"90 everything is Part 2 content", "permit", none, []asked{{"Dr X", p2Doc, "LAW_REQUIRE", ""}}},
		{"91 an obligation the requester cannot honour", "permit", rule(consent.Rule{ID: "abdm", Layer: consent.LayerNetwork, Effect: consent.Neutral, Obligations: []string{"DELAU:2026-06-30"}}), []asked{{"Dr X", none, "OBLIGATION", ""},
			{"who can", func(s *scene) { s.req.Abilities = []string{"DELAU"} }, "DEFAULT", "DELAU:2026-06-30"}}},
		{"92 an artefact: prescriptions of the first quarter for H", "deny", all(say(permit(to("Organization/x"), classes("prescription"), in("2026-01", "2026-03"), valid("", "2026-06-30")))), []asked{
			{"a February prescription", all(class("prescription"), func(s *scene) { s.doc.Start, s.doc.End = day(2026, 2, 3), day(2026, 2, 3) }), "PERMIT", ""},
			{"a February report", func(s *scene) { s.doc.Start, s.doc.End = day(2026, 2, 3), day(2026, 2, 3) }, "NOT_COVERED", ""},
			{"an April prescription", all(class("prescription"), func(s *scene) { s.doc.Start, s.doc.End = day(2026, 4, 3), day(2026, 4, 3) }), "NOT_COVERED", ""},
			{"after the end", all(class("prescription"), at(day(2026, 7, 2))), "DEFAULT_DENY", ""}}},
		{"97 a revoked permit leaves a tombstone", "permit", say(permit(label("N")), status("inactive")), []asked{{"Dr X on R", conf("R"), "TOMBSTONE", ""}, {"after returning to the default", all(conf("R"), func(s *scene) { s.dirs[0].ReturnToDefault = true }), "DEFAULT", ""}}},
		{"98 an expired permit, default", "permit", say(permit(label("N"), valid("", "2026-01-31"))), []asked{{"Dr X on R", conf("R"), "DEFAULT", ""}}},
		{"98 an expired permit, deny", "permit", say(permit(label("N"), valid("", "2026-01-31")), policy("p:deny")), []asked{{"Dr X on R", conf("R"), "TOMBSTONE", ""}}},
		{"99 a permit naming Dr X, exhaustive", "permit", say(permit(to("Practitioner/drx"))), []asked{{"Dr Y", asY, "NOT_COVERED", ""}}},
		{"99 a permit naming Dr X, additive", "permit", say(permit(to("Practitioner/drx")), policy("p:add")), []asked{{"Dr Y", asY, "DEFAULT", ""}}},
		{"100 asked not to share, recorded by a clerk", "permit", say(deny(), func(d *consent.Directive) { d.Verified = false; d.Performers = []string{"Practitioner/clerk"} }), []asked{{"Dr X", none, "DENY", ""}}},

		{"22 operations of somebody with no relationship to the patient", "permit", none, []asked{{"none", all(purposes("HOPERAT"), related(consent.Unrelated)), "LAW_FORBID", ""}, {"not known", all(purposes("HOPERAT"), related(consent.RelationshipUnknown)), "LAW_FORBID", ""}, {"one", purposes("HOPERAT"), "DEFAULT", "MINEC"}}},
		{"47 a label raised after locating", "deny", say(permit(but(deny(label("R"))))), []asked{{"located", none, "PERMIT", ""}, {"retrieved", conf("R"), "DENY", ""}}},
		{"55 a general designation through an intermediary", "deny", all(pack("us-part2-intermediary"), say(permit(tpo), given("c"), policy(consent.PolicyPart2))), []asked{{"no treating relationship", all(p2Doc, related(consent.Unrelated)), "LAW_FORBID", ""}, {"a treating provider", p2Doc, "PERMIT", "P2-NOTICE NO-PROCEEDINGS"}}},
		{"57 the patient is able and declines", "permit", none, []asked{{"a claim that cannot attest", all(p2Doc, emergency, func(s *scene) { s.req.Emergency.Attested = s.req.Emergency.Attested[:2] }), "EMERGENCY_INVALID", ""}}},
		{"62 a shielded document", "permit", all(pack("us-ca-shield"), func(s *scene) { s.setup.Sites[0].Jurisdiction = "US-CA" }), []asked{{"in the state", all(sens("REPRO"), from("US-CA")), "DEFAULT", ""}, {"out of the state", all(sens("REPRO"), from("US-TX")), "LAW_REQUIRE", ""}}},
		{"64 what a minor consented to alone", "deny", none, []asked{{"a parent: other documents", parent, "MANDATE", "AOD MINEC"}, {"a parent: that one", all(parent, flag("minor-consented")), "LAW_FORBID", ""}, {"the minor", all(patient, flag("minor-consented")), "MANDATE", "AOD MINEC"}}},
		{"65 a parent signed where the minor may consent alone", "deny", say(permit(tpo), given("c"), policy(consent.PolicyPart2), func(d *consent.Directive) { d.Performers = []string{"RelatedPerson/mum"} }), []asked{{"Dr X", p2Doc, "LAW_REQUIRE", ""}}},
		{"66 a parent's permit on the day the child comes of age", "deny", all(say(permit(), func(d *consent.Directive) { d.Performers = []string{"RelatedPerson/mum"} }), lapses(t0)), []asked{{"the day before", at(t0.Add(-time.Second)), "PERMIT", ""}, {"today", none, "DEFAULT_DENY", ""}}},
		{"68 dead for ten years", "deny", all(died(10), say(deny(forP("FAMRQT")))), []asked{{"the executor", parent, "MANDATE", "AOD MINEC"}, {"a relative, against a known wish", purposes("FAMRQT"), "NETWORK_FORBID", ""}}},
		{"69 dead for sixty years", "permit", died(60), []asked{{"an ordinary document: the network's rules", none, "DEFAULT", ""}, {"a psychotherapy note: HIPAA no longer speaks", class("psychotherapy-note"), "DEFAULT", ""}, {"a Part 2 document", p2Doc, "LAW_REQUIRE", ""}}},
		{"70 an opt-out form of the VA", "permit", say(deny(), given("b"), siteOnly), []asked{{"what it covers", clinicDoc, "DENY", ""}}},
		{"70 no form of the VA", "permit", none, []asked{{"a community provider", clinicDoc, "DEFAULT", ""}}},
		{"74 an opt-in state, no consent, an emergency", "deny", none, []asked{{"attested", emergency, "EMERGENCY", "BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"}}},
		{"85 a link undone", "permit", all(say(deny()), func(s *scene) { s.subj.Records = s.subj.Records[1:] }), []asked{{"b's own state again", clinicDoc, "DEFAULT", ""}}},
		{"86 the whole of a survivor's directives", "permit", say(deny(), given("b")), []asked{{"found by any id", none, "DENY", ""}}},
		{"87 revoked between locating and retrieving", "deny", all(say(permit(), sameKey), say(permit(), sameKey, status("inactive"), func(d *consent.Directive) { d.Filed = t0 })), []asked{{"located", at(t0.Add(-time.Microsecond)), "PERMIT", ""}, {"retrieved", none, "TOMBSTONE", ""}}},
		{"15 the same by the exchange's own codes", "permit", pack("us-tefca"), []asked{{"a plan's delegate asserts T-TRTMNT", all(exchange("T-TRTMNT"), kind("health-plan")), "NETWORK_FORBID", ""}, {"a hospital does", exchange("T-TRTMNT"), "DEFAULT", ""}}},
		{"18 the same by the exchange's own codes", "permit", pack("us-tefca"), []asked{{"a practice asserts T-PH", all(exchange("T-PH"), purposes("PUBHLTH"), kind("practice")), "NETWORK_FORBID", ""}}},
		{"92 the same, with the artefact's day of erasure", "deny", all(pack("in-abdm"), say(permit(to("Organization/x"), classes("prescription"), in("2026-01", "2026-03"), valid("", "2026-06-30")), policy("https://concord-hie.org/policies/abdm-artefact"))), []asked{
			{"who erases", all(class("prescription"), func(s *scene) {
				s.doc.Start, s.doc.End = day(2026, 2, 3), day(2026, 2, 3)
				s.req.Abilities = []string{"DELAU"}
			}), "PERMIT", "DELAU:2026-06-30"}}},

		{"an emergency replaces an unmet requirement of law and does not meet it: no mandate speaks", "permit", all(say(deny(), absolute),
			rule(consent.Rule{ID: "m", Layer: consent.LayerLaw, Effect: consent.Mandate}),
			rule(consent.Rule{ID: "k", Layer: consent.LayerLaw, Effect: consent.Require, Kind: "k", EmergencyClause: true})), []asked{{"past an absolute refusal", emergency, "ABSOLUTE", ""},
			{"without an emergency", none, "LAW_REQUIRE", ""}, {"with the instrument", all(emergency, func(s *scene) { s.req.Instruments = []string{"k"} }), "MANDATE", "AOD BTG-REVIEW NOTIFY-PATIENT NOTIFY-SITE"}}},

		// The one exception to "revoking a permit never adds access" in nine million random cases: nothing is later than a
		// signature nobody knows the day of, but a revocation dates from its filing (spec consent-cases 18 and 20). A filed
		// Consent always has its day: dateTime is required.
		{"2.17 a permit signed on no day anybody knows", "deny", all(say(permit(classes("note")), undatedSignature), say(permit(classes("lab")))), []asked{{"a lab", none, "NOT_COVERED", ""}}},
		{"2.17 the same, revoked", "deny", all(say(permit(classes("note")), undatedSignature, status("inactive")), say(permit(classes("lab")))), []asked{{"a lab", none, "PERMIT", ""}}},

		// Defects of others that must not come back (spec consent section 1).
		{"LEAP: a nested rule's own type counts", "permit", say(deny(but(deny(to("Organization/x"))))), []asked{{"who the nested deny names", none, "DENY", ""}}},
		{"LEAP: an unreadable deny is not dropped in favour of an older permit", "permit", all(say(permit()), say(deny(to("Organization/gone")))), []asked{{"Dr X", none, "DENY", ""}}},
		{"LEAP: a newer research permit does not beat a privacy deny", "permit", all(say(deny()), say(permit(), func(d *consent.Directive) { d.Scope = "research" })), []asked{{"treatment", none, "DENY", ""}}},
		{"PCF: a permit for one label carries no other along", "deny", say(permit(label("PSY"))), []asked{{"PSY and HIV", sens("PSY", "HIV"), "NOT_COVERED", ""}}},
		{"LEAP: every purpose asked must be permitted, not any", "deny", say(permit(forP("TREAT"))), []asked{{"treatment and payment", purposes("TREAT", "HPAYMT"), "DEFAULT_DENY", ""}}},
		{"LEAP: no purpose passes nothing", "permit", none, []asked{{"none", purposes(), "INPUT", ""}}},
		{"LEAP: the data period counts", "deny", say(permit(in("2022", "2022"))), []asked{{"2021", years(2021, 2021), "NOT_COVERED", ""}}},
		{"LEAP: an inner period counts", "permit", say(deny(but(permit(valid("", "2025-12-31"))))), []asked{{"after it", none, "DENY", ""}}},
		{"LEAP: the third level counts", "permit", say(deny(but(permit(to("Organization/x"), but(deny(label("HIV"))))))), []asked{{"HIV", sens("HIV"), "DENY", ""}, {"plain", none, "PERMIT", ""}}},
		{"SHARES: inner provisions are evaluated", "permit", say(permit(but(deny(classes("lab"))))), []asked{{"a lab", none, "DENY", ""}}},
		{"SHARES: the last provision does not win over a denial before it", "permit", say(permit(but(deny(classes("lab")), permit(to("Organization/x"))))), []asked{{"a lab for x", none, "DENY", ""}}},
		{"SHARES: actors are matched", "permit", say(deny(to("Organization/y"))), []asked{{"Dr X", none, "DEFAULT", ""}, {"Dr Y", asY, "DENY", ""}}},
		{"C2S: no consent is an answer, not an error", "deny", none, []asked{{"Dr X", none, "DEFAULT_DENY", ""}}},
		{"C2S: overlapping consents may both be filed", "deny", all(say(permit(to("Organization/x"), tpo)), say(permit(to("Organization/x"), forP("TREAT")))), []asked{{"Dr X", none, "PERMIT", ""}}},
		{"EKA: expiry needs no timer", "deny", say(permit(valid("", "2026-03-01T09:59:59Z"))), []asked{{"a second later", none, "DEFAULT_DENY", ""}}},
		{"Google: a revocation needs no job to be run", "permit", all(say(permit(), sameKey), say(permit(), sameKey, status("inactive"))), []asked{{"Dr X", none, "TOMBSTONE", ""}}},
		{"SanteDB: what no rule is written for is not let through", "deny", say(permit(classes("note"))), []asked{{"a lab", none, "NOT_COVERED", ""}}},
		{"PCF: a root without a type takes its policy rule's", "deny", say(node{}, func(d *consent.Directive) { d.PolicyRules = []string{"OPTIN"} }), []asked{{"Dr X", none, "PERMIT", ""}}},
		{"PCF: denying R does not deny everything below", "permit", say(deny(label("R"))), []asked{{"N", none, "DEFAULT", ""}, {"V", conf("V"), "DENY", ""}}},
		{"Nuts: the first policy that allows does not win", "deny", all(say(permit(to("Organization/x"))), say(deny(to("Organization/x")))), []asked{{"Dr X", none, "DENY", ""}}},
		{"LEAP: wishes given on any of a person's records count, however many", "permit", all(many(150, say(permit(to("Organization/x")))), say(deny(), given("c"))), []asked{{"Dr X", none, "DENY", ""}}},
		{"SHARES: a labelled document no obligation speaks of is neither dropped nor stripped of its labels", "permit", none, []asked{{"HIV", all(sens("HIV"), conf("R")), "DEFAULT", "LABELS"}}},
		{"EKA: no more is approved than was approved", "deny", say(permit(to("Organization/x"), classes("lab"), in("2022", "2022"), forP("TREAT"))), []asked{{"what was", years(2022, 2022), "PERMIT", ""},
			{"a longer time", years(2022, 2023), "NOT_COVERED", ""}, {"another class", all(class("note"), years(2022, 2022)), "NOT_COVERED", ""}, {"another purpose beside", all(years(2022, 2022), purposes("TREAT", "HPAYMT")), "DEFAULT_DENY", ""}}},
		{"Google: who names no purpose is not waved through", "permit", say(permit()), []asked{{"none", purposes(), "INPUT", ""}}},
		{"SanteDB: a document of a class no rule names is decided, not returned untouched", "permit", say(deny(classes("note"))), []asked{{"no class known", class(""), "DENY", ""}}},
		{"SanteDB: an inactive policy does not grant", "deny", say(permit(), status("inactive")), []asked{{"Dr X", none, "TOMBSTONE", ""}}},
	} {
		number, _, _ := strings.Cut(v.name, " ")
		if n, err := strconv.Atoi(number); err == nil {
			shown[n] = true
		}
		for _, a := range v.asks {
			t.Run(v.name+": "+a.what, func(t *testing.T) {
				s := newScene(v.rule)
				v.given(s)
				a.with(s)
				env, err := consent.NewEnv(s.setup)
				if err != nil {
					t.Fatal(err)
				}
				dec := consent.Compile(env, s.subj, s.dirs)
				got := dec.Decide(s.req, s.doc, s.now)
				if got.Reason.String() != a.reason || got.Release != got.Reason.Permits() || got.Layer != got.Reason.Layer() {
					t.Fatalf("%s (release %t), want %s", got.Reason, got.Release, a.reason)
				}
				if want := s.duties(a.duties); got.Release && !slices.Equal(got.Obligations, want) || !got.Release && got.Obligations != nil {
					t.Errorf("obligations %v, want %v", got.Obligations, want)
				}
				checkTrace(t, dec.Explain(s.req, s.doc, s.now), got)
			})
		}
	}
}

func TestNothingIsDecidedWhileThePoliciesAreNotKnown(t *testing.T) {
	s := newScene("permit")
	if got := consent.Compile(consent.Closed(), s.subj, nil).Decide(s.req, s.doc, s.now); got.Release || consent.Closed().Open() {
		t.Errorf("released: %v", got.Reason)
	}
}

// TestTheTraceOfARefusalNamesWhatAnOfficerNeeds is row 95: row 42 refused, explained.
func TestTheTraceOfARefusalNamesWhatAnOfficerNeeds(t *testing.T) {
	s := newScene("deny")
	all(say(permit(label("N"), but(permit(label("PSY", "SDV"), to("Organization/x")))), func(d *consent.Directive) { d.Version = 3 }), sens("PSY", "HIV"), conf("R"))(s)
	tr := consent.Compile(environment(t, s.setup), s.subj, s.dirs).Explain(s.req, s.doc, s.now)
	if len(tr.Directives) != 1 || tr.Directives[0].Version != 3 || tr.Directives[0].State != "in force" {
		t.Errorf("directives: %+v", tr.Directives)
	}
	for _, step := range tr.Steps {
		if step.Atom == "HIV" && step.Decides {
			if step.Effect != "does not cover" || step.Rule != "A/3" {
				t.Errorf("HIV: %+v", step)
			}
			return
		}
	}
	t.Errorf("no step decided about HIV: %+v", tr.Steps)
}

// TestEveryLabelOfWhatIsReleasedIsCovered is scenario 4: 200 random trees, each asked about 200 sets of labels.
func TestEveryLabelOfWhatIsReleasedIsCovered(t *testing.T) {
	released := 0
	for i := range 200 {
		g := gen{rand.New(rand.NewPCG(uint64(i), 37))}
		o := g.all()
		o.now, o.req.Purposes, o.req.Emergency, o.req.Organization = t0, []hie.Purpose{"TREAT"}, nil, "a"
		o.setup.Rules = nil
		d := o.engine(t)
		for range 200 {
			o.doc.Record, o.doc.Site, o.doc.LabelState = "r1", "s1", consent.Labelled
			if o.doc.Sensitivity = pickSome(g, 4, genLabels...); o.doc.Sensitivity == nil {
				o.doc.Sensitivity = []string{}
			}
			got, want := d.Decide(o.req, o.doc, o.now), o.decide()
			if asVerdict(got).String() != want.String() {
				t.Fatalf("tree %d: %v, want %v\n%s", i, got.Reason, want, o.dump())
			}
			if !got.Release {
				continue
			}
			released++
			for _, l := range o.doc.Sensitivity { // alone, each label is covered too
				one := o.doc
				one.Sensitivity = []string{l}
				if alone := d.Decide(o.req, one, o.now); !alone.Release {
					t.Fatalf("tree %d: released with %s among its labels, which alone is %v\n%s", i, l, alone.Reason, o.dump())
				}
			}
		}
	}
	if released < 500 {
		t.Errorf("only %d released: nothing was shown", released)
	}
}
