package consentpg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// selectTask counts a claimant's claims over the hours of consent.ReviewWindow.
const selectTask = `
	/* all shards: a managed local table, read by privacy officers */
	select task_id, opened, until, org, client, user_id, user_name, role, reason, detail, attested, sp_ids, owners,
		escalated, contested, contested_by, contest, ended, ended_by, end_reason, closed, closed_by, finding, note, claims, unjustified
	from (select t.*,
			(select count(*) from consent.review_task p where p.org = t.org and p.user_id = t.user_id
				and p.opened <= t.opened and p.opened > t.opened - interval '720 hours') as claims,
			(select count(*) from consent.review_task p where p.org = t.org and p.user_id = t.user_id and p.finding = 'unjustified'
				and p.opened <= t.opened and p.opened > t.opened - interval '720 hours') as unjustified
		from consent.review_task t) as q `

func scanTask(rows *pg.Rows) (consent.Task, error) {
	var t consent.Task
	var org, client string
	var owners []string
	var sps []int64
	var escalated, contested, ended, closed *time.Time
	err := rows.Scan(&t.ID, &t.Opened, &t.Until, &org, &client, &t.Actor.User, &t.Actor.UserName, &t.Claim.Role, &t.Claim.ReasonCode,
		&t.Claim.Text, pg.Array(&t.Claim.Attested), pg.Array(&sps), pg.Array(&owners), &escalated, &contested, &t.ContestedBy, &t.Contest,
		&ended, &t.EndedBy, &t.EndReason, &closed, &t.ClosedBy, &t.Finding, &t.Note, &t.Claims, &t.Unjustified)
	t.Actor.Organization, t.Actor.Client, t.Claim.At = hie.OrgID(org), hie.ClientID(client), t.Opened.UTC()
	t.Opened, t.Until = t.Opened.UTC(), t.Until.UTC()
	t.Escalated, t.Contested, t.Ended, t.Closed = utc(escalated), utc(contested), utc(ended), utc(closed)
	for _, o := range owners {
		t.Owners = append(t.Owners, hie.OrgID(o))
	}
	for _, sp := range sps {
		t.Records = append(t.Records, hie.SourcePatientID(sp))
	}
	return t, err
}

// utc returns a nullable time, zero for null.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// Tasks returns review tasks, oldest first, and whether there are more.
func (s *Store) Tasks(ctx context.Context, f consent.TaskFilter) (_ []consent.Task, more bool, err error) {
	before := f.OpenedBefore
	if before.IsZero() {
		before = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	holds := sql.NullTime{Time: f.HoldsAt, Valid: !f.HoldsAt.IsZero()}
	out, err := pg.Collect(ctx, s.db, scanTask, selectTask+`
		where task_id > $1 and case when $11::timestamptz is null then (closed is not null) = $2 else until > $11 and ended is null end and ($12 = '' or user_id = $12) and ($3 = '' or org = $3 or $3 = any(owners)) and opened < $4
			and (not $5 or escalated is not null) and (not $6 or contested is not null) and (not $7 or claims >= $8 or unjustified >= $9)
		order by task_id limit $10`, f.After, f.Closed, string(f.Organization), before, f.Escalated, f.Contested, f.Alarm,
		consent.AlarmClaims, consent.AlarmUnjustified, f.Limit+1, holds, f.Claimant)
	if err != nil {
		return nil, false, fmt.Errorf("consentpg: tasks: %w", err)
	}
	if len(out) > f.Limit {
		return out[:f.Limit], true, nil
	}
	return out, false, nil
}

// Task returns one review task, or hie.ErrNotFound.
func (s *Store) Task(ctx context.Context, id int64) (consent.Task, error) {
	out, err := pg.Collect(ctx, s.db, scanTask, selectTask+`where task_id = $1`, id)
	if err != nil {
		return consent.Task{}, fmt.Errorf("consentpg: task: %w", err)
	}
	if len(out) == 0 {
		return consent.Task{}, fmt.Errorf("consentpg: task: %w", hie.ErrNotFound)
	}
	return out[0], nil
}

// Close settles a review task with its finding and note. It returns hie.ErrNotFound for a task there is not, and
// hie.ErrConflict for one that is closed already, or was contested since the caller looked (contested says whether it
// had been).
func (s *Store) Close(ctx context.Context, actor hie.Actor, id int64, contested bool, finding, note string) error {
	return s.change(ctx, actor, id, "emergency review", finding, func(tx *pg.Tx, now time.Time) (int64, error) {
		return tx.Exec(ctx, `
			update consent.review_task set closed = $2, closed_by = $3, finding = $4, note = $5
			where task_id = $1 and closed is null and (contested is not null) = $6`,
			id, now, string(actor.Organization)+"/"+actor.User, finding, note, contested)
	})
}

// Contest records that the source of what was opened contests the claim. It returns hie.ErrNotFound for a task there is
// not, and hie.ErrConflict for one that is closed or contested already.
func (s *Store) Contest(ctx context.Context, actor hie.Actor, id int64, reason string) error {
	return s.change(ctx, actor, id, "emergency contest", "contested", func(tx *pg.Tx, now time.Time) (int64, error) {
		return tx.Exec(ctx, `
			update consent.review_task set contested = $2, contested_by = $3, contest = $4
			where task_id = $1 and closed is null and contested is null`,
			id, now, string(actor.Organization)+"/"+actor.User, reason)
	})
}

// End ends the emergency of a review task before its time: its grants hold no longer, the epochs of the records they open
// move, and the event is recorded, in one transaction. The review stays. It returns hie.ErrNotFound for a task there is
// not, and hie.ErrConflict for an emergency that is over.
func (s *Store) End(ctx context.Context, actor hie.Actor, id int64, reason string) error {
	task, err := s.Task(ctx, id)
	if err != nil {
		return err
	}
	err = pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		now := s.now()
		n, err := tx.Exec(ctx, `
			update consent.review_task set ended = $2, ended_by = $3, end_reason = $4 where task_id = $1 and ended is null and until > $2`,
			id, now, string(actor.Organization)+"/"+actor.User, reason)
		if err != nil {
			return err
		}
		if n == 0 {
			return hie.ErrConflict
		}
		for _, r := range task.Records {
			if _, err := tx.Exec(ctx, `
				update consent.emergency_grant set ended = $3, until = least(until, $3) where sp_id = $1 and task_id = $2`, int64(r), id, now); err != nil {
				return err
			}
			if err := s.move(ctx, tx, now, r); err != nil {
				return err
			}
		}
		e := audit.NewEvent(audit.EmergencyEnded, actor, now).About(task.Records...)
		e.Action = "E"
		return s.audit(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("consentpg: end emergency: %w", err)
	}
	return nil
}

// change makes one change of a task with its event.
func (s *Store) change(ctx context.Context, actor hie.Actor, id int64, interaction, reason string, update func(*pg.Tx, time.Time) (int64, error)) error {
	task, err := s.Task(ctx, id)
	if err != nil {
		return err
	}
	now := s.now()
	err = pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		n, err := update(tx, now)
		if err != nil {
			return err
		}
		if n == 0 {
			return hie.ErrConflict
		}
		e := audit.NewEvent(audit.Administered, actor, now).About(task.Records...)
		e.Action, e.Reasons = "U", []string{reason}
		e.Detail = map[string]string{"interaction": interaction}
		return s.audit(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("consentpg: review: %w", err)
	}
	return nil
}

// Escalate marks every open task that has waited since before now minus consent.ReviewEscalate, once, and returns how
// many it marked. Nodes that do it at once mark each task once between them.
func (s *Store) Escalate(ctx context.Context, actor hie.Actor) (int, error) {
	now := s.now()
	waiting, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (int64, error) {
		var id int64
		err := rows.Scan(&id)
		return id, err
	}, `
		/* all shards: a managed local table, swept beside requests */
		select task_id from consent.review_task where closed is null and escalated is null and opened < $1 order by task_id`,
		now.Add(-consent.ReviewEscalate))
	if err != nil {
		return 0, fmt.Errorf("consentpg: escalate: %w", err)
	}
	n := 0
	for _, id := range waiting {
		err := s.change(ctx, actor, id, "emergency review escalated", "overdue", func(tx *pg.Tx, now time.Time) (int64, error) {
			return tx.Exec(ctx, `update consent.review_task set escalated = $2 where task_id = $1 and closed is null and escalated is null`, id, now)
		})
		switch {
		case errors.Is(err, hie.ErrConflict): // another node was first
		case err != nil:
			return n, err
		default:
			n++
		}
	}
	return n, nil
}

// Notices returns what the patients of records are told, newest first, at most limit.
func (s *Store) Notices(ctx context.Context, records []hie.SourcePatientID, limit int) ([]consent.Notice, error) {
	out, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (consent.Notice, error) {
		var n consent.Notice
		var record int64
		var held *time.Time
		err := rows.Scan(&record, &n.ID, &n.Kind, &n.About, &n.Created, &held, &n.HeldBy, &n.HeldReason)
		n.Record, n.Created, n.HeldUntil = hie.SourcePatientID(record), n.Created.UTC(), utc(held)
		return n, err
	}, `
		select sp_id, notice_id, kind, about, created, held_until, held_by, held_reason
		from consent.notice where sp_id = any($1) order by created desc, notice_id desc limit $2`, numbers(records), limit)
	if err != nil {
		return nil, fmt.Errorf("consentpg: notices: %w", err)
	}
	return out, nil
}

// HoldNotices holds the notices about a review task back until until, for reason.
func (s *Store) HoldNotices(ctx context.Context, actor hie.Actor, task consent.Task, until time.Time, reason string) error {
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		for _, r := range task.Records {
			if _, err := tx.Exec(ctx, `
				update consent.notice set held_until = $3, held_by = $4, held_reason = $5 where sp_id = $1 and kind = 'emergency' and about = $2`,
				int64(r), task.ID, until, string(actor.Organization)+"/"+actor.User, reason); err != nil {
				return err
			}
		}
		e := audit.NewEvent(audit.Administered, actor, s.now()).About(task.Records...)
		e.Action, e.Detail = "U", map[string]string{"interaction": "emergency notice held"}
		return s.audit(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("consentpg: hold notices: %w", err)
	}
	return nil
}
