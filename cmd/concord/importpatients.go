package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// importPatientsCmd registers many patients at once.
type importPatientsCmd struct {
	Files   []string  `arg:"" name:"file" help:"NDJSON files, one FHIR Patient a line." type:"existingfile"`
	Org     hie.OrgID `help:"Take only patients of this organization's sites; default those of every site." placeholder:"ID"`
	Rejects string    `help:"Where to write the lines that were not taken, with the reason, as NDJSON; default FILE.rejects.ndjson." placeholder:"FILE"`
	Batch   int       `default:"4000" help:"Lines a transaction, 1 to 20000."`
	DryRun  bool      `help:"Check every line and store nothing."`
}

// Help implements kong.HelpProvider.
func (importPatientsCmd) Help() string {
	return `Each line is a Patient with one identifier that a site of the network assigns: that site's registration of it. Each is
registered as the site's feed would register it, in the order of the lines: who is who is found, linked where that is certain, and
asked of a steward where it is not; registrations that come live meanwhile or later meet the loaded ones. A line that breaks a rule
goes to the rejects file with its number and the rule, never with its content; the others are stored. A file that was interrupted
goes on where it stopped when the same command is given again; a file that was loaded to its end does nothing.

Example:
  concord import patients --org mercy patients-2019.ndjson`
}

// Run loads the files one after another.
func (i *importPatientsCmd) Run(ctx context.Context, g *Globals, std *streams) error {
	if i.Batch < 1 || i.Batch > 20000 {
		return errors.New("--batch must be between 1 and 20000")
	}
	if i.Rejects != "" && len(i.Files) > 1 {
		return errors.New("--rejects names one file; give one input file with it")
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	networks, err := directorypg.New(db, auditpg.Append, hie.Now).Networks(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	network := networks.Network()
	if _, known := network.Organization(i.Org); i.Org != "" && !known {
		return fmt.Errorf("no organization %s in the directory; see: concord site list", i.Org)
	}
	store := mpipg.New(db, auditpg.Append)
	im := &patientImporter{importPatientsCmd: i, std: std, actor: localOperator(), network: network, store: store,
		index: mpi.New(store, hie.NewIDs(nil), auditpg.New(db), mpi.Options{})}
	im.actor.Organization = i.Org
	for _, name := range i.Files {
		if err := im.file(ctx, name); err != nil {
			return fmt.Errorf("import patients: %s: %w", name, err)
		}
	}
	return nil
}

// A patientImporter loads files with one set of services.
type patientImporter struct {
	*importPatientsCmd
	std     *streams
	actor   hie.Actor
	network *directory.Network
	store   *mpipg.Store
	index   *mpi.Index
}

// A patientLine is one line of a file on its way.
type patientLine struct {
	n            int64
	text         []byte
	registration mpi.Registration
	err          error
}

func (im *patientImporter) file(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	feed, total, err := fingerprint(f, "patients")
	if err != nil {
		return err
	}
	var sum mpipg.Fed
	if !im.DryRun {
		if sum, err = im.store.Fed(ctx, feed); err != nil {
			return err
		}
	}
	rejects := openRejects(im.Rejects, name, sum.Line > 0)
	defer func() { _ = rejects.Close() }()
	bar := newProgress(im.std.err, name, max(int(total-sum.Line), 1))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan []patientLine, 1) // one is read and checked while the one before is stored
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(batches)
		if err := im.read(ctx, f, sum.Line, batches); err != nil {
			cancel(err)
		}
	})
	for batch := range batches {
		if err := im.load(ctx, feed, &sum, batch, rejects); err != nil {
			cancel(err)
			break
		}
		bar.add(len(batch))
	}
	for range batches { // let the reader end
	}
	reading.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	bar.end()
	verb := "registered"
	if im.DryRun {
		verb = "good"
	}
	fmt.Fprintf(im.std.err, "%s: %d %s, %d revised, %d repeated, %d rejected\n", name, sum.Created, verb, sum.Revised, sum.Repeated, sum.Rejected)
	return rejects.Close()
}

// read checks the lines after the first skip ones and hands them on in batches, in order.
func (im *patientImporter) read(ctx context.Context, f io.Reader, skip int64, out chan<- []patientLine) error {
	r := bufio.NewReaderSize(f, 1<<20)
	n := int64(0)
	for ended := false; !ended; {
		batch := make([]patientLine, 0, im.Batch)
		for len(batch) < im.Batch && !ended {
			text, err := readLine(r)
			if ended = errors.Is(err, io.EOF); err != nil && !ended && !errors.Is(err, bufio.ErrTooLong) {
				return err
			}
			if n++; n > skip && (!ended || len(text) > 0) {
				l := patientLine{n: n, text: text}
				if errors.Is(err, bufio.ErrTooLong) {
					l.err = &hie.InvalidError{Rule: "is longer than 1 MiB", Code: "too-long"}
				}
				batch = append(batch, l)
			}
		}
		im.check(batch)
		if len(batch) == 0 {
			continue
		}
		select {
		case out <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// check makes each line ready or says what is wrong with it, on all processors.
func (im *patientImporter) check(batch []patientLine) {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(batch); i += workers {
				if l := &batch[i]; l.err == nil {
					l.registration, l.err = im.registration(l.text)
				}
			}
		})
	}
	wg.Wait()
}

// registration reads one line as the registration of the one site that assigns one of its identifiers.
func (im *patientImporter) registration(text []byte) (mpi.Registration, error) {
	p, err := mpifhir.Read(text)
	if err != nil {
		return mpi.Registration{}, err
	}
	var local hie.Identifier
	var site directory.Site
	for _, id := range p.Demographics.Identifiers {
		s, known := im.network.SiteOf(id.System)
		if !known || !s.Active || im.Org != "" && !im.network.Within(s.Org, im.Org) {
			continue
		}
		if !local.IsZero() && local != id.Identifier {
			return mpi.Registration{}, &hie.InvalidError{Path: "Patient.identifier", Rule: "holds several that sites assign, so whose registration it is cannot be told; --org narrows the sites", Code: "business-rule"}
		}
		local, site = id.Identifier, s
	}
	if local.IsZero() {
		return mpi.Registration{}, &hie.InvalidError{Path: "Patient.identifier", Rule: "must hold one that a site of the network, or of the organization, assigns", Code: "required"}
	}
	r := p.Registration(site.ID, local)
	if p.ReplacedBy.IsZero() {
		return r, nil
	}
	survivor := p.ReplacedBy.Identifier
	if other, known := im.network.SiteOf(survivor.System); !known || other.ID != site.ID {
		return r, &hie.InvalidError{Path: "Patient.link", Rule: "must name a Patient of the same site as replaced-by, by identifier", Code: "business-rule"}
	}
	r.ReplacedBy = &survivor
	return r, nil
}

// load stores one batch. Rejects are written before the mark moves past them: a crash in between names a line twice,
// never not at all.
func (im *patientImporter) load(ctx context.Context, feed string, sum *mpipg.Fed, batch []patientLine, rejects *rejectFile) error {
	bad := map[int64]error{}
	var good []mpi.Registration
	var lines []int64
	for _, l := range batch {
		if l.err != nil {
			bad[l.n] = l.err
			continue
		}
		good, lines = append(good, l.registration), append(lines, l.n)
	}
	if err := rejects.write(bad); err != nil {
		return err
	}
	mark := mpi.Mark{Feed: feed, From: sum.Line, Upto: batch[len(batch)-1].n, Rejected: int64(len(bad))}
	if im.DryRun {
		mark.Created = int64(len(good))
	} else {
		done, err := im.index.Load(ctx, im.actor, im.store, &mark, good)
		if err != nil {
			return err
		}
		clear(bad)
		for i, d := range done {
			if d.Err != nil {
				bad[lines[i]] = rejection(d.Err)
			}
		}
		if err := rejects.write(bad); err != nil {
			return err
		}
	}
	sum.Line = mark.Upto
	sum.Created, sum.Revised, sum.Repeated, sum.Rejected = sum.Created+mark.Created, sum.Revised+mark.Revised, sum.Repeated+mark.Repeated, sum.Rejected+mark.Rejected
	return nil
}

// rejection is err as the rejects file has it.
func rejection(err error) error {
	var inv *hie.InvalidError
	if errors.As(err, &inv) {
		return err
	}
	return &hie.InvalidError{Path: "Patient.identifier", Rule: "was registered by another site, or merged into another", Code: "conflict"}
}
