package locatorfhir

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// request is a Provide Document Bundle of n documents; change edits it.
func request(n int, change ...func(entries []any, bundle object)) object {
	list := object{"resourceType": "List", "status": "current", "mode": "working", "date": "2026-01-02T00:00:00Z",
		"extension": []any{object{"url": extensionSourceID, "valueIdentifier": object{"value": "urn:oid:1.2"}}},
		"code":      object{"coding": []any{object{"system": listTypes, "code": "submissionset"}}}, "subject": object{"reference": "Patient/p7"}}
	var items []any
	entries := []any{object{"fullUrl": "urn:uuid:list", "resource": list, "request": object{"method": "POST", "url": "List"}}}
	for i := range n {
		full := fmt.Sprintf("urn:uuid:%d", i)
		items = append(items, object{"item": object{"reference": full}})
		d := document(func(o object) {
			o["masterIdentifier"].(object)["value"] = fmt.Sprintf("urn:oid:1.2.%d", i)
			o["subject"] = object{"reference": "Patient/p7"}
		})
		entries = append(entries, object{"fullUrl": full, "resource": d, "request": object{"method": "POST", "url": "DocumentReference"}})
	}
	list["entry"] = items
	b := object{"resourceType": "Bundle", "type": "transaction", "meta": object{"profile": []any{profileBase + "Minimal.ProvideBundle"}}, "entry": entries}
	for _, c := range change {
		c(entries, b)
	}
	return b
}

func resource(entries []any, i int) object { return entries[i].(object)["resource"].(object) }

func patch(id, value string) object {
	part := func(name, kind, v string) object { return object{"name": name, kind: v} }
	return object{"fullUrl": "urn:uuid:patch", "request": object{"method": "PATCH", "url": "DocumentReference/" + id},
		"resource": object{"resourceType": "Parameters", "parameter": []any{object{"name": "operation", "part": []any{
			part("path", "valueString", "DocumentReference.status"), part("type", "valueCode", "replace"), part("value", "valueCode", value)}}}}}
}

func add(e object) func([]any, object) {
	return func(entries []any, b object) { b["entry"] = append(entries, e) }
}

func TestWhatIsWrongWithAProvideBundleIsSaid(t *testing.T) {
	comprehensive := func(_ []any, b object) {
		b["meta"] = object{"profile": []any{profileBase + "Comprehensive.ProvideBundle"}}
	}
	for _, tt := range []struct {
		name, path, code string
		change           func([]any, object)
	}{
		{"another type of Bundle", "Bundle.type", "not-supported", func(_ []any, b object) { b["type"] = "batch" }},
		{"no profile", "Bundle.meta.profile", "required", func(_ []any, b object) { delete(b, "meta") }},
		{"a profile of somebody else", "Bundle.meta.profile", "not-supported", func(_ []any, b object) { b["meta"] = object{"profile": []any{"urn:other"}} }},
		{"an entry without request", "Bundle.entry[1].request", "required", func(e []any, _ object) { delete(e[1].(object), "request") }},
		{"an entry without resource", "Bundle.entry[1].resource", "required", func(e []any, _ object) { delete(e[1].(object), "resource") }},
		{"one fullUrl twice", "Bundle.entry[2].fullUrl", "duplicate", func(e []any, _ object) { e[2].(object)["fullUrl"] = "urn:uuid:0" }},
		{"a conditional create", "Bundle.entry[1].request", "not-supported", func(e []any, _ object) { e[1].(object)["request"].(object)["ifNoneExist"] = "identifier=x" }},
		{"a document that is PUT", "Bundle.entry[1].request", "not-supported", func(e []any, _ object) {
			e[1].(object)["request"] = object{"method": "PUT", "url": "DocumentReference/1"}
		}},
		{"a resource of another kind", "Bundle.entry[3].resource", "not-supported", add(object{"resource": object{"resourceType": "Observation"}, "request": object{"method": "POST", "url": "Observation"}})},
		{"a resource of no kind", "Bundle.entry[1].resource", "structure", func(e []any, _ object) { e[1].(object)["resource"] = object{} }},
		{"bytes", "Bundle.entry[3]", "not-supported", add(object{"resource": object{"resourceType": "Binary"}, "request": object{"method": "POST", "url": "Binary"}})},
		{"no submission set", "Bundle.entry", "structure", func(e []any, b object) { b["entry"] = e[1:] }},
		{"two submission sets", "Bundle.entry", "structure", func(e []any, b object) {
			second := object{"fullUrl": "urn:uuid:second", "resource": e[0].(object)["resource"], "request": e[0].(object)["request"]}
			b["entry"] = append(e, second)
		}},
		{"a list of another kind", "Bundle.entry[0].resource.code", "code-invalid", func(e []any, _ object) { delete(resource(e, 0), "code") }},
		{"a list not current", "Bundle.entry[0].resource.status", "value", func(e []any, _ object) { resource(e, 0)["status"] = "retired" }},
		{"a list not working", "Bundle.entry[0].resource.mode", "value", func(e []any, _ object) { resource(e, 0)["mode"] = "snapshot" }},
		{"a submission set without date", "Bundle.entry[0].resource.date", "required", func(e []any, _ object) { delete(resource(e, 0), "date") }},
		{"a submission set without source", "Bundle.entry[0].resource.extension", "required", func(e []any, _ object) { delete(resource(e, 0), "extension") }},
		{"a list with an encounter", "Bundle.entry[0].resource.encounter", "structure", func(e []any, _ object) { resource(e, 0)["encounter"] = object{"reference": "Encounter/1"} }},
		{"a list in an order", "Bundle.entry[0].resource.orderedBy", "structure", func(e []any, _ object) { resource(e, 0)["orderedBy"] = object{"text": "x"} }},
		{"a list empty for a reason", "Bundle.entry[0].resource.emptyReason", "structure", func(e []any, _ object) { resource(e, 0)["emptyReason"] = object{"text": "x"} }},
		{"an item with a flag", "Bundle.entry[0].resource.entry[0]", "structure", func(e []any, _ object) { resource(e, 0)["entry"].([]any)[0].(object)["flag"] = object{"text": "x"} }},
		{"an item that is not there", "Bundle.entry[0].resource.entry[0].item", "not-found", func(e []any, _ object) {
			resource(e, 0)["entry"].([]any)[0].(object)["item"] = object{"reference": "urn:uuid:nowhere"}
		}},
		{"a unique id that is no OID", "Bundle.entry[0].resource.identifier[0].value", "value", func(e []any, _ object) {
			resource(e, 0)["identifier"] = []any{object{"use": "usual", "value": "17"}}
		}},
		{"a document without masterIdentifier", "Bundle.entry[1].resource.masterIdentifier", "required", func(e []any, _ object) { delete(resource(e, 1), "masterIdentifier") }},
		{"a masterIdentifier without system", "Bundle.entry[1].resource.masterIdentifier", "required", func(e []any, _ object) { delete(resource(e, 1)["masterIdentifier"].(object), "system") }},
		{"a docStatus", "Bundle.entry[1].resource.docStatus", "structure", func(e []any, _ object) { resource(e, 1)["docStatus"] = "final" }},
		{"a document entered in error", "Bundle.entry[1].resource.status", "code-invalid", func(e []any, _ object) { resource(e, 1)["status"] = "entered-in-error" }},
		{"an element of the wrong type", "Bundle.entry[1].resource.status", "structure", func(e []any, _ object) { resource(e, 1)["status"] = 7 }},
		{"comprehensive without type", "Bundle.entry[1].resource.type", "required", func(e []any, b object) {
			comprehensive(e, b)
			resource(e, 0)["extension"] = append(resource(e, 0)["extension"].([]any), object{"url": extensionDesignation})
			delete(resource(e, 1), "type")
		}},
		{"comprehensive without designation", "Bundle.entry[0].resource.extension", "required", comprehensive},
		{"a target that is not there", "Bundle.entry[1].resource.relatesTo[0].target", "not-found", func(e []any, _ object) {
			resource(e, 1)["relatesTo"] = []any{object{"code": "replaces", "target": object{"reference": "DocumentReference/nothing"}}}
		}},
		{"a document that replaces itself", "Bundle.entry[1].resource.relatesTo[0].target", "business-rule", func(e []any, _ object) {
			resource(e, 1)["relatesTo"] = []any{object{"code": "replaces", "target": object{"reference": "urn:uuid:0"}}}
		}},
		{"a patch without replacement", "Bundle.entry[3]", "business-rule", add(patch("d7x1", "superseded"))},
		{"a patch to something else", "Bundle.entry[3].resource", "not-supported", add(patch("d7x1", "entered-in-error"))},
		{"nobody's documents", "Bundle.entry[1].resource.subject", "not-found", func(e []any, _ object) {
			for i := range e {
				delete(resource(e, i), "subject")
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadProvision(encode(t, request(2, tt.change)), known)
			refusedAt(t, err, tt.path, tt.code)
		})
	}
	if _, err := ReadProvision(encode(t, request(locator.MaxDocuments+1)), known); !errors.Is(err, hie.ErrTooLarge) {
		t.Errorf("too many documents: %v", err)
	}
	if _, err := ReadProvision(encode(t, request(10000)), known); !errors.Is(err, hie.ErrTooLarge) {
		t.Errorf("a bundle of 10,000 entries: %v", err)
	}
}

func TestAProvideBundleNamesWhatItStores(t *testing.T) {
	body := encode(t, request(3, func(e []any, b object) {
		resource(e, 1)["relatesTo"] = []any{object{"code": "replaces", "target": object{"reference": "DocumentReference/d7x1"}}}
		resource(e, 2)["relatesTo"] = []any{object{"code": "appends", "target": object{"reference": "urn:uuid:0"}}}
		b["entry"] = append(e, patch("d7x1", "superseded"))
	}))
	p, err := ReadProvision(body, known)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Subjects) != 1 || p.Subjects[0].PatientID != "p7" {
		t.Errorf("subjects = %d", len(p.Subjects))
	}
	var kinds []string
	for _, e := range p.Entries {
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); got != "List DocumentReference DocumentReference DocumentReference Parameters" || p.Entries[4].Target != (locator.Ref{Record: 7, ID: 1}) {
		t.Errorf("entries = %s", got)
	}
	out, err := p.Prepare(site, 7, names)
	if err != nil {
		t.Fatal(err)
	}
	refs := []locator.Ref{{Record: 7, ID: 101}, {Record: 7, ID: 102}, {Record: 7, ID: 103}}
	if out.Documents[0].Render != nil {
		t.Error("a document that names no other of its bundle is kept as it came")
	}
	if s := string(out.Documents[1].Render(refs)); !strings.Contains(s, `"target":{"reference":"DocumentReference/d7x101"}`) || strings.Contains(s, "urn:uuid:0") {
		t.Errorf("the reference within the bundle was not resolved")
	}
	var l fhir.List
	if err := json.Unmarshal(out.Lists[0].Render(refs, 5), &l); err != nil || len(l.Entry) != 3 || l.Entry[2].Item.Reference != "DocumentReference/d7x103" {
		t.Errorf("list = %+v, %v", l.Entry, err)
	}
}

func TestCursorsComeBackAsTheyWere(t *testing.T) {
	c := locator.Cursor{SortAt: known.Now, ID: 5, Highest: 9}
	var epoch, version int64
	got, ok := ReadCursor(Cursor(c, 3, 4), &epoch, &version)
	if !ok || got != c || epoch != 3 || version != 4 {
		t.Errorf("%+v %d %d %v", got, epoch, version, ok)
	}
	if got, ok := ReadCursor(Cursor(locator.Cursor{})); !ok || got != (locator.Cursor{}) {
		t.Errorf("the first page = %+v", got)
	}
	if _, ok := ReadCursor(Cursor(c, 3)); ok {
		t.Error("a cursor of another length was read")
	}
}

func TestAnAddressThatNamesThePatientIsWarnedOf(t *testing.T) {
	p, err := Read(site, 7, encode(t, document(func(o object) { attachment(o)["url"] = "https://emr.example.org/fhir/docs/mrn-4711/7.pdf" })))
	if err != nil {
		t.Fatal(err)
	}
	ids := []hie.Identifier{{System: "urn:mrn", Value: "mrn-4711"}}
	if w := Warnings(p, ids); len(w) != 1 || strings.Contains(w[0].Diagnostics, "4711") {
		t.Errorf("%d warnings", len(w))
	}
	p.Location.Path = "Binary/7"
	if w := Warnings(p, ids); len(w) != 0 {
		t.Errorf("%d warnings for an address that names nobody", len(w))
	}
}

func FuzzRead(f *testing.F) {
	f.Add(encode(f, document()))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Read(site, 7, b)
		if err != nil {
			var inv *hie.InvalidError
			if !errors.As(err, &inv) {
				t.Fatalf("an error that is no refusal: %T", err)
			}
			return
		}
		served := DocumentReference(p, Public{ID: "d", Patient: "p", URL: base + "/Binary/h"})
		o, err := fhir.ParseObject(served)
		if err != nil {
			t.Fatalf("what was read is not served as JSON: %v", err)
		}
		if string(o.Value("id")) != `"d"` {
			t.Errorf("served without its id")
		}
		p.Terms()
		p.NameIndex()
	})
}

func FuzzReadProvision(f *testing.F) {
	f.Add(encode(f, request(2)))
	f.Add(encode(f, request(1, func(e []any, b object) {
		resource(e, 1)["relatesTo"] = []any{object{"code": "replaces", "target": object{"reference": "DocumentReference/d7x1"}}}
		b["entry"] = append(e, patch("d7x1", "superseded"))
	})))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadProvision(b, known)
		if err != nil {
			var inv *hie.InvalidError
			if !errors.As(err, &inv) && !errors.Is(err, hie.ErrTooLarge) {
				t.Fatalf("an error that is no refusal: %T", err)
			}
			return
		}
		out, err := p.Prepare(site, 7, names)
		if err != nil {
			return
		}
		refs := make([]locator.Ref, len(out.Documents))
		for _, d := range out.Documents {
			if d.Render != nil {
				if _, err := fhir.ParseObject(d.Render(refs)); err != nil {
					t.Errorf("a document is not stored as JSON: %v", err)
				}
			}
		}
		for _, l := range out.Lists {
			if _, err := fhir.ParseObject(l.Render(refs, 1)); err != nil {
				t.Errorf("a list is not stored as JSON: %v", err)
			}
		}
	})
}

func FuzzReadSearch(f *testing.F) {
	f.Add("patient.identifier=urn:x|1&status=current&date=ge2026-01-01&author.family:exact=Ek&_id=d7x8")
	f.Fuzz(func(t *testing.T, query string) {
		ps, err := fhir.ParseParams(query)
		if err != nil {
			return
		}
		s, err := ReadSearch(ps, known)
		if err != nil {
			var inv *hie.InvalidError
			if !errors.As(err, &inv) {
				t.Fatalf("an error that is no refusal: %T", err)
			}
			return
		}
		s.Filter.Matches(locator.Pointer{})
	})
}

func FuzzReadCursor(f *testing.F) {
	f.Add(Cursor(locator.Cursor{SortAt: known.Now, ID: 5, Highest: 9}, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		var n int64
		if c, ok := ReadCursor(b, &n); ok && c.ID != 0 {
			again, ok := ReadCursor(Cursor(c, n), &n)
			if !ok || again.ID != c.ID || again.Highest != c.Highest || !again.SortAt.Equal(c.SortAt) {
				t.Errorf("a cursor changed on its way")
			}
		}
	})
}
