package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A caller who sends a body byte by byte, or takes an answer not at all, holds a connection for as long as there is
// patience and no longer; who sends and takes in time is served beside them.
//
// Source: spec federation 2.9 (slowloris head and body, slow read of our response).
func TestSlowBodiesAndSlowReadersAreLetGo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 16)
	h := http.NewServeMux()
	h.HandleFunc("POST /take", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if n > 0 && n < 1000 {
			ended <- err
		}
	})
	h.HandleFunc("GET /give", func(w http.ResponseWriter, _ *http.Request) {
		piece := []byte(strings.Repeat("x", 1<<20))
		for range 256 {
			if _, err := w.Write(piece); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	})
	stop := serveHTTP(listener, h, nodeConfig{}, httpTimes{head: 300 * time.Millisecond, request: 600 * time.Millisecond, answer: 600 * time.Millisecond, idle: 600 * time.Millisecond}, make(chan error, 1))
	defer stop()
	good := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // an idle connection could be closed just as it is used again
	for name, attack := range map[string]struct {
		text string
		drip bool
	}{
		"a head that never ends":     {"POST /take HTTP/1.1\r\nHost: a\r\nX-A: ", true},
		"a body that never ends":     {"POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", true},
		"chunks that never end":      {"POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n", true},
		"an answer nobody reads":     {"GET /give HTTP/1.1\r\nHost: a\r\n\r\n", false},
		"a request that never comes": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if _, err := io.WriteString(c, attack.text); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			gone := false
			for time.Since(start) < 5*time.Second && !gone {
				if attack.drip {
					_, err := io.WriteString(c, "x")
					gone = err != nil
				}
				if attack.text == "" {
					_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
					_, err := c.Read(make([]byte, 1))
					var timeout net.Error
					gone = err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
				}
				select {
				case err := <-ended:
					if err == nil {
						t.Error("the handler came to a good end")
					}
					gone = true
				case <-time.After(50 * time.Millisecond):
				}
			}
			if !gone {
				t.Error("it is still being waited for")
			}
			resp, err := good.Post("http://"+listener.Addr().String()+"/take", "text/plain", strings.NewReader(strings.Repeat("y", 2000)))
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("a good caller beside it: %v", err)
			}
			_ = resp.Body.Close()
		})
	}
}
