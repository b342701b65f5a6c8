package federationpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/google/go-cmp/cmp"
)

func request(id string, began time.Time, spans ...hie.Span) hie.Traced {
	return hie.Traced{Request: id, ID: "0af7651916cd43dd8448eb211c80319c", Began: began, Took: 12345 * time.Microsecond, Organization: "oak", Client: "oak-emr",
		Roles: []string{"physician"}, Purposes: []hie.Purpose{"TREAT"}, Status: 200, Spans: spans}
}

func TestHowARequestWentIsReadAsItWasKept(t *testing.T) {
	ctx, tr := context.Background(), NewTraces(pgtest.DB(t), hie.NewIDs(nil))
	began := time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC)
	site := hie.Span{Name: "site", Site: "rural", Began: began.Add(time.Millisecond), Took: 9 * time.Millisecond, Outcome: "failed", Detail: "search: http 500"}
	first, again := request("req-one-1", began, site), request("req-one-1", began.Add(time.Hour), site)
	stop, cancel := context.WithCancel(ctx)
	tr.Keep(first)
	tr.Keep(again)
	for i := range 300 { // more than one statement stores
		tr.Keep(request(fmt.Sprintf("req-other-%d", i), began, site))
	}
	cancel() // what was kept by the end is written
	tr.Watch(stop, slog.New(slog.DiscardHandler))
	got, err := tr.Of(ctx, "req-one-1")
	if diff := cmp.Diff([]hie.Traced{first, again}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := tr.Of(ctx, "req-other-299"); err != nil {
		t.Error(err)
	}
	if _, err := tr.Of(ctx, "req-nobody"); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a request there was not: %v", err)
	}
	if err := tr.Sweep(ctx, began.Add(TraceLife+30*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, err := tr.Of(ctx, "req-one-1"); err != nil || len(got) != 1 || !got[0].Began.Equal(again.Began) {
		t.Errorf("after a day: %d left, %v", len(got), err)
	}
}

func TestRequestsBeyondTheRateAreDroppedUnlessSomethingIsToBeSeen(t *testing.T) {
	tr := NewTraces(nil, hie.NewIDs(nil)) // nothing is written here
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 3 * TraceRate {
		tr.Keep(request("req-ordinary", began))
	}
	if got := len(tr.take()); got != TraceRate || tr.Dropped() != 2*TraceRate {
		t.Errorf("%d kept and %d dropped, want %d and %d", got, tr.Dropped(), TraceRate, 2*TraceRate)
	}
	failed := request("req-failed", began)
	failed.Status = 503
	tr.Keep(failed)
	tr.Keep(request("req-page-1", began, hie.Span{Name: "page"}))
	tr.Keep(request("req-site-1", began, hie.Span{Name: "site", Site: "oak"}))
	tr.Keep(request("req-later-1", began.Add(time.Second)))
	if got := len(tr.take()); got != 4 {
		t.Errorf("%d of 4 kept", got)
	}
	for range 2 * waiting {
		tr.Keep(failed)
	}
	if got := len(tr.take()); got != waiting {
		t.Errorf("%d wait, want at most %d", got, waiting)
	}
}
