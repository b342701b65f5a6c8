package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpijson"
)

// modelCmd groups what concerns models: what evidence is worth.
type modelCmd struct {
	Train   modelTrainCmd   `cmd:"" help:"Estimate a model from records, without any truth."`
	Show    modelShowCmd    `cmd:"" help:"Print what a model holds each agreement to be worth."`
	Compare modelCompareCmd `cmd:"" help:"List every link that another model would change."`

	Calibrate modelCalibrateCmd `cmd:"" help:"Hold a model's probabilities against the truth: wrong merges a million at each bar."`
}

// modelTrainCmd estimates a model.
type modelTrainCmd struct {
	Files   []string `arg:"" name:"file" help:"CSV of records, gzipped or not." type:"existingfile"`
	Out     string   `help:"Where to write the model; required unless --dry-run." placeholder:"model.json"`
	Without []string `help:"Columns to read as empty." placeholder:"COLUMN,…"`
	DryRun  bool     `help:"Estimate and check, and write nothing."`
}

// Help implements kong.HelpProvider.
func (modelTrainCmd) Help() string {
	return `What strangers share is counted in random pairs; what records of one person share is learnt by expectation maximisation, with what relatives
share beside it. A model that has learnt households for persons, or is out of bounds otherwise, is refused with the reason. The id is a
digest of the content: to go back to an earlier model, use its file.

Example:
  concord model train site-a.csv site-b.csv.gz --out model.json`
}

// Run trains it.
func (t *modelTrainCmd) Run(ctx context.Context, std *streams) error {
	if t.Out == "" && !t.DryRun {
		return errors.New("--out is required (or --dry-run)")
	}
	in := linkInput{Without: t.Without}
	without, err := in.columns()
	if err != nil {
		return err
	}
	all := newLinkBatch()
	for _, name := range t.Files {
		if err := all.read(ctx, std, name, without, nil); err != nil {
			return err
		}
	}
	got, err := all.linkage.Run(ctx, mpi.LinkageOptions{})
	if err != nil {
		return err
	}
	m := got.Model
	body, err := mpijson.Encode(m)
	if err != nil {
		return err
	}
	if m, err = mpijson.Decode(body); err != nil { // refuses an absurd one
		return err
	}
	if !t.DryRun {
		if err := replaceFile(t.Out, func(w io.Writer) error { _, err := w.Write(body); return err }); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(std.out, "%s from %d records: prior %.1f bits, certain from %.1f, %.0f wrong a million expected there by the bits alone\n", m.ID, len(all.ids), m.Prior,
		m.Certain, 1e6*(1-float64(m.Probability(m.Certain))))
	return err
}

// modelShowCmd prints a model.
type modelShowCmd struct {
	File   string `arg:"" optional:"" help:"Model file; without it the default model." type:"existingfile"`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (modelShowCmd) Help() string {
	return `BITS is log2 of how many times likelier a level is among records of one person than among strangers, before the value's own frequency.

Examples:
  concord model show
  concord model show model.json --output json`
}

// Run prints it.
func (s *modelShowCmd) Run(std *streams) error {
	m := mpi.DefaultModel()
	if s.File != "" {
		var err error
		if m, err = readModel(s.File); err != nil {
			return err
		}
	}
	if s.Output == "json" {
		body, err := mpijson.Encode(m)
		if err != nil {
			return err
		}
		_, err = std.out.Write(body)
		return err
	}
	p := m.Parts()
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "model\t%s\nprior\t%.1f bits\n", p.ID, p.Prior)
	for _, g := range []struct {
		name string
		at   mpi.Bits
	}{{"certain", m.Certain}, {"probable", m.Probable}, {"possible", m.Possible}} {
		fmt.Fprintf(w, "%s\tfrom %.1f bits: %.0f wrong a million at the bar, by the bits alone\n", g.name, g.at, 1e6*(1-float64(m.Probability(g.at))))
	}
	fmt.Fprintln(w, "\nFIELD\tLEVEL\tBITS\tONE PERSON\tSTRANGERS\tRELATIVES\tTWINS")
	for _, l := range p.Levels {
		fmt.Fprintf(w, "%s\t%s\t%+.1f\t%.4f\t%.6f\t%.4f\t%.4f\n", l.Field, l.Level, l.Bits(), l.Same, l.Strangers, l.Relatives, l.Twins)
	}
	return w.Flush()
}

// modelCompareCmd compares what two models link.
type modelCompareCmd struct {
	A       string   `arg:"" help:"Model file in use." type:"existingfile"`
	B       string   `arg:"" help:"Model file that may take its place." type:"existingfile"`
	File    string   `arg:"" help:"CSV of records." type:"existingfile"`
	Without []string `help:"Columns to read as empty." placeholder:"COLUMN,…"`
	// Automatic is the bar of the live index.
	Automatic bool   `help:"Join only what is certain, as the live index does, instead of what is likelier than not."`
	Output    string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (modelCompareCmd) Help() string {
	return `Links the records under both models and lists every pair that one joins and the other does not, with both scores above even odds, and what moved
them most: a field, or how common one person's pairs are held to be. Nothing is written.

Examples:
  concord model compare model-2026.json model-2027.json patients.csv
  concord model compare model-2026.json model-2027.json patients.csv --automatic`
}

// A modelChange is one pair two models see differently.
type modelChange struct {
	A       string  `json:"record_id_1"`
	B       string  `json:"record_id_2"`
	Change  string  `json:"change"` // "joined" or "parted"
	Before  float32 `json:"bits_before"`
	After   float32 `json:"bits_after"`
	Because string  `json:"because"`
}

// Run compares them.
func (c *modelCompareCmd) Run(ctx context.Context, std *streams) error {
	in := linkInput{Without: c.Without}
	without, err := in.columns()
	if err != nil {
		return err
	}
	var clusters [2][]int32
	var models [2]*mpi.Model
	var nodes []mpi.Features
	var ids []string
	for i, name := range [...]string{c.A, c.B} {
		if models[i], err = readModel(name); err != nil {
			return err
		}
		b := newLinkBatch()
		if err := b.read(ctx, std, c.File, without, nil); err != nil {
			return err
		}
		nodes, ids = b.linkage.Features(), b.ids
		got, err := b.linkage.Run(ctx, mpi.LinkageOptions{Model: models[i], Automatic: c.Automatic})
		if err != nil {
			return err
		}
		clusters[i] = got.Cluster
	}
	changes := changedLinks(clusters, models, nodes, ids)
	if c.Output == "json" {
		return printJSON(std.out, changes)
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RECORD\tRECORD\tCHANGE\tBEFORE\tAFTER\tBECAUSE")
	for _, x := range changes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%.1f\t%s\n", x.A, x.B, x.Change, x.Before, x.After, x.Because)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%d pairs change from %s to %s\n", len(changes), models[0].ID, models[1].ID)
	return err
}

// changedLinks returns the pairs together under one of two partitions only, by record; bits are above each model's even odds.
func changedLinks(clusters [2][]int32, models [2]*mpi.Model, nodes []mpi.Features, ids []string) []modelChange {
	out := []modelChange{}
	for i := range clusters {
		groups := make(map[int32][]int, len(ids))
		for n, g := range clusters[i] {
			groups[g] = append(groups[g], n)
		}
		for g := range int32(len(groups)) {
			rows := groups[g]
			for k, a := range rows {
				for _, b := range rows[k+1:] {
					if clusters[1-i][a] == clusters[1-i][b] {
						continue
					}
					before, rowsBefore := weighed(models[0], &nodes[a], &nodes[b])
					after, rowsAfter := weighed(models[1], &nodes[a], &nodes[b])
					out = append(out, modelChange{ids[a], ids[b], [...]string{"parted", "joined"}[i], float32(before),
						float32(after), moved(rowsBefore, rowsAfter)})
				}
			}
		}
	}
	return out
}

// weighed returns the evidence for a pair above even odds, and its waterfall with what is against any two.
func weighed(m *mpi.Model, a, b *mpi.Features) (mpi.Bits, []mpi.Evidence) {
	bits, rows := m.Explain(a, b)
	return bits - m.Prior, append(rows, mpi.Evidence{Field: "prior", Level: "strangers to one pair of one person", Bits: -m.Prior})
}

// moved names the field, or the prior, whose bits differ most between two waterfalls of one pair.
func moved(a, b []mpi.Evidence) string {
	most, name := mpi.Bits(-1), "others of their groups"
	for _, x := range a {
		for _, y := range b {
			if d := y.Bits - x.Bits; x.Field == y.Field && max(d, -d) > most && max(d, -d) > .05 {
				most, name = max(d, -d), fmt.Sprintf("%s, %s: %+.1f -> %+.1f", x.Field, x.Level, x.Bits, y.Bits)
			}
		}
	}
	return name
}
