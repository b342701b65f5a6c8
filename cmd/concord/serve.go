package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/federation/federationhttp"
	"github.com/concord-hie/concord/federation/federationpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/egress"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/framing"
	"github.com/concord-hie/concord/internal/opaque"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/rds"
	"github.com/concord-hie/concord/internal/token"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorpg"
	"github.com/concord-hie/concord/migrations"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
	"github.com/concord-hie/concord/portal"
	"github.com/concord-hie/concord/server"
	"github.com/google/uuid"
)

// serveCmd runs a node.
type serveCmd struct {
	nodeConfig
}

// Help implements kong.HelpProvider.
func (serveCmd) Help() string {
	return "Serves FHIR, OAuth and administration. Any number of nodes may share one PostgreSQL and one Redis behind a balancer; give them the same " +
		"secret and keys. Checks every setting before the first port opens.\n\n" +
		"Example:\n  CONCORD_DATABASE_URL='postgres://concord@db/concord?sslmode=verify-full' CONCORD_REDIS_URL=rediss://cache:6379 \\\n" +
		"  concord serve --secret-file keys/secret --token-key-file keys/token.pem --audit-key-file keys/audit.pem \\\n" +
		"    --addr 0.0.0.0:8440 --base-url https://concord.example.org --behind-proxy"
}

// Run serves until ctx ends, then finishes what is under way.
func (s *serveCmd) Run(ctx context.Context, g *Globals, std *streams) error {
	log := slog.New(slog.NewJSONHandler(std.err, nil))
	if os.Getenv("GOGC") == "" {
		// Requests make much memory and keep little of it: collecting a quarter as often saves a tenth of the time and
		// costs a node some hundred MiB.
		debug.SetGCPercent(400)
	}
	n, err := startNode(ctx, *g, s.nodeConfig, log)
	if err != nil {
		return err
	}
	defer n.stop()
	log.InfoContext(ctx, "serving", "addr", n.addr, "version", version)
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.failed:
		return err
	}
}

// A node is a running Concord.
type node struct {
	// addr is where it listens, base its public origin.
	addr, base string
	// failed yields what ended the node of itself.
	failed chan error
	stop   func()
	db     *pg.DB
	trail  *auditpg.Log
}

// startNode ties the parts together and serves. Read from top to bottom it is how Concord is built: stores, then
// domain services over them, then doors over those.
func startNode(ctx context.Context, g Globals, cfg nodeConfig, log *slog.Logger) (_ *node, err error) {
	if err := cfg.check(&g); err != nil {
		return nil, err
	}
	var undo stack
	defer func() {
		if err != nil {
			undo.run()
		}
	}()

	// What the node rests on.
	db, err := pg.Open(ctx, g.DatabaseURL, pg.Options{MaxConns: cfg.MaxConns})
	if err != nil {
		return nil, err
	}
	undo.push(func() { _ = db.Close() })
	if cfg.Migrate {
		if _, err := pg.Migrate(ctx, db, migrations.Files); err != nil {
			return nil, err
		}
	}
	redis, err := rds.Open(cfg.RedisURL)
	if err != nil {
		return nil, err
	}
	undo.push(func() { _ = redis.Close() })
	sealer, err := readSealer(cfg.SecretFile)
	if err != nil {
		return nil, err
	}
	signers, err := readSigners(cfg.TokenKeyFile)
	if err != nil {
		return nil, err
	}
	auditKey, err := readAuditKey(cfg.AuditKeyFile)
	if err != nil {
		return nil, err
	}
	ids := hie.NewIDs(nil)

	// What runs beside requests ends before startNode's undoing closes what it uses.
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	undo.push(func() { cancel(); running.Wait() })
	failed := make(chan error, 4)

	// The audit trail.
	trail := auditpg.New(db)
	sequencer, err := auditpg.NewSequencer(db, auditpg.SequencerOptions{Key: auditKey, Witness: cfg.AuditWitness, Log: log})
	if err != nil {
		return nil, err
	}
	running.Go(func() {
		if err := sequencer.Run(background); err != nil {
			failed <- err
		}
	})

	// Who takes part, and who asks.
	participants := directorypg.New(db, auditpg.Append, hie.Now)
	networks, err := participants.Networks(ctx, log)
	if err != nil {
		return nil, err
	}
	running.Go(func() { networks.Watch(background) })
	codec := accessjwt.New(signers...)
	if err := beginReplayKeys(ctx, redis, trail); err != nil {
		log.WarnContext(ctx, "replay keys cannot be looked at", "kind", err.Error())
	}
	granting := accessConfig(cfg, codec, accesspg.New(db), trail, redis, networks, sealer)

	// The three cores, and what brings them together.
	documents := locator.New(locatorpg.New(db), networks.Network, ids, nil)
	consents := consentpg.New(db, ids, auditpg.Append, hie.Now)
	patients := mpi.New(mpipg.New(db, auditpg.Append), ids, trail, mpi.Options{Stakes: stakes(documents, consents.Load)})
	policies, err := openPolicies(db, g.PolicyKey)
	if err != nil {
		return nil, err
	}
	inForce, err := policies.Watch(ctx, log)
	if err != nil {
		return nil, err
	}
	running.Go(func() { inForce.Run(background) })
	consents.Clock(policies.Clock)
	environment := &environments{network: networks.Network, policies: inForce.Set, clock: hie.Now}
	impact := newImpactRun(db, policies, networks.Network)
	guard, err := egress.New(egress.Options{Allow: cfg.AllowSite, Header: follow})
	if err != nil {
		return nil, err
	}
	siteTokens, err := readSiteTokens(cfg.SiteToken)
	if err != nil {
		return nil, err
	}
	sites := federationhttp.New(federationhttp.Options{Guard: guard, Network: networks.Network, Bearer: siteTokens, Log: log})
	trials := federationhttp.New(federationhttp.Options{Guard: guard, Network: networks.Network, Bearer: siteTokens, Trial: true, Log: log})
	health := federationpg.NewHealth(db, ids.Next())
	running.Go(func() { health.Watch(background, networks.Network, log) })
	if cfg.SiteProbe > 0 {
		running.Go(func() { health.Probe(background, cfg.SiteProbe, networks.Network, sites.Describe, log) })
	}
	traces := federationpg.NewTraces(db, ids)
	running.Go(func() { traces.Watch(background, log) })
	handles := federationpg.New(db)
	running.Go(func() { handles.Watch(background, log) })
	exchange := federation.New(federation.Parts{
		Patients: patients, Holdings: documents, Directives: consents.Load, Representatives: consents.Representatives, CareTeams: participants.CareTeams,
		Epochs: func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
			return epoch.Read(ctx, db, records)
		},
		Sites:   federation.Watched{Sites: sites, Observe: health.Observe},
		Handles: handles, Record: trail.Record, Network: networks.Network, Env: environment.env,
		DocumentID: func(ref locator.Ref) string { return sealer.ID("document", int64(ref.Record), int64(ref.ID)) },
		Limits:     federation.Limits{Linger: linger, Follow: follow},
	})
	undo.push(exchange.Close)

	copies := &federation.Copies{Patients: patients, Directives: consents.Load, Feed: consents, Env: environment.env, Now: hie.Now,
		Epochs: func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
			return epoch.Read(ctx, db, records)
		},
		Own: func(record hie.SourcePatientID, document string) bool {
			of, _, err := sealer.OpenID("document", document)
			return err == nil && of == int64(record)
		}}
	running.Go(func() { copies.Watch(background, log) })

	staff := &desk{patients: patients, consents: consents, env: environment.env, network: networks.Network, teams: participants.CareTeams, now: hie.Now, log: log}
	consents.Meanwhile(staff.recheck)
	running.Go(func() { staff.watch(background) })
	running.Go(func() { staff.follow(background) })
	running.Go(func() { (&upkeep{index: patients, retention: cfg.NoticeRetention, log: log}).watch(background) })

	notices, err := cfg.postman()
	if err != nil {
		return nil, err
	}
	bringing := &onboarding{Store: directorypg.New(db, auditpg.Append, hie.Now), network: networks.Network, refresh: networks.Refresh, clients: accesspg.New(db).Current, health: health,
		trail: trail, index: patients, policies: inForce.Set, documents: documents, sites: trials, mail: notices}

	// The doors.
	registry := newRegistry(db, sequencer, traces)
	clientLimit := redis.Limiter("fhir", cfg.ClientRate, 2*cfg.ClientRate)
	deps := server.Deps{
		Verify: access.NewVerifier(granting).Verify, Tokens: access.NewIssuer(granting), KeySet: codec.KeySet(), SignPermission: codec.SignPermission,
		Limit:  clientLimit.Allow,
		Ready:  func(ctx context.Context) error { return errors.Join(db.Ping(ctx), redis.Ping(ctx)) },
		Sealer: sealer, Network: networks.Network, Audit: trail, Trail: trail, Proofs: trail, SignTable: sequencer.SignTable, Log: log, Metrics: registry,
		Patients: patients, Stewardship: patients, Nameable: exchange.Nameable,
		Documents: noted{documents, health.Published}, Sites: monitorOf(health, networks.Network, consents), Traces: traces, Onboarding: bringing, Settings: settingsOf(&g, &cfg), Visible: exchange.Visible, Held: exchange.Held, Exchange: exchange,
		Consents: consents, Emergencies: consents, Suspensions: consents, Requests: consents, Desk: consents, Forms: consents, ConsentEnv: environment.env, CareTeams: participants, Copies: copies,
		Policies: policies, Simulate: impact.simulate,
		Past: func(ctx context.Context, record hie.SourcePatientID, at time.Time) (server.Past, error) {
			return pastOf(ctx, db, g.PolicyKey, record, at)
		},
	}
	door := server.New(server.Config{BaseURL: cfg.BaseURL, Version: version}, deps)
	mailer, err := cfg.mailer(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	alerts := auditpg.NewAlerts(db, personsOf(patients), staff.endings, mailer, hie.Now, log)
	running.Go(func() { alerts.Run(background) })
	people, err := newPortal(cfg, door, deps, portal.Deps{Preview: exchange, Owned: exchange, Reporter: patients, Helpers: consents, Requests: consents, Claims: consents, Forms: consents, Alerts: alerts,
		Questions: auditpg.NewQuestions(db, ids, hie.Now), Searches: auditpg.NewSearches(db, ids, hie.Now)}, redis)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("cannot serve on %s: %w", cfg.Addr, err)
	}
	undo.push(serveHTTP(listener, entrance(door, people), cfg, patience, failed))
	if cfg.MetricsAddr != "" {
		inner, err := net.Listen("tcp", cfg.MetricsAddr)
		if err != nil {
			return nil, fmt.Errorf("cannot serve metrics on %s: %w", cfg.MetricsAddr, err)
		}
		undo.push(serveHTTP(inner, insight(registry), nodeConfig{}, patience, failed))
	}
	return &node{addr: listener.Addr().String(), base: cfg.BaseURL, failed: failed, stop: sync.OnceFunc(undo.run), db: db, trail: trail}, nil
}

// replaySpace is where once-only keys of client assertions lie in Redis.
const replaySpace = "jti"

// beginReplayKeys tells a Redis that knows of no assertion that there is none to know of, when no token was issued while one
// of them could still be used. Otherwise what it has lost may matter, and tokens wait until it cannot.
func beginReplayKeys(ctx context.Context, redis *rds.Client, trail *auditpg.Log) error {
	begin := hie.Now().Add(-access.ReplayWindow)
	issued, _, err := trail.Search(ctx, audit.Query{Kinds: []audit.Kind{audit.TokenIssued}, From: begin, Limit: 1})
	if err != nil || len(issued) > 0 {
		return err
	}
	return redis.Remembers(ctx, replaySpace, begin)
}

// linger is how long a late site is still listened to once its query has been answered.
const linger = 10 * time.Second

// follow is how long sites may take while somebody watches them answer. No site is waited for longer.
//
// Source: spec ux D2 (stops at 30 s).
const follow = 30 * time.Second

// accessConfig says what issuing and checking tokens rests on.
func accessConfig(cfg nodeConfig, codec *accessjwt.Codec, store *accesspg.Store, trail *auditpg.Log, redis *rds.Client,
	networks *directorypg.Networks, sealer *opaque.Sealer) access.Config {
	tokenLimit := redis.Limiter("token", cfg.ClientRate, 2*cfg.ClientRate)
	return access.Config{
		Issuer: cfg.BaseURL, TokenURL: cfg.BaseURL + "/oauth/token", FHIRBase: cfg.BaseURL + "/fhir",
		Codec: codec, Store: store, Audit: trail,
		Once: func(ctx context.Context, client hie.ClientID, jti string, ttl time.Duration) (bool, time.Time, error) {
			return redis.Once(ctx, replaySpace, ttl, string(client), jti)
		},
		Organization: func(id hie.OrgID) (access.Organization, bool) {
			n := networks.Network()
			o, ok := n.Organization(id)
			return participant(n, o), ok
		},
		OrganizationByURI: func(uri string) (access.Organization, bool) {
			n := networks.Network()
			o, ok := n.OrganizationByURI(uri)
			return participant(n, o), ok
		},
		OpenPatient: func(id string) (hie.SourcePatientID, error) {
			record, rest, err := sealer.OpenID("patient", id)
			if err == nil && rest != 0 {
				err = opaque.ErrForged
			}
			return hie.SourcePatientID(record), err
		},
		NewID: uuid.NewString,
		Limit: func(ctx context.Context, client hie.ClientID) (bool, time.Duration) {
			return tokenLimit.Allow(ctx, string(client))
		},
	}
}

// participant is o as access sees it.
func participant(n *directory.Network, o directory.Organization) access.Organization {
	return access.Organization{ID: o.ID, Name: o.Name, Identifier: o.Identifier, Active: o.Active, Shut: !n.Admitted(o.ID)}
}

// readSigners reads the keys that sign access tokens.
func readSigners(files []string) ([]*token.Signer, error) {
	out := make([]*token.Signer, 0, len(files))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("token key: %s cannot be read", f)
		}
		signer, err := token.ReadSigner(raw)
		if err != nil {
			return nil, fmt.Errorf("token key: %s: %w", f, err)
		}
		out = append(out, signer)
	}
	return out, nil
}

// readSiteTokens reads the bearer tokens presented at sites' endpoints, each given as ENDPOINT=FILE.
func readSiteTokens(settings []string) (map[string]string, error) {
	out := make(map[string]string, len(settings))
	for _, s := range settings {
		endpoint, file, ok := strings.Cut(s, "=")
		if !ok || endpoint == "" {
			return nil, fmt.Errorf("site token: must be ENDPOINT=FILE, the id of an endpoint and the file that holds its token")
		}
		raw, err := os.ReadFile(file)
		value := strings.TrimSpace(string(raw))
		if err != nil || value == "" || strings.ContainsAny(value, " \r\n\t") {
			return nil, fmt.Errorf("site token: the file for endpoint %s cannot be read or does not hold one token", endpoint)
		}
		out[endpoint] = value
	}
	return out, nil
}

// httpTimes bound what a caller may take for the head of a request, the whole of it, our answer, and between two.
type httpTimes struct{ head, request, answer, idle time.Duration }

// patience stops a caller who sends or takes nothing. A document's bytes are passed on under a deadline a chunk, which the
// handler sets anew each time.
var patience = httpTimes{head: 5 * time.Second, request: 2 * time.Minute, answer: 2 * time.Minute, idle: 2 * time.Minute}

// serveHTTP serves on listener until the returned function is called; that lets requests under way finish.
func serveHTTP(listener net.Listener, h http.Handler, cfg nodeConfig, within httpTimes, failed chan<- error) (stop func()) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: within.head, ReadTimeout: within.request, WriteTimeout: within.answer, IdleTimeout: within.idle,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var err error
		if cfg.TLSCert != "" {
			err = srv.ServeTLS(listener, cfg.TLSCert, cfg.TLSKey)
		} else {
			err = srv.Serve(framing.Listener(listener))
		}
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving ended: %w", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
		<-ended
	}
}

// A stack undoes what was done, last first.
type stack []func()

func (s *stack) push(f func()) { *s = append(*s, f) }

func (s *stack) run() {
	for i := len(*s) - 1; i >= 0; i-- {
		(*s)[i]()
	}
}
