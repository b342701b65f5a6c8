package rds

import (
	"context"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"golang.org/x/time/rate"
)

// A Limiter bounds how often something may happen under a name, over all nodes together. While Redis is gone each
// node bounds by itself, so n nodes allow n times as much.
//
// A node takes the events of a name that is in use in lots of a hundredth of a second's, so that not every one asks Redis.
// What it does not use soon is lost to the name: never more is allowed than the limit, and up to a lot a node less.
type Limiter struct {
	c     *Client
	space string
	limit redis_rate.Limit
	over  *redis_rate.Limiter
	lot   int

	mu    sync.Mutex
	taken map[string]lot
	local map[string]*rate.Limiter
}

// A lot is what is left of the events a node took under a name, and until when they may be used.
type lot struct {
	left  int
	until time.Time
}

// lotFor is how long a lot may be used. A name that is asked for less often has its events taken one by one.
const lotFor = 200 * time.Millisecond

// maxLocal bounds the names a node keeps lots of, and limiters without Redis; beyond it all begin anew.
const maxLocal = 10_000

// Limiter returns a limiter of perSecond events with the given burst, apart from those of other spaces.
func (c *Client) Limiter(space string, perSecond, burst int) *Limiter {
	return &Limiter{c: c, space: space, limit: redis_rate.Limit{Rate: perSecond, Burst: burst, Period: time.Second},
		over: redis_rate.NewLimiter(c.rdb), lot: max(1, perSecond/100), taken: map[string]lot{}, local: map[string]*rate.Limiter{}}
}

// Allow takes one event of name. When there is none left it says after how long there will be, at least one
// second.
func (l *Limiter) Allow(ctx context.Context, name string) (bool, time.Duration) {
	want := l.held(name)
	if want == 0 {
		return true, time.Second
	}
	if !l.c.resting() {
		call, cancel := quick(ctx)
		defer cancel()
		r, err := l.over.AllowAtMost(call, key(l.space, name), l.limit, want)
		if err == nil {
			l.hold(name, r.Allowed-1)
			return r.Allowed > 0, max(r.RetryAfter, time.Second)
		}
		l.c.failed(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.local[name]
	if own == nil {
		if len(l.local) >= maxLocal {
			clear(l.local)
		}
		own = rate.NewLimiter(rate.Limit(l.limit.Rate), l.limit.Burst)
		l.local[name] = own
	}
	return own.Allow(), time.Second
}

// held takes one event of name from what this node holds and returns 0, or says how many to take when there is none.
func (l *Limiter) held(name string) (want int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have, known := l.taken[name]
	switch {
	case !known || time.Now().After(have.until):
		return 1
	case have.left == 0:
		return l.lot
	}
	have.left--
	l.taken[name] = have
	return 0
}

// hold keeps more events of name beside those held.
func (l *Limiter) hold(name string, more int) {
	if l.lot == 1 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	have, known := l.taken[name]
	if !known && len(l.taken) >= maxLocal {
		clear(l.taken)
	}
	if now.After(have.until) {
		have.left = 0
	}
	l.taken[name] = lot{left: have.left + max(0, more), until: now.Add(lotFor)}
}
