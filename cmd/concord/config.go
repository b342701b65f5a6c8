package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/concord-hie/concord/internal/pg"
)

// Globals are the settings every command shares. Flags outrank CONCORD_* variables, which outrank the file
// given by --config; unknown keys in the file are refused.
type Globals struct {
	Config      kong.ConfigFlag `help:"JSON file of settings, by flag name." placeholder:"FILE"`
	DatabaseURL string          `env:"CONCORD_DATABASE_URL" help:"PostgreSQL to use; sslmode must be stated." placeholder:"URL"`
	PolicyKey   []string        `env:"CONCORD_POLICY_KEY" help:"Further Ed25519 public keys (PEM files) whose law packs are trusted, besides the publisher's." placeholder:"FILE"`

	// origins say where each setting's value comes from, by flag name; nil when the program set them itself.
	origins map[string]string
}

// open connects to the database of --database-url.
func (g *Globals) open(ctx context.Context) (*pg.DB, error) {
	if g.DatabaseURL == "" {
		return nil, fmt.Errorf("no database: set CONCORD_DATABASE_URL or give --database-url, for instance postgres://concord@db.example.org/concord?sslmode=verify-full")
	}
	return pg.Open(ctx, g.DatabaseURL, pg.Options{})
}

// newParser builds the command line. exit is called by --help and --version.
func newParser(c *cli, out, errOut io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(c, kong.Name("concord"), kong.Description(description), kong.Writers(out, errOut), kong.Exit(exit),
		kong.Configuration(strictJSON),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}))
}

const description = `Concord finds a patient's records across sites: who is who, where documents are, whether this requester may have them.

Examples:
  concord demo                              a whole network on this machine, with people and documents
  concord serve                             the node, on your PostgreSQL and Redis
  concord token --client ID --key FILE --purpose TREAT
  concord site apply sites.json --dry-run   show what would change`

// strictJSON reads a configuration file and refuses keys that no flag has: a misspelt setting must not be
// silently ignored.
func strictJSON(r io.Reader) (kong.Resolver, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var keys map[string]any
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, fmt.Errorf("the configuration file is not a JSON object")
	}
	named := make(map[string]any, len(keys)) // kong looks names up with underscores alone
	for k, v := range keys {
		named[strings.ReplaceAll(k, "-", "_")] = v
	}
	if raw, err = json.Marshal(named); err != nil {
		return nil, err
	}
	inner, err := kong.JSON(strings.NewReader(string(raw)))
	if err != nil {
		return nil, fmt.Errorf("the configuration file cannot be read as settings")
	}
	return checkedResolver{Resolver: inner, keys: keys}, nil
}

type checkedResolver struct {
	kong.Resolver
	keys map[string]any
}

// Resolve implements kong.Resolver. A variable of the environment outranks the file.
func (r checkedResolver) Resolve(kctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if inEnvironment(flag) {
		return nil, nil
	}
	return r.Resolver.Resolve(kctx, parent, flag)
}

// inEnvironment reports whether a variable sets flag.
func inEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool { _, set := os.LookupEnv(name); return set })
}

// Where a setting's value comes from.
const (
	originFlag        = "flag"
	originEnvironment = "environment"
	originFile        = "file"
	originDefault     = "default"
	originProgram     = "program" // the demo sets its node up itself
)

// originsOf says where the value of each flag of a command line comes from.
func originsOf(kctx *kong.Context) map[string]string {
	out := map[string]string{}
	for _, f := range kctx.Flags() {
		out[f.Name] = originDefault
		if inEnvironment(f) {
			out[f.Name] = originEnvironment
		}
	}
	for _, p := range kctx.Path {
		switch {
		case p.Flag == nil:
		case p.Resolved:
			out[p.Flag.Name] = originFile
		default:
			out[p.Flag.Name] = originFlag
		}
	}
	return out
}

// Validate implements kong.Resolver.
func (r checkedResolver) Validate(app *kong.Application) error {
	known := map[string]bool{}
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			known[f.Name] = true
			known[strings.ReplaceAll(f.Name, "-", "_")] = true
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(app.Node)
	var unknown []string
	for k := range r.keys {
		if !known[k] {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("the configuration file has unknown settings: %s", strings.Join(unknown, ", "))
	}
	return r.Resolver.Validate(app)
}

// nodeConfig is everything a node needs to know. It is checked whole before the first port opens.
type nodeConfig struct {
	RedisURL     string   `env:"CONCORD_REDIS_URL" help:"Redis to use (redis:// or rediss://)." placeholder:"URL"`
	Addr         string   `env:"CONCORD_ADDR" default:"127.0.0.1:8440" help:"Address to serve on."`
	MetricsAddr  string   `env:"CONCORD_METRICS_ADDR" default:"127.0.0.1:9440" help:"Address of the inner listener: /metrics, and profiles under /debug/pprof/; empty for none."`
	BaseURL      string   `env:"CONCORD_BASE_URL" help:"Public origin, as clients see it; default http://ADDR on loopback." placeholder:"URL"`
	TLSCert      string   `env:"CONCORD_TLS_CERT" help:"Certificate chain (PEM)." placeholder:"FILE"`
	TLSKey       string   `env:"CONCORD_TLS_KEY" help:"Private key of the certificate (PEM)." placeholder:"FILE"`
	BehindProxy  bool     `env:"CONCORD_BEHIND_PROXY" help:"TLS ends at a proxy in front of this node."`
	SecretFile   string   `env:"CONCORD_SECRET_FILE" help:"File with at least 32 bytes, the same on every node, from which ids and cursors are sealed." placeholder:"FILE"`
	TokenKeyFile []string `env:"CONCORD_TOKEN_KEY_FILE" help:"P-256 private key(s) that sign access tokens; the first signs, all are published." placeholder:"FILE"`
	AuditKeyFile string   `env:"CONCORD_AUDIT_KEY_FILE" help:"Ed25519 private key that signs audit checkpoints." placeholder:"FILE"`
	AuditWitness string   `env:"CONCORD_AUDIT_WITNESS" help:"File outside the database to which each checkpoint is also written." placeholder:"FILE"`
	AllowSite    []string `env:"CONCORD_ALLOW_SITE" help:"host:port or CIDR that sites may be reached at although the address is private or loopback." placeholder:"ADDR"`
	SiteToken    []string `env:"CONCORD_SITE_TOKEN" help:"ENDPOINT=FILE: the bearer token presented at an endpoint whose capability auth is bearer-file." placeholder:"ENDPOINT=FILE"`
	Migrate      bool     `env:"CONCORD_MIGRATE" default:"true" negatable:"" help:"Bring the schema up to date at start."`
	MaxConns     int      `env:"CONCORD_MAX_CONNS" default:"32" help:"Connections to PostgreSQL at most."`
	ClientRate   int      `env:"CONCORD_CLIENT_RATE" default:"500" help:"Requests a second each client may make; bursts of twice that."`

	SiteProbe       time.Duration `env:"CONCORD_SITE_PROBE" default:"1m" help:"How often each endpoint is asked what it is, by one node; 0 for never."`
	NoticeRetention time.Duration `env:"CONCORD_NOTICE_RETENTION" default:"2160h" help:"How long identity changes are kept for readers that have not passed them, a day at least."`

	peopleConfig `embed:""`
}

// check refuses settings that are unsafe or cannot work, in one line that says what to do.
func (n *nodeConfig) check(g *Globals) error {
	host, _, err := net.SplitHostPort(n.Addr)
	if err != nil {
		return fmt.Errorf("--addr must be host:port, such as 127.0.0.1:8440")
	}
	loopback := isLoopback(host)
	switch {
	case g.DatabaseURL == "":
		return fmt.Errorf("no database: set CONCORD_DATABASE_URL (sslmode stated)")
	case !strings.Contains(g.DatabaseURL, "sslmode="):
		return fmt.Errorf("CONCORD_DATABASE_URL must state sslmode: verify-full in production, disable only on loopback")
	case strings.Contains(g.DatabaseURL, "sslmode=disable") && !localDatabase(g.DatabaseURL):
		return fmt.Errorf("sslmode=disable is for a database on this machine only: use sslmode=verify-full")
	case n.RedisURL == "":
		return fmt.Errorf("no Redis: set CONCORD_REDIS_URL; tokens cannot be issued without it")
	case n.SecretFile == "":
		return fmt.Errorf("no secret: set CONCORD_SECRET_FILE to a file of at least 32 random bytes (concord keys new --out DIR makes one)")
	case len(n.TokenKeyFile) == 0:
		return fmt.Errorf("no token key: set CONCORD_TOKEN_KEY_FILE (concord keys new --out DIR makes one)")
	case n.AuditKeyFile == "":
		return fmt.Errorf("no audit key: set CONCORD_AUDIT_KEY_FILE (concord keys new --out DIR makes one)")
	case (n.TLSCert == "") != (n.TLSKey == ""):
		return fmt.Errorf("--tls-cert and --tls-key go together")
	case !loopback && n.TLSCert == "" && !n.BehindProxy:
		return fmt.Errorf("serving beyond this machine without TLS: give --tls-cert and --tls-key, or --behind-proxy if a proxy ends TLS")
	case n.NoticeRetention < 24*time.Hour:
		return fmt.Errorf("--notice-retention must be a day (24h) at least: readers of identity changes need time")
	case n.SiteProbe < 0 || n.SiteProbe > 0 && n.SiteProbe < time.Second:
		return fmt.Errorf("--site-probe must be a second (1s) at least, or 0 for never")
	case n.BaseURL == "" && !loopback:
		return fmt.Errorf("--base-url is needed when serving beyond this machine: tokens are bound to it")
	}
	if n.BaseURL == "" {
		scheme := "http://"
		if n.TLSCert != "" {
			scheme = "https://"
		}
		n.BaseURL = scheme + n.Addr
	}
	u, err := url.Parse(n.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("--base-url must be an origin such as https://concord.example.org")
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return fmt.Errorf("--base-url must be https beyond this machine: tokens would travel in the clear")
	}
	n.BaseURL = strings.TrimSuffix(n.BaseURL, "/")
	if err := n.peopleConfig.check(); err != nil {
		return err
	}
	for _, f := range slices.Concat([]string{n.SecretFile, n.AuditKeyFile}, n.TokenKeyFile) {
		if err := checkPrivateFile(f); err != nil {
			return err
		}
	}
	return nil
}

// checkPrivateFile refuses a secret that others on the machine may read.
func checkPrivateFile(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%s cannot be read", path)
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s may be read by others on this machine: chmod 600 it", path)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// localDatabase reports whether a database URL names this machine: a loopback address or a unix socket.
func localDatabase(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	if u.Hostname() == "" {
		return strings.HasPrefix(u.Query().Get("host"), "/")
	}
	return isLoopback(u.Hostname())
}
