package hie

import (
	"context"
	"regexp"
	"testing"
	"time"
)

func TestATraceparentIsGoneOnWithWhenItIsOne(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, parent string
		taken        bool
	}{
		{"a traceparent", "00-" + id + "-b7ad6b7169203331-01", true},
		{"one of a version to come", "01-" + id + "-b7ad6b7169203331-00", true},
		{"no header", "", false},
		{"a trace id of zeros", "00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
		{"a parent id of zeros", "00-" + id + "-0000000000000000-01", false},
		{"the version there is not", "ff-" + id + "-b7ad6b7169203331-01", false},
		{"upper case", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false},
		{"something behind it", "00-" + id + "-b7ad6b7169203331-01\r\nX: y", false},
	} {
		trace := NewTrace("req-1", tt.parent, now)
		if got := trace.End(200, now).ID; (got == id) != tt.taken || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(got) {
			t.Errorf("%s: the trace is %s", tt.name, got)
		}
		parent := trace.Parent()
		if !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).MatchString(parent) || parent[3:35] != trace.End(200, now).ID || parent == tt.parent {
			t.Errorf("%s: a call within it is told %s", tt.name, parent)
		}
	}
}

func TestATraceGathersStepsInTheirOrderUpToABound(t *testing.T) {
	began := Now()
	trace := NewTrace("req-1", "", began)
	ctx := WithTrace(context.Background(), trace)
	outer := Step(ctx)
	time.Sleep(time.Millisecond)
	Step(ctx)(Span{Name: "inner", Outcome: "ok"})
	outer(Span{Name: "outer", Outcome: "ok"})
	trace.By(Actor{Organization: "oak", Client: "oak-emr", User: "dr-bloom", UserName: "Dr. Bloom", Roles: []string{"physician"}})
	got := trace.End(200, began.Add(time.Second))
	if len(got.Spans) != 2 || got.Spans[0].Name != "outer" || got.Spans[1].Name != "inner" || got.Spans[0].Took < got.Spans[1].Took {
		t.Errorf("%+v", got.Spans)
	}
	if got.Organization != "oak" || got.Client != "oak-emr" || got.Took != time.Second || got.Status != 200 {
		t.Errorf("%+v", got)
	}
	for range 2 * maxSpans {
		Step(ctx)(Span{Name: "more"})
	}
	if n := len(trace.End(200, began).Spans); n != maxSpans {
		t.Errorf("%d steps, want %d", n, maxSpans)
	}
	Step(context.Background())(Span{Name: "nowhere"})
	TraceOf(context.Background()).Add(Span{})
	if TraceOf(context.Background()).Parent() != "" || TraceOf(context.Background()).Request() != "" {
		t.Error("no trace is told of as one")
	}
}

// BenchmarkTrace is what following a request costs it: ten steps and its end.
func BenchmarkTrace(b *testing.B) {
	for b.Loop() {
		trace := NewTrace("019a2b3c-0d4e-7f50-8a61-b2c3d4e5f607", "", Now())
		ctx := WithTrace(context.Background(), trace)
		for range 10 {
			Step(ctx)(Span{Name: "locate", Outcome: "ok"})
		}
		trace.End(200, Now())
	}
}
