package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

// values returns the identifiers of a searchset's matches, in order.
func (c *clinic) values(b fhir.Bundle) string {
	c.Helper()
	var out []string
	for _, e := range b.Entry {
		var p fhir.Patient
		if e.Search.Mode != "match" {
			continue
		}
		if err := fhir.Decode(e.Resource, &p); err != nil {
			c.Fatal(err)
		}
		out = append(out, p.Identifier[0].Value)
	}
	return strings.Join(out, " ")
}

func TestSearchShowsOwnPatientsAndOthersThatMayBeNamed(t *testing.T) {
	c := newClinic(t)
	own := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	named := c.index.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	c.index.add(2, "mercy-main", redSystem, "R-2", "MOHR") // may not be named
	closed := c.index.add(3, "elm", greenSystem, "G-1", "MOHR")
	doubt := c.index.add(4, "mercy-main", redSystem, "R-4", "MOHR")
	c.index.links[doubt] = hie.LinkDisputed
	c.named[named], c.named[closed], c.named[doubt] = true, true, true
	for _, tt := range []struct{ name, query, want string }{
		{"by name", "family=MOHR", "B-1 R-1"},
		{"in a domain", "family=MOHR&identifier=" + url.QueryEscape(redSystem+"|"), "R-1"},
		{"in either domain", "family=MOHR&identifier=" + url.QueryEscape(redSystem+"|,"+blueSystem+"|"), "B-1 R-1"},
		{"by a second identifier", "family=MOHR&identifier=x&identifier=" + url.QueryEscape(redSystem+"|R-1"), "R-1"},
		{"by id", "_id=" + c.id(own), "B-1"},
		{"by ids of which one is forged", "_id=" + c.id(own) + ",nonsense", "B-1"},
		{"by a forged id", "_id=nonsense", ""},
		{"by an id that may not be named", "_id=" + c.id(1002), ""},
		{"nobody", "family=NOBODY", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := *c
			inner.doors = &doors{T: t, server: c.server, sealer: c.sealer, log: c.log}
			b := inner.bundle(inner.get("/fhir/Patient?"+tt.query, oakToken), http.StatusOK)
			if got := inner.values(b); got != tt.want || b.Total == nil || *b.Total != len(strings.Fields(tt.want)) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			posted := inner.bundle(inner.do("POST", "/fhir/Patient/_search", oakToken, []byte(tt.query), "Content-Type", "application/x-www-form-urlencoded"), http.StatusOK)
			if got := inner.values(posted); got != tt.want {
				t.Errorf("by POST %q, want %q", got, tt.want)
			}
		})
	}
	b := c.bundle(c.get("/fhir/Patient?family=MOHR", oakToken), http.StatusOK)
	if strings.Count(string(fhir.Encode(b)), "123-45-6788") != 1 {
		t.Error("the social security number is shown of the caller's own patient, and of no other")
	}
}

func TestAHiddenPatientLeavesNoTraceInASearch(t *testing.T) {
	empty, hidden := newClinic(t), newClinic(t)
	for i := range 60 {
		hidden.index.add(hie.PersonID(i+1), "mercy-main", redSystem, "R-"+strconv.Itoa(i), "MOHR")
	}
	hidden.index.pages = 7
	for _, query := range []string{"family=MOHR", "family=MOHR&_count=1", "family=MOHR&_summary=count", "_id=" + hidden.id(1003)} {
		a, b := empty.get("/fhir/Patient?"+query, oakToken), hidden.get("/fhir/Patient?"+query, oakToken)
		if a.Code != http.StatusOK || a.Body.String() != b.Body.String() || !sameHeaders(a, b) {
			t.Errorf("%s: nothing there %s\nnothing shown %s", query, a.Body, b.Body)
		}
	}
}

func TestASearchIsReadInPagesThatCountOnlyWhatIsShown(t *testing.T) {
	c := newClinic(t)
	var want []string
	for i := range 20 {
		if i%3 == 0 {
			want = append(want, "B-"+strconv.Itoa(i))
			c.index.add(hie.PersonID(i+1), "oak-street", blueSystem, want[len(want)-1], "MOHR")
		} else {
			c.index.add(hie.PersonID(i+1), "mercy-main", redSystem, "R-"+strconv.Itoa(i), "MOHR")
		}
	}
	c.index.pages = 4
	var got []string
	next, pages := "/fhir/Patient?family=MOHR&_count=3", 0
	for next != "" && pages < 9 {
		b := c.bundle(c.get(next, oakToken), http.StatusOK)
		pages++
		got = append(got, strings.Fields(c.values(b))...)
		next = ""
		for _, l := range b.Link {
			if l.Relation == "next" {
				next = strings.TrimPrefix(l.URL, testBase)
			}
		}
		if next != "" {
			c.refused(c.get(next+"&family=X", oakToken), http.StatusBadRequest, "value", "_cursor")
			c.refused(c.get(next, mercyToken), http.StatusBadRequest, "value", "_cursor") // another organisation's cursor
			c.refused(c.get(next[:len(next)-12]+"AAAA&_count=3", oakToken), http.StatusBadRequest, "value", "_cursor")
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") || pages != 3 {
		t.Errorf("%d pages hold %v, want %v in 3", pages, got, want)
	}
}

func TestASearchThatWouldReadTooMuchIsRefused(t *testing.T) {
	c := newClinic(t)
	for i := range maxSearchReads + 1 {
		c.index.add(hie.PersonID(i+1), "mercy-main", redSystem, strconv.Itoa(i), "MOHR")
	}
	c.index.pages = 1
	c.refused(c.get("/fhir/Patient?family=MOHR", oakToken), http.StatusBadRequest, "too-costly", "")
}

func TestSearchParametersAreRead(t *testing.T) {
	c := newClinic(t)
	for _, tt := range []struct {
		name, query string
		meets       func(mpi.Criteria) bool
	}{
		{"alternatives and both", "given=ann,anna&given=lee", func(q mpi.Criteria) bool { return len(q.Given) == 2 && len(q.Given[0]) == 2 && q.Given[1][0] == "lee" }},
		{"exactly", "family:exact=O%27Neil", func(q mpi.Criteria) bool { return q.FamilyExact[0][0] == "O'Neil" && q.Family == nil }},
		{"a day", "birthdate=1970-03-31", func(q mpi.Criteria) bool {
			return q.Birth[0] == mpi.DateRange{From: mpi.Date{Year: 1970, Month: 3, Day: 31}, Until: mpi.Date{Year: 1970, Month: 4, Day: 1}}
		}},
		{"a month", "birthdate=1970-12", func(q mpi.Criteria) bool { return q.Birth[0].Until == mpi.Date{Year: 1971, Month: 1, Day: 1} }},
		{"from and until", "birthdate=ge1970&birthdate=lt1980", func(q mpi.Criteria) bool {
			return len(q.Birth) == 2 && q.Birth[0].From.Year == 1970 && q.Birth[0].Until.IsZero() && q.Birth[1].Until.Year == 1980
		}},
		{"after a year", "birthdate=gt1970", func(q mpi.Criteria) bool { return q.Birth[0].From == mpi.Date{Year: 1971, Month: 1, Day: 1} }},
		{"up to a year", "birthdate=le1970", func(q mpi.Criteria) bool { return q.Birth[0].Until == mpi.Date{Year: 1971, Month: 1, Day: 1} }},
		{"not in a year", "birthdate=ne1970", func(q mpi.Criteria) bool { return q.Birth[0].Not }},
		{"sex", "gender=male,other", func(q mpi.Criteria) bool { return len(q.Sex) == 2 }},
		{"activity", "active=true", func(q mpi.Criteria) bool { return q.Active != nil && *q.Active }},
		{"contact", "telecom=phone%7C410-555-0101", func(q mpi.Criteria) bool { return q.Telecoms[0] == "410-555-0101" }},
		{"address", "address=elm&address-city=towson&address-postalcode=21204&address-state=MD&address-country=US", func(q mpi.Criteria) bool {
			return q.Address[0] == "elm" && q.City[0] == "towson" && q.PostalCode[0] == "21204" && q.State[0] == "MD" && q.Country[0] == "US"
		}},
		{"an identifier", "identifier=urn:a%7Cb", func(q mpi.Criteria) bool { return q.Identifiers[0] == hie.Identifier{System: "urn:a", Value: "b"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := c.get("/fhir/Patient?"+tt.query, oakToken); r.Code != http.StatusOK || !tt.meets(c.index.asked) {
				t.Errorf("%d; the index was not asked this", r.Code)
			}
		})
	}
	for _, tt := range []struct {
		name, query string
		status      int
		code, at    string
	}{
		{"a date that does not exist", "birthdate=1970-02-30", 400, "value", "birthdate"},
		{"a time", "birthdate=1970-02-03T10:00:00Z", 400, "value", "birthdate"},
		{"about a date", "birthdate=ap1970", 400, "not-supported", "birthdate"},
		{"an unknown gender", "gender=F", 400, "code-invalid", "gender"},
		{"an unknown modifier", "family:soundex=x", 400, "not-supported", "family"},
		{"half an identifier", "identifier=%7C", 400, "value", "identifier"},
		{"an unknown domain", "identifier=urn:nobody%7C", 404, "not-found", ""},
		{"a cursor of nobody's", "_cursor=abc", 400, "value", "_cursor"},
		{"a bad encoding", "family=%zz", 400, "invalid", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := *c.doors
			inner.T = t
			inner.refused(inner.get("/fhir/Patient?"+tt.query, oakToken), tt.status, tt.code, tt.at)
		})
	}
	c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	b := c.bundle(c.get("/fhir/Patient?family=MOHR&colour=red", oakToken), http.StatusOK)
	if len(b.Entry) != 2 || b.Entry[1].Search.Mode != "outcome" || !strings.Contains(string(b.Entry[1].Resource), "colour") {
		t.Error("an ignored parameter is reported")
	}
	c.refused(c.do("GET", "/fhir/Patient?family=MOHR&colour=red", oakToken, nil, "Prefer", "handling=strict"), 400, "not-supported", "colour")
}

func TestAPatientsOwnAppSeesOneRegistration(t *testing.T) {
	c := newClinic(t)
	own := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	c.index.add(2, "oak-street", blueSystem, "B-2", "MOHR")
	second := c.index.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	c.named[second] = true
	actor := hie.Actor{Organization: "oak", Client: "app", Scopes: []string{"patient/Patient.cruds"}, Patient: own}
	c.as = &actor
	b := c.bundle(c.get("/fhir/Patient?family=MOHR", "app"), http.StatusOK)
	if got := c.values(b); got != "B-1" {
		t.Errorf("found %q, want B-1 alone", got)
	}
	if r := c.get("/fhir/Patient/"+c.id(own), "app"); r.Code != http.StatusOK {
		t.Errorf("own record: %d", r.Code)
	}
	for name, r := range map[string]*httptest.ResponseRecorder{
		"another patient of the same organisation": c.get("/fhir/Patient/"+c.id(1001), "app"),
		"the same person elsewhere":                c.get("/fhir/Patient/"+c.id(second), "app"),
	} {
		if r.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", name, r.Code)
		}
	}
	c.refused(c.put("app", blueSystem+"|B-1", patientBody(blueSystem, "B-1", "")), http.StatusForbidden, "forbidden", "")
	c.refused(c.pix("app", blueSystem+"|B-1"), http.StatusForbidden, "forbidden", "")
	c.refused(c.do("POST", "/fhir/Patient/$match", "app", []byte(patientBody(blueSystem, "B-1", ""))), http.StatusForbidden, "forbidden", "")
}
