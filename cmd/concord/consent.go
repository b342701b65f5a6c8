package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/server"
)

// consentCmd groups what proves and explains decisions.
type consentCmd struct {
	Tasks   consentTasksCmd   `cmd:"" help:"What staff must see to: conflicts, ends, and wishes that are held, unverified, broken or on an old form."`
	Export  consentExportCmd  `cmd:"" help:"Write the consents of an organization's patients as NDJSON."`
	Changes consentChangesCmd `cmd:"" help:"For a site that enforces by itself: registrations of its own that something else binds than before."`
	Copy    consentCopyCmd    `cmd:"" help:"For a site that enforces by itself: what binds one of its registrations now, or the rules that hold there."`
	Decide  consentDecideCmd  `cmd:"" help:"Decide cases, one JSON a line; reads no database, clock or network."`
	Explain consentExplainCmd `cmd:"" help:"Say in order which rules spoke about a document, and which one decided."`

	Emergency      consentEmergencyCmd      `cmd:"" help:"Emergencies that were claimed: those that hold, and ending one before its time."`
	Instrument     consentInstrumentCmd     `cmd:"" help:"Legal bases on which others may ask about a patient: court orders, reports law requires."`
	Representative consentRepresentativeCmd `cmd:"" help:"Who may act for a patient."`
}

// consentDecideCmd answers cases.
type consentDecideCmd struct {
	Cases string `arg:"" help:"NDJSON file of cases; - for standard input." placeholder:"CASES.ndjson"`
}

// Run writes one decision a line, in the order of the cases.
func (d *consentDecideCmd) Run(s *streams) error {
	debug.SetGCPercent(400) // cases are many, small and soon forgotten
	in := io.Reader(os.Stdin)
	if d.Cases != "-" {
		f, err := os.Open(d.Cases)
		if err != nil {
			return fmt.Errorf("%s cannot be read", d.Cases)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return consentfhir.DecideStream(in, s.out)
}

// consentExplainCmd explains one decision: of a case, or of a stored patient and a request that is only supposed.
type consentExplainCmd struct {
	Case string `help:"Explain the first case of this file instead of a stored patient; - for standard input." placeholder:"FILE" xor:"what" required:""`
	// PatientRecord is the number of a source patient, as concord match prints it.
	PatientRecord int64     `help:"Record (source patient) the document hangs on." placeholder:"RECORD" xor:"what" required:""`
	At            time.Time `help:"As things stood then (RFC 3339): directives, grants, links, directory and policies of that instant; default now." placeholder:"INSTANT"`

	Organization    string   `help:"Organisation that asks." placeholder:"ID"`
	User            string   `help:"Person who asks, as the organisation names them; claimed emergencies are a person's." placeholder:"ID"`
	Practitioner    string   `help:"Practitioner who asks, as directives name them." placeholder:"ID"`
	Role            []string `help:"Role the person acts in; may be repeated. None means not known." placeholder:"CODE"`
	Purpose         []string `help:"Purpose of use; may be repeated." placeholder:"CODE"`
	Exchange        string   `help:"Network exchange code asserted, such as T-TRTMNT." placeholder:"CODE"`
	OwnAccess       bool     `help:"The patient asks, through a client of theirs."`
	Representative  bool     `help:"Somebody who may act for the patient asks in their name."`
	Document        string   `help:"Document id, for directives about single documents." placeholder:"ID"`
	Class           string   `help:"Document class." placeholder:"CODE"`
	Type            string   `help:"Document type." placeholder:"CODE"`
	Confidentiality string   `help:"U, L, M, N, R or V." placeholder:"CODE"`
	Sensitivity     []string `help:"Sensitivity label; may be repeated." placeholder:"CODE"`
	Labelled        bool     `help:"The labels given are all there are."`
	Start           string   `help:"Start of the service documented (FHIR date)." placeholder:"DATE"`
	End             string   `help:"End of it." placeholder:"DATE"`
	Author          []string `help:"Author reference; may be repeated." placeholder:"Practitioner/ID"`
	Encounter       string   `help:"Encounter id." placeholder:"ID"`

	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints the decision and everything that spoke.
func (e *consentExplainCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	trace, err := e.trace(ctx, g)
	if err != nil {
		return err
	}
	if e.Output == "json" {
		return json.NewEncoder(s.out).Encode(traceRows(trace))
	}
	return printTrace(s.out, trace)
}

func (e *consentExplainCmd) trace(ctx context.Context, g *Globals) (consent.Trace, error) {
	if e.Case != "" {
		return e.caseTrace()
	}
	db, err := g.open(ctx)
	if err != nil {
		return consent.Trace{}, err
	}
	defer func() { _ = db.Close() }()
	past, err := pastOf(ctx, db, g.PolicyKey, hie.SourcePatientID(e.PatientRecord), e.At)
	if err != nil {
		return consent.Trace{}, err
	}
	member, _ := past.Person.Member(hie.SourcePatientID(e.PatientRecord)) // found by this record
	req, doc := e.supposed(past, member)
	return past.Explain(req, doc), nil
}

// supposed is the request and the document the flags describe.
func (e *consentExplainCmd) supposed(past server.Past, m mpi.Member) (consent.Request, consent.Document) {
	actor := hie.Actor{Organization: hie.OrgID(e.Organization), User: e.User, Roles: e.Role, Exchange: e.Exchange}
	for _, p := range e.Purpose {
		actor.Purposes = append(actor.Purposes, hie.Purpose(p))
	}
	req := past.Request(actor)
	req.Roles, req.OwnRecord, req.Representative = e.Role, e.OwnAccess || e.Representative, e.Representative
	if e.Practitioner != "" {
		req.Practitioner = e.Practitioner
	}
	doc := consent.Document{ID: e.Document, Record: m.Record.String(), Site: m.Site, Class: e.Class, Type: e.Type,
		Confidentiality: e.Confidentiality, Authors: e.Author, Encounter: e.Encounter}
	past.Label(&doc, e.Sensitivity, e.Labelled)
	doc.Start, doc.End = past.Env.DocumentTimes(m.Site, e.Start, e.End)
	return req, doc
}

func (e *consentExplainCmd) caseTrace() (consent.Trace, error) {
	raw, err := io.ReadAll(os.Stdin)
	if e.Case != "-" {
		raw, err = os.ReadFile(e.Case)
	}
	if err != nil {
		return consent.Trace{}, fmt.Errorf("%s cannot be read", e.Case)
	}
	c, err := consentfhir.ReadCase(raw)
	if err != nil {
		first, _, _ := bytes.Cut(raw, []byte("\n"))
		if c, err = consentfhir.ReadCase(first); err != nil {
			return consent.Trace{}, fmt.Errorf("%s: %w", e.Case, err)
		}
	}
	return c.Explain(new(consentfhir.Zones)), nil
}

// explained is a trace as --output json prints it.
type explained struct {
	Basis       *explainedBasis   `json:"basis,omitzero"`
	Release     bool              `json:"release"`
	Reason      string            `json:"reason"`
	Layer       string            `json:"layer"`
	Atoms       map[string]string `json:"atoms"`
	Obligations []string          `json:"obligations"`
	Directives  []explainedPart   `json:"directives"`
	Steps       []explainedStep   `json:"steps"`
}

// explainedBasis is what it rests on, as it stood then.
type explainedBasis struct {
	At        string           `json:"at"`
	Directory int64            `json:"directory"`
	Kept      bool             `json:"directory_kept"`
	Policies  []explainedPack  `json:"policies"`
	Records   []explainedLink  `json:"records"`
	Epochs    map[string]int64 `json:"epochs,omitempty"`
	CareTeams []explainedTeam  `json:"care_teams,omitempty"`
}

// explainedTeam is a care team the directives name; Member is "yes", "no" or "unknown".
type explainedTeam struct {
	Team    string `json:"team"`
	Version int64  `json:"version"`
	Member  string `json:"member"`
}

type explainedPack struct {
	Policy  string `json:"policy"`
	Version int64  `json:"version"`
	Edition string `json:"edition,omitzero"`
}

type explainedLink struct {
	Record string `json:"record"`
	Site   string `json:"site"`
	Link   string `json:"link"`
}

func newExplainedBasis(b *consent.Basis) *explainedBasis {
	if b == nil {
		return nil
	}
	out := &explainedBasis{At: b.At.Format(time.RFC3339Nano), Directory: b.Directory, Kept: b.Kept, Epochs: b.Epochs}
	for _, p := range b.Policies {
		out.Policies = append(out.Policies, explainedPack{p.Pack.ID, p.Version, p.Pack.Edition})
	}
	for _, r := range b.Records {
		out.Records = append(out.Records, explainedLink{r.ID, string(r.Site), r.Link.String()})
	}
	for _, t := range b.Teams {
		member := map[bool]string{true: "yes", false: "no"}[t.Member]
		if t.Doubtful {
			member = "unknown"
		}
		out.CareTeams = append(out.CareTeams, explainedTeam{t.Team, t.Version, member})
	}
	return out
}

type explainedPart struct {
	Directive string   `json:"directive"`
	Version   int64    `json:"version"`
	State     string   `json:"state"`
	Why       []string `json:"why,omitempty"`
}

type explainedStep struct {
	Atom    string `json:"atom"`
	Purpose string `json:"purpose,omitempty"`
	Layer   string `json:"layer"`
	Rule    string `json:"rule"`
	Node    string `json:"node,omitempty"`
	Effect  string `json:"effect"`
	Decides bool   `json:"decides"`
	Note    string `json:"note,omitempty"`
	Source  string `json:"source,omitempty"`
}

func traceRows(t consent.Trace) explained {
	out := explained{Basis: newExplainedBasis(t.Basis), Release: t.Decision.Release, Reason: t.Decision.Reason.String(), Layer: string(t.Decision.Layer), Atoms: map[string]string{},
		Obligations: t.Decision.Obligations, Directives: []explainedPart{}, Steps: []explainedStep{}}
	t.Decision.Atoms.Each(func(label string, permit bool) { out.Atoms[label] = word(permit) })
	for _, d := range t.Directives {
		out.Directives = append(out.Directives, explainedPart{d.ID, d.Version, d.State, d.Why})
	}
	for _, st := range t.Steps {
		out.Steps = append(out.Steps, explainedStep{st.Atom, string(st.Purpose), string(st.Layer), st.Rule, st.Node, st.Effect, st.Decides, st.Note, st.Source})
	}
	return out
}

func word(permit bool) string {
	if permit {
		return "permit"
	}
	return "deny"
}

// printTrace prints the decision, the part each directive plays, and what spoke, in the order of the rules.
func printTrace(out io.Writer, t consent.Trace) error {
	x := traceRows(t)
	verdict := "refused"
	if x.Release {
		verdict = "released"
	}
	fmt.Fprintf(out, "%s: %s (%s)\n", verdict, x.Reason, x.Layer)
	if len(x.Obligations) > 0 {
		fmt.Fprintf(out, "obligations: %s\n", strings.Join(x.Obligations, " "))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if b := x.Basis; b != nil {
		kept := ""
		if !b.Kept {
			kept = " (none is kept from then: the earliest there is)"
		}
		fmt.Fprintf(out, "as of %s, directory %d%s\n", b.At, b.Directory, kept)
		fmt.Fprintln(w, "\nRECORD\tSITE\tLINK\tEPOCH")
		for _, r := range b.Records {
			epoch := "-"
			if n, known := b.Epochs[r.Record]; known {
				epoch = strconv.FormatInt(n, 10)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Record, r.Site, r.Link, epoch)
		}
		fmt.Fprintln(w, "\nPOLICY\tVERSION\tEDITION")
		for _, p := range b.Policies {
			fmt.Fprintf(w, "%s\t%d\t%s\n", p.Policy, p.Version, p.Edition)
		}
		if len(b.CareTeams) > 0 {
			fmt.Fprintln(w, "\nCARE TEAM\tVERSION\tMEMBER")
			for _, t := range b.CareTeams {
				fmt.Fprintf(w, "%s\t%d\t%s\n", t.Team, t.Version, t.Member)
			}
		}
	}
	if len(x.Directives) > 0 {
		fmt.Fprintln(w, "\nDIRECTIVE\tVERSION\tSTATE\tWHY")
		for _, d := range x.Directives {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", d.Directive, d.Version, d.State, strings.Join(d.Why, "; "))
		}
	}
	fmt.Fprintln(w, "\nATOM\tPURPOSE\tLAYER\tRULE\tNODE\tEFFECT\tDECIDES\tNOTE")
	for _, st := range x.Steps {
		decides := ""
		if st.Decides {
			decides = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", st.Atom, st.Purpose, st.Layer, st.Rule, st.Node, st.Effect, decides, st.Note)
	}
	return w.Flush()
}
