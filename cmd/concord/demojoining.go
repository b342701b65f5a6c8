package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/internal/sim"
)

// joiningSite is a site of the demo that is being brought on: it answers, and of its checks some pass and some do not. It is under
// another state's law than the others, and nobody of the region is registered there.
func joiningSite() sim.Site {
	const uri = "https://old-point.example.org"
	return sim.Site{ID: "old-point-care", Name: "Old Point Urgent Care, Harborside", Org: "old-point", OrgName: "Old Point Urgent Care", OrgURI: uri, Kind: "urgent-care",
		Jurisdiction: "US-VA", Zone: "America/New_York", Phone: "757-555-0120", Authority: uri + "/patient-id/old-point-care", Labelled: true, PrivilegedRoles: []string{"physician", "ed"}}
}

// allSites are the region's sites, and last the one that is being brought on.
func (m *demo) allSites() []sim.Site { return append(slices.Clone(m.region.Sites), joiningSite()) }

// network is who takes part in the demo.
func (m *demo) network() directory.File {
	f := demoDirectory(m.allSites(), m.bases)
	f.Sites[len(f.Sites)-1].Membership = directory.Joining
	return f
}

// welcome takes the first steps with the joining site, as its operator and its feed do: what was signed, two of the three
// contacts, and the first of its test patients.
func (m *demo) welcome(ctx context.Context) error {
	s := joiningSite()
	base := "/admin/v1/sites/" + s.ID + "/onboarding"
	bringing := operating
	bringing.scopes = "concord/site.read concord/site.write"
	for _, done := range []struct {
		what string
		body map[string]string
	}{
		{"agreements", map[string]string{"kind": "baa", "signed_by": "Old Point Urgent Care, its medical director", "from": sim.Today.Format(time.DateOnly),
			"until": sim.Today.AddDate(3, 0, 0).Format(time.DateOnly), "document_hash": strings.Repeat("5c", 32)}},
		{"contacts", map[string]string{"role": "technical", "name": "Integration desk", "email": "integration@old-point.example.org"}},
		{"contacts", map[string]string{"role": "privacy", "name": "Privacy desk", "email": "privacy@old-point.example.org"}},
	} {
		r, err := m.clients["operator-desk"].api.call(ctx, bringing, http.MethodPost, base+"/"+done.what, done.body)
		if err != nil {
			return err
		}
		if r.status != http.StatusOK {
			return fmt.Errorf("demo: the joining site's %s were refused: %s", done.what, r.problem())
		}
	}
	for n := range 4 {
		if err := m.clients[s.ID+"-feed"].api.registerTest(ctx, s, n); err != nil {
			return err
		}
	}
	return nil
}

// registerTest registers the n-th test patient of a site that is being brought on, n from 0 to 11: nobody anybody knows.
func (c *apiClient) registerTest(ctx context.Context, s sim.Site, n int) error {
	type object = map[string]any
	local := fmt.Sprintf("TEST-%d", n+1)
	given := []string{"Aldous", "Beryl", "Clement", "Dorothea", "Edmund", "Florence", "Gilbert", "Harriet", "Ignatius", "Josephine", "Kenelm", "Lavinia"}[n]
	body, err := json.Marshal(object{"resourceType": "Patient", "identifier": []object{{"system": s.Authority, "value": local}},
		"name": []object{{"family": "Testperson" + given[:3], "given": []string{given}}}, "gender": []string{"male", "female"}[n%2],
		"birthDate": fmt.Sprintf("19%02d-%02d-11", 40+3*n, 1+n), "address": []object{{"line": []string{fmt.Sprintf("%d Test Row", 10+n)}, "city": "Hampton", "state": "VA", "postalCode": "23663"}}})
	if err != nil { // maps of strings are always JSON
		panic("demo: " + err.Error())
	}
	r, err := c.call(ctx, feeding, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(s.Authority+"|"+local), body)
	if err != nil {
		return err
	}
	if r.status != http.StatusOK && r.status != http.StatusCreated {
		return fmt.Errorf("demo: a test patient was refused: %s", r.problem())
	}
	return nil
}
