package consentfhir

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

var update = flag.Bool("update", false, "write the golden files anew")

// unsayable are wishes that hold something no directive can say. TYPE is permit or deny, and KEPT stands where what must not
// get lost stands.
var unsayable = []struct {
	name string
	root string // members of the Consent besides the common ones
	node string // members of the provision
	// held says that the whole wish is held and the desk told so; else one value alone is unknown.
	held bool
}{
	{"an unknown modifier extension on the Consent", `"modifierExtension":[{"url":"urn:KEPT","valueBoolean":true}],`, ``, true},
	{"an unknown modifier extension on a provision", ``, `,"modifierExtension":[{"url":"urn:KEPT","valueBoolean":true}]`, true},
	{"an unknown modifier extension on an actor", ``, `,"actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/other"},"modifierExtension":[{"url":"urn:KEPT","valueBoolean":true}]}]`, true},
	{"an unknown modifier extension on an actor of an exception", ``, `,"provision":[{"type":"TYPE","actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/other"},"modifierExtension":[{"url":"urn:KEPT","valueBoolean":true}]}]}]`, true},
	{"an unknown modifier extension on a document it names", ``, `,"data":[{"meaning":"instance","reference":{"reference":"DocumentReference/d"},"modifierExtension":[{"url":"urn:KEPT","valueBoolean":true}]}]`, true},
	{"an unknown modifier extension on a policy", `"policy":[{"uri":"https://concord-hie.org/policies/sharing","modifierExtension":[{"url":"urn:KEPT","valueBoolean":true}]}],`, ``, true},
	{"an unknown modifier extension on a verification", `"verification":[{"verified":true,"modifierExtension":[{"url":"urn:KEPT","valueBoolean":true}]}],`, ``, true},
	{"an unknown modifier extension on the role an actor has", `"contained":[{"resourceType":"PractitionerRole","id":"r","organization":{"reference":"Organization/other"},"modifierExtension":[{"url":"urn:KEPT","valueBoolean":true}]}],`,
		`,"actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"#r"}}]`, true},
	{"rules it says must be known", `"implicitRules":"urn:KEPT",`, ``, true},
	{"an exception inside an exception inside an exception inside one", ``, `,"provision":[{"type":"TYPE","provision":[{"type":"TYPE","provision":[{"type":"TYPE","provision":[{"type":"TYPE","class":[{"code":"KEPT"}]}]}]}]}]`, true},
	{"an exception that does not say what it does", ``, `,"provision":[{"class":[{"code":"KEPT"}]}]`, true},
	{"a period upside down", ``, `,"period":{"start":"2027-01-01","end":"2026-01-01","id":"KEPT"}`, true},
	{"a period of data upside down", ``, `,"dataPeriod":{"start":"2027-01-01","end":"2026-01-01","id":"KEPT"}`, true},
	{"a policy nobody registered", `"policy":[{"uri":"urn:KEPT"}],`, ``, true},
	{"both of two policies that contradict each other", `"policyRule":{"id":"KEPT","coding":[{"code":"OPTIN"},{"code":"OPTOUT"}]},`, ` `, true},
	{"a signer who may not sign", `"performer":[{"reference":"RelatedPerson/KEPT"}],`, ``, true},
	{"an actor nobody can resolve", ``, `,"actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/KEPT"}}]`, false},
	{"an actor of a kind there is no word for", ``, `,"actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Group/KEPT"}}]`, false},
	{"a label nobody knows", ``, `,"securityLabel":[{"system":"urn:local","code":"KEPT"}]`, false},
	{"a purpose nobody knows", ``, `,"purpose":[{"system":"urn:local","code":"KEPT"}]`, false},
	{"an action nobody knows", ``, `,"action":[{"coding":[{"code":"KEPT"}]}]`, false},
	{"what depends on a document", ``, `,"data":[{"meaning":"dependents","reference":{"reference":"DocumentReference/KEPT"}}]`, false},
	{"data of a kind there is no word for", ``, `,"data":[{"meaning":"instance","reference":{"reference":"Observation/KEPT"}}]`, false},
}

// TestWhatCannotBeSaidIsHeldAndNeverDropped files wishes with something no directive can say, as they came and as they are
// exported and filed again: as a permission it opens nothing, as a refusal it acts, and what was not understood is served as it
// was received.
//
// Source: spec consent 2.2, 2.7 and section 6, scenario 10; issue "Consent" (held, never dropped).
func TestWhatCannotBeSaidIsHeldAndNeverDropped(t *testing.T) {
	for _, tt := range unsayable {
		for _, kind := range []string{"permit", "deny"} {
			t.Run(tt.name+", "+kind, func(t *testing.T) {
				rule := map[string]string{"permit": "OPTIN", "deny": "OPTOUT"}[kind]
				root := tt.root
				if !strings.Contains(root, "policy") {
					root += `"policyRule":{"coding":[{"code":"` + rule + `"}]},`
				}
				in := `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],` +
					`"patient":{"reference":"Patient/p"},"dateTime":"2026-02-01T10:00:00Z",` + root + `"provision":{"type":"TYPE"` + tt.node + `}}`
				if strings.Contains(tt.root, "OPTOUT") { // the root type would settle it
					in = strings.Replace(in, `"type":"TYPE" `, `"purpose":[{"code":"TREAT"}]`, 1)
				}
				if !strings.Contains(in, `"performer"`) {
					in = strings.Replace(in, `"dateTime"`, `"performer":[{"reference":"Patient/p"}],"dateTime"`, 1)
				}
				in = strings.ReplaceAll(in, "TYPE", kind)
				first, second := travelled(t, []byte(in), 1, 1, noon.Add(-time.Hour))
				for what, v := range map[string]consent.Version{"as received": first, "exported and filed again": second} {
					served, err := Render(v, "ours")
					if err != nil || !strings.Contains(string(served), "KEPT") {
						t.Errorf("%s: what was not understood was dropped (%v)", what, err)
					}
					d, err := Directive(v)
					if err != nil {
						t.Fatal(err)
					}
					// The default would do the opposite.
					env := pcfEnv(t, map[string]string{"permit": "deny", "deny": "permit"}[kind])
					got := consent.Compile(env, consent.Subject{Records: []consent.Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}}}, []consent.Directive{d}).
						Explain(consent.Request{Organization: "other", Roles: []string{}, Purposes: []hie.Purpose{"TREAT"}},
							consent.Document{ID: "d", Record: "1", Site: "s", Class: "lab", Confidentiality: "N", LabelState: consent.Labelled}, noon)
					if got.Decision.Release {
						t.Errorf("%s: released, %v", what, got.Decision.Reason)
					}
					if held := got.Directives[0].State == "held"; tt.held && !held || tt.held && len(got.Directives[0].Why) == 0 {
						t.Errorf("%s: the desk is told %q, %q", what, got.Directives[0].State, got.Directives[0].Why)
					}
				}
			})
		}
	}
}

// TestWhatWeComposeAndServeIsKeptForTheCheck holds every form as a patient signs it, and R5 Consents as they are exported in R4,
// in golden files, which test/fhircheck gives to a validator nobody here wrote (-update writes them anew).
func TestWhatWeComposeAndServeIsKeptForTheCheck(t *testing.T) {
	answers := map[string]consent.Answers{"chosen-organizations": {Organizations: []hie.OrgID{"elm", "oak"}, Until: "2027-06-30"},
		"hide-groups": {Labels: []string{"HIV"}}, "part2-treatment": {Organizations: []hie.OrgID{"dawn"}}}
	files := map[string][]byte{}
	for _, form := range consent.BuiltinTemplates() {
		root, err := form.Fill(answers[form.ID])
		if err != nil {
			t.Fatal(err)
		}
		files["form-"+form.ID] = Compose(form, root, Signing{Patient: fhir.Reference{Reference: "Patient/p"}, Performer: fhir.Reference{Reference: "RelatedPerson/m"}, Signed: noon.Add(-time.Hour),
			Verified: form.Absolute, Language: "es"})
	}
	files["r5-refusal"] = []byte(r5OptOut)
	files["r5-permission"] = []byte(strings.Replace(r5OptOut, `"decision":"deny"`, `"decision":"permit"`, 1))
	files["r5-expression"] = []byte(strings.Replace(r5OptOut, `"purpose":[`, `"expression":{"language":"text/cql","expression":"x"},"purpose":[`, 1))
	files["r5-later-element"] = []byte(strings.Replace(r5OptOut, `"decision"`, `"mood":"blue","decision"`, 1))
	for name, in := range files {
		v, _, err := ReadFiling(in, noon, time.UTC)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v.ID, v.Number, v.Record, v.Filed = 1, 1, 1, noon
		got, err := Exported(v, hie.Identifier{System: "urn:x", Value: "1"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		file := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != string(got)+"\n" {
			t.Errorf("%s is exported otherwise than testdata says (%v):\n%s", name, err, got)
		}
	}
}
