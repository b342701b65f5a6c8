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

// shreddedKey names, in an event's detail, the event whose body was removed.
const shreddedKey = "shredded"

// Shred removes the body and salt of an event for good, with what searches keep of it, and records that. Its leaf
// stays: every proof still holds, and nobody can tell what the event said. reason is a code, never personal data.
//
// It returns hie.ErrNotFound for an event that is not in the tree (yet) or was shredded before.
func Shred(ctx context.Context, db *pg.DB, actor hie.Actor, event, reason string, now time.Time) error {
	if !isUUID(event) {
		return fmt.Errorf("auditpg: shred: %w", hie.ErrNotFound)
	}
	told := audit.NewEvent(audit.Administered, actor, now)
	told.Action, told.Reasons, told.Detail = "D", []string{reason}, map[string]string{shreddedKey: event}
	err := pg.InTx(ctx, db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		// The commit cannot be undone: a restart finds the event whole, or gone with the event that says so.
		n, err := tx.Exec(ctx, `
			update audit.event set salt = null, body = null, user_id = ''
			where id = $1 and body is not null and exists (select from audit.leaf where event_id = $1)`, event)
		if err == nil && n == 0 {
			err = hie.ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from audit.event_record where event_id = $1`, event); err != nil {
			return err
		}
		return Append(ctx, tx, told)
	})
	if err != nil {
		return fmt.Errorf("auditpg: shred: %w", err)
	}
	return nil
}
