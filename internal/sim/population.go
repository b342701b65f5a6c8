package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/concord-hie/concord/internal/opaque"
)

// Population makes a region of at least as many people as there are in the stories, at n sites (at least
// five): the people of the stories first, then households.
//
// Source: spec simulator section 2, points 1-3.
func Population(seed uint64, people, n int) (*Region, error) {
	var secret [32]byte
	binary.BigEndian.PutUint64(secret[:], seed)
	ids, err := opaque.New(secret[:])
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	r := &Region{Seed: seed, Sites: Sites(n), bySite: map[string]map[string]int{}, ids: ids}
	for _, s := range r.Sites {
		r.bySite[s.ID] = map[string]int{}
	}
	b := &builder{Region: r, names: loadNames(seed)}
	b.stories()
	for household := len(r.People); len(r.People) < people; household++ {
		b.household(household, people)
	}
	for i := range r.People {
		if r.People[i].Story == "" {
			b.register(&r.People[i])
		}
	}
	return r, nil
}

// A builder makes a Region.
type builder struct {
	*Region
	names *names
}

// household adds the members of one household, stopping at limit people.
func (b *builder) household(h, limit int) {
	rnd := source(b.Seed, "household", h)
	home, old := b.address(rnd), b.address(rnd)
	line := phone(rnd)
	hispanic := chance(rnd, .19)
	add := func(p Person) *Person {
		if len(b.People) >= limit {
			return nil
		}
		p.ID, p.Household, p.Address, p.OldAddress = len(b.People), h, home, old
		if p.Phone == "" {
			p.Phone = phone(rnd)
		}
		if chance(rnd, .25) {
			p.Phone = line // the household's own line
		}
		p.OldPhone = phone(rnd)
		p.SSN, p.Withholds = ssn(rnd), chance(rnd, .24)
		p.Email = email(rnd, p)
		b.People = append(b.People, p)
		return &b.People[len(b.People)-1]
	}

	head := b.person(rnd, 20+rnd.IntN(68), sexOf(rnd), "", hispanic)
	members := []int{1, 1, 2, 2, 2, 3, 3, 4, 4, 5}[rnd.IntN(10)]
	var spouse *Person
	first := add(head)
	if first == nil || members == 1 {
		return
	}
	if chance(rnd, .75) {
		s := b.person(rnd, clamp(age(head)+rnd.IntN(11)-5, 20, 95), other(head.Sex), "", hispanic)
		if head.Sex == "female" {
			marry(rnd, first, s, hispanic)
			head = *first
		} else {
			marry(rnd, &s, head, hispanic)
		}
		spouse = add(s)
	}
	father := head
	if head.Sex == "female" && spouse != nil {
		father = *spouse
	}
	for child := 2; child < members; child++ {
		years := clamp(age(head)-22-rnd.IntN(16), 0, 30)
		c := b.person(rnd, years, sexOf(rnd), father.Family, hispanic)
		if c.Sex == "male" && father.Sex == "male" && chance(rnd, .10) {
			c.Given, c.Middle, c.Suffix = father.Given, father.Middle, "Jr"
		}
		kid := add(c)
		if kid != nil && chance(rnd, .03) {
			b.twin(rnd, add, *kid, hispanic)
		}
	}
}

// twin adds a twin of kid: same birth date, home and line; the same sex in two thirds, given names alike in a fifth.
func (b *builder) twin(rnd *rand.Rand, add func(Person) *Person, kid Person, hispanic bool) {
	sex := kid.Sex
	if chance(rnd, 1./3) {
		sex = other(sex)
	}
	t := b.person(rnd, 0, sex, kid.Family, hispanic)
	t.Birth, t.Phone, t.Twin = kid.Birth, kid.Phone, kid.ID
	if sex == kid.Sex && chance(rnd, .20) {
		t.Given = alike(kid.Given)
	}
	if added := add(t); added != nil {
		added.Phone = kid.Phone
		b.People[kid.ID].Twin = added.ID
	}
}

// person returns somebody of about years years; family "" draws one.
func (b *builder) person(rnd *rand.Rand, years int, sex, family string, hispanic bool) Person {
	p := Person{Sex: sex, Family: family, Twin: -1}
	p.Birth = Today.AddDate(-years, 0, -1-rnd.IntN(365)).Truncate(24 * time.Hour)
	g := generation(p.Birth.Year())
	switch {
	case hispanic && sex == "female":
		p.Given = b.names.femaleHis.draw(rnd)
	case hispanic:
		p.Given = b.names.maleHis.draw(rnd)
	case sex == "female":
		p.Given = b.names.female[g].draw(rnd)
	default:
		p.Given = b.names.male[g].draw(rnd)
	}
	if chance(rnd, .92) {
		if sex == "female" {
			p.Middle = b.names.middleF.draw(rnd)
		} else {
			p.Middle = b.names.middleM.draw(rnd)
		}
	}
	if p.Family == "" {
		if hispanic {
			p.Family = b.names.hispanic.draw(rnd)
			if chance(rnd, .5) {
				p.Family += " " + b.names.hispanic.draw(rnd)
			}
		} else {
			p.Family = b.names.family.draw(rnd)
		}
	}
	if years > 60 && chance(rnd, float64(years-60)/200) {
		p.Death = Today.AddDate(0, 0, -30-rnd.IntN(1500)).Truncate(24 * time.Hour)
	}
	return p
}

// marry gives wife the name she has after marrying husband: 79 % take his (70 % among Hispanic couples), 5 %
// hyphenate, the rest keep theirs. Source: Pew Research 2023, as spec simulator section 1 has it.
func marry(rnd *rand.Rand, wife *Person, husband Person, hispanic bool) {
	takes := .79
	if hispanic {
		takes = .65
	}
	switch x := rnd.Float64(); {
	case x < takes:
		wife.Maiden, wife.Family = wife.Family, husband.Family
	case x < takes+.05:
		wife.Maiden, wife.Family = wife.Family, wife.Family+"-"+husband.Family
	}
	if wife.Maiden == wife.Family {
		wife.Maiden = ""
	}
}

// register gives p registrations at the sites they go to, each with documents.
func (b *builder) register(p *Person) {
	rnd := source(b.Seed, "visits", p.ID)
	seen := false
	for i, s := range b.Sites {
		share := s.visits
		switch {
		case s.Kind == "cardiology" && age(*p) < 45:
			share = .02
		case s.Kind == "part2-program" && age(*p) < 18:
			share = 0
		case i == len(b.Sites)-1 && !seen:
			share = 1 // everybody is known somewhere
			s = b.Sites[1]
		}
		if !chance(rnd, share) {
			continue
		}
		seen = true
		b.enter(p, s, rnd, 1+rnd.IntN(2*s.documents))
		for chance(rnd, s.duplicates) {
			b.enter(p, s, rnd, rnd.IntN(2))
		}
	}
}

// enter registers p at s on some day, through the site's channel, with n documents.
func (b *builder) enter(p *Person, s Site, rnd *rand.Rand, n int) *Registration {
	last := Today
	if !p.Death.IsZero() {
		last = p.Death
	}
	days := clamp(int(last.Sub(p.Birth).Hours()/24), 1, 3650)
	g := b.channel(*p, s, last.AddDate(0, 0, -1-rnd.IntN(days)), rnd)
	g.Documents = n
	return b.file(p, s, g)
}

// file keeps g, giving it an index and a local id.
func (b *builder) file(p *Person, s Site, g Registration) *Registration {
	g.Index, g.Site, g.Person = len(b.Registrations), s.ID, p.ID
	if g.Local == "" {
		// An affine walk over the seven-digit numbers: unique, not in order, begun elsewhere at each site.
		const step, numbers = 7_368_787, 9_999_991
		begin := source(b.Seed, "local ids "+s.ID).IntN(numbers)
		g.Local = fmt.Sprintf("%s%07d", s.prefix, (len(b.bySite[s.ID])*step+begin)%numbers)
	}
	b.bySite[s.ID][g.Local] = g.Index
	p.Registrations = append(p.Registrations, g.Index)
	b.Registrations = append(b.Registrations, g)
	return &b.Registrations[g.Index]
}

var places = []Address{
	{City: "Baltimore", State: "MD", ZIP: "21201"}, {City: "Baltimore", State: "MD", ZIP: "21218"},
	{City: "Towson", State: "MD", ZIP: "21204"}, {City: "Columbia", State: "MD", ZIP: "21044"},
	{City: "Annapolis", State: "MD", ZIP: "21401"}, {City: "Frederick", State: "MD", ZIP: "21701"},
	{City: "Rockville", State: "MD", ZIP: "20850"}, {City: "Dover", State: "DE", ZIP: "19901"},
}

func (b *builder) address(rnd *rand.Rand) Address {
	a := pick(rnd, places)
	a.Line = fmt.Sprintf("%d %s %s", 1+rnd.IntN(9800), pick(rnd, streetNames), pick(rnd, streetKinds))
	if chance(rnd, .25) {
		a.Line += fmt.Sprintf(" Apt %d", 1+rnd.IntN(40))
	}
	return a
}

// phone returns a number of an area code of the region. Numbers kept for fiction (555-01xx) are too few for a
// population: they would make strangers share one.
func phone(rnd *rand.Rand) string {
	return fmt.Sprintf("%s-%03d-%04d", pick(rnd, []string{"410", "443", "301", "240", "302"}), 200+rnd.IntN(800), rnd.IntN(10000))
}

// ssn returns a number never issued: area 900-999.
func ssn(rnd *rand.Rand) string {
	return fmt.Sprintf("9%02d-%02d-%04d", rnd.IntN(100), 1+rnd.IntN(99), 1+rnd.IntN(9999))
}

func email(rnd *rand.Rand, p Person) string {
	name := strings.ToLower(strings.NewReplacer(" ", "", "'", "", ".", "").Replace(p.Given + "." + p.Family))
	return fmt.Sprintf("%s%d@mail.example", name, rnd.IntN(1000))
}

func sexOf(rnd *rand.Rand) string {
	if chance(rnd, .51) {
		return "female"
	}
	return "male"
}

func other(sex string) string {
	if sex == "female" {
		return "male"
	}
	return "female"
}

// alike returns a given name that begins as name does: twins' parents like such pairs.
func alike(name string) string {
	for _, pair := range [][2]string{{"Jayden", "Jaylen"}, {"Emma", "Ella"}, {"Ethan", "Evan"}, {"Olivia", "Olive"}, {"Mia", "Maya"}, {"Hailey", "Kailey"}} {
		if pair[0] == name {
			return pair[1]
		}
	}
	if r := []rune(name); len(r) > 3 {
		return string(r[:len(r)-1]) + "yn"
	}
	return name + "y"
}

func age(p Person) int { return int(Today.Sub(p.Birth).Hours() / 24 / 365.25) }

func clamp(x, lo, hi int) int { return max(lo, min(x, hi)) }
