// Package server holds the doors for machines: FHIR over HTTP, OAuth, administration in JSON. A handler
// decodes, makes one domain call and encodes; no rule lives here.
//
// gin is known to this package and to portal alone; stores (*pg packages) are unknown here.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/opaque"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what the doors need to know of the world.
type Config struct {
	// BaseURL is the public origin, without a trailing slash: "https://concord.example.org".
	BaseURL string
	// MaxBody bounds a request body in bytes; 0 means 16 MiB.
	MaxBody int64
	// Version is the program's version.
	Version string
}

// FHIRBase returns the FHIR base URL, without a trailing slash.
func (c Config) FHIRBase() string { return c.BaseURL + "/fhir" }

// Deps are the domain services the handlers call.
type Deps struct {
	Verify VerifyToken
	Tokens Tokens
	KeySet []byte // our public token keys, a JWK Set
	// SignPermission signs what a site that filters for itself is given, with the key of tokens.
	SignPermission func(accessjwt.Permission) (string, error)
	Limit          Limit // bounds each client's calls, and each person's at the portal; nil for no bound
	Ready          Ready
	Sealer         *opaque.Sealer
	Network        func() *directory.Network
	// Patients is the index; Nameable decides which of its records a caller may learn of, nil for its own alone.
	Patients Patients
	Nameable Nameable
	// Documents is the locator as publishers use it; Visible decides about references read by others, nil for none.
	Documents Documents
	Visible   Visible
	Audit     Recorder
	Trail     Trail  // the audit trail, for those who may read it
	Proofs    Proofs // its signed checkpoints and proofs
	// SignTable signs an extract of the trail for whoever it is handed to.
	SignTable func(text string) (string, error)
	// Held tells which documents the index knows of one record; nil knows of none.
	Held func(ctx context.Context, member mpi.Member, most int) ([]consent.Listed, error)
	// Exchange finds documents, tells where there are any, and hands them over.
	Exchange Exchange
	// Consents is what patients have said, Emergencies the break-glass claims and their review; ConsentEnv is what
	// decisions rest on besides.
	Consents    Consents
	Emergencies Emergencies
	ConsentEnv  func() *consent.Env
	// Desk is what staff have to see to about wishes, Forms what patients sign and who may sign for them.
	Desk  Desk
	Forms Forms
	// CareTeams are the care teams directives may name; nil knows of none.
	CareTeams CareTeams
	// Copies are what sites that enforce for themselves hold; nil gives none.
	Copies Copies
	// Suspensions keep disclosures off reports.
	Suspensions Suspensions
	// Requests are what patients ask for about their records.
	Requests ReportRequests
	// Past is what decisions about record's person rested on at an instant; zero is now.
	Past func(ctx context.Context, record hie.SourcePatientID, at time.Time) (Past, error)
	// Policies are the law packs and policies; Simulate says what one would change.
	Policies Policies
	Simulate Simulate
	// Sites tell how the sites are, Traces how requests went; nil keeps none.
	Sites  SiteHealth
	Traces Traces
	// Onboarding is how sites come to be live.
	Onboarding Onboarding
	// Settings are what this node runs with, without secrets.
	Settings []Setting
	// Stewardship is the index as stewards work on it.
	Stewardship Stewardship
	Log         *slog.Logger
	Metrics     prometheus.Registerer // nil for none
	Now         func() time.Time
}

// A Server answers HTTP requests.
type Server struct {
	cfg    Config
	deps   Deps
	log    *slog.Logger
	engine *gin.Engine
	// reports are made over deps.
	reports *Reports
	// started is when this server was made, the date of its CapabilityStatement.
	started time.Time
	// pace is of the answers that show nothing.
	pace pace
}

// New returns a Server with all routes of routes.go.
func New(cfg Config, deps Deps) *Server {
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 16 << 20
	}
	if deps.Now == nil {
		deps.Now = hie.Now
	}
	gin.SetMode(gin.ReleaseMode)
	s := &Server{cfg: cfg, deps: deps, log: deps.Log, engine: gin.New(), started: deps.Now()}
	s.reports = &Reports{Consents: deps.Consents, Suspensions: deps.Suspensions, Network: deps.Network, Env: deps.ConsentEnv, Now: deps.Now, Asked: s.askedAbout}
	if deps.Trail != nil {
		s.reports.Trail = deps.Trail.Search
	}
	if deps.Stewardship != nil {
		s.reports.History = deps.Stewardship.HistoryOfRecord
	}
	s.engine.HandleMethodNotAllowed = true
	s.engine.RedirectTrailingSlash = false
	if err := s.engine.SetTrustedProxies(nil); err != nil { // nil is always accepted
		panic("server: " + err.Error())
	}
	s.engine.Use(breakOff, withBeginning, withRequestID, s.traced, newMetrics(deps.Metrics).observe, s.logRequest, gin.CustomRecoveryWithWriter(nil, s.recovered), s.sameOrigin)
	s.engine.NoRoute(func(c *gin.Context) { s.fail(c, hie.ErrNotFound) })
	s.engine.NoMethod(func(c *gin.Context) {
		s.refuse(c, http.StatusMethodNotAllowed, outcome("error", fhir.Issue{Code: "not-supported", Diagnostics: "This method is not available here."}))
	})
	s.routes()
	return s
}

// ServeHTTP implements http.Handler.
//
// A chunked request is the last of its connection: net/http has dropped a Content-Length beside it by now, and what
// follows may be a second request for whoever counted by that.
//
// Source: RFC 9112 section 6.3, item 3.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
	s.engine.ServeHTTP(w, r)
}

// logRequest writes one line a request: the route's pattern, never the path or the query.
func (s *Server) logRequest(c *gin.Context) {
	start := time.Now()
	c.Next()
	s.log.InfoContext(c.Request.Context(), "request", "request", requestID(c), "method", c.Request.Method, "route", c.FullPath(),
		"status", c.Writer.Status(), "org", string(caller(c).Organization), "took", time.Since(start))
}

func (s *Server) recovered(c *gin.Context, fault any) {
	kind := "panic"
	if err, ok := fault.(error); ok {
		kind = "panic: " + errorKind(err).String()
	}
	s.log.ErrorContext(c.Request.Context(), "request failed", "request", requestID(c), "kind", kind)
	status, oo := outcomeOf(nil)
	s.refuse(c, status, oo)
}
