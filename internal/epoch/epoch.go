// Package epoch keeps the number that guards each source patient's consents and labels: it moves in the
// transaction that changes them, and every release compares it. It lives in the row group of what it guards,
// so that no reader can see a new number with old rules.
//
// Source: DESIGN idea 8; spec scale-out section 5 ("Epoch").
package epoch

import (
	"context"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Move raises the epoch of record within q's transaction and notes that the new one began at now. Writers of one source
// patient queue here until the transaction ends.
func Move(ctx context.Context, q pg.Querier, record hie.SourcePatientID, now time.Time) error {
	var n int64
	if err := q.QueryRow(ctx, `
		insert into locator.subject (sp_id, epoch) values ($1, 1)
		on conflict (sp_id) do update set epoch = subject.epoch + 1
		returning epoch`, int64(record)).Scan(&n); err != nil {
		return err
	}
	_, err := q.Exec(ctx, `insert into locator.epoch (sp_id, epoch, began) values ($1, $2, $3)`, int64(record), n, now)
	return err
}

// Ensure makes the subject row that pointers and directives hang on, leaving an existing epoch as it is.
func Ensure(ctx context.Context, q pg.Querier, record hie.SourcePatientID) error {
	_, err := q.Exec(ctx, `insert into locator.subject (sp_id, epoch) values ($1, 0) on conflict (sp_id) do nothing`, int64(record))
	return err
}

// Read returns the epoch of each record; one that never moved is 0.
func Read(ctx context.Context, q pg.Querier, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
	out := make(map[hie.SourcePatientID]int64, len(records))
	for _, r := range records {
		out[r] = 0
	}
	return out, each(ctx, q, func(r hie.SourcePatientID, n int64) { out[r] = n }, `select sp_id, epoch from locator.subject where sp_id = any($1)`, numbers(records))
}

// ReadAt returns the epoch each record had at an instant; one that had never moved is 0. A record whose epochs of that time
// are not kept is left out.
func ReadAt(ctx context.Context, q pg.Querier, records []hie.SourcePatientID, at time.Time) (map[hie.SourcePatientID]int64, error) {
	out, err := Read(ctx, q, records)
	if err != nil {
		return nil, err
	}
	for r, n := range out {
		if n > 0 { // it has moved since; the first move that is kept may not be the first there was
			delete(out, r)
		}
	}
	return out, each(ctx, q, func(r hie.SourcePatientID, n int64) { out[r] = n }, `
		select distinct on (sp_id) sp_id, case when began <= $2 then epoch else 0 end from locator.epoch
		where sp_id = any($1) and (began <= $2 or epoch = 1)
		order by sp_id, began <= $2 desc, epoch desc`, numbers(records), at)
}

func each(ctx context.Context, q pg.Querier, f func(hie.SourcePatientID, int64), query string, args ...any) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, n int64
		if err := rows.Scan(&id, &n); err != nil {
			return err
		}
		f(hie.SourcePatientID(id), n)
	}
	return rows.Err()
}

func numbers(records []hie.SourcePatientID) pg.Few {
	ids := make(pg.Few, len(records))
	for i, r := range records {
		ids[i] = int64(r)
	}
	return ids
}
