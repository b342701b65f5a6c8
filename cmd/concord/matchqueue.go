package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// matchTasksCmd lists tasks.
type matchTasksCmd struct {
	Kind      string        `enum:"any,overlay,reopen,patient-reported,split,bridge,shared-identifier,deceased-active,household,same-site,hub,cross-site" default:"any" help:"any or one kind: overlay, reopen, patient-reported, split, bridge, shared-identifier, deceased-active, household, same-site, hub, cross-site."`
	Closed    bool          `help:"List closed tasks instead of open ones."`
	Claimed   string        `enum:"any,mine,none" default:"any" help:"any, mine (you work on them) or none (nobody does)."`
	Snoozed   bool          `help:"List open tasks that are put off instead."`
	Escalated string        `enum:",any,mine" default:"" help:"any (those handed on) or mine (handed on to you)."`
	Waiting   bool          `help:"Only open tasks that wait for a site's answer."`
	Record    int64         `help:"Only tasks about this record, those put off too." placeholder:"RECORD"`
	Grade     string        `enum:"any,certain,probable,possible,certainly-not" default:"any" help:"any, or what the engine graded the records: certain, probable, possible, certainly-not."`
	OlderThan time.Duration `help:"Only tasks that have waited longer than this, such as 72h." placeholder:"DURATION"`
	Risk      float64       `help:"Only open tasks of at least this risk, from 0 to 100."`
	Documents int64         `help:"Only open tasks on which at least so many documents hang."`
	After     int64         `help:"Go on behind this task." placeholder:"TASK"`
	Count     int           `default:"50" help:"At most so many, up to 200."`
	Output    string        `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchTasksCmd) Help() string {
	return `The risk grows with the documents and consents that hang on a task; both are listed.

Examples:
  concord match tasks --kind overlay
  concord match tasks --risk 70 --documents 10 --older-than 72h
  concord match tasks --escalated mine --output json`
}

// taskRow is a task as --output json prints it.
type taskRow struct {
	Task      int64            `json:"task"`
	Kind      string           `json:"kind"`
	Record    int64            `json:"record"`
	Other     int64            `json:"other,omitempty"`
	Grade     string           `json:"grade"`
	Bits      float64          `json:"bits"`
	Missing   string           `json:"missing,omitempty"`
	Risk      float64          `json:"risk"`
	Note      string           `json:"note,omitempty"`
	Evidence  []string         `json:"evidence"`
	Opened    time.Time        `json:"opened"`
	Claimed   string           `json:"claimed_by,omitempty"`
	Until     *time.Time       `json:"claimed_until,omitempty"`
	Snoozed   *time.Time       `json:"snoozed_until,omitempty"`
	Escalated string           `json:"escalated_to,omitempty"`
	Inquiries []inquiryRow     `json:"inquiries,omitempty"`
	Withdrawn bool             `json:"withdrawn,omitempty"`
	Documents int64            `json:"documents"`
	Consents  map[string]int64 `json:"consents,omitempty"`
	First     string           `json:"first_verdict,omitempty"`
	Closed    *time.Time       `json:"closed,omitempty"`
	Verdict   string           `json:"verdict,omitempty"`
	By        string           `json:"by,omitempty"`
	Reason    string           `json:"reason,omitempty"`
}

// inquiryRow is what a site was asked, as --output json prints it.
type inquiryRow struct {
	Site     hie.SiteID `json:"site"`
	Question string     `json:"question"`
	Asked    time.Time  `json:"asked"`
	Answered *time.Time `json:"answered,omitempty"`
	Answer   string     `json:"answer,omitempty"`
}

// Run prints one row a task.
func (m *matchTasksCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		f := mpi.TaskFilter{Closed: m.Closed, Record: hie.SourcePatientID(m.Record), After: mpi.TaskID(m.After), Count: m.Count}
		if m.Kind != "any" {
			f.Kind = mpi.TaskKind(m.Kind)
		}
		switch me := steward(); m.Claimed {
		case "mine":
			f.Claimed = string(me.Organization) + "/" + me.User
		case "none":
			f.Claimed = mpi.Unclaimed
		}
		f.Snoozed, f.Escalated, f.Waiting = m.Snoozed, m.Escalated != "", m.Waiting
		if me := steward(); m.Escalated == "mine" {
			f.For = &me
		}
		if m.Closed && (m.Risk > 0 || m.Documents > 0) {
			return errors.New("--risk and --documents ask about open tasks: what was settled does no harm any more")
		}
		f.MinRisk, f.MinDocuments = m.Risk, m.Documents
		if m.OlderThan > 0 {
			f.OpenedBefore = hie.Now().Add(-m.OlderThan)
		}
		if g, known := mpi.GradeOf(m.Grade); known {
			f.Grade = &g
		}
		tasks, next, err := x.Tasks(ctx, f)
		if err != nil {
			return err
		}
		rows := make([]taskRow, 0, len(tasks))
		for _, t := range tasks {
			rows = append(rows, rowOf(t))
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TASK\tKIND\tRISK\tRECORD\tOTHER\tDOCUMENTS\tCONSENTS\tGRADE\tBITS\tMISSING\tOPENED\tSTATE\tWAITS\tEVIDENCE")
		for i, r := range rows {
			fmt.Fprintf(w, "%d\t%s\t%.0f\t%d\t%s\t%d\t%s\t%s\t%.1f\t%s\t%s\t%s\t%s\t%s\n", r.Task, r.Kind, r.Risk, r.Record, number(r.Other), r.Documents,
				counts(r.Consents), r.Grade, r.Bits, r.Missing, r.Opened.UTC().Format(time.RFC3339), stateOf(tasks[i], hie.Now()), r.First, strings.Join(r.Evidence, " "))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if next != 0 {
			fmt.Fprintf(s.err, "there are more: --after %d\n", next)
		}
		return nil
	})
}

// rowOf returns t as --output json prints it.
func rowOf(t mpi.Task) taskRow {
	r := taskRow{Task: int64(t.ID), Kind: string(t.Kind), Record: int64(t.Record), Other: int64(t.Other), Grade: t.Grade.String(),
		Bits: float64(t.Bits), Missing: t.Missing, Evidence: waterfall(t.Evidence), Opened: t.Opened, By: t.By, Reason: t.Reason, Risk: t.Risk, Note: t.Note,
		Documents: t.Stake.Documents, Consents: t.Stake.Consents}
	if t.ClaimedUntil.After(hie.Now()) {
		r.Claimed, r.Until = t.ClaimedBy, &t.ClaimedUntil
	}
	if t.First != nil && t.Closed.IsZero() {
		r.First = t.First.Verdict.String() + " by " + t.First.By
	}
	if !t.Closed.IsZero() {
		r.Closed, r.Verdict, r.Withdrawn = &t.Closed, t.Verdict.String(), t.Withdrawn
	}
	if t.Withdrawn {
		r.Verdict = ""
	}
	for _, q := range t.Inquiries {
		row := inquiryRow{Site: q.Site, Question: q.Words, Asked: q.At, Answer: q.Answer}
		if !q.Answered.IsZero() {
			row.Answered = &q.Answered
		}
		r.Inquiries = append(r.Inquiries, row)
	}
	if t.Snooze != nil && t.Snooze.Until.After(hie.Now()) {
		r.Snoozed = &t.Snooze.Until
	}
	if t.Escalation != nil {
		r.Escalated = t.Escalation.Role + t.Escalation.User
	}
	return r
}
