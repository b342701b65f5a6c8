package mpi

import "strings"

// Folding brings letters to lower-case ASCII so that spelling conventions do not look like differences:
// "Núñez", "NUNEZ" and "nunez" are one. It covers the Latin script with Vietnamese, Greek and Cyrillic, and the alphabets and syllabaries of
// script.go; other runes are kept, so that equal values stay equal and no key is built from nothing. The table is our own, since a domain
// package imports only the standard library.

// latin1 covers U+00C0 to U+00FF; "-" drops the rune.
var latin1 = strings.Fields(`a a a a a a ae c e e e e i i i i d n o o o o o - o u u u u y th ss
	a a a a a a ae c e e e e i i i i d n o o o o o - o u u u u y th y`)

// cyrillic covers U+0430 to U+044F.
var cyrillic = strings.Fields(`a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh shch - y - e yu ya`)

// greek covers U+03B1 to U+03C9.
var greek = strings.Fields(`a v g d e z i th i k l m n x o p r s s t y f ch ps o`)

// ranges covers the regular rest: every rune from .from on, up to the next entry, folds to .to; "" keeps it.
var ranges = []struct {
	from rune
	to   string
}{
	{0x0100, "a"}, {0x0106, "c"}, {0x010e, "d"}, {0x0112, "e"}, {0x011c, "g"}, {0x0124, "h"}, {0x0128, "i"}, {0x0132, "ij"},
	{0x0134, "j"}, {0x0136, "k"}, {0x0139, "l"}, {0x0143, "n"}, {0x014c, "o"}, {0x0152, "oe"}, {0x0154, "r"}, {0x015a, "s"},
	{0x0162, "t"}, {0x0168, "u"}, {0x0174, "w"}, {0x0176, "y"}, {0x0179, "z"}, {0x017f, "s"}, {0x0180, ""},
	{0x01a0, "o"}, {0x01a2, ""}, {0x01af, "u"}, {0x01b1, ""}, {0x01cd, "a"}, {0x01cf, "i"}, {0x01d1, "o"}, {0x01d3, "u"}, {0x01dd, ""},
	{0x0218, "s"}, {0x021a, "t"}, {0x021c, ""}, {0x02b0, "-"}, {0x0370, ""}, {0x0386, "a"}, {0x0387, "-"}, {0x0388, "e"}, {0x0389, "i"},
	{0x038b, ""}, {0x038c, "o"}, {0x038d, ""}, {0x038e, "y"}, {0x038f, "o"}, {0x0390, "i"}, {0x0391, ""}, {0x03aa, "i"}, {0x03ab, "y"},
	{0x03ac, "a"}, {0x03ad, "e"}, {0x03ae, "i"}, {0x03b0, "y"}, {0x03b1, ""}, {0x03ca, "i"}, {0x03cb, "y"}, {0x03cc, "o"}, {0x03cd, "y"},
	{0x03ce, "o"}, {0x03cf, ""}, {0x0450, "e"}, {0x0452, ""}, {0x0454, "ie"}, {0x0455, ""}, {0x0456, "i"}, {0x0458, ""},
	{0x0490, "g"}, {0x0492, ""}, {0x1ea0, "a"}, {0x1eb8, "e"}, {0x1ec8, "i"}, {0x1ecc, "o"}, {0x1ee4, "u"}, {0x1ef2, "y"}, {0x1efa, ""},
}

// foldRune returns what a non-ASCII rune becomes; "-" for nothing, "" for itself.
func foldRune(r rune) string {
	switch {
	case r >= 0xc0 && r <= 0xff:
		return latin1[r-0xc0]
	case r >= 0x0410 && r <= 0x042f:
		return cyrillic[r-0x0410]
	case r >= 0x0430 && r <= 0x044f:
		return cyrillic[r-0x0430]
	case r == 0x0401 || r == 0x0451:
		return "e"
	case r == 0x0404:
		return "ie"
	case r == 0x0406 || r == 0x0407:
		return "i"
	case r >= 0x0391 && r <= 0x03a9:
		return greek[r-0x0391]
	case r >= 0x03b1 && r <= 0x03c9:
		return greek[r-0x03b1]
	}
	lo, hi := 0, len(ranges)
	for lo < hi {
		if mid := (lo + hi) / 2; ranges[mid].from <= r {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return ""
	}
	if to := ranges[lo-1].to; to != "" {
		return to
	}
	return latinOf(r)
}

// fold returns s as words of lower-case ASCII letters and digits (and kept foreign letters) separated by
// single spaces. Apostrophes and full stops vanish ("O'Brien" is "obrien", "J.R." is "jr"); anything else that
// is no letter or digit separates words.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	put := func(t string) {
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteString(t)
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			put(string(r))
		case r >= 'A' && r <= 'Z':
			put(string(r + 'a' - 'A'))
		case r == '\'' || r == '`' || r == '.' || r == 0x00b4 || r == 0x2018 || r == 0x2019 || r == 0x02bc || r == 0xfffd:
			// dropped: part of the word around it
		case r >= 0xff01 && r <= 0xff5e: // as wide as a Chinese character
			put(fold(string(r - 0xff01 + '!')))
		case r < 0xc0 || r >= 0x2000 && r <= 0x2bff || r >= 0x3000 && r <= 0x3002 || r == 0x30fb || r == 0xfeff:
			space = true
		case r >= 0x0300 && r <= 0x036f: // combining accents
		default:
			if d, ok := decimal(r); ok {
				put(string('0' + d))
				continue
			}
			switch to := foldRune(r); to {
			case "-":
			case "":
				put(string(r))
			default:
				put(to)
			}
		}
	}
	return b.String()
}

// digits returns the decimal digits of s, of whatever script, as those from 0 to 9.
func digits(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteByte(byte(r))
		case r >= 0x80:
			if d, ok := decimal(r); ok {
				b.WriteByte('0' + d)
			}
		}
	}
	return b.String()
}
