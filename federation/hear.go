package federation

import (
	"context"
	"sync"
	"time"

	"github.com/concord-hie/concord/locator"
)

// hearing returns what is done with each site's answer to a query that is followed, nil when q is not: what may be shown of
// it is kept, so that the next query finds it without asking; what became of the site is recorded; and then the caller hears
// of it, if the site may be named and nothing has moved. An answer that cannot be kept or recorded is not told of, and stands
// in the account at the end of the query as any other.
//
// Source: DESIGN ideas 7 and 8; spec ux D2 (a live row for each site).
func (x *Exchange) hearing(ctx context.Context, m *matter, q Query, held []locator.Presence, asked time.Time) func(*answer) {
	if q.Heard == nil {
		return nil
	}
	var one sync.Mutex
	return func(a *answer) {
		named, _, err := x.nameable(ctx, m, a.member, held)
		if err != nil {
			return
		}
		h := Hearing{Site: a.member.Site, Fate: Answered}
		if a.fate != nil {
			h.Fate = a.fate.Fate
		}
		docs := make([]locator.Pointer, 0, len(a.docs))
		for _, p := range a.docs {
			if m.document(p).release {
				docs = append(docs, p)
				h.New = h.New || q.Filter.Matches(p)
			}
		}
		if len(docs) > 0 && x.Handles.Keep(ctx, docs, asked, asked.Add(x.Limits.Keep)) != nil {
			return
		}
		one.Lock()
		defer one.Unlock()
		event := x.asked(m.actor, a.member.Site, a.member.Record, "search", a.fate, len(a.docs))
		if still, err := x.still(ctx, m); err != nil || !still || x.record(ctx, event) != nil {
			return
		}
		a.recorded = true
		if still, _, err := x.fresh(ctx, m); err == nil && still && named {
			q.Heard(h)
		}
	}
}
