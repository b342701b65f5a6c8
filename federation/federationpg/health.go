package federationpg

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Health keeps what calling the sites was like. Observe and Published only count in memory; [Health.Watch] writes, off the
// path of requests, rows that are this run's alone. What a node counted in its last seconds is lost when it is killed.
type Health struct {
	db   *pg.DB
	node int64

	mu     sync.Mutex
	counts map[minuteKey]*kept
	// answered and published are when a site last did, where that is news.
	answered, published map[hie.SiteID]time.Time
}

type minuteKey struct {
	site      hie.SiteID
	operation federation.Operation
	minute    time.Time
}

// kept is what was counted in a minute, and how much of that is written.
type kept struct{ now, written federation.Tally }

// NewHealth returns Health in db. node is a number no other run of a node has.
func NewHealth(db *pg.DB, node int64) *Health {
	return &Health{db: db, node: node, counts: map[minuteKey]*kept{}, answered: map[hie.SiteID]time.Time{}, published: map[hie.SiteID]time.Time{}}
}

// Observe counts c.
func (h *Health) Observe(c federation.Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := minuteKey{c.Site, c.Operation, c.Ended.UTC().Truncate(time.Minute)}
	t := h.counts[key]
	if t == nil {
		t = &kept{}
		h.counts[key] = t
	}
	before := t.now.Answered
	t.now.Add(c)
	if t.now.Answered > before {
		later(h.answered, c.Site, c.Ended)
	}
}

// Published notes that site published at an instant.
func (h *Health) Published(site hie.SiteID, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	later(h.published, site, at)
}

func later(m map[hie.SiteID]time.Time, site hie.SiteID, at time.Time) {
	if at.After(m[site]) {
		m[site] = at
	}
}

// counted is one row to write.
type counted struct {
	minuteKey
	federation.Tally
}

// Flush writes what was counted. A minute that is over is forgotten once it is written, or after ten when it cannot be.
func (h *Health) Flush(ctx context.Context, now time.Time) error {
	h.mu.Lock()
	rows := make([]counted, 0, len(h.counts))
	for key, t := range h.counts {
		if t.now != t.written {
			rows = append(rows, counted{key, t.now})
		}
		if over := now.Sub(key.minute); over > 10*time.Minute || over > 2*time.Minute && t.now == t.written {
			delete(h.counts, key)
		}
	}
	answered, published := h.answered, h.published
	h.answered, h.published = map[hie.SiteID]time.Time{}, map[hie.SiteID]time.Time{}
	h.mu.Unlock()
	err := h.write(ctx, rows, answered, published)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		for site, at := range answered {
			later(h.answered, site, at)
		}
		for site, at := range published {
			later(h.published, site, at)
		}
		return fmt.Errorf("federationpg: flush: %w", err)
	}
	for _, r := range rows {
		if t := h.counts[r.minuteKey]; t != nil {
			t.written = r.Tally
		}
	}
	return nil
}

func (h *Health) write(ctx context.Context, rows []counted, answered, published map[hie.SiteID]time.Time) error {
	for len(rows) > 0 {
		n := batches[slices.IndexFunc(batches, func(size int) bool { return size <= len(rows) })]
		args := []any{h.node}
		var values strings.Builder
		for i, r := range rows[:n] {
			if i > 0 {
				values.WriteString(", ")
			}
			values.WriteString("($1")
			took := r.Took[:]
			for len(took) > 0 && took[len(took)-1] == 0 {
				took = took[:len(took)-1]
			}
			for _, v := range []any{string(r.site), string(r.operation), r.minute, r.Answered, r.Refused, r.Failed, r.Late, r.Skipped, pg.ArrayText(took)} {
				args = append(args, v)
				values.WriteString(", $" + strconv.Itoa(len(args)))
			}
			values.WriteString("::bigint[])")
		}
		if _, err := h.db.Exec(ctx, `
			insert into federation.site_minute (node, site_id, operation, minute, answered, refused, failed, late, skipped, took)
			values `+values.String()+`
			on conflict (site_id, minute, operation, node) do update set answered = excluded.answered, refused = excluded.refused,
				failed = excluded.failed, late = excluded.late, skipped = excluded.skipped, took = excluded.took`, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	for _, last := range []struct {
		sites map[hie.SiteID]time.Time
		query string
	}{
		{answered, `insert into federation.site_state as s (site_id, state, since, last_answer) values ($1, 'quiet', $2, $2)
			on conflict (site_id) do update set last_answer = greatest(s.last_answer, excluded.last_answer)`},
		{published, `insert into federation.site_state as s (site_id, state, since, last_publish) values ($1, 'quiet', $2, $2)
			on conflict (site_id) do update set last_publish = greatest(s.last_publish, excluded.last_publish)`},
	} {
		for site, at := range last.sites {
			if _, err := h.db.Exec(ctx, last.query, string(site), at); err != nil {
				return err
			}
		}
	}
	return nil
}

// Follow brings the stored state of each site in step with what was counted. Any node may do it at any time.
func (h *Health) Follow(ctx context.Context, n *directory.Network, now time.Time) error {
	counts, err := h.Counts(ctx, "", now.Add(-federation.StateWindow))
	if err != nil {
		return err
	}
	held, err := h.Conditions(ctx)
	if err != nil {
		return err
	}
	for site, state := range federation.Judge(n, counts, now) {
		if held[site].State == state {
			continue
		}
		if _, err := h.db.Exec(ctx, `
			insert into federation.site_state as s (site_id, state, since) values ($1, $2, $3)
			on conflict (site_id) do update set state = excluded.state, since = excluded.since where s.state <> excluded.state`,
			string(site), string(state), now); err != nil {
			return fmt.Errorf("federationpg: follow: %w", err)
		}
	}
	return nil
}

// Counts implements federation.HealthStore.
func (h *Health) Counts(ctx context.Context, site hie.SiteID, from time.Time) ([]federation.Count, error) {
	query, args := `select site_id, operation, minute, answered, refused, failed, late, skipped, took from federation.site_minute
		where minute >= $1`, []any{from}
	if site != "" {
		query, args = `select site_id, operation, minute, answered, refused, failed, late, skipped, took from federation.site_minute
			where minute >= $1 and site_id = $2`, []any{from, string(site)}
	}
	out, err := pg.Collect(ctx, h.db, func(r *pg.Rows) (c federation.Count, err error) {
		var took []int64
		err = r.Scan(&c.Site, &c.Operation, &c.Minute, &c.Answered, &c.Refused, &c.Failed, &c.Late, &c.Skipped, pg.Array(&took))
		copy(c.Took[:], took)
		return c, err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("federationpg: counts: %w", err)
	}
	return out, nil
}

// Conditions implements federation.HealthStore.
func (h *Health) Conditions(ctx context.Context) (map[hie.SiteID]federation.Condition, error) {
	type row struct {
		site hie.SiteID
		federation.Condition
	}
	rows, err := pg.Collect(ctx, h.db, func(r *pg.Rows) (c row, err error) {
		var answer, publish sql.NullTime
		err = r.Scan(&c.site, &c.State, &c.Since, &answer, &publish)
		c.LastAnswer, c.LastPublish = answer.Time, publish.Time
		return c, err
	}, `select site_id, state, since, last_answer, last_publish from federation.site_state`)
	if err != nil {
		return nil, fmt.Errorf("federationpg: conditions: %w", err)
	}
	out := make(map[hie.SiteID]federation.Condition, len(rows))
	for _, r := range rows {
		out[r.site] = r.Condition
	}
	return out, nil
}

// Sweep removes counts older than federation.SampleLife.
func (h *Health) Sweep(ctx context.Context, now time.Time) error {
	if _, err := h.db.Exec(ctx, `delete from federation.site_minute where minute < $1`, now.Add(-federation.SampleLife)); err != nil {
		return fmt.Errorf("federationpg: sweep: %w", err)
	}
	return nil
}

// flushEvery is how often counts are written, and with them the state of the sites.
const flushEvery = 5 * time.Second

// Watch writes what is counted and keeps the states of n's sites, until ctx ends; what was counted by then is written too.
func (h *Health) Watch(ctx context.Context, n func() *directory.Network, log *slog.Logger) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	last := ctx
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			var cancel context.CancelFunc
			last, cancel = context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
		case <-tick.C:
		}
		now := hie.Now()
		err := h.Flush(last, now)
		if err == nil && ctx.Err() == nil {
			err = h.Follow(ctx, n(), now)
		}
		if err == nil && ctx.Err() == nil && turn%120 == 0 {
			err = h.Sweep(ctx, now)
		}
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "how the sites are was not written down", "kind", err.Error())
		}
		if ctx.Err() != nil {
			return
		}
	}
}
