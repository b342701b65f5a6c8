package mpitest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// The past outlives a registration: what is withdrawn is no longer found and is no source of anything, and everything that
// ever was can still be told.
func afterWithdrawal(t *testing.T, w *World) {
	other := Maria()
	other.Telecoms = append(other.Telecoms, mpi.Telecom{System: "email", Value: "maribel.q@mail.test"})
	a, b := w.Register("a", "1", Maria()), w.Register("b", "9", other)
	if !w.Together(a.Record, b.Record) {
		t.Fatal("the two are one person")
	}
	person := w.PersonOf(a.Record).ID
	time.Sleep(2 * time.Millisecond)
	before := hie.Now()
	time.Sleep(2 * time.Millisecond)
	gone := Registration("b", "9", other)
	gone.Active, gone.Received = false, []byte("withdrawn")
	w.Send(gone)

	best, err := w.BestOf(ctx, a.Record)
	if err != nil || len(best.Demographics.Telecoms) != 1 {
		t.Errorf("the best record has %d ways to reach her, %v; want what is left without the withdrawn record", len(best.Demographics.Telecoms), err)
	}
	for _, o := range best.Origins {
		if o.Record != a.Record {
			t.Errorf("%s still comes from the withdrawn record", o.Field)
		}
	}
	then, err := w.AsOf(ctx, a.Record, before)
	if err != nil || !slices.Equal(then.Records(), []hie.SourcePatientID{a.Record, b.Record}) {
		t.Errorf("before: %v, %v; want both records", then.Records(), err)
	}
	said, err := w.SaidAt(ctx, then.Records(), before)
	if err != nil || len(said) != 2 || !said[1].Active || len(said[1].Demographics.Telecoms) != 2 {
		t.Errorf("what the records said before: %d, %v", len(said), err)
	}
	versions, err := w.RecordVersions(ctx, b.Record)
	if err != nil || len(versions) != 2 || !versions[0].Active || versions[1].Active {
		t.Errorf("versions of the withdrawn record: %d, %v", len(versions), err)
	}
	events, err := w.HistoryOfPerson(ctx, person)
	if err != nil || !slices.ContainsFunc(events, func(e mpi.Event) bool { return e.Record == b.Record }) {
		t.Errorf("the person's history forgot the withdrawn record: %d events, %v", len(events), err)
	}
	if m, err := w.Match(ctx, Actor, other, mpi.MatchOptions{}); err != nil || len(m.Identities) != 1 || slices.ContainsFunc(m.Identities[0].Records, func(r mpi.SourcePatient) bool { return r.Record == b.Record && r.Active }) {
		t.Errorf("a search found %d identities, %v", len(m.Identities), err)
	}
	w.replays([]hie.SourcePatientID{a.Record, b.Record})
}

// A person merged away redirects, through chains, and is itself again when the merge is taken back.
func redirects(t *testing.T, w *World) {
	a, b, c := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1)), w.Register("c", "3", stranger(2))
	records := []hie.SourcePatientID{a.Record, b.Record, c.Record}
	redirect := func(p hie.PersonID) hie.PersonID {
		t.Helper()
		rows, err := w.Store.Persons(ctx, []hie.PersonID{p})
		if err != nil {
			t.Fatal(err)
		}
		return rows[p].Redirect
	}
	first, err := w.Decide(ctx, Actor, b.Record, c.Record, mpi.MustLink, "same")
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "same")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []hie.PersonID{a.Person, b.Person, c.Person} {
		got := w.PersonOf(a.Record).ID
		for id := p; ; {
			next := redirect(id)
			if next == 0 {
				if id != got {
					t.Errorf("person %d leads to %d, want %d", p, id, got)
				}
				break
			}
			id = next
		}
		events, err := w.HistoryOfPerson(ctx, p)
		if err != nil || len(events) == 0 {
			t.Errorf("a person that was merged has a history: %d, %v", len(events), err)
		}
	}
	w.replays(records)
	if _, err := w.Undo(ctx, Actor, second, "two"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Undo(ctx, Actor, first, "three"); err != nil {
		t.Fatal(err)
	}
	for i, p := range []hie.PersonID{a.Person, b.Person, c.Person} {
		if redirect(p) != 0 || w.PersonOf(records[i]).ID != p {
			t.Errorf("person %d is not itself again: redirects to %d, its record is in %d", p, redirect(p), w.PersonOf(records[i]).ID)
		}
	}
	w.replays(records)
	if _, err := w.AsOf(ctx, a.Record, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("long before = %v, want not found", err)
	}
}
