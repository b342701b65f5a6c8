package sim

import (
	"os"
	"strings"
	"testing"
)

// A sample is a town's people and records, in memory.
type sample struct {
	people  map[int]Person
	records []Registration
	pairs   []Pair
}

func drawn(seed uint64, people, sites int, names *Names) sample {
	t := NewTown(seed, Exchange(sites), names)
	s := sample{people: map[int]Person{}}
	for len(s.people) < people {
		f := t.Next(people - len(s.people))
		for _, p := range f.People {
			s.people[p.ID] = p
		}
		s.records, s.pairs = append(s.records, f.Records...), append(s.pairs, f.Pairs...)
	}
	return s
}

// tuple is name and birth date as an exact rule compares them.
type tuple struct{ given, family, birth string }

func folded(g Registration) tuple {
	return tuple{strings.ToLower(unaccent.Replace(g.Given)), strings.ToLower(unaccent.Replace(g.Family)), g.Birth}
}

// TestThePopulationIsAsHardAsRealOnes fails when the simulator leaves the bounds of spec simulator section 2,
// point 7, with the default names and, where they are at hand, with the frequency tables.
func TestThePopulationIsAsHardAsRealOnes(t *testing.T) {
	if testing.Short() {
		t.Skip("counts the records of 40,000 people")
	}
	t.Run("default names", func(t *testing.T) { calibrate(t, DefaultNames(11)) })
	t.Run("frequency tables", func(t *testing.T) { calibrate(t, tables(t)) })
}

func tables(t *testing.T) *Names {
	t.Helper()
	const dir = "../../../shared/data/names"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the frequency tables are not at hand")
	}
	names, err := LoadNames(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func calibrate(t *testing.T, names *Names) {
	s := drawn(11, 20_000, 12, names)
	var second, withSSN int // records after the first of a person at a site; records with an SSN
	type visit struct {
		site   string
		person int
	}
	bySite, at := map[string][]Registration{}, map[visit]int{}
	byTuple := map[tuple][]Registration{}
	byPerson := map[int][]Registration{}
	secondAt := map[string]int{}
	errors := 0
	for _, g := range s.records {
		bySite[g.Site] = append(bySite[g.Site], g)
		byPerson[g.Person] = append(byPerson[g.Person], g)
		if g.SSN != "" {
			withSSN++
		}
		if at[visit{g.Site, g.Person}]++; at[visit{g.Site, g.Person}] > 1 {
			second++
			secondAt[g.Site]++
		}
		if g.Birth != "" && g.Given != "" {
			byTuple[folded(g)] = append(byTuple[folded(g)], g)
		}
		for _, e := range g.Errors {
			switch e.Kind {
			case "missing", "initial", "stale", "previous", "household", "last four", "half", "maiden", "newborn", "spelling", "family name first",
				"mailing address", "mother's", "lent", "relative's":
				// ways of the site or of life, not of the keyboard
			default:
				errors++
			}
		}
	}
	var inside, middle, ssn, across, differ int // pairs of records of one person, in one site and between two
	for _, all := range byPerson {
		for i, x := range all {
			for _, y := range all[i+1:] {
				if x.Site != y.Site {
					across++
					if folded(x) != folded(y) {
						differ++
					}
					continue
				}
				inside++
				if !strings.EqualFold(x.Middle, y.Middle) {
					middle++
				}
				if x.SSN == "" || x.SSN != y.SSN {
					ssn++
				}
			}
		}
	}
	ids := 0
	for _, all := range byTuple {
		ids += idsOf(all)
	}
	full, dated, strangers, sites := 0.0, 0.0, 0.0, 0.0
	for site, all := range bySite {
		if len(all) < 500 {
			continue
		}
		sites++
		names, tuples, bearers := map[string]int{}, map[tuple]int{}, map[tuple]map[int]bool{}
		for _, g := range all {
			k := folded(g)
			names[k.given+" "+k.family]++
			if tuples[k]++; bearers[k] == nil {
				bearers[k] = map[int]bool{}
			}
			bearers[k][g.Person] = true
		}
		n, d, o := 0, 0, 0
		for _, g := range all {
			k := folded(g)
			if names[k.given+" "+k.family] > 1 {
				n++
			}
			if tuples[k] > 1 {
				d++
			}
			if len(bearers[k]) > 1 {
				o++
			}
		}
		full, dated, strangers = full+ratio(n, len(all)), dated+ratio(d, len(all)), strangers+ratio(o, len(all))
		if share := ratio(secondAt[site], len(all)); share < .05 || share > .20 {
			t.Errorf("%s: %.3f of its records are second ones, want .05 to .20", site, share)
		}
	}
	for _, c := range []struct {
		what   string
		got    float64
		lo, hi float64
	}{
		{"records a person", ratio(len(s.records), len(s.people)), 2, 3.5},
		{"second records inside a site", ratio(second, len(s.records)), .05, .20},
		{"pairs of one person at two sites whose name or birth date differ", ratio(differ, across), .25, .45},
		{"ids an index that asks for more than name and birth date gives to one such tuple", ratio(ids, len(byTuple)), 1.10, 1.30},
		{"duplicates whose middle name differs", ratio(middle, inside), .50, .65},
		{"duplicates whose SSN differs or is missing", ratio(ssn, inside), .45, .60},
		{"records of a site whose full name occurs again", full / sites, .15, .40},
		{"records of a site whose name and birth date occur again", dated / sites, .002, .15},
		{"records of a site that share name and birth date with another person's", strangers / sites, .0005, .02},
		{"records with an SSN", ratio(withSSN, len(s.records)), .40, .75},
		{"keying errors a field, of ten fields", ratio(errors, len(s.records)*10), .01, .03},
	} {
		t.Logf("%-85s %.4f", c.what, c.got)
		if c.got < c.lo || c.got > c.hi {
			t.Errorf("%s: %.4f, want %.3f to %.2f", c.what, c.got, c.lo, c.hi)
		}
	}
}

// idsOf returns how many ids a working index would have for records of one name and birth date: it joins those
// that agree on SSN, telephone or street as well.
func idsOf(all []Registration) int {
	group := make([]int, len(all))
	for i := range group {
		group[i] = i
	}
	n := len(all)
	street := func(g Registration) string { return strings.ToLower(shortStreet.Replace(g.Address.Line)) }
	for i, x := range all {
		for j, y := range all[:i] {
			if group[i] != group[j] && (x.SSN != "" && x.SSN == y.SSN || x.Phone != "" && x.Phone == y.Phone || x.Address.Line != "" && street(x) == street(y)) {
				from := group[i]
				for k := range group {
					if group[k] == from {
						group[k] = group[j]
					}
				}
				n--
			}
		}
	}
	return n
}

func ratio(a, b int) float64 { return float64(a) / float64(max(b, 1)) }

func TestNoParentsCallTwinsTheSame(t *testing.T) {
	s := drawn(71001, 2_000, 10, DefaultNames(71001))
	twins := 0
	for _, p := range s.people {
		other, known := s.people[p.Twin]
		if !known || p.Twin < p.ID {
			continue
		}
		if twins++; other.Given == p.Given {
			t.Errorf("persons %d and %d are twins of one given name", p.ID, p.Twin)
		}
	}
	if twins < 10 {
		t.Errorf("%d pairs of twins: nothing was shown", twins)
	}
}
