package federation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// A Whereabouts says that a site holds documents of a class about a person.
type Whereabouts struct {
	Site hie.SiteID
	// Class is the document class, "" when the documents have none.
	Class string
	// Count is how many current documents of it may be shown; one of several classes counts in each.
	Count int64
	// Newest is the largest SortAt among them, superseded ones included.
	Newest time.Time
	// Caveats are what goes with saying so in words, nil for nothing.
	Caveats []consent.Caveat
}

// Presence says where patient has documents and of what kinds, as far as actor may learn it: ordered by site and
// class, nil when there is nothing, or nothing that may be shown, or no such patient. It tells of the index alone: sites
// that do not publish are not asked. What it tells is recorded first.
func (x *Exchange) Presence(ctx context.Context, actor hie.Actor, q Query) ([]Whereabouts, error) {
	for range tries {
		out, err := x.presence(ctx, actor, q)
		if err == nil {
			return out, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, fmt.Errorf("federation: presence: %w", err)
		}
	}
	return nil, fmt.Errorf("federation: presence: rules did not come to rest: %w", hie.ErrUnavailable)
}

func (x *Exchange) presence(ctx context.Context, actor hie.Actor, q Query) ([]Whereabouts, error) {
	person, err := x.person(ctx, actor, q.Patient, q.Record)
	if absent(err) {
		return nil, x.record(ctx, present(x.queried(actor, q, nil, nil, nil)))
	}
	if err != nil {
		return nil, err
	}
	m, err := x.open(ctx, actor, person)
	if err != nil {
		return nil, err
	}
	held, err := x.presences(ctx, m)
	if err != nil {
		return nil, err
	}
	type place struct {
		site  hie.SiteID
		class string
	}
	sums := map[place]*Whereabouts{}
	add := func(site hie.SiteID, classes []string, n int64, newest time.Time, caveats []consent.Caveat) {
		if len(classes) == 0 {
			classes = []string{""}
		}
		for _, class := range classes {
			w := sums[place{site, class}]
			if w == nil {
				w = &Whereabouts{Site: site, Class: class}
				sums[place{site, class}] = w
			}
			w.Count += n
			if newest.After(w.Newest) {
				w.Newest = newest
			}
			w.Caveats = consent.Join(w.Caveats, caveats)
		}
	}
	l := m.plan(held)
	var total int64
	for _, h := range held {
		if r, whole := l.kinds[kindOf{h.Record, h.Kind.ID}]; whole && h.Current > 0 {
			add(h.Site, h.Kind.Classes, h.Current, h.Newest, m.caveats(r, documents(m.about(h.Record, h.Site, h.Kind), h.Kind)))
			total += h.Current
		}
	}
	singly := make([]locator.Plan, 0, len(l.plans))
	for _, p := range l.plans {
		if len(p.PerRow) > 0 {
			singly = append(singly, locator.Plan{Record: p.Record, PerRow: p.PerRow, Decide: p.Decide})
		}
	}
	if len(singly) > 0 {
		current := locator.Filter{Status: []locator.Status{locator.Current}}
		err := x.Holdings.All(ctx, current, singly, locator.Cursor{}, func(p locator.Pointer) bool {
			add(p.Site, p.Kind.Classes, 1, p.SortAt, m.caveats(l.entry(p).ruling, documents(m.whole(p), p.Kind)))
			total++
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	var out []Whereabouts
	found := Found{Total: total}
	for _, w := range sums {
		out = append(out, *w)
		found.Entries = append(found.Entries, Entry{Pointer: locator.Pointer{Kind: locator.Kind{Classes: []string{w.Class}}}})
	}
	for _, r := range l.kinds {
		found.Entries = append(found.Entries, Entry{ruling: r}) // what it rests on
	}
	slices.SortFunc(out, func(a, b Whereabouts) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Class, b.Class))
	})
	e := present(x.queried(actor, q, m, &found, l))
	for _, w := range out {
		for _, c := range w.Caveats {
			accompany(e.Detail, c)
		}
	}
	events := []audit.Event{e}
	if _, err := x.commit(ctx, m, events); err != nil {
		return nil, err
	}
	return out, nil
}

// present marks the event of a query as one that asked where documents are.
func present(e audit.Event) audit.Event {
	e.Detail["interaction"] = "presence"
	return e
}
