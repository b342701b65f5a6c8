package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
)

// consentTasksCmd lists what staff must see to about patients' wishes. Records and directives are named by their numbers.
type consentTasksCmd struct {
	Kind   string `enum:"any,conflict,held,unverified,renewal,majority,broken,representative,form" default:"any" help:"any, conflict, held, unverified, renewal, majority, broken, representative or form."`
	Org    string `help:"Only about this organization's registrations." placeholder:"ID"`
	Record int64  `help:"Only about this record." placeholder:"RECORD"`
	Closed bool   `help:"List closed tasks instead of open ones."`
	After  int64  `help:"Go on behind this task." placeholder:"TASK"`
	Count  int    `default:"50" help:"At most so many, up to 200."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (consentTasksCmd) Help() string {
	return `Conflicts (the papers leave open which wish was meant), directives held because they cannot be understood whole, evidence nobody
verified, ends that come near (60, 30 and 7 days), patients who come of age, names the directory no longer has, guardians and
agents whose power ends, and forms that have a newer version than the one signed. The queue is brought in step after each
change of a wish and every day.

Example:
  concord consent tasks --kind renewal --output json`
}

// consentTaskRow is a task as --output json prints it.
type consentTaskRow struct {
	Task         int64      `json:"task"`
	Kind         string     `json:"kind"`
	Record       int64      `json:"record"`
	Organization string     `json:"organization"`
	Directive    string     `json:"directive"`
	Version      int64      `json:"version"`
	Other        string     `json:"other,omitempty"`
	Mark         string     `json:"mark,omitempty"`
	Opened       time.Time  `json:"opened"`
	Due          *time.Time `json:"due,omitempty"`
	Detail       []string   `json:"detail"`
	Closed       *time.Time `json:"closed,omitempty"`
	Outcome      string     `json:"outcome,omitempty"`
	By           string     `json:"by,omitempty"`
	Note         string     `json:"note,omitempty"`
}

// Run prints one row a task, oldest first.
func (c *consentTasksCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	if c.Count < 1 || c.Count > 200 {
		return fmt.Errorf("--count must be from 1 to 200")
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	f := consent.DeskFilter{Closed: c.Closed, Organization: hie.OrgID(c.Org), Record: hie.SourcePatientID(c.Record), After: c.After, Limit: c.Count}
	if c.Kind != "any" {
		f.Kind = consent.FindingKind(c.Kind)
	}
	tasks, more, err := consentpg.New(db, hie.NewIDs(nil), auditpg.Append, hie.Now).DeskTasks(ctx, f)
	if err != nil {
		return err
	}
	rows := make([]consentTaskRow, 0, len(tasks))
	for _, t := range tasks {
		r := consentTaskRow{Task: t.ID, Kind: string(t.Kind), Record: int64(t.Record), Organization: string(t.Organization), Directive: t.Directive.ID,
			Version: t.Directive.Version, Other: t.Other.ID, Mark: t.Mark, Opened: t.Opened, Detail: t.Detail, Outcome: t.Outcome, By: t.ClosedBy, Note: t.Note}
		if !t.Due.IsZero() {
			r.Due = &t.Due
		}
		if !t.Closed.IsZero() {
			r.Closed = &t.Closed
		}
		rows = append(rows, r)
	}
	if c.Output == "json" {
		return json.NewEncoder(s.out).Encode(rows)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TASK\tKIND\tRECORD\tDIRECTIVE\tVERSION\tOTHER\tMARK\tOPENED\tOUTCOME\tDETAIL")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.Task, r.Kind, r.Record, r.Directive, r.Version, r.Other, r.Mark,
			r.Opened.UTC().Format(time.RFC3339), r.Outcome, strings.Join(r.Detail, "; "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(s.err, "there are more: --after %d\n", rows[len(rows)-1].Task)
	}
	return nil
}
