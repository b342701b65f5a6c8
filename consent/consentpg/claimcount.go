package consentpg

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// ClaimCount is how many emergency claims an organisation made, and how many of them were found unjustified.
type ClaimCount struct{ Made, Unjustified int64 }

// ClaimCounts counts the emergency claims made since an instant by organisation; one without claims is missing.
func (s *Store) ClaimCounts(ctx context.Context, since time.Time) (map[hie.OrgID]ClaimCount, error) {
	type row struct {
		org hie.OrgID
		ClaimCount
	}
	rows, err := pg.Collect(ctx, s.db, func(r *pg.Rows) (c row, err error) {
		err = r.Scan(&c.org, &c.Made, &c.Unjustified)
		return c, err
	}, `/* all shards: a managed local table, read by operators */
		select org, count(*), count(*) filter (where finding = 'unjustified') from consent.review_task where opened >= $1 group by org`, since)
	if err != nil {
		return nil, fmt.Errorf("consent: claim counts: %w", err)
	}
	out := make(map[hie.OrgID]ClaimCount, len(rows))
	for _, r := range rows {
		out[r.org] = r.ClaimCount
	}
	return out, nil
}
