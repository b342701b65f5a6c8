package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directoryjson"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
)

// siteCareTeamCmd groups the care teams that consents may name.
type siteCareTeamCmd struct {
	List careTeamListCmd `cmd:"" help:"List care teams, or show one."`
	Put  careTeamPutCmd  `cmd:"" help:"Make a care team, or say anew who belongs to it."`
	End  careTeamEndCmd  `cmd:"" help:"End somebody's membership now."`
}

// careTeamListCmd lists care teams.
type careTeamListCmd struct {
	ID           string    `arg:"" optional:"" help:"One team; without it all of them."`
	At           time.Time `help:"One team as it was recorded at this instant (RFC 3339); default now." placeholder:"INSTANT"`
	Organization string    `help:"Only those this organization manages." placeholder:"ID"`
	Output       string    `enum:"table,json" default:"table" help:"table or json; json of one team is what put reads."`
}

// Help implements kong.HelpProvider.
func (careTeamListCmd) Help() string {
	return "Examples:\n  concord site careteam list\n  concord site careteam list rehab --at 2026-03-01T00:00:00Z --output json"
}

// Run prints one row a member.
func (c *careTeamListCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	store := directorypg.New(db, auditpg.Append, hie.Now)
	if c.ID != "" {
		if c.At.IsZero() {
			c.At = hie.Now()
		}
		all, err := store.CareTeamsAt(ctx, []string{c.ID}, c.At.UTC())
		if err != nil {
			return err
		}
		t, known := all[c.ID]
		if !known {
			return fmt.Errorf("site careteam list: there is no care team %q", c.ID)
		}
		return printCareTeam(s.out, c.Output, t)
	}
	if !c.At.IsZero() {
		return fmt.Errorf("site careteam list: --at needs a team")
	}
	var orgs []hie.OrgID
	if c.Organization != "" {
		orgs = []hie.OrgID{hie.OrgID(c.Organization)}
	}
	teams := []directory.CareTeam{}
	for after, more := "", true; more; {
		var page []directory.CareTeam
		if page, more, err = store.ListCareTeams(ctx, orgs, after, 500); err != nil {
			return err
		}
		teams = append(teams, page...)
		if more {
			after = page[len(page)-1].ID
		}
	}
	return printCareTeams(s.out, c.Output, teams)
}

// careTeamPutCmd makes or changes a care team.
type careTeamPutCmd struct {
	File string `arg:"" help:"JSON file with the team; - for standard input."`
	writeFlags
}

// Help implements kong.HelpProvider.
func (careTeamPutCmd) Help() string {
	return `The file states the team whole; version is the one it follows, 0 or missing for a new team. An organization is a member with its
units. Who is no longer named does not belong to the team from the next request on; what was recorded before is kept.
  {"id": "rehab", "organization": "mercy", "name": "Cardiac rehabilitation",
   "members": [{"member": "Practitioner/q7", "from": "2026-01-01T00:00:00Z"}, {"member": "Organization/heart", "until": "2026-07-01T00:00:00Z"}]}

Example:
  concord site careteam put rehab.json --dry-run`
}

// Run records the next version, or says what would be recorded.
func (c *careTeamPutCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	raw, err := readInput(c.File)
	if err != nil {
		return fmt.Errorf("site careteam put: %w", err)
	}
	stated, err := directoryjson.ReadTeamFile(raw)
	if err != nil {
		return fmt.Errorf("site careteam put: %w", err)
	}
	return changeCareTeam(ctx, g, s, "put", c.writeFlags, stated.ID, func(current directory.CareTeam, known bool) (directory.CareTeam, error) {
		if current.Version != stated.Version && (known || stated.Version > 0) {
			return stated, fmt.Errorf("version %d is current: %w", current.Version, hie.ErrStale)
		}
		return stated, nil
	})
}

// careTeamEndCmd ends a membership.
type careTeamEndCmd struct {
	ID      string `arg:"" help:"The team."`
	Member  string `required:"" help:"Who leaves it." placeholder:"Practitioner/ID"`
	Version int64  `required:"" help:"The team's version, as list prints it: another's change in between is not overwritten." placeholder:"N"`
	writeFlags
}

// Help implements kong.HelpProvider.
func (careTeamEndCmd) Help() string {
	return "Nothing leaves by this membership any more when the command has ended.\n\nExample:\n  concord site careteam end rehab --member Practitioner/q7 --version 3"
}

// Run ends it now, or says what would be recorded.
func (c *careTeamEndCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return changeCareTeam(ctx, g, s, "end", c.writeFlags, c.ID, func(current directory.CareTeam, known bool) (directory.CareTeam, error) {
		switch {
		case !known:
			return current, fmt.Errorf("there is no care team %q", c.ID)
		case current.Version != c.Version:
			return current, fmt.Errorf("version %d is current: %w", current.Version, hie.ErrStale)
		}
		return current.Ended(c.Member, hie.Now())
	})
}

// changeCareTeam records what change makes of the current version of a team, unless this is a dry run, and prints it.
func changeCareTeam(ctx context.Context, g *Globals, s *streams, name string, w writeFlags, id string,
	change func(current directory.CareTeam, known bool) (directory.CareTeam, error)) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	store := directorypg.New(db, auditpg.Append, hie.Now)
	network, err := store.Load(ctx)
	if err != nil {
		return err
	}
	all, err := store.CareTeams(ctx, []string{id})
	if err != nil {
		return err
	}
	current, known := all[id]
	t, err := change(current, known)
	if err == nil {
		err = t.Check(network)
	}
	if err == nil && !w.DryRun {
		t, err = store.RecordCareTeam(ctx, localOperator(), t)
	}
	if err != nil {
		return fmt.Errorf("site careteam %s: %w", name, err)
	}
	if w.DryRun {
		fmt.Fprintln(s.err, "dry run, nothing recorded; it would be:")
	}
	return printCareTeam(s.out, w.Output, t)
}

func printCareTeam(out io.Writer, output string, t directory.CareTeam) error {
	if output == "json" {
		return json.NewEncoder(out).Encode(directoryjson.WriteCareTeam(t))
	}
	return printCareTeams(out, output, []directory.CareTeam{t})
}

func printCareTeams(out io.Writer, output string, teams []directory.CareTeam) error {
	if output == "json" {
		rows := make([]directoryjson.CareTeam, 0, len(teams))
		for _, t := range teams {
			rows = append(rows, directoryjson.WriteCareTeam(t))
		}
		return json.NewEncoder(out).Encode(rows)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TEAM\tVERSION\tORGANIZATION\tNAME\tMEMBER\tFROM\tUNTIL")
	for _, t := range teams {
		row := []string{t.ID, fmt.Sprint(t.Version), string(t.Organization), t.Name}
		if len(t.Members) == 0 {
			fmt.Fprintln(w, strings.Join(append(row, "-", "-", "-"), "\t"))
		}
		for _, m := range t.Members {
			fmt.Fprintln(w, strings.Join(append(row[:4:4], m.Ref(), openInstant(m.From), openInstant(m.Until)), "\t"))
		}
	}
	return w.Flush()
}

// openInstant prints a bound, "-" for an open one.
func openInstant(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
