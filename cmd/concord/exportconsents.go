package main

import (
	"bufio"
	"context"
	"fmt"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// consentExportCmd writes the consents of an organisation's patients.
type consentExportCmd struct {
	Org hie.OrgID `required:"" help:"Organization whose sites' registrations they were given on." placeholder:"ID"`
}

// Help implements kong.HelpProvider.
func (consentExportCmd) Help() string {
	return `Writes the current version of every consent as FHIR R4, one a line, in the order they were filed within each registration:
the patient named by the identifier the site gave, meta.lastUpdated when it was filed. concord import consents --keep-filed
takes it in again, here or elsewhere, and decides the same. That it was exported is put on record.

Example:
  concord consent export --org mercy > consents.ndjson`
}

// Run writes NDJSON to standard output.
func (e *consentExportCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	network, err := directorypg.New(db, auditpg.Append, hie.Now).Load(ctx)
	if err != nil {
		return err
	}
	if _, known := network.Organization(e.Org); !known {
		return fmt.Errorf("no organization %s in the directory; see: concord site list", e.Org)
	}
	ids, trail := hie.NewIDs(nil), auditpg.New(db)
	consents := consentpg.New(db, ids, auditpg.Append, hie.Now)
	patients := mpi.New(mpipg.New(db, auditpg.Append), ids, trail, mpi.Options{})
	out := bufio.NewWriter(s.out)
	for after := hie.SourcePatientID(0); ; {
		records, err := consents.Stated(ctx, after, 500)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return out.Flush()
		}
		after = records[len(records)-1]
		rows, err := patients.Records(ctx, records)
		if err != nil {
			return err
		}
		local := map[hie.SourcePatientID]hie.Identifier{}
		var own []hie.SourcePatientID
		for _, p := range rows {
			if site, known := network.Site(p.Site); known && site.Org == e.Org {
				local[p.Record], own = p.Local, append(own, p.Record)
			}
		}
		if len(own) == 0 {
			continue
		}
		event := audit.NewEvent(audit.AuditRead, localOperator(), hie.Now()).About(own...)
		event.Action, event.Detail = "R", map[string]string{"interaction": "consent export"}
		if err := trail.Record(ctx, event); err != nil {
			return err
		}
		versions, err := consents.Current(ctx, own)
		if err != nil {
			return err
		}
		for _, v := range versions {
			line, err := consentfhir.Exported(v, local[v.Record])
			if err != nil {
				return err
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
		}
	}
}
