package mpi

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// Settled says what came of a verdict.
type Settled struct {
	// Change is what it did to links, for Undo; 0 when nothing.
	Change ChangeID
	// Pending is set when a second reviewer must agree first; Second says why, and Task is where.
	Pending bool
	Second  string
	Task    TaskID
}

// nameOf returns who acts, as tasks and events keep it.
func nameOf(a hie.Actor) string { return string(a.Organization) + "/" + a.User }

// Settle closes a task with a verdict: for a pair as Decide does; for an overlay, MustLink says the record still means
// the same person (the update takes effect and the link is confirmed), CannotLink that it now means another (the update
// takes effect and the record is kept apart from those it was with), Clear ("cannot tell") leaves things as they are.
//
// A verdict with grave effect (see Effect.Second) waits for another reviewer: it takes effect when somebody else says
// the same. Another verdict of somebody else takes the first one's place and waits in turn. hie.ErrConflict means that
// the task is closed, that somebody else works on it, or that an opposite verdict stands between others of the two;
// hie.ErrForbidden that one person cannot be both reviewers.
func (x *Index) Settle(ctx context.Context, actor hie.Actor, id TaskID, v Verdict, reason string) (Settled, error) {
	out, err := x.review(ctx, actor, id, v, reason)
	if err != nil {
		return Settled{}, fmt.Errorf("mpi: settle: %w", err)
	}
	return out, nil
}

func (x *Index) review(ctx context.Context, actor hie.Actor, id TaskID, v Verdict, reason string) (Settled, error) {
	if err := checkSettling(v, reason); err != nil {
		return Settled{}, err
	}
	why := ""
	if v != Clear {
		e, err := x.PreviewTask(ctx, actor, id, v)
		if err != nil {
			return Settled{}, err
		}
		why = e.Second
	}
	out := Settled{Task: id}
	err := x.update(ctx, func(tx attempt) error {
		task, err := tx.TakeTask(ctx, id)
		if err != nil {
			return err
		}
		if err := task.open(actor, x.now()); err != nil {
			return err
		}
		c := x.newChange(tx, CauseSteward, actor, reason)
		out = Settled{Task: id}
		if why != "" && (task.First == nil || task.First.Verdict != v || task.First.By == c.by) {
			if task.First != nil && task.First.By == c.by && task.First.Verdict == v {
				return fmt.Errorf("the second reviewer must be another person: %w", hie.ErrForbidden)
			}
			if task.First != nil && task.First.Verdict != v {
				task.Differed++
			}
			task.First = &Opinion{Verdict: v, By: c.by, Reason: reason, At: c.at}
			task.ClaimedBy, task.ClaimedUntil, task.Snooze, task.Escalation = "", time.Time{}, nil, nil
			out.Pending, out.Second = true, why
			if err := tx.PutTask(ctx, task); err != nil {
				return err
			}
			return tx.Record(ctx, worked(actor, &task, "first", reason, c.at))
		}
		if err := x.settle(ctx, c, task, v); err != nil {
			return err
		}
		if len(c.events) > 0 {
			out.Change = c.id
		}
		return x.conclude(ctx, c, actor, task.about()...)
	})
	return out, err
}

// Decide records a steward's verdict about records a and b and brings the links in line with it: MustLink joins their
// persons, CannotLink parts them, Clear takes an earlier verdict back; everybody else is where evidence and the other
// verdicts put them. A verdict with grave effect (see Effect.Second) waits in a task for another reviewer. A reason is
// required. Errors: *hie.InvalidError, hie.ErrNotFound, hie.ErrConflict when an opposite verdict stands between others
// of them, hie.ErrForbidden when one person would be both reviewers.
func (x *Index) Decide(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v Verdict, reason string) (Settled, error) {
	out, err := x.pronounce(ctx, actor, a, b, v, reason)
	if err != nil {
		return Settled{}, fmt.Errorf("mpi: decide: %w", err)
	}
	return out, nil
}

func (x *Index) pronounce(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v Verdict, reason string) (Settled, error) {
	if err := checkDecision(a, b, v, reason); err != nil {
		return Settled{}, err
	}
	effect, err := x.PreviewDecision(ctx, actor, a, b, v)
	if err != nil {
		return Settled{}, err
	}
	if effect.Second != "" {
		return x.propose(ctx, actor, a, b, v, reason, effect.Second)
	}
	var out Settled
	err = x.update(ctx, func(tx attempt) error {
		c := x.newChange(tx, CauseSteward, actor, reason)
		out = Settled{Change: c.id}
		if err := x.decide(ctx, c, a, b, v); err != nil {
			return err
		}
		return x.conclude(ctx, c, actor, a, b)
	})
	return out, err
}

// propose puts a verdict that needs a second reviewer into a task of its own, or into one that waits for it already.
func (x *Index) propose(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v Verdict, reason, why string) (Settled, error) {
	tasks, err := x.store.TasksAbout(ctx, []hie.SourcePatientID{a})
	if err != nil {
		return Settled{}, err
	}
	for _, t := range tasks {
		if t.Closed.IsZero() && (t.Record == a && t.Other == b || t.Record == b && t.Other == a) {
			return x.review(ctx, actor, t.ID, v, reason)
		}
	}
	out := Settled{Pending: true, Second: why, Task: TaskID(x.ids.Next())}
	err = x.update(ctx, func(tx attempt) error {
		rows, err := tx.Patients(ctx, []hie.SourcePatientID{a, b})
		if err != nil {
			return err
		}
		if len(rows) < 2 {
			return hie.ErrNotFound
		}
		kind := TaskCrossSite
		switch {
		case why == string(TaskReopen):
			kind = TaskReopen
		case rows[0].Site == rows[1].Site:
			kind = TaskSameSite
		}
		c := x.newChange(tx, CauseSteward, actor, reason)
		t := Task{ID: out.Task, Kind: kind, Record: a, Other: b, Opened: c.at, Note: reason}
		t.Risk = x.riskOf(&t)
		if n, err := tx.OpenTasks(ctx, []Task{t}); err != nil || n == 0 {
			return fmt.Errorf("%w: %w", errMoved, err)
		}
		t.First = &Opinion{Verdict: v, By: c.by, Reason: reason, At: c.at}
		if err := tx.PutTask(ctx, t); err != nil {
			return err
		}
		return tx.Record(ctx, worked(actor, &t, "first", reason, c.at))
	})
	return out, err
}

// Report opens a task on somebody's word: a patient says that a record, or what hangs on it, is not theirs. other is
// the record of who it may be, or 0. hie.ErrNotFound means that there is no such record. It returns the task that is
// open already, if there is one.
//
// Source: spec ux 1.4, "patient-reported mismatch as a task".
func (x *Index) Report(ctx context.Context, actor hie.Actor, record, other hie.SourcePatientID, note string) (Task, error) {
	if strings.TrimSpace(note) == "" {
		return Task{}, fmt.Errorf("mpi: report: %w", hie.Required("reason"))
	}
	out := Task{ID: TaskID(x.ids.Next()), Kind: TaskReported, Record: record, Other: other, Note: note}
	out.Risk = x.riskOf(&out)
	err := x.update(ctx, func(tx attempt) error {
		rows, err := tx.Patients(ctx, out.about())
		if err != nil {
			return err
		}
		if len(rows) < len(out.about()) || record == other {
			return hie.ErrNotFound
		}
		c := x.newChange(tx, CauseSteward, actor, note)
		out.Opened = c.at
		n, err := tx.OpenTasks(ctx, []Task{out})
		if err != nil {
			return err
		}
		if n == 0 {
			known, err := tx.TasksAbout(ctx, []hie.SourcePatientID{record})
			if err != nil {
				return err
			}
			for _, t := range known {
				if t.Kind == TaskReported && t.Closed.IsZero() && (t.Other == other || t.Record == other) {
					out = t
				}
			}
			return nil
		}
		return tx.Record(ctx, worked(actor, &out, "reported", note, c.at))
	})
	if err != nil {
		return Task{}, fmt.Errorf("mpi: report: %w", err)
	}
	return out, nil
}
