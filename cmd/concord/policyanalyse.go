package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
)

// policyAnalyseCmd names rules without effect.
type policyAnalyseCmd struct {
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints one row a rule.
func (c *policyAnalyseCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	network, err := directorypg.New(db, auditpg.Append, hie.Now).Load(ctx)
	if err != nil {
		return err
	}
	env, _, err := environmentAt(ctx, db, g.PolicyKey, network, hie.Now())
	if err != nil {
		return err
	}
	type row struct {
		Rule string `json:"rule"`
		What string `json:"what"`
		By   string `json:"by,omitzero"`
		Why  string `json:"why"`
	}
	rows := []row{}
	for _, r := range env.Analyse() {
		rows = append(rows, row{r.Rule, r.What, r.By, r.Why})
	}
	if c.Output == "json" {
		return json.NewEncoder(s.out).Encode(rows)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tWHAT\tBY\tWHY")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Rule, r.What, r.By, r.Why)
	}
	return w.Flush()
}
