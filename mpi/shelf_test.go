package mpi

import (
	"bytes"
	"testing"
)

// What is taken from a shelf is what was put there, whatever stands before and behind it.
func TestAShelfGivesBackWhatWasPutThere(t *testing.T) {
	people := []person{
		{},
		{given: "Ottoline Peg", family: "Fairweather-Dobrzynski", suffix: "Jr", birth: day(1950, 2, 3), sex: Female, ssn: "219-09-9990",
			street: "12 Harbor Road", phone: "410-366-0001", mail: "ottoline@example.org"},
		{given: "Li", family: "Wang", ssn: "9990"},
	}
	var parts [2]shelf
	var want []Features
	for i, p := range people {
		f := Extract("one", p.demographics())
		want = append(want, f)
		parts[i/2].put(&f)
	}
	parts[0].add(&parts[1])
	for i := range want {
		got := Extract("two", people[1].demographics())
		if parts[0].take(int32(i), &got); got != want[i] {
			t.Errorf("record %d comes back changed", i)
		}
		if !bytes.Equal(parts[0].compact(int32(i)), want[i].AppendTo(nil)) {
			t.Errorf("record %d has another compact form", i)
		}
	}
}

// A packed key keeps its kind, and keys of one hash stay equal and others apart.
func TestPackedKeysKeepTheirKindAndTellHashesApart(t *testing.T) {
	keys := []Key{newKey(KeySSN, "219099990"), newKey(KeySSN, "219099991"), newKey(KeyStem, "ab", "cd"), newKey(KeySSN, "219099990")}
	var packed packedKeys
	for _, k := range keys {
		packed = packed.add(k)
	}
	if packed.len() != len(keys) {
		t.Fatalf("%d keys, want %d", packed.len(), len(keys))
	}
	for i, k := range keys {
		if got := KeyKind(packed.at(uint32(i)) & (1<<kindBits - 1)); got != k.Kind {
			t.Errorf("key %d is of kind %v, want %v", i, got, k.Kind)
		}
		for j := range i {
			if (packed.at(uint32(i)) == packed.at(uint32(j))) != (k == keys[j]) {
				t.Errorf("keys %d and %d are alike, or not, and should be otherwise", i, j)
			}
		}
	}
}
