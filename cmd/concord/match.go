package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

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
	Tasks    matchTasksCmd    `cmd:"" help:"List review tasks, the riskiest first."`
	Claim    matchClaimCmd    `cmd:"" help:"Work on a task, so that others leave it alone."`
	Release  matchReleaseCmd  `cmd:"" help:"Give a task back."`
	Assign   matchAssignCmd   `cmd:"" help:"Give tasks to a steward, or claim several."`
	Snooze   matchSnoozeCmd   `cmd:"" help:"Put a task off until a time."`
	Wake     matchWakeCmd     `cmd:"" help:"Put a task that was put off back into the queue."`
	Escalate matchEscalateCmd `cmd:"" help:"Hand a task on to another person."`
	Recall   matchRecallCmd   `cmd:"" help:"Take an escalation back."`
	Ask      matchAskCmd      `cmd:"" help:"Note that a site was asked about a task."`
	Answer   matchAnswerCmd   `cmd:"" help:"Note what a site answered."`
	Withdraw matchWithdrawCmd `cmd:"" help:"Close a task whose reporter took it back."`
	Report   matchReportCmd   `cmd:"" help:"Open a task because a patient says that something is not theirs."`
	Decide   matchDecideCmd   `cmd:"" help:"Say that two records are one person, two, or that it cannot be told."`
	Undo     matchUndoCmd     `cmd:"" help:"Take a change of links back."`
	History  matchHistoryCmd  `cmd:"" help:"List what happened to a record's links, or to a person's, oldest first."`
	Person   matchPersonCmd   `cmd:"" help:"List the records held to be one person with a record, now or at an instant."`
	Versions matchVersionsCmd `cmd:"" help:"List when a registration said something else, and what was in dispute."`
	Best     matchBestCmd     `cmd:"" help:"List which record each value of a person's best record is taken from."`
	Compare  matchCompareCmd  `cmd:"" help:"Show what speaks for and against records being one person."`
	Quality  matchQualityCmd  `cmd:"" help:"Count how complete and unambiguous sites' data are, and how the review queue fares."`
	Changes  matchChangesCmd  `cmd:"" help:"Read the stream of identity changes."`
	Readers  matchReadersCmd  `cmd:"" help:"List for whom the stream of identity changes is kept, and add or forget one."`
	Rebuild  matchRebuildCmd  `cmd:"" help:"Bring stored features, keys and links to this program's model."`
}

// steward is who settles identities from this machine's command line.
func steward() hie.Actor {
	a := localOperator()
	a.Roles = []string{hie.RoleSteward}
	return a
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
	DryRun  bool    `help:"Show what it would do and decide nothing."`
	Output  string  `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchDecideCmd) Help() string {
	return `A verdict holds whatever the engine finds later. Where its effect is grave (an update that looks like somebody else's, an
earlier verdict, many documents, consents that would meet or part) it waits until another person says the same.

Examples:
  concord match decide same 246653357838717070 246653357840875662 --reason "both cards seen" --dry-run
  concord match decide different --task 246653357841277070 --reason "twins; birth order by phone"`
}

// Run decides and prints the change, by which it can be undone.
func (m *matchDecideCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	if (m.Task != 0) == (len(m.Records) == 2) || (len(m.Records) != 0 && len(m.Records) != 2) {
		return fmt.Errorf("match decide: name two records, or --task")
	}
	verdict := verdictsByWord[m.Verdict]
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
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(settledRow{int64(done.Change), done.Pending, done.Second, int64(done.Task)})
		}
		if done.Pending {
			_, err = fmt.Fprintf(s.out, "task %d waits for a second reviewer (%s)\n", int64(done.Task), done.Second)
			return err
		}
		_, err = fmt.Fprintln(s.out, "change", int64(done.Change))
		return err
	})
}

// settledRow is what came of a verdict, as --output json prints it: the change, by which it can be undone, or the task in
// which it waits.
type settledRow struct {
	Change  int64  `json:"change,omitempty"`
	Pending bool   `json:"pending"`
	Second  string `json:"second,omitempty"`
	Task    int64  `json:"task,omitempty"`
}

// check says what would happen.
func (m *matchDecideCmd) check(ctx context.Context, x *mpi.Index, s *streams) error {
	verdict := verdictsByWord[m.Verdict]
	var e mpi.Effect
	var err error
	if m.Task != 0 {
		e, err = x.PreviewTask(ctx, steward(), mpi.TaskID(m.Task), verdict)
	} else {
		e, err = x.PreviewDecision(ctx, steward(), hie.SourcePatientID(m.Records[0]), hie.SourcePatientID(m.Records[1]), verdict)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(s.err, "dry run, nothing decided; it would be:", m.Verdict)
	return printEffect(s, e, m.Output)
}

var verdictsByWord = map[string]mpi.Verdict{"same": mpi.MustLink, "different": mpi.CannotLink, "cannot-tell": mpi.Clear}

// sideRow is records that stay together, as --output json prints them; to is left out for a new person.
type sideRow struct {
	Records   []hie.SourcePatientID `json:"records"`
	Sites     []hie.SiteID          `json:"sites"`
	From      int64                 `json:"from"`
	To        int64                 `json:"to,omitempty"`
	Documents map[hie.SiteID]int64  `json:"documents,omitempty"`
	Consents  map[string]int64      `json:"consents,omitempty"`
}

// printEffect prints one row a side: sides of different persons that go to one meet, those of one that go to different
// ones part.
func printEffect(s *streams, e mpi.Effect, output string) error {
	rows := make([]sideRow, 0, len(e.Sides))
	for _, side := range e.Sides {
		rows = append(rows, sideRow{side.Records, side.Sites, int64(side.From), int64(side.To), side.Documents, side.Consents})
	}
	if output == "json" {
		return json.NewEncoder(s.out).Encode(map[string]any{"sides": rows, "second": e.Second})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FROM\tTO\tRECORDS\tDOCUMENTS\tCONSENTS")
	for _, r := range rows {
		to := number(r.To)
		if r.To == 0 {
			to = "new"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", r.From, to, strings.Trim(fmt.Sprint(r.Records), "[]"), counts(r.Documents), counts(r.Consents))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if e.Second != "" {
		fmt.Fprintln(s.err, "a second reviewer must agree:", e.Second)
	}
	return nil
}

// counts writes counts as name:n, in order of the names.
func counts[K ~string](m map[K]int64) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s:%d", k, m[k]))
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, " ")
}

// matchUndoCmd takes a change back.
type matchUndoCmd struct {
	Change int64  `arg:"" help:"The change, as decide or history prints it."`
	Reason string `required:"" help:"Why; kept with the decision."`
	DryRun bool   `help:"Show what it would do and undo nothing."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchUndoCmd) Help() string {
	return `Verdicts and merges in a site are as they were; what the engine linked is kept apart from now on.

Example:
  concord match undo 246653357841223822 --reason "papers were of two people" --dry-run`
}

// Run undoes and prints the change that did it.
func (m *matchUndoCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		if m.DryRun {
			e, err := x.PreviewUndo(ctx, steward(), mpi.ChangeID(m.Change))
			if err != nil {
				return err
			}
			fmt.Fprintln(s.err, "dry run, nothing undone")
			return printEffect(s, e, m.Output)
		}
		change, err := x.Undo(ctx, steward(), mpi.ChangeID(m.Change), m.Reason)
		if err != nil {
			return err
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(settledRow{Change: int64(change)})
		}
		_, err = fmt.Fprintln(s.out, "change", int64(change))
		return err
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
