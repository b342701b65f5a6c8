package consentpg

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
)

// Claim records an emergency: a grant for each record, a task for review and the event, and moves the epochs of
// the records, in one transaction. Without records (the claim named nobody known here) the task and the event
// stand all the same, so that the claim is reviewed and looks no different to who made it. claim.At must be set
// by the caller; it holds until before until.
func (s *Store) Claim(ctx context.Context, actor hie.Actor, claim consent.Emergency, until time.Time, records []hie.SourcePatientID) error {
	task := s.ids.Next()
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if err := insertGrants(ctx, tx, s.ids, task, actor, claim, until, records); err != nil {
			return err
		}
		for _, r := range records {
			if err := epoch.Move(ctx, tx, r); err != nil {
				return err
			}
		}
		if err := insertTask(ctx, tx, task, actor, claim, until, records); err != nil {
			return err
		}
		return s.audit(ctx, tx, claimed(actor, claim, records))
	})
	if err != nil {
		return fmt.Errorf("consentpg: claim: %w", err)
	}
	return nil
}

// claimed is the event of a claim. The free text stays with the task.
func claimed(actor hie.Actor, claim consent.Emergency, records []hie.SourcePatientID) audit.Event {
	e := audit.NewEvent(audit.EmergencyClaimed, actor, claim.At).About(records...)
	e.Action, e.Emergency = "E", true
	e.Reasons = []string{claim.ReasonCode}
	return e
}

func insertGrants(ctx context.Context, q pg.Querier, ids *hie.IDs, task int64, actor hie.Actor, claim consent.Emergency, until time.Time, records []hie.SourcePatientID) error {
	if len(records) == 0 {
		return nil
	}
	const columns = 11
	rows := make([]string, len(records))
	args := make([]any, 0, columns*len(records))
	for i, r := range records {
		places := make([]string, columns)
		for j := range places {
			places[j] = "$" + strconv.Itoa(i*columns+j+1)
		}
		rows[i] = "(" + strings.Join(places, ", ") + ")"
		args = append(args, int64(r), ids.Next(), task, string(actor.Organization), actor.User, claim.Role,
			claim.ReasonCode, claim.Text, claim.Attested, claim.At, until)
	}
	_, err := q.Exec(ctx, `
		insert into consent.emergency_grant (sp_id, grant_id, task_id, org, user_id, role, reason, detail, attested, since, until)
		values `+strings.Join(rows, ", "), args...)
	return err
}

func insertTask(ctx context.Context, q pg.Querier, task int64, actor hie.Actor, claim consent.Emergency, until time.Time, records []hie.SourcePatientID) error {
	sps := make([]int64, len(records))
	for i, r := range records {
		sps[i] = int64(r)
	}
	_, err := q.Exec(ctx, `
		insert into consent.review_task (task_id, opened, until, org, client, user_id, user_name, role, reason, detail, attested, sp_ids)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		task, claim.At, until, string(actor.Organization), string(actor.Client), actor.User, actor.UserName, claim.Role,
		claim.ReasonCode, claim.Text, claim.Attested, sps)
	return err
}

// grants returns the emergency grants of records that hold at at.
func (s *Store) grants(ctx context.Context, records []hie.SourcePatientID, at time.Time) ([]consent.Grant, error) {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = int64(r)
	}
	out, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (consent.Grant, error) {
		var g consent.Grant
		var record int64
		var org string
		err := rows.Scan(&record, &g.ID, &org, &g.User, &g.Role, &g.ReasonCode, &g.Text, pg.Array(&g.Attested), &g.At, &g.Until)
		g.Record, g.Organization, g.At, g.Until = hie.SourcePatientID(record).String(), hie.OrgID(org), g.At.UTC(), g.Until.UTC()
		return g, err
	}, `
		select sp_id, grant_id, org, user_id, role, reason, detail, attested, since, until
		from consent.emergency_grant where sp_id = any($1) and since <= $2 and until > $2 order by sp_id, grant_id`, ids, at)
	if err != nil {
		return nil, fmt.Errorf("consentpg: grants: %w", err)
	}
	return out, nil
}

const selectTask = `
	/* all shards: a managed local table, read by privacy officers */
	select task_id, opened, until, org, client, user_id, user_name, role, reason, detail, attested, sp_ids,
		closed, closed_by, finding, note
	from consent.review_task `

func scanTask(rows *pg.Rows) (consent.Task, error) {
	var t consent.Task
	var org, client string
	var sps []int64
	var closed *time.Time
	err := rows.Scan(&t.ID, &t.Opened, &t.Until, &org, &client, &t.Actor.User, &t.Actor.UserName, &t.Claim.Role, &t.Claim.ReasonCode,
		&t.Claim.Text, pg.Array(&t.Claim.Attested), pg.Array(&sps), &closed, &t.ClosedBy, &t.Finding, &t.Note)
	t.Actor.Organization, t.Actor.Client, t.Claim.At = hie.OrgID(org), hie.ClientID(client), t.Opened.UTC()
	t.Opened, t.Until = t.Opened.UTC(), t.Until.UTC()
	if closed != nil {
		t.Closed = closed.UTC()
	}
	for _, sp := range sps {
		t.Records = append(t.Records, hie.SourcePatientID(sp))
	}
	return t, err
}

// Tasks returns review tasks, oldest first, and whether there are more.
func (s *Store) Tasks(ctx context.Context, f consent.TaskFilter) (_ []consent.Task, more bool, err error) {
	out, err := pg.Collect(ctx, s.db, scanTask, selectTask+`
		where task_id > $1 and (closed is not null) = $2 and ($3 = '' or org = $3)
		order by task_id limit $4`, f.After, f.Closed, string(f.Organization), f.Limit+1)
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
// hie.ErrConflict for one that is closed already.
func (s *Store) Close(ctx context.Context, actor hie.Actor, id int64, finding, note string) error {
	task, err := s.Task(ctx, id)
	if err != nil {
		return err
	}
	now := s.now()
	err = pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		n, err := tx.Exec(ctx, `
			update consent.review_task set closed = $2, closed_by = $3, finding = $4, note = $5
			where task_id = $1 and closed is null`, id, now, string(actor.Organization)+"/"+actor.User, finding, note)
		if err != nil {
			return err
		}
		if n == 0 {
			return hie.ErrConflict
		}
		e := audit.NewEvent(audit.Administered, actor, now).About(task.Records...)
		e.Action, e.Reasons = "U", []string{finding}
		e.Detail = map[string]string{"interaction": "emergency review"}
		return s.audit(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("consentpg: close: %w", err)
	}
	return nil
}
