// Package directoryjson reads the file an operator describes the network in: one JSON document
//
//	{
//	  "organizations": [{"id", "name", "parent", "identifier", "kind", "jurisdiction", "active"}],
//	  "sites": [{"id", "org", "name", "authorities", "zone", "jurisdiction", "regimes", "labelled",
//	             "privilegedRoles", "publishes", "active", "membership",
//	             "endpoints": [{"id", "protocol", "address", "permits", "capability"}]}],
//	  "defaults": [{"network", "site", "jurisdiction", "purposeClass", "category", "rule"}]
//	}
//
// It is read strictly: a member it does not know is a mistake in a file that decides who takes part, so it is
// refused, with its place. What members mean is said in package directory; "active" is true and "protocol" is
// "fhir-r4" when left out; "membership" is written for whoever reads, and best left out of a file to apply.
package directoryjson

import (
	"strings"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/strict"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type file struct {
	Organizations []organization `json:"organizations"`
	Sites         []site         `json:"sites"`
	Defaults      []standing     `json:"defaults,omitempty"`
}

type organization struct {
	ID           hie.OrgID `json:"id"`
	Name         string    `json:"name"`
	Parent       hie.OrgID `json:"parent,omitzero"`
	Identifier   string    `json:"identifier"`
	Kind         string    `json:"kind,omitzero"`
	Jurisdiction string    `json:"jurisdiction,omitzero"`
	Active       *bool     `json:"active,omitzero"`
}

type site struct {
	ID              hie.SiteID `json:"id"`
	Org             hie.OrgID  `json:"org"`
	Name            string     `json:"name"`
	Authorities     []string   `json:"authorities"`
	Phone           string     `json:"phone,omitzero"`
	Zone            string     `json:"zone"`
	Jurisdiction    string     `json:"jurisdiction,omitzero"`
	Regimes         []string   `json:"regimes,omitempty"`
	Labelled        bool       `json:"labelled"`
	PrivilegedRoles []string   `json:"privilegedRoles,omitempty"`
	Publishes       bool       `json:"publishes"`
	Active          *bool      `json:"active,omitzero"`
	Membership      string     `json:"membership,omitzero"`
	Endpoints       []endpoint `json:"endpoints,omitempty"`
}

type endpoint struct {
	ID         string            `json:"id"`
	Protocol   string            `json:"protocol,omitzero"`
	Address    string            `json:"address"`
	Permits    int               `json:"permits,omitzero"`
	Capability map[string]string `json:"capability,omitempty"`
}

type standing struct {
	Network      bool       `json:"network,omitzero"`
	Site         hie.SiteID `json:"site,omitzero"`
	Jurisdiction string     `json:"jurisdiction,omitzero"`
	PurposeClass string     `json:"purposeClass"`
	Category     string     `json:"category"`
	Rule         string     `json:"rule"`
}

// Read reads a directory file. An *hie.InvalidError names the place of the first fault ("sites[3].zone"); that
// the parts fit together is for [directory.File.Network] to say.
func Read(data []byte) (directory.File, error) {
	var in file
	if err := strict.Decode("", data, &in); err != nil {
		return directory.File{}, err
	}
	var out directory.File
	for _, o := range in.Organizations {
		out.Organizations = append(out.Organizations, directory.Organization{ID: o.ID, Name: o.Name, Parent: o.Parent,
			Identifier: o.Identifier, Kind: o.Kind, Jurisdiction: o.Jurisdiction, Active: o.Active == nil || *o.Active})
	}
	for _, s := range in.Sites {
		d := directory.Site{ID: s.ID, Org: s.Org, Name: s.Name, Authorities: s.Authorities, Phone: s.Phone, Zone: s.Zone, Jurisdiction: s.Jurisdiction,
			Regimes: s.Regimes, Labelled: s.Labelled, PrivilegedRoles: s.PrivilegedRoles, Publishes: s.Publishes,
			Active: s.Active == nil || *s.Active, Membership: directory.Participation(s.Membership)}
		for _, e := range s.Endpoints {
			if e.Protocol == "" {
				e.Protocol = "fhir-r4"
			}
			d.Endpoints = append(d.Endpoints, directory.Endpoint{ID: e.ID, Protocol: e.Protocol,
				Address: strings.TrimSuffix(e.Address, "/"), Permits: e.Permits, Capability: e.Capability})
		}
		out.Sites = append(out.Sites, d)
	}
	for _, d := range in.Defaults {
		out.Defaults = append(out.Defaults, directory.Default(d))
	}
	return out, nil
}

// Write returns f as [Read] reads it, indented.
func Write(f directory.File) []byte {
	out := file{Organizations: []organization{}, Sites: []site{}}
	for _, o := range f.Organizations {
		out.Organizations = append(out.Organizations, organization{ID: o.ID, Name: o.Name, Parent: o.Parent,
			Identifier: o.Identifier, Kind: o.Kind, Jurisdiction: o.Jurisdiction, Active: inactive(o.Active)})
	}
	for _, s := range f.Sites {
		w := site{ID: s.ID, Org: s.Org, Name: s.Name, Authorities: s.Authorities, Phone: s.Phone, Zone: s.Zone, Jurisdiction: s.Jurisdiction,
			Regimes: s.Regimes, Labelled: s.Labelled, PrivilegedRoles: s.PrivilegedRoles, Publishes: s.Publishes, Active: inactive(s.Active),
			Membership: string(s.Membership)}
		for _, e := range s.Endpoints {
			w.Endpoints = append(w.Endpoints, endpoint(e))
		}
		out.Sites = append(out.Sites, w)
	}
	for _, d := range f.Defaults {
		out.Defaults = append(out.Defaults, standing(d))
	}
	b, err := json.Marshal(out, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		panic("directoryjson: " + err.Error()) // strings and booleans are always JSON, or a bug in this program
	}
	return append(b, '\n')
}

// inactive writes "active" only where it is not what leaving it out means.
func inactive(active bool) *bool {
	if active {
		return nil
	}
	return &active
}
