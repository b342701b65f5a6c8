package rds_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/rds"
	"github.com/concord-hie/concord/internal/rds/rdstest"
)

// each runs f on the embedded Redis and on a real one.
func each(t *testing.T, f func(t *testing.T, s rdstest.Server, c *rds.Client)) {
	for _, k := range rdstest.Kinds {
		t.Run(k.Name, func(t *testing.T) {
			s := k.Start(t)
			f(t, s, rdstest.Open(t, s))
		})
	}
}

func TestOfManyCallersOnManyNodesExactlyOneIsFirst(t *testing.T) {
	each(t, func(t *testing.T, s rdstest.Server, _ *rds.Client) {
		var firsts atomic.Int64
		var wg sync.WaitGroup
		for range 3 {
			node := rdstest.Open(t, s)
			for range 100 {
				wg.Go(func() {
					first, _, err := node.Once(context.Background(), "jti", time.Minute, "client", "jti-1")
					if err != nil {
						t.Error(err)
					}
					if first {
						firsts.Add(1)
					}
				})
			}
		}
		wg.Wait()
		if n := firsts.Load(); n != 1 {
			t.Errorf("%d callers were first, want 1", n)
		}
	})
}

func TestOnceTellsClaimsApartAndForgetsThemInTime(t *testing.T) {
	each(t, func(t *testing.T, _ rdstest.Server, c *rds.Client) {
		ctx := context.Background()
		for _, parts := range [][]string{{"a", "b"}, {"ab", ""}, {"ab"}, {"", "ab"}, {"a", "b", ""}, nil} {
			if first, _, err := c.Once(ctx, "x", time.Minute, parts...); err != nil || !first {
				t.Errorf("%q: first = %v, %v; a list of its own must be free", parts, first, err)
			}
		}
		if first, _, err := c.Once(ctx, "y", time.Minute, "a", "b"); err != nil || !first {
			t.Errorf("another space: first = %v, %v", first, err)
		}
		if _, _, err := c.Once(ctx, "x", 0, "z"); err == nil {
			t.Error("a claim that never ends was accepted")
		}
	})
	s := rdstest.Real(t) // time passes by itself only on a real server
	c := rdstest.Open(t, s)
	if first, _, err := c.Once(context.Background(), "x", 50*time.Millisecond, "a"); err != nil || !first {
		t.Fatal(first, err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		if first, _, err := c.Once(context.Background(), "x", time.Minute, "a"); err == nil && first {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("a claim outlived its time to live")
}

func TestWithoutRedisOnceFailsClosedCachesMissAndLimitsStayLocal(t *testing.T) {
	each(t, func(t *testing.T, s rdstest.Server, c *rds.Client) {
		ctx := context.Background()
		cache, limit := c.Cache("p", time.Minute), c.Limiter("rl", 1, 3)
		cache.Put(ctx, "k", 1, []byte("v"))
		if _, found := cache.Get(ctx, "k", 1); !found {
			t.Fatal("the cache does not keep")
		}
		s.Stop()
		if first, _, err := c.Once(ctx, "jti", time.Minute, "a"); first || !errors.Is(err, hie.ErrUnavailable) {
			t.Errorf("once = %v, %v; want false, unavailable", first, err)
		}
		if err := c.Ping(ctx); !errors.Is(err, hie.ErrUnavailable) {
			t.Errorf("ping = %v, want unavailable", err)
		}
		if _, found := cache.Get(ctx, "k", 1); found {
			t.Error("a cache without Redis found something")
		}
		start := time.Now()
		for range 100 {
			cache.Put(ctx, "k", 1, []byte("v"))
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("100 puts without Redis took %v: each waits for it", took)
		}
		allowed := 0
		for range 10 {
			if ok, after := limit.Allow(ctx, "client"); ok {
				allowed++
			} else if after < time.Second {
				t.Errorf("retry after %v, want at least a second", after)
			}
		}
		if allowed < 3 || allowed > 4+int(time.Since(start).Seconds()) {
			t.Errorf("%d of 10 allowed, want the burst of 3", allowed)
		}
	})
}

func TestACachedValueBelongsToItsVersion(t *testing.T) {
	each(t, func(t *testing.T, _ rdstest.Server, c *rds.Client) {
		ctx, cache := context.Background(), c.Cache("p", time.Minute)
		cache.Put(ctx, "k", 1, []byte("one"))
		cache.Put(ctx, "k", 2, []byte("two"))
		if _, found := cache.Get(ctx, "k", 1); found {
			t.Error("a value of a newer version answered for an older one")
		}
		if got, found := cache.Get(ctx, "k", 2); !found || !bytes.Equal(got, []byte("two")) {
			t.Errorf("got %q, %v", got, found)
		}
		if _, found := c.Cache("other", time.Minute).Get(ctx, "k", 2); found {
			t.Error("spaces are not apart")
		}
	})
}

func TestALimitHoldsOverAllNodes(t *testing.T) {
	each(t, func(t *testing.T, s rdstest.Server, _ *rds.Client) {
		allowed, start := 0, time.Now()
		for range 3 {
			limit := rdstest.Open(t, s).Limiter("rl", 1, 5)
			for range 5 {
				if ok, _ := limit.Allow(context.Background(), "client"); ok {
					allowed++
				}
			}
		}
		if allowed < 5 || allowed > 6+int(time.Since(start).Seconds()) {
			t.Errorf("3 nodes allowed %d, want 5", allowed)
		}
		if ok, _ := rdstest.Open(t, s).Limiter("rl", 1, 5).Allow(context.Background(), "another"); !ok {
			t.Error("one name's events count against another")
		}
	})
}

func TestURLs(t *testing.T) {
	for _, c := range []struct {
		url string
		ok  bool
	}{
		{"redis://localhost", true},
		{"rediss://user:p%40ss@cache.example.org:6380/2", true},
		{"redis://a:6379,b:6379/?cluster=true", true},
		{"redis://a:26379,b:26379/1?master=mymaster", true},
		{"redis://[::1]:6379", true},
		{"redis://a,b", false},
		{"http://a", false},
		{"redis://", false},
		{"redis://a/x", false},
		{"redis://a/1?cluster=true", false},
		{"redis://a?timeout=5s", false},
		{"redis://u:%zz@a", false},
	} {
		client, err := rds.Open(c.url)
		if (err == nil) != c.ok {
			t.Errorf("%s: error = %v, want ok = %v", c.url, err, c.ok)
		}
		if err == nil {
			_ = client.Close()
		}
	}
}
