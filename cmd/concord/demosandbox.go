package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/portal"
)

// sandboxPeople are the people of the stories, as integrators find them.
func (m *demo) sandboxPeople() (out []portal.SandboxPerson) {
	for _, p := range m.region.People {
		if p.Story == "" {
			continue
		}
		person := portal.SandboxPerson{Name: p.Name(), Story: p.Story, Birth: p.Birth.Format(time.DateOnly)}
		for _, i := range p.Registrations {
			g := m.region.Registrations[i]
			person.Numbers = append(person.Numbers, portal.SandboxNumber{Site: hie.SiteID(g.Site), System: m.authority(g.Site), Value: g.Local, Documents: g.Documents})
		}
		out = append(out, person)
	}
	return out
}

// sandboxSites are the sites that behave otherwise than most.
func (m *demo) sandboxSites() (out []portal.SandboxSite) {
	for _, s := range m.region.Sites {
		for _, b := range []struct {
			is   bool
			name string
		}{{s.Delay > 0, "slow"}, {s.Faults, "failing"}, {!s.Publishes, "live"}} {
			if b.is {
				out = append(out, portal.SandboxSite{ID: hie.SiteID(s.ID), Behaves: b.name})
			}
		}
	}
	return out
}

// sandboxClients are the demo's clients, whose keys lie in keyDir.
func (m *demo) sandboxClients(keyDir string) (out []portal.SandboxClient) {
	for _, c := range demoClients(m.allSites()) {
		out = append(out, portal.SandboxClient{ID: c.ID, Name: c.Name, Organization: m.orgURI(c.Organization), KeyFile: filepath.Join(keyDir, string(c.ID)+".jwk"),
			Scopes: c.Scopes, Purposes: c.Purposes, Roles: c.Roles, Patients: c.PatientAccess})
	}
	return out
}

// sandboxToken gets a token as one of the demo's clients does, with everything the client may do.
func (m *demo) sandboxToken(ctx context.Context, ask portal.SandboxAsk) (portal.SandboxToken, error) {
	c, known := m.clients[string(ask.Client)]
	if !known {
		return portal.SandboxToken{}, hie.Invalid("client", "must be a client of the demonstration")
	}
	who := asker{purposes: string(ask.Purpose), user: ask.User, name: ask.User, role: ask.Role, scopes: strings.Join(c.Scopes, " ")}
	if ask.Patient != "" {
		who.user = "Patient/" + ask.Patient
	}
	got, err := c.api.grant(ctx, who)
	if errors.Is(err, errNoToken) {
		return portal.SandboxToken{}, hie.Invalid("client", "was refused a token")
	}
	if err != nil {
		return portal.SandboxToken{}, errors.Join(hie.ErrUnavailable, err)
	}
	return portal.SandboxToken{Token: got.AccessToken, Scopes: strings.Fields(got.Scope), Expires: time.Duration(got.ExpiresIn) * time.Second}, nil
}
