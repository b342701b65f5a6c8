package mpipg

import (
	"context"
	"database/sql"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// NoticeReaders implements mpi.Reader.
func (r reader) NoticeReaders(ctx context.Context) ([]mpi.NoticeReader, error) {
	return pg.Collect(ctx, r.q, func(rows *pg.Rows) (mpi.NoticeReader, error) {
		var v mpi.NoticeReader
		var seen sql.NullTime
		err := rows.Scan(&v.Name, &v.At.Transaction, &v.At.Notice, &v.Registered, &seen)
		v.Registered = utc(v.Registered)
		if seen.Valid {
			v.Seen = utc(seen.Time)
		}
		return v, err
	}, `select name, xact::text::bigint, notice_id, registered, seen from mpi.notice_reader order by name`)
}

// NoticeBounds implements mpi.Reader. Rows of transactions that may still be running lie behind the end.
func (r reader) NoticeBounds(ctx context.Context) (pruned, end mpi.Cursor, err error) {
	rows, err := pg.Collect(ctx, r.q, func(rows *pg.Rows) (mpi.Cursor, error) {
		var c mpi.Cursor
		err := rows.Scan(&c.Transaction, &c.Notice)
		return c, err
	}, `select xact::text::bigint, notice_id from mpi.notice_horizon`)
	if err != nil {
		return pruned, end, err
	}
	if len(rows) > 0 {
		pruned = rows[0]
	}
	end.Transaction, err = r.number(ctx, `select pg_snapshot_xmin(pg_current_snapshot())::text::bigint`)
	return pruned, end, err
}

// PutNoticeReader implements mpi.Tx.
func (w *writer) PutNoticeReader(ctx context.Context, v mpi.NoticeReader) error {
	_, err := w.q.Exec(ctx, `
		insert into mpi.notice_reader (name, xact, notice_id, registered, seen) values ($1, $2::bigint::text::xid8, $3, $4, $5)
		on conflict (name) do update set xact = excluded.xact, notice_id = excluded.notice_id, registered = excluded.registered, seen = excluded.seen`,
		v.Name, v.At.Transaction, v.At.Notice, v.Registered, when(!v.Seen.IsZero(), v.Seen))
	return err
}

// RemoveNoticeReader implements mpi.Tx.
func (w *writer) RemoveNoticeReader(ctx context.Context, name string) error {
	_, err := w.q.Exec(ctx, `delete from mpi.notice_reader where name = $1`, name)
	return err
}

// DropNotices implements mpi.Tx.
func (w *writer) DropNotices(ctx context.Context, upTo mpi.Cursor) error {
	if _, err := w.q.Exec(ctx, `
		insert into mpi.notice_horizon (only_row, xact, notice_id) values (true, $1::bigint::text::xid8, $2)
		on conflict (only_row) do update set xact = excluded.xact, notice_id = excluded.notice_id
		where (notice_horizon.xact, notice_horizon.notice_id) < (excluded.xact, excluded.notice_id)`, upTo.Transaction, upTo.Notice); err != nil {
		return err
	}
	_, err := w.q.Exec(ctx, `delete from mpi.identity_change where (xact, notice_id) <= ($1::bigint::text::xid8, $2::bigint)`, upTo.Transaction, upTo.Notice)
	return err
}
