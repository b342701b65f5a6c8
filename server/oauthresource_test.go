package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/internal/rds/rdstest"
	"github.com/concord-hie/concord/internal/token"
)

// pictureAge is longer than a node goes on with a picture of clients it has, and half of the second within which an end
// must act everywhere.
const pictureAge = 500 * time.Millisecond

func TestASuspensionEndsTokensOnEveryNodeWithinASecond(t *testing.T) {
	r := newRealm(t, 3, rdstest.Embedded)
	bearer := "Bearer " + r.post("elm-emr").send().str("access_token")
	other := "Bearer " + r.post("oak-emr").send().str("access_token")
	for node := range r.nodes {
		if got := r.fhir(node, bearer); got.status != http.StatusForbidden {
			t.Fatalf("node %d: got %d before", node, got.status)
		}
	}
	suspended := r.clients()[0]
	suspended.Status = access.Suspended
	r.apply(suspended)
	time.Sleep(pictureAge)
	for node := range r.nodes {
		if got := r.fhir(node, bearer); got.status != http.StatusUnauthorized {
			t.Errorf("node %d takes the token of a suspended client: %d", node, got.status)
		}
		if got := r.fhir(node, other); got.status != http.StatusForbidden {
			t.Errorf("node %d: another client's token got %d", node, got.status)
		}
	}
	if got := r.post("elm-emr").send(); got.status != http.StatusUnauthorized {
		t.Errorf("a suspended client got %d", got.status)
	}
	r.apply(r.clients()[0])
	time.Sleep(pictureAge)
	if got := r.fhir(0, bearer); got.status != http.StatusUnauthorized {
		t.Errorf("a token from before the suspension got %d after its end", got.status)
	}
	again := r.post("elm-emr").send()
	if got := r.fhir(1, "Bearer "+again.str("access_token")); got.status != http.StatusForbidden {
		t.Errorf("a new token got %d", got.status)
	}
	r.setActive("elm", false)
	if got := r.fhir(1, "Bearer "+again.str("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("a suspended organisation's token got %d", got.status)
	}
	if got := r.post("elm-emr").send(); got.status != http.StatusUnauthorized {
		t.Errorf("a suspended organisation's client got %d", got.status)
	}
}

func TestDelegationNeedsALiveEntry(t *testing.T) {
	r := newRealm(t, 0, rdstest.Embedded)
	c := r.clients()[0]
	c.Delegations = []access.Delegation{{Principal: "oak", Until: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)}, {Principal: "ash"}}
	r.apply(c)
	r.nodes = append(r.nodes, r.node())
	for _, step := range []struct {
		org  string
		skew time.Duration
		want int
	}{{oakURI, 0, http.StatusOK}, {ashURI, 0, http.StatusOK}, {oakURI, 2 * time.Hour, http.StatusBadRequest}, {ashURI, 2 * time.Hour, http.StatusOK}} {
		r.setSkew(step.skew)
		p := r.post("elm-emr")
		p.claims["exp"] = after(step.skew + time.Minute)
		p.b2b["organization_id"] = step.org
		if got := p.send(); got.status != step.want {
			t.Errorf("for %s after %v: got %d, want %d", step.org, step.skew, got.status, step.want)
		}
	}
}

func TestAccessTokensAtTheResourceServer(t *testing.T) {
	r := newRealm(t, 1, rdstest.Embedded)
	good := r.post("elm-emr").send().str("access_token")
	parsed, err := token.Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	stranger := ownKey(t)
	var claims map[string]any
	if err := json.Unmarshal(parsed.Payload, &claims); err != nil {
		t.Fatal(err)
	}
	with := func(changes map[string]any) []byte {
		c := map[string]any{}
		for k, v := range claims {
			c[k] = v
		}
		for k, v := range changes {
			if v == nil {
				delete(c, k)
			} else {
				c[k] = v
			}
		}
		return mustJSON(c)
	}
	sign := func(s *token.Signer, typ string, payload []byte) string {
		out, err := s.Sign(typ, payload)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + out
	}
	assertion := r.post("elm-emr").assertion()
	bad := r.fhir(0, sign(stranger, "at+jwt", parsed.Payload))
	if kind, reasons, body := r.lastAudit(); kind != string(audit.SignInFailed) || !slices.Equal(reasons, []string{"token: token signed by no key of ours"}) ||
		!strings.Contains(body, `"request":"`+bad.header.Get("X-Request-Id")+`"`) || !strings.Contains(body, `"address":"192.0.2.1"`) {
		t.Errorf("a bad token is recorded as %s %v without its request: %s", kind, reasons, body)
	}
	for _, c := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"our token is taken", []string{"Bearer " + good}, http.StatusForbidden}, // good, but without this scope
		{"the scheme in lower case is taken", []string{"bearer " + good}, http.StatusForbidden},
		{"our token signed again as it was is taken", []string{sign(r.own, "at+jwt", parsed.Payload)}, http.StatusForbidden},
		{"no token is refused", nil, http.StatusUnauthorized},
		{"two Authorization headers are refused", []string{"Bearer " + good, "Bearer " + good}, http.StatusUnauthorized},
		{"another scheme is refused", []string{"Basic " + good}, http.StatusUnauthorized},
		{"alg none is refused", []string{"Bearer " + unsigned(parsed.Payload)}, http.StatusUnauthorized},
		{"another key with our kid is refused", []string{forgeKid(t, r.own, parsed.Payload)}, http.StatusUnauthorized},
		{"another key is refused", []string{sign(stranger, "at+jwt", parsed.Payload)}, http.StatusUnauthorized},
		{"a client assertion is refused", []string{"Bearer " + assertion}, http.StatusUnauthorized},
		{"typ JWT is refused", []string{sign(r.own, "JWT", parsed.Payload)}, http.StatusUnauthorized},
		{"another issuer is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"iss": "https://other.example.org"}))}, http.StatusUnauthorized},
		{"another audience is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"aud": base}))}, http.StatusUnauthorized},
		{"an array of audiences is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"aud": []string{base + "/fhir"}}))}, http.StatusUnauthorized},
		{"an expired token is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"exp": after(-31 * time.Second)}))}, http.StatusUnauthorized},
		{"no exp is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"exp": nil}))}, http.StatusUnauthorized},
		{"a token not yet valid is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"nbf": after(time.Minute)}))}, http.StatusUnauthorized},
		{"no jti is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"jti": nil}))}, http.StatusUnauthorized},
		{"an unknown client is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"client_id": "nobody"}))}, http.StatusUnauthorized},
		{"an unknown claim is refused", []string{sign(r.own, "at+jwt", with(map[string]any{"admin": true}))}, http.StatusUnauthorized},
		{"rubbish is refused", []string{"Bearer " + strings.Repeat("a.", 5000)}, http.StatusUnauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.fhir(0, c.headers...)
			if got.status != c.want {
				t.Fatalf("got %d, want %d", got.status, c.want)
			}
			if c.want == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
}

func TestIntrospectionAndRevocation(t *testing.T) {
	r := newRealm(t, 2, rdstest.Embedded)
	mine := r.post("elm-emr").send().str("access_token")
	theirs := r.post("oak-emr").send().str("access_token")
	desk := r.post("elm-desk")
	desk.form.Set("scope", access.ScopeIntrospect)
	bearer := "Bearer " + desk.send().str("access_token")
	ask := func(path, client, tok string, headers ...string) answer {
		if len(headers) > 0 {
			req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(url.Values{"token": {tok}}.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header["Authorization"] = headers
			return r.do(0, req)
		}
		p := r.post(client)
		p.path, p.b2b = path, nil
		p.form = url.Values{"token": {tok}, "client_assertion_type": p.form["client_assertion_type"]}
		return p.send()
	}
	const introspect, revoke = "/oauth/introspect", "/oauth/revoke"
	got := ask(introspect, "elm-emr", mine)
	if got.body["active"] != true || got.str("client_id") != "elm-emr" || got.str("scope") != "system/DocumentReference.rs" || got.body["exp"] == nil ||
		got.str("iss") != base || got.str("sub") != "dr-lee" || got.str("aud") != base+"/fhir" || got.str("jti") == "" || got.body["extensions"] == nil {
		t.Errorf("own token: %s", got.raw)
	}
	if got := ask(introspect, "", theirs, bearer); got.body["active"] != true || got.str("client_id") != "oak-emr" {
		t.Errorf("any token, by a bearer with the scope: %s", got.raw)
	}
	for name, got := range map[string]answer{
		"another client's token": ask(introspect, "elm-emr", theirs),
		"rubbish":                ask(introspect, "elm-emr", "x"),
		"an assertion":           ask(introspect, "elm-emr", r.post("elm-emr").assertion()),
		"nothing":                ask(introspect, "elm-emr", ""),
	} {
		if got.status != http.StatusOK || got.raw != `{"active":false}` {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	for name, got := range map[string]answer{
		"nobody":                     ask(introspect, "", mine, "Bearer x"),
		"a bearer without the scope": ask(introspect, "", mine, "Bearer "+mine),
		"a suspended client":         ask(introspect, "elm-old", mine),
	} {
		if got.status != http.StatusUnauthorized || got.body["active"] != nil {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	if got := ask(revoke, "elm-emr", theirs); got.status != http.StatusOK {
		t.Errorf("revoking another client's token: %d", got.status)
	}
	if got := r.fhir(0, "Bearer "+theirs); got.status != http.StatusForbidden {
		t.Errorf("another client's token was revoked: %d", got.status)
	}
	if got := ask(revoke, "elm-emr", mine); got.status != http.StatusOK {
		t.Errorf("revoke: %d %s", got.status, got.raw)
	}
	if kind, _, body := r.lastAudit(); kind != "administered" || !strings.Contains(body, `"object":"token"`) {
		t.Errorf("the revocation is not in the audit trail: %s", body)
	}
	time.Sleep(pictureAge)
	for node := range r.nodes {
		if got := r.fhir(node, "Bearer "+mine); got.status != http.StatusUnauthorized {
			t.Errorf("node %d takes a revoked token: %d", node, got.status)
		}
	}
	if got := ask(introspect, "elm-emr", mine); got.raw != `{"active":false}` {
		t.Errorf("a revoked token: %s", got.raw)
	}
}

func TestDiscovery(t *testing.T) {
	r := newRealm(t, 1, rdstest.Embedded)
	for _, path := range []string{"/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"} {
		got := r.do(0, httptest.NewRequest(http.MethodGet, path, nil))
		if got.status != http.StatusOK || got.str("token_endpoint") != tokenURL || got.str("issuer") != base || got.str("jwks_uri") != base+"/oauth/jwks" {
			t.Errorf("%s: %d %s", path, got.status, got.raw)
		}
	}
	if got := r.do(0, httptest.NewRequest(http.MethodGet, "/oauth/token", nil)); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET of the token endpoint: %d", got.status)
	}
}
