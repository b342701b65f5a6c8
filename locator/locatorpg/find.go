package locatorpg

import (
	"context"
	"math"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

const pointerColumns = `p.ptr_id, p.sort_at, p.kind, p.version, p.size, p.published, p.updated,
	p.date_lo, p.date_hi, p.creation_lo, p.creation_hi, nullif(p.period_lo, '-infinity'), nullif(p.period_hi, 'infinity'),
	p.status, p.site, p.custodian, p.endpoint, p.path, p.hash, p.detail`

// wanted is the condition all searches share: one record, permitted kinds, then a [locator.Filter]. $1 record,
// $2 kinds, $3 states, $4 highest id, $5 $6 whether and which ids, $7 $8 code clauses (clause number, term),
// $9 $10 name clauses (clause number, text), $11-$16 time clauses (clause number, field, four bounds). Clauses
// are grouped by their number: one alternative of each must hold. Every search with a filter is one statement text.
const wanted = `
	p.kind = any($2) and (cardinality($3::smallint[]) = 0 or p.status = any($3)) and p.ptr_id <= $4
	and (not $5::boolean or p.ptr_id = any($6::bigint[]))
	and (cardinality($7::integer[]) = 0 or not exists (
		select 1 from unnest($7::integer[], $8::bigint[]) as c (clause, term)
		group by clause having not bool_or(c.term = any(p.terms))))
	and (cardinality($9::integer[]) = 0 or not exists (
		select 1 from unnest($9::integer[], $10::text[]) as c (clause, needle)
		group by clause having not bool_or(strpos(p.names, c.needle) > 0)))
	and (cardinality($11::integer[]) = 0 or not exists (
		select 1 from unnest($11::integer[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], $16::timestamptz[])
			as c (clause, field, start_from, start_before, end_after, end_until)
		group by clause having not coalesce(bool_or(case c.field
			when 'date' then p.date_lo >= c.start_from and p.date_lo < c.start_before and p.date_hi > c.end_after and p.date_hi <= c.end_until
			when 'creation' then p.creation_lo >= c.start_from and p.creation_lo < c.start_before and p.creation_hi > c.end_after and p.creation_hi <= c.end_until
			when 'period' then p.period_lo >= c.start_from and p.period_lo < c.start_before and p.period_hi > c.end_after and p.period_hi <= c.end_until
			end), false)))`

// The body is read by its key, one lookup a row of the page: joined, the planner would at times read all bodies
// of a patient with many documents for a page of them.
const (
	selectRows = `
		select ` + pointerColumns + `
		from locator.pointer p where p.sp_id = $1 and ` + wanted + `
			and (p.sort_at, p.ptr_id) < ($17::timestamptz, $18::bigint)
		order by p.sort_at desc, p.ptr_id desc limit $19`
	selectRowsReceived = `
		select ` + pointerColumns + `, (select b.received from locator.pointer_body b where b.sp_id = $1 and b.ptr_id = p.ptr_id)
		from locator.pointer p where p.sp_id = $1 and ` + wanted + `
			and (p.sort_at, p.ptr_id) < ($17::timestamptz, $18::bigint)
		order by p.sort_at desc, p.ptr_id desc limit $19`
	// selectRowsPlain is selectRowsReceived for a filter on states alone, which most searches are. Its plan is found
	// in a fraction of the time, and PostgreSQL makes the long one anew each time, since what it leaves out with known
	// parameters looks worth it.
	selectRowsPlain = `
		select ` + pointerColumns + `, (select b.received from locator.pointer_body b where b.sp_id = $1 and b.ptr_id = p.ptr_id)
		from locator.pointer p where p.sp_id = $1 and p.kind = any($2)
			and (cardinality($3::smallint[]) = 0 or p.status = any($3)) and p.ptr_id <= $4
			and (p.sort_at, p.ptr_id) < ($5::timestamptz, $6::bigint)
		order by p.sort_at desc, p.ptr_id desc limit $7`
	// selectCountPlain is for a filter on states alone: the index holds all it asks, so no row is visited.
	selectCountPlain = `
		select count(*) from locator.pointer p where p.sp_id = $1 and p.kind = any($2)
			and (cardinality($3::smallint[]) = 0 or p.status = any($3)) and p.ptr_id <= $4`
	selectCount = `select count(*) from locator.pointer p where p.sp_id = $1 and ` + wanted
	// selectMarks asks for one of some hashes by a join with their list, which is looked up by hashing however many
	// there are; $17 says whether they are asked for at all.
	selectMarks = `
		select p.ptr_id, p.sort_at, p.kind, p.size, p.hash
		from locator.pointer p where p.sp_id = $1 and ` + wanted + `
			and (not $17::boolean or p.hash in (select h from unnest($18::bytea[]) as h))`
	// selectMarksPlain is selectMarks for a filter on states alone.
	selectMarksPlain = `
		select p.ptr_id, p.sort_at, p.kind, p.size, p.hash
		from locator.pointer p where p.sp_id = $1 and p.kind = any($2)
			and (cardinality($3::smallint[]) = 0 or p.status = any($3)) and p.ptr_id <= $4
			and (not $5::boolean or p.hash in (select h from unnest($6::bytea[]) as h))`
)

// usualPage is how many pointers of one record there is room for before more is made.
const usualPage = 32

// Rows implements locator.Store.
func (s *Store) Rows(ctx context.Context, record hie.SourcePatientID, q locator.Query) ([]locator.Pointer, error) {
	query, args := selectRows, arguments(record, q)
	switch {
	case q.Received && q.Filter.OnlyStates():
		query, args = selectRowsPlain, args[:4]
	case q.Received:
		query = selectRowsReceived
	}
	var at any = "infinity"
	id := int64(math.MaxInt64)
	if q.After.ID != 0 {
		at, id = q.After.SortAt.UTC(), int64(q.After.ID)
	}
	rows, err := s.db.Query(ctx, query, append(args, at, id, q.Limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var ps []locator.Pointer
	for scan := scanPointers(record, q.Received); rows.Next(); {
		p, err := scan.next(rows)
		if err != nil {
			return nil, err
		}
		if ps == nil { // a pointer is large: most records fill no more
			ps = make([]locator.Pointer, 0, min(q.Limit, usualPage))
		}
		ps = append(ps, p)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if err := rows.Close(); err != nil { // kinds may be read next
		return nil, err
	}
	return ps, s.named(ctx, ps)
}

// Marks implements locator.Store.
func (s *Store) Marks(ctx context.Context, record hie.SourcePatientID, q locator.Query, hashes [][]byte) ([]locator.Pointer, error) {
	query, args := selectMarks, arguments(record, q)
	if q.Filter.OnlyStates() {
		query, args = selectMarksPlain, args[:4]
	}
	return pg.Collect(ctx, s.db, func(r *pg.Rows) (locator.Pointer, error) {
		p := locator.Pointer{Record: record}
		err := r.Scan((*int64)(&p.ID), &p.SortAt, &p.Kind.ID, &p.Size, &p.Hash)
		p.SortAt = p.SortAt.UTC()
		return p, err
	}, query, append(args, hashes != nil, pg.Array(hashes))...)
}

// Count implements locator.Store.
func (s *Store) Count(ctx context.Context, record hie.SourcePatientID, q locator.Query) (int64, error) {
	var n int64
	query, args := selectCount, arguments(record, q)
	if q.Filter.OnlyStates() {
		query, args = selectCountPlain, args[:4]
	}
	err := s.db.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

// arguments returns the parameters of wanted.
func arguments(record hie.SourcePatientID, q locator.Query) []any {
	f := q.Filter
	states := make([]int64, len(f.Status))
	for i, st := range f.Status {
		states[i] = int64(st)
	}
	highest := int64(q.After.Highest)
	if highest == 0 {
		highest = math.MaxInt64
	}
	ids := []int64{}
	for _, ref := range f.IDs {
		if ref.Record == record {
			ids = append(ids, int64(ref.ID))
		}
	}
	codeClause, terms := []int64{}, []int64{}
	for i, c := range f.Codes {
		for _, m := range c.Any {
			codeClause, terms = append(codeClause, int64(i)), append(terms, m.Term(c.Field))
		}
	}
	nameClause, needles := []int64{}, []string{}
	for i, c := range f.Names {
		for _, m := range c.Any {
			nameClause, needles = append(nameClause, int64(i)), append(needles, m.Needle(c.Field))
		}
	}
	timeClause, fields := []int64{}, []string{}
	var limits [4][]string
	for i := range limits {
		limits[i] = []string{}
	}
	for i, c := range f.Times {
		for _, b := range c.Any {
			timeClause, fields = append(timeClause, int64(i)), append(fields, string(c.Field))
			for j, l := range []string{limit(b.StartFrom, "-infinity"), limit(b.StartBefore, "infinity"), limit(b.EndAfter, "-infinity"), limit(b.EndUntil, "infinity")} {
				limits[j] = append(limits[j], l)
			}
		}
	}
	return []any{int64(record), numbers(q.Kinds), states, highest, f.IDs != nil, ids, codeClause, terms, nameClause, needles,
		timeClause, fields, limits[0], limits[1], limits[2], limits[3]}
}

func limit(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

// Presence implements locator.Store.
func (s *Store) Presence(ctx context.Context, records []hie.SourcePatientID) ([]locator.Presence, error) {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = int64(r)
	}
	out, err := pg.Collect(ctx, s.db, func(r *pg.Rows) (locator.Presence, error) {
		var p locator.Presence
		err := r.Scan((*int64)(&p.Record), &p.Site, &p.Count, &p.Current, &p.Newest, &p.Kind.ID)
		p.Newest = p.Newest.UTC()
		return p, err
	}, `
		select sp_id, site, count, current, newest, kind from locator.presence
		where sp_id = any($1) and count > 0 order by sp_id, kind`, pg.Few(ids))
	if err != nil {
		return nil, err
	}
	kinds := make([]*locator.Kind, len(out))
	for i := range out {
		kinds[i] = &out[i].Kind
	}
	return out, s.fill(ctx, kinds)
}

// Read implements locator.Store.
func (s *Store) Read(ctx context.Context, ref locator.Ref) (locator.Pointer, error) {
	p, err := readPointer(ctx, s.db, selectPointer, ref)
	if err != nil {
		return locator.Pointer{}, err
	}
	one := []locator.Pointer{p}
	err = s.named(ctx, one)
	return one[0], err
}

const (
	selectPointer = `
		select ` + pointerColumns + `, (select b.received from locator.pointer_body b where b.sp_id = $1 and b.ptr_id = $2)
		from locator.pointer p where p.sp_id = $1 and p.ptr_id = $2`
	selectPointerForUpdate = selectPointer + ` for update of p`
	selectPointerForShare  = selectPointer + ` for share of p`
)

func readPointer(ctx context.Context, q pg.Querier, query string, ref locator.Ref) (locator.Pointer, error) {
	return scanPointers(ref.Record, true).next(q.QueryRow(ctx, query, int64(ref.Record), int64(ref.ID)))
}
