package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
	"github.com/concord-hie/concord/mpi/mpijson"
)

// modelCalibrateCmd holds a model's probabilities against the truth.
type modelCalibrateCmd struct {
	Files    []string `arg:"" name:"file" help:"CSV of records with person_id, gzipped or not: of a simulation, or settled by people." type:"existingfile"`
	Model    string   `help:"Model file; without it the default model of the live index, for as many records as a file has." type:"existingfile" placeholder:"FILE"`
	Estimate bool     `help:"Take instead, for each file, the model estimated from it."`
	Out      string   `help:"Where to write the model with its probabilities as observed." placeholder:"model.json"`
	DryRun   bool     `help:"Measure, and write nothing."`
	Output   string   `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (modelCalibrateCmd) Help() string {
	return `Each record is held against all other records of each person it shares a key of the live index with, as a search answers. For such pairs of a record
and a person: how much evidence beyond even odds, how many pairs, in which share of them the record is the person's as the model states it, as it was
observed, and as calibration has it (never lower for more evidence). Then, for each bar, how many wrong pairs reach it a million records: as stated, as observed, and of those that would be linked unseen. The limits of what was observed are at 95 in 100; of
three files or more they are as wide as the files differ, of fewer as if each pair stood for itself. Use files the model was not made from.

Examples:
  concord simulate --people 33000 --seed 20261 --out sim
  concord model calibrate sim/records.csv
  concord model calibrate sim/records.csv --model model.json --out calibrated.json`
}

// A calibrationRow is one stretch of evidence, and the bar at its beginning.
type calibrationRow struct {
	From     float64 `json:"bits_beyond_prior_from"`
	To       float64 `json:"bits_beyond_prior_to"`
	Pairs    int     `json:"pairs"`
	Stated   float64 `json:"stated"`
	Observed float64 `json:"observed"`
	// Low and High bound the share observed at 95 in 100.
	Low        float64 `json:"observed_low"`
	High       float64 `json:"observed_high"`
	Calibrated float64 `json:"calibrated"`
	// Of a million records, pairs with another's person at or above From.
	WrongStated   float64 `json:"wrong_per_million_records_stated"`
	WrongObserved float64 `json:"wrong_per_million_records_observed"`
	WrongUnseen   float64 `json:"wrong_per_million_records_linked_unseen"`
}

// Run measures.
func (c *modelCalibrateCmd) Run(ctx context.Context, std *streams) error {
	if c.Model != "" && c.Estimate {
		return errors.New("--model and --estimate exclude each other")
	}
	if c.Out != "" && c.Estimate {
		return errors.New("--out needs one model, and --estimate makes one a file")
	}
	base := mpi.DefaultModel()
	if c.Model != "" {
		var err error
		if base, err = readModel(c.Model); err != nil {
			return err
		}
	}
	var sum []mpi.Observed
	var each [][]mpi.Observed
	records := 0
	for _, name := range c.Files {
		observed, n, err := c.observe(ctx, std, base, name)
		if err != nil {
			return err
		}
		records += n
		each = append(each, observed)
		if sum == nil {
			sum = slices.Clone(observed)
			continue
		}
		for i, o := range observed {
			s := &sum[i]
			s.Pairs, s.Same, s.Stated, s.Certain, s.CertainWrong = s.Pairs+o.Pairs, s.Same+o.Same, s.Stated+o.Stated, s.Certain+o.Certain, s.CertainWrong+o.CertainWrong
		}
	}
	points := mpi.Calibrate(sum)
	if len(points) == 0 {
		return errors.New("no two records with a known person share a key: nothing to calibrate by")
	}
	if c.Out != "" && !c.DryRun {
		body, err := mpijson.Encode(base.Calibrated(points))
		if err != nil {
			return err
		}
		if err := replaceFile(c.Out, func(w io.Writer) error { _, err := w.Write(body); return err }); err != nil {
			return err
		}
	}
	rows := calibrationRows(sum, each, points, records)
	if c.Output == "json" {
		return printJSON(std.out, rows)
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BITS BEYOND PRIOR\tPAIRS\tSTATED\tOBSERVED\t95 IN 100\tCALIBRATED\tWRONG A MILLION RECORDS FROM HERE: STATED\tOBSERVED\tLINKED UNSEEN")
	for _, r := range rows {
		fmt.Fprintf(t, "%+.0f to %+.0f\t%d\t%.4f\t%.4f\t%.4f-%.4f\t%.4f\t%.0f\t%.0f\t%.0f\n", r.From, r.To, r.Pairs, r.Stated, r.Observed, r.Low, r.High, r.Calibrated, r.WrongStated, r.WrongObserved, r.WrongUnseen)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "%d records; certain begins %.0f bits beyond the prior, probable %.0f\n", records, base.Certain-base.Prior, base.Probable-base.Prior)
	return err
}

// observe reads one file and counts.
func (c *modelCalibrateCmd) observe(ctx context.Context, std *streams, m *mpi.Model, name string) ([]mpi.Observed, int, error) {
	truth, err := readWhole(name, mpicsv.ReadTruth)
	if err != nil {
		return nil, 0, err
	}
	var keys [][]mpi.Key
	b, err := readRecords(ctx, std, name, nil, func(r mpicsv.Record) { keys = append(keys, mpi.Keys(r.Demographics)) })
	if err != nil {
		return nil, 0, err
	}
	nodes := b.linkage.Features()
	switch {
	case c.Estimate:
		got, err := b.linkage.Run(ctx, mpi.LinkageOptions{})
		if err != nil {
			return nil, 0, err
		}
		m = got.Model
	case c.Model == "":
		m = m.ForRecords(len(truth))
	}
	return mpicsv.Observe(m, truth, nodes, keys), len(truth), nil
}

// calibrationRows are the stretches that have pairs; each holds the same of each file.
func calibrationRows(all []mpi.Observed, each [][]mpi.Observed, points []mpi.CalibrationPoint, records int) []calibrationRow {
	out := []calibrationRow{}
	stated, wrong, unseen := 0.0, 0.0, 0.0
	a := 1e6 / float64(records)
	at := len(points)
	for i := len(all) - 1; i >= 0; i-- {
		o := all[i]
		if o.Pairs == 0 {
			continue
		}
		at--
		stated += float64(o.Pairs) - o.Stated
		wrong += float64(o.Pairs - o.Same)
		unseen += float64(o.CertainWrong)
		var populations []mpi.Observed
		for _, file := range each {
			populations = append(populations, file[i])
		}
		low, high := o.Bounds(mpi.DesignEffect(populations))
		out = append(out, calibrationRow{float64(o.From), float64(o.To), o.Pairs, o.Stated / float64(o.Pairs), float64(o.Same) / float64(o.Pairs),
			float64(low), float64(high), float64(points[at].Probability), a * stated, a * wrong, a * unseen})
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
