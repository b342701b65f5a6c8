package mpi_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
)

// What the glances of a batch rule out of the published sets, the comparison rules out too, under the model learnt from each.
func TestAGlanceMissesNothingInThePublishedSets(t *testing.T) {
	sets, err := filepath.Glob("../../shared/data/linkage/*.csv")
	if err != nil || len(sets) == 0 {
		t.Skip("the linkage sets are not here (../shared/data/linkage beside the repository)")
	}
	for _, name := range sets {
		if filepath.Base(name) == "miis_children_pairs.csv" {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			var l mpi.Linkage
			var features []mpi.Features
			if err := mpicsv.Read(f, nil, func(r mpicsv.Record) error {
				l.Add(r.Source, r.Demographics)
				features = append(features, mpi.Extract(r.Source, r.Demographics))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			got, err := l.Run(t.Context(), mpi.LinkageOptions{})
			if err != nil {
				t.Fatal(err)
			}
			misses, last, missed := mpi.Missed(got.Model), map[int32]int{}, 0
			look := func(i, j int) {
				if misses(&features[i], &features[j]) {
					missed++
				}
			}
			for i := range features {
				for step := 1; step < min(i, 12); step++ {
					look(i, i-step)
				}
				if j, ok := last[got.Cluster[i]]; ok {
					look(i, j)
				}
				last[got.Cluster[i]] = i
			}
			if missed > 0 {
				t.Errorf("%d pairs are better than the glances show", missed)
			}
		})
	}
}
