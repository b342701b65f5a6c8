package mpi

import (
	"fmt"
	"math"
	"slices"
)

// A CalibrationPoint says in which share of pairs of a record and a person with so much evidence beyond even odds the record was seen to be the person's.
type CalibrationPoint struct {
	// Over is evidence beyond the prior, in bits.
	Over        Bits
	Probability Probability
}

// Observed counts pairs of a record and a person whose evidence beyond the prior lies in one stretch, and what became of them.
type Observed struct {
	// From and To bound the stretch, in bits beyond even odds: From <= x < To.
	From, To Bits
	// Pairs lie in it, Same of them are one person by the truth; Stated is the sum of the probabilities the model gives them.
	Pairs, Same int
	Stated      float64
	// Certain of the pairs may be linked unseen, by themselves; CertainWrong of those are two persons.
	Certain, CertainWrong int
}

// Share is the part of the pairs that are one person, a pair of each kind counted besides as half: what was never seen is
// not held to be impossible.
func (o Observed) Share() float64 { return (float64(o.Same) + .5) / (float64(o.Pairs) + 1) }

// Bounds are the share's limits at 95 in 100, of pairs that count as effect times fewer: 1 where each stands for itself, more where pairs hang together.
//
// Source: Wilson 1927; Kish 1965 for the design effect.
func (o Observed) Bounds(effect float64) (low, high Probability) {
	const z = 1.96
	n := float64(o.Pairs) / max(1, effect)
	if n == 0 {
		return 0, 1
	}
	share := float64(o.Same) / float64(o.Pairs)
	middle, half := share+z*z/(2*n), z*math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	return Probability(max(0, (middle-half)/(1+z*z/n))), Probability(min(1, (middle+half)/(1+z*z/n)))
}

// DesignEffect is by how many times the shares of one stretch in several populations differ more than by chance, 1 at least, and 1 of fewer than three.
func DesignEffect(populations []Observed) float64 {
	var pairs, same float64
	for _, o := range populations {
		pairs, same = pairs+float64(o.Pairs), same+float64(o.Same)
	}
	if len(populations) < 3 || same == 0 || same == pairs {
		return 1
	}
	share, sum := same/pairs, 0.0
	for _, o := range populations {
		if n := float64(o.Pairs); n > 0 {
			d := float64(o.Same)/n - share
			sum += n * d * d / (share * (1 - share))
		}
	}
	return max(1, sum/float64(len(populations)-1))
}

// Calibrate returns what the observations, in ascending order of evidence, say of probabilities: one point a stretch that has
// pairs, in its middle; more evidence never means a lower probability.
//
// Source: isotonic regression by pooling adjacent violators (Ayer et al. 1955); spec mpi section 6, 7.
func Calibrate(all []Observed) []CalibrationPoint {
	type pool struct {
		same, pairs float64
		stretches   int
	}
	var pools []pool
	var kept []Observed
	for _, o := range all {
		if o.Pairs == 0 {
			continue
		}
		kept = append(kept, o)
		pools = append(pools, pool{float64(o.Same) + .5, float64(o.Pairs) + 1, 1})
		for n := len(pools); n > 1 && pools[n-2].same*pools[n-1].pairs >= pools[n-1].same*pools[n-2].pairs; n-- {
			last, before := pools[n-1], &pools[n-2]
			before.same, before.pairs, before.stretches = before.same+last.same, before.pairs+last.pairs, before.stretches+last.stretches
			pools = pools[:n-1]
		}
	}
	var out []CalibrationPoint
	for _, p := range pools {
		for range p.stretches {
			o := kept[len(out)]
			out = append(out, CalibrationPoint{(o.From + o.To) / 2, Probability(p.same / p.pairs)})
		}
	}
	return out
}

// Calibrated returns m with its probabilities as points say; nil leaves them as evidence and prior have them.
func (m *Model) Calibrated(points []CalibrationPoint) *Model {
	c := m.clone()
	c.calibration = slices.Clone(points)
	return c
}

// calibrated looks x, the evidence beyond even odds, up: between two points log odds lie on a line, and beyond the last nothing
// is claimed that was not seen. Below the first, evidence and prior speak, up to it.
func calibrated(points []CalibrationPoint, x Bits) Probability {
	stated := Probability(1 / (1 + math.Exp2(-float64(x))))
	first, last := points[0], points[len(points)-1]
	switch {
	case x <= first.Over:
		return min(stated, first.Probability)
	case x >= last.Over:
		return last.Probability
	}
	i := slices.IndexFunc(points, func(p CalibrationPoint) bool { return p.Over > x })
	a, b := points[i-1], points[i]
	part := float64((x - a.Over) / (b.Over - a.Over))
	odds := (1-part)*logOdds(a.Probability) + part*logOdds(b.Probability)
	return Probability(1 / (1 + math.Exp2(-odds)))
}

func logOdds(p Probability) float64 { return math.Log2(float64(p / (1 - p))) }

// checkCalibration says why points are none, or returns nil.
func checkCalibration(points []CalibrationPoint) error {
	for i, p := range points {
		if !(p.Probability > 0 && p.Probability < 1) {
			return fmt.Errorf("mpi: model: calibration: a probability is not between 0 and 1")
		}
		if i > 0 && (p.Over <= points[i-1].Over || p.Probability < points[i-1].Probability) {
			return fmt.Errorf("mpi: model: calibration: more evidence means a lower probability")
		}
	}
	return nil
}

// ForRecords returns m for a population of n records: strangers, beside whom one person's records and relatives are rare, grow
// with the square of it and the others do not, so the prior, the relatives' and the grades move together.
func (m *Model) ForRecords(n int) *Model {
	c := m.clone()
	shift := Bits(math.Log2(float64(max(n, 2)) / million))
	c.Prior += shift
	for k := range c.Kin {
		c.Kin[k] -= shift
	}
	c.Certain, c.Probable, c.Possible = c.Certain+shift, c.Probable+shift, c.Possible+shift
	c.finish()
	return c
}

// million is the number of records the default model is for.
const million = 1e6
