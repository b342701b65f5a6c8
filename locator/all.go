package locator

import (
	"context"
	"fmt"
)

// All calls yield with every pointer that Find would give over all pages from cursor's first one on, in the same
// order and without received bytes, until yield returns false. It is for what concerns an answer as a whole, such
// as the same document held twice; a page is cheaper.
func (x *Index) All(ctx context.Context, f Filter, plans []Plan, cursor Cursor, yield func(Pointer) bool) error {
	streams := make([]*stream, 0, len(plans))
	for _, p := range plans {
		if s := x.stream(f, p, Cursor{Highest: cursor.Highest}, maxChunk, false); s != nil {
			streams = append(streams, s)
		}
	}
	if err := fillAll(ctx, streams); err != nil {
		return fmt.Errorf("locator: all: %w", err)
	}
	for {
		best, err := newest(ctx, streams)
		if err != nil {
			return fmt.Errorf("locator: all: %w", err)
		}
		if best == nil || !yield(best.take()) {
			return nil
		}
	}
}
