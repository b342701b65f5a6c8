package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgcluster"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/internal/token"
	"github.com/concord-hie/concord/migrations"
)

// An exchangeUnderTest is an exchange of real processes: a durable PostgreSQL, a redis-server, nodes, and the
// simulated sites in this process. Its directory, clients and people are the demo's.
type exchangeUnderTest struct {
	*demo
	t       testing.TB
	ctx     context.Context
	cluster *pgcluster.Cluster
	dataDir string // PostgreSQL's
	dbURL   string
	redis   *process
	nodes   []*process
	origins []string // of each node; tokens are bound to the first
	db      *pg.DB   // the test's own look at the database
	env     []string
	metrics []string
}

// newExchange starts an exchange with n nodes and nobody registered.
func newExchange(t testing.TB, n int) *exchangeUnderTest {
	t.Helper()
	region, err := sim.Population(demoSeed, 14, 5)
	if err != nil {
		t.Fatal(err)
	}
	return newExchangeOf(t, n, region)
}

// newExchangeOf starts an exchange of region. Its nodes may reach the region's sites and what also names besides.
func newExchangeOf(t testing.TB, n int, region *sim.Region, also ...string) *exchangeUnderTest {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	x := &exchangeUnderTest{t: t, ctx: ctx, demo: &demo{s: &streams{out: io.Discard, err: io.Discard}, dir: t.TempDir(), region: region,
		bases: map[string]string{}, clients: map[string]*demoClient{}}}
	x.Slow, x.Addr, x.People = 1, "127.0.0.1:0", len(region.People)
	t.Cleanup(x.demo.stop)
	if err := x.startSites(); err != nil {
		t.Fatal(err)
	}
	x.cluster, x.dataDir = launchPostgres(t)
	if err := makeDatabase(ctx, x.cluster, "concord"); err != nil {
		t.Fatal(err)
	}
	x.dbURL = x.cluster.URL("concord")
	redisURL, redis := launchRedis(t)
	x.redis = redis
	keyDir := filepath.Join(x.dir, "keys")
	if _, err := makeKeys(keyDir, false); err != nil {
		t.Fatal(err)
	}
	keys := keysIn(keyDir)
	for range n {
		x.origins = append(x.origins, fmt.Sprintf("http://127.0.0.1:%d", freePort(t)))
		x.metrics = append(x.metrics, fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	}
	x.base = x.origins[0]
	allow := also
	for _, base := range x.bases {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		allow = append(allow, u.Host)
	}
	x.env = []string{"CONCORD_DATABASE_URL=" + x.dbURL, "CONCORD_REDIS_URL=" + redisURL, "CONCORD_BASE_URL=" + x.base,
		"CONCORD_SECRET_FILE=" + keys.secret, "CONCORD_TOKEN_KEY_FILE=" + keys.token, "CONCORD_AUDIT_KEY_FILE=" + keys.audit,
		"CONCORD_ALLOW_SITE=" + strings.Join(allow, ","), "CONCORD_CLIENT_RATE=100000"}
	x.openDB()
	if _, err := pg.Migrate(ctx, x.db, migrations.Files); err != nil {
		t.Fatal(err)
	}
	if err := x.apply(ctx, x.db, keyDir); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		x.nodes = append(x.nodes, x.startNode(i))
	}
	return x
}

func (x *exchangeUnderTest) openDB() {
	x.t.Helper()
	db, err := pg.Open(x.ctx, x.dbURL, pg.Options{MaxConns: 4})
	if err != nil {
		x.t.Fatal(err)
	}
	x.db = db
	x.t.Cleanup(func() { _ = db.Close() })
}

// startNode starts the i-th node and waits until it is ready.
func (x *exchangeUnderTest) startNode(i int) *process {
	x.t.Helper()
	u, err := url.Parse(x.origins[i])
	if err != nil {
		x.t.Fatal(err)
	}
	p := start(x.t, concord(append(x.env, "CONCORD_ADDR="+u.Host, "CONCORD_METRICS_ADDR="+x.metrics[i]), "serve"))
	awaitOK(x.t, x.origins[i]+"/readyz", p)
	return p
}

// restartPostgres starts PostgreSQL again on its data and port after it was killed.
func (x *exchangeUnderTest) restartPostgres() {
	x.t.Helper()
	u, err := url.Parse(x.dbURL)
	if err != nil {
		x.t.Fatal(err)
	}
	var port int
	if _, err := fmt.Sscanf(u.Port(), "%d", &port); err != nil {
		x.t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(x.dataDir, "postmaster.pid")) // its process is gone for certain
	c, err := pgcluster.Start(x.ctx, pgcluster.Options{Dir: x.dataDir, Port: port})
	if err != nil {
		x.t.Fatal(err)
	}
	x.cluster = c
	x.t.Cleanup(c.Stop)
}

// must makes a call that has to be answered with status.
func (x *exchangeUnderTest) must(status int, client string, who asker, method, target string, body any, headers ...string) reply {
	x.t.Helper()
	r, err := x.clients[client].api.call(x.ctx, who, method, target, body, headers...)
	if err != nil {
		x.t.Fatal(err)
	}
	if r.status != status {
		x.t.Fatalf("%s %s as %s: %d, want %d: %s", method, strings.SplitN(target, "?", 2)[0], client, r.status, status, r.problem())
	}
	return r
}

// person returns the first person of a story.
func (x *exchangeUnderTest) person(story string) sim.Person {
	x.t.Helper()
	for _, p := range x.region.People {
		if p.Story == story {
			return p
		}
	}
	x.t.Fatalf("nobody is in the story %s", story)
	return sim.Person{}
}

// enter registers p everywhere and publishes p's documents.
func (x *exchangeUnderTest) enter(people ...sim.Person) {
	x.t.Helper()
	for _, p := range people {
		var todo []sim.Registration
		for _, i := range p.Registrations {
			todo = append(todo, x.region.Registrations[i])
		}
		if err := x.register(x.ctx, todo); err != nil {
			x.t.Fatal(err)
		}
		if err := x.publish(x.ctx, todo); err != nil {
			x.t.Fatal(err)
		}
	}
}

// inside returns what a node's inner listener tells at path.
func (x *exchangeUnderTest) inside(i int, path string) string {
	x.t.Helper()
	resp, err := http.Get("http://" + x.metrics[i] + path)
	if err != nil {
		x.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return string(b)
}

// manySites adds an organisation with n sites of its own and one feed, and returns their authorities.
func (x *exchangeUnderTest) manySites(n int) []string {
	x.t.Helper()
	f := demoDirectory(x.region.Sites, x.bases)
	f.Organizations = append(f.Organizations, directory.Organization{ID: "many", Name: "Many Clinics", Identifier: "https://many.example.org", Kind: "practice", Jurisdiction: "US-MD", Active: true})
	var authorities []string
	for i := range n {
		authority := fmt.Sprintf("https://many.example.org/site/%d", i)
		authorities = append(authorities, authority)
		f.Sites = append(f.Sites, directory.Site{ID: hie.SiteID(fmt.Sprintf("many-%d", i)), Org: "many", Name: fmt.Sprintf("Clinic %d", i), Authorities: []string{authority},
			Zone: "America/New_York", Labelled: true, Publishes: true, Active: true})
	}
	x.signOn(f)
	x.addClient("many-feed", "many", "https://many.example.org", feedScopes)
	return authorities
}

// signOn makes f the directory and signs off its new sites.
func (x *exchangeUnderTest) signOn(f directory.File) {
	x.t.Helper()
	for i := range f.Sites {
		f.Sites[i].Membership = ""
	}
	if _, err := directorypg.New(x.db, auditpg.Append, nil).Apply(x.ctx, operatorActor, f, false); err != nil {
		x.t.Fatal(err)
	}
	x.goLive()
}

// goLive has two people sign off every site that takes part and is joining.
func (x *exchangeUnderTest) goLive() {
	x.t.Helper()
	store := directorypg.New(x.db, auditpg.Append, nil)
	n, err := store.Load(x.ctx)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, s := range n.Sites() {
		if s.Membership != directory.Joining || !s.Active {
			continue
		}
		x.step("anna", directory.Step{Site: s.ID, Move: directory.MoveProposed, Checks: passed()})
		x.step("ben", directory.Step{Site: s.ID, Move: directory.MoveApproved, Checks: passed()})
	}
}

// step takes a step in a site's membership as user.
func (x *exchangeUnderTest) step(user string, s directory.Step) {
	x.t.Helper()
	actor := operatorActor
	actor.User = user
	if _, err := directorypg.New(x.db, auditpg.Append, nil).Take(x.ctx, actor, s, false); err != nil {
		x.t.Fatal(err)
	}
}

// passed are the checks of a site ready to go live.
func passed() []directory.Check {
	var out []directory.Check
	for _, id := range directory.CheckIDs() {
		out = append(out, directory.Check{ID: id, Result: directory.Pass})
	}
	return out
}

// addClient registers one more client of org, named uri in tokens, and waits until every node has looked at the
// directory and the clients since.
func (x *exchangeUnderTest) addClient(id, org, uri string, scopes []string) {
	x.t.Helper()
	signer, err := token.Generate(token.ES384)
	if err != nil {
		x.t.Fatal(err)
	}
	public := signer.Public()
	c := access.Client{ID: hie.ClientID(id), Name: id, Organization: hie.OrgID(org), Status: access.Active, Scopes: access.NormalScopes(scopes),
		Purposes: []hie.Purpose{"HOPERAT"}, Keys: map[string]access.Key{public.Kid: {Kid: public.Kid, Alg: public.Alg, Public: public}}}
	if _, err := accesspg.New(x.db).Apply(x.ctx, operatorActor, []access.Client{c}, false); err != nil {
		x.t.Fatal(err)
	}
	x.clients[id] = &demoClient{Client: c, api: newAPIClient(x.base, id, uri, signer)}
	time.Sleep(1200 * time.Millisecond)
}
