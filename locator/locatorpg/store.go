// Package locatorpg keeps pointers in PostgreSQL, in the shapes of migration 00040.
//
// What makes it right under concurrency are unique rows, not isolation: a publish inserts the claim of its
// document first and everything else in the same READ COMMITTED transaction, so of many publishers of one
// document exactly one stores it and the others answer from the claim's row. Locks are taken in one order:
// claims by their bytes, then pointers by id, then presence by kind.
//
// Source: spec scale-out sections 2 (rules), 4.2 (search), 4.3 (publish); DESIGN section 5.
package locatorpg

import (
	"context"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// A Store is a locator.Store in PostgreSQL.
type Store struct {
	db    *pg.DB
	kinds kindCache
	// publications of single documents share transactions.
	publications *pg.Group[*publication]
	// append writes audit events in a transaction.
	append func(ctx context.Context, q pg.Querier, events ...audit.Event) error
}

// New returns a Store in db whose changes are recorded in the audit trail beside it.
func New(db *pg.DB) *Store {
	s := &Store{db: db, kinds: kindCache{known: map[int64]locator.Kind{}}, append: auditpg.Append}
	s.publications = pg.NewGroup(pg.GroupLimits{Writers: 2, Weight: batch, Patience: publishPatience}, func(p *publication) int { return len(p.Documents) }, s.share)
	return s
}

// maxKinds bounds the cache; when it is full it begins anew. A network has some thousands of kinds; more come
// only from a publisher that invents codes.
const maxKinds = 1 << 16

// A kindCache remembers kinds. A kind never changes, so what is remembered stays true.
type kindCache struct {
	mu    sync.RWMutex
	known map[int64]locator.Kind
}

func (c *kindCache) get(id int64) (locator.Kind, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.known[id]
	return k, ok
}

func (c *kindCache) put(ks ...locator.Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known)+len(ks) > maxKinds {
		clear(c.known)
	}
	for _, k := range ks {
		c.known[k.ID] = k
	}
}

// A pointerScan reads pointers of one record, row after row, from the columns of pointerColumns.
type pointerScan struct {
	record hie.SourcePatientID
	p      locator.Pointer
	id     int64
	times  [6]*time.Time
	detail []byte
	dest   []any
}

// scanPointers returns a pointerScan of record; with received, the bytes received follow the columns.
func scanPointers(record hie.SourcePatientID, received bool) *pointerScan {
	s := &pointerScan{record: record}
	p, t := &s.p, &s.times
	s.dest = append(make([]any, 0, 21), &s.id, &p.SortAt, &p.Kind.ID, &p.Version, &p.Size, &p.Published, &p.Updated,
		&t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &p.Status, &p.Site, &p.Custodian, &p.Location.Endpoint, &p.Location.Path, &p.Hash, &s.detail)
	if received {
		s.dest = append(s.dest, &p.Received)
	}
	return s
}

// next reads one row. Kind holds only its ID.
func (s *pointerScan) next(r interface{ Scan(dest ...any) error }) (locator.Pointer, error) {
	s.p = locator.Pointer{Record: s.record}
	if err := r.Scan(s.dest...); err != nil {
		return locator.Pointer{}, err
	}
	p, t := &s.p, &s.times
	p.ID, p.Location.Site = hie.PointerID(s.id), p.Site
	p.SortAt, p.Published, p.Updated = p.SortAt.UTC(), p.Published.UTC(), p.Updated.UTC()
	p.Date, p.Creation, p.Period = span(t[0], t[1]), span(t[2], t[3]), span(t[4], t[5])
	err := decodeDetail(s.detail, p)
	return *p, err
}

func span(lo, hi *time.Time) locator.Span {
	var s locator.Span
	if lo != nil {
		s.Start = lo.UTC()
	}
	if hi != nil {
		s.End = hi.UTC()
	}
	return s
}

// bounds returns a span as its two columns: infinite where it is open, null where there is none.
func bounds(s locator.Span) (lo, hi any) {
	if s.IsZero() {
		return nil, nil
	}
	return boundOr(s.Start, "-infinity"), boundOr(s.End, "infinity")
}

func boundOr(t time.Time, open string) any {
	if t.IsZero() {
		return open
	}
	return t.UTC()
}
