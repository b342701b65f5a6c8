package mpitest

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

func (m *Memory) Gathered(ctx context.Context, p []hie.PersonID) (map[hie.PersonID]mpi.Gathered, error) {
	return locked(m, func() (map[hie.PersonID]mpi.Gathered, error) { return m.tables.Gathered(ctx, p) })
}

func (t *tables) Gathered(ctx context.Context, ids []hie.PersonID) (map[hie.PersonID]mpi.Gathered, error) {
	out := map[hie.PersonID]mpi.Gathered{}
	for _, id := range once(ids) {
		if p, ok := t.persons[id]; ok {
			members, _ := t.Members(ctx, []hie.PersonID{id}) // a map cannot fail
			out[id] = mpi.Gathered{PersonRow: p, Members: members}
		}
	}
	return out, nil
}
