package auditpg

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Searches keeps the searches of the trail that people save, each for whoever saved it alone. Keeping and forgetting one is on record.
type Searches struct {
	db  *pg.DB
	ids *hie.IDs
	now func() time.Time
}

// NewSearches returns Searches in db.
func NewSearches(db *pg.DB, ids *hie.IDs, now func() time.Time) *Searches {
	return &Searches{db: db, ids: ids, now: now}
}

// maxSaved bounds how many searches somebody keeps. Saved at once there may be more.
const maxSaved = 50

func owner(actor hie.Actor) string { return string(actor.Organization) + "/" + actor.User }

// Save keeps s for actor, in place of the one of theirs that has its name. Errors: s.Check's; hie.ErrConflict when they keep too
// many already.
func (x *Searches) Save(ctx context.Context, actor hie.Actor, s audit.SavedSearch) error {
	if err := s.Check(); err != nil {
		return err
	}
	err := pg.InTx(ctx, x.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		var kept int
		if err := tx.QueryRow(ctx, `select count(*) from audit.saved_search where owner = $1 and name <> $2`, owner(actor), s.Name).Scan(&kept); err != nil {
			return err
		}
		if kept >= maxSaved {
			return hie.ErrConflict
		}
		if _, err := tx.Exec(ctx, `
			insert into audit.saved_search (owner, search_id, name, days, org, user_id, kind, outcome, purpose, emergency, sp_id, saved)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			on conflict (owner, name) do update set days = excluded.days, org = excluded.org, user_id = excluded.user_id, kind = excluded.kind,
				outcome = excluded.outcome, purpose = excluded.purpose, emergency = excluded.emergency, sp_id = excluded.sp_id, saved = excluded.saved`,
			owner(actor), x.ids.Next(), s.Name, s.Days, string(s.Organization), s.User, string(s.Kind), s.Outcome, string(s.Purpose), s.Emergency, int64(s.Record), x.now()); err != nil {
			return err
		}
		e := audit.NewEvent(audit.Administered, actor, x.now())
		if s.Record != 0 {
			e = e.About(s.Record)
		}
		e.Action, e.Detail = "U", map[string]string{"interaction": "search saved"}
		return Append(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("auditpg: save search: %w", err)
	}
	return nil
}

// Of returns the searches actor keeps, by name.
func (x *Searches) Of(ctx context.Context, actor hie.Actor) ([]audit.SavedSearch, error) {
	out, err := pg.Collect(ctx, x.db, func(rows *pg.Rows) (audit.SavedSearch, error) {
		var s audit.SavedSearch
		var org, kind, purpose string
		var record int64
		err := rows.Scan(&s.ID, &s.Name, &s.Days, &org, &s.User, &kind, &s.Outcome, &purpose, &s.Emergency, &record, &s.Saved)
		s.Organization, s.Kind, s.Purpose, s.Record, s.Saved = hie.OrgID(org), audit.Kind(kind), hie.Purpose(purpose), hie.SourcePatientID(record), s.Saved.UTC()
		return s, err
	}, `select search_id, name, days, org, user_id, kind, outcome, purpose, emergency, sp_id, saved from audit.saved_search
		where owner = $1 order by name limit 100`, owner(actor))
	if err != nil {
		return nil, fmt.Errorf("auditpg: saved searches: %w", err)
	}
	return out, nil
}

// Forget removes one of actor's searches, or returns hie.ErrNotFound.
func (x *Searches) Forget(ctx context.Context, actor hie.Actor, id int64) error {
	err := pg.InTx(ctx, x.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		n, err := tx.Exec(ctx, `delete from audit.saved_search where owner = $1 and search_id = $2`, owner(actor), id)
		if err != nil {
			return err
		}
		if n == 0 {
			return hie.ErrNotFound
		}
		e := audit.NewEvent(audit.Administered, actor, x.now())
		e.Action, e.Detail = "D", map[string]string{"interaction": "search forgotten"}
		return Append(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("auditpg: forget search: %w", err)
	}
	return nil
}
