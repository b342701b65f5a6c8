package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// firstVisit is the day the oldest visits took place; who died before is nobody's patient.
var firstVisit = Today.AddDate(-10, 0, 0)

// since is a value and the day it began to hold.
type since[T any] struct {
	from  time.Time
	value T
}

// then returns the value that held on a day; the first one before that.
func then[T any](history []since[T], on time.Time) T {
	var v T
	for i, s := range history {
		if i > 0 && s.from.After(on) {
			break
		}
		v = s.value
	}
	return v
}

// A life is a person with all they were before.
type life struct {
	Person
	family                 []since[string]
	markers                []since[string] // what sex the papers say, nil where it never changed
	homes                  []since[*dwelling]
	phones, emails         []since[string]
	foreign                bool // born where births were not all written down
	mother, father, spouse *life
	twin                   *life
	lender                 *life // somebody whose card this person once used
	records                []recordRef
}

type recordRef struct {
	index   int
	site    string
	local   string
	newborn bool
}

// A family is being made.
type family struct {
	*Town
	rnd       *rand.Rand
	all       []*life
	relations []relation
}

// A relation is two people who are easily taken for each other.
type relation struct {
	a, b *life
	kind string
}

// begin makes the founder, then all who come from them.
func (f *family) begin() {
	born := Today.AddDate(-20-f.rnd.IntN(70), 0, -1-f.rnd.IntN(365))
	head := f.person(drawGroup(f.rnd), sexOf(f.rnd), born, "")
	if chance(f.rnd, .004) { // names are not independent: some full names are commoner than their parts tell
		if given, last := f.names.common(f.rnd.Float64()); given != "" && head.Ethnicity == white {
			head.Given, head.family[0].value = given, last
			if femaleGiven(given) != (head.Sex == "female") {
				head.Sex = other(head.Sex)
			}
		}
	}
	if chance(f.rnd, .015) {
		if s := f.stranger(f.rnd, func(p *life) bool { return p.Death.IsZero() && age(p.Person) > 20 }); s != nil {
			head.Given, head.Sex, head.Birth, head.Ethnicity = s.Given, s.Sex, s.Birth, s.Ethnicity
			head.family[0].value = then(s.family, Today)
			f.relations = append(f.relations, relation{s, head, "namesake"})
		}
	}
	parents := f.dwelling(head.Birth, nil)
	head.homes = append(head.homes, since[*dwelling]{head.Birth, parents})
	f.grow(head, 0)
}

// femaleGiven says of the given names of the pair table whether a woman bears it.
func femaleGiven(given string) bool {
	for _, g := range femaleHeads {
		for _, name := range g {
			if name == given {
				return true
			}
		}
	}
	return false
}

// person returns somebody born on a day, with no home yet; last "" draws a family name.
func (f *family) person(group, sex string, born time.Time, last string) *life {
	p := &life{Person: Person{ID: -1, Sex: sex, Birth: born.Truncate(24 * time.Hour), Ethnicity: group, Twin: -1}}
	p.Given = f.names.drawGiven(f.rnd, group, sex, born.Year())
	if chance(f.rnd, .92) {
		p.Middle = f.names.drawMiddle(f.rnd, group, sex, born.Year())
	}
	if last == "" {
		last = f.names.drawFamily(f.rnd, group)
	}
	p.family = []since[string]{{p.Birth, last}}
	// Deaths follow a Gompertz law with the mode at 86; one child in two hundred dies young.
	years := 86 + 10*math.Log(-math.Log(1-f.rnd.Float64()))
	if chance(f.rnd, .005) {
		years = f.rnd.Float64() * 40
	}
	if dies := p.Birth.AddDate(0, 0, int(max(years, .1)*365.25)); dies.Before(Today) {
		p.Death = dies
	}
	p.SSN, p.Withholds = f.ssn(), chance(f.rnd, .22)
	p.foreign = (group == arab || group == vietnamese || group == indian) && chance(f.rnd, .5)
	f.all = append(f.all, p)
	return p
}

func (p *life) alive(on time.Time) bool { return p.Death.IsZero() || on.Before(p.Death) }

// grow gives p what an adult life brings: a home, marriages, children, a last home.
func (f *family) grow(p *life, depth int) {
	f.contacts(p)
	adult := p.Birth.AddDate(18+f.rnd.IntN(8), 0, f.rnd.IntN(365))
	if adult.After(Today) || !p.alive(adult) || depth > 0 && chance(f.rnd, .15) { // children at home, and those who stay
		f.institution(p, adult)
		return
	}
	home := f.dwelling(adult, then(p.homes, adult))
	p.homes = append(p.homes, since[*dwelling]{adult, home})
	when := p.Birth.AddDate(21+f.rnd.IntN(14), 0, f.rnd.IntN(365))
	for n := 0; n < 2 && when.Before(Today) && p.alive(when) && chance(f.rnd, .72); n++ {
		s := f.marry(p, when)
		end := Today
		if chance(f.rnd, .35) {
			end = when.AddDate(2+f.rnd.IntN(20), f.rnd.IntN(12), 0)
		}
		if n == 0 && depth < 2 {
			f.children(p, s, when, end, depth)
		}
		if !end.Before(Today) || !p.alive(end) || !s.alive(end) {
			break
		}
		f.divorce(p, s, end)
		when = end.AddDate(1+f.rnd.IntN(6), 0, f.rnd.IntN(365))
	}
	if p.spouse == nil && p.Sex == "female" && depth < 2 && chance(f.rnd, .25) {
		f.children(p, nil, p.Birth.AddDate(17+f.rnd.IntN(18), 0, 0), Today, depth)
	}
	if chance(f.rnd, f.rates.SexChanged) {
		p.markers = []since[string]{{p.Birth, other(p.Sex)}, {adult.AddDate(f.rnd.IntN(40), 0, 0), p.Sex}}
	}
	f.institution(p, adult)
}

// marry gives p a spouse on a day and the two one home. Of wives 79 % take the husband's name (65 % among
// Hispanic couples), 5 % hyphenate; of husbands 5 % take hers.
//
// Source: Pew Research 2023, as spec simulator section 1 has it.
func (f *family) marry(p *life, when time.Time) *life {
	group := p.Ethnicity
	if chance(f.rnd, .15) {
		group = drawGroup(f.rnd)
	}
	sex := other(p.Sex)
	if chance(f.rnd, .02) {
		sex = p.Sex
	}
	born := p.Birth.AddDate(f.rnd.IntN(13)-6, 0, f.rnd.IntN(365))
	if limit := when.AddDate(-18, 0, 0); born.After(limit) {
		born = limit
	}
	s := f.person(group, sex, born, "")
	if !s.alive(when) {
		s.Death = time.Time{}
	}
	s.homes = append(s.homes, since[*dwelling]{s.Birth, f.dwelling(s.Birth, then(p.homes, when))})
	p.spouse, s.spouse = s, p
	f.contacts(s)
	s.homes = append(s.homes, since[*dwelling]{when, then(p.homes, when)})
	wife, husband := s, p
	if p.Sex == "female" {
		wife, husband = p, s
	}
	takes := .79
	if wife.Ethnicity == hispanic {
		takes = .65
	}
	her, his := then(wife.family, when), then(husband.family, when)
	change := func(who *life, name string) {
		if name != then(who.family, when) {
			who.family = append(who.family, since[string]{when.AddDate(0, f.rnd.IntN(6), 0), name})
		}
	}
	switch x := f.rnd.Float64(); {
	case x < takes:
		change(wife, his)
	case x < takes+.05:
		change(wife, her+"-"+his)
	case x < takes+.10:
		change(husband, her)
	}
	if wife == s && len(s.family) > 1 { // she meets his sisters, who may be called alike
		for _, q := range f.all {
			if q != p && q.mother != nil && q.mother == p.mother && q.Sex == "female" && then(q.family, Today) == then(s.family, Today) {
				if chance(f.rnd, .10) {
					s.Given = q.Given
				}
				f.relations = append(f.relations, relation{q, s, "sisters-in-law"})
			}
		}
	}
	return s
}

// divorce moves s out and gives half of those who changed their name the old one back.
func (f *family) divorce(p, s *life, when time.Time) {
	s.homes = append(s.homes, since[*dwelling]{when, f.dwelling(when, then(p.homes, when))})
	for _, who := range []*life{p, s} {
		if len(who.family) > 1 && chance(f.rnd, .5) {
			who.family = append(who.family, since[string]{when.AddDate(0, f.rnd.IntN(8), 0), who.family[0].value})
		}
	}
}

// children gives a mother and maybe a father children born between two days, and those their lives.
func (f *family) children(p, s *life, from, to time.Time, depth int) {
	mother, father := p, s
	if p.Sex == "male" {
		mother, father = s, p
	}
	if mother.Sex != "female" {
		return
	}
	day := from.AddDate(0, 5+f.rnd.IntN(40), f.rnd.IntN(30))
	for range pick(f.rnd, []int{0, 1, 1, 2, 2, 2, 3, 3, 4}) {
		if years := day.Sub(mother.Birth).Hours() / 24 / 365.25; !day.Before(to) || !day.Before(Today) || years < 16 || years > 46 || !mother.alive(day) {
			return
		}
		born := []*life{f.child(mother, father, day, sexOf(f.rnd))}
		// 31.2 of 1,000 children born are twins: one birth in 63. Source: NCHS 2022.
		if chance(f.rnd, .0158) {
			born = append(born, f.twin(mother, father, born[0]))
		}
		for _, c := range born {
			f.grow(c, depth+1)
		}
		day = day.AddDate(1, 4+f.rnd.IntN(44), f.rnd.IntN(30))
	}
}

// child returns a child of the two. Names go by the father's; Hispanic children have one of each parent. One son
// in ten is called as his father.
func (f *family) child(mother, father *life, day time.Time, sex string) *life {
	last, group := then(mother.family, day), mother.Ethnicity
	if father != nil {
		last = then(father.family, day)
		if group = father.Ethnicity; group == hispanic {
			his, _, _ := strings.Cut(last, " ")
			hers, _, _ := strings.Cut(mother.family[0].value, " ")
			if strings.Contains(last, " ") && hers != his && !particled(last) {
				last = his + " " + hers
			}
		}
	}
	c := f.person(group, sex, day, last)
	for slices.ContainsFunc(f.all[:len(f.all)-1], func(o *life) bool { return o.mother == mother && o.Given == c.Given }) {
		c.Given = f.names.drawGiven(f.rnd, group, sex, day.Year()) // nobody calls two children the same
	}
	c.foreign, c.mother, c.father = false, mother, father
	c.MotherMaiden = mother.family[0].value
	c.homes = append(c.homes, since[*dwelling]{c.Birth, then(mother.homes, day)})
	f.relations = append(f.relations, relation{mother, c, "mother-newborn"})
	if sex == "male" && father != nil && chance(f.rnd, .10) && len(father.family) == 1 {
		c.Given, c.Middle, c.family[0].value = father.Given, father.Middle, last
		c.Suffix = "Jr"
		switch father.Suffix {
		case "":
			if chance(f.rnd, .7) {
				father.Suffix = "Sr"
			}
		case "Jr":
			c.Suffix = "III"
		case "III":
			c.Suffix = "IV"
		}
		f.relations = append(f.relations, relation{father, c, "jr-sr"})
	}
	return c
}

// twin returns a twin of c: same birth date, home and line; the same sex in two thirds, given names alike in a fifth.
func (f *family) twin(mother, father, c *life) *life {
	sex := c.Sex
	if chance(f.rnd, 1./3) {
		sex = other(sex)
	}
	t := f.child(mother, father, c.Birth, sex)
	t.family[0].value = c.family[0].value
	if sex == c.Sex && chance(f.rnd, .20) || t.Given == c.Given { // nobody calls both the same
		t.Given = f.alike(c, sex)
	}
	c.Order, t.Order = 1, 2
	f.relations = append(f.relations, relation{c, t, "twin"}, relation{c, t, "newborn-twin"})
	c.twin, t.twin = t, c
	return t
}

// contacts gives p telephone numbers and mail addresses: a child has its mother's, an adult its own, changed
// every sixteen years or so. Numbers come back: one new number in thirty was somebody else's before.
func (f *family) contacts(p *life) {
	from := p.Birth
	if p.mother != nil && len(p.mother.phones) > 0 {
		p.phones = append(p.phones, since[string]{p.Birth, then(p.mother.phones, p.Birth)})
		from = p.Birth.AddDate(12+f.rnd.IntN(5), 0, 0)
	}
	for day := from; day.Before(Today) && (p.alive(day) || len(p.phones) == 0); day = day.AddDate(0, 0, 200+int(f.rnd.ExpFloat64()*16*365)) {
		if day.After(firstVisit.AddDate(-4, 0, 0)) || len(p.phones) == 0 {
			p.phones = append(p.phones, since[string]{day, f.phone()})
			if s := f.stranger(f.rnd, func(s *life) bool { return len(s.phones) > 2 }); s != nil && chance(f.rnd, .03) {
				p.phones[len(p.phones)-1].value = s.phones[1].value
				f.relations = append(f.relations, relation{s, p, "reissued-phone"})
			}
		}
	}
	switch {
	case p.mother != nil && len(p.mother.emails) > 0 && age(p.Person) < 18:
		p.emails = p.mother.emails
	case p.mother == nil && p.spouse != nil && chance(f.rnd, .16):
		p.emails = p.spouse.emails
	default:
		p.emails = []since[string]{{p.Birth, email(f.rnd, p.Given, p.family[0].value)}}
	}
	p.Insurance = fmt.Sprintf("%s|%c%09d", pick(f.rnd, payers), 'A'+rune(f.rnd.IntN(26)), f.rnd.IntN(1e9))
	switch {
	case p.mother != nil && chance(f.rnd, .3):
		p.Insurance = p.mother.Insurance
	case p.spouse != nil && chance(f.rnd, .3):
		p.Insurance = p.spouse.Insurance
	}
	if f.accidents && chance(f.rnd, .002) {
		if p.lender = f.stranger(f.rnd, nil); p.lender != nil {
			f.relations = append(f.relations, relation{p.lender, p, "identity-loan"})
		}
	}
}

var payers = []string{"https://bluecross.example.org/member", "https://statemedicaid.example.org/member", "https://unitedplan.example.org/member",
	"https://aetnaplan.example.org/member", "https://kaiserplan.example.org/member", "https://medicareplus.example.org/member"}

// institution moves p into a shelter, a jail or a nursing home for a time, as many as do.
//
// Source: Census 2020 group quarters, as spec simulator section 1 has it.
func (f *family) institution(p *life, adult time.Time) {
	old := p.Birth.AddDate(80, 0, 0)
	switch {
	case old.Before(Today) && p.alive(old) && chance(f.rnd, .10):
		p.homes = append(p.homes, since[*dwelling]{old.AddDate(f.rnd.IntN(6), 0, 0), institutions(f.rnd, 2)})
	case adult.Before(Today) && chance(f.rnd, .014):
		from := Today.AddDate(0, 0, -f.rnd.IntN(3000))
		if last := p.homes[len(p.homes)-1]; from.Before(last.from) || from.Before(adult) {
			return
		}
		back := p.homes[len(p.homes)-1].value
		p.homes = append(p.homes, since[*dwelling]{from, institutions(f.rnd, f.rnd.IntN(2))})
		if until := from.AddDate(0, 1+f.rnd.IntN(24), 0); until.Before(Today) {
			p.homes = append(p.homes, since[*dwelling]{until, back})
		}
	default:
		return
	}
	for _, h := range p.homes {
		if h.value.id >= 0 {
			continue
		}
		if s := f.inmates[h.value]; s != nil {
			f.relations = append(f.relations, relation{s, p, "institution"})
		}
		f.inmates[h.value] = p
	}
}

// summarise fills in what is true of p now, or was at their death.
func (p *life) summarise() {
	now := Today
	if !p.Death.IsZero() {
		now = p.Death
	}
	p.Family, p.Maiden = then(p.family, now), ""
	if p.family[0].value != p.Family {
		p.Maiden = p.family[0].value
	}
	home := then(p.homes, now)
	p.Household, p.Address = home.id, then(home.addresses, now)
	p.OldAddress = p.before(now)
	p.Phone, p.OldPhone = then(p.phones, now), p.phones[0].value
	p.Email = then(p.emails, now)
	if p.twin != nil && p.twin.ID >= 0 {
		p.Twin = p.twin.ID
	}
}

// before returns the address p had before that of a day, the same where there was none.
func (p *life) before(on time.Time) Address {
	was := then(then(p.homes, on).addresses, on)
	for years := 1; years < 20; years += 2 {
		day := on.AddDate(-years, 0, 0)
		if a := then(then(p.homes, day).addresses, day); a != was && day.After(p.Birth) {
			return a
		}
	}
	return was
}

// formerPhone returns the number p had before that of a day, "" for none.
func (p *life) formerPhone(on time.Time) string {
	former := ""
	for i, s := range p.phones {
		if i > 0 && !s.from.After(on) {
			former = p.phones[i-1].value
		}
	}
	return former
}

func (p *life) housed(in *dwelling) bool {
	for _, h := range p.homes {
		if h.value == in {
			return true
		}
	}
	return false
}

func email(rnd *rand.Rand, given, last string) string {
	name := strings.ToLower(strings.NewReplacer(" ", "", "'", "", ".", "").Replace(unaccent.Replace(given + "." + last)))
	return fmt.Sprintf("%s%d@%s.example", name, rnd.IntN(1000), pick(rnd, []string{"mail", "post", "inbox", "webmail"}))
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

// alike returns a given name that begins as c's does: twins' parents like such pairs. It is a name there is, as theirs are, unless
// no other begins so.
func (f *family) alike(c *life, sex string) string {
	for _, pair := range [][2]string{{"Jayden", "Jaylen"}, {"Emma", "Ella"}, {"Ethan", "Evan"}, {"Olivia", "Olive"}, {"Mia", "Maya"}, {"Hailey", "Kailey"}} {
		if pair[0] == c.Given {
			return pair[1]
		}
	}
	r := []rune(c.Given)
	for _, begins := range []string{string(r[:min(2, len(r))]), string(r[:1])} {
		for range 60 {
			if name := f.names.drawGiven(f.rnd, c.Ethnicity, sex, c.Birth.Year()); !f.names.oneName(name, c.Given) && strings.HasPrefix(name, begins) {
				return name
			}
		}
	}
	if len(r) > 3 {
		return string(r[:len(r)-1]) + "yn"
	}
	return c.Given + "y"
}

func particled(name string) bool {
	for _, p := range []string{"De ", "Del ", "Dela ", "Van ", "St. ", "Di "} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func age(p Person) int { return int(Today.Sub(p.Birth).Hours() / 24 / 365.25) }

func clamp(x, lo, hi int) int { return max(lo, min(x, hi)) }
