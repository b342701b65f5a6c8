// Package directoryfhir serves the directory as FHIR: organisations and sites as Organization, addresses as
// Endpoint, and the search parameters both are found by.
//
// It is a public directory to authenticated members: who takes part, not who has a record where.
//
// Source: FHIR R4 Organization and Endpoint; IHE mCSD ITI-90 (facility Organizations, Endpoints).
package directoryfhir

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

const (
	uriSystem      = "urn:ietf:rfc:3986"
	typeSystem     = "http://terminology.hl7.org/CodeSystem/organization-type"
	facilitySystem = "https://profiles.ihe.net/ITI/mCSD/CodeSystem/IHE.mCSD.Organization.Location.Types"
)

// kinds maps a directory kind to HL7's organization-type; kinds it does not know are "other". The kind itself
// is the concept's text.
var kinds = map[string]fhir.Coding{
	"hospital":      {System: typeSystem, Code: "prov", Display: "Healthcare Provider"},
	"practice":      {System: typeSystem, Code: "prov", Display: "Healthcare Provider"},
	"part2-program": {System: typeSystem, Code: "prov", Display: "Healthcare Provider"},
	"laboratory":    {System: typeSystem, Code: "prov", Display: "Healthcare Provider"},
	"pharmacy":      {System: typeSystem, Code: "prov", Display: "Healthcare Provider"},
	"payer":         {System: typeSystem, Code: "pay", Display: "Payer"},
	"government":    {System: typeSystem, Code: "govt", Display: "Government"},
	"unit":          {System: typeSystem, Code: "dept", Display: "Hospital Department"},
}

// Organization returns the FHIR form of o.
func Organization(o directory.Organization) fhir.Organization {
	out := fhir.Organization{ResourceType: "Organization", ID: string(o.ID), Active: o.Active, Name: o.Name,
		Identifier: []fhir.Identifier{{Use: "official", System: uriSystem, Value: o.Identifier}}}
	if o.Kind != "" {
		coding, known := kinds[o.Kind]
		if !known {
			coding = fhir.Coding{System: typeSystem, Code: "other", Display: "Other"}
		}
		out.Type = []fhir.CodeableConcept{{Coding: []fhir.Coding{coding}, Text: o.Kind}}
	}
	if o.Parent != "" {
		out.PartOf = &fhir.Reference{Reference: "Organization/" + string(o.Parent)}
	}
	return out
}

// Site returns the FHIR form of s: an Organization of type facility that is part of its organisation, active once its go-live
// is signed off, with the number of its desk. Its identifiers are the systems it assigns patient identifiers under, in order.
func Site(s directory.Site) fhir.Organization {
	out := fhir.Organization{ResourceType: "Organization", ID: string(s.ID), Active: s.Active && s.Membership == directory.Live, Name: s.Name,
		Type:   []fhir.CodeableConcept{{Coding: []fhir.Coding{{System: facilitySystem, Code: "facility", Display: "Facility"}}, Text: "site"}},
		PartOf: &fhir.Reference{Reference: "Organization/" + string(s.Org)}}
	for _, system := range s.Authorities {
		out.Identifier = append(out.Identifier, fhir.Identifier{System: uriSystem, Value: system,
			Type: &fhir.CodeableConcept{Text: "assigning authority of patient identifiers"}})
	}
	if s.Phone != "" {
		out.Telecom = []fhir.ContactPoint{{System: "phone", Value: s.Phone, Use: "work"}}
	}
	for _, e := range s.Endpoints {
		out.Endpoint = append(out.Endpoint, fhir.Reference{Reference: "Endpoint/" + e.ID})
	}
	return out
}

// endpointStatus says what may be expected of an endpoint of a site.
//
// Source: FHIR R4 EndpointStatus ("test": not intended for production use yet).
func endpointStatus(s directory.Site) string {
	switch {
	case !s.Active:
		return "off"
	case s.Membership == directory.Live:
		return "active"
	case s.Membership == directory.Joining:
		return "test"
	default:
		return "suspended"
	}
}

// Endpoint returns the FHIR form of an endpoint of s.
func Endpoint(s directory.Site, e directory.Endpoint) fhir.Endpoint {
	return fhir.Endpoint{ResourceType: "Endpoint", ID: e.ID, Status: endpointStatus(s), Name: s.Name,
		ConnectionType: fhir.Coding{System: "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", Code: "hl7-fhir-rest",
			Display: "HL7 FHIR"},
		ManagingOrganization: &fhir.Reference{Reference: "Organization/" + string(s.ID)},
		PayloadType: []fhir.CodeableConcept{{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/endpoint-payload-type",
			Code: "any", Display: "Any"}}}},
		PayloadMimeType: []string{"application/fhir+json"}, Address: e.Address}
}

// FindOrganization returns the organisation or site whose FHIR id is id.
func FindOrganization(n *directory.Network, id string) (fhir.Organization, bool) {
	if o, ok := n.Organization(hie.OrgID(id)); ok {
		return Organization(o), true
	}
	if s, ok := n.Site(hie.SiteID(id)); ok {
		return Site(s), true
	}
	return fhir.Organization{}, false
}

// FindEndpoint returns the endpoint whose FHIR id is id.
func FindEndpoint(n *directory.Network, id string) (fhir.Endpoint, bool) {
	for _, s := range n.Sites() {
		for _, e := range s.Endpoints {
			if e.ID == id {
				return Endpoint(s, e), true
			}
		}
	}
	return fhir.Endpoint{}, false
}

// SearchOrganizations returns the organisations and sites that meet all of params, ordered by id, and the names
// of parameters it does not know, in order.
func SearchOrganizations(n *directory.Network, params []fhir.Param) (found []fhir.Organization, unknown []string, err error) {
	for _, o := range n.Organizations() {
		found = append(found, Organization(o))
	}
	for _, s := range n.Sites() {
		found = append(found, Site(s))
	}
	slices.SortFunc(found, func(a, b fhir.Organization) int { return strings.Compare(a.ID, b.ID) })
	return filter(found, params, map[string]test[fhir.Organization]{
		"_id":        {idModifiers, func(o fhir.Organization, v, _ string) bool { return o.ID == fhir.Text(v) }},
		"identifier": {idModifiers, func(o fhir.Organization, v, _ string) bool { return hasIdentifier(o.Identifier, v) }},
		"name":       {stringModifiers, func(o fhir.Organization, v, modifier string) bool { return matches(o.Name, fhir.Text(v), modifier) }},
		"partof": {referenceModifiers, func(o fhir.Organization, v, _ string) bool {
			return o.PartOf != nil && o.PartOf.Reference == "Organization/"+last(fhir.Text(v))
		}},
		"active": {idModifiers, func(o fhir.Organization, v, _ string) bool { return (fhir.ParseToken(v).Code == "true") == o.Active }},
		"type":   {idModifiers, func(o fhir.Organization, v, _ string) bool { return hasCode(o.Type, v) }},
	})
}

// SearchEndpoints returns the endpoints that meet all of params, ordered by id, and the names of parameters it
// does not know, in order.
func SearchEndpoints(n *directory.Network, params []fhir.Param) (found []fhir.Endpoint, unknown []string, err error) {
	for _, s := range n.Sites() {
		for _, e := range s.Endpoints {
			found = append(found, Endpoint(s, e))
		}
	}
	slices.SortFunc(found, func(a, b fhir.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return filter(found, params, map[string]test[fhir.Endpoint]{
		"_id":        {idModifiers, func(e fhir.Endpoint, v, _ string) bool { return e.ID == fhir.Text(v) }},
		"identifier": {idModifiers, func(e fhir.Endpoint, v, _ string) bool { return hasIdentifier(e.Identifier, v) }},
		"name":       {stringModifiers, func(e fhir.Endpoint, v, modifier string) bool { return matches(e.Name, fhir.Text(v), modifier) }},
		"organization": {referenceModifiers, func(e fhir.Endpoint, v, _ string) bool {
			return e.ManagingOrganization.Reference == "Organization/"+last(fhir.Text(v))
		}},
		"status": {idModifiers, func(e fhir.Endpoint, v, _ string) bool { return fhir.ParseToken(v).Code == e.Status }},
	})
}

// A test says whether one alternative of a parameter holds for r, and which modifiers it understands.
type test[R any] struct {
	modifiers []string
	holds     func(r R, value, modifier string) bool
}

var (
	idModifiers        = []string{""}
	stringModifiers    = []string{"", "exact", "contains"}
	referenceModifiers = []string{"", "Organization"}
)

// filter keeps what meets every parameter, alternatives being OR. A modifier a parameter does not know is an
// *hie.InvalidError, as FHIR R4 search 3.1.1.4 demands.
func filter[R any](all []R, params []fhir.Param, tests map[string]test[R]) (found []R, unknown []string, err error) {
	found = all
	for _, p := range params {
		t, known := tests[p.Name]
		if !known {
			unknown = append(unknown, p.Name)
			continue
		}
		if !slices.Contains(t.modifiers, p.Modifier) {
			return nil, nil, &hie.InvalidError{Path: p.Name, Rule: "has a modifier that is not supported here", Code: "not-supported"}
		}
		var kept []R
		for _, r := range found {
			for _, v := range p.Values {
				if t.holds(r, v, p.Modifier) {
					kept = append(kept, r)
					break
				}
			}
		}
		found = kept
	}
	return found, unknown, nil
}

func hasIdentifier(ids []fhir.Identifier, value string) bool {
	t := fhir.ParseToken(value)
	for _, id := range ids {
		if (!t.HasSystem || t.System == id.System) && (t.Code == "" || t.Code == id.Value) {
			return true
		}
	}
	return false
}

func hasCode(concepts []fhir.CodeableConcept, value string) bool {
	t := fhir.ParseToken(value)
	for _, c := range concepts {
		for _, coding := range c.Coding {
			if (!t.HasSystem || t.System == coding.System) && (t.Code == "" || t.Code == coding.Code) {
				return true
			}
		}
	}
	return false
}

// matches compares as FHIR strings do: from the beginning, ignoring case; :contains
// anywhere, :exact whole.
func matches(name, sought, modifier string) bool {
	lower, want := strings.ToLower(name), strings.ToLower(sought)
	switch modifier {
	case "exact":
		return name == sought
	case "contains":
		return strings.Contains(lower, want)
	}
	return strings.HasPrefix(lower, want)
}

// last returns the id of a reference written as id, Organization/id or a URL.
func last(reference string) string { return reference[strings.LastIndexByte(reference, '/')+1:] }
