package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/freeport"
	"github.com/concord-hie/concord/internal/pgcluster"
)

// asProgram makes this test binary behave as concord itself, so that tests can run real nodes as processes and
// kill them.
const asProgram = "CONCORD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// oneAfterAnother skips, with -short, a long test in which one thing happens after another. The race detector, for which
// -short is there, finds nothing in it that the tests of what happens at once and those of the packages do not show.
func oneAfterAnother(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a long story of one thing after another")
	}
}

// A process is a program started by a test, with everything it printed.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
	// done is closed when the process has ended.
	done chan struct{}
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// printed returns all the process has written to both of its streams.
func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start runs cmd until the test ends; it also ends when the test binary dies.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the parent-death signal follows this thread
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// kill is kill -9, and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// concord returns the command that runs concord with args and env.
func concord(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), append(env, asProgram+"=1")...)
	return cmd
}

// launchRedis runs a real redis-server on a free loopback port and returns its URL. Its data is in memory only.
func launchRedis(t testing.TB) (string, *process) {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server")
	}
	port := freePort(t)
	p := start(t, exec.Command(bin, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()))
	awaitTCP(t, port)
	return fmt.Sprintf("redis://127.0.0.1:%d", port), p
}

// launchPostgres runs a private, durable PostgreSQL and returns it. Its directory outlives kills within the test.
func launchPostgres(t testing.TB) (*pgcluster.Cluster, string) {
	t.Helper()
	base, err := os.MkdirTemp("", "concord-node-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil { // root's server runs as another user
		t.Fatal(err)
	}
	dir := filepath.Join(base, "data")
	c, err := pgcluster.Start(context.Background(), pgcluster.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c, dir
}

func freePort(t testing.TB) int {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func awaitTCP(t testing.TB, port int) {
	t.Helper()
	for range 500 {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nothing listens on port %d", port)
}

// awaitOK waits until a GET of url answers 200, or fails with what the process printed.
func awaitOK(t testing.TB, url string, p *process) {
	t.Helper()
	for range 600 {
		select {
		case <-p.done:
			t.Fatalf("the node ended:\n%s", p.printed())
		default:
		}
		resp, err := http.Get(url)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s never answered 200:\n%s", url, p.printed())
}
