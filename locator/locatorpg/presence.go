package locatorpg

import (
	"cmp"
	"context"
	"slices"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// presence collects by how much the presence rows of a transaction change, and writes them in one order.
type presence struct {
	changes map[presenceKey]presenceChange
}

type presenceKey struct {
	record hie.SourcePatientID
	kind   int64
}

type presenceChange struct {
	by             locator.Pointer // the newest added, else any
	count, current int64
}

// add notes that p's kind gains count pointers and current current ones; either may be negative.
func (c *presence) add(p locator.Pointer, count, current int64) {
	if c.changes == nil {
		c.changes = map[presenceKey]presenceChange{}
	}
	key := presenceKey{p.Record, p.Kind.ID}
	ch, seen := c.changes[key]
	if !seen || p.SortAt.After(ch.by.SortAt) {
		ch.by = p
	}
	ch.count, ch.current = ch.count+count, ch.current+current
	c.changes[key] = ch
}

var insertPresence = perBatch(func(n int) string {
	return `insert into locator.presence as p (sp_id, kind, count, current, newest, site) values ` + values(n, 6, 6, 0) + `
		on conflict (sp_id, kind) do update set count = p.count + excluded.count, current = p.current + excluded.current,
			newest = case when p.count = 0 then excluded.newest else greatest(p.newest, excluded.newest) end`
})

// write applies the changes, by record and kind. Where pointers may have gone, newest is read anew: the row is
// locked by then, and whoever adds a pointer at the same time raises it afterwards.
func (c *presence) write(ctx context.Context, tx *pg.Tx) error {
	keys := make([]presenceKey, 0, len(c.changes))
	for k := range c.changes {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b presenceKey) int {
		return cmp.Or(cmp.Compare(a.record, b.record), cmp.Compare(a.kind, b.kind))
	})
	for part := range batches(keys) {
		args := make([]any, 0, 6*len(part))
		for _, k := range part {
			ch := c.changes[k]
			args = append(args, int64(k.record), k.kind, ch.count, ch.current, ch.by.SortAt, string(ch.by.Site))
		}
		if _, err := tx.Exec(ctx, insertPresence[len(part)], args...); err != nil {
			return err
		}
	}
	return nil
}

// renew reads newest anew for records and kinds that may have lost their newest pointer. It comes after write,
// which locked the rows.
func (c *presence) renew(ctx context.Context, tx *pg.Tx) error {
	for k := range c.changes {
		if _, err := tx.Exec(ctx, `
			update locator.presence p set newest = coalesce((
				select q.sort_at from locator.pointer q where q.sp_id = $1 and q.kind = $2 order by q.sort_at desc limit 1), p.newest)
			where p.sp_id = $1 and p.kind = $2`, int64(k.record), k.kind); err != nil {
			return err
		}
	}
	return nil
}
