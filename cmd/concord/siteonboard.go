package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/federation/federationhttp"
	"github.com/concord-hie/concord/federation/federationpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/egress"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorpg"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
	"github.com/concord-hie/concord/server"
)

// siteOnboardCmd brings a site on.
type siteOnboardCmd struct {
	Show    onboardShowCmd    `cmd:"" help:"Make the checks of a site and show how each stands."`
	Agree   onboardAgreeCmd   `cmd:"" help:"Record what was signed with a site."`
	Contact onboardContactCmd `cmd:"" help:"Record whom to turn to at a site."`
	Probe   onboardProbeCmd   `cmd:"" help:"Ask a site what it is, and what it would be asked for somebody."`
	Alert   onboardAlertCmd   `cmd:"" help:"Send a test notice to a site's technical contact."`
	Propose onboardProposeCmd `cmd:"" help:"Propose a site for its go-live: every check passes."`
	Approve onboardApproveCmd `cmd:"" help:"Sign a go-live off, as another person than who proposed it."`
	Decline onboardDeclineCmd `cmd:"" help:"End a proposal."`
	Suspend onboardSuspendCmd `cmd:"" help:"Take a site out at once: nothing is disclosed of it or to it."`
}

// Help implements kong.HelpProvider.
func (siteOnboardCmd) Help() string {
	return `A site that is joining may get tokens, register patients and publish; nothing of it is disclosed to anybody and nothing to it, until two
people have signed off its go-live. Each check is made of what the exchange holds and measured: none is ticked by hand.

Examples:
  concord site onboard agree elm-main --kind baa --signed-by "Elm Health, its director" --from 2026-01-01 --document-hash $(sha256sum baa.pdf | cut -c1-64)
  concord site onboard contact elm-main --role on-call --name "Night desk" --phone "410-555-0100"
  concord site onboard probe elm-main --dry-run
  concord site onboard show elm-main --output json
  concord site onboard propose elm-main --note "as tested on 3 March"
  concord site onboard suspend elm-main --note "an incident: their key was published"

The person is the system's user; who approves must be another.`
}

// onboardFlags are what every part of it takes.
type onboardFlags struct {
	Site   string `arg:"" help:"Id of the site."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// onboardWriteFlags are what every part that changes something takes besides.
type onboardWriteFlags struct {
	onboardFlags
	DryRun bool `help:"Check that it may be done, and change nothing."`
}

// with runs do over the stores and then shows how far the site is.
func (f *onboardFlags) with(ctx context.Context, g *Globals, s *streams, dryRun bool, do func(*onboarding) error) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	networks, err := directorypg.New(db, auditpg.Append, hie.Now).Networks(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	policies, err := openPolicies(db, g.PolicyKey)
	if err != nil {
		return err
	}
	ids, trail := hie.NewIDs(nil), auditpg.New(db)
	documents := locator.New(locatorpg.New(db), networks.Network, ids, nil)
	consents := consentpg.New(db, ids, auditpg.Append, hie.Now)
	o := &onboarding{Store: directorypg.New(db, auditpg.Append, hie.Now), network: networks.Network, refresh: networks.Refresh, clients: accesspg.New(db).Load,
		health: federationpg.NewHealth(db, 0), trail: trail, index: mpi.New(mpipg.New(db, auditpg.Append), ids, trail, mpi.Options{Stakes: stakes(documents, consents.Load)}),
		policies: func() (*consentpg.PolicySet, error) { return policies.Set(ctx) }, documents: documents}
	if err := do(o); err != nil {
		return fmt.Errorf("site onboard: %w", err)
	}
	r, err := o.Report(ctx, hie.SiteID(f.Site))
	if err != nil {
		return fmt.Errorf("site onboard: %w", err)
	}
	row := server.OnboardingOf(r)
	if f.Output == "json" {
		return json.NewEncoder(s.out).Encode(row)
	}
	if dryRun {
		fmt.Fprintln(s.err, "dry run, nothing changed; it may be done. The site is as it was:")
	}
	return printOnboarding(s, row)
}

func printOnboarding(s *streams, row server.OnboardingRow) error {
	state := "no go-live proposed"
	if row.Proposed {
		state = "a go-live waits for a second person"
	}
	fmt.Fprintf(s.out, "%s (%s): %s; %s\n\n", row.Site, row.Name, row.Membership, state)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHECK\tRESULT\tOWNER\tAT\tFOUND")
	for _, c := range row.Checks {
		for i, f := range c.Findings {
			check, owner, at := string(c.Check), c.Owner, stamp(c.At)
			if i > 0 {
				check, owner, at = "", "", ""
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", check, f.Result, owner, at, f.Text)
			if f.Fix != "" {
				fmt.Fprintf(w, "\t\t\t\t-> %s\n", f.Fix)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, step := range row.Steps {
		fmt.Fprintf(s.out, "%s: %s by %s  %s\n", step.At.Format(time.RFC3339), step.Move, step.User, step.Note)
	}
	return nil
}

// onboardShowCmd makes the checks.
type onboardShowCmd struct{ onboardFlags }

// Run prints one line a finding.
func (c *onboardShowCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.with(ctx, g, s, false, func(*onboarding) error { return nil })
}

// onboardAgreeCmd records an agreement.
type onboardAgreeCmd struct {
	onboardWriteFlags
	Kind         string `required:"" enum:"participation,baa,qsoa" help:"participation, baa or qsoa."`
	SignedBy     string `required:"" help:"Who signed for the site." placeholder:"NAME"`
	From         string `required:"" help:"First day it holds." placeholder:"YYYY-MM-DD"`
	Until        string `help:"Last day it holds; without it there is no end." placeholder:"YYYY-MM-DD"`
	DocumentHash string `required:"" help:"SHA-256 of the document, in hex." placeholder:"HEX"`
}

// Run records it.
func (c *onboardAgreeCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.with(ctx, g, s, c.DryRun, func(o *onboarding) error {
		from, err := server.ReadDay("from", c.From)
		if err != nil {
			return err
		}
		until, err := server.ReadDay("until", c.Until)
		if err != nil {
			return err
		}
		_, err = o.Agree(ctx, localOperator(), directory.Agreement{Site: hie.SiteID(c.Site), Kind: c.Kind, SignedBy: c.SignedBy, From: from, Until: until, Hash: c.DocumentHash}, c.DryRun)
		return err
	})
}

// onboardContactCmd records a contact.
type onboardContactCmd struct {
	onboardWriteFlags
	Role  string `required:"" enum:"technical,privacy,on-call" help:"technical, privacy or on-call."`
	Name  string `required:"" help:"Who it is." placeholder:"NAME"`
	Email string `help:"E-mail address; needed unless on call." placeholder:"ADDRESS"`
	Phone string `help:"Telephone number; the one on call answers it day and night." placeholder:"NUMBER"`
}

// Run records it.
func (c *onboardContactCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.with(ctx, g, s, c.DryRun, func(o *onboarding) error {
		return o.PutContact(ctx, localOperator(), directory.Contact{Site: hie.SiteID(c.Site), Role: c.Role, Name: c.Name, Email: c.Email, Phone: c.Phone}, c.DryRun)
	})
}

// onboardProbeCmd tries the connection.
type onboardProbeCmd struct {
	onboardWriteFlags
	AllowSite []string `env:"CONCORD_ALLOW_SITE" help:"host:port or CIDR that sites may be reached at although the address is private or loopback." placeholder:"ADDR"`
	SiteToken []string `env:"CONCORD_SITE_TOKEN" help:"ENDPOINT=FILE: the bearer token presented at an endpoint whose capability auth is bearer-file." placeholder:"ENDPOINT=FILE"`
}

// Run asks the site from this machine.
func (c *onboardProbeCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	guard, err := egress.New(egress.Options{Allow: c.AllowSite, Header: trialWithin})
	if err != nil {
		return err
	}
	tokens, err := readSiteTokens(c.SiteToken)
	if err != nil {
		return err
	}
	return c.with(ctx, g, s, c.DryRun, func(o *onboarding) error {
		if c.DryRun {
			return nil
		}
		o.sites = federationhttp.New(federationhttp.Options{Guard: guard, Network: o.network, Bearer: tokens, Trial: true})
		return o.Probe(ctx, localOperator(), hie.SiteID(c.Site))
	})
}

// onboardAlertCmd sends a test notice.
type onboardAlertCmd struct {
	onboardWriteFlags
	SMTPAddr         string `name:"smtp-addr" env:"CONCORD_SMTP_ADDR" help:"Mail server (host:port)." placeholder:"ADDR"`
	SMTPFrom         string `name:"smtp-from" env:"CONCORD_SMTP_FROM" help:"Address it is sent from." placeholder:"ADDRESS"`
	SMTPUser         string `name:"smtp-user" env:"CONCORD_SMTP_USER" help:"User at the mail server." placeholder:"NAME"`
	SMTPPasswordFile string `name:"smtp-password-file" env:"CONCORD_SMTP_PASSWORD_FILE" help:"File with the password at the mail server." placeholder:"FILE"`
}

// Run sends it from this machine.
func (c *onboardAlertCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	people := peopleConfig{SMTPAddr: c.SMTPAddr, SMTPFrom: c.SMTPFrom, SMTPUser: c.SMTPUser, SMTPPasswordFile: c.SMTPPasswordFile}
	if err := people.checkMail(); err != nil {
		return err
	}
	send, err := people.postman()
	if err != nil {
		return err
	}
	return c.with(ctx, g, s, c.DryRun, func(o *onboarding) error {
		if c.DryRun {
			return nil
		}
		o.mail = send
		return o.Alert(ctx, localOperator(), hie.SiteID(c.Site))
	})
}

// onboardStepFlags are what every step takes.
type onboardStepFlags struct {
	onboardWriteFlags
	Note string `help:"Why, for those who read it later." placeholder:"TEXT"`
}

func (f *onboardStepFlags) take(ctx context.Context, g *Globals, s *streams, move directory.Move) error {
	return f.with(ctx, g, s, f.DryRun, func(o *onboarding) error {
		_, err := o.Take(ctx, localOperator(), directory.Step{Site: hie.SiteID(f.Site), Move: move, Note: f.Note}, f.DryRun)
		return err
	})
}

// onboardProposeCmd proposes.
type onboardProposeCmd struct{ onboardStepFlags }

// Run takes the step.
func (c *onboardProposeCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.take(ctx, g, s, directory.MoveProposed)
}

// onboardApproveCmd approves.
type onboardApproveCmd struct{ onboardStepFlags }

// Run takes the step.
func (c *onboardApproveCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.take(ctx, g, s, directory.MoveApproved)
}

// onboardDeclineCmd declines.
type onboardDeclineCmd struct{ onboardStepFlags }

// Run takes the step.
func (c *onboardDeclineCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.take(ctx, g, s, directory.MoveDeclined)
}

// onboardSuspendCmd suspends.
type onboardSuspendCmd struct{ onboardStepFlags }

// Run takes the step.
func (c *onboardSuspendCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.take(ctx, g, s, directory.MoveSuspended)
}
