package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/concord-hie/concord/access/accessoidc"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/rds"
	"github.com/concord-hie/concord/portal"
	"github.com/concord-hie/concord/server"
)

// peopleConfig is what the portal needs to know: where people sign in.
type peopleConfig struct {
	OIDCIssuer            string `name:"oidc-issuer" env:"CONCORD_OIDC_ISSUER" help:"OpenID Connect provider people sign in at; without it nobody can." placeholder:"URL"`
	OIDCClientID          string `name:"oidc-client-id" env:"CONCORD_OIDC_CLIENT_ID" help:"What the provider knows this exchange by." placeholder:"ID"`
	OIDCClientSecretFile  string `name:"oidc-client-secret-file" env:"CONCORD_OIDC_CLIENT_SECRET_FILE" help:"File with the client secret; none for a public client." placeholder:"FILE"`
	OIDCStepUpClass       string `name:"oidc-step-up-class" env:"CONCORD_OIDC_STEP_UP_CLASS" help:"Authentication context class (acr) asked for before break-glass, consent changes, merges and exports; empty asks for a new sign-in." placeholder:"ACR"`
	OIDCOrganizationClaim string `name:"oidc-organization-claim" env:"CONCORD_OIDC_ORGANIZATION_CLAIM" default:"organization" help:"Claim with the URI of the organisation somebody acts for."`
	OIDCRolesClaim        string `name:"oidc-roles-claim" env:"CONCORD_OIDC_ROLES_CLAIM" default:"roles" help:"Claim with somebody's roles."`
	OIDCPatientClaim      string `name:"oidc-patient-claim" env:"CONCORD_OIDC_PATIENT_CLAIM" default:"patient" help:"Claim with a patient's identifier, system|value."`

	// demo describes a demonstration, nil elsewhere.
	demo *portal.Demo
}

// check refuses settings that are unsafe or cannot work, in one line that says what to do.
func (p *peopleConfig) check() error {
	if p.OIDCIssuer == "" {
		if p.OIDCClientID != "" || p.OIDCClientSecretFile != "" {
			return fmt.Errorf("--oidc-issuer is missing: the provider people sign in at")
		}
		return nil
	}
	u, err := url.Parse(p.OIDCIssuer)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("--oidc-issuer must be a URL such as https://sign-in.example.org")
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return fmt.Errorf("--oidc-issuer must be https beyond this machine: who signs in would be anybody's to say")
	case p.OIDCClientID == "":
		return fmt.Errorf("--oidc-client-id is missing: what the provider knows this exchange by")
	case p.OIDCClientSecretFile != "":
		return checkPrivateFile(p.OIDCClientSecretFile)
	}
	return nil
}

// provider returns where people sign in, nil when nobody can.
func (p *peopleConfig) provider(base string) (portal.SignIn, error) {
	if p.OIDCIssuer == "" {
		return nil, nil
	}
	secret := ""
	if p.OIDCClientSecretFile != "" {
		raw, err := os.ReadFile(p.OIDCClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read", p.OIDCClientSecretFile)
		}
		secret = strings.TrimSpace(string(raw))
	}
	return accessoidc.New(accessoidc.Options{Issuer: p.OIDCIssuer, ClientID: p.OIDCClientID, ClientSecret: secret, ReturnURL: base + "/signin/return",
		StepUpClass: p.OIDCStepUpClass,
		Claims:      accessoidc.Claims{Organization: p.OIDCOrganizationClaim, Roles: p.OIDCRolesClaim, Patient: p.OIDCPatientClaim}})
}

// newPortal returns the people's doors beside the machine doors.
func newPortal(cfg nodeConfig, door *server.Server, deps server.Deps, preview portal.Previewer, redis *rds.Client, log *slog.Logger) (*portal.Portal, error) {
	in, err := cfg.provider(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	return portal.New(portal.Config{BaseURL: cfg.BaseURL, Demo: cfg.demo}, portal.Deps{
		API: door, SignIn: in, Sessions: redis.Keep("portal"), Sealer: deps.Sealer, Network: deps.Network, RecordOf: deps.Patients.RecordOf,
		PatientID: func(r hie.SourcePatientID) string { return deps.Sealer.ID("patient", int64(r), 0) },
		Preview:   preview, Audit: deps.Audit, Log: log,
	}), nil
}

// machinePaths begin the paths of the machine doors. Every other path is the portal's, for what browsers send: GET, HEAD
// and POST without a token.
var machinePaths = []string{"/fhir", "/oauth", "/admin", "/.well-known", "/version", "/livez", "/readyz"}

// entrance leads a request to the doors for machines or to those for people.
func entrance(machines, people http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, p := range machinePaths {
			if rest, ok := strings.CutPrefix(r.URL.Path, p); ok && (rest == "" || rest[0] == '/') {
				machines.ServeHTTP(w, r)
				return
			}
		}
		if _, token := r.Header["Authorization"]; token || (r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost) {
			machines.ServeHTTP(w, r)
			return
		}
		people.ServeHTTP(w, r)
	})
}
