package mpi

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// maxSnooze bounds how long a task may be put off: a question nobody answers for a quarter is not put off but dropped.
const maxSnooze = 90 * 24 * time.Hour

// SnoozeTask puts a task off until a time at most ninety days away: it leaves the queue, and comes back then, when it is
// woken, or when the evidence it asks about has moved by the margin. It is given back. A reason is required.
// hie.ErrConflict and hie.ErrForbidden are as for ClaimTask.
func (x *Index) SnoozeTask(ctx context.Context, actor hie.Actor, id TaskID, until time.Time, reason string) (Task, error) {
	now := x.now()
	switch {
	case strings.TrimSpace(reason) == "":
		return Task{}, fmt.Errorf("mpi: snooze task: %w", hie.Required("reason"))
	case !until.After(now) || until.After(now.Add(maxSnooze)):
		return Task{}, fmt.Errorf("mpi: snooze task: %w", hie.Invalid("until", "must be later than now, by ninety days at most"))
	}
	return x.work(ctx, actor, id, "snoozed", reason, func(t *Task) error {
		if err := t.open(actor, now); err != nil {
			return err
		}
		t.Snooze = &Snooze{Until: until.UTC().Truncate(time.Microsecond), By: nameOf(actor), Reason: reason}
		t.ClaimedBy, t.ClaimedUntil = "", time.Time{}
		return nil
	})
}

// WakeTask puts a task that was put off back into the queue. It is no error to wake one that was not.
func (x *Index) WakeTask(ctx context.Context, actor hie.Actor, id TaskID) (Task, error) {
	return x.work(ctx, actor, id, "woken", "", func(t *Task) error {
		if err := t.open(actor, x.now()); err != nil {
			return err
		}
		t.Snooze = nil
		return nil
	})
}

// Calls reports whether the task was handed on to actor. Who handed it on is never meant.
func (e *Escalation) Calls(actor hie.Actor) bool {
	return nameOf(actor) != e.By && (e.User == "" || e.User == nameOf(actor)) && (e.Role == "" || actor.HasRole(e.Role))
}

// EscalateTask hands a task on: to user, another steward of actor's organization, or to any other person who acts in role
// ("steward" is any other steward). From then on only they claim or settle it. It leaves actor's hands and the snooze. A
// reason is required. hie.ErrConflict and hie.ErrForbidden are as for ClaimTask.
//
// Source: spec ux W3, "same / different / cannot tell / escalate".
func (x *Index) EscalateTask(ctx context.Context, actor hie.Actor, id TaskID, role, user, reason string) (Task, error) {
	switch {
	case strings.TrimSpace(reason) == "":
		return Task{}, fmt.Errorf("mpi: escalate task: %w", hie.Required("reason"))
	case (role == "") == (user == ""):
		return Task{}, fmt.Errorf("mpi: escalate task: %w", hie.Invalid("role", "must be given, or else user"))
	case strings.ContainsAny(role, " \t\n") || len(role) > 128:
		return Task{}, fmt.Errorf("mpi: escalate task: %w", hie.Invalid("role", "must be a role"))
	case user == actor.User || strings.ContainsAny(user, "/ \t\n") || len(user) > 128:
		return Task{}, fmt.Errorf("mpi: escalate task: %w", hie.Invalid("user", "must be the name another steward signs in with"))
	}
	e := &Escalation{Role: role, By: nameOf(actor), Reason: reason, At: x.now()}
	if user != "" {
		to := actor
		to.User = user
		e.User = nameOf(to)
	}
	return x.work(ctx, actor, id, "escalated", reason, func(t *Task) error {
		if err := t.open(actor, e.At); err != nil {
			return err
		}
		t.Escalation, t.Snooze = e, nil
		t.ClaimedBy, t.ClaimedUntil = "", time.Time{}
		return nil
	})
}

// RecallTask takes an escalation back: who handed the task on may, and whom it was handed on to. It is no error where there
// is none. hie.ErrConflict means that somebody else works on it, or that it is closed.
func (x *Index) RecallTask(ctx context.Context, actor hie.Actor, id TaskID) (Task, error) {
	return x.work(ctx, actor, id, "recalled", "", func(t *Task) error {
		switch e := t.Escalation; {
		case t.takenFrom(actor, x.now()):
			return fmt.Errorf("somebody else works on it: %w", hie.ErrConflict)
		case e != nil && e.By != nameOf(actor) && !e.Calls(actor):
			return fmt.Errorf("it was handed on by somebody else: %w", hie.ErrForbidden)
		}
		t.Escalation = nil
		return nil
	})
}
