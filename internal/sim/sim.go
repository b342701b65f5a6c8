// Package sim makes up a health information exchange: people in households, what a few sites wrote down about
// them, the documents of their visits, and the sites themselves as FHIR servers over HTTP. The truth (who is
// who, what was written wrong) stands beside what was written.
//
// Everything follows from a seed: the same seed, number of people and number of sites give the same people,
// identifiers, documents and bytes on every machine. Documents are not stored; their metadata and bytes are
// made when asked for. Nobody here exists, so these types print.
//
// A [Town] makes families with their life courses one after another and passes what happens to them through the
// channel of each site; [Population] keeps a small town in memory for demos and tests; [Write] writes one of any
// size to files.
//
// Source: spec simulator (rates of lives and of the channel, calibration); given and family names are own
// frequency tables for the head and gofakeit's lists for the tail, or the files [LoadNames] reads.
package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Today is the day up to which lives and visits run. It is fixed, so that a seed always gives the same region.
var Today = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// A Region is a made-up exchange. It does not change once made and is safe for use by many goroutines.
type Region struct {
	Seed  uint64
	Sites []Site
	// People are the truth, at the index of their ID.
	People []Person
	// Registrations are what the sites wrote down, in the order of their making; those of a person lie together.
	Registrations []Registration
	// Overlays are later events that put one person's data over another's record: same site and local id as an
	// earlier registration, another Person.
	Overlays []Registration

	bySite map[string]map[string]int // site, local id -> registration
	*papers
}

// A Person is one human being as they are.
type Person struct {
	ID        int
	Household int
	// Story names what the person is for ("opted-out"), "" for everybody else.
	Story                 string
	Sex                   string // "female" or "male"
	Given, Middle, Family string
	Maiden                string // family name before marriage, "" when it did not change
	Suffix                string // "Jr", "Sr", "III", "IV" or ""
	MotherMaiden          string // the mother's family name at birth, "" when she is nobody's patient
	Ethnicity             string // the group whose names the person bears: "white", "hispanic", ...
	Order                 int    // 1 or 2 for a twin, else 0
	Insurance             string // payer's identifier system | member number; often a relative's
	Birth                 time.Time
	Death                 time.Time // zero while alive
	SSN, Phone, Email     string
	Withholds             bool // never gives the SSN
	OldPhone              string
	Address, OldAddress   Address
	Twin                  int   // the twin's ID, -1 for none
	Registrations         []int // indexes into Region.Registrations
}

// An Address is a place as an envelope names it.
type Address struct{ Line, City, State, ZIP string }

// Country is the ISO code of the country a is in: everywhere but for one person's stay in Ontario the United States.
func (a Address) Country() string {
	if a.State == "ON" {
		return "CA"
	}
	return "US"
}

// A Registration is what one site wrote down about one person on one day: the person as of that day, passed
// through the site's channel.
type Registration struct {
	Index  int
	Site   string
	Local  string // the site's identifier for the patient, unique in the site
	Person int    // the truth
	On     time.Time

	Given, Middle, Family, Suffix string
	Sex                           string // FHIR administrative gender
	Birth                         string // YYYY-MM-DD, "" when missing
	Death                         string // YYYY-MM-DD, "" when alive or not known
	SSN, Phone, Email             string
	Address                       Address
	Maiden, MotherMaiden          string
	Multiple                      bool // said to be born as one of several, Order 0 when not said which
	Order                         int
	Insurance                     string // payer's identifier system | member number
	// Errors say where the record departs from the truth, in the order of the fields.
	Errors []Departure
	// Documents is how many documents the site has of this patient.
	Documents int
	// Was is the person whose record it was first; another than Person when somebody else's data was put over it.
	Was int
	// MergedInto is the local id the site merged this record into later, or "".
	MergedInto string
	// Events are the record's life, oldest first; nil in a Region.
	Events []Event

	newborn bool // written under a newborn's name
}

// An Event is one message a site's feed sends about a record.
type Event struct {
	On      time.Time
	Trigger string // HL7 v2: "A28", "A04", "A08", "A31", "A40", "A37", "A24", "A43", "A29" or "A23"
	State   *Registration
	// Other is the record that State's is merged into, linked to or parted from; nil for none.
	Other *Registration
	// Former is whom the site took a moved record to be of (A43).
	Former int
	// Mistake is set where the records merged or linked are of two people.
	Mistake bool
}

// state returns a copy of g without its events.
func (g *Registration) state() *Registration {
	c := *g
	c.Events = nil
	c.Errors = append([]Departure(nil), g.Errors...)
	return &c
}

// A Departure is one way a record differs from the truth.
type Departure struct{ Field, Kind string }

// Site returns the site named id.
func (r *Region) Site(id string) (Site, bool) {
	for _, s := range r.Sites {
		if s.ID == id {
			return s, true
		}
	}
	return Site{}, false
}

// Registered returns the registration a site keeps under its local identifier.
func (r *Region) Registered(site, local string) (Registration, bool) {
	i, ok := r.bySite[site][local]
	if !ok {
		return Registration{}, false
	}
	return r.Registrations[i], true
}

// Of returns p's registrations at site, oldest first.
func (r *Region) Of(p Person, site string) []Registration {
	var out []Registration
	for _, i := range p.Registrations {
		if r.Registrations[i].Site == site {
			out = append(out, r.Registrations[i])
		}
	}
	return out
}

// Story returns the people of a story, in order.
func (r *Region) Story(name string) []Person {
	var out []Person
	for _, p := range r.People {
		if p.Story == name {
			out = append(out, p)
		}
	}
	return out
}

// Name returns given, middle and family name as one line.
func (p Person) Name() string { return joined(p.Given, p.Middle, p.Family, p.Suffix) }

// Name returns given, middle and family name as written down, as one line.
func (g Registration) Name() string { return joined(g.Given, g.Middle, g.Family, g.Suffix) }

func joined(parts ...string) string {
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// source returns the random source of one thing: it depends on the seed and the thing's name alone, so what is
// drawn for one person never shifts what is drawn for another.
func source(seed uint64, what string, numbers ...int) *rand.Rand {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "concord sim v2 %d %s %v", seed, what, numbers)
	sum := h.Sum(nil)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum), binary.LittleEndian.Uint64(sum[8:])))
}

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
