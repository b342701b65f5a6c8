package mpi

import "math/bits"

// maxCompared bounds the bytes compared; what is longer is compared by its first maxCompared bytes.
const maxCompared = 64

// jaroWinkler returns the similarity of a and b, 0 to 1; 0 when either is empty, since an absent value
// resembles nothing. The window is max(len)/2-1, transpositions are halved in whole numbers as in the Census
// strcmp95 code, and a common prefix of up to 4 adds 0.1 of the rest each if the Jaro part exceeds 0.7.
//
// Source: Winkler 1990; Census Bureau strcmp95.c; spec libraries section 2.
func jaroWinkler(a, b []byte) float64 {
	if len(a) > maxCompared {
		a = a[:maxCompared]
	}
	if len(b) > maxCompared {
		b = b[:maxCompared]
	}
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	window := max(0, max(len(a), len(b))/2-1)
	var inA, inB uint64
	matches := 0
	for i := range a {
		for j, end := max(0, i-window), min(len(b), i+window+1); j < end; j++ {
			if inB&(1<<j) == 0 && a[i] == b[j] {
				inA |= 1 << i
				inB |= 1 << j
				matches++
				break
			}
		}
	}
	if matches == 0 {
		return 0
	}
	crossed := 0
	for x, y := inA, inB; x != 0; x, y = x&(x-1), y&(y-1) {
		if a[bits.TrailingZeros64(x)] != b[bits.TrailingZeros64(y)] {
			crossed++
		}
	}
	m := float64(matches)
	sim := (m/float64(len(a)) + m/float64(len(b)) + (m-float64(crossed/2))/m) / 3
	if sim <= 0.7 {
		return sim
	}
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return sim + 0.1*float64(prefix)*(1-sim)
}

// mostAlike returns a similarity that jaroWinkler of a and b does not exceed: letters that only one of them has match nothing.
func mostAlike(a, b *token) float64 {
	prefix := 0
	for prefix < min(4, int(a.n), int(b.n)) && a.text[prefix] == b.text[prefix] {
		prefix++
	}
	return mostSimilar(int(a.n), int(b.n), min(int(a.n)-bits.OnesCount32(a.mask&^b.mask), int(b.n)-bits.OnesCount32(b.mask&^a.mask)), prefix)
}

// mostSimilar is mostAlike of words of x and y letters, of which matched match at most and prefix in front.
func mostSimilar(x, y, matched, prefix int) float64 {
	if matched <= 0 {
		return 0
	}
	m := float64(matched)
	sim := (m/float64(x) + m/float64(y) + 1) / 3
	const rounding = 1e-9
	return sim + 0.1*float64(prefix)*(1-sim) + rounding
}

// editDistance returns the optimal string alignment distance of a and b: insertions, deletions, substitutions
// and swaps of neighbours, no part edited twice.
//
// Source: Damerau 1964, restricted form.
func editDistance(a, b []byte) int {
	if len(a) > maxCompared {
		a = a[:maxCompared]
	}
	if len(b) > maxCompared {
		b = b[:maxCompared]
	}
	var rows [3][maxCompared + 1]uint8
	for j := range len(b) + 1 {
		rows[0][j] = uint8(j)
	}
	for i := 1; i <= len(a); i++ {
		cur, prev, prev2 := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		cur[0] = uint8(i)
		for j := 1; j <= len(b); j++ {
			cost := uint8(1)
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, prev2[j-2]+1)
			}
			cur[j] = d
		}
	}
	return int(rows[len(a)%3][len(b)])
}

// oneEdit reports whether editDistance(a, b) is exactly 1, in one pass.
func oneEdit(a, b []byte) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return string(a[i:]) == string(b[i+1:])
	}
	if i == len(a) {
		return false // equal
	}
	if string(a[i+1:]) == string(b[i+1:]) {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && string(a[i+2:]) == string(b[i+2:])
}

// phonetic returns a code of how a folded word sounds in English, or 0 for a word without letters: its first
// six sounds, five bits each. Vowels count only in front. Voiced and unvoiced pairs that are often confused in
// writing (f/v, s/z, k/q/hard c) share a code.
//
// Source: the rules of Metaphone (Philips 1990), shortened to what names need.
func phonetic(s []byte) uint32 {
	var code uint32
	n := 0
	last := byte(0)
	put := func(c byte) {
		if n < 6 && c != last {
			code = code<<5 | uint32(c-'a'+1)
			n++
		}
		last = c
	}
	at := func(i int) byte {
		if i >= 0 && i < len(s) {
			return s[i]
		}
		return 0
	}
	soft := func(c byte) bool { return c == 'e' || c == 'i' || c == 'y' }
	i := 0
	switch {
	case len(s) < 2:
	case at(1) == 'n' && (s[0] == 'k' || s[0] == 'g' || s[0] == 'p'), s[0] == 'w' && at(1) == 'r', s[0] == 'a' && at(1) == 'e':
		i = 1
	case s[0] == 'x':
		put('s')
		i = 1
	}
	for ; i < len(s) && n < 6; i++ {
		c := s[i]
		switch c {
		case 'a', 'e', 'i', 'o', 'u', 'y':
			if n == 0 && last == 0 {
				if c == 'y' && isVowel(at(i+1)) {
					put('y')
				} else {
					put('a')
				}
			} else {
				last = 'e' // a vowel between equal sounds keeps them apart
			}
		case 'b':
			if !(at(i-1) == 'm' && i == len(s)-1) {
				put('b')
			}
		case 'c':
			switch {
			case at(i+1) == 'h':
				if at(i-1) == 's' || at(i+2) == 'r' || at(i+2) == 'l' {
					put('k')
				} else {
					put('c')
				}
				i++
			case at(i+1) == 'k':
				put('k')
				i++
			case soft(at(i + 1)):
				put('s')
			default:
				put('k')
			}
		case 'd':
			if at(i+1) == 'g' && soft(at(i+2)) {
				put('j')
				i++
			} else {
				put('t')
			}
		case 'g':
			switch {
			case at(i+1) == 'h':
				if i == 0 {
					put('k')
				}
				i++
			case at(i+1) == 'n' && i+2 >= len(s):
			case soft(at(i+1)) && at(i-1) != 'g':
				put('j')
			default:
				put('k')
			}
		case 'h':
			if isVowel(at(i+1)) && (i == 0 || isVowel(at(i-1))) {
				put('h')
			}
		case 'p':
			if at(i+1) == 'h' {
				put('f')
				i++
			} else {
				put('p')
			}
		case 'q', 'k':
			put('k')
		case 's':
			switch {
			case at(i+1) == 'c' && at(i+2) == 'h':
				put('x')
				i += 2
			case at(i+1) == 'h':
				put('x')
				i++
			case at(i+1) == 'c' && soft(at(i+2)):
				put('s')
				i++
			default:
				put('s')
			}
		case 't':
			switch {
			case at(i+1) == 'h':
				put('t')
				i++
			case at(i+1) == 'c' && at(i+2) == 'h':
				put('c')
				i += 2
			default:
				put('t')
			}
		case 'v', 'f':
			put('f')
		case 'w':
			if isVowel(at(i + 1)) {
				put('w')
			}
		case 'x':
			put('k')
			put('s')
		case 'z':
			put('s')
		case 'j', 'l', 'm', 'n', 'r':
			put(c)
		}
	}
	return code
}

func isVowel(c byte) bool {
	switch c {
	case 'a', 'e', 'i', 'o', 'u', 'y':
		return true
	}
	return false
}
