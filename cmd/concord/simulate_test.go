package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSimulateWritesWhatItSaysAndRefusesWhatItCannotDo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "town")
	command := func(args ...string) (int, string, string) {
		var out, errOut bytes.Buffer
		status := run(t.Context(), append([]string{"simulate"}, args...), &out, &errOut)
		return status, out.String(), errOut.String()
	}
	if status, out, errOut := command("--people", "300", "--out", dir, "--dry-run"); status != 0 || !strings.Contains(out, "300 people") {
		t.Fatalf("dry run: status %d, %s%s", status, out, errOut)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Fatal("a dry run made the directory")
	}
	if status, out, errOut := command("--people", "300", "--out", dir, "--formats", "csv,fhir,adt"); status != 0 || !strings.Contains(out, "patients.ndjson") {
		t.Fatalf("status %d, %s%s", status, out, errOut)
	}
	for _, refused := range [][]string{
		{"--people", "300", "--out", dir},
		{"--people", "300"},
		{"--people", "0", "--out", dir + "2"},
		{"--sites", "3", "--out", dir + "2"},
		{"--formats", "xml", "--out", dir + "2"},
		{"--names", t.TempDir(), "--out", dir + "2"},
	} {
		if status, _, errOut := command(refused...); status == 0 || errOut == "" {
			t.Errorf("%v: status %d, said %q; want a refusal that says why", refused, status, errOut)
		}
	}
	if _, err := os.Stat(dir + "2"); !os.IsNotExist(err) {
		t.Error("a refused simulation made its directory")
	}
}
