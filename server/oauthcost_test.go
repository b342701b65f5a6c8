package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/internal/rds/rdstest"
	"github.com/concord-hie/concord/internal/token"
)

// A countingCodec counts how often a signature was verified.
type countingCodec struct {
	access.Codec
	verified *atomic.Int64
}

func (c countingCodec) VerifyAssertion(a access.Assertion, key access.Key) bool {
	c.verified.Add(1)
	return c.Codec.VerifyAssertion(a, key)
}

// What it costs is measured by BenchmarkTokenEndpoint; here only that the work is done.
func TestAnUnknownClientOrKeyCostsOneVerificationToo(t *testing.T) {
	r := newRealm(t, 0, rdstest.Embedded)
	cfg := r.config(rdstest.Open(t, r.redis))
	var verified atomic.Int64
	cfg.Codec = countingCodec{cfg.Codec, &verified}
	issuer := access.NewIssuer(cfg)
	for name, change := range map[string]func(*post){
		"a known client":      func(*post) {},
		"an unknown client":   func(p *post) { p.claims["iss"], p.claims["sub"] = "nobody", "nobody" },
		"an unknown key":      head("kid", "nobody"),
		"a suspended client":  func(p *post) { p.claims["iss"], p.claims["sub"] = "elm-old", "elm-old" },
		"another algorithm":   head("alg", token.ES256),
		"a client of nothing": noClaim("iss"),
	} {
		p := r.post("elm-emr")
		change(p)
		p.form.Set("client_assertion", p.assertion())
		before := verified.Load()
		_, _ = issuer.Issue(context.Background(), access.Request{Form: access.Form{Fields: p.form}})
		if n := verified.Load() - before; n != 1 {
			t.Errorf("%s: %d verifications, want 1", name, n)
		}
	}
}

func BenchmarkTokenEndpoint(b *testing.B) {
	r := newRealm(b, 1, rdstest.Real)
	for _, c := range []struct{ name, client, issuer string }{
		{"ES384", "elm-emr", "elm-emr"}, {"RS384", "elm-rsa", "elm-rsa"}, {"ES384-unknown-client", "elm-emr", "nobody"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.StopTimer() // signing is the client's work
			requests := make(chan *http.Request, b.N)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for range (b.N + 1) / 2 {
						p := r.post(c.client)
						p.claims["iss"], p.claims["sub"] = c.issuer, c.issuer
						select {
						case requests <- p.request():
						default:
						}
					}
				})
			}
			wg.Wait()
			b.StartTimer()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					w := httptest.NewRecorder()
					r.nodes[0].ServeHTTP(w, <-requests)
					if (w.Code == http.StatusOK) != (c.issuer == c.client) {
						b.Errorf("got %d %s", w.Code, w.Body)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
