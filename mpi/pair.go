package mpi

import (
	"context"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A Pair is what speaks for and against two records being one person.
type Pair struct {
	// A < B.
	A, B     hie.SourcePatientID
	Grade    Grade
	Bits     Bits
	Evidence []Evidence
	// Vetoes name what forbids linking, sorted; nil for none. Verdict is a steward's standing one, or Clear.
	Vetoes  []string
	Verdict Verdict
}

// maxPairsShown bounds the records a steward compares at once.
const maxPairsShown = 6

// Pairs compares every two of two to six records as they are now, an update in dispute included, ordered by A and B.
// hie.ErrNotFound means that one of them does not exist.
//
// Source: spec ux W2: 2 to 6 records side by side, the weight of each field.
func (x *Index) Pairs(ctx context.Context, records []hie.SourcePatientID) ([]Pair, error) {
	records = sortedRecords(records)
	if len(records) < 2 || len(records) > maxPairsShown {
		return nil, fmt.Errorf("mpi: pairs: %w", hie.Invalid("records", "must name two to six records"))
	}
	rows, err := x.store.Patients(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("mpi: pairs: %w", err)
	}
	if len(rows) < len(records) {
		return nil, fmt.Errorf("mpi: pairs: %w", hie.ErrNotFound)
	}
	verdicts, err := x.store.Constraints(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("mpi: pairs: %w", err)
	}
	features := make([]Features, len(rows))
	for i, row := range rows {
		r := Registration{Local: row.Local, Demographics: row.Demographics}
		features[i] = Extract(row.Site, r.withLocal())
	}
	var out []Pair
	for i := range rows {
		for j := i + 1; j < len(rows); j++ {
			c := Compare(&features[i], &features[j])
			set := x.model.scorePair(&c)
			set.vetoes = vetoesOf(&c, &features[i], &features[j])
			p := Pair{A: rows[i].Record, B: rows[j].Record, Grade: x.model.grade(&set), Bits: set.Bits, Evidence: x.model.evidence(&set), Vetoes: set.vetoes.names()}
			if k := slices.IndexFunc(verdicts, func(v Constraint) bool { return v.A == p.A && v.B == p.B }); k >= 0 {
				p.Verdict = verdicts[k].Verdict
			}
			out = append(out, p)
		}
	}
	return out, nil
}
