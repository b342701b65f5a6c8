package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
)

// profile writes where the CPU time of the node under test goes while a figure is taken (the first node's, or this process's), if CONCORD_BENCH_PROFILE names a folder for
// it. The returned function waits for the file. A profiled figure is a little slower than it would be.
func (b *bencher) profile(name string, callers int) (wait func()) {
	dir := os.Getenv("CONCORD_BENCH_PROFILE")
	if dir == "" {
		return func() {}
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(name, "-"), callers))
	if b.here {
		out, err := os.Create(file) //nolint:gosec // the folder is named by whoever runs this
		if err == nil {
			err = pprof.StartCPUProfile(out)
		}
		if err != nil {
			b.t.Logf("no profile: %v", err)
			return func() {}
		}
		return func() { pprof.StopCPUProfile(); _ = out.Close() }
	}
	done := make(chan error, 1)
	go func() { done <- b.fetchProfile(file) }()
	return func() {
		if err := <-done; err != nil {
			b.t.Logf("no profile: %v", err)
		}
	}
}

func (b *bencher) fetchProfile(file string) error {
	resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.metrics[0], max(1, int(b.d.Seconds()))))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o600)
}
