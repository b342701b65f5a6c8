package rds

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// asked counts the commands that go to Redis.
type asked struct{ n atomic.Int64 }

func (a *asked) DialHook(next redis.DialHook) redis.DialHook { return next }
func (a *asked) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		a.n.Add(1)
		return next(ctx, cmd)
	}
}
func (a *asked) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestABusyNameIsAllowedInLotsAndNeverMoreThanItsLimit(t *testing.T) {
	for range 50 {
		if allowsInLots(t) {
			return
		}
	}
	t.Fatal("Redis never answered in time")
}

// allowsInLots reports false when a node found Redis too slow and bounded by itself: that says nothing.
func allowsInLots(t *testing.T) bool {
	server := miniredis.RunT(t)
	ctx := context.Background()
	var count asked
	const perSecond, burst, nodes, lot = 1000, 300, 3, 10
	var limits []*Limiter
	for range nodes {
		c, err := Open("redis://" + server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		c.rdb.AddHook(&count)
		limits = append(limits, c.Limiter("rl", perSecond, burst))
	}
	start, allowed, asks := time.Now(), 0, int64(0)
	for n := range 2 * burst {
		if ok, _ := limits[n%nodes].Allow(ctx, "client"); ok {
			allowed++
		}
		if n == burst/2 { // while all are still allowed
			asks = count.n.Load()
		}
	}
	took := time.Since(start)
	for _, l := range limits {
		if l.c.downUntil.Load() != 0 {
			return false
		}
	}
	expired := nodes * int(took/lotFor) // lots that a slow machine let lie too long, and which were taken anew
	if most := int64(burst/2/lot + 4*nodes + 2*expired); asks > most {
		t.Errorf("%d events asked Redis %d times, want at most %d", burst/2, asks, most)
	}
	refilled := int(took.Seconds()*perSecond) + 1
	if allowed > burst+refilled || allowed < burst-lot*(nodes+expired) {
		t.Errorf("%d nodes allowed %d, want the burst of %d, up to %d more for the time it took, and at most a lot a node less", nodes, allowed, burst, refilled)
	}
	return true
}

func TestAnIdleNameLosesNothingToLots(t *testing.T) {
	server := miniredis.RunT(t)
	c, err := Open("redis://" + server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	limit := c.Limiter("rl", 1000, 1000)
	for _, want := range []int{1, 10} { // the first is taken alone, the next as a lot since the name is in use
		if got := limit.held("client"); got != want {
			t.Errorf("%d are taken, want %d", got, want)
		}
		limit.hold("client", 0)
	}
	limit.hold("client", 7)
	limit.taken["client"] = lot{left: 7, until: time.Now().Add(-time.Millisecond)}
	if got := limit.held("client"); got != 1 {
		t.Errorf("of a lot whose time is over %d are used or taken, want one taken anew", got)
	}
}
