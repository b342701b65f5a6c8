package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/mpi"
)

// cursorText and cursorOf write a place in the stream of changes, and read it.
func cursorText(c mpi.Cursor) string { return fmt.Sprintf("%d.%d", c.Transaction, c.Notice) }

func cursorOf(text string) (c mpi.Cursor, err error) {
	if text == "" {
		return c, nil
	}
	if n, err := fmt.Sscanf(text, "%d.%d", &c.Transaction, &c.Notice); n != 2 || err != nil {
		return c, fmt.Errorf("match changes: --after is no cursor")
	}
	return c, nil
}

// matchReadersCmd lists who follows the stream of changes, and changes it.
type matchReadersCmd struct {
	Add    string `help:"Have changes kept for this reader from now on; again, it begins anew." placeholder:"NAME" xor:"what"`
	From   string `enum:"oldest,end" default:"end" help:"Where --add begins: oldest (what is kept) or end."`
	Forget string `help:"Keep changes for this reader no longer." placeholder:"NAME" xor:"what"`
	DryRun bool   `help:"With --add or --forget: list the readers and change nothing."`
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (matchReadersCmd) Help() string {
	return `Changes are kept until all readers have passed them, or until they are older than the node's --notice-retention. A reader that
fell behind that is told so, and must read anew what it follows.

Examples:
  concord match readers
  concord match readers --add warehouse --from oldest`
}

// readerRow is a reader as --output json prints it.
type readerRow struct {
	Name       string     `json:"name"`
	After      string     `json:"after"`
	Registered time.Time  `json:"registered"`
	Seen       *time.Time `json:"seen,omitempty"`
	Lost       bool       `json:"lost"`
}

// Run prints one row a reader.
func (m *matchReadersCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return withIndex(ctx, g, func(x *mpi.Index) error {
		switch {
		case m.DryRun:
			fmt.Fprintln(s.err, "dry run, nothing changed")
		case m.Add != "":
			if _, err := x.RegisterReader(ctx, steward(), m.Add, m.From == "end"); err != nil {
				return err
			}
		case m.Forget != "":
			if err := x.ForgetReader(ctx, steward(), m.Forget); err != nil {
				return err
			}
		}
		readers, err := x.Readers(ctx)
		if err != nil {
			return err
		}
		rows := make([]readerRow, 0, len(readers))
		for _, r := range readers {
			row := readerRow{Name: r.Name, After: cursorText(r.At), Registered: r.Registered, Lost: r.Lost}
			if !r.Seen.IsZero() {
				row.Seen = &r.Seen
			}
			rows = append(rows, row)
		}
		if m.Output == "json" {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "READER\tAFTER\tSEEN\tLOST")
		for _, r := range rows {
			seen := "never"
			if r.Seen != nil {
				seen = r.Seen.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%v\n", r.Name, r.After, seen, r.Lost)
		}
		return w.Flush()
	})
}
