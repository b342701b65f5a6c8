package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/concord-hie/concord/mpi"
)

// Upkeep of the index, a little at a time: how much of it, and how often.
const (
	upkeepEvery = 15 * time.Second
	upkeepTasks = 100
)

// An upkeep does what the index needs done although nobody asks for it: it weighs the queue's tasks anew, since documents
// come after a task was opened, and prunes notices of identity changes. Nodes that do it at once find the same.
type upkeep struct {
	index     *mpi.Index
	retention time.Duration
	log       *slog.Logger
}

// watch works until ctx ends.
func (u *upkeep) watch(ctx context.Context) {
	var after mpi.TaskID
	for {
		var err error
		if after, err = u.index.Reweigh(ctx, after, upkeepTasks); err != nil && ctx.Err() == nil {
			u.log.WarnContext(ctx, "review tasks were not weighed", "kind", err.Error())
		}
		if _, err := u.index.PruneNotices(ctx, u.retention); err != nil && ctx.Err() == nil {
			u.log.WarnContext(ctx, "notices of identity changes were not pruned", "kind", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(upkeepEvery):
		}
	}
}
