package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// routes is where every path of the machine doors is named.
func (s *Server) routes() {
	s.engine.GET("/version", s.version)

	f := s.engine.Group("/fhir", s.negotiate, s.authenticate)
	_ = f
}

func (s *Server) version(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"version": s.cfg.Version}) }
