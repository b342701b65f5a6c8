// Package pgcluster runs a private PostgreSQL cluster from the binaries installed on the machine: for the
// demo, whose data stays between runs, and for tests, whose data does not.
//
// PostgreSQL refuses to run as root, so under root the server runs as user "postgres", or "nobody" where that
// does not exist. The server ends with this process, however it ends.
package pgcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/concord-hie/concord/internal/freeport"
	"github.com/concord-hie/concord/internal/pg"
)

// ErrNotInstalled means no PostgreSQL server binaries were found.
var ErrNotInstalled = errors.New("pgcluster: PostgreSQL is not installed; on Debian or Ubuntu: apt-get install postgresql")

// Options say where and how a cluster runs.
type Options struct {
	// Dir holds the cluster's data and is made when missing. Under root its parents must be traversable by
	// the server's user; Start says so if they are not.
	Dir string
	// BinDir holds initdb and postgres; "" searches the machine (see [FindBin]).
	BinDir string
	// Port is the loopback TCP port; 0 picks a free one.
	Port int
	// Volatile trades durability for speed: tests only.
	Volatile bool
	// MaxConns is max_connections; 0 means 200.
	MaxConns int
}

// A Cluster is a running private server.
type Cluster struct {
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when the server process has ended
	stop func()
	log  *tail
}

// Start makes the data directory if there is none, starts the server and waits until it answers.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	bin := o.BinDir
	if bin == "" {
		var err error
		if bin, err = FindBin(); err != nil {
			return nil, err
		}
	}
	cred, err := serverUser()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("pgcluster: %w", err)
	}
	if err := prepareDir(dir, cred); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "PG_VERSION")); errors.Is(err, os.ErrNotExist) {
		if err := initdb(ctx, bin, dir, cred); err != nil {
			return nil, err
		}
	}
	if o.Port == 0 {
		if o.Port, err = freeport.Find(); err != nil {
			return nil, fmt.Errorf("pgcluster: %w", err)
		}
	}
	return launch(ctx, bin, dir, cred, o)
}

// URL returns the connection URL of database name, sslmode stated.
func (c *Cluster) URL(name string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)),
		Path: "/" + name, RawQuery: "sslmode=disable"}
	return u.String()
}

// PID returns the server's process id; tests kill it.
func (c *Cluster) PID() int { return c.cmd.Process.Pid }

// Done is closed when the server process has ended.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Stop ends the server, letting it finish cleanly, and waits for it.
func (c *Cluster) Stop() { c.stop() }

// FindBin returns the directory holding initdb and postgres: what pg_config names, else the newest of
// Debian's versioned folders, else PATH. It returns ErrNotInstalled when there is none.
func FindBin() (string, error) {
	var dirs []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, string(bytes.TrimSpace(out)))
	}
	versioned, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	for i := len(versioned) - 1; i >= 0; i-- {
		dirs = append(dirs, versioned[i])
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	for _, d := range dirs {
		if isFile(filepath.Join(d, "initdb")) && isFile(filepath.Join(d, "postgres")) {
			return d, nil
		}
	}
	return "", ErrNotInstalled
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// serverUser returns the credential to run the server under, nil when this process is not root.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil means "as ourselves"
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("pgcluster: PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

func prepareDir(dir string, cred *syscall.Credential) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("pgcluster: %w", err)
	}
	if cred == nil {
		return nil
	}
	if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	for p := filepath.Dir(dir); ; p = filepath.Dir(p) {
		fi, err := os.Stat(p)
		if err != nil {
			return fmt.Errorf("pgcluster: %w", err)
		}
		if fi.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("pgcluster: PostgreSQL runs as another user and cannot reach the data directory through %s: "+
				"make it traversable (chmod o+x) or choose another directory", p)
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
}

func initdb(ctx context.Context, bin, dir string, cred *syscall.Credential) error {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", dir, "-U", "postgres", "-N", "-E", "UTF8",
		"--locale=C.UTF-8", "--auth=trust")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgcluster: initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func launch(ctx context.Context, bin, dir string, cred *syscall.Credential, o Options) (*Cluster, error) {
	if o.MaxConns == 0 {
		o.MaxConns = 200
	}
	set := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(o.Port), "unix_socket_directories=",
		"max_connections=" + strconv.Itoa(o.MaxConns), "timezone=UTC", "log_min_messages=error", "log_statement=none",
		"log_parameter_max_length_on_error=0", "log_min_error_statement=panic", "shared_buffers=256MB",
		"max_prepared_transactions=64", "wal_level=replica",
	}
	if o.Volatile {
		set = append(set, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", dir}
	for _, s := range set {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	// The parent-death signal follows the thread that started the child, so that thread is held until the end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGINT}
	c := &Cluster{port: o.Port, cmd: cmd, done: make(chan struct{}), log: &tail{}}
	cmd.Stdout, cmd.Stderr = c.log, c.log
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in c.log
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("pgcluster: start: %w", err)
	}
	c.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-c.done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Signal(syscall.SIGQUIT)
			<-c.done
		}
	})
	if err := c.awaitReady(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		db, err := pg.Open(ctx, c.URL("postgres"), pg.Options{MaxConns: 1})
		if err == nil {
			return db.Close()
		}
		select {
		case <-c.done:
			return fmt.Errorf("pgcluster: the server ended while starting: %s", c.log)
		case <-ctx.Done():
			return fmt.Errorf("pgcluster: the server did not answer in time: %s", c.log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - 4096; over > 0 {
		t.buf = t.buf[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
