package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/server"
)

// auditFlagsCmd prints which looks at records may be worth a look, and why.
type auditFlagsCmd struct {
	Days   int    `default:"7" help:"How far back to look, from 1 to 366 days."`
	Org    string `help:"Only what this organization did." placeholder:"ORG"`
	User   string `help:"Only what this person did, as their organization names them." placeholder:"USER"`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (auditFlagsCmd) Help() string {
	return "no-relation: the organization never registered the patient. same-name: whoever looked shares a family name with the patient. many-patients: far more\n" +
		"patients than on any of the thirty days before. night: at night, by somebody who hardly ever worked at night. Each is a fact, none a score.\n\n" +
		"The look is recorded.\n\nExamples:\n  concord audit flags --days 1\n  concord audit flags --user dr-bloom --output json"
}

// A flaggedRow is a look with the reasons to look at it, as --output json prints it.
type flaggedRow struct {
	Event        string    `json:"event"`
	At           string    `json:"at"`
	Organization string    `json:"organization"`
	User         string    `json:"user"`
	Kind         string    `json:"kind"`
	Flags        []flagRow `json:"flags"`
}

type flagRow struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
	Usual int    `json:"usual"`
}

// maxFlagPages bounds how much of the trail is read: a thousand events a page.
const maxFlagPages = 100

// Run prints one row a look, newest first.
func (a *auditFlagsCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	if a.Days < 1 || a.Days > audit.MaxSavedDays {
		return fmt.Errorf("--days must be from 1 to %d", audit.MaxSavedDays)
	}
	return withReports(ctx, g, func(r *reporter) error {
		f := server.Flagging{Trail: r.trail.Search, PersonOf: r.patients.PersonOf, Records: r.patients.Records, Network: r.Network}
		q := audit.Query{From: hie.Now().AddDate(0, 0, -a.Days), User: a.User, Kinds: []audit.Kind{audit.DocumentsQueried, audit.Disclosed, audit.EmergencyClaimed}, Limit: 1000}
		if a.Org != "" {
			q.Organizations = []hie.OrgID{hie.OrgID(a.Org)}
		}
		if err := r.look(ctx, "flags", nil); err != nil {
			return err
		}
		rows := []flaggedRow{}
		for pages := 0; ; pages++ {
			events, more, err := r.trail.Search(ctx, q)
			if err != nil {
				return err
			}
			flags, err := f.Flags(ctx, events)
			if err != nil {
				return err
			}
			for i, e := range events {
				if len(flags[i]) == 0 {
					continue
				}
				row := flaggedRow{Event: e.ID, At: fhir.Instant(e.Time), Organization: string(e.Actor.Organization), User: e.Actor.User, Kind: string(e.Kind)}
				for _, x := range flags[i] {
					row.Flags = append(row.Flags, flagRow{string(x.Code), x.Count, x.Usual})
				}
				rows = append(rows, row)
			}
			if !more {
				break
			}
			if pages == maxFlagPages {
				fmt.Fprintln(s.err, "there is more: ask for fewer days")
				break
			}
			q.Before = events[len(events)-1].ID
		}
		if a.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "AT\tORGANIZATION\tUSER\tKIND\tWHY\tEVENT")
		for _, row := range rows {
			why := ""
			for _, x := range row.Flags {
				switch audit.FlagCode(x.Code) {
				case audit.FlagManyPatients:
					why += fmt.Sprintf("%s(%d, before at most %d) ", x.Code, x.Count, x.Usual)
				case audit.FlagNight:
					why += fmt.Sprintf("%s(%d of %d acts before) ", x.Code, x.Count, x.Usual)
				default:
					why += x.Code + " "
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row.At, row.Organization, row.User, row.Kind, why, row.Event)
		}
		return w.Flush()
	})
}
