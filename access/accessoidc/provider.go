// Package accessoidc signs people in at an OpenID Connect provider: authorization code flow with PKCE, state and nonce.
// What a verified ID token says becomes an access.Identity; what that identity may do is access.Admit's to say.
//
// It is the only package that knows go-oidc and x/oauth2. Tokens are used once, here, and kept nowhere.
//
// Source: OpenID Connect Core 1.0 section 3.1; RFC 7636 (PKCE); RFC 9207 (iss); spec federation 2.7.
package accessoidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Options say which provider people sign in at.
type Options struct {
	// Issuer is the provider's issuer URL, ClientID and ClientSecret what it knows us by; a public client has no secret.
	Issuer, ClientID, ClientSecret string
	// ReturnURL is where the provider sends people back to, exactly as registered with it.
	ReturnURL string
	// Claims names the claims of the ID token that say what somebody is.
	Claims Claims
	// StepUpClass is the authentication context class (acr) asked for when somebody must prove anew who they are; ""
	// asks for a new sign-in of any class.
	StepUpClass string
	// Client is used to reach the provider; nil is one with a timeout of 10 s.
	Client *http.Client
	// Now is the clock; nil is hie.Now.
	Now func() time.Time
}

// Claims are names of claims. An empty name is the default given with each field.
type Claims struct {
	// Organization holds the URI of the organisation ("organization"), Roles a role or a list of them ("roles"),
	// Patient an identifier of the patient as system|value ("patient").
	Organization, Roles, Patient string
}

// A Provider is where people sign in. It is safe for use by many goroutines.
type Provider struct {
	o Options

	mu    sync.Mutex
	found *oidc.Provider
}

// New returns a Provider. It is not asked anything before somebody signs in, so that a node starts without it.
func New(o Options) (*Provider, error) {
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, errors.New("accessoidc: the issuer must be a URL")
	}
	if o.ClientID == "" || o.ReturnURL == "" {
		return nil, errors.New("accessoidc: needs a client id and a return URL")
	}
	for name, usual := range map[*string]string{&o.Claims.Organization: "organization", &o.Claims.Roles: "roles", &o.Claims.Patient: "patient"} {
		if *name == "" {
			*name = usual
		}
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if o.Now == nil {
		o.Now = hie.Now
	}
	return &Provider{o: o}, nil
}

// Origin returns the provider's origin, where forms may lead.
func (p *Provider) Origin() string {
	u, err := url.Parse(p.o.Issuer)
	if err != nil { // New has checked it
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// discover reads the provider's metadata, once it can be had.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	// Not the request's context: the provider's keys are fetched with it later too.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.o.Client), p.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("accessoidc: discovery: %w", hie.ErrUnavailable) // its text may quote the answer
	}
	p.found = found
	return found, nil
}

func (p *Provider) oauth(found *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret, Endpoint: found.Endpoint(), RedirectURL: p.o.ReturnURL, Scopes: []string{oidc.ScopeOpenID, "profile"}}
}

// An Ask says how somebody is sent to the provider.
type Ask struct {
	// Hint names the account, "" leaves it to the person.
	Hint string
	// StepUp asks for a proof made now, of the class configured.
	StepUp bool
	// Language is a BCP 47 tag for the provider's pages.
	Language string
}

// A Flow is one journey to the provider and back. It is kept where only the browser that began it can use it.
type Flow struct {
	State, Nonce, Verifier string
	Asked                  time.Time
	StepUp                 bool
}

// Begin returns the URL to send somebody to, and the flow that Finish needs when they come back.
func (p *Provider) Begin(ctx context.Context, ask Ask) (string, Flow, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return "", Flow{}, err
	}
	f := Flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Asked: p.o.Now(), StepUp: ask.StepUp}
	options := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	set := func(name, value string) {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	set("login_hint", ask.Hint)
	set("ui_locales", ask.Language)
	if ask.StepUp {
		set("prompt", "login")
		set("max_age", "0")
		set("acr_values", p.o.StepUpClass)
	}
	return p.oauth(found).AuthCodeURL(f.State, options...), f, nil
}

// Finish takes what the provider sent somebody back with and returns who it says they are. Whatever does not fit is
// hie.ErrUnauthenticated; a provider that does not answer is hie.ErrUnavailable.
func (p *Provider) Finish(ctx context.Context, f Flow, back url.Values) (access.Identity, error) {
	refuse := func(why string) (access.Identity, error) {
		return access.Identity{}, fmt.Errorf("accessoidc: %s: %w", why, hie.ErrUnauthenticated)
	}
	switch {
	case f.State == "" || back.Get("state") != f.State:
		return refuse("state")
	case back.Has("iss") && back.Get("iss") != p.o.Issuer:
		return refuse("issuer")
	case back.Has("error"):
		return refuse("the provider refused")
	case back.Get("code") == "":
		return refuse("no code")
	}
	found, err := p.discover(ctx)
	if err != nil {
		return access.Identity{}, err
	}
	answer, err := p.oauth(found).Exchange(oidc.ClientContext(ctx, p.o.Client), back.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < 500 {
			return refuse("code")
		}
		return access.Identity{}, fmt.Errorf("accessoidc: token: %w", hie.ErrUnavailable)
	}
	raw, ok := answer.Extra("id_token").(string)
	if !ok {
		return refuse("no id token")
	}
	verifier := found.Verifier(&oidc.Config{ClientID: p.o.ClientID, Now: p.o.Now})
	token, err := verifier.Verify(oidc.ClientContext(ctx, p.o.Client), raw)
	if err != nil {
		return refuse("id token")
	}
	if token.Nonce != f.Nonce {
		return refuse("nonce")
	}
	var claims map[string]any
	if token.Claims(&claims) != nil {
		return refuse("claims")
	}
	return p.identity(token.Subject, claims), nil
}

// identity reads the claims of a verified ID token. One of another shape than expected says nothing.
func (p *Provider) identity(subject string, claims map[string]any) access.Identity {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	id := access.Identity{Subject: subject, Name: text("name"), Organization: text(p.o.Claims.Organization), Class: text("acr")}
	switch roles := claims[p.o.Claims.Roles].(type) {
	case string:
		id.Roles = []string{roles}
	case []any:
		for _, r := range roles {
			if s, ok := r.(string); ok {
				id.Roles = append(id.Roles, s)
			}
		}
	}
	if system, value, found := strings.Cut(text(p.o.Claims.Patient), "|"); found {
		id.Patient = hie.Identifier{System: system, Value: value}
	}
	if at, ok := claims["auth_time"].(float64); ok && at > 0 {
		id.ProvedAt = time.Unix(int64(at), 0).UTC()
	}
	return id
}

// StepUpClass returns the class Begin asks for when stepping up, "" for any.
func (p *Provider) StepUpClass() string { return p.o.StepUpClass }

// SignOutURL returns where to send somebody so that the provider ends its own session too, then sends them to back; ""
// when the provider has no such place or cannot be asked.
//
// Source: OpenID Connect RP-Initiated Logout 1.0.
func (p *Provider) SignOutURL(ctx context.Context, back string) string {
	found, err := p.discover(ctx)
	if err != nil {
		return ""
	}
	var metadata struct {
		End string `json:"end_session_endpoint"`
	}
	if found.Claims(&metadata) != nil || metadata.End == "" {
		return ""
	}
	u, err := url.Parse(metadata.End)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.o.ClientID)
	q.Set("post_logout_redirect_uri", back)
	u.RawQuery = q.Encode()
	return u.String()
}
