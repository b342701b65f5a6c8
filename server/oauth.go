package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/token"
	"github.com/gin-gonic/gin"
)

// Tokens is the authorization server behind the OAuth endpoints. *access.Issuer is the one implementation.
//
// Each method returns an *access.Refusal for a request it turns down, hie.ErrUnavailable when it cannot tell; what
// happened is recorded before it returns.
type Tokens interface {
	Issue(ctx context.Context, r access.Request) (access.Issued, error)
	Introspect(ctx context.Context, r access.Request) (g access.Grant, active bool, err error)
	Revoke(ctx context.Context, r access.Request) error
}

// Limit takes one request from the allowance of whoever name stands for; when there is none left it says when there
// will be. A name holds nothing personal.
type Limit func(ctx context.Context, name string) (ok bool, wait time.Duration)

// maxForm bounds a request to the authorization server (spec federation 2.2 row 1).
const maxForm = 16 << 10

// issueToken is POST /oauth/token.
func (s *Server) issueToken(c *gin.Context) {
	issued, err := s.deps.Tokens.Issue(c.Request.Context(), s.oauthRequest(c))
	if err != nil {
		s.failOAuth(c, err)
		return
	}
	answer := struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
		Scope   string `json:"scope"`
		Patient string `json:"patient,omitempty"`
	}{issued.Token, "bearer", int(issued.Expires / time.Second), strings.Join(issued.Grant.Scopes, " "), issued.Grant.Patient}
	sendOAuth(c, http.StatusOK, answer)
}

// introspectToken is POST /oauth/introspect.
func (s *Server) introspectToken(c *gin.Context) {
	grant, active, err := s.deps.Tokens.Introspect(c.Request.Context(), s.oauthRequest(c))
	switch {
	case err != nil:
		s.failOAuth(c, err)
	case !active:
		sendOAuth(c, http.StatusOK, []byte(`{"active":false}`))
	default:
		sendOAuth(c, http.StatusOK, accessjwt.Introspection(grant))
	}
}

// revokeToken is POST /oauth/revoke: 200 whatever the token was.
func (s *Server) revokeToken(c *gin.Context) {
	if err := s.deps.Tokens.Revoke(c.Request.Context(), s.oauthRequest(c)); err != nil {
		s.failOAuth(c, err)
		return
	}
	sendOAuth(c, http.StatusOK, []byte(`{}`))
}

// keySet is GET /oauth/jwks. Verifiers may keep it for a quarter of an hour; a new key is published longer before use.
func (s *Server) keySet(c *gin.Context) {
	c.Header("Cache-Control", "public, max-age=900")
	c.Data(http.StatusOK, "application/json; charset=utf-8", s.deps.KeySet)
}

// smartConfiguration is GET [base]/.well-known/smart-configuration.
//
// Source: SMART App Launch 2.2, "Using .well-known".
func (s *Server) smartConfiguration(c *gin.Context) {
	base := s.cfg.BaseURL
	c.Header("Cache-Control", "public, max-age=900")
	c.JSON(http.StatusOK, gin.H{
		"issuer":                                base,
		"jwks_uri":                              base + "/oauth/jwks",
		"token_endpoint":                        base + "/oauth/token",
		"introspection_endpoint":                base + "/oauth/introspect",
		"revocation_endpoint":                   base + "/oauth/revoke",
		"grant_types_supported":                 []string{"client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": token.Algorithms,
		"scopes_supported": []string{"system/*.cruds", "patient/*.cruds"},
		"capabilities":     []string{"client-confidential-asymmetric", "permission-v1", "permission-v2"},
		// SMART asks for this member even of a server without an authorization endpoint.
		"code_challenge_methods_supported": []string{"S256"},
	})
}

// oauthRequest takes a request apart without judging it; what cannot be read is said in Form.Malformed.
func (s *Server) oauthRequest(c *gin.Context) access.Request {
	r := access.Request{ID: requestID(c), Peer: c.RemoteIP()} // RemoteIP is the connection's: no header can change it
	r.Form.Authorization = c.Request.Header.Values("Authorization")
	r.Form.Fields, r.Form.Malformed = readForm(c)
	return r
}

func readForm(c *gin.Context) (fields map[string][]string, malformed string) {
	media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" || c.GetHeader("Content-Encoding") != "" {
		return nil, "body not a form"
	}
	if c.Request.URL.RawQuery != "" {
		return nil, "parameters in the URL"
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxForm))
	if err != nil {
		return nil, "body over 16 KiB or cut short"
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, "body not a form"
	}
	return values, ""
}

// refusals is what a caller is told, by error code: never which rule it broke.
var refusals = map[string]struct {
	status int
	text   string
}{
	access.InvalidRequest:       {http.StatusBadRequest, "The request must be one form POST of at most 16 KiB, each parameter once, with no credentials beside the client assertion."},
	access.UnsupportedGrantType: {http.StatusBadRequest, "The grant type is client_credentials."},
	access.InvalidClient:        {http.StatusUnauthorized, "The client assertion is not acceptable."},
	access.InvalidScope:         {http.StatusBadRequest, "None of the scopes asked for is registered for this client."},
	access.InvalidGrant:         {http.StatusBadRequest, "The hl7-b2b extension is missing, or states an organization, purpose of use or subject this client may not act for."},
	access.TooManyRequests:      {http.StatusTooManyRequests, "Too many requests. Wait as Retry-After says."},
}

func (s *Server) failOAuth(c *gin.Context, err error) {
	type body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if refusal, ok := errors.AsType[*access.Refusal](err); ok {
		row := refusals[refusal.Code]
		if refusal.Wait > 0 {
			c.Header("Retry-After", retryAfter(refusal.Wait))
		}
		sendOAuth(c, row.status, body{refusal.Code, row.text})
		return
	}
	s.log.ErrorContext(c.Request.Context(), "request failed", "request", requestID(c), "kind", errorKind(err))
	if errors.Is(err, hie.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		c.Header("Retry-After", "2")
		sendOAuth(c, http.StatusServiceUnavailable, body{"temporarily_unavailable", "A part of the service does not answer. Try again shortly."})
		return
	}
	sendOAuth(c, http.StatusInternalServerError, body{"server_error", "Something went wrong here. It has been logged under this request's id."})
}

// sendOAuth answers with a value or bytes of JSON that nobody may keep (RFC 6749 section 5.1).
func sendOAuth(c *gin.Context, status int, answer any) {
	c.Header("Cache-Control", "no-store")
	c.Header("Pragma", "no-cache")
	if raw, isBytes := answer.([]byte); isBytes {
		c.Data(status, "application/json; charset=utf-8", raw)
	} else {
		c.JSON(status, answer)
	}
	c.Abort()
}

func retryAfter(wait time.Duration) string {
	return strconv.Itoa(int((wait + time.Second - 1) / time.Second))
}

// allowance names whose allowance a request is taken from: the client's, or the person's own who signed in at the portal,
// since all of them come through one client. Such a name is a digest: Redis holds no names of people.
func allowance(c *gin.Context) string {
	a := caller(c)
	if _, person := inside(c.Request); !person {
		return string(a.Client)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", a.Organization, a.User, a.Patient))
	return string(a.Client) + " " + hex.EncodeToString(sum[:12])
}

// withinLimit turns away a client, or a person at the portal, who asks more often than they may.
func (s *Server) withinLimit(c *gin.Context) {
	if s.deps.Limit == nil {
		return
	}
	if ok, wait := s.deps.Limit(c.Request.Context(), allowance(c)); !ok {
		c.Header("Retry-After", retryAfter(wait))
		s.refuse(c, http.StatusTooManyRequests, outcome("error", fhir.Issue{Code: "throttled", Diagnostics: "Too many requests. Wait as Retry-After says."}))
	}
}
