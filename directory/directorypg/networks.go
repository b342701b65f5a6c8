package directorypg

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/directory"
)

// pollEvery is how long a node may go on with a picture that was replaced; a suspended site or organisation is
// out on every node within a second.
//
// Source: spec federation 2.1 (suspension effective on all nodes <= 1 s).
const pollEvery = 400 * time.Millisecond

// Networks holds the current picture for the readers of one node. Its pictures are whole and never change;
// while PostgreSQL does not answer, the last one stays.
type Networks struct {
	store   *Store
	log     *slog.Logger
	current atomic.Pointer[directory.Network]
}

// Networks loads the current picture. Keep it current with [Networks.Watch].
func (s *Store) Networks(ctx context.Context, log *slog.Logger) (*Networks, error) {
	n := &Networks{store: s, log: log}
	if err := n.Refresh(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// Network returns the current picture, never nil.
func (n *Networks) Network() *directory.Network { return n.current.Load() }

// Refresh takes the newest picture if there is a newer one than the one held.
func (n *Networks) Refresh(ctx context.Context) error {
	version, err := n.store.version(ctx)
	if err != nil {
		return fmt.Errorf("directory: refresh: %w", err)
	}
	if held := n.current.Load(); held != nil && held.Version() >= version {
		return nil
	}
	newest, err := n.store.Load(ctx)
	if err != nil {
		return err
	}
	n.current.Store(newest)
	return nil
}

// Watch refreshes the picture until ctx ends, and returns then. It reads one number each time nothing changed.
func (n *Networks) Watch(ctx context.Context) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		before := n.Network().Version()
		err := n.Refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			n.log.ErrorContext(ctx, "directory not refreshed; the last picture stays", "kind", err.Error())
		case err == nil && n.Network().Version() != before:
			n.log.InfoContext(ctx, "directory refreshed", "n", n.Network().Version())
		}
		failing = err != nil
	}
}
