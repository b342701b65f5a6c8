package main

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"
)

func TestNoCellOfAReportIsAFormula(t *testing.T) {
	const formula = "=HYPERLINK(\"https://evil.test\")"
	row := reportRow{Event: "+1", At: time.Now(), Kind: "disclosed", Outcome: "success", Organization: "@oak", Name: formula, Recipient: "-1", User: "=1+1", UserName: "\t" + formula,
		Purposes: []string{"TREAT"}, Site: "|x", Classes: []string{"%x"}, Why: []string{formula}}
	var out bytes.Buffer
	w := reportOutput{Output: "csv"}.writer(&out)
	if err := w.write(row); err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	guarded := 0
	for i, cell := range rows[1] {
		if strings.HasPrefix(cell, "'") {
			guarded++
		}
		if first := strings.TrimLeft(cell, " \t\r\n"); first != "" && strings.ContainsRune("=+-@|%", rune(first[0])) {
			t.Errorf("%s begins like a formula: %q", rows[0][i], cell)
		}
	}
	if guarded != 9 {
		t.Errorf("%d cells were made text, want 9: %q", guarded, rows[1])
	}
}
