package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// consentInstrumentCmd groups legal bases: court orders, reports law requires and the like.
type consentInstrumentCmd struct {
	List instrumentListCmd `cmd:"" help:"List the legal bases recorded for a patient."`
	Add  instrumentAddCmd  `cmd:"" help:"Record a legal basis somebody has verified."`
	End  instrumentEndCmd  `cmd:"" help:"End a legal basis now."`
}

// consentRepresentativeCmd groups those who may act for a patient.
type consentRepresentativeCmd struct {
	List representativeListCmd `cmd:"" help:"List who may act for a patient."`
	Add  representativeAddCmd  `cmd:"" help:"Record somebody who may act for a patient."`
	End  representativeEndCmd  `cmd:"" help:"End somebody's power on a day, or withdraw a record made in error."`
}

// recordFlag names a registration.
type recordFlag struct {
	Record int64 `required:"" help:"Record (source patient), as concord match prints it." placeholder:"RECORD"`
}

// writeFlags are those of every command that records something.
type writeFlags struct {
	DryRun bool   `help:"Check everything, show what would be recorded, and record nothing."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// An officersDesk is what these commands work on: one registration, with everything that says whether something may be put
// down about it.
type officersDesk struct {
	db      *pg.DB
	store   *consentpg.Store
	patient mpi.SourcePatient
	network *directory.Network
	env     *consent.Env
}

// atDesk opens the database and finds the registration.
func (r recordFlag) atDesk(ctx context.Context, g *Globals, f func(officersDesk) error) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ids := hie.NewIDs(nil)
	d := officersDesk{db: db, store: consentpg.New(db, ids, auditpg.Append, hie.Now)}
	if d.patient, err = mpi.New(mpipg.New(db, auditpg.Append), ids, auditpg.New(db), mpi.Options{}).Record(ctx, hie.SourcePatientID(r.Record)); err != nil {
		return fmt.Errorf("record %d: %w", r.Record, err)
	}
	if d.network, err = directorypg.New(db, auditpg.Append, hie.Now).Load(ctx); err != nil {
		return err
	}
	if d.env, _, err = environmentAt(ctx, db, g.PolicyKey, d.network, hie.Now()); err != nil {
		return err
	}
	return f(d)
}

// looked records that somebody read what is put down about the patient.
func (d officersDesk) looked(ctx context.Context, what string) error {
	e := audit.NewEvent(audit.AuditRead, localOperator(), hie.Now()).About(d.patient.Record)
	e.Action, e.Detail = "R", map[string]string{"interaction": what}
	return auditpg.New(d.db).Record(ctx, e)
}

// instrumentRow is a legal basis as it is printed.
type instrumentRow struct {
	Instrument   int64      `json:"instrument"`
	Version      int64      `json:"version"`
	Record       int64      `json:"record"`
	Kind         string     `json:"kind"`
	Organization string     `json:"organization"`
	Purposes     []string   `json:"purposes"`
	From         time.Time  `json:"from"`
	Until        *time.Time `json:"until,omitempty"`
	Ground       string     `json:"ground"`
	Evidence     string     `json:"evidence,omitempty"`
	VerifiedBy   string     `json:"verified_by"`
}

func printInstruments(out io.Writer, output string, all ...consent.Instrument) error {
	rows := make([]instrumentRow, 0, len(all))
	for _, i := range all {
		r := instrumentRow{i.ID, i.Number, int64(i.Record), i.Kind, string(i.Organization), []string{}, i.From, nil, i.Ground, i.Evidence, i.VerifiedBy}
		for _, p := range i.Purposes {
			r.Purposes = append(r.Purposes, string(p))
		}
		if !i.Until.IsZero() {
			r.Until = &i.Until
		}
		rows = append(rows, r)
	}
	return printRows(out, output, "INSTRUMENT\tVERSION\tKIND\tORGANIZATION\tPURPOSES\tFROM\tUNTIL\tGROUND", rows, func(w io.Writer, r instrumentRow) {
		until := "-"
		if r.Until != nil {
			until = r.Until.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Instrument, r.Version, r.Kind, r.Organization, strings.Join(r.Purposes, " "), r.From.UTC().Format(time.RFC3339), until, r.Ground)
	})
}

// instrumentListCmd lists legal bases.
type instrumentListCmd struct {
	recordFlag
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (instrumentListCmd) Help() string {
	return "Example:\n  concord consent instrument list --record 7 --output json"
}

// Run prints one row a legal basis, oldest first.
func (c *instrumentListCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.atDesk(ctx, g, func(d officersDesk) error {
		all, err := d.store.Instruments(ctx, []hie.SourcePatientID{d.patient.Record})
		if err == nil {
			err = d.looked(ctx, "instruments")
		}
		if err != nil {
			return err
		}
		return printInstruments(s.out, c.Output, all...)
	})
}

// instrumentAddCmd records a legal basis.
type instrumentAddCmd struct {
	recordFlag
	Kind         string    `required:"" help:"What rules name: required-by-law, court-order and the like." placeholder:"KIND"`
	Organization string    `required:"" help:"Organization that may rely on it, its units with it." placeholder:"ID"`
	Purpose      []string  `help:"Purpose of use it is for; may be repeated. None means any." placeholder:"CODE"`
	From         time.Time `help:"From when on it holds (RFC 3339); default now." placeholder:"INSTANT"`
	Until        time.Time `help:"Until when it holds (RFC 3339); default for good." placeholder:"INSTANT"`
	Ground       string    `required:"" help:"What it rests on, to be cited." placeholder:"TEXT"`
	Evidence     string    `help:"SHA-256 of the paper." placeholder:"HEX"`
	writeFlags
}

// Help implements kong.HelpProvider.
func (instrumentAddCmd) Help() string {
	return `The organization may then ask about this record's documents where a rule asks for such a basis, from the next request on.
Consents of the patient are no such basis: file them as Consents.

Example:
  concord consent instrument add --record 7 --kind required-by-law --organization state-health --purpose PUBHLTH \
    --ground 'Md. Code, Health-Gen. 18-201' --dry-run`
}

// Run records it, or says what would be recorded.
func (c *instrumentAddCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.atDesk(ctx, g, func(d officersDesk) error {
		actor := localOperator()
		i := consent.Instrument{Record: d.patient.Record, Kind: c.Kind, Organization: hie.OrgID(c.Organization), From: c.From.UTC(), Until: c.Until.UTC(),
			Ground: c.Ground, Evidence: c.Evidence, VerifiedBy: actor.User, By: actor.Organization}
		for _, p := range c.Purpose {
			i.Purposes = append(i.Purposes, hie.Purpose(p))
		}
		if c.From.IsZero() {
			i.From = hie.Now()
		}
		err := i.CheckIn(d.env)
		if err == nil && !c.DryRun {
			i, err = d.store.RecordInstrument(ctx, actor, i, 0)
		}
		if err != nil {
			return fmt.Errorf("consent instrument add: %w", err)
		}
		return printInstruments(s.out, c.Output, i)
	})
}

// instrumentEndCmd ends a legal basis.
type instrumentEndCmd struct {
	recordFlag
	Instrument int64 `arg:"" help:"Instrument, as list prints it."`
	Version    int64 `required:"" help:"Its version, as list prints it: another officer's change in between is not overwritten." placeholder:"N"`
	writeFlags
}

// Help implements kong.HelpProvider.
func (instrumentEndCmd) Help() string {
	return "Nothing leaves on it any more when the command has ended.\n\nExample:\n  concord consent instrument end --record 7 --version 1 4711"
}

// Run ends it now.
func (c *instrumentEndCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.atDesk(ctx, g, func(d officersDesk) error {
		all, err := d.store.Instruments(ctx, []hie.SourcePatientID{d.patient.Record})
		if err != nil {
			return err
		}
		for _, i := range all {
			if i.ID != c.Instrument {
				continue
			}
			actor := localOperator()
			i = i.EndedAt(hie.Now())
			i.VerifiedBy, i.By = actor.User, actor.Organization
			if !c.DryRun {
				if i, err = d.store.RecordInstrument(ctx, actor, i, c.Version); err != nil {
					return fmt.Errorf("consent instrument end: %w", err)
				}
			}
			return printInstruments(s.out, c.Output, i)
		}
		return fmt.Errorf("consent instrument end: %w", hie.ErrNotFound)
	})
}
