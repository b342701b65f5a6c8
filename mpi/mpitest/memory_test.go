package mpitest

import (
	"testing"

	"github.com/concord-hie/concord/mpi"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) mpi.Store { return NewMemory() })
}
