package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
)

// Traces keeps how requests went. *federationpg.Traces is one.
type Traces interface {
	// Keep takes how a request went; it returns at once.
	Keep(t hie.Traced)
	// Of returns the requests that had an id, oldest first; none is hie.ErrNotFound.
	Of(ctx context.Context, request string) ([]hie.Traced, error)
}

// untraced are routes nobody follows a request of.
var untraced = []string{"", "/livez", "/readyz", "/version", "/oauth/jwks"}

// traced follows a request: under the trace of the page that makes it, else under one of its own, which it keeps after the
// answer. It stands outside of everything that may answer.
//
// Source: W3C Trace Context: a traceparent that is none is ignored and a new trace begun.
func (s *Server) traced(c *gin.Context) {
	if s.deps.Traces == nil || slices.Contains(untraced, c.FullPath()) {
		return
	}
	began := hie.Now()
	trace := hie.TraceOf(c.Request.Context())
	inside := trace != nil
	if !inside {
		trace = hie.NewTrace(requestID(c), c.GetHeader("Traceparent"), began)
		c.Request = c.Request.WithContext(hie.WithTrace(c.Request.Context(), trace))
		if c.GetHeader("Traceparent") != "" { // who traces is told under which trace the request stands; others see no difference
			c.Header("Traceparent", trace.Parent())
		}
	}
	start := time.Now()
	defer func() { // an answer that broke off panics on its way
		trace.Add(hie.Span{Name: "api", Began: began, Took: time.Since(start), Outcome: strconv.Itoa(c.Writer.Status()), Detail: c.Request.Method + " " + c.FullPath()})
		trace.By(caller(c))
		if !inside {
			s.deps.Traces.Keep(trace.End(c.Writer.Status(), hie.Now()))
		}
	}()
	c.Next()
}

// TraceRow is how one request went, as administration and the command line show it.
type TraceRow struct {
	Request      string       `json:"request"`
	Trace        string       `json:"trace"`
	Began        time.Time    `json:"began"`
	Took         float64      `json:"took_ms"`
	Status       int          `json:"status"`
	Organization hie.OrgID    `json:"organization,omitzero"`
	Client       hie.ClientID `json:"client,omitzero"`
	Roles        []string     `json:"roles,omitempty"`
	Purposes     []string     `json:"purposes,omitempty"`
	Spans        []SpanRow    `json:"spans"`
}

// SpanRow is one step of a request; After is when it began, counted from the request's beginning.
type SpanRow struct {
	Name    string     `json:"name"`
	Site    hie.SiteID `json:"site,omitzero"`
	After   float64    `json:"after_ms"`
	Took    float64    `json:"took_ms"`
	Outcome string     `json:"outcome"`
	Detail  string     `json:"detail,omitzero"`
}

// TraceRows writes traces as administration shows them.
func TraceRows(traces []hie.Traced) []TraceRow {
	out := make([]TraceRow, 0, len(traces))
	for _, t := range traces {
		row := TraceRow{Request: t.Request, Trace: t.ID, Began: t.Began.UTC(), Took: milliseconds(t.Took), Status: t.Status, Organization: t.Organization,
			Client: t.Client, Roles: t.Roles, Spans: make([]SpanRow, 0, len(t.Spans))}
		for _, p := range t.Purposes {
			row.Purposes = append(row.Purposes, string(p))
		}
		for _, s := range t.Spans {
			row.Spans = append(row.Spans, SpanRow{s.Name, s.Site, milliseconds(max(0, s.Began.Sub(t.Began))), milliseconds(s.Took), s.Outcome, s.Detail})
		}
		out = append(out, row)
	}
	return out
}

// readTrace answers GET /admin/v1/trace/{id}: how the requests of an id went. That somebody looked is recorded.
func (s *Server) readTrace(c *gin.Context) {
	id := c.Param("id")
	if !requestIDPattern.MatchString(id) {
		s.fail(c, hie.ErrNotFound)
		return
	}
	e := audit.NewEvent(audit.AuditRead, caller(c), s.deps.Now())
	e.Action, e.Detail = "R", map[string]string{"interaction": "trace", "traced": id}
	if err := s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), e); err != nil {
		s.fail(c, err)
		return
	}
	traces, err := s.deps.Traces.Of(c.Request.Context(), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Requests []TraceRow `json:"requests"`
	}{TraceRows(traces)})
}
