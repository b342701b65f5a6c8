package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/server"
)

// matchQualityCmd prints how good the data and the work at the desk are.
type matchQualityCmd struct {
	Sample int    `default:"2000" help:"How many persons to look at, 1 to 20000; all, when there are no more."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchQualityCmd) Help() string {
	return `By site, in a sample of persons drawn at random: how many records say something in each field, how many say what a form wanted
(1900-01-01, 999-99-9999), records the site has twice, and records other sites have, too. By kind of task: how many are open and
since when, and what became of those of the last thirty days. No demographics are printed.

Example:
  concord match quality --sample 10000 --output json`
}

// Run prints three tables, or one JSON object.
func (m *matchQualityCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		q, err := x.Quality(ctx, m.Sample)
		if err != nil {
			return err
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(server.QualityOf(q))
		}
		which := "a sample"
		if q.Whole {
			which = "all"
		}
		fmt.Fprintf(s.out, "looked at %d of about %d persons (%s)\n\n", q.Sampled, q.Persons, which)
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprint(w, "SITE\tRECORDS\tRETIRED\tDUPLICATES\tELSEWHERE\tDISPUTED\tOVERLAYS")
		for _, f := range mpi.QualityFields() {
			fmt.Fprint(w, "\t", f)
		}
		fmt.Fprintln(w)
		for _, v := range q.Sites {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%d\t%d", v.Site, v.Records, v.Retired, v.Duplicates, percent(v.Shared, v.Records), v.Disputed, v.Overlays)
			for _, f := range mpi.QualityFields() {
				fmt.Fprint(w, "\t", percent(v.Filled[f], v.Records))
				if n := v.Placeholders[f]; n > 0 {
					fmt.Fprint(w, " (", percent(n, v.Records), " placeholder)")
				}
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, "\nTASKS\tOPEN\tCLAIMED\tSNOOZED\tESCALATED\tOLDEST\tOPENED\tCLOSED\tBY ENGINE\tSAME\tDIFFERENT\tCANNOT TELL\tMEDIAN AGE")
		for _, f := range q.Tasks {
			oldest := "-"
			if !f.Oldest.IsZero() {
				oldest = f.Oldest.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", f.Kind, f.Open, f.Claimed, f.Snoozed, f.Escalated, oldest, f.Opened, f.Closed,
				f.ByEngine, f.Same, f.Different, f.CannotTell, f.MedianAge)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		t, r := q.Tuples, q.Reviews
		fmt.Fprintf(s.out, "\nsame name, birth date and sex: %d combinations looked for, %d borne by several persons, one by %d; %d too common to count\n",
			t.Looked, t.Several, t.Most, t.Skipped)
		_, err = fmt.Fprintf(s.out, "since %s: people changed links %d times; taken back: %d of these, %d of the engine's; of %d tasks with two reviewers %d were agreed; %d tasks were closed in %d hours of work\n",
			q.Since.UTC().Format(time.DateOnly), r.Changes, r.UndonePeople, r.UndoneEngine, r.Second, r.Agreed, r.Decided, r.Hours)
		return err
	})
}

// percent writes n of all in percent, and a share of nothing as "-".
func percent(n, all int) string {
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(n)/float64(all))
}
