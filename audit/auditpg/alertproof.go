package auditpg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Ask sends a code to the address set for record, which confirms it when it is typed. The code is on file, as a hash, before
// it is sent. Errors: hie.ErrNotFound when there is no address or it is confirmed, hie.ErrConflict when codes were sent too
// lately or too often, hie.ErrUnavailable when the mail server did not take it.
func (a *Alerts) Ask(ctx context.Context, actor hie.Actor, record hie.SourcePatientID) error {
	m := audit.Alert{Event: audit.NewEvent(audit.Administered, actor, a.now()).ID, Record: record, Kind: audit.AlertCode}
	now := a.now()
	err := pg.InTx(ctx, a.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		p, confirmed, err := readProof(ctx, tx, record, &m)
		switch {
		case err != nil:
			return err
		case confirmed || m.Address == "":
			return hie.ErrNotFound
		case !p.MayAsk(now):
			return hie.ErrConflict
		}
		m.Code, p = p.Ask(record, now)
		if _, err := tx.Exec(ctx, `update audit.alert_setting set code_hash = $2, code_sent = $3, code_tries = 0, code_count = $4 where sp_id = $1`,
			int64(record), p.Hash, p.Sent, p.Count); err != nil {
			return err
		}
		return Append(ctx, tx, alertEvent(actor, record, a, "alert address asked"))
	})
	if err != nil {
		return fmt.Errorf("auditpg: ask for an alert address: %w", err)
	}
	if a.send == nil || a.send(ctx, m) != nil {
		return fmt.Errorf("auditpg: ask for an alert address: %w", hie.ErrUnavailable)
	}
	return nil
}

// Confirm notes that the address set for record is the patient's, who typed code; false when that is not the code that was
// sent, or it can no longer be used.
func (a *Alerts) Confirm(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, code string) (bool, error) {
	ok := false
	err := pg.InTx(ctx, a.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		ok = false
		var m audit.Alert
		p, confirmed, err := readProof(ctx, tx, record, &m)
		if errors.Is(err, hie.ErrNotFound) || err == nil && (confirmed || m.Address == "") {
			ok = confirmed
			return nil
		}
		if err != nil {
			return err
		}
		if !p.Proves(record, code, a.now()) {
			_, err := tx.Exec(ctx, `update audit.alert_setting set code_tries = code_tries + 1 where sp_id = $1`, int64(record))
			return err
		}
		ok = true
		if _, err := tx.Exec(ctx, `update audit.alert_setting set confirmed = $2, code_hash = '', code_count = 0 where sp_id = $1`, int64(record), a.now()); err != nil {
			return err
		}
		return Append(ctx, tx, alertEvent(actor, record, a, "alert address confirmed"))
	})
	if err != nil {
		return false, fmt.Errorf("auditpg: confirm an alert address: %w", err)
	}
	return ok, nil
}

// Waits reports whether a code that was sent to the address of record can still be typed.
func (a *Alerts) Waits(ctx context.Context, record hie.SourcePatientID) (bool, error) {
	waits := false
	err := pg.InTx(ctx, a.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		p, confirmed, err := readProof(ctx, tx, record, &audit.Alert{})
		if errors.Is(err, hie.ErrNotFound) {
			return nil
		}
		waits = !confirmed && p.Waits(a.now())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("auditpg: alert address: %w", err)
	}
	return waits, nil
}

// readProof reads how far the proof of record's address has come, for a change in the same transaction, and into m where mail
// goes and in what language.
func readProof(ctx context.Context, tx *pg.Tx, record hie.SourcePatientID, m *audit.Alert) (p audit.AlertProof, confirmed bool, err error) {
	var sent sql.NullTime
	err = tx.QueryRow(ctx, `select address, language, confirmed is not null, code_hash, code_sent, code_tries, code_count from audit.alert_setting where sp_id = $1 for update`,
		int64(record)).Scan(&m.Address, &m.Language, &confirmed, &p.Hash, &sent, &p.Tries, &p.Count)
	if sent.Valid {
		p.Sent = sent.Time.UTC()
	}
	return p, confirmed, err
}

func alertEvent(actor hie.Actor, record hie.SourcePatientID, a *Alerts, what string) audit.Event {
	e := audit.NewEvent(audit.Administered, actor, a.now()).About(record)
	e.Action, e.Detail = "U", map[string]string{"interaction": what}
	return e
}
