package mpi

import (
	"math"
	"testing"
)

func TestProbabilitiesFollowWhatWasObserved(t *testing.T) {
	seen := []Observed{
		{From: -2, To: 0, Pairs: 999, Same: 100},
		{From: 0, To: 2, Pairs: 99, Same: 60},
		{From: 2, To: 4, Pairs: 99, Same: 50}, // fewer than with less evidence: pooled with the stretch before
		{From: 4, To: 6},                      // nothing was seen
		{From: 6, To: 8, Pairs: 999, Same: 999},
	}
	points := Calibrate(seen)
	if len(points) != 4 || points[1].Probability != points[2].Probability {
		t.Fatalf("points %v", points)
	}
	m := DefaultModel().Calibrated(points)
	at := func(over Bits) float64 { return float64(m.Probability(m.Prior + over)) }
	for _, test := range []struct {
		name string
		over Bits
		want float64
	}{
		{"in the middle of a stretch, its share", -1, .1005},
		{"two stretches out of order have one share", 1, .555},
		{"and are level between", 2, .555},
		{"where no pair was wrong, doubt of half a pair stays", 7, .9995},
		{"beyond what was seen nothing more is claimed", 40, .9995},
		{"far below, the evidence speaks", -20, math.Exp2(-20)},
	} {
		if got := at(test.over); math.Abs(got-test.want) > .0005 {
			t.Errorf("%s: %.6f, want %.6f", test.name, got, test.want)
		}
	}
	for x := Bits(-30); x < 30; x += .25 {
		if at(x) > at(x+.25) {
			t.Errorf("more evidence, less probability at %.2f", x)
		}
	}
	if p := handSet().Probability(20); p != .5 {
		t.Errorf("without a calibration even odds are %v", p)
	}
	again, err := NewModel(m.Parts())
	if err != nil || again.Probability(again.Prior+1) != m.Probability(m.Prior+1) {
		t.Errorf("a model put together again has other probabilities: %v", err)
	}
	bad := m.Parts()
	bad.Calibration[0].Probability = .9
	if _, err := NewModel(bad); err == nil {
		t.Error("a calibration that falls with the evidence is taken")
	}
}

func TestAModelForFewerRecordsHoldsEachPairLikelier(t *testing.T) {
	m := DefaultModel().ForRecords(1000)
	if got, want := float64(DefaultModel().Prior-m.Prior), math.Log2(1000); math.Abs(got-want) > .001 {
		t.Errorf("the prior moved by %.3f bits, want %.3f", got, want)
	}
	if m.Certain-m.Prior != DefaultModel().Certain-DefaultModel().Prior {
		t.Error("certain is no longer as far above even odds")
	}
}

// That two names are spelled otherwise and said the same is a near level: how common they are counts half.
func TestACommonNameSpelledOtherwiseLosesHalfItsBitsAtMost(t *testing.T) {
	m := DefaultModel().clone()
	common := person{family: "Maier"}
	a, b := common.features(), person{family: "Meier"}.features()
	var hashes []uint32
	for range 100 {
		hashes = append(hashes, a.families[0].hash, b.families[0].hash)
	}
	m.freq[fieldFamily] = newFrequencies(hashes, 10_000)
	spelled, exact := Compare(&a, &b), Compare(&a, &a)
	if spelled.levels[fieldFamily] != familySpelling {
		t.Fatal("not the level meant")
	}
	lost := func(c *Comparison) float64 {
		s, _ := m.likelihood(fieldFamily, c)
		return -math.Log2(s / m.same[fieldFamily][c.levels[fieldFamily]])
	}
	if lost(&exact) <= 0 || math.Abs(lost(&spelled)-lost(&exact)/2) > .01 {
		t.Errorf("lost %.2f bits, the exact name %.2f", lost(&spelled), lost(&exact))
	}
}

// The default model says what was observed, never more, and an estimated one does not borrow it: its evidence is weighed otherwise.
func TestTheDefaultModelClaimsNoMoreThanWasObserved(t *testing.T) {
	m := DefaultModel()
	if err := checkCalibration(m.calibration); err != nil {
		t.Fatal(err)
	}
	last := Probability(0)
	for over := Bits(-20); over <= 40; over++ {
		p, stated := m.Probability(m.Prior+over), handSet().Probability(m.Prior+over)
		if p < last || p > stated {
			t.Errorf("at %+.0f bits beyond even odds it says %.6f, after %.6f; evidence alone says %.6f", float64(over), float64(p), float64(last), float64(stated))
		}
		last = p
	}
	if moved := m.ForRecords(50_000); moved.Probability(moved.Certain) != m.Probability(m.Certain) {
		t.Error("for another number of records it says something else at the bar")
	}
	a := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female}.features()
	if e, f := m.Edge(&a, &a), handSet().Edge(&a, &a); e != f {
		t.Error("what is linked depends on what is said of it")
	}
	var l Linkage
	for range 3 {
		l.Add("s", person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20)}.demographics())
	}
	got, err := l.Run(t.Context(), LinkageOptions{})
	if err != nil || got.Model.calibration != nil {
		t.Errorf("the estimated model took over the default's calibration: %v", err)
	}
}
