package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/concord-hie/concord/access/accessoidc"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/mail"
	"github.com/concord-hie/concord/internal/rds"
	"github.com/concord-hie/concord/mpi"
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

	SMTPAddr         string `name:"smtp-addr" env:"CONCORD_SMTP_ADDR" help:"Mail server (host:port) that takes patients' alerts; without it none are sent." placeholder:"ADDR"`
	SMTPFrom         string `name:"smtp-from" env:"CONCORD_SMTP_FROM" help:"Address alerts are sent from." placeholder:"ADDRESS"`
	SMTPUser         string `name:"smtp-user" env:"CONCORD_SMTP_USER" help:"User at the mail server; none for a server that takes mail without." placeholder:"NAME"`
	SMTPPasswordFile string `name:"smtp-password-file" env:"CONCORD_SMTP_PASSWORD_FILE" help:"File with the password at the mail server." placeholder:"FILE"`

	// demo describes a demonstration, nil elsewhere.
	demo *portal.Demo
}

// mailer returns what sends alerts, nil when nothing does.
func (p *peopleConfig) mailer(base string) (func(context.Context, audit.Alert) error, error) {
	send, err := p.postman()
	if send == nil || err != nil {
		return nil, err
	}
	return func(ctx context.Context, a audit.Alert) error {
		m := portal.AlertMail(a, base)
		m.Date = time.Now()
		return send(ctx, m)
	}, nil
}

// postman returns what sends mail, nil when nothing does.
func (p *peopleConfig) postman() (func(context.Context, mail.Message) error, error) {
	if p.SMTPAddr == "" {
		return nil, nil
	}
	host, _, _ := net.SplitHostPort(p.SMTPAddr)
	s := &mail.Sender{Addr: p.SMTPAddr, From: p.SMTPFrom, User: p.SMTPUser, Plain: isLoopback(host)}
	if p.SMTPPasswordFile != "" {
		raw, err := os.ReadFile(p.SMTPPasswordFile)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read", p.SMTPPasswordFile)
		}
		s.Password = strings.TrimSpace(string(raw))
	}
	return s.Send, nil
}

// checkMail refuses settings for mail that cannot work.
func (p *peopleConfig) checkMail() error {
	if p.SMTPAddr == "" {
		if p.SMTPFrom != "" || p.SMTPUser != "" || p.SMTPPasswordFile != "" {
			return fmt.Errorf("--smtp-addr is missing: the mail server that takes alerts")
		}
		return nil
	}
	if err := (&mail.Sender{Addr: p.SMTPAddr, From: p.SMTPFrom}).Check(); err != nil {
		return fmt.Errorf("--smtp-addr must be host:port and --smtp-from an e-mail address")
	}
	if p.SMTPPasswordFile != "" {
		return checkPrivateFile(p.SMTPPasswordFile)
	}
	return nil
}

// check refuses settings that are unsafe or cannot work, in one line that says what to do.
func (p *peopleConfig) check() error {
	if err := p.checkMail(); err != nil {
		return err
	}
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
func newPortal(cfg nodeConfig, door *server.Server, deps server.Deps, people portal.Deps, redis *rds.Client) (*portal.Portal, error) {
	in, err := cfg.provider(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	people.API, people.SignIn, people.Sessions, people.Sealer, people.Network, people.Audit = door, in, redis.Keep("portal"), deps.Sealer, deps.Network, deps.Audit
	if deps.Traces != nil {
		people.Trace = deps.Traces.Keep
	}
	people.RecordOf, people.Log = deps.Patients.RecordOf, deps.Log
	people.PatientID = func(r hie.SourcePatientID) string { return deps.Sealer.ID("patient", int64(r), 0) }
	return portal.New(portal.Config{BaseURL: cfg.BaseURL, Demo: cfg.demo, Mails: cfg.SMTPAddr != ""}, people), nil
}

// personsOf tells the alerts which records are one person's: those whose link is sure, since a message about somebody
// else's record would be a disclosure.
func personsOf(patients *mpi.Index) func(context.Context, hie.SourcePatientID) ([]hie.SourcePatientID, error) {
	return func(ctx context.Context, record hie.SourcePatientID) ([]hie.SourcePatientID, error) {
		p, err := patients.PersonOf(ctx, record)
		if errors.Is(err, hie.ErrNotFound) {
			return []hie.SourcePatientID{record}, nil
		}
		if err != nil {
			return nil, err
		}
		self, _ := p.Member(record)
		out := []hie.SourcePatientID{record}
		for _, m := range p.Members {
			if m.Record != record && m.Link == hie.LinkConfirmed && self.Link == hie.LinkConfirmed {
				out = append(out, m.Record)
			}
		}
		return out, nil
	}
}

// machinePaths begin the paths of the machine doors. Every other path is the portal's, for what browsers send: GET, HEAD
// and POST without a token.
var machinePaths = []string{"/fhir", "/oauth", "/admin", "/.well-known", "/cds-services", "/version", "/livez", "/readyz"}

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
