package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directoryjson"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
)

// siteCmd groups what concerns organisations, their sites and endpoints.
type siteCmd struct {
	Apply siteApplyCmd `cmd:"" help:"Make the directory what a file says."`
	List  siteListCmd  `cmd:"" help:"List sites, or print the whole directory as JSON."`

	Onboard siteOnboardCmd `cmd:"" help:"Bring a site on: its checks, the sign-off of its go-live, its suspension."`
	Status  siteStatusCmd  `cmd:"" help:"Show how the sites are, or what calling one was like over the last hours."`

	CareTeam siteCareTeamCmd `cmd:"" name:"careteam" help:"Care teams that consents may name."`
}

// siteApplyCmd replaces the directory.
type siteApplyCmd struct {
	File   string `arg:"" help:"JSON file with the whole directory; - for standard input."`
	DryRun bool   `help:"Show what would change and change nothing."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (siteApplyCmd) Help() string {
	return `The file is the whole directory: organizations, sites with their endpoints, and consent defaults.
  {"organizations": [{"id": "mercy", "name": "Mercy Health", "identifier": "urn:oid:2.16.840.1.113883.3.1", "kind": "hospital", "jurisdiction": "US-MD"}],
   "sites": [{"id": "mercy-main", "org": "mercy", "name": "Mercy Main", "authorities": ["urn:oid:2.16.840.1.113883.3.1.1"],
     "phone": "410-555-0101", "zone": "America/New_York", "labelled": true, "publishes": true,
     "endpoints": [{"id": "mercy-fhir", "address": "https://fhir.mercy.example/r4"}]}],
   "defaults": [{"network": true, "purposeClass": "TREAT", "category": "*", "rule": "basic-normal"}]}

An organization or site the file no longer names becomes inactive; its registrations and documents keep their names. Nodes
follow within a second. "concord site list --output json" prints what apply reads.

A new site is joining: it may get tokens, register and publish, and nothing is disclosed of it or to it until its go-live is
signed off. The first file of an empty directory may say "membership": "live" of the sites it begins with.`
}

// Run applies the file in one transaction with its audit event.
func (a *siteApplyCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	raw, err := readInput(a.File)
	if err != nil {
		return fmt.Errorf("site apply: %w", err)
	}
	f, err := directoryjson.Read(raw)
	if err != nil {
		return fmt.Errorf("site apply: %w", err)
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	diff, err := directorypg.New(db, auditpg.Append, hie.Now).Apply(ctx, localOperator(), f, a.DryRun)
	if err != nil {
		return err
	}
	if a.Output == "json" {
		return writeSiteDiff(s, diff)
	}
	if _, err := fmt.Fprint(s.out, diff.String()); err != nil {
		return err
	}
	counts := fmt.Sprintf("%d added, %d changed, %d removed", diff.Count("add"), diff.Count("change"), diff.Count("remove"))
	switch {
	case len(diff) == 0:
		fmt.Fprintln(s.err, "nothing to change")
	case a.DryRun:
		fmt.Fprintln(s.err, "dry run, nothing changed; it would be:", counts)
	default:
		fmt.Fprintln(s.err, counts)
	}
	return nil
}

func writeSiteDiff(s *streams, diff directory.Diff) error {
	type change struct {
		Verb   string      `json:"verb"`
		Object string      `json:"object"`
		Name   string      `json:"name"`
		Fields []fieldDiff `json:"fields,omitempty"`
	}
	out := make([]change, 0, len(diff))
	for _, d := range diff {
		out = append(out, change{Verb: d.Verb, Object: d.Object, Name: d.Name, Fields: fieldDiffs(d.Fields)})
	}
	return json.NewEncoder(s.out).Encode(out)
}

// siteListCmd lists sites.
type siteListCmd struct {
	Output string `enum:"table,json" default:"table" help:"table or json; json is what apply reads."`
}

// Run prints one row a site.
func (l *siteListCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	n, err := directorypg.New(db, auditpg.Append, hie.Now).Load(ctx)
	if err != nil {
		return err
	}
	if l.Output == "json" {
		_, err := s.out.Write(directoryjson.Write(n.File()))
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SITE\tORGANIZATION\tNAME\tACTIVE\tMEMBERSHIP\tPUBLISHES\tJURISDICTION\tREGIMES\tAUTHORITIES\tENDPOINTS")
	for _, site := range n.Sites() {
		var addresses []string
		for _, e := range site.Endpoints {
			addresses = append(addresses, e.Address)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%t\t%s\t%t\t%s\t%s\t%s\t%s\n", site.ID, site.Org, site.Name, site.Active, site.Membership, site.Publishes, n.Jurisdiction(site.ID),
			strings.Join(site.Regimes, ","), strings.Join(site.Authorities, " "), strings.Join(addresses, " "))
	}
	return w.Flush()
}
