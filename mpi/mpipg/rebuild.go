package mpipg

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Rebuilding implements mpi.Reader.
func (r reader) Rebuilding(ctx context.Context, target string) (mpi.Rebuilding, error) {
	out := mpi.Rebuilding{Target: target}
	var after int64
	err := r.q.QueryRow(ctx, `select pass, after_id, seen, changed, moved, updated from mpi.rebuild where target = $1`, target).
		Scan(&out.Pass, &after, &out.Seen, &out.Changed, &out.Moved, &out.Updated)
	out.After, out.Updated = hie.SourcePatientID(after), utc(out.Updated)
	return out, err
}

// PutRebuilding implements mpi.Tx.
func (w *writer) PutRebuilding(ctx context.Context, r mpi.Rebuilding) error {
	_, err := w.q.Exec(ctx, `
		insert into mpi.rebuild (target, pass, after_id, seen, changed, moved, updated) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (target) do update set pass = excluded.pass, after_id = excluded.after_id, seen = excluded.seen,
			changed = excluded.changed, moved = excluded.moved, updated = excluded.updated`,
		r.Target, r.Pass, int64(r.After), r.Seen, r.Changed, r.Moved, r.Updated)
	return err
}
