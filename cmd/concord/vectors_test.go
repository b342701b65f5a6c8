package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/internal/sim"
)

// TestTheVectorsThroughANode asks a running node what spec consent section 3 says of requests: for each row the wishes are
// filed through the patient's app, each asker searches, and the wishes are taken back. Dr X is new-dawn, Dr Y riverside; the
// region shares for treatment and for nothing else by default.
func TestTheVectorsThroughANode(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	maria, derek := w.person(sim.Ordinary), w.person(sim.Part2Only)
	w.enter(maria, derek)
	id, err1 := w.patientID(w.ctx, maria, "riverside-clinic")
	his, err2 := w.patientID(w.ctx, derek, "new-dawn-east")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	type wish struct {
		policy, provision, status, more string
		signed                          time.Duration // before now
	}
	const sharing, additional = consent.PolicySharing, consent.PolicyAdditional
	org := func(o string) string {
		return `"actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/` + o + `"}}]`
	}
	purpose := func(codes ...string) string {
		var list []string
		for _, c := range codes {
			list = append(list, `{"code":"`+c+`"}`)
		}
		return `"purpose":[` + strings.Join(list, ",") + `]`
	}
	permit := func(parts ...string) string {
		return `{` + strings.Join(append([]string{`"type":"permit"`}, parts...), ",") + `}`
	}
	deny := func(parts ...string) string {
		return `{` + strings.Join(append([]string{`"type":"deny"`}, parts...), ",") + `}`
	}
	kids := func(k ...string) string { return `"provision":[` + strings.Join(k, ",") + `]` }
	day := func(n int) string { return time.Now().AddDate(0, 0, n).Format(time.DateOnly) }
	type ask struct {
		site, purposes string
		sees           bool
		reason         string // as the privacy officer's desk explains it
	}
	x, y := "new-dawn-east", "riverside-clinic"
	file := func(wishes []wish) {
		t.Helper()
		now := time.Now() // one for all, so that some are signed at one time
		for _, wish := range wishes {
			body := fmt.Sprintf(`{"resourceType":"Consent",%s"status":%q,"scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"59284-0"}]}],
 "patient":{"reference":"Patient/%s"},"dateTime":%q,"policy":[{"uri":%q}],"provision":%s}`, wish.more, or(wish.status, "active"), id,
				now.Add(-wish.signed).UTC().Format(time.RFC3339Nano), or(wish.policy, sharing), wish.provision)
			w.must(http.StatusCreated, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent", []byte(body))
		}
	}
	withdraw := func() {
		t.Helper()
		whose, at := maria, "riverside-clinic"
		if id == his {
			whose, at = derek, "new-dawn-east"
		}
		if err := w.withdraw(w.ctx, whose, at); err != nil {
			t.Fatal(err)
		}
	}
	explain := func(organization string, request, document object) (out struct {
		Release     bool
		Reason      string
		Obligations []string
	}) {
		t.Helper()
		doc := object{"class": "11488-4", "confidentiality": "N", "labelled": true}
		maps.Copy(doc, document)
		question := object{"patient": id, "organization": organization, "practitioner": "drx", "roles": []string{"physician"}, "purposes": []string{"TREAT"}, "document": doc}
		maps.Copy(question, request)
		decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/explain", question), &out)
		return out
	}
	for _, tt := range []struct {
		name   string
		wishes []wish
		asks   []ask
	}{
		{"1 no directive, shared by default", nil, []ask{{x, "TREAT", true, "DEFAULT"}, {y, "TREAT", true, "DEFAULT"}}},
		{"2 no directive, not shared by default", nil, []ask{{x, "HPAYMT", false, "DEFAULT_DENY"}}},
		{"6 a refusal without limits", []wish{{provision: deny()}}, []ask{{x, "TREAT", false, "DENY"}, {y, "TREAT", false, "DENY"}}},
		{"7 a refusal with one exception", []wish{{provision: deny(kids(permit(org("new-dawn"), purpose("TREAT"))))}}, []ask{{x, "TREAT", true, "PERMIT"}, {y, "TREAT", false, "DENY"}}},
		{"8 a draft does not count", []wish{{provision: deny(), status: "draft"}}, []ask{{x, "TREAT", true, "DEFAULT"}}},
		{"10 a permission for some purposes", []wish{{provision: permit(purpose("TREAT", "HPAYMT"))}}, []ask{{x, "HPAYMT", true, "PERMIT"}, {x, "HOPERAT", false, "LAW_FORBID"}}},
		{"11 two purposes, one of them permitted", []wish{{provision: permit(purpose("TREAT"))}}, []ask{{x, "TREAT", true, "PERMIT"}, {x, "TREAT HPAYMT", false, "DEFAULT_DENY"}}},
		{"13 break-glass is implied by nothing", []wish{{provision: permit(purpose("TREAT"))}}, []ask{{x, "BTG", false, "BTG_ONLY"}}},
		{"23 all but one organisation", []wish{{provision: permit(kids(deny(org("new-dawn"))))}}, []ask{{x, "TREAT", false, "DENY"}, {y, "TREAT", true, "PERMIT"}}},
		{"24 one organisation alone, for payment", []wish{{provision: permit(org("riverside"), purpose("HPAYMT"))}}, []ask{{y, "HPAYMT", true, "PERMIT"}, {x, "HPAYMT", false, "NOT_COVERED"}}},
		{"28 a refusal of somebody nobody knows", []wish{{provision: deny(org("nobody"))}}, []ask{{x, "TREAT", false, "DENY"}}},
		{"29 a permission to somebody nobody knows", []wish{{provision: permit(org("nobody"), purpose("HPAYMT"))}}, []ask{{x, "HPAYMT", false, "NOT_COVERED"}}},
		{"37 a permission that ended yesterday", []wish{{provision: permit(purpose("HPAYMT"), `"period":{"end":"`+day(-2)+`"}`)}}, []ask{{x, "HPAYMT", false, "DEFAULT_DENY"}}},
		{"38 a refusal that begins after tomorrow", []wish{{provision: deny(`"period":{"start":"` + day(2) + `"}`)}}, []ask{{x, "TREAT", true, "DEFAULT"}}},
		{"71 no, except in an emergency, and none is claimed", []wish{{provision: deny()}}, []ask{{y, "ETREAT", false, "DENY"}, {y, "BTG", false, "BTG_ONLY"}}},
		{"76 an older refusal, one practice named later", []wish{{policy: sharing, provision: deny(), signed: time.Hour}, {policy: additional, provision: permit(org("new-dawn"))}},
			[]ask{{x, "TREAT", true, "PERMIT"}, {y, "TREAT", false, "DENY"}}},
		{"77 an older permission, a refusal later", []wish{{policy: additional, provision: permit(org("new-dawn")), signed: time.Hour}, {policy: sharing, provision: deny()}},
			[]ask{{x, "TREAT", false, "DENY"}}},
		{"79 both signed at one time", []wish{{policy: sharing, provision: deny(), signed: time.Hour}, {policy: additional, provision: permit(org("new-dawn")), signed: time.Hour}},
			[]ask{{x, "TREAT", false, "DENY"}}},
		{"80 filed today, signed before the refusal", []wish{{policy: sharing, provision: deny(), signed: time.Hour}, {policy: additional, provision: permit(org("new-dawn")), signed: 2 * time.Hour}},
			[]ask{{x, "TREAT", false, "DENY"}}},
		{"81 a permission nobody verified", []wish{{provision: permit(purpose("HPAYMT")), more: `"verification":[{"verified":false}],`}}, []ask{{x, "HPAYMT", false, "DEFAULT_DENY"}}},
		{"81 a refusal nobody verified", []wish{{provision: deny(), more: `"verification":[{"verified":false}],`}}, []ask{{x, "TREAT", false, "DENY"}}},
		{"100 a refusal spoken to a clerk", []wish{{provision: deny(purpose("TREAT"))}}, []ask{{x, "TREAT", false, "DENY"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file(tt.wishes)
			for _, a := range tt.asks {
				who := treating
				who.purposes = a.purposes
				if n := total(t, w.search(a.site, who, w.at(maria, "riverside-clinic"))); (n > 0) != a.sees {
					t.Errorf("%s for %s is shown %d, want any %t", a.site, a.purposes, n, a.sees)
				}
				if got := explain(map[string]string{x: "new-dawn", y: "riverside"}[a.site], object{"purposes": strings.Fields(a.purposes)}, object{}); got.Reason != a.reason || got.Release != a.sees {
					t.Errorf("%s for %s is explained as %s, want %s", a.site, a.purposes, got.Reason, a.reason)
				}
			}
			if strings.HasPrefix(tt.name, "79") {
				var desk struct{ Tasks []struct{ Kind string } }
				decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/consent/tasks?kind=conflict", nil), &desk)
				if len(desk.Tasks) != 1 {
					t.Errorf("%d conflicts at the desk, want one", len(desk.Tasks))
				}
			}
			withdraw()
		})
	}

	codes := func(element string, list ...string) string {
		return strings.Replace(purpose(list...), "purpose", element, 1)
	}
	of := func(meaning, ref string) string {
		return `"data":[{"meaning":"` + meaning + `","reference":{"reference":"` + ref + `"}}]`
	}
	to := func(ref string) string {
		return strings.Replace(org("x"), "Organization/x", ref, 1)
	}
	in2022 := `"dataPeriod":{"start":"2022","end":"2022"}`
	sens := func(labels ...string) object { return object{"sensitivity": labels, "confidentiality": "R"} }
	dated := func(start, end string) object { return object{"start": start, "end": end} }
	const owed = "AUDIT LABELS RECHECK"
	type question struct {
		organization      string
		request, document object
		reason, duties    string
	}
	type row struct {
		name   string
		wishes []wish
		asks   []question
	}
	answer := func(tt row) {
		t.Run(tt.name, func(t *testing.T) {
			file(tt.wishes)
			for i, q := range tt.asks {
				got := explain(q.organization, q.request, q.document)
				if got.Reason != q.reason || got.Release != (q.duties != "") || strings.Join(got.Obligations, " ") != q.duties {
					t.Errorf("question %d: %s, owed %s; want %s, owed %s", i+1, got.Reason, got.Obligations, q.reason, q.duties)
				}
			}
			withdraw()
		})
	}
	for _, tt := range []row{
		{"11 treatment and marketing", []wish{{provision: permit(purpose("TREAT"))}}, []question{{"new-dawn", object{"purposes": []string{"TREAT", "HMARKT"}}, nil, "LAW_REQUIRE", ""}}},
		{"12 no purpose, and one nobody knows", nil, []question{{"new-dawn", object{"purposes": []string{}}, nil, "INPUT", ""}, {"new-dawn", object{"purposes": []string{"WHATEVER"}}, nil, "INPUT", ""}}},
		{"16 the patient's own record, though they opted out", []wish{{provision: deny()}}, []question{{"new-dawn", object{"purposes": []string{"PATRQT"}, "own_access": true}, nil, "MANDATE", "AOD AUDIT LABELS MINEC RECHECK"},
			{"new-dawn", object{"purposes": []string{"PATRQT"}, "own_access": true}, object{"class": "psychotherapy-note"}, "LAW_REQUIRE", ""}, {"new-dawn", object{"purposes": []string{"PATRQT"}}, nil, "NETWORK_FORBID", ""}}},
		{"20 marketing under a permission for treatment", []wish{{provision: permit(purpose("TREAT", "HPAYMT", "HOPERAT"))}}, []question{{"new-dawn", object{"purposes": []string{"HMARKT"}}, nil, "LAW_REQUIRE", ""}}},
		{"25 all but one practitioner, wherever they work", []wish{{provision: permit(kids(deny(to("Practitioner/z"))))}}, []question{{"new-dawn", object{"practitioner": "z"}, nil, "DENY", ""}, {"riverside", object{"practitioner": "z"}, nil, "DENY", ""},
			{"riverside", nil, nil, "PERMIT", owed}}},
		{"27 one role alone", []wish{{provision: permit(to("#pr")), more: `"contained":[{"resourceType":"PractitionerRole","id":"pr","code":[{"coding":[{"code":"physician"}]}]}],`}}, []question{
			{"new-dawn", object{"roles": []string{"nurse"}}, nil, "NOT_COVERED", ""}, {"new-dawn", nil, nil, "PERMIT", owed}}},
		{"30 not what one organisation wrote", []wish{{provision: permit(kids(deny(of("authoredby", "Organization/riverside"))))}}, []question{{"new-dawn", nil, object{"authors": []string{"Organization/riverside"}}, "DENY", ""},
			{"new-dawn", nil, object{"authors": []string{"Organization/new-dawn"}}, "PERMIT", owed}, {"new-dawn", nil, nil, "DENY", ""}}},
		{"31 only what one practitioner wrote", []wish{{provision: permit(of("authoredby", "Practitioner/q"))}}, []question{{"new-dawn", nil, object{"authors": []string{"Practitioner/q"}}, "PERMIT", owed},
			{"new-dawn", nil, object{"authors": []string{"Practitioner/w"}}, "NOT_COVERED", ""}, {"new-dawn", nil, nil, "NOT_COVERED", ""}}},
		{"32 only 2022", []wish{{provision: permit(in2022)}}, []question{{"new-dawn", nil, dated("2022-03-01", "2022-12-31"), "PERMIT", owed}, {"new-dawn", nil, dated("2021-03-01", "2021-03-01"), "NOT_COVERED", ""},
			{"new-dawn", nil, dated("2021-03-01", "2022-03-01"), "NOT_COVERED", ""}}},
		{"33 not 2022", []wish{{provision: permit(kids(deny(in2022)))}}, []question{{"new-dawn", nil, dated("2021-03-01", "2021-12-31"), "PERMIT", owed}, {"new-dawn", nil, dated("2022-03-01", "2022-03-01"), "DENY", ""},
			{"new-dawn", nil, dated("2021-03-01", "2022-03-01"), "DENY", ""}, {"new-dawn", nil, nil, "DENY", ""}}},
		{"34 one document alone", []wish{{provision: permit(of("instance", "DocumentReference/1"))}}, []question{{"new-dawn", nil, object{"id": "1"}, "PERMIT", owed}, {"new-dawn", nil, object{"id": "3"}, "NOT_COVERED", ""}}},
		{"35 not one encounter", []wish{{provision: permit(kids(deny(of("related", "Encounter/e"))))}}, []question{{"new-dawn", nil, object{"encounter": "e"}, "DENY", ""}, {"new-dawn", nil, object{"encounter": "f"}, "PERMIT", owed},
			{"new-dawn", nil, nil, "DENY", ""}}},
		{"36 one class alone", []wish{{provision: permit(codes("class", "11502-2"))}}, []question{{"new-dawn", nil, object{"class": "11502-2"}, "PERMIT", owed}, {"new-dawn", nil, nil, "NOT_COVERED", ""}, {"new-dawn", nil, object{"class": ""}, "NOT_COVERED", ""}}},
		{"39 nothing above N", []wish{{provision: permit(codes("securityLabel", "N"))}}, []question{{"new-dawn", nil, object{"confidentiality": "L"}, "PERMIT", owed}, {"new-dawn", nil, nil, "PERMIT", owed},
			{"new-dawn", nil, object{"confidentiality": "R"}, "NOT_COVERED", ""}}},
		{"40 not R, nor what is above", []wish{{provision: permit(kids(deny(codes("securityLabel", "R"))))}}, []question{{"new-dawn", nil, nil, "PERMIT", owed}, {"new-dawn", nil, object{"confidentiality": "R"}, "DENY", ""},
			{"new-dawn", nil, object{"confidentiality": "V"}, "DENY", ""}}},
		{"41 R to one organisation alone", []wish{{provision: permit(codes("securityLabel", "N"), kids(permit(codes("securityLabel", "R"), org("new-dawn"))))}}, []question{{"new-dawn", nil, object{"confidentiality": "R"}, "PERMIT", owed},
			{"riverside", nil, object{"confidentiality": "R"}, "NOT_COVERED", ""}, {"new-dawn", nil, object{"confidentiality": "V"}, "NOT_COVERED", ""}}},
		{"42 two labels to one organisation alone", []wish{{provision: permit(codes("securityLabel", "N"), kids(permit(codes("securityLabel", "PSY", "SDV"), org("new-dawn"))))}}, []question{{"new-dawn", nil, sens("PSY"), "PERMIT", owed},
			{"new-dawn", nil, sens("SDV", "PSY"), "PERMIT", owed}, {"new-dawn", nil, sens("PSY", "HIV"), "NOT_COVERED", ""}}},
		{"43 not SUD, nor what is a kind of it", []wish{{provision: permit(kids(deny(codes("securityLabel", "SUD"))))}}, []question{{"new-dawn", nil, sens("ETHUD"), "DENY", ""}, {"new-dawn", nil, sens("SUD"), "DENY", ""},
			{"new-dawn", nil, sens("PSY"), "PERMIT", owed}}},
		{"44 not ETHUD, nor what may be it", []wish{{provision: permit(kids(deny(codes("securityLabel", "ETHUD"))))}}, []question{{"new-dawn", nil, sens("SUD"), "DENY", ""}, {"new-dawn", nil, sens("OPIOIDUD"), "PERMIT", owed}}},
		{"45 a rule on labels, and a document without any", []wish{{provision: permit(kids(deny(codes("securityLabel", "HIV"))))}}, []question{{"new-dawn", nil, object{"labelled": false, "confidentiality": ""}, "DENY", ""}}},
		{"48 shielded documents stay with one organisation", []wish{{provision: permit(kids(deny(codes("securityLabel", "REPRO"), kids(permit(org("new-dawn"))))))}}, []question{{"new-dawn", nil, sens("REPRO"), "PERMIT", owed},
			{"riverside", nil, sens("REPRO"), "DENY", ""}, {"riverside", nil, nil, "PERMIT", owed}}},
		{"78 nothing about HIV; later one practice named", []wish{{policy: sharing, provision: deny(codes("securityLabel", "HIV")), signed: time.Hour}, {policy: additional, provision: permit(org("new-dawn"))}}, []question{
			{"new-dawn", nil, nil, "PERMIT", owed}, {"new-dawn", nil, sens("HIV"), "DENY", ""}}},
		{"99 one practice named, in place of the default", []wish{{policy: sharing, provision: permit(org("new-dawn"), purpose("TREAT"))}}, []question{{"riverside", nil, nil, "NOT_COVERED", ""}}},
		{"99 one practice named, besides the default", []wish{{policy: additional, provision: permit(org("new-dawn"), purpose("TREAT"))}}, []question{{"riverside", nil, nil, "DEFAULT", owed}}},
	} {
		answer(tt)
	}

	t.Run("9 and 97 a revoked permission leaves a refusal, until the default is asked for", func(t *testing.T) {
		body := refusal(id, false, time.Now())
		permitted := strings.NewReplacer(`"OPTOUT"`, `"OPTIN"`, `"deny"`, `"permit"`).Replace(string(body))
		filed := w.must(http.StatusCreated, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent", []byte(permitted))
		path := "/fhir/Consent/" + idOf(t, filed) + "/$revoke-consent"
		sees := func() bool { return total(t, w.search(x, treating, w.at(maria, "riverside-clinic"))) > 0 }
		if !sees() {
			t.Error("a permission does not permit")
		}
		w.must(http.StatusOK, "patient-app", patientActs(id), http.MethodPost, path, map[string]any{"resourceType": "Parameters"})
		if sees() {
			t.Error("after the revocation it is shown")
		}
		w.must(http.StatusOK, "patient-app", patientActs(id), http.MethodPost, path,
			map[string]any{"resourceType": "Parameters", "parameter": []any{map[string]any{"name": "returnToDefault", "valueBoolean": true}}})
		if !sees() {
			t.Error("back at the default it is not shown")
		}
	})

	t.Run("a form as signed does what its preview said", func(t *testing.T) {
		form := func(more ...map[string]any) map[string]any {
			ps := []any{map[string]any{"name": "patient", "valueReference": map[string]any{"reference": "Patient/" + id}},
				map[string]any{"name": "template", "valueString": "chosen-organizations"}, map[string]any{"name": "language", "valueCode": "es"},
				map[string]any{"name": "organization", "valueReference": map[string]any{"reference": "Organization/new-dawn"}}}
			for _, m := range more {
				ps = append(ps, m)
			}
			return map[string]any{"resourceType": "Parameters", "parameter": ps}
		}
		before := w.digest()
		r := w.must(http.StatusOK, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent/$preview",
			form(map[string]any{"name": "asker", "valueReference": map[string]any{"reference": "Organization/riverside"}}))
		w.unchanged(t, before)
		var p struct {
			Parameter []struct {
				Name string
				Part []struct {
					Name           string
					ValueCode      string
					ValueBoolean   *bool
					ValueReference *struct{ Reference string }
				}
			}
		}
		if err := json.Unmarshal(r.body, &p); err != nil {
			t.Fatal(err)
		}
		then := map[string]bool{}
		for _, sight := range p.Parameter {
			var who, why, kind string
			var will bool
			for _, part := range sight.Part {
				switch part.Name {
				case "organization":
					who = part.ValueReference.Reference
				case "purpose":
					why = part.ValueCode
				case "kind":
					kind = part.ValueCode
				case "then":
					will = *part.ValueBoolean
				}
			}
			if sight.Name == "sight" && kind == "ordinary" {
				then[who+" "+why] = then[who+" "+why] || will
			}
		}
		if !then["Organization/new-dawn TREAT"] || then["Organization/riverside TREAT"] {
			t.Errorf("the preview says %v", then)
		}
		w.must(http.StatusCreated, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent/$capture", form())
		for site, org := range map[string]string{x: "new-dawn", y: "riverside"} {
			if sees := total(t, w.search(site, treating, w.at(maria, "riverside-clinic"))) > 0; sees != then["Organization/"+org+" TREAT"] {
				t.Errorf("%s sees %t, the preview said %t", org, sees, !sees)
			}
		}
		if err := w.withdraw(w.ctx, maria, "riverside-clinic"); err != nil {
			t.Fatal(err)
		}
	})

	id = his // from here on it is about the program's record
	part2 := []wish{{policy: consent.PolicyPart2, provision: permit(purpose("TREAT", "HPAYMT", "HOPERAT"))}}
	for _, tt := range []row{
		{"49 a Part 2 program's document without consent", nil, []question{{"harbor-general", nil, nil, "LAW_REQUIRE", ""}}},
		{"50 with one", part2, []question{{"harbor-general", nil, nil, "PERMIT", "AUDIT LABELS NO-PROCEEDINGS P2-NOTICE RECHECK"}}},
		{"52 with one, for a proceeding", part2, []question{{"new-dawn", object{"purposes": []string{"HLEGAL"}}, nil, "LAW_REQUIRE", ""}}},
		{"53 with one, a counselling note", part2, []question{{"harbor-general", nil, object{"class": "sud-counselling-note"}, "LAW_REQUIRE", ""}}},
		{"54 when it has been taken back", nil, []question{{"harbor-general", nil, nil, "LAW_REQUIRE", ""}}},
		{"65 one that a parent signed", []wish{{policy: consent.PolicyPart2, provision: permit(purpose("TREAT")), more: `"performer":[{"reference":"RelatedPerson/mum"}],`}}, []question{{"harbor-general", nil, nil, "LAW_REQUIRE", ""}}},
	} {
		answer(tt)
	}
}

// or returns s, or otherwise when s is "".
func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
