package consent

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// disclosedTo is a disclosure for a purpose, changed by edit.
func disclosedTo(org hie.OrgID, purpose hie.Purpose, edit func(*audit.Event)) audit.Event {
	e := audit.NewEvent(audit.Disclosed, hie.Actor{Organization: org, User: "u", Purposes: []hie.Purpose{purpose}}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).About(1)
	if edit != nil {
		edit(&e)
	}
	return e
}

// TestEachLawListsWhatItOwesThePatient holds vector 94 and what else 45 CFR 164.528(a)(1) leaves out.
func TestEachLawListsWhatItOwesThePatient(t *testing.T) {
	env, err := NewEnv(Setup{})
	if err != nil {
		t.Fatal(err)
	}
	emergency := func(e *audit.Event) { e.Emergency = true }
	own := func(e *audit.Event) { e.Actor.Roles = []string{hie.RolePatient} }
	refused := func(e *audit.Event) { e.Outcome = audit.Failure }
	part2 := []string{"part2"}
	for _, tt := range []struct {
		name       string
		event      audit.Event
		regimes    []string
		authorized bool
		listed     []string // codes of laws
	}{
		{"vector 1: treatment by default", disclosedTo("oak", "TREAT", nil), nil, false, []string{"us-az", "all"}},
		{"vector 17: a report to the public health authority", disclosedTo("phd", "PUBHLTH", nil), nil, false, []string{"us-hipaa", "us-az", "all"}},
		{"vector 50: Part 2 records for treatment with consent", disclosedTo("oak", "TREAT", nil), part2, false, []string{"us-part2-intermediary", "us-az", "all"}},
		{"vector 56: Part 2 records in an emergency", disclosedTo("oak", "BTG", emergency), part2, false, []string{"us-hipaa", "us-part2-intermediary", "us-az", "all"}},
		{"vector 71: an emergency against a refusal", disclosedTo("oak", "ETREAT", emergency), nil, false, []string{"us-hipaa", "us-az", "all"}},
		{"treatment that a rule has accounted for", disclosedTo("oak", "TREAT", func(e *audit.Event) { e.Detail = map[string]string{DetailOwed: "AOD P2-EMERGENCY-RECORD"} }), nil, false, []string{"us-hipaa", "us-az", "all"}},
		{"the patient's own access, by mandate", disclosedTo("app", "PATRQT", func(e *audit.Event) { own(e); e.Detail = map[string]string{DetailOwed: "AOD"} }), nil, false, []string{"all"}},
		{"payment", disclosedTo("plan", "HPAYMT", nil), nil, false, []string{"us-az", "all"}},
		{"care coordination, which is treatment", disclosedTo("oak", "COC", nil), nil, false, []string{"us-az", "all"}},
		{"the patient's own access", disclosedTo("app", "PATRQT", own), nil, false, []string{"all"}},
		{"vector 19: with a written authorization", disclosedTo("ssa", "GOVDTRM", nil), nil, true, []string{"us-az", "all"}},
		{"without one", disclosedTo("ssa", "GOVDTRM", nil), nil, false, []string{"us-hipaa", "us-az", "all"}},
		{"a purpose nobody knows", disclosedTo("x", "XYZ", nil), nil, false, []string{"us-hipaa", "us-az", "all"}},
		{"one that broke off", disclosedTo("x", "PUBHLTH", refused), nil, false, nil},
	} {
		var got []string
		for _, a := range Accountings() {
			if a.Lists(tt.event, Circumstance{Regimes: tt.regimes, Authorized: tt.authorized, Root: env.Root}) {
				got = append(got, a.Code)
			}
		}
		if !slices.Equal(got, tt.listed) {
			t.Errorf("%s: listed by %q, want %q", tt.name, got, tt.listed)
		}
	}
	if a, ok := AccountingOf("us-part2-intermediary"); !ok || a.Since(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)).Year() != 2023 {
		t.Error("the list of an intermediary covers three years")
	}
}

func TestADisclosureIsAuthorizedOnlyWhereAllOfItIs(t *testing.T) {
	authorizations := map[string]bool{"7/1": true, "8/3": true}
	for _, tt := range []struct {
		name   string
		ground []string
		want   bool
	}{
		{"one authorization", []string{"7/1"}, true},
		{"two", []string{"7/1", "8/3"}, true},
		{"one of two documents by default", []string{"7/1", "permit"}, false},
		{"one of two documents by another wish", []string{"7/1", "9/1"}, false},
		{"by what the authorization said before it was one", []string{"8/2"}, false},
		{"by default", []string{"permit"}, false},
		{"nothing is known", nil, false},
	} {
		if got := RestsOn(tt.ground, authorizations); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestASuspensionHidesAnAgencysDisclosuresWhileItLasts(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC) }
	s := Suspension{Record: 1, Recipient: "police", Since: at(1), Until: at(10)}
	e := disclosedTo("police", "HLEGAL", nil)
	told := disclosedTo("mercy", "HLEGAL", func(e *audit.Event) { e.Detail = map[string]string{"recipient": "police"} })
	for _, tt := range []struct {
		name string
		e    audit.Event
		now  time.Time
		want bool
	}{
		{"while it lasts", e, at(5), true}, {"on its last day", e, at(10), false}, {"before", e, at(1).Add(-1), false},
		{"one a site told of", told, at(5), true}, {"to somebody else", disclosedTo("oak", "TREAT", nil), at(5), false},
	} {
		if got := s.Hides(tt.e, tt.now); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	s.Record = 2
	if s.Hides(e, at(5)) {
		t.Error("it hides another patient's")
	}
}

func TestAPageIsFilledFromAsManyEventsAsItTakes(t *testing.T) {
	var trail []audit.Event // newest first
	for i := range 1000 {
		trail = append(trail, audit.Event{ID: fmt.Sprintf("%04d", 1000-i), Released: i})
	}
	search := func(_ context.Context, q audit.Query) ([]audit.Event, bool, error) {
		i := 0
		if q.Before != "" {
			i, _ = slices.BinarySearchFunc(trail, q.Before, func(e audit.Event, id string) int {
				switch {
				case e.ID > id:
					return -1
				case e.ID < id:
					return 1
				}
				return -1
			})
		}
		rest := trail[i:]
		if len(rest) > q.Limit {
			return rest[:q.Limit], true, nil
		}
		return rest, false, nil
	}
	var got []int
	pages := 0
	for before := ""; ; pages++ {
		part, next, err := Page(context.Background(), search, audit.Query{Before: before}, 7, func(e audit.Event) bool { return e.Released%10 == 3 })
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range part {
			got = append(got, e.Released)
		}
		if next == "" {
			break
		}
		before = next
	}
	if len(got) != 100 || !slices.IsSorted(got) || pages != 14 {
		t.Errorf("%d rows on %d pages", len(got), pages+1)
	}
}

// TestDisclosuresThatLeanedOnALinkAreListed is the rule of scenario 1: what was shown to those who asked about the
// other, what rested on the other's consent, and what was then fetched.
func TestDisclosuresThatLeanedOnALinkAreListed(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	event := func(kind audit.Kind, request string, record hie.SourcePatientID, edit func(*audit.Event)) audit.Event {
		n++
		e := audit.NewEvent(kind, hie.Actor{Organization: "oak", Request: request, Purposes: []hie.Purpose{"TREAT"}}, start.Add(time.Duration(n)*time.Minute)).About(record)
		if kind == audit.Disclosed {
			e.Documents = []audit.Document{{Record: record, Pointer: hie.PointerID(record * 10)}}
		}
		if edit != nil {
			edit(&e)
		}
		return e
	}
	asked := func(r string) func(*audit.Event) { return func(e *audit.Event) { e.Query = r; *e = e.About(1, 2) } }
	events := []audit.Event{
		event(audit.DocumentsQueried, "q1", 1, asked("2")), event(audit.Disclosed, "q1", 1, nil), // asked about 2, shown 1
		event(audit.DocumentsQueried, "q2", 1, asked("1")), event(audit.Disclosed, "q2", 1, nil), // asked about 1, shown 1
		event(audit.Disclosed, "r1", 1, nil), // fetched afterwards
		event(audit.Disclosed, "q3", 1, func(e *audit.Event) { e.Ground = []string{"77/1"}; e.Documents[0].Pointer = 11 }), // 2's consent
		event(audit.Disclosed, "q4", 1, func(e *audit.Event) { e.Ground = []string{"66/1"}; e.Documents[0].Pointer = 12 }), // 1's own
		event(audit.Disclosed, "q5", 1, func(e *audit.Event) { e.Ground = []string{"77/1"}; e.Time = start.Add(24 * time.Hour) }),
	}
	got := Leaned(events, Linked{Records: [2]hie.SourcePatientID{1, 2}, Spans: []Span{{start, start.Add(time.Hour)}},
		Directives: func(id string) hie.SourcePatientID { return map[string]hie.SourcePatientID{"77": 2, "66": 1}[id] },
		Asked: func(e audit.Event) hie.SourcePatientID {
			return map[string]hie.SourcePatientID{"1": 1, "2": 2}[e.Query]
		}})
	var lines []string
	for _, l := range got {
		lines = append(lines, fmt.Sprint(l.Actor.Request, " ", l.Record, l.Other, " ", l.Why))
	}
	want := []string{"q3 1 2 [consent of the other]", "r1 1 2 [found through the link]", "q2 1 2 [found through the link]", "q1 1 2 [asked about the other]"}
	if !slices.Equal(lines, want) {
		t.Errorf("got  %q\nwant %q", lines, want)
	}
}
