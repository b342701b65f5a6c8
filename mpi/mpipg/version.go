package mpipg

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// renewVersion ends an insert into mpi.source_version.
const renewVersion = `on conflict (sp_id, version) do update set until = excluded.until, active = excluded.active, disputed = excluded.disputed, body = excluded.body`

// versionWidth is how many columns a version has behind its record.
const versionWidth = 6

// versionArgs are the columns of a version behind its record.
func versionArgs(v mpi.Version) ([]any, error) {
	body, err := pack(v.Demographics, v.Received)
	return []any{v.Number, v.Since, v.Until, v.Active, v.Disputed, body}, err
}

// PutVersion implements mpi.Tx.
func (w *writer) PutVersion(ctx context.Context, v mpi.Version) error {
	args, err := versionArgs(v)
	if err != nil {
		return err
	}
	_, err = w.q.Exec(ctx, `insert into mpi.source_version (sp_id, version, since, until, active, disputed, body) values ($1, $2, $3, $4, $5, $6, $7) `+renewVersion,
		append([]any{int64(v.Record)}, args...)...)
	return err
}

// RecordVersions implements mpi.Reader.
func (r reader) RecordVersions(ctx context.Context, record hie.SourcePatientID) ([]mpi.Version, error) {
	return pg.Collect(ctx, r.q, func(rows *pg.Rows) (mpi.Version, error) {
		v := mpi.Version{Record: record}
		var body []byte
		if err := rows.Scan(&v.Number, &v.Since, &v.Until, &v.Active, &v.Disputed, &body); err != nil {
			return v, err
		}
		v.Since, v.Until = utc(v.Since), utc(v.Until)
		var err error
		v.Demographics, v.Received, err = unpack(body)
		return v, err
	}, `select version, since, until, active, disputed, body from mpi.source_version where sp_id = $1 order by version`, int64(record))
}
