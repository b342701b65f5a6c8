package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
)

// policyCmd groups what concerns law packs and the policies of the network and its sites.
type policyCmd struct {
	List     policyListCmd     `cmd:"" help:"What is in force, scheduled, or at hand."`
	Show     policyShowCmd     `cmd:"" help:"One policy: its versions and steps, or its rules."`
	Test     policyTestCmd     `cmd:"" help:"Run the tests inside a pack; no database."`
	Analyse  policyAnalyseCmd  `cmd:"" help:"Name rules in force that never apply, or that others make pointless."`
	Sign     policySignCmd     `cmd:"" help:"Sign packs with an Ed25519 key."`
	Draft    policyDraftCmd    `cmd:"" help:"Keep a new version; nothing changes yet."`
	Simulate policySimulateCmd `cmd:"" help:"Say which answers would change, over all patients, and note that it was looked at."`
	Approve  policyApproveCmd  `cmd:"" help:"Approve a simulated version; not the person who drafted it."`
	Activate policyActivateCmd `cmd:"" help:"Put an approved version in force, from an instant on."`
	Rollback policyRollbackCmd `cmd:"" help:"Call off what is scheduled, else go back to what was in force before."`
}

// Help implements kong.HelpProvider.
func (policyCmd) Help() string {
	return "A policy goes draft, simulate, approve by a second person, activate; rollback undoes the last activation. Every step is kept with who took it."
}

// withPolicies runs f on the policies of the database.
func withPolicies(ctx context.Context, g *Globals, f func(*consentpg.Policies) error) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	p, err := openPolicies(db, g.PolicyKey)
	if err != nil {
		return err
	}
	return f(p)
}

// policyRow is one policy as list prints it.
type policyRow struct {
	Policy   string `json:"policy"`
	Kind     string `json:"kind"`
	Title    string `json:"title"`
	State    string `json:"state"`
	InForce  int64  `json:"in_force"`
	Edition  string `json:"edition,omitzero"`
	Versions int64  `json:"versions"`
	// Next is when another version comes into force, "" for never.
	Next string `json:"next,omitzero"`
}

// policyListCmd lists policies.
type policyListCmd struct {
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints one row a policy.
func (l *policyListCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withPolicies(ctx, g, func(p *consentpg.Policies) error {
		rows, err := policyRows(ctx, p, hie.Now())
		if err != nil {
			return err
		}
		if l.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "POLICY\tKIND\tSTATE\tVERSION\tEDITION\tDRAFTED\tNEXT\tTITLE")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s\n", r.Policy, r.Kind, r.State, r.InForce, r.Edition, r.Versions, r.Next, r.Title)
		}
		return w.Flush()
	})
}

func policyRows(ctx context.Context, p *consentpg.Policies, now time.Time) ([]policyRow, error) {
	histories, err := p.Histories(ctx)
	if err != nil {
		return nil, err
	}
	builtins, err := consentjson.Builtins()
	if err != nil {
		return nil, err
	}
	packs := map[string]consent.Pack{}
	standing := map[string]bool{}
	for _, b := range builtins {
		packs[b.Pack.ID], standing[b.Pack.ID] = b.Pack, b.Standing
	}
	for id, h := range histories {
		version, _ := h.InForce(now)
		if version == 0 && packs[id].ID == "" {
			version = h.Versions()
		}
		if version > 0 {
			v, err := p.Version(ctx, id, version)
			if err != nil {
				return nil, err
			}
			packs[id] = v.Pack
		}
	}
	var rows []policyRow
	for _, id := range slices.Sorted(maps.Keys(packs)) {
		h, pack := histories[id], packs[id]
		version, next := h.InForce(now)
		r := policyRow{Policy: id, Kind: string(pack.Kind), Title: pack.Title, State: "at hand", InForce: version, Edition: pack.Edition, Versions: h.Versions()}
		switch {
		case version > 0 || standing[id]:
			r.State = "in force"
		case h.Versions() > 0:
			r.State = h.State(h.Versions(), now)
		}
		if !next.IsZero() {
			r.Next = next.Format(time.RFC3339)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// policyShowCmd shows one policy.
type policyShowCmd struct {
	Policy  string `arg:"" help:"Id of the policy."`
	Version int64  `default:"-1" help:"Print the rules of this version (0: the one the program brings along), and what recipients are told by it, instead of the steps."`
	Content bool   `help:"Print the version as received, byte for byte."`
	Output  string `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints the steps of a policy, or the rules of one version.
func (c *policyShowCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withPolicies(ctx, g, func(p *consentpg.Policies) error {
		if c.Version < 0 && !c.Content {
			return c.steps(ctx, p, s)
		}
		v, err := p.Version(ctx, c.Policy, max(c.Version, 0))
		if err != nil {
			return err
		}
		if c.Content {
			_, err := s.out.Write(v.Content)
			return err
		}
		if c.Output == "json" {
			return json.NewEncoder(s.out).Encode(json.RawMessage(v.Content))
		}
		fmt.Fprintf(s.out, "%s, edition %s: %s\nsigned: %s\n\n", v.Pack.ID, v.Pack.Edition, v.Pack.Title, v.Signature)
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "RULE\tEFFECT\tNEEDS\tGROUND\tWORDS")
		for _, r := range v.Pack.Rules {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Effect, r.Kind, r.Source, r.Words)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, said := range v.Pack.Statements {
			printStatement(s.out, said)
		}
		return nil
	})
}

// printStatement prints what a recipient is told of an obligation, in each language.
func printStatement(out io.Writer, said consent.Statement) {
	fmt.Fprintf(out, "\n%s (%s)", said.Code, said.Source)
	if said.Scope {
		fmt.Fprint(out, ", with the scope of the patient's consent")
	}
	fmt.Fprintln(out)
	for _, lang := range consent.Languages() {
		fmt.Fprintf(out, "  %s  %s\n", lang, said.Words[lang].Long)
		if short := said.Words[lang].Short; short != "" {
			fmt.Fprintf(out, "  %s  or in short: %s\n", lang, short)
		}
	}
}

// stepRow is one step as show prints it.
type stepRow struct {
	Step      int64  `json:"step"`
	Version   int64  `json:"version"`
	Action    string `json:"action"`
	At        string `json:"at"`
	By        string `json:"by"`
	Effective string `json:"effective,omitzero"`
	Note      string `json:"note,omitzero"`
}

func newStepRow(e consent.PolicyEvent) stepRow {
	r := stepRow{Step: e.Seq, Version: e.Version, Action: string(e.Action), At: e.At.Format(time.RFC3339), By: e.By, Note: e.Note}
	if !e.Effective.IsZero() {
		r.Effective = e.Effective.Format(time.RFC3339Nano)
	}
	return r
}

func (c *policyShowCmd) steps(ctx context.Context, p *consentpg.Policies, s *streams) error {
	h, err := p.History(ctx, c.Policy)
	if err != nil {
		return err
	}
	if len(h) == 0 {
		if _, err := p.Version(ctx, c.Policy, 0); err != nil {
			return err
		}
	}
	rows := []stepRow{}
	for _, e := range h {
		rows = append(rows, newStepRow(e))
	}
	if c.Output == "json" {
		return json.NewEncoder(s.out).Encode(rows)
	}
	now := hie.Now()
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tSTATE")
	for v := int64(0); v <= h.Versions(); v++ {
		fmt.Fprintf(w, "%d\t%s\n", v, h.State(v, now))
	}
	fmt.Fprintln(w, "\nSTEP\tVERSION\tACTION\tAT\tBY\tEFFECTIVE\tNOTE")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\n", r.Step, r.Version, r.Action, r.At, r.By, r.Effective, r.Note)
	}
	return w.Flush()
}

// policyTestCmd runs the tests inside packs.
type policyTestCmd struct {
	Files  []string `arg:"" optional:"" help:"Pack files; none for those that come with the program." placeholder:"FILE"`
	Output string   `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints what came out otherwise; it fails when anything did.
func (c *policyTestCmd) Run(s *streams) error {
	type fault struct {
		Pack  string `json:"pack"`
		Fault string `json:"fault"`
	}
	faults, cases := []fault{}, 0
	check := func(name string, p consent.Pack) error {
		found, err := p.Check()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, f := range found {
			faults = append(faults, fault{name, f.String()})
		}
		cases += len(p.Tests)
		return nil
	}
	if len(c.Files) == 0 {
		all, err := consentjson.Builtins()
		if err != nil {
			return err
		}
		for _, b := range all {
			if err := check(b.Pack.ID, b.Pack); err != nil {
				return err
			}
		}
	}
	for _, f := range c.Files {
		raw, err := readInput(f)
		if err != nil {
			return fmt.Errorf("policy test: %w", err)
		}
		p, err := consentjson.ReadPack(raw)
		if err == nil {
			err = check(f, p)
		}
		if err != nil {
			return fmt.Errorf("policy test: %w", err)
		}
	}
	if c.Output == "json" {
		if err := json.NewEncoder(s.out).Encode(map[string]any{"tests": cases, "faults": faults}); err != nil {
			return err
		}
	} else {
		for _, f := range faults {
			fmt.Fprintf(s.out, "%s: %s\n", f.Pack, f.Fault)
		}
	}
	if len(faults) > 0 {
		return &exitError{1, strconv.Itoa(len(faults)) + " of the packs' tests came out otherwise"}
	}
	if c.Output != "json" {
		fmt.Fprintf(s.out, "%d tests, each as it says\n", cases)
	}
	return nil
}

// policySignCmd signs packs.
type policySignCmd struct {
	Files []string `arg:"" help:"Pack files; each signature is written beside its file, with .sig at the end." placeholder:"FILE"`
	Key   string   `required:"" help:"Ed25519 private key (PEM, PKCS #8)." placeholder:"FILE"`
}

// Run writes a signature beside each file.
func (c *policySignCmd) Run(s *streams) error {
	raw, err := os.ReadFile(c.Key)
	if err != nil {
		return fmt.Errorf("policy sign: %s cannot be read", c.Key)
	}
	key, err := consentjson.ReadPrivateKey(raw)
	if err != nil {
		return fmt.Errorf("policy sign: %s: %w", c.Key, err)
	}
	for _, f := range c.Files {
		content, err := readInput(f)
		if err != nil {
			return fmt.Errorf("policy sign: %w", err)
		}
		p, err := consentjson.ReadPack(content)
		if err == nil {
			var faults []consent.PackFault
			if faults, err = p.Check(); err == nil && len(faults) > 0 {
				err = errors.New(faults[0].String())
			}
		}
		if err != nil {
			return fmt.Errorf("policy sign: %s: %w", f, err)
		}
		if err := os.WriteFile(f+".sig", []byte(consentjson.Sign(content, key)+"\n"), 0o644); err != nil {
			return fmt.Errorf("policy sign: %w", err)
		}
		fmt.Fprintln(s.err, "signed", f)
	}
	return nil
}
