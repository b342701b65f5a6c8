package mpi

import (
	"strconv"
	"testing"
)

// Keys are stored as hashes: another way of making one must make the same.
func TestAKeyIsTheHashOfItsLetterAndParts(t *testing.T) {
	for k := KeyKind(1); k.String() != ""; k++ {
		for _, parts := range [][]string{nil, {""}, {"x"}, {"1961-4-7", "KNL"}, {"a", "", "b"}, {strconv.Itoa(int(k)), "é", "st"}} {
			if got, want := newKey(k, parts...), int64(hash64(append([]string{string(rune('@' + k))}, parts...)...)); got.Hash != want || got.Kind != k {
				t.Errorf("%s of %d parts: %x, want %x", k, len(parts), got.Hash, want)
			}
		}
	}
	// as rows of the index have it since the first version
	if got := newKey(KeySSN, "219447781").Hash; got != -1146612366452772280 {
		t.Errorf("the key of a number is %d, and was another", got)
	}
}
