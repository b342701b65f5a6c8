package consent

import "math/bits"

// numbers is a set of small numbers.
type numbers []uint64

// wordsFor is how many words a set of numbers below n takes.
func wordsFor(n int32) int { return int(n+63) / 64 }

func (s numbers) has(i int) bool { return s[i/64]>>(i%64)&1 == 1 }
func (s numbers) set(i int)      { s[i/64] |= 1 << (i % 64) }
func (s numbers) unset(i int)    { s[i/64] &^= 1 << (i % 64) }

// cut takes i and what is above it out of s.
func (s numbers) cut(i int) {
	s[i/64] &= 1<<(i%64) - 1
	clear(s[i/64+1:])
}

// keep takes out of s what is not in o, which is nil or of the same length.
func (s numbers) keep(o numbers) {
	if o == nil {
		clear(s)
		return
	}
	for w := range s {
		s[w] &= o[w]
	}
}

// meets reports whether something is in s and in o, which is nil or of the same length.
func (s numbers) meets(o numbers) bool {
	for w := range o {
		if s[w]&o[w] != 0 {
			return true
		}
	}
	return false
}

// count is how many numbers are in s.
func (s numbers) count() (n int) {
	for _, v := range s {
		n += bits.OnesCount64(v)
	}
	return n
}

// next is the least number of s that is not below i, -1 when there is none.
func (s numbers) next(i int) int {
	for w := i / 64; w < len(s); w++ {
		v := s[w]
		if w == i/64 {
			v &^= 1<<(i%64) - 1
		}
		if v != 0 {
			return w*64 + bits.TrailingZeros64(v)
		}
	}
	return -1
}

// all yields the numbers of s, rising.
func (s numbers) all(yield func(int) bool) {
	for i := s.next(0); i >= 0 && yield(i); {
		i = s.next(i + 1)
	}
}
