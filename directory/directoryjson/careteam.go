package directoryjson

import (
	"fmt"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/strict"
	"github.com/go-json-experiment/json"
)

// A CareTeam is a version of a care team as administration, the command line and the store write it.
type CareTeam struct {
	ID           string           `json:"id"`
	Version      int64            `json:"version"`
	Organization hie.OrgID        `json:"organization"`
	Name         string           `json:"name"`
	Members      []CareTeamMember `json:"members"`
	Recorded     *time.Time       `json:"recorded,omitzero"`
	RecordedBy   string           `json:"recorded_by,omitzero"`
}

// A CareTeamMember is a member of it: Member is "Practitioner/ID" or "Organization/ID"; an absent time is open.
type CareTeamMember struct {
	Member string     `json:"member"`
	From   *time.Time `json:"from,omitzero"`
	Until  *time.Time `json:"until,omitzero"`
}

// WriteCareTeam writes t.
func WriteCareTeam(t directory.CareTeam) CareTeam {
	return CareTeam{ID: t.ID, Version: t.Version, Organization: t.Organization, Name: t.Name, Members: writeMembers(t.Members), Recorded: instant(t.Recorded),
		RecordedBy: t.By}
}

// ReadCareTeam reads what an officer states of a team: when and by whom it was recorded is not theirs to say. An
// *hie.InvalidError names a member of it that names nobody; the rest is for [directory.CareTeam.Check] to say.
func ReadCareTeam(in CareTeam) (directory.CareTeam, error) {
	members, err := readMembers(in.Members)
	return directory.CareTeam{ID: in.ID, Version: in.Version, Organization: in.Organization, Name: in.Name, Members: members}, err
}

// ReadTeamFile is ReadCareTeam of JSON text, which is read strictly; the recorded members are left aside.
func ReadTeamFile(data []byte) (directory.CareTeam, error) {
	var in CareTeam
	if err := strict.Decode("", data, &in); err != nil {
		return directory.CareTeam{}, err
	}
	return ReadCareTeam(in)
}

// ReadMembers reads the members of a team as [WriteMembers] writes them.
func ReadMembers(data []byte) ([]directory.CareTeamMember, error) {
	var in []CareTeamMember
	if err := strict.Decode("members", data, &in); err != nil {
		return nil, err
	}
	return readMembers(in)
}

// WriteMembers writes the members of a team as a JSON list.
func WriteMembers(members []directory.CareTeamMember) []byte {
	b, err := json.Marshal(writeMembers(members), json.Deterministic(true))
	if err != nil {
		panic("directoryjson: " + err.Error()) // strings and instants are always JSON, or a bug in this program
	}
	return b
}

func writeMembers(members []directory.CareTeamMember) []CareTeamMember {
	out := make([]CareTeamMember, 0, len(members))
	for _, m := range members {
		out = append(out, CareTeamMember{Member: m.Ref(), From: instant(m.From), Until: instant(m.Until)})
	}
	return out
}

func readMembers(in []CareTeamMember) ([]directory.CareTeamMember, error) {
	out := make([]directory.CareTeamMember, 0, len(in))
	for i, w := range in {
		m, ok := directory.CareTeamMemberOf(w.Member)
		if !ok {
			return nil, hie.Invalid(fmt.Sprintf("members[%d].member", i), "must be Practitioner/ID or Organization/ID")
		}
		if w.From != nil {
			m.From = w.From.UTC().Truncate(time.Microsecond)
		}
		if w.Until != nil {
			m.Until = w.Until.UTC().Truncate(time.Microsecond)
		}
		out = append(out, m)
	}
	return out, nil
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
