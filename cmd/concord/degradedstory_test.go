package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/locator"
)

// object is JSON to be changed.
type object = map[string]any

// damages are ways in which one input of a decision can go missing or wrong on its way to a node. Each row is a refusal of some
// documents, a document it means, one it does not, and that document damaged.
var damages = []struct {
	name    string
	refused string // members of a provision
	meant   func(object)
	free    func(object)
	damaged map[string]func(object)
}{
	{"author", `"data":[{"meaning":"authoredby","reference":{"reference":"Practitioner/quill"}}]`,
		func(d object) { d["author"] = []any{object{"reference": "Practitioner/quill"}} },
		func(d object) { d["author"] = []any{object{"reference": "Practitioner/other"}} },
		map[string]func(object){
			"dropped":                   func(d object) { delete(d, "author") },
			"in words alone":            func(d object) { d["author"] = []any{object{"display": "Dr. Quill"}} },
			"of a kind nobody knows":    func(d object) { d["author"] = []any{object{"reference": "Doctor/quill"}} },
			"named by an identifier":    func(d object) { d["author"] = []any{object{"identifier": object{"system": "urn:x", "value": "q"}}} },
			"an organisation's instead": func(d object) { d["author"] = []any{object{"reference": "Organization/harbor-general"}} },
		}},
	{"date", `"dataPeriod":{"start":"2022-01-01","end":"2022-12-31"}`,
		func(d object) { d["context"] = object{"period": object{"start": "2022-03-01", "end": "2022-03-05"}} },
		func(d object) { d["context"] = object{"period": object{"start": "2020-03-01", "end": "2020-03-05"}} },
		map[string]func(object){
			"dropped":               func(d object) { delete(d, "context") },
			"without an end":        func(d object) { d["context"] = object{"period": object{"start": "2022-03-01"}} },
			"without a start":       func(d object) { d["context"] = object{"period": object{"end": "2022-03-05"}} },
			"of a day there is not": func(d object) { d["context"] = object{"period": object{"start": "2022-02-31", "end": "2022-03-05"}} },
			"upside down":           func(d object) { d["context"] = object{"period": object{"start": "2023-03-01", "end": "2021-03-05"}} },
		}},
	{"sensitivity", `"securityLabel":[{"code":"HIV"}]`,
		func(d object) {
			d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "N"), labelled(locator.SystemActCode, "HIV")}
		},
		func(d object) {
			d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "N"), labelled(locator.SystemActCode, "SDV")}
		},
		map[string]func(object){
			"all labels dropped": func(d object) { delete(d, "securityLabel") },
			"of an unknown system": func(d object) {
				d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "N"), labelled("urn:local", "HIV")}
			},
			"of no system": func(d object) {
				d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "N"), labelled("", "HIV")}
			},
			"an unknown code": func(d object) {
				d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "N"), labelled(locator.SystemActCode, "hiv")}
			},
			"in words alone": func(d object) {
				d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "N"), object{"text": "HIV"}}
			},
			"a coding not in a concept": func(d object) {
				d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "N"), object{"system": locator.SystemActCode, "code": "HIV"}}
			},
		}},
	{"confidentiality", `"securityLabel":[{"system":"` + locator.SystemConfidentiality + `","code":"R"}]`,
		func(d object) { d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "R")} },
		func(d object) { d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "N")} },
		map[string]func(object){
			"dropped":              func(d object) { delete(d, "securityLabel") },
			"an unknown code":      func(d object) { d["securityLabel"] = []any{labelled(locator.SystemConfidentiality, "secret")} },
			"of an unknown system": func(d object) { d["securityLabel"] = []any{labelled("urn:local", "R")} },
		}},
	{"class", `"class":[{"code":"11488-4"}]`,
		func(object) {},
		func(d object) {
			d["category"] = []any{object{"coding": []any{object{"system": "http://loinc.org", "code": "18748-4"}}}}
		},
		map[string]func(object){
			"dropped":        func(d object) { delete(d, "category") },
			"in words alone": func(d object) { d["category"] = []any{object{"text": "consultation"}} },
			"of no system":   func(d object) { d["category"] = []any{object{"coding": []any{object{"code": "11488-4"}}}} },
		}},
	{"encounter", `"data":[{"meaning":"related","reference":{"reference":"Encounter/e1"}}]`,
		func(d object) { d["context"] = object{"encounter": []any{object{"reference": "Encounter/e1"}}} },
		func(d object) { d["context"] = object{"encounter": []any{object{"reference": "Encounter/e2"}}} },
		map[string]func(object){
			"dropped": func(d object) { delete(d, "context") },
			"one of two": func(d object) {
				d["context"] = object{"encounter": []any{object{"reference": "Encounter/e2"}, object{"reference": "Encounter/e1"}}}
			},
			"in words alone": func(d object) { d["context"] = object{"encounter": []any{object{"display": "the first visit"}}} },
		}},
}

// TestNothingDamagedOpensAnything is scenario 8 asked of a node: a document that a wish keeps back stays back, or is not taken
// in at all, whatever single input of the decision goes missing or wrong: of the document, of who asks, of the wish itself, or
// the epoch. Nothing of it makes a node answer "try again".
//
// Random damage to every input is done in consent's properties_test.go.
func TestNothingDamagedOpensAnything(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	const local = "DAMAGED-1"
	target, body := patientPut(w.exchangeUnderTest, local, "Nathaniel", "Blankenship", "1939-02-02")
	id := idOf(t, w.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, target, body))
	feed := w.clients["harbor-main-feed"].api

	publish := func(unique string, change ...func(object)) (taken bool) {
		t.Helper()
		var d object
		if err := json.Unmarshal(pointerPost(w.exchangeUnderTest, local, unique), &d); err != nil {
			t.Fatal(err)
		}
		for _, c := range change {
			c(d)
		}
		r, err := feed.call(w.ctx, feeding, http.MethodPost, "/fhir/DocumentReference", d)
		if err != nil || r.status != http.StatusCreated && r.status/100 != 4 {
			t.Fatalf("%s: %d, %v", unique, r.status, err)
		}
		return r.status == http.StatusCreated
	}
	consentID, version := "", 0
	wish := func(root, refused string) (taken bool) {
		t.Helper()
		c := object{}
		if err := json.Unmarshal(refusal(id, false, time.Now()), &c); err != nil {
			t.Fatal(err)
		}
		delete(c, "policyRule")
		c["policy"], c["provision"] = []any{object{"uri": consent.PolicySharing}}, json.RawMessage(`{"type":"permit","provision":[{`+refused+`}]`+root+`}`)
		if version == 0 {
			consentID, version = idOf(t, w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/Consent", c)), 1
			return true
		}
		c["id"] = consentID
		r, err := feed.call(w.ctx, feeding, http.MethodPut, "/fhir/Consent/"+consentID, c, "If-Match", fmt.Sprintf(`W/"%d"`, version))
		if err != nil || r.status != http.StatusOK && r.status/100 != 4 {
			t.Fatalf("%d, %v", r.status, err)
		}
		if r.status == http.StatusOK {
			version++
		}
		return r.status == http.StatusOK
	}
	shown := func(who asker) map[string]bool {
		t.Helper()
		var set struct {
			Entry []struct {
				Resource struct{ MasterIdentifier struct{ Value string } }
			}
		}
		decode(t, w.search("riverside-clinic", who, w.authority("harbor-main")+"|"+local, "_count", "200"), &set)
		out := map[string]bool{}
		for _, e := range set.Entry {
			out[e.Resource.MasterIdentifier.Value] = true
		}
		return out
	}

	done := 0
	for _, tt := range damages {
		t.Run("a document's "+tt.name, func(t *testing.T) {
			wish("", `"type":"deny",`+tt.refused)
			unique := func(what string) string { return "urn:" + tt.name + ":" + strings.ReplaceAll(what, " ", "-") }
			if !publish(unique("meant"), tt.meant) || !publish(unique("free"), tt.free) {
				t.Fatal("an undamaged document was not taken")
			}
			for what, damage := range tt.damaged {
				if publish(unique(what), tt.meant, damage) {
					done++
				}
			}
			got := shown(treating)
			if got[unique("meant")] || !got[unique("free")] {
				t.Fatalf("undamaged, the one meant is shown %t, the other %t", got[unique("meant")], got[unique("free")])
			}
			for what := range tt.damaged {
				if got[unique(what)] {
					t.Errorf("%s: it is shown", what)
				}
			}
		})
	}
	if done < 15 {
		t.Errorf("only %d damaged documents were taken in: little is shown", done)
	}

	t.Run("who asks", func(t *testing.T) {
		wish("", `"type":"deny","actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Practitioner/bloom"}}]`)
		publish("urn:asked")
		bloom, other := treating, treating
		bloom.user, other.user = "Practitioner/bloom", "Practitioner/other"
		if shown(bloom)["urn:asked"] || !shown(other)["urn:asked"] {
			t.Fatal("undamaged, the refusal does not tell one from the other")
		}
		system := treating
		system.user, system.name, system.role = "", "", ""
		bare := treating
		bare.user = "bloom"
		for what, who := range map[string]asker{"nobody named": system, "named otherwise": bare} {
			if shown(who)["urn:asked"] {
				t.Errorf("%s: it is shown", what)
			}
		}
	})

	t.Run("the wish, and the epoch", func(t *testing.T) {
		const node = `"type":"deny","securityLabel":[{"code":"HIV"}]`
		wish("", node)
		publish("urn:hiv", damages[2].meant)
		closed := func(what string) {
			t.Helper()
			if shown(treating)["urn:hiv"] {
				t.Errorf("%s: it is shown", what)
			}
		}
		closed("undamaged")
		record, _, err := w.sealer.OpenID("patient", id)
		if err != nil {
			t.Fatal(err)
		}
		for _, epoch := range []int{0, 1, 1 << 40} {
			if _, err := w.db.Exec(w.ctx, `update locator.subject set epoch = $2 where sp_id = $1`, record, epoch); err != nil {
				t.Fatal(err)
			}
			closed(fmt.Sprint("epoch ", epoch))
		}
		for what, damaged := range map[string][2]string{
			"a label nobody knows":         {"", strings.Replace(node, "HIV", "HIVX", 1)},
			"an actor nobody can resolve":  {"", node + `,"actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/nobody"}}]`},
			"a purpose nobody knows":       {"", node + `,"purpose":[{"code":"NOWHY"}]`},
			"a class in words":             {"", node + `,"class":[{"display":"notes"}]`},
			"no word of what it does":      {"", strings.Replace(node, `"type":"deny",`, "", 1)},
			"a word nobody knows":          {"", strings.Replace(node, `"deny"`, `"refuse"`, 1)},
			"a period upside down":         {`,"period":{"start":"2030-01-01","end":"2020-01-01"}`, node},
			"a date that is none":          {`,"period":{"start":"2020-02-31"}`, node},
			"an extension that changes it": {`,"modifierExtension":[{"url":"urn:x","valueBoolean":true}]`, node},
		} {
			wish(damaged[0], damaged[1]) // or refused at the door, and the former stays
			closed(what)
			wish("", node)
			closed("mended after " + what)
		}
	})
}
