package mpi

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// A notebook is a checkpoint in memory.
type notebook struct {
	pieces [][]byte
	read   int
}

func (n *notebook) Next() ([]byte, error) {
	if n.read == len(n.pieces) {
		return nil, nil
	}
	n.read++
	return n.pieces[n.read-1], nil
}

func (n *notebook) Keep(piece []byte) error {
	n.pieces = append(n.pieces, slices.Clone(piece))
	return nil
}

// batchOf is a batch of n records, many of them of one person with another.
func batchOf(n int) *Linkage {
	var l Linkage
	for i := range n {
		p := person{given: []string{"Ottoline", "Casimir", "Perpetua", "Xochitl"}[i/2%4], family: fmt.Sprint("Fairweather", i/2%97), birth: day(1930+i/2%80, 1+i/2%12, 1+i/2%28),
			sex: Female, street: fmt.Sprint(1+i/2%50, " Harbor Road")}
		if i%4 == 1 {
			p.given, p.street = p.given[1:], ""
		}
		l.Add("", p.demographics())
	}
	return &l
}

func TestABatchThatWasEndedAnywhereGoesOnToTheSameResult(t *testing.T) {
	const n = nodesAtOnce + 60
	for name, model := range map[string]*Model{"estimated": nil, "given": DefaultModel()} {
		t.Run(name, func(t *testing.T) {
			var book notebook
			want, err := batchOf(n).Run(t.Context(), LinkageOptions{Model: model, Checkpoint: &book})
			if err != nil {
				t.Fatal(err)
			}
			if len(book.pieces) < 3 {
				t.Fatalf("%d pieces were kept", len(book.pieces))
			}
			for kept := range book.pieces {
				if testing.Short() && kept%4 != 1 {
					continue
				}
				again := notebook{pieces: slices.Clone(book.pieces[:kept])}
				got, err := batchOf(n).Run(t.Context(), LinkageOptions{Model: model, Checkpoint: &again})
				if err != nil {
					t.Fatalf("behind piece %d: %v", kept, err)
				}
				if !slices.Equal(got.Cluster, want.Cluster) || got.Pairs != want.Pairs || fmt.Sprint(got.Joined, got.Apart) != fmt.Sprint(want.Joined, want.Apart) ||
					got.Model.Prior != want.Model.Prior || got.Model.m != want.Model.m || got.Model.u != want.Model.u {
					t.Errorf("behind piece %d: another result", kept)
				}
				if len(again.pieces) != len(book.pieces) || !slices.EqualFunc(again.pieces, book.pieces, slices.Equal[[]byte]) {
					t.Errorf("behind piece %d: other pieces are kept", kept)
				}
			}
		})
	}
}

func TestWhatIsNoCheckpointOfTheseRecordsIsRefused(t *testing.T) {
	var book notebook
	if _, err := batchOf(300).Run(t.Context(), LinkageOptions{Checkpoint: &book}); err != nil {
		t.Fatal(err)
	}
	whole := book.pieces
	for _, row := range []struct {
		name   string
		pieces [][]byte
	}{
		{"a piece is cut short", [][]byte{whole[0][:len(whole[0])-1]}},
		{"a piece is too long", [][]byte{append(slices.Clone(whole[0]), 0)}},
		{"the first is missing", whole[1:]},
		{"one stands twice", [][]byte{whole[0], whole[0]}},
		{"of an unknown kind", [][]byte{{'?'}}},
		{"of more records", whole},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := 300
			if row.name == "of more records" {
				n = 100
			}
			if got, err := batchOf(n).Run(t.Context(), LinkageOptions{Checkpoint: &notebook{pieces: row.pieces}}); !errors.Is(err, errCheckpoint) || got.Cluster != nil {
				t.Errorf("%v", err)
			}
		})
	}
}
