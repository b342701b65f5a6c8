package mpipg

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// Edges implements mpi.Reader.
func (r reader) Edges(ctx context.Context, records []hie.SourcePatientID) ([]mpi.EdgeRow, error) {
	if len(records) == 0 {
		return nil, nil
	}
	return pg.Collect(ctx, r.q, func(rows *pg.Rows) (mpi.EdgeRow, error) {
		var a, b int64
		var bits float64
		err := rows.Scan(&a, &b, &bits)
		return mpi.EdgeRow{A: hie.SourcePatientID(a), B: hie.SourcePatientID(b), Bits: mpi.Bits(bits)}, err
	}, `select sp_id, other_id, bits from mpi.match_edge where sp_id = any($1) order by sp_id, other_id`, pg.Few(recordInts(records)))
}

var putEdges = newTexts(func(n int) string {
	return `insert into mpi.match_edge (sp_id, other_id, bits) values ` + values(n, 3) + `
		on conflict (sp_id, other_id) do update set bits = excluded.bits`
})

// PutEdges implements mpi.Tx: one row for each end.
func (w *writer) PutEdges(ctx context.Context, edges []mpi.EdgeRow) error {
	for len(edges) > 0 {
		n := min(len(edges), 64)
		args := make([]any, 0, 6*n)
		for _, e := range edges[:n] {
			args = append(args, int64(e.A), int64(e.B), float64(e.Bits), int64(e.B), int64(e.A), float64(e.Bits))
		}
		if err := w.later(ctx, "match_edge", putEdges.of(2*n), args...); err != nil {
			return err
		}
		edges = edges[n:]
	}
	return nil
}

// RemoveEdges implements mpi.Tx.
func (w *writer) RemoveEdges(ctx context.Context, edges []mpi.EdgeRow) error {
	for _, e := range edges {
		for _, end := range [][2]hie.SourcePatientID{{e.A, e.B}, {e.B, e.A}} {
			if _, err := w.q.Exec(ctx, `delete from mpi.match_edge where sp_id = $1 and other_id = $2`, int64(end[0]), int64(end[1])); err != nil {
				return err
			}
		}
	}
	return nil
}
