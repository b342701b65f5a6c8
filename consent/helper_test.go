package consent

import (
	"testing"
	"time"
)

func TestAHelperWhomThePatientEndsActsNoLonger(t *testing.T) {
	now := time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ name, start, end string }{
		{"named last month, without end", "2026-02-10", ""}, {"named last month, until summer", "2026-02-10", "2026-07-01"}, {"named today", "2026-03-10", ""},
	} {
		r := NamedByPatient(11, "Ana Alvarez", RightsManage, tt.start, tt.end)
		if err := r.Check(); err != nil || r.Capacity != CapacityHelper || r.Record != 11 {
			t.Errorf("%s: %v", tt.name, err)
		}
		if !r.MayAct(RightsManage, now, time.UTC) {
			t.Errorf("%s: does not act while named", tt.name)
		}
		ended := EndedByPatient(r, now)
		if ended.MayAct(RightsView, now, time.UTC) {
			t.Errorf("%s: acts after the patient ended it", tt.name)
		}
		if ended.Check() != nil {
			t.Errorf("%s: what is left cannot be filed", tt.name)
		}
	}
	if NamedByPatient(11, "x", "everything", "2026-03-10", "").check() == nil || NamedByPatient(11, "x", RightsView, "2026-03-10", "2026-03-01").check() == nil {
		t.Error("rights nobody knows, or an end before the start, were taken")
	}
	if one, other := NamedByPatient(11, "x", RightsView, "", ""), NamedByPatient(11, "x", RightsView, "", ""); one.Ref == other.Ref {
		t.Error("two helpers of one name are one")
	}
}

func (r Representative) check() error { return r.Check() }
