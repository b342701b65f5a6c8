package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// importConsentsCmd files many consents at once.
type importConsentsCmd struct {
	Files   []string  `arg:"" name:"file" help:"NDJSON files, one Consent (R4, or the shape of R5) a line." type:"existingfile"`
	Org     hie.OrgID `required:"" help:"Organization whose patients these are; its sites must have registered them." placeholder:"ID"`
	Filed   bool      `name:"keep-filed" help:"Take meta.lastUpdated for when each was filed. What a consent means depends on the order in which it and others were."`
	Rejects string    `help:"Where to write the lines that were not taken, with the reason, as NDJSON; default FILE.rejects.ndjson, of a dry run FILE.dry-run.rejects.ndjson." placeholder:"FILE"`
	Batch   int       `default:"500" help:"Lines a transaction, 1 to 5000."`
	DryRun  bool      `help:"Check every line and store nothing."`
}

// Help implements kong.HelpProvider.
func (importConsentsCmd) Help() string {
	return `Each line is a Consent whose patient.identifier names a patient a site of the organization registered. What cannot be
understood whole is filed and held: what it denies acts, what it permits does not. A line that breaks a rule of filing goes to
the rejects file with its number and the rule, never with its content. A file that was interrupted goes on where it stopped
when the same command is given again; a file that was loaded to its end does nothing. What is on file already counts as repeated.

Examples:
  concord consent export --org mercy > consents.ndjson
  concord import consents --org mercy --keep-filed consents.ndjson`
}

// Run loads the files one after another.
func (i *importConsentsCmd) Run(ctx context.Context, g *Globals, std *streams) error {
	load := bulk[consent.Version]{kind: "consents", files: i.Files, rejects: i.Rejects, batch: i.Batch, dryRun: i.DryRun, std: std}
	if err := load.ready(5000); err != nil {
		return err
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	network, err := directorypg.New(db, auditpg.Append, hie.Now).Load(ctx)
	if err != nil {
		return err
	}
	if _, known := network.Organization(i.Org); !known {
		return fmt.Errorf("no organization %s in the directory; see: concord site list", i.Org)
	}
	ids := hie.NewIDs(nil)
	store := mpipg.New(db, auditpg.Append)
	in := &consentImport{importConsentsCmd: i, std: std, network: network, actor: localOperator(), consents: consentpg.New(db, ids, auditpg.Append, hie.Now),
		patients: mpi.New(store, ids, auditpg.New(db), mpi.Options{}), feeds: store}
	in.actor.Organization = i.Org
	in.homes.find = in.homeOf
	load.mark, load.check, load.store, load.said = in.mark, in.read, in.enter, in.saidOf
	return load.run(ctx)
}

// A consentImport files what files hold.
type consentImport struct {
	*importConsentsCmd
	std      *streams
	network  *directory.Network
	actor    hie.Actor
	consents *consentpg.Store
	patients *mpi.Index
	feeds    *mpipg.Store // how far files have come
	homes    homeCache
}

func (in *consentImport) mark(ctx context.Context, feed string) (bulkMark, error) {
	m, err := in.feeds.Fed(ctx, feed)
	return bulkMark{line: m.Line, taken: m.Created, repeated: m.Repeated, rejected: m.Rejected}, err
}

func (in *consentImport) saidOf(sum bulkMark) string {
	verb := "filed"
	if in.DryRun {
		verb = "good"
	}
	return fmt.Sprintf("%d %s, %d repeated, %d rejected", sum.taken, verb, sum.repeated, sum.rejected)
}

// enter files one batch.
func (in *consentImport) enter(ctx context.Context, feed string, sum *bulkMark, lines []bulkLine[consent.Version], rejects *rejectFile) error {
	good, bad := apart(lines)
	if err := rejects.write(bad); err != nil {
		return err
	}
	mark := mpi.Mark{Feed: feed, From: sum.line, Upto: lines[len(lines)-1].n, Created: int64(len(good)), Rejected: int64(len(bad))}
	if !in.DryRun {
		versions := make([]consent.Version, len(good))
		for i, l := range good {
			versions[i] = l.item
		}
		_, _, err := in.consents.Enter(ctx, in.actor, versions, func(ctx context.Context, tx *pg.Tx, filed, repeated int) error {
			mark.Created, mark.Repeated = int64(filed), int64(repeated)
			return mpipg.MoveMark(ctx, tx, mark, hie.Now())
		})
		if err != nil {
			return err
		}
	}
	sum.line = mark.Upto
	sum.taken, sum.repeated, sum.rejected = sum.taken+mark.Created, sum.repeated+mark.Repeated, sum.rejected+mark.Rejected
	return nil
}

// read makes a line the version that is to be filed.
func (in *consentImport) read(ctx context.Context, text []byte) (consent.Version, error) {
	now := hie.Now()
	_, ref, err := consentfhir.ReadFiling(text, now, time.UTC)
	if err != nil {
		return consent.Version{}, err
	}
	stranger := &hie.InvalidError{Path: "Consent.patient", Rule: "must name by identifier a patient a site of the organization registered", Code: "business-rule"}
	_, identifier, ok := consentfhir.PatientOf(ref, "")
	if !ok || identifier.IsZero() {
		return consent.Version{}, stranger
	}
	home, err := in.homes.of(ctx, identifier)
	if err != nil {
		return consent.Version{}, err
	}
	if home.record == 0 {
		return consent.Version{}, stranger
	}
	zone, err := time.LoadLocation(home.site.Zone)
	if err != nil {
		zone = time.UTC
	}
	v, _, err := consentfhir.ReadFiling(text, now, zone)
	v.Record, v.By, v.Content = home.record, in.Org, append([]byte(nil), text...)
	if in.Filed && err == nil {
		var h fhir.Header
		if fhir.Decode(text, &h) == nil && h.Meta != nil {
			if at, err := time.Parse(time.RFC3339Nano, h.Meta.LastUpdated); err == nil {
				v.Filed = at.UTC().Truncate(time.Microsecond)
			}
		}
	}
	return v, err
}

// homeOf returns the record an identifier means, if a site of the organization registered it.
func (in *consentImport) homeOf(ctx context.Context, id hie.Identifier) (home, error) {
	record, err := in.patients.RecordOf(ctx, id)
	if errors.Is(err, hie.ErrNotFound) {
		return home{}, nil
	}
	if err != nil {
		return home{}, err
	}
	sp, err := in.patients.Record(ctx, record)
	if err != nil {
		return home{}, err
	}
	site, known := in.network.Site(sp.Site)
	if !known || site.Org != in.Org {
		return home{}, nil
	}
	return home{record: record, site: site}, nil
}

// A homeCache remembers homes for one run, each looked up when it is first asked for.
type homeCache struct {
	find  func(ctx context.Context, id hie.Identifier) (home, error)
	mu    sync.Mutex
	known map[[sha256.Size]byte]home
}

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
