package consentpg

import (
	"context"
	"database/sql"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// A recording is one version of what officers put down about a registration: a representative, a legal basis. Versions are
// only ever added.
type recording struct {
	record     hie.SourcePatientID
	id, number *int64     // id is 0 for the first version of a new one
	at         *time.Time // when it is recorded
	// current is the statement that returns the number of the current version of (record, id).
	current string
	// insert adds the version; id, number and at are set.
	insert func(tx *pg.Tx) error
	// detail is what the audit event says of it.
	detail map[string]string
}

// keep adds r: the first version of a new one, or the one after expected, which must be current. It returns when nothing can
// leave under the old rules any more. Errors: hie.ErrNotFound when there is no such id of the record; hie.ErrStale when
// expected is not current.
func (s *Store) keep(ctx context.Context, actor hie.Actor, expected int64, r recording) error {
	if err := s.clock(); err != nil {
		return err
	}
	action := "U"
	if *r.id == 0 {
		*r.id, action, expected = s.ids.Next(), "C", 0
	}
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if err := s.move(ctx, tx, s.now(), r.record); err != nil { // writers of one record queue here
			return err
		}
		*r.at = s.now()
		if action == "U" {
			var current int64
			if err := tx.QueryRow(ctx, r.current, int64(r.record), *r.id).Scan(&current); err != nil {
				return err
			}
			if current != expected {
				return hie.ErrStale
			}
		}
		*r.number = expected + 1
		if err := r.insert(tx); err != nil {
			return err
		}
		e := audit.NewEvent(audit.ConsentChanged, actor, *r.at).About(r.record)
		e.Action, e.Detail = action, r.detail
		return s.audit(ctx, tx, e)
	})
	if err == nil {
		s.settle(ctx, r.record)
	}
	return err
}
