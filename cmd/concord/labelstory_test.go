package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// above is the tree of sensitivity codes, child to parent, as the test reads it from the specification.
//
// Source: spec consent-cases, "Code lists".
var above = map[string]string{"MH": "BH", "PSY": "BH", "SUD": "BH", "ETHUD": "SUD", "OPIOIDUD": "SUD"}

// sensitivities are the codes documents and wishes of the test carry.
var sensitivities = []string{"BH", "MH", "PSY", "SUD", "ETHUD", "OPIOIDUD", "HIV", "SDV", "SEX", "STD", "GDIS", "SICKLE"}

// A saying is one node of a wish about labels: what it says of which codes, and its exceptions. No codes is what it stands in
// says.
type saying struct {
	permit bool
	codes  []string
	inner  []saying
}

// within reports whether code is other or lies under it.
func within(code, other string) bool {
	for ; code != ""; code = above[code] {
		if code == other {
			return true
		}
	}
	return false
}

// speaks reports whether a node of effective codes says anything of atom, "" for a document without labels.
func speaks(permit bool, codes []string, atom string) bool {
	return len(codes) == 0 || atom != "" && slices.ContainsFunc(codes, func(c string) bool {
		return within(atom, c) || !permit && within(c, atom)
	})
}

// answer is what s says of atom: 'p', 'd' or 0 for nothing. inherited are the codes of what it stands in.
//
// Source: spec consent 2.4 and 2.6.
func (s *saying) answer(inherited []string, atom string) byte {
	codes := s.codes
	if len(codes) == 0 {
		codes = inherited
	}
	permitted := false
	for i := range s.inner {
		switch s.inner[i].answer(codes, atom) {
		case 'd':
			return 'd'
		case 'p':
			permitted = true
		}
	}
	switch {
	case permitted:
		return 'p'
	case !speaks(s.permit, codes, atom):
		return 0
	case s.permit:
		return 'p'
	}
	return 'd'
}

// releases reports whether a document of these labels may go, as far as the wish goes: every label covered. Where a refusal
// is silent the default shares; where a permission is, it has not been given.
func (s *saying) releases(labels []string) bool {
	if len(labels) == 0 {
		labels = []string{""}
	}
	return !slices.ContainsFunc(labels, func(atom string) bool {
		a := s.answer(nil, atom)
		return a == 'd' || a == 0 && s.permit
	})
}

func randomSaying(r *rand.Rand, depth int) saying {
	s := saying{permit: r.IntN(2) == 0}
	for range r.IntN(4) {
		s.codes = append(s.codes, sensitivities[r.IntN(len(sensitivities))])
	}
	if depth < 4 {
		for range r.IntN(4 - depth) {
			s.inner = append(s.inner, randomSaying(r, depth+1))
		}
	}
	return s
}

// provision writes s as FHIR does.
func (s *saying) provision() map[string]any {
	p := map[string]any{"type": word(s.permit)}
	var labels []any
	for _, c := range s.codes {
		labels = append(labels, map[string]string{"system": locator.SystemActCode, "code": c})
	}
	if labels != nil {
		p["securityLabel"] = labels
	}
	var inner []any
	for i := range s.inner {
		inner = append(inner, s.inner[i].provision())
	}
	if inner != nil {
		p["provision"] = inner
	}
	return p
}

// TestEveryLabelOfADocumentMustBeCovered is scenario 4: two hundred wishes of random trees over two hundred documents of
// random sets of labels, asked of a node. What it shows is what a reading of the specification by hand shows: a permission
// for one label never carries another along. Under every eighth wish the site that published the documents asks what it may give
// by itself: the list it is handed names the newest of those the node shows, and no other.
//
// Source: spec consent, scenario 4 and vector 93.
func TestEveryLabelOfADocumentMustBeCovered(t *testing.T) {
	oneAfterAnother(t)
	const trees, documents = 200, 200
	w := newDesks(t)
	target, body := patientPut(w.exchangeUnderTest, "LABELS-1", "Nathaniel", "Blankenship", "1939-02-02")
	id := idOf(t, w.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, target, body))
	r := rand.New(rand.NewPCG(4, 200))
	labels := make([][]string, documents)
	for i := range labels {
		for range []int{0, 1, 1, 2, 2, 3, 4}[r.IntN(7)] {
			labels[i] = append(labels[i], sensitivities[r.IntN(len(sensitivities))])
		}
		slices.Sort(labels[i])
		labels[i] = slices.Compact(labels[i])
		concepts := []any{labelled(locator.SystemConfidentiality, "N")}
		for _, c := range labels[i] {
			concepts = append(concepts, labelled(locator.SystemActCode, c))
		}
		var d map[string]any
		if err := json.Unmarshal(pointerPost(w.exchangeUnderTest, "LABELS-1", fmt.Sprintf("urn:labels:%d", i)), &d); err != nil {
			t.Fatal(err)
		}
		d["securityLabel"] = concepts
		w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/DocumentReference", d)
	}
	shown := func() map[int]bool {
		t.Helper()
		var set struct {
			Total int
			Entry []struct {
				Resource struct {
					ResourceType     string
					MasterIdentifier struct{ Value string }
				}
			}
		}
		decode(t, w.search("riverside-clinic", treating, w.authority("harbor-main")+"|LABELS-1", "_count", "200"), &set)
		out := map[int]bool{}
		for _, e := range set.Entry {
			var n int
			if _, err := fmt.Sscanf(e.Resource.MasterIdentifier.Value, "urn:labels:%d", &n); err == nil {
				out[n] = true
			}
		}
		if len(out) != set.Total {
			t.Fatalf("%d documents on the page, %d in all", len(out), set.Total)
		}
		return out
	}
	lawful := shown() // law may keep back what no wish was stated about
	if len(lawful) < documents/2 {
		t.Fatalf("only %d documents are shown to anybody", len(lawful))
	}
	file := func(s saying, version int, consentID string) string {
		t.Helper()
		c := map[string]any{}
		if err := json.Unmarshal(refusal(id, false, time.Now()), &c); err != nil {
			t.Fatal(err)
		}
		delete(c, "policyRule")
		c["policy"], c["provision"] = []any{map[string]string{"uri": consent.PolicySharing}}, s.provision()
		if version == 0 {
			return idOf(t, w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/Consent", c))
		}
		c["id"] = consentID
		w.must(http.StatusOK, "harbor-main-feed", feeding, http.MethodPut, "/fhir/Consent/"+consentID, c, "If-Match", fmt.Sprintf(`W/"%d"`, version))
		return consentID
	}
	listed := func() map[int]bool {
		t.Helper()
		var answer fhir.Parameters
		decode(t, w.must(http.StatusOK, "harbor-main-feed", feeding, http.MethodPost, "/fhir/Consent/$residual", map[string]any{"resourceType": "Parameters", "parameter": []any{
			map[string]any{"name": "patient", "valueReference": map[string]any{"reference": "Patient/" + id}},
			map[string]any{"name": "organization", "valueReference": map[string]any{"reference": "Organization/riverside"}}, map[string]any{"name": "purpose", "valueCode": "TREAT"}}}), &answer)
		out := map[int]bool{}
		for _, p := range answer.Parameter {
			if p.Name != "ihe_pcf" {
				continue
			}
			var told struct {
				Residual []struct {
					Type string
					Data []struct{ Reference fhir.Reference }
				}
			}
			decode(t, reply{body: []byte(p.ValueString)}, &told)
			if len(told.Residual) != 2 || told.Residual[0].Type != "forbid" || told.Residual[0].Data != nil || told.Residual[1].Type != "permit" {
				t.Fatalf("not everything is forbidden but what is listed: %s", p.ValueString)
			}
			for _, d := range told.Residual[1].Data {
				var n int
				if _, err := fmt.Sscanf(d.Reference.Identifier.Value, "urn:labels:%d", &n); err != nil {
					t.Fatalf("a document is listed by no name of its site: %s", p.ValueString)
				}
				out[n] = true
			}
		}
		return out
	}
	consentID, released, withheld, several, named := "", 0, 0, 0, 0
	for n := range trees {
		s := randomSaying(r, 1)
		consentID = file(s, n, consentID)
		got := shown()
		for i, set := range labels {
			want := lawful[i] && s.releases(set)
			if got[i] != want {
				why := w.explain(map[string]any{"patient": id, "organization": "riverside", "purposes": []string{"TREAT"}, "roles": []string{"physician"},
					"document": map[string]any{"class": "11488-4", "type": "18842-5", "confidentiality": "N", "sensitivity": set, "labelled": true}})
				t.Fatalf("tree %d %s: a document of %s is shown %t, want %t; %+v", n, mustJSON(t, s.provision()), strings.Join(set, "+"), got[i], want, why)
			}
			switch {
			case want:
				released++
			case lawful[i]:
				if withheld++; len(set) > 1 && slices.ContainsFunc(set, func(c string) bool { return s.releases([]string{c}) }) {
					several++
				}
			}
		}
		if n%8 == 0 {
			given := listed()
			for i := range given {
				if !got[i] {
					t.Errorf("tree %d %s: the site may give a document of %v that the node does not show", n, mustJSON(t, s.provision()), labels[i])
				}
			}
			if want := min(len(got), 40); len(given) != want {
				t.Errorf("tree %d %s: %d documents are listed, want %d of the %d shown", n, mustJSON(t, s.provision()), len(given), want, len(got))
			}
			named += len(given)
		}
	}
	if named < 100 {
		t.Errorf("only %d documents are listed", named)
	}
	if released < 1000 || withheld < 1000 || several < 200 {
		t.Errorf("%d released, %d withheld, %d of them for one label among several: not much is shown", released, withheld, several)
	}
	t.Logf("%d released, %d withheld, %d of them though one of several labels was permitted", released, withheld, several)
}

// labelled is one security label of a document.
func labelled(system, code string) map[string]any {
	return map[string]any{"coding": []any{map[string]string{"system": system, "code": code}}}
}

// An explanation is what the officer's desk says of a decision.
type explanation struct {
	Release    bool
	Reason     string
	Directives []struct {
		Consent string
		Version int64
		State   string
		Why     []string
	}
	Steps []struct {
		Rule, Node, Effect, Note string
		Decides                  bool
	}
	Basis struct {
		At       string
		Policies []struct {
			Policy, Edition string
			Version         int64
		}
		Records []struct {
			Record, Site, Link string
			Epoch              *int64
		}
	}
}

// explain asks the network's officer's desk why a decision is as it is.
func (w *town) explain(question map[string]any) (out explanation) {
	w.t.Helper()
	decode(w.t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/explain", question), &out)
	return out
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
