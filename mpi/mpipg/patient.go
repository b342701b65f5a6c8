package mpipg

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// claimOf is the distribution hash of an identifier.
func claimOf(id hie.Identifier) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id.System)) // a hash never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(id.Value))
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

// Owner implements mpi.Reader.
func (r reader) Owner(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, error) {
	var sp int64
	err := r.q.QueryRow(ctx, `select sp_id from mpi.identifier_key where claim = $1 and system = $2 and value = $3`,
		claimOf(id), id.System, id.Value).Scan(&sp)
	return hie.SourcePatientID(sp), err
}

// Owners implements mpi.Reader.
func (r reader) Owners(ctx context.Context, ids []hie.Identifier) (map[hie.Identifier]hie.SourcePatientID, error) {
	out := make(map[hie.Identifier]hie.SourcePatientID, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	asked, claims := make(map[hie.Identifier]bool, len(ids)), make([]int64, 0, len(ids))
	for _, id := range ids {
		if !asked[id] {
			asked[id] = true
			claims = append(claims, claimOf(id))
		}
	}
	rows, err := r.q.Query(ctx, `select system, value, sp_id from mpi.identifier_key where claim = any($1)`, claims)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id hie.Identifier
		var sp int64
		if err := rows.Scan(&id.System, &id.Value, &sp); err != nil {
			return nil, err
		}
		if asked[id] { // and not another of the same hash
			out[id] = hie.SourcePatientID(sp)
		}
	}
	return out, rows.Err()
}

// Claim implements mpi.Tx. The update changes nothing and takes the row's lock.
func (w *writer) Claim(ctx context.Context, id hie.Identifier, record hie.SourcePatientID) (hie.SourcePatientID, error) {
	var sp int64
	err := w.q.QueryRow(ctx, `
		insert into mpi.identifier_key (claim, system, value, sp_id) values ($1, $2, $3, $4)
		on conflict (claim, system, value) do update set sp_id = identifier_key.sp_id returning sp_id`,
		claimOf(id), id.System, id.Value, int64(record)).Scan(&sp)
	return hie.SourcePatientID(sp), err
}

// Patients implements mpi.Reader.
func (r reader) Patients(ctx context.Context, records []hie.SourcePatientID) ([]mpi.PatientRow, error) {
	if len(records) == 0 {
		return nil, nil
	}
	return pg.Collect(ctx, r.q, scanPatient, `
		select sp_id, person_id, alias_of, version, created, updated, active, site, system, value, keys, body
		from mpi.source_patient where sp_id = any($1) order by sp_id`, pg.Few(recordInts(records)))
}

func scanPatient(rows *pg.Rows) (mpi.PatientRow, error) {
	var p mpi.PatientRow
	var sp, person, alias int64
	var site string
	var body []byte
	err := rows.Scan(&sp, &person, &alias, &p.Version, &p.Created, &p.Updated, &p.Active, &site, &p.Local.System, &p.Local.Value,
		pg.Array(&p.Keys), &body)
	if err != nil {
		return mpi.PatientRow{}, err
	}
	p.Record, p.Person, p.AliasOf, p.Site = hie.SourcePatientID(sp), hie.PersonID(person), hie.SourcePatientID(alias), hie.SiteID(site)
	p.Created, p.Updated = p.Created.UTC(), p.Updated.UTC()
	if p.Demographics, p.Received, err = unpack(body); err != nil {
		return mpi.PatientRow{}, err
	}
	return p, nil
}

// patientWidth is how many parameters upsertPatient has.
const patientWidth = 13

const upsertPatient = `
	insert into mpi.source_patient (sp_id, person_id, alias_of, version, created, updated, birth, active, site, system, value, keys, body)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
	on conflict (sp_id) do update set person_id = excluded.person_id, alias_of = excluded.alias_of, version = excluded.version,
		updated = excluded.updated, birth = excluded.birth, active = excluded.active, keys = excluded.keys, body = excluded.body`

func patientArgs(p mpi.PatientRow) ([]any, error) {
	body, err := packed(&p)
	if err != nil {
		return nil, err
	}
	keys := p.Keys
	if keys == nil {
		keys = []int64{}
	}
	return []any{int64(p.Record), int64(p.Person), int64(p.AliasOf), p.Version, p.Created, p.Updated, birthOf(p.Demographics.Birth), p.Active,
		string(p.Site), p.Local.System, p.Local.Value, keys, body}, nil
}

// packed is p's body, made ahead or now.
func packed(p *mpi.PatientRow) ([]byte, error) {
	if p.Packed != nil {
		return p.Packed, nil
	}
	return pack(p.Demographics, p.Received)
}

// PutPatient implements mpi.Tx.
func (w *writer) PutPatient(ctx context.Context, p mpi.PatientRow) error {
	args, err := patientArgs(p)
	if err != nil {
		return err
	}
	_, err = w.q.Exec(ctx, upsertPatient, args...)
	return err
}

// maxTerms bounds the words that are written with their registration.
const maxTerms = 12

// putRegistration is the row with so many words, and with the version it replaces when the number is negative. All lie by
// the record's id.
var putRegistration = newTexts(func(n int) string {
	var parts []string
	at := patientWidth
	if n < 0 {
		n = -n - 1
		parts = append(parts, `v as (insert into mpi.source_version (sp_id, version, since, until, active, disputed, body) values ($1,`+
			placeholders(at+1, versionWidth)+`) `+renewVersion+`)`)
		at += versionWidth
	}
	if n > 0 {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = `($` + strconv.Itoa(at+1+i) + `,$1)`
		}
		parts = append(parts, `t as (insert into mpi.name_term (term, sp_id) values `+strings.Join(rows, ",")+` on conflict (term, sp_id) do nothing)`)
	}
	if len(parts) == 0 {
		return upsertPatient
	}
	return `with ` + strings.Join(parts, ", ") + upsertPatient
})

// PutRegistration implements mpi.Tx.
func (w *writer) PutRegistration(ctx context.Context, p mpi.PatientRow, was *mpi.Version, terms []string) error {
	for len(terms) > maxTerms {
		args := make([]any, 0, 2*maxTerms)
		for _, t := range terms[:maxTerms] {
			args = append(args, t, int64(p.Record))
		}
		if _, err := w.tx.Exec(ctx, insertTerms.of(maxTerms), args...); err != nil {
			return err
		}
		terms = terms[maxTerms:]
	}
	args, err := patientArgs(p)
	if err != nil {
		return err
	}
	n := len(terms)
	if was != nil {
		n = -n - 1
		version, err := versionArgs(*was)
		if err != nil {
			return err
		}
		args = append(args, version...)
	}
	for _, t := range terms {
		args = append(args, t)
	}
	_, err = w.tx.Exec(ctx, putRegistration.of(n), args...)
	return err
}

// birthOf keeps what a site wrote for a date within the column.
func birthOf(d mpi.Date) int {
	if n := d.BirthNumber(); n > 0 && n < 100000000 {
		return n
	}
	return 0
}

// Homes implements mpi.Reader.
func (r reader) Homes(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]mpi.Home, error) {
	out := make(map[hie.SourcePatientID]mpi.Home, len(records))
	if len(records) == 0 {
		return out, nil
	}
	rows, err := r.q.Query(ctx, `select sp_id, person_id, alias_of, site, active from mpi.source_patient where sp_id = any($1)`, pg.Few(recordInts(records)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var sp, person, alias int64
		var site string
		var active bool
		if err := rows.Scan(&sp, &person, &alias, &site, &active); err != nil {
			return nil, err
		}
		out[hie.SourcePatientID(sp)] = mpi.Home{Person: hie.PersonID(person), AliasOf: hie.SourcePatientID(alias), Site: hie.SiteID(site), Active: active}
	}
	return out, rows.Err()
}

// Sighted implements mpi.Store: one statement.
func (s *Store) Sighted(ctx context.Context, records []hie.SourcePatientID, whole int) (map[hie.SourcePatientID]mpi.Home, mpi.Said, error) {
	homes := make(map[hie.SourcePatientID]mpi.Home, len(records))
	type sighted struct {
		row  mpi.PatientRow
		body []byte
	}
	var seen []sighted
	said := func(record hie.SourcePatientID) (*mpi.PatientRow, error) {
		i := slices.IndexFunc(seen, func(s sighted) bool { return s.row.Record == record })
		if i < 0 {
			return nil, nil //nolint:nilnil // nil means "not read"
		}
		row := seen[i].row
		var err error
		row.Demographics, row.Received, err = unpack(seen[i].body)
		return &row, err
	}
	if len(records) == 0 {
		return homes, said, nil
	}
	rows, err := s.q.Query(ctx, `
		select sp_id, person_id, alias_of, version, created, updated, active, site, system, value, case when sp_id = any($2) then body end
		from mpi.source_patient where sp_id = any($1)`, pg.Few(recordInts(records)), recordInts(records[:whole]))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p mpi.PatientRow
		var sp, person, alias int64
		var site string
		var body sql.RawBytes
		if err := rows.Scan(&sp, &person, &alias, &p.Version, &p.Created, &p.Updated, &p.Active, &site, &p.Local.System, &p.Local.Value, &body); err != nil {
			return nil, nil, err
		}
		p.Record, p.Person, p.AliasOf, p.Site = hie.SourcePatientID(sp), hie.PersonID(person), hie.SourcePatientID(alias), hie.SiteID(site)
		p.Created, p.Updated = p.Created.UTC(), p.Updated.UTC()
		homes[p.Record] = p.Home()
		if body != nil {
			seen = append(seen, sighted{p, bytes.Clone(body)})
		}
	}
	return homes, said, rows.Err()
}

// MoveHome implements mpi.Tx.
func (w *writer) MoveHome(ctx context.Context, record hie.SourcePatientID, person hie.PersonID) error {
	_, err := w.q.Exec(ctx, `update mpi.source_patient set person_id = $2 where sp_id = $1`, int64(record), int64(person))
	return err
}

var insertTerms = newTexts(func(n int) string {
	return `insert into mpi.name_term (term, sp_id) values ` + values(n, 2) + ` on conflict (term, sp_id) do nothing`
})

// RemoveTerms implements mpi.Tx.
func (w *writer) RemoveTerms(ctx context.Context, record hie.SourcePatientID, terms []string) error {
	for _, t := range terms {
		if _, err := w.q.Exec(ctx, `delete from mpi.name_term where sp_id = $1 and term = $2`, int64(record), t); err != nil {
			return err
		}
	}
	return nil
}

// Find implements mpi.Reader.
func (r reader) Find(ctx context.Context, p mpi.Probe, after hie.SourcePatientID, limit int) ([]hie.SourcePatientID, error) {
	ids := func(query string, args ...any) ([]hie.SourcePatientID, error) {
		return pg.Collect(ctx, r.q, scanRecord, query, append([]any{int64(after), limit}, args...)...)
	}
	switch {
	case len(p.Records) > 0:
		return ids(`select sp_id from mpi.source_patient where sp_id > $1 and sp_id = any($3) order by sp_id limit $2`, recordInts(p.Records))
	case len(p.Keys) > 0:
		return ids(`select distinct sp_id from mpi.candidate_key where sp_id > $1 and key = any($3) order by sp_id limit $2`, p.Keys)
	case len(p.Terms) > 0:
		var out []hie.SourcePatientID
		for _, t := range p.Terms {
			some, err := ids(`/* all shards: a demographics search goes by name, not by patient */ select distinct sp_id from mpi.name_term where sp_id > $1 and term >= $3 and term < $4 order by sp_id limit $2`,
				t, t+"\U0010ffff")
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
		slices.Sort(out)
		out = slices.Compact(out)
		return out[:min(len(out), limit)], nil
	case p.BirthUntil > 0:
		return ids(`/* all shards: a demographics search goes by birth date, not by patient */
			select sp_id from mpi.source_patient where sp_id > $1 and birth > 0 and birth >= $3 and birth < $4 order by sp_id limit $2`,
			p.BirthFrom, p.BirthUntil)
	}
	return ids(`/* all shards: a search by what no index has reads on row by row */
		select sp_id from mpi.source_patient where sp_id > $1 order by sp_id limit $2`)
}

func scanRecord(rows *pg.Rows) (hie.SourcePatientID, error) {
	var sp int64
	err := rows.Scan(&sp)
	return hie.SourcePatientID(sp), err
}

// utc is the form in which times leave the store.
func utc(t time.Time) time.Time { return t.UTC() }
