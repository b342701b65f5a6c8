package server

import (
	"net/http"
	"strconv"

	"github.com/concord-hie/concord/directory/directoryfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// Organization and Endpoint are a public directory of the network to its authenticated members. They say who
// takes part, never who has a record where, so they need no consent decision.

func (s *Server) readOrganization(c *gin.Context) {
	o, ok := directoryfhir.FindOrganization(s.deps.Network(), c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	s.send(c, http.StatusOK, o)
}

func (s *Server) readEndpoint(c *gin.Context) {
	e, ok := directoryfhir.FindEndpoint(s.deps.Network(), c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	s.send(c, http.StatusOK, e)
}

func (s *Server) searchOrganizations(c *gin.Context) {
	ps, ctl, err := s.controls(c, 100, 500)
	if err != nil {
		s.fail(c, err)
		return
	}
	found, unknown, err := directoryfhir.SearchOrganizations(s.deps.Network(), ps)
	if err != nil {
		s.fail(c, err)
		return
	}
	sendDirectory(s, c, "Organization", ps, ctl, unknown, found, func(o fhir.Organization) string { return o.ID })
}

func (s *Server) searchEndpoints(c *gin.Context) {
	ps, ctl, err := s.controls(c, 100, 500)
	if err != nil {
		s.fail(c, err)
		return
	}
	found, unknown, err := directoryfhir.SearchEndpoints(s.deps.Network(), ps)
	if err != nil {
		s.fail(c, err)
		return
	}
	sendDirectory(s, c, "Endpoint", ps, ctl, unknown, found, func(e fhir.Endpoint) string { return e.ID })
}

func sendDirectory[R any](s *Server, c *gin.Context, kind string, ps []fhir.Param, ctl searchControls, unknown []string, found []R, id func(R) string) {
	if err := ctl.refuseUnknown(unknown); err != nil {
		s.fail(c, err)
		return
	}
	total := len(found)
	self := s.cfg.FHIRBase() + "/" + kind
	if q := encodeParams(ps); q != "" {
		self += "?" + q
	}
	if ctl.countOnly {
		s.sendSearchset(c, self, "", &total, nil, unknownIssues(unknown))
		return
	}
	part, cursor, err := pageOf(s, "search "+self, ctl, found, id)
	if err != nil {
		s.fail(c, err)
		return
	}
	var entries []fhir.BundleEntry
	for _, r := range part {
		entries = append(entries, searchEntry(s.cfg.FHIRBase()+"/"+kind+"/"+id(r), fhir.Encode(r)))
	}
	next := ""
	if cursor != "" {
		next = self + map[bool]string{true: "&", false: "?"}[len(ps) > 0] + encodeParams([]fhir.Param{
			{Name: "_count", Values: []string{strconv.Itoa(ctl.count)}}, {Name: "_cursor", Values: []string{cursor}}})
	}
	s.sendSearchset(c, self, next, &total, entries, unknownIssues(unknown))
}
