package federationpg

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func oneSite(t *testing.T) func() *directory.Network {
	t.Helper()
	n, err := directory.NewNetwork(1, []directory.Organization{{ID: "oak", Name: "Oak", Identifier: "urn:oak", Active: true}},
		[]directory.Site{{ID: "oak", Org: "oak", Name: "Oak", Authorities: []string{"urn:oak:1"}, Zone: "UTC", Active: true, Membership: directory.Live,
			Endpoints: []directory.Endpoint{{ID: "oak-fhir", Protocol: "fhir-r4", Address: "https://oak.example/r4"}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() *directory.Network { return n }
}

// TestCallsAreCountedOnceOverNodesAndRestarts has two nodes count, one of them write twice, and another take its place.
func TestCallsAreCountedOnceOverNodesAndRestarts(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	at := time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)
	call := func(h *Health, d time.Duration, fate federation.Fate, took time.Duration) {
		h.Observe(federation.Call{Site: "oak", Operation: federation.OperationSearch, Ended: at.Add(d), Took: took, Fate: fate})
	}
	flush := func(h *Health) {
		t.Helper()
		if err := h.Flush(ctx, at.Add(10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	one, two := NewHealth(db, 1), NewHealth(db, 2)
	call(one, 0, federation.Answered, 20*time.Millisecond)
	call(two, time.Second, federation.Failed, 40*time.Second)
	flush(one)
	flush(two)
	call(one, 2*time.Second, federation.Empty, 30*time.Millisecond)
	flush(one)
	flush(one) // once more, as after a write whose answer was lost
	again := NewHealth(db, 3)
	call(again, 3*time.Second, federation.Answered, 25*time.Millisecond)
	call(again, 55*time.Second, federation.Late, 5*time.Second)
	flush(again)

	counts, err := one.Counts(ctx, "oak", at.Truncate(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var sum federation.Tally
	for _, c := range counts {
		sum = sum.Plus(c.Tally)
	}
	if sum.Answered != 3 || sum.Failed != 1 || sum.Late != 1 || sum.Calls() != 5 {
		t.Errorf("counted %+v", sum)
	}
	if got := sum.Quantile(.5); got < 20*time.Millisecond || got > 35*time.Millisecond {
		t.Errorf("half took up to %v", got)
	}
	if got := sum.Quantile(1); got < 35*time.Second {
		t.Errorf("the longest took %v", got)
	}
	if err := one.Sweep(ctx, at.Add(federation.SampleLife+time.Hour)); err != nil {
		t.Fatal(err)
	}
	if left, err := one.Counts(ctx, "", time.Time{}.AddDate(2000, 0, 0)); err != nil || len(left) != 0 {
		t.Errorf("%d rows left, %v", len(left), err)
	}
}

func TestAStateIsKeptSinceItBegan(t *testing.T) {
	ctx, db, n := context.Background(), pgtest.DB(t), oneSite(t)
	h, other := NewHealth(db, 1), NewHealth(db, 2)
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	step := func(h *Health, at time.Time, fate federation.Fate) federation.Condition {
		t.Helper()
		h.Observe(federation.Call{Site: "oak", Operation: federation.OperationFetch, Ended: at, Took: time.Millisecond, Fate: fate})
		if err := h.Flush(ctx, at); err != nil {
			t.Fatal(err)
		}
		if err := h.Follow(ctx, n(), at); err != nil {
			t.Fatal(err)
		}
		c, err := h.Conditions(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return c["oak"]
	}
	if c := step(h, t0, federation.Answered); c.State != federation.StateUp || !c.Since.Equal(t0) || !c.LastAnswer.Equal(t0) || !c.LastPublish.IsZero() {
		t.Errorf("at first: %+v", c)
	}
	fell := t0.Add(time.Minute)
	if c := step(h, fell, federation.Failed); c.State != federation.StateFailing || !c.Since.Equal(fell) || !c.LastAnswer.Equal(t0) {
		t.Errorf("when it fails: %+v", c)
	}
	if c := step(other, fell.Add(time.Minute), federation.Failed); c.State != federation.StateFailing || !c.Since.Equal(fell) {
		t.Errorf("another node sees it too: %+v", c)
	}
	h.Published("oak", t0)
	h.Published("oak", t0.Add(-time.Hour))
	if c := step(h, fell.Add(10*time.Minute), federation.Answered); c.State != federation.StateUp || !c.LastAnswer.Equal(fell.Add(10*time.Minute)) || !c.LastPublish.Equal(t0) {
		t.Errorf("when it is back: %+v", c)
	}
}

// TestEachProbeIsOneNodes has four nodes want to ask at once.
func TestEachProbeIsOneNodes(t *testing.T) {
	ctx, db, n := context.Background(), pgtest.DB(t), oneSite(t)
	e := n().Sites()[0].Endpoints[0]
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{now, now.Add(time.Minute)} {
		var mu sync.Mutex
		var wg sync.WaitGroup
		claimed := 0
		for i := range 4 {
			wg.Go(func() {
				mine, err := NewHealth(db, int64(i)).claim(ctx, e, "oak", at, time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if mine {
					claimed++
				}
			})
		}
		wg.Wait()
		if claimed != 1 {
			t.Errorf("%d nodes ask, want 1", claimed)
		}
	}
	h := NewHealth(db, 1)
	until := now.AddDate(0, 1, 0)
	for _, p := range []federation.Probe{
		{Endpoint: e.ID, Site: "oak", Asked: now, Took: 1500 * time.Microsecond, Fate: federation.Answered, Software: "EMR", Version: "7.1", FHIRVersion: "4.0.1", CertificateUntil: until},
		{Endpoint: e.ID, Site: "oak", Asked: now.Add(time.Minute), Took: time.Second, Fate: federation.Failed, Reason: "no connection"},
	} {
		if err := h.KeepProbe(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.Probes(ctx)
	if p := got[e.ID]; err != nil || p.Fate != federation.Failed || p.Reason != "no connection" || p.Version != "7.1" || !p.CertificateUntil.Equal(until) || !p.Asked.Equal(now.Add(time.Minute)) {
		t.Errorf("%+v %v", p, err)
	}
}

func TestWhatIsCountedAtTheEndIsWritten(t *testing.T) {
	db, n := pgtest.DB(t), oneSite(t)
	h := NewHealth(db, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.Observe(federation.Call{Site: "oak", Operation: federation.OperationSearch, Ended: hie.Now(), Fate: federation.Answered})
	h.Watch(ctx, n, slog.New(slog.DiscardHandler))
	if counts, err := h.Counts(context.Background(), "oak", hie.Now().Add(-time.Hour)); err != nil || len(counts) != 1 || counts[0].Answered != 1 {
		t.Errorf("%+v %v", counts, err)
	}
}
