package locatorpg

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// ensureKinds makes sure that the rows of kinds exist before a transaction names them: each new one in a
// short transaction of its own, since writes to a reference table wait for each other until commit.
//
// Source: spec scale-out section 3 (code dictionary).
func (s *Store) ensureKinds(ctx context.Context, kinds ...locator.Kind) error {
	for _, k := range kinds {
		if known, ok := s.kinds.get(k.ID); ok {
			if !known.Equal(k) {
				return fmt.Errorf("locatorpg: two kinds of documents share one hash")
			}
			continue
		}
		err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
			_, err := tx.Exec(ctx, `
				insert into locator.kind (kind_id, classes, types, confidentiality, sensitivity, labelled)
				values ($1, $2, $3, $4, $5, $6) on conflict (kind_id) do nothing`,
				k.ID, texts(k.Classes), texts(k.Types), k.Confidentiality, texts(k.Sensitivity), k.Labelled)
			return err
		})
		if err != nil {
			return err
		}
		stored, err := s.loadKinds(ctx, k.ID)
		if err != nil {
			return err
		}
		if len(stored) != 1 || !stored[0].Equal(k) {
			return fmt.Errorf("locatorpg: two kinds of documents share one hash")
		}
	}
	return nil
}

const selectKinds = `select kind_id, classes, types, confidentiality, sensitivity, labelled from locator.kind where kind_id = any($1)`

// loadKinds reads kinds, and keeps them in the cache; those that do not exist are left out.
func (s *Store) loadKinds(ctx context.Context, ids ...int64) ([]locator.Kind, error) {
	kinds, err := pg.Collect(ctx, s.db, scanKind, selectKinds, ids)
	if err != nil {
		return nil, err
	}
	s.kinds.put(kinds...)
	return kinds, nil
}

func scanKind(r *pg.Rows) (locator.Kind, error) {
	var k locator.Kind
	err := r.Scan(&k.ID, pg.Array(&k.Classes), pg.Array(&k.Types), &k.Confidentiality, pg.Array(&k.Sensitivity), &k.Labelled)
	return k, err
}

// named fills in the kinds of ps.
func (s *Store) named(ctx context.Context, ps []locator.Pointer) error {
	kinds := make([]*locator.Kind, len(ps))
	for i := range ps {
		kinds[i] = &ps[i].Kind
	}
	return s.fill(ctx, kinds)
}

// fill fills in kinds of which only the ids are known, from the cache, reading those it lacks first: what a kind is never changes.
func (s *Store) fill(ctx context.Context, kinds []*locator.Kind) error {
	var missing []int64
	for _, k := range kinds {
		if known, ok := s.kinds.get(k.ID); ok {
			*k = known
		} else {
			missing = append(missing, k.ID)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	read, err := s.loadKinds(ctx, missing...)
	if err != nil {
		return err
	}
	byID := make(map[int64]locator.Kind, len(read))
	for _, k := range read {
		byID[k.ID] = k
	}
	for _, k := range kinds {
		if !slices.Contains(missing, k.ID) {
			continue
		}
		known, ok := byID[k.ID]
		if !ok {
			return fmt.Errorf("locatorpg: a row names a kind that is not there")
		}
		*k = known
	}
	return nil
}

// texts and numbers make nil slices empty arrays, which a nil would not be.
func texts(ss []string) []string {
	if ss == nil {
		return []string{}
	}
	return ss
}

func numbers(ns []int64) []int64 {
	if ns == nil {
		return []int64{}
	}
	return ns
}
