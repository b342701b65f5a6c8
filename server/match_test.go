package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

// pix asks $ihe-pix by GET.
func (c *clinic) pix(token, source string, targets ...string) *httptest.ResponseRecorder {
	c.Helper()
	path := "/fhir/Patient/$ihe-pix?sourceIdentifier=" + url.QueryEscape(source)
	for _, t := range targets {
		path += "&targetSystem=" + url.QueryEscape(t)
	}
	return c.get(path, token)
}

// told returns the identifiers an answer of $ihe-pix holds, checking that each has its Patient.
func (c *clinic) told(r *httptest.ResponseRecorder) string {
	c.Helper()
	var p fhir.Parameters
	if err := fhir.Decode(r.Body.Bytes(), &p); err != nil || r.Code != http.StatusOK || p.ResourceType != "Parameters" {
		c.Fatalf("status %d, %v: %s", r.Code, err, r.Body)
	}
	var out []string
	for i := 0; i < len(p.Parameter); i += 2 {
		ref, id := p.Parameter[i], p.Parameter[i+1]
		record, ok := c.server.patientRecord(strings.TrimPrefix(ref.ValueReference.Reference, "Patient/"))
		if ref.Name != "targetId" || id.Name != "targetIdentifier" || !ok {
			c.Errorf("parameters %s, %s", ref.Name, id.Name)
		}
		for _, sp := range c.index.patients {
			if sp.Record == record && sp.Local.Value != id.ValueIdentifier.Value {
				c.Error("an identifier beside the wrong Patient")
			}
		}
		out = append(out, id.ValueIdentifier.Value)
	}
	return strings.Join(out, " ")
}

func TestCrossReferencesTellWhatMayBeTold(t *testing.T) {
	c := newClinic(t)
	red := c.index.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	blue := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	second := c.index.add(1, "oak-street", blueSystem, "B-2", "MOHR")
	old := c.index.add(1, "oak-street", blueSystem, "B-3", "MOHR")
	c.index.patients[3].AliasOf = blue
	gone := c.index.add(1, "mercy-main", redSystem, "R-2", "MOHR")
	c.index.patients[4].Active = false
	elm := c.index.add(1, "elm", greenSystem, "G-1", "MOHR")
	doubt := c.index.add(1, "mercy-main", redSystem, "R-3", "MOHR")
	c.index.links[doubt] = hie.LinkTentative
	c.index.add(2, "oak-street", blueSystem, "B-9", "SOLO")
	c.index.add(3, "mercy-main", redSystem, "R-9", "HIDDEN")
	c.index.add(3, "oak-street", blueSystem, "B-8", "HIDDEN")
	for _, r := range []hie.SourcePatientID{red, gone, elm, doubt} {
		c.named[r] = true
	}
	for _, tt := range []struct{ name, source, targets, want string }{
		{"all that may be named, the source left out", blueSystem + "|B-1", "", "R-1 B-2"},
		{"one domain", blueSystem + "|B-1", redSystem, "R-1"},
		{"two domains", blueSystem + "|B-1", redSystem + " " + blueSystem, "R-1 B-2"},
		{"a domain of a site that takes part no more", blueSystem + "|B-1", greenSystem, ""},
		{"by a retired number its survivor is told", blueSystem + "|B-3", "", "R-1 B-1 B-2"},
		{"by another organisation's number that may be named", redSystem + "|R-1", "", "B-1 B-2"},
		{"nobody else", blueSystem + "|B-9", "", ""},
		{"withheld looks like nobody else", blueSystem + "|B-8", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.told(c.pix(oakToken, tt.source, strings.Fields(tt.targets)...)); got != tt.want {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
	alone, withheld := c.pix(oakToken, blueSystem+"|B-9"), c.pix(oakToken, blueSystem+"|B-8")
	if alone.Body.String() != withheld.Body.String() || !sameHeaders(alone, withheld) {
		t.Error("an answer with something withheld differs from an empty one")
	}
	last := c.trail.events[len(c.trail.events)-1]
	if last.Withheld != 1 || last.Released != 0 || last.Kind != audit.PatientQueried || !strings.Contains(last.Query, "B-8") {
		t.Error("the trail tells auditors what was withheld")
	}
	c.index.links[blue] = hie.LinkDisputed
	if got := c.told(c.pix(oakToken, blueSystem+"|B-1")); got != "" {
		t.Errorf("told %q of a record in dispute", got)
	}
	_, _ = second, old
}

func TestCrossReferencesRefuseAsPIXmSays(t *testing.T) {
	c := newClinic(t)
	c.index.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	b1 := blueSystem + "|B-1"
	for _, tt := range []struct {
		name   string
		got    *httptest.ResponseRecorder
		status int
		code   string
		at     string
	}{
		{"an unknown patient of a known domain", c.pix(oakToken, blueSystem+"|B-7"), 404, "not-found", ""},
		{"an unknown source domain", c.pix(oakToken, "urn:nobody|1"), 400, "code-invalid", ""},
		{"an unknown target domain", c.pix(oakToken, b1, "urn:nobody"), 403, "code-invalid", ""},
		{"one unknown target domain of two", c.pix(oakToken, b1, redSystem, "urn:nobody"), 403, "code-invalid", ""},
		{"no source", c.get("/fhir/Patient/$ihe-pix?targetSystem=x", oakToken), 400, "required", "sourceIdentifier"},
		{"a source without a system", c.pix(oakToken, "B-1"), 400, "required", "sourceIdentifier"},
		{"two sources", c.get("/fhir/Patient/$ihe-pix?sourceIdentifier=a%7Cb&sourceIdentifier=a%7Cc", oakToken), 400, "required", "sourceIdentifier"},
		{"an unknown parameter, strictly", c.do("GET", "/fhir/Patient/$ihe-pix?colour=red&sourceIdentifier="+url.QueryEscape(b1), oakToken, nil, "Prefer", "handling=strict"), 400, "not-supported", "colour"},
		{"a body that is no Parameters", c.do("POST", "/fhir/Patient/$ihe-pix", oakToken, []byte(`{"resourceType":"Patient"}`)), 400, "invalid", "resourceType"},
		{"no scope", c.pix(noScopeToken, b1), 403, "forbidden", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := *c.doors
			inner.T = t
			inner.refused(tt.got, tt.status, tt.code, tt.at)
		})
	}
	unknown, hidden := c.pix(oakToken, redSystem+"|R-7"), c.pix(oakToken, redSystem+"|R-1")
	if hidden.Code != http.StatusNotFound || hidden.Body.String() != unknown.Body.String() || !sameHeaders(hidden, unknown) {
		t.Errorf("another organisation's patient: %d %s, want as unknown: %s", hidden.Code, hidden.Body, unknown.Body)
	}
}

func TestPIXmsExampleIsAnswered(t *testing.T) {
	dir := "../../shared/data/messages/fhir/ihe-pixm/"
	body, err := os.ReadFile(dir + "Parameters-pixm-request-mohralice-red-all.json")
	if err != nil {
		t.Skip("the shared sample messages are not on this machine")
	}
	c := newClinic(t)
	c.put(mercyToken, redSystem+"|IHERED-994", mustRead(t, dir+"Patient-Patient-MohrAlice-Red.json"))
	c.put(oakToken, blueSystem+"|IHEBLUE-994", mustRead(t, dir+"Patient-Patient-MohrAlice-Blue.json"))
	for r := range c.index.persons {
		c.index.persons[r], c.named[r] = 1, true
	}
	if got := c.told(c.do("POST", "/fhir/Patient/$ihe-pix", mercyToken, body)); got != "IHEBLUE-994" {
		t.Errorf("told %q, want IHEBLUE-994", got)
	}
	r := c.put(mercyToken, redSystem+"|IHERED-m94", mustRead(t, dir+"Patient-Patient-MaidenAlice-Red.json"))
	if r.Code != http.StatusCreated {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	r = c.put(mercyToken, redSystem+"|IHERED-m94", mustRead(t, dir+"Patient-Patient-MohrMaidenResolvedByMohrMalice-Red.json"))
	if r.Code != http.StatusOK || c.index.patients[2].AliasOf != c.index.patients[0].Record {
		t.Errorf("resolve duplicate: %d %s", r.Code, r.Body)
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// person scripts an identity of records.
func (c *clinic) identity(grade mpi.Grade, p mpi.Probability, proof string, records ...hie.SourcePatientID) mpi.Identity {
	c.Helper()
	person, err := c.index.PersonOf(c.Context(), records[0])
	if err != nil {
		c.Fatal(err)
	}
	found, _ := c.index.Records(c.Context(), records)
	return mpi.Identity{Person: person, Records: found, Grade: grade, Probability: p, Proof: mpi.Proof{Rule: proof}, Scores: make([]mpi.Bits, len(found))}
}

// matchedValues returns value:grade:score of an answer's entries, in order.
func (c *clinic) matchedValues(b fhir.Bundle) string {
	c.Helper()
	var out []string
	for _, e := range b.Entry {
		if e.Search.Mode != "match" {
			continue
		}
		var p fhir.Patient
		if err := fhir.Decode(e.Resource, &p); err != nil {
			c.Fatal(err)
		}
		out = append(out, p.Identifier[0].Value+":"+e.Search.Extension[0].ValueCode+":"+string(fhir.Encode(*e.Search.Score)))
	}
	return strings.Join(out, " ")
}

func TestMatchShowsOthersOnlyWhatIsProvenAndMayBeNamed(t *testing.T) {
	c := newClinic(t)
	red := c.index.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	blue := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	other := c.index.add(2, "mercy-main", redSystem, "R-2", "MOHR")
	near := c.index.add(3, "oak-street", blueSystem, "B-3", "MOHR")
	certain := c.identity(mpi.GradeCertain, 0.9996, "01", red, blue)
	runnerUp := c.identity(mpi.GradePossible, 0.33, "", other)
	ownPossible := c.identity(mpi.GradePossible, 0.31, "", near)
	twin := c.identity(mpi.GradeCertain, 0.999, "08", other)
	against := c.identity(mpi.GradeNone, 0, "22", near)
	for _, tt := range []struct {
		name  string
		match mpi.Matched
		named []hie.SourcePatientID
		body  string
		want  string
	}{
		{"a proven person's records that may be named", mpi.Matched{Identities: []mpi.Identity{certain}}, []hie.SourcePatientID{red}, "", "R-1:certain:1 B-1:certain:1"},
		{"only the caller's own where the other may not", mpi.Matched{Identities: []mpi.Identity{certain}}, nil, "", "B-1:certain:1"},
		{"others that are merely possible are not shown", mpi.Matched{Identities: []mpi.Identity{certain, runnerUp, ownPossible}}, []hie.SourcePatientID{red, other}, "",
			"R-1:certain:1 B-1:certain:1 B-3:possible:0.3"},
		{"two proven persons prove nothing", mpi.Matched{Identities: []mpi.Identity{certain, twin}}, []hie.SourcePatientID{red, other}, "", "B-1:certain:1"},
		{"a second proof against the evidence proves nothing either", mpi.Matched{Identities: []mpi.Identity{certain, against}}, []hie.SourcePatientID{red, other}, "", "B-1:certain:1"},
		{"a search cut short proves nothing", mpi.Matched{Identities: []mpi.Identity{certain}, Truncated: true}, []hie.SourcePatientID{red}, "", "B-1:certain:1"},
		{"no more than count", mpi.Matched{Identities: []mpi.Identity{certain, ownPossible}}, []hie.SourcePatientID{red}, `{"name":"count","valueInteger":2}`, "R-1:certain:1 B-1:certain:1"},
		{"nobody", mpi.Matched{}, nil, "", ""},
		{"nobody who may be named", mpi.Matched{Identities: []mpi.Identity{twin}}, nil, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := *c
			inner.doors = &doors{T: t, server: c.server, sealer: c.sealer, log: c.log}
			clear(c.named)
			for _, r := range tt.named {
				c.named[r] = true
			}
			c.index.match = tt.match
			body := patientBody(blueSystem, "query", "")
			if tt.body != "" {
				body = `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + body + `},` + tt.body + `]}`
			}
			r := inner.do("POST", "/fhir/Patient/$match", oakToken, []byte(body))
			if got := inner.matchedValues(inner.bundle(r, http.StatusOK)); got != tt.want {
				t.Errorf("shown %q, want %q", got, tt.want)
			}
			if n := len(c.trail.events); tt.want != "" && (n == 0 || c.trail.events[n-1].Kind != audit.Disclosed || c.trail.events[n-1].Released != len(strings.Fields(tt.want))) {
				t.Error("what was shown is not recorded as disclosed")
			}
			if strings.Count(r.Body.String(), "123-45-6788") != strings.Count(tt.want, "B-") {
				t.Error("another organisation's social security number was shown")
			}
		})
	}
}

func TestMatchKeepsAConstantShapeWhenNothingMayBeShown(t *testing.T) {
	c := newClinic(t)
	other := c.index.add(2, "mercy-main", redSystem, "R-2", "MOHR")
	body := []byte(`{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + patientBody(blueSystem, "q", "") + `},{"name":"onlyCertainMatches","valueBoolean":true}]}`)
	nobody := c.do("POST", "/fhir/Patient/$match", oakToken, body)
	if !c.index.matched.OnlyCertain {
		t.Error("onlyCertainMatches did not reach the index")
	}
	for name, m := range map[string]mpi.Matched{
		"two proven":       {Withheld: "two-proven"},
		"cut short":        {Withheld: "truncated", Truncated: true},
		"may not be named": {Identities: []mpi.Identity{c.identity(mpi.GradeCertain, 1, "01", other)}},
	} {
		c.index.match = m
		r := c.do("POST", "/fhir/Patient/$match", oakToken, body)
		if r.Code != http.StatusOK || r.Body.String() != nobody.Body.String() || !sameHeaders(r, nobody) {
			t.Errorf("%s: %s\nwant as nobody: %s", name, r.Body, nobody.Body)
		}
	}
}

func TestMatchInputIsChecked(t *testing.T) {
	c := newClinic(t)
	patient := patientBody(blueSystem, "q", "")
	for _, tt := range []struct{ name, body, code, at string }{
		{"no Patient", `{"resourceType":"Parameters"}`, "required", "Parameters.parameter"},
		{"two Patients", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + patient + `},{"name":"resource","resource":` + patient + `}]}`, "required", "Parameters.parameter"},
		{"count of nothing", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + patient + `},{"name":"count","valueInteger":0}]}`, "value", "count"},
		{"certain as a string", `{"resourceType":"Parameters","parameter":[{"name":"onlyCertainMatches","valueString":"true"}]}`, "value", "onlyCertainMatches"},
		{"another resource", `{"resourceType":"Bundle"}`, "invalid", "resourceType"},
		{"a Patient that cannot be", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient","gender":"x"}}]}`, "code-invalid", "Patient.gender"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := *c.doors
			inner.T = t
			inner.refused(inner.do("POST", "/fhir/Patient/$match", oakToken, []byte(tt.body)), 400, tt.code, tt.at)
		})
	}
	body, err := os.ReadFile("../../shared/data/messages/fhir/identity-matching/Parameters-IDIMatchInputParameters-Example.json")
	if err != nil {
		t.Skip("the shared sample messages are not on this machine")
	}
	c.bundle(c.do("POST", "/fhir/Patient/$match", oakToken, body), http.StatusOK)
	if !c.index.matched.OnlyCertain {
		t.Error("the guide's onlySingleMatch asks for one certain person or nobody")
	}
}
