package consentpg

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// RecordInstrument adds a version: the first of a new instrument when i.ID is 0, else the one after expected, which must be
// current. It returns i with ID, Number and Recorded set, when nothing can leave under the old rules any more. Errors:
// hie.ErrNotFound when i.ID is none of i.Record's; hie.ErrStale when expected is not current.
func (s *Store) RecordInstrument(ctx context.Context, actor hie.Actor, i consent.Instrument, expected int64) (consent.Instrument, error) {
	var until *time.Time
	if !i.Until.IsZero() {
		until = &i.Until
	}
	purposes := make([]string, len(i.Purposes))
	for j, p := range i.Purposes {
		purposes[j] = string(p)
	}
	err := s.keep(ctx, actor, expected, recording{record: i.Record, id: &i.ID, number: &i.Number, at: &i.Recorded,
		current: `
			select version from consent.instrument
			where sp_id = $1 and instrument_id = $2 order by version desc limit 1`,
		insert: func(tx *pg.Tx) error {
			_, err := tx.Exec(ctx, `
			insert into consent.instrument (sp_id, instrument_id, version, kind, org, purposes, since, until, ground, evidence,
				verified_by, recorded, recorded_org)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
				int64(i.Record), i.ID, i.Number, i.Kind, string(i.Organization), purposes, i.From, until, i.Ground, i.Evidence,
				i.VerifiedBy, i.Recorded, string(i.By))
			return err
		}, detail: map[string]string{"interaction": "instrument", "kind": i.Kind, "recipient": string(i.Organization)}})
	if err != nil {
		return consent.Instrument{}, fmt.Errorf("consentpg: instrument: %w", err)
	}
	return i, nil
}

// Instruments returns the current version of every legal basis recorded on records, in the order they were first recorded
// within each.
func (s *Store) Instruments(ctx context.Context, records []hie.SourcePatientID) ([]consent.Instrument, error) {
	return instrumentsAt(ctx, s.db, records, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
}

func instrumentsAt(ctx context.Context, q pg.Querier, records []hie.SourcePatientID, at time.Time) ([]consent.Instrument, error) {
	out, err := pg.Collect(ctx, q, func(rows *pg.Rows) (consent.Instrument, error) {
		var i consent.Instrument
		var record int64
		var until *time.Time
		var org, by string
		var purposes []string
		err := rows.Scan(&record, &i.ID, &i.Number, &i.Kind, &org, pg.Array(&purposes), &i.From, &until, &i.Ground, &i.Evidence,
			&i.VerifiedBy, &i.Recorded, &by)
		i.Record, i.Organization, i.By = hie.SourcePatientID(record), hie.OrgID(org), hie.OrgID(by)
		i.From, i.Recorded = i.From.UTC(), i.Recorded.UTC()
		if until != nil {
			i.Until = until.UTC()
		}
		for _, p := range purposes {
			i.Purposes = append(i.Purposes, hie.Purpose(p))
		}
		return i, err
	}, `
		select distinct on (sp_id, instrument_id) sp_id, instrument_id, version, kind, org, purposes, since, until, ground, evidence,
			verified_by, recorded, recorded_org
		from consent.instrument where sp_id = any($1) and recorded <= $2
		order by sp_id, instrument_id, version desc`, pg.Few(numbers(records)), at)
	if err != nil {
		return nil, fmt.Errorf("consentpg: instruments: %w", err)
	}
	return out, nil
}
