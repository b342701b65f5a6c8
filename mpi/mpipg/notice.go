package mpipg

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

var insertNotices = newTexts(func(n int) string {
	text := `insert into mpi.identity_change (xact, notice_id, at, kind, sp_id, person_id, former_id, change_id) values `
	for i := range n {
		if i > 0 {
			text += ","
		}
		text += `(pg_current_xact_id(),` + placeholders(7*i+1, 7) + `)`
	}
	return text
})

// Notify implements mpi.Tx.
func (w *writer) Notify(ctx context.Context, notices []mpi.Notice) error {
	for len(notices) > 0 {
		n := min(len(notices), 64)
		args := make([]any, 0, 7*n)
		for _, v := range notices[:n] {
			args = append(args, v.ID(), v.At, string(v.Kind), int64(v.Record), int64(v.Person), int64(v.Former), int64(v.Change))
		}
		if err := w.later(ctx, "identity_change", insertNotices.of(n), args...); err != nil {
			return err
		}
		notices = notices[n:]
	}
	return nil
}

// Notices implements mpi.Reader. Rows of transactions that may still be running, and all behind them, are left for
// later: no row can then appear before what was read.
func (r reader) Notices(ctx context.Context, after mpi.Cursor, limit int) ([]mpi.Notice, error) {
	return pg.Collect(ctx, r.q, func(rows *pg.Rows) (mpi.Notice, error) {
		var n mpi.Notice
		var at mpi.Cursor
		var kind string
		var sp, person, former, change int64
		err := rows.Scan(&at.Transaction, &at.Notice, &n.At, &kind, &sp, &person, &former, &change)
		n.At, n.Kind, n.Record = utc(n.At), mpi.NoticeKind(kind), hie.SourcePatientID(sp)
		n.Person, n.Former, n.Change = hie.PersonID(person), hie.PersonID(former), mpi.ChangeID(change)
		return mpi.NoticeWith(n, at.Notice, at), err
	}, `select xact::text::bigint, notice_id, at, kind, sp_id, person_id, former_id, change_id from mpi.identity_change
		where (xact, notice_id) > ($1::bigint::text::xid8, $2::bigint) and xact < pg_snapshot_xmin(pg_current_snapshot())
		order by xact, notice_id limit $3`, after.Transaction, after.Notice, limit)
}
