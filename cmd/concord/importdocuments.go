package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
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
	Rejects string    `help:"Where to write the lines that were not taken, with the reason, as NDJSON; default FILE.rejects.ndjson." placeholder:"FILE"`
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

// maxLine bounds one line of a file.
const maxLine = 1 << 20

// Run loads the files one after another.
func (i *importDocumentsCmd) Run(ctx context.Context, g *Globals, std *streams) error {
	if i.Batch < 1 || i.Batch > 50000 {
		return errors.New("--batch must be between 1 and 50000")
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
	if _, known := networks.Network().Organization(i.Org); !known {
		return fmt.Errorf("no organization %s in the directory; see: concord site list", i.Org)
	}
	actor := localOperator()
	actor.Organization = i.Org
	ids := hie.NewIDs(nil)
	store := locatorpg.New(db)
	im := &importer{importDocumentsCmd: i, std: std, actor: actor, store: store, network: networks.Network,
		index: locator.New(store, networks.Network, ids, nil), patients: mpi.New(mpipg.New(db, auditpg.Append), ids, auditpg.New(db), mpi.Options{})}
	for _, name := range i.Files {
		if err := im.file(ctx, name); err != nil {
			return fmt.Errorf("import documents: %s: %w", name, err)
		}
	}
	return nil
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

// A line is one line of a file on its way.
type line struct {
	n    int64
	text []byte
	doc  locator.Document
	err  error
}

func (im *importer) file(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	feed, total, err := fingerprint(f, "documents")
	if err != nil {
		return err
	}
	mark := locatorpg.Mark{}
	if !im.DryRun {
		if mark, err = im.store.Mark(ctx, feed); err != nil {
			return err
		}
	}
	rejects := openRejects(im.Rejects, name, mark.Line > 0)
	defer func() { _ = rejects.Close() }()
	bar := newProgress(im.std.err, name, max(int(total-mark.Line), 1))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan []line, 1) // one is read and checked while the one before is stored
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(batches)
		if err := im.read(ctx, f, mark.Line, batches); err != nil {
			cancel(err)
		}
	})
	sum := mark
	for batch := range batches {
		if err := im.storeBatch(ctx, feed, &sum, batch, rejects); err != nil {
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
	verb := "stored"
	if im.DryRun {
		verb = "good"
	}
	fmt.Fprintf(im.std.err, "%s: %d %s, %d repeated, %d rejected\n", name, sum.Stored, verb, sum.Repeated, sum.Rejected)
	return rejects.Close()
}

// fingerprint names a file of a kind by its size, beginning and end, and counts its lines.
func fingerprint(f *os.File, kind string) (feed string, lines int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "concord %s v1 %d\n", kind, info.Size())
	const edge = 64 << 10
	for _, at := range []int64{0, max(0, info.Size()-edge)} {
		if _, err := io.Copy(h, io.NewSectionReader(f, at, edge)); err != nil {
			return "", 0, err
		}
	}
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", 0, err
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return hex.EncodeToString(h.Sum(nil)), lines + 1, err
}

// read checks the lines after the first skip ones and hands them on in batches, in order.
func (im *importer) read(ctx context.Context, f io.Reader, skip int64, out chan<- []line) error {
	r := bufio.NewReaderSize(f, 1<<20)
	n := int64(0)
	for ended := false; !ended; {
		batch := make([]line, 0, im.Batch)
		for len(batch) < im.Batch && !ended {
			text, err := readLine(r)
			if ended = errors.Is(err, io.EOF); err != nil && !ended && !errors.Is(err, bufio.ErrTooLong) {
				return err
			}
			if n++; n > skip && (!ended || len(text) > 0) {
				l := line{n: n, text: text}
				if errors.Is(err, bufio.ErrTooLong) {
					l.err = &hie.InvalidError{Rule: "is longer than 1 MiB", Code: "too-long"}
				}
				batch = append(batch, l)
			}
		}
		im.check(ctx, batch)
		if err := ctx.Err(); err != nil {
			return err
		}
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

// readLine returns a line without its end, in memory of its own. One beyond maxLine is skipped to its end and
// given as bufio.ErrTooLong.
func readLine(r *bufio.Reader) ([]byte, error) {
	var out []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(out)+len(part) > maxLine; !long {
			out = append(out, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if long && err == nil {
			return nil, bufio.ErrTooLong
		}
		return bytes.TrimRight(out, "\r\n"), err
	}
}

// check makes each line ready or says what is wrong with it, on all processors.
func (im *importer) check(ctx context.Context, batch []line) {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(batch); i += workers {
				if l := &batch[i]; l.err == nil {
					l.doc, l.err = im.checkOne(ctx, l.text)
				}
			}
		})
	}
	wg.Wait()
}

func (im *importer) checkOne(ctx context.Context, text []byte) (locator.Document, error) {
	p, err := locatorfhir.ReadPublished(text, locatorfhir.Known{Document: func(string) (locator.Ref, bool) { return locator.Ref{}, false }})
	if err != nil {
		return locator.Document{}, err
	}
	if len(p.Subject.Identifiers) == 0 {
		return locator.Document{}, &hie.InvalidError{Path: "DocumentReference.subject", Rule: "must name the patient by identifier", Code: "required"}
	}
	home, err := im.homes.of(ctx, im, p.Subject.Identifiers[0])
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
func (im *importer) storeBatch(ctx context.Context, feed string, sum *locatorpg.Mark, batch []line, rejects *rejectFile) error {
	from := 0
	for i := range batch {
		if batch[i].err != nil || len(batch[i].doc.Pointer.Relations) == 0 {
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
func (im *importer) single(ctx context.Context, feed string, sum *locatorpg.Mark, l *line, rejects *rejectFile) error {
	if im.DryRun {
		sum.Stored++
		return nil
	}
	s := locator.Submission{Pointer: l.doc.Pointer, Path: "DocumentReference", Render: l.doc.Render}
	done, err := im.index.Publish(ctx, im.actor, []locator.Submission{s})
	var inv *hie.InvalidError
	switch {
	case errors.As(err, &inv):
		return im.load(ctx, feed, sum, []line{{n: l.n, err: err}}, rejects)
	case err != nil:
		return err
	case done[0].Existing:
		return im.load(ctx, feed, sum, []line{{n: l.n, err: errRepeated}}, rejects)
	default:
		return im.load(ctx, feed, sum, []line{{n: l.n, err: errStored}}, rejects)
	}
}

// errStored and errRepeated mark a line that was published on its own and needs nothing but the watermark.
var (
	errStored   = errors.New("stored")
	errRepeated = errors.New("repeated")
)

func (im *importer) load(ctx context.Context, feed string, sum *locatorpg.Mark, lines []line, rejects *rejectFile) error {
	if len(lines) == 0 {
		return nil
	}
	now := hie.Now()
	b := locatorpg.Batch{Feed: feed, From: sum.Line, Upto: lines[len(lines)-1].n, Now: now, Event: audit.NewEvent(audit.DocumentPublished, im.actor, now)}
	b.Event.Action = "C"
	bad := map[int64]error{}
	for _, l := range lines {
		var inv *hie.InvalidError
		switch {
		case l.err == nil:
			b.Documents, b.Lines = append(b.Documents, l.doc), append(b.Lines, l.n)
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
	sum.Rejected += int64(len(bad))
	clear(bad)
	if im.DryRun {
		sum.Stored += int64(len(b.Documents))
	} else {
		done, err := im.store.Load(ctx, b)
		if err != nil {
			return err
		}
		for _, n := range done.Conflicts {
			bad[n] = &hie.InvalidError{Path: "DocumentReference.masterIdentifier", Rule: "was published before with another hash or for another patient", Code: "duplicate", Detail: locator.ErrorNonIdenticalHash}
		}
		sum.Stored, sum.Repeated = sum.Stored+done.Stored+b.Stored, sum.Repeated+done.Repeated+b.Repeated
	}
	sum.Line, sum.Rejected = b.Upto, sum.Rejected+int64(len(bad))
	return rejects.write(bad)
}

// A rejectFile takes the lines that were not stored. It is made when the first one comes.
type rejectFile struct {
	name string
	more bool // continue an earlier run's file
	f    *os.File
}

// openRejects returns the rejects file name, or that of input where name is "". more continues an earlier run's file.
func openRejects(name, input string, more bool) *rejectFile {
	if name == "" {
		name = input + ".rejects.ndjson"
	}
	return &rejectFile{name: name, more: more}
}

func (r *rejectFile) write(bad map[int64]error) error {
	if len(bad) == 0 {
		return nil
	}
	if r.f == nil {
		mode := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		if r.more {
			mode = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		}
		f, err := os.OpenFile(r.name, mode, 0o600)
		if err != nil {
			return err
		}
		r.f = f
	}
	order := make([]int64, 0, len(bad))
	for n := range bad {
		order = append(order, n)
	}
	slices.Sort(order)
	w := bufio.NewWriter(r.f)
	for _, n := range order {
		var inv *hie.InvalidError
		if !errors.As(bad[n], &inv) {
			continue
		}
		if err := json.NewEncoder(w).Encode(struct {
			Line int64  `json:"line"`
			Path string `json:"path,omitempty"`
			Rule string `json:"rule"`
			Code string `json:"code,omitempty"`
		}{n, inv.Path, inv.Rule, inv.Detail}); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Close ends the file, once.
func (r *rejectFile) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}

// A home is the record an identifier means, with its site; record 0 when it means none of the organization's.
type home struct {
	record hie.SourcePatientID
	site   directory.Site
}

// A homeCache remembers homes for one run: a bulk file names each patient many times.
type homeCache struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]home
}

// maxHomes bounds the cache; when it is full it begins anew.
const maxHomes = 1 << 18

func (c *homeCache) of(ctx context.Context, im *importer, id hie.Identifier) (home, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(id.System), id.System, id.Value))
	c.mu.Lock()
	h, ok := c.known[key]
	c.mu.Unlock()
	if ok {
		return h, nil
	}
	h, err := im.homeOf(ctx, id)
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
