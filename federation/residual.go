package federation

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// Held returns the current documents that the index knows of member's record, as decisions see them, newest first and most
// at most. It decides nothing: what it tells is the site's own.
func (x *Exchange) Held(ctx context.Context, member mpi.Member, most int) ([]consent.Listed, error) {
	m := &matter{network: x.Network(), name: x.DocumentID, members: []mpi.Member{member}}
	held, err := x.presences(ctx, m)
	if err != nil {
		return nil, err
	}
	plan := locator.Plan{Record: member.Record, Decide: func(locator.Pointer) bool { return true }}
	for _, h := range held {
		if h.Current > 0 {
			plan.PerRow = append(plan.PerRow, h.Kind.ID)
		}
	}
	if plan.PerRow == nil {
		return nil, nil
	}
	var out []consent.Listed
	err = x.Holdings.All(ctx, locator.Filter{Status: []locator.Status{locator.Current}}, []locator.Plan{plan}, locator.Cursor{}, func(p locator.Pointer) bool {
		if p.Record != member.Record {
			return true
		}
		out = append(out, consent.Listed{Parts: documents(m.whole(p), p.Kind), Name: x.DocumentID(p.Ref()), Master: p.MasterIdentifier})
		return len(out) < most
	})
	if err != nil {
		return nil, fmt.Errorf("federation: held: %w", err)
	}
	return out, nil
}
