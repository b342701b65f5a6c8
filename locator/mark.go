package locator

import (
	"bytes"
	"context"
	"fmt"
	"slices"
)

// Marks returns of every pointer that Find would give over all pages from cursor's first one on as much as tells
// whether another place holds the same content: Record, ID, SortAt, Kind.ID, Size and Hash, in no order; those whose
// content is not known are among them only when hashes is nil, else only those with one of hashes. Documents of kinds
// permitted as a whole cost no more than these few columns; those decided one by one are read whole for it.
//
// Two pointers of the index are never the same document by their unique id: a claim makes each custodian's id unique.
//
// Source: spec locator section 6 ("Dedup group", strong); [ClaimOf].
func (x *Index) Marks(ctx context.Context, f Filter, plans []Plan, cursor Cursor, hashes [][]byte) ([]Pointer, error) {
	var out []Pointer
	if hashes != nil && len(hashes) == 0 {
		return nil, nil
	}
	for _, p := range plans {
		if len(p.Kinds) > 0 {
			marks, err := x.store.Marks(ctx, p.Record, Query{Filter: f, Kinds: p.Kinds, After: Cursor{Highest: cursor.Highest}}, hashes)
			if err != nil {
				return nil, fmt.Errorf("locator: marks: %w", err)
			}
			out = append(out, marks...)
		}
		if len(p.PerRow) == 0 {
			continue
		}
		err := x.All(ctx, f, []Plan{{Record: p.Record, PerRow: p.PerRow, Decide: p.Decide}}, cursor, func(d Pointer) bool {
			if hashes == nil || slices.ContainsFunc(hashes, func(h []byte) bool { return bytes.Equal(h, d.Hash) }) {
				out = append(out, d.mark())
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mark returns as much of p as Marks tells.
func (p Pointer) mark() Pointer {
	return Pointer{Record: p.Record, ID: p.ID, SortAt: p.SortAt, Kind: Kind{ID: p.Kind.ID}, Size: p.Size, Hash: p.Hash}
}
