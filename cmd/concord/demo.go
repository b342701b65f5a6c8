package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgcluster"
	"github.com/concord-hie/concord/internal/rds"
	"github.com/concord-hie/concord/internal/sim"
)

// demoCmd runs a whole exchange on this machine.
type demoCmd struct {
	Data   string        `default:"./demo-data" help:"Directory that keeps the demo's data between runs." placeholder:"DIR"`
	Addr   string        `default:"127.0.0.1:8440" help:"Address the node serves on."`
	Sites  int           `default:"5" help:"How many simulated sites, 5 to 40."`
	People int           `default:"2000" help:"How many people live in the region."`
	Slow   time.Duration `default:"250ms" help:"How long the slow site thinks before it answers."`
	Load   string        `help:"Register and publish the FHIR messages found under DIR and report each." placeholder:"DIR" type:"existingdir"`
	Story  bool          `help:"Play the guided story; exit status 1 on any difference."`
	Once   bool          `help:"Exit when everything asked for is done, instead of staying up."`
}

// Help implements kong.HelpProvider.
func (demoCmd) Help() string {
	return "Starts a private PostgreSQL and an embedded Redis, a node, simulated sites that are real FHIR servers (one slow, one failing, one that does " +
		"not publish), and a made-up population, registered and published through the node's public API. DIR/demo.json says how to reach it all.\n\n" +
		"Examples:\n  concord demo\n  concord demo --once --story\n  concord demo --load ./messages"
}

// demoSeed fixes who lives in the demo.
const demoSeed = 20261101

// A demo is a running exchange.
type demo struct {
	demoCmd
	s       *streams
	dir     string
	base    string // public origin of the node
	region  *sim.Region
	bases   map[string]string // site -> FHIR base of its server
	clients map[string]*demoClient
	state   demoState
	node    *node
	signIn  *demoProvider

	databaseURL string
	stops       []func() // in the order of starting
}

// A demoState is what DIR/state.json remembers between runs.
type demoState struct {
	Seed   uint64         `json:"seed"`
	Sites  int            `json:"sites"`
	People int            `json:"people"` // registered and published so far
	Ports  map[string]int `json:"ports"`  // pointers name these ports, so they stay
	// Cast is how many people the stories had when the region was made: everybody else's number follows theirs.
	Cast int `json:"cast"`
	// Consents says that the people of the stories have stated their wishes.
	Consents bool `json:"consents"`
}

// Run starts everything, does what was asked and stays up.
func (d demoCmd) Run(ctx context.Context, s *streams) (err error) {
	if d.Sites < 5 || d.Sites > 40 {
		return errors.New("--sites must be 5 to 40")
	}
	if d.People < 14 || d.People > 1_000_000 {
		return fmt.Errorf("--people must be 14 to 1000000: the %d people of the stories live there in any case", sim.Cast())
	}
	dir, err := filepath.Abs(d.Data)
	if err != nil {
		return err
	}
	if d.Addr, err = freeAddr(d.Addr); err != nil {
		return err
	}
	m := &demo{demoCmd: d, s: s, dir: dir, bases: map[string]string{}, clients: map[string]*demoClient{}}
	defer m.stop()
	began := time.Now()
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	if err := m.writeJSON(); err != nil {
		return err
	}
	m.say("ready in %s: %s", time.Since(began).Round(100*time.Millisecond), m.base)
	m.printPeople()
	if d.Load != "" {
		if err := m.load(ctx, d.Load); err != nil {
			return err
		}
	}
	if d.Story {
		if err := m.story(ctx); err != nil {
			return err
		}
	}
	if d.Once {
		return nil
	}
	m.say("running; stop with Ctrl-C. How to reach it: %s", filepath.Join(dir, "demo.json"))
	select {
	case <-ctx.Done():
		return nil
	case err := <-m.node.failed:
		return err
	}
}

// say tells the person at the terminal.
func (m *demo) say(format string, args ...any) { fmt.Fprintf(m.s.err, format+"\n", args...) }

// stop ends what was started, last first.
func (m *demo) stop() {
	for i := len(m.stops) - 1; i >= 0; i-- {
		m.stops[i]()
	}
}

// start brings up database, Redis, sites and node, in that order.
func (m *demo) start(ctx context.Context) (err error) {
	if err := os.MkdirAll(m.dir, 0o755); err != nil { // not private: PostgreSQL may run as another user
		return fmt.Errorf("demo: %w", err)
	}
	if err := m.readState(); err != nil {
		return err
	}
	if m.region, err = sim.Population(demoSeed, max(m.People, m.state.People), m.Sites); err != nil {
		return err
	}
	cluster, err := pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(m.dir, "postgres")})
	if err != nil {
		return err
	}
	m.stops = append(m.stops, cluster.Stop)
	if err := makeDatabase(ctx, cluster, "concord"); err != nil {
		return err
	}
	redis, err := startEmbeddedRedis()
	if err != nil {
		return err
	}
	m.stops = append(m.stops, redis.stop)
	if err := redis.begin(ctx); err != nil {
		return err
	}
	if err := m.startSites(); err != nil {
		return err
	}
	if m.signIn, err = m.startSignIn(); err != nil {
		return err
	}
	if err := m.writeState(); err != nil { // the ports, before anything names them
		return err
	}
	return m.runNode(ctx, cluster.URL("concord"), "redis://"+redis.addr)
}

// makeDatabase creates database name unless it is there.
func makeDatabase(ctx context.Context, cluster *pgcluster.Cluster, name string) error {
	db, err := pg.Open(ctx, cluster.URL("postgres"), pg.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var there bool
	if err := db.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&there); err != nil || there {
		return err
	}
	_, err = db.Exec(ctx, `create database `+name)
	return err
}

// An embeddedRedis is a Redis in this process.
type embeddedRedis struct {
	addr string
	stop func()
}

// begin says that this Redis has forgotten nothing. It is new in each run, and what an earlier run's clients have used were
// assertions of this same program; without this the demo would wait until none of them could be used any more.
func (e embeddedRedis) begin(ctx context.Context) error {
	c, err := rds.Open("redis://" + e.addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return c.Remembers(ctx, replaySpace, time.Now().Add(-access.ReplayWindow))
}

// startEmbeddedRedis starts it. Its clock is moved by hand, second by second, so that keys expire as in a real one.
func startEmbeddedRedis() (embeddedRedis, error) {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		return embeddedRedis{}, fmt.Errorf("demo: redis: %w", err)
	}
	tick, done, ended := time.NewTicker(time.Second), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-tick.C:
				server.FastForward(time.Second)
			case <-done:
				return
			}
		}
	}()
	return embeddedRedis{addr: server.Addr(), stop: func() {
		tick.Stop()
		close(done)
		<-ended
		server.Close()
	}}, nil
}

// startSites opens each site's FHIR server on loopback, on the port it had before.
func (m *demo) startSites() error {
	_, port, _ := net.SplitHostPort(m.Addr)
	first, _ := strconv.Atoi(port)
	if m.state.Ports == nil {
		m.state.Ports = map[string]int{}
	}
	for i, site := range m.allSites() {
		if site.Delay > 0 {
			site.Delay = m.Slow
		}
		listener, err := listenSite(m.state.Ports[site.ID], first+1+i)
		if err != nil {
			return fmt.Errorf("demo: site %s: its port is taken by another program; documents name it, so free it or use another --data directory: %w", site.ID, err)
		}
		m.state.Ports[site.ID] = listener.Addr().(*net.TCPAddr).Port
		m.bases[site.ID] = "http://" + listener.Addr().String() + "/fhir"
		emr := sim.NewServer(m.region, site, m.bases[site.ID])
		emr.Kept = m.kept(site.ID)
		server := &http.Server{Handler: emr, ReadHeaderTimeout: 5 * time.Second}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = server.Serve(listener) // always an error: that it was closed
		}()
		m.stops = append(m.stops, func() { _ = server.Close(); <-ended })
	}
	return nil
}

// listenSite listens on the port a site had; a site that had none takes wish if it is free, else any.
func listenSite(had, wish int) (net.Listener, error) {
	listen := func(port int) (net.Listener, error) {
		return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	if had != 0 {
		return listen(had)
	}
	if wish > 1 {
		if l, err := listen(wish); err == nil {
			return l, nil
		}
	}
	return listen(0)
}

func (m *demo) stateFile() string { return filepath.Join(m.dir, "state.json") }

// readState reads what earlier runs left, refusing a region of another make.
func (m *demo) readState() error {
	m.state = demoState{Seed: demoSeed, Sites: m.Sites}
	raw, err := os.ReadFile(m.stateFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := json.Unmarshal(raw, &m.state); err != nil {
		return fmt.Errorf("demo: %s cannot be read; remove the data directory to begin anew", m.stateFile())
	}
	if m.state.People > 0 && m.state.Cast != sim.Cast() {
		return fmt.Errorf("demo: %s holds a region made by an older program, in which people have other numbers; remove it to begin anew", m.dir)
	}
	if m.state.Seed != demoSeed || m.state.Sites != m.Sites {
		return fmt.Errorf("demo: %s holds a region of %d sites made otherwise; give --sites %d or another --data directory", m.dir, m.state.Sites, m.state.Sites)
	}
	return nil
}

// writeState replaces the state file whole.
func (m *demo) writeState() error {
	return writeWhole(m.stateFile(), m.state)
}

// writeWhole writes v as JSON beside name and puts it in its place, so that name is never half written.
func writeWhole(name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return os.Rename(name+".new", name)
}
