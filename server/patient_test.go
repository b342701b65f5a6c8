package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

const (
	redSystem   = "urn:oid:1.3.6.1.4.1.21367.13.20.1000" // mercy-main assigns it
	blueSystem  = "urn:oid:1.3.6.1.4.1.21367.13.20.3000" // oak-street assigns it
	greenSystem = "urn:oid:1.3.6.1.4.1.21367.13.20.2000" // elm assigned it; elm takes part no more
)

// scripted is an index whose persons, matches and faults a test writes down, so that a door is tested for what
// it makes of them. Registering and resolving are real enough to be used through the door.
type scripted struct {
	Patients
	patients []mpi.SourcePatient
	persons  map[hie.SourcePatientID]hie.PersonID
	links    map[hie.SourcePatientID]hie.LinkState
	match    mpi.Matched
	asked    mpi.Criteria
	matched  mpi.MatchOptions
	pages    int // Search returns so many rows a call; 0 for all
	trail    *trail
}

func newScripted() *scripted {
	return &scripted{persons: map[hie.SourcePatientID]hie.PersonID{}, links: map[hie.SourcePatientID]hie.LinkState{}, trail: &trail{}}
}

// add puts a registration into person with a confirmed link and returns its record.
func (x *scripted) add(person hie.PersonID, site hie.SiteID, system, value, family string) hie.SourcePatientID {
	record := hie.SourcePatientID(1000 + len(x.patients))
	local := hie.Identifier{System: system, Value: value}
	x.patients = append(x.patients, mpi.SourcePatient{Record: record, Site: site, Local: local, Active: true, Version: 1,
		Demographics: mpi.Demographics{Names: []mpi.Name{{Family: family, Given: []string{"Alice"}}}, Birth: mpi.Date{Year: 1958, Month: 1, Day: 30},
			Identifiers: []mpi.Identifier{{Identifier: hie.Identifier{System: "http://hl7.org/fhir/sid/us-ssn", Value: "123-45-6788"}, Type: "SS"}}}})
	x.persons[record], x.links[record] = person, hie.LinkConfirmed
	return record
}

func (x *scripted) at(id hie.Identifier) *mpi.SourcePatient {
	for i := range x.patients {
		if x.patients[i].Local == id {
			return &x.patients[i]
		}
	}
	return nil
}

func (x *scripted) Register(_ context.Context, _ hie.Actor, r mpi.Registration) (mpi.Registered, error) {
	sp := x.at(r.Local)
	created := sp == nil
	if created {
		x.add(hie.PersonID(9000+len(x.patients)), r.Site, r.Local.System, r.Local.Value, "")
		sp = x.at(r.Local)
		sp.Version = 0
	}
	if r.IfMatch != 0 && r.IfMatch != sp.Version {
		return mpi.Registered{}, hie.ErrStale
	}
	sp.Version++
	sp.Demographics, sp.Received, sp.Active = r.Demographics, r.Received, r.Active
	if r.ReplacedBy != nil {
		survivor := x.at(*r.ReplacedBy)
		if survivor == nil {
			return mpi.Registered{}, hie.ErrConflict
		}
		sp.AliasOf = survivor.Record
	}
	return mpi.Registered{Record: sp.Record, Version: sp.Version, Created: created, Changed: true, Person: x.persons[sp.Record]}, nil
}

func (x *scripted) HomeOf(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, mpi.Home, error) {
	record, err := x.RecordOf(ctx, id)
	if err != nil {
		return 0, mpi.Home{}, err
	}
	sp, err := x.Record(ctx, record)
	return record, mpi.Home{Person: x.persons[record], AliasOf: sp.AliasOf, Site: sp.Site, Active: sp.Active}, err
}

func (x *scripted) Home(ctx context.Context, record hie.SourcePatientID) (mpi.Home, error) {
	sp, err := x.Record(ctx, record)
	return mpi.Home{Person: x.persons[record], AliasOf: sp.AliasOf, Site: sp.Site, Active: sp.Active}, err
}

func (x *scripted) Person(ctx context.Context, id hie.PersonID) (mpi.Person, error) {
	for record, person := range x.persons {
		if person == id {
			return x.PersonOf(ctx, record)
		}
	}
	return mpi.Person{}, hie.ErrNotFound
}

func (x *scripted) RecordOf(_ context.Context, id hie.Identifier) (hie.SourcePatientID, error) {
	sp := x.at(id)
	if sp == nil {
		return 0, hie.ErrNotFound
	}
	if sp.AliasOf != 0 {
		return sp.AliasOf, nil
	}
	return sp.Record, nil
}

func (x *scripted) PersonOf(_ context.Context, record hie.SourcePatientID) (mpi.Person, error) {
	p := mpi.Person{ID: x.persons[record], Version: 1}
	for _, sp := range x.patients {
		if x.persons[sp.Record] == p.ID {
			p.Members = append(p.Members, mpi.Member{Record: sp.Record, Site: sp.Site, Local: sp.Local, Link: x.links[sp.Record]})
		}
	}
	if p.ID == 0 {
		return p, hie.ErrNotFound
	}
	return p, nil
}

func (x *scripted) Record(ctx context.Context, record hie.SourcePatientID) (mpi.SourcePatient, error) {
	found, _ := x.Records(ctx, []hie.SourcePatientID{record})
	if len(found) == 0 {
		return mpi.SourcePatient{}, hie.ErrNotFound
	}
	return found[0], nil
}

func (x *scripted) Records(_ context.Context, records []hie.SourcePatientID) (out []mpi.SourcePatient, _ error) {
	for _, sp := range x.patients {
		if slices.Contains(records, sp.Record) {
			out = append(out, sp)
		}
	}
	return out, nil
}

// Search finds by record and by the beginning of a family name.
func (x *scripted) Search(_ context.Context, c mpi.Criteria) (page mpi.Page, _ error) {
	x.asked = c
	for _, sp := range x.patients {
		if sp.Record <= c.After || (c.Records != nil && !slices.Contains(c.Records, sp.Record)) {
			continue
		}
		if len(c.Family) > 0 && !strings.HasPrefix(sp.Demographics.Names[0].Family, c.Family[0][0]) {
			continue
		}
		if x.pages > 0 && len(page.Patients) == x.pages {
			page.Next = page.Patients[len(page.Patients)-1].Record
			break
		}
		page.Patients = append(page.Patients, sp)
	}
	return page, nil
}

func (x *scripted) Match(ctx context.Context, _ hie.Actor, _ mpi.Demographics, o mpi.MatchOptions) (mpi.Matched, error) {
	x.matched = o
	if o.Also != nil {
		events, err := o.Also(ctx, x.match)
		if err != nil {
			return mpi.Matched{}, err
		}
		if err := x.trail.Record(ctx, events...); err != nil {
			return mpi.Matched{}, err
		}
	}
	return x.match, nil
}

// trail keeps events, or fails.
type trail struct {
	events []audit.Event
	fault  error
	writes int // calls that had events to keep
}

func (r *trail) Record(_ context.Context, events ...audit.Event) error {
	if r.fault != nil {
		return r.fault
	}
	if len(events) > 0 {
		r.writes++
	}
	r.events = append(r.events, events...)
	return nil
}

// clinic is newDoors with an index, a trail and consent that names what named says.
type clinic struct {
	*doors
	index *scripted
	trail *trail
	named map[hie.SourcePatientID]bool
	still Still // what is said right before an answer leaves, nil for that nothing moved
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	c := &clinic{index: newScripted(), named: map[hie.SourcePatientID]bool{}}
	c.trail = c.index.trail
	c.doors = newDoors(t, func(d *Deps) {
		d.Patients, d.Audit = c.index, c.trail
		d.Nameable = func(_ context.Context, _ hie.Actor, p mpi.Person) (map[hie.SourcePatientID]bool, Still, error) {
			out := map[hie.SourcePatientID]bool{}
			for _, m := range p.Members {
				out[m.Record] = c.named[m.Record]
			}
			return out, c.still, nil
		}
	})
	return c
}

func (c *clinic) id(record hie.SourcePatientID) string {
	return c.sealer.ID("patient", int64(record), 0)
}

// put is ITI-104: identifier is system|value.
func (c *clinic) put(token, identifier, body string, headers ...string) *httptest.ResponseRecorder {
	c.Helper()
	return c.do(http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(identifier), token, []byte(body), headers...)
}

func patientBody(system, value, more string) string {
	return `{"resourceType":"Patient","id":"mine","identifier":[{"system":"` + system + `","value":"` + value + `"}],"name":[{"family":"MOHR","given":["ALICE"]}],"gender":"female","birthDate":"1958-01-30"` + more + `}`
}

func TestAPatientIsRegisteredAndRevised(t *testing.T) {
	c := newClinic(t)
	body := patientBody(blueSystem, "B-1", `,"active":true,"photo":[{"title":"kept"}]`)
	r := c.put(oakToken, blueSystem+"|B-1", body)
	id := c.id(1000)
	if r.Code != http.StatusCreated || r.Header().Get("Location") != testBase+"/fhir/Patient/"+id || r.Header().Get("ETag") != `W/"1"` {
		t.Fatalf("created: %d, Location %q, ETag %q", r.Code, r.Header().Get("Location"), r.Header().Get("ETag"))
	}
	if !strings.Contains(r.Body.String(), `"photo":[{"title":"kept"}]`) || !strings.Contains(r.Body.String(), `"id":"`+id+`"`) {
		t.Errorf("what was received is served with our id: %s", r.Body)
	}
	r = c.put(oakToken, blueSystem+"|B-1", body, "If-Match", `W/"1"`)
	if r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"2"` || r.Header().Get("Location") != "" {
		t.Errorf("revised: %d, ETag %q", r.Code, r.Header().Get("ETag"))
	}
	c.refused(c.put(oakToken, blueSystem+"|B-1", body, "If-Match", `W/"1"`), http.StatusPreconditionFailed, "conflict", "")
	r = c.put(oakToken, blueSystem+"|B-1", body, "Prefer", "return=minimal")
	if r.Code != http.StatusOK || r.Body.Len() != 0 || r.Header().Get("ETag") != `W/"3"` {
		t.Errorf("minimal: %d with %d bytes, ETag %q", r.Code, r.Body.Len(), r.Header().Get("ETag"))
	}
	if r := c.do(http.MethodPost, "/fhir/Patient", oakToken, []byte(patientBody(blueSystem, "B-2", ""))); r.Code != http.StatusCreated {
		t.Errorf("posted: %d %s", r.Code, r.Body)
	}
	if r := c.do(http.MethodPost, "/fhir/Patient", oakToken, []byte(patientBody(blueSystem, "B-2", ""))); r.Code != http.StatusOK {
		t.Errorf("posted again: %d, want 200", r.Code)
	}
}

func TestARegistrationThatBreaksARuleIsRefused(t *testing.T) {
	c := newClinic(t)
	c.index.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	blue := blueSystem + "|B-1"
	good := patientBody(blueSystem, "B-1", "")
	linked := func(other string) string {
		return patientBody(blueSystem, "B-1", `,"active":false,"link":[{"type":"replaced-by","other":`+other+`}]`)
	}
	for _, tt := range []struct {
		name, token, identifier, body string
		headers                       []string
		status                        int
		code, expression              string
	}{
		{"a system nobody assigns", oakToken, "urn:nobody|1", good, nil, 400, "code-invalid", "identifier"},
		{"another organisation's system", oakToken, redSystem + "|R-1", patientBody(redSystem, "R-1", ""), nil, 403, "forbidden", ""},
		{"a site that takes part no more", mercyToken, greenSystem + "|G-1", patientBody(greenSystem, "G-1", ""), nil, 403, "forbidden", ""},
		{"a value without a system", oakToken, "B-1", good, nil, 400, "required", "identifier"},
		{"a system without a value", oakToken, blueSystem + "|", good, nil, 400, "required", "identifier"},
		{"two values", oakToken, blue + "," + blue, good, nil, 400, "required", "identifier"},
		{"a body that names another patient", oakToken, blue, patientBody(blueSystem, "B-9", ""), nil, 400, "business-rule", "Patient.identifier"},
		{"another resource", oakToken, blue, `{"resourceType":"Person"}`, nil, 400, "invalid", "resourceType"},
		{"a member twice", oakToken, blue, `{"resourceType":"Patient","active":true,"active":false}`, nil, 400, "structure", "Patient.active"},
		{"not JSON", oakToken, blue, `<Patient/>`, nil, 400, "structure", ""},
		{"XML", oakToken, blue, good, []string{"Content-Type", "application/fhir+xml"}, 415, "not-supported", "Content-Type"},
		{"If-Match that is no tag", oakToken, blue, good, []string{"If-Match", "1"}, 400, "value", "If-Match"},
		{"If-None-Match", oakToken, blue, good, []string{"If-None-Match", "*"}, 400, "not-supported", "If-None-Match"},
		{"a survivor at another site", oakToken, blue, linked(`{"identifier":{"system":"` + redSystem + `","value":"R-1"}}`), nil, 400, "business-rule", "Patient.link"},
		{"a survivor of an unknown reference", oakToken, blue, linked(`{"reference":"Patient/xyz"}`), nil, 400, "business-rule", "Patient.link"},
		{"another organisation's patient as survivor", oakToken, blue, linked(`{"reference":"Patient/` + c.id(1000) + `"}`), nil, 400, "business-rule", "Patient.link"},
		{"a token without the right", noScopeToken, blue, good, nil, 403, "forbidden", ""},
		{"no token", "", blue, good, nil, 401, "login", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := *c.doors
			inner.T = t
			inner.refused((&clinic{doors: &inner}).put(tt.token, tt.identifier, tt.body, tt.headers...), tt.status, tt.code, tt.expression)
		})
	}
	if len(c.index.patients) != 1 || c.index.patients[0].Version != 1 {
		t.Error("a refused registration changed something")
	}
	if n := len(c.trail.events); n != 2 || c.trail.events[0].Kind != audit.Refused || c.trail.events[0].Actor.Organization != "oak" {
		t.Errorf("%d events for two attempts on sites that are not the caller's", n)
	}
	c.refused(c.do(http.MethodPut, "/fhir/Patient?family=x", oakToken, []byte(good)), http.StatusBadRequest, "required", "identifier")
	c.refused(c.do(http.MethodDelete, "/fhir/Patient?identifier=x", oakToken, nil), http.StatusBadRequest, "not-supported", "")
	both := strings.Replace(good, `"identifier":[`, `"identifier":[{"system":"`+blueSystem+`","value":"B-7"},`, 1)
	c.refused(c.do(http.MethodPost, "/fhir/Patient", oakToken, []byte(both)), http.StatusBadRequest, "business-rule", "Patient.identifier")
	c.refused(c.do(http.MethodPost, "/fhir/Patient", oakToken, []byte(patientBody(redSystem, "R-1", ""))), http.StatusBadRequest, "required", "Patient.identifier")
	c.refused(c.do(http.MethodPost, "/fhir/Patient", oakToken, []byte(`{"resourceType":"Patient","x":"`+strings.Repeat("x", 17<<20)+`"}`)), http.StatusRequestEntityTooLarge, "too-long", "")
}

func TestADuplicateIsResolvedWhereItWasMade(t *testing.T) {
	c := newClinic(t)
	survivor := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	c.index.add(2, "oak-street", blueSystem, "B-2", "MOHR")
	r := c.put(oakToken, blueSystem+"|B-2", patientBody(blueSystem, "B-2", `,"active":false,"link":[{"type":"replaced-by","other":{"reference":"`+testBase+`/fhir/Patient/`+c.id(survivor)+`"}}]`))
	if r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"link":[{"other":{"reference":"Patient/`+c.id(survivor)+`"},"type":"replaced-by"}]`) || !strings.Contains(r.Body.String(), `"active":false`) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

func TestAPatientIsReadByItsOwnOrganisationOnly(t *testing.T) {
	c := newClinic(t)
	own := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	other := c.index.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	c.named[other] = true // even when its site may be named
	if r := c.get("/fhir/Patient/"+c.id(own), oakToken); r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"1"` {
		t.Errorf("own: %d %s", r.Code, r.Body)
	}
	foreign, unknown := c.get("/fhir/Patient/"+c.id(other), oakToken), c.get("/fhir/Patient/"+c.id(777), oakToken)
	forged, wild := c.get("/fhir/Patient/"+strings.Repeat("0", 39), oakToken), c.get("/fhir/Patient/1000", oakToken)
	for name, r := range map[string]*httptest.ResponseRecorder{"another organisation's": foreign, "a forged id": forged, "a number": wild} {
		if r.Code != http.StatusNotFound || r.Body.String() != unknown.Body.String() || !sameHeaders(r, unknown) {
			t.Errorf("%s: %d %s, want what an unknown id gets: %s", name, r.Code, r.Body, unknown.Body)
		}
	}
	if n := len(c.trail.events); n != 3 || c.trail.events[1].Outcome != audit.Refusal || c.trail.events[1].Records[0] != other {
		t.Errorf("%d events; a refused read names the record it was about", n)
	}
}

// sameHeaders compares all headers but the request's own id.
func sameHeaders(a, b *httptest.ResponseRecorder) bool {
	strip := func(h http.Header) string {
		h = h.Clone()
		h.Del("X-Request-Id")
		var out []string
		for k, v := range h {
			out = append(out, k+"="+strings.Join(v, ","))
		}
		slices.Sort(out)
		return strings.Join(out, "\n")
	}
	return strip(a.Header()) == strip(b.Header())
}

func TestNothingIsAnsweredThatCannotBeRecorded(t *testing.T) {
	c := newClinic(t)
	own := c.index.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	c.index.match = mpi.Matched{Identities: []mpi.Identity{c.identity(mpi.GradeCertain, 1, "01", own)}}
	c.trail.fault = errors.Join(hie.ErrUnavailable)
	for name, r := range map[string]*httptest.ResponseRecorder{
		"read":    c.get("/fhir/Patient/"+c.id(own), oakToken),
		"search":  c.get("/fhir/Patient?family=MOHR", oakToken),
		"ihe-pix": c.get("/fhir/Patient/$ihe-pix?sourceIdentifier="+url.QueryEscape(blueSystem+"|B-1"), oakToken),
		"match":   c.do(http.MethodPost, "/fhir/Patient/$match", oakToken, []byte(patientBody(blueSystem, "B-1", ""))),
	} {
		if r.Code != http.StatusServiceUnavailable || strings.Contains(r.Body.String(), "MOHR") || strings.Contains(r.Body.String(), "B-1") {
			t.Errorf("%s without a record: %d %s", name, r.Code, r.Body)
		}
	}
}

func TestNoPatientIsNamedInALogOrAURL(t *testing.T) {
	c := newClinic(t)
	for i := range 3 {
		c.index.add(hie.PersonID(i+1), "oak-street", blueSystem, "Zyxquill"+strconv.Itoa(i), "Zyxquill")
	}
	c.put(oakToken, blueSystem+"|Zyxquill9", patientBody(blueSystem, "Zyxquill9", ""))
	r := c.get("/fhir/Patient?family=Zyxquill&_count=1", oakToken)
	var b fhir.Bundle
	if err := fhir.Decode(r.Body.Bytes(), &b); err != nil || len(b.Link) != 2 {
		t.Fatalf("%v, links %v", err, b.Link)
	}
	for _, l := range b.Link {
		if strings.Contains(l.URL, "Zyxquill") || strings.Contains(l.URL, "family") {
			t.Errorf("the %s link says what was asked", l.Relation)
		}
	}
	c.get("/fhir/Patient/$ihe-pix?sourceIdentifier="+url.QueryEscape(blueSystem+"|Zyxquill7"), oakToken)
	c.get("/fhir/Patient?birthdate=Zyxquill", oakToken)
	if strings.Contains(c.log.String(), "Zyxquill") || strings.Contains(r.Header().Get("Location"), "Zyxquill") {
		t.Error("a name reached the log")
	}
}

// The index is what the doors ask.
var (
	_ Patients    = (*mpi.Index)(nil)
	_ Stewardship = (*mpi.Index)(nil)
)
