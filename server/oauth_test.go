package server_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/rds/rdstest"
	"github.com/concord-hie/concord/internal/token"
)

func claim(name string, value any) func(*post) { return func(p *post) { p.claims[name] = value } }
func noClaim(name string) func(*post)          { return func(p *post) { delete(p.claims, name) } }
func head(name string, value any) func(*post)  { return func(p *post) { p.header[name] = value } }
func noHead(name string) func(*post)           { return func(p *post) { delete(p.header, name) } }
func b2b(name string, value any) func(*post)   { return func(p *post) { p.b2b[name] = value } }
func noB2B(name string) func(*post)            { return func(p *post) { delete(p.b2b, name) } }
func form(name string, values ...string) func(*post) {
	return func(p *post) { p.form[name] = values }
}
func after(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// raw replaces the assertion's header or payload by text, signed as it is.
func raw(part int, change func(string) string) func(*post) {
	return func(p *post) {
		p.rewrite = func(string) string {
			texts := []string{string(mustJSON(p.header)), string(mustJSON(p.claims))}
			texts[part] = change(texts[part])
			return p.sign([]byte(texts[0]), []byte(texts[1]))
		}
	}
}

func rewrite(f func(string) string) func(*post) { return func(p *post) { p.rewrite = f } }

func TestTokenRequests(t *testing.T) {
	r := newRealm(t, 1, rdstest.Embedded)
	trap, touched := newTrap(t)
	other := newKey(t, token.ES384)
	patient := r.sealer.ID("patient", 42, 0)
	const (
		good   = http.StatusOK
		bad    = http.StatusBadRequest
		denied = http.StatusUnauthorized
	)
	for _, c := range []struct {
		name   string
		client string // "" means elm-emr
		change func(*post)
		status int
		code   string
		reason string // in the audit trail only
	}{
		// Row 1.
		{"a well-formed request with ES384 gets a token", "", nil, good, "", ""},
		{"a well-formed request with RS384 gets a token", "elm-rsa", nil, good, "", ""},
		{"a well-formed request with ES256 gets a token", "oak-emr", nil, good, "", ""},
		{"a JSON body is refused", "", func(p *post) { p.http.Set("Content-Type", "application/json") }, bad, access.InvalidRequest, "body not a form"},
		{"a body over 16 KiB is refused", "", form("state", strings.Repeat("x", 17<<10)), bad, access.InvalidRequest, "body over 16 KiB or cut short"},
		{"a body that is no form is refused", "", func(p *post) { p.body = func(string) string { return "a=%zz" } }, bad, access.InvalidRequest, "body not a form"},
		{"parameters in the URL are refused", "", func(p *post) { p.path += "?scope=system/Patient.rs" }, bad, access.InvalidRequest, "parameters in the URL"},
		{"a repeated parameter is refused", "", form("scope", "system/Patient.rs", "system/Patient.rs"), bad, access.InvalidRequest, "repeated parameter"},
		{"a repeated assertion is refused", "", func(p *post) {
			p.body = func(s string) string { return s + "&client_assertion=x" }
		}, bad, access.InvalidRequest, "repeated parameter"},
		{"an Authorization header beside the assertion is refused", "", func(p *post) { p.http.Set("Authorization", "Basic YTpi") }, bad, access.InvalidRequest, "Authorization header beside an assertion"},
		{"two Authorization headers are refused", "", func(p *post) { p.http["Authorization"] = []string{"Bearer a", "Bearer b"} }, bad, access.InvalidRequest, "Authorization header beside an assertion"},
		{"a client_secret is refused", "", form("client_secret", "s"), bad, access.InvalidRequest, "client_secret sent"},
		{"an unknown parameter is ignored", "", form("resource", "x"), good, "", ""},
		// Row 2.
		{"another grant type is refused", "", form("grant_type", "password"), bad, access.UnsupportedGrantType, "grant_type not client_credentials"},
		{"a missing grant type is refused", "", func(p *post) { p.form.Del("grant_type") }, bad, access.UnsupportedGrantType, "grant_type not client_credentials"},
		// Row 3.
		{"another assertion type is refused", "", form("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), denied, access.InvalidClient, "client_assertion_type missing or other"},
		{"a missing assertion is refused", "", func(p *post) { p.body = func(s string) string { return without(s, "client_assertion") } }, denied, access.InvalidClient, "client_assertion missing"},
		// Row 4.
		{"an assertion over 8 KiB is refused", "", claim("x", strings.Repeat("x", 8<<10)), denied, access.InvalidClient, "token: token over 8 KiB or empty"},
		{"five parts (JWE) are refused", "", rewrite(func(s string) string { return s + ".x.y" }), denied, access.InvalidClient, "token: token not of three parts"},
		{"two parts are refused", "", rewrite(func(s string) string { return s[:strings.LastIndex(s, ".")] }), denied, access.InvalidClient, "token: token not of three parts"},
		{"padding is refused", "", rewrite(func(s string) string { return s + "=" }), denied, access.InvalidClient, "token: token not strict base64url"},
		{"a line feed inside is refused", "", rewrite(func(s string) string { return s[:20] + "\n" + s[20:] }), denied, access.InvalidClient, "token: token not strict base64url"},
		{"duplicate header members are refused", "", raw(0, func(s string) string { return `{"alg":"ES384",` + s[1:] }), denied, access.InvalidClient, "token: token with duplicate members"},
		{"duplicate claims are refused", "", raw(1, func(s string) string { return `{"sub":"x",` + s[1:] }), denied, access.InvalidClient, "token: token with duplicate members"},
		{"duplicate members deep inside are refused", "", raw(1, func(s string) string { return `{"x":{"a":1,"a":2},` + s[1:] }), denied, access.InvalidClient, "token: token with duplicate members"},
		{"a payload that is no object is refused", "", raw(1, func(string) string { return `[]` }), denied, access.InvalidClient, "token: token payload not a JSON object"},
		{"invalid UTF-8 is refused", "", raw(1, func(s string) string { return "{\"x\":\"\xff\"," + s[1:] }), denied, access.InvalidClient, "token: token payload not a JSON object"},
		{"a claim of the wrong type is refused", "", claim("exp", "tomorrow"), denied, access.InvalidClient, "token: claims of the wrong type"},
		// Row 5.
		{"alg none is refused", "", func(p *post) {
			p.header["alg"] = "none"
			p.rewrite = func(s string) string { return s[:strings.LastIndex(s, ".")+1] }
		}, denied, access.InvalidClient, "token: token not of three parts"},
		{"alg none with a signature is refused", "", head("alg", "none"), denied, access.InvalidClient, "algorithm not allowed"},
		{"alg None is refused", "", head("alg", "None"), denied, access.InvalidClient, "algorithm not allowed"},
		{"HS256 with the public key as secret is refused", "elm-rsa", func(p *post) {
			p.header["alg"] = "HS256"
			p.rewrite = func(s string) string { return hs256(t, s, r.keys["elm-rsa"].private.Public()) }
		}, denied, access.InvalidClient, "algorithm not allowed"},
		{"RS256 is refused", "elm-rsa", func(p *post) { k := *p.signer; k.alg = "RS256"; p.signer = &k; p.header["alg"] = "RS256" }, denied, access.InvalidClient, "algorithm not allowed"},
		{"no alg is refused", "", noHead("alg"), denied, access.InvalidClient, "algorithm not allowed"},
		{"no typ is refused", "", noHead("typ"), denied, access.InvalidClient, "typ missing or other"},
		{"an access token's typ is refused", "", head("typ", "at+jwt"), denied, access.InvalidClient, "typ missing or other"},
		{"typ client-authentication+jwt is taken", "", head("typ", "client-authentication+jwt"), good, "", ""},
		{"crit is refused", "", head("crit", []string{"exp"}), denied, access.InvalidClient, "token: token header brings its own key or critical extension"},
		{"b64 is refused", "", head("b64", false), denied, access.InvalidClient, "token: token header brings its own key or critical extension"},
		{"jwk is refused", "", head("jwk", map[string]any{"kty": "EC"}), denied, access.InvalidClient, "token: token header brings its own key or critical extension"},
		{"x5u is refused and not fetched", "", head("x5u", trap), denied, access.InvalidClient, "token: token header brings its own key or critical extension"},
		{"x5c is refused", "", head("x5c", []string{"MII"}), denied, access.InvalidClient, "token: token header brings its own key or critical extension"},
		{"jku is refused and not fetched", "", head("jku", trap), denied, access.InvalidClient, "jku not registered"},
		{"a jku at the metadata address is refused", "", head("jku", "http://169.254.169.254/latest"), denied, access.InvalidClient, "jku not registered"},
		{"an unknown header member is refused", "", head("http://example.org/x", 1), denied, access.InvalidClient, "token: token header not a JSON object of known members"},
		{"no kid is refused", "", noHead("kid"), denied, access.InvalidClient, "kid missing or too long"},
		{"an empty kid is refused", "", head("kid", ""), denied, access.InvalidClient, "kid missing or too long"},
		{"a kid of 200 characters is refused", "", head("kid", strings.Repeat("k", 200)), denied, access.InvalidClient, "kid missing or too long"},
		{"a kid of a megabyte is refused", "", head("kid", strings.Repeat("k", 1<<20)), bad, access.InvalidRequest, "body over 16 KiB or cut short"},
		{"a duplicated kid is refused", "", raw(0, func(s string) string { return `{"kid":"a",` + s[1:] }), denied, access.InvalidClient, "token: token with duplicate members"},
		{"a kid that is a path is only a name", "", head("kid", "../../../dev/null"), denied, access.InvalidClient, "key unknown"},
		{"a kid that is SQL is only a name", "", head("kid", "' or 1=1 --"), denied, access.InvalidClient, "key unknown"},
		{"a kid that is a number is refused", "", head("kid", 1), denied, access.InvalidClient, "token: token header not a JSON object of known members"},
		// Row 6.
		{"an unknown client is refused", "", func(p *post) { p.claims["iss"], p.claims["sub"] = "nobody", "nobody" }, denied, access.InvalidClient, "client unknown"},
		{"no issuer is refused", "", noClaim("iss"), denied, access.InvalidClient, "client unknown"},
		{"a suspended client is refused", "elm-old", nil, denied, access.InvalidClient, "client suspended"},
		// Row 7.
		{"another client's key is not known", "", head("kid", r.keys["oak-emr"].public.Kid), denied, access.InvalidClient, "key unknown"},
		{"a signature by another key is refused", "", func(p *post) { p.signer = other }, denied, access.InvalidClient, "signature wrong"},
		{"a signature cut short is refused", "", rewrite(func(s string) string { return s[:len(s)-4] }), denied, access.InvalidClient, "signature wrong"},
		{"PS384 where the key says RS384 is refused", "elm-rsa", func(p *post) { k := *p.signer; k.alg = token.PS384; p.signer = &k; p.header["alg"] = token.PS384 }, denied, access.InvalidClient, "algorithm not that of the key"},
		{"a changed payload is refused", "", rewrite(func(s string) string {
			parts := strings.Split(s, ".")
			claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), "dr-lee", "dr-who", 1)))
			return strings.Join(parts, ".")
		}), denied, access.InvalidClient, "signature wrong"},
		// Row 8.
		{"sub other than iss is refused", "", claim("sub", "oak-emr"), denied, access.InvalidClient, "iss and sub differ"},
		{"no sub is refused", "", noClaim("sub"), denied, access.InvalidClient, "iss and sub differ"},
		{"a client_id other than iss is refused", "", form("client_id", "oak-emr"), denied, access.InvalidClient, "client_id differs"},
		{"the same client_id is taken", "", form("client_id", "elm-emr"), good, "", ""},
		// Row 9.
		{"an array of one audience is taken", "", claim("aud", []string{tokenURL}), good, "", ""},
		{"our issuer as audience is taken", "", claim("aud", base), good, "", ""},
		{"two audiences are refused", "", claim("aud", []string{tokenURL, "https://other.example.org"}), denied, access.InvalidClient, "aud not a single value"},
		{"no audience is refused", "", noClaim("aud"), denied, access.InvalidClient, "aud not a single value"},
		{"another server's audience is refused", "", claim("aud", "https://other.example.org/oauth/token"), denied, access.InvalidClient, "aud not this server"},
		{"the FHIR base as audience is refused", "", claim("aud", base+"/fhir"), denied, access.InvalidClient, "aud not this server"},
		{"another endpoint as audience is refused", "", claim("aud", base+"/oauth/revoke"), denied, access.InvalidClient, "aud not this server"},
		{"a trailing slash is refused", "", claim("aud", tokenURL+"/"), denied, access.InvalidClient, "aud not this server"},
		{"an upper-case host is refused", "", claim("aud", strings.Replace(tokenURL, "concord", "CONCORD", 1)), denied, access.InvalidClient, "aud not this server"},
		// Row 10.
		{"no exp is refused", "", noClaim("exp"), denied, access.InvalidClient, "exp missing"},
		{"exp 31 seconds ago is refused", "", claim("exp", after(-31*time.Second)), denied, access.InvalidClient, "assertion expired"},
		{"exp 20 seconds ago is within the skew", "", claim("exp", after(-20*time.Second)), good, "", ""},
		{"exp in 24 hours is refused", "", claim("exp", after(24*time.Hour)), denied, access.InvalidClient, "exp too far ahead"},
		{"exp in 325 seconds is within the skew", "", claim("exp", after(325*time.Second)), good, "", ""},
		{"exp in 335 seconds is refused", "", claim("exp", after(335*time.Second)), denied, access.InvalidClient, "exp too far ahead"},
		{"exp in the year 10000 is refused", "", claim("exp", 253402300800), denied, access.InvalidClient, "token: claims of the wrong type"},
		{"nbf in a minute is refused", "", claim("nbf", after(time.Minute)), denied, access.InvalidClient, "nbf in the future"},
		{"nbf in 20 seconds is within the skew", "", claim("nbf", after(20*time.Second)), good, "", ""},
		{"iat in a minute is refused", "", claim("iat", after(time.Minute)), denied, access.InvalidClient, "iat in the future"},
		// Row 11.
		{"no jti is refused", "", noClaim("jti"), denied, access.InvalidClient, "jti missing or too long"},
		{"a jti of 300 characters is refused", "", claim("jti", strings.Repeat("j", 300)), denied, access.InvalidClient, "jti missing or too long"},
		// Row 13.
		{"v1 scopes are granted in normal form", "", form("scope", "system/DocumentReference.read"), good, "", ""},
		{"a right that is not registered is left out", "", form("scope", "system/DocumentReference.cruds system/Binary.r openid"), good, "", ""},
		{"no scope is refused", "", func(p *post) { p.form.Del("scope") }, bad, access.InvalidScope, "scope missing, malformed or not registered"},
		{"scopes none of which is registered are refused", "", form("scope", "system/Consent.cruds concord/audit.read"), bad, access.InvalidScope, "scope missing, malformed or not registered"},
		{"a wildcard that is not registered is refused", "", form("scope", "system/*.rs system/Patient.rs"), bad, access.InvalidScope, "scope missing, malformed or not registered"},
		{"a scope limited by a query is not taken for the whole", "", form("scope", "system/Patient.rs?gender=female"), bad, access.InvalidScope, "scope missing, malformed or not registered"},
		// Row 14.
		{"no hl7-b2b is refused", "", func(p *post) { p.b2b = nil }, bad, access.InvalidGrant, "hl7-b2b missing"},
		{"an hl7-b2b of the wrong type is refused", "", func(p *post) { p.b2b = nil; p.claims["extensions"] = map[string]any{"hl7-b2b": "x"} }, bad, access.InvalidGrant, "hl7-b2b unreadable"},
		{"extensions of the wrong type are refused", "", func(p *post) { p.b2b = nil; p.claims["extensions"] = "x" }, bad, access.InvalidGrant, "hl7-b2b unreadable"},
		{"version 2 is refused", "", b2b("version", "2"), bad, access.InvalidGrant, "hl7-b2b version not 1"},
		{"no organization_id is refused", "", noB2B("organization_id"), bad, access.InvalidGrant, "organization_id missing"},
		{"an unknown organization is refused", "", b2b("organization_id", "https://nowhere.example.org"), bad, access.InvalidGrant, "organization unknown"},
		{"no purpose of use is refused, not defaulted", "", noB2B("purpose_of_use"), bad, access.InvalidGrant, "purpose of use missing"},
		{"an empty list of purposes is refused", "", b2b("purpose_of_use", []string{}), bad, access.InvalidGrant, "purpose of use missing"},
		{"an unknown purpose is refused, not defaulted", "", b2b("purpose_of_use", []string{"TREATMENT"}), bad, access.InvalidGrant, "purpose of use unknown"},
		{"a purpose of an unknown system is refused", "", b2b("purpose_of_use", []string{"urn:oid:1.2.3#TREAT"}), bad, access.InvalidGrant, "purpose of use unknown"},
		{"a purpose in lower case is refused", "", b2b("purpose_of_use", []string{"treat"}), bad, access.InvalidGrant, "purpose of use unknown"},
		{"one unknown purpose among known ones is refused", "", b2b("purpose_of_use", []string{"TREAT", "X"}), bad, access.InvalidGrant, "purpose of use unknown"},
		{"a purpose that is not registered is refused", "", b2b("purpose_of_use", []string{"HRESCH"}), bad, access.InvalidGrant, "purpose of use not the client's"},
		{"a purpose as a plain code is taken", "", b2b("purpose_of_use", []string{"TREAT"}), good, "", ""},
		{"a purpose as a Coding is taken", "", b2b("purpose_of_use", []any{map[string]string{"system": access.ActReasonURI, "code": "TREAT"}}), good, "", ""},
		{"a system on its own behalf is taken", "", func(p *post) {
			delete(p.b2b, "subject_id")
			delete(p.b2b, "subject_name")
			delete(p.b2b, "subject_role")
		}, good, "", ""},
		{"a person without a role is refused", "", noB2B("subject_role"), bad, access.InvalidGrant, "subject needs id, name and role"},
		{"a person without an id is refused", "", noB2B("subject_id"), bad, access.InvalidGrant, "subject needs id, name and role"},
		{"a role that is not registered is refused", "", b2b("subject_role", "steward"), bad, access.InvalidGrant, "role not the client's"},
		{"a registered code of another system is taken as a Coding", "", b2b("subject_role", map[string]string{"system": "urn:oid:2.16.840.1.113883.6.101", "code": "207Q00000X"}), good, "", ""},
		{"a registered plain code of another system is another role", "", b2b("subject_role", "urn:oid:1.2.3#physician"), bad, access.InvalidGrant, "role not the client's"},
		{"control characters in a name are refused", "", b2b("subject_name", "Dr.\r\nLee"), bad, access.InvalidGrant, "subject not plain text"},
		{"a patient as subject of an ordinary client is refused", "", b2b("subject_id", "Patient/"+patient), bad, access.InvalidGrant, "subject is a patient"},
		{"a patient's own app is bound to the patient", "elm-app", asApp("Patient/" + patient), good, "", ""},
		{"a patient's app without a patient is refused", "elm-app", asApp("dr-lee"), bad, access.InvalidGrant, "subject is no patient"},
		{"a made-up patient id is refused", "elm-app", asApp("Patient/42"), bad, access.InvalidGrant, "subject is no patient"},
		{"another kind of sealed id is refused", "elm-app", asApp("Patient/" + r.sealer.ID("document", 42, 0)), bad, access.InvalidGrant, "subject is no patient"},
		{"a patient's app in another role is refused", "elm-app", func(p *post) { asApp("Patient/" + patient)(p); p.b2b["subject_role"] = "physician" }, bad, access.InvalidGrant, "role not the client's"},
		// Row 15.
		{"client A acting for organisation B is refused", "", b2b("organization_id", oakURI), bad, access.InvalidGrant, "organization not the client's"},
		// Headers nobody may use to be somebody else.
		{"a spoofed X-Forwarded-For changes nothing", "", func(p *post) {
			p.http.Set("X-Forwarded-For", "203.0.113.9")
			p.http.Set("X-Forwarded-Client-Cert", "Subject=\"CN=oak-emr\"")
			p.http.Set("Forwarded", "for=203.0.113.9")
		}, good, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := c.client
			if client == "" {
				client = "elm-emr"
			}
			p := r.post(client)
			if c.change != nil {
				c.change(p)
			}
			before := r.events()
			got := p.send()
			if got.status != c.status || got.str("error") != c.code {
				_, reasons, _ := r.lastAudit()
				t.Fatalf("got %d %q (%s), want %d %q", got.status, got.str("error"), reasons, c.status, c.code)
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Pragma") != "no-cache" {
				t.Errorf("the answer may be kept: %v", got.header)
			}
			if n := r.events(); n != before+1 {
				t.Errorf("%d audit events, want 1", n-before)
			}
			kind, reasons, body := r.lastAudit()
			if strings.Contains(body, "203.0.113.9") {
				t.Errorf("the audit trail names an address a header made up")
			}
			if c.status == good {
				if kind != "token.issued" || got.str("access_token") == "" || got.str("token_type") != "bearer" || got.body["expires_in"] != 300.0 {
					t.Errorf("audit %s, answer %s", kind, got.raw)
				}
				return
			}
			if kind != "signin.failed" || len(reasons) != 1 || reasons[0] != c.reason {
				t.Errorf("audit %s %q, want signin.failed %q", kind, reasons, c.reason)
			}
			if got.str("access_token") != "" || strings.Contains(got.raw, reasons[0]) {
				t.Errorf("the answer tells too much: %s", got.raw)
			}
		})
	}
	if n := touched.Load(); n != 0 {
		t.Errorf("%d connections were made to addresses in a header", n)
	}
}

func TestRefusalsOfRows3To11AreOneAnswer(t *testing.T) {
	r := newRealm(t, 1, rdstest.Embedded)
	seen := map[string]bool{}
	for _, change := range []func(*post){form("client_assertion_type", "x"), rewrite(func(s string) string { return s + ".x" }), head("alg", "none"),
		claim("iss", "nobody"), func(p *post) { p.signer = newKey(t, token.ES384) }, claim("sub", "x"), claim("aud", "x"), noClaim("exp"), noClaim("jti")} {
		p := r.post("elm-emr")
		change(p)
		got := p.send()
		got.header.Del("X-Request-Id")
		seen[http.StatusText(got.status)+got.raw+string(mustJSON(got.header))] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d different answers: %v", len(seen), seen)
	}
}

func TestATokenSaysWhoAsksAndNothingMore(t *testing.T) {
	r := newRealm(t, 1, rdstest.Embedded)
	p := r.post("elm-emr")
	p.form.Set("scope", "system/Patient.read system/DocumentReference.rs system/Binary.r")
	got := p.send()
	if got.str("scope") != "system/DocumentReference.rs system/Patient.rs" {
		t.Errorf("scope = %q", got.str("scope"))
	}
	c, err := token.Parse(got.str("access_token"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Header.Typ != "at+jwt" || c.Header.Alg != "ES256" || c.Header.Kid != r.own.Public().Thumbprint() {
		t.Errorf("header = %+v", c.Header)
	}
	var claims map[string]any
	if err := json.Unmarshal(c.Payload, &claims); err != nil {
		t.Fatal(err)
	}
	iua, _ := claims["extensions"].(map[string]any)["ihe_iua"].(map[string]any)
	for name, want := range map[string]any{"iss": base, "aud": base + "/fhir", "sub": "dr-lee", "client_id": "elm-emr"} {
		if claims[name] != want {
			t.Errorf("%s = %v, want %v", name, claims[name], want)
		}
	}
	if claims["exp"].(float64)-claims["nbf"].(float64) != 300 {
		t.Errorf("exp - nbf = %v", claims["exp"].(float64)-claims["nbf"].(float64))
	}
	want := `{"purpose_of_use":[{"code":"TREAT","display":"treatment","system":"http://terminology.hl7.org/CodeSystem/v3-ActReason"}],` +
		`"subject_name":"Dr. Lee","subject_organization":"Elm Street Practice","subject_organization_id":"https://elm.example.org",` +
		`"subject_role":[{"code":"physician","system":"urn:concord:role"}]}`
	if s := string(mustJSON(iua)); s != want {
		t.Errorf("ihe_iua = %s", s)
	}
	if len(got.str("access_token")) >= 4096 {
		t.Errorf("the token has %d bytes", len(got.str("access_token")))
	}
	keys := r.do(0, httptest.NewRequest(http.MethodGet, "/oauth/jwks", nil))
	set, err := token.ParseSet([]byte(keys.raw))
	if err != nil || len(set) != 1 || set[0].Verify(c) != nil {
		t.Errorf("the published keys do not verify the token: %v", err)
	}
}

// asApp makes a post of the patients' app about one subject.
func asApp(subject string) func(*post) {
	return func(p *post) {
		p.form.Set("scope", "patient/DocumentReference.rs")
		p.b2b["subject_id"], p.b2b["purpose_of_use"] = subject, []string{"PATRQT"}
		delete(p.b2b, "subject_role")
	}
}

func without(body, name string) string {
	v, err := url.ParseQuery(body)
	if err != nil {
		panic(err)
	}
	v.Del(name)
	return v.Encode()
}

// hs256 replaces the signature by an HMAC keyed with the public key's PEM, the classic confusion.
func hs256(t *testing.T, compact string, public crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	signed := compact[:strings.LastIndex(compact, ".")]
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func unsigned(payload []byte) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + enc(payload) + "." + enc([]byte("x"))
}

// forgeKid signs with another key under own's kid.
func forgeKid(t *testing.T, own *token.Signer, payload []byte) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.NewSigner(key, own.Public().Kid, token.ES256)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Sign("at+jwt", payload)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + out
}

// newTrap listens and counts who comes.
func newTrap(t *testing.T) (url string, touched *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	touched = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			touched.Add(1)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/jwks", touched
}

func (brokenTrail) Record(context.Context, ...audit.Event) error { return hie.ErrUnavailable }
