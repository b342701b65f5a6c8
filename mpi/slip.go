package mpi

// What a hand on a keyboard does to a name, told from another name. Parents call twins alike ("Jayden", "Jaylen") but not
// by one name spelled twice, nor by a name and its misprint: so a record whose given name differs in these ways only is hardly
// the twin's.

// saidAlike reports whether two different words are said the same in English, vowels and all, and differ in spelling only:
// "Catherine" and "Katharin" are not, "Cathryn" and "Kathrin" are, "Kayla" and "Kaiela" too. Words of fewer than four sounds are
// never: "Jan" and "Jann" may be two.
func saidAlike(a, b []byte) bool {
	if len(a) < 4 || len(b) < 4 {
		return false
	}
	var x, y [maxToken]byte
	n := said(&x, a)
	return n >= 4 && n == said(&y, b) && x == y
}

// said writes how s is said, letter by letter, and returns how many there are.
//
// Source: English spelling: letters that stand for one sound, silent ones, doubled ones.
func said(out *[maxToken]byte, s []byte) int {
	n := 0
	put := func(c byte) {
		if n == 0 || out[n-1] != c {
			out[n] = c
			n++
		}
	}
	at := func(i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	for i := 0; i < len(s) && i < maxToken; i++ {
		c := s[i]
		next := at(i + 1)
		switch {
		case c == 'p' && next == 'h':
			put('f')
			i++
		case c == 'c' && next == 'h':
			put('C')
			i++
		case c == 'c' && next == 'k', c == 'q' && next == 'u':
			put('k')
			i++
		case c == 'c' && (next == 'e' || next == 'i' || next == 'y'), c == 'z':
			put('s')
		case c == 'c', c == 'q':
			put('k')
		case c == 't' && next == 'h':
			put('t')
			i++
		case c == 's' && next == 'h':
			put('S')
			i++
		case c == 'v' && next == 'v':
			put('w') // two v set for a w
			i++
		case c == 'm' && next == 'n' && i+2 == len(s):
			put('m')
			i++
		case c == 'h' && i > 0 && isVowel(s[i-1]) && !isVowel(next):
			// silent
		case c == 'y', c == 'i' && (next == 'e' || next == 'y' || next == 'i'), c == 'e' && (next == 'i' || next == 'y' || next == 'e'):
			put('i')
			if c != 'y' && next != 0 || c == 'y' && (next == 'i' || next == 'e' && i+2 == len(s)) {
				i++
			}
		case c == 'e' && next == 'a':
			put('i')
			i++
		case c == 'e' && i+1 == len(s) && i > 2 && !isVowel(s[i-1]):
			// silent at the end
		default:
			put(c)
		}
	}
	return n
}

// slipped reports whether, of two given names one edit apart, one is known to exist and the other is what a slip of a finger or of
// the eye makes of it: a neighbouring key, a letter alike, two exchanged, or one left out. First letters stay right. Of a name of three
// letters the slip must leave what is no syllable ("Mri" for "Mei"): there are too many short names to know them all.
func slipped(a, b *token) bool {
	if (a.flags^b.flags)&flagKnown == 0 || a.n < 3 || b.n < 3 || a.text[0] != b.text[0] {
		return false
	}
	if a.flags&flagKnown == 0 {
		a, b = b, a
	}
	x, y := a.bytes(), b.bytes()
	if min(len(x), len(y)) == 3 && (len(x) != len(y) || syllabic(string(y))) {
		return false
	}
	i := 0
	for i < len(x) && i < len(y) && x[i] == y[i] {
		i++
	}
	switch {
	case len(y) < len(x):
		return true // one edit apart: a letter left out
	case len(y) > len(x):
		return false // nobody hits a letter that is not there, save twice, which is said alike
	case i+1 < len(x) && x[i] == y[i+1] && x[i+1] == y[i]:
		return true
	}
	return x[i] >= 'a' && x[i] <= 'z' && nextTo[x[i]-'a']&(1<<(y[i]-'a')&(1<<26-1)) != 0
}

// nextTo holds for each letter those beside it on a QWERTY keyboard, and those that look like it.
var nextTo = func() (out [26]uint32) {
	both := func(a, b byte) {
		out[a-'a'] |= 1 << (b - 'a')
		out[b-'a'] |= 1 << (a - 'a')
	}
	rows := [...]string{"qwertyuiop", "asdfghjkl", "zxcvbnm"}
	for r, row := range rows {
		for i := range len(row) {
			if i > 0 {
				both(row[i-1], row[i])
			}
			if r > 0 { // each row stands half a key further to the right than the one above
				both(row[i], rows[r-1][i])
				both(row[i], rows[r-1][i+1])
			}
		}
	}
	for _, p := range [...]string{"li", "ec", "hb", "nu", "vu", "oc", "ao", "fl"} {
		both(p[0], p[1])
	}
	return out
}()
