package locator

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/concord-hie/concord/hie"
)

// The bounds of a search.
const (
	// MaxPage is the largest page Find gives.
	MaxPage = 500
	// inTurn is up to how many records are asked one after another; above, parallel at a time.
	inTurn   = 4
	parallel = 6
	// chunk is how many rows are read at a time where documents are decided one by one; it doubles up to
	// maxChunk.
	chunk    = 100
	maxChunk = 1600
)

// Find returns the page of at most limit pointers after cursor that f wants and plans permit, over all plans
// together. Documents of kinds permitted as a whole are selected by the store; those of row-dependent kinds are
// decided here before they take a place on the page. A record with nothing permitted is not asked. Each record
// costs one statement unless row-dependent decisions use up what was read.
//
// Source: spec scale-out 4.2 (one prepared statement for one source patient, merged here); DESIGN idea 4.
func (x *Index) Find(ctx context.Context, f Filter, plans []Plan, cursor Cursor, limit int) (Page, error) {
	limit = min(max(limit, 1), MaxPage)
	if cursor.Highest == 0 {
		cursor.Highest = hie.PointerID(x.ids.Next())
	}
	streams := make([]*stream, 0, len(plans))
	for _, p := range plans {
		if s := x.stream(f, p, cursor, limit+1, true); s != nil {
			streams = append(streams, s)
		}
	}
	if err := fillAll(ctx, streams); err != nil {
		return Page{}, fmt.Errorf("locator: find: %w", err)
	}
	found := 0
	for _, s := range streams {
		found += len(s.ready)
	}
	page := Page{Next: cursor, Pointers: make([]Pointer, 0, min(found, limit+1))}
	for len(page.Pointers) <= limit {
		best, err := newest(ctx, streams)
		if err != nil {
			return Page{}, fmt.Errorf("locator: find: %w", err)
		}
		if best == nil {
			break
		}
		page.Pointers = append(page.Pointers, best.take())
	}
	if len(page.Pointers) > limit {
		page.Pointers, page.More = page.Pointers[:limit], true
	}
	if n := len(page.Pointers); n > 0 {
		last := page.Pointers[n-1]
		page.Next = Cursor{SortAt: last.SortAt, ID: last.ID, Highest: cursor.Highest}
	}
	return page, nil
}

// Count returns how many pointers f wants and plans permit, as Find would give them over all pages from
// cursor's first one on.
func (x *Index) Count(ctx context.Context, f Filter, plans []Plan, cursor Cursor) (int64, error) {
	var total int64
	for _, p := range plans {
		if len(p.Kinds) > 0 {
			n, err := x.store.Count(ctx, p.Record, Query{Filter: f, Kinds: p.Kinds, After: Cursor{Highest: cursor.Highest}})
			if err != nil {
				return 0, fmt.Errorf("locator: count: %w", err)
			}
			total += n
		}
		rows := x.stream(f, Plan{Record: p.Record, PerRow: p.PerRow, Decide: p.Decide}, Cursor{Highest: cursor.Highest}, maxChunk, false)
		for rows != nil && !rows.done {
			if err := rows.fill(ctx); err != nil {
				return 0, fmt.Errorf("locator: count: %w", err)
			}
			total += int64(len(rows.ready))
			rows.ready = nil
		}
	}
	return total, nil
}

// A stream gives the permitted pointers of one record in order.
type stream struct {
	store  Store
	record hie.SourcePatientID
	query  Query
	perRow []int64
	decide func(Pointer) bool
	ready  []Pointer
	done   bool // nothing beyond ready
}

// stream returns the stream of one plan, nil when the plan permits nothing.
func (x *Index) stream(f Filter, p Plan, from Cursor, want int, received bool) *stream {
	perRow := p.PerRow
	if p.Decide == nil {
		perRow = nil
	}
	kinds := slices.Concat(p.Kinds, perRow)
	if len(kinds) == 0 {
		return nil
	}
	slices.Sort(kinds)
	s := &stream{store: x.store, record: p.Record, perRow: perRow, decide: p.Decide,
		query: Query{Filter: f, Kinds: slices.Compact(kinds), After: from, Limit: want, Received: received}}
	if len(perRow) > 0 {
		s.query.Limit = max(want, chunk)
	}
	return s
}

// fill reads on until something is ready or the record is exhausted.
func (s *stream) fill(ctx context.Context) error {
	for len(s.ready) == 0 && !s.done {
		rows, err := s.store.Rows(ctx, s.record, s.query)
		if err != nil {
			return err
		}
		s.done = len(rows) < s.query.Limit
		if n := len(rows); n > 0 {
			s.query.After.SortAt, s.query.After.ID = rows[n-1].SortAt, rows[n-1].ID
		}
		s.ready = rows
		if len(s.perRow) > 0 {
			s.ready = slices.DeleteFunc(rows, func(p Pointer) bool { return slices.Contains(s.perRow, p.Kind.ID) && !s.decide(p) })
			s.query.Limit = min(s.query.Limit*2, maxChunk)
		}
	}
	return nil
}

func (s *stream) take() Pointer {
	p := s.ready[0]
	s.ready = s.ready[1:]
	return p
}

// newest returns the stream whose next pointer comes first, nil when all are exhausted.
func newest(ctx context.Context, streams []*stream) (*stream, error) {
	var best *stream
	for _, s := range streams {
		if err := s.fill(ctx); err != nil {
			return nil, err
		}
		if len(s.ready) > 0 && (best == nil || before(s.ready[0], best.ready[0])) {
			best = s
		}
	}
	return best, nil
}

// before reports whether a comes before b in an answer.
func before(a, b Pointer) bool {
	if c := a.SortAt.Compare(b.SortAt); c != 0 {
		return c > 0
	}
	return a.ID > b.ID
}

// fillAll fills streams for the first time: a few in turn, many in parallel under a bound.
func fillAll(ctx context.Context, streams []*stream) error {
	if len(streams) <= inTurn {
		for _, s := range streams {
			if err := s.fill(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *stream)
	var wg sync.WaitGroup
	for range min(parallel, len(streams)) {
		wg.Go(func() {
			for s := range next {
				if err := s.fill(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, s := range streams {
		next <- s
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}
