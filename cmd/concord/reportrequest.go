package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
)

// requestRow is what a patient asked for, as it is printed. What they wrote is for who answers; only json has it.
type requestRow struct {
	Request      int64      `json:"request"`
	Record       int64      `json:"record"`
	Kind         string     `json:"kind"`
	Law          string     `json:"law,omitempty"`
	Organization string     `json:"organization,omitempty"`
	Words        string     `json:"words,omitempty"`
	Asked        time.Time  `json:"asked"`
	Due          time.Time  `json:"due"`
	Status       string     `json:"status"`
	Late         bool       `json:"late"`
	Extended     *time.Time `json:"extended,omitempty"`
	Answered     *time.Time `json:"answered,omitempty"`
	Answer       string     `json:"answer,omitempty"`
}

func printRequests(out io.Writer, output string, all ...consent.ReportRequest) error {
	rows := make([]requestRow, 0, len(all))
	for _, r := range all {
		row := requestRow{Request: r.ID, Record: int64(r.Record), Kind: string(r.Kind), Law: r.Law, Organization: string(r.Organization), Words: r.Words,
			Asked: r.Asked, Due: r.Due, Status: cmp.Or(string(r.Outcome), "open"), Late: r.Late(hie.Now()), Answer: r.Answer}
		if !r.Extended.IsZero() {
			row.Extended = &r.Extended
		}
		if !r.Answered.IsZero() {
			row.Answered = &r.Answered
		}
		rows = append(rows, row)
	}
	return printRows(out, output, "REQUEST\tRECORD\tKIND\tOF\tASKED\tDUE\tSTATUS\tLATE", rows, func(w io.Writer, r requestRow) {
		late := "no"
		if r.Late {
			late = "yes"
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Request, r.Record, r.Kind, cmp.Or(r.Organization, r.Law, "exchange"), r.Asked.Format(time.DateOnly),
			r.Due.Format(time.DateOnly), r.Status, late)
	})
}

// reportRequestsCmd lists what patients asked for.
type reportRequestsCmd struct {
	Record int64  `help:"All that was asked for about this record; without it all that waits for an answer." placeholder:"RECORD"`
	Org    string `help:"Only what waits for an answer of this organization." placeholder:"ID"`
	Count  int    `default:"50" help:"At most so many, up to 200."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (reportRequestsCmd) Help() string {
	return `What waits is listed due first first; what was asked about one record, newest first.

Example:
  concord report requests --output json`
}

// Run prints one row a request.
func (c *reportRequestsCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	if c.Count < 1 || c.Count > 200 {
		return fmt.Errorf("--count must be from 1 to 200")
	}
	return withConsents(ctx, g, func(store *consentpg.Store) error {
		var all []consent.ReportRequest
		var err error
		if c.Record != 0 {
			all, err = store.Reports(ctx, hie.SourcePatientID(c.Record))
			all = all[:min(len(all), c.Count)]
		} else {
			var orgs []hie.OrgID
			if c.Org != "" {
				orgs = []hie.OrgID{hie.OrgID(c.Org)}
			}
			all, err = store.OpenReports(ctx, orgs, c.Count)
		}
		if err != nil {
			return err
		}
		return printRequests(s.out, c.Output, all...)
	})
}

// reportAnswerCmd answers a request, or puts the answer off.
type reportAnswerCmd struct {
	Request int64  `arg:"" help:"The request, as requests prints it."`
	Record  int64  `required:"" help:"The record it is about." placeholder:"RECORD"`
	Outcome string `enum:"given,refused,later" required:"" help:"given, refused, or later: put off by 30 days, once."`
	Words   string `required:"" help:"What the patient is told." placeholder:"TEXT"`
	writeFlags
}

// Help implements kong.HelpProvider.
func (reportAnswerCmd) Help() string {
	return `Example:
  concord report answer 246653357841277070 --record 7 --outcome given --words "sent by post on 3 May" --dry-run`
}

// Run answers, or checks that it may be.
func (c *reportAnswerCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	officer := localOperator()
	officer.Roles = []string{hie.RolePrivacyOfficer}
	return withConsents(ctx, g, func(store *consentpg.Store) error {
		r, err := store.Report(ctx, hie.SourcePatientID(c.Record), c.Request)
		switch {
		case err != nil:
		case !r.Answered.IsZero():
			err = fmt.Errorf("it is answered already: %w", hie.ErrConflict)
		case c.Outcome == "later" && !r.Extended.IsZero():
			err = fmt.Errorf("it was put off already: %w", hie.ErrConflict)
		case c.DryRun:
			err = consent.CheckReportAnswer(consent.ReportGiven, c.Words)
		case c.Outcome == "later":
			err = store.ExtendReport(ctx, officer, r, c.Words)
		default:
			err = store.AnswerReport(ctx, officer, r, consent.ReportOutcome(c.Outcome), c.Words)
		}
		if err == nil {
			r, err = store.Report(ctx, r.Record, r.ID)
		}
		if err != nil {
			return fmt.Errorf("report answer: %w", err)
		}
		return printRequests(s.out, c.Output, r)
	})
}
