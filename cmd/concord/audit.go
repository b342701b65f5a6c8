package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"golang.org/x/mod/sumdb/note"
)

// auditCmd groups what proves the audit trail.
type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check the whole log and name the first bad row."`
	Prove  auditProveCmd  `cmd:"" help:"Prove that one event is in the log, or check such a proof."`
	Export auditExportCmd `cmd:"" help:"Write the whole log as NDJSON, to be verified elsewhere."`
	Table  auditTableCmd  `cmd:"" help:"Check the signature of a table of events."`
	Flags  auditFlagsCmd  `cmd:"" help:"Looks at records that may be worth a look themselves, and why."`
	Shred  auditShredCmd  `cmd:"" help:"Remove what one event says for good; its proof stays."`
	Key    auditKeyCmd    `cmd:"" help:"Print the public key auditors check with."`
}

// The exit statuses of verify and prove beside 0.
const (
	exitBad        = 1 // the log or the proof does not hold
	exitUnreadable = 2 // a file, a key or the database could not be read
	exitClock      = 3 // the log holds, but its times run backwards
)

// auditKey is the key every check needs.
type auditKey struct {
	Key string `required:"" env:"CONCORD_AUDIT_PUBLIC_KEY" help:"Key that checks signatures: the line 'concord audit key' prints, or a PEM file of the public or private key." placeholder:"FILE"`
}

func (k auditKey) verifier() (note.Verifier, error) {
	raw, err := os.ReadFile(k.Key)
	if err != nil {
		return nil, unreadable(fmt.Errorf("%s cannot be read", k.Key))
	}
	v, err := auditpg.ParseKey(raw)
	if err != nil {
		return nil, unreadable(fmt.Errorf("%s holds no Ed25519 key for audit checkpoints", k.Key))
	}
	return v, nil
}

func unreadable(err error) error { return &exitError{status: exitUnreadable, text: err.Error()} }

// auditVerifyCmd checks the log in the database, or an export of it.
type auditVerifyCmd struct {
	auditKey
	Checkpoint []string      `help:"Checkpoint kept outside the database; may be repeated. Without one, an older copy put back unseen cannot be told." placeholder:"FILE"`
	File       string        `help:"Verify an export instead of the database; - for standard input." placeholder:"FILE"`
	Skew       time.Duration `default:"15m" help:"How far times may run backwards before that is reported."`
	Output     string        `enum:"text,json" default:"text" help:"text or json."`
}

// Help implements kong.HelpProvider.
func (auditVerifyCmd) Help() string {
	return "Recomputes every hash from the events; trusts the public key and the given checkpoints, nothing else. Reads only.\n\n" +
		"Exit status: 0 the log holds; 1 it does not, and the first bad row is named; 2 something could not be read; 3 the log holds but its times run backwards.\n\n" +
		"Examples:\n  concord audit verify --key audit.pub --checkpoint yesterday.checkpoint\n" +
		"  concord audit export --out log.ndjson && concord audit verify --key audit.pub --file log.ndjson"
}

// Run verifies and prints what was found.
func (a *auditVerifyCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	v, err := a.verifier()
	if err != nil {
		return err
	}
	var trusted []auditpg.Checkpoint
	for _, name := range a.Checkpoint {
		c, err := readCheckpoint(name, v)
		if err != nil {
			return err
		}
		trusted = append(trusted, c)
	}
	report, err := a.report(ctx, g, v, trusted)
	if err != nil {
		return unreadable(err)
	}
	if err := a.print(s.out, report); err != nil {
		return err
	}
	switch {
	case report.Bad != nil:
		return &exitError{status: exitBad, text: "the audit log does not hold: " + report.Bad.String()}
	case report.Clock != nil:
		return &exitError{status: exitClock, text: report.Clock.String()}
	case len(trusted) == 0:
		fmt.Fprintln(s.err, "note: no checkpoint from outside was given, so an older copy put back unseen cannot be told")
	}
	return nil
}

func readCheckpoint(name string, v note.Verifier) (auditpg.Checkpoint, error) {
	raw, err := readInput(name)
	if err != nil {
		return auditpg.Checkpoint{}, unreadable(err)
	}
	c, err := auditpg.OpenCheckpoint(string(raw), v)
	if err != nil {
		return auditpg.Checkpoint{}, unreadable(fmt.Errorf("%s holds no checkpoint signed with this key", name))
	}
	return c, nil
}

func (a *auditVerifyCmd) report(ctx context.Context, g *Globals, v note.Verifier, trusted []auditpg.Checkpoint) (auditpg.Report, error) {
	if a.File == "" {
		db, err := g.open(ctx)
		if err != nil {
			return auditpg.Report{}, err
		}
		defer func() { _ = db.Close() }()
		return auditpg.VerifyDB(ctx, db, v, trusted, a.Skew)
	}
	in := os.Stdin
	if a.File != "-" {
		var err error
		if in, err = os.Open(a.File); err != nil {
			return auditpg.Report{}, fmt.Errorf("%s cannot be read", a.File)
		}
		defer func() { _ = in.Close() }()
	}
	return auditpg.Verify(ctx, auditpg.ReadExport(in), v, trusted, a.Skew)
}

// findingJSON is a finding for scripts; row -1 lies beside the tree.
type findingJSON struct {
	Fault   string `json:"fault"`
	Row     int64  `json:"row"`
	LastRow int64  `json:"last_row"`
	Event   string `json:"event,omitempty"`
	Says    string `json:"says"`
}

func jsonFinding(f *auditpg.Finding) *findingJSON {
	if f == nil {
		return nil
	}
	return &findingJSON{Fault: string(f.Fault), Row: f.First, LastRow: f.Last, Event: f.Event, Says: f.Says}
}

func (a *auditVerifyCmd) print(out io.Writer, r auditpg.Report) error {
	state := "holds"
	if r.Bad != nil {
		state = "does not hold"
	}
	if a.Output == "json" {
		return json.NewEncoder(out).Encode(struct {
			Holds       bool         `json:"holds"`
			Events      int64        `json:"events"`
			Root        string       `json:"root"`
			Checkpoints int          `json:"checkpoints"`
			Given       int          `json:"given_checkpoints"`
			Shredded    int64        `json:"shredded"`
			Bad         *findingJSON `json:"bad,omitempty"`
			Clock       *findingJSON `json:"clock,omitempty"`
		}{r.Bad == nil, r.Size, r.Root.String(), r.Checkpoints, r.Trusted, r.Shredded, jsonFinding(r.Bad), jsonFinding(r.Clock)})
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "audit log\t%s\n", state)
	fmt.Fprintf(w, "events read\t%d\n", r.Size)
	fmt.Fprintf(w, "root\t%s\n", r.Root)
	fmt.Fprintf(w, "checkpoints that agree\t%d stored, %d given\n", r.Checkpoints, r.Trusted)
	if !r.First.IsZero() {
		fmt.Fprintf(w, "times\t%s to %s\n", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
	}
	if r.Shredded > 0 {
		fmt.Fprintf(w, "shredded on record\t%d\n", r.Shredded)
	}
	return w.Flush()
}

// auditProveCmd makes a proof of one event, or checks one made elsewhere.
type auditProveCmd struct {
	auditKey
	Event      string `arg:"" optional:"" help:"The event's id."`
	Checkpoint string `help:"Prove against this checkpoint instead of the newest." placeholder:"FILE"`
	File       string `help:"Check the proof in this file; needs no database." placeholder:"FILE"`
}

// Help implements kong.HelpProvider.
func (auditProveCmd) Help() string {
	return "Prints the proof as JSON, after checking it. It holds the event itself, and so personal data.\n\n" +
		"Exit status: 0 the proof holds; 1 it does not; 2 something could not be read, or there is no such event.\n\n" +
		"Examples:\n  concord audit prove --key audit.pub 0199a2b4-… > proof.json\n  concord audit prove --key audit.pub --file proof.json"
}

// Run makes and checks, or only checks.
func (a *auditProveCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	v, err := a.verifier()
	if err != nil {
		return err
	}
	if (a.Event == "") == (a.File == "") {
		return unreadable(fmt.Errorf("give an event's id or --file, one of the two"))
	}
	p, err := a.proof(ctx, g, v)
	if err != nil {
		return unreadable(err)
	}
	if err := p.Check(v); err != nil {
		return &exitError{status: exitBad, text: "the proof does not hold"}
	}
	if a.File == "" {
		fmt.Fprintln(s.out, string(p.Encode()))
	}
	fmt.Fprintf(s.err, "event %s is row %d of the log\n", p.Event, p.Seq)
	return nil
}

func (a *auditProveCmd) proof(ctx context.Context, g *Globals, v note.Verifier) (auditpg.Proof, error) {
	if a.File != "" {
		raw, err := readInput(a.File)
		if err != nil {
			return auditpg.Proof{}, err
		}
		return auditpg.ReadProof(raw)
	}
	signed := ""
	if a.Checkpoint != "" {
		if _, err := readCheckpoint(a.Checkpoint, v); err != nil {
			return auditpg.Proof{}, err
		}
		raw, err := readInput(a.Checkpoint)
		if err != nil {
			return auditpg.Proof{}, err
		}
		signed = string(raw)
	}
	db, err := g.open(ctx)
	if err != nil {
		return auditpg.Proof{}, err
	}
	defer func() { _ = db.Close() }()
	p, err := auditpg.Prove(ctx, db, v, strings.ToLower(a.Event), signed)
	if errors.Is(err, hie.ErrNotFound) {
		return auditpg.Proof{}, fmt.Errorf("there is no such event in the tree (a new one is there within a second)")
	}
	return p, err
}

// auditExportCmd writes the log.
type auditExportCmd struct {
	Out string `default:"-" help:"File to write, which must not exist; - for standard output." placeholder:"FILE"`
}

// Help implements kong.HelpProvider.
func (auditExportCmd) Help() string {
	return "One line a row, and one a checkpoint, in the order they are verified. It holds personal data: the file is readable by its owner alone."
}

// Run exports.
func (a *auditExportCmd) Run(ctx context.Context, g *Globals, s *streams) (err error) {
	out := s.out
	if a.Out != "-" {
		f, err := os.OpenFile(a.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("%s cannot be made", a.Out)
		}
		defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
		out = f
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	n, err := auditpg.Export(ctx, db, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%d events\n", n)
	return nil
}

// auditShredCmd removes one event's body.
type auditShredCmd struct {
	Event  string `arg:"" help:"The event's id."`
	Reason string `required:"" enum:"retention,order,error" help:"Why: retention (its time is over), order (a court or authority ordered it), error (it should never have been written)."`
	DryRun bool   `help:"Say what would be removed and remove nothing."`
}

// Help implements kong.HelpProvider.
func (auditShredCmd) Help() string {
	return "The event's place in the log stays and every proof still holds, but nobody can tell any more what it said. The removal is itself an event. It cannot be undone.\n\n" +
		"Example: concord audit shred 0199a2b4-… --reason retention"
}

// Run shreds.
func (a *auditShredCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if a.DryRun {
		e, err := auditpg.New(db).Event(ctx, strings.ToLower(a.Event))
		if err != nil {
			return noSuchEvent(err)
		}
		fmt.Fprintf(s.out, "would shred %s, %s of %s\n", e.ID, e.Kind, e.Time.Format(time.RFC3339))
		return nil
	}
	return noSuchEvent(auditpg.Shred(ctx, db, localOperator(), strings.ToLower(a.Event), a.Reason, hie.Now()))
}

func noSuchEvent(err error) error {
	if errors.Is(err, hie.ErrNotFound) {
		return fmt.Errorf("there is no such event in the tree with anything left to shred")
	}
	return err
}

// auditKeyCmd prints the public half of a key.
type auditKeyCmd struct {
	auditKey
}

// Run prints the verifier key line.
func (a *auditKeyCmd) Run(s *streams) error {
	raw, err := os.ReadFile(a.Key)
	if err != nil {
		return unreadable(fmt.Errorf("%s cannot be read", a.Key))
	}
	line, err := auditpg.KeyLine(raw)
	if err != nil {
		return unreadable(fmt.Errorf("%s holds no Ed25519 key for audit checkpoints", a.Key))
	}
	fmt.Fprintln(s.out, line)
	return nil
}
