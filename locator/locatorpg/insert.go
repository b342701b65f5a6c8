package locatorpg

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// batch is the most rows one insert carries. Stretches are powers of two, so that there are six texts of each statement
// and all stay prepared.
const batch = 32

// batches cuts rows into stretches of powers of two, the largest first.
func batches[T any](rows []T) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for n := batch; len(rows) > 0; {
			for n > len(rows) {
				n /= 2
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// texts by number of rows.
func perBatch(text func(n int) string) map[int]string {
	out := map[int]string{}
	for n := 1; n <= batch; n *= 2 {
		out[n] = text(n)
	}
	return out
}

// values returns "($1, $2), ($3, $4)" for n rows of width columns, the first numbered from+1; cast names the
// type of a column where the server cannot infer it.
func values(n, width, stride, offset int, casts ...string) string {
	var b strings.Builder
	for row := range n {
		if row > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for col := range width {
			if col > 0 {
				b.WriteString(", ")
			}
			_, _ = fmt.Fprintf(&b, "$%d", row*stride+offset+col+1)
			if col < len(casts) {
				b.WriteString(casts[col])
			}
		}
		b.WriteByte(')')
	}
	return b.String()
}

var insertClaims = perBatch(func(n int) string {
	return `insert into locator.doc_key (claim, sp_id, ptr_id, content_hash) values ` + values(n, 4, 4, 0) +
		` on conflict (claim) do nothing returning claim`
})

// pointerParams is how many parameters pointerArgs gives: 23 for the pointer, 3 for its body.
const pointerParams = 26

var insertPointers = perBatch(func(n int) string {
	return `with body as (` + `
		insert into locator.pointer_body (sp_id, ptr_id, received) values ` + values(n, 3, pointerParams, 23) + `)
		insert into locator.pointer (sp_id, ptr_id, sort_at, kind, version, size, published, updated, date_lo, date_hi, creation_lo, creation_hi,
			period_lo, period_hi, status, site, custodian, endpoint, path, hash, terms, names, detail) values ` + values(n, 23, pointerParams, 0)
})

func pointerArgs(p locator.Pointer) []any { return pointerArgsWith(p, numbers(p.Terms())) }

// pointerArgsWith is pointerArgs with the terms in the form in which they are sent.
func pointerArgsWith(p locator.Pointer, terms any) []any {
	dateLo, dateHi := bounds(p.Date)
	creationLo, creationHi := bounds(p.Creation)
	periodLo, periodHi := bounds(p.Period)
	return []any{int64(p.Record), int64(p.ID), p.SortAt, p.Kind.ID, p.Version, p.Size, p.Published, p.Updated, dateLo, dateHi, creationLo, creationHi,
		periodLo, periodHi, int64(p.Status), string(p.Site), string(p.Custodian), p.Location.Endpoint, p.Location.Path, p.Hash, terms, p.NameIndex(),
		encodeDetail(p), int64(p.Record), int64(p.ID), p.Received}
}

// keepHistory records what p was before a change. The pointer's row is locked by the caller.
func keepHistory(ctx context.Context, q pg.Querier, p locator.Pointer, change string, at time.Time) error {
	_, err := q.Exec(ctx, `
		insert into locator.pointer_history (sp_id, ptr_id, version, status, kind, change, changed, updated, custodian, detail, received)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		int64(p.Record), int64(p.ID), p.Version, int64(p.Status), p.Kind.ID, change, at, p.Updated, string(p.Custodian), encodeDetail(p), p.Received)
	return err
}
