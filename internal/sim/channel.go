package sim

import (
	"math/rand/v2"
	"strings"
	"time"
)

// channel returns what a clerk of s wrote down about p on a day. Errors correlate: one event in five is
// careless and spoils about three fields in the time a careful one spoils none.
//
// Source: spec simulator section 2, point 4, table.
func (b *builder) channel(p Person, s Site, on time.Time, rnd *rand.Rand) Registration {
	c := &clerk{rnd: rnd, rate: s.clerk * .6}
	if chance(rnd, .20) {
		c.rate = s.clerk * 2.6
	}
	c.g = Registration{On: on, Given: p.Given, Middle: p.Middle, Family: p.Family, Suffix: p.Suffix, Sex: p.Sex,
		Birth: p.Birth.Format(time.DateOnly), SSN: p.SSN, Phone: p.Phone, Email: p.Email, Address: p.Address, Maiden: p.Maiden}
	if !p.Death.IsZero() && !on.Before(p.Death.AddDate(0, 0, -30)) {
		c.g.Death = p.Death.Format(time.DateOnly)
	}
	c.given(p)
	c.middle(b.names, p)
	c.family(p)
	c.birth(p)
	c.numbers(p, s)
	c.place(b, p)
	if s.upper {
		c.g.Given, c.g.Middle, c.g.Family = strings.ToUpper(c.g.Given), strings.ToUpper(c.g.Middle), strings.ToUpper(c.g.Family)
	}
	return c.g
}

// A clerk writes one registration.
type clerk struct {
	rnd  *rand.Rand
	rate float64
	g    Registration
}

// errs says whether an error of probability p happens at this clerk's rate.
func (c *clerk) errs(p float64) bool { return chance(c.rnd, min(p*c.rate, .9)) }

func (c *clerk) note(field, kind string) { c.g.Errors = append(c.g.Errors, Departure{field, kind}) }

func (c *clerk) given(p Person) {
	nick := nicknames[p.Given]
	switch {
	case len(nick) > 0 && c.errs(.15): // about 6 % of all, since two in five names have one
		c.g.Given = pick(c.rnd, nick)
		c.note("given", "nickname")
	case c.errs(.03):
		c.g.Given = misspell(c.rnd, p.Given)
		c.note("given", "misspelt")
	case c.errs(.01):
		c.g.Given = p.Given[:1]
		c.note("given", "initial")
	case p.Middle != "" && c.errs(.015):
		c.g.Given, c.g.Middle = p.Middle, ""
		c.note("given", "middle name")
	case c.errs(.005):
		c.g.Given, c.g.Family = p.Family, p.Given
		c.note("given", "swapped with family")
	case p.Birth.AddDate(0, 0, 60).After(c.g.On) && p.Birth.Before(c.g.On):
		c.g.Given = map[string]string{"female": "Babygirl", "male": "Babyboy"}[p.Sex]
		c.note("given", "newborn")
	}
}

func (c *clerk) middle(n *names, p Person) {
	switch {
	case c.g.Middle == "":
	case chance(c.rnd, .35):
		c.g.Middle = ""
		c.note("middle", "missing")
	case chance(c.rnd, .28):
		c.g.Middle = c.g.Middle[:1]
		c.note("middle", "initial")
	case c.errs(.01):
		c.g.Middle = n.middleF.draw(c.rnd)
		c.note("middle", "other")
	}
	if c.g.Suffix != "" && chance(c.rnd, .80) {
		c.g.Suffix = ""
		c.note("suffix", "missing")
	}
}

func (c *clerk) family(p Person) {
	first, _, double := strings.Cut(p.Family, " ")
	switch {
	case c.g.Given == p.Family: // swapped: written once is enough
	case p.Maiden != "" && chance(c.rnd, .15):
		c.g.Family, c.g.Maiden = p.Maiden, ""
		c.note("family", "maiden")
	case double && chance(c.rnd, .40):
		c.g.Family = first
		c.note("family", "half")
	case c.errs(.02):
		c.g.Family = misspell(c.rnd, c.g.Family)
		c.note("family", "misspelt")
	case c.errs(.02) && strings.ContainsAny(c.g.Family, " '-."):
		c.g.Family = strings.NewReplacer(" ", "", "'", "", "-", " ", ".", "").Replace(c.g.Family)
		c.note("family", "particle")
	}
}

func (c *clerk) birth(p Person) {
	d := p.Birth
	switch {
	case c.errs(.008):
		c.g.Birth = digit(c.rnd, c.g.Birth)
		c.note("birth", "digit")
	case d.Day() <= 12 && d.Day() != int(d.Month()) && c.errs(.010): // 0.4 % of all: two dates in five can be swapped
		c.g.Birth = time.Date(d.Year(), time.Month(d.Day()), int(d.Month()), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		c.note("birth", "day and month")
	case c.errs(.004):
		c.g.Birth = d.AddDate(pick(c.rnd, []int{-10, -1, 1, 10}), 0, 0).Format(time.DateOnly)
		c.note("birth", "year")
	case c.errs(.003):
		c.g.Birth = d.Format("2006") + "-01-01"
		c.note("birth", "default")
	case c.errs(.01):
		c.g.Birth = ""
		c.note("birth", "missing")
	}
	if c.errs(.003) {
		c.g.Sex = other(p.Sex)
		c.note("sex", "wrong")
	} else if c.errs(.005) {
		c.g.Sex = "unknown"
		c.note("sex", "unknown")
	}
}

func (c *clerk) numbers(p Person, s Site) {
	switch {
	case s.ssn == "never" || p.Withholds || chance(c.rnd, .12): // a third of all, and mostly the same people
		c.g.SSN = ""
		c.note("ssn", "missing")
	case s.ssn == "last4":
		c.g.SSN = p.SSN[len(p.SSN)-4:]
		c.note("ssn", "last four")
	case c.errs(.015):
		c.g.SSN = digit(c.rnd, p.SSN)
		c.note("ssn", "digit")
	case c.errs(.005):
		c.g.SSN = "999-99-9999"
		c.note("ssn", "placeholder")
	}
	switch {
	case chance(c.rnd, .10):
		c.g.Phone = ""
		c.note("phone", "missing")
	case chance(c.rnd, .20):
		c.g.Phone = p.OldPhone
		c.note("phone", "previous")
	case c.errs(.015):
		c.g.Phone = "410-555-0000"
		c.note("phone", "placeholder")
	}
	if chance(c.rnd, .45) {
		c.g.Email = ""
		c.note("email", "missing")
	} else if c.errs(.03) {
		c.g.Email = "none@none.example"
		c.note("email", "junk")
	}
}

func (c *clerk) place(b *builder, p Person) {
	switch {
	case chance(c.rnd, .05):
		c.g.Address = Address{}
		c.note("address", "missing")
		return
	case chance(c.rnd, .15):
		c.g.Address = p.OldAddress
		c.note("address", "stale")
	case c.errs(.02):
		c.g.Address.Line = b.Sites[0].OrgName
		c.note("address", "institution")
	}
	if chance(c.rnd, .60) {
		c.g.Address.Line = abbreviate.Replace(c.g.Address.Line)
	}
	if c.errs(.03) {
		c.g.Address.Line = misspell(c.rnd, c.g.Address.Line)
		c.note("address", "misspelt")
	}
}

var abbreviate = strings.NewReplacer("Street", "St", "Avenue", "Ave", "Road", "Rd", "Drive", "Dr", "Lane", "Ln",
	"Court", "Ct", "Place", "Pl", "Boulevard", "Blvd", "Apt ", "#")

// sounds are spellings that are heard alike.
var sounds = []string{"ph", "f", "ck", "k", "y", "ie", "ei", "ie", "c", "k", "ll", "l", "nn", "n", "tt", "t", "ss", "s", "z", "s", "mn", "m", "ea", "ee"}

// keyboard holds, for each letter, its neighbours.
var keyboard = map[rune]string{'a': "qsz", 'b': "vgn", 'c': "xdv", 'd': "sfe", 'e': "wrd", 'f': "dgr", 'g': "fht", 'h': "gjy", 'i': "uok",
	'j': "hku", 'k': "jli", 'l': "ko", 'm': "nj", 'n': "bmh", 'o': "ipl", 'p': "ol", 'q': "wa", 'r': "etf", 's': "adw", 't': "ryg",
	'u': "yij", 'v': "cbf", 'w': "qes", 'x': "zsc", 'y': "tuh", 'z': "xas"}

// misspell returns name with one error (two in one case of five): 60 % by sound, 25 % by a neighbouring key,
// the rest a letter left out, doubled or two exchanged.
func misspell(rnd *rand.Rand, name string) string {
	out := misspellOnce(rnd, name)
	if chance(rnd, .20) {
		out = misspellOnce(rnd, out)
	}
	return out
}

func misspellOnce(rnd *rand.Rand, name string) string {
	if chance(rnd, .60) {
		for range 6 {
			i := rnd.IntN(len(sounds) / 2)
			from, to := sounds[2*i], sounds[2*i+1]
			if chance(rnd, .5) {
				from, to = to, from
			}
			if at := strings.Index(name[1:], from); at >= 0 {
				return name[:1+at] + to + name[1+at+len(from):]
			}
		}
	}
	r := []rune(name)
	if len(r) < 3 {
		return name
	}
	i := 1 + rnd.IntN(len(r)-2)
	if near := keyboard[r[i]]; near != "" && chance(rnd, .6) {
		r[i] = rune(near[rnd.IntN(len(near))])
		return string(r)
	}
	switch rnd.IntN(3) {
	case 0:
		return string(r[:i]) + string(r[i+1:])
	case 1:
		return string(r[:i]) + string(r[i]) + string(r[i:])
	default:
		r[i], r[i+1] = r[i+1], r[i]
		return string(r)
	}
}

// digit returns s with one digit changed; a date stays a date.
func digit(rnd *rand.Rand, s string) string {
	for {
		b := []byte(s)
		i := rnd.IntN(len(b))
		if b[i] < '0' || b[i] > '9' {
			continue
		}
		b[i] = '0' + (b[i]-'0'+byte(1+rnd.IntN(9)))%10
		if len(s) == len(time.DateOnly) {
			if t, err := time.Parse(time.DateOnly, string(b)); err != nil || t.After(Today) || t.Year() < 1900 {
				continue
			}
		}
		return string(b)
	}
}
