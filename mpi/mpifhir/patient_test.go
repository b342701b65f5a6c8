package mpifhir

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the golden files")

// maria says everything a Patient may say to the index.
const maria = `{
  "resourceType": "Patient", "id": "sender-1",
  "meta": {"versionId": "77", "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]},
  "extension": [
    {"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": "Quintana"},
    {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": {"city": "Bath"}}],
  "identifier": [
    {"use": "usual", "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}, "system": "urn:oid:1.1", "value": "M-1"},
    {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "123-45-6788"},
    {"system": "http://hl7.org/fhir/sid/us-mbi", "value": "1EG4-TE5-MK73", "period": {"start": "2021"}},
    {"system": "urn:oid:2.16.840.1.113883.4.3.24", "value": "MD123"},
    {"system": "urn:empty"}, {"value": "nobody says whose"}],
  "active": true,
  "name": [
    {"use": "official", "family": "Lopez", "given": ["Maria", "Elena"], "suffix": ["Jr"]},
    {"use": "maiden", "family": "Garcia", "period": {"end": "1999-06"}},
    {"use": "nickname", "text": "Mia"}],
  "telecom": [{"system": "phone", "value": "410-555-0101", "use": "mobile"}, {"system": "email", "value": "m@example.org"}],
  "gender": "female", "birthDate": "1970-03", "deceasedDateTime": "2024-05-01T10:00:00-05:00",
  "address": [{"use": "home", "line": ["1 Elm St", "Apt 2"], "city": "Towson", "state": "MD", "postalCode": "21204", "country": "US"}],
  "multipleBirthInteger": 2,
  "contact": [
    {"relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N"}]}], "name": {"family": "Lopez", "given": ["Pedro"]}},
    {"relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}], "name": {"family": "Lopez", "given": ["Rosa"]}},
    {"relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUARD"}]}]}],
  "photo": [{"contentType": "image/png", "data": "AAAA"}],
  "link": [{"other": {"reference": "Patient/sender-9"}, "type": "seealso"}]
}`

func TestAPatientIsReadWhole(t *testing.T) {
	p, err := Read([]byte(maria))
	if err != nil {
		t.Fatal(err)
	}
	r := p.Registration("mercy-main", hie.Identifier{System: "urn:oid:1.1", Value: "M-1"})
	want := mpi.Demographics{
		Names: []mpi.Name{
			{Use: "official", Family: "Lopez", Given: []string{"Maria", "Elena"}, Suffix: []string{"Jr"}},
			{Use: "maiden", Family: "Garcia", Period: mpi.Period{End: mpi.Date{Year: 1999, Month: 6}}},
			{Use: "nickname", Text: "Mia"}},
		Birth: mpi.Date{Year: 1970, Month: 3}, Sex: mpi.Female,
		Addresses: []mpi.Address{{Use: "home", Lines: []string{"1 Elm St", "Apt 2"}, City: "Towson", State: "MD", PostalCode: "21204", Country: "US"}},
		Telecoms:  []mpi.Telecom{{System: "phone", Value: "410-555-0101", Use: "mobile"}, {System: "email", Value: "m@example.org"}},
		Identifiers: []mpi.Identifier{
			{Identifier: hie.Identifier{System: "http://hl7.org/fhir/sid/us-ssn", Value: "123-45-6788"}, Type: "SS"},
			{Identifier: hie.Identifier{System: "http://hl7.org/fhir/sid/us-mbi", Value: "1EG4-TE5-MK73"}, Type: "MC", Period: mpi.Period{Start: mpi.Date{Year: 2021}}},
			{Identifier: hie.Identifier{System: "urn:oid:2.16.840.1.113883.4.3.24", Value: "MD123"}, Type: "DL"}},
		Multiple:          mpi.MultipleBirth{Known: true, Multiple: true, Order: 2},
		MothersMaidenName: "Quintana",
		Guardians:         []mpi.Name{{Family: "Lopez", Given: []string{"Rosa"}}},
		Deceased:          mpi.Deceased{Known: true, Dead: true, On: mpi.Date{Year: 2024, Month: 5, Day: 1}},
	}
	if d := cmp.Diff(want, r.Demographics, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if !r.Active || r.Site != "mercy-main" || string(r.Received) != maria {
		t.Error("a registration is active, of its site, and keeps the bytes it came in")
	}
}

func TestWhatAPatientMayNotSayIsRefusedWithItsPlace(t *testing.T) {
	for _, tt := range []struct{ name, body, path, code string }{
		{"another resource", `{"resourceType":"Person"}`, "resourceType", ""},
		{"a date that does not exist", `{"resourceType":"Patient","birthDate":"1999-02-30"}`, "Patient.birthDate", "value"},
		{"a birth date with a time", `{"resourceType":"Patient","birthDate":"1999-02-03T10:00:00Z"}`, "Patient.birthDate", "value"},
		{"an unknown gender", `{"resourceType":"Patient","gender":"F"}`, "Patient.gender", "code-invalid"},
		{"an unknown use of a name", `{"resourceType":"Patient","name":[{},{"use":"alias"}]}`, "Patient.name[1].use", "code-invalid"},
		{"a bad period", `{"resourceType":"Patient","name":[{"period":{"end":"never"}}]}`, "Patient.name[0].period.end", "value"},
		{"a wrong type", `{"resourceType":"Patient","name":[{"family":["x"]}]}`, "Patient.name[0].family", "structure"},
		{"a name twice in one object", `{"resourceType":"Patient","gender":"male","gender":"female"}`, "Patient.gender", "structure"},
		{"a meaning it cannot know", `{"resourceType":"Patient","modifierExtension":[{"url":"urn:not"}]}`, "Patient.modifierExtension", "extension"},
		{"rules it cannot know", `{"resourceType":"Patient","implicitRules":"urn:x"}`, "Patient.implicitRules", "not-supported"},
		{"dead and when at once", `{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}`, "Patient.deceased", "structure"},
		{"twin and which at once", `{"resourceType":"Patient","multipleBirthBoolean":true,"multipleBirthInteger":1}`, "Patient.multipleBirth", "structure"},
		{"a tenth child", `{"resourceType":"Patient","multipleBirthInteger":10}`, "Patient.multipleBirthInteger", "value"},
		{"replaced but active", `{"resourceType":"Patient","link":[{"type":"replaced-by","other":{"identifier":{"system":"a","value":"b"}}}]}`, "Patient.active", "business-rule"},
		{"replaced by nobody", `{"resourceType":"Patient","active":false,"link":[{"type":"replaced-by","other":{"display":"x"}}]}`, "Patient.link[0].other", "required"},
		{"replaced by two", `{"resourceType":"Patient","active":false,"link":[{"type":"replaced-by","other":{"reference":"Patient/1"}},{"type":"replaced-by","other":{"reference":"Patient/2"}}]}`, "Patient.link[1]", "business-rule"},
		{"too long a name", `{"resourceType":"Patient","name":[{"family":"` + strings.Repeat("x", 2000) + `"}]}`, "Patient.name[0].family", "too-long"},
		{"too many names", `{"resourceType":"Patient","name":[` + strings.Repeat("{},", 100) + `{}]}`, "Patient.name", "too-long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read([]byte(tt.body))
			inv, ok := errors.AsType[*hie.InvalidError](err)
			if !ok || inv.Path != tt.path || inv.Code != tt.code {
				t.Errorf("err = %#v, want %s at %s", inv, tt.code, tt.path)
			}
		})
	}
}

func TestARegistrationIsServed(t *testing.T) {
	p, err := Read([]byte(maria))
	if err != nil {
		t.Fatal(err)
	}
	r := p.Registration("mercy-main", hie.Identifier{System: "urn:oid:1.1", Value: "M-1"})
	sp := mpi.SourcePatient{Record: 1, Site: r.Site, Local: r.Local, Demographics: r.Demographics, Received: r.Received, Active: true,
		Version: 3, Updated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	merged := sp
	merged.AliasOf = 2
	hl7 := sp
	hl7.Received = []byte("MSH|^~\\&|...")
	for _, tt := range []struct {
		golden string
		got    []byte
	}{
		{"own.json", Own(sp, "public", "")},
		{"own-merged.json", Own(merged, "public", "survivor")},
		{"own-hl7v2.json", Own(hl7, "public", "")},
		{"other.json", Other(sp, "public")},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			got := jsontext.Value(tt.got)
			if err := got.Indent(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", tt.golden)
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)+"\n"); d != "" {
				t.Errorf("(-golden +got)\n%s", d)
			}
		})
	}
	for _, secret := range []string{"123-45-6788", "1EG4", "MD123", "Elm", "410-555", "example.org", "Quintana", "Rosa", "Pedro"} {
		if strings.Contains(string(Other(sp, "public")), secret) {
			t.Errorf("another organisation is told %q", secret)
		}
	}
}

// shared is where messages written by others lie; they are read there and never copied.
const shared = "../../../shared/data/messages/fhir/"

func TestPatientsWrittenByOthersAreRead(t *testing.T) {
	files, err := filepath.Glob(shared + "*/Patient-*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the shared sample messages are not on this machine")
	}
	more, err := filepath.Glob(shared + "opencr-demo/patient*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, more...) {
		t.Run(filepath.Base(f), func(t *testing.T) {
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Read(body)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if len(p.Demographics.Names) == 0 && !strings.Contains(f, "INCOMPLETE") {
				t.Error("no name was read")
			}
			if strings.Contains(f, "ResolvedBy") && p.ReplacedBy.Identifier.Value != "IHERED-994" {
				t.Error("the survivor of PIXm's example was not read")
			}
		})
	}
	ndjson, err := os.ReadFile(shared + "synthea/synthea_patients.ndjson")
	if err != nil {
		t.Skip("no Synthea patients on this machine")
	}
	for line := range strings.Lines(string(ndjson)) {
		p, err := Read([]byte(line))
		if err != nil {
			t.Fatalf("a Synthea patient was refused: %v", err)
		}
		types := map[string]bool{}
		for _, id := range p.Demographics.Identifiers {
			types[id.Type] = true
		}
		if !types["MR"] || !types["SS"] || p.Demographics.MothersMaidenName == "" || p.Demographics.Birth.Day == 0 {
			t.Error("a Synthea patient lost its numbers, its mother's name or its birthday")
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(maria))
	f.Add([]byte(`{"resourceType":"Patient","active":false,"link":[{"type":"replaced-by","other":{"reference":"Patient/1"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Read(b)
		if err != nil {
			if _, ok := errors.AsType[*hie.InvalidError](err); !ok {
				t.Errorf("a Patient that cannot be read gives %T", err)
			}
			return
		}
		r := p.Registration("s", hie.Identifier{System: "a", Value: "b"})
		sp := mpi.SourcePatient{Local: r.Local, Demographics: r.Demographics, Received: b, Active: true, Version: 1}
		again, err := Read(Own(sp, "x", ""))
		if err != nil {
			t.Fatalf("what was read is served so that it cannot be read: %v", err)
		}
		if d := cmp.Diff(p.Demographics, again.Demographics, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("serving changed it (-received +served)\n%s", d)
		}
		other, err := Read(Other(sp, "x"))
		if err != nil {
			t.Fatalf("the form for others cannot be read: %v", err)
		}
		if len(other.Demographics.Identifiers) > 1 || other.Demographics.Addresses != nil || other.Demographics.Telecoms != nil {
			t.Error("the form for others says more than who it is")
		}
	})
}

func FuzzReadOperations(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient"}},{"name":"count","valueInteger":3}]}`), "family=x&birthdate=ge1970-03&identifier=a%7Cb")
	f.Add([]byte(`{"resourceType":"Parameters","parameter":[{"name":"sourceIdentifier","valueString":"a|b"}]}`), "sourceIdentifier=a%7Cb&targetSystem=c")
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		_, _ = ReadMatch(body)
		if q, err := ReadCrossReferenceBody(body); err == nil && (q.Source.System == "" || q.Source.Value == "") {
			t.Error("a cross-reference query without a whole identifier was accepted")
		}
		ps, err := fhir.ParseParams(query)
		if err != nil {
			return
		}
		_, _ = ReadCrossReference(ps)
		if s, err := ReadSearch(ps); err == nil {
			s.Meets(mpi.SourcePatient{})
		}
	})
}
