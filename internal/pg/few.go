package pg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Few is a list of ids as a parameter that its text compares by "= any($n)" and names nowhere else. Up to maxFew of them are
// sent as so many parameters. The server keeps one plan for those: of a list it does not know it expects ten members, so
// that one for the few there are looks cheaper, and it makes that anew each time.
//
// Source: PostgreSQL manual, PREPARE, "Notes" (generic and custom plans).
type Few []int64

// maxFew is up to how many ids of a Few are single parameters.
const maxFew = 16

// A fewText is a text with a list of n ids at parameter at.
type fewText struct {
	query string
	at, n int
}

// spread returns query and args as they are sent: with the ids of the Few among args, if there is one, as parameters of their own
// when there are not many. The first takes the list's place, the others follow behind all. Between sizes the last id is
// repeated, so that there are few texts.
func (d *DB) spread(query string, args []any) (string, []any) {
	at := slices.IndexFunc(args, func(a any) bool { _, is := a.(Few); return is })
	if at < 0 {
		return query, args
	}
	ids := args[at].(Few)
	size := 1
	for size < len(ids) && size < maxFew {
		size = max(4, 2*size) // 1, 4, 8 or 16
	}
	out := append(make([]any, 0, len(args)+size), args...)
	if len(ids) == 0 || len(ids) > maxFew {
		out[at] = []int64(ids)
		return query, out
	}
	out[at] = ids[0]
	for i := 1; i < size; i++ {
		out = append(out, ids[min(i, len(ids)-1)])
	}
	return d.fewText(fewText{query, at, size}, len(args)), out
}

// fewText returns the text for t, of which a statement with so many parameters was written.
func (d *DB) fewText(t fewText, params int) string {
	d.mu.RLock()
	text, known := d.few[t]
	d.mu.RUnlock()
	if known {
		return text
	}
	var list strings.Builder
	fmt.Fprintf(&list, "any(array[$%d", t.at+1)
	for i := 1; i < t.n; i++ {
		list.WriteString(",$" + strconv.Itoa(params+i))
	}
	list.WriteString("]::bigint[])")
	text = strings.ReplaceAll(t.query, fmt.Sprintf("any($%d)", t.at+1), list.String())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.few[t] = text
	return text
}
