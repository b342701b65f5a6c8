package mpicsv_test

import (
	"path/filepath"
	"testing"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
)

// Pairs of children's records graded by people: whoever joins two of them against that grading endangers a child.
//
// Source: issue 3, "Accuracy", MIIS; data/linkage/README.md.
func TestChildrenThatPeopleToldApartAreNotMatched(t *testing.T) {
	if testing.Short() {
		t.Skip("links some thousand children")
	}
	dir := linkageDir(t)
	var l mpi.Linkage
	nodes := map[string]mpi.Features{}
	read(t, filepath.Join(dir, "miis_children_records.csv"), func(r mpicsv.Record) {
		l.Add(r.Source, r.Demographics)
		nodes[r.ID] = mpi.Extract(r.Source, r.Demographics)
	}, nil)
	f, err := mpicsv.Open(filepath.Join(dir, "miis_children_pairs.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	pairs, err := mpicsv.ReadPairs(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Run(t.Context(), mpi.LinkageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := got.Model
	count := map[string]map[string]int{"match": {}, "possible": {}, "no_match": {}}
	for _, p := range pairs {
		a, b := nodes[p.A], nodes[p.B]
		grade := "possible"
		switch j := m.Judge(&a, &b); {
		case j.Match:
			grade = "match"
		case j.NoMatch:
			grade = "no_match"
		}
		count[p.Expected][grade]++
	}
	t.Logf("%v", count)
	if n := count["no_match"]["match"]; n > 6 {
		t.Errorf("%d of 407 pairs of two children are matched", n)
	}
	if n := count["match"]["no_match"]; n > 0 {
		t.Errorf("%d pairs of one child are told apart", n)
	}
	if n := count["match"]["match"]; n < 258 {
		t.Errorf("%d of 266 pairs of one child are matched; want 97 %%", n)
	}
	if n := count["possible"]["match"]; n > 60 {
		t.Errorf("%d of 196 pairs that people were not sure of are matched", n)
	}
}
