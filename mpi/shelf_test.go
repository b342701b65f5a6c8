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

// A packed key keeps its kind and its record, and keys of one hash stay equal and others apart.
func TestPackedKeysKeepKindAndRecordAndTellHashesApart(t *testing.T) {
	keys := []Key{newKey(KeySSN, "219099990"), newKey(KeySSN, "219099991"), newKey(KeyStem, "ab", "cd"), newKey(KeySSN, "219099990")}
	var packed packedKeys
	parts := make([]int, len(keys))
	for i, k := range keys {
		part, v := packKey(k, chunkSize-1-i)
		parts[i], packed = part, packed.add(v)
	}
	if packed.len() != len(keys) {
		t.Fatalf("%d keys, want %d", packed.len(), len(keys))
	}
	for i, k := range keys {
		hash, kind, record := packed.at(i)
		if KeyKind(kind) != k.Kind || record != chunkSize-1-i {
			t.Errorf("key %d is of kind %d and record %d", i, kind, record)
		}
		for j := range i {
			other, otherKind, _ := packed.at(j)
			if (parts[i] == parts[j] && hash == other && kind == otherKind) != (k == keys[j]) {
				t.Errorf("keys %d and %d are alike, or not, and should be otherwise", i, j)
			}
		}
	}
}
