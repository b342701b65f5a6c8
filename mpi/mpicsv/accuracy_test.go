package mpicsv_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
)

// linkageDir returns where the linkage sets with known truth lie: shared/data/linkage beside the repository.
func linkageDir(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "..", "shared", "data", "linkage")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the linkage sets are not here (../shared/data/linkage beside the repository)")
	}
	return dir
}

// link links one set by the default configuration and scores it.
func link(t *testing.T, path string, without mpicsv.Without) mpicsv.Scores {
	t.Helper()
	var l mpi.Linkage
	read(t, path, func(r mpicsv.Record) { l.Add(r.Source, r.Demographics) }, without)
	f, err := mpicsv.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	truth, err := mpicsv.ReadTruth(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Run(t.Context(), mpi.LinkageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return mpicsv.Score(truth, got.Cluster)
}

func read(t *testing.T, path string, do func(mpicsv.Record), without mpicsv.Without) {
	t.Helper()
	f, err := mpicsv.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := mpicsv.Read(f, without, func(r mpicsv.Record) error { do(r); return nil }); err != nil {
		t.Fatal(err)
	}
}

// Each set is linked with no truth seen and nothing set for it, once as it is and once without ssn, phone and email.
//
// Source: issue 3, "Accuracy".
func TestPublishedSetsAreLinkedAtLeastThisWell(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	dir := linkageDir(t)
	for _, set := range []struct {
		file                     string
		all, precision           float64
		withoutIDs, precisionToo float64
	}{
		{"febrl1.csv", .998, .998, .996, .998},
		{"febrl2.csv", .998, .998, .9955, .997},
		{"febrl3.csv", .9995, .999, .996, .999},
		{"fake_1000.csv", .982, .995, .935, .99},
		{"historical_10k.csv.gz", 0, 0, .966, .99},
		{"anonlink_dirty_1000x2.csv", .999, .999, .999, .999},
		{"jempi_reference.csv", .999, .999, .990, .998},
		{"pseudopeople_2020.csv.gz", .994, .997, .991, .994},
	} {
		for _, run := range []struct {
			name          string
			without       mpicsv.Without
			f1, precision float64
		}{
			{set.file, nil, set.all, set.precision},
			{set.file + " without ssn, phone, email", mpicsv.Without{"ssn": true, "phone": true, "email": true}, set.withoutIDs, set.precisionToo},
		} {
			if run.f1 == 0 {
				continue // it has none of them
			}
			s := link(t, filepath.Join(dir, set.file), run.without)
			t.Logf("%s: P %.4f R %.4f F1 %.4f B3 %.4f", run.name, s.Pairs.Precision(), s.Pairs.Recall(), s.Pairs.F1(), s.BCubed.F1())
			if s.Pairs.F1() < run.f1 || s.Pairs.Precision() < run.precision {
				t.Errorf("%s: F1 %.4f, precision %.4f; want at least %.4f and %.4f", run.name, s.Pairs.F1(), s.Pairs.Precision(), run.f1, run.precision)
			}
		}
	}
}
