package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// matchAssignCmd gives tasks to a steward.
type matchAssignCmd struct {
	Tasks  []int64       `arg:"" help:"The tasks, up to 100."`
	To     string        `help:"The name a steward signs in with; left out, you claim them." placeholder:"USER"`
	For    time.Duration `help:"How long: a week, up to 720h; for yourself half an hour, up to 12h."`
	DryRun bool          `help:"Check that the tasks are open and assign nothing."`
	Output string        `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchAssignCmd) Help() string {
	return `Tasks that somebody else works on, or that were handed on past you, stay as they are; each is said.

Example:
  concord match assign 246653357841277070 246653357841277071 --to ann --for 48h`
}

// Run prints what came of each task.
func (m *matchAssignCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		ids := make([]mpi.TaskID, len(m.Tasks))
		for i, id := range m.Tasks {
			ids[i] = mpi.TaskID(id)
			if m.DryRun {
				if err := taskThere(ctx, x, s, id); err != nil {
					return err
				}
			}
		}
		if m.DryRun {
			return nil
		}
		done, err := x.AssignTasks(ctx, steward(), ids, m.To, m.For)
		if err != nil {
			return err
		}
		type row struct {
			Task    int64      `json:"task"`
			By      string     `json:"claimed_by,omitempty"`
			Until   *time.Time `json:"claimed_until,omitempty"`
			Refused string     `json:"refused,omitempty"`
		}
		rows := make([]row, 0, len(done))
		for _, a := range done {
			if a.Err != nil {
				rows = append(rows, row{Task: int64(a.ID), Refused: a.Err.Error()})
				continue
			}
			rows = append(rows, row{Task: int64(a.ID), By: a.Task.ClaimedBy, Until: &a.Task.ClaimedUntil})
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		for _, r := range rows {
			line := r.Refused
			if r.Refused == "" {
				line = r.By + " until " + r.Until.UTC().Format(time.RFC3339)
			}
			if _, err := fmt.Fprintf(s.out, "%d\t%s\n", r.Task, line); err != nil {
				return err
			}
		}
		return nil
	})
}

// changedTask prints what one step did to a task.
func changedTask(s *streams, t mpi.Task, err error, output string) error {
	if err != nil {
		return err
	}
	if output == "json" {
		return json.NewEncoder(s.out).Encode(rowOf(t))
	}
	_, err = fmt.Fprintln(s.out, "task", int64(t.ID), stateOf(t, hie.Now()))
	return err
}

// stateOf says in words whose turn it is.
func stateOf(t mpi.Task, now time.Time) string {
	state := "open"
	switch {
	case !t.Closed.IsZero():
		state = "closed"
	case t.ClaimedUntil.After(now):
		state = "with " + t.ClaimedBy
	case t.Snooze != nil && t.Snooze.Until.After(now):
		state = "until " + t.Snooze.Until.UTC().Format(time.RFC3339)
	}
	if t.Pending() > 0 && t.Closed.IsZero() {
		state += ", waits for an answer"
	}
	if e := t.Escalation; e != nil && t.Closed.IsZero() {
		state += ", for " + e.Role + e.User
	}
	return state
}

// matchSnoozeCmd puts a task off.
type matchSnoozeCmd struct {
	taskStep
	Until  time.Time `required:"" help:"When it comes back, such as 2026-01-31T12:00:00Z; ninety days away at most."`
	Reason string    `required:"" help:"Why; kept with the task."`
}

// Help implements kong.HelpProvider.
func (matchSnoozeCmd) Help() string {
	return `It leaves the queue, and comes back at that time, when it is woken, or when the evidence it asks about has changed.

Example:
  concord match snooze 246653357841277070 --until 2026-12-06T08:00:00Z --reason "the site calls back"`
}

// Run snoozes.
func (m *matchSnoozeCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.SnoozeTask(ctx, steward(), id, m.Until, m.Reason)
	})
}

// matchWakeCmd puts a task back into the queue.
type matchWakeCmd struct{ taskStep }

// Help implements kong.HelpProvider.
func (matchWakeCmd) Help() string {
	return `Example:
  concord match wake 246653357841277070`
}

// Run wakes.
func (m *matchWakeCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.WakeTask(ctx, steward(), id)
	})
}

// matchEscalateCmd hands a task on.
type matchEscalateCmd struct {
	taskStep
	Role   string `help:"To anybody else who acts in this role; steward is any other steward." xor:"to" required:""`
	User   string `help:"To the steward who signs in with this name." xor:"to" required:""`
	Reason string `required:"" help:"Why; kept with the task."`
}

// Help implements kong.HelpProvider.
func (matchEscalateCmd) Help() string {
	return `From then on only they claim or settle it, until you or they recall it.

Examples:
  concord match escalate 246653357841277070 --role lead-steward --reason "two sites disagree about the birth date"
  concord match escalate 246653357841277070 --user ann --reason "you spoke to the family"`
}

// Run escalates.
func (m *matchEscalateCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.EscalateTask(ctx, steward(), id, m.Role, m.User, m.Reason)
	})
}

// matchRecallCmd takes an escalation back.
type matchRecallCmd struct{ taskStep }

// Help implements kong.HelpProvider.
func (matchRecallCmd) Help() string {
	return `You may recall what you handed on, or what was handed on to you.

Example:
  concord match recall 246653357841277070`
}

// Run recalls.
func (m *matchRecallCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.RecallTask(ctx, steward(), id)
	})
}
