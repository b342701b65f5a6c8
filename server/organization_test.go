package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/internal/fhir"
)

// testFile is the network the doors are tested with: two organisations with a site each, a unit, and a site
// that no longer takes part.
func testFile() directory.File {
	return directory.File{
		Organizations: []directory.Organization{
			{ID: "mercy", Name: "Mercy Health", Identifier: "urn:org:mercy", Kind: "hospital", Active: true},
			{ID: "mercy-heart", Name: "Mercy Heart Center", Parent: "mercy", Identifier: "urn:org:mercy-heart", Kind: "practice", Active: true},
			{ID: "oak", Name: "Oak Street Practice", Identifier: "urn:org:oak", Kind: "housing-agency", Active: true},
		},
		Sites: []directory.Site{
			{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:oid:1.3.6.1.4.1.21367.13.20.1000", "urn:mercy:old"},
				Zone: "America/New_York", Active: true, Membership: directory.Live, Endpoints: []directory.Endpoint{
					{ID: "mercy-fhir", Protocol: "fhir-r4", Address: "https://mercy.example/fhir"}}},
			{ID: "oak-street", Org: "oak", Name: "Oak Street", Authorities: []string{"urn:oid:1.3.6.1.4.1.21367.13.20.3000"},
				Zone: "America/Chicago", Active: true, Membership: directory.Live},
			{ID: "elm", Org: "mercy", Name: "Elm", Authorities: []string{"urn:oid:1.3.6.1.4.1.21367.13.20.2000"}, Zone: "America/Chicago", Membership: directory.Live},
		},
	}
}

func TestTheDirectoryIsSearched(t *testing.T) {
	d := newDoors(t)
	for _, tt := range []struct{ name, path, want string }{
		{"everything, ordered by id", "/fhir/Organization", "elm mercy mercy-heart mercy-main oak oak-street"},
		{"by id", "/fhir/Organization?_id=oak,elm", "elm oak"},
		{"by identifier", "/fhir/Organization?identifier=urn:ietf:rfc:3986%7Curn:org:oak", "oak"},
		{"a site by the system it assigns", "/fhir/Organization?identifier=urn:mercy:old", "mercy-main"},
		{"by the beginning of a name", "/fhir/Organization?name=mercy", "mercy mercy-heart mercy-main"},
		{"by a whole name", "/fhir/Organization?name:exact=Elm", "elm"},
		{"by part of a name", "/fhir/Organization?name:contains=STREET", "oak oak-street"},
		{"units and sites of an organization", "/fhir/Organization?partof=Organization/mercy", "elm mercy-heart mercy-main"},
		{"what takes part no more", "/fhir/Organization?active=false", "elm"},
		{"both conditions", "/fhir/Organization?partof=mercy&active=true", "mercy-heart mercy-main"},
		{"by type", "/fhir/Organization?type=facility", "elm mercy-main oak-street"},
		{"nothing", "/fhir/Organization?name=zzz", ""},
		{"endpoints of a site", "/fhir/Endpoint?organization=Organization/mercy-main", "mercy-fhir"},
		{"endpoints of another", "/fhir/Endpoint?organization=oak-street", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := d.bundle(d.get(tt.path, oakToken), http.StatusOK)
			var ids []string
			for _, e := range b.Entry {
				var h fhir.Header
				if err := fhir.Decode(e.Resource, &h); err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(e.FullURL, "/"+h.ResourceType+"/"+h.ID) {
					t.Errorf("fullUrl %s of %s", e.FullURL, h.ID)
				}
				ids = append(ids, h.ID)
			}
			if got := strings.Join(ids, " "); got != tt.want || b.Total == nil || *b.Total != len(ids) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheDirectoryIsReadInPages(t *testing.T) {
	d := newDoors(t)
	var got []string
	next := "/fhir/Organization?active=true&_count=2"
	for pages := 0; next != "" && pages < 9; pages++ {
		b := d.bundle(d.get(next, oakToken), http.StatusOK)
		next = ""
		for _, e := range b.Entry {
			got = append(got, e.FullURL[strings.LastIndexByte(e.FullURL, '/')+1:])
		}
		for _, l := range b.Link {
			if l.Relation == "next" {
				next = strings.TrimPrefix(l.URL, testBase)
			}
		}
	}
	if want := "mercy mercy-heart mercy-main oak oak-street"; strings.Join(got, " ") != want {
		t.Errorf("pages hold %v, want %s", got, want)
	}
	b := d.bundle(d.get("/fhir/Organization?_count=2", oakToken), http.StatusOK)
	foreign := strings.TrimPrefix(b.Link[1].URL, testBase+"/fhir/Organization?")
	d.refused(d.get("/fhir/Organization?name=oak&"+foreign, oakToken), http.StatusBadRequest, "value", "_cursor")
	d.refused(d.get("/fhir/Organization?_cursor=AAAA", oakToken), http.StatusBadRequest, "value", "_cursor")
}

func TestUnknownParametersAreReportedOrRefused(t *testing.T) {
	d := newDoors(t)
	b := d.bundle(d.get("/fhir/Organization?name=oak&colour=red", oakToken), http.StatusOK)
	if last := b.Entry[len(b.Entry)-1]; last.Search.Mode != "outcome" || !strings.Contains(string(last.Resource), `"expression":["colour"]`) {
		t.Errorf("the ignored parameter is not reported: %s", last.Resource)
	}
	d.refused(d.do("GET", "/fhir/Organization?colour=red", oakToken, nil, "Prefer", "handling=strict"), http.StatusBadRequest, "not-supported", "colour")
	d.refused(d.get("/fhir/Organization?active:missing=true", oakToken), http.StatusBadRequest, "not-supported", "active")
	d.refused(d.get("/fhir/Organization?_count=-1", oakToken), http.StatusBadRequest, "value", "_count")
}

func TestTheDirectoryIsForMembers(t *testing.T) {
	d := newDoors(t)
	if r := d.get("/fhir/Organization/mercy-main", oakToken); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"partOf":{"reference":"Organization/mercy"}`) {
		t.Errorf("read: %d %s", r.Code, r.Body)
	}
	if r := d.get("/fhir/Endpoint/mercy-fhir", oakToken); r.Code != http.StatusOK {
		t.Errorf("read: %d %s", r.Code, r.Body)
	}
	d.refused(d.get("/fhir/Organization/elsewhere", oakToken), http.StatusNotFound, "not-found", "")
	d.refused(d.get("/fhir/Endpoint/elsewhere", oakToken), http.StatusNotFound, "not-found", "")
	d.refused(d.get("/fhir/Organization", ""), http.StatusUnauthorized, "login", "")
	d.refused(d.get("/fhir/Organization", noScopeToken), http.StatusForbidden, "forbidden", "")
}
