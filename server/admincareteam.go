package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directoryjson"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
)

// CareTeams is the care teams that directives may name. *directorypg.Store is one; its methods say what each does.
type CareTeams interface {
	CareTeams(ctx context.Context, teams []string) (map[string]directory.CareTeam, error)
	CareTeamsAt(ctx context.Context, teams []string, at time.Time) (map[string]directory.CareTeam, error)
	ListCareTeams(ctx context.Context, orgs []hie.OrgID, after string, limit int) ([]directory.CareTeam, bool, error)
	RecordCareTeam(ctx context.Context, actor hie.Actor, t directory.CareTeam) (directory.CareTeam, error)
}

// careTeams is what decisions made here ask for memberships; a server without a directory of teams knows of none.
func (s *Server) careTeams() federation.CareTeams {
	if s.deps.CareTeams == nil {
		return nil
	}
	return s.deps.CareTeams.CareTeams
}

// managedBy are the organisations whose teams an officer of org manages: org and its units; nil, for all, to the network's.
func (s *Server) managedBy(org hie.OrgID) []hie.OrgID {
	network := s.deps.Network()
	if o, known := network.Organization(org); known && o.Kind == networkKind {
		return nil
	}
	out := []hie.OrgID{}
	for _, o := range network.Organizations() {
		if network.Within(o.ID, org) {
			out = append(out, o.ID)
		}
	}
	return out
}

// manages reports whether an officer of org manages the teams of owner.
func (s *Server) manages(org, owner hie.OrgID) bool {
	of := s.managedBy(org)
	return of == nil || slices.Contains(of, owner)
}

// listCareTeams answers GET /admin/v1/care-teams?organization=&after=&count=: the current version of the teams the caller
// manages.
func (s *Server) listCareTeams(c *gin.Context) {
	p, err := readListParams(c, "organization")
	var teams []directory.CareTeam
	var more bool
	if err == nil {
		of := s.managedBy(caller(c).Organization)
		if org := hie.OrgID(p.values["organization"]); org != "" {
			if of != nil && !slices.Contains(of, org) {
				of = []hie.OrgID{}
			} else {
				of = []hie.OrgID{org}
			}
		}
		teams, more, err = s.deps.CareTeams.ListCareTeams(c.Request.Context(), of, p.values["after"], p.count)
	}
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), s.reviewed(c, "care team list"))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Teams []directoryjson.CareTeam `json:"care_teams"`
		Next  string                   `json:"next,omitzero"`
	}{Teams: make([]directoryjson.CareTeam, 0, len(teams))}
	for _, t := range teams {
		out.Teams = append(out.Teams, directoryjson.WriteCareTeam(t))
	}
	if more {
		out.Next = teams[len(teams)-1].ID
	}
	s.sendJSON(c, http.StatusOK, out)
}

// managedTeam returns a team as it was at an instant, zero for now. hie.ErrNotFound means that there was none, or that the
// caller does not manage it.
func (s *Server) managedTeam(ctx context.Context, actor hie.Actor, id string, at time.Time) (directory.CareTeam, error) {
	if at.IsZero() {
		at = s.deps.Now()
	}
	all, err := s.deps.CareTeams.CareTeamsAt(ctx, []string{id}, at)
	if err != nil {
		return directory.CareTeam{}, err
	}
	t, known := all[id]
	if !known || !s.manages(actor.Organization, t.Organization) {
		return directory.CareTeam{}, hie.ErrNotFound
	}
	return t, nil
}

// readCareTeam answers GET /admin/v1/care-teams/{id}?at=: who belonged to it, as it was recorded at that instant.
func (s *Server) readCareTeam(c *gin.Context) {
	ctx := c.Request.Context()
	p, err := readListParams(c, "at")
	var at time.Time
	if err == nil {
		at, err = p.instant("at")
	}
	var t directory.CareTeam
	if err == nil {
		t, err = s.managedTeam(ctx, caller(c), c.Param("id"), at)
	}
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), s.reviewed(c, "care team"))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, directoryjson.WriteCareTeam(t))
}

// putCareTeam answers PUT /admin/v1/care-teams/{id}: the next version of a team, whole; version is the one it follows, 0 for
// a new team. Who is no longer named does not belong to it from the next request on.
func (s *Server) putCareTeam(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Version      int64                          `json:"version"`
		Organization hie.OrgID                      `json:"organization"`
		Name         string                         `json:"name"`
		Members      []directoryjson.CareTeamMember `json:"members"`
	}
	err := s.readJSON(c, &in)
	var t directory.CareTeam
	if err == nil {
		t, err = directoryjson.ReadCareTeam(directoryjson.CareTeam{ID: c.Param("id"), Version: in.Version, Organization: in.Organization, Name: in.Name, Members: in.Members})
	}
	if err == nil && in.Version < 0 {
		err = hie.Invalid("version", "must be the version this follows, 0 for a new team")
	}
	if err == nil && in.Version > 0 {
		_, err = s.managedTeam(ctx, actor, t.ID, time.Time{})
	}
	if err == nil {
		err = t.Check(s.deps.Network())
	}
	if err == nil && (actor.User == "" || !s.manages(actor.Organization, t.Organization)) {
		err = hie.ErrForbidden
	}
	s.recordCareTeam(c, t, err)
}

// endCareTeamMember answers POST /admin/v1/care-teams/{id}/end {"version", "member"}: from now on the member does not belong
// to the team.
func (s *Server) endCareTeamMember(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	t, err := s.managedTeam(ctx, actor, c.Param("id"), time.Time{})
	var in struct {
		Version int64  `json:"version"`
		Member  string `json:"member"`
	}
	if err == nil {
		err = s.readJSON(c, &in)
	}
	if err == nil && actor.User == "" {
		err = hie.ErrForbidden
	}
	if err == nil {
		t, err = t.Ended(in.Member, s.deps.Now())
		t.Version = in.Version
	}
	if err == nil && in.Version < 1 {
		err = hie.Required("version")
	}
	s.recordCareTeam(c, t, err)
}

// recordCareTeam records t and answers with it, or with err.
func (s *Server) recordCareTeam(c *gin.Context, t directory.CareTeam, err error) {
	if err == nil {
		t, err = s.deps.CareTeams.RecordCareTeam(c.Request.Context(), caller(c), t)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, directoryjson.WriteCareTeam(t))
}
