package hie

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"slices"
	"sync"
	"time"
)

// A Span is one step of a request as an operator may follow it. It names no patient: everything in it is a code, a name of
// the directory, or a route's pattern.
type Span struct {
	// Name says what was done: "page", "api", "identity", "consent", "locate", "site", "audit".
	Name string
	// Site is the site that was asked, or "".
	Site  SiteID
	Began time.Time
	Took  time.Duration
	// Outcome is coded: "ok", an HTTP status, what became of asking a site, or a kind of error.
	Outcome string
	// Detail is a route's pattern ("GET /fhir/Patient/:id"), an audit event's kind and id, or "".
	Detail string
}

// Traced is what is known of one request.
type Traced struct {
	// Request is the request id, ID the trace id of W3C Trace Context (32 hex digits) that sites are told.
	Request, ID  string
	Began        time.Time
	Took         time.Duration
	Organization OrgID
	Client       ClientID
	Roles        []string
	Purposes     []Purpose
	// Spans are in the order in which they began.
	Spans []Span
	// Status is what the request was answered with.
	Status int
}

// A Trace gathers the steps of one request. A context carries it; a nil Trace gathers nothing. It is safe for use by many
// goroutines.
//
// Source: spec ux 1.5 (A2); W3C Trace Context (traceparent).
type Trace struct {
	mu sync.Mutex
	of Traced
}

// maxSpans bounds what one request may leave behind.
const maxSpans = 400

var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$`)

// NewTrace returns a Trace of the request with an id, under the trace of parent when that is a traceparent, else under one
// of its own.
func NewTrace(request, parent string, began time.Time) *Trace {
	t := &Trace{of: Traced{Request: request, Began: began}}
	if m := traceparent.FindStringSubmatch(parent); m != nil && parent[:2] != "ff" && m[1] != "00000000000000000000000000000000" && m[2] != "0000000000000000" {
		t.of.ID = m[1]
	} else {
		t.of.ID = randomHex(16)
	}
	return t
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// Request returns the id of the request; "" for nil.
func (t *Trace) Request() string {
	if t == nil {
		return ""
	}
	return t.of.Request
}

// Parent returns the traceparent for a call made within t, with a parent id of its own; "" for nil.
func (t *Trace) Parent() string {
	if t == nil {
		return ""
	}
	return "00-" + t.of.ID + "-" + randomHex(8) + "-01"
}

// Add adds a step. What is beyond the bound is left out.
func (t *Trace) Add(s Span) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.of.Spans) < maxSpans {
		t.of.Spans = append(t.of.Spans, s)
	}
}

// By says who asks: the organisation and the client, and in which roles and for what; never which person.
func (t *Trace) By(a Actor) {
	if t == nil || a.Organization == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of.Organization, t.of.Client, t.of.Roles, t.of.Purposes = a.Organization, a.Client, a.Roles, a.Purposes
}

// End returns what t gathered by now, as of a request answered with status.
func (t *Trace) End(status int, now time.Time) Traced {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.of
	out.Status, out.Took, out.Spans = status, now.Sub(out.Began), slices.Clone(out.Spans)
	slices.SortStableFunc(out.Spans, func(a, b Span) int { return a.Began.Compare(b.Began) })
	return out
}

type traceKey struct{}

// WithTrace returns ctx carrying t.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf returns the Trace ctx carries, or nil.
func TraceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Step begins a step of ctx's trace. What it returns ends it: with s, to which it gives the times.
func Step(ctx context.Context) (end func(s Span)) {
	t := TraceOf(ctx)
	if t == nil {
		return func(Span) {}
	}
	began, start := Now(), time.Now()
	return func(s Span) {
		s.Began, s.Took = began, time.Since(start)
		t.Add(s)
	}
}
