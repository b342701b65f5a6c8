package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Town makes the people of an exchange one family after another, with what the sites wrote down about them. It
// holds the family at hand and some people met lately, so its memory does not grow with the population. It is
// not safe for use by several goroutines.
type Town struct {
	seed  uint64
	names *Names
	rates Rates
	sites []Site
	// accidents says whether records get overlaid and cards lent: not in a demo, whose documents must stay with
	// their patients.
	accidents bool

	families, people, records int
	numbers, lines            int // social security and telephone numbers given out
	dwellings                 int
	local                     map[string]int      // local ids given out, by site
	lately                    []*life             // people of families before, the newest last
	inmates                   map[*dwelling]*life // who moved into an institution last
	unnamed                   int                 // the last record of somebody nobody could ask, -1 before the first
}

// remembered is how many people a Town remembers for what ties strangers together.
const remembered = 400

// NewTown returns the town of an exchange with the sites: the same seed, sites and names give the same families
// in the same order. Clerks err at the rates of [DefaultRates] until [Town.SetRates] says otherwise.
func NewTown(seed uint64, sites []Site, names *Names) *Town {
	return &Town{seed: seed, names: names, rates: DefaultRates(), sites: sites, accidents: true, local: map[string]int{}, inmates: map[*dwelling]*life{}, unnamed: -1}
}

// SetRates has the clerks of the sites err at other rates from the next family on.
func (t *Town) SetRates(r Rates) { t.rates = r }

// A Family is related people who were made together and what was written down about them.
type Family struct {
	People []Person
	// Records hold the state each record was last left in; those of a person lie together.
	Records []Registration
	// Pairs are records of different people that are easily taken for one.
	Pairs []Pair
}

// A Pair is two records of different people, by index, and what makes them look alike: "twin", "jr-sr",
// "mother-newborn", "newborn-twin", "sisters-in-law", "namesake", "identity-loan", "reissued-phone",
// "institution", "john-doe" or "overlay".
type Pair struct {
	A, B int
	Kind string
}

// Next returns the next family, at most limit people of it; limit must be positive.
//
// Source: spec simulator section 2, points 1-5.
func (t *Town) Next(limit int) Family {
	f := &family{Town: t, rnd: source(t.seed, "family", t.families)}
	t.families++
	f.begin()
	var living []*life
	for _, p := range f.all {
		if p.Death.IsZero() || p.Death.After(firstVisit) {
			living = append(living, p)
		}
	}
	if len(living) == 0 {
		return t.Next(limit)
	}
	living = living[:min(limit, len(living))]
	for _, p := range living {
		p.ID = t.people
		t.people++
	}
	var out Family
	for _, p := range living {
		p.summarise()
		t.register(p, &out)
	}
	for _, r := range f.relations {
		t.pair(&out, r.a, r.b, r.kind)
	}
	if t.accidents {
		t.feed(&out, f.relations)
	}
	for _, p := range living {
		out.People = append(out.People, p.Person)
		t.remember(p)
	}
	return out
}

// pair adds pairs of records of a and b, at most three.
func (t *Town) pair(out *Family, a, b *life, kind string) {
	if a.ID < 0 || b.ID < 0 || a == b {
		return
	}
	n := 0
	for i, x := range a.records {
		for j, y := range b.records {
			switch kind {
			case "mother-newborn":
				if !y.newborn {
					continue
				}
			case "newborn-twin":
				if !x.newborn || !y.newborn {
					continue
				}
			case "institution":
				if i+j > 0 {
					continue
				}
			}
			if n++; n > 3 {
				return
			}
			out.Pairs = append(out.Pairs, Pair{min(x.index, y.index), max(x.index, y.index), kind})
		}
	}
}

func (t *Town) remember(p *life) {
	p.mother, p.father, p.spouse = nil, nil, nil // or a whole family tree would be kept
	if len(t.lately) == 2*remembered {
		t.lately = slices.Clone(t.lately[remembered:])
	}
	t.lately = append(t.lately, p)
}

// stranger returns somebody met lately who passes ok, nil when none of a few does.
func (t *Town) stranger(rnd *rand.Rand, ok func(*life) bool) *life {
	if len(t.lately) == 0 {
		return nil
	}
	for range 8 {
		if p := pick(rnd, t.lately); ok == nil || ok(p) {
			return p
		}
	}
	return nil
}

// step is coprime to what numbers are counted in, so that walking by it meets each number once, in no order.
const step = 7_368_787

// ssn returns a number of the form the Social Security Administration gave out: area 001-899 but 666, group and
// serial not 0. No two people get the same. Nobody was asked whose it is in the world.
func (t *Town) ssn() string {
	const areas, all = 898, 898 * 99 * 9999
	n := int((uint64(t.numbers)*step + t.seed%all) % all)
	t.numbers++
	area := n%areas + 1
	if area >= 666 {
		area++
	}
	n /= areas
	return fmt.Sprintf("%03d-%02d-%04d", area, n%99+1, n/99+1)
}

var areaCodes = []string{"410", "443", "301", "240", "302", "667", "703", "571", "804", "757", "540", "215", "267", "610", "484", "717", "223", "570", "856", "609"}

// phone returns a number nobody got before. Numbers kept for fiction (555-01xx) are too few for a population.
func (t *Town) phone() string {
	const exchanges = 700
	all := len(areaCodes) * exchanges * 10000
	n := int((uint64(t.lines)*step + t.seed%uint64(all)) % uint64(all))
	t.lines++
	code := areaCodes[n%len(areaCodes)]
	n /= len(areaCodes)
	exchange := 202 + n%exchanges
	if exchange == 555 || exchange%100 == 11 {
		exchange = 903 + exchange%90
	}
	return fmt.Sprintf("%s-%03d-%04d", code, exchange, n/exchanges)
}
