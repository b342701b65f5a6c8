package consent

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsAskedForIsOwedByADay(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		ask  ReportRequest
		due  string // "" for refused
		done bool
	}{
		{"an accounting is owed within sixty days and made at once", ReportRequest{Kind: ReportAccounting, Law: "us-hipaa"}, "2026-04-30", true},
		{"a copy of who looked is owed within thirty and made at once", ReportRequest{Kind: ReportAccess}, "2026-03-31", true},
		{"a copy of records waits for who holds them", ReportRequest{Kind: ReportCopy, Organization: "oak"}, "2026-03-31", false},
		{"a correction waits for who holds the record", ReportRequest{Kind: ReportCorrection, Organization: "oak", Words: "the wrong date"}, "2026-04-30", false},
		{"a correction that does not say what is wrong", ReportRequest{Kind: ReportCorrection, Organization: "oak", Words: "  "}, "", false},
		{"a copy of nobody", ReportRequest{Kind: ReportCopy}, "", false},
		{"a list of the exchange asked of somebody else", ReportRequest{Kind: ReportAccess, Organization: "oak"}, "", false},
		{"an accounting under no law", ReportRequest{Kind: ReportAccounting}, "", false},
		{"an accounting under a law nobody knows", ReportRequest{Kind: ReportAccounting, Law: "x"}, "", false},
		{"a copy under a law", ReportRequest{Kind: ReportCopy, Organization: "oak", Law: "us-hipaa"}, "", false},
		{"another kind", ReportRequest{Kind: "weather"}, "", false},
		{"words without end", ReportRequest{Kind: ReportCopy, Organization: "oak", Words: strings.Repeat("x", 2001)}, "", false},
	} {
		r, err := NewReportRequest(tt.ask, now)
		if (err == nil) != (tt.due != "") {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if err != nil {
			continue
		}
		if got := r.Due.Format(time.DateOnly); got != tt.due || !r.Asked.Equal(now) || r.Answered.IsZero() == tt.done || (r.Outcome == ReportGiven) != tt.done {
			t.Errorf("%s: due %s, answered %v (%q)", tt.name, got, r.Answered, r.Outcome)
		}
		if r.Late(r.Due) || r.Late(r.Due.Add(time.Second)) == tt.done {
			t.Errorf("%s: late is told wrongly", tt.name)
		}
	}
}

func TestAnAnswerSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		outcome ReportOutcome
		words   string
		ok      bool
	}{{ReportGiven, "sent by post", true}, {ReportRefused, "it is right as it stands", true}, {ReportRefused, "", false}, {"", "x", false}, {"later", "x", false},
		{ReportGiven, strings.Repeat("x", 2001), false}} {
		if err := CheckReportAnswer(tt.outcome, tt.words); (err == nil) != tt.ok {
			t.Errorf("%q %q: %v", tt.outcome, tt.words, err)
		}
	}
}
