package directorypg

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directoryjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// RecordCareTeam adds a version of t: the first of a new team when t.Version is 0, else the one after it, which must be
// current. It returns t with Version, Recorded and by whom set, when nothing can leave by the memberships of before any more.
// The version and its audit event by actor are one transaction. Errors: hie.ErrNotFound when there is no such team to change;
// hie.ErrStale when another version is current, or when a new team is there already.
//
// Source: spec consent 2.14 (acknowledged only when no look from before it holds).
func (s *Store) RecordCareTeam(ctx context.Context, actor hie.Actor, t directory.CareTeam) (directory.CareTeam, error) {
	expected := t.Version
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if expected > 0 {
			var current int64
			if err := tx.QueryRow(ctx, `select version from directory.care_team where team_id = $1 order by version desc limit 1`, t.ID).Scan(&current); err != nil {
				return err
			}
			if current != expected {
				return hie.ErrStale
			}
		}
		t.Version, t.Recorded, t.By, t.ByOrg = expected+1, s.now(), actor.User, actor.Organization
		claimed, err := tx.Exec(ctx, `
			insert into directory.care_team (team_id, version, org_id, name, members, recorded, recorded_by, recorded_org)
			values ($1, $2, $3, $4, $5, $6, $7, $8)
			on conflict (team_id, version) do nothing`,
			t.ID, t.Version, string(t.Organization), t.Name, directoryjson.WriteMembers(t.Members), t.Recorded, t.By, string(t.ByOrg))
		if err != nil {
			return err
		}
		if claimed == 0 {
			return hie.ErrStale // another writer was first
		}
		e := audit.NewEvent(audit.Administered, actor, t.Recorded)
		if e.Action = "U"; expected == 0 {
			e.Action = "C"
		}
		e.Detail = map[string]string{"interaction": "care team", "team": t.ID, "version": strconv.FormatInt(t.Version, 10), "n": strconv.Itoa(len(t.Members))}
		return s.record(ctx, tx, e)
	})
	if err != nil {
		return directory.CareTeam{}, fmt.Errorf("directory: care team: %w", err)
	}
	time.Sleep(hie.ReleaseLease) // until no gate acts on what it read before the commit
	return t, nil
}

// CareTeams returns the current version of each of the teams named; one that does not exist is missing.
func (s *Store) CareTeams(ctx context.Context, teams []string) (map[string]directory.CareTeam, error) {
	return s.CareTeamsAt(ctx, teams, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
}

// CareTeamsAt is CareTeams as of an instant: the version of each that had been recorded by then.
func (s *Store) CareTeamsAt(ctx context.Context, teams []string, at time.Time) (map[string]directory.CareTeam, error) {
	out := map[string]directory.CareTeam{}
	if len(teams) == 0 {
		return out, nil
	}
	all, err := pg.Collect(ctx, s.db, scanTeam, `
		select distinct on (team_id) `+teamColumns+` from directory.care_team
		where team_id = any($1) and recorded <= $2 order by team_id, version desc`, teams, at)
	if err != nil {
		return nil, fmt.Errorf("directory: care teams: %w", err)
	}
	for _, t := range all {
		out[t.ID] = t
	}
	return out, nil
}

// ListCareTeams returns the current version of the teams that one of orgs manages, of all teams when orgs is nil, ordered by
// id, from the one after after on: at most limit, and whether there are more.
func (s *Store) ListCareTeams(ctx context.Context, orgs []hie.OrgID, after string, limit int) (_ []directory.CareTeam, more bool, _ error) {
	var of []string
	for _, o := range orgs {
		of = append(of, string(o))
	}
	all, err := pg.Collect(ctx, s.db, scanTeam, `
		select `+teamColumns+` from (
			select distinct on (team_id) `+teamColumns+` from directory.care_team where team_id > $1 order by team_id, version desc
		) current where $2 or org_id = any($3) order by team_id limit $4`, after, orgs == nil, some(of), limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("directory: list care teams: %w", err)
	}
	if more = len(all) > limit; more {
		all = all[:limit]
	}
	return all, more, nil
}

const teamColumns = `team_id, version, org_id, name, members, recorded, recorded_by, recorded_org`

func scanTeam(r *pg.Rows) (t directory.CareTeam, err error) {
	var members []byte
	if err := r.Scan(&t.ID, &t.Version, &t.Organization, &t.Name, &members, &t.Recorded, &t.By, &t.ByOrg); err != nil {
		return t, err
	}
	t.Recorded = t.Recorded.UTC()
	t.Members, err = directoryjson.ReadMembers(members)
	return t, err
}
