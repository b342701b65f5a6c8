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
	// Kind is "hospital", "practice", "cardiology", "part2-program", "housing-agency", "imaging", "clinic",
	// "laboratory", "pharmacy", "public-health", "shelter" or "jail".
	Kind string
	// Authority is the identifier system of its local ids.
	Authority    string
	Jurisdiction string
	Zone         string
	Phone        string // of its desk
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
	overlays   float64 // share of the records somebody else's data is put over
	upper      bool    // writes in capitals
	accents    bool    // keeps accents
	plain      bool    // drops apostrophes and dots
	doubles    string  // what is kept of a double name: "both", "first", "second", "hyphen" or "middle" (the first as middle name)
	swaps      float64 // share of East Asian names written family name first
	streets    string  // "long", "short" or "mixed"
	newborn    string  // what newborns are called: "baby", "short" or "mother"
	noMiddle   float64 // how often the field is left out, against [Rates]
	noEmail    float64
	noPayer    float64
	noBirth    string // birth date typed when there is none
	desks      string // its own telephone number
	desk       bool   // takes in people nobody can ask
	prefix     string // of local ids
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
			visits: .55, documents: 3, clerk: 1.15, ssn: "full", duplicates: .13, upper: true, prefix: "HG"},
		{ID: "riverside-clinic", Name: "Riverside Family Medicine, Canal Street", Org: "riverside", OrgName: "Riverside Family Medicine",
			Kind: "practice", Jurisdiction: md, Zone: zone, Labelled: true, Publishes: true, PrivilegedRoles: clinicians,
			visits: .80, documents: 2, clerk: .9, ssn: "full", duplicates: .10, prefix: "RF"},
		{ID: "chesapeake-heart", Name: "Chesapeake Cardiology, Harbor Office", Org: "chesapeake-cardiology", OrgName: "Chesapeake Cardiology Associates",
			Kind: "cardiology", Jurisdiction: md, Zone: zone, Labelled: true, Publishes: true, PrivilegedRoles: clinicians,
			Delay: 250 * time.Millisecond, visits: .15, documents: 2, clerk: .8, ssn: "last4", duplicates: .09, prefix: "CC"},
		{ID: "new-dawn-east", Name: "New Dawn Recovery, East Center", Org: "new-dawn", OrgName: "New Dawn Recovery Program",
			Kind: "part2-program", Jurisdiction: md, Zone: zone, Regimes: []string{"part2"}, Labelled: true, Publishes: true,
			PrivilegedRoles: clinicians, Default: "deny", Faults: true, visits: .04, documents: 2, clerk: 1, ssn: "never", duplicates: .09, prefix: "ND"},
		{ID: "bay-housing", Name: "Bay Area Housing Partnership, Intake", Org: "bay-housing-partnership", OrgName: "Bay Area Housing Partnership",
			Kind: "housing-agency", Jurisdiction: md, Zone: zone, PrivilegedRoles: clinicians,
			visits: .06, documents: 1, clerk: 1.6, ssn: "last4", duplicates: .12, upper: true, prefix: "BH"},
		{ID: "lakeside-imaging", Name: "Lakeside Imaging Center", Org: "lakeside-imaging-center", OrgName: "Lakeside Imaging Center",
			Kind: "imaging", Jurisdiction: "US-DE", Zone: zone, Labelled: true, PrivilegedRoles: clinicians, Faults: true,
			visits: .12, documents: 1, clerk: 1, ssn: "never", duplicates: .09, prefix: "LI"},
	}
	for i := len(sites); i < n; i++ {
		k := i - 5
		s := Site{ID: fmt.Sprintf("county-clinic-%d", k), Name: fmt.Sprintf("County Health Clinic %d", k),
			Org: fmt.Sprintf("county-health-%d", k), OrgName: fmt.Sprintf("County Health District %d", k), Kind: "clinic",
			Jurisdiction: "US-DE", Zone: zone, Labelled: true, Publishes: true, PrivilegedRoles: clinicians,
			visits: .10, documents: 2, clerk: .8 + .1*float64(k%6), ssn: []string{"full", "full", "last4", "never"}[k%4],
			duplicates: .08 + .02*float64(k%5), upper: k%3 == 2, prefix: fmt.Sprintf("C%d", k)}
		if kind := further[k%len(further)]; kind.kind != "clinic" {
			s.ID, s.Name = fmt.Sprintf("%s-%d", kind.kind, k), fmt.Sprintf(kind.name, k)
			s.Org, s.OrgName, s.Kind = s.ID+"-org", s.Name, kind.kind
		}
		sites = append(sites, s)
	}
	sites = sites[:max(n, 5)]
	for i := range sites {
		sites[i].Phone = fmt.Sprintf("410-555-01%02d", i+1)
		sites[i].OrgURI = "https://" + sites[i].Org + ".example.org"
		sites[i].Authority = sites[i].OrgURI + "/patient-id/" + sites[i].ID
		sites[i].habits(i)
	}
	return sites
}

// further are the kinds of the sites after the first six, in turn.
var further = []struct{ kind, name string }{{"clinic", ""}, {"hospital", "Memorial Hospital %d"}, {"laboratory", "Bayline Laboratory %d"},
	{"pharmacy", "Cornerstone Pharmacy %d"}, {"public-health", "Public Health Unit %d"}, {"clinic", ""}, {"shelter", "Haven Shelter Clinic %d"},
	{"jail", "County Correctional Health %d"}, {"clinic", ""}}

// habits gives the i-th site its ways of writing things down.
func (s *Site) habits(i int) {
	s.accents, s.plain = i%5 == 1, i%4 == 2
	s.doubles = []string{"both", "first", "hyphen", "both", "second", "middle", "both", "first"}[i%8]
	s.swaps = []float64{.05, .02, .30, .02, .15}[i%5]
	s.streets = []string{"mixed", "long", "short", "mixed"}[i%4]
	s.newborn = []string{"baby", "mother", "short"}[i%3]
	s.noMiddle = []float64{.8, .9, 1.2, .7, 1.5, .9}[i%6]
	s.noEmail = []float64{.8, .65, .95, 1.1, 1.5}[i%5]
	s.noPayer = []float64{.6, .5, .8, 1.2, 1.9, 1}[i%6]
	s.noBirth = []string{"1900-01-01", "1901-01-01", "1970-01-01"}[i%3]
	s.desks = fmt.Sprintf("%s-%03d-%04d", areaCodes[i%4], 903+i%90, 1000+i)
	s.desk = s.Kind == "hospital" || s.Kind == "shelter" || s.Kind == "jail"
	s.overlays = []float64{.004, .001, .002, .0005, .005}[i%5]
}

// Exchange returns n sites as [Sites] does, visited as in an exchange where people go to two or three of many
// places.
func Exchange(n int) []Site {
	sites := Sites(n)
	count := map[string]float64{}
	for _, s := range sites {
		count[s.Kind]++
	}
	for i := range sites {
		visits, ok := map[string]float64{"hospital": .65, "practice": .45, "clinic": .75, "laboratory": .2, "pharmacy": .25, "public-health": .12,
			"imaging": .12, "cardiology": .15, "shelter": .006, "jail": .008}[sites[i].Kind]
		if ok {
			sites[i].visits = visits / count[sites[i].Kind]
		}
	}
	return sites
}
