// Package portal holds the doors for people: pages for patients, practices, privacy officers, stewards, operators and
// integrators. It decides how things are said and shown, and nothing else: what a page tells and does it asks of the
// same doors machines use (server.ServeAs) or of the same domain calls, under the actor who signed in, so that every
// rule and every audit record is the API's. README.md says how a page is added.
//
// Pages are HTML made here and work without JavaScript; htmx and a few lines of our own make some of them quicker.
// Nothing is loaded from elsewhere and nothing stands inline, which the Content-Security-Policy holds every page to.
//
// Source: spec ux sections 1 and 1.7; WCAG 2.2 AA; spec federation 2.7.
package portal

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessoidc"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/opaque"
	"github.com/gin-gonic/gin"
)

// API is the machine doors, as somebody who signed in here. *server.Server is one.
type API interface {
	ServeAs(w http.ResponseWriter, r *http.Request, actor hie.Actor)
	FollowAs(w http.ResponseWriter, r *http.Request, actor hie.Actor, heard func(federation.Hearing))
}

// SignIn is the identity provider people sign in at. *accessoidc.Provider is one; its methods say what each does.
type SignIn interface {
	Begin(ctx context.Context, ask accessoidc.Ask) (string, accessoidc.Flow, error)
	Finish(ctx context.Context, f accessoidc.Flow, back url.Values) (access.Identity, error)
	StepUpClass() string
	SignOutURL(ctx context.Context, back string) string
	Origin() string
}

// A Keep holds sessions and flows for all nodes. *rds.Keep is one; Get and Take return hie.ErrNotFound for what is not
// there, everything else hie.ErrUnavailable when it cannot be told.
type Keep interface {
	Put(ctx context.Context, name string, value []byte, ttl time.Duration) error
	Get(ctx context.Context, name string) ([]byte, error)
	Take(ctx context.Context, name string) ([]byte, error)
	Remove(ctx context.Context, name string) error
}

// Recorder commits audit events before what they tell of happens.
type Recorder interface {
	Record(ctx context.Context, events ...audit.Event) error
}

// Previewer tells a patient what somebody would be shown. *federation.Exchange is one.
type Previewer interface {
	Preview(ctx context.Context, actor hie.Actor, p federation.Preview) ([]federation.Outlook, error)
}

// Config is what the portal needs to know of the world.
type Config struct {
	// BaseURL is the public origin, without a trailing slash.
	BaseURL string
	// Demo describes a demonstration: its pages say that the people are invented and offer one-click sign-in. nil
	// for a real exchange.
	Demo *Demo
	// Mails says that alerts are sent by e-mail.
	Mails bool
}

// Deps are what the pages call.
type Deps struct {
	API      API
	SignIn   SignIn // nil when no provider is configured: nobody can sign in
	Sessions Keep
	Sealer   *opaque.Sealer
	Network  func() *directory.Network
	// RecordOf returns the record registered under an identifier, or hie.ErrNotFound.
	RecordOf func(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, error)
	// PatientID is the public id of a record.
	PatientID func(hie.SourcePatientID) string
	Preview   Previewer
	Alerts    Alerts
	Questions Questions
	Owned     Owned
	Reporter  Reporter
	Helpers   Helpers
	Requests  Requests
	Searches  Searches
	Claims    Claims
	Forms     Forms
	Audit     Recorder
	// Trace takes how a page's request went, and returns at once; nil takes nothing.
	Trace func(hie.Traced)
	Log   *slog.Logger
	Now   func() time.Time
}

// A Portal answers the requests of people's browsers.
type Portal struct {
	cfg    Config
	deps   Deps
	log    *slog.Logger
	engine *gin.Engine
	pages  pages
	words  words
	// secure says that browsers reach it over TLS.
	secure bool
	policy string // Content-Security-Policy
	cross  *http.CrossOriginProtection
	// references is the API's description as last read.
	references references
}

// New returns a Portal with all pages of routes.go. It panics when a template or a word is missing: that is a fault of
// the program, and a test finds it.
func New(cfg Config, deps Deps) *Portal {
	if deps.Now == nil {
		deps.Now = hie.Now
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	gin.SetMode(gin.ReleaseMode)
	p := &Portal{cfg: cfg, deps: deps, log: deps.Log, engine: gin.New(), words: readWords(), secure: strings.HasPrefix(cfg.BaseURL, "https://"),
		cross: http.NewCrossOriginProtection()}
	p.pages = p.parsePages()
	p.policy = contentPolicy(deps.SignIn)
	p.engine.RedirectTrailingSlash = false
	p.engine.HandleMethodNotAllowed = true
	if err := p.engine.SetTrustedProxies(nil); err != nil { // nil is always accepted
		panic("portal: " + err.Error())
	}
	p.engine.Use(withRequestID, p.traced, p.logRequest, gin.CustomRecoveryWithWriter(nil, p.recovered), p.guard)
	p.engine.NoRoute(p.handle(route{open: true, do: func(*visit) error { return hie.ErrNotFound }}))
	p.engine.NoMethod(p.handle(route{open: true, do: func(*visit) error { return errMethod }}))
	p.routes()
	return p
}

// ServeHTTP implements http.Handler. A chunked request is the last of its connection, as at the machine doors.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
	p.engine.ServeHTTP(w, r)
}

// logRequest writes one line a request: the route's pattern, never the path or the query.
func (p *Portal) logRequest(c *gin.Context) {
	start := time.Now()
	c.Next()
	p.log.InfoContext(c.Request.Context(), "page", "request", requestID(c), "method", c.Request.Method, "route", c.FullPath(),
		"status", c.Writer.Status(), "took", time.Since(start))
}

func (p *Portal) recovered(c *gin.Context, _ any) {
	p.log.ErrorContext(c.Request.Context(), "page failed", "request", requestID(c), "kind", "panic")
	c.AbortWithStatus(http.StatusInternalServerError)
}
