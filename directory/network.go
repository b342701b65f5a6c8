package directory

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Network is a consistent picture of all participants. It does not change; a newer one replaces it whole.
type Network struct {
	version  int64
	orgs     map[hie.OrgID]Organization
	sites    map[hie.SiteID]Site
	byURI    map[string]hie.OrgID
	bySystem map[string]hie.SiteID
	defaults []Default
	// admitted are the organisations to which something may be disclosed.
	admitted map[hie.OrgID]bool
}

// NewNetwork checks that the parts fit together and returns the picture they make. Version rises with every
// change. An *hie.InvalidError names the first part that does not fit ("sites[3].org").
func NewNetwork(version int64, orgs []Organization, sites []Site, defaults []Default) (*Network, error) {
	n := &Network{version: version, orgs: map[hie.OrgID]Organization{}, sites: map[hie.SiteID]Site{},
		byURI: map[string]hie.OrgID{}, bySystem: map[string]hie.SiteID{}, defaults: slices.Clone(defaults)}
	for i, o := range orgs {
		if err := n.addOrg(fmt.Sprintf("organizations[%d]", i), o); err != nil {
			return nil, err
		}
	}
	for i, o := range orgs {
		if err := n.checkParents(fmt.Sprintf("organizations[%d].parent", i), o); err != nil {
			return nil, err
		}
	}
	for i, s := range sites {
		if err := n.addSite(fmt.Sprintf("sites[%d]", i), s); err != nil {
			return nil, err
		}
	}
	for i, d := range defaults {
		if err := n.checkDefault(fmt.Sprintf("defaults[%d]", i), d); err != nil {
			return nil, err
		}
	}
	n.admit()
	return n, nil
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

func (n *Network) addOrg(path string, o Organization) error {
	switch _, taken := n.orgs[o.ID]; {
	case !idPattern.MatchString(string(o.ID)):
		return hie.Invalid(path+".id", "must be 1-64 of letters, digits, '-' and '.'")
	case taken:
		return hie.Invalid(path+".id", "is used twice")
	case o.Name == "":
		return hie.Required(path + ".name")
	case o.Identifier == "":
		return hie.Required(path + ".identifier")
	}
	if _, taken := n.byURI[o.Identifier]; taken {
		return hie.Invalid(path+".identifier", "belongs to another organization")
	}
	n.orgs[o.ID], n.byURI[o.Identifier] = o, o.ID
	return nil
}

func (n *Network) checkParents(path string, o Organization) error {
	seen := map[hie.OrgID]bool{o.ID: true}
	for p := o.Parent; p != ""; p = n.orgs[p].Parent {
		if _, known := n.orgs[p]; !known {
			return hie.Invalid(path, "is not an organization of this file")
		}
		if seen[p] {
			return hie.Invalid(path, "leads back to itself")
		}
		seen[p] = true
	}
	return nil
}

func (n *Network) addSite(path string, s Site) error {
	switch _, taken := n.sites[s.ID]; {
	case !idPattern.MatchString(string(s.ID)):
		return hie.Invalid(path+".id", "must be 1-64 of letters, digits, '-' and '.'")
	case taken:
		return hie.Invalid(path+".id", "is used twice")
	case s.Name == "":
		return hie.Required(path + ".name")
	case len(s.Authorities) == 0:
		return hie.Required(path + ".authorities")
	case !s.Membership.Known():
		return hie.Invalid(path+".membership", "must be joining, live or suspended")
	}
	if _, known := n.orgs[s.Org]; !known {
		return hie.Invalid(path+".org", "is not an organization of this file")
	}
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "" {
		return hie.Invalid(path+".zone", "must be an IANA time zone such as America/New_York")
	}
	if s.Phone != "" && !phonePattern.MatchString(s.Phone) {
		return hie.Invalid(path+".phone", "must be a telephone number")
	}
	for _, system := range s.Authorities {
		if _, taken := n.bySystem[system]; taken || system == "" {
			return hie.Invalid(path+".authorities", "must be systems that no other site assigns")
		}
		n.bySystem[system] = s.ID
	}
	for i, e := range s.Endpoints {
		if e.ID == "" || e.Address == "" || e.Protocol != "fhir-r4" {
			return hie.Invalid(fmt.Sprintf("%s.endpoints[%d]", path, i), "needs an id, an address and protocol fhir-r4")
		}
	}
	n.sites[s.ID] = s
	return nil
}

func (n *Network) checkDefault(path string, d Default) error {
	origins := 0
	for _, set := range []bool{d.Network, d.Site != "", d.Jurisdiction != ""} {
		if set {
			origins++
		}
	}
	if origins != 1 {
		return hie.Invalid(path, "needs exactly one of network, site and jurisdiction")
	}
	if d.Site != "" {
		if _, known := n.sites[d.Site]; !known {
			return hie.Invalid(path+".site", "is not a site of this file")
		}
	}
	if !slices.Contains([]string{"deny", "btg-only", "basic-normal", "permit"}, d.Rule) {
		return hie.Invalid(path+".rule", "must be deny, btg-only, basic-normal or permit")
	}
	if d.PurposeClass == "" || d.Category == "" {
		return hie.Invalid(path, "needs a purposeClass and a category, '*' for any")
	}
	return nil
}

// Version tells which picture this is.
func (n *Network) Version() int64 { return n.version }

// Organization returns the organisation named id.
func (n *Network) Organization(id hie.OrgID) (Organization, bool) { o, ok := n.orgs[id]; return o, ok }

// OrganizationByURI returns the organisation whose Identifier is uri.
func (n *Network) OrganizationByURI(uri string) (Organization, bool) {
	o, ok := n.orgs[n.byURI[uri]]
	return o, ok
}

// Site returns the site named id.
func (n *Network) Site(id hie.SiteID) (Site, bool) { s, ok := n.sites[id]; return s, ok }

// SiteOf returns the site that assigns identifiers of system.
func (n *Network) SiteOf(system string) (Site, bool) {
	s, ok := n.sites[n.bySystem[system]]
	return s, ok
}

// Ancestors returns org and the organisations it is a unit of, nearest first; nil when org is unknown.
func (n *Network) Ancestors(org hie.OrgID) []hie.OrgID {
	var out []hie.OrgID
	for {
		o, ok := n.orgs[org]
		if !ok || slices.Contains(out, org) {
			return out
		}
		out = append(out, org)
		org = o.Parent
	}
}

// Within reports whether org is ancestor or a unit of it.
func (n *Network) Within(org, ancestor hie.OrgID) bool {
	return slices.Contains(n.Ancestors(org), ancestor)
}

// Units returns org and all organisations within it, org first and the others ordered by id.
func (n *Network) Units(org hie.OrgID) []hie.OrgID {
	out := []hie.OrgID{org}
	for _, id := range slices.Sorted(maps.Keys(n.orgs)) {
		if id != org && n.Within(id, org) {
			out = append(out, id)
		}
	}
	return out
}

// Zone returns the zone a site's dates are in, UTC for a site not known.
func (n *Network) Zone(site hie.SiteID) *time.Location {
	if s, known := n.sites[site]; known {
		if z, err := time.LoadLocation(s.Zone); err == nil {
			return z
		}
	}
	return time.UTC
}

// Jurisdiction returns the jurisdiction a site is under: its own, else the nearest of its organisations', or "".
func (n *Network) Jurisdiction(site hie.SiteID) string {
	s := n.sites[site]
	if s.Jurisdiction != "" {
		return s.Jurisdiction
	}
	for _, id := range n.Ancestors(s.Org) {
		if j := n.orgs[id].Jurisdiction; j != "" {
			return j
		}
	}
	return ""
}

// Organizations returns all organisations, ordered by id.
func (n *Network) Organizations() []Organization {
	out := slices.Collect(maps.Values(n.orgs))
	slices.SortFunc(out, func(a, b Organization) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// Sites returns all sites, ordered by id.
func (n *Network) Sites() []Site {
	out := slices.Collect(maps.Values(n.sites))
	slices.SortFunc(out, func(a, b Site) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// Defaults returns the consent defaults, in the order of the file. The caller must not change them.
func (n *Network) Defaults() []Default { return n.defaults }
