package mpitest

import (
	"testing"

	"github.com/concord-hie/concord/mpi"
	"pgregory.net/rapid"
)

// The same registrations and verdicts, in whatever order they come, give the same persons.
//
// Source: issue "Identity", properties: order of feed irrelevant, replay of the event log is byte-equal.
func TestTheOrderOfTheFeedIsIrrelevant(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if differ := Feeds.Draw(rt, "feed").Agrees(t, func() mpi.Store { return NewMemory() }); differ != "" {
			rt.Fatal(differ)
		}
	})
}
