package mpitest

import (
	"context"
	"slices"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

func (m *Memory) Gathered(ctx context.Context, p []hie.PersonID) (map[hie.PersonID]mpi.Gathered, error) {
	return locked(m, func() (map[hie.PersonID]mpi.Gathered, error) { return m.tables.Gathered(ctx, p) })
}

func (m *Memory) Sparse(ctx context.Context, k []int64, most int64) (counts map[int64]int64, rows []mpi.Candidate, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tables.Sparse(ctx, k, most)
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

func (t *tables) Sparse(ctx context.Context, keys []int64, most int64) (map[int64]int64, []mpi.Candidate, error) {
	counts, _ := t.KeyCounts(ctx, keys) // a map cannot fail
	rows, err := t.Candidates(ctx, slices.DeleteFunc(slices.Clone(keys), func(k int64) bool { n, known := counts[k]; return !known || n > most }))
	return counts, rows, err
}
