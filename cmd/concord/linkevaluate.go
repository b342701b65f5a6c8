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
	File     string `arg:"" help:"CSV of records with person_id." type:"existingfile"`
	Clusters string `required:"" help:"CSV of record_id, cluster_id." type:"existingfile" placeholder:"clusters.csv"`
	Output   string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (linkEvaluateCmd) Help() string {
	return `Prints pairwise precision, recall and F1, the B-cubed scores, the same of pairs across sources and of each pair of sources, by the size of
the person, and what the errors are like. Records whose person_id is empty count nowhere.

Example:
  concord link evaluate patients.csv --clusters clusters.csv --output json`
}

// Run prints the comparison.
func (l *linkEvaluateCmd) Run(std *streams) error {
	f, err := mpicsv.Open(l.File)
	if err != nil {
		return err
	}
	truth, err := mpicsv.ReadTruth(f)
	_ = f.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", l.File, err)
	}
	if f, err = mpicsv.Open(l.Clusters); err != nil {
		return err
	}
	clusters, err := mpicsv.ReadClusters(f)
	_ = f.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", l.Clusters, err)
	}
	numbers, of := map[string]int32{}, make([]int32, len(truth))
	for i, t := range truth {
		c, ok := clusters[t.ID]
		if !ok {
			return fmt.Errorf("%s: a record of row %d has no cluster", l.Clusters, i+2)
		}
		n, seen := numbers[c]
		if !seen {
			n = int32(len(numbers))
			numbers[c] = n
		}
		of[i] = n
	}
	e := mpicsv.Evaluate(truth, of)
	if l.Output == "json" {
		return printJSON(std.out, e)
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHAT\tPRECISION\tRECALL\tF1\tRIGHT\tWRONG\tMISSED")
	for _, r := range e.Rows {
		fmt.Fprintf(t, "%s\t%.4f\t%.4f\t%.4f\t%d\t%d\t%d\n", r.What, r.Precision, r.Recall, r.F1, r.Right, r.Wrong, r.Missed)
	}
	fmt.Fprintf(t, "B-cubed\t%.4f\t%.4f\t%.4f\n", e.BCubed.Precision, e.BCubed.Recall, e.BCubed.F1())
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "persons %d, clusters %d; %d persons split, %d clusters hold several persons\n", e.Persons, e.Clusters, e.Split, e.Mixed)
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
