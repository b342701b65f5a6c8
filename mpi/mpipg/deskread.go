package mpipg

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

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
