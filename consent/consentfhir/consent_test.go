package consentfhir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pcf returns one of the IHE PCF examples as published, and skips when they are not at hand.
func pcf(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../shared/data/messages/fhir/ihe-pcf", "Consent-"+name+".json"))
	if err != nil {
		t.Skip("the IHE PCF examples are not on this machine")
	}
	return b
}

// pcfEnv is the world of the PCF examples: one community that shares nothing by default.
func pcfEnv(t *testing.T, rule string) *consent.Env {
	t.Helper()
	env, err := consent.NewEnv(consent.Setup{EmergencyHours: 4,
		Organizations: []consent.Organization{{ID: "ex-organization"}, {ID: "ex-org-researcher"}, {ID: "other"}},
		Sites:         []consent.Site{{ID: "s", Org: "ex-organization", Zone: "America/Chicago", PrivilegedRoles: []string{"ed"}}},
		Policies:      append(consent.BuiltinPolicies(), consent.Policy{URI: "http://example.org/policies/basePrivacyConsentPolicy.txt"}),
		Purposes:      []consent.LocalPurpose{{Code: "FooBar"}},
		Defaults:      []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: rule}}})
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// TestThePCFExamplesDecideAsTheirNotesSay reads every Consent IHE publishes with PCF and asks it what its notes
// speak of. Observations are no documents: an instance that is one is UNKNOWN.
//
// Source: IHE PCF, Consent-ex-* notes; spec consent-cases 9.
func TestThePCFExamplesDecideAsTheirNotesSay(t *testing.T) {
	type ask struct {
		what    string
		purpose hie.Purpose
		edit    func(*consent.Request, *consent.Document)
		want    string
	}
	level := func(c string) func(*consent.Request, *consent.Document) {
		return func(_ *consent.Request, d *consent.Document) { d.Confidentiality = c }
	}
	for _, tt := range []struct {
		file, def string
		now       time.Time
		asks      []ask
	}{
		{"ex-consent-basic-treat", "deny", noon, []ask{{"treatment", "TREAT", nil, "PERMIT"}, {"payment", "HPAYMT", nil, "PERMIT"}, {"research", "HRESCH", nil, "DEFAULT_DENY"}, {"break-glass without a claim", "BTG", nil, "BTG_ONLY"}}},
		{"ex-consent-basic-treat-infant", "deny", noon, []ask{{"treatment", "TREAT", nil, "PERMIT"}, {"research", "HRESCH", nil, "DEFAULT_DENY"}}},
		{"ex-consent-basic-ink", "deny", noon, []ask{{"treatment", "TREAT", nil, "PERMIT"}, {"operations", "HOPERAT", nil, "PERMIT"}}},
		{"ex-consent-basic-reject", "permit", noon, []ask{{"treatment", "TREAT", nil, "DENY"}, {"research, which it does not name", "HRESCH", nil, "DEFAULT"}}},
		{"ex-consent-expired-treat", "deny", time.Date(2023, 1, 1, 5, 59, 59, 0, time.UTC), []ask{{"the last second of 2022 in Chicago", "TREAT", nil, "PERMIT"}}},
		{"ex-consent-expired-treat", "deny", time.Date(2023, 1, 1, 6, 0, 0, 0, time.UTC), []ask{{"the first of 2023", "TREAT", nil, "DEFAULT_DENY"}}},
		{"ex-consent-advanced-normal", "permit", noon, []ask{{"a low document", "TREAT", level("L"), "PERMIT"}, {"a normal one", "TREAT", level("N"), "PERMIT"}, {"a restricted one", "TREAT", level("R"), "NOT_COVERED"}, {"one without a code", "TREAT", level(""), "NOT_COVERED"}}},
		{"ex-consent-advanced-normal-restricted", "permit", noon, []ask{{"a restricted document", "TREAT", level("R"), "PERMIT"}, {"a very restricted one", "TREAT", level("V"), "NOT_COVERED"}}},
		{"ex-consent-intermediate-data", "permit", noon, []ask{{"a document it does not list", "TREAT", nil, "NOT_COVERED"}}},
		{"ex-consent-intermediate-not-data", "permit", noon, []ask{{"any document: the excluded instance is none", "TREAT", nil, "DENY"}}},
		{"ex-consent-intermediate-encounter", "permit", noon, []ask{
			{"in the encounter", "TREAT", func(_ *consent.Request, d *consent.Document) { d.Encounter = "ex-encounter" }, "PERMIT"},
			{"in another", "TREAT", func(_ *consent.Request, d *consent.Document) { d.Encounter = "e2" }, "NOT_COVERED"},
			{"of no known encounter", "TREAT", nil, "NOT_COVERED"}}},
		{"ex-consent-intermediate-purpose", "permit", noon, []ask{
			{"the researcher, for the project", "FooBar", func(r *consent.Request, _ *consent.Document) { r.Organization = "ex-org-researcher" }, "PERMIT"},
			{"somebody else, for the project", "FooBar", nil, "NOT_COVERED"}, {"treatment, which it does not name", "TREAT", nil, "DEFAULT"}}},
		{"ex-dissent-intermediate-break-glass", "permit", noon, []ask{{"treatment", "TREAT", nil, "DENY"},
			{"an emergency", "BTG", func(r *consent.Request, _ *consent.Document) {
				r.Roles = []string{"ed"}
				r.Emergency = &consent.Emergency{ReasonCode: "unconscious", Text: "found unconscious at the bus stop", Role: "ed", At: noon, Attested: consent.Attestations()}
			}, "EMERGENCY"}}},
	} {
		d, err := Read(pcf(t, tt.file))
		if err != nil {
			t.Fatalf("%s: %v", tt.file, err)
		}
		d.ID, d.Record, d.Verified, d.NetworkWide = tt.file, "1", true, true
		d.Filed = time.Date(2022, 6, 13, 6, 2, 3, 0, time.UTC)
		d.Signed = d.Filed
		dec := consent.Compile(pcfEnv(t, tt.def), consent.Subject{Records: []consent.Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}}}, []consent.Directive{d})
		for _, a := range tt.asks {
			req := consent.Request{Organization: "other", Roles: []string{"physician"}, Purposes: []hie.Purpose{a.purpose}}
			doc := consent.Document{ID: "d", Record: "1", Site: "s", Class: "lab", Confidentiality: "N", LabelState: consent.Labelled}
			if a.edit != nil {
				a.edit(&req, &doc)
			}
			if got := dec.Decide(req, doc, tt.now).Reason.String(); got != a.want {
				t.Errorf("%s, %s: %s, want %s", tt.file, a.what, got, a.want)
			}
		}
	}
}

func TestEveryPCFExampleMayBeFiled(t *testing.T) {
	pcf(t, "ex-consent-basic-treat")
	files, err := filepath.Glob("../../../shared/data/messages/fhir/ihe-pcf/Consent-*.json")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		v, patient, err := ReadFiling(b, noon, time.UTC)
		if err != nil || patient.Reference != "Patient/ex-patient" || v.NetworkWide || v.Signed.IsZero() {
			t.Errorf("%s: %v, wide %t", filepath.Base(f), err, v.NetworkWide)
		}
	}
}

const filing = `{"resourceType":"Consent","id":"theirs","meta":{"profile":["urn:p"],"versionId":"9"},"status":"active",
 "scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
 "category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/p"},"dateTime":"2026-02-01T10:00:00Z",
 "policyRule":{"coding":[{"code":"OPTIN"}]}, "note" : "kept  as it came","provision":{"period":{"start":"2026-01-01","end":"2026-12-31"}}}`

func TestFilingIsRefusedWithThePlaceOfTheFault(t *testing.T) {
	for _, tt := range []struct{ name, old, changed, path string }{
		{"another resource", `"resourceType":"Consent"`, `"resourceType":"Patient"`, "resourceType"},
		{"no status", `"status":"active",`, ``, "Consent.status"},
		{"a status that is none", `"active"`, `"on"`, "Consent.status"},
		{"no scope", `"scope":{`, `"scopes":{`, "Consent.scope"},
		{"no category", `"category":`, `"categories":`, "Consent.category"},
		{"no patient", `"patient":`, `"subject":`, "Consent.patient"},
		{"no dateTime", `"dateTime":`, `"date":`, "Consent.dateTime"},
		{"a dateTime that is none", `2026-02-01T10:00:00Z`, `first of may`, "Consent.dateTime"},
		{"a dateTime to come", `2026-02-01T10:00:00Z`, `2026-03-02`, "Consent.dateTime"},
		{"neither policy nor rule", `"policyRule":`, `"rule":`, "Consent.policy"},
		{"a type that is none", `"provision":{`, `"provision":{"type":"allow",`, "Consent.provision.type"},
		{"a wrong JSON type", `"period":{"start":"2026-01-01"`, `"period":{"start":2026`, "Consent.provision.period.start"},
		{"a member twice", `"status":"active",`, `"status":"active","status":"active",`, "Consent.status"},
		{"a reach that is none", `"status":"active",`, `"status":"active","extension":[{"url":"` + ReachURL + `","valueCode":"moon"}],`, "Consent.extension[0].value"},
		{"absolute without a boolean", `"status":"active",`, `"status":"active","extension":[{"url":"` + AbsoluteURL + `"}],`, "Consent.extension[0].value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(filing, tt.old) {
				t.Fatal("the filing has no such part")
			}
			_, _, err := ReadFiling([]byte(strings.Replace(filing, tt.old, tt.changed, 1)), noon, time.UTC)
			var inv *hie.InvalidError
			if !errors.As(err, &inv) || inv.Path != tt.path {
				t.Errorf("got %v, want a fault at %s", err, tt.path)
			}
		})
	}
}

func TestAFilingSaysHowFarItReaches(t *testing.T) {
	with := func(part string) string {
		return strings.Replace(filing, `"status":"active",`, `"status":"active",`+part, 1)
	}
	reach := func(code string) string {
		return `"extension":[{"url":"` + ReachURL + `","valueCode":"` + code + `"}],`
	}
	for _, tt := range []struct {
		name, in                 string
		wide, absolute, verified bool
	}{
		{"naming nobody it reaches the network", filing, true, false, true},
		{"naming its organisation it does not", with(`"organization":[{"reference":"Organization/o"}],`), false, false, true},
		{"naming a source it does not", strings.Replace(filing, `"provision":{`, `"provision":{"actor":[{"role":{"coding":[{"code":"CST"}]},"reference":{"reference":"Organization/o"}}],`, 1), false, false, true},
		{"it may say network", with(`"organization":[{"reference":"Organization/o"}],` + reach("network")), true, false, true},
		{"it may say site", with(reach("site")), false, false, true},
		{"absolute", with(`"extension":[{"url":"` + AbsoluteURL + `","valueBoolean":true}],`), true, true, true},
		{"not verified", with(`"verification":[{"verified":false}],`), true, false, false},
	} {
		v, _, err := ReadFiling([]byte(tt.in), noon, time.UTC)
		if err != nil || v.NetworkWide != tt.wide || v.Absolute != tt.absolute || v.Verified != tt.verified {
			t.Errorf("%s: wide %t absolute %t verified %t, %v", tt.name, v.NetworkWide, v.Absolute, v.Verified, err)
		}
	}
}

func TestADateWithoutATimeIsReadSoThatItReleasesLess(t *testing.T) {
	day := strings.Replace(filing, "2026-02-01T10:00:00Z", "2026-02-01", 1)
	permit, _, err := ReadFiling([]byte(day), noon, time.UTC)
	if err != nil || !permit.Signed.Equal(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("a permit is signed %v, %v", permit.Signed, err)
	}
	deny, _, err := ReadFiling([]byte(strings.Replace(day, "OPTIN", "OPTOUT", 1)), noon, time.UTC)
	if err != nil || !deny.Signed.Equal(time.Date(2026, 2, 1, 23, 59, 59, 999999000, time.UTC)) {
		t.Errorf("a refusal is signed %v, %v", deny.Signed, err)
	}
}

// TestOfADayOnlyWhatDeniesIsTheLater: a wish that permits and denies, dated to the day, and another wish with its time. Whether the
// permission of one came after the refusal of the other cannot be told of the same day, whichever stands in which.
//
// Source: spec consent 2.8c, vector 79.
func TestOfADayOnlyWhatDeniesIsTheLater(t *testing.T) {
	const additional = `"policy":[{"uri":"` + consent.PolicyAdditional + `"}],`
	elm := `"actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/elm"}}]`
	as := func(id, signed, policy, provision string, filed time.Time) consent.Directive {
		t.Helper()
		in := `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],` +
			`"patient":{"reference":"Patient/p"},"dateTime":"` + signed + `",` + policy + `"provision":` + provision + `}`
		v, _, err := ReadFiling([]byte(in), noon, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		v.Record, v.Number, v.Filed = 1, 1, filed
		d, err := Directive(v)
		if err != nil {
			t.Fatal(err)
		}
		d.ID = id
		return d
	}
	later := noon.Add(-time.Hour)
	const root = `"policyRule":{"coding":[{"code":"OPTIN"}]},`
	mixed := `{"type":"permit","provision":[{"type":"deny","class":[{"code":"lab"}]}]}`
	refusal := `{"type":"deny","class":[{"code":"lab"}]}`
	excepting := `{"type":"deny","provision":[{"type":"permit","class":[{"code":"lab"}],` + elm + `}]}`
	for _, tt := range []struct {
		name       string
		first      string // what was signed on the day
		second     string // and when the other was
		permission bool   // the other is the permission
		release    bool
	}{
		{"a refusal inside a permission, and a permission of that day", mixed, "2026-02-01T10:00:00Z", true, false},
		{"a refusal inside a permission, and a permission of the next day", mixed, "2026-02-02T10:00:00Z", true, true},
		{"a permission inside a refusal, and a refusal of that day", excepting, "2026-02-01T10:00:00Z", false, false},
		{"a permission inside a refusal, and a refusal of the day before", excepting, "2026-01-30T10:00:00Z", false, true},
	} {
		one := as("1", "2026-02-01", root, tt.first, later.Add(-time.Hour))
		if !tt.permission {
			one = as("1", "2026-02-01", `"policyRule":{"coding":[{"code":"OPTOUT"}]},`, tt.first, later)
		}
		other := as("2", tt.second, additional, `{"type":"permit","class":[{"code":"lab"}],`+elm+`}`, later)
		if !tt.permission {
			other = as("2", tt.second, `"policy":[{"uri":"`+consent.PolicyHidden+`"}],`, refusal, later.Add(-time.Hour))
		}
		env, err := consent.NewEnv(consent.Setup{Organizations: []consent.Organization{{ID: "elm"}, {ID: "gh"}}, Sites: []consent.Site{{ID: "s", Org: "gh"}}, Policies: consent.BuiltinPolicies(),
			Defaults: []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}})
		if err != nil {
			t.Fatal(err)
		}
		got := consent.Compile(env, consent.Subject{Records: []consent.Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}}}, []consent.Directive{one, other}).Decide(
			consent.Request{Organization: "elm", Roles: []string{}, Purposes: []hie.Purpose{"TREAT"}},
			consent.Document{ID: "d", Record: "1", Site: "s", Class: "lab", Confidentiality: "N", LabelState: consent.Labelled}, noon)
		if got.Release != tt.release {
			t.Errorf("%s: %s", tt.name, got.Reason)
		}
	}
}

func TestReceivedBytesAreServedButForIDAndMeta(t *testing.T) {
	v := consent.Version{Record: 7, ID: 8, Number: 3, Filed: noon, Content: []byte(filing)}
	got, err := Render(v, "ours")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(filing, `"id":"theirs","meta":{"profile":["urn:p"],"versionId":"9"}`,
		`"id":"ours","meta":{"profile":["urn:p"],"versionId":"3","lastUpdated":"2026-03-01T12:00:00.000Z"}`, 1)
	if squeeze(string(got)) != squeeze(want) || !strings.Contains(string(got), `"kept  as it came"`) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func squeeze(s string) string {
	return strings.NewReplacer("\n", "", `, "`, `,"`, `" : "`, `":"`, ` "`, `"`).Replace(s)
}

func TestARevocationKeepsTheRest(t *testing.T) {
	got, err := Revoked([]byte(filing), false)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := Read(got); err != nil || d.Status != "inactive" || !strings.Contains(string(got), "kept  as it came") {
		t.Errorf("%v: %s", err, got)
	}
	if got, err = Revoked(got, true); err != nil {
		t.Fatal(err)
	}
	if got, err = Revoked(got, true); err != nil { // once is enough
		t.Fatal(err)
	}
	var c fhir.Consent
	if err := fhir.Decode(got, &c); err != nil || len(c.Extension) != 1 || c.Extension[0].URL != ReturnToDefaultURL || !*c.Extension[0].ValueBoolean {
		t.Errorf("%v: %s", err, got)
	}
}

func TestSearchCriteriaFollowFHIR(t *testing.T) {
	v := consent.Version{Status: "active", Content: []byte(filing), Filed: time.Date(2026, 2, 3, 10, 0, 0, 0, time.UTC)}
	for _, tt := range []struct {
		query string
		want  bool
	}{
		{"", true}, {"status=active", true}, {"status=inactive,active", true}, {"status=inactive", false}, {"status:not=inactive", true}, {"status:not=active", false},
		{"status=http://hl7.org/fhir/consent-state-codes|active", true}, {"status=urn:x|active", false},
		{"scope=patient-privacy", true}, {"scope=research", false}, {"scope=http://terminology.hl7.org/CodeSystem/consentscope|", true},
		{"category=http://loinc.org|59284-0", true}, {"category=59284-0&status=inactive", false}, {"_id=me", true}, {"_id=other", false},
		{"date=2026-02-01", true}, {"date=ge2026", true}, {"date=lt2026-02", false}, {"date=gt2026-02-01", false}, {"date=2025,2026", true},
		{"_lastUpdated=ge2026-02-03", true}, {"_lastUpdated=2026-02-01", false}, {"_lastUpdated=gt2026-02-03T11:00:00Z", false},
		{"period=sa2026-12-31", false}, {"period=le2026-06", true}, {"period=eb2026", false}, {"period=ap2026-05", true}, {"period=gt2026", false},
	} {
		ps, err := fhir.ParseParams(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		s, patient, unknown, err := ReadSearch(ps)
		if err != nil || len(patient)+len(unknown) != 0 {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		if got := s.Meets(v, "me"); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.query, got, tt.want)
		}
	}
	for query, path := range map[string]string{"date=soon": "date", "status:exact=active": "status", "patient:Patient=x": "patient", "period:not=2026": "period"} {
		ps, err := fhir.ParseParams(query)
		if err != nil {
			t.Fatal(err)
		}
		_, _, _, err = ReadSearch(ps)
		var inv *hie.InvalidError
		if !errors.As(err, &inv) || inv.Path != path {
			t.Errorf("%s: %v, want a fault at %s", query, err, path)
		}
	}
	if _, patient, unknown, err := ReadSearch([]fhir.Param{{Name: "patient", Values: []string{"x"}}, {Name: "colour", Values: []string{"x"}}}); err != nil || len(patient) != 1 || len(unknown) != 1 {
		t.Errorf("patient and unknown parameters: %v %v %v", patient, unknown, err)
	}
}

func FuzzConsent(f *testing.F) {
	f.Add([]byte(filing))
	for _, name := range []string{"ex-dissent-intermediate-break-glass", "ex-consent-intermediate-data"} {
		if b, err := os.ReadFile("../../../shared/data/messages/fhir/ihe-pcf/Consent-" + name + ".json"); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, _, err := ReadFiling(b, noon, time.UTC)
		if err != nil {
			return
		}
		if v.Signed.After(noon) {
			t.Error("a filing is signed in the future")
		}
		out, err := Render(v, "id")
		if err != nil {
			t.Fatalf("what was filed cannot be served: %v", err)
		}
		first, err1 := Directive(v)
		v.Content = out
		second, err2 := Directive(v)
		if err1 != nil || err2 != nil || first.Status != second.Status || len(first.Policies) != len(second.Policies) || (first.Provision == nil) != (second.Provision == nil) {
			t.Error("what is served does not say what was filed")
		}
		if r, err := Revoked(v.Content, true); err != nil {
			t.Errorf("what was filed cannot be revoked: %v", err)
		} else if d, err := Read(r); err != nil || d.Status != "inactive" {
			t.Error("a revoked consent is not inactive")
		}
	})
}
