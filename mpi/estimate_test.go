package mpi

import "testing"

// All but the given name of twins agrees as it does in records of one person: a model that took them for one would hold given names to differ as often as
// there are twins.
func TestTwinsDoNotTeachThatGivenNamesDiffer(t *testing.T) {
	m := handSet()
	m.Prior, m.Kin = 11, [kinds]Bits{-12, -16}
	m.finish()
	pair := func(given level) observation {
		o := observation{}
		for f := range numFields {
			o.rarity[f] = 1
		}
		o.levels[fieldGiven], o.levels[fieldFamily], o.levels[fieldBirth], o.levels[fieldAddress] = given, familyExact, birthExact, addressExact
		return o
	}
	const one, two = 960, 40
	var pairs []observation
	for range one {
		pairs = append(pairs, pair(givenExact))
	}
	for range two {
		pairs = append(pairs, pair(givenDifferent))
	}
	rest := pair(missing)
	same, kin := m.odds(&rest, 1.0/2048)
	share := kin[twins] / (same + kin.odds())
	if share < .01 || share > .05 {
		t.Fatalf("of pairs that agree in all else %.3f are twins, which is not the case meant", share)
	}
	var e expected
	m.expect(&e, pairs)
	m.purge(&e)
	if got, most := e.same[fieldGiven][givenDifferent], two-.8*share*(one+two); got > most {
		t.Errorf("%.1f pairs of one person with given names that differ, want at most %.1f of %d", got, most, two)
	}
	if got := e.same[fieldGiven][givenExact]; got < .99*one {
		t.Errorf("%.1f pairs with equal given names are left of %d", got, one)
	}
	everyone := make([]observation, 0, one)
	for range one {
		everyone = append(everyone, pair(givenDifferent))
	}
	e = expected{}
	if m.expect(&e, everyone[:1]); e.same[fieldGiven][givenDifferent] > 1 {
		t.Error("one pair counts more than once")
	}
	e.alien[fieldGiven][twins] = 5
	if m.purge(&e); e.same[fieldGiven][givenDifferent] != 0 {
		t.Error("more is taken away than there is")
	}
}
