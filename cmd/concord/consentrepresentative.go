package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// representativeRow is somebody who may act for a patient, as it is printed.
type representativeRow struct {
	Representative int64      `json:"representative"`
	Version        int64      `json:"version"`
	Record         int64      `json:"record"`
	Ref            string     `json:"ref"`
	Name           string     `json:"name,omitempty"`
	Capacity       string     `json:"capacity"`
	Rights         string     `json:"rights"`
	Start          string     `json:"start,omitempty"`
	End            string     `json:"end,omitempty"`
	Lapses         *time.Time `json:"lapses,omitempty"`
	Withdrawn      bool       `json:"withdrawn"`
	Acts           bool       `json:"acts"`
}

func (d officersDesk) printRepresentatives(out io.Writer, output string, all ...consent.Representative) error {
	rows := make([]representativeRow, 0, len(all))
	for _, r := range all {
		row := representativeRow{r.ID, r.Number, int64(r.Record), r.Ref, r.Name, string(r.Capacity), string(r.Rights), r.Start, r.End, nil, r.Withdrawn,
			r.MayAct(consent.RightsView, hie.Now(), d.network.Zone(d.patient.Site))}
		if !r.Lapses.IsZero() {
			row.Lapses = &r.Lapses
		}
		rows = append(rows, row)
	}
	return printRows(out, output, "REPRESENTATIVE\tVERSION\tREF\tCAPACITY\tRIGHTS\tSTART\tEND\tLAPSES\tACTS", rows, func(w io.Writer, r representativeRow) {
		lapses, acts := "-", "no"
		if r.Lapses != nil {
			lapses = r.Lapses.UTC().Format(time.RFC3339)
		}
		if r.Acts {
			acts = "yes"
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Representative, r.Version, r.Ref, r.Capacity, r.Rights, cmp.Or(r.Start, "-"), cmp.Or(r.End, "-"), lapses, acts)
	})
}

// representativeListCmd lists who may act for a patient.
type representativeListCmd struct {
	recordFlag
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (representativeListCmd) Help() string {
	return "Example:\n  concord consent representative list --record 7 --output json"
}

// Run prints one row a representative, oldest first.
func (c *representativeListCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.atDesk(ctx, g, func(d officersDesk) error {
		all, err := d.store.Representatives(ctx, []hie.SourcePatientID{d.patient.Record})
		if err == nil {
			err = d.looked(ctx, "representatives")
		}
		if err != nil {
			return err
		}
		return d.printRepresentatives(s.out, c.Output, all...)
	})
}

// representativeAddCmd records somebody who may act for a patient.
type representativeAddCmd struct {
	recordFlag
	Ref      string `required:"" help:"How tokens and Consents name them: RelatedPerson/id, Practitioner/id or Organization/id." placeholder:"REF"`
	Name     string `help:"Name, for people to read." placeholder:"TEXT"`
	Capacity string `required:"" help:"parent, guardian, agent, executor or helper."`
	Rights   string `default:"view" help:"view, or manage to state wishes too."`
	Start    string `help:"First day (FHIR date); default open." placeholder:"DATE"`
	End      string `help:"Last day (FHIR date); default open." placeholder:"DATE"`
	Evidence string `help:"SHA-256 of the paper." placeholder:"HEX"`
	writeFlags
}

// Help implements kong.HelpProvider.
func (representativeAddCmd) Help() string {
	return `A parent's power lapses when the child comes of age where the record's site is.

Example:
  concord consent representative add --record 7 --ref RelatedPerson/mother --capacity parent --rights view --dry-run`
}

// Run records them, or says what would be recorded.
func (c *representativeAddCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.atDesk(ctx, g, func(d officersDesk) error {
		actor := localOperator()
		r := consent.Representative{Record: d.patient.Record, Ref: c.Ref, Name: c.Name, Capacity: consent.Capacity(c.Capacity), Rights: consent.Rights(c.Rights),
			Start: c.Start, End: c.End, Evidence: c.Evidence, By: actor.Organization}
		born := d.patient.Demographics.Birth
		err := r.Appoint(born.Year, born.Month, born.Day, d.network.Jurisdiction(d.patient.Site), d.network.Zone(d.patient.Site), hie.Now())
		if err == nil && !c.DryRun {
			r, err = d.store.Represent(ctx, actor, r, 0)
		}
		if err != nil {
			return fmt.Errorf("consent representative add: %w", err)
		}
		return d.printRepresentatives(s.out, c.Output, r)
	})
}

// representativeEndCmd ends somebody's power.
type representativeEndCmd struct {
	recordFlag
	Representative int64  `arg:"" help:"Representative, as list prints it."`
	Version        int64  `required:"" help:"Their version, as list prints it: another officer's change in between is not overwritten." placeholder:"N"`
	End            string `help:"Last day (FHIR date)." placeholder:"DATE" xor:"how" required:""`
	Withdrawn      bool   `help:"The record of them was an error: they never could act." xor:"how" required:""`
	writeFlags
}

// Help implements kong.HelpProvider.
func (representativeEndCmd) Help() string {
	return "Example:\n  concord consent representative end --record 7 --version 1 --end 2026-12-31 4711"
}

// Run ends it.
func (c *representativeEndCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return c.atDesk(ctx, g, func(d officersDesk) error {
		all, err := d.store.Representatives(ctx, []hie.SourcePatientID{d.patient.Record})
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.ID != c.Representative {
				continue
			}
			actor := localOperator()
			r, err = r.Ended(c.End, c.Withdrawn)
			r.By = actor.Organization
			if err == nil && !c.DryRun {
				r, err = d.store.Represent(ctx, actor, r, c.Version)
			}
			if err != nil {
				return fmt.Errorf("consent representative end: %w", err)
			}
			return d.printRepresentatives(s.out, c.Output, r)
		}
		return fmt.Errorf("consent representative end: %w", hie.ErrNotFound)
	})
}
