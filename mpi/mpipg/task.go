package mpipg

import (
	"context"
	"database/sql"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

const taskColumns = `task_id, kind, sp_id, other_id, opened, grade, bits, evidence, missing, risk, note, verdict, decided_by, reason,
	closed, claimed_by, claimed_until, first_verdict, first_by, first_reason, first_at, change_id,
	snoozed_until, snoozed_by, snooze_reason, escalated_at, escalated_role, escalated_user, escalated_by, escalated_reason, differed,
	inquiries, withdrawn`

func scanTask(rows *pg.Rows) (mpi.Task, error) {
	var t mpi.Task
	var id, sp, other, grade, verdict, first, change int64
	var kind, firstBy, firstReason string
	var closed, until, firstAt, snoozed, escalated sql.NullTime
	var snooze mpi.Snooze
	var escalation mpi.Escalation
	var bits float64
	var evidence, inquiries []byte
	err := rows.Scan(&id, &kind, &sp, &other, &t.Opened, &grade, &bits, &evidence, &t.Missing, &t.Risk, &t.Note, &verdict, &t.By, &t.Reason,
		&closed, &t.ClaimedBy, &until, &first, &firstBy, &firstReason, &firstAt, &change,
		&snoozed, &snooze.By, &snooze.Reason, &escalated, &escalation.Role, &escalation.User, &escalation.By, &escalation.Reason, &t.Differed,
		&inquiries, &t.Withdrawn)
	t.ID, t.Kind, t.Record, t.Other = mpi.TaskID(id), mpi.TaskKind(kind), hie.SourcePatientID(sp), hie.SourcePatientID(other)
	t.Opened, t.Grade, t.Bits, t.Evidence, t.Verdict = utc(t.Opened), mpi.Grade(grade), mpi.Bits(bits), mpi.DecodeEvidence(evidence), mpi.Verdict(verdict)
	t.Change = mpi.ChangeID(change)
	if closed.Valid {
		t.Closed = utc(closed.Time)
	}
	if until.Valid {
		t.ClaimedUntil = utc(until.Time)
	}
	if firstAt.Valid {
		t.First = &mpi.Opinion{Verdict: mpi.Verdict(first), By: firstBy, Reason: firstReason, At: utc(firstAt.Time)}
	}
	if snoozed.Valid {
		snooze.Until = utc(snoozed.Time)
		t.Snooze = &snooze
	}
	if escalated.Valid {
		escalation.At = utc(escalated.Time)
		t.Escalation = &escalation
	}
	if err == nil {
		t.Inquiries, err = readInquiries(inquiries)
	}
	return t, err
}

var openTasks = newTexts(func(n int) string {
	return `insert into mpi.review_task (task_id, kind, sp_id, other_id, opened, grade, bits, evidence, missing, risk, note, verdict, decided_by, reason)
		values ` + values(n, 14) + `
		on conflict (kind, least(sp_id, other_id), greatest(sp_id, other_id)) where closed is null do nothing`
})

// OpenTasks implements mpi.Tx.
func (w *writer) OpenTasks(ctx context.Context, tasks []mpi.Task) (int, error) {
	if len(tasks) == 0 {
		return 0, nil
	}
	args := make([]any, 0, 14*len(tasks))
	for _, t := range tasks {
		args = append(args, int64(t.ID), string(t.Kind), int64(t.Record), int64(t.Other), t.Opened, int64(t.Grade), float64(t.Bits),
			mpi.EncodeEvidence(t.Evidence), t.Missing, t.Risk, t.Note, int64(0), "", "")
	}
	n, err := w.q.Exec(ctx, openTasks.of(len(tasks)), args...)
	return int(n), err
}

// TakeTask implements mpi.Tx.
func (w *writer) TakeTask(ctx context.Context, id mpi.TaskID) (mpi.Task, error) {
	t, err := oneTask(pg.Collect(ctx, w.q, scanTask, `select `+taskColumns+` from mpi.review_task where task_id = $1 for update`, int64(id)))
	if err == nil && !t.Closed.IsZero() {
		err = hie.ErrConflict
	}
	return t, err
}

// PutTask implements mpi.Tx.
func (w *writer) PutTask(ctx context.Context, t mpi.Task) error {
	first := mpi.Opinion{}
	if t.First != nil {
		first = *t.First
	}
	snooze, escalation := mpi.Snooze{}, mpi.Escalation{}
	if t.Snooze != nil {
		snooze = *t.Snooze
	}
	if t.Escalation != nil {
		escalation = *t.Escalation
	}
	n, err := w.q.Exec(ctx, `
		update mpi.review_task set closed = $2, verdict = $3, decided_by = $4, reason = $5, claimed_by = $6, claimed_until = $7,
			first_verdict = $8, first_by = $9, first_reason = $10, first_at = $11, change_id = $12, risk = $13,
			grade = $14, bits = $15, evidence = $16, missing = $17, snoozed_until = $18, snoozed_by = $19, snooze_reason = $20,
			escalated_at = $21, escalated_role = $22, escalated_user = $23, escalated_by = $24, escalated_reason = $25, differed = $26,
			inquiries = $27, pending = $28, withdrawn = $29
		where task_id = $1`,
		int64(t.ID), when(!t.Closed.IsZero(), t.Closed), int64(t.Verdict), t.By, t.Reason, t.ClaimedBy, when(!t.ClaimedUntil.IsZero(), t.ClaimedUntil),
		int64(first.Verdict), first.By, first.Reason, when(!first.At.IsZero(), first.At), int64(t.Change), t.Risk,
		int64(t.Grade), float64(t.Bits), mpi.EncodeEvidence(t.Evidence), t.Missing, when(t.Snooze != nil, snooze.Until), snooze.By, snooze.Reason,
		when(t.Escalation != nil, escalation.At), escalation.Role, escalation.User, escalation.By, escalation.Reason, t.Differed,
		writeInquiries(t.Inquiries), t.Pending(), t.Withdrawn)
	if err == nil && n == 0 {
		return hie.ErrNotFound
	}
	return err
}

// PutRisk implements mpi.Tx.
func (w *writer) PutRisk(ctx context.Context, id mpi.TaskID, risk float64) error {
	_, err := w.q.Exec(ctx, `update mpi.review_task set risk = $2 where task_id = $1 and closed is null`, int64(id), risk)
	return err
}

func oneTask(tasks []mpi.Task, err error) (mpi.Task, error) {
	if err == nil && len(tasks) == 0 {
		err = hie.ErrNotFound
	}
	if err != nil {
		return mpi.Task{}, err
	}
	return tasks[0], nil
}

// TaskByID implements mpi.Reader.
func (r reader) TaskByID(ctx context.Context, id mpi.TaskID) (mpi.Task, error) {
	return oneTask(pg.Collect(ctx, r.q, scanTask, `select `+taskColumns+` from mpi.review_task where task_id = $1`, int64(id)))
}

// TasksAbout implements mpi.Reader.
func (r reader) TasksAbout(ctx context.Context, records []hie.SourcePatientID) ([]mpi.Task, error) {
	if len(records) == 0 {
		return nil, nil
	}
	return pg.Collect(ctx, r.q, scanTask, `select `+taskColumns+` from mpi.review_task
		where sp_id = any($1) or other_id > 0 and other_id = any($1) order by task_id`, pg.Few(recordInts(records)))
}

// ListTasks implements mpi.Reader.
func (r reader) ListTasks(ctx context.Context, f mpi.TaskFilter, limit int) ([]mpi.Task, error) {
	const which = `($2::text = '' or kind = $2) and ($3::bigint = 0 or sp_id = $3 or other_id = $3) and ($5::timestamptz is null or opened < $5)
		and ($6::smallint is null or grade = $6)`
	before, grade := sql.NullTime{Time: f.OpenedBefore, Valid: !f.OpenedBefore.IsZero()}, sql.NullInt16{}
	if f.Grade != nil {
		grade = sql.NullInt16{Int16: int16(*f.Grade), Valid: true}
	}
	if f.Closed {
		return pg.Collect(ctx, r.q, scanTask, `select `+taskColumns+` from mpi.review_task
			where closed is not null and task_id > $1 and `+which+` order by task_id limit $4`, int64(f.After), string(f.Kind), int64(f.Record), limit, before, grade)
	}
	var by string
	var roles []string
	if f.For != nil {
		by, roles = string(f.For.Organization)+"/"+f.For.User, f.For.Roles
	}
	return pg.Collect(ctx, r.q, scanTask, `select `+taskColumns+` from mpi.review_task t
		where closed is null and `+which+` and ($1::bigint = 0 or (-risk, task_id) > (select -risk, task_id from mpi.review_task where task_id = $1))
			and ($7::text = '' or $7 = 'none' and (claimed_by = '' or claimed_until <= $8) or claimed_by = $7 and claimed_until > $8)
			and ($3::bigint > 0 and not $9 or coalesce(snoozed_until > $8, false) = $9)
			and (not $10::boolean or escalated_at is not null and ($11::text = '' or escalated_by <> $11
				and (escalated_user = '' or escalated_user = $11) and (escalated_role = '' or escalated_role = any($12::text[]))))
			and risk >= $13 and (not $14::boolean or pending > 0)
		order by risk desc, task_id limit $4`, int64(f.After), string(f.Kind), int64(f.Record), limit, before, grade, f.Claimed, f.Now, f.Snoozed, f.Escalated, by, roles, f.MinRisk, f.Waiting)
}

// OpenTasksBehind implements mpi.Reader.
func (r reader) OpenTasksBehind(ctx context.Context, after mpi.TaskID, limit int) ([]mpi.Task, error) {
	return pg.Collect(ctx, r.q, scanTask, `select `+taskColumns+` from mpi.review_task where closed is null and task_id > $1
		order by task_id limit $2`, int64(after), limit)
}
