package main

import (
	"encoding/json"
	"fmt"
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
	maria := w.person(sim.Ordinary)
	w.enter(maria)
	id, err := w.patientID(w.ctx, maria, "riverside-clinic")
	if err != nil {
		t.Fatal(err)
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
	}
	x, y := "new-dawn-east", "riverside-clinic"
	for _, tt := range []struct {
		name   string
		wishes []wish
		asks   []ask
	}{
		{"1 no directive, shared by default", nil, []ask{{x, "TREAT", true}, {y, "TREAT", true}}},
		{"2 no directive, not shared by default", nil, []ask{{x, "HPAYMT", false}}},
		{"6 a refusal without limits", []wish{{provision: deny()}}, []ask{{x, "TREAT", false}, {y, "TREAT", false}}},
		{"7 a refusal with one exception", []wish{{provision: deny(kids(permit(org("new-dawn"), purpose("TREAT"))))}}, []ask{{x, "TREAT", true}, {y, "TREAT", false}}},
		{"8 a draft does not count", []wish{{provision: deny(), status: "draft"}}, []ask{{x, "TREAT", true}}},
		{"10 a permission for some purposes", []wish{{provision: permit(purpose("TREAT", "HPAYMT"))}}, []ask{{x, "HPAYMT", true}, {x, "HOPERAT", false}}},
		{"11 two purposes, one of them permitted", []wish{{provision: permit(purpose("TREAT"))}}, []ask{{x, "TREAT", true}, {x, "TREAT HPAYMT", false}}},
		{"13 break-glass is implied by nothing", []wish{{provision: permit(purpose("TREAT"))}}, []ask{{x, "BTG", false}}},
		{"23 all but one organisation", []wish{{provision: permit(kids(deny(org("new-dawn"))))}}, []ask{{x, "TREAT", false}, {y, "TREAT", true}}},
		{"24 one organisation alone, for payment", []wish{{provision: permit(org("riverside"), purpose("HPAYMT"))}}, []ask{{y, "HPAYMT", true}, {x, "HPAYMT", false}}},
		{"28 a refusal of somebody nobody knows", []wish{{provision: deny(org("nobody"))}}, []ask{{x, "TREAT", false}}},
		{"29 a permission to somebody nobody knows", []wish{{provision: permit(org("nobody"), purpose("HPAYMT"))}}, []ask{{x, "HPAYMT", false}}},
		{"37 a permission that ended yesterday", []wish{{provision: permit(purpose("HPAYMT"), `"period":{"end":"`+day(-2)+`"}`)}}, []ask{{x, "HPAYMT", false}}},
		{"38 a refusal that begins after tomorrow", []wish{{provision: deny(`"period":{"start":"` + day(2) + `"}`)}}, []ask{{x, "TREAT", true}}},
		{"71 no, except in an emergency, and none is claimed", []wish{{provision: deny()}}, []ask{{y, "ETREAT", false}, {y, "BTG", false}}},
		{"76 an older refusal, one practice named later", []wish{{policy: sharing, provision: deny(), signed: time.Hour}, {policy: additional, provision: permit(org("new-dawn"))}},
			[]ask{{x, "TREAT", true}, {y, "TREAT", false}}},
		{"77 an older permission, a refusal later", []wish{{policy: additional, provision: permit(org("new-dawn")), signed: time.Hour}, {policy: sharing, provision: deny()}},
			[]ask{{x, "TREAT", false}}},
		{"79 both signed at one time", []wish{{policy: sharing, provision: deny(), signed: time.Hour}, {policy: additional, provision: permit(org("new-dawn")), signed: time.Hour}},
			[]ask{{x, "TREAT", false}}},
		{"80 filed today, signed before the refusal", []wish{{policy: sharing, provision: deny(), signed: time.Hour}, {policy: additional, provision: permit(org("new-dawn")), signed: 2 * time.Hour}},
			[]ask{{x, "TREAT", false}}},
		{"81 a permission nobody verified", []wish{{provision: permit(purpose("HPAYMT")), more: `"verification":[{"verified":false}],`}}, []ask{{x, "HPAYMT", false}}},
		{"81 a refusal nobody verified", []wish{{provision: deny(), more: `"verification":[{"verified":false}],`}}, []ask{{x, "TREAT", false}}},
		{"100 a refusal spoken to a clerk", []wish{{provision: deny(purpose("TREAT"))}}, []ask{{x, "TREAT", false}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Now() // one for all, so that some are signed at one time
			for _, wish := range tt.wishes {
				body := fmt.Sprintf(`{"resourceType":"Consent",%s"status":%q,"scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"59284-0"}]}],
 "patient":{"reference":"Patient/%s"},"dateTime":%q,"policy":[{"uri":%q}],"provision":%s}`, wish.more, or(wish.status, "active"), id,
					now.Add(-wish.signed).UTC().Format(time.RFC3339Nano), or(wish.policy, sharing), wish.provision)
				w.must(http.StatusCreated, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent", []byte(body))
			}
			for _, a := range tt.asks {
				who := treating
				who.purposes = a.purposes
				if n := total(t, w.search(a.site, who, w.at(maria, "riverside-clinic"))); (n > 0) != a.sees {
					t.Errorf("%s for %s is shown %d, want any %t", a.site, a.purposes, n, a.sees)
				}
			}
			if strings.HasPrefix(tt.name, "79") {
				var desk struct{ Tasks []struct{ Kind string } }
				decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/consent/tasks?kind=conflict", nil), &desk)
				if len(desk.Tasks) != 1 {
					t.Errorf("%d conflicts at the desk, want one", len(desk.Tasks))
				}
			}
			if err := w.withdraw(w.ctx, maria, "riverside-clinic"); err != nil {
				t.Fatal(err)
			}
		})
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
}

// or returns s, or otherwise when s is "".
func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
