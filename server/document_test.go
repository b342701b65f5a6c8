package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatortest"
)

// library is a server whose locator is in memory, with patients at Mercy and at Oak Street.
type library struct {
	*doors
	store              *locatortest.Memory
	index              *scripted
	patient, other     hie.SourcePatientID // of Mercy
	strange            hie.SourcePatientID // of Oak Street
	visible            bool
	patientID, otherID string
}

func newLibrary(t *testing.T) *library {
	t.Helper()
	l := &library{store: new(locatortest.Memory), index: newScripted()}
	l.patient = l.index.add(1, "mercy-main", redSystem, "mrn-4711", "Zyxquill")
	l.other = l.index.add(2, "mercy-main", redSystem, "mrn-4712", "Other")
	l.strange = l.index.add(3, "oak-street", blueSystem, "oak-1", "Strange")
	n, err := testFile().Network(1)
	if err != nil {
		t.Fatal(err)
	}
	documents := locator.New(l.store, func() *directory.Network { return n }, hie.NewIDs(nil), nil)
	l.doors = newDoors(t, func(d *Deps) {
		d.Patients, d.Documents = l.index, documents
		d.Visible = func(_ context.Context, _ hie.Actor, p locator.Pointer) (federation.Entry, error) {
			if !l.visible {
				return federation.Entry{}, hie.ErrNotFound
			}
			return federation.Entry{Pointer: p}, nil
		}
	})
	l.patientID = l.sealer.ID("patient", int64(l.patient), 0)
	l.otherID = l.sealer.ID("patient", int64(l.other), 0)
	return l
}

// reference is a DocumentReference of Mercy under unique; change edits it.
func (l *library) reference(unique string, change ...func(map[string]any)) map[string]any {
	o := map[string]any{"resourceType": "DocumentReference", "status": "current",
		"masterIdentifier": map[string]any{"system": "urn:ietf:rfc:3986", "value": unique},
		"subject":          map[string]any{"reference": "Patient/" + l.patientID},
		"content": []any{map[string]any{"attachment": map[string]any{"contentType": "text/plain", "url": "https://mercy.example/fhir/Binary/" + strings.ReplaceAll(unique, ":", "-"),
			"hash": "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "size": 0}}}}
	for _, c := range change {
		c(o)
	}
	return o
}

func set(name string, value any) func(map[string]any) {
	return func(o map[string]any) { o[name] = value }
}

func attach(name string, value any) func(map[string]any) {
	return func(o map[string]any) {
		o["content"].([]any)[0].(map[string]any)["attachment"].(map[string]any)[name] = value
	}
}

func body(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (l *library) publish(token string, o map[string]any, headers ...string) *httptest.ResponseRecorder {
	l.Helper()
	return l.do(http.MethodPost, "/fhir/DocumentReference", token, body(l.T, o), headers...)
}

// stored publishes o as Mercy and returns its path and id.
func (l *library) stored(o map[string]any) (path, id string) {
	l.Helper()
	r := l.publish(mercyToken, o)
	if r.Code != http.StatusCreated {
		l.Fatalf("publish = %d %s", r.Code, r.Body)
	}
	path = strings.TrimPrefix(r.Header().Get("Location"), testBase)
	return path, strings.TrimPrefix(path, "/fhir/DocumentReference/")
}

func TestPublishing(t *testing.T) {
	l := newLibrary(t)
	r := l.publish(mercyToken, l.reference("urn:oid:1.1", set("unheard-of", map[string]any{"kept": 1.5})))
	if r.Code != http.StatusCreated || r.Header().Get("ETag") != `W/"1"` || r.Header().Get("Location") == "" {
		t.Fatalf("first = %d %s %s", r.Code, r.Header().Get("ETag"), r.Body)
	}
	for _, want := range []string{`"unheard-of":{"kept":1.5}`, testBase + "/fhir/Binary/", `"reference":"Patient/` + l.patientID + `"`} {
		if !strings.Contains(r.Body.String(), want) {
			t.Errorf("the answer lacks %s: %s", want, r.Body)
		}
	}
	if strings.Contains(r.Body.String(), "mercy.example") {
		t.Error("the answer shows where the site keeps the document")
	}
	again := l.publish(mercyToken, l.reference("urn:oid:1.1"))
	if again.Code != http.StatusOK || again.Header().Get("Location") != r.Header().Get("Location") {
		t.Errorf("again = %d at %s", again.Code, again.Header().Get("Location"))
	}
	if m := l.publish(mercyToken, l.reference("urn:oid:1.2"), "Prefer", "return=minimal"); m.Code != http.StatusCreated || m.Body.Len() != 0 {
		t.Errorf("minimal = %d %s", m.Code, m.Body)
	}
	warned := l.publish(mercyToken, l.reference("urn:oid:1.3", set("subject", map[string]any{"identifier": map[string]any{"system": redSystem, "value": "mrn-4711"}}),
		attach("url", "https://mercy.example/fhir/charts/mrn-4711.pdf")))
	if warned.Code != http.StatusCreated || !strings.Contains(warned.Body.String(), `"severity":"warning"`) || strings.Contains(warned.Body.String(), "4711") {
		t.Errorf("an address that names the patient = %d %s", warned.Code, warned.Body)
	}
	for _, tt := range []struct {
		name, token      string
		o                map[string]any
		status           int
		code, expression string
	}{
		{"another hash", mercyToken, l.reference("urn:oid:1.1", attach("hash", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")), 409, "duplicate", "DocumentReference.content[0].attachment.hash"},
		{"the same id for another patient", mercyToken, l.reference("urn:oid:1.1", set("subject", map[string]any{"reference": "Patient/" + l.otherID})), 409, "duplicate", "DocumentReference.masterIdentifier"},
		{"another organization's patient", oakToken, l.reference("urn:oid:2"), 400, "not-found", "DocumentReference.subject"},
		{"a patient nobody knows", mercyToken, l.reference("urn:oid:2", set("subject", map[string]any{"reference": "Patient/nobody"})), 400, "not-found", "DocumentReference.subject"},
		{"a patient known to others only", mercyToken, l.reference("urn:oid:2", set("subject", map[string]any{"identifier": map[string]any{"system": blueSystem, "value": "oak-1"}})), 400, "not-found", "DocumentReference.subject"},
		{"no subject", mercyToken, l.reference("urn:oid:2", set("subject", nil)), 400, "not-found", "DocumentReference.subject"},
		{"bytes", mercyToken, l.reference("urn:oid:2", attach("data", "AAAA")), 400, "not-supported", "DocumentReference.content[0].attachment.data"},
		{"an address elsewhere", mercyToken, l.reference("urn:oid:2", attach("url", "https://evil.example/1")), 400, "value", "DocumentReference.content[0].attachment.url"},
		{"another organization as custodian", mercyToken, l.reference("urn:oid:2", set("custodian", map[string]any{"reference": "Organization/oak"})), 400, "business-rule", "DocumentReference.custodian"},
		{"without the scope", noScopeToken, l.reference("urn:oid:2"), 403, "forbidden", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := *l.doors
			d.T = t
			d.refused(l.publish(tt.token, tt.o), tt.status, tt.code, tt.expression)
		})
	}
	for _, raw := range []string{`{"resourceType":"DocumentReference","status":"current","status":"current"}`, `{`, `[]`, `{"resourceType":"Patient"}`} {
		if r := l.do(http.MethodPost, "/fhir/DocumentReference", mercyToken, []byte(raw)); r.Code != http.StatusBadRequest {
			t.Errorf("%s = %d", raw, r.Code)
		}
	}
	unknown, others := l.publish(mercyToken, l.reference("urn:oid:2", set("subject", map[string]any{"identifier": map[string]any{"system": blueSystem, "value": "nobody"}}))),
		l.publish(mercyToken, l.reference("urn:oid:2", set("subject", map[string]any{"identifier": map[string]any{"system": blueSystem, "value": "oak-1"}})))
	if !bytes.Equal(unknown.Body.Bytes(), others.Body.Bytes()) {
		t.Error("a patient of others is told from one that nobody knows")
	}
}

func TestReadingRevisingAndDeletingOneDocument(t *testing.T) {
	l := newLibrary(t)
	path, id := l.stored(l.reference("urn:oid:1"))
	own := l.get(path, mercyToken)
	if own.Code != http.StatusOK || own.Header().Get("ETag") != `W/"1"` {
		t.Fatalf("own = %d %s", own.Code, own.Body)
	}
	hidden, missing := l.get(path, oakToken), l.get("/fhir/DocumentReference/"+l.sealer.ID("document", 1, 2), oakToken)
	if hidden.Code != http.StatusNotFound || !bytes.Equal(hidden.Body.Bytes(), missing.Body.Bytes()) {
		t.Errorf("a hidden document (%d) differs from none", hidden.Code)
	}
	l.visible = true
	if r := l.get(path, oakToken); r.Code != http.StatusOK || !bytes.Equal(r.Body.Bytes(), own.Body.Bytes()) {
		t.Errorf("a visible document = %d %s", r.Code, r.Body)
	}
	l.visible = false

	// What was read is changed and sent back: the document stays where it is.
	var o map[string]any
	if err := json.Unmarshal(own.Body.Bytes(), &o); err != nil {
		t.Fatal(err)
	}
	o["description"] = "better"
	put := func(token string, o any, headers ...string) *httptest.ResponseRecorder {
		return l.do(http.MethodPut, path, token, body(t, o), headers...)
	}
	if r := put(mercyToken, o, "If-Match", `W/"1"`); r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"2"` || !strings.Contains(r.Body.String(), "better") {
		t.Fatalf("revise = %d %s", r.Code, r.Body)
	}
	ref, _ := l.server.documentRef(id)
	if p, err := l.store.Read(t.Context(), ref); err != nil || p.Location.Path != "Binary/urn-oid-1" {
		t.Errorf("the document moved to %s, %v", p.Location.Path, err)
	}
	l.refused(put(mercyToken, o, "If-Match", `W/"1"`), http.StatusPreconditionFailed, "conflict", "")
	l.refused(put(oakToken, o), http.StatusNotFound, "not-found", "")
	for _, tt := range []struct {
		element string
		value   any
		path    string
	}{
		{"id", "other", "DocumentReference.id"},
		{"subject", map[string]any{"reference": "Patient/" + l.otherID}, "DocumentReference.subject"},
		{"masterIdentifier", map[string]any{"system": "urn:x", "value": "2"}, "DocumentReference.masterIdentifier"},
		{"status", "superseded", "DocumentReference.status"},
		{"relatesTo", []any{map[string]any{"code": "appends", "target": map[string]any{"reference": "DocumentReference/" + id}}}, "DocumentReference.relatesTo"},
	} {
		was := o[tt.element]
		o[tt.element] = tt.value
		r := put(mercyToken, o)
		var oo fhir.OperationOutcome
		if err := fhir.Decode(r.Body.Bytes(), &oo); err != nil || r.Code != http.StatusBadRequest || !slices.Equal(oo.Issue[0].Expression, []string{tt.path}) {
			t.Errorf("changing %s = %d %s", tt.element, r.Code, r.Body)
		}
		if o[tt.element] = was; was == nil {
			delete(o, tt.element)
		}
	}
	l.refused(l.do(http.MethodDelete, path, oakToken, nil), http.StatusNotFound, "not-found", "")
	l.refused(l.do(http.MethodDelete, path, mercyToken, nil, "If-Match", `W/"1"`), http.StatusPreconditionFailed, "conflict", "")
	if r := l.do(http.MethodDelete, path, mercyToken, nil, "If-Match", `W/"2"`); r.Code != http.StatusNoContent {
		t.Errorf("delete = %d %s", r.Code, r.Body)
	}
	l.refused(l.get(path, mercyToken), http.StatusNotFound, "not-found", "")
	for _, strange := range []string{"x", id[:len(id)-1] + "0", l.sealer.ID("binary", 1, 2)} {
		l.refused(l.get("/fhir/DocumentReference/"+strange, mercyToken), http.StatusNotFound, "not-found", "")
	}
}

// transaction is an ITI-65 request of Mercy with documents and their submission set.
func (l *library) transaction(docs ...map[string]any) map[string]any {
	var items, entries []any
	for i, d := range docs {
		full := "urn:uuid:" + string(rune('a'+i))
		items = append(items, map[string]any{"item": map[string]any{"reference": full}})
		entries = append(entries, map[string]any{"fullUrl": full, "resource": d, "request": map[string]any{"method": "POST", "url": "DocumentReference"}})
	}
	list := map[string]any{"resourceType": "List", "status": "current", "mode": "working", "date": "2026-01-02T00:00:00Z",
		"extension": []any{map[string]any{"url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId", "valueIdentifier": map[string]any{"value": "urn:oid:9"}}},
		"code":      map[string]any{"coding": []any{map[string]any{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}}},
		"subject":   map[string]any{"reference": "Patient/" + l.patientID}, "entry": items}
	entries = append(entries, map[string]any{"fullUrl": "urn:uuid:list", "resource": list, "request": map[string]any{"method": "POST", "url": "List"}})
	return map[string]any{"resourceType": "Bundle", "type": "transaction", "entry": entries,
		"meta": map[string]any{"profile": []any{"https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle"}}}
}

func (l *library) provide(b map[string]any) *httptest.ResponseRecorder {
	l.Helper()
	return l.do(http.MethodPost, "/fhir", mercyToken, body(l.T, b))
}

// count is how many pointers there are.
func (l *library) count() int64 {
	l.Helper()
	n := int64(0)
	ps, err := l.store.Presence(l.Context(), []hie.SourcePatientID{l.patient, l.other, l.strange})
	if err != nil {
		l.Fatal(err)
	}
	for _, p := range ps {
		n += p.Count
	}
	return n
}

func TestAProvideBundleIsStoredWholeOrNotAtAll(t *testing.T) {
	l := newLibrary(t)
	path, id := l.stored(l.reference("urn:oid:old"))
	replaces := set("relatesTo", []any{map[string]any{"code": "replaces", "target": map[string]any{"reference": "DocumentReference/" + id}}})
	b := l.transaction(l.reference("urn:oid:1", replaces), l.reference("urn:oid:2"))
	patch := map[string]any{"fullUrl": "urn:uuid:patch", "request": map[string]any{"method": "PATCH", "url": "DocumentReference/" + id},
		"resource": map[string]any{"resourceType": "Parameters", "parameter": []any{map[string]any{"name": "operation", "part": []any{
			map[string]any{"name": "path", "valueString": "DocumentReference.status"}, map[string]any{"name": "type", "valueCode": "replace"},
			map[string]any{"name": "value", "valueCode": "superseded"}}}}}}
	b["entry"] = append(b["entry"].([]any), patch)
	r := l.bundle(l.provide(b), http.StatusOK)
	var got []string
	for _, e := range r.Entry {
		got = append(got, e.Response.Status)
		if !strings.HasPrefix(e.Response.Location, testBase+"/fhir/") {
			t.Errorf("location %q", e.Response.Location)
		}
	}
	if r.Type != "transaction-response" || !slices.Equal(got, []string{"201 Created", "201 Created", "201 Created", "200 OK"}) {
		t.Errorf("%s with %v", r.Type, got)
	}
	if old := l.get(path, mercyToken); !strings.Contains(old.Body.String(), `"status":"superseded"`) || old.Header().Get("ETag") != `W/"2"` {
		t.Errorf("the replaced document = %s", old.Body)
	}
	list := strings.TrimPrefix(r.Entry[2].Response.Location, testBase)
	read := l.get(list, mercyToken)
	if read.Code != http.StatusOK || strings.Count(read.Body.String(), `"DocumentReference/`) != 2 || strings.Contains(read.Body.String(), "urn:uuid:a") {
		t.Errorf("list = %d %s", read.Code, read.Body)
	}
	l.refused(l.get(list, oakToken), http.StatusNotFound, "not-found", "")

	before := l.count()
	for _, tt := range []struct {
		name             string
		b                map[string]any
		status           int
		code, expression string
	}{
		{"another hash", l.transaction(l.reference("urn:oid:5"), l.reference("urn:oid:2", attach("hash", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="))), 409, "duplicate", "DocumentReference.content[0].attachment.hash"},
		{"two patients", l.transaction(l.reference("urn:oid:5"), l.reference("urn:oid:6", set("subject", map[string]any{"reference": "Patient/" + l.otherID}))), 400, "business-rule", "Bundle.entry[1].resource.subject"},
		{"a patient nobody knows", l.transaction(l.reference("urn:oid:5", set("subject", map[string]any{"reference": "Patient/nobody"}))), 400, "not-found", "Bundle.entry[0].resource.subject"},
		{"a superseded document replaced", l.transaction(l.reference("urn:oid:5"), l.reference("urn:oid:6", replaces)), 409, "conflict", "DocumentReference.relatesTo"},
		{"one id twice", l.transaction(l.reference("urn:oid:5"), l.reference("urn:oid:5")), 400, "duplicate", "Bundle.entry[1].resource.masterIdentifier"},
		{"an address elsewhere", l.transaction(l.reference("urn:oid:5"), l.reference("urn:oid:6", attach("url", "//evil.example/1"))), 400, "value", "Bundle.entry[1].resource.content[0].attachment.url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := *l.doors
			d.T = t
			d.refused(l.provide(tt.b), tt.status, tt.code, tt.expression)
			if n := l.count(); n != before {
				t.Errorf("%d pointers after a refused Bundle, want %d", n, before)
			}
		})
	}
	many := make([]map[string]any, 10000)
	for i := range many {
		many[i] = map[string]any{"resourceType": "DocumentReference"}
	}
	l.refused(l.provide(l.transaction(many...)), http.StatusRequestEntityTooLarge, "too-long", "")
	l.refused(l.do(http.MethodPost, "/fhir", noScopeToken, body(t, b)), http.StatusForbidden, "forbidden", "")
	again := l.bundle(l.provide(l.transaction(l.reference("urn:oid:2"))), http.StatusOK)
	if again.Entry[0].Response.Status != "200 OK" || l.count() != before {
		t.Errorf("the same document in another Bundle = %s", again.Entry[0].Response.Status)
	}
	if strings.Contains(l.log.String(), "4711") || strings.Contains(l.log.String(), "Zyxquill") {
		t.Error("the log names the patient")
	}
}
