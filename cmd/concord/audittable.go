package main

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/audit/auditpg"
)

// auditTableCmd checks a table of events that a privacy officer handed out.
type auditTableCmd struct {
	auditKey
	File string `arg:"" help:"The table as it was given; - for standard input."`
}

// Help implements kong.HelpProvider.
func (auditTableCmd) Help() string {
	return "Prints the rows of a table that was signed with the key of the audit log, without the signature. Needs no database.\n\n" +
		"Exit status: 0 it is as it was signed; 1 it is not; 2 something could not be read.\n\n" +
		"Example:\n  concord audit table --key audit.pub access.csv > rows.csv"
}

// Run checks and prints.
func (a *auditTableCmd) Run(_ context.Context, _ *Globals, s *streams) error {
	v, err := a.verifier()
	if err != nil {
		return err
	}
	raw, err := readInput(a.File)
	if err != nil {
		return unreadable(err)
	}
	rows, err := auditpg.OpenTable(raw, v)
	if err != nil {
		return &exitError{status: exitBad, text: "the table is not as it was signed with this key"}
	}
	fmt.Fprint(s.out, rows)
	return nil
}
