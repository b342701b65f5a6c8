package access

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Kill ends all tokens issued before a time.
type Kill struct {
	// Kind says whose: "client", "organization" or "user".
	Kind string
	// Subject is the client's or organisation's id; for a user [UserSubject].
	Subject string
	// Before is the first moment whose tokens live.
	Before time.Time
}

// UserSubject names one organisation's user in a [Kill].
func UserSubject(org hie.OrgID, user string) string { return string(org) + "|" + user }

// A Snapshot is one consistent picture of clients, ended tokens and revoked ones. It does not change.
type Snapshot struct {
	// Version rises with every change.
	Version int64

	clients map[hie.ClientID]Client
	kills   map[string]time.Time
	revoked map[string]bool
}

// NewSnapshot returns the picture of clients, kills and the ids of revoked tokens.
func NewSnapshot(version int64, clients []Client, kills []Kill, revoked []string) *Snapshot {
	s := &Snapshot{Version: version, clients: map[hie.ClientID]Client{}, kills: map[string]time.Time{}, revoked: map[string]bool{}}
	for _, c := range clients {
		s.clients[c.ID] = c
	}
	for _, k := range kills {
		s.kills[k.Kind+"|"+k.Subject] = k.Before
	}
	for _, id := range revoked {
		s.revoked[id] = true
	}
	return s
}

// Client returns the client registered as id.
func (s *Snapshot) Client(id hie.ClientID) (Client, bool) { c, ok := s.clients[id]; return c, ok }

// Clients returns all clients, ordered by id.
func (s *Snapshot) Clients() []Client {
	out := slices.Collect(maps.Values(s.clients))
	slices.SortFunc(out, func(a, b Client) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// Revoked reports whether the token with this jti was revoked.
func (s *Snapshot) Revoked(id string) bool { return s.revoked[id] }

// Killed returns the first moment whose tokens live, for a client acting for an organisation's user; zero when nothing
// was ended.
func (s *Snapshot) Killed(c hie.ClientID, org hie.OrgID, user string) time.Time {
	var last time.Time
	for _, key := range []string{"client|" + string(c), "organization|" + string(org), "user|" + UserSubject(org, user)} {
		if t := s.kills[key]; t.After(last) {
			last = t
		}
	}
	return last
}
