package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// channel returns what a clerk of s wrote down about p on a day, p as they were that day. Errors correlate: one
// event in five is careless and spoils about three fields in the time a careful one spoils none. born says that
// p was born there these days and has no name yet.
//
// Source: spec simulator section 2, point 4, table.
func (t *Town) channel(p *life, s Site, on time.Time, rnd *rand.Rand, born bool) Registration {
	c := &clerk{rnd: rnd, rate: s.clerk * .6, rates: &t.rates, names: t.names, site: s, p: p, on: on}
	if chance(rnd, .20) {
		c.rate = s.clerk * 2.6
	}
	family := then(p.family, on)
	c.g = Registration{On: on, Given: p.Given, Middle: p.Middle, Family: family, Suffix: p.Suffix, Sex: p.Sex,
		Birth: p.Birth.Format(time.DateOnly), SSN: p.SSN, Phone: then(p.phones, on), Email: then(p.emails, on), Address: then(then(p.homes, on).addresses, on)}
	if p.markers != nil {
		if c.g.Sex = then(p.markers, on); c.g.Sex != p.Sex {
			c.note("sex", "changed")
		}
	}
	if first := p.family[0].value; first != family && chance(rnd, .25) {
		c.g.Maiden = first
	}
	if !p.Death.IsZero() && !on.Before(p.Death.AddDate(0, 0, -30)) {
		c.g.Death = p.Death.Format(time.DateOnly)
	}
	if age(p.Person) < 18 && chance(rnd, .4) {
		c.g.MotherMaiden = p.MotherMaiden
	}
	if p.Order > 0 && chance(rnd, .5) {
		c.g.Multiple, c.g.Order = true, p.Order
		if chance(rnd, .2) {
			c.g.Order = 0
		}
	}
	if on.Sub(p.Birth) > 2*365*24*time.Hour {
		born = false
	}
	c.given(born)
	c.middle()
	c.family(born)
	c.birth()
	c.sex()
	c.ssn(born)
	c.contacts()
	c.place()
	if s.desk && c.errs(t.rates.Unidentified) {
		c.unknown()
	}
	c.write()
	return c.g
}

// A clerk writes one registration.
type clerk struct {
	rnd   *rand.Rand
	rate  float64
	rates *Rates
	names *Names
	site  Site
	p     *life
	on    time.Time
	g     Registration
}

// errs says whether an error of probability p happens at this clerk's rate.
func (c *clerk) errs(p float64) bool { return chance(c.rnd, min(p*c.rate, .9)) }

func (c *clerk) note(field, kind string) { c.g.note(field, kind) }

func (g *Registration) note(field, kind string) { g.Errors = append(g.Errors, Departure{field, kind}) }

// take copies one field of from, with what is wrong with it.
func (g *Registration) take(field string, from *Registration) {
	switch field {
	case "given":
		if slices.ContainsFunc(from.Errors, func(d Departure) bool { return d.Kind == "swapped with family" || d.Kind == "family name first" }) {
			return
		}
		g.Given = from.Given
	case "family":
		g.Family, g.Maiden = from.Family, from.Maiden
	case "middle":
		g.Middle = from.Middle
	case "suffix":
		g.Suffix = from.Suffix
	case "birth":
		g.Birth = from.Birth
	case "sex":
		g.Sex = from.Sex
	case "ssn":
		g.SSN = from.SSN
	case "phone":
		g.Phone = from.Phone
	case "email":
		g.Email = from.Email
	case "address":
		g.Address = from.Address
	case "insurance":
		g.Insurance = from.Insurance
	}
	g.Errors = slices.DeleteFunc(g.Errors, func(d Departure) bool { return d.Field == field })
	for _, d := range from.Errors {
		if d.Field == field {
			g.Errors = append(g.Errors, d)
		}
	}
}

func (c *clerk) given(born bool) {
	p, nick := c.p, c.names.nicknames[c.p.Given]
	other := c.names.spellings[p.Given]
	switch {
	case born:
		c.g.newborn = true
		c.g.Given, c.g.Middle = c.baby(), ""
		c.note("given", "newborn")
	case len(other) > 0 && chance(c.rnd, c.rates.GivenSpelling):
		c.g.Given = other[int(siteHash(c.site.ID, p.Given))%len(other)] // a site writes a name its own way
		if chance(c.rnd, .3) {
			c.g.Given = pick(c.rnd, other)
		}
		c.note("given", "spelling")
	case len(nick) > 0 && c.errs(c.rates.GivenNickname/c.names.nicknamed):
		c.g.Given = pick(c.rnd, nick)
		c.note("given", "nickname")
	case c.errs(c.rates.GivenMisspelt):
		c.g.Given = misspell(c.rnd, p.Given)
		c.note("given", "misspelt")
	case c.errs(c.rates.GivenInitial):
		c.g.Given = p.Given[:1]
		c.note("given", "initial")
	case p.Middle != "" && c.errs(c.rates.GivenMiddle):
		c.g.Given, c.g.Middle = p.Middle, ""
		c.note("given", "middle name")
	case c.errs(c.rates.GivenSwapped):
		c.g.Given, c.g.Family = c.g.Family, c.g.Given
		c.note("given", "swapped with family")
	case c.errs(c.rates.GivenPlaceholder):
		c.g.Given = pick(c.rnd, []string{"Unknown", "Unk", "Patient", "None"})
		c.note("given", "placeholder")
	case (p.Ethnicity == chinese || p.Ethnicity == vietnamese || p.Ethnicity == korean) && chance(c.rnd, c.site.swaps):
		c.g.Given, c.g.Family = c.g.Family, c.g.Given
		c.note("given", "family name first")
	}
}

// baby returns what the site calls a newborn.
//
// Source: Adelman, Pediatrics 2015 (naming conventions of newborn units).
func (c *clerk) baby() string {
	word := "Boy"
	if c.p.Sex == "female" {
		word = "Girl"
	}
	letter := ""
	if c.p.Order > 0 {
		letter = " " + string('A'+rune(c.p.Order-1))
	}
	switch {
	case c.site.newborn == "mother" && c.p.mother != nil:
		if c.p.Order > 0 {
			return string('0'+rune(c.p.Order)) + c.p.mother.Given + "s" + word
		}
		return c.p.mother.Given + "s" + word
	case c.site.newborn == "short":
		return "BB " + word + letter
	default:
		return "Baby" + strings.ToLower(word) + letter
	}
}

func (c *clerk) middle() {
	switch {
	case c.g.Middle == "":
	case c.errs(c.rates.MiddleOther):
		c.g.Middle = c.names.middleF.draw(c.rnd)
		c.note("middle", "other")
	case chance(c.rnd, c.rates.MiddleMissing*c.site.noMiddle):
		c.g.Middle = ""
		c.note("middle", "missing")
	case chance(c.rnd, c.rates.MiddleInitial/max(1-c.rates.MiddleMissing*c.site.noMiddle, .01)):
		c.g.Middle = string([]rune(c.g.Middle)[:1])
		c.note("middle", "initial")
	}
	if c.g.Suffix != "" && chance(c.rnd, c.rates.SuffixMissing) {
		c.g.Suffix = ""
		c.note("suffix", "missing")
	}
}

func (c *clerk) family(born bool) {
	if born && c.p.mother != nil {
		c.g.Family = then(c.p.mother.family, c.on)
	}
	if c.g.Family == c.p.Given { // swapped: written once is enough
		return
	}
	first, second, double := strings.Cut(c.g.Family, " ")
	double = double && !particled(c.g.Family)
	maiden, hyphenated := "", false
	if !double {
		maiden, _, hyphenated = strings.Cut(c.g.Family, "-")
		hyphenated = hyphenated && len(maiden) > 2
	}
	other := c.names.spellings[c.g.Family]
	switch {
	case len(c.p.family) > 1 && c.g.Maiden != "" && chance(c.rnd, c.rates.FamilyMaiden): // she still gives the old name, or an old card was read
		c.g.Family, c.g.Maiden = c.g.Maiden, ""
		c.note("family", "maiden")
	case double && c.site.doubles != "both" && !chance(c.rnd, .3):
		switch c.site.doubles {
		case "first":
			c.g.Family = first
		case "second":
			c.g.Family = second
		case "hyphen":
			c.g.Family = first + "-" + second
		case "middle":
			c.g.Family, c.g.Middle = second, first
		}
		c.note("family", "half")
	case double && chance(c.rnd, c.rates.FamilyHalf):
		c.g.Family = first
		c.note("family", "half")
	case hyphenated && chance(c.rnd, c.rates.FamilyHalf):
		c.g.Family = maiden
		c.note("family", "half")
	case len(other) > 0 && chance(c.rnd, c.rates.FamilySpelling):
		c.g.Family = other[int(siteHash(c.site.ID, c.g.Family))%len(other)]
		c.note("family", "spelling")
	case c.errs(c.rates.FamilyMisspelt):
		c.g.Family = misspell(c.rnd, c.g.Family)
		c.note("family", "misspelt")
	case c.g.Suffix != "" && c.errs(c.rates.FamilyGlued/max(1-c.rates.SuffixMissing, .01)):
		c.g.Family, c.g.Suffix = c.g.Family+" "+c.g.Suffix, ""
		c.note("family", "suffix glued on")
	case c.errs(c.rates.FamilyParticle) && strings.ContainsAny(c.g.Family, " '-."):
		c.g.Family = strings.NewReplacer(" ", "", "'", "", "-", " ", ".", "").Replace(c.g.Family)
		c.note("family", "particle")
	}
}

// write puts what was entered into the letters of the site.
func (c *clerk) write() {
	names := []*string{&c.g.Given, &c.g.Middle, &c.g.Family, &c.g.Maiden, &c.g.MotherMaiden}
	for _, n := range names {
		if !c.site.accents {
			*n = unaccent.Replace(*n)
		}
		if c.site.plain {
			*n = strings.NewReplacer("'", "", ".", "").Replace(*n)
		}
		if c.site.upper {
			*n = strings.ToUpper(*n)
		}
	}
	if c.site.upper {
		c.g.Suffix, c.g.Address.Line, c.g.Address.City = strings.ToUpper(c.g.Suffix), strings.ToUpper(c.g.Address.Line), strings.ToUpper(c.g.Address.City)
	}
}

var unaccent = strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ñ", "n", "ü", "u", "Á", "A", "É", "E", "Í", "I", "Ó", "O",
	"Ú", "U", "Ñ", "N", "ö", "o", "ä", "a", "ễ", "e", "ầ", "a", "ï", "i", "è", "e")

// siteHash is a number that a site and a name always give.
func siteHash(site, name string) uint32 {
	h := uint32(2166136261)
	for _, s := range []string{site, name} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
	}
	return h >> 1
}
