package mpi

import "testing"

// A word that stands for the given name in one pair and, given and family name crossed, for the family name in another is one agreement.
func TestAWordInBothNamesCountsOnce(t *testing.T) {
	m := DefaultModel()
	named := func(given, family string) []Features {
		straight, crossed := person{given: given, family: family}, person{given: family, family: given}
		return []Features{straight.features(), crossed.features()}
	}
	score := func(a, b []Features) Set {
		var halves [2]profile
		for i := range a {
			for j := range b {
				c := Compare(&a[i], &b[j])
				halves[i].add(m, &c, 0)
			}
		}
		halves[0].join(&halves[1])
		return halves[0].score(m)
	}
	one, other := named("Alfie", "Kettlewell"), named("Alfie", "Dobrzynski")
	if s := score(one, other); s.fields[fieldGiven] <= 0 || s.fields[fieldFamily] != 0 {
		t.Errorf("of different family names the given name alone speaks: given %+.1f bits, family %+.1f", s.fields[fieldGiven], s.fields[fieldFamily])
	}
	if s := score(one, one); s.fields[fieldGiven] <= 0 || s.fields[fieldFamily] <= 0 {
		t.Errorf("of equal names both speak: given %+.1f bits, family %+.1f", s.fields[fieldGiven], s.fields[fieldFamily])
	}
	if a, b := score(one, other), score(other, one); a.Bits != b.Bits {
		t.Errorf("swapped, %.3f and %.3f bits", a.Bits, b.Bits)
	}
}
