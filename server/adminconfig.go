package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// A Setting is one value a node runs with. It holds no secret.
type Setting struct {
	// Name is the flag's, Env the variable's.
	Name  string `json:"name"`
	Env   string `json:"env"`
	Value string `json:"value"`
	// Origin is "flag", "environment", "file", "default", or "program" for what the program sets itself.
	Origin string `json:"origin"`
}

// readConfig answers GET /admin/v1/config: what the node that answers runs with.
func (s *Server) readConfig(c *gin.Context) {
	settings := s.deps.Settings
	if settings == nil {
		settings = []Setting{}
	}
	s.sendJSON(c, http.StatusOK, struct {
		Version  string    `json:"version"`
		Settings []Setting `json:"settings"`
	}{s.cfg.Version, settings})
}
