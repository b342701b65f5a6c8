package consent

import "time"

// Until returns the first instant after now from which an answer may differ by the passing of time alone: a wish, a
// period inside one, an emergency, a legal basis or a rule begins or ends, or a span of years after a death is over. The
// zero Time means never.
//
// Source: DESIGN idea 8 ("now means now"); spec consent, scenario 11.
func (d *Decider) Until(now time.Time) time.Time {
	t := turns{now: tickOf(now), next: forever}
	if ph := d.at(t.now); ph.to != forever {
		t.at(ph.to + 1)
	}
	for i := range d.dirs {
		c := &d.dirs[i]
		if c.shape == nil {
			continue
		}
		for n := range c.root.all {
			if s := n.scope.period; s != nil && !s.unreadable {
				t.at(s.from)
				if s.to != forever {
					t.at(s.to + 1)
				}
			}
		}
	}
	for i := range d.subject.Grants {
		g := &d.subject.Grants[i]
		t.time(g.At)
		t.time(g.Until)
		t.time(g.At.Add(d.env.Window()))
	}
	for i := range d.subject.Instruments {
		t.time(d.subject.Instruments[i].From)
		t.time(d.subject.Instruments[i].Until)
	}
	for i := range d.env.setup.Rules {
		r := &d.env.setup.Rules[i]
		t.time(r.Start)
		t.time(r.End)
		if r.Scope.DiedWithin > 0 && !d.subject.Died.IsZero() {
			t.time(d.subject.Died.UTC().AddDate(r.Scope.DiedWithin, 0, 0))
		}
	}
	if t.next == forever {
		return time.Time{}
	}
	return t.next.time()
}

// turns finds the next of many instants.
type turns struct{ now, next tick }

func (t *turns) at(m tick) {
	if m > t.now && m < t.next {
		t.next = m
	}
}

func (t *turns) time(m time.Time) {
	if !m.IsZero() {
		t.at(tickOf(m))
	}
}
