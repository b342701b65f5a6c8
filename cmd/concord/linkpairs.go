package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
)

// linkPairsCmd grades given pairs.
type linkPairsCmd struct {
	linkInput
	Records string `arg:"" help:"CSV of records." type:"existingfile"`
	Pairs   string `arg:"" help:"CSV of pairs: record_id_1, record_id_2; other columns are not read." type:"existingfile"`
	Out     string `help:"Where to write record_id_1,record_id_2,grade,bits,probability,missing,vetoes; required unless --dry-run." placeholder:"scored.csv"`
	DryRun  bool   `help:"Grade and count, and write nothing."`
}

// Help implements kong.HelpProvider.
func (linkPairsCmd) Help() string {
	return `A match may be linked unseen; no_match is likelier two persons than one; possible is for a steward. Bits are evidence without the prior,
probability counts it in.

Example:
  concord link pairs records.csv pairs.csv --out scored.csv`
}

// Run grades the pairs.
func (l *linkPairsCmd) Run(ctx context.Context, std *streams) error {
	if l.Out == "" && !l.DryRun {
		return errors.New("--out is required (or --dry-run)")
	}
	f, err := mpicsv.Open(l.Pairs)
	if err != nil {
		return err
	}
	pairs, err := mpicsv.ReadPairs(f)
	_ = f.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", l.Pairs, err)
	}
	wanted := map[string]bool{}
	for _, p := range pairs {
		wanted[p.A], wanted[p.B] = true, true
	}
	nodes, m, err := l.nodes(ctx, std, l.Records, wanted)
	if err != nil {
		return err
	}
	for i, p := range pairs {
		for _, id := range [...]string{p.A, p.B} {
			if nodes[id] == nil {
				return fmt.Errorf("%s: row %d names a record that %s does not hold", l.Pairs, i+2, l.Records)
			}
		}
	}
	count := map[string]int{}
	rows := func(put func(...string) error) error {
		for _, p := range pairs {
			j := m.Judge(nodes[p.A], nodes[p.B])
			grade := "possible"
			switch {
			case j.Match:
				grade = "match"
			case j.NoMatch:
				grade = "no_match"
			}
			count[grade]++
			if err := put(p.A, p.B, grade, bits(j.Bits), probability(j.Probability), j.Missing, strings.Join(j.Vetoes, " ")); err != nil {
				return err
			}
		}
		return nil
	}
	if l.DryRun {
		err = rows(func(...string) error { return nil })
	} else {
		err = writeCSV(l.Out, []string{"record_id_1", "record_id_2", "grade", "bits", "probability", "missing", "vetoes"}, rows)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "pairs     %d\nmatch     %d\npossible  %d\nno_match  %d\n", len(pairs), count["match"], count["possible"], count["no_match"])
	return nil
}

// nodes reads a file, keeps the features of the records wanted, and returns the model to judge them by.
func (l *linkInput) nodes(ctx context.Context, std *streams, name string, wanted map[string]bool) (map[string]*mpi.Features, *mpi.Model, error) {
	without, err := l.columns()
	if err != nil {
		return nil, nil, err
	}
	o, err := l.options()
	if err != nil {
		return nil, nil, err
	}
	nodes := map[string]*mpi.Features{}
	b, err := readRecords(ctx, std, name, without, func(r mpicsv.Record) {
		if wanted[r.ID] {
			f := mpi.Extract(r.Source, r.Demographics)
			nodes[r.ID] = &f
		}
	})
	if err != nil || o.Model != nil {
		return nodes, o.Model, err
	}
	got, err := b.linkage.Run(ctx, o)
	return nodes, got.Model, err
}

// linkExplainCmd shows a waterfall.
type linkExplainCmd struct {
	linkInput
	File   string `arg:"" help:"CSV of records." type:"existingfile"`
	A      string `arg:"" help:"record_id of the one."`
	B      string `arg:"" help:"record_id of the other."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (linkExplainCmd) Help() string {
	return `One row a field: how well it agrees and what that is worth, then what relatives would share, then the prior.

Example:
  concord link explain patients.csv r00017 r02231`
}

// An explainedPair is one pair's waterfall.
type explainedPair struct {
	A           string    `json:"record_id_1"`
	B           string    `json:"record_id_2"`
	Rows        []pairRow `json:"evidence"`
	Bits        float32   `json:"bits"`
	Prior       float32   `json:"prior"`
	Probability float64   `json:"probability"`
	Missing     string    `json:"missing,omitempty"`
	Vetoes      []string  `json:"vetoes,omitempty"`
	Model       string    `json:"model"`
}

type pairRow struct {
	Field string  `json:"field"`
	Level string  `json:"level"`
	Bits  float32 `json:"bits"`
}

// Run prints it.
func (l *linkExplainCmd) Run(ctx context.Context, std *streams) error {
	nodes, m, err := l.nodes(ctx, std, l.File, map[string]bool{l.A: true, l.B: true})
	if err != nil {
		return err
	}
	for _, id := range [...]string{l.A, l.B} {
		if nodes[id] == nil {
			return fmt.Errorf("no record %q in %s", id, l.File)
		}
	}
	j := m.Judge(nodes[l.A], nodes[l.B])
	_, rows := m.Explain(nodes[l.A], nodes[l.B])
	w := explainedPair{A: l.A, B: l.B, Bits: float32(j.Bits), Prior: float32(m.Prior), Probability: float64(j.Probability), Missing: j.Missing, Vetoes: j.Vetoes, Model: m.ID}
	for _, r := range rows {
		w.Rows = append(w.Rows, pairRow{r.Field, r.Level, float32(r.Bits)})
	}
	if l.Output == "json" {
		return printJSON(std.out, w)
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIELD\tLEVEL\tBITS")
	for _, r := range w.Rows {
		fmt.Fprintf(t, "%s\t%s\t%+.1f\n", r.Field, r.Level, r.Bits)
	}
	fmt.Fprintf(t, "together\t\t%+.1f\nprior\tstrangers to one pair of one person\t%+.1f\n", w.Bits, -w.Prior)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "probability %.6f", w.Probability)
	if w.Missing != "" {
		fmt.Fprintf(std.out, "; not certain without %s", w.Missing)
	}
	if len(w.Vetoes) > 0 {
		fmt.Fprintf(std.out, "; forbidden by %s", strings.Join(w.Vetoes, ", "))
	}
	_, err = fmt.Fprintln(std.out)
	return err
}
