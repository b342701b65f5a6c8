package federationpg

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/go-json-experiment/json"
)

// Traces keeps how requests went, for a day. Keep only hands over; [Traces.Watch] writes, many a statement. What comes
// faster than it is written, or than TraceRate, is dropped and counted, and what a killed node had not written is lost.
type Traces struct {
	db      *pg.DB
	ids     *hie.IDs
	handed  chan hie.Traced
	dropped atomic.Int64
	// second and left are how many ordinary requests may still be kept in a second.
	second, left atomic.Int64
}

const (
	// TraceRate is how many ordinary requests a second a node keeps; those that asked a site, came from a page or failed
	// are kept beyond it.
	TraceRate = 50
	// TraceLife is how long they are kept, maxTraces how many at most, over all nodes.
	TraceLife = 24 * time.Hour
	maxTraces = 500_000
	// waiting is how many may wait to be written.
	waiting = 4096
)

// NewTraces returns Traces in db.
func NewTraces(db *pg.DB, ids *hie.IDs) *Traces {
	return &Traces{db: db, ids: ids, handed: make(chan hie.Traced, waiting)}
}

// Dropped is how many were not kept since the start.
func (t *Traces) Dropped() int64 { return t.dropped.Load() }

// Keep takes how a request went, unless there are too many. It returns at once.
func (t *Traces) Keep(r hie.Traced) {
	if !notable(r) && !t.allowed(r.Began.Unix()) {
		t.dropped.Add(1)
		return
	}
	select {
	case t.handed <- r:
	default:
		t.dropped.Add(1)
	}
}

// notable says that a request is worth following: it asked a site, came from a page, or failed.
func notable(r hie.Traced) bool {
	return r.Status >= 500 || slices.ContainsFunc(r.Spans, func(s hie.Span) bool { return s.Site != "" || s.Name == "page" })
}

func (t *Traces) allowed(second int64) bool {
	if now := t.second.Load(); second > now && t.second.CompareAndSwap(now, second) {
		t.left.Store(TraceRate)
	}
	return t.left.Add(-1) >= 0
}

// The stored form. It holds codes, names of the directory and routes, and no person.
type (
	traceJSON struct {
		ID       string     `json:"id"`
		Began    time.Time  `json:"began"`
		Took     int64      `json:"took_us"`
		Org      string     `json:"org,omitzero"`
		Client   string     `json:"client,omitzero"`
		Roles    []string   `json:"roles,omitzero"`
		Purposes []string   `json:"purposes,omitzero"`
		Status   int        `json:"status"`
		Spans    []spanJSON `json:"spans,omitzero"`
	}
	spanJSON struct {
		Name    string `json:"name"`
		Site    string `json:"site,omitzero"`
		After   int64  `json:"after_us"`
		Took    int64  `json:"took_us"`
		Outcome string `json:"outcome,omitzero"`
		Detail  string `json:"detail,omitzero"`
	}
)

func encodeTrace(r hie.Traced) ([]byte, error) {
	out := traceJSON{ID: r.ID, Began: r.Began, Took: r.Took.Microseconds(), Org: string(r.Organization), Client: string(r.Client), Roles: r.Roles, Status: r.Status}
	for _, p := range r.Purposes {
		out.Purposes = append(out.Purposes, string(p))
	}
	for _, s := range r.Spans {
		out.Spans = append(out.Spans, spanJSON{s.Name, string(s.Site), s.Began.Sub(r.Began).Microseconds(), s.Took.Microseconds(), s.Outcome, s.Detail})
	}
	return json.Marshal(out)
}

func decodeTrace(request string, body []byte) (hie.Traced, error) {
	var in traceJSON
	if err := json.Unmarshal(body, &in); err != nil {
		return hie.Traced{}, fmt.Errorf("federationpg: a stored trace cannot be read")
	}
	out := hie.Traced{Request: request, ID: in.ID, Began: in.Began, Took: time.Duration(in.Took) * time.Microsecond, Organization: hie.OrgID(in.Org),
		Client: hie.ClientID(in.Client), Roles: in.Roles, Status: in.Status}
	for _, p := range in.Purposes {
		out.Purposes = append(out.Purposes, hie.Purpose(p))
	}
	for _, s := range in.Spans {
		out.Spans = append(out.Spans, hie.Span{Name: s.Name, Site: hie.SiteID(s.Site), Began: in.Began.Add(time.Duration(s.After) * time.Microsecond),
			Took: time.Duration(s.Took) * time.Microsecond, Outcome: s.Outcome, Detail: s.Detail})
	}
	return out, nil
}

// maxSame is how many requests of one id are told of: callers choose their ids, and may use one again.
const maxSame = 20

// Of returns the requests that had an id, oldest first, at most 20; none is hie.ErrNotFound.
func (t *Traces) Of(ctx context.Context, request string) ([]hie.Traced, error) {
	out, err := pg.Collect(ctx, t.db, func(r *pg.Rows) (hie.Traced, error) {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return hie.Traced{}, err
		}
		return decodeTrace(request, body)
	}, `select body from federation.trace where request = $1 order by trace_id limit $2`, request, maxSame)
	if err == nil && len(out) == 0 {
		err = hie.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("federationpg: trace: %w", err)
	}
	return out, nil
}

// write stores traces, few statements for many.
func (t *Traces) write(ctx context.Context, all []hie.Traced) error {
	for len(all) > 0 {
		n := batches[slices.IndexFunc(batches, func(size int) bool { return size <= len(all) })]
		var values strings.Builder
		args := make([]any, 0, 4*n)
		for i, r := range all[:n] {
			body, err := encodeTrace(r)
			if err != nil {
				return err
			}
			if i > 0 {
				values.WriteString(", ")
			}
			values.WriteString("(")
			for j, v := range []any{t.ids.Next(), r.Request, r.Began.Add(r.Took), body} {
				if j > 0 {
					values.WriteString(", ")
				}
				args = append(args, v)
				values.WriteString("$" + strconv.Itoa(len(args)))
			}
			values.WriteString(")")
		}
		if _, err := t.db.Exec(ctx, `insert into federation.trace (trace_id, request, ended, body) values `+values.String(), args...); err != nil {
			return fmt.Errorf("federationpg: keep traces: %w", err)
		}
		all = all[n:]
	}
	return nil
}

// Sweep removes what is older than TraceLife, and the oldest beyond maxTraces.
func (t *Traces) Sweep(ctx context.Context, now time.Time) error {
	cut := now.Add(-TraceLife)
	var beyond []time.Time
	beyond, err := pg.Collect(ctx, t.db, func(r *pg.Rows) (at time.Time, err error) { return at, r.Scan(&at) },
		`select ended from federation.trace order by ended desc offset $1 limit 1`, maxTraces)
	if err == nil {
		if len(beyond) > 0 && beyond[0].After(cut) {
			cut = beyond[0]
		}
		_, err = t.db.Exec(ctx, `delete from federation.trace where ended <= $1`, cut)
	}
	if err != nil {
		return fmt.Errorf("federationpg: sweep traces: %w", err)
	}
	return nil
}

// writeEvery is how long what was kept may wait until it can be followed.
const writeEvery = 250 * time.Millisecond

// Watch writes what is kept until ctx ends, and what was kept by then.
func (t *Traces) Watch(ctx context.Context, log *slog.Logger) {
	tick, sweep := time.NewTicker(writeEvery), time.NewTicker(time.Minute)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			_ = t.write(last, t.take()) // lost then, as at a crash
			return
		case <-sweep.C:
			err = t.Sweep(ctx, hie.Now())
		case <-tick.C:
			err = t.write(ctx, t.take())
		}
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "how requests went was not written down", "kind", err.Error())
		}
	}
}

// take returns what waits to be written.
func (t *Traces) take() (out []hie.Traced) {
	for {
		select {
		case r := <-t.handed:
			out = append(out, r)
		default:
			return out
		}
	}
}
