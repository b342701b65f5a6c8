package mpipg

import (
	"context"
	"database/sql"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

const taskColumns = `task_id, kind, sp_id, other_id, opened, closed, grade, bits, evidence, missing, verdict, decided_by, reason`

func scanTask(rows *pg.Rows) (mpi.Task, error) {
	var t mpi.Task
	var id, sp, other, grade, verdict int64
	var kind string
	var closed sql.NullTime
	var bits float64
	var evidence []byte
	err := rows.Scan(&id, &kind, &sp, &other, &t.Opened, &closed, &grade, &bits, &evidence, &t.Missing, &verdict, &t.By, &t.Reason)
	t.ID, t.Kind, t.Record, t.Other = mpi.TaskID(id), mpi.TaskKind(kind), hie.SourcePatientID(sp), hie.SourcePatientID(other)
	t.Opened, t.Grade, t.Bits, t.Evidence, t.Verdict = utc(t.Opened), mpi.Grade(grade), mpi.Bits(bits), mpi.DecodeEvidence(evidence), mpi.Verdict(verdict)
	if closed.Valid {
		t.Closed = utc(closed.Time)
	}
	return t, err
}

// OpenTask implements mpi.Tx.
func (w *writer) OpenTask(ctx context.Context, t mpi.Task) (bool, error) {
	n, err := w.q.Exec(ctx, `
		insert into mpi.review_task (`+taskColumns+`) values ($1, $2, $3, $4, $5, null, $6, $7, $8, $9, 0, '', '')
		on conflict (kind, least(sp_id, other_id), greatest(sp_id, other_id)) where closed is null do nothing`,
		int64(t.ID), string(t.Kind), int64(t.Record), int64(t.Other), t.Opened, int64(t.Grade), float64(t.Bits),
		mpi.EncodeEvidence(t.Evidence), t.Missing)
	return n > 0, err
}

// CloseTask implements mpi.Tx.
func (w *writer) CloseTask(ctx context.Context, t mpi.Task) error {
	n, err := w.q.Exec(ctx, `
		update mpi.review_task set closed = $2, verdict = $3, decided_by = $4, reason = $5 where task_id = $1 and closed is null`,
		int64(t.ID), t.Closed, int64(t.Verdict), t.By, t.Reason)
	if err == nil && n == 0 {
		return hie.ErrConflict
	}
	return err
}

// TaskByID implements mpi.Reader.
func (r reader) TaskByID(ctx context.Context, id mpi.TaskID) (mpi.Task, error) {
	tasks, err := pg.Collect(ctx, r.q, scanTask, `select `+taskColumns+` from mpi.review_task where task_id = $1`, int64(id))
	if err == nil && len(tasks) == 0 {
		err = hie.ErrNotFound
	}
	if err != nil {
		return mpi.Task{}, err
	}
	return tasks[0], nil
}

// ListTasks implements mpi.Reader.
func (r reader) ListTasks(ctx context.Context, f mpi.TaskFilter, limit int) ([]mpi.Task, error) {
	return pg.Collect(ctx, r.q, scanTask, `
		select `+taskColumns+` from mpi.review_task
		where task_id > $1 and (closed is not null) = $2 and ($3::text = '' or kind = $3) and ($4::bigint = 0 or sp_id = $4 or other_id = $4)
		order by task_id limit $5`, int64(f.After), f.Closed, string(f.Kind), int64(f.Record), limit)
}
