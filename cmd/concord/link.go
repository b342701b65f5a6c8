package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
	"github.com/concord-hie/concord/mpi/mpijson"
)

// linkCmd groups batch linkage: the engine of the index on files, without a database.
type linkCmd struct {
	Records  linkRecordsCmd  `cmd:"" default:"withargs" help:"Link the records of a file to each other."`
	Evaluate linkEvaluateCmd `cmd:"" help:"Compare clusters with the truth in person_id."`
	Keys     linkKeysCmd     `cmd:"" help:"Show what each kind of candidate key finds and costs."`
	Pairs    linkPairsCmd    `cmd:"" help:"Grade given pairs of records."`
	Explain  linkExplainCmd  `cmd:"" help:"Show what speaks for and against two records being one person."`
}

// linkInput is what all of them read.
type linkInput struct {
	Without []string `help:"Columns to read as empty: ssn, phone, email, ..." placeholder:"COLUMN,…"`
	Model   string   `help:"Model file to use; without it a model is estimated from the records." type:"existingfile" placeholder:"FILE"`
}

func (l *linkInput) columns() (mpicsv.Without, error) {
	out := mpicsv.Without{}
	for _, c := range l.Without {
		known := false
		for _, k := range mpicsv.Columns {
			known = known || k == c && c != "record_id"
		}
		if !known {
			return nil, fmt.Errorf("--without: no column %q; there are %s", c, strings.Join(mpicsv.Columns[2:], ", "))
		}
		out[c] = true
	}
	return out, nil
}

func (l *linkInput) options() (mpi.LinkageOptions, error) {
	var o mpi.LinkageOptions
	if l.Model == "" {
		return o, nil
	}
	m, err := readModel(l.Model)
	if err != nil {
		return o, err
	}
	o.Model = m
	return o, nil
}

func readModel(name string) (*mpi.Model, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	m, err := mpijson.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// linkRecordsCmd links a file.
type linkRecordsCmd struct {
	linkInput
	File      string  `arg:"" help:"CSV of records, gzipped or not; columns of data/linkage/README.md. The column person_id is never read." type:"existingfile"`
	Out       string  `help:"Where to write record_id,cluster_id; required unless --dry-run." placeholder:"clusters.csv"`
	Review    string  `help:"Where to write the pairs a steward should see, with score, grade and reasons." placeholder:"review.csv"`
	Threshold float32 `help:"Bits above even odds from which records are joined." default:"0"`
	Automatic bool    `help:"Join only what needs no steward: certain, unvetoed, corroborated, without a rival."`
	SaveModel string  `help:"Where to write the estimated model." placeholder:"model.json"`
	DryRun    bool    `help:"Link and report, and write nothing."`
}

// Help implements kong.HelpProvider.
func (linkRecordsCmd) Help() string {
	return `Records that are one person get one cluster_id. The model is estimated from the records themselves, unless --model names one.
Files are written whole or not at all. An interrupted run leaves a checkpoint beside --out (clusters.csv.checkpoint: numbers of records
and the model, no personal data), and the same command goes on from there; a checkpoint of another input, other options or another
version is discarded, and none is left when the files are written. The result depends on the records, not on their order or on the
machine.

Examples:
  concord link patients.csv.gz --out clusters.csv --review review.csv
  concord link patients.csv --without ssn,phone,email --out clusters.csv
  concord link evaluate patients.csv --clusters clusters.csv`
}

// Run links the file and says what came of it.
func (l *linkRecordsCmd) Run(ctx context.Context, std *streams) error {
	if l.Out == "" && !l.DryRun {
		return errors.New("--out is required (or --dry-run)")
	}
	if l.SaveModel != "" && l.Model != "" {
		return errors.New("--save-model is for an estimated model; leave --model out")
	}
	without, err := l.columns()
	if err != nil {
		return err
	}
	o, err := l.options()
	if err != nil {
		return err
	}
	if l.Automatic && l.Threshold != 0 {
		return errors.New("--automatic has its own bar; leave --threshold out")
	}
	o.Threshold, o.Automatic = mpi.Bits(l.Threshold), l.Automatic
	garbage := boundGarbage()
	defer garbage.end()
	began := time.Now()
	b := newLinkBatch()
	b.each = garbage.look
	if err := b.read(ctx, std, l.File, without, nil); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "read %d records in %s\n", len(b.ids), time.Since(began).Round(100*time.Millisecond))
	var bar *progress
	was := 0
	o.Progress = func(stage string, done, total int) {
		garbage.look()
		if bar == nil {
			bar, was = newProgress(std.err, stage, total), 0
		}
		bar.add(done - was)
		if was = done; done == total {
			bar.end()
			bar = nil
		}
	}
	var kept *linkCheckpoint
	if !l.DryRun {
		if kept, err = l.checkpoint(std, b, &o); err != nil {
			return err
		}
		o.Checkpoint = kept
	}
	got, err := b.linkage.Run(ctx, o)
	if err == nil && kept != nil {
		err = l.write(b, &got)
	}
	if kept != nil {
		err = errors.Join(err, kept.close(err == nil))
	}
	if err != nil {
		return err
	}
	clusters, linked := summary(got.Cluster)
	fmt.Fprintf(std.out, "records            %d\n", len(b.ids))
	fmt.Fprintf(std.out, "persons            %d\n", clusters)
	fmt.Fprintf(std.out, "links              %d\n", linked)
	fmt.Fprintf(std.out, "  not automatic    %d would have been left to review by the automatic bar\n", len(got.Joined))
	fmt.Fprintf(std.out, "left apart         %d pairs are probable and were not joined\n", len(got.Apart))
	fmt.Fprintf(std.out, "pairs compared     %d\n", got.Pairs)
	fmt.Fprintf(std.out, "model              %s, prior %.1f bits\n", got.Model.ID, got.Model.Prior)
	fmt.Fprintf(std.out, "took               %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// checkpoint opens the checkpoint beside --out and says what is going to be done with it.
func (l *linkRecordsCmd) checkpoint(std *streams, b *linkBatch, o *mpi.LinkageOptions) (*linkCheckpoint, error) {
	model := "estimated"
	if o.Model != nil {
		body, err := mpijson.Encode(o.Model)
		if err != nil {
			return nil, err
		}
		model = fmt.Sprintf("%x", sha256.Sum256(body))
	}
	without := slices.Sorted(slices.Values(l.Without))
	of := fmt.Sprintf("%q %x %q %g %v %s", build(), b.digest.Sum(nil), without, l.Threshold, l.Automatic, model)
	kept, discarded, err := openCheckpoint(l.Out, fmt.Sprintf("%x", sha256.Sum256([]byte(of))))
	if err != nil {
		return nil, err
	}
	switch {
	case discarded:
		fmt.Fprintf(std.err, "%s is of another input, other options or another version: discarded\n", kept.name)
	case kept.in != nil:
		fmt.Fprintf(std.err, "%s: going on where an earlier run stopped\n", kept.name)
	}
	return kept, nil
}

// build names this program's source, as far as it is known.
func build() string {
	out := version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "vcs.modified" {
				out += " " + s.Value
			}
		}
	}
	return out
}

// summary counts persons, and links as records beyond each person's first.
func summary(cluster []int32) (persons, links int) {
	for _, c := range cluster {
		persons = max(persons, int(c)+1)
	}
	return persons, len(cluster) - persons
}

func (l *linkRecordsCmd) write(b *linkBatch, got *mpi.Linked) error {
	if l.SaveModel != "" {
		body, err := mpijson.Encode(got.Model)
		if err != nil {
			return err
		}
		if err := replaceFile(l.SaveModel, func(w io.Writer) error { _, err := w.Write(body); return err }); err != nil {
			return err
		}
	}
	if l.Review != "" {
		if err := writeCSV(l.Review, reviewColumns, func(put func(...string) error) error { return putReview(put, b, got) }); err != nil {
			return err
		}
	}
	return writeCSV(l.Out, []string{"record_id", "cluster_id"}, func(put func(...string) error) error {
		for i, c := range got.Cluster {
			if err := put(b.ids[i], "p"+strconv.Itoa(int(c))); err != nil {
				return err
			}
		}
		return nil
	})
}

var reviewColumns = []string{"record_id_1", "record_id_2", "joined", "grade", "bits", "probability", "missing", "vetoes"}

func putReview(put func(...string) error, b *linkBatch, got *mpi.Linked) error {
	for _, part := range []struct {
		joined string
		all    []mpi.Doubt
	}{{"yes", got.Joined}, {"no", got.Apart}} {
		for _, d := range part.all {
			if err := put(b.ids[d.A], b.ids[d.B], part.joined, d.Grade.String(), bits(d.Bits), probability(got.Model.Probability(d.Bits)),
				d.Missing, strings.Join(d.Vetoes, " ")); err != nil {
				return err
			}
		}
	}
	return nil
}

func bits(b mpi.Bits) string { return strconv.FormatFloat(float64(b), 'f', 2, 32) }

func probability(p mpi.Probability) string { return strconv.FormatFloat(float64(p), 'f', 6, 64) }

// writeCSV writes a file whole or not at all.
func writeCSV(name string, header []string, rows func(put func(...string) error) error) error {
	return replaceFile(name, func(w io.Writer) error {
		out := csv.NewWriter(w)
		if err := out.Write(header); err != nil {
			return err
		}
		if err := rows(func(cells ...string) error { return out.Write(cells) }); err != nil {
			return err
		}
		out.Flush()
		return out.Error()
	})
}

// replaceFile writes a file beside its place and moves it there when it is complete.
func replaceFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := cmp.Or(w.Flush(), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
