package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/internal/token"
)

// An asker is what a client says about one act: what for, as whom, with which scopes. Each is a token of its own.
type asker struct {
	// purposes are codes of HL7 v3 ActReason, or of another system as "system#code", space-separated, at least one.
	purposes string
	// user, name and role name the person acting; user "" means a system acts on its own.
	user, name, role string
	// representative acts in the name of user, who is a patient ("RelatedPerson/x"); "" when nobody does.
	representative string
	// scopes are SMART scopes, space-separated.
	scopes string
}

// An apiClient speaks to a node as one registered client does: private_key_jwt for a token, then FHIR and admin
// JSON over HTTP. Tokens are kept until shortly before they expire. It is safe for use by many goroutines.
//
// Source: SMART App Launch 2.2, Backend Services; HL7 UDAP Security, hl7-b2b extension.
type apiClient struct {
	base   string // public origin, without a trailing slash
	id     string
	org    string // organization_id, a URI
	signer *token.Signer
	http   *http.Client

	mu     sync.Mutex
	tokens map[asker]heldToken
}

type heldToken struct {
	value string
	until time.Time
}

// A reply is an HTTP answer read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// maxReply bounds an answer the demo reads.
const maxReply = 64 << 20

func newAPIClient(base, id, org string, signer *token.Signer) *apiClient {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	return &apiClient{base: base, id: id, org: org, signer: signer, tokens: map[asker]heldToken{},
		http: &http.Client{Transport: transport, Timeout: 2 * time.Minute}}
}

// assertion returns a fresh client assertion for the token endpoint at audience.
func (c *apiClient) assertion(audience string, who asker, now time.Time) (string, error) {
	b2b := map[string]any{"version": "1", "organization_id": c.org}
	var purposes []string
	for _, p := range strings.Fields(who.purposes) {
		if !strings.Contains(p, "#") {
			p = access.ActReasonOID + "#" + p
		}
		purposes = append(purposes, p)
	}
	b2b["purpose_of_use"] = purposes
	for name, value := range map[string]string{"subject_id": who.user, "subject_name": who.name, "subject_role": who.role} {
		if value != "" {
			b2b[name] = value
		}
	}
	claims := map[string]any{"iss": c.id, "sub": c.id, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(4 * time.Minute).Unix(), "extensions": map[string]any{"hl7-b2b": b2b}}
	if who.representative != "" {
		claims["act"] = map[string]string{"sub": who.representative}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return c.signer.Sign("JWT", payload)
}

// token returns an access token for who, from the store or the token endpoint.
func (c *apiClient) token(ctx context.Context, who asker) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, ok := c.tokens[who]; ok && time.Now().Before(held.until) {
		return held.value, nil
	}
	got, err := c.grant(ctx, who)
	if err != nil {
		return "", err
	}
	c.tokens[who] = heldToken{got.AccessToken, time.Now().Add(time.Duration(got.ExpiresIn)*time.Second - 30*time.Second)}
	return got.AccessToken, nil
}

// granted is what the token endpoint says.
type granted struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`      // space-separated
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// errNoToken means that the token endpoint answered and gave none.
var errNoToken = errors.New("no token")

// grant asks the token endpoint for a token for who; errNoToken means that it refused.
func (c *apiClient) grant(ctx context.Context, who asker) (out granted, err error) {
	endpoint := c.base + "/oauth/token"
	signed, err := c.assertion(endpoint, who, time.Now())
	if err != nil {
		return out, err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {who.scopes}, "client_assertion": {signed},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	r, err := c.send(ctx, http.MethodPost, endpoint, "", "application/x-www-form-urlencoded", []byte(form.Encode()), nil)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(r.body, &out); err != nil || r.status != http.StatusOK || out.AccessToken == "" {
		return out, fmt.Errorf("client %s got %w: status %d, %s %s", c.id, errNoToken, r.status, out.Error, out.Description)
	}
	return out, nil
}

// call makes one request as who. target is a path ("/fhir/metadata") or a whole URL of the node. body may be
// nil; a struct or map is sent as JSON, bytes as they are, url.Values as a form.
func (c *apiClient) call(ctx context.Context, who asker, method, target string, body any, headers ...string) (reply, error) {
	bearer, err := c.token(ctx, who)
	if err != nil {
		return reply{}, err
	}
	var raw []byte
	contentType := ""
	switch b := body.(type) {
	case nil:
	case []byte:
		raw, contentType = b, "application/fhir+json"
	case url.Values:
		raw, contentType = []byte(b.Encode()), "application/x-www-form-urlencoded"
	default:
		if raw, err = json.Marshal(b); err != nil {
			return reply{}, err
		}
		contentType = "application/fhir+json"
		if strings.HasPrefix(target, "/admin/") {
			contentType = "application/json"
		}
	}
	if strings.HasPrefix(target, "/") {
		target = c.base + target
	}
	return c.send(ctx, method, target, bearer, contentType, raw, headers)
}

func (c *apiClient) send(ctx context.Context, method, target, bearer, contentType string, body []byte, headers []string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("the node does not answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return reply{}, fmt.Errorf("the node's answer broke off: %w", err)
	}
	return reply{status: res.StatusCode, header: res.Header, body: content}, nil
}

// problem returns what an OperationOutcome or an RFC 9457 problem says, in one line.
func (r reply) problem() string {
	var oo struct {
		Issue []struct {
			Code        string
			Diagnostics string
			Expression  []string
		}
		Title, Detail string
	}
	if json.Unmarshal(r.body, &oo) != nil {
		return fmt.Sprintf("status %d", r.status)
	}
	var parts []string
	for _, i := range oo.Issue {
		text := i.Code
		if i.Diagnostics != "" {
			text += ": " + i.Diagnostics
		}
		parts = append(parts, text)
	}
	for _, text := range []string{oo.Title, oo.Detail} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return fmt.Sprintf("status %d %s", r.status, strings.Join(parts, "; "))
}
