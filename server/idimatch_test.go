package server

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
)

const guide = "../../shared/data/messages/fhir/identity-matching/"

// guideExample reads an example of the identity-matching guide.
func guideExample(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(guide + name)
	if err != nil {
		t.Skip("the shared sample messages are not on this machine")
	}
	return string(body)
}

func idiInput(patient string, more ...string) []byte {
	return []byte(`{"resourceType":"Parameters","parameter":[{"name":"IDIPatient","resource":` + patient + `}` + strings.Join(append([]string{""}, more...), ",") + `]}`)
}

// idiBundle reads the Bundle of an answer to $idi-match.
func (c *clinic) idiBundle(r *httptest.ResponseRecorder) fhir.Bundle {
	c.Helper()
	var p fhir.Parameters
	var b fhir.Bundle
	if err := fhir.Decode(r.Body.Bytes(), &p); r.Code != http.StatusOK || err != nil || len(p.Parameter) != 1 || p.Parameter[0].Name != "IDIMatchBundle" {
		c.Fatalf("status %d, %v: %s", r.Code, err, r.Body)
	}
	if err := fhir.Decode(p.Parameter[0].Resource, &b); err != nil {
		c.Fatal(err)
	}
	return b
}

func TestIdentitiesAreGroupedAndOrderedAsTheGuideSays(t *testing.T) {
	c := newClinic(t)
	red := c.index.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	blue := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	second := c.index.add(1, "oak-street", blueSystem, "B-2", "MOHR")
	near := c.index.add(3, "oak-street", blueSystem, "B-3", "MOHR")
	c.named[red] = true
	best := c.identity(mpi.GradeCertain, 0.9996, "01", red, blue, second)
	best.Scores, best.Stewarded = []mpi.Bits{4, 9, 30}, true
	best.Proof = mpi.Proof{Rule: "01", Fields: []string{"given", "family", "birth-date", "address"}, Fuzzy: "family"}
	c.index.match = mpi.Matched{Identities: []mpi.Identity{best, c.identity(mpi.GradePossible, 0.31, "", near)}}

	b := c.idiBundle(c.do("POST", "/fhir/Patient/$idi-match", oakToken, idiInput(patientBody(blueSystem, "q", ""))))
	if !c.index.matched.Stewardship {
		t.Error("the index was not asked who a steward decided about")
	}
	if kind, _ := fhir.ResourceType(b.Entry[0].Resource); kind != "Organization" || b.Identifier == nil || b.Identifier.Assigner.Reference != b.Entry[0].FullURL {
		t.Errorf("first entry is a %s, assigner %v; want the organisation that answers", kind, b.Identifier)
	}
	var order []string
	for _, e := range b.Entry[1:] {
		var p fhir.Patient
		if err := fhir.Decode(e.Resource, &p); err != nil {
			t.Fatal(err)
		}
		order = append(order, p.Identifier[0].Value)
		if !strings.HasPrefix(e.FullURL, "https://") {
			t.Errorf("fullUrl %q is not absolute", e.FullURL)
		}
		links := 0
		for _, l := range p.Link {
			if l.Type == "seealso" {
				links++
			}
		}
		if want := map[string]int{"B-3": 0}[p.Identifier[0].Value]; p.Identifier[0].Value == "B-3" && links != want || p.Identifier[0].Value != "B-3" && links != 2 {
			t.Errorf("%s has %d links to its identity's other records", p.Identifier[0].Value, links)
		}
	}
	if got := strings.Join(order, " "); got != "B-2 B-1 R-1 B-3" {
		t.Errorf("order %s, want identities best first, records by their own score in each: B-2 B-1 R-1 B-3", got)
	}
	said := map[string]string{}
	for _, x := range b.Entry[1].Search.Extension {
		switch x.URL {
		case mpifhir.MatchEvidenceURL:
			for _, y := range x.Extension {
				said[y.URL] += " " + y.ValueCode
			}
		case mpifhir.StewardshipURL:
			said["steward"] = map[bool]string{true: "touched"}[*x.ValueBoolean]
		default:
			said["grade"] = x.ValueCode
		}
	}
	if said["rule"] != " 01" || said["one-edit"] != " family" || said["field"] != " given family birth-date address" || said["steward"] != "touched" || said["grade"] != "certain" {
		t.Errorf("the entry says %v", said)
	}
	for _, x := range b.Entry[4].Search.Extension {
		if x.URL == mpifhir.StewardshipURL || x.URL == mpifhir.MatchEvidenceURL {
			t.Error("an identity that is not proven tells what is known of it")
		}
	}
	one := c.idiBundle(c.do("POST", "/fhir/Patient/$IDI-match", oakToken, idiInput(patientBody(blueSystem, "q", ""), `{"name":"count","valueInteger":1}`)))
	if len(one.Entry) != 4 {
		t.Errorf("count 1 gave %d entries, want the organisation and all three records of one identity", len(one.Entry))
	}
}

func TestIDIMatchHasOneAnswerForNobody(t *testing.T) {
	c := newClinic(t)
	other := c.index.add(2, "mercy-main", redSystem, "R-2", "MOHR")
	body := idiInput(patientBody(blueSystem, "q", ""), `{"name":"onlySingleMatch","valueBoolean":true}`)
	nobody := c.do("POST", "/fhir/Patient/$idi-match", oakToken, body)
	b := c.idiBundle(nobody)
	if len(b.Entry) != 2 || b.Entry[1].Search.Mode != "outcome" || !strings.Contains(string(b.Entry[1].Resource), "No Match Found") {
		t.Errorf("nobody: %s", nobody.Body)
	}
	for name, m := range map[string]mpi.Matched{
		"two proven":       {Withheld: "two-proven"},
		"cut short":        {Withheld: "truncated", Truncated: true},
		"may not be named": {Identities: []mpi.Identity{c.identity(mpi.GradeCertain, 1, "01", other)}},
	} {
		c.index.match = m
		if r := c.do("POST", "/fhir/Patient/$idi-match", oakToken, body); r.Body.String() != nobody.Body.String() || !sameHeaders(r, nobody) {
			t.Errorf("%s: %s\nwant as nobody: %s", name, r.Body, nobody.Body)
		}
	}
}

func TestIDIMatchWeighsItsInput(t *testing.T) {
	c := newClinic(t)
	claiming := func(level, more string) string {
		return `{"resourceType":"Patient","meta":{"profile":["http://hl7.org/fhir/us/identity-matching/StructureDefinition/IDI-Patient` + level + `"]}` + more + `}`
	}
	const (
		full    = `,"name":[{"family":"Case","given":["Justin"]}]`
		born    = `,"birthDate":"1992-05-17"`
		phone   = `,"telecom":[{"system":"phone","value":"726-555-2900"}]`
		licence = `,"identifier":[{"type":{"coding":[{"code":"DL"}]},"system":"urn:nc","value":"3902"}]`
		home    = `,"address":[{"use":"home","line":["418 Teapot Lane"],"city":"Raleigh","state":"NC"}]`
	)
	for _, tt := range []struct {
		name, patient string
		taken         bool
	}{
		{"the base profile with a birth date", claiming("", born), true},
		{"the base profile with nothing", claiming("", ""), false},
		{"a name of neither part", claiming("", `,"name":[{"text":"Case"}]`+born), false},
		{"L0: name, birth date and phone weigh 9", claiming("-L0", full+born+phone), true},
		{"L0: name and birth date weigh 5", claiming("-L0", full+born), false},
		{"L1: name, birth date and phone weigh 9 of 10", claiming("-L1", full+born+phone), false},
		{"L1: with a home address 10", claiming("-L1", full+born+phone+home), true},
		{"L1: a licence alone weighs 10", claiming("-L1", licence), true},
		{"L1 by a versioned name", claiming("-L1|2.0.0", full+born+phone), false},
		{"no profile claimed", `{"resourceType":"Patient"` + full + `}`, true},
	} {
		r := c.do("POST", "/fhir/Patient/$idi-match", oakToken, idiInput(tt.patient))
		if tt.taken != (r.Code == http.StatusOK) {
			t.Errorf("%s: %d %s", tt.name, r.Code, r.Body)
		}
		if !tt.taken {
			c.refused(r, 400, "invariant", "IDIPatient")
		}
	}
}

func TestTheGuidesExamplesAreTaken(t *testing.T) {
	c := newClinic(t)
	own := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	c.index.match = mpi.Matched{Identities: []mpi.Identity{c.identity(mpi.GradeCertain, 1, "01", own)}}
	b := c.idiBundle(c.do("POST", "/fhir/Patient/$idi-match", oakToken, []byte(guideExample(t, "Parameters-IDIMatchInputParameters-Example.json"))))
	if len(b.Entry) != 2 || !c.index.matched.OnlyCertain {
		t.Errorf("%d entries, onlySingleMatch reached the index: %v", len(b.Entry), c.index.matched.OnlyCertain)
	}
	// The answer has the shape of the guide's: one parameter, a searchset with identifier, self link, organisation, patient.
	var want fhir.Parameters
	if err := fhir.Decode([]byte(guideExample(t, "Parameters-IDIMatchOutputParameters-Example.json")), &want); err != nil {
		t.Fatal(err)
	}
	var like fhir.Bundle
	if err := fhir.Decode(want.Parameter[0].Resource, &like); err != nil {
		t.Fatal(err)
	}
	if b.Type != like.Type || b.Identifier.System != like.Identifier.System || b.Link[0].Relation != like.Link[0].Relation || b.Meta.Profile[0] != like.Meta.Profile[0] {
		t.Errorf("type %s, identifier %s; the guide has %s, %s", b.Type, b.Identifier.System, like.Type, like.Identifier.System)
	}
	for i, kind := range []string{"Organization", "Patient"} {
		got, _ := fhir.ResourceType(b.Entry[i].Resource)
		its, _ := fhir.ResourceType(like.Entry[i].Resource)
		if got != kind || its != kind || b.Entry[i].Search.Mode != like.Entry[i].Search.Mode {
			t.Errorf("entry %d is a %s, the guide's a %s", i, got, its)
		}
	}
	for _, name := range []string{"Patient-ExamplePatient.json", "Patient-ExamplePatientL0.json", "Patient-ExamplePatientL1.json", "Patient-ExamplePatientL2.json"} {
		if r := c.do("POST", "/fhir/Patient/$idi-match", oakToken, idiInput(guideExample(t, name))); r.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
	if r := c.do("POST", "/fhir/Patient/$match", oakToken, []byte(guideExample(t, "Patient-ExamplePatientL0.json"))); r.Code != http.StatusOK {
		t.Errorf("a bare Patient: %d", r.Code)
	}
}
