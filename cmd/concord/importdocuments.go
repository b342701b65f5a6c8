package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorfhir"
	"github.com/concord-hie/concord/locator/locatorpg"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// importDocumentsCmd publishes many document references at once.
type importDocumentsCmd struct {
	Files   []string  `arg:"" name:"file" help:"NDJSON files, one DocumentReference a line." type:"existingfile"`
	Org     hie.OrgID `required:"" help:"Organization whose documents these are; its sites must have registered the patients." placeholder:"ID"`
	Rejects string    `help:"Where to write the lines that were not taken, with the reason, as NDJSON; default FILE.rejects.ndjson, of a dry run FILE.dry-run.rejects.ndjson." placeholder:"FILE"`
	Batch   int       `default:"8000" help:"Lines a transaction, 1 to 50000."`
	DryRun  bool      `help:"Check every line and store nothing."`
}

// Help implements kong.HelpProvider.
func (importDocumentsCmd) Help() string {
	return `Each line is a DocumentReference whose subject.identifier names a patient a site of the organization registered and whose
attachment.url is at that site. A line that breaks a rule goes to the rejects file with its number and the rule, never with its
content; the others are stored. A file that was interrupted goes on where it stopped when the same command is given again; a
file that was loaded to its end does nothing. Documents that are there already count as repeated.

Example:
  concord import documents --org mercy backfill-2019.ndjson`
}

// Run loads the files one after another.
func (i *importDocumentsCmd) Run(ctx context.Context, g *Globals, std *streams) error {
	load := bulk[documentLine]{kind: "documents", files: i.Files, rejects: i.Rejects, batch: i.Batch, dryRun: i.DryRun, std: std}
	if err := load.ready(50000); err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		// Lines make much memory and keep little of it: collecting half as often saves a fifth of the program's time and costs some 70 MiB.
		defer debug.SetGCPercent(debug.SetGCPercent(200))
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
	if _, known := networks.Network().Organization(i.Org); !known {
		return fmt.Errorf("no organization %s in the directory; see: concord site list", i.Org)
	}
	actor := localOperator()
	actor.Organization = i.Org
	ids := hie.NewIDs(nil)
	store := locatorpg.New(db)
	im := &importer{importDocumentsCmd: i, std: std, actor: actor, store: store, network: networks.Network,
		index: locator.New(store, networks.Network, ids, nil), patients: mpi.New(mpipg.New(db, auditpg.Append), ids, auditpg.New(db), mpi.Options{})}
	im.homes.find = im.homesOf
	load.mark, load.check, load.ahead, load.finish, load.store, load.said = im.mark, im.check, im.ahead, im.finish, im.storeBatch, im.said
	return load.run(ctx)
}

// An importer loads files with one set of services.
type importer struct {
	*importDocumentsCmd
	std      *streams
	actor    hie.Actor
	store    *locatorpg.Store
	index    *locator.Index
	patients *mpi.Index
	network  func() *directory.Network
	homes    patientHomes
}

func (im *importer) mark(ctx context.Context, feed string) (bulkMark, error) {
	m, err := im.store.Mark(ctx, feed)
	return bulkMark{line: m.Line, taken: m.Stored, repeated: m.Repeated, rejected: m.Rejected}, err
}

func (im *importer) said(sum bulkMark) string {
	verb := "stored"
	if im.DryRun {
		verb = "good"
	}
	return fmt.Sprintf("%d %s, %d repeated, %d rejected", sum.taken, verb, sum.repeated, sum.rejected)
}

// A documentLine is a line on its way to a document.
type documentLine struct {
	read *locatorfhir.Published // nil once doc is made
	doc  locator.Document
}

func (im *importer) check(_ context.Context, text []byte) (documentLine, error) {
	p, err := locatorfhir.ReadPublished(text, locatorfhir.Known{Document: func(string) (locator.Ref, bool) { return locator.Ref{}, false }})
	if err == nil && len(p.Subject.Identifiers) == 0 {
		err = &hie.InvalidError{Path: "DocumentReference.subject", Rule: "must name the patient by identifier", Code: "required"}
	}
	return documentLine{read: p}, err
}

// ahead looks up the patients of a batch that are not known yet, together.
func (im *importer) ahead(ctx context.Context, lines []bulkLine[documentLine]) error {
	ask := make([]hie.Identifier, 0, len(lines))
	for _, l := range lines {
		if l.err == nil {
			ask = append(ask, l.item.read.Subject.Identifiers[0])
		}
	}
	return im.homes.learn(ctx, ask)
}

func (im *importer) finish(_ context.Context, l documentLine) (documentLine, error) {
	home := im.homes.known[l.read.Subject.Identifiers[0]]
	if home.record == 0 {
		return l, &hie.InvalidError{Path: "DocumentReference.subject", Rule: "must name a patient registered by a site of the organization", Code: "not-found", Detail: locator.ErrorUnknownPatient}
	}
	s, err := l.read.Submission(home.site, home.record)
	if err != nil {
		return l, err
	}
	doc, err := im.index.Ready(im.actor, s)
	return documentLine{doc: doc}, err
}

// storeBatch stores one batch. Lines that relate to other documents go one by one, each in its place, since a
// replacement must find what it replaces; they are recognised when they come again.
func (im *importer) storeBatch(ctx context.Context, feed string, sum *bulkMark, batch []bulkLine[documentLine], rejects *rejectFile) error {
	from := 0
	for i := range batch {
		if batch[i].err != nil || len(batch[i].item.doc.Pointer.Relations) == 0 {
			continue
		}
		if err := im.load(ctx, feed, sum, batch[from:i], rejects); err != nil {
			return err
		}
		from = i + 1
		if err := im.single(ctx, feed, sum, &batch[i], rejects); err != nil {
			return err
		}
	}
	return im.load(ctx, feed, sum, batch[from:], rejects)
}

// single publishes a document with relations, then moves the watermark over it. A crash between the two
// publishes it again, which finds the one there is.
func (im *importer) single(ctx context.Context, feed string, sum *bulkMark, l *bulkLine[documentLine], rejects *rejectFile) error {
	if im.DryRun {
		sum.taken++
		return nil
	}
	s := locator.Submission{Pointer: l.item.doc.Pointer, Path: "DocumentReference", Render: l.item.doc.Render}
	done, err := im.index.Publish(ctx, im.actor, []locator.Submission{s})
	var inv *hie.InvalidError
	switch {
	case errors.As(err, &inv):
		return im.load(ctx, feed, sum, []bulkLine[documentLine]{{n: l.n, err: err}}, rejects)
	case err != nil:
		return err
	case done[0].Existing:
		return im.load(ctx, feed, sum, []bulkLine[documentLine]{{n: l.n, err: errRepeated}}, rejects)
	default:
		return im.load(ctx, feed, sum, []bulkLine[documentLine]{{n: l.n, err: errStored}}, rejects)
	}
}

// errStored and errRepeated mark a line that was published on its own and needs nothing but the watermark.
var (
	errStored   = errors.New("stored")
	errRepeated = errors.New("repeated")
)

func (im *importer) load(ctx context.Context, feed string, sum *bulkMark, lines []bulkLine[documentLine], rejects *rejectFile) error {
	if len(lines) == 0 {
		return nil
	}
	now := hie.Now()
	b := locatorpg.Batch{Feed: feed, From: sum.line, Upto: lines[len(lines)-1].n, Now: now, Event: audit.NewEvent(audit.DocumentPublished, im.actor, now)}
	b.Event.Action = "C"
	bad := map[int64]error{}
	for _, l := range lines {
		var inv *hie.InvalidError
		switch {
		case l.err == nil:
			b.Documents, b.Lines = append(b.Documents, l.item.doc), append(b.Lines, l.n)
		case errors.Is(l.err, errStored):
			b.Stored++
		case errors.Is(l.err, errRepeated):
			b.Repeated++
		case errors.As(l.err, &inv):
			bad[l.n] = l.err
			b.Rejected++
		default:
			return l.err // not the line's fault
		}
	}
	// Rejects are written before the watermark moves past them: a crash in between names a line twice, never not
	// at all.
	if err := rejects.write(bad); err != nil {
		return err
	}
	sum.rejected += int64(len(bad))
	clear(bad)
	if im.DryRun {
		sum.taken += int64(len(b.Documents))
	} else {
		done, err := im.store.Load(ctx, b)
		if err != nil {
			return err
		}
		for _, n := range done.Conflicts {
			bad[n] = &hie.InvalidError{Path: "DocumentReference.masterIdentifier", Rule: "was published before with another hash or for another patient", Code: "duplicate", Detail: locator.ErrorNonIdenticalHash}
		}
		sum.taken, sum.repeated = sum.taken+done.Stored+b.Stored, sum.repeated+done.Repeated+b.Repeated
	}
	sum.line, sum.rejected = b.Upto, sum.rejected+int64(len(bad))
	return rejects.write(bad)
}

// A home is the record an identifier means, with its site; record 0 when it means none of the organization's.
type home struct {
	record hie.SourcePatientID
	site   directory.Site
}

// patientHomes remember homes for one run: a bulk file names each patient many times, and those of a batch are looked up together. The zero home of an identifier means that it is
// nobody's. It is filled and read in turn.
type patientHomes struct {
	find  func(ctx context.Context, ids []hie.Identifier) (map[hie.Identifier]home, error)
	known map[hie.Identifier]home
}

// maxHomes bounds the cache; when it is full it begins anew.
const maxHomes = 1 << 18

// learn has the homes of ids known.
func (c *patientHomes) learn(ctx context.Context, ids []hie.Identifier) error {
	if c.known == nil || len(c.known)+len(ids) > maxHomes {
		c.known = map[hie.Identifier]home{}
	}
	var ask []hie.Identifier
	for _, id := range ids {
		if _, known := c.known[id]; !known {
			c.known[id] = home{}
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	found, err := c.find(ctx, ask)
	maps.Copy(c.known, found)
	return err
}

func (im *importer) homesOf(ctx context.Context, ids []hie.Identifier) (map[hie.Identifier]home, error) {
	network := im.network()
	ids = slices.DeleteFunc(ids, func(id hie.Identifier) bool {
		site, known := network.SiteOf(id.System)
		return !known || !site.Active || !network.Within(site.Org, im.Org)
	})
	located, err := im.patients.HomesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[hie.Identifier]home, len(located))
	for id, at := range located {
		if site, known := network.Site(at.Site); known && at.Active {
			out[id] = home{record: at.Record, site: site}
		}
	}
	return out, nil
}
