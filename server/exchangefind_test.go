package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/fhir"
)

func TestUnknownEmptyWithheldAndRefusedLookAlike(t *testing.T) {
	x := newExchange(t)
	x.want(http.StatusCreated, "clinic", http.MethodPut, "/fhir/Patient?identifier=urn:clinic%7Cempty",
		`{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:clinic","value":"empty"}],"name":[{"family":"Blankenship","given":["Nathaniel"]}],"birthDate":"1939-02-02"}`)
	x.publish(1, []byte("one"), nil)
	x.live = `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + docAt("rural", 2, []byte("seen at home")) + `}]}`
	docs, _, _ := x.search("clinic", mine)
	id := x.patientID("clinic", "urn:clinic")
	x.optOut()
	forged := x.sealer.ID("patient", 404, 0)
	for _, tt := range []struct {
		name, method, path string
		form               bool
	}{
		{"search", http.MethodGet, "/fhir/DocumentReference?status=current&", false},
		{"search by form", http.MethodPost, "/fhir/DocumentReference/_search", true},
		{"count", http.MethodGet, "/fhir/DocumentReference?_summary=count&", false},
		{"presence", http.MethodGet, "/fhir/DocumentReference/$presence?", false},
	} {
		want := ""
		for _, who := range []string{"patient.identifier=urn:clinic|nobody", "patient.identifier=urn:nobody|x", "patient.identifier=urn:clinic|empty", mine,
			"patient=Patient/" + id, "patient=" + id, "patient=Patient/" + forged, "patient=Patient/nonsense"} {
			who = strings.ReplaceAll(who, "|", "%7C")
			var got string
			if tt.form {
				got = face(x.want(http.StatusOK, "clinic", tt.method, tt.path, who, "Content-Type", "application/x-www-form-urlencoded"))
			} else {
				got = face(x.want(http.StatusOK, "clinic", tt.method, tt.path+who, ""))
			}
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s: %s is told apart:\n%s\n---\n%s", tt.name, who, got, want)
			}
		}
	}
	want := ""
	for _, d := range docs { // one of the index, one a site told of
		paths := []string{strings.TrimPrefix(d.Content[0].Attachment.URL, x.node.URL), "/fhir/Binary/nonsense", "/fhir/Binary/" + d.ID,
			"/fhir/Binary/" + x.sealer.ID("binary", 1, 2), "/fhir/Binary/" + x.sealer.ID("live", 1, 2), "/fhir/Binary/" + strings.Repeat("x", 300)}
		for _, path := range append(paths, "/fhir/DocumentReference/"+d.ID, "/fhir/DocumentReference/nonsense") {
			got := face(x.want(http.StatusNotFound, "clinic", http.MethodGet, path, ""))
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s is told apart:\n%s\n---\n%s", path, got, want)
			}
		}
	}
}

func TestACursorWorksForWhoGotItAlone(t *testing.T) {
	x := newExchange(t)
	for n := range 7 {
		x.publish(n, fmt.Appendf(nil, "document %d", n), nil)
	}
	_, _, first := x.search("clinic", mine+"&_count=3")
	next := ""
	for _, l := range first.Link {
		if l.Relation == "next" {
			next = strings.TrimPrefix(l.URL, x.node.URL+"/fhir/DocumentReference?")
		}
	}
	if next == "" || strings.Contains(next, "m-1") || *first.Total != 7 {
		t.Fatalf("next %q of %d", next, *first.Total)
	}
	docs, _, second := x.search("clinic", next)
	if len(docs) != 3 || *second.Total != 7 {
		t.Errorf("second page: %d of %d", len(docs), *second.Total)
	}
	q, err := url.ParseQuery(next)
	if err != nil {
		t.Fatal(err)
	}
	cursor := q.Get("_cursor")
	bent := []byte(cursor)
	bent[20] ^= 1
	for name, r := range map[string]reply{
		"another organisation": x.ask("rural", http.MethodGet, "/fhir/DocumentReference?"+next, ""),
		"another purpose":      x.ask("clinic-billing", http.MethodGet, "/fhir/DocumentReference?"+next, ""),
		"another user":         x.ask("clinic-colleague", http.MethodGet, "/fhir/DocumentReference?"+next, ""),
		"a bent cursor":        x.ask("clinic", http.MethodGet, "/fhir/DocumentReference?_cursor="+url.QueryEscape(string(bent)), ""),
		"no cursor of ours":    x.ask("clinic", http.MethodGet, "/fhir/DocumentReference?_cursor=abc", ""),
	} {
		if r.status != http.StatusBadRequest || !bytes.Contains(r.body, []byte(`"_cursor"`)) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	x.optOut()
	if docs, _, b := x.search("clinic", next); len(docs) != 0 || *b.Total != 0 {
		t.Errorf("after a revocation the next page still holds %d of %d", len(docs), *b.Total)
	}
}

func TestSearchParametersAreUnderstoodOrRefused(t *testing.T) {
	x := newExchange(t)
	x.publish(1, []byte("one"), nil)
	x.publish(2, []byte("two"), nil)
	docs, issues, _ := x.search("clinic", mine+"&unheard-of=1")
	if len(docs) != 2 || len(issues) != 2 || issues[0].Code != "not-supported" || issues[0].Expression[0] != "unheard-of" {
		t.Errorf("an unknown parameter: %d documents, %d issues", len(docs), len(issues))
	}
	if r := x.ask("clinic", http.MethodGet, "/fhir/DocumentReference?"+mine+"&unheard-of=1", "", "Prefer", "handling=strict"); r.status != http.StatusBadRequest {
		t.Errorf("strict: %d", r.status)
	}
	for query, want := range map[string]int{"date=ge2026-01-03": 1, "date=2026": 2, "type=http://loinc.org%7C34133-9": 2, "type=other": 0, "status=superseded": 0,
		"custodian=Organization/hospital": 2, "custodian=Organization/clinic": 0, "_id=" + docs[0].ID: 1, "_id=nonsense": 0, "category=18842-5": 2, "period=2020": 0} {
		if got, _, b := x.search("clinic", mine+"&"+query); len(got) != want || *b.Total != want {
			t.Errorf("%s: %d of %d, want %d", query, len(got), *b.Total, want)
		}
	}
	if got, _, _ := x.search("clinic", "_id="+docs[1].ID); len(got) != 1 || got[0].ID != docs[1].ID {
		t.Error("a search by id alone")
	}
	if got, _, b := x.search("clinic", mine+"&_summary=count"); len(got) != 0 || *b.Total != 2 {
		t.Errorf("count: %d entries, total %d", len(got), *b.Total)
	}
	for _, bad := range []string{"", "status=current", mine + "&" + mine, mine + "&date=tomorrow", mine + "&type:not=x", mine + "&_count=-1", "patient.identifier=m-1", mine + "&status=zzz"} {
		if r := x.ask("clinic", http.MethodGet, "/fhir/DocumentReference?"+bad, ""); r.status != http.StatusBadRequest || !bytes.Contains(r.body, []byte("OperationOutcome")) {
			t.Errorf("%q: %d", bad, r.status)
		}
	}
}

func TestTheSameDocumentAtTwoPlacesIsOneEntryBesideALargeRecord(t *testing.T) {
	x := newExchange(t)
	for n := range 110 {
		x.publish(n, fmt.Appendf(nil, "document %d", n), nil)
	}
	for n := range 4 { // of which 104 and 105 are the hospital's as well
		x.want(http.StatusCreated, "clinic", http.MethodPost, "/fhir/DocumentReference", docAt("clinic", 104+4*n, fmt.Appendf(nil, "document %d", 104+n+4*(n/2))))
	}
	seen, alternates := map[string]bool{}, 0
	for query := mine + "&_count=20"; query != ""; {
		_, _, b := x.search("clinic", query)
		if *b.Total != 112 {
			t.Fatalf("total %d, want 112", *b.Total)
		}
		for _, e := range b.Entry {
			if e.Search.Mode == "match" {
				seen[e.FullURL] = true
				for _, x := range e.Search.Extension {
					if x.URL == extensionAlternate {
						alternates++
					}
				}
			}
		}
		query = ""
		for _, l := range b.Link {
			if l.Relation == "next" {
				query = strings.TrimPrefix(l.URL, x.node.URL+"/fhir/DocumentReference?")
			}
		}
	}
	if len(seen) != 112 || alternates != 2 {
		t.Errorf("%d documents and %d alternates, want 112 and 2", len(seen), alternates)
	}
}

func TestASilentSiteIsToldOfWithoutItsAddress(t *testing.T) {
	x := newExchange(t)
	x.publish(1, []byte("one"), nil)
	x.live = `zyxquill`
	docs, issues, _ := x.search("clinic", mine)
	if len(docs) != 1 || len(issues) != 2 || issues[0].Diagnostics != "The rural could not be asked." || issues[0].Code != "transient" {
		t.Errorf("%d documents, issues %v", len(docs), issues)
	}
}

func TestTheCapabilityStatementTellsOfTheRoutesThereAre(t *testing.T) {
	d := newDoors(t)
	r := d.do(http.MethodGet, "/fhir/metadata", "", nil)
	var c struct {
		ResourceType string `json:"resourceType"`
		FHIRVersion  string `json:"fhirVersion"`
		Rest         []struct {
			Resource []struct {
				Type        string `json:"type"`
				Interaction []struct {
					Code string `json:"code"`
				} `json:"interaction"`
				Operation []struct {
					Name string `json:"name"`
				} `json:"operation"`
				SearchParam []searchParam `json:"searchParam"`
			} `json:"resource"`
		} `json:"rest"`
	}
	if err := fhir.Decode(r.Body.Bytes(), &c); err != nil || r.Code != http.StatusOK || c.ResourceType != "CapabilityStatement" || c.FHIRVersion != "4.0.1" {
		t.Fatalf("%d %v", r.Code, err)
	}
	told := map[string]bool{}
	for _, res := range c.Rest[0].Resource {
		for _, i := range res.Interaction {
			told[res.Type+" "+i.Code] = true
		}
		for _, o := range res.Operation {
			told[res.Type+" $"+o.Name] = true
		}
	}
	for _, want := range []string{"DocumentReference search-type", "DocumentReference create", "DocumentReference read", "DocumentReference update",
		"DocumentReference delete", "DocumentReference $presence", "Binary read", "Patient update", "Patient $match", "Organization read"} {
		if !told[want] {
			t.Errorf("%s is offered and not told of", want)
		}
	}
	for _, no := range []string{"Binary search-type", "Binary create", "Patient patch", "metadata read"} {
		if told[no] {
			t.Errorf("%s is told of and not offered", no)
		}
	}
	// Every search parameter told of is one that the search knows: strictly asked, none is refused as unknown.
	values := map[string]string{"token": "urn:a|b", "reference": "x", "date": "2026", "string": "b"}
	knows := 0
	for _, res := range c.Rest[0].Resource {
		for _, p := range res.SearchParam {
			r := d.do(http.MethodGet, "/fhir/"+res.Type+"?"+p.Name+"="+url.QueryEscape(values[p.Type]), oakToken, nil, "Prefer", "handling=strict")
			if strings.Contains(r.Body.String(), "is not a search parameter here") || r.Code == http.StatusNotFound {
				t.Errorf("%s of %s is told of and not known", p.Name, res.Type)
			}
			knows++
		}
	}
	if knows < 50 {
		t.Errorf("%d search parameters told of", knows)
	}
	r = d.do(http.MethodGet, "/fhir/DocumentReference?unheard-of=1&patient=x", oakToken, nil, "Prefer", "handling=strict")
	if !strings.Contains(r.Body.String(), "is not a search parameter here") {
		t.Error("an unknown parameter is not refused, so this test shows nothing")
	}
}
