package auditpg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Alerts keeps what patients want to be told, and tells them: it reads the audit tree in order, once for all nodes, puts a
// message in the outbox for each event that is an alert to somebody who wants it, and sends what is in there.
//
// Both steps are claimed by rows, so any number of nodes may run them. Each event is looked at once, since the position
// moves in the transaction that writes the messages. A message is sent at least once: a node that ends between sending and
// noting it leaves it to be sent again, under the same message id.
type Alerts struct {
	db *pg.DB
	// Persons returns all records of the person record belongs to, itself among them.
	persons func(ctx context.Context, record hie.SourcePatientID) ([]hie.SourcePatientID, error)
	// endings returns what ends soon of what was said by the person record belongs to; nil finds nothing.
	endings func(ctx context.Context, record hie.SourcePatientID) ([]audit.Ending, error)
	send    func(ctx context.Context, a audit.Alert) error
	now     func() time.Time
	log     *slog.Logger
	// reminded is the last hour this node looked for ends in.
	reminded int64
}

// NewAlerts returns Alerts in db. endings returns what a record's person has said that ends soon, nil when that is not to be
// told; send delivers one message, nil when this node delivers none.
func NewAlerts(db *pg.DB, persons func(context.Context, hie.SourcePatientID) ([]hie.SourcePatientID, error),
	endings func(context.Context, hie.SourcePatientID) ([]audit.Ending, error), send func(context.Context, audit.Alert) error,
	now func() time.Time, log *slog.Logger) *Alerts {
	return &Alerts{db: db, persons: persons, endings: endings, send: send, now: now, log: log}
}

// Setting returns what is set for record; the zero setting of the record when nothing is.
func (a *Alerts) Setting(ctx context.Context, record hie.SourcePatientID) (audit.AlertSetting, error) {
	s := audit.AlertSetting{Record: record}
	var kinds []string
	var confirmed sql.NullTime
	err := a.db.QueryRow(ctx, `select address, language, kinds, changed, confirmed from audit.alert_setting where sp_id = $1`, int64(record)).
		Scan(&s.Address, &s.Language, pg.Array(&kinds), &s.Changed, &confirmed)
	if errors.Is(err, hie.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("auditpg: alert setting: %w", err)
	}
	for _, k := range kinds {
		s.Kinds = append(s.Kinds, audit.AlertKind(k))
	}
	s.Changed = s.Changed.UTC()
	if confirmed.Valid {
		s.Confirmed = confirmed.Time.UTC()
	}
	return s, nil
}

// settings returns what is set for those of records that have a confirmed address, ordered by record.
func (a *Alerts) settings(ctx context.Context, q pg.Querier, records []hie.SourcePatientID) ([]audit.AlertSetting, error) {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = int64(r)
	}
	return pg.Collect(ctx, q, func(rows *pg.Rows) (audit.AlertSetting, error) {
		var record int64
		var s audit.AlertSetting
		var kinds []string
		err := rows.Scan(&record, &s.Address, &s.Language, pg.Array(&kinds))
		s.Record = hie.SourcePatientID(record)
		for _, k := range kinds {
			s.Kinds = append(s.Kinds, audit.AlertKind(k))
		}
		return s, err
	}, `select sp_id, address, language, kinds from audit.alert_setting where sp_id = any($1) and address <> '' and confirmed is not null order by sp_id`, pg.Few(ids))
}

// Set replaces what is set for s.Record, on record. An address that changes is not confirmed, and what waited to be sent to the
// one before is not sent. Errors: s.Check's.
func (a *Alerts) Set(ctx context.Context, actor hie.Actor, s audit.AlertSetting) error {
	if err := s.Check(); err != nil {
		return err
	}
	kinds := make([]string, len(s.Kinds))
	for i, k := range s.Kinds {
		kinds[i] = string(k)
	}
	now := a.now()
	err := pg.InTx(ctx, a.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, `
			insert into audit.alert_setting (sp_id, address, language, kinds, changed) values ($1, $2, $3, $4, $5)
			on conflict (sp_id) do update set address = excluded.address, language = excluded.language, kinds = excluded.kinds, changed = excluded.changed,
				confirmed = case when alert_setting.address = excluded.address then alert_setting.confirmed end,
				code_hash = case when alert_setting.address = excluded.address then alert_setting.code_hash else '' end`,
			int64(s.Record), s.Address, s.Language, kinds, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update audit.alert_outbox set done = $3 where sp_id = $1 and address <> $2 and done is null`, int64(s.Record), s.Address, now); err != nil {
			return err
		}
		e := audit.NewEvent(audit.Administered, actor, now).About(s.Record)
		e.Action, e.Detail = "U", map[string]string{"interaction": "alerts set"}
		return Append(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("auditpg: set alerts: %w", err)
	}
	return nil
}

const (
	alertPosition = "alerts"
	// alertBatch is how many events one step looks at, mailBatch how many messages one step sends.
	alertBatch = 200
	mailBatch  = 20
	alertPause = 2 * time.Second
)

// Run looks and sends until ctx ends. What fails is tried again at the next step.
func (a *Alerts) Run(ctx context.Context) {
	for {
		more, err := a.Look(ctx)
		if err == nil {
			err = a.Remind(ctx)
		}
		if err == nil && a.send != nil {
			var sent bool
			sent, err = a.Send(ctx)
			more = more || sent
		}
		if err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "alerts failed", "kind", err.Error())
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(alertPause):
		}
	}
}

// Look puts messages in the outbox for the next events of the tree, and reports whether there may be more. The first look
// ever begins at the end of the tree: nobody is told of what happened before there were alerts.
func (a *Alerts) Look(ctx context.Context) (more bool, err error) {
	err = pg.InTx(ctx, a.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		more = false
		if _, err := tx.Exec(ctx, `
			insert into audit.alert_position (name, seq) select $1, coalesce(max(seq) + 1, 0) from audit.leaf
			on conflict (name) do nothing`, alertPosition); err != nil {
			return err
		}
		var seq int64
		if err := tx.QueryRow(ctx, `select seq from audit.alert_position where name = $1 for update`, alertPosition).Scan(&seq); err != nil {
			return err
		}
		var wanted bool
		if err := tx.QueryRow(ctx, `/* all shards: whether anybody at all wants mail */
			select exists (select from audit.alert_setting where address <> '' and confirmed is not null)`).Scan(&wanted); err != nil {
			return err
		}
		var events []audit.Event
		if wanted { // else nothing that happened need be read
			var err error
			if events, err = pg.Collect(ctx, tx, scanEvent, `
				select e.body from audit.leaf l join audit.event e on e.id = l.event_id
				where l.seq >= $1 and l.seq < $2 and e.body is not null and e.kind = any($3) order by l.seq`, seq, seq+alertBatch,
				[]string{string(audit.EmergencyClaimed), string(audit.ConsentChanged), string(audit.LinkChanged), string(audit.Disclosed)}); err != nil {
				return err
			}
		}
		for _, e := range events {
			if err := a.enqueue(ctx, tx, e); err != nil {
				return err
			}
		}
		var top int64
		if err := tx.QueryRow(ctx, `select coalesce(max(seq) + 1, 0) from audit.leaf where seq < $1`, seq+alertBatch).Scan(&top); err != nil {
			return err
		}
		if top <= seq {
			return nil
		}
		more = top == seq+alertBatch
		_, err := tx.Exec(ctx, `update audit.alert_position set seq = $2 where name = $1`, alertPosition, top)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("auditpg: look for alerts: %w", err)
	}
	return more, nil
}

// remindEvery is how often ends that come near are looked for, remindBatch how many patients are read at a time.
const (
	endingPosition = "endings"
	remindEvery    = time.Hour
	remindBatch    = 100
)

// Remind puts a message in the outbox for each end that has come near, once an hour for all nodes. A node that ends midway
// leaves the rest to the next hour: messages are named by what ends, so nobody is told twice.
func (a *Alerts) Remind(ctx context.Context) error {
	hour := a.now().UnixMicro() / remindEvery.Microseconds()
	if a.endings == nil || hour <= a.reminded {
		return nil
	}
	a.reminded = hour
	n, err := a.db.Exec(ctx, `
		insert into audit.alert_position (name, seq) values ($1, $2)
		on conflict (name) do update set seq = excluded.seq where alert_position.seq < excluded.seq`, endingPosition, hour)
	if err != nil {
		return fmt.Errorf("auditpg: remind: %w", err)
	}
	for after, more := int64(0), n > 0; more; {
		if after, more, err = a.remind(ctx, after); err != nil {
			return fmt.Errorf("auditpg: remind: %w", err)
		}
	}
	return nil
}

// remind does the work of Remind for the next patients after a record, and returns the last and whether there may be more.
func (a *Alerts) remind(ctx context.Context, after int64) (last int64, more bool, err error) {
	settings, err := pg.Collect(ctx, a.db, func(rows *pg.Rows) (audit.AlertSetting, error) {
		var record int64
		var s audit.AlertSetting
		err := rows.Scan(&record, &s.Address, &s.Language)
		s.Record = hie.SourcePatientID(record)
		return s, err
	}, `/* all shards: everybody who wants to be told of an end, once an hour */
		select sp_id, address, language from audit.alert_setting
		where sp_id > $1 and address <> '' and confirmed is not null and $2 = any(kinds) order by sp_id limit $3`,
		after, string(audit.AlertEnding), remindBatch)
	if err != nil {
		return 0, false, err
	}
	for _, s := range settings {
		last = int64(s.Record)
		ends, err := a.endings(ctx, s.Record)
		if err != nil {
			return 0, false, err
		}
		for _, x := range ends {
			if _, err := a.db.Exec(ctx, `
				insert into audit.alert_outbox (event_id, sp_id, kind, address, language, created, next) values ($1, $2, $3, $4, $5, $6, $6)
				on conflict (event_id, sp_id) do nothing`, x.Event(), last, string(audit.AlertEnding), s.Address, s.Language, a.now()); err != nil {
				return 0, false, err
			}
		}
	}
	return last, len(settings) == remindBatch, nil
}

// enqueue writes the messages e causes. Somebody with several records is told once.
func (a *Alerts) enqueue(ctx context.Context, tx *pg.Tx, e audit.Event) error {
	told := map[hie.SourcePatientID]bool{}
	for _, record := range e.Records {
		if told[record] {
			continue
		}
		own, err := a.persons(ctx, record)
		if err != nil {
			return err
		}
		for _, r := range own {
			told[r] = true
		}
		settings, err := a.settings(ctx, tx, own)
		if err != nil {
			return err
		}
		for _, s := range settings {
			kind, err := a.kind(ctx, tx, e, own)
			if err != nil {
				return err
			}
			if !wants(s, kind) {
				continue
			}
			now := a.now()
			if _, err := tx.Exec(ctx, `
				insert into audit.alert_outbox (event_id, sp_id, kind, address, language, created, next) values ($1, $2, $3, $4, $5, $6, $6)
				on conflict (event_id, sp_id) do nothing`, e.ID, int64(s.Record), string(kind), s.Address, s.Language, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func wants(s audit.AlertSetting, kind audit.AlertKind) bool {
	for _, k := range s.Kinds {
		if k == kind {
			return true
		}
	}
	return false
}

// kind is AlertOf, with a look at whether e's organisation was shown something of these records before.
func (a *Alerts) kind(ctx context.Context, tx *pg.Tx, e audit.Event, own []hie.SourcePatientID) (audit.AlertKind, error) {
	first := e.Kind == audit.Disclosed
	for _, r := range own {
		if !first {
			break
		}
		var before bool
		err := tx.QueryRow(ctx, `
			select exists (select 1 from audit.event_record r join audit.event e on e.id = r.event_id
				where r.sp_id = $1 and r.event_id < $2 and e.kind = $3 and e.org_id = $4 and e.outcome = $5)`,
			int64(r), e.ID, string(audit.Disclosed), string(e.Actor.Organization), string(audit.Success)).Scan(&before)
		if err != nil {
			return "", err
		}
		first = !before
	}
	return audit.AlertOf(e, first), nil
}

// Send sends the messages that are due, and reports whether there may be more.
func (a *Alerts) Send(ctx context.Context) (more bool, err error) {
	for range mailBatch {
		sent, err := a.sendOne(ctx)
		if err != nil {
			return false, fmt.Errorf("auditpg: send alert: %w", err)
		}
		if !sent {
			return false, nil
		}
	}
	return true, nil
}

// sendLease is for how long a node that claimed a message has it to itself: longer than a mail server may take.
const sendLease = time.Minute

// sendOne claims one due message by moving when it is next tried, sends it, and notes what became of it.
func (a *Alerts) sendOne(ctx context.Context) (found bool, err error) {
	now := a.now()
	var m audit.Alert
	var sp int64
	var kind string
	var due time.Time
	err = a.db.QueryRow(ctx, `
		select event_id, sp_id, kind, address, language, attempts, next from audit.alert_outbox
		where done is null and next <= $1 order by next limit 1`, now).Scan(&m.Event, &sp, &kind, &m.Address, &m.Language, &m.Attempts, &due)
	if errors.Is(err, hie.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n, err := a.db.Exec(ctx, `
		update audit.alert_outbox set next = $4, attempts = attempts + 1
		where event_id = $1 and sp_id = $2 and next = $3 and done is null`, m.Event, sp, due, now.Add(sendLease))
	if err != nil || n == 0 { // another node has it
		return n == 0 && err == nil, err
	}
	m.Record, m.Kind = hie.SourcePatientID(sp), audit.AlertKind(kind)
	failed := a.send(ctx, m)
	next, again := audit.Retry(m.Attempts, now)
	switch {
	case failed != nil && again:
		_, err = a.db.Exec(ctx, `update audit.alert_outbox set next = $3 where event_id = $1 and sp_id = $2`, m.Event, sp, next)
	default:
		_, err = a.db.Exec(ctx, `update audit.alert_outbox set done = $3, sent = $4 where event_id = $1 and sp_id = $2`, m.Event, sp, now, failed == nil)
	}
	return true, err
}
