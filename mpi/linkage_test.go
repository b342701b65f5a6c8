package mpi

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
)

// linkageDir returns where the linkage sets with known truth lie: shared/data/linkage beside the repository.
func linkageDir(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for ; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("no go.mod above the package")
		}
	}
	dir := filepath.Join(root, "..", "shared", "data", "linkage")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the linkage sets are not here (../shared/data/linkage beside the repository)")
	}
	return dir
}

type labelled struct {
	d     Demographics
	truth string
}

// readSet reads one set; the truth column is kept apart.
func readSet(t *testing.T, path string) []labelled {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	var out []labelled
	for _, row := range rows[1:] {
		at := func(name string) string { return row[column[name]] }
		d := Demographics{Names: []Name{{Given: strings.Fields(at("given") + " " + at("middle")), Family: at("family")}}, Sex: Sex(at("sex"))}
		if b := strings.Split(at("birth_date"), "-"); len(b) == 3 {
			d.Birth = day(atoi(b[0]), atoi(b[1]), atoi(b[2]))
		}
		if at("ssn") != "" {
			d.Identifiers = []Identifier{{Identifier: hie.Identifier{System: "urn:set:number", Value: at("ssn")}}}
		}
		if at("email") != "" {
			d.Telecoms = append(d.Telecoms, Telecom{System: "email", Value: at("email")})
		}
		if at("street")+at("city")+at("postal_code") != "" {
			d.Addresses = []Address{{Lines: []string{at("street")}, City: at("city"), PostalCode: at("postal_code")}}
		}
		out = append(out, labelled{d, at("person_id")})
	}
	return out
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// A sanity test: weights set by hand, pairs taken one by one, no training and no clusters. The floors are far
// below what the identity work must reach (spec mpi-model section 6); they fail when something breaks.
func TestDefaultModelOnPublishedSets(t *testing.T) {
	dir := linkageDir(t)
	for _, set := range []struct {
		name, file       string
		ids              bool
		precision, floor float64
	}{
		{"febrl1", "febrl1.csv", true, .98, .97},
		{"febrl1 without numbers", "febrl1.csv", false, .98, .90},
		{"fake_1000", "fake_1000.csv", true, .97, .55},
		{"fake_1000 without mail", "fake_1000.csv", false, .97, .42},
	} {
		rows := readSet(t, filepath.Join(dir, set.file))
		w := DefaultModel()
		prior := Bits(math.Log2(float64(len(rows))))
		features := make([]Features, len(rows))
		byKey := map[int64][]int{}
		for i, r := range rows {
			if !set.ids {
				r.d.Identifiers, r.d.Telecoms = nil, nil
			}
			features[i] = Extract("", r.d)
			for _, k := range Keys(r.d) {
				byKey[k.Hash] = append(byKey[k.Hash], i)
			}
		}
		pairs := map[[2]int]bool{}
		for _, block := range byKey {
			for i := range block {
				for _, j := range block[:i] {
					pairs[[2]int{min(block[i], j), max(block[i], j)}] = true
				}
			}
		}
		var right, wrong, all, found int
		for p := range pairs {
			same := rows[p[0]].truth == rows[p[1]].truth
			if same {
				found++
			}
			c := Compare(&features[p[0]], &features[p[1]])
			if w.Score(&c) < prior {
				continue
			}
			if same {
				right++
			} else {
				wrong++
			}
		}
		for i := range rows {
			for j := range i {
				if rows[i].truth == rows[j].truth {
					all++
				}
			}
		}
		precision, recall := float64(right)/float64(right+wrong), float64(right)/float64(all)
		f1 := 2 * precision * recall / (precision + recall)
		t.Logf("%s: P %.4f R %.4f F1 %.4f; keys find %.4f of the true pairs among %d", set.name, precision, recall, f1, float64(found)/float64(all), len(pairs))
		if precision < set.precision || f1 < set.floor {
			t.Errorf("%s: P %.4f, F1 %.4f; want at least %.2f and %.2f", set.name, precision, f1, set.precision, set.floor)
		}
	}
}
