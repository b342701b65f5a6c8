package mpipg

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// Everybody returns persons whose ids follow after, in order, with their members' records, sites, links and deaths: about limit
// members in all, at least one person while there is one. It is for walks over everybody, such as what a change of policy
// would do; Version is 0 and Local is not read.
func (s *Store) Everybody(ctx context.Context, after hie.PersonID, limit int) ([]mpi.Person, error) {
	type row struct {
		person hie.PersonID
		member mpi.Member
	}
	for {
		rows, err := pg.Collect(ctx, s.db, func(r *pg.Rows) (row, error) {
			var person, record int64
			var link int16
			var site string
			var head []byte
			err := r.Scan(&person, &record, &link, &site, &head)
			return row{hie.PersonID(person), mpi.Member{Record: hie.SourcePatientID(record), Site: hie.SiteID(site), Link: hie.LinkState(link), Died: mpi.DiedOf(head)}}, err
		}, `/* all shards: a walk over everybody, off the hot path */
			select person_id, sp_id, link, site, substring(features for $3) from mpi.person_member
			where person_id > $1 order by person_id, sp_id limit $2`, int64(after), limit, mpi.FeaturesHead)
		if err != nil {
			return nil, fmt.Errorf("mpipg: everybody: %w", err)
		}
		var out []mpi.Person
		for _, r := range rows {
			if len(out) == 0 || out[len(out)-1].ID != r.person {
				out = append(out, mpi.Person{ID: r.person})
			}
			p := &out[len(out)-1]
			p.Members = append(p.Members, r.member)
		}
		switch {
		case len(rows) < limit:
			return out, nil
		case len(out) > 1:
			return out[:len(out)-1], nil // the last one may go on
		}
		limit *= 2
	}
}
