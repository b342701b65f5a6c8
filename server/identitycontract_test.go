package server

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

// TestTheContractFactsOfIdentityHold has one row a fact of spec mpi section 4, with the identity guides' own example
// messages where there are any.
//
// Source: IHE PIXm ITI-83, ITI-104; IHE PDQm ITI-119; HL7 identity matching IG; IHE PMIR ITI-93.
func TestTheContractFactsOfIdentityHold(t *testing.T) {
	const pixm = "../../shared/data/messages/fhir/ihe-pixm/"
	if _, err := os.Stat(pixm); err != nil {
		t.Skip("the shared sample messages are not on this machine")
	}
	const redAlice, blueAlice = redSystem + "|IHERED-994", blueSystem + "|IHEBLUE-994"
	status := func(want int, code string) func(*testing.T, *clinic, *httptest.ResponseRecorder) {
		return func(t *testing.T, c *clinic, r *httptest.ResponseRecorder) {
			var oo fhir.OperationOutcome
			if err := fhir.Decode(r.Body.Bytes(), &oo); err != nil || r.Code != want || len(oo.Issue) == 0 || oo.Issue[0].Code != code {
				t.Errorf("%d %s, want %d with code %s", r.Code, r.Body, want, code)
			}
		}
	}
	tells := func(want string) func(*testing.T, *clinic, *httptest.ResponseRecorder) {
		return func(t *testing.T, c *clinic, r *httptest.ResponseRecorder) {
			if got := c.told(r); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
	}
	matches := func(want string) func(*testing.T, *clinic, *httptest.ResponseRecorder) {
		return func(t *testing.T, c *clinic, r *httptest.ResponseRecorder) {
			b := c.bundle(r, http.StatusOK)
			if got := c.matchedValues(b); got != want || b.Type != "searchset" || b.Total == nil || *b.Total != len(strings.Fields(want)) {
				t.Errorf("%q of total %v in a %s, want %q", got, b.Total, b.Type, want)
			}
		}
	}
	match := func(parameters string) func(*clinic) *httptest.ResponseRecorder {
		return func(c *clinic) *httptest.ResponseRecorder {
			return c.do("POST", "/fhir/Patient/$match", oakToken, []byte(`{"resourceType":"Parameters","parameter":[{"name":"resource","resource":`+
				patientBody(blueSystem, "q", "")+`}`+parameters+`]}`))
		}
	}
	for _, fact := range []struct {
		name string
		ask  func(*clinic) *httptest.ResponseRecorder
		want func(*testing.T, *clinic, *httptest.ResponseRecorder)
	}{
		{"ITI-83: the guide's request for all domains is answered with business identifiers and references", func(c *clinic) *httptest.ResponseRecorder {
			return c.do("POST", "/fhir/Patient/$ihe-pix", mercyToken, []byte(mustRead(t, pixm+"Parameters-pixm-request-mohralice-red-all.json")))
		}, tells("IHEBLUE-994")},
		{"ITI-83: the guide's request for two domains is answered from them alone", func(c *clinic) *httptest.ResponseRecorder {
			return c.do("POST", "/fhir/Patient/$ihe-pix", mercyToken, []byte(mustRead(t, pixm+"Parameters-pixm-request-mohralice-red-to-blue.json")))
		}, tells("IHEBLUE-994")},
		{"ITI-83: the source identifier is not echoed", func(c *clinic) *httptest.ResponseRecorder { return c.pix(mercyToken, redAlice, redSystem) }, tells("")},
		{"ITI-83: an unknown id in a known domain is 404 not-found", func(c *clinic) *httptest.ResponseRecorder { return c.pix(mercyToken, redSystem+"|nobody") }, status(404, "not-found")},
		{"ITI-83: an unknown source domain is 400 code-invalid", func(c *clinic) *httptest.ResponseRecorder { return c.pix(mercyToken, "urn:oid:9.9|1") }, status(400, "code-invalid")},
		{"ITI-83: an unknown target domain is 403 code-invalid", func(c *clinic) *httptest.ResponseRecorder { return c.pix(mercyToken, redAlice, "urn:oid:9.9") }, status(403, "code-invalid")},
		{"ITI-104: a second PUT by the identifier revises", func(c *clinic) *httptest.ResponseRecorder {
			return c.put(mercyToken, redAlice, mustRead(t, pixm+"Patient-Patient-MohrAlice-Red.json"))
		}, func(t *testing.T, c *clinic, r *httptest.ResponseRecorder) {
			if r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"2"` {
				t.Errorf("%d, ETag %q", r.Code, r.Header().Get("ETag"))
			}
		}},
		{"ITI-104: a sender must own the domain it asserts", func(c *clinic) *httptest.ResponseRecorder {
			return c.put(oakToken, redAlice, mustRead(t, pixm+"Patient-Patient-MohrAlice-Red.json"))
		}, func(t *testing.T, c *clinic, r *httptest.ResponseRecorder) {
			if r.Code < 400 || r.Code >= 500 {
				t.Errorf("%d, want a refusal", r.Code)
			}
		}},
		{"ITI-119: score and match-grade on each entry, best first", match(""), matches("B-1:certain:1 B-2:possible:0.3")},
		{"ITI-119: count is honoured", match(`,{"name":"count","valueInteger":1}`), matches("B-1:certain:1")},
		{"ITI-119: a bare Patient is taken", func(c *clinic) *httptest.ResponseRecorder {
			return c.do("POST", "/fhir/Patient/$match", oakToken, []byte(patientBody(blueSystem, "q", "")))
		}, matches("B-1:certain:1 B-2:possible:0.3")},
		{"ITI-119: onlyCertainMatches with several unprovable persons is an empty bundle", func(c *clinic) *httptest.ResponseRecorder {
			c.index.match = mpi.Matched{Withheld: mpi.WithheldUnproven}
			return match(`,{"name":"onlyCertainMatches","valueBoolean":true}`)(c)
		}, matches("")},
		{"ITI-119: nobody is 200 and empty", func(c *clinic) *httptest.ResponseRecorder {
			c.index.match = mpi.Matched{}
			return match("")(c)
		}, matches("")},
		{"ITI-93: the PMIR feed is XML and not taken, and the answer says so", func(c *clinic) *httptest.ResponseRecorder {
			all, _ := filepath.Glob("../../shared/data/messages/fhir/ihe-pmir-catsamples/*.xml")
			return c.do("POST", "/fhir", mercyToken, []byte(mustRead(t, all[0])), "Content-Type", "application/fhir+xml")
		}, status(415, "not-supported")},
	} {
		t.Run(fact.name, func(t *testing.T) {
			c := newClinic(t)
			c.put(mercyToken, redAlice, mustRead(t, pixm+"Patient-Patient-MohrAlice-Red.json"))
			c.put(oakToken, blueAlice, mustRead(t, pixm+"Patient-Patient-MohrAlice-Blue.json"))
			for r := range c.index.persons {
				c.index.persons[r], c.named[r] = 1, true
			}
			b1, b2 := c.index.add(7, "oak-street", blueSystem, "B-1", "MOHR"), c.index.add(8, "oak-street", blueSystem, "B-2", "MOHR")
			c.index.match = mpi.Matched{Identities: []mpi.Identity{c.identity(mpi.GradeCertain, 0.9996, "01", b1), c.identity(mpi.GradePossible, 0.31, "", b2)}}
			fact.want(t, c, fact.ask(c))
		})
	}
}
