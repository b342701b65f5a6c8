package federation

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// TestARequestLeavesTheStepsItTookAndNobodysName follows a query of an indexed and a live site, a query about nobody, and a
// retrieval.
func TestARequestLeavesTheStepsItTookAndNobodysName(t *testing.T) {
	w := newWorld(t)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1, content([]byte("hello")))
	w.serve([]byte("hello"))
	w.search = func(context.Context, Ask) ([]locator.Pointer, error) {
		return nil, &SiteError{Fate: Failed, Reason: "http 500"}
	}
	follow := func(f func(context.Context) error) (steps []string) {
		t.Helper()
		trace := hie.NewTrace("req-1", "", hie.Now())
		if err := f(hie.WithTrace(context.Background(), trace)); err != nil {
			t.Fatal(err)
		}
		for _, s := range trace.End(200, hie.Now()).Spans {
			steps = append(steps, strings.Join(strings.Fields(s.Name+" "+string(s.Site)+" "+s.Outcome), " "))
			if s.Name == stepSite {
				steps[len(steps)-1] += " " + s.Detail
			}
			if all := fmt.Sprintf("%+v", s); strings.Contains(all, "m-1") || strings.Contains(all, "r-5") || strings.Contains(all, "dr-a") {
				t.Errorf("a step names somebody: %+v", s)
			}
		}
		return steps
	}
	for _, tt := range []struct {
		name string
		do   func(context.Context) error
		want []string
	}{
		{"a query", func(ctx context.Context) error {
			_, err := w.Find(ctx, clinician(), Query{Patient: hie.Identifier{System: "urn:clinic", Value: "m-1"}, Limit: 10})
			return err
		}, []string{"identity ok", "consent ok", "locate ok", "consent ok", "site rural failed search: http 500", "locate ok", "audit ok", "audit ok", "audit ok"}},
		{"a query about nobody", func(ctx context.Context) error {
			_, err := w.Find(ctx, clinician(), Query{Patient: hie.Identifier{System: "urn:clinic", Value: "nobody"}, Limit: 10})
			return err
		}, []string{"identity none", "audit ok"}},
		{"a retrieval", func(ctx context.Context) error {
			d, err := w.Retrieve(ctx, clinician(), Handle{Ref: p.Ref()})
			if err == nil {
				err = d.Close()
			}
			return err
		}, []string{"identity ok", "consent ok", "locate ok", "site hospital answered fetch", "audit ok", "audit ok"}},
	} {
		if got := follow(tt.do); strings.Join(got, "; ") != strings.Join(tt.want, "; ") {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, strings.Join(got, "; "), strings.Join(tt.want, "; "))
		}
	}
}

// TestSitesAreToldWhichTraceTheirCallBelongsTo although they are listened to for longer than the request lasts.
func TestSitesAreToldWhichTraceTheirCallBelongsTo(t *testing.T) {
	w := newWorld(t)
	w.Limits.Linger = 1
	trace := hie.NewTrace("req-1", "", hie.Now())
	told := make(chan *hie.Trace, 1)
	w.search = func(ctx context.Context, _ Ask) ([]locator.Pointer, error) {
		told <- hie.TraceOf(ctx)
		return nil, nil
	}
	if _, err := w.Find(hie.WithTrace(context.Background(), trace), clinician(), Query{Patient: hie.Identifier{System: "urn:clinic", Value: "m-1"}, Limit: 10}); err != nil {
		t.Fatal(err)
	}
	if got := <-told; got != trace {
		t.Error("the call is made under no trace")
	}
}
