package consentpg

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Represent adds a version: the first of a new representative when r.ID is 0, else the one after expected, which must
// be current. It returns r with ID, Number and Recorded set, when nothing can leave under the old rules any more. What they
// may look at and sign for counts from then on, so the record's epoch moves. Errors: hie.ErrNotFound when r.ID is none of
// r.Record's; hie.ErrStale when expected is not current.
func (s *Store) Represent(ctx context.Context, actor hie.Actor, r consent.Representative, expected int64) (consent.Representative, error) {
	var lapses *time.Time
	if !r.Lapses.IsZero() {
		lapses = &r.Lapses
	}
	err := s.keep(ctx, actor, expected, recording{record: r.Record, id: &r.ID, number: &r.Number, at: &r.Recorded,
		current: `
			select version from consent.representative
			where sp_id = $1 and representative_id = $2 order by version desc limit 1`,
		insert: func(tx *pg.Tx) error {
			_, err := tx.Exec(ctx, `
			insert into consent.representative (sp_id, representative_id, version, ref, name, capacity, rights, starts, ends,
				lapses, evidence, withdrawn, recorded, org)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
				int64(r.Record), r.ID, r.Number, r.Ref, r.Name, string(r.Capacity), string(r.Rights), r.Start, r.End,
				lapses, r.Evidence, r.Withdrawn, r.Recorded, string(r.By))
			return err
		}, detail: map[string]string{"interaction": "representative", "capacity": string(r.Capacity)}})
	if err != nil {
		return consent.Representative{}, fmt.Errorf("consentpg: represent: %w", err)
	}
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
