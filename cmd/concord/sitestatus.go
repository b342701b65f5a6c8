package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/federation/federationpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/server"
)

// siteStatusCmd shows how the sites are.
type siteStatusCmd struct {
	Site   string `arg:"" optional:"" help:"One site, for its last hours; without it all sites."`
	Hours  int    `default:"6" help:"How far back a site's history goes, 1 to 48."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (siteStatusCmd) Help() string {
	return `State by the calls of the last five minutes, figures of the last hour over all nodes: of the calls made for requests or, when there
were none, of the nodes' own probes (marked ~). CERT is how many days the endpoint's certificate is good for, OVERRIDES how often the
site's organization claimed an emergency in the last 30 days (and how often that was found unjustified).

Examples:
  concord site status
  concord site status mercy-main --hours 24 --output json`
}

// Run prints one row a site, or one a span of time.
func (c *siteStatusCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	if c.Hours < 1 || c.Hours > 48 {
		return errors.New("site status: --hours must be 1 to 48")
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	n, err := directorypg.New(db, auditpg.Append, hie.Now).Load(ctx)
	if err != nil {
		return err
	}
	m := monitorOf(federationpg.NewHealth(db, 0), func() *directory.Network { return n }, consentpg.New(db, hie.NewIDs(nil), auditpg.Append, hie.Now))
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	if c.Site != "" {
		points, err := m.History(ctx, hie.SiteID(c.Site), hie.Now().Add(-time.Duration(c.Hours)*time.Hour), server.HistoryStep(c.Hours))
		if errors.Is(err, hie.ErrNotFound) {
			return fmt.Errorf("site status: there is no site %q", c.Site)
		}
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return json.NewEncoder(s.out).Encode(server.SitePoints(points))
		}
		fmt.Fprintln(w, "FROM\tCALLS\tP50\tP95\tANSWERED\tREFUSED\tFAILED\tLATE\tSKIPPED")
		for _, p := range server.SitePoints(points) {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", p.At.Format(time.RFC3339), p.Calls, millis(p.P50, p.Calls), millis(p.P95, p.Calls),
				p.Answered, p.Refused, p.Failed, p.Late, p.Skipped)
		}
		return w.Flush()
	}
	reports, err := m.Overview(ctx)
	if err != nil {
		return err
	}
	rows := server.SiteRows(reports, hie.Now())
	if c.Output == "json" {
		return json.NewEncoder(s.out).Encode(rows)
	}
	fmt.Fprintln(w, "SITE\tSTATE\tSINCE\tCALLS\tP50\tP95\tERRORS\tLAST ANSWER\tLAST PUBLISH\tCERT\tVERSION\tOVERRIDES")
	for _, r := range rows {
		mark := ""
		if r.Measured == "probes" {
			mark = "~"
		}
		days, software := "-", "-"
		if r.Certificate != nil {
			days = fmt.Sprintf("%dd", r.Certificate.Days)
		}
		if r.Probe != nil && r.Probe.Software+r.Probe.Version+r.Probe.FHIRVersion != "" {
			software = fmt.Sprintf("%s %s (FHIR %s)", r.Probe.Software, r.Probe.Version, r.Probe.FHIRVersion)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d (%d)\n", r.Site, r.State, stamp(r.Since), mark, r.Calls, millis(r.P50, r.Calls),
			millis(r.P95, r.Calls), percent(int(r.ErrorRate*1e4), 1e4), stamp(r.LastAnswer), stamp(r.LastPublish), days, software, r.Claims.Made, r.Claims.Unjustified)
	}
	return w.Flush()
}

// millis writes a duration in ms, "-" when nothing was measured.
func millis(ms float64, calls int64) string {
	if calls == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0fms", ms)
}

// stamp writes an instant, "-" for never.
func stamp(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
