// Package directory says who takes part in the exchange, under which law, and how each is reached:
// organisations, their sites with assigning authorities, and endpoints. A [Network] is one consistent,
// immutable picture of it, checked when made.
//
// It decides nothing about disclosure; consent reads jurisdictions, regimes and defaults here.
//
// Source: IHE mCSD (Organization, Endpoint); DESIGN section 5.
package directory

import (
	"github.com/concord-hie/concord/hie"
)

// An Organization is a legal participant or a unit of one.
type Organization struct {
	ID   hie.OrgID
	Name string
	// Parent is the organisation this is a unit of, or "".
	Parent hie.OrgID
	// Identifier is the URI by which tokens and other networks name it (hl7-b2b organization_id). Unique.
	Identifier string
	// Kind says what it is: "hospital", "practice", "part2-program", "housing-agency", "network", ...
	Kind string
	// Jurisdiction is a code such as "US-MD", or "" for its parent's.
	Jurisdiction string
	Active       bool
}

// A Site is one place that registers patients under assigning authorities of its own.
type Site struct {
	ID   hie.SiteID
	Org  hie.OrgID
	Name string
	// Authorities are the identifier systems (URIs) this site assigns; each belongs to one site. The first is
	// the one its source patients are registered under.
	Authorities []string
	// Phone is the number of its desk, which members and patients may call, "" for none.
	Phone string
	// Zone is the IANA time zone its dates without offset are in.
	Zone string
	// Jurisdiction is a code such as "US-MD", or "" for its organisation's.
	Jurisdiction string
	// Regimes are special regimes its content is under ("part2").
	Regimes []string
	// Labelled says that the site labels its documents' sensitivity; documents of other sites count as
	// unlabelled whatever they carry.
	Labelled bool
	// PrivilegedRoles are the clinical roles that may claim an emergency towards this site's content.
	PrivilegedRoles []string
	// Publishes says that it publishes pointers; a site that does not is asked live.
	Publishes bool
	Active    bool
	// Membership says whether anything may be disclosed of it and to it.
	Membership Participation
	Endpoints  []Endpoint
}

// An Endpoint is an address at which a site answers.
type Endpoint struct {
	ID string
	// Protocol is "fhir-r4".
	Protocol string
	// Address is the FHIR base URL, without a trailing slash.
	Address string
	// Permits bounds concurrent calls to it; 0 means 8.
	Permits int
	// Capability holds tested facts about the endpoint, such as "search" = "patient.identifier".
	Capability map[string]string
}

// A Default is one row of the consent defaults: what holds when no directive speaks.
//
// Source: spec consent 2.9; spec consent-cases, "defaults".
type Default struct {
	// Exactly one of Network, Site and Jurisdiction says whose default it is.
	Network      bool
	Site         hie.SiteID
	Jurisdiction string
	// PurposeClass is a root of the purpose tree or "*"; Category a document class or "*".
	PurposeClass, Category string
	// Rule is "deny", "btg-only", "basic-normal" or "permit".
	Rule string
}
