package server_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/internal/rds/rdstest"
)

func TestOneAssertionPostedAThousandTimesToThreeNodesGetsOneToken(t *testing.T) {
	for _, k := range rdstest.Kinds {
		t.Run(k.Name, func(t *testing.T) {
			r := newRealm(t, 3, k.Start)
			p := r.post("elm-emr")
			p.form.Set("client_assertion", p.assertion())
			var tokens, refused, unavailable atomic.Int64
			var wg sync.WaitGroup
			turn := make(chan int)
			for range 32 {
				wg.Go(func() {
					for i := range turn {
						q := *p
						q.node = i % 3
						switch got := q.send(); {
						case got.status == http.StatusOK:
							tokens.Add(1)
						case got.status == http.StatusUnauthorized && got.str("error") == access.InvalidClient:
							refused.Add(1)
						case got.status == http.StatusServiceUnavailable:
							unavailable.Add(1) // on a machine too busy for Redis to answer in time; the claim may be made
						default:
							t.Errorf("got %d %s", got.status, got.raw)
						}
					}
				})
			}
			for i := range 1000 {
				turn <- i
			}
			close(turn)
			wg.Wait()
			if n := tokens.Load(); n > 1 || (n == 0 && unavailable.Load() == 0) || n+refused.Load()+unavailable.Load() != 1000 {
				t.Errorf("%d tokens, %d refusals and %d unavailable, want 1 and 999", n, refused.Load(), unavailable.Load())
			}
		})
	}
}

func TestAReplayAfterExpIsRefusedAsLongAsTheAssertionWouldBeTaken(t *testing.T) {
	r := newRealm(t, 2, rdstest.Embedded)
	p := r.post("elm-emr")
	p.claims["exp"] = after(10 * time.Second)
	p.form.Set("client_assertion", p.assertion())
	if got := p.send(); got.status != http.StatusOK {
		t.Fatalf("got %d", got.status)
	}
	for _, c := range []struct {
		skew   time.Duration
		reason string
	}{{20 * time.Second, "jti replayed"}, {35 * time.Second, "jti replayed"}, {45 * time.Second, "assertion expired"}} {
		r.setSkew(c.skew)
		q := *p
		q.node = 1
		if got := q.send(); got.status != http.StatusUnauthorized {
			t.Errorf("replay after %v: got %d", c.skew, got.status)
		}
		if _, reasons, _ := r.lastAudit(); reasons[0] != c.reason {
			t.Errorf("replay after %v: %s, want %s", c.skew, reasons, c.reason)
		}
	}
}

// A Redis that has lost what it knew takes nobody for the first who could be the second: such an assertion gets 503 at every
// node, until it could not have been used before.
func TestAfterAFlushOfRedisNoAssertionIsTakenTwice(t *testing.T) {
	for _, k := range rdstest.Kinds {
		t.Run(k.Name, func(t *testing.T) {
			r := newRealm(t, 2, k.Start)
			p := r.post("elm-emr")
			p.form.Set("client_assertion", p.assertion())
			if got := p.send(); got.status != http.StatusOK {
				t.Fatalf("got %d", got.status)
			}
			r.redis.Flush()
			other := *p
			other.node = 1
			if got := other.send(); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
				t.Errorf("another node, after the flush: %d", got.status)
			}
			if got := p.send(); got.status != http.StatusUnauthorized {
				t.Errorf("the same node, after the flush: %d", got.status)
			}
			fresh := func(skew time.Duration, iat any) int {
				r.setSkew(skew)
				q := r.post("elm-emr")
				q.node = 1
				q.claims["exp"] = after(skew + 4*time.Minute)
				delete(q.claims, "iat")
				if iat != nil {
					q.claims["iat"] = iat
				}
				return q.send().status
			}
			for _, c := range []struct {
				name string
				skew time.Duration
				iat  any
				want int
			}{
				{"a new one that says when it was made, at once", 0, after(0), http.StatusServiceUnavailable},
				{"one made half a minute later", 35 * time.Second, after(35 * time.Second), http.StatusOK},
				{"one that does not say so", 35 * time.Second, nil, http.StatusServiceUnavailable},
				{"one that does not, when those from before have ended", 3 * time.Minute, nil, http.StatusOK},
			} {
				if got := fresh(c.skew, c.iat); got != c.want {
					t.Errorf("%s: %d, want %d", c.name, got, c.want)
				}
			}
			r.setSkew(4*time.Minute + 31*time.Second)
			if got := other.send(); got.status != http.StatusUnauthorized {
				t.Errorf("another node, after the assertion's end: %d", got.status)
			}
		})
	}
}

func TestWithoutRedisThereAreNoTokensAndExistingOnesHold(t *testing.T) {
	for _, k := range rdstest.Kinds {
		t.Run(k.Name, func(t *testing.T) {
			r := newRealm(t, 1, k.Start)
			bearer := r.post("elm-emr").send().str("access_token")
			r.redis.Stop()
			before := r.events()
			got := r.post("elm-emr").send()
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || got.str("access_token") != "" {
				t.Errorf("got %d %s", got.status, got.raw)
			}
			if n := r.events(); n != before {
				t.Errorf("%d events of a request that was not answered", n-before)
			}
			if got := r.fhir(0, "Bearer "+bearer); got.status != http.StatusForbidden {
				t.Errorf("an existing token got %d, want 403 (good, but without the scope)", got.status)
			}
		})
	}
}

func TestWithoutTheAuditTrailThereAreNoTokensAndNoRefusals(t *testing.T) {
	r := newRealm(t, 0, rdstest.Embedded)
	r.audit = brokenTrail{}
	r.nodes = append(r.nodes, r.node())
	for _, change := range []func(*post){func(*post) {}, claim("sub", "x"), noB2B("purpose_of_use")} {
		p := r.post("elm-emr")
		change(p)
		if got := p.send(); got.status != http.StatusServiceUnavailable || got.str("access_token") != "" {
			t.Errorf("got %d %s, want 503", got.status, got.raw)
		}
	}
	if got := r.fhir(0, "Bearer x.y.z"); got.status != http.StatusServiceUnavailable {
		t.Errorf("a bad token that cannot be recorded got %d, want 503", got.status)
	}
}

// brokenTrail is an audit trail that takes nothing.
type brokenTrail struct{}
