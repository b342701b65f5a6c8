package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/federation/federationpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/server"
)

// traceCmd shows how a request went.
type traceCmd struct {
	ID     string `arg:"" help:"Request id, as X-Request-Id gave it and error pages show it."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (traceCmd) Help() string {
	return `Who asked (organization, client, role, purpose), what was done, which sites were asked and what became of it, when and how long. No person is
named. Requests are kept for a day, and under load not every one. That somebody looked is recorded in the audit trail.

Example:
  concord trace 019a2b3c-0d4e-7f50-8a61-b2c3d4e5f607`
}

// Run prints the steps of each request that had the id.
func (c *traceCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	e := audit.NewEvent(audit.AuditRead, localOperator(), hie.Now())
	e.Action, e.Detail = "R", map[string]string{"interaction": "trace", "traced": c.ID}
	if err := auditpg.New(db).Record(ctx, e); err != nil {
		return err
	}
	traces, err := federationpg.NewTraces(db, hie.NewIDs(nil)).Of(ctx, c.ID)
	if errors.Is(err, hie.ErrNotFound) {
		return errors.New("trace: nothing is kept of a request with that id")
	}
	if err != nil {
		return err
	}
	rows := server.TraceRows(traces)
	if c.Output == "json" {
		return json.NewEncoder(s.out).Encode(rows)
	}
	for i, t := range rows {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		fmt.Fprintf(s.out, "request %s  trace %s\n%s  answered %d after %.1f ms\n", t.Request, t.Trace, t.Began.Format(time.RFC3339Nano), t.Status, t.Took)
		if t.Client != "" {
			fmt.Fprintf(s.out, "by %s, client %s, as %s, for %s\n", t.Organization, t.Client, strings.Join(t.Roles, " "), strings.Join(t.Purposes, " "))
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "AFTER\tTOOK\tSTEP\tSITE\tOUTCOME\tDETAIL")
		for _, p := range t.Spans {
			fmt.Fprintf(w, "%.1fms\t%.1fms\t%s\t%s\t%s\t%s\n", p.After, p.Took, p.Name, p.Site, p.Outcome, p.Detail)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
