package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// A bad is a request with one thing wrong with it and what it must get: a status and an issue with a code, at an
// expression where there is a place.
type bad struct {
	name             string
	who              caller
	request          string // method and target, with {names} of the town
	body             string // with {names}; its media type is FHIR JSON unless headers say else
	headers          []string
	status           int
	code, expression string
}

// A caller is a client and what it says of itself.
type caller struct {
	client string
	as     asker
}

// badInput is issue 2, "What bad input gets", row by row.
func badInput(w *town) []bad {
	feed, emr := caller{"harbor-main-feed", feeding}, caller{"riverside-clinic-emr", treating}
	payer, claimant := caller{"riverside-clinic-emr", asPayer}, caller{"riverside-clinic-emr", claiming}
	refuser, steward := caller{"patient-app", patientActs(w.real["refuser"])}, caller{"steward-desk", asSteward}
	officer, auditor := caller{"privacy-desk", asOfficer}, caller{"auditor-desk", asReader}
	const (
		own      = "PUT /fhir/Patient?identifier={system}%7C{local}"
		find     = "GET /fhir/DocumentReference?patient.identifier={system}%7C{local}"
		document = "/fhir/DocumentReference"
		consent  = "POST /fhir/Consent"
		match    = "POST /fhir/Patient/$match"
	)
	patient := func(rest string) string {
		return `{"resourceType":"Patient","identifier":[{"system":"{system}","value":"{local}"}]` + rest + `}`
	}
	reference := func(old, new string) string { return changed(w, "reference", old, new) }
	filing := func(old, new string) string { return changed(w, "filing", old, new) }
	claim := func(old, new string) string { return changed(w, "claim", old, new) }
	strict := []string{"Prefer", "handling=strict"}
	media := func(v string) []string { return []string{"Content-Type", v} }
	big := strings.Repeat(" ", 16<<20)
	verdict := "POST /admin/v1/match/verdicts"
	good := `{"records":["{first}","{second}"],"verdict":"different","reason":"x"}`

	return []bad{
		// A member twice: two readers would see two requests.
		{"a Patient says active twice", feed, own, patient(`,"active":true,"active":false`), nil, 400, "structure", "Patient.active"},
		{"a name says family twice", feed, own, patient(`,"name":[{"family":"A","family":"B"}]`), nil, 400, "structure", "Patient.name[0].family"},
		{"an attachment says url twice", feed, "POST " + document, reference(`"contentType"`, `"url":"x","contentType"`), nil, 400, "structure", "DocumentReference.content[0].attachment.url"},
		{"a document in a Bundle says status twice", feed, "POST /fhir", changed(w, "bundle", `"resourceType":"DocumentReference"`, `"status":"current","resourceType":"DocumentReference"`), nil, 400, "structure", "Bundle.entry[1].resource.status"},
		{"a Consent says provision twice", refuser, consent, filing(`"provision"`, `"provision":{"type":"permit"},"provision"`), nil, 400, "structure", "Consent.provision"},
		{"Parameters say parameter twice", emr, match, `{"resourceType":"Parameters","parameter":[],"parameter":[]}`, nil, 400, "structure", "Parameters.parameter"},
		{"a verdict says verdict twice", steward, verdict, `{"records":["{first}","{second}"],"verdict":"same","verdict":"different","reason":"x"}`, nil, 400, "structure", ""},

		// Types.
		{"a name that is a string", feed, own, patient(`,"name":"Alvarez"`), nil, 400, "structure", "Patient.name"},
		{"a birth date that is a number", feed, own, patient(`,"birthDate":19680417`), nil, 400, "structure", "Patient.birthDate"},
		{"a boolean in quotes", feed, own, patient(`,"active":"true"`), nil, 400, "structure", "Patient.active"},
		{"content that is an object", feed, "POST " + document, `{"resourceType":"DocumentReference","status":"current","content":{}}`, nil, 400, "structure", "DocumentReference.content"},
		{"entries that are strings", feed, "POST /fhir", `{"resourceType":"Bundle","type":"transaction","entry":["a"]}`, nil, 400, "structure", "Bundle.entry[0]"},
		{"a provision that is a list", refuser, consent, filing(`"provision":{"type":"deny"}`, `"provision":[]`), nil, 400, "structure", "Consent.provision"},
		{"a valueBoolean in quotes", emr, match, `{"resourceType":"Parameters","parameter":[{"name":"onlyCertainMatches","valueBoolean":"true"}]}`, nil, 400, "structure", "Parameters.parameter[0].valueBoolean"},
		{"records that are a string", steward, verdict, strings.Replace(good, `["{first}","{second}"]`, `"{first}"`, 1), nil, 400, "structure", "records"},
		{"another resource", feed, own, `{"resourceType":"Person"}`, nil, 400, "invalid", "resourceType"},
		{"another resource as a document", feed, "POST " + document, patient(""), nil, 400, "structure", "resourceType"},
		{"no resource", feed, "POST " + document, `{}`, nil, 400, "structure", "resourceType"},
		{"null", feed, own, `null`, nil, 400, "invalid", "resourceType"},
		{"a list", feed, own, `[]`, nil, 400, "structure", ""},

		// What is no JSON.
		{"nothing", feed, "POST " + document, "", media("application/fhir+json"), 400, "structure", ""},
		{"half a body", feed, own, `{"resourceType":"Patient","active":`, nil, 400, "structure", "Patient.active"},
		{"two bodies", feed, own, patient("") + patient(""), nil, 400, "structure", "Patient"},
		{"NaN", feed, own, patient(`,"multipleBirthInteger":NaN`), nil, 400, "structure", "Patient.multipleBirthInteger"},
		{"bytes that are no UTF-8", feed, own, patient(`,"gender":"` + "\xff" + `"`), nil, 400, "structure", "Patient.gender"},
		{"nesting without end", feed, own, patient(`,"extension":` + strings.Repeat("[", 100_000)), nil, 400, "invalid", ""},

		// Codes and code systems.
		{"a gender of HL7 v2", feed, own, patient(`,"gender":"F"`), nil, 400, "code-invalid", "Patient.gender"},
		{"an authority nobody has", feed, "PUT /fhir/Patient?identifier=urn:nobody%7C1", patient(""), nil, 400, "code-invalid", "identifier"},
		{"a document's unknown status", feed, "POST " + document, reference(`"status":"current"`, `"status":"final"`), nil, 400, "code-invalid", "DocumentReference.status"},
		{"a list that is no submission set", feed, "POST /fhir", changed(w, "bundle", `"submissionset"`, `"shopping"`), nil, 400, "code-invalid", "Bundle.entry[0].resource.code"},
		{"a Bundle of an unknown profile", feed, "POST /fhir", changed(w, "bundle", `Minimal.ProvideBundle`, `Maximal.ProvideBundle`), nil, 400, "not-supported", "Bundle.meta.profile"},
		{"a batch", feed, "POST /fhir", changed(w, "bundle", `"transaction"`, `"batch"`), nil, 400, "not-supported", "Bundle.type"},
		{"a consent's unknown status", refuser, consent, filing(`"status":"active"`, `"status":"on"`), nil, 400, "code-invalid", "Consent.status"},
		{"a provision that is neither", refuser, consent, filing(`"type":"deny"`, `"type":"maybe"`), nil, 400, "code-invalid", "Consent.provision.type"},
		{"an emergency's unknown reason", claimant, "POST /fhir/Patient/$break-glass", claim("unconscious", "curious"), nil, 400, "code-invalid", "Parameters.parameter.where(name='reason')"},
		{"an unknown verdict", steward, verdict, strings.Replace(good, `"different"`, `"perhaps"`, 1), nil, 400, "code-invalid", "verdict"},
		{"an unknown kind of task", steward, "GET /admin/v1/match/tasks?kind=odd", "", nil, 400, "invalid", "kind"},
		{"an unknown finding", officer, "POST /admin/v1/reviews/{review}/close", `{"finding":"fine","note":"x"}`, nil, 400, "invalid", "finding"},
		{"a search for an unknown status", emr, find + "&status=final", "", nil, 400, "value", "status"},
		{"a search for an unknown gender", emr, "GET /fhir/Patient?gender=F&family=x", "", nil, 400, "code-invalid", "gender"},

		// Rules.
		{"a claim that attests too little", claimant, "POST /fhir/Patient/$break-glass", claim(`{"name":"attested","valueCode":"not-refused-if-able"}`, `{"name":"attested","valueCode":"emergency-exists"}`), nil, 400, "required", "Parameters.parameter.where(name='attested')"},
		{"a claim with two reasons", claimant, "POST /fhir/Patient/$break-glass", claim(`{"name":"reason",`, `{"name":"reason","valueCode":"disaster"},{"name":"reason",`), nil, 400, "value", "Parameters.parameter.where(name='reason')"},
		{"data in place of a url", feed, "POST " + document, reference(`"contentType"`, `"data":"YQ==","contentType"`), nil, 400, "not-supported", "DocumentReference.content[0].attachment.data"},
		{"a url elsewhere", feed, "POST " + document, reference(w.bases["harbor-main"], "https://elsewhere.example"), nil, 400, "value", "DocumentReference.content[0].attachment.url"},
		{"a url of this machine's metadata", feed, "POST " + document, reference(w.bases["harbor-main"], "http://169.254.169.254"), nil, 400, "value", "DocumentReference.content[0].attachment.url"},
		{"a hash that is none", feed, "POST " + document, reference("qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "c2hvcnQ="), nil, 400, "value", "DocumentReference.content[0].attachment.hash"},
		{"a size below zero", feed, "POST " + document, reference(`"size":3`, `"size":-3`), nil, 400, "value", "DocumentReference.content[0].attachment.size"},
		{"a modifierExtension", feed, own, patient(`,"modifierExtension":[{"url":"urn:x"}]`), nil, 400, "extension", "Patient.modifierExtension"},
		{"a patient nobody registered", feed, "POST " + document, reference("{local}", "XX-0000"), nil, 400, "not-found", "DocumentReference.subject"},
		{"one unique id with other content", feed, "POST " + document, reference("qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), nil, 409, "duplicate", "DocumentReference.content[0].attachment.hash"},
		{"a consent for nobody", refuser, consent, filing("Patient/{refuser}", "Patient/nobody"), nil, 400, "business-rule", "Consent.patient"},
		{"an update of another id", feed, "PUT " + document + "/{document}", strings.Replace(w.real["reference"], "{document}", "{other}", 1), nil, 400, "value", "DocumentReference.id"},
		{"a member no request has", steward, verdict, strings.Replace(good, `"reason"`, `"colour":"red","reason"`, 1), nil, 400, "structure", ""},

		// Parameters.
		{"documents of nobody", emr, "GET " + document, "", nil, 400, "required", "patient"},
		{"documents of two patients", emr, find + "&patient.identifier={system}%7C1", "", nil, 400, "value", "patient.identifier"},
		{"an unknown parameter, strictly", emr, find + "&colour=red", "", strict, 400, "not-supported", "colour"},
		{"the same by form", emr, "POST " + document + "/_search", "patient.identifier={system}%7C{local}&colour=red", append(media("application/x-www-form-urlencoded"), strict...), 400, "not-supported", "colour"},
		{"an unknown parameter of $presence, strictly", emr, "GET " + document + "/$presence?patient.identifier={system}%7C{local}&colour=red", "", strict, 400, "not-supported", "colour"},
		{"an unknown parameter of Patient, strictly", emr, "GET /fhir/Patient?family=x&colour=red", "", strict, 400, "not-supported", "colour"},
		{"an unknown parameter of $ihe-pix, strictly", emr, "GET /fhir/Patient/$ihe-pix?sourceIdentifier={system}%7C{local}&colour=red", "", strict, 400, "not-supported", "colour"},
		{"an unknown parameter of $match, strictly", emr, match, `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient"}},{"name":"colour","valueString":"red"}]}`, strict, 400, "not-supported", "colour"},
		{"an unknown parameter of a claim, strictly", claimant, "POST /fhir/Patient/$break-glass", claim(`{"name":"reason",`, `{"name":"colour","valueString":"red"},{"name":"reason",`), strict, 400, "not-supported", "Parameters.parameter"},
		{"an unknown parameter of Consent, strictly", refuser, "GET /fhir/Consent?colour=red", "", strict, 400, "not-supported", "colour"},
		{"an unknown parameter of AuditEvent, strictly", auditor, "GET /fhir/AuditEvent?date=ge2026&colour=red", "", strict, 400, "not-supported", "colour"},
		{"an unknown parameter of Organization, strictly", emr, "GET /fhir/Organization?colour=red", "", strict, 400, "not-supported", "colour"},
		{"an unknown parameter of Endpoint, strictly", emr, "GET /fhir/Endpoint?colour=red", "", strict, 400, "not-supported", "colour"},
		{"an unknown parameter of administration", steward, "GET /admin/v1/match/tasks?colour=red", "", nil, 400, "invalid", "colour"},
		{"a parameter of administration twice", officer, "GET /admin/v1/reviews?closed=true&closed=false", "", nil, 400, "invalid", "closed"},
		{"a name that could be anything", emr, find + "&%3Cscript%3E=1", "", strict, 400, "not-supported", ""},
		{"an unknown modifier", emr, find + "&type:below=x", "", nil, 400, "not-supported", "type"},
		{"an unknown modifier of Patient", emr, "GET /fhir/Patient?family:contains=x", "", nil, 400, "not-supported", "family"},
		{"a conditional update by two things", feed, own + "&family=x", patient(""), nil, 400, "required", "identifier"},
		{"a conditional create", feed, "POST " + document, "{reference}", []string{"If-None-Exist", "identifier=x"}, 400, "not-supported", "If-None-Exist"},
		{"a count below zero", emr, find + "&_count=-1", "", nil, 400, "value", "_count"},
		{"a count that is no number", emr, find + "&_count=ten", "", nil, 400, "value", "_count"},
		{"two counts", emr, find + "&_count=1&_count=2", "", nil, 400, "value", "_count"},
		{"a count too high for administration", steward, "GET /admin/v1/match/tasks?count=1000", "", nil, 400, "invalid", "count"},
		{"a summary nobody makes", emr, find + "&_summary=text", "", nil, 400, "not-supported", "_summary"},
		{"an order nobody keeps", emr, find + "&_sort=title", "", nil, 400, "not-supported", "_sort"},
		{"a query that cannot be decoded", emr, "GET " + document + "?patient=%zz", "", nil, 400, "invalid", ""},
		{"too many values", emr, find + "&type=" + strings.Repeat("a,", 300) + "a", "", nil, 400, "too-costly", "type"},

		// Dates.
		{"a birth date that does not exist", feed, own, patient(`,"birthDate":"1968-02-30"`), nil, 400, "value", "Patient.birthDate"},
		{"a document's date that is none", feed, "POST " + document, reference("2026-10-01T10:00:00Z", "1 October"), nil, 400, "value", "DocumentReference.date"},
		{"a consent signed tomorrow", refuser, consent, filing(signedOn(w), time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)), nil, 400, "business-rule", "Consent.dateTime"},
		{"a search by a date that does not exist", emr, find + "&date=ge2026-13", "", nil, 400, "value", "date"},
		{"a search by a birth date that is none", emr, "GET /fhir/Patient?family=x&birthdate=soon", "", nil, 400, "value", "birthdate"},
		{"a look at the trail without a date", auditor, "GET /fhir/AuditEvent", "", nil, 400, "required", "date"},

		// Sizes.
		{"a body over the limit", feed, own, patient("") + big, nil, 413, "too-long", ""},
		{"a transaction over the limit", feed, "POST /fhir", "{bundle}" + big, nil, 413, "too-long", ""},
		{"a verdict over the limit", steward, verdict, good + big, nil, 413, "too-long", ""},
		{"a form over the limit", emr, "POST " + document + "/_search", "patient=" + strings.Repeat("a", 65<<10), media("application/x-www-form-urlencoded"), 413, "too-long", ""},
		{"10,000 entries", feed, "POST /fhir", manyEntries(w, 10_000), nil, 413, "too-long", ""},
		{"1,001 documents", feed, "POST /fhir", manyEntries(w, 1_001), nil, 413, "too-long", ""},
		{"more names than anybody has", feed, own, patient(`,"name":[` + strings.Repeat(`{"family":"a"},`, 200) + `{"family":"b"}]`), nil, 400, "too-long", "Patient.name"},

		// Cursors.
		{"a cursor that is none", emr, "GET " + document + "?_cursor=AAAA", "", nil, 400, "value", "_cursor"},
		{"a cursor with a letter changed", emr, "GET " + document + "?_cursor={altered}", "", nil, 400, "value", "_cursor"},
		{"a cursor of another search", emr, "GET /fhir/Patient?_cursor={cursor}", "", nil, 400, "value", "_cursor"},
		{"a cursor of the trail among documents", emr, "GET " + document + "?_cursor={trailcursor}", "", nil, 400, "value", "_cursor"},
		{"a cursor for another purpose", payer, "GET " + document + "?_cursor={cursor}", "", nil, 400, "value", "_cursor"},
		{"a cursor of another client", caller{"riverside-emr-2", treating}, "GET " + document + "?_cursor={cursor}", "", nil, 400, "value", "_cursor"},
		{"a cursor beside another search", emr, "GET " + document + "?_cursor={cursor}&patient.identifier={system}%7C1", "", nil, 400, "value", "_cursor"},
		{"a place in a list of administration that is none", steward, "GET /admin/v1/match/tasks?after=x", "", nil, 400, "invalid", "after"},
		{"the same among reviews", officer, "GET /admin/v1/reviews?after={task}", "", nil, 400, "invalid", "after"},

		// Versions.
		{"a Patient's version that was", feed, own, patient(""), []string{"If-Match", `W/"99"`}, 412, "conflict", ""},
		{"a document's version that was", feed, "PUT " + document + "/{document}", "{reference}", []string{"If-Match", `W/"99"`}, 412, "conflict", ""},
		{"a delete of a version that was", feed, "DELETE " + document + "/{document}", "", []string{"If-Match", `W/"99"`}, 412, "conflict", ""},
		{"a Consent's version that was", refuser, "PUT /fhir/Consent/{consent}", "{revision}", []string{"If-Match", `W/"99"`}, 412, "conflict", ""},
		{"a revocation of a version that was", refuser, "POST /fhir/Consent/{consent}/$revoke-consent", "", []string{"If-Match", `W/"99"`}, 412, "conflict", ""},
		{"a Consent changed without its version", refuser, "PUT /fhir/Consent/{consent}", "{revision}", nil, 400, "required", "If-Match"},
		{"a version that is no ETag", feed, own, patient(""), []string{"If-Match", "1"}, 400, "value", "If-Match"},
		{"any version", feed, "DELETE " + document + "/{document}", "", []string{"If-Match", "*"}, 400, "value", "If-Match"},
		{"two versions", refuser, "PUT /fhir/Consent/{consent}", "{revision}", []string{"If-Match", `W/"1", W/"2"`}, 400, "value", "If-Match"},
		{"a precondition that is not one here", feed, own, patient(""), []string{"If-None-Match", "*"}, 400, "not-supported", "If-None-Match"},

		// Forms of content.
		{"XML wanted", emr, find, "", []string{"Accept", "application/fhir+xml"}, 406, "not-supported", ""},
		{"XML wanted by parameter", emr, find + "&_format=xml", "", nil, 406, "not-supported", ""},
		{"XML wanted of metadata", emr, "GET /fhir/metadata", "", []string{"Accept", "application/fhir+xml"}, 406, "not-supported", ""},
		{"XML sent", feed, own, `<Patient xmlns="http://hl7.org/fhir"/>`, media("application/fhir+xml"), 415, "not-supported", "Content-Type"},
		{"a form where a resource belongs", feed, own, "active=true", media("application/x-www-form-urlencoded"), 415, "not-supported", "Content-Type"},
		{"a resource where a form belongs", emr, "POST " + document + "/_search", `{}`, nil, 415, "not-supported", "Content-Type"},
		{"a media type that is none", feed, own, patient(""), media("json;;"), 415, "not-supported", "Content-Type"},
		{"a compressed body", feed, own, compressed(w.fill(patient(""), w.real)), []string{"Content-Encoding", "gzip"}, 415, "not-supported", "Content-Encoding"},
		{"text where a verdict belongs", steward, verdict, "same", media("text/plain"), 415, "not-supported", "Content-Type"},

		// Paths and methods.
		{"a resource that is not kept here", emr, "GET /fhir/Observation", "", nil, 404, "not-found", ""},
		{"an operation there is not", emr, "POST /fhir/Patient/$everything", `{}`, nil, 405, "not-supported", ""},
		{"a path beside FHIR", emr, "GET /fhir2", "", nil, 404, "not-found", ""},
		{"a path of administration there is not", steward, "GET /admin/v1/secrets", "", nil, 404, "not-found", ""},
		{"a dot-dot path", emr, "GET /fhir/Patient/../../admin/v1/reviews", "", nil, 404, "not-found", ""},
		{"a patch", feed, "PATCH " + document + "/{document}", `[]`, nil, 405, "not-supported", ""},
		{"a delete of a consent", refuser, "DELETE /fhir/Consent/{consent}", "", nil, 405, "not-supported", ""},
		{"a search by PUT", steward, "PUT /admin/v1/match/tasks", `{}`, nil, 405, "not-supported", ""},
		{"a delete of a patient", feed, "DELETE /fhir/Patient?identifier={system}%7C{local}", "", nil, 400, "not-supported", ""},
	}
}

// changed is a good body of the town with one thing changed. A change that changes nothing is a fault of the test.
func changed(w *town, key, old, new string) string {
	w.t.Helper()
	out := strings.Replace(w.real[key], old, new, 1)
	if out == w.real[key] {
		w.t.Fatalf("the %s holds nothing to change there", key)
	}
	return strings.Replace(out, `"id":"{document}",`, "", 1)
}

// signedOn is the dateTime of the town's consent.
func signedOn(w *town) string {
	var c struct{ DateTime string }
	if err := json.Unmarshal([]byte(w.real["filing"]), &c); err != nil {
		w.t.Fatal(err)
	}
	return c.DateTime
}

// manyEntries is the town's transaction with its document n times.
func manyEntries(w *town, n int) string {
	var b struct {
		ResourceType string            `json:"resourceType"`
		Type         string            `json:"type"`
		Meta         json.RawMessage   `json:"meta"`
		Entry        []json.RawMessage `json:"entry"`
	}
	if err := json.Unmarshal([]byte(w.real["bundle"]), &b); err != nil {
		w.t.Fatal(err)
	}
	document := b.Entry[1]
	for i := len(b.Entry); i <= n; i++ {
		b.Entry = append(b.Entry, bytes.ReplaceAll(document, []byte("urn:uuid:00000000-0000-4000-8000-000000000001"), fmt.Appendf(nil, "urn:uuid:00000000-0000-4000-8000-%012x", i)))
	}
	out, err := json.Marshal(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(out)
}

func compressed(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(s))
	if err != nil || z.Close() != nil {
		panic("a buffer takes everything")
	}
	return b.String()
}

// ask makes a request of the table.
func (w *town) ask(b bad) reply {
	w.t.Helper()
	method, target, _ := strings.Cut(b.request, " ")
	media := ""
	if b.body != "" {
		media = "application/fhir+json"
	}
	body := w.fill(b.body, w.real)
	if slices.Contains(b.headers, "application/x-www-form-urlencoded") {
		body = w.fillURL("?"+b.body, w.real)[1:]
	}
	r, err := w.clients[b.who.client].api.send(w.ctx, method, w.base+w.fillURL(target, w.real), w.bearer(b.who.client, b.who.as), media, []byte(body), b.headers)
	if err != nil {
		w.t.Fatalf("%s: %v", b.name, err)
	}
	return r
}

// An issue is what an OperationOutcome, or a problem, says first.
type issue struct{ severity, code, expression, text string }

// issueOf reads an answer's first issue; under /admin it must be a problem, else an OperationOutcome.
func issueOf(t *testing.T, request string, r reply) issue {
	t.Helper()
	var body struct {
		ResourceType string
		Issue        []struct {
			Severity, Code, Diagnostics string
			Expression                  []string
		}
		Title, Detail, Code string
		Status              int
		Errors              []string
	}
	decode(t, r, &body)
	media := r.header.Get("Content-Type")
	if !strings.Contains(request, " /fhir/") && !strings.Contains(request, " /fhir?") && !strings.HasSuffix(request, " /fhir") {
		if media != "application/problem+json" || body.Status != r.status || body.Title == "" {
			t.Errorf("%s is no problem of status %d", media, r.status)
		}
		return issue{"error", body.Code, strings.Join(body.Errors, " "), body.Detail}
	}
	if media != "application/fhir+json; charset=utf-8" || body.ResourceType != "OperationOutcome" || len(body.Issue) == 0 {
		t.Fatalf("%s of status %d is no OperationOutcome", media, r.status)
	}
	first := body.Issue[0]
	return issue{first.Severity, first.Code, strings.Join(first.Expression, " "), first.Diagnostics}
}

func TestWhatBadInputGets(t *testing.T) {
	oneAfterAnother(t)
	w := newTown(t, 1)
	underContract(t, w.exchangeUnderTest)
	w.cursors()
	before := w.digest()
	seen := map[string]bool{}
	for _, b := range badInput(w) {
		t.Run(b.name, func(t *testing.T) {
			if seen[b.name] {
				t.Error("two rows of one name")
			}
			seen[b.name] = true
			r := w.ask(b)
			got := issueOf(t, b.request, r)
			if r.status != b.status || got.severity != "error" || got.code != b.code || got.expression != b.expression {
				t.Errorf("%d %s at %q (%s), want %d %s at %q", r.status, got.code, got.expression, got.text, b.status, b.code, b.expression)
			}
			if got.text == "" || r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("an error without words, or one that may be kept: %q, %q", got.text, r.header.Get("Cache-Control"))
			}
			w.unchanged(t, before)
		})
	}
	t.Run("unknown parameters are ignored and reported", w.lenient)
	w.unchanged(t, before)
	t.Run("the token endpoint", w.badTokenRequests)
	w.unchanged(t, before)
	t.Run("what a consent says in unknown words is held", w.unknownWordsHold)
}

// cursors names two good cursors of the practice and the auditor, and one altered.
func (w *town) cursors() {
	next := func(r reply) string {
		for _, l := range linksOf(w.t, r) {
			if u, err := url.Parse(l); err == nil && u.Query().Get("_cursor") != "" {
				return u.Query().Get("_cursor")
			}
		}
		w.t.Fatal("one page holds everything, so there is no cursor")
		return ""
	}
	c := next(w.must(http.StatusOK, "riverside-clinic-emr", treating, http.MethodGet, "/fhir/DocumentReference?_count=1&patient="+w.real["mine"], nil))
	w.real["cursor"] = c
	w.real["altered"] = c[:len(c)/2] + string(c[len(c)/2]^1) + c[len(c)/2+1:]
	w.real["trailcursor"] = next(w.must(http.StatusOK, "auditor-desk", asReader, http.MethodGet, "/fhir/AuditEvent?date=ge2026&_count=1", nil))
}

// linksOf returns the next links of a searchset.
func linksOf(t testing.TB, r reply) []string {
	t.Helper()
	var set struct {
		Link []struct{ Relation, URL string }
	}
	decode(t, r, &set)
	var out []string
	for _, l := range set.Link {
		if l.Relation == "next" {
			out = append(out, l.URL)
		}
	}
	return out
}

// lenient: without Prefer, what nobody knows is left out of account and said so.
func (w *town) lenient(t *testing.T) {
	emr := caller{"riverside-clinic-emr", treating}
	for _, b := range []bad{
		{name: "documents", who: emr, request: "GET /fhir/DocumentReference?patient.identifier={system}%7C{local}"},
		{name: "patients", who: emr, request: "GET /fhir/Patient?identifier={system}%7C{local}"},
		{name: "organizations", who: emr, request: "GET /fhir/Organization?name=harbor"},
		{name: "endpoints", who: emr, request: "GET /fhir/Endpoint?_count=2"},
		{name: "consents", who: caller{"patient-app", patientActs(w.real["refuser"])}, request: "GET /fhir/Consent?status=active"},
		{name: "the trail", who: caller{"auditor-desk", asReader}, request: "GET /fhir/AuditEvent?date=ge2026&_count=3"},
	} {
		t.Run(b.name, func(t *testing.T) {
			plain, same := w.ask(b), b
			same.request += "&colour=red"
			r := w.ask(same)
			var set struct {
				Entry []struct {
					Resource struct {
						ResourceType, ID string
						Issue            []struct {
							Severity, Code string
							Expression     []string
						}
					}
					Search struct{ Mode string }
				}
			}
			decode(t, r, &set)
			reported := false
			for _, e := range set.Entry {
				for _, i := range e.Resource.Issue {
					reported = reported || e.Search.Mode == "outcome" && i.Severity == "warning" && i.Code == "not-supported" && slices.Equal(i.Expression, []string{"colour"})
				}
			}
			if plain.status != http.StatusOK || r.status != http.StatusOK || !reported {
				t.Errorf("%s; reported: %v", r.problem(), reported)
			}
			if b.name != "the trail" && matches(t, plain) != matches(t, r) { // the trail grows by being read
				t.Errorf("%d found without it, %d with it", matches(t, plain), matches(t, r))
			}
		})
	}
}

// matches counts the entries of a searchset that are not its outcome.
func matches(t testing.TB, r reply) int {
	t.Helper()
	var set struct {
		Entry []struct{ Search struct{ Mode string } }
	}
	decode(t, r, &set)
	n := 0
	for _, e := range set.Entry {
		if e.Search.Mode == "match" {
			n++
		}
	}
	return n
}

// badTokenRequests: the errors of the token endpoint are OAuth's.
func (w *town) badTokenRequests(t *testing.T) {
	api := w.clients["harbor-main-feed"].api
	signed, err := api.assertion(w.base+"/oauth/token", feeding, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {feeding.scopes}, "client_assertion": {signed},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}.Encode()
	const urlencoded = "application/x-www-form-urlencoded"
	for _, b := range []struct {
		name, media, body string
		headers           []string
		status            int
		code              string
	}{
		{"JSON", "application/json", `{}`, nil, 400, "invalid_request"},
		{"a field twice", urlencoded, form + "&scope=x", nil, 400, "invalid_request"},
		{"over 16 KiB", urlencoded, form + "&x=" + strings.Repeat("a", 16<<10), nil, 400, "invalid_request"},
		{"another grant", urlencoded, strings.Replace(form, "client_credentials", "password", 1), nil, 400, "unsupported_grant_type"},
		{"no assertion", urlencoded, "grant_type=client_credentials", nil, 401, "invalid_client"},
		{"an assertion beside Authorization", urlencoded, form, []string{"Authorization", "Basic YTpi"}, 400, "invalid_request"},
		{"a signature changed", urlencoded, strings.Replace(form, signed, signed[:len(signed)-4]+"AAAA", 1), nil, 401, "invalid_client"},
		{"no scope", urlencoded, strings.Replace(form, "scope=", "nothing=", 1), nil, 400, "invalid_scope"},
	} {
		r, err := api.send(w.ctx, http.MethodPost, w.base+"/oauth/token", "", b.media, []byte(b.body), b.headers)
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Code string `json:"error"`
		}
		decode(t, r, &e)
		if r.status != b.status || e.Code != b.code || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %d %s", b.name, r.status, e.Code, b.status, b.code)
		}
	}
}

// unknownWordsHold: a refusal for purposes, recipients or labels in a code system nobody here knows is filed and
// refuses; a permit in such words is filed and permits nothing.
func (w *town) unknownWordsHold(t *testing.T) {
	type object = map[string]any
	odd := []object{{"system": "urn:system:nobody:knows", "code": "odd"}}
	mine := w.real["mine"]
	found := func() int {
		return total(t, w.must(http.StatusOK, "riverside-clinic-emr", treating, http.MethodGet, "/fhir/DocumentReference?_summary=count&patient="+mine, nil))
	}
	all := found()
	if all == 0 {
		t.Fatal("nothing is found beforehand, so nothing would be shown")
	}
	for name, c := range map[string]struct {
		provision object
		want      int
	}{
		"a refusal for an unknown purpose":                {object{"type": "deny", "purpose": odd}, 0},
		"a refusal for TREAT of an unknown system":        {object{"type": "deny", "purpose": []object{{"system": "urn:system:nobody:knows", "code": "TREAT"}}}, 0},
		"a permit for TREAT of an unknown system":         {object{"type": "permit", "purpose": []object{{"system": "urn:system:nobody:knows", "code": "TREAT"}}}, 0},
		"a permit of normal labels of an unknown system":  {object{"type": "permit", "securityLabel": []object{{"system": "urn:system:nobody:knows", "code": "N"}}}, 0},
		"a permit for TREAT, as everybody writes it":      {object{"type": "permit", "purpose": []object{{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}}}, all},
		"a refusal of an unknown label":                   {object{"type": "deny", "securityLabel": odd}, 0},
		"a refusal to an actor of an unknown role":        {object{"type": "deny", "actor": []object{{"role": object{"coding": odd}, "reference": object{"reference": "Organization/riverside"}}}}, 0},
		"a refusal with a modifier nobody understands":    {object{"type": "deny", "modifierExtension": []object{{"url": "urn:odd"}}}, 0},
		"a permit for an unknown purpose adds no purpose": {object{"type": "permit", "purpose": odd}, 0},
		"a permit under a modifier leaves the default":    {object{"type": "permit", "modifierExtension": []object{{"url": "urn:odd"}}}, all},
	} {
		t.Run(name, func(t *testing.T) {
			var body object
			if err := json.Unmarshal(refusal(mine, false, time.Now()), &body); err != nil {
				t.Fatal(err)
			}
			body["provision"] = c.provision
			if c.provision["type"] == "permit" {
				body["policyRule"] = object{"coding": []object{{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}}}
			}
			filed := w.must(http.StatusCreated, "patient-app", patientActs(mine), http.MethodPost, "/fhir/Consent", body)
			if got := found(); got != c.want {
				t.Errorf("%d of %d documents found, want %d", got, all, c.want)
			}
			back := object{"resourceType": "Parameters", "parameter": []object{{"name": "returnToDefault", "valueBoolean": true}}}
			w.must(http.StatusOK, "patient-app", patientActs(mine), http.MethodPost, "/fhir/Consent/"+idOf(t, filed)+"/$revoke-consent", back)
			if got := found(); got != all {
				t.Errorf("%d documents found after it was taken back, %d before it was said", got, all)
			}
		})
	}
}
