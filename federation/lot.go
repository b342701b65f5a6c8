package federation

import (
	"context"
	"slices"
	"sync"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// A lot is what of a person's indexed documents may be read, and what was decided on the way.
type lot struct {
	plans []locator.Plan
	kinds map[kindOf]ruling // of kinds permitted as a whole

	mu sync.Mutex // the locator may decide documents of several records at once
	// single are the rulings on documents decided one by one, withheld counts what may not be shown: documents of
	// kinds not permitted, whatever was sought, and single documents met in the search.
	single   map[locator.Ref]ruling
	withheld int
	refusals ruling
}

type kindOf struct {
	record hie.SourcePatientID
	kind   int64
}

// plan decides which kinds of what is held may be read, and which must be decided document by document.
func (m *matter) plan(held []locator.Presence) *lot {
	l := &lot{kinds: map[kindOf]ruling{}, single: map[locator.Ref]ruling{}}
	for _, h := range held {
		if _, member := (mpi.Person{Members: m.members}).Member(h.Record); !member || h.Count == 0 {
			continue
		}
		r := m.kind(h.Record, h.Site, h.Kind)
		if !r.release && !r.perRow {
			r.ground = m.grounds(documents(m.about(h.Record, h.Site, h.Kind), h.Kind))
			l.refuse(r, int(h.Count))
			continue
		}
		at := slices.IndexFunc(l.plans, func(p locator.Plan) bool { return p.Record == h.Record })
		if at < 0 {
			at = len(l.plans)
			l.plans = append(l.plans, locator.Plan{Record: h.Record, Decide: func(p locator.Pointer) bool { return l.decide(m, p) }})
		}
		if r.perRow {
			l.plans[at].PerRow = append(l.plans[at].PerRow, h.Kind.ID)
			continue
		}
		l.plans[at].Kinds = append(l.plans[at].Kinds, h.Kind.ID)
		l.kinds[kindOf{h.Record, h.Kind.ID}] = r
	}
	return l
}

func (l *lot) refuse(r ruling, n int) {
	l.withheld += n
	l.refusals.reasons = append(l.refusals.reasons, r.reasons...)
	l.refusals.ground = append(l.refusals.ground, r.ground...)
}

// decide decides p and remembers it, so that a document read twice is counted once.
func (l *lot) decide(m *matter, p locator.Pointer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, done := l.single[p.Ref()]
	if !done {
		r = m.document(p)
		l.single[p.Ref()] = r
		if !r.release {
			l.refuse(r, 1)
		}
	}
	return r.release
}

// entry makes the entry of a permitted document of the index.
func (l *lot) entry(p locator.Pointer) Entry {
	r, whole := l.kinds[kindOf{p.Record, p.Kind.ID}]
	if !whole {
		l.mu.Lock()
		r = l.single[p.Ref()]
		l.mu.Unlock()
	}
	return Entry{Pointer: p, Obligations: r.told(), ruling: r}
}

// exact is up to how many documents an answer of several records is put together in memory from its beginning; a
// longer one is looked over once for documents held twice and then read for the page alone.
const exact = 100

// read puts the page together from the index and from what live sites told.
func (x *Exchange) read(ctx context.Context, m *matter, q Query, l *lot, told live) (Found, error) {
	if len(told.entries) == 0 && len(l.plans) <= 1 {
		return x.single(ctx, q, l)
	}
	first, err := x.Holdings.Find(ctx, q.Filter, l.plans, locator.Cursor{Highest: q.Cursor.Highest}, exact)
	if err != nil {
		return Found{}, err
	}
	highest := max(first.Next.Highest, q.Cursor.Highest)
	if first.More {
		return x.several(ctx, q, l, told, highest)
	}
	return cut(collapse(append(entries(l, first.Pointers), told.entries...)), q, highest), nil
}

// single pages the answer of one record, which holds nothing twice: the index does the work.
func (x *Exchange) single(ctx context.Context, q Query, l *lot) (Found, error) {
	if len(l.plans) == 0 {
		return Found{}, nil
	}
	f := Found{}
	highest := q.Cursor.Highest
	if !q.CountOnly {
		page, err := x.Holdings.Find(ctx, q.Filter, l.plans, q.Cursor.Cursor, q.Limit)
		if err != nil {
			return Found{}, err
		}
		f.Entries, f.More, f.Next.Cursor = entries(l, page.Pointers), page.More, page.Next
		f.Total = int64(len(f.Entries))
		if q.Cursor.IsZero() && !f.More {
			return f, nil
		}
		highest = max(highest, page.Next.Highest)
	}
	var err error
	f.Total, err = x.Holdings.Count(ctx, q.Filter, l.plans, locator.Cursor{Highest: highest})
	return f, err
}

func entries(l *lot, ps []locator.Pointer) []Entry {
	var out []Entry
	for _, p := range ps {
		out = append(out, l.entry(p))
	}
	return out
}

// cut returns the page of all, which is complete, collapsed and in order.
func cut(all []Entry, q Query, highest hie.PointerID) Found {
	f := Found{Total: int64(len(all))}
	if q.CountOnly {
		return f
	}
	start := slices.IndexFunc(all, func(e Entry) bool { return after(e.Pointer, q.Cursor.Cursor) })
	if start < 0 {
		return f
	}
	page := all[start:]
	if len(page) > q.Limit {
		page, f.More = page[:q.Limit:q.Limit], true
		last := page[q.Limit-1].Pointer
		f.Next.Cursor = locator.Cursor{SortAt: last.SortAt, ID: last.ID, Highest: highest}
	}
	f.Entries = page
	return f
}

// several pages a long answer of several records: all of it is looked over for documents held twice, and the
// received bytes are read for the page alone.
func (x *Exchange) several(ctx context.Context, q Query, l *lot, told live, highest hie.PointerID) (Found, error) {
	all := slices.Clone(told.entries)
	err := x.Holdings.All(ctx, q.Filter, l.plans, locator.Cursor{Highest: highest}, func(p locator.Pointer) bool {
		all = append(all, l.entry(p))
		return true
	})
	if err != nil {
		return Found{}, err
	}
	f := cut(collapse(all), q, highest)
	wanted := locator.Filter{IDs: []locator.Ref{}}
	for _, e := range f.Entries {
		if !e.Live {
			wanted.IDs = append(wanted.IDs, e.Ref())
		}
	}
	if len(wanted.IDs) == 0 {
		return f, nil
	}
	page, err := x.Holdings.Find(ctx, wanted, l.plans, locator.Cursor{Highest: highest}, len(wanted.IDs))
	if err != nil {
		return Found{}, err
	}
	full := make(map[locator.Ref]locator.Pointer, len(page.Pointers))
	for _, p := range page.Pointers {
		full[p.Ref()] = p
	}
	kept := f.Entries[:0]
	for _, e := range f.Entries {
		if p, ok := full[e.Ref()]; ok {
			e.Pointer = p
		} else if !e.Live {
			continue // deleted since it was looked over
		}
		kept = append(kept, e)
	}
	f.Entries = kept
	return f, nil
}
