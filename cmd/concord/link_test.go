package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpijson"
)

const linkHeader = "record_id,person_id,source,given,middle,family,suffix,birth_date,sex,ssn,phone,email,street,city,state,postal_code,mrn,extra\n"

// linkRows are four persons, two of them twice, one with a typo.
const linkRows = `a1,p1,x,Ottoline,,Fairweather,,1964-06-20,f,219-42-0938,410-366-0912,,12 Harbor Road,Laurel,MD,20707,,
a2,p1,y,Otoline,,Fairweather,,1964-06-20,F,219-42-0938,,,12 Harbor Rd,Laurel,MD,20707,,
b1,p2,x,Casimir,,Dobrzynski,,1966-01-02,m,418-77-2051,,,9 Mill Lane,Salem,OR,97301,,
b2,p2,y,Casimir,,Dobrzynski,,02/01/1966,M,418-77-2051,,,9 Mill Ln,Salem,OR,97301,,
c1,p3,x,Perpetua,,Vanterpool,,1999-12-31,f,,,,4 Quarry Row,Erie,PA,16501,,
d1,,y,Xochitl,,Quintanilla,,1981-03-14,f,,,,418 Alder Street,Baltimore,MD,21218,,
`

// concordIn runs a command of this program and returns its status and what it wrote.
func concordIn(t *testing.T, args ...string) (status int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(context.Background(), args, &o, &e)
	return status, o.String(), e.String()
}

func inFile(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileIsLinkedEvaluatedAndExplained(t *testing.T) {
	oneAfterAnother(t)
	file := inFile(t, "in.csv", linkHeader+linkRows)
	clusters, review, model := filepath.Join(filepath.Dir(file), "c.csv"), filepath.Join(filepath.Dir(file), "r.csv"), filepath.Join(filepath.Dir(file), "m.json")
	status, out, errOut := concordIn(t, "link", file, "--out", clusters, "--review", review, "--save-model", model)
	if status != 0 || !strings.Contains(out, "persons            4\n") {
		t.Fatalf("status %d\n%s%s", status, out, errOut)
	}
	got, err := os.ReadFile(clusters)
	if err != nil || string(got) != "record_id,cluster_id\na1,p0\na2,p0\nb1,p1\nb2,p1\nc1,p2\nd1,p3\n" {
		t.Errorf("clusters %s, %v", got, err)
	}
	status, out, _ = concordIn(t, "link", "evaluate", file, "--clusters", clusters, "--output", "json")
	var e struct {
		Rows []struct{ F1 float64 }
	}
	if err := json.Unmarshal([]byte(out), &e); status != 0 || err != nil || e.Rows[0].F1 != 1 {
		t.Errorf("evaluate: status %d, %v: %s", status, err, out)
	}
	if status, out, _ = concordIn(t, "link", "explain", file, "a1", "a2"); status != 0 || !strings.Contains(out, "spelled otherwise") || !strings.Contains(out, "prior") {
		t.Errorf("explain: status %d: %s", status, out)
	}
	if status, out, errOut = concordIn(t, "model", "show", model); status != 0 || !strings.Contains(out, "wrong a million") {
		t.Errorf("model show: status %d: %s%s", status, out, errOut)
	}
	if status, out, errOut = concordIn(t, "model", "compare", model, model, file); status != 0 || !strings.Contains(out, "0 pairs change") {
		t.Errorf("model compare: status %d: %s%s", status, out, errOut)
	}
	status, out, errOut = concordIn(t, "link", "keys", file, "--output", "json")
	var earned struct {
		True, Found int
		Kinds       []struct {
			Kind string
			Live bool
			Same int
		}
	}
	if err := json.Unmarshal([]byte(out), &earned); status != 0 || err != nil || earned.True != 2 || earned.Found != 2 || len(earned.Kinds) == 0 {
		t.Errorf("keys: status %d, %v: %s%s", status, err, out, errOut)
	}
	if status, out, _ = concordIn(t, "link", "keys", file, "--without", "birth_date"); status != 0 || strings.Contains(out, "birth-date") || !strings.Contains(out, "2 pairs of one person") {
		t.Errorf("keys without birth dates: status %d: %s", status, out)
	}
	pairs := inFile(t, "p.csv", "record_id_1,record_id_2\na1,a2\na1,c1\n")
	scored := filepath.Join(filepath.Dir(file), "s.csv")
	if status, _, errOut = concordIn(t, "link", "pairs", file, pairs, "--out", scored); status != 0 {
		t.Fatalf("pairs: %s", errOut)
	}
	if got, _ := os.ReadFile(scored); !strings.Contains(string(got), "a1,a2,match,") || !strings.Contains(string(got), "a1,c1,no_match,") {
		t.Errorf("scored: %s", got)
	}
}

// Every link that another model would change is listed, and no other, with what moved it.
func TestModelCompareListsEveryLinkThatChanges(t *testing.T) {
	oneAfterAnother(t)
	const more = `e1,p5,x,Leopold,,Quintanilla,,1971-05-09,m,,,,,Salem,OR,97301,,
e2,p5,y,Leopold,,Quintanilla,,1971-05-09,m,,,,,Erie,PA,16501,,
e3,p5,z,Leopold,,Quintanilla,,1971-05-09,m,,,,,Laurel,MD,20707,,
`
	file := inFile(t, "in.csv", linkHeader+linkRows+more)
	model := func(name string, m *mpi.Model) string {
		body, err := mpijson.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		return inFile(t, name, string(body))
	}
	few, many := model("few.json", mpi.DefaultModel().ForRecords(100)), model("many.json", mpi.DefaultModel().ForRecords(1<<30))
	for _, bar := range [][]string{nil, {"--automatic"}} {
		var together [2]map[string]bool
		for i, m := range []string{few, many} {
			clusters := filepath.Join(t.TempDir(), "c.csv")
			if status, _, errOut := concordIn(t, append([]string{"link", file, "--model", m, "--out", clusters}, bar...)...); status != 0 {
				t.Fatal(errOut)
			}
			together[i] = pairsTogether(t, clusters)
		}
		status, out, errOut := concordIn(t, append([]string{"model", "compare", few, many, file, "--output", "json"}, bar...)...)
		var changes []modelChange
		if err := json.Unmarshal([]byte(out), &changes); status != 0 || err != nil {
			t.Fatalf("%v %s%s", err, out, errOut)
		}
		listed := map[string]string{}
		for _, c := range changes {
			listed[c.A+" "+c.B] = c.Change
			if c.Change == "parted" && c.After >= c.Before || !strings.HasPrefix(c.Because, "prior, ") {
				t.Errorf("%v: %s %s from %.1f to %.1f bits because of %q; only the prior differs", bar, c.Change, c.A, c.Before, c.After, c.Because)
			}
		}
		for p := range together[0] {
			if !together[1][p] && listed[p] != "parted" {
				t.Errorf("%v: %s is parted and not listed", bar, p)
			}
		}
		for p, change := range listed {
			if change != "parted" || !together[0][p] || together[1][p] {
				t.Errorf("%v: %s is listed as %s, together before %v and after %v", bar, p, change, together[0][p], together[1][p])
			}
		}
		if bar == nil && len(listed) != 3 {
			t.Errorf("%d pairs change, want the three that have no more than names and birth date", len(listed))
		}
	}
}

// pairsTogether returns the pairs of records in one cluster, as "a b".
func pairsTogether(t *testing.T, clusters string) map[string]bool {
	t.Helper()
	body, err := os.ReadFile(clusters)
	if err != nil {
		t.Fatal(err)
	}
	out, of := map[string]bool{}, map[string][]string{}
	for line := range strings.Lines(string(body)) {
		id, cluster, _ := strings.Cut(strings.TrimSpace(line), ",")
		for _, other := range of[cluster] {
			out[other+" "+id] = true
		}
		of[cluster] = append(of[cluster], id)
	}
	return out
}

// What a threshold means is measured against the truth, and can be kept in a model file.
func TestAModelIsCalibratedByTheTruth(t *testing.T) {
	oneAfterAnother(t)
	file := inFile(t, "in.csv", linkHeader+linkRows)
	model := filepath.Join(filepath.Dir(file), "m.json")
	status, out, errOut := concordIn(t, "model", "calibrate", file, "--out", model, "--output", "json")
	if status != 0 {
		t.Fatal(errOut)
	}
	var rows []struct {
		Pairs    int
		Observed float64
		Wrong    float64 `json:"wrong_per_million_records_observed"`
	}
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) == 0 {
		t.Fatalf("%v: %s", err, out)
	}
	pairs := 0
	for _, r := range rows {
		pairs += r.Pairs
		if r.Observed != 1 || r.Wrong != 0 {
			t.Errorf("row %+v: no pair of two persons shares a key", r)
		}
	}
	if pairs != 4 {
		t.Errorf("%d records meet a person under a key, want two of each of two persons", pairs)
	}
	if status, _, errOut := concordIn(t, "model", "show", model); status != 0 {
		t.Errorf("the calibrated model is not read: %s", errOut)
	}
	nobody := inFile(t, "none.csv", linkHeader)
	if status, _, errOut := concordIn(t, "model", "calibrate", nobody); status == 0 || !strings.Contains(errOut, "nothing to calibrate by") {
		t.Errorf("status %d: %s", status, errOut)
	}
}

// What is wrong with clusters is told by kind, with ids to look at and no values.
func TestEvaluationNamesTheKindsOfError(t *testing.T) {
	file := inFile(t, "in.csv", linkHeader+linkRows)
	clusters := inFile(t, "c.csv", "record_id,cluster_id\na1,p0\na2,p0\nb1,p1\nb2,p2\nc1,p0\nd1,p3\n")
	groups := inFile(t, "g.csv", "record_id,ethnicity\na1,one\na2,one\nb1,other\nb2,other\nc1,one\n")
	hard := inFile(t, "h.csv", "record_id_1,record_id_2,expected,category\na1,c1,no_match,namesake\nb1,c1,no_match,namesake\na1,a2,match,same\n")
	status, out, errOut := concordIn(t, "link", "evaluate", file, "--clusters", clusters, "--groups", groups, "--pairs", hard, "--output", "json")
	if status != 0 {
		t.Fatal(errOut)
	}
	type row struct {
		What                 string
		Right, Wrong, Missed int
	}
	var e struct {
		Mistakes []struct {
			Error, Kind string
			Pairs       int
			Examples    [][2]string
		}
		Groups []row
		Hard   []struct {
			Category      string
			Pairs, Joined int
		} `json:"hard_pairs"`
		Merges     int     `json:"wrong_merges"`
		PerMillion float64 `json:"wrong_merges_per_million_records"`
	}
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		t.Fatal(err)
	}
	if len(e.Mistakes) != 2 || e.Mistakes[0].Error != "missed" || e.Mistakes[0].Kind != "birth date damaged" || e.Mistakes[0].Examples[0] != [2]string{"b1", "b2"} ||
		e.Mistakes[1].Error != "wrong" || e.Mistakes[1].Kind != "unlike, and joined through other records" || e.Mistakes[1].Pairs != 2 {
		t.Errorf("mistakes %+v", e.Mistakes)
	}
	if len(e.Groups) != 2 || e.Groups[0] != (row{"one", 1, 2, 0}) || e.Groups[1] != (row{"other", 0, 0, 1}) {
		t.Errorf("groups %+v", e.Groups)
	}
	if e.Merges != 1 || e.PerMillion != 200_000 { // one of the five whose person is known is with another person
		t.Errorf("%d wrong merges, %.0f in a million", e.Merges, e.PerMillion)
	}
	if len(e.Hard) != 1 || e.Hard[0].Pairs != 2 || e.Hard[0].Joined != 1 {
		t.Errorf("hard pairs %+v", e.Hard)
	}
	status, out, _ = concordIn(t, "link", "evaluate", file, "--clusters", clusters)
	if status != 0 || !strings.Contains(out, "birth date damaged") || strings.Contains(out, "Fairweather") || strings.Contains(out, "Dobrzynski") {
		t.Errorf("table: %s", out)
	}
}

func TestABadFileIsRefusedWithItsLineAndNothingIsWritten(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"empty", "", "line 1"},
		{"a column is missing", strings.Replace(linkHeader, ",given", "", 1) + "a\n", "missing column given"},
		{"a row is short", linkHeader + "a1,p1,x\n", "line 2"},
		{"an id stands twice", linkHeader + linkRows + strings.SplitAfter(linkRows, "\n")[0], "same as on line 2"},
		{"an id is empty", linkHeader + strings.Replace(linkRows, "a1", "", 1), "line 2: record_id is empty"},
		{"not closed", linkHeader + "a1,\"p1\n", "line"},
	} {
		file := inFile(t, "in.csv", test.body)
		out := filepath.Join(filepath.Dir(file), "c.csv")
		status, _, errOut := concordIn(t, "link", file, "--out", out)
		if status == 0 || !strings.Contains(errOut, test.want) {
			t.Errorf("%s: status %d, %q; want %q", test.name, status, errOut, test.want)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(left) != 1 {
			t.Errorf("%s: left behind %d files", test.name, len(left)-1)
		}
		if strings.Contains(errOut, "Fairweather") {
			t.Errorf("%s: the message quotes a value", test.name)
		}
	}
}

func TestTheTruthIsNotRead(t *testing.T) {
	with := inFile(t, "with.csv", linkHeader+linkRows)
	without := inFile(t, "without.csv", linkHeader+strings.NewReplacer(",p1,", ",p9,", ",p2,", ",p9,", ",p3,", ",p9,").Replace(linkRows))
	var got [2]string
	for i, file := range []string{with, without} {
		out := filepath.Join(filepath.Dir(file), "c.csv")
		if status, _, errOut := concordIn(t, "link", file, "--out", out); status != 0 {
			t.Fatal(errOut)
		}
		b, _ := os.ReadFile(out)
		got[i] = string(b)
	}
	if got[0] != got[1] {
		t.Error("clusters depend on person_id")
	}
}
