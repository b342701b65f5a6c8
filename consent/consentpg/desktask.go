package consentpg

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// findingKey is what claims a desk task.
type findingKey struct {
	record                    hie.SourcePatientID
	kind                      consent.FindingKind
	directive, version, other int64
	mark                      string
}

func keyOf(t consent.DeskTask) findingKey {
	directive, _ := strconv.ParseInt(t.Directive.ID, 10, 64) // ids of the store are numbers
	other, _ := strconv.ParseInt(t.Other.ID, 10, 64)
	return findingKey{t.Record, t.Kind, directive, t.Directive.Version, other, t.Mark}
}

// SyncTasks brings the open tasks about records in step with what was found about them now: what is new is opened, each
// once however many look at a time; what is no more is closed as gone, and opened again should it be found again, as when a
// link is undone and made anew. What somebody settled stays settled. found holds Record, Organization and Finding.
func (s *Store) SyncTasks(ctx context.Context, records []hie.SourcePatientID, found []consent.DeskTask) error {
	now := s.now()
	open, err := pg.Collect(ctx, s.db, scanDeskTask, selectDeskTask+`where sp_id = any($1) and closed is null order by task_id`, numbers(records))
	if err != nil {
		return fmt.Errorf("consentpg: sync tasks: %w", err)
	}
	for _, t := range open {
		if slices.ContainsFunc(found, func(f consent.DeskTask) bool { return keyOf(f) == keyOf(t) }) {
			continue
		}
		if _, err := s.db.Exec(ctx, `
			update consent.desk_task set closed = $2, finding = 'gone' where task_id = $1 and closed is null`, t.ID, now); err != nil {
			return fmt.Errorf("consentpg: sync tasks: %w", err)
		}
	}
	for _, t := range found {
		k := keyOf(t)
		var due *time.Time
		if !t.Due.IsZero() {
			due = &t.Due
		}
		detail := t.Detail
		if detail == nil {
			detail = []string{}
		}
		if _, err := s.db.Exec(ctx, `
			insert into consent.desk_task (task_id, kind, sp_id, directive_id, version, other_id, mark, org, opened, due, detail)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			on conflict (sp_id, kind, directive_id, version, other_id, mark) do update
			set closed = null, finding = '', opened = excluded.opened, due = excluded.due, detail = excluded.detail
			where desk_task.finding = 'gone'`,
			s.ids.Next(), string(k.kind), int64(k.record), k.directive, k.version, k.other, k.mark, string(t.Organization), now, due, detail); err != nil {
			return fmt.Errorf("consentpg: sync tasks: %w", err)
		}
	}
	return nil
}

const selectDeskTask = `
	/* all shards: a managed local table, read by staff */
	select task_id, kind, sp_id, directive_id, version, other_id, mark, org, opened, due, detail, closed, closed_by, finding, note
	from consent.desk_task `

func scanDeskTask(rows *pg.Rows) (consent.DeskTask, error) {
	var t consent.DeskTask
	var kind, org string
	var record, directive, other int64
	var due, closed *time.Time
	err := rows.Scan(&t.ID, &kind, &record, &directive, &t.Directive.Version, &other, &t.Mark, &org, &t.Opened, &due, pg.Array(&t.Detail),
		&closed, &t.ClosedBy, &t.Outcome, &t.Note)
	t.Kind, t.Record, t.Organization, t.Opened = consent.FindingKind(kind), hie.SourcePatientID(record), hie.OrgID(org), t.Opened.UTC()
	t.Directive.ID = strconv.FormatInt(directive, 10)
	if other != 0 {
		t.Other.ID = strconv.FormatInt(other, 10)
	}
	t.Due, t.Closed = utc(due), utc(closed)
	return t, err
}

// DeskTasks returns desk tasks, oldest first, and whether there are more.
func (s *Store) DeskTasks(ctx context.Context, f consent.DeskFilter) (_ []consent.DeskTask, more bool, err error) {
	out, err := pg.Collect(ctx, s.db, scanDeskTask, selectDeskTask+`
		where task_id > $1 and (closed is not null) = $2 and ($3 = '' or kind = $3) and ($4 = '' or org = $4) and ($5::bigint = 0 or sp_id = $5)
		order by task_id limit $6`, f.After, f.Closed, string(f.Kind), string(f.Organization), int64(f.Record), f.Limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("consentpg: desk tasks: %w", err)
	}
	if len(out) > f.Limit {
		return out[:f.Limit], true, nil
	}
	return out, false, nil
}

// DeskTask returns one desk task, or hie.ErrNotFound.
func (s *Store) DeskTask(ctx context.Context, id int64) (consent.DeskTask, error) {
	out, err := pg.Collect(ctx, s.db, scanDeskTask, selectDeskTask+`where task_id = $1`, id)
	if err == nil && len(out) == 0 {
		err = hie.ErrNotFound
	}
	if err != nil {
		return consent.DeskTask{}, fmt.Errorf("consentpg: desk task: %w", err)
	}
	return out[0], nil
}

// SettleTask closes a desk task with a note. It returns hie.ErrNotFound for a task there is not, and hie.ErrConflict for
// one that is closed already.
func (s *Store) SettleTask(ctx context.Context, actor hie.Actor, id int64, note string) error {
	t, err := s.DeskTask(ctx, id)
	if err != nil {
		return err
	}
	now := s.now()
	err = pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		n, err := tx.Exec(ctx, `
			update consent.desk_task set closed = $2, closed_by = $3, finding = 'settled', note = $4 where task_id = $1 and closed is null`,
			id, now, string(actor.Organization)+"/"+actor.User, note)
		if err == nil && n == 0 {
			err = hie.ErrConflict
		}
		if err != nil {
			return err
		}
		e := audit.NewEvent(audit.Administered, actor, now).About(t.Record)
		e.Action, e.Detail = "U", map[string]string{"interaction": "consent task " + string(t.Kind)}
		return s.audit(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("consentpg: settle task: %w", err)
	}
	return nil
}

// Stated returns at most limit records on which directives were given, behind after, in order: what a sweep goes through.
func (s *Store) Stated(ctx context.Context, after hie.SourcePatientID, limit int) ([]hie.SourcePatientID, error) {
	out, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (hie.SourcePatientID, error) {
		var id int64
		err := rows.Scan(&id)
		return hie.SourcePatientID(id), err
	}, `
		/* all shards: a nightly sweep beside requests */
		select distinct sp_id from consent.directive where sp_id > $1 order by sp_id limit $2`, int64(after), limit)
	if err != nil {
		return nil, fmt.Errorf("consentpg: stated: %w", err)
	}
	return out, nil
}

// sweepFor is how long a sweep that was begun is taken to be under way.
const sweepFor = time.Hour

// BeginSweep reports whether the last sweep was done so long ago, and none is under way: then the caller's is. The row decides
// between nodes that ask at once.
func (s *Store) BeginSweep(ctx context.Context, every time.Duration) (due bool, err error) {
	now := s.now()
	n, err := s.db.Exec(ctx, `update consent.desk_sweep set begun = $1 where id = 1 and done <= $2 and begun <= $3`, now, now.Add(-every), now.Add(-sweepFor))
	if err != nil {
		return false, fmt.Errorf("consentpg: begin sweep: %w", err)
	}
	return n == 1, nil
}

// EndSweep records that a sweep was done.
func (s *Store) EndSweep(ctx context.Context) error {
	if _, err := s.db.Exec(ctx, `update consent.desk_sweep set done = $1 where id = 1`, s.now()); err != nil {
		return fmt.Errorf("consentpg: end sweep: %w", err)
	}
	return nil
}
