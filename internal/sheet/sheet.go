// Package sheet writes tables that people open in a spreadsheet: comma-separated values in which no cell is a formula.
//
// Source: RFC 4180; OWASP, CSV Injection.
package sheet

import (
	"encoding/csv"
	"io"
	"strings"
	"unicode"
)

// A Writer writes rows. Errors of the writer beneath show when Flush is called.
type Writer struct{ csv *csv.Writer }

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{csv: csv.NewWriter(w)} }

// Row writes one row. A cell that a spreadsheet would take for a formula begins with an apostrophe; control characters are
// written as spaces.
func (w *Writer) Row(cells ...string) {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = Cell(c)
	}
	_ = w.csv.Write(out) // kept until Flush
}

// Flush writes what is left and returns the first error there was.
func (w *Writer) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}

// Cell returns s as a cell that is text and nothing else.
func Cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if t := strings.TrimLeft(s, " "); t != "" && strings.ContainsRune("=+-@|%", rune(t[0])) {
		return "'" + s
	}
	return s
}
