package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorpg"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// matchCmd groups the settling of identities from the command line. Records, tasks and changes are named by
// their numbers; no demographics are printed, they are for the steward's pages.
type matchCmd struct {
	Tasks   matchTasksCmd   `cmd:"" help:"List review tasks."`
	Decide  matchDecideCmd  `cmd:"" help:"Say that two records are one person, two, or that it cannot be told."`
	Undo    matchUndoCmd    `cmd:"" help:"Take a change of links back."`
	History matchHistoryCmd `cmd:"" help:"List what happened to a record's links, oldest first."`
	Person  matchPersonCmd  `cmd:"" help:"List the records held to be one person with a record."`
}

// steward is who settles identities from this machine's command line.
func steward() hie.Actor {
	a := localOperator()
	a.Roles = []string{hie.RoleSteward}
	return a
}

// matchTasksCmd lists tasks.
type matchTasksCmd struct {
	Kind   string `enum:"any,overlay,reopen,patient-reported,split,bridge,shared-identifier,deceased-active,household,same-site,hub,cross-site" default:"any" help:"any or one kind: overlay, reopen, patient-reported, split, bridge, shared-identifier, deceased-active, household, same-site, hub, cross-site."`
	Closed bool   `help:"List closed tasks instead of open ones."`
	Record int64  `help:"Only tasks about this record." placeholder:"RECORD"`
	After  int64  `help:"Go on behind this task." placeholder:"TASK"`
	Count  int    `default:"50" help:"At most so many, up to 200."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// taskRow is a task as --output json prints it.
type taskRow struct {
	Task     int64      `json:"task"`
	Kind     string     `json:"kind"`
	Record   int64      `json:"record"`
	Other    int64      `json:"other,omitempty"`
	Grade    string     `json:"grade"`
	Bits     float64    `json:"bits"`
	Missing  string     `json:"missing,omitempty"`
	Evidence []string   `json:"evidence"`
	Opened   time.Time  `json:"opened"`
	Closed   *time.Time `json:"closed,omitempty"`
	Verdict  string     `json:"verdict,omitempty"`
	By       string     `json:"by,omitempty"`
	Reason   string     `json:"reason,omitempty"`
}

// Run prints one row a task.
func (m *matchTasksCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		f := mpi.TaskFilter{Closed: m.Closed, Record: hie.SourcePatientID(m.Record), After: mpi.TaskID(m.After), Count: m.Count}
		if m.Kind != "any" {
			f.Kind = mpi.TaskKind(m.Kind)
		}
		tasks, more, err := x.Tasks(ctx, f)
		if err != nil {
			return err
		}
		rows := make([]taskRow, 0, len(tasks))
		for _, t := range tasks {
			r := taskRow{Task: int64(t.ID), Kind: string(t.Kind), Record: int64(t.Record), Other: int64(t.Other), Grade: t.Grade.String(),
				Bits: float64(t.Bits), Missing: t.Missing, Evidence: waterfall(t.Evidence), Opened: t.Opened, By: t.By, Reason: t.Reason}
			if !t.Closed.IsZero() {
				r.Closed, r.Verdict = &t.Closed, t.Verdict.String()
			}
			rows = append(rows, r)
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TASK\tKIND\tRECORD\tOTHER\tGRADE\tBITS\tMISSING\tOPENED\tEVIDENCE")
		for _, r := range rows {
			fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\t%.1f\t%s\t%s\t%s\n", r.Task, r.Kind, r.Record, number(r.Other), r.Grade, r.Bits, r.Missing,
				r.Opened.UTC().Format(time.RFC3339), strings.Join(r.Evidence, " "))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if more {
			fmt.Fprintf(s.err, "there are more: --after %d\n", rows[len(rows)-1].Task)
		}
		return nil
	})
}

// waterfall writes evidence as field=level(bits).
func waterfall(es []mpi.Evidence) []string {
	out := make([]string, 0, len(es))
	for _, e := range es {
		out = append(out, fmt.Sprintf("%s=%s(%+.1f)", e.Field, e.Level, float64(e.Bits)))
	}
	return out
}

// number writes an id, and none as "-".
func number(id int64) string {
	if id == 0 {
		return "-"
	}
	return strconv.FormatInt(id, 10)
}

// matchDecideCmd settles a task, or any two records.
type matchDecideCmd struct {
	Verdict string  `arg:"" enum:"same,different,cannot-tell" help:"same, different or cannot-tell."`
	Records []int64 `arg:"" optional:"" help:"Two records; leave out with --task."`
	Task    int64   `help:"Settle this review task." placeholder:"TASK"`
	Reason  string  `required:"" help:"Why; kept with the decision."`
	DryRun  bool    `help:"Check what is named and decide nothing."`
}

// Run decides and prints the change, by which it can be undone.
func (m *matchDecideCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	if (m.Task != 0) == (len(m.Records) == 2) || (len(m.Records) != 0 && len(m.Records) != 2) {
		return fmt.Errorf("match decide: name two records, or --task")
	}
	verdict := map[string]mpi.Verdict{"same": mpi.MustLink, "different": mpi.CannotLink, "cannot-tell": mpi.Clear}[m.Verdict]
	return withIndex(ctx, g, func(x *mpi.Index) error {
		if m.DryRun {
			return m.check(ctx, x, s)
		}
		var done mpi.Settled
		var err error
		if m.Task != 0 {
			done, err = x.Settle(ctx, steward(), mpi.TaskID(m.Task), verdict, m.Reason)
		} else {
			done, err = x.Decide(ctx, steward(), hie.SourcePatientID(m.Records[0]), hie.SourcePatientID(m.Records[1]), verdict, m.Reason)
		}
		if err != nil {
			return err
		}
		if done.Pending {
			_, err = fmt.Fprintf(s.out, "task %d waits for a second reviewer (%s)\n", int64(done.Task), done.Second)
			return err
		}
		_, err = fmt.Fprintln(s.out, "change", int64(done.Change))
		return err
	})
}

// check says what would be decided about what is there.
func (m *matchDecideCmd) check(ctx context.Context, x *mpi.Index, s *streams) error {
	records := m.Records
	if m.Task != 0 {
		t, err := x.Task(ctx, mpi.TaskID(m.Task))
		if err != nil {
			return err
		}
		if !t.Closed.IsZero() {
			return fmt.Errorf("match decide: the task is closed already: %w", hie.ErrConflict)
		}
		records = []int64{int64(t.Record), int64(t.Other)}
	}
	for _, r := range records {
		if r == 0 {
			continue
		}
		p, err := x.PersonOf(ctx, hie.SourcePatientID(r))
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "record %d is of person %d, with %d records\n", r, int64(p.ID), len(p.Members))
	}
	fmt.Fprintln(s.err, "dry run, nothing decided; it would be:", m.Verdict)
	return nil
}

// matchUndoCmd takes a change back.
type matchUndoCmd struct {
	Change int64  `arg:"" help:"The change, as decide or history prints it."`
	Reason string `required:"" help:"Why; kept with the decision."`
	Record int64  `help:"A record the change concerns, for --dry-run." placeholder:"RECORD"`
	DryRun bool   `help:"Show what of the change concerns --record and undo nothing."`
}

// Run undoes and prints the change that did it.
func (m *matchUndoCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		if m.DryRun {
			if m.Record == 0 {
				return fmt.Errorf("match undo: --dry-run needs --record")
			}
			events, err := x.HistoryOfRecord(ctx, hie.SourcePatientID(m.Record))
			if err != nil {
				return err
			}
			var of []mpi.Event
			for _, e := range events {
				if int64(e.Change) == m.Change {
					of = append(of, e)
				}
			}
			return printEvents(s, of, "table")
		}
		change, err := x.Undo(ctx, steward(), mpi.ChangeID(m.Change), m.Reason)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.out, "change", int64(change))
		return err
	})
}

// matchHistoryCmd lists link events.
type matchHistoryCmd struct {
	Record int64  `arg:"" help:"The record."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints one row an event.
func (m *matchHistoryCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		events, err := x.HistoryOfRecord(ctx, hie.SourcePatientID(m.Record))
		if err != nil {
			return err
		}
		return printEvents(s, events, m.Output)
	})
}

// eventRow is a link event as --output json prints it.
type eventRow struct {
	Change     int64     `json:"change"`
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Cause      string    `json:"cause"`
	Record     int64     `json:"record,omitempty"`
	Other      int64     `json:"other,omitempty"`
	FromPerson int64     `json:"from_person,omitempty"`
	ToPerson   int64     `json:"to_person,omitempty"`
	Link       string    `json:"link,omitempty"`
	Verdict    string    `json:"verdict,omitempty"`
	Model      string    `json:"model,omitempty"`
	Bits       float64   `json:"bits"`
	Evidence   []string  `json:"evidence"`
	By         string    `json:"by,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Undoes     int64     `json:"undoes,omitempty"`
}

func printEvents(s *streams, events []mpi.Event, output string) error {
	rows := make([]eventRow, 0, len(events))
	for _, e := range events {
		r := eventRow{Change: int64(e.Change), At: e.At, Kind: string(e.Kind), Cause: string(e.Cause), Record: int64(e.Record), Other: int64(e.Other),
			FromPerson: int64(e.From.Person), ToPerson: int64(e.To.Person), Model: e.Model, Bits: float64(e.Bits), Evidence: waterfall(e.Evidence),
			By: e.By, Reason: e.Reason, Undoes: int64(e.Undoes)}
		if e.To.Person != 0 {
			r.Link = e.To.Link.String()
		}
		if e.Kind == mpi.EventConstrained {
			r.Verdict = e.ToVerdict.String()
		}
		rows = append(rows, r)
	}
	if output == "json" {
		return json.NewEncoder(s.out).Encode(rows)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tCHANGE\tKIND\tCAUSE\tRECORD\tOTHER\tFROM\tTO\tLINK\tBITS\tBY\tREASON\tEVIDENCE")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f\t%s\t%s\t%s\n", r.At.UTC().Format(time.RFC3339), r.Change, r.Kind, r.Cause,
			number(r.Record), number(r.Other), number(r.FromPerson), number(r.ToPerson), r.Link+r.Verdict, r.Bits, r.By, r.Reason, strings.Join(r.Evidence, " "))
	}
	return w.Flush()
}

// matchPersonCmd lists a person's records.
type matchPersonCmd struct {
	Record int64  `arg:"" help:"Any of the person's records."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints one row a record.
func (m *matchPersonCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		p, err := x.PersonOf(ctx, hie.SourcePatientID(m.Record))
		if err != nil {
			return err
		}
		type row struct {
			Record int64  `json:"record"`
			Site   string `json:"site"`
			Link   string `json:"link"`
		}
		rows := make([]row, 0, len(p.Members))
		for _, member := range p.Members {
			rows = append(rows, row{int64(member.Record), string(member.Site), member.Link.String()})
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(map[string]any{"person": int64(p.ID), "version": p.Version, "members": rows})
		}
		fmt.Fprintf(s.err, "person %d, version %d\n", int64(p.ID), p.Version)
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "RECORD\tSITE\tLINK")
		for _, r := range rows {
			fmt.Fprintf(w, "%d\t%s\t%s\n", r.Record, r.Site, r.Link)
		}
		return w.Flush()
	})
}

// withIndex runs f over the index in the database of --database-url.
func withIndex(ctx context.Context, g *Globals, f func(*mpi.Index) error) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ids := hie.NewIDs(nil)
	documents := locator.New(locatorpg.New(db), nil, ids, nil) // only counted
	consents := consentpg.New(db, ids, auditpg.Append, hie.Now)
	return f(mpi.New(mpipg.New(db, auditpg.Append), ids, auditpg.New(db), mpi.Options{Stakes: stakes(documents, consents.Load)}))
}
