package auditpg

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/bits"

	"github.com/concord-hie/concord/internal/pg"
	"golang.org/x/mod/sumdb/tlog"
)

// A tree is the right edge of a Merkle tree: all that is needed to append a leaf and to tell the root. edge[l] is
// the complete subtree of 2^l leaves at the edge, and counts only when bit l of size is set.
//
// Source: RFC 6962 section 2.1; tested against golang.org/x/mod/sumdb/tlog.
type tree struct {
	size int64
	edge [63]tlog.Hash
}

// add appends a leaf and returns the hashes to store with it: its own, then that of each subtree it completes,
// upwards. The count is always 1 + the number of trailing ones of the old size.
func (t *tree) add(leaf tlog.Hash) []tlog.Hash {
	out := []tlog.Hash{leaf}
	level := 0
	for ; t.size>>level&1 == 1; level++ {
		leaf = tlog.NodeHash(t.edge[level], leaf)
		out = append(out, leaf)
	}
	t.edge[level] = leaf
	t.size++
	return out
}

// root returns the hash of the whole tree.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	level := bits.TrailingZeros64(uint64(t.size))
	h := t.edge[level]
	for level++; t.size>>level != 0; level++ {
		if t.size>>level&1 == 1 {
			h = tlog.NodeHash(t.edge[level], h)
		}
	}
	return h
}

// storedAt says where the tree keeps the hash of stored index i: with which leaf, and which of its hashes it is.
func storedAt(i int64) (seq int64, level int) {
	level, n := tlog.SplitStoredHashIndex(i)
	return (n+1)<<level - 1, level
}

// storedHashes reads tree hashes from audit.leaf by their tlog index, so that tlog can prove with them.
func storedHashes(ctx context.Context, q pg.Querier) tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		seqs := make([]int64, len(indexes))
		for i, x := range indexes {
			seqs[i], _ = storedAt(x)
		}
		rows, err := q.Query(ctx, `select seq, hashes from audit.leaf where seq = any($1)`, seqs)
		if err != nil {
			return nil, err
		}
		defer func() { _ = rows.Close() }()
		found := make(map[int64][]byte, len(seqs))
		for rows.Next() {
			var seq int64
			var hashes []byte
			if err := rows.Scan(&seq, &hashes); err != nil {
				return nil, err
			}
			found[seq] = hashes
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			seq, level := storedAt(x)
			if len(found[seq]) < (level+1)*tlog.HashSize {
				return nil, fmt.Errorf("auditpg: tree row %d is missing or short: %w", seq, ErrBroken)
			}
			copy(out[i][:], found[seq][level*tlog.HashSize:])
		}
		return out, nil
	}
}

// loadTree reads the right edge of the first size leaves.
func loadTree(ctx context.Context, q pg.Querier, size int64) (*tree, error) {
	t := &tree{size: size}
	var indexes []int64
	var levels []int
	for level := range t.edge {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, size>>level-1))
			levels = append(levels, level)
		}
	}
	if len(indexes) == 0 {
		return t, nil
	}
	hashes, err := storedHashes(ctx, q)(indexes)
	if err != nil {
		return nil, err
	}
	for i, h := range hashes {
		t.edge[levels[i]] = h
	}
	return t, nil
}
