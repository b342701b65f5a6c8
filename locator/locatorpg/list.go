package locatorpg

import (
	"bytes"
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// lists stores the lists of a deposit and puts replacements into the folders of what they replaced.
//
// Source: IHE ITI TF-2 3.42.4.1.3.5, toolkit 12327 (a replacement joins the folders of the original).
func (w *deposit) lists(ctx context.Context) error {
	refs := make([]locator.Ref, len(w.done))
	for i, d := range w.done {
		refs[i] = d.Ref
	}
	for i := range w.Lists {
		l := &w.Lists[i]
		l.Items = nil
		for _, e := range l.Entries {
			l.Items = append(l.Items, refs[e-1])
		}
		if err := w.claimList(ctx, l); err != nil {
			return err
		}
		if l.Existing {
			continue
		}
		received := l.Received
		if l.Render != nil {
			received = l.Render(refs, l.ID)
		}
		if _, err := w.tx.Exec(ctx, `
			insert into locator.list (sp_id, list_id, custodian, code, recorded, received) values ($1, $2, $3, $4, $5, $6)`,
			int64(l.Record), l.ID, string(l.Custodian), l.Code, l.Recorded, received); err != nil {
			return err
		}
		type item struct {
			id       hie.PointerID
			position int
		}
		items := make([]item, len(l.Items))
		for n, ref := range l.Items {
			items[n] = item{ref.ID, n}
		}
		for part := range batches(items) {
			args := make([]any, 0, 4*len(part))
			for _, it := range part {
				args = append(args, int64(l.Record), l.ID, int64(it.id), it.position)
			}
			if _, err := w.tx.Exec(ctx, insertItems[len(part)], args...); err != nil {
				return err
			}
		}
	}
	for _, r := range w.replaced {
		if _, err := w.tx.Exec(ctx, `
			insert into locator.list_item (sp_id, list_id, ptr_id, position)
			select i.sp_id, i.list_id, $3, 1 + (select max(m.position) from locator.list_item m where m.sp_id = $1 and m.list_id = i.list_id)
			from locator.list_item i join locator.list l on l.sp_id = i.sp_id and l.list_id = i.list_id
			where i.sp_id = $1 and i.ptr_id = $2 and l.code = 'folder'
			on conflict (sp_id, list_id, ptr_id) do nothing`,
			int64(r.old.Record), int64(r.old.ID), int64(r.by.ID)); err != nil {
			return err
		}
	}
	return nil
}

// claimList takes the claim of a list that has an identifier. The same list again is the one there is.
func (w *deposit) claimList(ctx context.Context, l *locator.List) error {
	if l.Identifier.IsZero() {
		return nil
	}
	n, err := w.tx.Exec(ctx, `
		insert into locator.list_key (claim, sp_id, list_id, digest) values ($1, $2, $3, $4) on conflict (claim) do nothing`,
		l.Claim[:], int64(l.Record), l.ID, l.Digest[:])
	if err != nil || n == 1 {
		return err
	}
	var record, id int64
	var digest []byte
	if err := w.tx.QueryRow(ctx, `select sp_id, list_id, digest from locator.list_key where claim = $1`, l.Claim[:]).Scan(&record, &id, &digest); err != nil {
		return err
	}
	if hie.SourcePatientID(record) != l.Record || !bytes.Equal(digest, l.Digest[:]) {
		return locator.Conflict(&hie.InvalidError{Path: "List.identifier", Rule: "belongs to another list", Code: "duplicate", Detail: locator.ErrorDuplicateUniqueID})
	}
	l.ID, l.Existing = id, true
	return nil
}

var insertItems = perBatch(func(n int) string {
	return `insert into locator.list_item (sp_id, list_id, ptr_id, position) values ` + values(n, 4, 4, 0) + ` on conflict (sp_id, list_id, ptr_id) do nothing`
})

// ReadList implements locator.Store.
func (s *Store) ReadList(ctx context.Context, record hie.SourcePatientID, id int64) (locator.List, error) {
	l := locator.List{Record: record, ID: id}
	err := s.db.QueryRow(ctx, `select custodian, code, recorded, received from locator.list where sp_id = $1 and list_id = $2`, int64(record), id).
		Scan(&l.Custodian, &l.Code, &l.Recorded, &l.Received)
	if err != nil {
		return locator.List{}, err
	}
	l.Recorded = l.Recorded.UTC()
	l.Items, err = pg.Collect(ctx, s.db, func(r *pg.Rows) (locator.Ref, error) {
		ref := locator.Ref{Record: record}
		err := r.Scan((*int64)(&ref.ID))
		return ref, err
	}, `select ptr_id from locator.list_item where sp_id = $1 and list_id = $2 order by position, ptr_id`, int64(record), id)
	return l, err
}
