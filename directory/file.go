package directory

import (
	"fmt"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A File is the whole directory as an operator states it: what it does not name no longer takes part.
type File struct {
	Organizations []Organization
	Sites         []Site
	Defaults      []Default
}

// Network checks f as [NewNetwork] does, and that everything f names has a FHIR id of its own: sites are served
// as Organizations beside the organisations, and endpoints of all sites as one collection.
func (f File) Network(version int64) (*Network, error) {
	n, err := NewNetwork(version, f.Organizations, f.Sites, f.Defaults)
	if err != nil {
		return nil, err
	}
	endpoints := map[string]bool{}
	for i, s := range f.Sites {
		if _, taken := n.orgs[hie.OrgID(s.ID)]; taken {
			return nil, hie.Invalid(fmt.Sprintf("sites[%d].id", i), "is the id of an organization; both are served as FHIR Organizations")
		}
		for j, e := range s.Endpoints {
			path := fmt.Sprintf("sites[%d].endpoints[%d].id", i, j)
			switch {
			case !idPattern.MatchString(e.ID):
				return nil, hie.Invalid(path, "must be 1-64 of letters, digits, '-' and '.'")
			case endpoints[e.ID]:
				return nil, hie.Invalid(path, "is used twice")
			}
			endpoints[e.ID] = true
		}
	}
	rules := map[string]bool{}
	for i, d := range f.Defaults {
		if rules[d.name()] {
			return nil, hie.Invalid(fmt.Sprintf("defaults[%d]", i), "speaks a second time for the same purpose and category")
		}
		rules[d.name()] = true
	}
	return n, nil
}

// File returns what n holds, organisations and sites ordered by id.
func (n *Network) File() File {
	return File{Organizations: n.Organizations(), Sites: n.Sites(), Defaults: slices.Clone(n.defaults)}
}

// Retire returns f with the organisations and sites of before that f no longer names, made inactive: their
// registrations and documents go on naming them. Endpoints and consent defaults of a retired site end. An
// *hie.InvalidError says which part of f takes over a name that still belongs to something retired: what such
// a name meant must stay known, so it is first given up in a file of its own.
func (f File) Retire(before *Network) (File, error) {
	orgs, sites := map[hie.OrgID]bool{}, map[hie.SiteID]bool{}
	for _, o := range f.Organizations {
		orgs[o.ID] = true
	}
	for _, s := range f.Sites {
		sites[s.ID] = true
	}
	for i, o := range f.Organizations {
		if owner, known := before.OrganizationByURI(o.Identifier); known && !orgs[owner.ID] {
			return File{}, hie.Invalid(fmt.Sprintf("organizations[%d].identifier", i), "belongs to a removed organization")
		}
	}
	for i, s := range f.Sites {
		for _, system := range s.Authorities {
			if owner, known := before.SiteOf(system); known && !sites[owner.ID] {
				return File{}, hie.Invalid(fmt.Sprintf("sites[%d].authorities", i), "hold a system of a removed site")
			}
		}
	}
	out := File{Organizations: slices.Clone(f.Organizations), Sites: slices.Clone(f.Sites), Defaults: slices.Clone(f.Defaults)}
	for _, o := range before.Organizations() {
		if !orgs[o.ID] {
			o.Active = false
			out.Organizations = append(out.Organizations, o)
		}
	}
	for _, s := range before.Sites() {
		if !sites[s.ID] {
			s.Active, s.Endpoints = false, nil
			out.Sites = append(out.Sites, s)
		}
	}
	return out, nil
}
