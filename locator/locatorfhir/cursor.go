package locatorfhir

import (
	"encoding/binary"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// Cursor writes c, and after it more, as the payload of a sealed cursor. What the cursor may continue and for
// whom (the caller, a hash of the query) belongs into the context it is sealed under, so that it opens nowhere
// else.
//
// Source: spec locator section 6 ("Paging": stateless).
func Cursor(c locator.Cursor, more ...int64) []byte {
	at := int64(0)
	if !c.SortAt.IsZero() {
		at = c.SortAt.UnixMicro()
	}
	out := make([]byte, 0, 8*(3+len(more)))
	for _, n := range append([]int64{at, int64(c.ID), int64(c.Highest)}, more...) {
		out = binary.BigEndian.AppendUint64(out, uint64(n))
	}
	return out
}

// ReadCursor returns what Cursor wrote with len(more) further numbers, filling more; false for anything else.
func ReadCursor(b []byte, more ...*int64) (locator.Cursor, bool) {
	if len(b) != 8*(3+len(more)) {
		return locator.Cursor{}, false
	}
	n := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	c := locator.Cursor{ID: hie.PointerID(n(1)), Highest: hie.PointerID(n(2))}
	if c.ID != 0 {
		c.SortAt = time.UnixMicro(n(0)).UTC()
	}
	for i, m := range more {
		*m = n(3 + i)
	}
	return c, true
}
