package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// matchHistoryCmd lists link events.
type matchHistoryCmd struct {
	Record int64  `arg:"" optional:"" help:"The record; leave out with --person."`
	Person int64  `help:"A person, as person prints it." placeholder:"PERSON"`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchHistoryCmd) Help() string {
	return `Also of records that were withdrawn, and of persons that were merged away.

Examples:
  concord match history 246653357838717070
  concord match history --person 246653357838717071 --output json`
}

// Run prints one row an event.
func (m *matchHistoryCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		if (m.Record == 0) == (m.Person == 0) {
			return fmt.Errorf("match history: name a record, or --person")
		}
		events, err := x.HistoryOfRecord(ctx, hie.SourcePatientID(m.Record))
		if m.Person != 0 {
			events, err = x.HistoryOfPerson(ctx, hie.PersonID(m.Person))
		}
		if err != nil {
			return err
		}
		return printEvents(s, events, m.Output)
	})
}

// eventRow is a link event as --output json prints it.
type eventRow struct {
	Change     int64     `json:"change"`
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Cause      string    `json:"cause"`
	Record     int64     `json:"record,omitempty"`
	Other      int64     `json:"other,omitempty"`
	FromPerson int64     `json:"from_person,omitempty"`
	ToPerson   int64     `json:"to_person,omitempty"`
	Link       string    `json:"link,omitempty"`
	Verdict    string    `json:"verdict,omitempty"`
	Model      string    `json:"model,omitempty"`
	Bits       float64   `json:"bits"`
	Evidence   []string  `json:"evidence"`
	By         string    `json:"by,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Undoes     int64     `json:"undoes,omitempty"`
}

func printEvents(s *streams, events []mpi.Event, output string) error {
	rows := make([]eventRow, 0, len(events))
	for _, e := range events {
		r := eventRow{Change: int64(e.Change), At: e.At, Kind: string(e.Kind), Cause: string(e.Cause), Record: int64(e.Record), Other: int64(e.Other),
			FromPerson: int64(e.From.Person), ToPerson: int64(e.To.Person), Model: e.Model, Bits: float64(e.Bits), Evidence: waterfall(e.Evidence),
			By: e.By, Reason: e.Reason, Undoes: int64(e.Undoes)}
		if e.To.Person != 0 {
			r.Link = e.To.Link.String()
		}
		if e.Kind == mpi.EventConstrained {
			r.Verdict = e.ToVerdict.String()
		}
		rows = append(rows, r)
	}
	if output == "json" {
		return json.NewEncoder(s.out).Encode(rows)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tCHANGE\tKIND\tCAUSE\tRECORD\tOTHER\tFROM\tTO\tLINK\tBITS\tBY\tREASON\tEVIDENCE")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f\t%s\t%s\t%s\n", r.At.UTC().Format(time.RFC3339), r.Change, r.Kind, r.Cause,
			number(r.Record), number(r.Other), number(r.FromPerson), number(r.ToPerson), r.Link+r.Verdict, r.Bits, r.By, r.Reason, strings.Join(r.Evidence, " "))
	}
	return w.Flush()
}

// matchPersonCmd lists a person's records.
type matchPersonCmd struct {
	Record int64  `arg:"" help:"Any of the person's records."`
	At     string `help:"As it was at this instant, such as 2026-01-31T12:00:00Z." placeholder:"INSTANT"`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchPersonCmd) Help() string {
	return `Example:
  concord match person 246653357838717070 --at 2026-01-31T12:00:00Z`
}

// Run prints one row a record.
func (m *matchPersonCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		p, err := x.PersonOf(ctx, hie.SourcePatientID(m.Record))
		if m.At != "" {
			at, notTime := time.Parse(time.RFC3339, m.At)
			if notTime != nil {
				return fmt.Errorf("match person: --at must be an instant, such as 2026-01-31T12:00:00Z")
			}
			p, err = x.AsOf(ctx, hie.SourcePatientID(m.Record), at)
		}
		if err != nil {
			return err
		}
		type row struct {
			Record int64  `json:"record"`
			Site   string `json:"site"`
			Link   string `json:"link"`
		}
		rows := make([]row, 0, len(p.Members))
		for _, member := range p.Members {
			rows = append(rows, row{int64(member.Record), string(member.Site), member.Link.String()})
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(map[string]any{"person": int64(p.ID), "version": p.Version, "members": rows})
		}
		fmt.Fprintf(s.err, "person %d, version %d\n", int64(p.ID), p.Version)
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "RECORD\tSITE\tLINK")
		for _, r := range rows {
			fmt.Fprintf(w, "%d\t%s\t%s\n", r.Record, r.Site, r.Link)
		}
		return w.Flush()
	})
}

// matchVersionsCmd lists the versions of a registration.
type matchVersionsCmd struct {
	Record int64  `arg:"" help:"The record."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchVersionsCmd) Help() string {
	return `Example:
  concord match versions 246653357838717070`
}

// Run prints one row a version, without what it says.
func (m *matchVersionsCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		versions, err := x.RecordVersions(ctx, hie.SourcePatientID(m.Record))
		if err != nil {
			return err
		}
		type row struct {
			Version  int64      `json:"version"`
			Since    time.Time  `json:"since"`
			Until    *time.Time `json:"until,omitempty"`
			Active   bool       `json:"active"`
			Disputed bool       `json:"disputed"`
		}
		rows := make([]row, 0, len(versions))
		for _, v := range versions {
			r := row{Version: v.Number, Since: v.Since, Active: v.Active, Disputed: v.Disputed}
			if !v.Until.IsZero() {
				r.Until = &v.Until
			}
			rows = append(rows, r)
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "VERSION\tSINCE\tUNTIL\tACTIVE\tDISPUTED")
		for _, r := range rows {
			until := "now"
			if r.Until != nil {
				until = r.Until.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%t\t%t\n", r.Version, r.Since.UTC().Format(time.RFC3339), until, r.Active, r.Disputed)
		}
		return w.Flush()
	})
}

// matchBestCmd lists where a person's best record comes from.
type matchBestCmd struct {
	Record int64  `arg:"" help:"Any of the person's records."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchBestCmd) Help() string {
	return `Example:
  concord match best 246653357838717070 --output json`
}

// Run prints one row a value, without the value.
func (m *matchBestCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		best, err := x.BestOf(ctx, hie.SourcePatientID(m.Record))
		if err != nil {
			return err
		}
		type row struct {
			Field  string     `json:"field"`
			Place  int        `json:"place"`
			Record int64      `json:"record"`
			Site   hie.SiteID `json:"site"`
			Reason string     `json:"reason"`
			Agree  int        `json:"agree"`
			Differ int        `json:"differ"`
		}
		rows := make([]row, 0, len(best.Origins))
		for _, o := range best.Origins {
			rows = append(rows, row{o.Field, o.Place, int64(o.Record), o.Site, o.Reason, o.Agree, o.Differ})
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "FIELD\tRECORD\tSITE\tBECAUSE\tAGREE\tDIFFER")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%d\n", r.Field, r.Record, r.Site, r.Reason, r.Agree, r.Differ)
		}
		return w.Flush()
	})
}

// matchCompareCmd compares records.
type matchCompareCmd struct {
	Records []int64 `arg:"" help:"Two to six records."`
	Output  string  `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchCompareCmd) Help() string {
	return `Example:
  concord match compare 246653357838717070 246653357840875662`
}

// Run prints one row a pair.
func (m *matchCompareCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		records := make([]hie.SourcePatientID, len(m.Records))
		for i, r := range m.Records {
			records[i] = hie.SourcePatientID(r)
		}
		pairs, err := x.Pairs(ctx, records)
		if err != nil {
			return err
		}
		type row struct {
			A        int64    `json:"a"`
			B        int64    `json:"b"`
			Grade    string   `json:"grade"`
			Bits     float64  `json:"bits"`
			Vetoes   []string `json:"vetoes,omitempty"`
			Verdict  string   `json:"verdict"`
			Evidence []string `json:"evidence"`
		}
		rows := make([]row, 0, len(pairs))
		for _, p := range pairs {
			rows = append(rows, row{int64(p.A), int64(p.B), p.Grade.String(), float64(p.Bits), p.Vetoes, p.Verdict.String(), waterfall(p.Evidence)})
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "A\tB\tGRADE\tBITS\tVETOES\tVERDICT\tEVIDENCE")
		for _, r := range rows {
			fmt.Fprintf(w, "%d\t%d\t%s\t%.1f\t%s\t%s\t%s\n", r.A, r.B, r.Grade, r.Bits, strings.Join(r.Vetoes, ","), r.Verdict, strings.Join(r.Evidence, " "))
		}
		return w.Flush()
	})
}

// matchChangesCmd reads the stream of identity changes.
type matchChangesCmd struct {
	After  string `help:"Go on behind this cursor, as printed." placeholder:"CURSOR"`
	Reader string `help:"Read as this registered reader: all before --after was dealt with." placeholder:"NAME"`
	Count  int    `default:"100" help:"At most so many, up to 1000."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchChangesCmd) Help() string {
	return `Reading on from the last cursor misses nothing, whatever order changes were committed in; what was read may be read again.

Example:
  concord match changes --after 733.246653357841223822 --output json`
}

// Run prints one row a notice.
func (m *matchChangesCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	after, err := cursorOf(m.After)
	if err != nil {
		return err
	}
	if m.Count < 1 || m.Count > 1000 {
		return fmt.Errorf("match changes: --count must be from 1 to 1000")
	}
	return withIndex(ctx, g, func(x *mpi.Index) error {
		notices, err := m.read(ctx, x, after)
		if err != nil {
			return err
		}
		type row struct {
			Cursor string         `json:"cursor"`
			At     time.Time      `json:"at"`
			Kind   mpi.NoticeKind `json:"kind"`
			Record int64          `json:"record,omitempty"`
			Person int64          `json:"person"`
			Former int64          `json:"former,omitempty"`
			Change int64          `json:"change"`
		}
		rows := make([]row, 0, len(notices))
		for _, n := range notices {
			rows = append(rows, row{cursorText(n.Cursor), n.At, n.Kind, int64(n.Record), int64(n.Person), int64(n.Former), int64(n.Change)})
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "CURSOR\tAT\tKIND\tRECORD\tPERSON\tFORMER\tCHANGE")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%d\n", r.Cursor, r.At.UTC().Format(time.RFC3339), r.Kind, number(r.Record), r.Person, number(r.Former), r.Change)
		}
		return w.Flush()
	})
}

func (m *matchChangesCmd) read(ctx context.Context, x *mpi.Index, after mpi.Cursor) ([]mpi.Notice, error) {
	if m.Reader != "" {
		return x.ReadNotices(ctx, m.Reader, after, m.Count)
	}
	return x.Notices(ctx, after, m.Count)
}
