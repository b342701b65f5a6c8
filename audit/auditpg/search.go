package auditpg

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Search returns the events q selects, newest first, and whether there are more. Each record of the query is one
// index scan; shredded events say nothing and are left out.
func (l *Log) Search(ctx context.Context, q audit.Query) (events []audit.Event, more bool, err error) {
	if q.Limit < 1 {
		return nil, false, fmt.Errorf("auditpg: search: the limit must be positive")
	}
	if q.Before != "" && !isUUID(q.Before) {
		return nil, false, fmt.Errorf("auditpg: search: %w", hie.ErrNotFound)
	}
	args := append(bounds(q), optional(q.Kinds), optional(q.Outcomes), optional(q.Organizations), column(q.User), q.Limit+1)
	if q.Records == nil {
		events, err = pg.Collect(ctx, l.db, scanEvent, searchAll, args...)
	}
	for _, r := range q.Records {
		var part []audit.Event
		if part, err = pg.Collect(ctx, l.db, scanEvent, searchRecord, append(args, int64(r))...); err != nil {
			break
		}
		events = append(events, part...)
	}
	if err != nil {
		return nil, false, fmt.Errorf("auditpg: search: %w", err)
	}
	slices.SortFunc(events, func(a, b audit.Event) int { return compareIDs(b, a) })
	events = slices.CompactFunc(events, func(a, b audit.Event) bool { return a.ID == b.ID })
	if len(events) > q.Limit {
		return events[:q.Limit:q.Limit], true, nil
	}
	return events, false, nil
}

func compareIDs(a, b audit.Event) int {
	switch {
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}

// searchFilter are the conditions both searches share. Ids order by time, so the key bounds the scan.
const searchFilter = `
	e.body is not null and e.recorded >= $3 and e.recorded < $4
	and ($5::text[] is null or e.kind = any($5)) and ($6::text[] is null or e.outcome = any($6))
	and ($7::text[] is null or e.org_id = any($7)) and ($8 = '' or e.user_id = $8)`

const searchAll = `
	select e.body from audit.event e
	where e.id >= $1 and e.id < $2 and ` + searchFilter + `
	order by e.id desc limit $9`

const searchRecord = `
	select e.body from audit.event_record r join audit.event e on e.id = r.event_id
	where r.sp_id = $10 and r.event_id >= $1 and r.event_id < $2 and ` + searchFilter + `
	order by r.event_id desc limit $9`

// The first and last times searched when a bound is missing.
var (
	earliest = time.Unix(0, 0).UTC()
	latest   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

// bounds returns the ids between which events lie, then their times.
func bounds(q audit.Query) []any {
	from, to := q.From.UTC(), q.To.UTC()
	if from.Before(earliest) {
		from = earliest
	}
	if q.To.IsZero() || to.After(latest) {
		to = latest
	}
	before := firstID(to.Add(time.Millisecond))
	if q.Before != "" {
		before = min(before, q.Before)
	}
	return []any{firstID(from), before, from, to}
}

// firstID returns the smallest UUID whose time is t's millisecond.
func firstID(t time.Time) string {
	ms := fmt.Sprintf("%012x", max(t.UnixMilli(), 0))
	return ms[:8] + "-" + ms[8:] + "-0000-0000-000000000000"
}

// optional returns values as text, nil (any) for nil; an empty slice selects nothing.
func optional[T ~string](values []T) []string {
	if values == nil {
		return nil
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = column(v)
	}
	return out
}

func scanEvent(r *pg.Rows) (audit.Event, error) {
	var b []byte
	if err := r.Scan(&b); err != nil {
		return audit.Event{}, err
	}
	return Decode(b)
}

// Event returns one event by its id, or hie.ErrNotFound.
func (l *Log) Event(ctx context.Context, id string) (audit.Event, error) {
	if !isUUID(id) {
		return audit.Event{}, fmt.Errorf("auditpg: event: %w", hie.ErrNotFound)
	}
	var b []byte
	if err := l.db.QueryRow(ctx, `select body from audit.event where id = $1 and body is not null`, id).Scan(&b); err != nil {
		return audit.Event{}, fmt.Errorf("auditpg: event: %w", err)
	}
	return Decode(b)
}
