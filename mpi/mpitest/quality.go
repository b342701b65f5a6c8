package mpitest

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

func quality(t *testing.T, w *World) {
	w.Register("a", "1", Maria())
	again := Maria()
	again.Telecoms, again.Identifiers = []mpi.Telecom{{System: "phone", Value: "999-999-9999"}}, []mpi.Identifier{SSN("000-00-0000")}
	w.Register("a", "2", again) // the same person twice at one site
	w.Register("b", "9", Maria())
	nobody := stranger(0)
	nobody.Birth, nobody.Sex = mpi.Date{Year: 1900, Month: 1, Day: 1}, ""
	w.Register("b", "10", nobody)
	gone := Registration("b", "11", stranger(3))
	gone.Active = false
	w.Send(gone)
	other := mpi.Demographics{Names: []mpi.Name{{Given: []string{"Dietrich"}, Family: "Vanterpool"}}, Birth: mpi.Date{Year: 1949, Month: 11, Day: 27}, Sex: mpi.Male}
	overlaid := w.Register("c", "1", stranger(1))
	w.Register("c", "1", other)
	if _, err := w.Settle(ctx, Actor, w.OpenTasks(overlaid.Record)[0].ID, mpi.CannotLink, "another man"); err != nil {
		t.Fatal(err)
	}
	w.Register("a", "5", bare(stranger(2)))
	namesake := w.Register("c", "5", bare(stranger(2))).Record
	task := w.OpenTasks(namesake)[0]
	if _, err := w.EscalateTask(ctx, Actor, task.ID, "steward", "", "unsure"); err != nil {
		t.Fatal(err)
	}
	change, err := w.Decide(ctx, Actor, task.Record, overlaid.Record, mpi.CannotLink, "seen")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Undo(ctx, Actor, change, "mistaken"); err != nil {
		t.Fatal(err)
	}
	q, err := w.Quality(ctx, 0)
	if err != nil || !q.Whole || q.Sampled == 0 || int64(q.Sampled) != q.Persons {
		t.Fatalf("quality = %+v, %v; want everybody looked at", q, err)
	}
	site := func(id hie.SiteID) mpi.SiteQuality {
		i := slices.IndexFunc(q.Sites, func(s mpi.SiteQuality) bool { return s.Site == id })
		if i < 0 {
			t.Fatalf("no figures of site %s", id)
		}
		return q.Sites[i]
	}
	a, b, c := site("a"), site("b"), site("c")
	for _, tt := range []struct {
		name      string
		got, want int
	}{
		{"records of a", a.Records, 3}, {"a's duplicate", a.Duplicates, 1}, {"a's default phone", a.Placeholders["phone"], 1},
		{"a's default number", a.Placeholders["ssn"] + a.Placeholders["identifier"], 1}, {"a's birth dates", a.Filled["birth-date"], 3},
		{"a's records another site has, too", a.Shared, 2}, {"records of b", b.Records, 2}, {"b's withdrawn record", b.Retired, 1},
		{"b's default birth date", b.Placeholders["birth-date"], 1}, {"b's known sexes", b.Filled["sex"], 1}, {"c's overlay", c.Overlays, 1},
		{"c's overlay is settled", c.Disputed, 0}, {"changes taken back", q.Reviews.UndonePeople, 1}, {"changes of the engine taken back", q.Reviews.UndoneEngine, 0},
		{"tasks people closed", q.Reviews.Decided, 1}, {"hours they took", q.Reviews.Hours, 1}, {"tasks that needed two", q.Reviews.Second, 1}, {"and nobody said otherwise", q.Reviews.Agreed, 1},
		{"combinations that two persons bear", q.Tuples.Several, 1}, {"by how many at most", q.Tuples.Most, 2}, {"combinations too common", q.Tuples.Skipped, 0},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, tt.got, tt.want)
		}
	}
	for _, f := range q.Tasks {
		switch f.Kind {
		case mpi.TaskOverlay:
			if f.Open != 0 || f.Closed != 1 || f.Different != 1 || f.Opened != 1 {
				t.Errorf("overlays = %+v", f)
			}
		case task.Kind:
			if f.Open != 1 || f.Escalated != 1 || f.Oldest.IsZero() {
				t.Errorf("the open task = %+v", f)
			}
		}
	}
	opened, decided, engine := 0, 0, 0
	for i, d := range q.Days {
		opened, decided, engine = opened+d.Opened, decided+d.Decided, engine+d.ByEngine
		if want := q.Since.UTC().Truncate(24*time.Hour).AddDate(0, 0, i); !d.Day.Equal(want) {
			t.Errorf("day %d is %s, want %s", i, d.Day, want)
		}
	}
	wantOpened, wantEngine := 0, 0
	for _, f := range q.Tasks {
		wantOpened, wantEngine = wantOpened+f.Opened, wantEngine+f.ByEngine
	}
	if len(q.Days) != 31 || opened != wantOpened || decided != q.Reviews.Decided || engine != wantEngine {
		t.Errorf("%d days with %d opened, %d decided and %d by the engine; the kinds have %d, %d and %d", len(q.Days), opened, decided, engine, wantOpened, q.Reviews.Decided, wantEngine)
	}
	if some, err := w.Quality(ctx, 1); err != nil || some.Sampled != 1 || some.Whole {
		t.Errorf("a sample of one = %+v, %v", some, err)
	}
	if _, err := w.Quality(ctx, 1<<20); err == nil {
		t.Error("a sample of a million was accepted")
	}
}
