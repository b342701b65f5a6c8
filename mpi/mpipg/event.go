package mpipg

import (
	"context"
	"database/sql"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

const eventColumns = `event_id, change_id, kind, at, person_id, sp_id, other_id, from_person, to_person, from_link, to_link, cause,
	from_verdict, to_verdict, from_alias, to_alias, was_active, model, grade, bits, evidence, decided_by, reason, undoes`

const eventWidth = 24

var insertEvents = newTexts(func(n int) string {
	return `insert into mpi.link_event (` + eventColumns + `) values ` + values(n, eventWidth)
})

// AddEvents implements mpi.Tx. What a kind of event does not have is null.
func (w *writer) AddEvents(ctx context.Context, events []mpi.Event) error {
	for len(events) > 0 {
		n := min(len(events), 64)
		args := make([]any, 0, n*eventWidth)
		for _, e := range events[:n] {
			args = append(args, eventArgs(e)...)
		}
		if err := w.later(ctx, "link_event", insertEvents.of(n), args...); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

func eventArgs(e mpi.Event) []any {
	var evidence any
	if len(e.Evidence) > 0 {
		evidence = mpi.EncodeEvidence(e.Evidence)
	}
	scored := e.Grade != mpi.GradeNone || e.Bits != 0
	verdict, alias := e.Kind == mpi.EventConstrained, e.Kind == mpi.EventAliased
	return []any{e.ID, int64(e.Change), string(e.Kind), e.At, int64(e.Person), int64(e.Record), int64(e.Other),
		int64(e.From.Person), int64(e.To.Person), int64(e.From.Link), int64(e.To.Link), string(e.Cause),
		when(verdict, int64(e.FromVerdict)), when(verdict, int64(e.ToVerdict)), when(alias, int64(e.FromAlias)), when(alias, int64(e.ToAlias)),
		when(alias, e.WasActive), when(e.Model != "", e.Model), when(scored, int64(e.Grade)), when(scored, float64(e.Bits)), evidence,
		when(e.By != "", e.By), when(e.Reason != "", e.Reason), when(e.Undoes != 0, int64(e.Undoes))}
}

// when returns v, or null.
func when(ok bool, v any) any {
	if ok {
		return v
	}
	return nil
}

func scanEvent(rows *pg.Rows) (mpi.Event, error) {
	var e mpi.Event
	var change, person, sp, other, fromPerson, toPerson, fromLink, toLink int64
	var kind, cause string
	var fromVerdict, toVerdict, fromAlias, toAlias, grade, undoes sql.NullInt64
	var wasActive sql.NullBool
	var model, by, reason sql.NullString
	var bits sql.NullFloat64
	var evidence []byte
	err := rows.Scan(&e.ID, &change, &kind, &e.At, &person, &sp, &other, &fromPerson, &toPerson, &fromLink, &toLink, &cause,
		&fromVerdict, &toVerdict, &fromAlias, &toAlias, &wasActive, &model, &grade, &bits, &evidence, &by, &reason, &undoes)
	e.Change, e.Kind, e.At, e.Person = mpi.ChangeID(change), mpi.EventKind(kind), utc(e.At), hie.PersonID(person)
	e.Record, e.Other = hie.SourcePatientID(sp), hie.SourcePatientID(other)
	e.From = mpi.Place{Person: hie.PersonID(fromPerson), Link: hie.LinkState(fromLink)}
	e.To = mpi.Place{Person: hie.PersonID(toPerson), Link: hie.LinkState(toLink)}
	e.Cause, e.Model, e.By, e.Reason = mpi.Cause(cause), model.String, by.String, reason.String
	e.FromVerdict, e.ToVerdict = mpi.Verdict(fromVerdict.Int64), mpi.Verdict(toVerdict.Int64)
	e.FromAlias, e.ToAlias = hie.SourcePatientID(fromAlias.Int64), hie.SourcePatientID(toAlias.Int64)
	e.WasActive, e.Grade, e.Bits = wasActive.Bool, mpi.Grade(grade.Int64), mpi.Bits(bits.Float64)
	e.Evidence, e.Undoes = mpi.DecodeEvidence(evidence), mpi.ChangeID(undoes.Int64)
	return e, err
}

// EventsOfRecords implements mpi.Reader.
func (r reader) EventsOfRecords(ctx context.Context, records []hie.SourcePatientID) ([]mpi.Event, error) {
	if len(records) == 0 {
		return nil, nil
	}
	return pg.Collect(ctx, r.q, scanEvent, `select `+eventColumns+` from mpi.link_event where sp_id > 0 and sp_id = any($1) order by event_id`,
		recordInts(records))
}

// EventsOfPerson implements mpi.Reader.
func (r reader) EventsOfPerson(ctx context.Context, person hie.PersonID) ([]mpi.Event, error) {
	return pg.Collect(ctx, r.q, scanEvent, `select `+eventColumns+` from mpi.link_event where person_id = $1 order by event_id`, int64(person))
}

// EventsOfChange implements mpi.Reader.
func (r reader) EventsOfChange(ctx context.Context, change mpi.ChangeID) ([]mpi.Event, error) {
	return pg.Collect(ctx, r.q, scanEvent, `select `+eventColumns+` from mpi.link_event where change_id = $1 order by event_id`, int64(change))
}
