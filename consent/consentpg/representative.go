package consentpg

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
)

// Represent adds a version: the first of a new representative when r.ID is 0, else the one after expected, which must
// be current. It returns r with ID, Number and Recorded set, when nothing can leave under the old rules any more. What they
// may look at and sign for counts from then on, so the record's epoch moves. Errors: hie.ErrNotFound when r.ID is none of r.Record's; hie.ErrStale when expected is
// not current.
func (s *Store) Represent(ctx context.Context, actor hie.Actor, r consent.Representative, expected int64) (consent.Representative, error) {
	action := "U"
	if r.ID == 0 {
		r.ID, action, expected = s.ids.Next(), "C", 0
	}
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if err := epoch.Move(ctx, tx, r.Record); err != nil {
			return err
		}
		r.Recorded = s.now()
		if action == "U" {
			var current int64
			if err := tx.QueryRow(ctx, `
				select version from consent.representative
				where sp_id = $1 and representative_id = $2 order by version desc limit 1`, int64(r.Record), r.ID).Scan(&current); err != nil {
				return err
			}
			if current != expected {
				return hie.ErrStale
			}
		}
		r.Number = expected + 1
		var lapses *time.Time
		if !r.Lapses.IsZero() {
			lapses = &r.Lapses
		}
		if _, err := tx.Exec(ctx, `
			insert into consent.representative (sp_id, representative_id, version, ref, name, capacity, rights, starts, ends,
				lapses, evidence, withdrawn, recorded, org)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			int64(r.Record), r.ID, r.Number, r.Ref, r.Name, string(r.Capacity), string(r.Rights), r.Start, r.End,
			lapses, r.Evidence, r.Withdrawn, r.Recorded, string(r.By)); err != nil {
			return err
		}
		e := audit.NewEvent(audit.ConsentChanged, actor, r.Recorded).About(r.Record)
		e.Action, e.Detail = action, map[string]string{"interaction": "representative", "capacity": string(r.Capacity)}
		return s.audit(ctx, tx, e)
	})
	if err != nil {
		return consent.Representative{}, fmt.Errorf("consentpg: represent: %w", err)
	}
	time.Sleep(consent.ReleaseLease) // until no gate acts on what it read before the commit
	return r, nil
}

// Representatives returns the current version of everybody who may act for the patient of any of records, in the order
// they were first recorded within each record.
func (s *Store) Representatives(ctx context.Context, records []hie.SourcePatientID) ([]consent.Representative, error) {
	return representativesAt(ctx, s.db, records, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
}

func representativesAt(ctx context.Context, q pg.Querier, records []hie.SourcePatientID, at time.Time) ([]consent.Representative, error) {
	out, err := pg.Collect(ctx, q, func(rows *pg.Rows) (consent.Representative, error) {
		var r consent.Representative
		var record int64
		var lapses *time.Time
		var capacity, rights, org string
		err := rows.Scan(&record, &r.ID, &r.Number, &r.Ref, &r.Name, &capacity, &rights, &r.Start, &r.End, &lapses, &r.Evidence,
			&r.Withdrawn, &r.Recorded, &org)
		r.Record, r.Capacity, r.Rights, r.By = hie.SourcePatientID(record), consent.Capacity(capacity), consent.Rights(rights), hie.OrgID(org)
		r.Recorded = r.Recorded.UTC()
		if lapses != nil {
			r.Lapses = lapses.UTC()
		}
		return r, err
	}, `
		select distinct on (sp_id, representative_id) sp_id, representative_id, version, ref, name, capacity, rights, starts, ends,
			lapses, evidence, withdrawn, recorded, org
		from consent.representative where sp_id = any($1) and recorded <= $2
		order by sp_id, representative_id, version desc`, numbers(records), at)
	if err != nil {
		return nil, fmt.Errorf("consentpg: representatives: %w", err)
	}
	return out, nil
}

// numbers returns records as PostgreSQL has them.
func numbers(records []hie.SourcePatientID) []int64 {
	out := make([]int64, len(records))
	for i, r := range records {
		out[i] = int64(r)
	}
	return out
}
