package federationhttp

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/sony/gobreaker/v2"
)

// A gate stands before one operation of one endpoint: permits, a short queue, a breaker and a budget of retries.
type gate struct {
	permits chan struct{}
	waiting atomic.Int64
	breaker *gobreaker.CircuitBreaker[*http.Response]
	calls   atomic.Int64
	retries atomic.Int64
}

// gateKey names a gate; a changed number of permits makes another one.
type gateKey struct {
	endpoint, operation string
	permits             int
}

// defaultPermits is how many calls an endpoint takes at once when the directory does not say.
const defaultPermits = 8

func (s *Sites) gate(e directory.Endpoint, operation string) *gate {
	key := gateKey{endpoint: e.ID, operation: operation, permits: e.Permits}
	if key.permits <= 0 {
		key.permits = defaultPermits
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gates[key]
	if g == nil {
		g = &gate{permits: make(chan struct{}, key.permits), breaker: s.breaker(key)}
		s.gates[key] = g
	}
	return g
}

// breaker opens after five failures in a row, or when half of at least twenty calls in the last half minute failed,
// and then lets one call through every Probe.
func (s *Sites) breaker(key gateKey) *gobreaker.CircuitBreaker[*http.Response] {
	return gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
		Name:        key.endpoint,
		MaxRequests: 1,
		Interval:    30 * time.Second,
		Timeout:     s.Probe,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= 5 || (c.Requests >= 20 && c.TotalFailures*2 >= c.Requests)
		},
		IsExcluded: func(err error) bool { var e notItsFault; return errors.As(err, &e) },
		IsSuccessful: func(err error) bool {
			var se *federation.SiteError
			return err == nil || (errors.As(err, &se) && se.Fate == federation.Refused) // it is up and says no
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			s.Log.Warn("site breaker", "peer", key.endpoint, "kind", key.operation+": "+from.String()+" to "+to.String())
		},
	})
}

// enter takes a permit, waiting for one while at most twice as many wait; beyond that it sheds.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.permits <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > int64(2*cap(g.permits)) {
		g.waiting.Add(-1)
		return &federation.SiteError{Fate: federation.Skipped, Reason: "too many calls at once", Again: time.Second}
	}
	defer g.waiting.Add(-1)
	select {
	case g.permits <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &federation.SiteError{Fate: federation.Late, Reason: "no permit in time"}
	}
}

func (g *gate) leave() { <-g.permits }

// do runs f through the breaker.
func (g *gate) do(_ context.Context, f func() (*http.Response, error)) (*http.Response, error) {
	g.calls.Add(1)
	resp, err := g.breaker.Execute(f)
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, &federation.SiteError{Fate: federation.Skipped, Reason: "breaker open"}
	}
	return resp, err
}

// retry reports whether the call may be made once more, and after which pause: when nothing was sent, or when the
// site names a time that lies within ctx; for at most one call in ten.
func (g *gate) retry(ctx context.Context, err error) (time.Duration, bool) {
	var (
		pause  time.Duration
		before unsent
		se     *federation.SiteError
	)
	switch {
	case errors.As(err, &before):
		pause = 50 * time.Millisecond
	case errors.As(err, &se) && se.Again > 0 && se.Fate == federation.Failed:
		pause = se.Again
	default:
		return 0, false
	}
	if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) <= pause {
		return 0, false
	}
	if n := g.retries.Add(1); n > g.calls.Load()/10+1 {
		g.retries.Add(-1)
		return 0, false
	}
	return pause, true
}
