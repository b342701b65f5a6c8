package mpipg

import (
	"testing"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// What mpitest holds for many drawn feeds in memory holds for some of them in PostgreSQL: their order does not matter, and
// the events alone give the rows.
func TestTheOrderOfTheFeedIsIrrelevantInPostgreSQL(t *testing.T) {
	for seed := range 12 {
		if differ := mpitest.Feeds.Example(seed).Agrees(t, func() mpi.Store { return New(pgtest.DB(t), auditpg.Append) }); differ != "" {
			t.Errorf("feed %d: %s", seed, differ)
		}
	}
}
