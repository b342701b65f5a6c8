package sheet

import (
	"encoding/csv"
	"strings"
	"testing"
)

func TestNoCellIsAFormula(t *testing.T) {
	for _, row := range []struct{ name, cell, want string }{
		{"plain text stays", "Dr. Ávery O'Neil, MD", "Dr. Ávery O'Neil, MD"},
		{"a formula is text", "=1+1", "'=1+1"},
		{"and so is one behind a plus", "+SUM(A1)", "'+SUM(A1)"},
		{"a minus", "-2", "'-2"},
		{"an at sign", "@cmd", "'@cmd"},
		{"a pipe", "|calc", "'|calc"},
		{"spaces do not hide one", "  =1", "'  =1"},
		{"nor does a tab", "\t=1", "' =1"},
		{"a line break is a space", "a\r\nb", "a  b"},
		{"bytes that are no text are marked", "a\xffb", "a\uFFFDb"},
		{"nothing stays nothing", "", ""},
	} {
		if got := Cell(row.cell); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func FuzzRow(f *testing.F) {
	f.Add("=1", "a,b", "\"")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var out strings.Builder
		w := NewWriter(&out)
		w.Row(a, b, c)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if strings.Count(out.String(), "\n") != 1 {
			t.Fatalf("a row of %d lines", strings.Count(out.String(), "\n"))
		}
		rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil || len(rows) != 1 && a+b+c != "" {
			t.Fatalf("not one row: %v", err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@|%\t\r", rune(cell[0])) {
					t.Fatalf("the cell %q is a formula", cell)
				}
			}
		}
	})
}
