package mpipg

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// TestEveryStepOfATaskLeavesAnAuditEvent walks one task through its life.
func TestEveryStepOfATaskLeavesAnAuditEvent(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	w := mpitest.NewWorld(t, New(db, auditpg.Append))
	record := w.Register("a", "1", mpitest.Maria()).Record
	task, err := w.Report(ctx, mpitest.Actor, record, 0, "not mine")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() (mpi.Task, error){
		func() (mpi.Task, error) { return w.ClaimTask(ctx, mpitest.Actor, task.ID, 0) },
		func() (mpi.Task, error) { return w.ReleaseTask(ctx, mpitest.Actor, task.ID) },
		func() (mpi.Task, error) {
			return w.SnoozeTask(ctx, mpitest.Actor, task.ID, hie.Now().Add(time.Hour), "the site calls back")
		},
		func() (mpi.Task, error) { return w.WakeTask(ctx, mpitest.Actor, task.ID) },
		func() (mpi.Task, error) {
			return w.EscalateTask(ctx, mpitest.Actor, task.ID, "", mpitest.Second.User, "unsure")
		},
		func() (mpi.Task, error) { return w.RecallTask(ctx, mpitest.Second, task.ID) },
		func() (mpi.Task, error) {
			done, err := w.AssignTasks(ctx, mpitest.Actor, []mpi.TaskID{task.ID}, "third", 0)
			if err == nil {
				err = done[0].Err
			}
			return mpi.Task{}, err
		},
		func() (mpi.Task, error) {
			return w.ReleaseTask(ctx, hie.Actor{Organization: mpitest.Actor.Organization, User: "third"}, task.ID)
		},
		func() (mpi.Task, error) { return w.AskSite(ctx, mpitest.Actor, task.ID, "a", "who was it?") },
		func() (mpi.Task, error) { return w.TakeAnswer(ctx, mpitest.Actor, task.ID, "a", "her sister") },
		func() (mpi.Task, error) { return w.WithdrawTask(ctx, mpitest.Actor, task.ID, "she remembers") },
	} {
		if _, err := step(); err != nil {
			t.Fatal(err)
		}
	}
	events, _, err := auditpg.New(db).Search(ctx, audit.Query{Records: []hie.SourcePatientID{record}, Kinds: []audit.Kind{audit.TaskWorked}, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, e := range events {
		steps = append(steps, e.Detail["step"]+":"+e.Detail["to"]+":"+strings.Join(e.Reasons, ""))
	}
	want := "withdrawn::she remembers|answered:a:her sister|asked:a:who was it?|released::|assigned:registry/third:|recalled::|escalated:registry/second-steward:unsure|woken::|snoozed::the site calls back|released::|claimed::|reported::not mine"
	if got := strings.Join(steps, "|"); got != want {
		t.Errorf("steps, newest first:\n%s\nwant:\n%s", got, want)
	}
}
