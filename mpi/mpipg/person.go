package mpipg

import (
	"context"
	"database/sql"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// Persons implements mpi.Reader.
func (r reader) Persons(ctx context.Context, ids []hie.PersonID) (map[hie.PersonID]mpi.PersonRow, error) {
	out := make(map[hie.PersonID]mpi.PersonRow, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := r.q.Query(ctx, `select person_id, version, redirect from mpi.person where person_id = any($1)`, pg.Few(personInts(ids)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, version, redirect int64
		if err := rows.Scan(&id, &version, &redirect); err != nil {
			return nil, err
		}
		out[hie.PersonID(id)] = mpi.PersonRow{ID: hie.PersonID(id), Version: version, Redirect: hie.PersonID(redirect)}
	}
	return out, rows.Err()
}

// Members implements mpi.Reader.
func (r reader) Members(ctx context.Context, ids []hie.PersonID) ([]mpi.MemberRow, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return pg.Collect(ctx, r.q, func(rows *pg.Rows) (mpi.MemberRow, error) {
		var m mpi.MemberRow
		var person, sp, link int64
		var site string
		err := rows.Scan(&person, &sp, &link, &site, &m.Local.System, &m.Local.Value, &m.Features)
		m.Person, m.Record, m.Link, m.Site = hie.PersonID(person), hie.SourcePatientID(sp), hie.LinkState(link), hie.SiteID(site)
		return m, err
	}, `select person_id, sp_id, link, site, system, value, features from mpi.person_member
		where person_id = any($1) order by person_id, sp_id`, pg.Few(personInts(ids)))
}

// Gathered implements mpi.Reader: one statement, so version and members are of one instant. That it names the ids for both
// tables keeps it on their keys even where the planner has no figures yet.
func (r reader) Gathered(ctx context.Context, ids []hie.PersonID) (map[hie.PersonID]mpi.Gathered, error) {
	out := make(map[hie.PersonID]mpi.Gathered, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := r.q.Query(ctx, `select p.person_id, p.version, p.redirect, m.sp_id, m.link, m.site, m.system, m.value, m.features
		from mpi.person p left join mpi.person_member m on m.person_id = p.person_id and m.person_id = any($1)
		where p.person_id = any($1) order by p.person_id, m.sp_id`, pg.Few(personInts(ids)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p mpi.PersonRow
		var id, redirect int64
		var sp, link sql.NullInt64
		var site, system, value sql.NullString
		var features []byte
		if err := rows.Scan(&id, &p.Version, &redirect, &sp, &link, &site, &system, &value, &features); err != nil {
			return nil, err
		}
		p.ID, p.Redirect = hie.PersonID(id), hie.PersonID(redirect)
		g := out[p.ID]
		g.PersonRow = p
		if sp.Valid {
			m := mpi.MemberRow{Person: p.ID, Features: features}
			m.Record, m.Link, m.Site = hie.SourcePatientID(sp.Int64), hie.LinkState(link.Int64), hie.SiteID(site.String)
			m.Local = hie.Identifier{System: system.String, Value: value.String}
			g.Members = append(g.Members, m)
		}
		out[p.ID] = g
	}
	return out, rows.Err()
}

// NewPerson implements mpi.Tx: both rows lie by the person's id.
func (w *writer) NewPerson(ctx context.Context, m mpi.MemberRow) error {
	err := w.later(ctx, "person", `insert into mpi.person (person_id, version, redirect) values ($1, 1, 0)`, int64(m.Person))
	if err != nil {
		return err
	}
	return w.PutMember(ctx, m)
}

func memberArgs(m mpi.MemberRow) []any {
	return []any{int64(m.Person), int64(m.Record), int64(m.Link), string(m.Site), m.Local.System, m.Local.Value, m.Features}
}

// lockPersons raises the version of each row by what is given: nothing only takes the row's lock. Rows are taken in the
// order given, which is that of their ids.
var lockPersons = newTexts(func(n int) string {
	return `insert into mpi.person (person_id, version, redirect) values ` + values(n, 3) + `
		on conflict (person_id) do update set version = person.version + excluded.version`
})

func (w *writer) raise(ctx context.Context, ids []hie.PersonID, by int64, run func(ctx context.Context, table, text string, args ...any) error) error {
	for len(ids) > 0 {
		n := min(len(ids), 64)
		args := make([]any, 0, 3*n)
		for _, id := range ids[:n] {
			args = append(args, int64(id), by, int64(0))
		}
		if err := run(ctx, "person", lockPersons.of(n), args...); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// Lock implements mpi.Tx.
func (w *writer) Lock(ctx context.Context, ids []hie.PersonID) error {
	if len(ids) == 1 {
		_, err := w.q.Exec(ctx, `select from mpi.person where person_id = $1 for update`, int64(ids[0]))
		return err
	}
	return w.raise(ctx, ids, 0, w.now)
}

// Bump implements mpi.Tx.
func (w *writer) Bump(ctx context.Context, ids []hie.PersonID) error {
	return w.raise(ctx, ids, 1, w.later)
}

// Redirect implements mpi.Tx.
func (w *writer) Redirect(ctx context.Context, id, into hie.PersonID) error {
	_, err := w.q.Exec(ctx, `update mpi.person set redirect = $2 where person_id = $1`, int64(id), int64(into))
	return err
}

// PutMember implements mpi.Tx.
func (w *writer) PutMember(ctx context.Context, m mpi.MemberRow) error {
	return w.later(ctx, "person_member", `
		insert into mpi.person_member (person_id, sp_id, link, site, system, value, features) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (person_id, sp_id) do update set link = excluded.link, features = excluded.features`, memberArgs(m)...)
}

// PutFeatures implements mpi.Tx.
func (w *writer) PutFeatures(ctx context.Context, person hie.PersonID, record hie.SourcePatientID, features []byte) error {
	n, err := w.q.Exec(ctx, `update mpi.person_member set features = $3 where person_id = $1 and sp_id = $2`,
		int64(person), int64(record), features)
	if err == nil && n == 0 {
		return hie.ErrNotFound
	}
	return err
}

// RemoveMember implements mpi.Tx.
func (w *writer) RemoveMember(ctx context.Context, person hie.PersonID, record hie.SourcePatientID) error {
	_, err := w.q.Exec(ctx, `delete from mpi.person_member where person_id = $1 and sp_id = $2`, int64(person), int64(record))
	return err
}

// Constraints implements mpi.Reader.
func (r reader) Constraints(ctx context.Context, records []hie.SourcePatientID) ([]mpi.Constraint, error) {
	if len(records) == 0 {
		return nil, nil
	}
	return pg.Collect(ctx, r.q, func(rows *pg.Rows) (mpi.Constraint, error) {
		var c mpi.Constraint
		var a, b, verdict, change int64
		var bits float64
		err := rows.Scan(&a, &b, &verdict, &bits, &change, &c.At)
		c.A, c.B, c.Verdict, c.Bits, c.Change = hie.SourcePatientID(a), hie.SourcePatientID(b), mpi.Verdict(verdict), mpi.Bits(bits), mpi.ChangeID(change)
		c.At = utc(c.At)
		return c, err
	}, `select sp_id, other_id, verdict, bits, change_id, at from mpi.match_constraint
		where sp_id = any($1) order by sp_id, other_id`, pg.Few(recordInts(records)))
}

// PutConstraint implements mpi.Tx: one row for each end.
func (w *writer) PutConstraint(ctx context.Context, c mpi.Constraint) error {
	for _, end := range [][2]hie.SourcePatientID{{min(c.A, c.B), max(c.A, c.B)}, {max(c.A, c.B), min(c.A, c.B)}} {
		var err error
		if c.Verdict == mpi.Clear {
			_, err = w.q.Exec(ctx, `delete from mpi.match_constraint where sp_id = $1 and other_id = $2`, int64(end[0]), int64(end[1]))
		} else {
			_, err = w.q.Exec(ctx, `
				insert into mpi.match_constraint (sp_id, other_id, verdict, bits, change_id, at) values ($1, $2, $3, $4, $5, $6)
				on conflict (sp_id, other_id) do update set verdict = excluded.verdict, bits = excluded.bits,
					change_id = excluded.change_id, at = excluded.at`,
				int64(end[0]), int64(end[1]), int64(c.Verdict), float64(c.Bits), int64(c.Change), c.At)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
