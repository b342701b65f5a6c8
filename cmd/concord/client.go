package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjson"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
)

// clientCmd groups what concerns registered clients.
type clientCmd struct {
	Apply  clientApplyCmd  `cmd:"" help:"Register or change clients from a file."`
	List   clientListCmd   `cmd:"" help:"List registered clients."`
	End    clientEndCmd    `cmd:"" help:"End all tokens issued so far to a client, an organisation or a user."`
	Keygen clientKeygenCmd `cmd:"" help:"Make a key pair for a client."`
}

// clientApplyCmd registers what a file says.
type clientApplyCmd struct {
	File   string `arg:"" help:"JSON file with the registrations; - for standard input."`
	DryRun bool   `help:"Show what would change and change nothing."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (clientApplyCmd) Help() string {
	return `The file:
  {"clients": [{"client_id": "elm-emr", "name": "Elm Street EMR", "organization": "elm", "status": "active",
    "scopes": ["system/DocumentReference.rs"], "purposes": ["TREAT"], "roles": ["physician"], "jwks": {"keys": [...]}}]}

status is draft, active, suspended or closed. Clients the file does not name stay as they are. Suspending a client, or taking
anything from it, ends its tokens on every node within a second.`
}

// Run applies the file in one transaction with its audit events.
func (a *clientApplyCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	raw, err := readInput(a.File)
	if err != nil {
		return fmt.Errorf("client apply: %w", err)
	}
	clients, err := accessjson.Parse(raw)
	if err != nil {
		return fmt.Errorf("client apply: %w", err)
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	diff, err := accesspg.New(db).Apply(ctx, localOperator(), clients, a.DryRun)
	if err != nil {
		return err
	}
	if a.Output == "json" {
		return writeClientDiff(s, diff)
	}
	if _, err := fmt.Fprint(s.out, diff.String()); err != nil {
		return err
	}
	switch {
	case len(diff) == 0:
		fmt.Fprintln(s.err, "nothing to change")
	case a.DryRun:
		fmt.Fprintf(s.err, "%d of %d clients would change\n", len(diff), len(clients))
	default:
		fmt.Fprintf(s.err, "%d of %d clients changed\n", len(diff), len(clients))
	}
	return nil
}

func writeClientDiff(s *streams, diff access.Diff) error {
	type change struct {
		Verb       string       `json:"verb"`
		Client     hie.ClientID `json:"client_id"`
		EndsTokens bool         `json:"ends_tokens"`
		Fields     []fieldDiff  `json:"fields"`
	}
	out := make([]change, 0, len(diff))
	for _, d := range diff {
		out = append(out, change{Verb: d.Verb, Client: d.Client, EndsTokens: d.EndsTokens, Fields: fieldDiffs(d.Fields)})
	}
	return json.NewEncoder(s.out).Encode(out)
}

// clientListCmd lists clients.
type clientListCmd struct {
	Output string `enum:"table,json" default:"table" help:"table or json; json is what apply reads."`
}

// Run prints one row a client.
func (l *clientListCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	snapshot, err := accesspg.New(db).Load(ctx)
	if err != nil {
		return err
	}
	if l.Output == "json" {
		out := make([]accessjson.Client, 0)
		for _, c := range snapshot.Clients() {
			out = append(out, accessjson.Format(c))
		}
		return json.NewEncoder(s.out).Encode(map[string]any{"clients": out})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLIENT\tORGANIZATION\tSTATUS\tPURPOSES\tROLES\tKEYS\tSCOPES")
	for _, c := range snapshot.Clients() {
		f := accessjson.Format(c)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", f.ID, f.Organization, f.Status, strings.Join(f.Purposes, ","),
			strings.Join(f.Roles, ","), len(c.Keys), strings.Join(f.Scopes, " "))
	}
	return w.Flush()
}

// clientEndCmd is the kill switch.
type clientEndCmd struct {
	Client       string `xor:"whose" required:"" help:"End the tokens of this client." placeholder:"ID"`
	Organization string `xor:"whose" required:"" help:"End the tokens of every client acting for this organisation." placeholder:"ID"`
	User         string `xor:"whose" required:"" help:"End the tokens of one organisation's user." placeholder:"ORG/USER"`
	DryRun       bool   `help:"Say what would end and end nothing."`
}

// Run ends the tokens; new ones may be asked for.
func (e *clientEndCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	k := access.Kill{Kind: "client", Subject: e.Client}
	switch {
	case e.Organization != "":
		k = access.Kill{Kind: "organization", Subject: e.Organization}
	case e.User != "":
		org, name, found := strings.Cut(e.User, "/")
		if !found || org == "" || name == "" {
			return fmt.Errorf("client end: --user is ORGANISATION/USER")
		}
		k = access.Kill{Kind: "user", Subject: access.UserSubject(hie.OrgID(org), name)}
	}
	if e.DryRun {
		fmt.Fprintf(s.err, "the tokens of this %s would end\n", k.Kind)
		return nil
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := accesspg.New(db).EndTokens(ctx, localOperator(), k); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "the tokens of this %s end on every node within a second\n", k.Kind)
	return nil
}

// clientKeygenCmd makes a key pair.
type clientKeygenCmd struct {
	Out    string `required:"" help:"File for the private key (JWK); must not exist." placeholder:"FILE"`
	Alg    string `enum:"ES256,ES384,RS384,PS384" default:"ES384" help:"ES256, ES384, RS384 or PS384."`
	DryRun bool   `help:"Say what would be written and write nothing."`
}

// Run writes the private key to a file and the public JWK Set, for the registration, to stdout.
func (k *clientKeygenCmd) Run(s *streams) error {
	if k.DryRun {
		fmt.Fprintln(s.err, "would write", k.Out)
		return nil
	}
	signer, err := token.Generate(k.Alg)
	if err != nil {
		return err
	}
	private, err := signer.MarshalPrivate()
	if err != nil {
		return err
	}
	if err := writeNew(k.Out, append(private, '\n')); err != nil {
		return fmt.Errorf("client keygen: %w", err)
	}
	fmt.Fprintln(s.err, "wrote", k.Out)
	_, err = fmt.Fprintln(s.out, string(token.Set([]token.PublicKey{signer.Public()})))
	return err
}

// localOperator is who administers from this machine's command line, for the audit trail: the operating system's user.
func localOperator() hie.Actor {
	a := hie.Actor{Client: "concord-cli", Roles: []string{hie.RoleOperator}}
	if u, err := user.Current(); err == nil {
		a.User = u.Username
	}
	return a
}

// maxInput bounds a file read whole.
const maxInput = 16 << 20

// readInput reads a file, or standard input for "-".
func readInput(name string) ([]byte, error) {
	if name == "-" {
		name = "/dev/stdin"
	}
	fi, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read", name)
	}
	if fi.Mode().IsRegular() && fi.Size() > maxInput {
		return nil, fmt.Errorf("%s is over 16 MiB", name)
	}
	return os.ReadFile(name)
}
