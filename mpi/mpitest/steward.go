package mpitest

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// stranger returns the nth of a few people nobody confuses.
func stranger(n int) mpi.Demographics {
	all := []struct {
		given, family string
		year          int
		street, phone string
	}{
		{"Ottoline", "Fairweather", 1934, "12 Harbor Road", "4105550912"}, {"Casimir", "Dobrzynski", 1966, "880 Quarry Lane", "3017239981"},
		{"Perpetua", "Akinfenwa", 1988, "5 Mulberry Court", "2403128844"}, {"Leopold", "Szczepanik", 2001, "77 Ferry Point Road", "4437729015"},
	}
	p := all[n]
	return mpi.Demographics{Names: []mpi.Name{{Given: []string{p.given}, Family: p.family}}, Birth: mpi.Date{Year: p.year, Month: 6, Day: 20 + n},
		Sex: mpi.Female, Addresses: []mpi.Address{{Lines: []string{p.street}, City: "Laurel", PostalCode: "20707"}},
		Telecoms: []mpi.Telecom{{System: "phone", Value: p.phone}}}
}

func mergeChain(t *testing.T, w *World) {
	a, b, c := w.Register("a", "1", stranger(0)), w.Register("a", "2", stranger(1)), w.Register("a", "3", stranger(2))
	if _, err := w.MergeInSite(ctx, Actor, "a", Local("a", "2"), Local("a", "1")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.MergeInSite(ctx, Actor, "a", Local("a", "3"), Local("a", "2")); err != nil {
		t.Fatal(err)
	}
	if got, err := w.RecordOf(ctx, Local("a", "1")); err != nil || got != c.Record {
		t.Errorf("the first identifier means %d, %v; want %d", got, err, c.Record)
	}
	if !w.Together(a.Record, b.Record, c.Record) {
		t.Error("documents of retired registrations belong to the survivor's person")
	}
	if home, err := w.Index.Home(ctx, a.Record); err != nil || home.AliasOf != b.Record || home.Site != "a" || home.Person != w.PersonOf(c.Record).ID {
		t.Errorf("the home of a retired registration = %+v, %v; want its own site, what it stands for and the survivor's person", home, err)
	}
	if _, err := w.Index.Home(ctx, c.Record+1000); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("the home of a record that is not there = %v, want not found", err)
	}
	if p, err := w.Resolve(ctx, Local("a", "1")); err != nil || p.ID != w.PersonOf(c.Record).ID {
		t.Errorf("resolving a retired identifier: %v", err)
	}
	if _, err := w.Index.Register(ctx, Actor, Registration("a", "1", stranger(3))); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("registering a merged identifier = %v, want a conflict", err)
	}
	if id, err := w.MergeInSite(ctx, Actor, "a", Local("a", "3"), Local("a", "2")); err != nil || id != 0 {
		t.Errorf("merging what is merged = %d, %v; want no change", id, err)
	}
	if _, err := w.MergeInSite(ctx, Actor, "a", Local("b", "3"), Local("a", "2")); err == nil {
		t.Error("a merge across assigning authorities was accepted")
	}
}

func mergeCycle(t *testing.T, w *World) {
	w.Register("a", "1", stranger(0))
	w.Register("a", "2", stranger(1))
	if _, err := w.MergeInSite(ctx, Actor, "a", Local("a", "2"), Local("a", "1")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.MergeInSite(ctx, Actor, "a", Local("a", "1"), Local("a", "2")); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("the way back = %v, want a conflict", err)
	}
	if _, err := w.MergeInSite(ctx, Actor, "a", Local("a", "none"), Local("a", "2")); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("an unknown survivor = %v, want not found", err)
	}
}

func tombstone(t *testing.T, w *World) {
	a := w.Register("a", "1", stranger(0))
	if _, err := w.MergeInSite(ctx, Actor, "a", Local("a", "1"), Local("a", "never")); err != nil {
		t.Fatal(err)
	}
	if got, err := w.RecordOf(ctx, Local("a", "never")); err != nil || got != a.Record {
		t.Errorf("the tombstone means %d, %v; want %d", got, err, a.Record)
	}
}

// everyPerson returns the persons records are in, each once.
func everyPerson(w *World, records ...hie.SourcePatientID) []hie.PersonID {
	var out []hie.PersonID
	for _, r := range records {
		out = append(out, w.PersonOf(r).ID)
	}
	return once(out)
}

func undoMerge(t *testing.T, w *World) {
	a, b := w.Register("a", "1", stranger(0)), w.Register("a", "2", stranger(1))
	records := []hie.SourcePatientID{a.Record, b.Record}
	persons := everyPerson(w, records...)
	before := w.Links(persons, records)
	change, err := w.MergeInSite(ctx, Actor, "a", Local("a", "2"), Local("a", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if w.Links(persons, records) == before {
		t.Fatal("the merge changed nothing")
	}
	if _, err := w.Undo(ctx, Actor, change, "wrong patient"); err != nil {
		t.Fatal(err)
	}
	if got := w.Links(persons, records); got != before {
		t.Errorf("after undo:\n%swant:\n%s", got, before)
	}
	if m, err := w.Match(ctx, Actor, stranger(0), mpi.MatchOptions{}); err != nil || len(m.Identities) != 1 {
		t.Errorf("the record brought back is not found: %d, %v", len(m.Identities), err)
	}
}

func undoMustLink(t *testing.T, w *World) {
	a, b := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1))
	c := w.Register("c", "3", stranger(1)) // with b
	records := []hie.SourcePatientID{a.Record, b.Record, c.Record}
	persons := everyPerson(w, records...)
	before := w.Links(persons, records)
	change, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "seen both papers")
	if err != nil || !w.Together(records...) {
		t.Fatalf("must-link: %v", err)
	}
	undo, err := w.Undo(ctx, Actor, change, "papers were of two people")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Links(persons, records); got != before {
		t.Errorf("after undo:\n%swant:\n%s", got, before)
	}
	if left, err := w.Store.Constraints(ctx, records); err != nil || len(left) != 0 {
		t.Errorf("constraints left = %d, %v", len(left), err)
	}
	if _, err := w.Undo(ctx, Actor, undo, "they were one after all"); err != nil || !w.Together(records...) {
		t.Errorf("an undo can be undone: %v", err)
	}
}

func undoRule(t *testing.T, w *World) {
	a, b := w.Register("a", "1", Maria()), w.Register("b", "9", Maria())
	events, err := w.HistoryOfRecord(ctx, b.Record)
	if err != nil || len(events) != 1 {
		t.Fatalf("history: %d, %v", len(events), err)
	}
	if _, err := w.Undo(ctx, Actor, events[0].Change, "cousins"); err != nil {
		t.Fatal(err)
	}
	if w.Together(a.Record, b.Record) {
		t.Fatal("still linked")
	}
	d := Maria()
	d.Telecoms = append(d.Telecoms, mpi.Telecom{System: "email", Value: "mq@mail.test"})
	w.Register("b", "9", d)
	if w.Together(a.Record, b.Record) {
		t.Error("an update brought the link back")
	}
	if _, err := w.Undo(ctx, Actor, 12345, "nothing"); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("undoing what never was = %v, want not found", err)
	}
}

func followersGoBack(t *testing.T, w *World) {
	here, there := Maria(), Maria() // one name and birth date, two households
	here.Names[0].Given, there.Names[0].Given = here.Names[0].Given[:1], there.Names[0].Given[:1]
	there.Addresses, there.Telecoms = stranger(1).Addresses, stranger(1).Telecoms
	a := w.Register("a", "1", here)
	b := w.Register("b", "2", there)
	if w.Together(a.Record, b.Record) {
		t.Fatal("name and birth date alone linked two households")
	}
	change, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "wrongly")
	if err != nil {
		t.Fatal(err)
	}
	c := w.Register("c", "3", there) // because of b
	d := w.Register("d", "4", here)  // because of a
	if !w.Together(a.Record, b.Record, c.Record, d.Record) {
		t.Fatal("the four belong together now")
	}
	if _, err := w.Undo(ctx, Actor, change, "two people"); err != nil {
		t.Fatal(err)
	}
	if !w.Together(a.Record, d.Record) || !w.Together(b.Record, c.Record) || w.Together(a.Record, b.Record) {
		t.Error("each later record should have gone with the one that drew it in")
	}
}

func undoTwice(t *testing.T, w *World) {
	a, b, c := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1)), w.Register("c", "3", stranger(2))
	first, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "one")
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Decide(ctx, Actor, c.Record, b.Record, mpi.MustLink, "two")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Undo(ctx, Actor, second, "no"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Undo(ctx, Actor, second, "no"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("undoing twice = %v, want a conflict", err)
	}
	if _, err := w.Undo(ctx, Actor, first, "no"); err != nil {
		t.Errorf("the first can be undone after the second: %v", err)
	}
	if _, err := w.Undo(ctx, Actor, first, " "); err == nil {
		t.Error("an undo without a reason was accepted")
	}
}

func cannotLink(t *testing.T, w *World) {
	a, b := w.Register("a", "1", Maria()), w.Register("b", "9", Maria())
	change, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.CannotLink, "two cards seen")
	if err != nil || w.Together(a.Record, b.Record) {
		t.Fatalf("cannot-link: %v", err)
	}
	d := Maria()
	d.Names[0].Text = "changed"
	w.Register("b", "9", d)
	if w.Together(a.Record, b.Record) {
		t.Error("rescoring overruled a steward")
	}
	if _, err := w.Undo(ctx, Actor, change, "one after all"); err != nil || !w.Together(a.Record, b.Record) {
		t.Errorf("undo of a cannot-link: %v", err)
	}
	if _, err := w.Decide(ctx, Actor, a.Record, a.Record, mpi.MustLink, "x"); err == nil {
		t.Error("a verdict about one record was accepted")
	}
	if _, err := w.Decide(ctx, Actor, a.Record, 1, mpi.MustLink, "x"); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a verdict about an unknown record = %v, want not found", err)
	}
}

func opposite(t *testing.T, w *World) {
	a, b, c := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1)), w.Register("c", "3", stranger(2))
	if _, err := w.Decide(ctx, Actor, a.Record, c.Record, mpi.CannotLink, "different"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "same"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Decide(ctx, Actor, b.Record, c.Record, mpi.MustLink, "same"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("error = %v, want a conflict: it would join what a verdict keeps apart", err)
	}
}

func asOf(t *testing.T, w *World) {
	start := hie.Now().Add(-time.Second)
	a, b := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1))
	pa, pb := w.PersonOf(a.Record).ID, w.PersonOf(b.Record).ID
	time.Sleep(2 * time.Millisecond)
	apart := hie.Now()
	time.Sleep(2 * time.Millisecond)
	change, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "same")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond)
	joined := hie.Now()
	time.Sleep(2 * time.Millisecond)
	if _, err := w.Undo(ctx, Actor, change, "not the same"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AsOf(ctx, a.Record, start); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("before it was registered = %v, want not found", err)
	}
	for _, test := range []struct {
		name    string
		at      time.Time
		members int
	}{{"before the link", apart, 1}, {"while linked", joined, 2}, {"after the undo", hie.Now(), 1}} {
		p, err := w.AsOf(ctx, b.Record, test.at)
		if err != nil || len(p.Members) != test.members {
			t.Errorf("%s: %d members, %v; want %d", test.name, len(p.Members), err, test.members)
		}
	}
	if events, err := w.HistoryOfPerson(ctx, pa); err != nil || len(events) == 0 {
		t.Errorf("history of a person: %d, %v", len(events), err)
	}
	if p := w.PersonOf(b.Record); p.ID != pb {
		t.Errorf("after the undo the person is %d, want %d again", p.ID, pb)
	}
}
