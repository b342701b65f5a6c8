package locatorpg

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// errNewKind ends a transaction whose change leads to a kind that has no row yet.
var errNewKind = errors.New("locatorpg: the kind is not stored yet")

// Change implements locator.Store.
func (s *Store) Change(ctx context.Context, ref locator.Ref, at time.Time, change func(locator.Pointer) (locator.Pointer, []audit.Event, error)) (locator.Pointer, error) {
	for {
		var p locator.Pointer
		err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
			var err error
			p, err = s.change(ctx, tx, ref, at, change)
			return err
		})
		if !errors.Is(err, errNewKind) {
			return p, err
		}
		if err := s.ensureKinds(ctx, p.Kind); err != nil { // in a transaction of its own, holding no lock
			return locator.Pointer{}, err
		}
	}
}

func (s *Store) change(ctx context.Context, tx *pg.Tx, ref locator.Ref, at time.Time, change func(locator.Pointer) (locator.Pointer, []audit.Event, error)) (locator.Pointer, error) {
	old, err := s.lock(ctx, tx, ref)
	if err != nil {
		return locator.Pointer{}, err
	}
	p, events, err := change(old)
	if err != nil {
		return locator.Pointer{}, err
	}
	if _, known := s.kinds.get(p.Kind.ID); !known {
		return p, errNewKind
	}
	if err := keepHistory(ctx, tx, old, "revised", at); err != nil {
		return locator.Pointer{}, err
	}
	if _, err := tx.Exec(ctx, `
		with body as (update locator.pointer_body set received = $26 where sp_id = $24 and ptr_id = $25)
		update locator.pointer set sort_at = $3, kind = $4, version = $5, size = $6, published = $7, updated = $8, date_lo = $9, date_hi = $10,
			creation_lo = $11, creation_hi = $12, period_lo = $13, period_hi = $14, status = $15, site = $16, custodian = $17, endpoint = $18,
			path = $19, hash = $20, terms = $21, names = $22, detail = $23
		where sp_id = $1 and ptr_id = $2`, pointerArgs(p)...); err != nil {
		return locator.Pointer{}, err
	}
	var pr presence
	pr.add(old, -1, -current(old))
	pr.add(p, 1, current(p))
	if err := pr.write(ctx, tx); err != nil {
		return locator.Pointer{}, err
	}
	if err := pr.renew(ctx, tx); err != nil {
		return locator.Pointer{}, err
	}
	if !p.RuledAs(old) {
		if err := epoch.Move(ctx, tx, p.Record, p.Updated); err != nil {
			return locator.Pointer{}, err
		}
	}
	return p, s.append(ctx, tx, events...)
}

// lock reads one pointer for a change. Its kind is in the cache or read inside the transaction.
func (s *Store) lock(ctx context.Context, tx *pg.Tx, ref locator.Ref) (locator.Pointer, error) {
	p, err := readPointer(ctx, tx, selectPointerForUpdate, ref)
	if err != nil {
		return locator.Pointer{}, err
	}
	if k, known := s.kinds.get(p.Kind.ID); known {
		p.Kind = k
		return p, nil
	}
	kinds, err := pg.Collect(ctx, tx, scanKind, selectKinds, []int64{p.Kind.ID})
	if err != nil {
		return locator.Pointer{}, err
	}
	s.kinds.put(kinds...)
	if len(kinds) == 1 {
		p.Kind = kinds[0]
	}
	return p, nil
}

func current(p locator.Pointer) int64 {
	if p.Status == locator.Current {
		return 1
	}
	return 0
}

// Remove implements locator.Store.
func (s *Store) Remove(ctx context.Context, ref locator.Ref, at time.Time, allow func(old locator.Pointer, named bool) ([]audit.Event, error)) error {
	return pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		old, err := s.lock(ctx, tx, ref)
		if err != nil {
			return err
		}
		var named bool // nobody can begin to name it now: that takes a lock on the row this one holds
		if err := tx.QueryRow(ctx, `select exists (select from locator.relation where sp_id = $1 and target_ptr_id = $2)`,
			int64(ref.Record), int64(ref.ID)).Scan(&named); err != nil {
			return err
		}
		events, err := allow(old, named)
		if err != nil {
			return err
		}
		if err := keepHistory(ctx, tx, old, "deleted", at); err != nil {
			return err
		}
		claim := locator.ClaimOf(old)
		for _, step := range []struct {
			text string
			args []any
		}{
			{`delete from locator.pointer where sp_id = $1 and ptr_id = $2`, []any{int64(ref.Record), int64(ref.ID)}},
			{`delete from locator.pointer_body where sp_id = $1 and ptr_id = $2`, []any{int64(ref.Record), int64(ref.ID)}},
			{`delete from locator.relation where sp_id = $1 and ptr_id = $2`, []any{int64(ref.Record), int64(ref.ID)}},
			{`delete from locator.list_item where sp_id = $1 and ptr_id = $2`, []any{int64(ref.Record), int64(ref.ID)}},
		} {
			if _, err := tx.Exec(ctx, step.text, step.args...); err != nil {
				return err
			}
		}
		var pr presence
		pr.add(old, -1, -current(old))
		if err := pr.write(ctx, tx); err != nil {
			return err
		}
		if err := pr.renew(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from locator.doc_key where claim = $1 and sp_id = $2 and ptr_id = $3`, claim[:], int64(ref.Record), int64(ref.ID)); err != nil {
			return err
		}
		return s.append(ctx, tx, events...)
	})
}
