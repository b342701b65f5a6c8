package federation

import (
	"context"
	"slices"
	"sync"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// A lot is what of a person's indexed documents may be read, and what was decided on the way.
type lot struct {
	plans []locator.Plan
	// held is how many documents of kinds that may be read each plan's record has, in the order of plans.
	held []int64
	// all and current are how many documents of kinds permitted as a whole there are, and how many of them are current.
	all, current int64
	kinds        map[kindOf]ruling // of kinds permitted as a whole

	mu sync.Mutex // the locator may decide documents of several records at once
	// single are the rulings on documents decided one by one, withheld counts what may not be shown: documents of
	// kinds not permitted, whatever was sought, and single documents met in the search.
	single   map[locator.Ref]ruling
	withheld int
	refusals ruling
	// named are the classes of what is withheld that may be told.
	named []string
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
			if h.Current > 0 {
				l.name(m, documents(m.about(h.Record, h.Site, h.Kind), h.Kind))
			}
			continue
		}
		at := slices.IndexFunc(l.plans, func(p locator.Plan) bool { return p.Record == h.Record })
		if at < 0 {
			at = len(l.plans)
			l.plans = append(l.plans, locator.Plan{Record: h.Record, Decide: func(p locator.Pointer) bool { return l.decide(m, p) }})
			l.held = append(l.held, 0)
		}
		l.held[at] += h.Count
		if r.perRow {
			l.plans[at].PerRow = append(l.plans[at].PerRow, h.Kind.ID)
			continue
		}
		l.plans[at].Kinds = append(l.plans[at].Kinds, h.Kind.ID)
		l.all, l.current = l.all+h.Count, l.current+h.Current
		l.kinds[kindOf{h.Record, h.Kind.ID}] = r
	}
	return l
}

func (l *lot) refuse(r ruling, n int) {
	l.withheld += n
	l.refusals.reasons = append(l.refusals.reasons, r.reasons...)
	l.refusals.ground = append(l.refusals.ground, r.ground...)
}

// name notes the classes of a document or kind that is withheld, if each of them may be told.
func (l *lot) name(m *matter, parts []consent.Document) {
	var classes []string
	for _, d := range parts {
		if !m.env.NamesWithheld(d) {
			return
		}
		classes = append(classes, d.Class)
	}
	l.named = append(l.named, classes...)
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
			l.name(m, documents(m.whole(p), p.Kind))
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
// longer one is looked over for documents held twice and then read for the page alone.
const exact = 100

// read puts the page together from the index and from what live sites told.
func (x *Exchange) read(ctx context.Context, m *matter, q Query, l *lot, told live) (Found, error) {
	if len(told.entries) == 0 && len(l.plans) <= 1 {
		return x.single(ctx, q, l)
	}
	if q.Filter.OnlyStates() && l.largest() > exact { // surely long
		return x.several(ctx, q, l, told)
	}
	first, err := x.Holdings.Find(ctx, q.Filter, l.plans, locator.Cursor{Highest: q.Cursor.Highest}, exact)
	if err != nil {
		return Found{}, err
	}
	if q.Cursor.Highest = max(first.Next.Highest, q.Cursor.Highest); first.More {
		return x.several(ctx, q, l, told)
	}
	return cut(collapse(append(entries(l, first.Pointers), told.entries...)), q, q.Cursor.Highest), nil
}

// largest returns the most that one record may be read of.
func (l *lot) largest() int64 {
	if len(l.held) == 0 {
		return 0
	}
	return slices.Max(l.held)
}

// known returns how many documents f finds at the beginning of an answer, if what is kept about presence says so: when
// all kinds are permitted as a whole and nothing but states is asked for. It is as true as a count made at that moment.
func (l *lot) known(f locator.Filter) (int64, bool) {
	if !f.OnlyStates() || slices.ContainsFunc(l.plans, func(p locator.Plan) bool { return len(p.PerRow) > 0 }) {
		return 0, false
	}
	switch {
	case f.Status == nil:
		return l.all, true
	case slices.Equal(f.Status, []locator.Status{locator.Current}):
		return l.current, true
	default:
		return 0, false
	}
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
	if n, known := l.known(q.Filter); known && q.Cursor.IsZero() {
		f.Total = max(n, f.Total) // documents may have gone since presence was read
		return f, nil
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

// several pages a long answer of several records. The largest is paged through the index. Of the others no more is read
// than tells where their documents stand and whether the largest holds the same; what the page shows is then read whole.
func (x *Exchange) several(ctx context.Context, q Query, l *lot, told live) (Found, error) {
	large := slices.Index(l.held, l.largest())
	one := l.plans[large : large+1]
	limit := q.Limit
	if q.CountOnly {
		limit = 1
	}
	page, err := x.Holdings.Find(ctx, q.Filter, one, q.Cursor.Cursor, limit)
	if err != nil {
		return Found{}, err
	}
	highest := max(page.Next.Highest, q.Cursor.Highest)
	n, err := x.Holdings.Count(ctx, q.Filter, one, locator.Cursor{Highest: highest})
	if err != nil {
		return Found{}, err
	}
	small, shared, err := x.beside(ctx, q.Filter, l, large, told.entries, highest)
	if err != nil {
		return Found{}, err
	}
	// Of what is held twice, those that stand for a group take its place; the others are hidden.
	stands, hidden := map[locator.Ref]Entry{}, map[locator.Ref]bool{}
	var others []Entry
	for _, e := range collapse(append(slices.Clone(small), shared...)) {
		stands[e.Ref()] = e
		if e.Live || e.Record != one[0].Record {
			others = append(others, e)
		}
		for _, a := range e.Alternates {
			hidden[a.Ref()] = true
		}
	}
	f := Found{Total: n + int64(len(small)-len(hidden))}
	if q.CountOnly {
		return f, nil
	}
	for {
		for _, p := range page.Pointers {
			e, known := stands[p.Ref()]
			if !known {
				e = l.entry(p)
			}
			if e.Pointer = p; !hidden[p.Ref()] {
				f.Entries = append(f.Entries, e)
			}
		}
		if !page.More || len(f.Entries) >= q.Limit {
			break
		}
		limit = min(2*limit, locator.MaxPage)
		if page, err = x.Holdings.Find(ctx, q.Filter, one, page.Next, limit); err != nil {
			return Found{}, err
		}
	}
	for _, e := range others { // beyond what was read of the large record its own documents may come first
		if !after(e.Pointer, q.Cursor.Cursor) {
			continue
		}
		if !page.More || !after(e.Pointer, page.Next) {
			f.Entries = append(f.Entries, e)
		} else {
			f.More = true
		}
	}
	slices.SortFunc(f.Entries, func(a, b Entry) int { return before(a.Pointer, b.Pointer) })
	f.More = f.More || page.More
	if len(f.Entries) > q.Limit {
		f.Entries, f.More = f.Entries[:q.Limit:q.Limit], true
	}
	if k := len(f.Entries); k > 0 {
		f.Next.Cursor = locator.Cursor{SortAt: f.Entries[k-1].SortAt, ID: f.Entries[k-1].ID, Highest: highest}
	}
	return f, x.receive(ctx, l, highest, &f)
}

// beside returns marks of all documents beside the large record's, with what live sites told, and of those the large
// record holds that may be the same as one of them.
func (x *Exchange) beside(ctx context.Context, f locator.Filter, l *lot, large int, told []Entry, highest hie.PointerID) (small, shared []Entry, err error) {
	from := locator.Cursor{Highest: highest}
	marks, err := x.Holdings.Marks(ctx, f, slices.Concat(l.plans[:large], l.plans[large+1:]), from, nil)
	if err != nil {
		return nil, nil, err
	}
	small = append(entries(l, marks), told...)
	hashes := [][]byte{}
	for _, e := range small {
		if _, content := e.Same(); content != "" {
			hashes = append(hashes, e.Hash)
		}
	}
	twins, err := x.Holdings.Marks(ctx, f, l.plans[large:large+1], from, hashes)
	if err != nil {
		return nil, nil, err
	}
	shared = entries(l, twins)
	// A live site may tell of a document by the unique id it has in the index; two of the index never share one.
	named, err := x.named(ctx, f, l, highest, told)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range named {
		list := &small
		if e.Record == l.plans[large].Record {
			list = &shared
		}
		if i := slices.IndexFunc(*list, func(o Entry) bool { return o.Ref() == e.Ref() }); i >= 0 {
			(*list)[i] = e
		} else {
			*list = append(*list, e)
		}
	}
	return small, shared, nil
}

// named returns the documents of the index that have the unique id of one of told.
func (x *Exchange) named(ctx context.Context, f locator.Filter, l *lot, highest hie.PointerID, told []Entry) ([]Entry, error) {
	same := locator.CodeClause{Field: locator.FieldSame}
	for _, e := range told {
		if uid, _ := e.Same(); uid != "" {
			same.Any = append(same.Any, locator.CodeMatch{Code: uid, AnySystem: true})
		}
	}
	if len(same.Any) == 0 {
		return nil, nil
	}
	f.Codes = append(slices.Clone(f.Codes), same)
	var out []Entry
	err := x.Holdings.All(ctx, f, l.plans, locator.Cursor{Highest: highest}, func(p locator.Pointer) bool {
		out = append(out, l.entry(p))
		return true
	})
	return out, err
}

// receive reads those entries of a page, and their alternates, of which marks alone are known. One deleted meanwhile is
// left out.
func (x *Exchange) receive(ctx context.Context, l *lot, highest hie.PointerID, f *Found) error {
	var wanted []locator.Ref
	visit := func(do func(e *Entry)) {
		for i := range f.Entries {
			do(&f.Entries[i])
			for j := range f.Entries[i].Alternates {
				do(&f.Entries[i].Alternates[j])
			}
		}
	}
	visit(func(e *Entry) {
		if e.Received == nil {
			wanted = append(wanted, e.Ref())
		}
	})
	full := make(map[locator.Ref]locator.Pointer, len(wanted))
	for part := range slices.Chunk(wanted, locator.MaxPage) {
		page, err := x.Holdings.Find(ctx, locator.Filter{IDs: part}, l.plans, locator.Cursor{Highest: highest}, len(part))
		if err != nil {
			return err
		}
		for _, p := range page.Pointers {
			full[p.Ref()] = p
		}
	}
	visit(func(e *Entry) {
		if e.Received == nil {
			if p, still := full[e.Ref()]; still {
				e.Pointer = p
			}
		}
	})
	gone := func(e Entry) bool { return e.Received == nil }
	f.Entries = slices.DeleteFunc(f.Entries, gone)
	for i := range f.Entries {
		f.Entries[i].Alternates = slices.DeleteFunc(f.Entries[i].Alternates, gone)
	}
	return nil
}
