package mpitest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// pair registers two records that may be one person and returns them with the open task about them.
func pair(t *testing.T, w *World) (a, b hie.SourcePatientID, task mpi.Task) {
	t.Helper()
	d := bare(Maria())
	d.Names[0].Given = d.Names[0].Given[:1]
	a, b = w.Register("a", "1", d).Record, w.Register("b", "9", d).Record
	tasks := w.OpenTasks(b)
	if len(tasks) != 1 {
		t.Fatalf("%d tasks, want one", len(tasks))
	}
	return a, b, tasks[0]
}

func claimTask(t *testing.T, w *World) {
	_, _, task := pair(t, w)
	got, err := w.ClaimTask(ctx, Actor, task.ID, 0)
	if err != nil || got.ClaimedBy == "" || !got.ClaimedUntil.After(hie.Now()) {
		t.Fatalf("claim = %+v, %v", got, err)
	}
	if _, err := w.ClaimTask(ctx, Second, task.ID, time.Minute); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("claiming what another works on = %v, want a conflict", err)
	}
	if _, err := w.Index.Settle(ctx, Second, task.ID, mpi.CannotLink, "x"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("settling what another works on = %v, want a conflict", err)
	}
	if open, _, err := w.Tasks(ctx, mpi.TaskFilter{Claimed: mpi.Unclaimed}); err != nil || len(open) != 0 {
		t.Errorf("tasks nobody works on = %d, %v; want none", len(open), err)
	}
	if mine, _, err := w.Tasks(ctx, mpi.TaskFilter{Claimed: got.ClaimedBy}); err != nil || len(mine) != 1 {
		t.Errorf("tasks of the claimant = %d, %v; want one", len(mine), err)
	}
	if later, _, err := w.Tasks(ctx, mpi.TaskFilter{Claimed: mpi.Unclaimed, Now: hie.Now().Add(time.Hour)}); err != nil || len(later) != 1 {
		t.Errorf("after the claim ran out = %d, %v; want one", len(later), err)
	}
	if _, err := w.ReleaseTask(ctx, Second, task.ID); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("releasing another's claim = %v, want a conflict", err)
	}
	if got, err := w.ReleaseTask(ctx, Actor, task.ID); err != nil || got.ClaimedBy != "" {
		t.Errorf("release = %+v, %v", got, err)
	}
	if _, err := w.ClaimTask(ctx, Second, task.ID, 13*time.Hour); err == nil {
		t.Error("a claim of thirteen hours was accepted")
	}
}

func cannotTell(t *testing.T, w *World) {
	a, b, task := pair(t, w)
	if _, err := w.Settle(ctx, Actor, task.ID, mpi.Clear, "no photo on either"); err != nil {
		t.Fatal(err)
	}
	d := bare(Maria())
	d.Names[0].Given = d.Names[0].Given[:1]
	d.Names[0].Text = "sent once more"
	w.Register("b", "9", d)
	if tasks := w.OpenTasks(b); len(tasks) != 0 || w.Together(a, b) {
		t.Errorf("asked again though nothing is new: %d tasks", len(tasks))
	}
	d.Addresses = Maria().Addresses
	w.Register("b", "9", d)
	d.Names[0].Text = "and the other"
	w.Register("a", "1", d)
	if !w.Together(a, b) || len(w.OpenTasks(b)) != 0 {
		t.Error("an address on both settles it: want one person and no open task")
	}
}

func superseded(t *testing.T, w *World) {
	a, b, task := pair(t, w)
	d := bare(Maria())
	d.Names[0].Given = d.Names[0].Given[:1]
	d.Addresses = Maria().Addresses
	w.Register("a", "1", d)
	w.Register("b", "9", d)
	got, err := w.Task(ctx, task.ID)
	if err != nil || !w.Together(a, b) || got.Closed.IsZero() || got.By != mpi.Engine || got.Verdict != mpi.Clear || got.Change == 0 {
		t.Errorf("a question that answered itself = %+v, %v", got, err)
	}
}

func secondReviewer(t *testing.T, w *World) {
	a := w.Register("a", "1", Maria())
	other := mpi.Demographics{Names: []mpi.Name{{Given: []string{"Dietrich"}, Family: "Vanterpool"}}, Birth: mpi.Date{Year: 1949, Month: 11, Day: 27}, Sex: mpi.Male}
	w.Register("a", "1", other)
	task := w.OpenTasks(a.Record)[0]
	first, err := w.Index.Settle(ctx, Actor, task.ID, mpi.MustLink, "papers seen")
	if err != nil || !first.Pending || first.Second != "overlay" || first.Change != 0 {
		t.Fatalf("the first verdict on an overlay = %+v, %v; want it to wait", first, err)
	}
	if m, _ := w.PersonOf(a.Record).Member(a.Record); m.Link != hie.LinkDisputed {
		t.Error("a verdict that waits must change nothing")
	}
	if _, err := w.Index.Settle(ctx, Actor, task.ID, mpi.MustLink, "papers seen"); !errors.Is(err, hie.ErrForbidden) {
		t.Errorf("the same person twice = %v, want forbidden", err)
	}
	differs, err := w.Index.Settle(ctx, Second, task.ID, mpi.CannotLink, "another man")
	if err != nil || !differs.Pending {
		t.Fatalf("another verdict = %+v, %v; want it to wait in turn", differs, err)
	}
	agreed, err := w.Index.Settle(ctx, Actor, task.ID, mpi.CannotLink, "convinced")
	if err != nil || agreed.Pending || agreed.Change == 0 {
		t.Fatalf("the second reviewer's agreement = %+v, %v", agreed, err)
	}
	if m, _ := w.PersonOf(a.Record).Member(a.Record); m.Link != hie.LinkConfirmed {
		t.Error("agreed: want the link confirmed")
	}
	if got, err := w.Task(ctx, task.ID); err != nil || got.Closed.IsZero() || got.Change != agreed.Change || got.First == nil || got.Differed != 1 {
		t.Errorf("the task = %+v, %v", got, err)
	}
	versions, err := w.RecordVersions(ctx, a.Record)
	if err != nil || len(versions) != 2 || versions[0].Disputed || versions[0].Demographics.Names[0].Family != "Quintanilla" ||
		versions[1].Demographics.Names[0].Family != "Vanterpool" || !versions[1].Until.IsZero() || !versions[0].Until.Equal(versions[1].Since) {
		t.Errorf("both persons must be shown: %d versions, %v", len(versions), err)
	}
	if _, err := w.Undo(ctx, Actor, agreed.Change, "the papers were his after all"); err != nil {
		t.Fatal(err)
	}
	if m, _ := w.PersonOf(a.Record).Member(a.Record); m.Link != hie.LinkDisputed || len(w.OpenTasks(a.Record)) != 1 {
		t.Error("undone: want the update in dispute again, with a task")
	}
	if m, err := w.Match(ctx, Actor, other, mpi.MatchOptions{}); err != nil || len(m.Identities) != 0 {
		t.Errorf("undone, what is in dispute was matched on: %d identities, %v", len(m.Identities), err)
	}
}

func corrected(t *testing.T, w *World) {
	a, b := w.Register("a", "1", Maria()), w.Register("b", "9", Maria())
	w.Register("a", "1", mpi.Demographics{Names: []mpi.Name{{Given: []string{"Dietrich"}, Family: "Vanterpool"}}, Birth: mpi.Date{Year: 1949, Month: 11, Day: 27}, Sex: mpi.Male})
	task := w.OpenTasks(a.Record)[0]
	w.Register("a", "1", Maria())
	if m, _ := w.PersonOf(a.Record).Member(a.Record); m.Link != hie.LinkConfirmed || !w.Together(a.Record, b.Record) {
		t.Error("the site corrected itself: want the link as it was")
	}
	if got, err := w.Task(ctx, task.ID); err != nil || got.By != mpi.Engine {
		t.Errorf("the task = %+v, %v; want it closed", got, err)
	}
}

func preview(t *testing.T, w *World) {
	a, b := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1))
	c := w.Register("c", "3", stranger(1)) // with b
	records := []hie.SourcePatientID{a.Record, b.Record, c.Record}
	persons := everyPerson(w, records...)
	before := w.Links(persons, records)
	events, _ := w.HistoryOfRecord(ctx, a.Record)
	e, err := w.PreviewDecision(ctx, Actor, a.Record, b.Record, mpi.MustLink)
	if err != nil || len(e.Sides) != 2 || e.Second != "" {
		t.Fatalf("preview = %+v, %v; want two sides that meet", e, err)
	}
	if one, two := e.Sides[0], e.Sides[1]; one.From != a.Person || one.To != b.Person || two.From != b.Person || two.To != b.Person ||
		len(one.Records) != 1 || len(two.Records) != 2 || len(two.Sites) != 2 {
		t.Errorf("sides = %+v", e.Sides)
	}
	if w.Links(persons, records) != before {
		t.Error("a preview wrote something")
	}
	if again, _ := w.HistoryOfRecord(ctx, a.Record); len(again) != len(events) {
		t.Error("a preview left events")
	}
	change, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "same")
	if err != nil {
		t.Fatal(err)
	}
	u, err := w.PreviewUndo(ctx, Actor, change)
	if err != nil || len(u.Sides) != 2 || u.Sides[0].To != a.Person || u.Sides[0].From != b.Person {
		t.Errorf("preview of undo = %+v, %v; want the first back in its person", u, err)
	}
	if !w.Together(records...) {
		t.Error("a preview of undo parted them")
	}
	if _, err := w.PreviewUndo(ctx, Actor, 7); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("preview of nothing = %v, want not found", err)
	}
}

func reported(t *testing.T, w *World) {
	a, b := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1))
	task, err := w.Report(ctx, Actor, a.Record, 0, "that visit was not mine")
	if err != nil || task.Kind != mpi.TaskReported {
		t.Fatalf("report = %+v, %v", task, err)
	}
	if again, err := w.Report(ctx, Actor, a.Record, 0, "still not mine"); err != nil || again.ID != task.ID || again.Note != task.Note {
		t.Errorf("reported twice = %+v, %v; want the task there is", again, err)
	}
	if _, err := w.Index.Settle(ctx, Actor, task.ID, mpi.MustLink, "x"); err == nil {
		t.Error("a verdict on one record alone was accepted")
	}
	if _, err := w.Index.Settle(ctx, Actor, task.ID, mpi.Clear, "explained on the phone"); err != nil {
		t.Error(err)
	}
	if again, err := w.Report(ctx, Actor, a.Record, 0, "not mine after all"); err != nil || again.ID == task.ID {
		t.Errorf("reported anew = %+v, %v; want a new task", again, err)
	} else {
		takenBack(t, w, again)
	}
	if _, err := w.Report(ctx, Actor, 99, b.Record, "x"); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("about an unknown record = %v, want not found", err)
	}
}

// takenBack has a report withdrawn: nothing was decided by it.
func takenBack(t *testing.T, w *World, task mpi.Task) {
	if _, err := w.WithdrawTask(ctx, Actor, task.ID, " "); err == nil {
		t.Error("withdrawn without a reason")
	}
	if done, err := w.WithdrawTask(ctx, Actor, task.ID, "she remembers the visit"); err != nil || !done.Withdrawn || done.Closed.IsZero() || done.Reason != "she remembers the visit" {
		t.Errorf("withdrawn = %+v, %v", done, err)
	}
	if _, err := w.WithdrawTask(ctx, Actor, task.ID, "again"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("withdrawn twice = %v, want a conflict", err)
	}
	if back, err := w.Task(ctx, task.ID); err != nil || !back.Withdrawn || back.Closed.IsZero() {
		t.Errorf("a withdrawn task comes back as %+v, %v", back, err)
	}
}

// inquired has a site asked about a task and its answer noted.
func inquired(t *testing.T, w *World) {
	a := w.Register("a", "1", stranger(0))
	w.Register("b", "2", stranger(1))
	task, err := w.Report(ctx, Actor, a.Record, 0, "that visit was not mine")
	if err != nil {
		t.Fatal(err)
	}
	waiting := func() int {
		t.Helper()
		tasks, _, err := w.Tasks(ctx, mpi.TaskFilter{Waiting: true})
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks)
	}
	for _, words := range []string{" ", strings.Repeat("x", 2001)} {
		if _, err := w.AskSite(ctx, Actor, task.ID, "a", words); err == nil {
			t.Error("nothing was asked, or too much")
		}
	}
	if _, err := w.AskSite(ctx, Actor, task.ID, "b", "who was it?"); err == nil {
		t.Error("a site the task is not about was asked")
	}
	if _, err := w.TakeAnswer(ctx, Actor, task.ID, "a", "nobody"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("an answer to nothing = %v, want a conflict", err)
	}
	if asked, err := w.AskSite(ctx, Actor, task.ID, "a", "who was there that day?"); err != nil || asked.Pending() != 1 || waiting() != 1 {
		t.Errorf("asked = %+v, %v; %d wait", asked, err, waiting())
	}
	if _, err := w.AskSite(ctx, Actor, task.ID, "a", "well?"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("asked twice = %v, want a conflict", err)
	}
	if _, err := w.TakeAnswer(ctx, Second, task.ID, "a", "her sister"); err != nil || waiting() != 0 {
		t.Errorf("the answer: %v, %d wait", err, waiting())
	}
	if _, err := w.AskSite(ctx, Actor, task.ID, "a", "which sister?"); err != nil {
		t.Error(err)
	}
	back, err := w.Task(ctx, task.ID)
	if err != nil || len(back.Inquiries) != 2 || back.Pending() != 1 {
		t.Fatalf("%+v, %v; want two inquiries, one pending", back.Inquiries, err)
	}
	if q := back.Inquiries[0]; q.Site != "a" || q.Words != "who was there that day?" || q.Answer != "her sister" || q.By == q.AnswerBy || q.At.IsZero() || q.Answered.Before(q.At) {
		t.Errorf("the first comes back as %+v", q)
	}
}

func notices(t *testing.T, w *World) {
	a, b := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1))
	change, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "same")
	if err != nil {
		t.Fatal(err)
	}
	d := stranger(1)
	d.Telecoms = nil
	w.Register("b", "2", d)
	var kinds []mpi.NoticeKind
	var last mpi.Cursor
	for {
		page, err := w.Notices(ctx, last, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, n := range page {
			kinds = append(kinds, n.Kind)
			last = n.Cursor
			if n.Kind == mpi.NoticeMoved && (n.Change != change || n.Person != a.Person || n.Former != b.Person || n.Record != b.Record) {
				t.Errorf("the move's notice = %+v", n)
			}
		}
	}
	want := []mpi.NoticeKind{mpi.NoticeRegistered, mpi.NoticeRegistered, mpi.NoticeMoved, mpi.NoticeRedirected, mpi.NoticeRevised}
	if len(kinds) != len(want) {
		t.Fatalf("notices = %v, want %v", kinds, want)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Errorf("notices = %v, want %v", kinds, want)
		}
	}
	if page, err := w.Notices(ctx, last, 0); err != nil || len(page) != 0 {
		t.Errorf("behind the last = %d, %v; want none", len(page), err)
	}
}
