package sim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// register gives p records at the sites they go to.
func (t *Town) register(p *life, out *Family) {
	rnd := source(t.seed, "visits", p.ID)
	need := pick(rnd, []float64{.5, .8, .9, 1, 1, 1.1, 1.2, 1.5}) // some people go everywhere, some hardly anywhere
	seen := false
	for i, s := range t.sites {
		share := s.visits * need
		switch {
		case s.Kind == "cardiology" && age(p.Person) < 45:
			share *= .13
		case s.Kind == "part2-program" && age(p.Person) < 18:
			share = 0
		case s.Kind == "shelter" || s.Kind == "jail":
			if p.stayed(s.Kind) {
				share = .7
			}
		}
		if i == len(t.sites)-1 && !seen {
			share = 1 // everybody is known somewhere
			s = t.surgery(rnd)
		}
		if !chance(rnd, share) {
			continue
		}
		seen = true
		t.enter(p, s, rnd, 1+rnd.IntN(2*s.documents), out)
		for chance(rnd, s.duplicates) {
			t.enter(p, s, rnd, rnd.IntN(2), out)
		}
	}
}

// surgery returns a site people go to for want of another: a practice or a clinic.
func (t *Town) surgery(rnd *rand.Rand) Site {
	var near []Site
	for _, s := range t.sites {
		if s.Kind == "practice" || s.Kind == "clinic" {
			near = append(near, s)
		}
	}
	return pick(rnd, near)
}

func (p *life) stayed(kind string) bool {
	for i, h := range houses[:2] {
		for _, d := range h {
			if p.housed(d) && kind == []string{"shelter", "jail"}[i] {
				return true
			}
		}
	}
	return false
}

// enter makes a record of p at s with n documents: a first registration, then maybe updates.
func (t *Town) enter(p *life, s Site, rnd *rand.Rand, n int, out *Family) {
	first, last := firstVisit, Today
	if p.Birth.After(first) {
		first = p.Birth
	}
	if !p.Death.IsZero() {
		last = p.Death
	}
	days := max(int(last.Sub(first).Hours()/24), 2)
	// Visits are more often of late: the newest state of half of the records is younger than three years.
	ago := int(float64(days) * rnd.Float64() * rnd.Float64())
	on := last.AddDate(0, 0, -1-min(ago, days-2))
	born := s.Kind == "hospital" && p.Birth.After(firstVisit) && len(p.records) == 0 && chance(rnd, t.rates.GivenNewborn)
	if born {
		on = p.Birth.AddDate(0, 0, rnd.IntN(3))
	}
	g := t.channel(p, s, on, rnd, born)
	g.Site, g.Person, g.Was, g.Documents = s.ID, p.ID, p.ID, n
	g.Events = []Event{{On: on, Trigger: pick(rnd, []string{"A28", "A04", "A04"}), State: g.state()}}
	updates := rnd.IntN(3)
	if born {
		updates = 0
		if chance(rnd, .8) {
			updates = 1 + rnd.IntN(2)
		}
	}
	for range updates {
		left := int(last.Sub(on).Hours() / 24)
		if left < 2 {
			break
		}
		on = on.AddDate(0, 0, 1+rnd.IntN(left-1))
		t.update(&g, p, s, on, rnd)
		g.Events = append(g.Events, Event{On: on, Trigger: pick(rnd, []string{"A08", "A08", "A31"}), State: g.state()})
	}
	if t.accidents && chance(rnd, s.overlays) {
		t.overlay(&g, p, s, on, rnd, out)
	}
	g.On = on
	g.Index = t.records
	t.records++
	g.Local = t.localID(s)
	if len(g.Errors) > 0 && g.Errors[0].Kind == "unidentified" {
		if t.unnamed >= 0 {
			out.Pairs = append(out.Pairs, Pair{t.unnamed, g.Index, "john-doe"})
		}
		t.unnamed = g.Index
	}
	if k := len(p.records); t.accidents && k > 0 && p.records[k-1].site == s.ID && chance(rnd, .3) && on.AddDate(0, 1, 0).Before(Today) {
		// The site found its duplicate and merged it away. The record stays in the truth as it was.
		into := out.Records[len(out.Records)-1]
		g.MergedInto = into.Local
		g.Events = append(g.Events, Event{On: on.AddDate(0, 1, 0), Trigger: "A40", State: g.state(), Other: into.state(), Mistake: into.Person != g.Person})
	}
	p.records = append(p.records, recordRef{g.Index, s.ID, g.Local, born})
	out.Records = append(out.Records, g)
}

// overlay puts somebody else's data over g: what is written is true of them, what was true of p is gone but for
// the telephone now and then. The record is theirs from here on.
func (t *Town) overlay(g *Registration, p *life, s Site, on time.Time, rnd *rand.Rand, out *Family) {
	who := t.stranger(rnd, func(o *life) bool { return o.Sex == p.Sex && o.alive(on) && o.Birth.Before(on) })
	if who == nil {
		return
	}
	over := t.channel(who, s, on, rnd, false)
	over.Site, over.Documents, over.Events = g.Site, g.Documents, g.Events
	over.Person, over.Was = who.ID, p.ID
	over.note("person", "overlay")
	if chance(rnd, .3) && g.Phone != "" {
		over.Phone = g.Phone
	}
	*g = over
	g.Events = append(g.Events, Event{On: on, Trigger: "A08", State: g.state()})
	for _, r := range p.records {
		out.Pairs = append(out.Pairs, Pair{r.index, t.records, "overlay"})
	}
}

// update brings g up to date as a clerk does at a later visit: what has changed and is asked for every time is
// mostly written anew, the rest is carried forward.
func (t *Town) update(g *Registration, p *life, s Site, on time.Time, rnd *rand.Rand) {
	now := t.channel(p, s, on, rnd, false)
	renamed := then(p.family, on) != then(p.family, g.Events[len(g.Events)-1].On)
	for _, f := range []struct {
		field string
		p     float64
	}{{"address", .7}, {"phone", .6}, {"email", .5}, {"insurance", .5}, {"given", .15}, {"family", .08}, {"middle", .15}, {"ssn", .2},
		{"birth", .08}, {"sex", .05}, {"suffix", .2}} {
		share := f.p
		switch {
		case f.field == "family" && renamed:
			share = .65
		case g.newborn && f.field == "given":
			share = .97
		case g.newborn && (f.field == "family" || f.field == "ssn"):
			share = .9
		}
		if chance(rnd, share) {
			g.take(f.field, &now)
		}
	}
	if now.Death != "" && chance(rnd, .6) {
		g.Death = now.Death
	}
	g.newborn = false
}

// localID returns the next local id of s: an affine walk over the seven-digit numbers, unique, not in order,
// begun elsewhere at each site. Past ten million a site's numbers grow a digit.
func (t *Town) localID(s Site) string {
	const numbers = 9_999_991
	begin := source(t.seed, "local ids "+s.ID).IntN(numbers)
	n := t.local[s.ID]
	t.local[s.ID]++
	id := fmt.Sprintf("%s%07d", s.prefix, (n%numbers*step+begin)%numbers)
	if lap := n / numbers; lap > 0 {
		id += fmt.Sprint(lap)
	}
	return id
}
