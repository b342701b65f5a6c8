package consentpg

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// maxOpenReports bounds how many requests about one record wait for an answer. Asked at once more may come to wait.
const maxOpenReports = 20

// AskReport files what a patient asks for, on record, and returns it with its ID and day. Errors: consent.NewReportRequest's; hie.ErrConflict
// when too many wait for an answer already.
func (s *Store) AskReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest) (consent.ReportRequest, error) {
	now := s.now()
	r, err := consent.NewReportRequest(r, now)
	if err != nil {
		return r, err
	}
	r.ID = s.ids.Next()
	err = pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		var open int
		if err := tx.QueryRow(ctx, `select count(*) from consent.report_request where sp_id = $1 and answered is null`, int64(r.Record)).Scan(&open); err != nil {
			return err
		}
		if r.Answered.IsZero() && open >= maxOpenReports {
			return hie.ErrConflict
		}
		if _, err := tx.Exec(ctx, `
			insert into consent.report_request (sp_id, request_id, kind, law, org, words, asked, due, answered, outcome)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			int64(r.Record), r.ID, string(r.Kind), r.Law, string(r.Organization), r.Words, r.Asked, r.Due,
			sql.NullTime{Time: r.Answered, Valid: !r.Answered.IsZero()}, string(r.Outcome)); err != nil {
			return err
		}
		return s.audit(ctx, tx, s.reported(actor, &r, "report asked"))
	})
	if err != nil {
		return consent.ReportRequest{}, fmt.Errorf("consentpg: ask report: %w", err)
	}
	return r, nil
}

// reported is the event of a step of r.
func (s *Store) reported(actor hie.Actor, r *consent.ReportRequest, interaction string) audit.Event {
	e := audit.NewEvent(audit.Administered, actor, s.now()).About(r.Record)
	e.Action, e.Detail = "U", map[string]string{"interaction": interaction, "kind": string(r.Kind)}
	if r.Organization != "" {
		e.Detail["recipient"] = string(r.Organization)
	}
	return e
}

const reportColumns = `sp_id, request_id, kind, law, org, words, asked, due, extended, extension, answered, answered_by, outcome, answer`

func scanReport(rows *pg.Rows) (consent.ReportRequest, error) {
	var r consent.ReportRequest
	var record int64
	var kind, org, outcome string
	var extended, answered sql.NullTime
	err := rows.Scan(&record, &r.ID, &kind, &r.Law, &org, &r.Words, &r.Asked, &r.Due, &extended, &r.Extension, &answered, &r.AnsweredBy, &outcome, &r.Answer)
	r.Record, r.Kind, r.Organization, r.Outcome = hie.SourcePatientID(record), consent.ReportKind(kind), hie.OrgID(org), consent.ReportOutcome(outcome)
	r.Asked, r.Due = r.Asked.UTC(), r.Due.UTC()
	if extended.Valid {
		r.Extended = extended.Time.UTC()
	}
	if answered.Valid {
		r.Answered = answered.Time.UTC()
	}
	return r, err
}

// Reports returns the last hundred requests about record, newest first.
func (s *Store) Reports(ctx context.Context, record hie.SourcePatientID) ([]consent.ReportRequest, error) {
	out, err := pg.Collect(ctx, s.db, scanReport, `
		select `+reportColumns+` from consent.report_request where sp_id = $1 order by request_id desc limit 100`, int64(record))
	if err != nil {
		return nil, fmt.Errorf("consentpg: reports: %w", err)
	}
	return out, nil
}

// Report returns one request about record, or hie.ErrNotFound.
func (s *Store) Report(ctx context.Context, record hie.SourcePatientID, id int64) (consent.ReportRequest, error) {
	out, err := pg.Collect(ctx, s.db, scanReport, `
		select `+reportColumns+` from consent.report_request where sp_id = $1 and request_id = $2`, int64(record), id)
	if err == nil && len(out) == 0 {
		err = hie.ErrNotFound
	}
	if err != nil {
		return consent.ReportRequest{}, fmt.Errorf("consentpg: report: %w", err)
	}
	return out[0], nil
}

// OpenReports returns at most limit requests that wait for an answer of organizations, all when that is nil, those due first
// first.
func (s *Store) OpenReports(ctx context.Context, organizations []hie.OrgID, limit int) ([]consent.ReportRequest, error) {
	names := make([]string, len(organizations))
	for i, o := range organizations {
		names[i] = string(o)
	}
	out, err := pg.Collect(ctx, s.db, scanReport, `
		/* all shards: the list of privacy officers */
		select `+reportColumns+` from consent.report_request
		where answered is null and ($1 or org = any($2)) order by due, request_id limit $3`, organizations == nil, names, limit)
	if err != nil {
		return nil, fmt.Errorf("consentpg: open reports: %w", err)
	}
	return out, nil
}

// ExtendReport puts the answer to a request off by consent.ReportExtension days, once: hie.ErrConflict when that was done, or it is
// answered or none. Errors: consent.CheckReportExtension's too.
func (s *Store) ExtendReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest, why string) error {
	if err := consent.CheckReportExtension(why); err != nil {
		return err
	}
	return s.stepReport(ctx, actor, &r, "report put off", `
		update consent.report_request set extended = $3, extension = $4, due = due + make_interval(days => $5)
		where sp_id = $1 and request_id = $2 and extended is null and answered is null`, s.now(), why, consent.ReportExtension)
}

// AnswerReport answers a request, once: hie.ErrConflict when somebody has, or there is none. Errors: consent.CheckReportAnswer's too.
func (s *Store) AnswerReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest, outcome consent.ReportOutcome, words string) error {
	if err := consent.CheckReportAnswer(outcome, words); err != nil {
		return err
	}
	return s.stepReport(ctx, actor, &r, "report "+string(outcome), `
		update consent.report_request set answered = $3, answered_by = $4, outcome = $5, answer = $6
		where sp_id = $1 and request_id = $2 and answered is null`, s.now(), string(actor.Organization)+"/"+actor.User, string(outcome), words)
}

// stepReport runs a statement about one request, on record; hie.ErrConflict when it changes nothing.
func (s *Store) stepReport(ctx context.Context, actor hie.Actor, r *consent.ReportRequest, interaction, statement string, values ...any) error {
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		n, err := tx.Exec(ctx, statement, append([]any{int64(r.Record), r.ID}, values...)...)
		if err != nil {
			return err
		}
		if n == 0 {
			return hie.ErrConflict
		}
		return s.audit(ctx, tx, s.reported(actor, r, interaction))
	})
	if err != nil {
		return fmt.Errorf("consentpg: %s: %w", interaction, err)
	}
	return nil
}
