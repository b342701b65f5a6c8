package consent

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestMajorityComesAtMidnightOfTheBirthdayWhereTheSiteIs(t *testing.T) {
	for _, tt := range []struct {
		name             string
		year, month, day int
		jurisdiction     string
		zone             string
		want             string
	}{
		{"in the east", 2008, 3, 1, "US-MD", "America/New_York", "2026-03-01T05:00:00Z"},
		{"an hour later in the middle", 2008, 3, 1, "US-IL", "America/Chicago", "2026-03-01T06:00:00Z"},
		{"across the date line a day before", 2008, 3, 1, "AS", "Pacific/Auckland", "2026-02-28T11:00:00Z"},
		{"in summer time", 2008, 7, 4, "US-MD", "America/New_York", "2026-07-04T04:00:00Z"},
		{"at nineteen in Alabama", 2008, 3, 1, "US-AL", "America/Chicago", "2027-03-01T06:00:00Z"},
		{"at twenty-one in Mississippi", 2008, 3, 1, "US-MS", "America/Chicago", "2029-03-01T06:00:00Z"},
		{"born on a leap day, on the first of March", 2008, 2, 29, "US-MD", "UTC", "2026-03-01T00:00:00Z"},
	} {
		got, ok := Majority(tt.year, tt.month, tt.day, tt.jurisdiction, zone(t, tt.zone))
		if !ok || got.Format(time.RFC3339) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.Format(time.RFC3339), tt.want)
		}
	}
	for _, d := range [][3]int{{0, 3, 1}, {2008, 0, 1}, {2008, 3, 0}, {2008, 13, 1}} {
		if _, ok := Majority(d[0], d[1], d[2], "US-MD", time.UTC); ok {
			t.Errorf("a birth date not known in full (%v) has a majority", d)
		}
	}
}

func TestARepresentativeActsWithinTheirPower(t *testing.T) {
	eastern := zone(t, "America/New_York")
	at := func(s string) time.Time {
		out, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	parent := Representative{Ref: "RelatedPerson/mum", Capacity: CapacityParent, Rights: RightsManage, Recorded: at("2020-01-01T00:00:00Z"), Lapses: at("2026-03-01T05:00:00Z")}
	guardian := Representative{Ref: "RelatedPerson/g", Capacity: CapacityGuardian, Rights: RightsManage, Start: "2025-01-01", End: "2025-12-31", Recorded: at("2025-01-02T00:00:00Z")}
	helper := Representative{Ref: "RelatedPerson/h", Capacity: CapacityHelper, Rights: RightsView, Recorded: at("2020-01-01T00:00:00Z")}
	withdrawn := helper
	withdrawn.Withdrawn = true
	for _, tt := range []struct {
		name string
		who  Representative
		need Rights
		now  string
		want bool
	}{
		{"a parent on the last second of childhood", parent, RightsManage, "2026-03-01T04:59:59Z", true},
		{"a parent at midnight of the birthday", parent, RightsView, "2026-03-01T05:00:00Z", false},
		{"a guardian on the last evening, where the site is", guardian, RightsManage, "2026-01-01T04:59:59Z", true},
		{"a guardian after it", guardian, RightsManage, "2026-01-01T05:00:00Z", false},
		{"a guardian before anybody recorded them", guardian, RightsView, "2025-01-01T12:00:00Z", false},
		{"a helper who looks", helper, RightsView, "2026-01-01T00:00:00Z", true},
		{"a helper who would decide", helper, RightsManage, "2026-01-01T00:00:00Z", false},
		{"one recorded in error", withdrawn, RightsView, "2026-01-01T00:00:00Z", false},
	} {
		if got := tt.who.MayAct(tt.need, at(tt.now), eastern); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	if got := Proxies([]Representative{parent, guardian, helper, withdrawn}); len(got) != 2 {
		t.Errorf("%d may sign, want the parent and the guardian", len(got))
	}
}

func TestARepresentativeIsRefusedWithThePlaceOfTheFault(t *testing.T) {
	good := Representative{Ref: "RelatedPerson/x", Capacity: CapacityHelper, Rights: RightsView, Start: "2026-01-01"}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for path, spoil := range map[string]func(*Representative){
		"ref":      func(r *Representative) { r.Ref = "Patient/x" },
		"capacity": func(r *Representative) { r.Capacity = "friend" },
		"rights":   func(r *Representative) { r.Rights = "" },
		"start":    func(r *Representative) { r.End = "2025-01-01" },
		"evidence": func(r *Representative) { r.Evidence = "ABC" },
	} {
		r := good
		spoil(&r)
		var inv *hie.InvalidError
		if err := r.Check(); !errors.As(err, &inv) || inv.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestAParentsPermitLapsesWhenTheChildComesOfAge is vector 66: on the birthday what the parent permitted is no more, and
// the default holds; what the parent refused stays until the child says otherwise.
func TestAParentsPermitLapsesWhenTheChildComesOfAge(t *testing.T) {
	birthday := time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC)
	signed := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	decide := func(kind, rule, status string, now time.Time) string {
		env, err := NewEnv(Setup{EmergencyHours: 4, Organizations: []Organization{{ID: "oak"}}, Sites: []Site{{ID: "s", Org: "oak", Zone: "America/New_York"}},
			Defaults: []Default{{Network: true, PurposeClass: "*", Category: "*", Rule: rule}}})
		if err != nil {
			t.Fatal(err)
		}
		d := Directive{ID: "1", Record: "1", Status: status, Scope: "patient-privacy", Filed: signed, Signed: signed, Verified: true, NetworkWide: true,
			Performers: []string{"RelatedPerson/mum"}, Provision: &Provision{Type: kind}}
		subject := Subject{Records: []Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}},
			Proxies: []Proxy{{Ref: "RelatedPerson/mum", Lapses: birthday}}}
		return Compile(env, subject, []Directive{d}).Decide(Request{Organization: "oak", Purposes: []hie.Purpose{"TREAT"}},
			Document{ID: "d", Record: "1", Site: "s", Class: "lab", Confidentiality: "N", LabelState: Labelled}, now).Reason.String()
	}
	for _, tt := range []struct {
		name, kind, rule, status string
		now                      time.Time
		want                     string
	}{
		{"a permit, the second before", "permit", "deny", "active", birthday.Add(-time.Second), "PERMIT"},
		{"a permit, at midnight", "permit", "deny", "active", birthday, "DEFAULT_DENY"},
		{"a permit, at midnight where all is shared", "permit", "permit", "active", birthday, "DEFAULT"},
		{"a refusal, at midnight", "deny", "permit", "active", birthday, "DENY"},
		{"a revoked permit's refusal, before", "permit", "permit", "inactive", birthday.Add(-time.Second), "TOMBSTONE"},
		{"a revoked permit's refusal, at midnight", "permit", "permit", "inactive", birthday, "DEFAULT"},
	} {
		if got := decide(tt.kind, tt.rule, tt.status, tt.now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
