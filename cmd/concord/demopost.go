package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/concord-hie/concord/internal/mail/mailtest"
)

// startPost starts the demo's mail server, which sends nothing on: each message becomes a file DIR/mail/N.eml.
func (m *demo) startPost() (addr string, err error) {
	dir := filepath.Join(m.dir, "mail")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	var n atomic.Int64
	n.Store(int64(len(files)))
	server, err := mailtest.Start(func(message string) {
		_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.eml", n.Add(1))), []byte(message), 0o600) // a full disk loses an invented letter
	})
	if err != nil {
		return "", fmt.Errorf("demo: mail: %w", err)
	}
	m.stops = append(m.stops, server.Stop)
	return server.Addr(), nil
}
