package federation

import (
	"context"
	"errors"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// Watched are sites whose calls are told to Observe as they end. It must return at once.
type Watched struct {
	Sites
	Observe func(Call)
}

// Search implements [Sites].
func (w Watched) Search(ctx context.Context, ask Ask) ([]locator.Pointer, error) {
	start := time.Now()
	docs, err := w.Sites.Search(ctx, ask)
	w.tell(ctx, ask.Site, OperationSearch, start, err)
	return docs, err
}

// Fetch implements [Sites].
func (w Watched) Fetch(ctx context.Context, p locator.Pointer) (Body, error) {
	start := time.Now()
	body, err := w.Sites.Fetch(ctx, p)
	w.tell(ctx, p.Site, OperationFetch, start, err)
	return body, err
}

// patience is how long a site must have been waited for before a caller's going away speaks of it.
const patience = time.Second

func (w Watched) tell(ctx context.Context, site hie.SiteID, op Operation, start time.Time, err error) {
	c := Call{Site: site, Operation: op, Ended: hie.Now(), Took: time.Since(start), Fate: Answered}
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) && c.Took < patience {
			return // nobody waited for it
		}
		se := fateOf(err)
		c.Fate, c.Reason = se.Fate, se.Reason
	}
	w.Observe(c)
}
