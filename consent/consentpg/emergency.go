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
	"github.com/concord-hie/concord/internal/pg"
)

// Claim records an emergency: a grant for each record, a task for review and the event, and moves the epochs of
// the records, in one transaction. Without records (the claim named nobody known here) the task and the event
// stand all the same, so that the claim is reviewed and looks no different to who made it. claim.At must be set
// by the caller; it holds until before until. owners are the organisations whose registrations the records are. Each
// record's patient gets a notice.
func (s *Store) Claim(ctx context.Context, actor hie.Actor, claim consent.Emergency, until time.Time, records []hie.SourcePatientID, owners []hie.OrgID) error {
	if err := s.clock(); err != nil {
		return err
	}
	task := s.ids.Next()
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if err := insertGrants(ctx, tx, s.ids, task, actor, claim, until, records); err != nil {
			return err
		}
		if err := s.move(ctx, tx, s.now(), records...); err != nil {
			return err
		}
		if err := insertTask(ctx, tx, task, actor, claim, until, records, owners); err != nil {
			return err
		}
		for _, r := range records {
			if _, err := tx.Exec(ctx, `
				insert into consent.notice (sp_id, notice_id, kind, about, created) values ($1, $2, 'emergency', $3, $4)`,
				int64(r), s.ids.Next(), task, claim.At); err != nil {
				return err
			}
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

func insertTask(ctx context.Context, q pg.Querier, task int64, actor hie.Actor, claim consent.Emergency, until time.Time, records []hie.SourcePatientID, owners []hie.OrgID) error {
	orgs := make([]string, len(owners))
	for i, o := range owners {
		orgs[i] = string(o)
	}
	sps := make([]int64, len(records))
	for i, r := range records {
		sps[i] = int64(r)
	}
	_, err := q.Exec(ctx, `
		insert into consent.review_task (task_id, opened, until, org, client, user_id, user_name, role, reason, detail, attested, sp_ids, owners)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		task, claim.At, until, string(actor.Organization), string(actor.Client), actor.User, actor.UserName, claim.Role,
		claim.ReasonCode, claim.Text, claim.Attested, sps, orgs)
	return err
}

// grants returns the emergency grants of records that were claimed until at, not ended by then, and hold at now.
func (s *Store) grants(ctx context.Context, records []hie.SourcePatientID, at, now time.Time) ([]consent.Grant, error) {
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
		from consent.emergency_grant where sp_id = any($1) and since <= $2 and until > $3 and (ended is null or ended > $2) order by sp_id, grant_id`, pg.Few(ids), at, now)
	if err != nil {
		return nil, fmt.Errorf("consentpg: grants: %w", err)
	}
	return out, nil
}
