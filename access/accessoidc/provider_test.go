package accessoidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
)

// issuer is a provider that says what a test wants.
type issuer struct {
	*httptest.Server
	signer *token.Signer
	claims map[string]any
	status int
	raw    string // the id token, instead of one of claims
	form   url.Values
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	signer, err := token.Generate(token.ES256)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{signer: signer, status: http.StatusOK}
	say := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		say(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/jwks",
			"id_token_signing_alg_values_supported": []string{"ES256"}, "end_session_endpoint": i.URL + "/end?x=1"})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(accessjwt.New(i.signer).KeySet()) })
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		i.form = r.PostForm
		if i.status != http.StatusOK {
			w.WriteHeader(i.status)
			return
		}
		raw := i.raw
		if raw == "" {
			payload, _ := json.Marshal(i.claims)
			raw, _ = i.signer.Sign("JWT", payload)
		}
		say(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": raw})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) provider(t *testing.T) *Provider {
	t.Helper()
	p, err := New(Options{Issuer: i.URL, ClientID: "concord", ClientSecret: "s", ReturnURL: "https://concord.test/signin/return", StepUpClass: "strong"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// good are the claims of an ID token for f.
func (i *issuer) good(f Flow) map[string]any {
	now := time.Now()
	return map[string]any{"iss": i.URL, "aud": "concord", "sub": "u1", "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "nonce": f.Nonce, "auth_time": now.Unix(),
		"acr": "strong", "name": "Avery Bloom", "organization": "urn:org:oak", "roles": []string{"physician"}, "patient": "urn:oak|m|1"}
}

func TestSomebodyIsWhoAVerifiedTokenSays(t *testing.T) {
	ctx, i := context.Background(), newIssuer(t)
	p := i.provider(t)
	target, f, err := p.Begin(ctx, Ask{Hint: "bloom", StepUp: true, Language: "es"})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(target)
	q := u.Query()
	sum := sha256.Sum256([]byte(f.Verifier))
	for name, want := range map[string]string{"client_id": "concord", "redirect_uri": "https://concord.test/signin/return", "response_type": "code", "scope": "openid profile",
		"state": f.State, "nonce": f.Nonce, "code_challenge_method": "S256", "code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]),
		"login_hint": "bloom", "prompt": "login", "max_age": "0", "acr_values": "strong", "ui_locales": "es"} {
		if q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q.Get(name), want)
		}
	}
	i.claims = i.good(f)
	id, err := p.Finish(ctx, f, url.Values{"state": {f.State}, "code": {"c"}, "iss": {i.URL}})
	if err != nil {
		t.Fatal(err)
	}
	if i.form.Get("code_verifier") != f.Verifier || i.form.Get("code") != "c" {
		t.Error("the code was redeemed without its verifier")
	}
	if id.Subject != "u1" || id.Name != "Avery Bloom" || id.Organization != "urn:org:oak" || len(id.Roles) != 1 || id.Patient.System != "urn:oak" || id.Patient.Value != "m|1" {
		t.Error("the identity is not what the token says")
	}
	if !id.Proves("strong", f.Asked) || id.Proves("stronger", f.Asked) || id.Proves("strong", f.Asked.Add(time.Hour)) {
		t.Error("what the token proves is read otherwise")
	}
	if got := p.SignOutURL(ctx, "https://concord.test/"); got != i.URL+"/end?client_id=concord&post_logout_redirect_uri=https%3A%2F%2Fconcord.test%2F&x=1" {
		t.Errorf("signing out leads to %s", got)
	}
}

func TestWhatDoesNotFitSignsNobodyIn(t *testing.T) {
	ctx := context.Background()
	other, err := token.Generate(token.ES256)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		claims func(map[string]any)
		back   func(url.Values)
		issuer func(*issuer, Flow)
		want   error
	}{
		"another nonce":               {claims: func(c map[string]any) { c["nonce"] = "other" }},
		"no nonce":                    {claims: func(c map[string]any) { delete(c, "nonce") }},
		"a token for another client":  {claims: func(c map[string]any) { c["aud"] = "somebody" }},
		"a token of another issuer":   {claims: func(c map[string]any) { c["iss"] = "https://evil.test" }},
		"a token that has ended":      {claims: func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }},
		"another state":               {back: func(q url.Values) { q.Set("state", "other") }},
		"no state":                    {back: func(q url.Values) { q.Del("state") }},
		"an answer of another issuer": {back: func(q url.Values) { q.Set("iss", "https://evil.test") }},
		"a refusal":                   {back: func(q url.Values) { q.Set("error", "access_denied") }},
		"no code":                     {back: func(q url.Values) { q.Del("code") }},
		"a code that is not taken":    {issuer: func(i *issuer, _ Flow) { i.status = http.StatusBadRequest }},
		"a token signed by another key": {issuer: func(i *issuer, f Flow) {
			payload, _ := json.Marshal(i.good(f))
			i.raw, _ = other.Sign("JWT", payload)
		}},
		"a token nobody signed": {issuer: func(i *issuer, f Flow) {
			payload, _ := json.Marshal(i.good(f))
			i.raw = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
		}},
		"a provider that fails": {issuer: func(i *issuer, _ Flow) { i.status = http.StatusInternalServerError }, want: hie.ErrUnavailable},
	} {
		i := newIssuer(t)
		p := i.provider(t)
		_, f, err := p.Begin(ctx, Ask{})
		if err != nil {
			t.Fatal(err)
		}
		i.claims = i.good(f)
		back := url.Values{"state": {f.State}, "code": {"c"}}
		if tt.claims != nil {
			tt.claims(i.claims)
		}
		if tt.back != nil {
			tt.back(back)
		}
		if tt.issuer != nil {
			tt.issuer(i, f)
		}
		want := tt.want
		if want == nil {
			want = hie.ErrUnauthenticated
		}
		if _, err := p.Finish(ctx, f, back); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestAProviderThatIsDownIsSaidToBeAndAskedAgain(t *testing.T) {
	ctx, i := context.Background(), newIssuer(t)
	address := i.URL
	i.Close()
	p, err := New(Options{Issuer: address, ClientID: "c", ReturnURL: "https://concord.test/signin/return"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := p.Begin(ctx, Ask{}); !errors.Is(err, hie.ErrUnavailable) {
			t.Errorf("%v, want unavailable", err)
		}
	}
	if p.SignOutURL(ctx, "/") != "" {
		t.Error("it leads somewhere to sign out")
	}
	for _, bad := range []Options{{Issuer: "ftp://x"}, {Issuer: "https://x"}, {}} {
		if _, err := New(bad); err == nil {
			t.Error("options that cannot work were taken")
		}
	}
}
