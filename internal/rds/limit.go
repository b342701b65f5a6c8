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
type Limiter struct {
	c     *Client
	space string
	limit redis_rate.Limit
	over  *redis_rate.Limiter

	mu    sync.Mutex
	local map[string]*rate.Limiter
}

// maxLocal bounds the limiters a node keeps without Redis; beyond it all begin anew.
const maxLocal = 10_000

// Limiter returns a limiter of perSecond events with the given burst, apart from those of other spaces.
func (c *Client) Limiter(space string, perSecond, burst int) *Limiter {
	return &Limiter{c: c, space: space, limit: redis_rate.Limit{Rate: perSecond, Burst: burst, Period: time.Second},
		over: redis_rate.NewLimiter(c.rdb), local: map[string]*rate.Limiter{}}
}

// Allow takes one event of name. When there is none left it says after how long there will be, at least one
// second.
func (l *Limiter) Allow(ctx context.Context, name string) (bool, time.Duration) {
	if !l.c.resting() {
		call, cancel := quick(ctx)
		defer cancel()
		r, err := l.over.Allow(call, key(l.space, name), l.limit)
		if err == nil {
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
