package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"text/tabwriter"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
)

// The shape of DIR/demo.json. Source: DESIGN section 4.
type (
	demoJSON struct {
		BaseURL  string           `json:"base_url"`
		FHIRURL  string           `json:"fhir_url"`
		TokenURL string           `json:"token_url"`
		Clients  []demoJSONClient `json:"clients"`
		People   []demoJSONPerson `json:"people"`
		Logins   []demoJSONSignIn `json:"logins"`
	}
	demoJSONClient struct {
		ClientID     string        `json:"client_id"`
		Organization string        `json:"organization"`
		Role         string        `json:"role"`
		PurposeOfUse []hie.Purpose `json:"purpose_of_use"`
		KeyFile      string        `json:"key_file"`
		Scopes       []string      `json:"scopes"`
	}
	demoJSONPerson struct {
		Name        string               `json:"name"`
		Story       string               `json:"story"`
		Identifiers []demoJSONIdentifier `json:"identifiers"`
	}
	demoJSONIdentifier struct {
		System string `json:"system"`
		Value  string `json:"value"`
	}
	demoJSONSignIn struct {
		Role string `json:"role"`
		User string `json:"user"`
		URL  string `json:"url"`
	}
)

// writeJSON writes DIR/demo.json. Organisations are named by their URI, as tokens name them.
func (m *demo) writeJSON() error {
	out := demoJSON{BaseURL: m.base, FHIRURL: m.base + "/fhir", TokenURL: m.base + "/oauth/token", Logins: []demoJSONSignIn{}}
	for _, p := range m.signIn.personas {
		out.Logins = append(out.Logins, demoJSONSignIn{Role: string(p.Duty), User: p.Name, URL: m.base + "/signin?as=" + url.QueryEscape(p.Account)})
	}
	for _, c := range m.inOrder() {
		out.Clients = append(out.Clients, demoJSONClient{ClientID: string(c.ID), Organization: c.api.org, Role: c.role,
			PurposeOfUse: c.Purposes, KeyFile: c.keyFile, Scopes: c.Scopes})
	}
	for _, p := range m.region.People {
		if p.Story == "" {
			continue
		}
		person := demoJSONPerson{Name: p.Name(), Story: p.Story}
		for _, i := range p.Registrations {
			g := m.region.Registrations[i]
			site, _ := m.region.Site(g.Site)
			person.Identifiers = append(person.Identifiers, demoJSONIdentifier{site.Authority, g.Local})
		}
		out.People = append(out.People, person)
	}
	return writeWhole(filepath.Join(m.dir, "demo.json"), out)
}

// inOrder returns the clients in the order they were made.
func (m *demo) inOrder() []*demoClient {
	var out []*demoClient
	for _, c := range demoClients(m.allSites()) {
		out = append(out, m.clients[string(c.ID)])
	}
	return out
}

// printPeople prints the clients and the people of the stories as tables.
func (m *demo) printPeople() {
	w := tabwriter.NewWriter(m.s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLIENT\tROLE\tORGANIZATION\tKEY")
	for _, c := range m.inOrder() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.ID, c.role, c.api.org, c.keyFile)
	}
	fmt.Fprintln(w, "\nSIGN IN AS\tDUTY\tPAGE\t")
	for _, p := range m.signIn.personas {
		fmt.Fprintf(w, "%s\t%s\t%s/signin?as=%s\t\n", p.Name, p.Duty, m.base, p.Account)
	}
	fmt.Fprintln(w, "\nPERSON\tSTORY\tKNOWN AS\t")
	for _, p := range m.region.People {
		if p.Story == "" {
			continue
		}
		for n, i := range p.Registrations {
			g := m.region.Registrations[i]
			site, _ := m.region.Site(g.Site)
			name, story := p.Name(), p.Story
			if n > 0 {
				name, story = "", ""
			}
			fmt.Fprintf(w, "%s\t%s\t%s|%s\t(%d documents)\n", name, story, site.Authority, g.Local, g.Documents)
		}
	}
	_ = w.Flush() // standard output has gone
}

// authority returns the identifier system of a site of the region.
func (m *demo) authority(site string) string {
	s, _ := m.region.Site(site)
	return s.Authority
}

// at returns the identifier, system|value, of p's first registration at site.
func (m *demo) at(p sim.Person, site string) string {
	g := m.region.Of(p, site)
	if len(g) == 0 {
		return m.authority(site) + "|" + sim.Unknown
	}
	return m.authority(site) + "|" + g[0].Local
}
