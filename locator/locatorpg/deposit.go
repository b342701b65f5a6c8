package locatorpg

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
)

// Deposit implements locator.Store.
func (s *Store) Deposit(ctx context.Context, d locator.Deposit) ([]locator.Published, error) {
	kinds := make([]locator.Kind, len(d.Documents))
	for i, doc := range d.Documents {
		kinds[i] = doc.Pointer.Kind
	}
	if err := s.ensureKinds(ctx, kinds...); err != nil {
		return nil, err
	}
	if shareable(d) {
		return s.together(ctx, d)
	}
	return s.alone(ctx, d)
}

// alone stores d in a transaction of its own.
func (s *Store) alone(ctx context.Context, d locator.Deposit) ([]locator.Published, error) {
	for try := 1; ; try++ {
		done, err := s.deposit(ctx, d)
		if !errors.Is(err, errClaimGone) {
			return done, err
		}
		if try == 3 {
			return nil, fmt.Errorf("locatorpg: deposit: %w", hie.ErrUnavailable)
		}
	}
}

// errClaimGone ends a deposit whose document was deleted by its owner between losing the claim and reading it.
var errClaimGone = errors.New("locatorpg: the claim was given up meanwhile")

func (s *Store) deposit(ctx context.Context, d locator.Deposit) ([]locator.Published, error) {
	var w deposit
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		w = deposit{Deposit: d, tx: tx, fresh: make([]locator.Pointer, len(d.Documents)), done: make([]locator.Published, len(d.Documents))}
		w.Lists = slices.Clone(d.Lists)
		for i, doc := range d.Documents {
			w.fresh[i] = doc.Pointer
			w.fresh[i].Relations = slices.Clone(doc.Pointer.Relations)
		}
		for _, step := range []func(context.Context) error{w.claim, w.relate, w.write, w.lists} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return s.append(ctx, tx, d.Events(w.done)...)
	})
	if err != nil {
		return nil, err
	}
	copy(d.Lists, w.Lists)
	return w.done, nil
}

// A deposit is one publication on its way through its transaction.
type deposit struct {
	locator.Deposit
	tx    *pg.Tx
	fresh []locator.Pointer
	done  []locator.Published
	// presence collects what changes there, written once at the end.
	presence presence
	// replaced are the pointers superseded, with the document that replaced each.
	replaced []replacement
}

type replacement struct{ old, by locator.Ref }

// claim takes the claims of all documents, in the order of their bytes. Who loses one answers from its row.
func (w *deposit) claim(ctx context.Context) error {
	type want struct {
		claim locator.Claim
		ref   locator.Ref
		hash  []byte
		doc   int // position in Documents
	}
	wants := make([]want, 0, len(w.Documents))
	for i, d := range w.Documents {
		wants = append(wants, want{claim: d.Claim, ref: d.Pointer.Ref(), hash: d.Pointer.Hash, doc: i})
		w.done[i] = locator.Published{Ref: d.Pointer.Ref(), Version: 1}
	}
	slices.SortFunc(wants, func(a, b want) int { return bytes.Compare(a.claim[:], b.claim[:]) })
	won := make(map[locator.Claim]bool, len(wants))
	for part := range batches(wants) {
		args := make([]any, 0, 4*len(part))
		for _, x := range part {
			args = append(args, x.claim[:], int64(x.ref.Record), int64(x.ref.ID), x.hash)
		}
		got, err := pg.Collect(ctx, w.tx, func(r *pg.Rows) (locator.Claim, error) {
			var b []byte
			err := r.Scan(&b)
			var c locator.Claim
			copy(c[:], b)
			return c, err
		}, insertClaims[len(part)], args...)
		if err != nil {
			return err
		}
		for _, c := range got {
			won[c] = true
		}
	}
	for _, x := range wants {
		if won[x.claim] {
			continue
		}
		ref, hash, err := readClaim(ctx, w.tx, x.claim)
		if errors.Is(err, hie.ErrNotFound) {
			return errClaimGone
		}
		if err != nil {
			return err
		}
		if err := locator.Repeat(w.Documents[x.doc].Pointer, ref.Record, hash); err != nil {
			return err
		}
		w.done[x.doc] = locator.Published{Ref: ref, Existing: true}
	}
	return nil
}

func readClaim(ctx context.Context, q pg.Querier, c locator.Claim) (locator.Ref, []byte, error) {
	var ref locator.Ref
	var hash []byte
	err := q.QueryRow(ctx, `select sp_id, ptr_id, content_hash from locator.doc_key where claim = $1`, c[:]).Scan((*int64)(&ref.Record), (*int64)(&ref.ID), &hash)
	return ref, hash, err
}

// relate resolves the targets of relations, supersedes what is replaced and checks the others.
func (w *deposit) relate(ctx context.Context) error {
	type edge struct {
		doc, rel int
		target   locator.Ref
	}
	var edges []edge
	for i, doc := range w.Documents {
		if w.done[i].Existing {
			continue // stored with its relations when it was first published
		}
		for j, r := range w.fresh[i].Relations {
			target := r.Target
			switch {
			case r.Entry > 0:
				target = w.done[r.Entry-1].Ref
			case target == (locator.Ref{}):
				ref, _, err := readClaim(ctx, w.tx, doc.Targets[j])
				if errors.Is(err, hie.ErrNotFound) {
					return locator.UnknownTarget()
				}
				if err != nil {
					return err
				}
				target = ref
			}
			w.fresh[i].Relations[j].Target = target
			edges = append(edges, edge{doc: i, rel: j, target: target})
		}
	}
	// Pointers are locked by ascending id, so that two replacements never wait for each other in a circle.
	slices.SortStableFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.target.Record, b.target.Record), cmp.Compare(a.target.ID, b.target.ID))
	})
	inside := map[locator.Ref]int{}
	for i, p := range w.fresh {
		if !w.done[i].Existing {
			inside[p.Ref()] = i
		}
	}
	for _, e := range edges {
		by := w.fresh[e.doc]
		replaces := by.Relations[e.rel].Code == "replaces"
		rule := w.Relate
		if replaces {
			rule = w.Judge
		}
		if at, ok := inside[e.target]; ok {
			if err := rule(w.fresh[at], by); err != nil {
				return err
			}
			if replaces {
				w.fresh[at].Status = locator.Superseded
			}
			continue
		}
		query := selectPointerForShare // so that it is not deleted meanwhile
		if replaces {
			query = selectPointerForUpdate
		}
		target, err := readPointer(ctx, w.tx, query, e.target)
		if errors.Is(err, hie.ErrNotFound) {
			return locator.UnknownTarget()
		}
		if err != nil {
			return err
		}
		if err := rule(target, by); err != nil {
			return err
		}
		if replaces {
			if err := w.supersede(ctx, target, by); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *deposit) supersede(ctx context.Context, old, by locator.Pointer) error {
	if err := keepHistory(ctx, w.tx, old, "superseded", w.Now); err != nil {
		return err
	}
	if _, err := w.tx.Exec(ctx, `update locator.pointer set status = 2, version = version + 1, updated = $3 where sp_id = $1 and ptr_id = $2`,
		int64(old.Record), int64(old.ID), w.Now); err != nil {
		return err
	}
	w.presence.add(old, 0, -1)
	w.replaced = append(w.replaced, replacement{old: old.Ref(), by: by.Ref()})
	return nil
}

// write stores the new pointers with bodies and relations, then presence.
func (w *deposit) write(ctx context.Context) error {
	refs := make([]locator.Ref, len(w.done))
	for i, d := range w.done {
		refs[i] = d.Ref
	}
	var fresh []locator.Pointer
	for i := range w.fresh {
		if w.done[i].Existing {
			continue
		}
		p := w.fresh[i]
		if render := w.Documents[i].Render; render != nil {
			p.Received = render(refs)
		}
		w.done[i].Pointer = p
		fresh = append(fresh, p)
		current := int64(0)
		if p.Status == locator.Current {
			current = 1
		}
		w.presence.add(p, 1, current)
	}
	for part := range batches(fresh) {
		args := make([]any, 0, pointerParams*len(part))
		for _, p := range part {
			args = append(args, pointerArgs(p)...)
		}
		if _, err := w.tx.Exec(ctx, insertPointers[len(part)], args...); err != nil {
			return err
		}
	}
	for _, p := range fresh {
		for _, r := range p.Relations {
			if _, err := w.tx.Exec(ctx, `
				insert into locator.relation (sp_id, ptr_id, target_ptr_id, target_sp_id, code) values ($1, $2, $3, $4, $5)
				on conflict (sp_id, ptr_id, target_ptr_id, code) do nothing`,
				int64(p.Record), int64(p.ID), int64(r.Target.ID), int64(r.Target.Record), r.Code); err != nil {
				return err
			}
		}
	}
	return w.presence.write(ctx, w.tx)
}
