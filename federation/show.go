package federation

import (
	"context"
	"errors"
	"fmt"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// Show returns the reference to one document, if actor may see it now, after recording that it is disclosed.
// hie.ErrNotFound stands for whatever is unknown, expired or withheld, and that is recorded too.
func (x *Exchange) Show(ctx context.Context, actor hie.Actor, handle Handle) (Entry, error) {
	for range tries {
		d, err := x.permitted(ctx, actor, handle)
		if err == nil {
			e := d.entry()
			if _, err = x.commit(ctx, d.m, x.disclosed(d.m, []Entry{e}, "read")); err == nil {
				return e, nil
			}
		}
		if !errors.Is(err, errMoved) {
			return Entry{}, fmt.Errorf("federation: show: %w", err)
		}
	}
	return Entry{}, fmt.Errorf("federation: show: rules did not come to rest: %w", hie.ErrUnavailable)
}

// Visible is Show of p, a pointer of the index.
func (x *Exchange) Visible(ctx context.Context, actor hie.Actor, p locator.Pointer) (Entry, error) {
	return x.Show(ctx, actor, Handle{Ref: p.Ref()})
}
