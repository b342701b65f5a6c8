package locatorpg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// A Batch is a stretch of a bulk load that is stored in one transaction.
type Batch struct {
	// Feed names the file, From is the watermark it continues and Upto the line it moves the watermark to.
	Feed       string
	From, Upto int64
	// Documents are the good lines, each without relations, with their numbers in Lines.
	Documents []locator.Document
	Lines     []int64
	// Rejected counts the lines that were not good, Stored and Repeated those already published on their own;
	// they are added to the feed's counts.
	Rejected, Stored, Repeated int64
	Now                        time.Time
	// Event is recorded with the batch when it stored anything; its records are filled in.
	Event audit.Event
}

// A Mark is how far a feed has come.
type Mark struct {
	Line                       int64
	Stored, Repeated, Rejected int64
}

// A Loaded tells what became of a batch.
type Loaded struct {
	Stored, Repeated int64
	// Conflicts are the lines whose document was published before with another hash or for another patient.
	Conflicts []int64
}

// errMark means that another load of the same feed has moved its watermark.
var errMark = fmt.Errorf("locatorpg: another load of this file is running: %w", hie.ErrConflict)

// Mark returns how far feed has come; the zero Mark for one that never began.
func (s *Store) Mark(ctx context.Context, feed string) (Mark, error) {
	var m Mark
	err := s.db.QueryRow(ctx, `select line, stored, repeated, rejected from locator.feed where feed = $1`, feed).
		Scan(&m.Line, &m.Stored, &m.Repeated, &m.Rejected)
	if errors.Is(err, hie.ErrNotFound) {
		return Mark{}, nil
	}
	return m, err
}

// Load stores a batch and moves its feed's watermark in the same transaction, so that a load that was killed
// goes on where it stopped. Claims go through a staging table, which COPY can fill where "on conflict" cannot
// follow; the pointers whose claim was won are copied straight into place.
//
// Source: spec locator section 6 ("Ingest"); scenario 9 (backfill while live).
func (s *Store) Load(ctx context.Context, b Batch) (Loaded, error) {
	kinds := map[int64]locator.Kind{}
	for _, d := range b.Documents {
		kinds[d.Pointer.Kind.ID] = d.Pointer.Kind
	}
	for _, k := range kinds {
		if err := s.ensureKinds(ctx, k); err != nil {
			return Loaded{}, err
		}
	}
	var out Loaded
	// The driver would roll back while a COPY still reads from the connection if the transaction's own context ended
	// under it, so that one does not end; the steps look at ctx themselves.
	err := pg.InCopyTx(context.WithoutCancel(ctx), s.db, func(tx *pg.Tx) error {
		var err error
		if out, err = s.load(ctx, tx, b); err != nil {
			return err
		}
		return pg.Clean(ctx, ctx.Err())
	})
	if err != nil {
		return Loaded{}, err
	}
	return out, nil
}

func (s *Store) load(ctx context.Context, tx *pg.Tx, b Batch) (out Loaded, err error) {
	won, conflicts, err := takeClaims(ctx, tx, b)
	if err != nil {
		return out, err
	}
	var fresh []locator.Pointer
	var pr presence
	records := map[hie.SourcePatientID]bool{}
	for _, d := range b.Documents {
		if !won[d.Pointer.ID] {
			continue
		}
		fresh = append(fresh, d.Pointer)
		pr.add(d.Pointer, 1, current(d.Pointer))
		records[d.Pointer.Record] = true
	}
	out.Stored, out.Conflicts = int64(len(fresh)), conflicts
	out.Repeated = int64(len(b.Documents)-len(fresh)) - int64(len(conflicts))
	if err := copyPointers(ctx, tx, fresh); err != nil {
		return out, err
	}
	if err := pr.write(ctx, tx); err != nil {
		return out, err
	}
	if len(fresh) > 0 {
		e := b.Event
		for r := range records {
			e.Records = append(e.Records, r)
		}
		e = e.About()
		e.Detail = map[string]string{"documents": strconv.Itoa(len(fresh)), "feed": b.Feed, "upto": strconv.FormatInt(b.Upto, 10)}
		if err := s.append(ctx, tx, e); err != nil {
			return out, err
		}
	}
	n, err := tx.Exec(ctx, `
		insert into locator.feed as f (feed, line, stored, repeated, rejected, updated) values ($1, $2, $3, $4, $5, $6)
		on conflict (feed) do update set line = excluded.line, stored = f.stored + excluded.stored, repeated = f.repeated + excluded.repeated,
			rejected = f.rejected + excluded.rejected, updated = excluded.updated
		where f.line = $7`,
		b.Feed, b.Upto, out.Stored+b.Stored, out.Repeated+b.Repeated, b.Rejected+int64(len(conflicts)), b.Now, b.From)
	if err == nil && n != 1 {
		err = errMark
	}
	return out, err
}

// takeClaims takes the claims of a batch and returns the ids of the pointers that got theirs, and the lines
// whose claim belongs to a different document.
func takeClaims(ctx context.Context, tx *pg.Tx, b Batch) (won map[hie.PointerID]bool, conflicts []int64, err error) {
	if _, err := tx.Exec(ctx, `delete from locator.staging where feed = $1`, b.Feed); err != nil {
		return nil, nil, err
	}
	c, err := pg.CopyInto(ctx, tx, `copy locator.staging (feed, line, claim, sp_id, ptr_id, content_hash) from stdin`)
	if err != nil {
		return nil, nil, err
	}
	for i, d := range b.Documents {
		c.Row(ctx, b.Feed, b.Lines[i], d.Claim[:], int64(d.Pointer.Record), int64(d.Pointer.ID), d.Pointer.Hash)
	}
	if err := c.End(ctx); err != nil {
		return nil, nil, err
	}
	ids, err := pg.Collect(ctx, tx, func(r *pg.Rows) (hie.PointerID, error) {
		var id int64
		err := r.Scan(&id)
		return hie.PointerID(id), err
	}, `
		insert into locator.doc_key (claim, sp_id, ptr_id, content_hash)
		select claim, sp_id, ptr_id, content_hash from locator.staging where feed = $1 order by claim, line
		on conflict (claim) do nothing returning ptr_id`, b.Feed)
	if err != nil {
		return nil, nil, err
	}
	won = make(map[hie.PointerID]bool, len(ids))
	for _, id := range ids {
		won[id] = true
	}
	if len(ids) == len(b.Documents) {
		return won, nil, nil
	}
	conflicts, err = pg.Collect(ctx, tx, func(r *pg.Rows) (int64, error) {
		var line int64
		err := r.Scan(&line)
		return line, err
	}, `/* all shards: a bulk load looks at the claims it lost */
		select s.line from locator.staging s join locator.doc_key k on k.claim = s.claim
		where s.feed = $1 and k.ptr_id <> s.ptr_id and (k.sp_id <> s.sp_id or k.content_hash is distinct from s.content_hash) order by s.line`, b.Feed)
	return won, conflicts, err
}

func copyPointers(ctx context.Context, tx *pg.Tx, ps []locator.Pointer) error {
	slices.SortFunc(ps, func(a, b locator.Pointer) int { // neighbours in the table, neighbours in the index
		return int(min(max(int64(a.Record-b.Record), -1), 1))
	})
	c, err := pg.CopyInto(ctx, tx, `copy locator.pointer (sp_id, ptr_id, sort_at, kind, version, size, published, updated, date_lo, date_hi, creation_lo,
		creation_hi, period_lo, period_hi, status, site, custodian, endpoint, path, hash, terms, names, detail) from stdin`)
	if err != nil {
		return err
	}
	c.Rows(ctx, len(ps), func(i int, r *pg.CopyRow) { r.Values(pointerArgsWith(ps[i], pg.ArrayText(ps[i].Terms()))[:23]...) })
	if err := c.End(ctx); err != nil {
		return err
	}
	if c, err = pg.CopyInto(ctx, tx, `copy locator.pointer_body (sp_id, ptr_id, received) from stdin`); err != nil {
		return err
	}
	c.Rows(ctx, len(ps), func(i int, r *pg.CopyRow) {
		r.Int(int64(ps[i].Record))
		r.Int(int64(ps[i].ID))
		r.Bytes(ps[i].Received)
	})
	return c.End(ctx)
}
