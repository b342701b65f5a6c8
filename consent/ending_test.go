package consent

import (
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestAPatientIsToldOfAnEndOnceItIsNear(t *testing.T) {
	filed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	env, err := NewEnv(Setup{Organizations: []Organization{{ID: "oak"}}, Sites: []Site{{ID: "s", Org: "oak", Zone: "America/New_York"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, end, status string
		now               time.Time
		want              int
	}{
		{"thirty-one days before it is too early", "2026-06-30", "active", time.Date(2026, 5, 30, 12, 0, 0, 0, time.UTC), 0},
		{"thirty days before it is told", "2026-06-30", "active", time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), 1},
		{"on the last day it is told", "2026-06-30", "active", time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC), 1},
		{"what has ended is not", "2026-06-30", "active", time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), 0},
		{"what is paused has no end to tell of", "2026-06-30", "inactive", time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC), 0},
		{"what was given less time than that is not", "2026-01-20", "active", time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), 0},
		{"without an end there is nothing", "", "active", time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC), 0},
	} {
		d := Directive{ID: "7", Version: 3, Record: "1", Status: tt.status, Scope: "patient-privacy", PolicyRules: []string{"OPTOUT"}, Verified: true, NetworkWide: true,
			Filed: filed, Signed: filed, Provision: &Provision{Type: "deny"}}
		if tt.end != "" {
			d.Provision.Period = &Period{End: tt.end}
		}
		got := Compile(env, Subject{Records: []Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}}}, []Directive{d}).Ending(tt.now, 30*24*time.Hour)
		if len(got) != tt.want || tt.want == 1 && got[0] != (DirectiveName{ID: "7", Version: 3}) {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
