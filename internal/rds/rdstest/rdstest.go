// Package rdstest gives each test a Redis of its own: the embedded one or a real redis-server.
package rdstest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/concord-hie/concord/internal/freeport"
	"github.com/concord-hie/concord/internal/rds"
)

// A Server is a running Redis that a test may stop and clear.
type Server struct {
	// URL connects to it.
	URL string
	// Stop ends it; nothing listens on its address afterwards.
	Stop func()
	// Flush makes it forget everything, as an operator or a failover might.
	Flush func()
}

// Kinds are the two kinds of server that every test of Redis runs on.
var Kinds = []struct {
	Name  string
	Start func(testing.TB) Server
}{{"embedded", Embedded}, {"redis-server", Real}}

// Embedded starts miniredis.
func Embedded(t testing.TB) Server {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return Server{URL: "redis://" + m.Addr(), Stop: m.Close, Flush: m.FlushAll}
}

// Real starts redis-server on a free loopback port, without persistence.
func Real(t testing.TB) Server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server (Debian, Ubuntu)")
	}
	for range 5 { // another program may take the port in between
		port, err := freeport.Find()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--daemonize", "no", "--dir", t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stopped := false
		stop := func() {
			if !stopped {
				stopped = true
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		}
		url := fmt.Sprintf("redis://127.0.0.1:%d", port)
		if answers(t, url) {
			t.Cleanup(stop)
			return Server{URL: url, Stop: stop, Flush: func() { flush(t, port) }}
		}
		stop()
	}
	t.Fatal("redis-server does not answer on any port")
	return Server{}
}

// Open returns a client of a server.
func Open(t testing.TB, s Server) *rds.Client {
	t.Helper()
	c, err := rds.Open(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// flush speaks the protocol itself: internal/rds has no use for such a command.
func flush(t testing.TB, port int) {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	answer := make([]byte, 5)
	if _, err := io.WriteString(c, "FLUSHALL\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "+OK\r\n" {
		t.Fatalf("FLUSHALL: %q, %v", answer, err)
	}
}

func answers(t testing.TB, url string) bool {
	t.Helper()
	c, err := rds.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for range 100 {
		if c.Ping(context.Background()) == nil {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}
