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

// heldOut are stretches of evidence and, among the pairs in them of simulated populations, how many are one person's; effect is by how much
// those populations differ more than by chance.
type heldOut struct {
	from, pairs, same int
	effect            float64
}

// within holds m's claims against what was seen in populations that its calibration was not made from.
func within(t *testing.T, m *Model, all []heldOut) {
	t.Helper()
	for _, s := range all {
		o := Observed{Pairs: s.pairs, Same: s.same}
		low, high := o.Bounds(s.effect)
		claimed := m.Probability(m.Prior + Bits(s.from) + 1)
		if claimed > high {
			t.Errorf("%+d to %+d bits: it claims %.6f, and %.6f was observed, %.6f at most", s.from, s.from+2, float64(claimed), float64(s.same)/float64(s.pairs), float64(high))
		}
		if claimed < low-.06 {
			t.Errorf("%+d to %+d bits: it claims %.6f, and %.6f at least was observed", s.from, s.from+2, float64(claimed), float64(low))
		}
	}
}

// Source: README.md, "What a threshold means": seeds 120021 to 120024.
func TestTheDefaultModelClaimsNoMoreThanWasObserved(t *testing.T) {
	m := DefaultModel()
	if err := checkCalibration(m.calibration); err != nil {
		t.Fatal(err)
	}
	within(t, m, []heldOut{
		{-4, 16087, 153, 1.8}, {-2, 8693, 646, 4.6}, {0, 4908, 1192, 4.1}, {2, 2723, 991, 2.4}, {4, 4327, 3409, 7.0},
		{6, 4858, 4318, 3.4}, {8, 9805, 9278, 7.6}, {10, 15256, 15024, 1.6}, {12, 36027, 35835, 2.2}, {14, 42413, 42391, 1.0},
		{16, 39698, 39689, 1.7}, {18, 49930, 49930, 1.0}, {20, 51776, 51776, 1.0}, {22, 111226, 111226, 1.0},
	})
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
}

// An estimated model learns from the pairs it judges and is surer of them than it may be: it says what was observed of such models.
//
// Source: README.md, "What a threshold means": seeds 120002 and 120004.
func TestAnEstimatedModelClaimsNoMoreThanWasObservedOfSuch(t *testing.T) {
	var l Linkage
	for range 3 {
		l.Add("s", person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20)}.demographics())
	}
	got, err := l.Run(t.Context(), LinkageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := got.Model
	if err := checkCalibration(m.calibration); err != nil {
		t.Fatal(err)
	}
	within(t, m, []heldOut{{-4, 2138, 73, 1}, {-2, 1724, 195, 1}, {0, 1100, 399, 1}, {2, 1078, 556, 1}, {4, 1114, 825, 1}, {6, 1994, 1820, 1}, {8, 3579, 3412, 1},
		{10, 9277, 9238, 1}, {12, 15052, 15050, 1}, {14, 19910, 19908, 1}, {16, 18250, 18250, 1}, {18, 20250, 20250, 1}})
	own := m.Calibrated(nil)
	for over := Bits(-20); over <= 40; over++ {
		if p, stated := m.Probability(m.Prior+over), own.Probability(m.Prior+over); p > stated {
			t.Errorf("at %+.0f bits beyond even odds it says %.6f; evidence alone says %.6f", float64(over), float64(p), float64(stated))
		}
	}
}

func TestAnObservedShareHasLimits(t *testing.T) {
	for _, test := range []struct {
		name      string
		o         Observed
		effect    float64
		low, high float64
	}{
		{"eight of ten", Observed{Pairs: 10, Same: 8}, 1, .4902, .9433}, // Wilson's interval, as tables have it
		{"pairs that hang together count as fewer", Observed{Pairs: 40, Same: 32}, 4, .4902, .9433},
		{"an effect below one is none", Observed{Pairs: 10, Same: 8}, .2, .4902, .9433},
		{"nothing seen says nothing", Observed{}, 1, 0, 1},
		{"none wrong of a thousand may be four", Observed{Pairs: 1000, Same: 1000}, 1, .9962, 1},
	} {
		low, high := test.o.Bounds(test.effect)
		if math.Abs(float64(low)-test.low) > .0001 || math.Abs(float64(high)-test.high) > .0001 {
			t.Errorf("%s: %.4f to %.4f, want %.4f to %.4f", test.name, float64(low), float64(high), test.low, test.high)
		}
	}
	alike := []Observed{{Pairs: 100, Same: 50}, {Pairs: 100, Same: 50}, {Pairs: 100, Same: 50}}
	if got := DesignEffect(alike); got != 1 {
		t.Errorf("populations alike have an effect of %.2f", got)
	}
	apart := []Observed{{Pairs: 100, Same: 40}, {Pairs: 100, Same: 50}, {Pairs: 100, Same: 60}}
	if got := DesignEffect(apart); math.Abs(got-4) > .001 { // variance .01 between, .0025 by chance
		t.Errorf("populations ten in a hundred apart have an effect of %.2f, want 4", got)
	}
	if got := DesignEffect(apart[:2]); got != 1 {
		t.Errorf("two populations tell of an effect of %.2f", got)
	}
}
