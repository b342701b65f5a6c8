package mpi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// Bounds on how long somebody may have a task for: who takes one says for how long, who is given one needs to be told.
const (
	defaultClaim      = 30 * time.Minute
	maxClaim          = 12 * time.Hour
	defaultAssignment = 7 * 24 * time.Hour
	maxAssignment     = 30 * 24 * time.Hour
	maxBulk           = 100
)

// takenFrom reports whether somebody else than actor works on the task at now.
func (t *Task) takenFrom(actor hie.Actor, now time.Time) bool {
	return t.ClaimedBy != "" && t.ClaimedBy != nameOf(actor) && t.ClaimedUntil.After(now)
}

// open returns nil when actor may work on the task at now: nobody else does, and it was not handed on to somebody else.
func (t *Task) open(actor hie.Actor, now time.Time) error {
	switch {
	case t.takenFrom(actor, now):
		return fmt.Errorf("somebody else works on it: %w", hie.ErrConflict)
	case t.Escalation != nil && !t.Escalation.Calls(actor):
		return fmt.Errorf("it was handed on to somebody else: %w", hie.ErrForbidden)
	}
	return nil
}

// ClaimTask says that actor works on a task for some time (0 means half an hour, at most twelve hours), so that others
// leave it alone. Claiming again prolongs. hie.ErrConflict means that somebody else works on it, or that it is closed;
// hie.ErrForbidden that it was handed on to somebody else.
func (x *Index) ClaimTask(ctx context.Context, actor hie.Actor, id TaskID, d time.Duration) (Task, error) {
	switch {
	case d < 0 || d > maxClaim:
		return Task{}, fmt.Errorf("mpi: claim task: %w", hie.Invalid("minutes", "must be from 1 to 720"))
	case d == 0:
		d = defaultClaim
	}
	return x.work(ctx, actor, id, "claimed", "", func(t *Task) error {
		if err := t.open(actor, x.now()); err != nil {
			return err
		}
		t.ClaimedBy, t.ClaimedUntil = nameOf(actor), x.now().Add(d)
		return nil
	})
}

// ReleaseTask gives a task back. It is no error to release one that nobody claimed; hie.ErrConflict means that somebody
// else works on it, or that it is closed.
func (x *Index) ReleaseTask(ctx context.Context, actor hie.Actor, id TaskID) (Task, error) {
	return x.work(ctx, actor, id, "released", "", func(t *Task) error {
		if t.takenFrom(actor, x.now()) {
			return fmt.Errorf("somebody else works on it: %w", hie.ErrConflict)
		}
		t.ClaimedBy, t.ClaimedUntil = "", time.Time{}
		return nil
	})
}

// An Assigned says what came of one task of several.
type Assigned struct {
	ID   TaskID
	Task Task
	// Err is nil when it was assigned; otherwise errors.Is tells hie.ErrNotFound, hie.ErrConflict or hie.ErrForbidden, as
	// ClaimTask does, and Task is zero.
	Err error
}

// AssignTasks gives up to 100 tasks to user, a steward of actor's organization, for some time: 0 means a week, at most
// thirty days. user "" is actor, whose claim lasts as ClaimTask's does. Each task is on its own: those that somebody else
// works on, or that are handed on past actor, stay as they are. Answers are in the order of ids.
func (x *Index) AssignTasks(ctx context.Context, actor hie.Actor, ids []TaskID, user string, d time.Duration) ([]Assigned, error) {
	to := actor
	longest, usual := maxClaim, defaultClaim
	if user != "" && user != actor.User {
		to.User, longest, usual = user, maxAssignment, defaultAssignment
	}
	switch {
	case len(ids) == 0 || len(ids) > maxBulk:
		return nil, fmt.Errorf("mpi: assign tasks: %w", hie.Invalid("tasks", "must be from 1 to 100"))
	case strings.ContainsAny(user, "/ \t\n") || len(user) > 128:
		return nil, fmt.Errorf("mpi: assign tasks: %w", hie.Invalid("to", "must be the name a steward signs in with"))
	case d < 0 || d > longest:
		return nil, fmt.Errorf("mpi: assign tasks: %w", hie.Invalid("minutes", fmt.Sprintf("must be from 1 to %d", int(longest.Minutes()))))
	case d == 0:
		d = usual
	}
	step := "assigned"
	if to.User == actor.User {
		step = "claimed"
	}
	out := make([]Assigned, 0, len(ids))
	for _, id := range ids {
		t, err := x.work(ctx, actor, id, step, "", func(t *Task) error {
			if err := t.open(actor, x.now()); err != nil {
				return err
			}
			t.ClaimedBy, t.ClaimedUntil = nameOf(to), x.now().Add(d)
			return nil
		})
		if err != nil && !errors.Is(err, hie.ErrNotFound) && !errors.Is(err, hie.ErrConflict) && !errors.Is(err, hie.ErrForbidden) {
			return nil, err
		}
		out = append(out, Assigned{id, t, err})
	}
	return out, nil
}

// work changes an open task by f and records what step it was and the reason given.
func (x *Index) work(ctx context.Context, actor hie.Actor, id TaskID, step, reason string, f func(*Task) error) (out Task, err error) {
	err = x.update(ctx, func(tx attempt) error {
		t, err := tx.TakeTask(ctx, id)
		if err != nil {
			return err
		}
		if err := f(&t); err != nil {
			return err
		}
		if err := tx.PutTask(ctx, t); err != nil {
			return err
		}
		out = t
		return tx.Record(ctx, worked(actor, &t, step, reason, x.now()))
	})
	if err != nil {
		return Task{}, fmt.Errorf("mpi: task %s: %w", step, err)
	}
	one := []Task{out}
	if err := x.weighTasks(ctx, one); err != nil {
		return Task{}, fmt.Errorf("mpi: task %s: %w", step, err)
	}
	return one[0], nil
}

// worked tells of a step in the life of a task that changes no link. For an assignment, an escalation and an inquiry it says to whom.
func worked(actor hie.Actor, t *Task, step, reason string, at time.Time) audit.Event {
	e := audit.NewEvent(audit.TaskWorked, actor, at).About(t.about()...)
	e.Action, e.Detail = "U", map[string]string{"step": step, "kind": string(t.Kind)}
	switch {
	case step == "asked", step == "answered":
		e.Detail["to"] = string(t.lastInquiry().Site)
	case step == "assigned":
		e.Detail["to"] = t.ClaimedBy
	case step == "escalated" && t.Escalation.User != "":
		e.Detail["to"] = t.Escalation.User
	case step == "escalated":
		e.Detail["to"] = t.Escalation.Role
	}
	if reason != "" {
		e.Reasons = []string{reason}
	}
	return e
}
