package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/sheet"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
	"github.com/concord-hie/concord/server"
)

// reportCmd groups what is told to patients and privacy officers from the audit trail. Records are named by their
// numbers, as concord match prints them.
type reportCmd struct {
	Accounting reportAccountingCmd `cmd:"" help:"The disclosures a law owes a patient a list of, newest first."`
	Access     reportAccessCmd     `cmd:"" help:"Everybody who looked, asked, was refused or changed something, as the patient is shown it."`
	Requests   reportRequestsCmd   `cmd:"" help:"What patients asked for about their records, by when it is owed and what became of it."`
	Answer     reportAnswerCmd     `cmd:"" help:"Answer what a patient asked for, or put the answer off."`
	Leaned     reportLeanedCmd     `cmd:"" help:"The disclosures that leaned on a link which was undone."`
}

// A reporter makes reports from the database, and puts on record that it did.
type reporter struct {
	db       *pg.DB
	trail    *auditpg.Log
	patients *mpi.Index
	network  *directory.Network
	server.Reports
}

// withReports runs f over the database of g.
func withReports(ctx context.Context, g *Globals, f func(*reporter) error) error {
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
	ids := hie.NewIDs(nil)
	r := &reporter{db: db, trail: auditpg.New(db), network: network}
	r.patients = mpi.New(mpipg.New(db, auditpg.Append), ids, r.trail, mpi.Options{})
	consents := consentpg.New(db, ids, auditpg.Append, hie.Now)
	r.Reports = server.Reports{Trail: r.trail.Search, Consents: consents, Suspensions: consents, History: r.patients.HistoryOfRecord,
		Network: func() *directory.Network { return network }, Env: func() *consent.Env { return env }, Now: hie.Now, Asked: r.askedAbout}
	return f(r)
}

// askedAbout reads whom a recorded query named, when it did so by an identifier; sealed ids need the node's secret.
func (r *reporter) askedAbout(ctx context.Context, query string) hie.SourcePatientID {
	ps, err := fhir.ParseParams(query)
	if err != nil {
		return 0
	}
	for _, p := range ps {
		if p.Name != "patient.identifier" || len(p.Values) != 1 {
			continue
		}
		t := fhir.ParseToken(p.Values[0])
		if record, err := r.patients.RecordOf(ctx, hie.Identifier{System: t.System, Value: t.Code}); err == nil {
			return record
		}
	}
	return 0
}

// stretch is all of the trail about the person of record, count rows at a time.
func (r *reporter) stretch(ctx context.Context, record int64) (server.Stretch, error) {
	person, err := r.patients.PersonOf(ctx, hie.SourcePatientID(record))
	if err != nil {
		return server.Stretch{}, err
	}
	x := server.Stretch{Person: person.Records(), Count: 200}
	for _, m := range person.Members {
		if m.Link == hie.LinkConfirmed || m.Record == hie.SourcePatientID(record) {
			x.Records = append(x.Records, m.Record)
		}
	}
	return x, nil
}

// look puts the report on record before it is printed.
func (r *reporter) look(ctx context.Context, name string, records []hie.SourcePatientID) error {
	e := audit.NewEvent(audit.AuditRead, localOperator(), hie.Now()).About(records...)
	e.Action, e.Detail = "R", map[string]string{"interaction": "report " + name}
	return r.trail.Record(ctx, e)
}

// reportOutput is how a report is printed.
type reportOutput struct {
	Output string `enum:"table,json,csv" default:"table" help:"table, json (one object a line) or csv."`
}

// reportRow is one row of a report as json and csv print it.
type reportRow struct {
	Event        string    `json:"event"`
	At           time.Time `json:"at"`
	Kind         string    `json:"kind"`
	Outcome      string    `json:"outcome"`
	Organization string    `json:"organization"`
	Name         string    `json:"organization_name,omitempty"`
	Recipient    string    `json:"recipient,omitempty"`
	User         string    `json:"user,omitempty"`
	UserName     string    `json:"user_name,omitempty"`
	Purposes     []string  `json:"purposes"`
	Site         string    `json:"site,omitempty"`
	Classes      []string  `json:"classes,omitempty"`
	Documents    int       `json:"documents"`
	Emergency    bool      `json:"emergency"`
	Record       int64     `json:"record,omitempty"`
	Why          []string  `json:"why,omitempty"`
}

func (r *reporter) row(e audit.Event) reportRow {
	o, _ := r.network.Organization(e.Actor.Organization)
	out := reportRow{Event: e.ID, At: e.Time, Kind: string(e.Kind), Outcome: string(e.Outcome), Organization: string(e.Actor.Organization), Name: o.Name,
		Recipient: e.Detail["recipient"], User: e.Actor.User, UserName: e.Actor.UserName, Purposes: []string{}, Site: string(e.Site), Classes: e.Classes,
		Documents: max(len(e.Documents), e.Released), Emergency: e.Emergency}
	for _, p := range e.Actor.Purposes {
		out.Purposes = append(out.Purposes, string(p))
	}
	return out
}

// A rowWriter prints rows as they come and is ended by close.
type rowWriter struct {
	write func(reportRow) error
	close func() error
}

func (o reportOutput) writer(out io.Writer) rowWriter {
	fields := func(r reportRow) []string {
		return []string{r.At.UTC().Format(time.RFC3339), r.Kind, r.Outcome, r.Organization, r.Name, r.Recipient, r.User, r.UserName, strings.Join(r.Purposes, " "), r.Site,
			strings.Join(r.Classes, " "), strconv.Itoa(r.Documents), strconv.FormatBool(r.Emergency), strings.Join(r.Why, "; "), r.Event}
	}
	heads := []string{"at", "kind", "outcome", "organization", "organization_name", "recipient", "user", "user_name", "purposes", "site", "classes", "documents", "emergency", "why", "event"}
	switch o.Output {
	case "json":
		e := json.NewEncoder(out)
		return rowWriter{func(r reportRow) error { return e.Encode(r) }, func() error { return nil }}
	case "csv":
		w := sheet.NewWriter(out) // clients name the person who asked; none of that may be a formula
		w.Row(heads...)
		return rowWriter{func(r reportRow) error { w.Row(fields(r)...); return nil }, w.Flush}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tKIND\tOUTCOME\tORGANIZATION\tUSER\tPURPOSES\tSITE\tCLASSES\tDOCUMENTS\tEMERGENCY\tWHY")
	return rowWriter{func(r reportRow) error {
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%t\t%s\n", r.At.UTC().Format(time.RFC3339), r.Kind, r.Outcome, r.Organization, r.User,
			strings.Join(r.Purposes, " "), r.Site, strings.Join(r.Classes, " "), r.Documents, r.Emergency, strings.Join(r.Why, "; "))
		return err
	}, w.Flush}
}

// reportPeriod bounds a report in time.
type reportPeriod struct {
	From time.Time `help:"Not before this instant (RFC 3339)." placeholder:"INSTANT"`
	To   time.Time `help:"Before this instant." placeholder:"INSTANT"`
}

// reportAccountingCmd prints an accounting of disclosures.
type reportAccountingCmd struct {
	Record int64  `arg:"" help:"A record (source patient) of the patient."`
	Law    string `enum:"us-hipaa,us-part2-intermediary,us-az,all" default:"us-hipaa" help:"Whose list: us-hipaa (six years, without treatment, payment, operations, the patient's own access and what they authorized), us-part2-intermediary (three years), us-az (three years, everybody) or all."`
	reportPeriod
	reportOutput
}

// Help implements kong.HelpProvider.
func (reportAccountingCmd) Help() string {
	return "Follows the person as they are now; each disclosure is attributed to the registration it was of, so merge and unmerge move nothing. That the list was made is put on record.\n\n" +
		"Example:\n  concord report accounting 7304201873410560 --law us-hipaa --output csv > accounting.csv"
}

// Run prints one row a disclosure, newest first.
func (a *reportAccountingCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	law, _ := consent.AccountingOf(a.Law) // kong has checked it
	return pagedReport(ctx, g, s, a.Record, "accounting "+a.Law, a.reportPeriod, a.reportOutput,
		func(r *reporter, x server.Stretch) ([]audit.Event, string, error) { return r.Accounting(ctx, law, x) })
}

// reportAccessCmd prints who accessed a patient's records.
type reportAccessCmd struct {
	Record    int64 `arg:"" help:"A record (source patient) of the patient."`
	Automatic bool  `default:"true" negatable:"" help:"List what no person is named for."`
	reportPeriod
	reportOutput
}

// Run prints one row an event, newest first.
func (a *reportAccessCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return pagedReport(ctx, g, s, a.Record, "access", a.reportPeriod, a.reportOutput,
		func(r *reporter, x server.Stretch) ([]audit.Event, string, error) {
			return r.Access(ctx, a.Automatic, x)
		})
}

// pagedReport prints all pages of a report.
func pagedReport(ctx context.Context, g *Globals, s *streams, record int64, name string, period reportPeriod, o reportOutput,
	page func(*reporter, server.Stretch) ([]audit.Event, string, error)) error {
	return withReports(ctx, g, func(r *reporter) error {
		x, err := r.stretch(ctx, record)
		if err != nil {
			return err
		}
		x.From, x.To = period.From, period.To
		if err := r.look(ctx, name, x.Records); err != nil {
			return err
		}
		w := o.writer(s.out)
		for {
			events, next, err := page(r, x)
			if err != nil {
				return err
			}
			for _, e := range events {
				if err := w.write(r.row(e)); err != nil {
					return err
				}
			}
			if x.Before = next; next == "" {
				return w.close()
			}
		}
	})
}

// reportLeanedCmd prints what leaned on a link.
type reportLeanedCmd struct {
	Record int64 `arg:"" help:"A record (source patient)."`
	Other  int64 `arg:"" help:"The record it was linked with."`
	reportOutput
}

// Run prints one row a disclosure, newest first.
func (a *reportLeanedCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withReports(ctx, g, func(r *reporter) error {
		record, other := hie.SourcePatientID(a.Record), hie.SourcePatientID(a.Other)
		if err := r.look(ctx, "leaned", []hie.SourcePatientID{record, other}); err != nil {
			return err
		}
		found, err := r.Leaned(ctx, record, other)
		if err != nil {
			return err
		}
		w := a.writer(s.out)
		for _, l := range found {
			row := r.row(l.Event)
			row.Record, row.Why = int64(l.Record), l.Why
			if err := w.write(row); err != nil {
				return err
			}
		}
		return w.close()
	})
}
