package mpitest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Run holds a store to its contract: first the store alone, then stories of the index on it. open returns an
// empty store nobody else uses.
func Run(t *testing.T, open func(t *testing.T) mpi.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w *World)
	}{
		{"a failed transaction leaves nothing behind", failedTransaction},
		{"the first to claim an identifier owns it", claimOnce},
		{"keys count live records and never fall below zero", keyCounts},
		{"a candidate is found while it is live", candidates},
		{"a look tells counts and shows nobody under a hub", look},
		{"persons are gathered with their members, empty ones too", gathered},
		{"homes come with what the first of the records say", sighted},
		{"an open task about a pair is opened once", tasksOnce},
		{"an edge has two ends and is replaced", edges},
		{"events come back as they were written, in order", events},
		{"repeating identical bytes changes nothing", repeat},
		{"a stale version is refused and an unknown one too", stale},
		{"an identifier of another site is a conflict", otherSite},
		{"registrations of one person at two sites become one person", linkAcrossSites},
		{"name and date of birth alone ask a steward", probable},
		{"twins are never linked", twins},
		{"newborns without names wait for a steward who learns what is missing", newborns},
		{"father and son of one name and address stay apart", fatherAndSon},
		{"an update that is somebody else is put in dispute", overlay},
		{"an overlay settled as another person leaves with its own data", overlaySplit},
		{"a withdrawn registration is no longer found but stays a member", withdrawn},
		{"a merge in a site redirects the retired identifier, through chains", mergeChain},
		{"a cycle of merges is refused", mergeCycle},
		{"an unknown retired identifier becomes a tombstone", tombstone},
		{"a merge in a site is undone exactly", undoMerge},
		{"a must-link is undone exactly", undoMustLink},
		{"an automatic link taken back does not return", undoRule},
		{"records that joined because of one that goes back go with it", followersGoBack},
		{"a change can be undone only once and only as the last", undoTwice},
		{"a cannot-link parts a person and survives rescoring", cannotLink},
		{"opposite verdicts through others are a conflict", opposite},
		{"the past can be asked for", asOf},
		{"a withdrawn registration is no source, and its past can be told", afterWithdrawal},
		{"a merged person redirects and comes back", redirects},
		{"a task is claimed by one steward at a time", claimTask},
		{"a task is put off and comes back", snoozed},
		{"what is put off comes back when the evidence moves", roused},
		{"a task is handed on to another, who alone may settle it", escalated},
		{"tasks are assigned together, each on its own", assigned},
		{"the queue's order follows what hangs on a task", weighed},
		{"quality is counted by site, kind of task and reviews", quality},
		{"what cannot be told is asked again only when something is new", cannotTell},
		{"a question that answers itself is closed", superseded},
		{"a grave verdict waits for another person, and is undone exactly", secondReviewer},
		{"a site that corrects itself ends the dispute", corrected},
		{"a preview says what would happen and writes nothing", preview},
		{"two numbers on one person are an alarm until they are explained", twoNumbers},
		{"who lives on after a death is an alarm until the records agree", livesOn},
		{"a record that alone holds two halves together is an alarm until they part", bridged},
		{"a number on two people is a question until it is corrected", numberCorrected},
		{"a patient's report is a task", reported},
		{"a site is asked, and answers", inquired},
		{"every change leaves a notice, read in order", notices},
		{"notices are kept until all have read them, or are too old, and who missed some is told", pruned},
		{"scenario 1: twins from newborn to school age", scenario1},
		{"scenario 2: father and son of one name", scenario2},
		{"scenario 3: an overlay, and who the record was before", scenario3},
		{"scenario 4: hubs and default values", scenario4},
		{"a family's insurance number is no question, a borrowed number is", familyNumber},
		{"namesakes who write alike are no hub", namesakes},
		{"a hub is asked about once", hubOnce},
		{"scenario 5: a chain is not joined end to end", scenario5},
		{"scenario 7: evidence spread over five records", scenario7},
		{"scenario 8: a merge is taken back after much has followed", scenario8},
		{"scenario 9: another model, tried, run and rolled back", scenario9},
		{"evidence spread over a person's records counts together", spread},
		{"a record resembling two people does not chain them", chain},
		{"a certain match discloses one proven person only", onlyCertain},
		{"a person's version moves with its links and with nothing else", versions},
		{"a demographics search finds by each parameter and pages", search},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, NewWorld(t, open(t))) })
	}
}

var ctx = context.Background()

func update(t *testing.T, w *World, f func(tx mpi.Tx) error) {
	t.Helper()
	if err := w.Store.Update(ctx, f); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func failedTransaction(t *testing.T, w *World) {
	boom := errors.New("boom")
	err := w.Store.Update(ctx, func(tx mpi.Tx) error {
		if _, err := tx.Claim(ctx, Local("a", "1"), 7); err != nil {
			return err
		}
		if err := tx.NewPerson(ctx, mpi.MemberRow{Person: 9, Member: mpi.Member{Record: 7, Site: "a", Local: Local("a", "1")}, Features: []byte("f")}); err != nil {
			return err
		}
		if err := tx.ClaimKeys(ctx, []mpi.KeyClaim{{Key: 5, Add: 1}}); err != nil {
			return err
		}
		if err := tx.PutPatient(ctx, mpi.PatientRow{SourcePatient: mpi.SourcePatient{Record: 7, Site: "a", Local: Local("a", "1")}, Person: 9}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("error = %v, want the function's own", err)
	}
	if _, err := w.Store.Owner(ctx, Local("a", "1")); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("the claim is still there: %v", err)
	}
	persons, _ := w.Store.Persons(ctx, []hie.PersonID{9})
	counts, _ := w.Store.KeyCounts(ctx, []int64{5})
	patients, err := w.Store.Patients(ctx, []hie.SourcePatientID{7})
	if len(persons)+len(counts)+len(patients) != 0 || err != nil {
		t.Errorf("left behind: %d persons, %d keys, %d patients, %v", len(persons), len(counts), len(patients), err)
	}
}

func claimOnce(t *testing.T, w *World) {
	update(t, w, func(tx mpi.Tx) error {
		for _, try := range []struct{ record, want hie.SourcePatientID }{{1, 1}, {2, 1}} {
			if got, err := tx.Claim(ctx, Local("a", "x"), try.record); err != nil || got != try.want {
				t.Errorf("claim by %d = %d, %v; want %d", try.record, got, err, try.want)
			}
		}
		return nil
	})
	if got, err := w.Store.Owner(ctx, Local("a", "x")); err != nil || got != 1 {
		t.Errorf("owner = %d, %v; want 1", got, err)
	}
	owners, err := w.Store.Owners(ctx, []hie.Identifier{Local("a", "x"), Local("nowhere", "x"), Local("a", "x")})
	if err != nil || len(owners) != 1 || owners[Local("a", "x")] != 1 {
		t.Errorf("owners of an identifier that is claimed, twice, and one that is not: %d, %v", len(owners), err)
	}
}

func keyCounts(t *testing.T, w *World) {
	for _, claims := range [][]mpi.KeyClaim{{{Key: -3, Add: 1}, {Key: 4, Add: 1}}, {{Key: -3, Add: -1}, {Key: 4, Add: 1}}, {{Key: -3, Add: -1}, {Key: 4, Add: 0}}} {
		update(t, w, func(tx mpi.Tx) error { return tx.ClaimKeys(ctx, claims) })
	}
	got, err := w.Store.KeyCounts(ctx, []int64{-3, 4, 99})
	if _, unknown := got[99]; err != nil || unknown || got[-3] != 0 || got[4] != 2 {
		t.Errorf("counts = %v, %v; want -3:0 4:2", got, err)
	}
}

func candidates(t *testing.T, w *World) {
	update(t, w, func(tx mpi.Tx) error {
		if err := tx.PutCandidates(ctx, 1, []int64{10, 11}, nil, []byte("one")); err != nil {
			return err
		}
		return tx.PutCandidates(ctx, 2, []int64{11}, nil, []byte("two"))
	})
	update(t, w, func(tx mpi.Tx) error { return tx.PutCandidates(ctx, 1, []int64{12}, []int64{11}, []byte("neu")) })
	got, err := w.Store.Candidates(ctx, []int64{10, 11, 12})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int64]string{}
	for _, c := range got {
		seen[c.Key] += string(c.Features)
	}
	if len(got) != 3 || seen[10] != "one" || seen[11] != "two" || seen[12] != "neu" {
		t.Errorf("candidates = %v", seen)
	}
}

func look(t *testing.T, w *World) {
	update(t, w, func(tx mpi.Tx) error {
		for record, keys := range map[hie.SourcePatientID][]int64{1: {20, 21, 24}, 2: {21, 24}, 3: {21, 22, 24}} {
			var claims []mpi.KeyClaim
			for _, k := range keys {
				claims = append(claims, mpi.KeyClaim{Key: k, Add: 1})
			}
			if err := tx.ClaimKeys(ctx, claims); err != nil {
				return err
			}
			if err := tx.PutCandidates(ctx, record, keys, nil, fmt.Append(nil, record)); err != nil {
				return err
			}
		}
		return nil
	})
	counts, rows, err := w.Store.Look(ctx, []mpi.Wanted{{Key: 20, Most: 9}, {Key: 21, Most: 2}, {Key: 22, Most: 1}, {Key: 23, Most: 2}, {Key: 24, Most: 3}})
	var got []string
	for _, c := range rows {
		got = append(got, fmt.Sprint(c.Key, " ", c.Record, " ", string(c.Features)))
	}
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []string{"20 1 1", "22 3 3", "24 1 1", "24 2 2", "24 3 3"}) || !maps.Equal(counts, map[int64]int64{20: 1, 21: 3, 22: 1, 24: 3}) {
		t.Errorf("counts %v, rows %q, %v; want the counts of four keys, and no row under the one that more share than was wanted", counts, got, err)
	}
}

func tasksOnce(t *testing.T, w *World) {
	open := func(id mpi.TaskID, a, b hie.SourcePatientID) (opened int) {
		update(t, w, func(tx mpi.Tx) (err error) {
			opened, err = tx.OpenTasks(ctx, []mpi.Task{{ID: id, Kind: mpi.TaskCrossSite, Record: a, Other: b, Opened: hie.Now(), Risk: float64(20 + id)}})
			return err
		})
		return opened
	}
	if open(1, 5, 6) != 1 || open(2, 6, 5) != 0 {
		t.Error("want the first opened and the second, the other way round, not")
	}
	settled := mpi.Task{ID: 1, Kind: mpi.TaskCrossSite, Record: 5, Other: 6, Closed: hie.Now(), Verdict: mpi.CannotLink, By: "x/y", Reason: "because", Change: 8,
		ClaimedBy: "x/y", ClaimedUntil: hie.Now(), First: &mpi.Opinion{Verdict: mpi.MustLink, By: "x/z", Reason: "first", At: hie.Now()}}
	update(t, w, func(tx mpi.Tx) error {
		if k, err := tx.TakeTask(ctx, 1); err != nil || k.Record != 5 || k.Risk != 21 {
			t.Errorf("taken task = %+v, %v", k, err)
		}
		return tx.PutTask(ctx, settled)
	})
	if err := w.Store.Update(ctx, func(tx mpi.Tx) error { _, err := tx.TakeTask(ctx, 1); return err }); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("taking a closed task = %v, want a conflict", err)
	}
	if err := w.Store.Update(ctx, func(tx mpi.Tx) error { _, err := tx.TakeTask(ctx, 77); return err }); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("taking an unknown task = %v, want not found", err)
	}
	if open(3, 5, 6) != 1 || open(4, 7, 0) != 1 {
		t.Error("a closed task must not keep a new one from being opened")
	}
	got, err := w.Task(ctx, 1)
	if err != nil || !got.Closed.Equal(settled.Closed) || got.Verdict != mpi.CannotLink || got.By != "x/y" || got.Reason != "because" || got.Change != 8 ||
		got.First == nil || got.First.Verdict != mpi.MustLink || got.First.Reason != "first" || !got.ClaimedUntil.Equal(settled.ClaimedUntil) {
		t.Errorf("closed task = %+v, %v", got, err)
	}
	if about, err := w.Store.TasksAbout(ctx, []hie.SourcePatientID{6}); err != nil || len(about) != 2 || about[0].ID != 1 || about[1].ID != 3 {
		t.Errorf("tasks about a record = %+v, %v", about, err)
	}
	queue, next, err := w.Tasks(ctx, mpi.TaskFilter{Count: 1})
	if err != nil || next != 4 || len(queue) != 1 || queue[0].ID != 4 {
		t.Errorf("the riskiest comes first: %+v, %v", queue, err)
	}
	if queue, next, err = w.Tasks(ctx, mpi.TaskFilter{After: 4, Claimed: mpi.Unclaimed}); err != nil || next != 0 || len(queue) != 1 || queue[0].ID != 3 {
		t.Errorf("the next page = %+v, %v", queue, err)
	}
}

func edges(t *testing.T, w *World) {
	update(t, w, func(tx mpi.Tx) error {
		return tx.PutEdges(ctx, []mpi.EdgeRow{{A: 1, B: 2, Bits: 20}, {A: 3, B: 1, Bits: 25.5}})
	})
	update(t, w, func(tx mpi.Tx) error {
		if err := tx.PutEdges(ctx, []mpi.EdgeRow{{A: 2, B: 1, Bits: 21}}); err != nil {
			return err
		}
		return tx.RemoveEdges(ctx, []mpi.EdgeRow{{A: 1, B: 3}})
	})
	got, err := w.Store.Edges(ctx, []hie.SourcePatientID{3, 2, 1})
	if want := []mpi.EdgeRow{{A: 1, B: 2, Bits: 21}, {A: 2, B: 1, Bits: 21}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("edges = %v, %v; want %v", got, err, want)
	}
}

func events(t *testing.T, w *World) {
	at := hie.Now()
	in := []mpi.Event{
		{ID: 1, Change: 100, Kind: mpi.EventMoved, At: at, Person: 8, Record: 3, Other: 4, From: mpi.Place{Person: 7, Link: hie.LinkTentative},
			To: mpi.Place{Person: 8, Link: hie.LinkConfirmed}, Cause: mpi.CauseRule, Model: "hand-1", Grade: mpi.GradeCertain, Bits: 31.5,
			Evidence: []mpi.Evidence{{Field: "given", Level: "nickname", Bits: 4.5}, {Field: "household", Level: "ceiling", Bits: -2.25}}},
		{ID: 2, Change: 100, Kind: mpi.EventRedirected, At: at, Person: 7, To: mpi.Place{Person: 8}, Cause: mpi.CauseRule, Model: "hand-1"},
		{ID: 3, Change: 101, Kind: mpi.EventConstrained, At: at, Record: 3, Other: 4, ToVerdict: mpi.CannotLink, Cause: mpi.CauseSteward, By: "o/u", Reason: "r"},
		{ID: 4, Change: 102, Kind: mpi.EventAliased, At: at, Person: 8, Record: 4, Other: 3, ToAlias: 3, WasActive: true, Cause: mpi.CauseUndo, Undoes: 100},
	}
	update(t, w, func(tx mpi.Tx) error { return tx.AddEvents(ctx, in) })
	for _, test := range []struct {
		name string
		read func() ([]mpi.Event, error)
		want []int
	}{
		{"of records", func() ([]mpi.Event, error) { return w.Store.EventsOfRecords(ctx, []hie.SourcePatientID{3, 4}) }, []int{0, 2, 3}},
		{"of a person", func() ([]mpi.Event, error) { return w.Store.EventsOfPerson(ctx, 8) }, []int{0, 3}},
		{"of a change", func() ([]mpi.Event, error) { return w.Store.EventsOfChange(ctx, 100) }, []int{0, 1}},
	} {
		got, err := test.read()
		if err != nil || len(got) != len(test.want) {
			t.Fatalf("%s: %d events, %v; want %d", test.name, len(got), err, len(test.want))
		}
		for i, n := range test.want {
			want := in[n]
			if !slices.Equal(got[i].Evidence, want.Evidence) {
				t.Errorf("%s: evidence of event %d differs", test.name, want.ID)
			}
			g := got[i]
			g.Evidence, want.Evidence = nil, nil
			if !eventEqual(g, want) {
				t.Errorf("%s: event %+v, want %+v", test.name, g, want)
			}
		}
	}
}

func eventEqual(a, b mpi.Event) bool {
	if !a.At.Equal(b.At) {
		return false
	}
	a.At, b.At = time.Time{}, time.Time{}
	return a.ID == b.ID && a.Change == b.Change && a.Kind == b.Kind && a.Person == b.Person && a.Record == b.Record && a.Other == b.Other &&
		a.From == b.From && a.To == b.To && a.FromVerdict == b.FromVerdict && a.ToVerdict == b.ToVerdict && a.FromAlias == b.FromAlias &&
		a.ToAlias == b.ToAlias && a.WasActive == b.WasActive && a.Cause == b.Cause && a.Model == b.Model && a.Grade == b.Grade &&
		a.Bits == b.Bits && a.By == b.By && a.Reason == b.Reason && a.Undoes == b.Undoes
}
