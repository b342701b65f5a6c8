package server

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// newRegistry is a server over the real index, whose consent names everybody.
func newRegistry(t *testing.T) (*clinic, *mpi.Index) {
	t.Helper()
	c := &clinic{trail: &trail{}}
	x := mpi.New(mpitest.NewMemory(), hie.NewIDs(nil), c.trail, mpi.Options{})
	c.doors = newDoors(t, func(d *Deps) {
		d.Patients, d.Stewardship, d.Audit = x, x, c.trail
		d.Nameable = func(_ context.Context, _ hie.Actor, p mpi.Person) (map[hie.SourcePatientID]bool, Still, error) {
			out := map[hie.SourcePatientID]bool{}
			for _, m := range p.Members {
				out[m.Record] = true
			}
			return out, c.still, nil
		}
	})
	return c, x
}

// as returns a Patient resource under another local identifier, put first.
func as(t *testing.T, body []byte, system, value string) string {
	t.Helper()
	o, err := fhir.ParseObject(body)
	if err != nil {
		t.Fatal(err)
	}
	ids := []json.RawMessage{fhir.Encode(fhir.Identifier{System: system, Value: value})}
	var others []json.RawMessage
	if raw := o.Value("identifier"); raw != nil {
		if err := json.Unmarshal(raw, &others); err != nil {
			t.Fatal(err)
		}
	}
	all, err := json.Marshal(append(ids, others...))
	if err != nil {
		t.Fatal(err)
	}
	var anything []any
	if err := json.Unmarshal(all, &anything); err != nil {
		t.Fatal(err)
	}
	o.Set("identifier", anything)
	return string(o.Bytes())
}

func TestOnePersonAtTwoOrganisationsIsFoundFromEither(t *testing.T) {
	c, _ := newRegistry(t)
	rest := `,"telecom":[{"system":"phone","value":"410-827-2231"}],"address":[{"line":["12 Harbor Way"],"city":"Towson","state":"MD","postalCode":"21204"}]`
	for _, r := range []struct{ token, system, value string }{{mercyToken, redSystem, "R-1"}, {oakToken, blueSystem, "B-1"}} {
		if got := c.put(r.token, r.system+"|"+r.value, patientBody(r.system, r.value, rest)); got.Code != http.StatusCreated {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	}
	for source, want := range map[string]string{blueSystem + "|B-1": "R-1", redSystem + "|R-1": "B-1"} {
		r := c.pix(oakToken, source)
		if r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"value":"`+want+`"`) {
			t.Errorf("%s: %d %s", want, r.Code, r.Body)
		}
	}
	r := c.do("POST", "/fhir/Patient/$match", oakToken, []byte(`{"resourceType":"Parameters","parameter":[{"name":"onlyCertainMatches","valueBoolean":true},{"name":"resource","resource":`+patientBody("urn:x", "y", rest)+`}]}`))
	if got := c.matchedValues(c.bundle(r, http.StatusOK)); !strings.Contains(got, "R-1:certain") || !strings.Contains(got, "B-1:certain") {
		t.Errorf("matched %q, want both, certain", got)
	}
	for query, want := range map[string]string{
		"family=mohr&birthdate=1958-01-30": "R-1 B-1", "family:exact=mohr": "", "family=MOHR&gender=male": "",
		"given=Ali&birthdate=1958-01": "R-1 B-1", "telecom=4108272231": "R-1 B-1", "address-postalcode=21204&family=Mohr": "R-1 B-1",
		"identifier=" + blueSystem + "%7CB-1": "B-1", "identifier=B-1&family=mohr": "B-1", "identifier=" + redSystem + "%7C&family=mohr": "R-1",
		// Repeated is AND, a comma is OR, of every parameter.
		"address=towson&address=harbor": "R-1 B-1", "address=towson&address=elm": "", "address=elm,towson&family=mohr": "R-1 B-1",
		"address-city=towson&address-city=balt": "", "address-postalcode=21204&address-postalcode=99999,21204&family=mohr": "R-1 B-1",
		"telecom=4108272231&phone=410-827-2231": "R-1 B-1", "phone=4108272231&email=nobody@example.org": "", "phone=5550000,4108272231": "R-1 B-1",
		"gender=female&gender=female,other&family=mohr": "R-1 B-1", "gender=female&gender=male&family=mohr": "", "gender=male,female&family=mohr": "R-1 B-1",
		"birthdate=1958-01-30,1970-01-01": "R-1 B-1", "birthdate=lt1950,ge1958&birthdate=le1960&family=mohr": "R-1 B-1", "birthdate=lt1950,gt1960&family=mohr": "",
		"birthdate=ne1958,1958-01&family=mohr": "R-1 B-1", "active=true&active=false&family=mohr": "", "active=true&active=true&family=mohr": "R-1 B-1",
	} {
		if got := c.values(c.bundle(c.get("/fhir/Patient?"+query, oakToken), http.StatusOK)); got != want {
			t.Errorf("%s found %q, want %q", query, got, want)
		}
	}
	old := c.put(oakToken, blueSystem+"|B-2", patientBody(blueSystem, "B-2", rest))
	if old.Code != http.StatusCreated {
		t.Fatalf("%d %s", old.Code, old.Body)
	}
	replaced := patientBody(blueSystem, "B-2", rest+`,"active":false,"link":[{"type":"replaced-by","other":{"identifier":{"system":"`+blueSystem+`","value":"B-1"}}}]`)
	r = c.put(oakToken, blueSystem+"|B-2", replaced)
	if r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"type":"replaced-by"`) || !strings.Contains(r.Body.String(), `"active":false`) {
		t.Errorf("resolve duplicate: %d %s", r.Code, r.Body)
	}
	if r := c.pix(oakToken, redSystem+"|R-1"); strings.Contains(r.Body.String(), "B-2") || !strings.Contains(r.Body.String(), "B-1") {
		t.Errorf("a retired number is told: %s", r.Body)
	}
	if r := c.pix(oakToken, blueSystem+"|B-2"); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), "R-1") {
		t.Errorf("a retired number still finds: %d %s", r.Code, r.Body)
	}
	if r := c.put(oakToken, blueSystem+"|B-2", patientBody(blueSystem, "B-2", rest)); r.Code != http.StatusConflict {
		t.Errorf("a revision of a retired number: %d, want 409", r.Code)
	}
}

// TestPatientsWrittenByOthersRunTheWholePath registers each sample at two organisations and expects the two to
// be one person, and the sample as a query to find them.
func TestPatientsWrittenByOthersRunTheWholePath(t *testing.T) {
	dir := "../../shared/data/messages/fhir/"
	var bodies [][]byte
	for _, pattern := range []string{"us-core/Patient-example.json", "us-core/Patient-child-example.json", "identity-matching/Patient-ExamplePatientL*.json", "opencr-demo/patient1*.json"} {
		files, err := filepath.Glob(dir + pattern)
		if err != nil || len(files) == 0 {
			t.Skip("the shared sample messages are not on this machine")
		}
		for _, f := range files {
			bodies = append(bodies, []byte(mustRead(t, f)))
		}
	}
	ndjson, err := os.ReadFile(dir + "synthea/synthea_patients.ndjson")
	if err != nil {
		t.Skip("no Synthea patients on this machine")
	}
	for line := range strings.Lines(string(ndjson)) {
		if bodies = append(bodies, []byte(line)); len(bodies) == 30 {
			break
		}
	}
	c, _ := newRegistry(t)
	linked, certain := 0, 0
	for i, body := range bodies {
		value := "S-" + strconv.Itoa(i)
		for token, system := range map[string]string{mercyToken: redSystem, oakToken: blueSystem} {
			if r := c.put(token, system+"|"+value, as(t, body, system, value)); r.Code != http.StatusCreated {
				t.Fatalf("sample %d: %d %s", i, r.Code, r.Body)
			}
		}
		if strings.Contains(c.pix(oakToken, blueSystem+"|"+value).Body.String(), `"value":"`+value+`"`) {
			linked++
		}
		r := c.do("POST", "/fhir/Patient/$match", oakToken, []byte(`{"resourceType":"Parameters","parameter":[{"name":"onlyCertainMatches","valueBoolean":true},{"name":"resource","resource":`+string(body)+`}]}`))
		if c.matchedValues(c.bundle(r, http.StatusOK)) == value+":certain:1 "+value+":certain:1" {
			certain++
		}
	}
	t.Logf("%d samples: %d linked, %d certain by $match", len(bodies), linked, certain)
	// What cannot be told apart by anything but a name and a birth date stays apart: the samples without contact
	// or identifier. All others must be one person each.
	if linked < len(bodies)-2 || certain < len(bodies)-2 {
		t.Errorf("of %d samples at two organisations %d were linked and %d matched with certainty", len(bodies), linked, certain)
	}
}
