package sim

import (
	"strings"
	"time"
)

// The stories people stand for.
const (
	Ordinary      = "ordinary"       // Maria Alvarez: primary care, hospital, cardiology
	OptedOut      = "opted-out"      // shares nothing, not even in an emergency
	EmergencyOnly = "emergency-only" // shares only in an emergency
	Part2Only     = "part2-only"     // known to the Part 2 program alone
	Twins         = "twins"          // two sisters, one birth date, one home
	NameChange    = "name-change"    // registered once before and once after marrying
	Overlay       = "overlay"        // the hospital put somebody else's data over this record
	Deceased      = "deceased"
	Heavy         = "5000-documents"
	Namesakes     = "namesakes"       // two people of one name and birth date, easily linked by mistake
	AskedLive     = "asked-live"      // known to the housing agency, which is asked live
	Teen          = "teen"            // fifteen years old; her mother is her proxy until she comes of age
	PlaceholderID = "placeholder-ssn" // the hospital typed a number that stands for none
	NoAddress     = "no-fixed-address"
	TwoCountries  = "two-countries" // registered here, and at the hospital while living in Canada
)

// Unknown is a local id no site has given.
const Unknown = "XX-0000"

// A visitor is one registration of a story, as the site wrote it.
type visitor struct {
	site, local string
	documents   int
	change      func(*Registration) // what the site wrote otherwise; nil for nothing
}

// A character is one person of a story.
type character struct {
	story  string
	person Person
	visits []visitor
}

func day(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }

const (
	hospital   = "harbor-main"
	practice   = "riverside-clinic"
	cardiology = "chesapeake-heart"
	recovery   = "new-dawn-east"
	housing    = "bay-housing"
)

var baltimore = Address{City: "Baltimore", State: "MD", ZIP: "21230"}

func at(line string) Address { a := baltimore; a.Line = line; return a }

// Cast is how many people the stories have. They come first in every region.
func Cast() int { return len(cast()) }

// cast is who is in the stories. Names, numbers and dates are invented.
func cast() []character {
	return []character{
		{Ordinary, Person{Sex: "female", Given: "Maria", Middle: "Elena", Family: "Alvarez", Birth: day(1968, 4, 17), SSN: "900-41-7702",
			Phone: "410-226-4471", Email: "maria.alvarez@mail.example", Address: at("118 Lombard Street Apt 6")},
			[]visitor{{practice, "RF-1001", 4, nil}, {hospital, "HG-20417", 3, capitals}, {cardiology, "CC-5512", 2, noEmail}}},
		{OptedOut, Person{Sex: "male", Given: "Thomas", Middle: "Chidi", Family: "Okafor", Birth: day(1975, 9, 2), SSN: "900-52-1180",
			Phone: "443-310-9905", Email: "t.okafor@mail.example", Address: at("42 Fort Avenue")},
			[]visitor{{practice, "RF-1002", 3, nil}, {hospital, "HG-20418", 2, capitals}}},
		{EmergencyOnly, Person{Sex: "female", Given: "Linda", Middle: "Grace", Family: "Kowalski", Birth: day(1959, 12, 28), SSN: "900-60-3391",
			Phone: "410-771-2260", Email: "linda.kowalski@mail.example", Address: at("901 Hanover Street")},
			[]visitor{{practice, "RF-1003", 2, nil}, {hospital, "HG-20419", 3, capitals}}},
		{Part2Only, Person{Sex: "male", Given: "Derek", Middle: "Allan", Family: "Sorensen", Birth: day(1988, 6, 9), SSN: "900-17-4408",
			Phone: "443-208-6614", Email: "dsorensen@mail.example", Address: at("77 Randall Street")},
			[]visitor{{recovery, "ND-301", 3, noSSN}}},
		{Twins, Person{Sex: "female", Given: "Ava", Middle: "Jean", Family: "Brandt", Birth: day(2014, 3, 5), SSN: "900-72-5101",
			Phone: "410-345-7012", Email: "brandt.family@mail.example", Address: at("15 Clement Street")},
			[]visitor{{practice, "RF-1004", 2, nil}, {hospital, "HG-20420", 1, capitals}}},
		{Twins, Person{Sex: "female", Given: "Ada", Middle: "June", Family: "Brandt", Birth: day(2014, 3, 5), SSN: "900-72-5102",
			Phone: "410-345-7012", Email: "brandt.family@mail.example", Address: at("15 Clement Street")},
			[]visitor{{practice, "RF-1005", 2, nil}, {hospital, "HG-20421", 1, capitals}}},
		{NameChange, Person{Sex: "female", Given: "Rachel", Middle: "Anne", Family: "Whitfield", Maiden: "Lindqvist", Birth: day(1991, 8, 23),
			SSN: "900-33-9027", Phone: "301-440-8125", Email: "rachel.a@mail.example", Address: at("260 Battery Avenue"), OldAddress: at("12 William Street")},
			[]visitor{{practice, "RF-1006", 2, beforeMarriage}, {hospital, "HG-20422", 2, capitals}}},
		{Overlay, Person{Sex: "male", Given: "Carlos", Middle: "Ruben", Family: "Medina", Birth: day(1983, 1, 30), SSN: "900-28-6643",
			Phone: "443-901-3377", Email: "carlos.medina@mail.example", Address: at("508 Light Street")},
			[]visitor{{practice, "RF-1007", 2, nil}, {hospital, "HG-20423", 2, capitals}}},
		{Deceased, Person{Sex: "male", Given: "Walter", Middle: "Henry", Family: "Pruitt", Birth: day(1937, 5, 14), Death: day(2025, 2, 3),
			SSN: "900-09-7751", Phone: "410-539-1198", Email: "wpruitt@mail.example", Address: at("1200 Charles Street")},
			[]visitor{{practice, "RF-1008", 3, died}, {hospital, "HG-20424", 3, capitals}}},
		{Heavy, Person{Sex: "female", Given: "Gloria", Middle: "Ruth", Family: "Hanssen", Birth: day(1949, 10, 11), SSN: "900-66-2075",
			Phone: "410-818-5530", Email: "gloria.hanssen@mail.example", Address: at("33 Warren Avenue")},
			[]visitor{{practice, "RF-1009", 300, nil}, {hospital, "HG-20425", 4700, capitals}}},
		{Namesakes, Person{Sex: "male", Given: "James", Middle: "Patrick", Family: "Carter", Birth: day(1970, 7, 21), SSN: "900-44-1358",
			Phone: "443-627-0041", Email: "jpcarter@mail.example", Address: at("640 Gittings Street")},
			[]visitor{{practice, "RF-1010", 3, nil}}},
		{Namesakes, Person{Sex: "male", Given: "James", Middle: "Eugene", Family: "Carter", Birth: day(1970, 7, 21), SSN: "900-91-6026",
			Phone: "302-284-7719", Email: "jim.carter@mail.example", Address: Address{"9 Loockerman Street", "Dover", "DE", "19901"}},
			[]visitor{{hospital, "HG-20426", 2, capitals}}},
		{AskedLive, Person{Sex: "female", Given: "Denise", Middle: "Claire", Family: "Fontaine", Birth: day(1979, 2, 19), SSN: "900-85-3360",
			Phone: "410-962-4483", Email: "denise.fontaine@mail.example", Address: at("1805 Race Street")},
			[]visitor{{practice, "RF-1011", 2, nil}, {housing, "BH-0711", 2, capitals}}},
		{Teen, Person{Sex: "female", Given: "Sofia", Middle: "Ines", Family: "Delgado", Birth: day(2011, 8, 19), SSN: "900-58-4427",
			Phone: "443-555-7086", Email: "delgado.home@mail.example", Address: at("214 Heath Street")},
			[]visitor{{practice, "RF-1012", 2, nil}, {hospital, "HG-20427", 1, capitals}}},
		{PlaceholderID, Person{Sex: "male", Given: "Anton", Middle: "Lev", Family: "Birnbaum", Birth: day(1964, 11, 8), SSN: "900-70-1946",
			Phone: "410-663-8021", Email: "anton.birnbaum@mail.example", Address: at("57 Ostend Street")},
			[]visitor{{practice, "RF-1013", 2, nil}, {hospital, "HG-20428", 2, placeholderSSN}}},
		{NoAddress, Person{Sex: "male", Given: "Calvin", Middle: "Roy", Family: "Whitlock", Birth: day(1972, 3, 27), SSN: "900-23-6615",
			Phone: "443-870-2294", Email: "calvin.whitlock@mail.example"},
			[]visitor{{practice, "RF-1014", 2, nil}, {hospital, "HG-20429", 3, noFixedAddress}}},
		{TwoCountries, Person{Sex: "female", Given: "Chantal", Middle: "Odette", Family: "Beaulieu", Birth: day(1985, 6, 3), SSN: "900-81-5530",
			Phone: "410-494-3718", Email: "chantal.beaulieu@mail.example", Address: at("88 Montgomery Street")},
			[]visitor{{practice, "RF-1015", 3, nil}, {hospital, "HG-20430", 2, fromCanada}}},
	}
}

func placeholderSSN(g *Registration) { g.note("ssn", "placeholder"); g.SSN = "999-99-9999" }

func noFixedAddress(g *Registration) {
	g.note("address", "placeholder")
	g.Address = Address{"NO FIXED ADDRESS", "Baltimore", "MD", ""}
}

func fromCanada(g *Registration) {
	g.note("address", "stale")
	g.note("phone", "stale")
	g.note("ssn", "missing")
	g.SSN, g.Phone, g.Address = "", "416-555-0148", Address{"61 Elgin Street", "Toronto", "ON", "M5V 2T6"}
}

func capitals(g *Registration) {
	g.Given, g.Middle, g.Family = strings.ToUpper(g.Given), strings.ToUpper(g.Middle), strings.ToUpper(g.Family)
}

func noEmail(g *Registration) { g.note("email", "missing"); g.Email = "" }

func noSSN(g *Registration) { g.note("ssn", "missing"); g.SSN = "" }

func died(g *Registration) { g.Death = "2025-02-03" }

func beforeMarriage(g *Registration) {
	g.note("family", "maiden")
	g.note("address", "stale")
	g.Family, g.Maiden, g.Address = g.Maiden, "", at("12 William Street")
}

// stories adds the people of the stories and what the sites wrote down about them.
func (b *Region) stories() {
	for i, c := range cast() {
		p := c.person
		p.ID, p.Household, p.Story, p.Twin = len(b.People), i, c.story, -1
		b.People = append(b.People, p)
		for _, v := range c.visits {
			site, _ := b.Site(v.site)
			g := Registration{Local: v.local, On: day(2020, 1, 1+i), Given: p.Given, Middle: p.Middle, Family: p.Family, Suffix: p.Suffix,
				Sex: p.Sex, Birth: p.Birth.Format(time.DateOnly), SSN: p.SSN, Phone: p.Phone, Email: p.Email, Address: p.Address,
				Maiden: p.Maiden, Documents: v.documents}
			if v.change != nil {
				v.change(&g)
			}
			g.Index, g.Site, g.Person, g.Was = len(b.Registrations), site.ID, p.ID, p.ID
			b.file(g)
		}
	}
	twins := b.Story(Twins)
	b.People[twins[0].ID].Twin, b.People[twins[1].ID].Twin = twins[1].ID, twins[0].ID
	b.People[twins[1].ID].Household = twins[0].Household

	// The overlay: at the hospital somebody else's data was typed over Carlos Medina's record.
	victim, intruder := b.Story(Overlay)[0], b.Story(OptedOut)[0]
	over := b.Of(intruder, hospital)[0]
	was := b.Of(victim, hospital)[0]
	over.Index, over.Local, over.Documents, over.On = was.Index, was.Local, was.Documents, day(2026, 10, 30)
	over.note("person", "overlay")
	b.Overlays = append(b.Overlays, over)
}
