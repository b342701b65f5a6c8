package sim

import (
	"math/rand/v2"
	"time"
)

// How often a site's register goes astray and is put right, beside what its clerks write. The spec names the kinds of event and
// states no rates; these give about one wrong merge among thirty.
const (
	linksKept    = .15  // of second records not merged: linked to the first (A24) instead
	entered      = .03  // of second records: entered by mistake, and deleted (A29, A23)
	wrongMerges  = .008 // of pairs of relatives and namesakes at one site: merged (A40)
	noticed      = .80  // of wrong merges and links: undone (A37)
	movedOverlay = .50  // of overlays: noticed, and the number moved to whom it is now of (A43)
)

// feed adds to the events of a family's records what their sites do about duplicates, and what they get wrong about strangers. It
// draws from sources of its own, so that what was written down stays as it is.
//
// Source: spec simulator section 2, point 3; HL7 v2.5.1 chapter 3 (A23, A24, A29, A37, A40, A43).
func (t *Town) feed(out *Family, relations []relation) {
	if len(out.Records) == 0 {
		return
	}
	at := func(index int) *Registration { // a family's records are numbered through
		if i := index - out.Records[0].Index; i >= 0 && i < len(out.Records) {
			return &out.Records[i]
		}
		return nil
	}
	for i := range out.Records {
		g := &out.Records[i]
		rnd := source(t.seed, "feed", g.Index)
		if g.MergedInto != "" {
			continue
		}
		if g.Was != g.Person {
			g.moved(rnd)
			continue
		}
		if i == 0 {
			continue
		}
		first := &out.Records[i-1]
		if first.Person != g.Person || first.Site != g.Site || first.Was != first.Person || first.MergedInto != "" || first.deleted() {
			continue
		}
		switch x := rnd.Float64(); {
		case x < entered:
			g.delete(rnd)
		case x < entered+linksKept:
			if on, ok := later(rnd, 60, first, g); ok {
				g.Events = append(g.Events, Event{On: on, Trigger: "A24", State: g.state(), Other: first.state()})
			}
		}
	}
	for n, r := range relations {
		if r.a.ID < 0 || r.b.ID < 0 || r.kind == "institution" || r.kind == "reissued-phone" || r.kind == "identity-loan" {
			continue
		}
		rnd := source(t.seed, "wrong merge", r.a.ID, r.b.ID, n)
		for _, x := range r.a.records {
			for _, y := range r.b.records {
				if a, b := at(x.index), at(y.index); x.site == y.site && a != nil && b != nil && chance(rnd, wrongMerges) && a.whole() && b.whole() {
					b.mistaken(a, rnd)
				}
			}
		}
	}
}

// whole reports whether g is what it was when it was first written: neither merged, deleted, linked nor put over.
func (g *Registration) whole() bool {
	return g.MergedInto == "" && g.Was == g.Person && g.Events[len(g.Events)-1].Other == nil && !g.deleted()
}

func (g *Registration) deleted() bool {
	last := g.Events[len(g.Events)-1].Trigger
	return last == "A23" || last == "A29"
}

// later returns a day within days after the last event of each of gs, and whether it has come.
func later(rnd *rand.Rand, days int, gs ...*Registration) (time.Time, bool) {
	var on time.Time
	for _, g := range gs {
		if last := g.Events[len(g.Events)-1].On; last.After(on) {
			on = last
		}
	}
	on = on.AddDate(0, 0, 2+rnd.IntN(days))
	return on, on.Before(Today)
}

// delete ends a record that was entered by mistake, as it was begun: as a person's or as a patient's.
func (g *Registration) delete(rnd *rand.Rand) {
	on, ok := later(rnd, 14, g)
	if !ok {
		return
	}
	trigger := "A23"
	if g.Events[0].Trigger == "A28" {
		trigger = "A29"
	}
	g.Events = append(g.Events, Event{On: on, Trigger: trigger, State: g.state()})
}

// moved has the site notice that somebody else's data was put over g: the number goes to them.
func (g *Registration) moved(rnd *rand.Rand) {
	if on, ok := later(rnd, 90, g); ok && chance(rnd, movedOverlay) {
		g.Events = append(g.Events, Event{On: on, Trigger: "A43", State: g.state(), Former: g.Was})
	}
}

// mistaken merges g into into, another person's record, or links the two, and mostly undoes it when it is noticed. What was undone is sent
// anew.
func (g *Registration) mistaken(into *Registration, rnd *rand.Rand) {
	on, ok := later(rnd, 30, g, into)
	if !ok {
		return
	}
	trigger := "A40"
	if chance(rnd, .2) {
		trigger = "A24"
	}
	g.Events = append(g.Events, Event{On: on, Trigger: trigger, State: g.state(), Other: into.state(), Mistake: true})
	if trigger == "A40" {
		g.MergedInto = into.Local
	}
	undone, ok := later(rnd, 60, g)
	if !ok || !chance(rnd, noticed) {
		return
	}
	g.MergedInto = ""
	g.Events = append(g.Events, Event{On: undone, Trigger: "A37", State: g.state(), Other: into.state()},
		Event{On: undone, Trigger: "A08", State: g.state()})
}
