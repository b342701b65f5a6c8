package locatorfhir

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/google/go-cmp/cmp"
)

const base = "https://concord.test/fhir"

var site = directory.Site{ID: "s", Org: "o", Zone: "America/New_York", Labelled: true,
	Endpoints: []directory.Endpoint{{ID: "e", Protocol: "fhir-r4", Address: "https://emr.example.org/fhir"}}, Membership: directory.Live}

// known opens ids of the form "d<record>x<pointer>".
var known = Known{Base: base, Now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	Document: func(id string) (locator.Ref, bool) {
		record, ptr, ok := strings.Cut(strings.TrimPrefix(id, "d"), "x")
		r, err1 := strconv.ParseInt(record, 10, 64)
		p, err2 := strconv.ParseInt(ptr, 10, 64)
		return locator.Ref{Record: hie.SourcePatientID(r), ID: hie.PointerID(p)}, ok && strings.HasPrefix(id, "d") && err1 == nil && err2 == nil
	},
	Organization: func(id hie.Identifier) (hie.OrgID, bool) { return "o", id.Value == "urn:org:o" }}

var names = Names{Document: func(r locator.Ref) string { return "d" + r.Record.String() + "x" + r.ID.String() },
	List: func(hie.SourcePatientID, int64) string { return "l" }}

type object = map[string]any

// document is a complete DocumentReference; change edits it.
func document(change ...func(object)) object {
	o := object{"resourceType": "DocumentReference", "status": "current",
		"masterIdentifier": object{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"},
		"identifier":       []any{object{"system": "urn:x", "value": "1"}},
		"contained": []any{object{"resourceType": "Practitioner", "id": "p", "name": []any{object{"given": []any{"Ann"}, "family": "Ek"}}},
			object{"resourceType": "Patient", "id": "pat"}},
		"type": object{"coding": []any{object{"system": "http://loinc.org", "code": "34133-9"}}}, "category": []any{object{"coding": []any{object{"system": "urn:c", "code": "note"}}}},
		"subject": object{"identifier": object{"system": "urn:mrn", "value": "mrn-4711"}}, "date": "2026-01-02T03:04:05Z",
		"author":        []any{object{"reference": "#p"}, object{"identifier": object{"system": "urn:npi", "value": "9"}}},
		"securityLabel": []any{object{"coding": []any{object{"system": locator.SystemConfidentiality, "code": "R"}}}},
		"content": []any{object{"attachment": object{"contentType": "text/plain", "language": "en", "url": "https://emr.example.org/fhir/Binary/7", "size": 11,
			"hash": "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "creation": "2026-01-02", "title": "T"}, "format": object{"system": "urn:f", "code": "f1"}}},
		"context": object{"event": []any{object{"coding": []any{object{"code": "ev"}}}}, "period": object{"start": "2026-01-01", "end": "2026-01"},
			"facilityType": object{"coding": []any{object{"code": "ft"}}}, "practiceSetting": object{"coding": []any{object{"code": "ps"}}},
			"sourcePatientInfo": object{"reference": "#pat"}, "encounter": []any{object{"reference": "Encounter/1"}},
			"related": []any{object{"identifier": object{"system": "urn:r", "value": "2"}}}}}
	for _, c := range change {
		c(o)
	}
	return o
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func attachment(o object) object { return o["content"].([]any)[0].(object)["attachment"].(object) }

func TestADocumentReferenceIsReadWhole(t *testing.T) {
	received := encode(t, document())
	p, err := Read(site, 7, received)
	if err != nil {
		t.Fatal(err)
	}
	utc := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UTC()
	}
	want := locator.Pointer{Record: 7, Site: "s", Status: locator.Current, MasterIdentifier: hie.Identifier{System: "urn:ietf:rfc:3986", Value: "urn:oid:1.2.3"},
		Identifiers: []hie.Identifier{{System: "urn:x", Value: "1"}}, Types: []hie.Coding{{System: "http://loinc.org", Code: "34133-9"}},
		Categories: []hie.Coding{{System: "urn:c", Code: "note"}}, Formats: []hie.Coding{{System: "urn:f", Code: "f1"}}, Settings: []hie.Coding{{Code: "ps"}},
		Facilities: []hie.Coding{{Code: "ft"}}, Events: []hie.Coding{{Code: "ev"}}, Labels: []hie.Coding{{System: locator.SystemConfidentiality, Code: "R"}},
		Authors: []locator.Author{{Given: []string{"Ann"}, Family: "Ek"}, {Reference: "urn:npi|9"}},
		Date:    locator.Span{Start: utc("2026-01-02T03:04:05Z"), End: utc("2026-01-02T03:04:06Z")},
		// Without an offset a date is in the site's zone, here five hours behind UTC.
		Creation:    locator.Span{Start: utc("2026-01-02T05:00:00Z"), End: utc("2026-01-03T05:00:00Z")},
		Period:      locator.Span{Start: utc("2026-01-01T05:00:00Z"), End: utc("2026-02-01T05:00:00Z")},
		ContentType: "text/plain", Language: "en", Title: "T", Size: 11, Hash: []byte("\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09"),
		Location: locator.Location{Site: "s", Endpoint: "e", Path: "Binary/7"}, Related: []string{"urn:r|2"}, Encounters: []string{"Encounter/1"}, Received: received}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A label that cannot be read must not pass for one that is not there.
//
// Source: spec consent 2.2 and 2.15.
func TestALabelNobodyCanReadLeavesTheDocumentUnlabelled(t *testing.T) {
	for name, label := range map[string]any{
		"in words alone": object{"text": "HIV related"}, "a bare coding": object{"system": locator.SystemActCode, "code": "HIV"},
		"a coding without code": object{"coding": []any{object{"system": locator.SystemActCode, "display": "HIV"}}},
		"of a local system":     object{"coding": []any{object{"system": "urn:local", "code": "HIV"}}},
	} {
		p, err := Read(site, 7, encode(t, document(func(o object) { o["securityLabel"] = append(o["securityLabel"].([]any), label) })))
		if err != nil {
			t.Fatal(err)
		}
		if k := locator.KindOf(p.Categories, p.Types, p.Labels, true); k.Labelled {
			t.Errorf("%s: the document counts as labelled in full", name)
		}
	}
}

func TestWhatIsWrongWithADocumentReferenceIsSaid(t *testing.T) {
	for _, tt := range []struct {
		name, path, code string
		change           func(object)
	}{
		{"no status", "status", "required", func(o object) { delete(o, "status") }},
		{"an unknown status", "status", "code-invalid", func(o object) { o["status"] = "final" }},
		{"a modifier extension", "modifierExtension", "extension", func(o object) { o["modifierExtension"] = []any{object{"url": "urn:negated"}} }},
		{"implicit rules", "implicitRules", "not-supported", func(o object) { o["implicitRules"] = "urn:rules" }},
		{"bytes inside", "content[0].attachment.data", "not-supported", func(o object) { attachment(o)["data"] = "AAAA" }},
		{"no address", "content[0].attachment.url", "required", func(o object) { delete(attachment(o), "url") }},
		{"an address elsewhere", "content[0].attachment.url", "value", func(o object) { attachment(o)["url"] = "https://evil.example.org/1" }},
		{"no content type", "content[0].attachment.contentType", "required", func(o object) { delete(attachment(o), "contentType") }},
		{"a hash that is none", "content[0].attachment.hash", "value", func(o object) { attachment(o)["hash"] = "AAAA" }},
		{"a hash not in base64", "content[0].attachment.hash", "value", func(o object) { attachment(o)["hash"] = "!!" }},
		{"a negative size", "content[0].attachment.size", "value", func(o object) { attachment(o)["size"] = -1 }},
		{"two contents", "content", "structure", func(o object) { o["content"] = append(o["content"].([]any), o["content"].([]any)[0]) }},
		{"no content", "content", "structure", func(o object) { delete(o, "content") }},
		{"a date that does not exist", "date", "value", func(o object) { o["date"] = "2026-02-30" }},
		{"a period that ends before it starts", "context.period", "value", func(o object) { o["context"].(object)["period"] = object{"start": "2026-02", "end": "2026-01"} }},
		{"an identifier without value", "masterIdentifier.value", "required", func(o object) { o["masterIdentifier"] = object{"system": "urn:x"} }},
		{"too many categories", "category", "too-long", func(o object) {
			var many []any
			for range maxList + 1 {
				many = append(many, object{"text": "x"})
			}
			o["category"] = many
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read(site, 7, encode(t, document(tt.change)))
			refusedAt(t, err, "DocumentReference."+tt.path, tt.code)
		})
	}
	_, err := Read(site, 7, encode(t, document(func(o object) { o["description"] = strings.Repeat("x", maxResource) })))
	refusedAt(t, err, "DocumentReference", "too-long")
	if _, err := Read(site, 7, []byte(`{"resourceType":"Patient"}`)); err == nil {
		t.Error("another resource was read")
	}
}

func refusedAt(t *testing.T, err error, path, code string) {
	t.Helper()
	var inv *hie.InvalidError
	if !errors.As(err, &inv) {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	if inv.Path != path || inv.Code != code {
		t.Errorf("refused at %s with %s, want %s with %s (%s)", inv.Path, inv.Code, path, code, inv.Rule)
	}
}

func TestServedBytesAreTheReceivedButForIdsAndLinks(t *testing.T) {
	received := []byte(`{"resourceType":"DocumentReference","meta":{"profile":["urn:p"],"versionId":"99"},"id":"theirs","status":"current","x-unknown":{"n":1.50},` +
		`"subject":{"identifier":{"system":"urn:mrn","value":"mrn-4711"},"display":"Zyxquill"},"content":[{"attachment":{"url":"https://emr.example.org/fhir/Binary/7","contentType":"text/plain"},"format":{"code":"f"}}]}`)
	p := locator.Pointer{Record: 7, ID: 8, Status: locator.Superseded, Version: 2, Updated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Received: received}
	got := string(DocumentReference(p, Public{ID: "d7x8", Patient: "p7", URL: base + "/Binary/h"}))
	want := `{"resourceType":"DocumentReference","meta":{"profile":["urn:p"],"versionId":"2","lastUpdated":"2026-01-02T03:04:05.000Z"},"id":"d7x8","status":"superseded","x-unknown":{"n":1.50},` +
		`"subject":{"reference":"Patient/p7"},"content":[{"attachment":{"url":"https://concord.test/fhir/Binary/h","contentType":"text/plain"},"format":{"code":"f"}}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, damaged := range []string{"", "[]", `{"content":7}`} {
		p.Received = []byte(damaged)
		if b := DocumentReference(p, Public{ID: "d"}); strings.Contains(string(b), "emr.example") {
			t.Errorf("damage shows an address")
		}
	}
}

func TestSearchParameters(t *testing.T) {
	read := func(query string) (Search, error) {
		ps, err := fhir.ParseParams(query)
		if err != nil {
			t.Fatal(err)
		}
		return ReadSearch(ps, known)
	}
	p, err := Read(site, 7, encode(t, document()))
	if err != nil {
		t.Fatal(err)
	}
	p.ID, p.Custodian = 8, "o"
	for _, tt := range []struct {
		query string
		want  bool
	}{
		{"", true},
		{"status=current", true}, {"status=superseded", false}, {"status=superseded,current", true}, {"status=current&status=superseded", false},
		{"status=http://hl7.org/fhir/document-reference-status|current", true},
		{"type=34133-9", true}, {"type=http://loinc.org|34133-9", true}, {"type=http://loinc.org|", true}, {"type=|34133-9", false}, {"type=x,34133-9", true},
		{"type=34133-9&type=x", false}, {"type=HTTP://loinc.org|34133-9", false},
		{"category=note", true}, {"category=urn:c|note", true}, {"category=34133-9", false},
		{"setting=ps", true}, {"setting=|ps", true}, {"facility=ft", true}, {"event=ev", true}, {"event=urn:x|ev", false}, {"format=urn:f|f1", true},
		{"security-label=R", true}, {"security-label=" + locator.SystemConfidentiality + "|N", false},
		{"identifier=urn:oid:1.2.3", true}, {"identifier=urn:ietf:rfc:3986|urn:oid:1.2.3", true}, {"identifier=urn:x|1", true}, {"identifier=urn:y|1", false},
		{"date=2026-01-02", true}, {"date=ge2026-01-02&date=lt2026-01-03", true}, {"date=gt2026-01-02", false}, {"date=2026", true}, {"date=2025,2026", true},
		{"creation=2026-01-02", false}, {"creation=2026-01", true}, {"creation=ge2026-01-02T05:00:00Z", true},
		{"period=ge2026-01-15&period=le2026-01-20", true}, {"period=sa2026-02-02", false}, {"period=2026", true},
		{"author.given=an", true}, {"author.given=bo", false}, {"author.family=EK", true}, {"author.family:exact=Ek", true}, {"author.family:exact=ek", false},
		{"author.given=an&author.family=ek", true},
		{"related=urn:r|2", true}, {"related:identifier=urn:r|2", true}, {"related.identifier=urn:r|2", true}, {"related=Encounter/1", true}, {"encounter=Encounter/1", true}, {"encounter=Encounter/2", false},
		{"custodian=o", true}, {"custodian=Organization/o", true}, {"custodian=" + base + "/Organization/o", true}, {"custodian=x", false},
		{"custodian.identifier=|urn:org:o", true}, {"custodian:identifier=urn:ietf:rfc:3986|urn:org:x", false},
		{"_id=d7x8", true}, {"_id=d7x9", false}, {"_id=d7x9,d7x8", true}, {"_id=d7x8&_id=d7x9", false}, {"_id=nonsense", false},
		{"contenttype=text/plain", true}, {"language=en", true}, {"language=es", false}, {"_sort=-date", true},
	} {
		s, err := read(tt.query)
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		if got := s.Filter.Matches(p); got != tt.want {
			t.Errorf("%s matches = %v, want %v", tt.query, got, tt.want)
		}
	}
	for _, tt := range []struct{ query, path string }{
		{"status:not=current", "status"}, {"type:not=x", "type"}, {"type:text=x", "type"}, {"status=final", "status"}, {"date=yesterday", "date"},
		{"date:missing=true", "date"}, {"author.family:contains=k", "author.family"}, {"type=|", "type"}, {"_sort=date", "_sort"},
		{"patient=a&patient=b", "patient"}, {"patient=a,b", "patient"}, {"patient=a&patient.identifier=urn:x|1", "patient.identifier"}, {"patient.identifier=1", "patient.identifier"},
		{"patient.identifier=|1", "patient.identifier"}, {"patient=https://elsewhere.example/fhir/Patient/1", "patient"}, {"patient:Group=1", "patient"},
		{"type=" + strings.Repeat("a,", maxAlternatives) + "a", "type"},
	} {
		_, err := read(tt.query)
		var inv *hie.InvalidError
		if !errors.As(err, &inv) || inv.Path != tt.path {
			t.Errorf("%.40s: %v, want a refusal at %s", tt.query, err, tt.path)
		}
	}
	s, err := read("patient=Patient/abc&_lastUpdated=gt2020&frobnicate=1")
	if err != nil || s.PatientID != "abc" || !cmp.Equal(s.Unknown, []string{"_lastUpdated", "frobnicate"}) {
		t.Errorf("patient %q, unknown %v, %v", s.PatientID, s.Unknown, err)
	}
	for _, q := range []string{"patient.identifier=urn:mrn|1", "patient:identifier=urn:mrn|1", "subject:identifier=urn:mrn|1", "subject.identifier=urn:mrn|1"} {
		if s, err := read(q); err != nil || s.Patient.System != "urn:mrn" || s.Patient.Value != "1" {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// shared returns the messages of the standard beside the repository, or skips.
func shared(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "data", "messages", "fhir", pattern))
	if err != nil || len(files) == 0 {
		t.Skip("the standard's messages are not beside this repository (../shared/data/messages)")
	}
	return files
}

func TestTheStandardsExamplesAreAnsweredAsExpected(t *testing.T) {
	want := map[string]string{ // what each request bundle of MHD is refused for as it stands: it carries its document
		"Bundle-ex-minimalProvideDocumentBundleSimple.json":                    "not-supported Bundle.entry[2]",
		"Bundle-ex-minimalProvideDocumentBundleSimpleContained.json":           "not-supported Bundle.entry[2]",
		"Bundle-ex-comprehensiveProvideDocumentBundleSimple.json":              "not-supported Bundle.entry[2]",
		"Bundle-ex-comprehensiveProvideDocumentBundleReplace.json":             "not-supported Bundle.entry[3]",
		"Bundle-ex-comprehensiveProvideDocumentBundleMultiple.json":            "not-supported Bundle.entry[3]",
		"Bundle-ex-comprehensiveProvideDocumentBundleComplete.json":            "not-supported Bundle.entry[3]",
		"Bundle-ex-unContainedComprehensiveProvideDocumentBundleComplete.json": "not-supported Bundle.entry[2]",
		"Bundle-ex-ProvideDocumentBundle-addToFolder.json":                     "not-supported Bundle.entry[2].request",
		"Bundle-ex-comprehensiveProvideDocumentBundleDocument.json":            "not-supported Bundle.entry[2]",
		"Bundle-ex-findDocumentReferencesResponse.json":                        "not-supported Bundle.type",
		"Bundle-ex-response-minimalProvideDocumentBundleSimple.json":           "not-supported Bundle.type",
		"Bundle-ex-dummyBundleDocAndBinary.json":                               "required Bundle.meta.profile",
		"Bundle-ex-fhir-document-bundle.json":                                  "not-supported Bundle.type",
		"Bundle-ex-findDocumentListsResponse.json":                             "not-supported Bundle.type",
	}
	seen := 0
	for _, name := range shared(t, "ihe-mhd/Bundle-*.json") {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		expected, listed := want[filepath.Base(name)]
		if !listed {
			continue
		}
		seen++
		_, err = ReadProvision(body, known)
		var inv *hie.InvalidError
		if !errors.As(err, &inv) || inv.Code+" "+inv.Path != expected {
			t.Errorf("%s: %v, want %s", filepath.Base(name), err, expected)
		}
	}
	if seen < 10 {
		t.Errorf("only %d examples were found", seen)
	}
}

// With the bytes left at the site and the patient named, the same requests are accepted.
func TestTheStandardsExamplesAreAcceptedOnceTheirBytesStayAtTheSite(t *testing.T) {
	for _, tt := range []struct {
		name        string
		docs, lists int
	}{
		{"minimalProvideDocumentBundleSimple", 1, 1}, {"minimalProvideDocumentBundleSimpleContained", 1, 1}, {"comprehensiveProvideDocumentBundleSimple", 1, 1},
		{"comprehensiveProvideDocumentBundleReplace", 1, 1}, {"comprehensiveProvideDocumentBundleMultiple", 2, 1},
		{"comprehensiveProvideDocumentBundleComplete", 1, 2}, {"unContainedComprehensiveProvideDocumentBundleComplete", 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ReadProvision(adapted(t, shared(t, "ihe-mhd/Bundle-ex-"+tt.name+".json")[0], nil), known)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Prepare(site, 7, names)
			if err != nil || len(got.Documents) != tt.docs || len(got.Lists) != tt.lists {
				t.Fatalf("%d documents, %d lists, %v", len(got.Documents), len(got.Lists), err)
			}
			ptr := got.Documents[0].Pointer
			if ptr.Record != 7 || ptr.MasterIdentifier.IsZero() || len(ptr.Hash) != 20 {
				t.Errorf("the pointer lacks record, identifier or hash")
			}
			if tt.name == "comprehensiveProvideDocumentBundleReplace" && (len(ptr.Relations) != 1 || ptr.Relations[0].Target != locator.Ref{Record: 7, ID: 1}) {
				t.Errorf("relations = %+v", ptr.Relations)
			}
		})
	}
}

// adapted reads a request of the standard, takes its Binary entries out, points its documents to the site and to
// patients and documents that are known here, and lets change do more.
func adapted(t testing.TB, name string, change func(object)) []byte {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("Patient/ex-patient", "Patient/p7", "DocumentReference/ex-documentreference", "DocumentReference/d7x1",
		"DocumentReference/ex-DocumentReferenceComprehensive", "DocumentReference/d7x2").Replace(string(body))
	var b object
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	var entries []any
	for i, e := range b["entry"].([]any) {
		r := e.(object)["resource"].(object)
		switch r["resourceType"] {
		case "Binary":
			continue
		case "DocumentReference":
			attachment(r)["url"] = "https://emr.example.org/fhir/Binary/" + strconv.Itoa(i)
			if r["subject"] == nil {
				r["subject"] = object{"reference": "Patient/p7"}
			}
		case "Patient":
			r["identifier"] = []any{object{"system": "urn:mrn", "value": "1"}}
		}
		entries = append(entries, e)
	}
	b["entry"] = entries
	if change != nil {
		change(b)
	}
	return encode(t, b)
}

func TestTheUSCoreExamples(t *testing.T) {
	for _, name := range shared(t, "us-core/DocumentReference-*.json") {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ReadPublished(body, known)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
			continue
		}
		at := directory.Site{ID: "s", Zone: "UTC", Endpoints: []directory.Endpoint{{ID: "e", Address: "http://example.org/fhir"}}, Membership: directory.Live}
		_, err = Read(at, 7, body)
		if filepath.Base(name) == "DocumentReference-episode-summary.json" {
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(name), err)
			}
			continue
		}
		refusedAt(t, err, "DocumentReference.content[0].attachment.data", "not-supported")
	}
}
