package server

import (
	"testing"
	"time"
)

// TestAnswersThatShowNothingKeepPaceWithTheSlowestOfLate follows a node that becomes busy and calm again.
func TestAnswersThatShowNothingKeepPaceWithTheSlowestOfLate(t *testing.T) {
	var p pace
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		at, took time.Duration
		want     int
	}{
		{"a calm node answers within a step", 0, 3 * time.Millisecond, 1},
		{"a whole step is the next one's", time.Second, 25 * time.Millisecond, 2},
		{"who had less to do waits as long", 2 * time.Second, 3 * time.Millisecond, 2},
		{"a slower one", 3 * time.Second, 60 * time.Millisecond, 3},
		{"sets the pace", 4 * time.Second, 30 * time.Millisecond, 3},
		{"as long as such come", 12 * time.Second, 55 * time.Millisecond, 3},
		{"and ten seconds more", 22 * time.Second, 3 * time.Millisecond, 3},
		{"then the node is calm again", 23 * time.Second, 3 * time.Millisecond, 1},
		{"one that hung takes what it takes", 24 * time.Second, 3 * time.Second, 121},
		{"but does not make the others hang", 25 * time.Second, 3 * time.Millisecond, maxPace},
	} {
		if got := p.steps(tt.took, start.Add(tt.at)); got != tt.want {
			t.Errorf("%s: %d steps, want %d", tt.name, got, tt.want)
		}
	}
}
