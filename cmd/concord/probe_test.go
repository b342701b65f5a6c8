package main

import (
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/sim"
)

// probes is how many probes a run of the classifier makes: few in the suite, 20,000 when CONCORD_PROBES says so.
func probes(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("CONCORD_PROBES"))
	if err != nil {
		return 1200
	}
	t.Logf("%d probes", n)
	return n
}

// TestAClassifierCannotTellWhyNothingIsShown asks again and again about a patient nobody knows, one without documents,
// one who opted out and one whose documents are all a Part 2 program's, and tries to learn from status, size, headers,
// order, cursors and the time each answer took which of two it is. Half of the probes teach it, half judge it.
//
// Source: spec consent, scenario 6 (at most 52 % of 20,000 probes).
func TestAClassifierCannotTellWhyNothingIsShown(t *testing.T) {
	oneAfterAnother(t)
	x := newExchange(t, 1)
	for _, story := range []string{sim.Ordinary, sim.OptedOut, sim.EmergencyOnly, sim.Part2Only} {
		x.enter(x.person(story))
	}
	if err := x.stateWishes(x.ctx); err != nil {
		t.Fatal(err)
	}
	target, body := patientPut(x, "EMPTY-1", "Nathaniel", "Blankenship", "1939-02-02")
	x.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, target, body)
	authority := x.authority("harbor-main") + "|"
	identifiers := []string{authority + sim.Unknown, authority + "EMPTY-1", x.at(x.person(sim.OptedOut), "harbor-main"),
		x.authority("new-dawn-east") + "|" + x.local(x.person(sim.Part2Only), "new-dawn-east")}
	names := []string{"unknown", "empty", "opted out", "Part 2 only"}

	type probe struct {
		class int
		face  string
		took  float64
	}
	rng := rand.New(rand.NewPCG(6, 6))
	later := map[string]int{} // refused for now, which a starved node does whoever is asked about
	ask := func(class int) probe {
		q := url.Values{"patient.identifier": {identifiers[class]}, "status": {"current"}, "_count": {"5"}}
		for range 20 {
			began := time.Now()
			r, err := x.clients["harbor-main-emr"].api.call(x.ctx, treating, http.MethodGet, "/fhir/DocumentReference?"+q.Encode(), nil)
			if err != nil || r.status != http.StatusOK && r.status != http.StatusServiceUnavailable {
				t.Fatalf("%d, %v", r.status, err)
			}
			if r.status == http.StatusOK {
				return probe{class, face(r), time.Since(began).Seconds()}
			}
			later[names[class]]++
		}
		t.Fatalf("refused for now again and again: %v", later)
		return probe{}
	}
	for range 40 { // what a first request costs is not what is asked
		ask(rng.IntN(4))
	}
	var all []probe
	for range probes(t) {
		all = append(all, ask(rng.IntN(4)))
	}
	if len(later) > 0 {
		t.Logf("refused for now: %v", later)
	}
	for _, p := range all {
		if p.face != all[0].face {
			t.Fatalf("%s looks otherwise than %s", names[p.class], names[all[0].class])
		}
	}
	for a := range 4 {
		for b := a + 1; b < 4; b++ {
			var pair []probe
			for _, p := range all {
				if p.class == a || p.class == b {
					pair = append(pair, p)
				}
			}
			half := len(pair) / 2
			var learn, judge [2][]float64
			for i, p := range pair {
				set, k := &learn, 0
				if i >= half {
					set = &judge
				}
				if p.class == b {
					k = 1
				}
				set[k] = append(set[k], p.took)
			}
			got := accuracy(learn, judge)
			// Chance itself strays by this much.
			allowed := 0.52 + 3*0.5/math.Sqrt(float64(half))
			if len(all) >= 20000 {
				allowed = 0.52 + 0.5/math.Sqrt(float64(half))
			}
			t.Logf("%s against %s: %.1f %% of %d; medians %.2f and %.2f ms", names[a], names[b], 100*got, half, 1000*median(judge[0]), 1000*median(judge[1]))
			if got > allowed {
				t.Errorf("%s and %s are told apart in %.1f %% of probes, %.1f allowed", names[a], names[b], 100*got, 100*allowed)
			}
		}
	}
}

// accuracy teaches two classifiers, a threshold and a histogram of twenty equal parts, and returns the balanced
// accuracy of the better one at judging.
func accuracy(learn, judge [2][]float64) float64 {
	var every []float64
	for k := range 2 {
		every = append(every, learn[k]...)
	}
	slices.Sort(every)
	bins := make([]float64, 0, 20)
	for i := 1; i < 20; i++ {
		bins = append(bins, every[i*len(every)/20])
	}
	bin := func(v float64) int { i, _ := slices.BinarySearch(bins, v); return i }
	var counts [2][20]float64
	for k := range 2 {
		for _, v := range learn[k] {
			counts[k][bin(v)] += 1 / float64(len(learn[k]))
		}
	}
	histogram := func(v float64) int {
		if counts[1][bin(v)] > counts[0][bin(v)] {
			return 1
		}
		return 0
	}
	threshold, above := 0.0, 0
	best := 0.0
	for _, cut := range bins {
		for side := range 2 {
			score := share(learn[side], func(v float64) bool { return v > cut })/2 + share(learn[1-side], func(v float64) bool { return v <= cut })/2
			if score > best {
				best, threshold, above = score, cut, side
			}
		}
	}
	stump := func(v float64) int {
		if v > threshold {
			return above
		}
		return 1 - above
	}
	score := func(classify func(float64) int) float64 {
		return share(judge[0], func(v float64) bool { return classify(v) == 0 })/2 + share(judge[1], func(v float64) bool { return classify(v) == 1 })/2
	}
	return max(score(histogram), score(stump))
}

func share(values []float64, is func(float64) bool) float64 {
	n := 0
	for _, v := range values {
		if is(v) {
			n++
		}
	}
	return float64(n) / float64(max(1, len(values)))
}

func median(values []float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
