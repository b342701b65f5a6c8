package mpi

import (
	"math"
	"slices"
)

// rounds is how often clusters are formed; between them values are counted once a person.
const rounds = 3

// nearly is how many bits below the bar a pair may be in the first round and still be looked at in the later ones. What
// the model learns between rounds moves a pair by a few bits.
const nearly = 12

// sampled bounds the pairs an estimation looks at.
const (
	sampledPairs = 200_000
	randomPairs  = 400_000
)

// estimateAndCluster forms clusters by a model learnt from the records. All pairs are scored once, in the first round;
// the later ones look at those that came near the bar.
func (r *running) estimateAndCluster() error {
	if !r.at.learnt {
		r.model = r.guess()
	}
	if err := r.sample(); err != nil {
		return err
	}
	for r.at.round < rounds {
		r.last = r.at.round == rounds-1
		if !r.at.learnt || r.at.round > 0 {
			if err := r.learn(); err != nil {
				return err
			}
		}
		if !r.at.learnt {
			r.at.learnt = true
			if err := r.keepModel(); err != nil {
				return err
			}
		}
		if err := r.scan(nearly); err != nil {
			return err
		}
		if err := r.cluster(); err != nil {
			return err
		}
		if r.at.round++; !r.last {
			if err := r.keepRound(); err != nil {
				return err
			}
		}
		r.tell("rounds", r.at.round, rounds)
	}
	return nil
}

// guess is the model to begin with.
func (r *running) guess() *Model {
	m := handSet()
	if r.n > 1 {
		all := float64(r.n) * float64(r.n-1) / 2
		m.Prior = Bits(math.Log2(all / (0.3 * float64(r.n))))
		m.Kin = [kinds]Bits{Bits(math.Log2(0.3 * float64(r.n) / all)), Bits(math.Log2(0.01 * float64(r.n) / all))}
	}
	m.finish()
	return m
}

// learn makes the next model, from the groups as they are.
func (r *running) learn() error {
	m := r.model.clone()
	m.ID = "estimated"
	var err error
	if m.freq, err = r.frequencies(); err != nil {
		return err
	}
	strangers, err := r.observe(m, r.strangers())
	if err != nil {
		return err
	}
	m.learnStrangers(strangers)
	sample, err := r.observe(m, r.at.candidates)
	if err != nil {
		return err
	}
	scale := max(1, float64(r.at.total)/sampledPairs)
	if err := m.estimate(r.ctx, sample, scale, r.n); err != nil {
		return err
	}
	m.learnStrangers(strangers)
	if err := m.estimate(r.ctx, sample, scale, r.n); err != nil {
		return err
	}
	m.setGrades()
	m.calibration = estimatedCalibration
	r.model = m
	return nil
}

func (m *Model) clone() *Model {
	c := *m
	return &c
}

// strangers returns random pairs, or all there are, those in one group left out.
func (r *running) strangers() []uint64 {
	n := uint64(r.n)
	all := n * (n - 1) / 2
	var picks []uint64
	if n < 2 {
		return nil
	}
	if all <= randomPairs {
		for a := range n {
			for b := a + 1; b < n; b++ {
				picks = append(picks, a<<32|b)
			}
		}
	} else {
		picks = make([]uint64, 0, randomPairs)
		x := uint64(88172645463325252)
		for len(picks) < randomPairs {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			if a, b := x>>32%n, x&0xffffffff%n; a < b {
				picks = append(picks, a<<32|b)
			}
		}
	}
	return slices.DeleteFunc(picks, func(p uint64) bool { return r.group[p>>32] == r.group[uint32(p)] })
}

// sample picks candidate pairs, evenly spaced when there are many.
func (r *running) sample() error {
	if r.at.sampled {
		return nil
	}
	r.at.total = r.pairs.total()
	places, scale := make([]int, min(r.at.total, sampledPairs)), max(1, float64(r.at.total)/sampledPairs)
	for i := range places {
		places[i] = int(float64(i) * scale)
	}
	var err error
	if r.at.candidates, err = r.pick(places); err != nil {
		return err
	}
	r.at.sampled = true
	return r.keepSample()
}

// observe compares pairs.
func (r *running) observe(m *Model, pairs []uint64) ([]observation, error) {
	out := make([]observation, len(pairs))
	err := spread(r.ctx, len(pairs), 1024, func(_, from, to int) {
		r.eachPair(pairs[from:to], func(i int, a, b *Features) {
			c := Compare(a, b)
			out[from+i] = m.observe(&c)
		})
	})
	return out, err
}

// tell reports progress, never backwards.
func (r *running) tell(stage string, done, total int) {
	if r.o.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if stage == r.stage && done <= r.done {
		return
	}
	r.stage, r.done = stage, done
	r.o.Progress(stage, done, total)
}
