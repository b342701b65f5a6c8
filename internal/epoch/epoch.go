// Package epoch keeps the number that guards each source patient's consents and labels: it moves in the
// transaction that changes them, and every release compares it. It lives in the row group of what it guards,
// so that no reader can see a new number with old rules.
//
// Source: DESIGN idea 8; spec scale-out section 5 ("Epoch").
package epoch

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Move raises the epoch of record within q's transaction. Writers of one source patient queue here until the
// transaction ends.
func Move(ctx context.Context, q pg.Querier, record hie.SourcePatientID) error {
	_, err := q.Exec(ctx, `
		insert into locator.subject (sp_id, epoch) values ($1, 1)
		on conflict (sp_id) do update set epoch = subject.epoch + 1`, int64(record))
	return err
}

// Ensure makes the subject row that pointers and directives hang on, leaving an existing epoch as it is.
func Ensure(ctx context.Context, q pg.Querier, record hie.SourcePatientID) error {
	_, err := q.Exec(ctx, `insert into locator.subject (sp_id, epoch) values ($1, 0) on conflict (sp_id) do nothing`, int64(record))
	return err
}

// Read returns the epoch of each record; one that never moved is 0.
func Read(ctx context.Context, q pg.Querier, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
	ids := make(pg.Few, len(records))
	out := make(map[hie.SourcePatientID]int64, len(records))
	for i, r := range records {
		ids[i], out[r] = int64(r), 0
	}
	rows, err := q.Query(ctx, `select sp_id, epoch from locator.subject where sp_id = any($1)`, ids)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, n int64
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		out[hie.SourcePatientID(id)] = n
	}
	return out, rows.Err()
}
