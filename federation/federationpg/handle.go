// Package federationpg keeps what live sites told in PostgreSQL, for the minutes in which a requester may page
// through it or retrieve from it.
package federationpg

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// Handles implements federation.Handles.
type Handles struct {
	db *pg.DB
}

// New returns Handles in db.
func New(db *pg.DB) *Handles { return &Handles{db: db} }

// batches are how many rows one statement may store: few sizes, so that few statements are prepared.
var batches = []int{100, 20, 5, 1}

// Keep stores docs, many a statement. A document told before keeps the time it was first told, unless that
// telling had expired.
func (h *Handles) Keep(ctx context.Context, docs []locator.Pointer, asked, expires time.Time) error {
	docs = each(docs)
	for len(docs) > 0 {
		n := batches[slices.IndexFunc(batches, func(size int) bool { return size <= len(docs) })]
		if err := h.keep(ctx, docs[:n], asked, expires); err != nil {
			return fmt.Errorf("federationpg: keep: %w", err)
		}
		docs = docs[n:]
	}
	return nil
}

// each returns docs with each handle once, since one statement must not touch a row twice, and in one order for all
// callers, so that none waits for another in a circle.
func each(docs []locator.Pointer) []locator.Pointer {
	seen := make(map[locator.Ref]bool, len(docs))
	out := make([]locator.Pointer, 0, len(docs))
	for _, d := range docs {
		if !seen[d.Ref()] {
			seen[d.Ref()] = true
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b locator.Pointer) int {
		return cmp.Or(cmp.Compare(a.Record, b.Record), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (h *Handles) keep(ctx context.Context, docs []locator.Pointer, asked, expires time.Time) error {
	args := []any{asked, expires}
	var values strings.Builder
	for i, d := range docs {
		if i > 0 {
			values.WriteString(", ")
		}
		n := len(args)
		values.WriteString("($" + strconv.Itoa(n+1) + ", $" + strconv.Itoa(n+2) + ", $" + strconv.Itoa(n+3) + ", $" + strconv.Itoa(n+4) + ", $1, $1, $2)")
		args = append(args, int64(d.Record), int64(d.ID), string(d.Site), d.Received)
	}
	_, err := h.db.Exec(ctx, `
		insert into federation.handle as kept (sp_id, handle_id, site_id, received, first_at, asked_at, expires_at)
		values `+values.String()+`
		on conflict (sp_id, handle_id) do update set
			site_id = excluded.site_id,
			received = excluded.received,
			first_at = case when kept.expires_at > excluded.asked_at then kept.first_at else excluded.first_at end,
			asked_at = greatest(kept.asked_at, excluded.asked_at),
			expires_at = greatest(kept.expires_at, excluded.expires_at)`, args...)
	return err
}

// Kept implements federation.Handles. Each record costs one statement.
func (h *Handles) Kept(ctx context.Context, records []hie.SourcePatientID, asked, now time.Time) ([]federation.Told, error) {
	var out []federation.Told
	statement, args := `
		select sp_id, handle_id, site_id, received from federation.handle
		where sp_id = $1 and expires_at > $2 and first_at <= $3 and asked_at >= $3
		order by handle_id`, []any{int64(0), now, asked}
	if asked.IsZero() {
		statement, args = `
			select sp_id, handle_id, site_id, received from federation.handle
			where sp_id = $1 and expires_at > $2 order by handle_id`, args[:2]
	}
	for _, r := range records {
		args[0] = int64(r)
		told, err := pg.Collect(ctx, h.db, scan, statement, args...)
		if err != nil {
			return nil, fmt.Errorf("federationpg: kept: %w", err)
		}
		out = append(out, told...)
	}
	return out, nil
}

// Read implements federation.Handles.
func (h *Handles) Read(ctx context.Context, ref locator.Ref, now time.Time) (federation.Told, error) {
	told, err := pg.Collect(ctx, h.db, scan, `
		select sp_id, handle_id, site_id, received from federation.handle
		where sp_id = $1 and handle_id = $2 and expires_at > $3`, int64(ref.Record), int64(ref.ID), now)
	if err == nil && len(told) == 0 {
		err = hie.ErrNotFound
	}
	if err != nil {
		return federation.Told{}, fmt.Errorf("federationpg: read: %w", err)
	}
	return told[0], nil
}

// Sweep removes what expired before now and returns how many rows that were. It is run now and then, by any
// node; two at once do no harm.
func (h *Handles) Sweep(ctx context.Context, now time.Time) (int64, error) {
	n, err := h.db.Exec(ctx, `/* all shards: a sweep, off the hot path */
		delete from federation.handle where expires_at <= $1`, now)
	if err != nil {
		return 0, fmt.Errorf("federationpg: sweep: %w", err)
	}
	return n, nil
}

// Watch sweeps once a minute until ctx ends. What goes wrong is told to log, and tried again.
func (h *Handles) Watch(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n, err := h.Sweep(ctx, hie.Now()); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "what live sites told was not swept away", "kind", err.Error())
		} else if n > 0 {
			log.DebugContext(ctx, "swept away what live sites told", "n", n)
		}
	}
}

func scan(rows *pg.Rows) (federation.Told, error) {
	var t federation.Told
	var sp, id int64
	var site string
	err := rows.Scan(&sp, &id, &site, &t.Received)
	t.Ref = locator.Ref{Record: hie.SourcePatientID(sp), ID: hie.PointerID(id)}
	t.Site = hie.SiteID(site)
	return t, err
}
