package mpitest

import (
	"bytes"
	"errors"
	"strconv"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

func repeat(t *testing.T, w *World) {
	first := w.Register("a", "1", Maria())
	if !first.Created || !first.Changed || first.Version != 1 || first.Grade != mpi.GradeNone {
		t.Errorf("first registration = %+v", first)
	}
	again := w.Register("a", "1", Maria())
	if again.Created || again.Changed || again.Version != 1 || again.Record != first.Record || again.Person != first.Person {
		t.Errorf("repetition = %+v, first = %+v", again, first)
	}
	row, err := w.Record(ctx, first.Record)
	if err != nil || row.Version != 1 || !bytes.Equal(row.Received, Bytes(Maria())) || row.Demographics.Names[0].Family != "Quintanilla" ||
		row.Demographics.Birth != Maria().Birth || row.Site != "a" || row.Local != Local("a", "1") || !row.Active {
		t.Errorf("stored registration differs from what was sent: %v", err)
	}
	if events, err := w.HistoryOfRecord(ctx, first.Record); err != nil || len(events) != 1 {
		t.Errorf("history = %d events, %v; want 1", len(events), err)
	}
}

func stale(t *testing.T, w *World) {
	r := Registration("a", "1", Maria())
	r.IfMatch = 3
	if _, err := w.Index.Register(ctx, Actor, r); !errors.Is(err, hie.ErrStale) {
		t.Errorf("a version of what does not exist = %v, want stale", err)
	}
	w.Register("a", "1", Maria())
	d := Maria()
	d.Telecoms = nil
	r = Registration("a", "1", d)
	r.IfMatch = 2
	if _, err := w.Index.Register(ctx, Actor, r); !errors.Is(err, hie.ErrStale) {
		t.Errorf("another version = %v, want stale", err)
	}
	r.IfMatch = 1
	if got := w.Send(r); got.Version != 2 || !got.Changed || got.Created {
		t.Errorf("revision = %+v", got)
	}
}

func otherSite(t *testing.T, w *World) {
	w.Register("a", "1", Maria())
	r := Registration("a", "1", Maria())
	r.Site = "b"
	if _, err := w.Index.Register(ctx, Actor, r); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("error = %v, want a conflict", err)
	}
}

func linkAcrossSites(t *testing.T, w *World) {
	a := w.Register("a", "1", Maria())
	d := Maria()
	d.Names[0] = mpi.Name{Given: []string{"MARIBEL"}, Family: "QUINTANILLA"}
	d.Addresses[0].Lines = []string{"418 Alder St"}
	d.Telecoms[0].Value = "+1 410 366 2187"
	b := w.Register("b", "9", d)
	if b.Grade != mpi.GradeCertain || b.Person != a.Person {
		t.Fatalf("second registration = %+v, want certain and person %d", b, a.Person)
	}
	p, err := w.Resolve(ctx, Local("b", "9"))
	if err != nil || p.ID != a.Person || len(p.Members) != 2 || p.Members[0].Record != a.Record || p.Members[1].Record != b.Record ||
		p.Members[1].Site != "b" || p.Members[1].Local != Local("b", "9") || p.Members[1].Link != hie.LinkConfirmed {
		t.Errorf("resolved person is not the two: %v", err)
	}
	events, err := w.HistoryOfRecord(ctx, b.Record)
	if err != nil || len(events) != 1 {
		t.Fatalf("history = %d events, %v", len(events), err)
	}
	e := events[0]
	if e.Cause != mpi.CauseRule || e.Model == "" || e.Other != a.Record || e.Grade != mpi.GradeCertain || len(e.Evidence) < 5 {
		t.Errorf("link event = %+v", e)
	}
	var sum mpi.Bits
	for _, r := range e.Evidence {
		sum += r.Bits
	}
	if d := sum - e.Bits; d > 0.1 || d < -0.1 {
		t.Errorf("the waterfall adds up to %v, the score is %v", sum, e.Bits)
	}
	if _, err := w.Resolve(ctx, Local("b", "unknown")); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("an unknown identifier = %v, want not found", err)
	}
}

// bare keeps name, birth date and sex only.
func bare(d mpi.Demographics) mpi.Demographics {
	return mpi.Demographics{Names: d.Names[:1], Birth: d.Birth, Sex: d.Sex}
}

func probable(t *testing.T, w *World) {
	d := bare(Maria())
	d.Names[0].Given = d.Names[0].Given[:1]
	a := w.Register("a", "1", d)
	b := w.Register("b", "9", d)
	if b.Person == a.Person || !b.ReviewTask {
		t.Fatalf("second = %+v, want a person of its own and a task", b)
	}
	tasks := w.OpenTasks(b.Record)
	if len(tasks) != 1 || tasks[0].Kind != mpi.TaskCrossSite || tasks[0].Other != a.Record || tasks[0].Grade != mpi.GradeProbable || tasks[0].Missing != "address" {
		t.Fatalf("tasks = %+v", tasks)
	}
	if _, err := w.Settle(ctx, Actor, tasks[0].ID, mpi.MustLink, "same photo"); err != nil {
		t.Fatal(err)
	}
	if !w.Together(a.Record, b.Record) || len(w.OpenTasks(b.Record)) != 0 {
		t.Error("settled as must-link: want one person and no open task")
	}
	if _, err := w.Settle(ctx, Actor, tasks[0].ID, mpi.MustLink, "again"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("settling twice = %v, want a conflict", err)
	}
}

func twins(t *testing.T, w *World) {
	var records []hie.SourcePatientID
	for i, given := range []string{"Jaylen", "Jayden"} {
		d := Maria()
		d.Names = []mpi.Name{{Given: []string{given}, Family: "Okonkwo"}}
		d.Birth = mpi.Date{Year: 2016, Month: 5, Day: 2}
		d.Sex = mpi.Male
		if i == 1 {
			d.Multiple = mpi.MultipleBirth{Known: true, Multiple: true}
		}
		records = append(records, w.Register("a", strconv.Itoa(i), d).Record, w.Register("b", strconv.Itoa(i), d).Record)
	}
	if !w.Together(records[0], records[1]) || !w.Together(records[2], records[3]) {
		t.Error("each twin's own records belong together")
	}
	if w.Together(records[0], records[2]) {
		t.Error("twins were linked")
	}
}

func newborns(t *testing.T, w *World) {
	baby := func(given string, order int) mpi.Demographics {
		d := Maria()
		d.Names = []mpi.Name{{Given: []string{given}, Family: "Okonkwo"}}
		d.Birth = mpi.Date{Year: 2024, Month: 5, Day: 2}
		d.Multiple = mpi.MultipleBirth{Known: true, Multiple: true, Order: order}
		return d
	}
	a := w.Register("hospital", "1", baby("BABY GIRL A", 1))
	b := w.Register("hospital", "2", baby("BABY GIRL B", 2))
	if w.Together(a.Record, b.Record) {
		t.Fatal("newborn twins were linked")
	}
	named := w.Register("practice", "1", baby("Adaeze", 1))
	if !w.Together(named.Record, a.Record) {
		t.Error("the named child belongs to its own newborn record by birth order")
	}
	unknown := w.Register("clinic", "1", baby("Chidinma", 0))
	if w.Together(unknown.Record, a.Record) || w.Together(unknown.Record, b.Record) {
		t.Error("without birth order nobody may be linked")
	}
	tasks := w.OpenTasks(unknown.Record)
	if len(tasks) == 0 || tasks[0].Missing != "birth-order" {
		t.Errorf("tasks = %+v, want one that names the birth order", tasks)
	}
}

func fatherAndSon(t *testing.T, w *World) {
	man := func(year, month, day int, suffix string) mpi.Demographics {
		d := Maria()
		d.Names = []mpi.Name{{Given: []string{"Thaddeus"}, Family: "Wolcott"}}
		if suffix != "" {
			d.Names[0].Suffix = []string{suffix}
		}
		d.Birth, d.Sex = mpi.Date{Year: year, Month: month, Day: day}, mpi.Male
		return d
	}
	father := []hie.SourcePatientID{w.Register("a", "f", man(1951, 4, 9, "Sr")).Record, w.Register("b", "f", man(1951, 4, 9, "")).Record,
		w.Register("c", "f", man(1951, 9, 4, "")).Record}
	son := []hie.SourcePatientID{w.Register("a", "s", man(1979, 9, 30, "")).Record, w.Register("b", "s", man(1979, 9, 30, "Jr.")).Record}
	if !w.Together(father...) || !w.Together(son...) {
		t.Error("each man's own records belong together")
	}
	if w.Together(father[0], son[0]) {
		t.Error("father and son were linked")
	}
}

func overlay(t *testing.T, w *World) {
	a := w.Register("a", "1", Maria())
	b := w.Register("b", "9", Maria())
	before := w.PersonOf(a.Record)
	other := mpi.Demographics{Names: []mpi.Name{{Given: []string{"Dietrich"}, Family: "Vanterpool"}}, Birth: mpi.Date{Year: 1949, Month: 11, Day: 27}, Sex: mpi.Male}
	got := w.Register("a", "1", other)
	if got.Version != 2 || got.Person != a.Person || !got.ReviewTask {
		t.Fatalf("overlay = %+v", got)
	}
	after := w.PersonOf(a.Record)
	if m, _ := after.Member(a.Record); m.Link != hie.LinkDisputed || after.Version <= before.Version {
		t.Errorf("link = %s, version %d after %d; want disputed and a newer version", m.Link, after.Version, before.Version)
	}
	if m, _ := after.Member(b.Record); m.Link != hie.LinkConfirmed {
		t.Error("the other record's link must not suffer")
	}
	if row, err := w.Record(ctx, a.Record); err != nil || row.Demographics.Names[0].Family != "Vanterpool" {
		t.Errorf("the update was not stored: %v", err)
	}
	m, err := w.Match(ctx, Actor, other, mpi.MatchOptions{})
	if err != nil || len(m.Identities) != 0 {
		t.Errorf("what is in dispute was matched on: %d identities, %v", len(m.Identities), err)
	}
	if m, err := w.Match(ctx, Actor, Maria(), mpi.MatchOptions{OnlyCertain: true}); err != nil || len(m.Identities) != 0 || m.Withheld != mpi.WithheldDisputed {
		t.Errorf("a person in dispute was disclosed: %d, %q, %v", len(m.Identities), m.Withheld, err)
	}
	tasks := w.OpenTasks(a.Record)
	if len(tasks) != 1 || tasks[0].Kind != mpi.TaskOverlay {
		t.Fatalf("tasks = %+v", tasks)
	}
	if _, err := w.Settle(ctx, Actor, tasks[0].ID, mpi.MustLink, "legal change of name, date corrected"); err != nil {
		t.Fatal(err)
	}
	if m, _ := w.PersonOf(a.Record).Member(a.Record); m.Link != hie.LinkConfirmed {
		t.Error("settled as the same person: want confirmed")
	}
	if m, err := w.Match(ctx, Actor, other, mpi.MatchOptions{}); err != nil || len(m.Identities) != 1 {
		t.Errorf("the accepted update is not found: %d, %v", len(m.Identities), err)
	}
}

func overlaySplit(t *testing.T, w *World) {
	a := w.Register("a", "1", Maria())
	b := w.Register("b", "9", Maria())
	other := mpi.Demographics{Names: []mpi.Name{{Given: []string{"Dietrich"}, Family: "Vanterpool"}}, Birth: mpi.Date{Year: 1949, Month: 11, Day: 27}, Sex: mpi.Male}
	w.Register("a", "1", other)
	change, err := w.Settle(ctx, Actor, w.OpenTasks(a.Record)[0].ID, mpi.CannotLink, "number was given to another patient")
	if err != nil || change == 0 {
		t.Fatalf("settle = %d, %v", change, err)
	}
	if w.Together(a.Record, b.Record) {
		t.Error("settled as another person: want them apart")
	}
	if m, _ := w.PersonOf(a.Record).Member(a.Record); m.Link != hie.LinkConfirmed {
		t.Errorf("in a person of its own the link is %s, want confirmed", m.Link)
	}
}

func withdrawn(t *testing.T, w *World) {
	a := w.Register("a", "1", Maria())
	b := w.Register("b", "9", Maria())
	r := Registration("a", "1", Maria())
	r.Active = false
	if got := w.Send(r); got.Version != 2 || got.Person != b.Person {
		t.Errorf("withdrawing = %+v", got)
	}
	row, err := w.Record(ctx, a.Record)
	if err != nil || row.Active || !w.Together(a.Record, b.Record) {
		t.Errorf("want inactive and still a member: %v", err)
	}
	r = Registration("b", "9", Maria())
	r.Active = false
	w.Send(r)
	if c := w.Register("c", "5", Maria()); c.Person == a.Person {
		t.Error("a person whose registrations are all withdrawn was still found")
	}
	w.Register("a", "1", Maria())
	if row, err := w.Record(ctx, a.Record); err != nil || !row.Active || row.Version != 3 {
		t.Errorf("registering again brings it back: %+v, %v", row.Version, err)
	}
}
