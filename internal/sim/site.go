package sim

import (
	"fmt"
	"time"
)

// A Site is one place that registers patients and keeps documents: what the directory says of it, how well its
// clerks write, and how its server behaves.
type Site struct {
	ID, Name string
	// Org is the organisation's id; OrgURI the identifier tokens name it by.
	Org, OrgName, OrgURI string
	// Kind is "hospital", "practice", "cardiology", "part2-program", "housing-agency", "imaging" or "clinic".
	Kind string
	// Authority is the identifier system of its local ids.
	Authority    string
	Jurisdiction string
	Zone         string
	Regimes      []string
	// Labelled says that it labels its documents' sensitivity.
	Labelled bool
	// Publishes says that it publishes pointers; else it is asked live.
	Publishes bool
	// PrivilegedRoles may claim an emergency towards its content.
	PrivilegedRoles []string
	// Default is its consent default for all purposes and classes, "" for the network's.
	Default string

	// Delay is how long its server thinks before it answers.
	Delay time.Duration
	// Faults makes its server fail two requests in three: one with 500, one by closing the connection.
	Faults bool

	visits     float64 // share of the people who are registered here
	documents  int     // documents a registration has on average
	clerk      float64 // error rate of a field against the table's (1 = as the table)
	ssn        string  // "full", "last4" or "never"
	duplicates float64 // share of the registrations that are second ones of the same person
	upper      bool    // writes in capitals
	prefix     string  // of local ids
}

// Sites returns n sites, at least five: hospital, primary care practice, cardiology (slow), Part 2 program
// (failing), housing agency (does not publish), then an imaging centre that neither publishes nor works and
// further clinics.
func Sites(n int) []Site {
	const md, zone = "US-MD", "America/New_York"
	clinicians := []string{"physician", "ed", "nurse"}
	sites := []Site{
		{ID: "harbor-main", Name: "Harbor General Hospital, Main Campus", Org: "harbor-general", OrgName: "Harbor General Hospital",
			Kind: "hospital", Jurisdiction: md, Zone: zone, Labelled: true, Publishes: true, PrivilegedRoles: clinicians,
			visits: .55, documents: 3, clerk: 1.15, ssn: "full", duplicates: .11, upper: true, prefix: "HG"},
		{ID: "riverside-clinic", Name: "Riverside Family Medicine, Canal Street", Org: "riverside", OrgName: "Riverside Family Medicine",
			Kind: "practice", Jurisdiction: md, Zone: zone, Labelled: true, Publishes: true, PrivilegedRoles: clinicians,
			visits: .80, documents: 2, clerk: .9, ssn: "full", duplicates: .07, prefix: "RF"},
		{ID: "chesapeake-heart", Name: "Chesapeake Cardiology, Harbor Office", Org: "chesapeake-cardiology", OrgName: "Chesapeake Cardiology Associates",
			Kind: "cardiology", Jurisdiction: md, Zone: zone, Labelled: true, Publishes: true, PrivilegedRoles: clinicians,
			Delay: 250 * time.Millisecond, visits: .15, documents: 2, clerk: .8, ssn: "last4", duplicates: .06, prefix: "CC"},
		{ID: "new-dawn-east", Name: "New Dawn Recovery, East Center", Org: "new-dawn", OrgName: "New Dawn Recovery Program",
			Kind: "part2-program", Jurisdiction: md, Zone: zone, Regimes: []string{"part2"}, Labelled: true, Publishes: true,
			PrivilegedRoles: clinicians, Default: "deny", Faults: true, visits: .04, documents: 2, clerk: 1, ssn: "never", duplicates: .05, prefix: "ND"},
		{ID: "bay-housing", Name: "Bay Area Housing Partnership, Intake", Org: "bay-housing-partnership", OrgName: "Bay Area Housing Partnership",
			Kind: "housing-agency", Jurisdiction: md, Zone: zone, PrivilegedRoles: clinicians,
			visits: .06, documents: 1, clerk: 1.6, ssn: "last4", duplicates: .12, upper: true, prefix: "BH"},
		{ID: "lakeside-imaging", Name: "Lakeside Imaging Center", Org: "lakeside-imaging-center", OrgName: "Lakeside Imaging Center",
			Kind: "imaging", Jurisdiction: "US-DE", Zone: zone, Labelled: true, PrivilegedRoles: clinicians, Faults: true,
			visits: .12, documents: 1, clerk: 1, ssn: "never", duplicates: .06, prefix: "LI"},
	}
	for i := len(sites); i < n; i++ {
		k := i - 5
		sites = append(sites, Site{ID: fmt.Sprintf("county-clinic-%d", k), Name: fmt.Sprintf("County Health Clinic %d", k),
			Org: fmt.Sprintf("county-health-%d", k), OrgName: fmt.Sprintf("County Health District %d", k), Kind: "clinic",
			Jurisdiction: "US-DE", Zone: zone, Labelled: true, Publishes: true, PrivilegedRoles: clinicians,
			visits: .10, documents: 2, clerk: 1, ssn: "full", duplicates: .08, prefix: fmt.Sprintf("C%d", k)})
	}
	sites = sites[:max(n, 5)]
	for i := range sites {
		sites[i].OrgURI = "https://" + sites[i].Org + ".example.org"
		sites[i].Authority = sites[i].OrgURI + "/patient-id/" + sites[i].ID
	}
	return sites
}
