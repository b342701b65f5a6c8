// Package federationhttp reaches sites over FHIR R4: it asks which documents a site holds about one of its own
// patients, and opens the bytes of a document. Each endpoint has permits, so that one slow site holds up nobody
// else, and a breaker for each operation, so that a site that is down is left in peace.
//
// It decides nothing about disclosure. Every connection goes through an egress.Guard. A patient's identifier stands
// in the body of a form POST, never in a URL. An endpoint whose capability "auth" is "bearer-file" is shown the token
// that configuration holds for it and is never asked without; "none" or nothing means that no credential is sent.
//
// Source: IHE MHD ITI-67 and ITI-68 (consumer side); spec federation section 6 ("Fan-out engine rules").
package federationhttp

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/egress"
)

// Options are what Sites are made of. Guard and Network are needed.
type Options struct {
	Guard   *egress.Guard
	Network func() *directory.Network
	// Bearer holds the tokens presented at endpoints, by endpoint id.
	Bearer map[string]string
	// Log is told when a breaker opens or closes; nil is slog.Default.
	Log *slog.Logger
	// Answer bounds one page of a search answer in bytes, 8 MiB; Pages how many are read, 20.
	Answer int64
	Pages  int
	// Idle is how long a body may stay silent, 10 s; Drip how long 64 KiB of it may take, 30 s.
	Idle, Drip time.Duration
	// Trial has sites called that are not live as well: to measure whether they are fit to be, and never for a request.
	Trial bool
	// Probe is how long an open breaker waits before it lets one call through, 15 s.
	Probe time.Duration
}

// Sites implements federation.Sites. It is safe for use by many goroutines.
type Sites struct {
	Options
	mu    sync.Mutex
	gates map[gateKey]*gate
}

// New returns Sites with o.
func New(o Options) *Sites {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Answer == 0 {
		o.Answer = 8 << 20
	}
	if o.Pages == 0 {
		o.Pages = 20
	}
	for d, v := range map[*time.Duration]time.Duration{&o.Idle: 10 * time.Second, &o.Drip: 30 * time.Second, &o.Probe: 15 * time.Second} {
		if *d == 0 {
			*d = v
		}
	}
	return &Sites{Options: o, gates: map[gateKey]*gate{}}
}

func failed(reason string) error {
	return &federation.SiteError{Fate: federation.Failed, Reason: reason}
}

// endpoint returns the site, which is live unless for a trial, and its endpoint named id, its first FHIR endpoint when id is "".
func (s *Sites) endpoint(id hie.SiteID, endpoint string) (directory.Site, directory.Endpoint, error) {
	site, known := s.Network().Site(id)
	if !known || !site.Active || site.Membership != directory.Live && !s.Trial {
		return site, directory.Endpoint{}, failed("site not active")
	}
	for _, e := range site.Endpoints {
		if e.Protocol == "fhir-r4" && (endpoint == "" || e.ID == endpoint) {
			return site, e, nil
		}
	}
	return site, directory.Endpoint{}, failed("no endpoint")
}

// prepare sets what every request to e carries; the credential only when target is at e's own origin.
func (s *Sites) prepare(req *http.Request, e directory.Endpoint, request string) error {
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "concord")
	trace := hie.TraceOf(req.Context())
	if request = cmp.Or(request, trace.Request()); request != "" {
		req.Header.Set("X-Request-Id", request)
	}
	if parent := trace.Parent(); parent != "" {
		req.Header.Set("Traceparent", parent)
	}
	switch e.Capability["auth"] {
	case "", "none":
		return nil
	case "bearer-file":
	default:
		return failed("unknown way to authenticate")
	}
	token := s.Bearer[e.ID]
	if token == "" {
		return failed("no credential for this endpoint")
	}
	base, err := url.Parse(e.Address)
	if err == nil && egress.SameOrigin(base, req.URL) {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// call sends what make makes through g, once more when nothing was sent the first time or the site asks to come back
// in time. The returned release gives the permit back and must be called once.
func (s *Sites) call(ctx context.Context, g *gate, make func() (*http.Request, error)) (resp *http.Response, release func(), err error) {
	if err := g.enter(ctx); err != nil {
		return nil, nil, err
	}
	for try := 1; ; try++ {
		req, err := make()
		if err != nil {
			g.leave()
			return nil, nil, err
		}
		resp, err := g.do(ctx, func() (*http.Response, error) { return s.once(req) })
		if err == nil {
			return resp, g.leave, nil
		}
		wait, again := g.retry(ctx, err)
		if try == 2 || !again {
			g.leave()
			return nil, nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			g.leave()
			return nil, nil, err
		}
	}
}

// once sends req and returns the answer if it is a 200 in the clear; everything else is a *federation.SiteError.
func (s *Sites) once(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := s.Guard.Do(req)
	if err != nil {
		return nil, transportFault(req.Context(), err, time.Since(start))
	}
	fault := statusFault(resp)
	if fault == nil {
		return resp, nil
	}
	_ = resp.Body.Close() // unread: an error page may never end
	return nil, fault
}

// longEnough is how long a site must have been waited for before the lack of an answer speaks against it.
const longEnough = time.Second

// notItsFault marks a failure that says nothing about the site's health.
type notItsFault struct{ error }

func (e notItsFault) Unwrap() error { return e.error }

// unsent marks a failure after which nothing had been sent.
type unsent struct{ error }

func (e unsent) Unwrap() error { return e.error }

func transportFault(ctx context.Context, err error, waited time.Duration) error {
	switch {
	case ctx.Err() != nil:
		late := &federation.SiteError{Fate: federation.Late, Reason: "no answer in time"}
		if waited < longEnough || errors.Is(ctx.Err(), context.Canceled) {
			return notItsFault{late}
		}
		return late
	case errors.Is(err, egress.ErrBlocked):
		return notItsFault{failed("destination not allowed")}
	case errors.Is(err, egress.ErrConnect):
		return unsent{failed("no connection")}
	default:
		return failed("connection broken")
	}
}

func statusFault(resp *http.Response) error {
	status := "http " + strconv.Itoa(resp.StatusCode)
	switch c := resp.StatusCode; {
	case c == http.StatusOK:
		if enc := resp.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
			return failed("encoded although identity was asked")
		}
		return nil
	case c == http.StatusUnauthorized, c == http.StatusForbidden:
		return &federation.SiteError{Fate: federation.Refused, Reason: status}
	case c == http.StatusTooManyRequests, c == http.StatusServiceUnavailable:
		return &federation.SiteError{Fate: federation.Failed, Reason: status, Again: retryAfter(resp.Header.Get("Retry-After"))}
	case c < 500:
		return notItsFault{failed(status)} // it is up, and does not like the question
	default:
		return failed(status)
	}
}

// retryAfter reads the seconds form of Retry-After, at most an hour; 0 for anything else.
func retryAfter(v string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, time.Hour)
}
