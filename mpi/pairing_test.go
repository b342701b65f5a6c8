package mpi

import (
	"slices"
	"testing"
)

// In a crowded batch a pair needs two wide keys or one of the live index; elsewhere any one.
func TestACrowdedBatchComparesWhatSharesMoreThanOneWideKey(t *testing.T) {
	// blocks: 0 and 1 wide, of records 0 1 and 0 1 2; 2 live, of 0 3; 3 wide, of 0 4
	p := &pairing{parts: [][]uint32{{0, 1 | lastOfBlock, 0, 1, 2 | lastOfBlock}, nil, {liveBlock, 3 | liveBlock | lastOfBlock, 0, 4 | lastOfBlock}}}
	p.turn(5)
	for _, row := range []struct {
		name string
		need uint32
		want []int32
	}{
		{"any key is enough", wideWeight, []int32{1, 2, 3, 4}},
		{"one wide key is not", 2 * wideWeight, []int32{1, 3}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.need = row.need
			got := p.after(nil, 0, make(seen, 5))
			slices.Sort(got)
			if !slices.Equal(got, row.want) {
				t.Errorf("compared with %v, want %v", got, row.want)
			}
		})
	}
}

// Twelve records that share forty blocks are sixty-six pairs, however often they meet.
func TestPairsAreCountedOnceHoweverManyKeysTheyShare(t *testing.T) {
	const records, shared = 12, 40
	p := &pairing{parts: make([][]uint32, 1), need: wideWeight}
	for range shared {
		for i := range uint32(records) {
			p.parts[0] = append(p.parts[0], i)
		}
		p.parts[0][len(p.parts[0])-1] |= lastOfBlock
	}
	p.turn(records)
	if got, want := p.pairsEach(), 66.0/records; got != want {
		t.Errorf("%v pairs a record, want %v", got, want)
	}
}
