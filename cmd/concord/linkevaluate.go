package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/concord-hie/concord/mpi/mpicsv"
)

// linkEvaluateCmd compares clusters with the truth.
type linkEvaluateCmd struct {
	File     string   `arg:"" help:"CSV of records with person_id." type:"existingfile"`
	Clusters string   `required:"" help:"CSV of record_id, cluster_id." type:"existingfile" placeholder:"clusters.csv"`
	Without  []string `help:"Columns to read as empty, as they were when the records were linked: what kind an error is, is told from the others." placeholder:"COLUMN,…"`
	Groups   string   `help:"CSV of record_id and the column --by: scores for each group of people, beside the others." type:"existingfile" placeholder:"truth.csv"`
	By       string   `default:"ethnicity" help:"Column of --groups."`
	Pairs    string   `help:"CSV of record_id_1, record_id_2, expected, category: how many of those expected to be no_match were joined." type:"existingfile" placeholder:"hard_pairs.csv"`
	Output   string   `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (linkEvaluateCmd) Help() string {
	return `Prints pairwise precision, recall and F1, the B-cubed scores, the same of pairs across sources and of each pair of sources, by the size of
the person, and of what kinds the errors are: for pairs missed and pairs joined wrongly, what differs between the records, with the ids of a few; and
how many persons were merged wrongly, in a million records too.
Records whose person_id is empty count nowhere. No value of a record is printed.

Examples:
  concord link evaluate patients.csv --clusters clusters.csv --output json
  concord link evaluate sim/records.csv --clusters clusters.csv --groups sim/truth.csv --by ethnicity --pairs sim/hard_pairs.csv`
}

// Run prints the comparison.
func (l *linkEvaluateCmd) Run(std *streams) error {
	without, err := (&linkInput{Without: l.Without}).columns()
	if err != nil {
		return err
	}
	truth, err := readWhole(l.File, mpicsv.ReadTruth)
	if err != nil {
		return err
	}
	of, err := l.clusters(truth)
	if err != nil {
		return err
	}
	e := mpicsv.Evaluate(truth, of)
	dayFirst, err := readWhole(l.File, mpicsv.ReadDayFirst)
	if err != nil {
		return err
	}
	e.Mistakes, err = mpicsv.KindsOfError(truth, of, func(do func(mpicsv.Record) error) error {
		f, err := mpicsv.Open(l.File)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return mpicsv.ReadDated(f, without, dayFirst, do)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", l.File, err)
	}
	if l.Groups != "" {
		groups, err := readWhole(l.Groups, func(r io.Reader) (map[string]string, error) { return mpicsv.ReadColumn(r, l.By) })
		if err != nil {
			return err
		}
		e.Groups = mpicsv.ByGroup(truth, of, groups)
	}
	if l.Pairs != "" {
		pairs, err := readWhole(l.Pairs, mpicsv.ReadPairs)
		if err != nil {
			return err
		}
		e.Hard = mpicsv.Joined(truth, of, pairs)
	}
	if l.Output == "json" {
		return printJSON(std.out, e)
	}
	return printEvaluation(std.out, &e)
}

// readWhole reads a file by read; an error names it.
func readWhole[T any](name string, read func(io.Reader) (T, error)) (T, error) {
	var none T
	f, err := mpicsv.Open(name)
	if err != nil {
		return none, err
	}
	defer func() { _ = f.Close() }()
	out, err := read(f)
	if err != nil {
		return none, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// clusters returns the number of each row's cluster.
func (l *linkEvaluateCmd) clusters(truth []mpicsv.Truth) ([]int32, error) {
	clusters, err := readWhole(l.Clusters, mpicsv.ReadClusters)
	if err != nil {
		return nil, err
	}
	numbers, of := map[string]int32{}, make([]int32, len(truth))
	for i, t := range truth {
		c, ok := clusters[t.ID]
		if !ok {
			return nil, fmt.Errorf("%s: a record of row %d has no cluster", l.Clusters, i+2)
		}
		n, seen := numbers[c]
		if !seen {
			n = int32(len(numbers))
			numbers[c] = n
		}
		of[i] = n
	}
	return of, nil
}

func printEvaluation(out io.Writer, e *mpicsv.Evaluation) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := func(heading string, rows []mpicsv.EvaluationRow) {
		fmt.Fprintf(t, "%s\tPRECISION\tRECALL\tF1\tRIGHT\tWRONG\tMISSED\n", heading)
		for _, r := range rows {
			fmt.Fprintf(t, "%s\t%.4f\t%.4f\t%.4f\t%d\t%d\t%d\n", r.What, r.Precision, r.Recall, r.F1, r.Right, r.Wrong, r.Missed)
		}
	}
	rows("WHAT", e.Rows)
	fmt.Fprintf(t, "B-cubed\t%.4f\t%.4f\t%.4f\n", e.BCubed.Precision, e.BCubed.Recall, e.BCubed.F1())
	if e.Groups != nil {
		fmt.Fprintln(t)
		rows("GROUP", e.Groups)
	}
	if e.Hard != nil {
		fmt.Fprintln(t, "\nHARD PAIRS\tLISTED\tJOINED")
		for _, h := range e.Hard {
			fmt.Fprintf(t, "%s\t%d\t%d\n", h.Category, h.Pairs, h.Joined)
		}
	}
	if len(e.Mistakes) > 0 {
		fmt.Fprintln(t, "\nERROR\tPAIRS\tKIND\tFOR EXAMPLE")
		for _, m := range e.Mistakes {
			fmt.Fprintf(t, "%s\t%d\t%s\t", m.Error, m.Pairs, m.Kind)
			for i, x := range m.Examples {
				if i > 0 {
					fmt.Fprint(t, ", ")
				}
				fmt.Fprintf(t, "%s %s", x[0], x[1])
			}
			fmt.Fprintln(t)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "persons %d, clusters %d; %d persons split, %d clusters hold several persons; %d wrong merges, %.0f in a million records\n",
		e.Persons, e.Clusters, e.Split, e.Mixed, e.WrongMerges, e.WrongPerMillion)
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
