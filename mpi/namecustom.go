package mpi

import "slices"

// servantOf are the words that begin an Arabic name of two words, "servant of": they are hardly ever a name by themselves, so what
// follows is part of the given name. articles stand between.
//
// Source: A Guide to Names and Naming Practices, United Kingdom, March 2006, handed on by Interpol: Arabic names.
var (
	servantOf = set(`abd abdul abdel abdal abdol abdur abdus abdu`)
	articles  = set(`al el ul ur ar as us ad an`)
)

// secondMarkers stand between the family and the given name of Vietnamese people, thi of women and van of men, and are no given name
// where one follows.
//
// Source: the same, Vietnamese names.
var secondMarkers = set(`thi van`)

// firstGiven returns the given name somebody goes by, and the other words of given: of "Abd al Rahman Omar" abdalrahman and omar, of
// Thi Lan, where the family name is Vietnamese, lan and thi. first is "" for no words.
func firstGiven(given, family []string) (first string, more []string) {
	if len(given) == 0 {
		return "", nil
	}
	first, more = given[0], given[1:]
	switch {
	case len(more) == 0:
	case servantOf[first]:
		at := 0
		if len(more) > 1 && articles[more[0]] {
			at = 1
		}
		for _, w := range more[:at+1] {
			first += w
		}
		more = more[at+1:]
	case secondMarkers[first] && len(family) > 0 && familyFirst[family[0]]:
		first, more = more[0], append([]string{first}, more[1:]...)
	}
	return first, more
}

// lookLike are digits set for the letters they look like: in a name there are none.
var lookLike = map[byte]byte{'0': 'o', '1': 'l', '5': 's', '3': 'e', '8': 'b'}

// lettersOnly returns words with the digits in them read as the letters they look like, where letters make up the rest: j0an is joan. A word that
// begins with a digit is no name.
func lettersOnly(words []string) []string {
	for i, w := range words {
		letters, found := 0, 0
		for j := range len(w) {
			if c := w[j]; c >= '0' && c <= '9' {
				found++
			} else {
				letters++
			}
		}
		if found == 0 || letters < 2*found || w[0] >= '0' && w[0] <= '9' {
			continue
		}
		b := []byte(w)
		for j, c := range b {
			if to := lookLike[c]; to != 0 {
				b[j] = to
			}
		}
		words = slices.Clone(words)
		words[i] = string(b)
	}
	return words
}

// compounds are given names that mostly stand before a second one and are common beside it: María Elena and María José are two names.
//
// Source: the same, Hispanic and Arabic names.
var compounds = set(`maria marie ma jose joao juan ana ann anna jean luis luiz pedro mary muhammad mohammad mohammed mohamed muhammed mohamad md thi van`)

// otherSecond reports whether a and b, whose given names are equal, differ in what makes the name: the second syllable, where the family name
// comes first and all children of a generation may share the first, or the name behind María. known names are no syllables.
//
// Source: the same, Chinese and Korean names: names of a generation.
func otherSecond(a, b *Features) bool {
	x, y := &a.middles[0], &b.middles[0]
	if x.n < 2 || y.n < 2 {
		return false
	}
	if a.familyFirst() || b.familyFirst() {
		return secondSyllable(a, b)
	}
	return compounds[string(a.givens[0].bytes())] && compounds[string(b.givens[0].bytes())]
}

// secondSyllable reports whether what stands as middle names of a and b are second syllables of given names, as far as the family names tell:
// those of a people that writes them first. A middle name known to exist is a name of its own.
func secondSyllable(a, b *Features) bool {
	return (a.familyFirst() || b.familyFirst()) && (a.middles[0].flags|b.middles[0].flags)&flagKnown == 0
}

// writtenApart reports whether the given name of a is that of b with b's second one, written as one: Jiwoo, and Ji Woo.
//
// Source: Revised Romanization of Korean, 2000, section 3 (4); GB/T 28039, spelling of Chinese names: syllables of a given name are one word, which
// others write with a hyphen or apart.
func writtenApart(a, b *Features) bool {
	if a.nGivens == 0 || b.nGivens == 0 || b.nMiddles == 0 {
		return false
	}
	whole, first, second := a.givens[0].bytes(), b.givens[0].bytes(), b.middles[0].bytes()
	return len(second) > 1 && len(whole) == len(first)+len(second) && string(whole[:len(first)]) == string(first) && string(whole[len(first):]) == string(second)
}

// doubled reports whether the only given name of f is its family name once more, spelled alike or otherwise: a family name keyed into both
// fields says nothing of the given name.
func (f *Features) doubled() bool {
	if f.nGivens != 1 || f.nMiddles != 0 {
		return false
	}
	g := &f.givens[0]
	for i := range f.nFamilies {
		n := &f.families[i]
		if g.hash == n.hash || g.flags&flagPart != 0 && transcribedAs(g, n) {
			return true
		}
	}
	return false
}

// Sounds a syllable of a Chinese, Korean or Vietnamese name may begin with, go on with and end in, as they are written in Latin letters. The
// three are not told apart: what fits none of them is hardly a name.
//
// Source: Hanyu Pinyin and Wade-Giles tables of syllables; Revised Romanization of Korean and the spellings in use beside it; Vietnamese alphabet.
var (
	syllableStarts = set(`b p m f d t n l g k h j q x zh ch sh r z c s y w ts tz hs kk tt pp ss jj gh gi kh ng ngh nh ph qu th tr v`)
	syllableMiddle = set(`a o e i u v ai ei ao ou ia ie iao iu iou ua uo uai ui uei ue ve ya ye yo yu yeo yae ae eo oe wa wo we wi wae eu oo ee uh
		woo yoo yi uy uye uya oa oi uu uou uoi ay oay au eau ieu oai iew ow aw ew`)
	syllableEnds = set(`n ng m p t c ch nh k l h r`)
)

// syllabic reports whether w is one to three such syllables.
func syllabic(w string) bool { return syllables(w, 3) }

func syllables(w string, most int) bool {
	if w == "" {
		return true
	}
	if most == 0 {
		return false
	}
	for start := range min(3, len(w)) + 1 {
		if start > 0 && !syllableStarts[w[:start]] {
			continue
		}
		for middle := start + 1; middle <= min(start+4, len(w)); middle++ {
			if !syllableMiddle[w[start:middle]] {
				continue
			}
			if syllables(w[middle:], most-1) {
				return true
			}
			for end := middle + 1; end <= min(middle+2, len(w)); end++ {
				if syllableEnds[w[middle:end]] && syllables(w[end:], most-1) {
					return true
				}
			}
		}
	}
	return false
}

// knowSyllables marks the given names of f that are made of such syllables as known to exist. The family name is of a people that writes it
// first.
func (f *Features) knowSyllables() {
	for i := range f.nGivens {
		if g := &f.givens[i]; g.n > 1 && syllabic(string(g.bytes())) {
			g.flags |= flagKnown
		}
	}
}
