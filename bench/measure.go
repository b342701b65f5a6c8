// Package bench measures what Concord does beside its ceiling: what PostgreSQL, or a bare handler, reaches with
// the same work on the same machine in the same run. `make bench` runs the measurements, which stand beside the
// program they need (cmd/concord/bench_test.go), and keeps the figures in latest.json.
package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Figure is what one operation reached, beside what its ceiling reached in the same run.
type Figure struct {
	// Name says what was measured, Goal what DESIGN section 6 asks for ("" when it asks nothing).
	Name string `json:"name"`
	Goal string `json:"goal,omitempty"`
	// Callers is how many asked at once.
	Callers int `json:"callers"`
	// PerSecond is operations a second; P50, P95, P99 are milliseconds.
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	P99       float64 `json:"p99_ms"`
	// NodeCPU and DatabaseCPU are milliseconds of CPU time an operation, of the node and of PostgreSQL with Redis; 0 where
	// they were not measured. They tell two runs apart on a machine that does other things besides.
	NodeCPU     float64 `json:"node_cpu_ms,omitempty"`
	DatabaseCPU float64 `json:"database_cpu_ms,omitempty"`
	// Ceiling names what bounds the figure; CeilingPerSecond is its rate and Ratio = PerSecond / CeilingPerSecond.
	Ceiling          string  `json:"ceiling,omitempty"`
	CeilingPerSecond float64 `json:"ceiling_per_second,omitempty"`
	Ratio            float64 `json:"ratio,omitempty"`
	// Note says what the reader must know to read the figure right.
	Note string `json:"note,omitempty"`
}

// Against returns f beside its ceiling.
func (f Figure) Against(ceiling string, perSecond float64) Figure {
	f.Ceiling, f.CeilingPerSecond = ceiling, perSecond
	if perSecond > 0 {
		f.Ratio = f.PerSecond / perSecond
	}
	return f
}

// Measure runs op from callers goroutines for d, after a warm-up of a fifth of it, and times each call. op gets
// the caller's number and a count that rises over all callers. The first error ends the run.
func Measure(ctx context.Context, name string, callers int, d time.Duration, op func(ctx context.Context, caller, n int) error) (Figure, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg      sync.WaitGroup
		count   atomic.Int64
		mu      sync.Mutex
		all     = newTimes()
		warm    = time.Now().Add(d / 5)
		ends    = warm.Add(d)
		counted atomic.Int64
	)
	for caller := range callers {
		wg.Go(func() {
			h := newTimes()
			for time.Now().Before(ends) && ctx.Err() == nil {
				start := time.Now()
				if err := op(ctx, caller, int(count.Add(1))); err != nil {
					cancel(fmt.Errorf("%s: %w", name, err))
					return
				}
				if start.After(warm) {
					_ = h.RecordValue(int64(time.Since(start))) // out of range only beyond a minute
					counted.Add(1)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all.Merge(h)
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Figure{}, err
	}
	return figure(name, callers, float64(counted.Load())/d.Seconds(), all), nil
}

// Times runs op n times from callers goroutines and times each call, for what can be done only so often. op gets the
// caller's number and a count that rises over all callers from 1. The first error ends the run.
func Times(ctx context.Context, name string, callers, n int, op func(ctx context.Context, caller, n int) error) (Figure, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg    sync.WaitGroup
		count atomic.Int64
		mu    sync.Mutex
		all   = newTimes()
	)
	began := time.Now()
	for caller := range callers {
		wg.Go(func() {
			h := newTimes()
			for i := int(count.Add(1)); i <= n && ctx.Err() == nil; i = int(count.Add(1)) {
				start := time.Now()
				if err := op(ctx, caller, i); err != nil {
					cancel(fmt.Errorf("%s: %w", name, err))
					return
				}
				_ = h.RecordValue(int64(time.Since(start))) // out of range only beyond a minute
			}
			mu.Lock()
			defer mu.Unlock()
			all.Merge(h)
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Figure{}, err
	}
	return figure(name, callers, float64(n)/time.Since(began).Seconds(), all), nil
}

// newTimes holds times from a nanosecond to a minute with three digits.
func newTimes() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(time.Minute), 3) }

func figure(name string, callers int, perSecond float64, h *hdrhistogram.Histogram) Figure {
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e6 }
	return Figure{Name: name, Callers: callers, PerSecond: perSecond, P50: ms(50), P95: ms(95), P99: ms(99)}
}
