package federation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
)

// CareTeams returns the current version of each of the teams named; one that does not exist is missing.
type CareTeams func(ctx context.Context, teams []string) (map[string]directory.CareTeam, error)

// ReadCareTeams asks teams for those that d's directives name: nil when they name none, and then nothing is asked. A nil
// teams knows of none.
func ReadCareTeams(ctx context.Context, teams CareTeams, d *consent.Decider) (map[string]directory.CareTeam, error) {
	named := d.CareTeams()
	if len(named) == 0 || teams == nil {
		return nil, nil
	}
	all, err := teams(ctx, named)
	if err != nil {
		return nil, fmt.Errorf("federation: care teams: %w", err)
	}
	return all, nil
}

// WithCareTeams returns r with what all, the teams there are among those named, say of who asks at now. Of a team there is
// not, it is not known who belongs to it: what a directive denies it acts, what it permits it does not.
//
// Source: spec consent 2.2 and 2.4 (care-team memberships valid now), vector 26.
func WithCareTeams(r consent.Request, named []string, all map[string]directory.CareTeam, network *directory.Network, now time.Time) consent.Request {
	r.CareTeams, r.DoubtfulTeams = []string{}, nil
	orgs := network.Ancestors(r.Organization)
	for _, id := range named {
		membership := directory.MembershipUnknown
		if t, known := all[id]; known {
			membership = t.Membership(r.Practitioner, orgs, now)
		}
		switch membership {
		case directory.Member:
			r.CareTeams = append(r.CareTeams, id)
		case directory.MembershipUnknown:
			r.DoubtfulTeams = append(r.DoubtfulTeams, id)
		case directory.NotMember:
		}
	}
	return r
}

// joinTeams puts into m's request which of the care teams its directives name the requester belongs to, and keeps what that
// rests on: the version of each team, and when the next membership begins or ends.
func (x *Exchange) joinTeams(ctx context.Context, m *matter) error {
	all, err := ReadCareTeams(ctx, x.CareTeams, m.decider)
	if err != nil {
		return err
	}
	for _, t := range all { // as of what is on file, by whatever clock
		if t.Recorded.After(m.now) {
			m.now = t.Recorded
		}
	}
	named := m.decider.CareTeams()
	m.request = WithCareTeams(m.request, named, all, m.network, m.now)
	for _, id := range named {
		if m.teams == nil {
			m.teams = map[string]int64{}
		}
		m.teams[id] = all[id].Version // 0 for one there is not
		if turn := all[id].Turn(m.now); !turn.IsZero() && (m.until.IsZero() || turn.Before(m.until)) {
			m.until = turn
		}
	}
	return nil
}

// sameTeams reports whether the care teams m rests on are as they were.
func (x *Exchange) sameTeams(ctx context.Context, m *matter) (bool, error) {
	if len(m.teams) == 0 {
		return true, nil
	}
	all, err := ReadCareTeams(ctx, x.CareTeams, m.decider)
	if err != nil {
		return false, err
	}
	for id, version := range m.teams {
		if all[id].Version != version {
			return false, nil
		}
	}
	return true, nil
}

// teamDigest adds the care teams of s to what stands for it in a cursor.
func (s standing) teamDigest(mix func(int64)) {
	for _, id := range slices.Sorted(maps.Keys(s.teams)) {
		for i := range len(id) {
			mix(int64(id[i]))
		}
		mix(s.teams[id])
	}
}
