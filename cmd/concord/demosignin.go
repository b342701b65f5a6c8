package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
)

// The demo's own identity provider: OpenID Connect, authorization code with PKCE, one confidential client. It knows the
// personas and asks nobody for a password: whoever says "Maria" is Maria. It listens on loopback and exists in the demo
// alone.
//
// Source: OpenID Connect Core 1.0 and Discovery 1.0; RFC 7636; RFC 9207.

const (
	signInClient = "concord-portal"
	// What the provider says of how somebody proved who they are: a click, or a click asked for anew.
	onceClass  = "urn:concord:demo:once"
	againClass = "urn:concord:demo:again"
)

// A signInCode is one authorization waiting to be redeemed.
type signInCode struct {
	persona          persona
	redirect         string
	nonce, challenge string
	class            string
	at               time.Time
}

// A demoProvider is the demo's identity provider.
type demoProvider struct {
	issuer, secret string
	// returnTo is the one redirect URI of the one client, home where people are sent after signing out.
	returnTo, home string
	signer         *token.Signer
	personas       []persona
	now            func() time.Time

	mu    sync.Mutex
	codes map[string]signInCode
}

// startSignIn serves the provider on a port of its own, the one it had before.
func (m *demo) startSignIn() (*demoProvider, error) {
	_, port, _ := net.SplitHostPort(m.Addr)
	first, _ := strconv.Atoi(port)
	listener, err := listenSite(m.state.Ports["sign-in"], first+1+len(m.allSites()))
	if err != nil {
		if listener, err = listenSite(0, 0); err != nil {
			return nil, err
		}
	}
	m.state.Ports["sign-in"] = listener.Addr().(*net.TCPAddr).Port
	signer, err := token.Generate(token.ES256)
	if err != nil {
		return nil, err
	}
	base := "http://" + m.Addr
	p := &demoProvider{returnTo: base + "/signin/return", home: base + "/", issuer: "http://" + listener.Addr().String(), secret: rand.Text(), signer: signer, personas: m.personas(), now: hie.Now, codes: map[string]signInCode{}}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // always an error: that it was closed
	}()
	m.stops = append(m.stops, func() { _ = server.Close(); <-ended })
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *demoProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	origin, _, _ := strings.Cut(strings.TrimPrefix(p.returnTo, "http://"), "/")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http://"+origin)
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answerJSON(w, http.StatusOK, map[string]any{"issuer": p.issuer, "authorization_endpoint": p.issuer + "/authorize", "token_endpoint": p.issuer + "/token",
			"jwks_uri": p.issuer + "/jwks", "end_session_endpoint": p.issuer + "/end", "response_types_supported": []string{"code"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{token.ES256},
			"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}, "code_challenge_methods_supported": []string{"S256"},
			"acr_values_supported": []string{onceClass, againClass}, "authorization_response_iss_parameter_supported": true})
	case "/jwks":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(accessjwt.New(p.signer).KeySet()) // nobody is left to tell
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.token(w, r)
	case "/end":
		http.Redirect(w, r, p.home, http.StatusSeeOther)
	default:
		http.NotFound(w, r)
	}
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // nobody is left to tell
}

// authorize answers GET and POST /authorize. A GET that names a persona and asks for no new proof signs in at once: one
// click. Otherwise a page asks who it is, and its form is the POST.
func (p *demoProvider) authorize(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		http.Error(w, "not a form", http.StatusBadRequest)
		return
	}
	q := r.Form
	if q.Get("client_id") != signInClient || q.Get("redirect_uri") != p.returnTo || q.Get("response_type") != "code" ||
		q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || !slices.Contains(strings.Fields(q.Get("scope")), "openid") {
		http.Error(w, "not a request of this demonstration's portal", http.StatusBadRequest) // never redirected: the address may be anybody's
		return
	}
	again := slices.Contains(strings.Fields(q.Get("prompt")), "login")
	who := q.Get("login_hint")
	if r.Method == http.MethodPost {
		who = r.PostForm.Get("who")
	}
	at := slices.IndexFunc(p.personas, func(x persona) bool { return x.Account == who })
	if at < 0 || (again && r.Method != http.MethodPost) {
		p.ask(w, q, at, again)
		return
	}
	c := signInCode{persona: p.personas[at], redirect: p.returnTo, nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), class: onceClass, at: p.now()}
	if again {
		c.class = againClass
	}
	code := rand.Text()
	p.mu.Lock()
	for old, c := range p.codes {
		if p.now().Sub(c.at) > time.Minute {
			delete(p.codes, old)
		}
	}
	p.codes[code] = c
	p.mu.Unlock()
	http.Redirect(w, r, p.returnTo+"?"+url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.issuer}}.Encode(), http.StatusSeeOther)
}

var signInPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Demonstration sign-in</title></head><body><main><h1>{{if .Again}}Prove once more that it is you{{else}}Who are you?{{end}}</h1>
<p>This is the demonstration's own sign-in. There are no passwords: every person is invented.</p>
{{range .Personas}}<form method="post" action="/authorize">{{range $name, $value := $.Fields}}<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
<input type="hidden" name="who" value="{{.Account}}"><p><button type="submit">{{if $.Again}}Yes, I am {{.Name}}{{else}}{{.Name}}{{end}}</button></p></form>{{end}}</main></body></html>`))

// ask shows the page that asks who it is; when somebody steps up they can only be who they are.
func (p *demoProvider) ask(w http.ResponseWriter, q url.Values, at int, again bool) {
	shown := p.personas
	if again && at >= 0 {
		shown = shown[at : at+1]
	}
	fields := map[string]string{}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "prompt"} {
		fields[name] = q.Get(name)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = signInPage.Execute(w, map[string]any{"Personas": shown, "Fields": fields, "Again": again}) // nobody is left to tell
}

// token answers POST /token: a code for an ID token, once.
func (p *demoProvider) token(w http.ResponseWriter, r *http.Request) {
	client, secret, _ := r.BasicAuth()
	if r.Method != http.MethodPost || r.ParseForm() != nil || client != signInClient || subtle.ConstantTimeCompare([]byte(secret), []byte(p.secret)) != 1 {
		answerJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	code := r.PostForm.Get("code")
	p.mu.Lock()
	c, known := p.codes[code]
	delete(p.codes, code)
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !known || p.now().Sub(c.at) > time.Minute || r.PostForm.Get("redirect_uri") != c.redirect || base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	now := p.now()
	claims := map[string]any{"iss": p.issuer, "sub": c.persona.Account, "aud": signInClient, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"nonce": c.nonce, "auth_time": c.at.Unix(), "acr": c.class, "name": c.persona.Name, "organization": c.persona.orgURI, "roles": c.persona.roles}
	if c.persona.patient != "" {
		claims["patient"] = c.persona.patient
	}
	payload, err := json.Marshal(claims)
	var id string
	if err == nil {
		id, err = p.signer.Sign("JWT", payload)
	}
	if err != nil {
		answerJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	answerJSON(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": id})
}
