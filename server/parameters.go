package server

import (
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// readParameters reads the Parameters of an operation whose parameters are called names, each given at most once.
// Another one is refused: whoever sent it relied on it.
func (s *Server) readParameters(c *gin.Context, names ...string) (map[string]fhir.Parameter, error) {
	body, err := s.body(c)
	if err != nil {
		return nil, err
	}
	var p fhir.Parameters
	if err := fhir.Decode(body, &p); err != nil {
		return nil, err
	}
	if p.ResourceType != "Parameters" {
		return nil, hie.Invalid("resourceType", "must be Parameters")
	}
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	out := map[string]fhir.Parameter{}
	for _, q := range p.Parameter {
		if !known[q.Name] {
			return nil, &hie.InvalidError{Path: "Parameters.parameter", Rule: "holds one that is no part of this operation", Code: "not-supported"}
		}
		if _, twice := out[q.Name]; twice {
			return nil, &hie.InvalidError{Path: parameterPath(q.Name), Rule: "must be given once", Code: "value"}
		}
		out[q.Name] = q
	}
	return out, nil
}

// parameterPath names a parameter of an operation as FHIRPath.
func parameterPath(name string) string { return "Parameters.parameter.where(name='" + name + "')" }
