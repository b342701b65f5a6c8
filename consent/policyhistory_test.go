package consent

import (
	"testing"
	"time"
)

// life takes steps about one policy, each at its own instant, and returns its history.
func life(t *testing.T, steps ...PolicyEvent) PolicyHistory {
	t.Helper()
	var h PolicyHistory
	for i, s := range steps {
		s.Policy = "house"
		if s.By == "" {
			s.By = "network/anna"
		}
		e, err := h.Next(s)
		if err != nil {
			t.Fatalf("step %d, %s: %v", i, s.Action, err)
		}
		h = append(h, e)
	}
	return h
}

// approved are the steps that bring a version to where it may be activated.
func approved(version int64, at time.Time) []PolicyEvent {
	return []PolicyEvent{{Action: PolicyDrafted, At: at}, {Action: PolicySimulated, Version: version, At: at}, {Action: PolicyApproved, Version: version, At: at, By: "network/ben"}}
}

func TestRollingBackLeavesExactlyWhatWasInForceBefore(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 3, n, 12, 0, 0, 0, time.UTC) }
	activate := func(version int64, at, effective time.Time) PolicyEvent {
		return PolicyEvent{Action: PolicyActivated, Version: version, At: at, Effective: effective}
	}
	back := func(at time.Time) PolicyEvent { return PolicyEvent{Action: PolicyRolledBack, At: at} }
	for _, tt := range []struct {
		name  string
		steps []PolicyEvent
		want  []int64 // in force at noon and a minute of each day from the second on
	}{
		{"one called off before its day never comes into force", []PolicyEvent{activate(1, day(1), day(5)), back(day(3))}, []int64{0, 0, 0, 0, 0, 0, 0, 0}},
		{"one called off leaves what is in force", []PolicyEvent{activate(1, day(1), day(2)), activate(2, day(2), day(5)), back(day(3))}, []int64{1, 1, 1, 1, 1, 1, 1, 1}},
		{"what is in force goes after what was called off, and does not come back on that day", []PolicyEvent{activate(1, day(1), day(2)), activate(2, day(2), day(6)), back(day(3)), back(day(4))},
			[]int64{1, 1, 0, 0, 0, 0, 0, 0}},
		{"two are called off one after the other", []PolicyEvent{activate(1, day(1), day(5)), activate(2, day(1), day(7)), back(day(2)), back(day(3))}, []int64{0, 0, 0, 0, 0, 0, 0, 0}},
		{"one called off of two leaves the other", []PolicyEvent{activate(1, day(1), day(5)), activate(2, day(1), day(7)), back(day(2))}, []int64{0, 0, 0, 1, 1, 1, 1, 1}},
		{"called off, it may be scheduled again", []PolicyEvent{activate(1, day(1), day(5)), back(day(2)), activate(1, day(3), day(6))}, []int64{0, 0, 0, 0, 1, 1, 1, 1}},
		{"the last of three goes, then the second", []PolicyEvent{activate(1, day(1), day(2)), activate(2, day(1), day(3)), activate(3, day(1), day(4)), back(day(5)), back(day(6))}, []int64{1, 2, 3, 2, 1, 1, 1, 1}},
		{"one put in force again after it was rolled back may be rolled back again", []PolicyEvent{activate(1, day(1), day(2)), back(day(3)), activate(1, day(4), day(5)), back(day(6))},
			[]int64{1, 0, 0, 1, 0, 0, 0, 0}},
	} {
		steps := append(append(approved(1, day(1)), approved(2, day(1))...), approved(3, day(1))...)
		h := life(t, append(steps, tt.steps...)...)
		for i, want := range tt.want {
			if got, _ := h.InForce(day(i + 2).Add(time.Minute)); got != want {
				t.Errorf("%s: on day %d version %d is in force, want %d", tt.name, i+2, got, want)
			}
		}
	}
}

func TestRollingBackTwiceBringsNothingBack(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := life(t, append(approved(1, at), PolicyEvent{Action: PolicyActivated, Version: 1, At: at}, PolicyEvent{Action: PolicyRolledBack, At: at.Add(time.Hour)})...)
	for name, again := range map[string]time.Time{"while it is on its way": at.Add(time.Hour + time.Second), "after it took effect": at.Add(2 * time.Hour)} {
		if e, err := h.Next(PolicyEvent{Policy: "house", Action: PolicyRolledBack, At: again, By: "network/anna"}); err == nil {
			t.Errorf("%s: version %d would be in force again", name, e.Version)
		}
	}
	if v, _ := h.InForce(at.Add(3 * time.Hour)); v != 0 {
		t.Errorf("version %d is in force", v)
	}
}
