package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// adminPrefix is where administration in JSON lies; its errors are problems, not OperationOutcomes.
const adminPrefix = "/admin/"

// problem is an error as RFC 9457 has it. Its type is the default, so title is the status' own.
type problem struct {
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
	// Code and Errors are extensions: the kind of fault, and the places of it.
	Code   string   `json:"code,omitempty"`
	Errors []string `json:"errors,omitempty"`
}

// sendProblem answers with what an OperationOutcome would say.
func (s *Server) sendProblem(c *gin.Context, status int, oo fhir.OperationOutcome) {
	p := problem{Title: http.StatusText(status), Status: status, Instance: "urn:concord:request:" + requestID(c)}
	for _, i := range oo.Issue {
		p.Code, p.Detail = i.Code, i.Diagnostics
		p.Errors = append(p.Errors, i.Expression...)
	}
	s.sendJSONAs(c, status, "application/problem+json", p)
	c.Abort()
}

// sendJSON answers with a wire struct as plain JSON.
func (s *Server) sendJSON(c *gin.Context, status int, v any) {
	s.sendJSONAs(c, status, "application/json", v)
}

func (s *Server) sendJSONAs(c *gin.Context, status int, media string, v any) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic("server: " + err.Error()) // a wire struct that cannot be JSON is a bug in this program
	}
	c.Header("Cache-Control", "no-store")
	c.Data(status, media, b)
}

// readJSON reads a request body into a wire struct; members it does not have, and members twice, are refused. Only
// a member the struct has is named in an error: any other name may be anything a sender wrote.
func (s *Server) readJSON(c *gin.Context, v any) error {
	b, err := s.body(c)
	if err != nil {
		return err
	}
	err = json.Unmarshal(b, v, json.RejectUnknownMembers(true))
	semantic, isSemantic := errors.AsType[*json.SemanticError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, json.ErrUnknownName):
		return &hie.InvalidError{Rule: "the body has a member that is not part of this request", Code: "structure"}
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &hie.InvalidError{Rule: "the body has a member twice in one object", Code: "structure"}
	case isSemantic:
		return &hie.InvalidError{Path: strings.ReplaceAll(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/", "."),
			Rule: "has the wrong JSON type", Code: "structure"}
	}
	return &hie.InvalidError{Rule: "the body is not well-formed JSON", Code: "structure"}
}

// requireGrant lets a request pass whose token holds scope ("concord/match.read") and whose caller acts in role.
func (s *Server) requireGrant(scope, role string) gin.HandlerFunc {
	return func(c *gin.Context) {
		if actor := caller(c); !slices.Contains(actor.Scopes, scope) || !actor.HasRole(role) {
			s.fail(c, hie.ErrForbidden)
		}
	}
}
