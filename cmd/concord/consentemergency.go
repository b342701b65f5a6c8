package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
)

// consentEmergencyCmd groups what is done with emergencies that were claimed.
type consentEmergencyCmd struct {
	List emergencyListCmd `cmd:"" help:"List emergencies that hold now, or those to review."`
	End  emergencyEndCmd  `cmd:"" help:"End an emergency before its time."`
}

// emergencyRow is a claim as it is printed. Records are named by their numbers; what the claimant wrote is for reviewers.
type emergencyRow struct {
	Emergency    int64                 `json:"emergency"`
	Organization string                `json:"organization"`
	User         string                `json:"user"`
	Reason       string                `json:"reason"`
	Since        time.Time             `json:"since"`
	Until        time.Time             `json:"until"`
	Records      []hie.SourcePatientID `json:"records"`
	Ended        *time.Time            `json:"ended,omitempty"`
	EndedBy      string                `json:"ended_by,omitempty"`
	EndReason    string                `json:"end_reason,omitempty"`
	Finding      string                `json:"finding,omitempty"`
}

func printEmergencies(out io.Writer, output string, tasks ...consent.Task) error {
	rows := make([]emergencyRow, 0, len(tasks))
	for _, t := range tasks {
		r := emergencyRow{Emergency: t.ID, Organization: string(t.Actor.Organization), User: t.Actor.User, Reason: t.Claim.ReasonCode, Since: t.Opened,
			Until: t.Until, Records: t.Records, EndedBy: t.EndedBy, EndReason: t.EndReason, Finding: t.Finding}
		if !t.Ended.IsZero() {
			r.Ended = &t.Ended
		}
		rows = append(rows, r)
	}
	return printRows(out, output, "EMERGENCY\tORGANIZATION\tUSER\tREASON\tSINCE\tUNTIL\tRECORDS\tENDED\tFINDING", rows, func(w io.Writer, r emergencyRow) {
		ended := "-"
		if r.Ended != nil {
			ended = r.Ended.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.Emergency, r.Organization, r.User, r.Reason, r.Since.Format(time.RFC3339),
			r.Until.Format(time.RFC3339), len(r.Records), ended, cmp.Or(r.Finding, "-"))
	})
}

// emergencyListCmd lists claims.
type emergencyListCmd struct {
	Open   bool   `help:"List those whose review is open instead of those that hold now."`
	Org    string `help:"Only those of this organization's people and about its registrations." placeholder:"ID"`
	After  int64  `help:"Go on behind this one." placeholder:"EMERGENCY"`
	Count  int    `default:"50" help:"At most so many, up to 200."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (emergencyListCmd) Help() string {
	return "Example:\n  concord consent emergency list --output json"
}

// Run prints one row a claim, oldest first.
func (c *emergencyListCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	if c.Count < 1 || c.Count > 200 {
		return fmt.Errorf("--count must be from 1 to 200")
	}
	return withConsents(ctx, g, func(store *consentpg.Store) error {
		f := consent.TaskFilter{Organization: hie.OrgID(c.Org), After: c.After, Limit: c.Count}
		if !c.Open {
			f.HoldsAt = hie.Now()
		}
		tasks, more, err := store.Tasks(ctx, f)
		if err == nil {
			err = printEmergencies(s.out, c.Output, tasks...)
		}
		if err == nil && more {
			fmt.Fprintf(s.err, "there are more: --after %d\n", tasks[len(tasks)-1].ID)
		}
		return err
	})
}

// emergencyEndCmd ends a claim before its time.
type emergencyEndCmd struct {
	Emergency int64  `arg:"" help:"The emergency, as list prints it."`
	Reason    string `required:"" help:"Why; kept with it." placeholder:"TEXT"`
	writeFlags
}

// Help implements kong.HelpProvider.
func (emergencyEndCmd) Help() string {
	return `What it opened is closed from the next request on. It is reviewed all the same.

Example:
  concord consent emergency end 246653357841277070 --reason "she was sent home" --dry-run`
}

// Run ends it as a privacy officer of the network.
func (c *emergencyEndCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	officer := localOperator()
	officer.Roles = []string{hie.RolePrivacyOfficer}
	return withConsents(ctx, g, func(store *consentpg.Store) error {
		t, err := store.Task(ctx, c.Emergency)
		if err == nil {
			err = t.MayEnd(officer, true, c.Reason)
		}
		if err == nil && !t.Holds(hie.Now()) {
			err = fmt.Errorf("it is over already: %w", hie.ErrConflict)
		}
		if err == nil && !c.DryRun {
			if err = store.End(ctx, officer, t.ID, c.Reason); err == nil {
				t, err = store.Task(ctx, t.ID)
			}
		}
		if err != nil {
			return fmt.Errorf("consent emergency end: %w", err)
		}
		return printEmergencies(s.out, c.Output, t)
	})
}

// withConsents runs f over what patients and officers put on record, in the database of --database-url.
func withConsents(ctx context.Context, g *Globals, f func(*consentpg.Store) error) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return f(consentpg.New(db, hie.NewIDs(nil), auditpg.Append, hie.Now))
}
