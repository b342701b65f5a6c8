package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/token"
	"github.com/concord-hie/concord/migrations"
	"github.com/concord-hie/concord/portal"
)

// runNode brings up the node on the demo's database and Redis: schema, directory and clients first, through the
// functions the command line uses.
func (m *demo) runNode(ctx context.Context, databaseURL, redisURL string) error {
	keyDir := filepath.Join(m.dir, "keys")
	if _, err := makeKeys(keyDir, false); err != nil {
		return err
	}
	keys := keysIn(keyDir)
	// The feeds of a few sites load a whole population at once: the rate is theirs.
	cfg := nodeConfig{RedisURL: redisURL, Addr: m.Addr, SecretFile: keys.secret, TokenKeyFile: []string{keys.token}, AuditKeyFile: keys.audit,
		AuditWitness: filepath.Join(m.dir, "checkpoints"), Migrate: true, MaxConns: 32, ClientRate: 5000, SiteProbe: 15 * time.Second, NoticeRetention: 2160 * time.Hour}
	secret := filepath.Join(keyDir, "sign-in.secret")
	if err := os.WriteFile(secret, []byte(m.signIn.secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	shown := make([]portal.Persona, len(m.signIn.personas))
	for i, p := range m.signIn.personas {
		shown[i] = p.Persona
	}
	post, err := m.startPost()
	if err != nil {
		return err
	}
	cfg.peopleConfig = peopleConfig{SMTPAddr: post, SMTPFrom: "alerts@bay-exchange.example.org", OIDCIssuer: m.signIn.issuer, OIDCClientID: signInClient, OIDCClientSecretFile: secret, OIDCStepUpClass: againClass,
		demo: &portal.Demo{Personas: shown, Story: m.storyTicks(hie.Now()), People: m.sandboxPeople(), Sites: m.sandboxSites(), Clients: m.sandboxClients(keyDir), Token: m.sandboxToken, Reset: m.sandboxReset}}
	for _, base := range m.bases {
		u, err := url.Parse(base)
		if err != nil {
			return err
		}
		cfg.AllowSite = append(cfg.AllowSite, u.Host)
	}
	m.databaseURL = databaseURL
	g := &Globals{DatabaseURL: databaseURL}
	if err := cfg.check(g); err != nil {
		return err
	}
	m.base = cfg.BaseURL
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := pg.Migrate(ctx, db, migrations.Files); err != nil {
		return err
	}
	if err := m.apply(ctx, db, keyDir); err != nil {
		return err
	}
	file, err := m.openLog()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	m.stops = append(m.stops, func() { _ = file.Close() })
	n, err := startNode(ctx, *g, cfg, slog.New(slog.NewJSONHandler(file, nil)))
	if err != nil {
		return err
	}
	m.node = n
	m.stops = append(m.stops, n.stop)
	return nil
}

// apply states who takes part and which clients there are. Applying the same again changes nothing.
func (m *demo) apply(ctx context.Context, db *pg.DB, keyDir string) error {
	actor := hie.Actor{Organization: exchangeOrg, Client: "concord-demo", Roles: []string{hie.RoleOperator}}
	store := directorypg.New(db, auditpg.Append, nil)
	n, err := store.Load(ctx)
	if err != nil {
		return err
	}
	if _, err := store.Apply(ctx, actor, beside(n, m.network()), false); err != nil {
		return err
	}
	var clients []access.Client
	for _, c := range demoClients(m.allSites()) {
		c.keyFile = filepath.Join(keyDir, string(c.ID)+".jwk")
		signer, err := readOrMakeKey(c.keyFile)
		if err != nil {
			return err
		}
		public := signer.Public()
		c.Keys = accessjwt.Keys([]token.PublicKey{public})
		c.api = newAPIClient(m.base, string(c.ID), m.orgURI(c.Organization), signer)
		m.clients[string(c.ID)] = &c
		clients = append(clients, c.Client)
	}
	_, err = accesspg.New(db).Apply(ctx, actor, clients, false)
	return err
}

// beside returns f with whoever else n knows who takes part: what was added by hand to a demo that was up before. How far
// sites take part is left as it is.
func beside(n *directory.Network, f directory.File) directory.File {
	if len(n.Sites()) == 0 {
		return f
	}
	for i := range f.Sites {
		f.Sites[i].Membership = ""
	}
	for _, o := range n.Organizations() {
		if o.Active && !slices.ContainsFunc(f.Organizations, func(d directory.Organization) bool { return d.ID == o.ID }) {
			f.Organizations = append(f.Organizations, o)
		}
	}
	for _, s := range n.Sites() {
		if s.Active && !slices.ContainsFunc(f.Sites, func(d directory.Site) bool { return d.ID == s.ID }) {
			f.Sites = append(f.Sites, s)
			for _, d := range n.Defaults() {
				if d.Site == s.ID {
					f.Defaults = append(f.Defaults, d)
				}
			}
		}
	}
	return f
}

// orgURI returns the identifier tokens name an organisation of the demo by.
func (m *demo) orgURI(org hie.OrgID) string {
	for _, s := range m.allSites() {
		if s.Org == string(org) {
			return s.OrgURI
		}
	}
	return exchangeURI
}

// freeAddr returns addr with its port, if that is 0, replaced by a free one: tokens are bound to the address, so
// it must be known before the node listens.
func freeAddr(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("--addr must be host:port, such as 127.0.0.1:8440")
	}
	if port != "0" {
		return addr, nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// openLog returns the file the node's log goes to: the terminal belongs to the demo.
func (m *demo) openLog() (*os.File, error) {
	return os.OpenFile(filepath.Join(m.dir, "concord.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}
