package consentpg

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Enter files many first versions, in order, in one transaction: the bulk form of File. A version whose Filed is set
// keeps it, since what a consent means depends on when it was filed beside others; zero is now. One whose record has a
// current version of the same content already is not filed again. It returns how many were filed and how many were there, when
// nothing can leave under the old rules any more. also, unless nil, is told the same and belongs to the transaction: what it returns
// an error for is not filed.
func (s *Store) Enter(ctx context.Context, actor hie.Actor, vs []consent.Version, also func(ctx context.Context, tx *pg.Tx, filed, repeated int) error) (filed, repeated int, err error) {
	if err := s.clock(); err != nil {
		return 0, 0, err
	}
	var records []hie.SourcePatientID
	for _, v := range vs {
		records = append(records, v.Record)
	}
	slices.Sort(records) // locks are taken in one order
	records = slices.Compact(records)
	err = pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		filed, repeated = 0, 0
		if err := s.move(ctx, tx, s.now(), records...); err != nil {
			return err
		}
		now := s.now()
		there, err := currentAt(ctx, tx, records, now)
		if err != nil {
			return err
		}
		var events []audit.Event
		for _, v := range vs {
			if slices.ContainsFunc(there, func(o consent.Version) bool { return o.Record == v.Record && bytes.Equal(o.Content, v.Content) }) {
				repeated++
				continue
			}
			v.ID, v.Number = s.ids.Next(), 1
			if v.Filed.IsZero() || v.Filed.After(now) {
				v.Filed = now
			}
			if err := insert(ctx, tx, v); err != nil {
				return err
			}
			if err := insertEvidence(ctx, tx, s.ids, &v); err != nil {
				return err
			}
			e := changed(actor, v, "C")
			e.Time, e.Detail = now, map[string]string{"status": v.Status, "interaction": "import"}
			events = append(events, e)
			there = append(there, v)
			filed++
		}
		if len(events) > 0 {
			if err := s.audit(ctx, tx, events...); err != nil {
				return err
			}
		}
		if also == nil {
			return nil
		}
		return also(ctx, tx, filed, repeated)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("consentpg: enter: %w", err)
	}
	if filed > 0 {
		time.Sleep(consent.ReleaseLease) // until no gate acts on what it read before the commit
	}
	return filed, repeated, nil
}
