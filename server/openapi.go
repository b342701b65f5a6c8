package server

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

// openAPI is the description of everything under /admin/v1. It is written by hand and held to the truth by tests:
// its paths are the server's, and real requests and answers are checked against it.
//
//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the OpenAPI 3.1 document of administration, as YAML. The caller must not change it.
func OpenAPI() []byte { return openAPI }

// describe answers GET /admin/openapi.yaml. It needs no token: who would connect must learn how.
//
// Source: RFC 9512 (application/yaml).
func (s *Server) describe(c *gin.Context) {
	c.Header("Cache-Control", "public, max-age=900")
	c.Data(http.StatusOK, "application/yaml", openAPI)
}
