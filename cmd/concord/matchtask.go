package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// A taskStep is what every command that takes one step with one task is told.
type taskStep struct {
	Task   int64  `arg:"" help:"The task."`
	DryRun bool   `help:"Check that the task is open and change nothing."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// take takes the step and prints the task as it is then.
func (t *taskStep) take(ctx context.Context, g *Globals, s *streams, step func(*mpi.Index, mpi.TaskID) (mpi.Task, error)) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		if t.DryRun {
			return taskThere(ctx, x, s, t.Task)
		}
		done, err := step(x, mpi.TaskID(t.Task))
		return changedTask(s, done, err, t.Output)
	})
}

// matchClaimCmd claims a task.
type matchClaimCmd struct {
	taskStep
	For time.Duration `default:"30m" help:"How long, up to 12h."`
}

// Help implements kong.HelpProvider.
func (matchClaimCmd) Help() string {
	return `Claiming again prolongs. Several at once, or for somebody else: assign.

Example:
  concord match claim 246653357841277070 --for 2h`
}

// Run claims and prints until when.
func (m *matchClaimCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.ClaimTask(ctx, steward(), id, m.For)
	})
}

// taskThere says whether a task is open, and who works on it.
func taskThere(ctx context.Context, x *mpi.Index, s *streams, id int64) error {
	t, err := x.Task(ctx, mpi.TaskID(id))
	switch {
	case err != nil:
		return err
	case !t.Closed.IsZero():
		return fmt.Errorf("the task is closed already: %w", hie.ErrConflict)
	case t.ClaimedUntil.After(hie.Now()):
		fmt.Fprintln(s.err, "dry run; worked on by", t.ClaimedBy)
	default:
		fmt.Fprintln(s.err, "dry run; nobody works on it")
	}
	return nil
}

// matchReleaseCmd gives a task back.
type matchReleaseCmd struct{ taskStep }

// Help implements kong.HelpProvider.
func (matchReleaseCmd) Help() string {
	return `Example:
  concord match release 246653357841277070`
}

// Run releases.
func (m *matchReleaseCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.ReleaseTask(ctx, steward(), id)
	})
}

// matchReportCmd opens a task on a patient's word.
type matchReportCmd struct {
	Record int64  `arg:"" help:"The record that is said not to be theirs."`
	Other  int64  `help:"The record of whose it may be." placeholder:"RECORD"`
	Reason string `required:"" help:"What the patient says; no names. Kept with the task."`
	DryRun bool   `help:"Check that the record is there and open nothing."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchReportCmd) Help() string {
	return `Example:
  concord match report 246653357838717070 --reason "the visit in March was not mine"`
}

// Run opens the task and prints it.
func (m *matchReportCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		if m.DryRun {
			_, err := x.PersonOf(ctx, hie.SourcePatientID(m.Record))
			return err
		}
		t, err := x.Report(ctx, steward(), hie.SourcePatientID(m.Record), hie.SourcePatientID(m.Other), m.Reason)
		return changedTask(s, t, err, m.Output)
	})
}

// matchRebuildCmd brings rows to this program's model.
type matchRebuildCmd struct {
	Batch  int    `default:"500" help:"Records between two notes of progress, 1 to 10000."`
	DryRun bool   `help:"Say which rows and links would change and change nothing."`
	Output string `enum:"table,json" default:"table" help:"How --dry-run prints links that would change."`
}

// Help implements kong.HelpProvider.
func (matchRebuildCmd) Help() string {
	return `After an upgrade that changes how records are compared, or with a new model: the first pass rewrites features and keys, the
second weighs each record's neighbourhood and changes links where the evidence says so; stewards' verdicts hold. It runs beside
the nodes, goes on where it stopped, and does nothing when all is done. With --dry-run each link that would change is listed
with its evidence.

Example:
  concord match rebuild --dry-run --output json > would-change.ndjson && concord match rebuild`
}

// Run goes through all records twice.
func (m *matchRebuildCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	if m.Batch < 1 || m.Batch > 10000 {
		return fmt.Errorf("match rebuild: --batch must be from 1 to 10000")
	}
	return withIndex(ctx, g, func(x *mpi.Index) error {
		r, err := x.RebuildState(ctx)
		if err != nil {
			return err
		}
		if m.DryRun {
			r = mpi.Rebuilding{Target: r.Target, Pass: mpi.PassFeatures}
		}
		if r.Done() {
			fmt.Fprintf(s.err, "rebuild to %s: done on %s\n", r.Target, r.Updated.UTC().Format(time.RFC3339))
			return nil
		}
		for !r.Done() {
			if err := ctx.Err(); err != nil {
				return err
			}
			var moves []mpi.Move
			if r, moves, err = x.Rebuild(ctx, steward(), r, m.Batch, m.DryRun); err != nil {
				return err
			}
			if m.DryRun {
				if err := m.print(s, moves); err != nil {
					return err
				}
			}
			fmt.Fprintf(s.err, "rebuild: pass %d, %d records, %d rows changed, %d links changed\n", min(r.Pass, mpi.PassLinks), r.Seen, r.Changed, r.Moved)
		}
		if m.DryRun {
			fmt.Fprintln(s.err, "dry run, nothing changed")
		}
		return nil
	})
}

func (m *matchRebuildCmd) print(s *streams, moves []mpi.Move) error {
	for _, v := range moves {
		if m.Output == "json" {
			row := map[string]any{"record": int64(v.Record), "other": int64(v.Other), "from": int64(v.From), "to": int64(v.To), "grade": v.Grade.String(),
				"bits": float64(v.Bits), "evidence": waterfall(v.Evidence)}
			if err := json.NewEncoder(s.out).Encode(row); err != nil {
				return err
			}
			continue
		}
		to := number(int64(v.To))
		if v.To == 0 {
			to = "a new person"
		}
		if _, err := fmt.Fprintf(s.out, "record %d: from person %d to %s, because of %s: %s, %.1f bits: %s\n", int64(v.Record), int64(v.From), to,
			number(int64(v.Other)), v.Grade, float64(v.Bits), waterfall(v.Evidence)); err != nil {
			return err
		}
	}
	return nil
}
