package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/mpi/mpicsv"
)

// linkKeysCmd shows what candidate keys earn.
type linkKeysCmd struct {
	File    string   `arg:"" help:"CSV of records with person_id." type:"existingfile"`
	Without []string `help:"Columns to read as empty: ssn, phone, email, ..." placeholder:"COLUMN,…"`
	Output  string   `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (linkKeysCmd) Help() string {
	return `For each kind of candidate key: how many keys the records have and how many of them lie in blocks too large to look under, the pairs of records
it brings together and those no other kind does, how many of either are one person, what its rows take in the live index (for the kinds that has),
and how long the pairs it alone brings take to compare. FOUND and ALONE are shares of the pairs that are one person, in thousandths and in
ten-thousandths. Records whose person_id is empty count nowhere. It holds all pairs in memory, some 3 KiB a record.

Example:
  concord link keys sim/records.csv`
}

// Run prints the table.
func (l *linkKeysCmd) Run(std *streams) error {
	without, err := (&linkInput{Without: l.Without}).columns()
	if err != nil {
		return err
	}
	truth, err := readWhole(l.File, mpicsv.ReadTruth)
	if err != nil {
		return err
	}
	records, err := readWhole(l.File, func(r io.Reader) ([]mpicsv.Record, error) {
		out := make([]mpicsv.Record, 0, len(truth))
		err := mpicsv.Read(r, without, func(r mpicsv.Record) error { out = append(out, r); return nil })
		return out, err
	})
	if err != nil {
		return err
	}
	e := mpicsv.EarningsOf(records, truth, time.Now)
	if l.Output == "json" {
		return printJSON(std.out, e)
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "KEY\tFOUND\tALONE\tKEYS\tOVER\tPAIRS\tPAIRS ALONE\tTIME ALONE\tLIVE BYTES A RECORD\t")
	for _, k := range e.Kinds {
		live := ""
		if k.Live {
			live = fmt.Sprintf("%.0f", float64(k.LiveBytes)/float64(max(e.Records, 1)))
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t%s\t\n", k.Kind, k.Same*1000/max(e.True, 1), k.SameAlone*10000/max(e.True, 1), k.Keys, k.Over, k.Pairs, k.PairsAlone,
			k.Alone.Round(10*time.Microsecond), live)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%d records, %d pairs of one person, %d of them found among %d compared\n", e.Records, e.True, e.Found, e.Pairs)
	return err
}
