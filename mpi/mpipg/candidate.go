package mpipg

import (
	"context"
	"database/sql"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// look reads counts and rows by key, which both tables lie by. Of a key that too many share no row is read, not even to be left
// out: beside it the second key is null, which no row has.
const look = `
	select k.key, k.n, c.sp_id, c.features from mpi.key_claim k
		left join mpi.candidate_key c on c.key = k.key and c.key = case when k.n <= ($2::bigint[])[array_position($1::bigint[], k.key)] then k.key end
			and c.live
	where k.key = any($1)`

// Look implements mpi.Reader: one statement.
func (r reader) Look(ctx context.Context, wanted []mpi.Wanted) (map[int64]int64, []mpi.Candidate, error) {
	counts := make(map[int64]int64, len(wanted))
	if len(wanted) == 0 {
		return counts, nil, nil
	}
	keys, most := make([]int64, len(wanted)), make([]int64, len(wanted))
	for i, k := range wanted {
		keys[i], most[i] = k.Key, k.Most
	}
	rows, err := r.q.Query(ctx, look, keys, most)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []mpi.Candidate
	var kept heap
	var key, n int64
	var sp sql.NullInt64
	var features sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&key, &n, &sp, &features); err != nil {
			return nil, nil, err
		}
		counts[key] = n
		if sp.Valid {
			out = append(out, mpi.Candidate{Key: key, Record: hie.SourcePatientID(sp.Int64), Features: kept.keep(features)})
		}
	}
	return counts, out, rows.Err()
}

// A heap holds copies of many small values in few pieces of memory.
type heap struct{ free []byte }

// heapPiece is the least a heap takes at once.
const heapPiece = 8 << 10

// keep returns a copy of b that nothing else is written to.
func (h *heap) keep(b []byte) []byte {
	if len(b) > len(h.free) {
		h.free = make([]byte, max(heapPiece, len(b)))
	}
	out := h.free[:copy(h.free, b):len(b)]
	h.free = h.free[len(b):]
	return out
}

// KeyCounts implements mpi.Reader.
func (r reader) KeyCounts(ctx context.Context, keys []int64) (map[int64]int64, error) {
	out := make(map[int64]int64, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	rows, err := r.q.Query(ctx, `select key, n from mpi.key_claim where key = any($1)`, pg.Few(keys))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key, n int64
		if err := rows.Scan(&key, &n); err != nil {
			return nil, err
		}
		out[key] = n
	}
	return out, rows.Err()
}

var claimKeys = newTexts(func(n int) string {
	return `insert into mpi.key_claim (key, n) values ` + values(n, 2) + `
		on conflict (key) do update set n = greatest(0, key_claim.n + excluded.n)`
})

// ClaimKeys implements mpi.Tx: one statement, rows in order of their keys, so that two transactions never wait
// for each other.
func (w *writer) ClaimKeys(ctx context.Context, keys []mpi.KeyClaim) error {
	if len(keys) == 0 {
		return nil
	}
	args := make([]any, 0, 2*len(keys))
	for _, k := range keys {
		args = append(args, k.Key, k.Add)
	}
	_, err := w.q.Exec(ctx, claimKeys.of(len(keys)), args...)
	return err
}

// Candidates implements mpi.Reader.
func (r reader) Candidates(ctx context.Context, keys []int64) ([]mpi.Candidate, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return pg.Collect(ctx, r.q, func(rows *pg.Rows) (mpi.Candidate, error) {
		var c mpi.Candidate
		var sp int64
		err := rows.Scan(&c.Key, &sp, &c.Features)
		c.Record = hie.SourcePatientID(sp)
		return c, err
	}, `select key, sp_id, features from mpi.candidate_key where key = any($1) and live`, pg.Few(keys))
}

var putCandidates = newTexts(func(n int) string {
	return `insert into mpi.candidate_key (key, sp_id, live, features) values ` + values(n, 4) + `
		on conflict (key, sp_id) do update set live = excluded.live, features = excluded.features`
})

// PutCandidates implements mpi.Tx. A row that is no longer live stays, empty, so that no delete runs over many
// shards (spec scale-out section 2, rule 8). What is held back has no part in it.
func (w *writer) PutCandidates(ctx context.Context, record hie.SourcePatientID, live, dead []int64, features []byte) error {
	if len(live)+len(dead) == 0 {
		return nil
	}
	args := make([]any, 0, 4*(len(live)+len(dead)))
	for _, k := range live {
		args = append(args, k, int64(record), true, features)
	}
	for _, k := range dead {
		args = append(args, k, int64(record), false, []byte{})
	}
	_, err := w.tx.Exec(ctx, putCandidates.of(len(live)+len(dead)), args...)
	return err
}
