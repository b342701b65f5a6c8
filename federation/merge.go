package federation

import (
	"slices"

	"github.com/concord-hie/concord/locator"
)

// before is the one order of answers: newest first, then by id, both descending. The locator pages by it too.
func before(a, b locator.Pointer) int {
	if c := b.SortAt.Compare(a.SortAt); c != 0 {
		return c
	}
	switch {
	case a.ID > b.ID:
		return -1
	case a.ID < b.ID:
		return 1
	default:
		return 0
	}
}

// after reports whether p comes after c.
func after(p locator.Pointer, c locator.Cursor) bool {
	if c.SortAt.IsZero() && c.ID == 0 {
		return true
	}
	return before(p, locator.Pointer{SortAt: c.SortAt, ID: c.ID}) > 0
}

// collapse orders docs and lets one stand for each group of the same document: the first in the order, with the
// others as its alternates. Two are the same document when one organisation gave both the same unique id, or when
// they have the same bytes (SHA-1 and size, never the empty document) in records of different registrations; what one
// registration holds twice under two ids, its site holds for two documents.
//
// docs hold only what may be shown, so a document that is withheld neither stands for another nor is counted.
//
// Source: spec locator 6 ("Dedup group", strong) and 7.3.
func collapse(docs []Entry) []Entry {
	slices.SortStableFunc(docs, func(a, b Entry) int { return before(a.Pointer, b.Pointer) })
	var (
		out    []Entry
		byUID  = map[string]int{}
		byHash = map[string][]int{}
	)
	for _, d := range docs {
		at, same := -1, false
		uid, content := d.Same()
		if uid != "" {
			at, same = byUID[uid]
		}
		if !same && content != "" {
			for _, i := range byHash[content] {
				if out[i].Record != d.Record {
					at, same = i, true
					break
				}
			}
		}
		if same {
			out[at].Alternates = append(out[at].Alternates, d)
			if _, known := byUID[uid]; uid != "" && !known {
				byUID[uid] = at
			}
			continue
		}
		if uid != "" {
			byUID[uid] = len(out)
		}
		if content != "" {
			byHash[content] = append(byHash[content], len(out))
		}
		out = append(out, d)
	}
	return out
}
