package sim

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// sounds are spellings that are heard alike.
var sounds = []string{"ph", "f", "ck", "k", "y", "ie", "ei", "ie", "c", "k", "ll", "l", "nn", "n", "tt", "t", "ss", "s", "z", "s", "mn", "m", "ea", "ee"}

// looks are letters an optical reader confuses.
var looks = []string{"l", "i", "rn", "m", "cl", "d", "h", "b", "o", "0", "vv", "w", "e", "c", "s", "5"}

// keyboard holds, for each letter, its neighbours.
var keyboard = map[rune]string{'a': "qsz", 'b': "vgn", 'c': "xdv", 'd': "sfe", 'e': "wrd", 'f': "dgr", 'g': "fht", 'h': "gjy", 'i': "uok",
	'j': "hku", 'k': "jli", 'l': "ko", 'm': "nj", 'n': "bmh", 'o': "ipl", 'p': "ol", 'q': "wa", 'r': "etf", 's': "adw", 't': "ryg",
	'u': "yij", 'v': "cbf", 'w': "qes", 'x': "zsc", 'y': "tuh", 'z': "xas"}

// misspell returns name with one error (two in one case of five): 60 % by sound, 25 % by a neighbouring key,
// 10 % by how it looks, the rest a letter left out, doubled or two exchanged.
//
// Source: spec simulator section 2, below the table.
func misspell(rnd *rand.Rand, name string) string {
	out := misspellOnce(rnd, name)
	if chance(rnd, .20) {
		out = misspellOnce(rnd, out)
	}
	return out
}

func misspellOnce(rnd *rand.Rand, name string) string {
	r := []rune(name)
	if len(r) < 3 {
		return name
	}
	switch x := rnd.Float64(); {
	case x < .60:
		if s, ok := replaceOne(rnd, name, sounds); ok {
			return s
		}
	case x < .70:
		if s, ok := replaceOne(rnd, name, looks); ok {
			return s
		}
	case x < .95:
		i := 1 + rnd.IntN(len(r)-2)
		if near := keyboard[r[i]]; near != "" {
			r[i] = rune(near[rnd.IntN(len(near))])
			return string(r)
		}
	}
	i := 1 + rnd.IntN(len(r)-2)
	switch rnd.IntN(3) {
	case 0:
		return string(r[:i]) + string(r[i+1:])
	case 1:
		return string(r[:i]) + string(r[i]) + string(r[i:])
	default:
		r[i], r[i+1] = r[i+1], r[i]
		return string(r)
	}
}

// replaceOne exchanges one of the pairs in name, past its first letter.
func replaceOne(rnd *rand.Rand, name string, pairs []string) (string, bool) {
	first := len(string([]rune(name)[:1]))
	for range 6 {
		i := rnd.IntN(len(pairs) / 2)
		from, to := pairs[2*i], pairs[2*i+1]
		if chance(rnd, .5) {
			from, to = to, from
		}
		if at := strings.Index(name[first:], from); at >= 0 {
			return name[:first+at] + to + name[first+at+len(from):], true
		}
	}
	return name, false
}

// digit returns s with one digit changed; a date stays a date.
func digit(rnd *rand.Rand, s string) string {
	if !strings.ContainsAny(s, "0123456789") {
		return s
	}
	for {
		b := []byte(s)
		i := rnd.IntN(len(b))
		if b[i] < '0' || b[i] > '9' {
			continue
		}
		b[i] = '0' + (b[i]-'0'+byte(1+rnd.IntN(9)))%10
		if len(s) == len(time.DateOnly) && s[4] == '-' && s[7] == '-' {
			if t, err := time.Parse(time.DateOnly, string(b)); err != nil || t.After(Today) || t.Year() < 1900 {
				continue
			}
		}
		return string(b)
	}
}

func digits(n int) string { return strconv.Itoa(n) }
