package mpitest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

func queue(t *testing.T, w *World, f mpi.TaskFilter) int {
	t.Helper()
	tasks, _, err := w.Tasks(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

func snoozed(t *testing.T, w *World) {
	_, b, task := pair(t, w)
	until := hie.Now().Add(48 * time.Hour)
	if _, err := w.ClaimTask(ctx, Actor, task.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SnoozeTask(ctx, Second, task.ID, until, "x"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("putting off what another works on = %v, want a conflict", err)
	}
	got, err := w.SnoozeTask(ctx, Actor, task.ID, until, "the site calls back")
	if err != nil || got.Snooze == nil || !got.Snooze.Until.Equal(until) || got.Snooze.Reason != "the site calls back" || got.ClaimedBy != "" {
		t.Fatalf("snooze = %+v, %v", got, err)
	}
	for _, test := range []struct {
		name string
		f    mpi.TaskFilter
		want int
	}{
		{"the queue leaves it out", mpi.TaskFilter{}, 0},
		{"those put off are asked for", mpi.TaskFilter{Snoozed: true}, 1},
		{"a record's tasks are all there", mpi.TaskFilter{Record: b}, 1},
		{"it comes back when the time is over", mpi.TaskFilter{Now: until.Add(time.Second)}, 1},
		{"and is put off no longer", mpi.TaskFilter{Snoozed: true, Now: until.Add(time.Second)}, 0},
	} {
		if got := queue(t, w, test.f); got != test.want {
			t.Errorf("%s: %d tasks, want %d", test.name, got, test.want)
		}
	}
	if got, err := w.WakeTask(ctx, Second, task.ID); err != nil || got.Snooze != nil || queue(t, w, mpi.TaskFilter{}) != 1 {
		t.Errorf("woken = %+v, %v", got, err)
	}
	for name, bad := range map[string]struct {
		until  time.Time
		reason string
	}{"in the past": {hie.Now().Add(-time.Second), "x"}, "for a year": {hie.Now().Add(365 * 24 * time.Hour), "x"}, "without a reason": {until, " "}} {
		if _, err := w.SnoozeTask(ctx, Actor, task.ID, bad.until, bad.reason); err == nil {
			t.Errorf("putting it off %s was accepted", name)
		}
	}
}

func roused(t *testing.T, w *World) {
	model := *mpi.DefaultModel()
	model.Margin = 1 // so that an initial is enough
	w.Index = mpi.New(w.Store, hie.NewIDs(nil), w.Log, mpi.Options{Model: &model})
	_, b, task := pair(t, w)
	if _, err := w.SnoozeTask(ctx, Actor, task.ID, hie.Now().Add(time.Hour), "later"); err != nil {
		t.Fatal(err)
	}
	d := bare(Maria())
	d.Names[0].Given = d.Names[0].Given[:1]
	d.Names[0].Text = "sent once more"
	w.Register("b", "9", d)
	if queue(t, w, mpi.TaskFilter{}) != 0 {
		t.Error("woken though nothing is new")
	}
	d.Names[0].Given = append(d.Names[0].Given, "L") // an initial on both: more evidence, still no certainty
	w.Register("a", "1", d)
	w.Register("b", "9", d)
	now, err := w.Task(ctx, task.ID)
	if err != nil || w.Together(now.Record, now.Other) {
		t.Fatalf("the test needs a question that stays open: %v", err)
	}
	if tasks := w.OpenTasks(b); now.Snooze != nil || len(tasks) != 1 || now.Bits == task.Bits {
		t.Errorf("%d tasks, put off: %v, at %.1f bits after %.1f; want the one there was, woken", len(tasks), now.Snooze != nil, now.Bits, task.Bits)
	}
}

func escalated(t *testing.T, w *World) {
	_, _, task := pair(t, w)
	lead := Second
	lead.User, lead.Roles = "lead", []string{hie.RoleSteward, "lead-steward"}
	steward := Second
	steward.Roles = []string{hie.RoleSteward}
	got, err := w.EscalateTask(ctx, Actor, task.ID, "lead-steward", "", "two sites disagree about the birth date")
	if err != nil || got.Escalation == nil || got.Escalation.Role != "lead-steward" || got.Escalation.By != "registry/someone" {
		t.Fatalf("escalate = %+v, %v", got, err)
	}
	if queue(t, w, mpi.TaskFilter{}) != 1 || queue(t, w, mpi.TaskFilter{Escalated: true}) != 1 {
		t.Error("a task handed on stays in the queue")
	}
	for _, want := range []struct {
		name string
		who  hie.Actor
		n    int
	}{{"another steward", steward, 0}, {"who handed it on", Actor, 0}, {"the lead", lead, 1}} {
		if n := queue(t, w, mpi.TaskFilter{Escalated: true, For: &want.who}); n != want.n {
			t.Errorf("%s has %d tasks handed on to them, want %d", want.name, n, want.n)
		}
		_, err := w.ClaimTask(ctx, want.who, task.ID, time.Minute)
		if (err == nil) != (want.n == 1) || err != nil && !errors.Is(err, hie.ErrForbidden) {
			t.Errorf("%s claims it: %v", want.name, err)
		}
	}
	if _, err := w.ReleaseTask(ctx, lead, task.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Index.Settle(ctx, steward, task.ID, mpi.CannotLink, "x"); !errors.Is(err, hie.ErrForbidden) {
		t.Errorf("settled by somebody it was not handed on to: %v", err)
	}
	if _, err := w.RecallTask(ctx, steward, task.ID); !errors.Is(err, hie.ErrForbidden) {
		t.Errorf("recalled by somebody it does not concern: %v", err)
	}
	if got, err := w.RecallTask(ctx, Actor, task.ID); err != nil || got.Escalation != nil {
		t.Errorf("recall = %+v, %v", got, err)
	}
	if got, err := w.EscalateTask(ctx, Actor, task.ID, "", steward.User, "you know the family"); err != nil || got.Escalation.User != "registry/second-steward" {
		t.Errorf("escalate to a person = %+v, %v", got, err)
	}
	if done, err := w.Index.Settle(ctx, steward, task.ID, mpi.CannotLink, "sisters"); err != nil || done.Change == 0 && !done.Pending {
		t.Errorf("settled by whom it was handed on to: %+v, %v", done, err)
	}
	_, _, another := pair2(t, w)
	for name, bad := range map[string][3]string{"to nobody": {"", "", "x"}, "to oneself": {"", Actor.User, "x"}, "to both": {"steward", "second-steward", "x"},
		"without a reason": {"steward", "", ""}} {
		if _, err := w.EscalateTask(ctx, Actor, another.ID, bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("handing it on %s was accepted", name)
		}
	}
}

// pair2 is pair with other people.
func pair2(t *testing.T, w *World) (a, b hie.SourcePatientID, task mpi.Task) {
	t.Helper()
	d := bare(stranger(1))
	a, b = w.Register("a", "p2", d).Record, w.Register("b", "p2", d).Record
	tasks := w.OpenTasks(b)
	if len(tasks) != 1 {
		t.Fatalf("%d tasks, want one", len(tasks))
	}
	return a, b, tasks[0]
}

func assigned(t *testing.T, w *World) {
	_, _, one := pair(t, w)
	_, _, two := pair2(t, w)
	if _, err := w.ClaimTask(ctx, Second, two.ID, 0); err != nil {
		t.Fatal(err)
	}
	got, err := w.AssignTasks(ctx, Actor, []mpi.TaskID{one.ID, two.ID, 7}, "third", 0)
	if err != nil || len(got) != 3 {
		t.Fatalf("assign = %+v, %v", got, err)
	}
	if got[0].Err != nil || got[0].Task.ClaimedBy != "registry/third" || !got[0].Task.ClaimedUntil.After(hie.Now().Add(6*24*time.Hour)) {
		t.Errorf("assigned for a week = %+v", got[0])
	}
	if !errors.Is(got[1].Err, hie.ErrConflict) || !errors.Is(got[2].Err, hie.ErrNotFound) {
		t.Errorf("what another works on: %v; what is not there: %v", got[1].Err, got[2].Err)
	}
	third := Actor
	third.User = "third"
	if queue(t, w, mpi.TaskFilter{Claimed: "registry/third"}) != 1 {
		t.Error("the third steward does not find it among theirs")
	}
	if _, err := w.Index.Settle(ctx, third, one.ID, mpi.Clear, "cannot be told"); err != nil {
		t.Errorf("settled by the steward it was assigned to: %v", err)
	}
	if got, err := w.AssignTasks(ctx, Second, []mpi.TaskID{two.ID}, "", 0); err != nil || got[0].Err != nil || got[0].Task.ClaimedBy != "registry/second-steward" ||
		got[0].Task.ClaimedUntil.After(hie.Now().Add(time.Hour)) {
		t.Errorf("claimed for oneself = %+v, %v", got, err)
	}
	for name, bad := range map[string]func() error{
		"none":     func() error { _, err := w.AssignTasks(ctx, Actor, nil, "third", 0); return err },
		"too many": func() error { _, err := w.AssignTasks(ctx, Actor, make([]mpi.TaskID, 101), "third", 0); return err },
		"for years": func() error {
			_, err := w.AssignTasks(ctx, Actor, []mpi.TaskID{two.ID}, "third", 9999*time.Hour)
			return err
		},
		"to a path": func() error { _, err := w.AssignTasks(ctx, Actor, []mpi.TaskID{two.ID}, "a/b", 0); return err },
	} {
		if bad() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// weighed lets documents and a consent come after the tasks were opened.
func weighed(t *testing.T, w *World) {
	held := map[hie.SourcePatientID]mpi.Stake{}
	w.Index = mpi.New(w.Store, hie.NewIDs(nil), w.Log, mpi.Options{Stakes: func(_ context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]mpi.Stake, error) {
		out := map[hie.SourcePatientID]mpi.Stake{}
		for _, r := range records {
			out[r] = held[r]
		}
		return out, nil
	}})
	_, _, first := pair(t, w)
	a, b, second := pair2(t, w)
	c := w.Register("c", "p2", stranger(1))
	held[a], held[b] = mpi.Stake{Documents: 400, Consents: map[string]int64{"deny": 1}}, mpi.Stake{Documents: 90}
	held[c.Record] = mpi.Stake{Documents: 10}
	want := int64(490)
	if w.Together(b, c.Record) || w.Together(a, c.Record) {
		want = 500
	}
	got, err := w.Task(ctx, second.ID)
	if err != nil || got.Closed.IsZero() && (got.Stake.Documents != want || got.Stake.Consents["deny"] != 1) {
		t.Errorf("the task touches %+v, %v; want %d documents and a consent", got.Stake, err, want)
	}
	if last, err := w.Reweigh(ctx, 0, 1); err != nil || last == 0 {
		t.Fatalf("reweigh = %d, %v", last, err)
	}
	for after := mpi.TaskID(0); ; {
		if after, err = w.Reweigh(ctx, after, 1); err != nil {
			t.Fatal(err)
		}
		if after == 0 {
			break
		}
	}
	tasks, _, err := w.Tasks(ctx, mpi.TaskFilter{Kind: first.Kind})
	if err != nil || len(tasks) < 2 || tasks[0].ID == first.ID || tasks[0].Risk <= tasks[len(tasks)-1].Risk {
		t.Errorf("the queue does not begin with what most hangs on: %+v, %v", tasks, err)
		return
	}
	heavy, light := tasks[0], tasks[len(tasks)-1]
	graded, other := heavy.Grade, (heavy.Grade+1)%4
	for _, test := range []struct {
		name string
		f    mpi.TaskFilter
		want int
	}{
		{"all of them", mpi.TaskFilter{}, len(tasks)},
		{"those on which documents hang", mpi.TaskFilter{MinDocuments: heavy.Stake.Documents}, 1},
		{"those on which more hang than on any", mpi.TaskFilter{MinDocuments: heavy.Stake.Documents + 1}, 0},
		{"those of the highest risk", mpi.TaskFilter{MinRisk: heavy.Risk - 0.01}, 1},
		{"those of any risk", mpi.TaskFilter{MinRisk: light.Risk - 0.01}, len(tasks)},
		{"those of the grade they have", mpi.TaskFilter{Grade: &graded}, len(tasks)},
		{"those of another grade", mpi.TaskFilter{Grade: &other}, 0},
		{"those that have waited", mpi.TaskFilter{OpenedBefore: hie.Now().Add(time.Hour)}, len(tasks)},
		{"those that have waited longer than any", mpi.TaskFilter{OpenedBefore: heavy.Opened.Add(-time.Hour)}, 0},
	} {
		test.f.Kind = first.Kind
		if got := queue(t, w, test.f); got != test.want {
			t.Errorf("%s: %d tasks, want %d", test.name, got, test.want)
		}
	}
	// A page that seeks the last one reads on past those that are not sought.
	f := mpi.TaskFilter{Kind: first.Kind, Count: 1, MinDocuments: heavy.Stake.Documents}
	if got, next, err := w.Tasks(ctx, f); err != nil || len(got) != 1 || got[0].ID != heavy.ID || next != heavy.ID {
		t.Errorf("the first page of one: %d tasks, next %d, %v", len(got), next, err)
	}
	if f.After = heavy.ID; queue(t, w, f) != 0 {
		t.Error("the next page finds what is not sought")
	}
}
