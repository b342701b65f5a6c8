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
	m := DefaultModel()
	if r.n > 1 {
		all := float64(r.n) * float64(r.n-1) / 2
		m.Prior = Bits(math.Log2(all / (0.3 * float64(r.n))))
		m.Kin = [kinds]Bits{Bits(math.Log2(0.3 * float64(r.n) / all)), Bits(math.Log2(0.01 * float64(r.n) / all))}
	}
	m.finish()
	r.model = m
	candidates, scale, err := r.sample()
	if err != nil {
		return err
	}
	for round := range rounds {
		r.last = round == rounds-1
		m := r.model.clone()
		m.ID = "estimated"
		if m.freq, err = r.frequencies(); err != nil {
			return err
		}
		strangers, err := r.observe(m, r.strangers())
		if err != nil {
			return err
		}
		m.learnStrangers(strangers)
		sample, err := r.observe(m, candidates)
		if err != nil {
			return err
		}
		if err := m.estimate(r.ctx, sample, scale, r.n); err != nil {
			return err
		}
		m.learnStrangers(strangers)
		if err := m.estimate(r.ctx, sample, scale, r.n); err != nil {
			return err
		}
		m.setGrades()
		r.model = m
		if round == 0 {
			if err := r.scan(nearly); err != nil {
				return err
			}
		}
		if err := r.cluster(); err != nil {
			return err
		}
		r.tell("rounds", round+1, rounds)
	}
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

// sample returns candidate pairs, evenly spaced when there are many, and for how many each stands.
func (r *running) sample() (pairs []uint64, scale float64, err error) {
	total := r.pairs.total()
	places, scale := make([]int, min(total, sampledPairs)), max(1, float64(total)/sampledPairs)
	for i := range places {
		places[i] = int(float64(i) * scale)
	}
	pairs, err = r.pick(places)
	return pairs, scale, err
}

// observe compares pairs.
func (r *running) observe(m *Model, pairs []uint64) ([]observation, error) {
	out := make([]observation, len(pairs))
	err := spread(r.ctx, len(pairs), 1024, func(_, from, to int) {
		var both [2]Features
		for i := from; i < to; i++ {
			r.take(int32(pairs[i]>>32), &both[0])
			r.take(int32(uint32(pairs[i])), &both[1])
			c := Compare(&both[0], &both[1])
			out[i] = m.observe(&c)
		}
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
