package directory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A CareTeam is one version of who belongs to a care team that directives may name as CareTeam/ID. Versions are only ever
// added; the one with the highest number is current.
//
// Source: FHIR R4 CareTeam (participant.member, participant.period, managingOrganization); spec consent 2.4.
type CareTeam struct {
	ID      string
	Version int64
	// Organization manages it: its officers, and those of what it is a unit of, say who belongs to it.
	Organization hie.OrgID
	// Name is the team's own ("Cardiac rehabilitation"), never a patient's.
	Name string
	// Members in the order they were stated; those whose time is over stay, so that the past can be read.
	Members []CareTeamMember
	// Recorded is when this version was put down, By by whom, as their organisation ByOrg names them.
	Recorded time.Time
	By       string
	ByOrg    hie.OrgID
}

// A CareTeamMember is a practitioner or an organisation that belongs to a team at From <= t < Until; a zero time is open.
type CareTeamMember struct {
	// Exactly one is stated. Practitioner is a bare id, as directives compare them; the units of an Organization belong to
	// the team with it.
	Practitioner string
	Organization hie.OrgID
	From, Until  time.Time
}

// Ref names the member as FHIR does: "Practitioner/q", "Organization/a".
func (m CareTeamMember) Ref() string {
	if m.Practitioner != "" {
		return "Practitioner/" + m.Practitioner
	}
	return "Organization/" + string(m.Organization)
}

// CareTeamMemberOf reads a reference as [CareTeamMember.Ref] writes it; ok is false for any other.
func CareTeamMemberOf(ref string) (m CareTeamMember, ok bool) {
	kind, id, _ := strings.Cut(ref, "/")
	switch {
	case !idPattern.MatchString(id):
		return m, false
	case kind == "Practitioner":
		m.Practitioner = id
	case kind == "Organization":
		m.Organization = hie.OrgID(id)
	default:
		return m, false
	}
	return m, true
}

// Belongs reports whether m's time holds at now.
func (m CareTeamMember) Belongs(now time.Time) bool {
	return !now.Before(m.From) && (m.Until.IsZero() || now.Before(m.Until))
}

// maxMembers bounds a team; a whole hospital is one member, as an organisation.
const maxMembers = 500

// Check says what is wrong with t in network n: an *hie.InvalidError naming the member of it, or nil.
func (t *CareTeam) Check(n *Network) error {
	switch {
	case !idPattern.MatchString(t.ID):
		return hie.Invalid("id", "must be 1-64 of letters, digits, '-' and '.'")
	case t.Name == "" || len(t.Name) > 200:
		return hie.Invalid("name", "must be 1 to 200 bytes")
	case len(t.Members) > maxMembers:
		return hie.Invalid("members", fmt.Sprintf("must not be more than %d; an organization may be one", maxMembers))
	}
	if o, known := n.Organization(t.Organization); !known || !o.Active {
		return hie.Invalid("organization", "must be an organization of the directory")
	}
	for i, m := range t.Members {
		path := fmt.Sprintf("members[%d]", i)
		switch _, known := n.Organization(m.Organization); {
		case (m.Practitioner == "") == (m.Organization == ""):
			return hie.Invalid(path+".member", "must name a practitioner or an organization")
		case m.Practitioner != "" && !idPattern.MatchString(m.Practitioner):
			return hie.Invalid(path+".member", "must be Practitioner/ID or Organization/ID")
		case m.Organization != "" && !known:
			return hie.Invalid(path+".member", "must be an organization of the directory")
		case !m.Until.IsZero() && !m.From.Before(m.Until):
			return hie.Invalid(path+".until", "must lie after from")
		}
	}
	return nil
}

// Ended returns t with the membership of ref ended at now, wherever it has not ended before; one that has not begun never
// begins. hie.ErrNotFound means that ref has no membership that could end.
func (t CareTeam) Ended(ref string, now time.Time) (CareTeam, error) {
	found := false
	members := make([]CareTeamMember, 0, len(t.Members))
	for _, m := range t.Members {
		if m.Ref() == ref && (m.Until.IsZero() || now.Before(m.Until)) {
			found = true
			if !m.From.Before(now) {
				continue
			}
			m.Until = now
		}
		members = append(members, m)
	}
	if !found {
		return CareTeam{}, hie.ErrNotFound
	}
	t.Members = members
	return t, nil
}

// A Membership says whether somebody belongs to a care team. The zero value is not known.
type Membership uint8

// The memberships.
const (
	MembershipUnknown Membership = iota
	NotMember
	Member
)

// Membership says whether who asks belongs to t at now: practitioner, a bare id, "" when they are not known by one, of an
// organisation that is one of orgs or a unit of one (nearest first, as [Network.Ancestors] gives them). Somebody not known
// may be any practitioner of the team.
//
// Source: spec consent 2.2 and 2.4 (an organisation covers its sub-units).
func (t CareTeam) Membership(practitioner string, orgs []hie.OrgID, now time.Time) Membership {
	out := NotMember
	for _, m := range t.Members {
		switch {
		case !m.Belongs(now):
		case m.Organization != "" && slices.Contains(orgs, m.Organization), m.Practitioner != "" && m.Practitioner == practitioner:
			return Member
		case m.Practitioner != "" && practitioner == "":
			out = MembershipUnknown
		}
	}
	return out
}

// Turn returns the first instant after now at which a membership begins or ends; zero is never.
func (t CareTeam) Turn(now time.Time) time.Time {
	var next time.Time
	for _, m := range t.Members {
		for _, at := range []time.Time{m.From, m.Until} {
			if at.After(now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next
}
