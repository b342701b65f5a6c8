package consentpg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/google/go-cmp/cmp"
)

var clerk = hie.Actor{Organization: "mercy", Client: "mercy-emr", User: "clerk"}

const maria, marias2, paul = hie.SourcePatientID(11), hie.SourcePatientID(12), hie.SourcePatientID(21)

const optOut = `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"policyRule":{"coding":[{"code":"OPTOUT"}]},"provision":{"type":"deny"}}`

func wish(record hie.SourcePatientID) consent.Version {
	return consent.Version{Record: record, By: "mercy", Status: "active", Signed: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Verified: true, NetworkWide: true,
		Content: []byte(optOut)}
}

func newStore(t *testing.T) (*Store, *pg.DB) {
	t.Helper()
	db := pgtest.DB(t)
	return New(db, hie.NewIDs(nil), auditpg.Append, hie.Now), db
}

// ok returns what f gives and ends the test on an error.
func ok[T any](t *testing.T, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// file files a first version.
func file(t *testing.T, s *Store, v consent.Version) consent.Version {
	t.Helper()
	return ok(t, func() (consent.Version, error) { return s.File(context.Background(), clerk, v, 0) })
}

func epochOf(t *testing.T, db *pg.DB, r hie.SourcePatientID) int64 {
	t.Helper()
	return ok(t, func() (map[hie.SourcePatientID]int64, error) {
		return epoch.Read(context.Background(), db, []hie.SourcePatientID{r})
	})[r]
}

func events(t *testing.T, db *pg.DB, kind audit.Kind) (n int) {
	t.Helper()
	if err := db.QueryRow(context.Background(), `select count(*) from audit.event where kind = $1`, string(kind)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatIsFiledIsReadBackAndMovesOnlyItsOwnEpoch(t *testing.T) {
	ctx := context.Background()
	s, db := newStore(t)
	v := file(t, s, wish(maria))
	if v.Number != 1 || v.ID == 0 || v.Filed.IsZero() {
		t.Fatalf("filed version %d of %d", v.Number, v.ID)
	}
	if epochOf(t, db, maria) != 1 || epochOf(t, db, paul) != 0 {
		t.Error("the epoch of the record did not move, or another's did")
	}
	if n := events(t, db, audit.ConsentChanged); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	file, err := s.Load(ctx, []hie.SourcePatientID{maria, paul})
	if err != nil || len(file.Directives) != 1 || len(file.Grants) != 0 {
		t.Fatalf("loaded %d directives, %d file.Grants, %v", len(file.Directives), len(file.Grants), err)
	}
	if len(file.Epochs) != 2 || file.Epochs[maria] != 1 || file.Epochs[paul] != 0 {
		t.Errorf("epochs %v, want those of both", file.Epochs)
	}
	d := file.Directives[0]
	if d.Record != "11" || !d.Filed.Equal(v.Filed) || !d.Signed.Equal(v.Signed) || !d.Verified || !d.NetworkWide || d.Status != "active" || d.Provision == nil || d.Provision.Type != "deny" {
		t.Error("a directive does not come back as it was filed")
	}
	if file, err := s.Load(ctx, []hie.SourcePatientID{paul}); err != nil || len(file.Directives) != 0 {
		t.Error("somebody else's directive was loaded")
	}
}

func TestWhatANodeWithAClockAheadHasFiledIsOnFile(t *testing.T) {
	ctx := context.Background()
	s, db := newStore(t)
	first := file(t, s, wish(maria))
	ahead := New(db, hie.NewIDs(nil), auditpg.Append, func() time.Time { return hie.Now().Add(time.Minute) })
	second := first
	second.Status = "inactive"
	second = ok(t, func() (consent.Version, error) { return ahead.File(ctx, clerk, second, first.Number) })
	now := hie.Now()
	on, err := s.Load(ctx, []hie.SourcePatientID{maria})
	if err != nil || len(on.Directives) != 1 || on.Directives[0].Status != "inactive" {
		t.Fatalf("%d directives, %v; want the version that was filed last", len(on.Directives), err)
	}
	if got := on.NoEarlier(now); !got.Equal(second.Filed) {
		t.Errorf("to be decided on at %v, filed %v", got, second.Filed)
	}
	if then, err := s.LoadAt(ctx, []hie.SourcePatientID{maria}, now); err != nil || then.Directives[0].Status != "active" {
		t.Errorf("as of now by this clock: %v", err)
	}
}

func TestVersionsAreAddedAndNeverChanged(t *testing.T) {
	ctx := context.Background()
	s, db := newStore(t)
	first := file(t, s, wish(maria))
	second := first
	second.Status = "inactive"
	second = ok(t, func() (consent.Version, error) { return s.File(ctx, clerk, second, first.Number) })
	if second.Number != 2 || !second.Filed.After(first.Filed) || epochOf(t, db, maria) != 2 {
		t.Errorf("the second version is %d, filed %v after the first", second.Number, second.Filed.Sub(first.Filed))
	}
	for _, stale := range []int64{1, 3, 0} {
		if _, err := s.File(ctx, clerk, second, stale); !errors.Is(err, hie.ErrStale) {
			t.Errorf("filing against version %d: %v, want stale", stale, err)
		}
	}
	other := second
	other.Record = paul
	if _, err := s.File(ctx, clerk, other, 2); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("filing under another record: %v, want not found", err)
	}
	if epochOf(t, db, paul) != 0 {
		t.Error("a refused filing moved an epoch")
	}
	h := ok(t, func() ([]consent.Version, error) { return s.History(ctx, maria, first.ID) })
	if len(h) != 2 || h[0].Number != 2 || h[1].Status != "active" || string(h[1].Content) != optOut {
		t.Errorf("history has %d versions", len(h))
	}
	if _, err := s.History(ctx, paul, first.ID); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("history under another record: %v, want not found", err)
	}
	file, err := s.LoadAt(ctx, []hie.SourcePatientID{maria}, first.Filed)
	if err != nil || len(file.Directives) != 1 || file.Directives[0].Status != "active" {
		t.Error("what held at the first filing is not what is loaded for then")
	}
}

func TestARevocationIsSeenByWhoeverLooksAfterItWasAcknowledged(t *testing.T) {
	ctx := context.Background()
	s, _ := newStore(t)
	v := file(t, s, wish(maria))
	var acknowledged atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 40 {
				after := acknowledged.Load()
				file, err := s.Load(ctx, []hie.SourcePatientID{maria})
				if err != nil {
					t.Error(err)
					return
				}
				old := file.Directives[0].Status != "inactive"
				if n := file.Epochs[maria]; after && n != 2 || old && n != 1 {
					t.Error("after the acknowledgement the old epoch was still read, or the old directive under the new one")
					return
				}
				if after && old {
					t.Error("after the acknowledgement the old directive was still read")
					return
				}
			}
		})
	}
	time.Sleep(5 * time.Millisecond)
	v.Status = "inactive"
	if _, err := s.File(ctx, clerk, v, 1); err != nil {
		t.Error(err)
	}
	acknowledged.Store(true)
	wg.Wait()
}

func TestOfTwoChangesAtOnceOneWins(t *testing.T) {
	ctx := context.Background()
	s, db := newStore(t)
	v := file(t, s, wish(maria))
	var won, stale atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch _, err := s.File(ctx, clerk, v, 1); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, hie.ErrStale):
				stale.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || stale.Load() != 7 || epochOf(t, db, maria) != 2 || events(t, db, audit.ConsentChanged) != 2 {
		t.Errorf("%d won, %d stale, epoch %d; want 1, 7, 2", won.Load(), stale.Load(), epochOf(t, db, maria))
	}
}

func TestAChangeWithoutItsRecordDoesNotHappen(t *testing.T) {
	ctx := context.Background()
	db := pgtest.DB(t)
	broken := errors.New("the trail cannot be written")
	s := New(db, hie.NewIDs(nil), func(context.Context, pg.Querier, ...audit.Event) error { return broken }, hie.Now)
	if _, err := s.File(ctx, clerk, wish(maria), 0); !errors.Is(err, broken) {
		t.Fatalf("filing: %v", err)
	}
	if err := s.Claim(ctx, clerk, claim(), hie.Now().Add(time.Hour), []hie.SourcePatientID{maria}, nil); !errors.Is(err, broken) {
		t.Fatalf("claiming: %v", err)
	}
	file, err := s.Load(ctx, []hie.SourcePatientID{maria})
	if err != nil || len(file.Directives)+len(file.Grants) != 0 || epochOf(t, db, maria) != 0 {
		t.Errorf("something stayed: %d directives, %d file.Grants, epoch %d, %v", len(file.Directives), len(file.Grants), epochOf(t, db, maria), err)
	}
	if tasks, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10}); err != nil || len(tasks) != 0 {
		t.Errorf("%d tasks stayed, %v", len(tasks), err)
	}
}

func TestADirectiveThatCannotBeReadStopsTheLoad(t *testing.T) {
	ctx := context.Background()
	s, db := newStore(t)
	v := file(t, s, wish(maria))
	if _, err := db.Exec(ctx, `update consent.directive set content = $3 where sp_id = $1 and directive_id = $2`, int64(maria), v.ID, []byte(`{"status":7}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(ctx, []hie.SourcePatientID{maria}); err == nil {
		t.Error("a load without the directive would decide as if it had never been given")
	}
}

func claim() consent.Emergency {
	return consent.Emergency{ReasonCode: "unconscious", Text: "Zyxwhistle lay unconscious at the bus stop", Role: "ed", At: hie.Now(), Attested: consent.Attestations()}
}

func TestAClaimGrantsEachRecordAndWaitsForReview(t *testing.T) {
	ctx := context.Background()
	s, db := newStore(t)
	actor := hie.Actor{Organization: "mercy", Client: "mercy-emr", User: "dr-bloom", UserName: "Dr. Bloom", Roles: []string{"ed"}}
	c := claim()
	until := c.At.Add(4 * time.Hour)
	if err := s.Claim(ctx, actor, c, until, []hie.SourcePatientID{maria, marias2}, []hie.OrgID{"mercy"}); err != nil {
		t.Fatal(err)
	}
	file, err := s.Load(ctx, []hie.SourcePatientID{maria, marias2, paul})
	if err != nil || len(file.Grants) != 2 {
		t.Fatalf("%d file.Grants, %v; want 2", len(file.Grants), err)
	}
	g := file.Grants[0]
	if g.Record != "11" || g.Organization != "mercy" || g.User != "dr-bloom" || g.ReasonCode != "unconscious" || !g.At.Equal(c.At) || !g.Until.Equal(until) || !slices.Equal(g.Attested, consent.Attestations()) {
		t.Error("a grant does not come back as it was made")
	}
	if epochOf(t, db, maria) != 1 || epochOf(t, db, marias2) != 1 || epochOf(t, db, paul) != 0 {
		t.Error("epochs did not move with the file.Grants")
	}
	if file, err := s.LoadAt(ctx, []hie.SourcePatientID{maria}, until); err != nil || len(file.Grants) != 0 {
		t.Errorf("after its end %d file.Grants hold, %v", len(file.Grants), err)
	}
	tasks, more, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10})
	if err != nil || more || len(tasks) != 1 || !slices.Equal(tasks[0].Records, []hie.SourcePatientID{maria, marias2}) || tasks[0].Actor.User != "dr-bloom" || tasks[0].Claim.Text != c.Text {
		t.Fatalf("%d tasks, %v", len(tasks), err)
	}
	if tasks, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10, Organization: "oak"}); err != nil || len(tasks) != 0 {
		t.Errorf("another organisation sees %d tasks, %v", len(tasks), err)
	}
	officer := hie.Actor{Organization: "network", User: "p.stone"}
	if err := s.Close(ctx, officer, tasks[0].ID, false, "justified", "chart agrees"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx, officer, tasks[0].ID, false, "unjustified", "again"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("closing twice: %v, want a conflict", err)
	}
	if err := s.Close(ctx, officer, 1, false, "justified", "x"); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("closing nothing: %v, want not found", err)
	}
	done := ok(t, func() (consent.Task, error) { return s.Task(ctx, tasks[0].ID) })
	if done.Finding != "justified" || done.ClosedBy != "network/p.stone" || done.Closed.IsZero() {
		t.Error("the finding was not kept")
	}
	if tasks, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10}); err != nil || len(tasks) != 0 {
		t.Errorf("%d tasks are still open, %v", len(tasks), err)
	}
}

// TestAnEmergencyThatWasEndedOpensNothing: whatever the reader's clock says; what it opened before is still known.
func TestAnEmergencyThatWasEndedOpensNothing(t *testing.T) {
	ctx := context.Background()
	s, db := newStore(t)
	actor := hie.Actor{Organization: "mercy", Client: "mercy-emr", User: "dr-bloom", Roles: []string{"ed"}}
	for range 2 {
		c := claim()
		if err := s.Claim(ctx, actor, c, c.At.Add(4*time.Hour), []hie.SourcePatientID{maria, marias2}, nil); err != nil {
			t.Fatal(err)
		}
	}
	mine := consent.TaskFilter{Organization: "mercy", Claimant: "dr-bloom", HoldsAt: hie.Now(), Limit: 10}
	tasks, _, err := s.Tasks(ctx, mine)
	if err != nil || len(tasks) != 2 {
		t.Fatalf("%d claims hold, %v; want 2", len(tasks), err)
	}
	ahead := New(db, hie.NewIDs(nil), auditpg.Append, func() time.Time { return hie.Now().Add(time.Minute) })
	before, epoch := hie.Now(), epochOf(t, db, maria)
	if err := ahead.End(ctx, hie.Actor{Organization: "network", User: "p.stone"}, tasks[0].ID, "she was sent home"); err != nil {
		t.Fatal(err)
	}
	if file, err := s.Load(ctx, []hie.SourcePatientID{maria, marias2}); err != nil || len(file.Grants) != 2 {
		t.Errorf("%d grants hold, %v; want those of the other claim", len(file.Grants), err)
	}
	if file, err := s.LoadAt(ctx, []hie.SourcePatientID{maria, marias2}, before); err != nil || len(file.Grants) != 4 {
		t.Errorf("%d grants held before, %v; want 4", len(file.Grants), err)
	}
	if epochOf(t, db, maria) != epoch+1 || epochOf(t, db, marias2) != epoch+1 || events(t, db, audit.EmergencyEnded) != 1 {
		t.Error("the end moved no epoch, or was not recorded")
	}
	if err := s.End(ctx, actor, tasks[0].ID, ""); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("ended twice: %v, want a conflict", err)
	}
	if held, _, err := s.Tasks(ctx, mine); err != nil || len(held) != 1 || held[0].ID != tasks[1].ID {
		t.Errorf("%d claims hold, %v; want the other", len(held), err)
	}
	if open, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10}); err != nil || len(open) != 2 || open[0].EndedBy != "network/p.stone" || open[0].EndReason != "she was sent home" {
		t.Errorf("%d to review, %v; want both", len(open), err)
	}
	if err := s.End(ctx, actor, 1, ""); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("nothing ended: %v, want not found", err)
	}
}

func TestAClaimForNobodyIsReviewedAllTheSame(t *testing.T) {
	ctx := context.Background()
	s, db := newStore(t)
	if err := s.Claim(ctx, clerk, claim(), hie.Now().Add(time.Hour), nil, nil); err != nil {
		t.Fatal(err)
	}
	tasks, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10})
	if err != nil || len(tasks) != 1 || len(tasks[0].Records) != 0 || events(t, db, audit.EmergencyClaimed) != 1 {
		t.Errorf("%d tasks, %v", len(tasks), err)
	}
}

// Loading is one look at what there is, and one query for each kind of thing there is, however many records the person has.
func TestLoadingAPersonIsOneQueryForEachKindThereIs(t *testing.T) {
	ctx := context.Background()
	var seen []string
	var mu sync.Mutex
	db, err := pg.Open(ctx, pgtest.URL(t), pg.Options{OnQuery: func(q string) { mu.Lock(); seen = append(seen, q); mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	s := New(db, hie.NewIDs(nil), auditpg.Append, hie.Now)
	for _, r := range []hie.SourcePatientID{maria, marias2, paul} {
		file(t, s, wish(r))
	}
	seen = nil
	if file, err := s.Load(ctx, []hie.SourcePatientID{maria, marias2, paul}); err != nil || len(file.Directives) != 3 {
		t.Fatalf("%d directives, %v", len(file.Directives), err)
	}
	if len(seen) != 2 {
		t.Errorf("%d statements for three records with directives, want 2:\n%s", len(seen), strings.Join(seen, "\n"))
	}
	seen = nil
	if file, err := s.Load(ctx, []hie.SourcePatientID{101, 102, 103}); err != nil || len(file.Directives)+len(file.Grants)+len(file.Instruments) != 0 {
		t.Fatalf("%d directives, %v", len(file.Directives), err)
	}
	if len(seen) != 1 {
		t.Errorf("%d statements for three records about whom nothing is on file, want 1:\n%s", len(seen), strings.Join(seen, "\n"))
	}
}

// TestReviewsAgeAreEscalatedAndRaiseAnAlarm is the queue's part of scenario 9.
func TestReviewsAgeAreEscalatedAndRaiseAnAlarm(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := New(db, hie.NewIDs(nil), auditpg.Append, func() time.Time { return now })
	var ids []int64
	for i := range 6 {
		c := claim()
		c.At = now.Add(time.Duration(i) * 24 * time.Hour)
		who := clerk
		if i == 5 {
			who.User = "somebody-else"
		}
		if err := s.Claim(ctx, who, c, c.At.Add(4*time.Hour), []hie.SourcePatientID{maria}, []hie.OrgID{"mercy"}); err != nil {
			t.Fatal(err)
		}
	}
	open, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10, Organization: "mercy"})
	if err != nil || len(open) != 6 {
		t.Fatalf("%d of %v", len(open), err)
	}
	for i, task := range open {
		ids = append(ids, task.ID)
		if want := []int{1, 2, 3, 4, 5, 1}[i]; task.Claims != want || task.Alarm() != (want == 5) {
			t.Errorf("claim %d: %d claims, alarm %t", i, task.Claims, task.Alarm())
		}
	}
	if alarms, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10, Alarm: true}); err != nil || len(alarms) != 1 || alarms[0].ID != ids[4] {
		t.Errorf("%d alarms, %v", len(alarms), err)
	}
	now = now.Add(8 * 24 * time.Hour)
	if overdue, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10, OpenedBefore: now.Add(-consent.ReviewDue)}); err != nil || len(overdue) != 5 || !overdue[0].Overdue(now) {
		t.Errorf("%d overdue, %v; want five, the sixth being three days old", len(overdue), err)
	}
	for _, want := range []int{1, 0} { // once, however often it is looked
		if n, err := s.Escalate(ctx, clerk); err != nil || n != want {
			t.Errorf("%d escalated, %v; want %d", n, err, want)
		}
	}
	if got, _, err := s.Tasks(ctx, consent.TaskFilter{Limit: 10, Escalated: true}); err != nil || len(got) != 1 || got[0].ID != ids[0] || !got[0].Escalated.Equal(now) {
		t.Errorf("%d escalated, %v", len(got), err)
	}
	if err := s.Contest(ctx, clerk, ids[0], "she declined"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx, clerk, ids[0], false, "justified", "did not see that it was contested"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("closing what was contested meanwhile: %v", err)
	}
	if err := s.Close(ctx, clerk, ids[0], true, "unjustified", "it was"); err != nil {
		t.Error(err)
	}
	if n, err := s.Notices(ctx, []hie.SourcePatientID{maria}, 10); err != nil || len(n) != 6 || n[0].About != ids[5] {
		t.Errorf("%d notices, %v", len(n), err)
	}
}

// A legal basis counts from when it is recorded to when it is ended, and every version of it is kept.
func TestALegalBasisIsKeptByVersionAndMovesTheEpoch(t *testing.T) {
	ctx := context.Background()
	db := pgtest.DB(t)
	s := New(db, hie.NewIDs(nil), auditpg.Append, hie.Now)
	epochs := func() int64 {
		m, err := epoch.Read(ctx, db, []hie.SourcePatientID{maria})
		if err != nil {
			t.Fatal(err)
		}
		return m[maria]
	}
	before, began := epochs(), time.Now()
	actor := hie.Actor{Organization: "hospital", User: "officer"}
	i, err := s.RecordInstrument(ctx, actor, consent.Instrument{Record: maria, Kind: "court-order", Organization: "clinic", Purposes: []hie.Purpose{"HLEGAL"},
		From: time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond), Ground: "order 7", VerifiedBy: "officer", By: "hospital"}, 0)
	if err != nil || i.Number != 1 || epochs() != before+1 || time.Since(began) < consent.ReleaseLease {
		t.Fatalf("version %d, epoch %d after %d, %v; acknowledged after %v", i.Number, epochs(), before, err, time.Since(began))
	}
	at := time.Now()
	file, err := s.Load(ctx, []hie.SourcePatientID{maria})
	if err != nil || len(file.Instruments) != 1 {
		t.Fatalf("%d on file, %v", len(file.Instruments), err)
	}
	if diff := cmp.Diff(i, file.Instruments[0]); diff != "" {
		t.Errorf("came back otherwise: %s", diff)
	}
	ended := i.EndedAt(time.Now().UTC().Truncate(time.Microsecond))
	if _, err := s.RecordInstrument(ctx, actor, ended, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RecordInstrument(ctx, actor, ended, 1); !errors.Is(err, hie.ErrStale) {
		t.Errorf("an ending of a version that is not current: %v", err)
	}
	now, err := s.Instruments(ctx, []hie.SourcePatientID{maria})
	if err != nil || len(now) != 1 || now[0].Number != 2 || now[0].Until.IsZero() {
		t.Errorf("%d, %v", len(now), err)
	}
	if then, err := s.LoadAt(ctx, []hie.SourcePatientID{maria}, at); err != nil || len(then.Instruments) != 1 || !then.Instruments[0].Until.IsZero() {
		t.Errorf("as it was before: %d, %v", len(then.Instruments), err)
	}
	missing := i
	missing.ID++
	if _, err := s.RecordInstrument(ctx, actor, missing, 1); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("one nobody recorded: %v", err)
	}
}

// What is done meanwhile sees the change and takes nothing from the time that leases have; a change that did not come about has none.
func TestWhatIsDoneMeanwhileComesBetweenTheCommitAndTheAcknowledgement(t *testing.T) {
	ctx := context.Background()
	s, _ := newStore(t)
	var seen []string
	s.Meanwhile(func(ctx context.Context, record hie.SourcePatientID) {
		now := ok(t, func() ([]consent.Version, error) { return s.Current(ctx, []hie.SourcePatientID{record}) })
		seen = append(seen, fmt.Sprintf("%s: %d", record, now[0].Number))
	})
	began := time.Now()
	v := file(t, s, wish(maria))
	if took := time.Since(began); took < consent.ReleaseLease {
		t.Errorf("acknowledged after %s, before leases of %s had ended", took, consent.ReleaseLease)
	}
	if _, err := s.File(ctx, clerk, v, 7); !errors.Is(err, hie.ErrStale) {
		t.Fatal(err)
	}
	v.Status = "inactive"
	ok(t, func() (consent.Version, error) { return s.File(ctx, clerk, v, 1) })
	if want := []string{maria.String() + ": 1", maria.String() + ": 2"}; !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
}
