package server

import (
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// parameters are the parameters of an operation by name.
type parameters map[string][]fhir.Parameter

// one returns the parameter called name, the zero one when it was not given.
func (p parameters) one(name string) fhir.Parameter {
	if len(p[name]) == 0 {
		return fhir.Parameter{}
	}
	return p[name][0]
}

// readParameters reads the Parameters of an operation whose parameters are called names: each given at most once, but
// for those whose name here ends in "*". Another one is refused: whoever sent it relied on it.
func (s *Server) readParameters(c *gin.Context, names ...string) (parameters, error) {
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
	many := map[string]bool{}
	for _, n := range names {
		name, repeats := strings.CutSuffix(n, "*")
		many[name] = repeats
	}
	out := parameters{}
	for _, q := range p.Parameter {
		repeats, known := many[q.Name]
		switch {
		case !known:
			return nil, &hie.InvalidError{Path: "Parameters.parameter", Rule: "holds one that is no part of this operation", Code: "not-supported"}
		case !repeats && out[q.Name] != nil:
			return nil, &hie.InvalidError{Path: parameterPath(q.Name), Rule: "must be given once", Code: "value"}
		}
		out[q.Name] = append(out[q.Name], q)
	}
	return out, nil
}

// parameterPath names a parameter of an operation as FHIRPath.
func parameterPath(name string) string { return "Parameters.parameter.where(name='" + name + "')" }
