package directorypg

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/go-json-experiment/json"
)

// Take takes step in its site's membership for actor, as directory.Follow says, and returns it as taken; with dryRun it only says
// that it may be. The step, the membership it leaves and its audit event are one transaction, and every node follows within a
// second. hie.ErrNotFound means that no such site takes part; other errors are Follow's.
//
// Source: spec federation 2.1 (approved by two people; suspension effective on all nodes <= 1 s).
func (s *Store) Take(ctx context.Context, actor hie.Actor, step directory.Step, dryRun bool) (directory.Step, error) {
	var out directory.Step
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		before, since, err := hold(ctx, tx)
		if err != nil {
			return err
		}
		site, known := before.Site(step.Site)
		if !known || !site.Active {
			return hie.ErrNotFound
		}
		steps, err := steps(ctx, tx, site.ID)
		if err != nil {
			return err
		}
		now := s.now()
		step.At, step.Organization, step.User = now, actor.Organization, actor.User
		var becomes directory.Participation
		if out, becomes, err = directory.Follow(site.Membership, steps, step); err != nil || dryRun {
			return err
		}
		checks, err := json.Marshal(checkRows(out.Checks), json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into directory.site_step (site_id, number, move, at, organization, person, note, checks) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			string(out.Site), out.Number, string(out.Move), out.At, string(out.Organization), out.User, out.Note, checks); err != nil {
			return err
		}
		if becomes != site.Membership {
			f := before.File()
			for i := range f.Sites {
				if f.Sites[i].ID == site.ID {
					f.Sites[i].Membership = becomes
				}
			}
			after, err := f.Network(before.Version() + 1)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `update directory.site set membership = $2 where site_id = $1`, string(site.ID), string(becomes)); err != nil {
				return err
			}
			if err := turn(ctx, tx, before, since, after, now); err != nil {
				return err
			}
		}
		e := audit.NewEvent(audit.Administered, actor, now)
		e.Action, e.Site = "U", site.ID
		e.Detail = map[string]string{"interaction": "site membership", "site": string(site.ID), "move": string(out.Move), "step": strconv.FormatInt(out.Number, 10),
			"was": string(site.Membership), "is": string(becomes)}
		return s.record(ctx, tx, e)
	})
	if err != nil {
		return directory.Step{}, fmt.Errorf("directory: take step: %w", err)
	}
	return out, nil
}

// Steps returns the steps of a site in order, nil when there are none.
func (s *Store) Steps(ctx context.Context, site hie.SiteID) ([]directory.Step, error) {
	out, err := steps(ctx, s.db, site)
	if err != nil {
		return nil, fmt.Errorf("directory: steps: %w", err)
	}
	return out, nil
}

func steps(ctx context.Context, q pg.Querier, site hie.SiteID) ([]directory.Step, error) {
	return pg.Collect(ctx, q, func(r *pg.Rows) (s directory.Step, err error) {
		var checks []byte
		if err := r.Scan(&s.Site, &s.Number, &s.Move, &s.At, &s.Organization, &s.User, &s.Note, &checks); err != nil {
			return s, err
		}
		var rows []checkRow
		if err := json.Unmarshal(checks, &rows); err != nil {
			return s, err
		}
		for _, c := range rows {
			s.Checks = append(s.Checks, c.check())
		}
		return s, nil
	}, `select site_id, number, move, at, organization, person, note, checks from directory.site_step where site_id = $1 order by number`, string(site))
}

// checkRow and findingRow are checks as they are kept with a step.
type checkRow struct {
	ID       directory.CheckID `json:"id"`
	Result   directory.Result  `json:"result"`
	Findings []findingRow      `json:"findings"`
	Owner    string            `json:"owner"`
	At       time.Time         `json:"at,omitzero"`
}

type findingRow struct {
	Code   string            `json:"code"`
	Result directory.Result  `json:"result"`
	Values map[string]string `json:"values,omitempty"`
}

func checkRows(checks []directory.Check) []checkRow {
	out := make([]checkRow, 0, len(checks))
	for _, c := range checks {
		row := checkRow{ID: c.ID, Result: c.Result, Owner: c.Owner, At: c.At}
		for _, f := range c.Findings {
			row.Findings = append(row.Findings, findingRow(f))
		}
		out = append(out, row)
	}
	return out
}

func (r checkRow) check() directory.Check {
	c := directory.Check{ID: r.ID, Result: r.Result, Owner: r.Owner, At: r.At}
	for _, f := range r.Findings {
		c.Findings = append(c.Findings, directory.Finding(f))
	}
	return c
}
