package mpipg

import (
	"testing"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

func TestPostgreSQLKeepsTheContract(t *testing.T) {
	mpitest.Run(t, func(t *testing.T) mpi.Store { return New(pgtest.DB(t), auditpg.Append) })
}
