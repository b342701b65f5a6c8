package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

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
	Rejects string    `help:"Where to write the lines that were not taken, with the reason, as NDJSON; default FILE.rejects.ndjson, of a dry run FILE.dry-run.rejects.ndjson." placeholder:"FILE"`
	Batch   int       `default:"8000" help:"Lines a transaction, 1 to 50000. More lie closer together in the index and are sooner loaded, and take more memory."`
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
	load := bulk[mpi.Registration]{kind: "patients", files: i.Files, rejects: i.Rejects, batch: i.Batch, dryRun: i.DryRun, std: std}
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
	network := networks.Network()
	if _, known := network.Organization(i.Org); i.Org != "" && !known {
		return fmt.Errorf("no organization %s in the directory; see: concord site list", i.Org)
	}
	store := mpipg.New(db, auditpg.Append)
	im := &patientImporter{importPatientsCmd: i, std: std, actor: localOperator(), network: network, store: store,
		bulk: mpipg.NewLoading(store, 0), index: mpi.New(store, hie.NewIDs(nil), auditpg.New(db), mpi.Options{})}
	im.actor.Organization = i.Org
	load.mark, load.check, load.store, load.said = im.mark, im.ready, im.load, im.said
	return load.run(ctx)
}

// A patientImporter loads files with one set of services.
type patientImporter struct {
	*importPatientsCmd
	std     *streams
	actor   hie.Actor
	network *directory.Network
	store   *mpipg.Store
	bulk    *mpipg.Loading
	index   *mpi.Index
}

func (im *patientImporter) mark(ctx context.Context, feed string) (bulkMark, error) {
	m, err := im.store.Fed(ctx, feed)
	return bulkMark{line: m.Line, taken: m.Created, revised: m.Revised, repeated: m.Repeated, rejected: m.Rejected}, err
}

func (im *patientImporter) said(sum bulkMark) string {
	verb := "registered"
	if im.DryRun {
		verb = "good"
	}
	return fmt.Sprintf("%d %s, %d revised, %d repeated, %d rejected", sum.taken, verb, sum.revised, sum.repeated, sum.rejected)
}

// ready reads one line and works out what can be known of it alone, while the batch before is stored.
func (im *patientImporter) ready(_ context.Context, text []byte) (mpi.Registration, error) {
	r, err := im.registration(text)
	if err != nil || im.DryRun {
		return r, err
	}
	r.Prepare()
	return r, mpipg.Pack(&r)
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

// load stores one batch.
func (im *patientImporter) load(ctx context.Context, feed string, sum *bulkMark, lines []bulkLine[mpi.Registration], rejects *rejectFile) error {
	good, bad := apart(lines)
	if err := rejects.write(bad); err != nil {
		return err
	}
	mark := mpi.Mark{Feed: feed, From: sum.line, Upto: lines[len(lines)-1].n, Rejected: int64(len(bad))}
	if im.DryRun {
		mark.Created = int64(len(good))
	} else {
		registrations := make([]mpi.Registration, len(good))
		for i, l := range good {
			registrations[i] = l.item
		}
		done, err := im.index.Load(ctx, im.actor, im.bulk, &mark, registrations)
		if err != nil {
			return err
		}
		clear(bad)
		for i, d := range done {
			if d.Err != nil {
				bad[good[i].n] = rejection(d.Err)
			}
		}
		if err := rejects.write(bad); err != nil {
			return err
		}
	}
	sum.line = mark.Upto
	sum.taken, sum.revised, sum.repeated, sum.rejected = sum.taken+mark.Created, sum.revised+mark.Revised, sum.repeated+mark.Repeated, sum.rejected+mark.Rejected
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
