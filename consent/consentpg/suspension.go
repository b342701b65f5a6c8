package consentpg

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Suspend records a suspension of accounting and returns it with its ID.
func (s *Store) Suspend(ctx context.Context, actor hie.Actor, x consent.Suspension) (consent.Suspension, error) {
	x.ID, x.RecordedBy = s.ids.Next(), string(actor.Organization)+"/"+actor.User
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, `
			insert into consent.suspension (sp_id, suspension_id, recipient, ground, since, until, recorded_by)
			values ($1, $2, $3, $4, $5, $6, $7)`,
			int64(x.Record), x.ID, string(x.Recipient), x.Ground, x.Since, x.Until, x.RecordedBy); err != nil {
			return err
		}
		e := audit.NewEvent(audit.Administered, actor, s.now()).About(x.Record)
		e.Action, e.Detail = "C", map[string]string{"interaction": "accounting suspended"}
		return s.audit(ctx, tx, e)
	})
	if err != nil {
		return consent.Suspension{}, fmt.Errorf("consentpg: suspend: %w", err)
	}
	return x, nil
}

// Suspensions returns the suspensions of accounting about records, oldest first within each.
func (s *Store) Suspensions(ctx context.Context, records []hie.SourcePatientID) ([]consent.Suspension, error) {
	out, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (consent.Suspension, error) {
		var x consent.Suspension
		var record int64
		var recipient string
		err := rows.Scan(&record, &x.ID, &recipient, &x.Ground, &x.Since, &x.Until, &x.RecordedBy)
		x.Record, x.Recipient, x.Since, x.Until = hie.SourcePatientID(record), hie.OrgID(recipient), x.Since.UTC(), x.Until.UTC()
		return x, err
	}, `
		select sp_id, suspension_id, recipient, ground, since, until, recorded_by
		from consent.suspension where sp_id = any($1) order by sp_id, suspension_id`, numbers(records))
	if err != nil {
		return nil, fmt.Errorf("consentpg: suspensions: %w", err)
	}
	return out, nil
}
