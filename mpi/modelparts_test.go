package mpi

import (
	"math"
	"slices"
	"testing"
)

func TestAModelFileOfBeforeGenerationsWereToldApartIsRead(t *testing.T) {
	old := DefaultModel().Parts()
	var far LevelParts
	at := slices.IndexFunc(old.Levels, func(l LevelParts) bool { return l.Field == "birth-date" && l.Level == "a generation apart" })
	far = old.Levels[at]
	old.Levels = slices.Delete(old.Levels, at, at+1)
	at = slices.IndexFunc(old.Levels, func(l LevelParts) bool { return l.Field == "birth-date" && l.Level == "different" })
	l := &old.Levels[at]
	l.Same, l.Strangers, l.Relatives, l.Twins = l.Same+far.Same, l.Strangers+far.Strangers, l.Relatives+far.Relatives, l.Twins+far.Twins
	got, err := NewModel(old)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultModel()
	for _, level := range []level{birthDifferent, birthGeneration} {
		if a, b := math.Log2(got.same[fieldBirth][level]), math.Log2(want.same[fieldBirth][level]); math.Abs(a-b) > 0.01 {
			t.Errorf("%s is worth %.2f bits, want %.2f", levelNames[fieldBirth][level], a, b)
		}
	}
}

func TestFathersAndSonsTeachNoModelThatBirthDatesDiffer(t *testing.T) {
	m := DefaultModel()
	var sums table
	var kin [kinds]table
	sums[fieldBirth][birthExact], sums[fieldBirth][birthDifferent], sums[fieldBirth][birthGeneration] = 10_000, 5, 400
	m.learn(fieldBirth, &sums, &kin)
	if far, near := m.m[fieldBirth][birthGeneration], m.m[fieldBirth][birthDifferent]; far > remote*near*1.001 {
		t.Errorf("a generation apart in %.5f of one person's pairs, otherwise different in %.5f", far, near)
	}
	sums[fieldBirth][birthDifferent] = 150 // dates put in another's place at random
	m.learn(fieldBirth, &sums, &kin)
	if far := m.m[fieldBirth][birthGeneration]; far < .03 {
		t.Errorf("dates wrong at random are not learnt: %.5f", far)
	}
}
