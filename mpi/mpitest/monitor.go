package mpitest

import (
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// alarm returns the one open task of a kind about a record.
func alarm(t *testing.T, w *World, kind mpi.TaskKind, about hie.SourcePatientID) mpi.Task {
	t.Helper()
	var found []mpi.Task
	for _, k := range w.OpenTasks(about) {
		if k.Kind == kind {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d open tasks %s, want one: %+v", len(found), kind, w.OpenTasks(about))
	}
	return found[0]
}

// over checks that an alarm was closed by new evidence.
func over(t *testing.T, w *World, task mpi.Task, why string) {
	t.Helper()
	if got, err := w.Task(ctx, task.ID); err != nil || got.Closed.IsZero() || got.By != mpi.Engine || got.Reason == "" {
		t.Errorf("%s: %+v, %v; want it closed by the engine", why, got, err)
	}
}

func twoNumbers(t *testing.T, w *World) {
	one, other := Maria(), Maria()
	one.Identifiers, other.Identifiers = []mpi.Identifier{SSN("219-44-7781")}, []mpi.Identifier{SSN("531-08-2264")}
	a, b := w.Register("a", "1", one).Record, w.Register("b", "9", other).Record
	if !w.Together(a, b) {
		t.Fatal("a number of a spouse's does not part one name, birth date, phone and address")
	}
	task := alarm(t, w, mpi.TaskSplit, b)
	other.Names[0].Text = "sent once more"
	w.Register("b", "9", other)
	if again := alarm(t, w, mpi.TaskSplit, b); again.ID != task.ID {
		t.Error("asked twice")
	}
	other.Identifiers = one.Identifiers
	w.Register("b", "9", other)
	over(t, w, task, "the site corrected the number")
	other.Identifiers = []mpi.Identifier{SSN("531-08-2264")}
	w.Register("b", "9", other)
	task = alarm(t, w, mpi.TaskSplit, b)
	if _, err := w.Decide(ctx, Actor, a, b, mpi.MustLink, "both papers seen"); err != nil {
		t.Fatal(err)
	}
	over(t, w, task, "a steward said that they are one")
}

func livesOn(t *testing.T, w *World) {
	dead := Maria()
	dead.Deceased = mpi.Deceased{Known: true, Dead: true, On: mpi.Date{Year: 2024, Month: 2, Day: 3}}
	a, b := w.Register("a", "1", dead).Record, w.Register("b", "9", Maria()).Record
	if !w.Together(a, b) {
		t.Fatal("the two are one person")
	}
	task := alarm(t, w, mpi.TaskDeceased, b)
	alive := Maria()
	alive.Names[0].Text = "a visit in May"
	w.Register("b", "9", alive)
	if again := alarm(t, w, mpi.TaskDeceased, b); again.ID != task.ID {
		t.Error("asked twice")
	}
	alive.Deceased = mpi.Deceased{Known: true, Dead: true}
	w.Register("b", "9", alive)
	over(t, w, task, "the other site heard of the death, too")
	w.Register("b", "9", Maria())
	task = alarm(t, w, mpi.TaskDeceased, b)
	w.Register("a", "1", Maria())
	over(t, w, task, "the site took the death back")
}

func bridged(t *testing.T, w *World) {
	var left, right []hie.SourcePatientID
	for _, site := range []string{"a", "b"} {
		left, right = append(left, w.Register(site, "l", stranger(0)).Record), append(right, w.Register(site, "r", stranger(1)).Record)
	}
	between := w.Register("c", "1", stranger(2)).Record
	if _, err := w.Decide(ctx, Actor, between, left[0], mpi.MustLink, "one"); err != nil {
		t.Fatal(err)
	}
	change, err := w.Decide(ctx, Actor, between, right[0], mpi.MustLink, "one")
	if err != nil {
		t.Fatal(err)
	}
	task := alarm(t, w, mpi.TaskBridge, between)
	if _, err := w.Undo(ctx, Actor, change, "two people"); err != nil {
		t.Fatal(err)
	}
	over(t, w, task, "the halves were parted")
}

func numberCorrected(t *testing.T, w *World) {
	woman := func(given string, born mpi.Date, number string) mpi.Demographics {
		return mpi.Demographics{Names: []mpi.Name{{Given: []string{given}, Family: "Okonkwo"}}, Birth: born, Identifiers: []mpi.Identifier{SSN(number)}}
	}
	w.Register("a", "1", woman("Folasade", mpi.Date{Year: 1991, Month: 8, Day: 23}, "219-44-7781"))
	born := mpi.Date{Year: 1964, Month: 1, Day: 5}
	b := w.Register("b", "2", woman("Chidinma", born, "219-44-7781")).Record
	task := alarm(t, w, mpi.TaskIdentifier, b)
	w.Register("b", "2", woman("Chidinma", born, "531-08-2264"))
	over(t, w, task, "the number was corrected")
}
