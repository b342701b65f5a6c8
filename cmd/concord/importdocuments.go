package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"

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
	load := bulk[locator.Document]{kind: "documents", files: i.Files, rejects: i.Rejects, batch: i.Batch, dryRun: i.DryRun, std: std}
	if err := load.ready(50000); err != nil {
		return err
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
	im.homes.find = im.homeOf
	load.mark, load.check, load.store, load.said = im.mark, im.check, im.storeBatch, im.said
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
	homes    homeCache
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

func (im *importer) check(ctx context.Context, text []byte) (locator.Document, error) {
	p, err := locatorfhir.ReadPublished(text, locatorfhir.Known{Document: func(string) (locator.Ref, bool) { return locator.Ref{}, false }})
	if err != nil {
		return locator.Document{}, err
	}
	if len(p.Subject.Identifiers) == 0 {
		return locator.Document{}, &hie.InvalidError{Path: "DocumentReference.subject", Rule: "must name the patient by identifier", Code: "required"}
	}
	home, err := im.homes.of(ctx, p.Subject.Identifiers[0])
	if err != nil {
		return locator.Document{}, err
	}
	if home.record == 0 {
		return locator.Document{}, &hie.InvalidError{Path: "DocumentReference.subject", Rule: "must name a patient registered by a site of the organization", Code: "not-found", Detail: locator.ErrorUnknownPatient}
	}
	s, err := p.Submission(home.site, home.record)
	if err != nil {
		return locator.Document{}, err
	}
	return im.index.Ready(im.actor, s)
}

// storeBatch stores one batch. Lines that relate to other documents go one by one, each in its place, since a
// replacement must find what it replaces; they are recognised when they come again.
func (im *importer) storeBatch(ctx context.Context, feed string, sum *bulkMark, batch []bulkLine[locator.Document], rejects *rejectFile) error {
	from := 0
	for i := range batch {
		if batch[i].err != nil || len(batch[i].item.Pointer.Relations) == 0 {
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
func (im *importer) single(ctx context.Context, feed string, sum *bulkMark, l *bulkLine[locator.Document], rejects *rejectFile) error {
	if im.DryRun {
		sum.taken++
		return nil
	}
	s := locator.Submission{Pointer: l.item.Pointer, Path: "DocumentReference", Render: l.item.Render}
	done, err := im.index.Publish(ctx, im.actor, []locator.Submission{s})
	var inv *hie.InvalidError
	switch {
	case errors.As(err, &inv):
		return im.load(ctx, feed, sum, []bulkLine[locator.Document]{{n: l.n, err: err}}, rejects)
	case err != nil:
		return err
	case done[0].Existing:
		return im.load(ctx, feed, sum, []bulkLine[locator.Document]{{n: l.n, err: errRepeated}}, rejects)
	default:
		return im.load(ctx, feed, sum, []bulkLine[locator.Document]{{n: l.n, err: errStored}}, rejects)
	}
}

// errStored and errRepeated mark a line that was published on its own and needs nothing but the watermark.
var (
	errStored   = errors.New("stored")
	errRepeated = errors.New("repeated")
)

func (im *importer) load(ctx context.Context, feed string, sum *bulkMark, lines []bulkLine[locator.Document], rejects *rejectFile) error {
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
			b.Documents, b.Lines = append(b.Documents, l.item), append(b.Lines, l.n)
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

// A homeCache remembers homes for one run: a bulk file names each patient many times.
type homeCache struct {
	find  func(ctx context.Context, id hie.Identifier) (home, error)
	mu    sync.Mutex
	known map[[sha256.Size]byte]home
}

// maxHomes bounds the cache; when it is full it begins anew.
const maxHomes = 1 << 18

func (c *homeCache) of(ctx context.Context, id hie.Identifier) (home, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(id.System), id.System, id.Value))
	c.mu.Lock()
	h, ok := c.known[key]
	c.mu.Unlock()
	if ok {
		return h, nil
	}
	h, err := c.find(ctx, id)
	if err != nil {
		return home{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxHomes {
		c.known = map[[sha256.Size]byte]home{}
	}
	c.known[key] = h
	return h, nil
}

func (im *importer) homeOf(ctx context.Context, id hie.Identifier) (home, error) {
	site, known := im.network().SiteOf(id.System)
	if !known || !site.Active || !im.network().Within(site.Org, im.Org) {
		return home{}, nil
	}
	record, at, err := im.patients.HomeOf(ctx, id)
	if errors.Is(err, hie.ErrNotFound) {
		return home{}, nil
	}
	if err != nil || !at.Active {
		return home{}, err
	}
	if site, known = im.network().Site(at.Site); !known {
		return home{}, nil
	}
	return home{record: record, site: site}, nil
}
