package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// stepFlags are what every step of a policy takes.
type stepFlags struct {
	Note   string `help:"Why, for those who read it later." placeholder:"TEXT"`
	DryRun bool   `help:"Check that the step may be taken, and take none."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

func (f *stepFlags) done(s *streams, e consent.PolicyEvent) error {
	if f.Output == "json" {
		return json.NewEncoder(s.out).Encode(newStepRow(e))
	}
	r := newStepRow(e)
	if f.DryRun {
		fmt.Fprintln(s.err, "dry run, nothing changed; it would be:")
	}
	fmt.Fprintf(s.out, "%s: %s of version %d by %s\n", e.Policy, e.Action, e.Version, e.By)
	if r.Effective != "" {
		fmt.Fprintf(s.out, "version %d is in force from %s on\n", e.Version, r.Effective)
	}
	return nil
}

// policyDraftCmd keeps a new version.
type policyDraftCmd struct {
	File      string `arg:"" help:"Pack file, or the id of a pack that comes with the program; - for standard input."`
	Signature string `help:"File with its signature; FILE.sig when it is there. Law packs need one." placeholder:"FILE"`
	stepFlags
}

// Run checks the pack with its tests and keeps it.
func (c *policyDraftCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withPolicies(ctx, g, func(p *consentpg.Policies) error {
		content, signature, err := c.read(ctx, p)
		if err != nil {
			return fmt.Errorf("policy draft: %w", err)
		}
		e, err := p.Draft(ctx, localOperator(), content, signature, c.Note, c.DryRun)
		if err != nil {
			return err
		}
		return c.done(s, e)
	})
}

func (c *policyDraftCmd) read(ctx context.Context, p *consentpg.Policies) (content []byte, signature string, err error) {
	if b, err := p.Version(ctx, c.File, 0); err == nil {
		return b.Content, b.Signature, nil
	}
	if content, err = readInput(c.File); err != nil {
		return nil, "", err
	}
	name := c.Signature
	if name == "" {
		name = c.File + ".sig"
	}
	raw, err := os.ReadFile(name)
	if err != nil && c.Signature != "" {
		return nil, "", fmt.Errorf("%s cannot be read", name)
	}
	return content, strings.TrimSpace(string(raw)), nil
}

// versionFlags name a version.
type versionFlags struct {
	Policy  string `arg:"" help:"Id of the policy."`
	Version int64  `arg:"" help:"Number of the version."`
}

// policyApproveCmd approves.
type policyApproveCmd struct {
	versionFlags
	stepFlags
}

// Run takes the step.
func (c *policyApproveCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return takeStep(ctx, g, s, &c.stepFlags, consent.PolicyEvent{Policy: c.Policy, Version: c.Version, Action: consent.PolicyApproved, Note: c.Note})
}

// policyActivateCmd activates.
type policyActivateCmd struct {
	versionFlags
	Effective time.Time `help:"From when on (RFC 3339); as soon as every node can know when left out." placeholder:"INSTANT"`
	stepFlags
}

// Run takes the step.
func (c *policyActivateCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return takeStep(ctx, g, s, &c.stepFlags, consent.PolicyEvent{Policy: c.Policy, Version: c.Version, Action: consent.PolicyActivated, Effective: c.Effective.UTC(), Note: c.Note})
}

// policyRollbackCmd rolls back.
type policyRollbackCmd struct {
	Policy string `arg:"" help:"Id of the policy."`
	stepFlags
}

// Run takes the step.
func (c *policyRollbackCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return takeStep(ctx, g, s, &c.stepFlags, consent.PolicyEvent{Policy: c.Policy, Action: consent.PolicyRolledBack, Note: c.Note})
}

func takeStep(ctx context.Context, g *Globals, s *streams, f *stepFlags, e consent.PolicyEvent) error {
	return withPolicies(ctx, g, func(p *consentpg.Policies) error {
		out, err := p.Take(ctx, localOperator(), e, f.DryRun)
		if err != nil {
			return err
		}
		return f.done(s, out)
	})
}

// policySimulateCmd says what a version would change.
type policySimulateCmd struct {
	versionFlags
	Patients string `help:"Write the records of every patient for whom some answer changes to this file, one JSON a line." placeholder:"FILE"`
	stepFlags
}

// Help implements kong.HelpProvider.
func (policySimulateCmd) Help() string {
	return `Compares the policies in force with the version in its place, for every patient, and lists each cell (site, purpose, class, label,
confidentiality, requester) whose answer changes. A version whose law begins later is looked at as of then.

Example:
  concord policy simulate opt-in 2 --patients changed.ndjson`
}

// Run compares the policies in force with the version in its place, over everybody, prints the cells that change and notes
// the step.
func (c *policySimulateCmd) Run(ctx context.Context, g *Globals, s *streams) (err error) {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	policies, err := openPolicies(db, g.PolicyKey)
	if err != nil {
		return err
	}
	network, err := directorypg.New(db, auditpg.Append, hie.Now).Load(ctx)
	if err != nil {
		return err
	}
	var list io.Writer = io.Discard
	if c.Patients != "" {
		f, err := os.OpenFile(c.Patients, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("policy simulate: %s cannot be written", c.Patients)
		}
		w := bufio.NewWriter(f)
		defer func() { err = errors.Join(err, w.Flush(), f.Close()) }()
		list = w
	}
	im, err := newImpactRun(db, policies, func() *directory.Network { return network }).run(ctx, c.Policy, c.Version, func(p mpi.Person, _ []consent.CellChange) {
		_ = json.NewEncoder(list).Encode(map[string]any{"records": p.Records()}) // what fails to be written fails at Flush
	})
	if err != nil {
		return err
	}
	found := newImpactRows(im)
	note := strings.TrimSpace(c.Note + " " + found.summary())
	if _, err := policies.Take(ctx, localOperator(), consent.PolicyEvent{Policy: c.Policy, Version: c.Version, Action: consent.PolicySimulated, Note: note}, c.DryRun); err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(s.out).Encode(found)
	}
	fmt.Fprintln(s.out, found.summary())
	if found.At.After(hie.Now()) {
		fmt.Fprintln(s.out, "as of", found.At.Format(time.RFC3339)+", when it begins")
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "EFFECT\tPATIENTS\tSITE\tPURPOSE\tCLASS\tLABEL\tCONFIDENTIALITY\tREQUESTER\tEMERGENCY\tBEFORE\tAFTER")
	for _, r := range found.Cells {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%t\t%s\t%s\n", r.Effect, r.Patients, r.Site, r.Purpose, r.Class, r.Label, r.Confidentiality, r.Requester, r.Emergency, r.Before, r.After)
	}
	return w.Flush()
}
