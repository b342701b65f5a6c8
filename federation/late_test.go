package federation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/locator"
	"go.uber.org/goleak"
)

func TestWhatALateSiteTellsIsThereForTheNextQuery(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t)
	defer w.Close()
	w.Limits.Linger = 5 * time.Second
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	told := pointer(w.network, mariaLive, "rural", "34133-9", 2)
	told.Kind = locator.KindOf(told.Categories, told.Types, told.Labels, true)
	answers := make(chan struct{})
	w.search = func(ctx context.Context, _ Ask) ([]locator.Pointer, error) {
		select {
		case <-answers:
			return []locator.Pointer{told}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	first := find(t, w, Query{})
	if len(first.Entries) != 1 || len(first.Silent) != 1 || first.Silent[0].Fate != Late {
		t.Fatalf("%d entries and %v silent before the site answered, want one and the site late", len(first.Entries), first.Silent)
	}
	close(answers)
	for range 200 {
		w.mu.Lock()
		n := len(w.kept)
		w.mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	late := 0
	for _, e := range w.recorded(audit.SiteAsked) {
		if e.Detail["late"] == "kept" && e.Outcome == audit.Success {
			late++
		}
	}
	if late != 1 {
		t.Errorf("%d events say that the late answer was kept, want 1", late)
	}
	w.search = func(ctx context.Context, _ Ask) ([]locator.Pointer, error) { <-ctx.Done(); return nil, ctx.Err() }
	w.Limits.Linger = 0
	w.now = w.now.Add(time.Minute)
	second := find(t, w, Query{})
	if len(second.Entries) != 2 || !second.Entries[0].Live {
		t.Errorf("%d entries of a query about what the site told late, want 2", len(second.Entries))
	}
	if len(second.Silent) != 1 || second.Silent[0].Fate != Late {
		t.Errorf("a site that is late again is not said to be: %v", second.Silent)
	}
	w.say(denyAll(mariaLive))
	if third := find(t, w, Query{}); len(third.Entries) > 1 {
		t.Error("what was kept is shown against a consent that came since")
	}
}

func TestNobodyListensForACallerWhoIsGone(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t)
	w.Limits.Linger = time.Minute
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	begun, ended := make(chan struct{}), make(chan struct{})
	w.search = func(ctx context.Context, _ Ask) ([]locator.Pointer, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-begun; cancel() }()
	if _, err := w.Find(ctx, clinician(), Query{Patient: clinicID, Limit: 50}); !errors.Is(err, context.Canceled) {
		t.Errorf("Find = %v, want that it was given up", err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the site is still listened to")
	}
	w.Close()
}
