package consentpg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// BindHelper notes that the representative of record with this id signs in with account, on record. Once it is bound it stays:
// hie.ErrConflict for another account, no change for the same.
func (s *Store) BindHelper(ctx context.Context, actor hie.Actor, account string, record hie.SourcePatientID, id int64) error {
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		now := s.now()
		n, err := tx.Exec(ctx, `
			insert into consent.helper_account (sp_id, representative_id, account, bound) values ($1, $2, $3, $4)
			on conflict (sp_id, representative_id) do nothing`, int64(record), id, account, now)
		if err != nil {
			return err
		}
		if n == 0 {
			var bound string
			err := tx.QueryRow(ctx, `select account from consent.helper_account where sp_id = $1 and representative_id = $2`, int64(record), id).Scan(&bound)
			if err == nil && bound != account {
				err = hie.ErrConflict
			}
			return err
		}
		e := audit.NewEvent(audit.ConsentChanged, actor, now).About(record)
		e.Action, e.Detail = "U", map[string]string{"interaction": "helper account"}
		return s.audit(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("consentpg: bind helper: %w", err)
	}
	return nil
}

// HelperBound reports whether an account is bound to the representative of record with this id.
func (s *Store) HelperBound(ctx context.Context, record hie.SourcePatientID, id int64) (bool, error) {
	var account string
	err := s.db.QueryRow(ctx, `select account from consent.helper_account where sp_id = $1 and representative_id = $2`, int64(record), id).Scan(&account)
	if errors.Is(err, hie.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("consentpg: helper: %w", err)
	}
	return true, nil
}

// HelpedBy returns, in their current version, the representatives that sign in with account, whether they may still act or not.
func (s *Store) HelpedBy(ctx context.Context, account string) ([]consent.Representative, error) {
	type key struct {
		record hie.SourcePatientID
		id     int64
	}
	bound, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (key, error) {
		var record, id int64
		err := rows.Scan(&record, &id)
		return key{hie.SourcePatientID(record), id}, err
	}, `select sp_id, representative_id from consent.helper_account where account = $1 order by bound, sp_id`, account)
	if err != nil {
		return nil, fmt.Errorf("consentpg: helped: %w", err)
	}
	if len(bound) == 0 {
		return nil, nil
	}
	records := make([]hie.SourcePatientID, len(bound))
	for i, b := range bound {
		records[i] = b.record
	}
	all, err := s.Representatives(ctx, records)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r consent.Representative) bool { return !slices.Contains(bound, key{r.Record, r.ID}) }), nil
}
