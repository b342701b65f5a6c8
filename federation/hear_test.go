package federation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// toldBy is a document a live site tells of.
func toldBy(w *world, record hie.SourcePatientID, n int) locator.Pointer {
	p := pointer(w.network, record, "rural", "34133-9", n)
	p.Kind = locator.KindOf(p.Categories, p.Types, p.Labels, true)
	return p
}

// follow makes the query about Maria and returns what was heard in order, with how many events of sites asked stood in the
// trail and how many documents were kept when each was heard.
func follow(t *testing.T, w *world, also func(Hearing)) (heard []Hearing, recorded, kept []int, f Found) {
	t.Helper()
	f = find(t, w, Query{CountOnly: true, Heard: func(h Hearing) {
		heard = append(heard, h)
		recorded = append(recorded, len(w.recorded(audit.SiteAsked)))
		w.mu.Lock()
		kept = append(kept, len(w.kept))
		w.mu.Unlock()
		if also != nil {
			also(h)
		}
	}})
	return heard, recorded, kept, f
}

func TestASiteIsHeardOfAsSoonAsItsAnswerIsRecordedAndKept(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t)
	w.person(1, member(mariaClinic, "clinic", "m-1"), member(101, "rural", "r1"), member(102, "rural", "r2"))
	first := make(chan struct{})
	w.search = func(ctx context.Context, ask Ask) ([]locator.Pointer, error) {
		if ask.Record == 102 { // answers only when the other was heard of
			select {
			case <-first:
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return []locator.Pointer{toldBy(w, 101, 1)}, nil
	}
	n := 0
	heard, recorded, kept, f := follow(t, w, func(Hearing) {
		if n++; n == 1 {
			close(first)
		}
	})
	if diff := cmp.Diff([]Hearing{{"rural", Answered, true}, {"rural", Answered, false}}, heard); diff != "" {
		t.Errorf("heard:\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2}, recorded); diff != "" {
		t.Errorf("sites asked that stood in the trail when each was heard of:\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 1}, kept); diff != "" {
		t.Errorf("documents kept when each was heard of:\n%s", diff)
	}
	if f.Total != 1 || len(w.recorded(audit.SiteAsked)) != 2 || len(w.recorded(audit.Disclosed)) != 0 {
		t.Errorf("total %d, %d sites asked, %d disclosures; want 1, 2 (each once) and none of a count", f.Total, len(w.recorded(audit.SiteAsked)), len(w.recorded(audit.Disclosed)))
	}
}

func TestNothingIsHeardThatMayNotBe(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(w *world)
		// during happens while the site is being asked.
		during func(w *world)
		want   []Hearing
	}{
		{"what a site holds that may not be shown sounds like nothing", func(w *world) {
			d := denyAll(mariaClinic)
			d.PolicyRules = nil
			d.Provision.Classes = []string{"34133-9"}
			w.say(d)
		}, nil, []Hearing{{"rural", Answered, false}}},
		{"a site that may not be named", func(w *world) {
			d := denyAll(mariaLive)
			d.NetworkWide, d.PolicyRules = false, nil
			d.Provision.Actors = nil
			d.Provision.Classes = []string{"11488-4", registration}
			w.say(d)
		}, nil, nil},
		{"after she took it back while the site was asked", func(*world) {}, func(w *world) { w.say(denyAll(mariaLive)) }, nil},
		{"what the trail does not take", func(*world) {}, func(w *world) { w.recordErr = errors.New("full") }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.set(w)
			w.search = func(context.Context, Ask) ([]locator.Pointer, error) {
				if tt.during != nil {
					tt.during(w)
				}
				return []locator.Pointer{toldBy(w, mariaLive, 1)}, nil
			}
			var heard []Hearing
			_, err := w.Find(context.Background(), clinician(), Query{Patient: clinicID, Limit: 5, Heard: func(h Hearing) { heard = append(heard, h) }})
			if (err != nil) != (w.recordErr != nil) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, heard); diff != "" {
				t.Errorf("heard:\n%s", diff)
			}
		})
	}
}

func TestAFollowedQueryWaitsLonger(t *testing.T) {
	w := newWorld(t)
	w.Limits.Budget, w.Limits.Follow = time.Millisecond, 20*time.Second
	w.search = func(ctx context.Context, _ Ask) ([]locator.Pointer, error) {
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < 10*time.Second {
			return nil, context.DeadlineExceeded
		}
		return []locator.Pointer{toldBy(w, mariaLive, 1)}, nil
	}
	if heard, _, _, f := follow(t, w, nil); len(heard) != 1 || heard[0].Fate != Answered || f.Total != 1 {
		t.Errorf("heard %v, total %d", heard, f.Total)
	}
}

func TestWhoDoesNotWaitGetsWhatIsKnownAndAsksNobody(t *testing.T) {
	w := newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	f := find(t, w, Query{Remembered: true})
	want := []Silence{{Site: "rural", Fate: Unasked}}
	if diff := cmp.Diff(want, f.Silent); diff != "" || len(f.Entries) != 1 || w.searches["rural"] != 0 || len(w.recorded(audit.SiteAsked)) != 0 {
		t.Errorf("%d entries, asked %d times, silent:\n%s", len(f.Entries), w.searches["rural"], diff)
	}
	w.search = func(context.Context, Ask) ([]locator.Pointer, error) {
		return []locator.Pointer{toldBy(w, mariaLive, 2)}, nil
	}
	follow(t, w, nil)
	w.now = w.now.Add(time.Minute)
	f = find(t, w, Query{Remembered: true, Limit: 1})
	if f.Total != 2 || !f.More {
		t.Fatalf("a minute later the first of %d is shown, want of 2", f.Total)
	}
	if second := find(t, w, Query{Remembered: true, Limit: 1, Cursor: f.Next}); len(second.Entries) != 1 || second.Moved {
		t.Errorf("%d entries on the second page, want 1", len(second.Entries))
	}
	f = find(t, w, Query{Remembered: true})
	if len(f.Entries) != 2 || !f.Entries[0].Live || w.searches["rural"] != 1 {
		t.Errorf("%d entries after the site told, asked %d times; want 2 and 1", len(f.Entries), w.searches["rural"])
	}
	if got := w.recorded(audit.Disclosed); len(got) != 5 || got[4].Released != 1 {
		t.Errorf("%d disclosures recorded, want one for each record each time", len(got))
	}
	w.say(denyAll(mariaLive))
	if f := find(t, w, Query{Remembered: true}); len(f.Entries) > 1 || len(f.Silent) > 0 {
		t.Errorf("what was told is shown against a consent that came since: %d entries, silent %v", len(f.Entries), f.Silent)
	}
}
