package sim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A dwelling is a home people share; when its household moves, all who live in it move.
type dwelling struct {
	id        int
	addresses []since[Address]
	landline  string // the household's own line
}

// dwelling returns a home that began on a day, near another one where that is given. Households move every
// eleven years, two in three within the county.
//
// Source: US Census mobility rates, as spec simulator section 1 has them.
func (f *family) dwelling(from time.Time, near *dwelling) *dwelling {
	d := &dwelling{id: f.dwellings, landline: f.phone()}
	f.dwellings++
	place := pick(f.rnd, places)
	if near != nil && chance(f.rnd, .65) {
		place = then(near.addresses, from)
	}
	if began := firstVisit.AddDate(-6, 0, 0); from.Before(began) {
		from = began // where people lived before, nobody writes down
	}
	for day := from; day.Before(Today); day = day.AddDate(0, 0, 60+int(f.rnd.ExpFloat64()*11*365)) {
		if len(d.addresses) > 0 && chance(f.rnd, .35) {
			place = pick(f.rnd, places)
		}
		d.addresses = append(d.addresses, since[Address]{day, street(f.rnd, place)})
	}
	if len(d.addresses) == 0 {
		d.addresses = append(d.addresses, since[Address]{from, street(f.rnd, place)})
	}
	return d
}

// places are the towns of the region, a few ZIP codes each.
var places = regionPlaces()

func regionPlaces() []Address {
	var out []Address
	for _, p := range []struct {
		city, state string
		zip, n      int
	}{{"Baltimore", "MD", 21201, 36}, {"Towson", "MD", 21204, 1}, {"Columbia", "MD", 21044, 3}, {"Annapolis", "MD", 21401, 4}, {"Frederick", "MD", 21701, 4},
		{"Rockville", "MD", 20850, 6}, {"Hagerstown", "MD", 21740, 3}, {"Salisbury", "MD", 21801, 2}, {"Dover", "DE", 19901, 4}, {"Wilmington", "DE", 19801, 9},
		{"Newark", "DE", 19711, 3}, {"Alexandria", "VA", 22301, 12}, {"Richmond", "VA", 23219, 14}, {"Norfolk", "VA", 23502, 8}, {"York", "PA", 17401, 5},
		{"Lancaster", "PA", 17601, 4}, {"Philadelphia", "PA", 19102, 40}, {"Camden", "NJ", 8102, 4}} {
		for k := range p.n {
			out = append(out, Address{City: p.city, State: p.state, ZIP: fmt.Sprintf("%05d", p.zip+k)})
		}
	}
	return out
}

// street returns an address in the town of place.
func street(rnd *rand.Rand, place Address) Address {
	a := place
	number := 1 + rnd.IntN(9800)
	if chance(rnd, .7) {
		number = 1 + rnd.IntN(400)
	}
	a.Line = fmt.Sprintf("%d ", number)
	if chance(rnd, .15) {
		a.Line += pick(rnd, []string{"North ", "South ", "East ", "West "})
	}
	a.Line += pick(rnd, streetRoots) + pick(rnd, streetEnds) + " " + pick(rnd, streetKinds)
	if chance(rnd, .28) {
		a.Line += fmt.Sprintf(" Apt %d", 1+rnd.IntN(40))
	}
	return a
}

// institutions returns a place many live at: a shelter (kind 0), a jail (1) or a nursing home (2).
func institutions(rnd *rand.Rand, kind int) *dwelling {
	return houses[kind][rnd.IntN(len(houses[kind]))]
}

var houses = func() (out [3][]*dwelling) {
	lines := [3][]string{{"1100 Mission Street", "210 Haven Avenue"}, {"300 County Jail Road", "6776 Reservoir Road"},
		{"45 Golden Years Lane", "801 Evergreen Court", "12 Lakeshore Drive"}}
	for kind, all := range lines {
		for i, line := range all {
			a := places[(kind*17+i*5)%len(places)]
			a.Line = line
			out[kind] = append(out[kind], &dwelling{id: -1 - kind*10 - i, addresses: []since[Address]{{value: a}}, landline: fmt.Sprintf("410-%03d-1000", 330+kind*10+i)})
		}
	}
	return out
}()
