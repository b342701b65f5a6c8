package mpipg

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Look implements mpi.Reader.
func (d *desk) Look(ctx context.Context, keys []mpi.Wanted) (map[int64]int64, []mpi.Candidate, error) {
	counts, err := d.KeyCounts(ctx, mpi.Within(keys, nil))
	if err != nil {
		return nil, nil, err
	}
	rows, err := d.Candidates(ctx, mpi.Within(keys, counts))
	return counts, rows, err
}

// Gathered implements mpi.Reader.
func (d *desk) Gathered(ctx context.Context, ids []hie.PersonID) (map[hie.PersonID]mpi.Gathered, error) {
	rows, err := d.Persons(ctx, ids)
	if err != nil {
		return nil, err
	}
	members, err := d.Members(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[hie.PersonID]mpi.Gathered, len(rows))
	for p, row := range rows {
		out[p] = mpi.Gathered{PersonRow: row}
	}
	for _, m := range members {
		g := out[m.Person]
		g.Members = append(g.Members, m)
		out[m.Person] = g
	}
	return out, nil
}
