package sim

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func written(t *testing.T, seed uint64, people int) (string, Summary) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	sum, err := Write(t.Context(), Order{Seed: seed, People: people, Sites: 12, Names: DefaultNames(seed), Rates: DefaultRates(), Formats: Formats, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return dir, sum
}

func rows(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[1:]
}

func TestASeedAlwaysGivesTheSameFiles(t *testing.T) {
	a, _ := written(t, 5, 300)
	b, _ := written(t, 5, 300)
	other, _ := written(t, 6, 300)
	files, err := os.ReadDir(a)
	if err != nil || len(files) != 9 {
		t.Fatalf("files = %v, %v, want nine", files, err)
	}
	for _, f := range files {
		x, _ := os.ReadFile(filepath.Join(a, f.Name()))
		y, _ := os.ReadFile(filepath.Join(b, f.Name()))
		z, _ := os.ReadFile(filepath.Join(other, f.Name()))
		if len(x) == 0 || !bytes.Equal(x, y) {
			t.Errorf("%s differs between two runs of one seed", f.Name())
		}
		if bytes.Equal(x, z) {
			t.Errorf("%s is the same for another seed", f.Name())
		}
	}
}

func TestTheFilesAgreeWithEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("reads the files of 3,000 people")
	}
	dir, sum := written(t, 9, 3000)
	person, seen := map[string]string{}, map[string]bool{}
	for _, r := range rows(t, filepath.Join(dir, "records.csv")) {
		if person[r[0]] != "" {
			t.Fatalf("record id %s twice", r[0])
		}
		person[r[0]] = r[1]
		if mrn := r[2] + "|" + r[16]; seen[mrn] {
			t.Fatalf("%s twice", mrn)
		} else {
			seen[mrn] = true
		}
	}
	if len(person) != sum.Records || sum.Rows["patients.ndjson"] != sum.Records {
		t.Fatalf("%d records in the file, %d made, %d patients", len(person), sum.Records, sum.Rows["patients.ndjson"])
	}
	bands := map[string]int{}
	for _, r := range rows(t, filepath.Join(dir, "truth.csv")) {
		if person[r[0]] != r[1] {
			t.Fatalf("truth.csv names %s for record %s, records.csv %s", r[1], r[0], person[r[0]])
		}
		if overlaid := r[4] != ""; overlaid != (r[9] == "") {
			t.Fatalf("record %s: age band %q", r[0], r[9])
		}
		bands[r[9]]++
	}
	if len(bands) != 6 {
		t.Errorf("age bands %v, want five and none of the overlaid", bands)
	}
	kinds := map[string]int{}
	for _, r := range rows(t, filepath.Join(dir, "hard_pairs.csv")) {
		if person[r[0]] == "" || person[r[1]] == "" {
			t.Fatal("a pair names a record that is not there")
		}
		if person[r[0]] == person[r[1]] {
			t.Fatalf("a pair of kind %s is one person", r[3])
		}
		kinds[r[3]]++
	}
	for _, kind := range []string{"twin", "jr-sr", "mother-newborn", "sisters-in-law", "namesake", "identity-loan", "reissued-phone", "institution", "overlay"} {
		if kinds[kind] == 0 {
			t.Errorf("no pairs of kind %s among %v", kind, kinds)
		}
	}
	messages, _ := os.ReadFile(filepath.Join(dir, "messages.hl7"))
	last := ""
	for line := range strings.Lines(string(messages)) {
		when := strings.Split(line, "|")[6]
		if when < last {
			t.Fatal("the messages are not in order of time")
		}
		last = when
	}
	if events := rows(t, filepath.Join(dir, "events.csv")); len(events) != sum.Rows["messages.hl7"] {
		t.Errorf("%d events are told of %d messages", len(events), sum.Rows["messages.hl7"])
	}
	for _, name := range []string{"patients.ndjson", "documents.ndjson", "consents.ndjson"} {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		for line := range strings.Lines(string(text)) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("%s has a line that is not JSON", name)
			}
		}
	}
}

func TestASimulationIsNotWrittenOverAnotherAndLeavesNothingHalf(t *testing.T) {
	dir, _ := written(t, 1, 200)
	before, _ := os.ReadFile(filepath.Join(dir, "records.csv"))
	_, err := Write(t.Context(), Order{Seed: 2, People: 200, Sites: 12, Names: DefaultNames(2), Rates: DefaultRates(), Formats: Formats, Dir: dir})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second simulation in the directory: %v, want fs.ErrExist", err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "records.csv")); !bytes.Equal(before, after) {
		t.Error("the refused simulation changed a file")
	}
	ctx, cancel := context.WithCancel(t.Context())
	half := filepath.Join(t.TempDir(), "half")
	_, err = Write(ctx, Order{Seed: 2, People: 5000, Sites: 12, Names: DefaultNames(2), Rates: DefaultRates(), Formats: Formats, Dir: half,
		Progress: func(int) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a stopped simulation: %v, want context.Canceled", err)
	}
	if left, _ := os.ReadDir(half); len(left) > 0 {
		t.Errorf("a stopped simulation left %v", left)
	}
}

func TestNoTwoPeopleHaveOneNumber(t *testing.T) {
	town := NewTown(3, Sites(5), DefaultNames(3))
	ssns, phones := map[string]bool{}, map[string]bool{}
	for range 300_000 {
		ssns[town.ssn()], phones[town.phone()] = true, true
	}
	if len(ssns) != 300_000 || len(phones) < 299_000 {
		t.Errorf("300000 people got %d SSNs and %d telephone numbers", len(ssns), len(phones))
	}
}

func TestNameTablesAreReadOrRefusedByLine(t *testing.T) {
	tables(t) // as they are at hand
	if _, err := LoadNames(os.DirFS(t.TempDir())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v, want fs.ErrNotExist", err)
	}
	dir := t.TempDir()
	bad := "surname,count,p_white,p_black,p_hispanic,p_asian_pi,p_amer_indian\nSmith,many,1,0,0,0,0\n"
	if err := os.WriteFile(filepath.Join(dir, "us_surnames_2010.csv"), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadNames(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a count that is no number: %v, want the line", err)
	}
}
