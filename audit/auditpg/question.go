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

// Questions keeps what patients ask about lines of their access history. Asking and answering are on record.
type Questions struct {
	db  *pg.DB
	ids *hie.IDs
	now func() time.Time
}

// NewQuestions returns Questions in db.
func NewQuestions(db *pg.DB, ids *hie.IDs, now func() time.Time) *Questions {
	return &Questions{db: db, ids: ids, now: now}
}

// Ask files a question about event, a line of the history of record. Whether actor is shown that line is the caller's to
// have made sure of. Errors: audit.CheckWords'.
func (q *Questions) Ask(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, event, words string) error {
	if err := audit.CheckWords(words); err != nil {
		return err
	}
	if !isUUID(event) {
		return fmt.Errorf("auditpg: ask: %w", hie.ErrNotFound)
	}
	now := q.now()
	err := pg.InTx(ctx, q.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, `insert into audit.question (sp_id, question_id, event_id, asked, words) values ($1, $2, $3, $4, $5)`,
			int64(record), q.ids.Next(), event, now, words); err != nil {
			return err
		}
		return Append(ctx, tx, questioned(actor, now, record, event, "question asked"))
	})
	if err != nil {
		return fmt.Errorf("auditpg: ask: %w", err)
	}
	return nil
}

func questioned(actor hie.Actor, now time.Time, record hie.SourcePatientID, event, interaction string) audit.Event {
	e := audit.NewEvent(audit.Administered, actor, now).About(record)
	e.Action, e.Ground = "U", []string{"event " + event}
	e.Detail = map[string]string{"interaction": interaction}
	return e
}

const questionColumns = `sp_id, question_id, event_id, asked, words, answered, answered_by, answer`

func scanQuestion(rows *pg.Rows) (audit.Question, error) {
	var out audit.Question
	var record int64
	var answered sql.NullTime
	err := rows.Scan(&record, &out.ID, &out.Event, &out.Asked, &out.Words, &answered, &out.AnsweredBy, &out.Answer)
	out.Record, out.Asked = hie.SourcePatientID(record), out.Asked.UTC()
	if answered.Valid {
		out.Answered = answered.Time.UTC()
	}
	return out, err
}

// Of returns the questions asked about record, newest first.
func (q *Questions) Of(ctx context.Context, record hie.SourcePatientID) ([]audit.Question, error) {
	out, err := pg.Collect(ctx, q.db, scanQuestion, `select `+questionColumns+` from audit.question where sp_id = $1 order by question_id desc limit 100`, int64(record))
	if err != nil {
		return nil, fmt.Errorf("auditpg: questions: %w", err)
	}
	return out, nil
}

// Open returns at most limit questions nobody has answered, oldest first.
func (q *Questions) Open(ctx context.Context, limit int) ([]audit.Question, error) {
	out, err := pg.Collect(ctx, q.db, scanQuestion, `
		/* all shards: the list of privacy officers */
		select `+questionColumns+` from audit.question where answered is null order by asked limit $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("auditpg: open questions: %w", err)
	}
	return out, nil
}

// Answer answers a question, once: hie.ErrConflict when somebody has, or there is none. Errors: audit.CheckWords' too.
func (q *Questions) Answer(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, id int64, words string) error {
	if err := audit.CheckWords(words); err != nil {
		return err
	}
	now := q.now()
	err := pg.InTx(ctx, q.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		n, err := tx.Exec(ctx, `
			update audit.question set answered = $3, answered_by = $4, answer = $5
			where sp_id = $1 and question_id = $2 and answered is null`, int64(record), id, now, string(actor.Organization)+"/"+actor.User, words)
		if err != nil {
			return err
		}
		if n == 0 {
			return hie.ErrConflict
		}
		e := questioned(actor, now, record, "", "question answered")
		e.Ground = nil
		return Append(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("auditpg: answer: %w", err)
	}
	return nil
}
