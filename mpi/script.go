package mpi

import "strings"

// Names in other scripts are brought to Latin letters sign by sign, so that they are cut, keyed and compared as those are, and may meet a
// transcription. Vowels that a script does not write stay unwritten, and tones and points go. What is written for ideas and not sounds (Chinese
// characters) is kept.
//
// Source: Revised Romanization of Korean, 2000 (before assimilation); Hepburn; ALA-LC tables for Arabic, Persian, Hebrew, Armenian, Georgian, the scripts
// of India and Thai, diacritics left out.

// A script holds what the runes from on become, one word a rune: "-" for nothing, "=" for the rune itself.
type script struct {
	from rune
	to   []string
}

func signs(from rune, words string) script { return script{from, strings.Fields(words)} }

// scripts are in ascending order.
var scripts = []script{
	signs(0x0531, `a b g d e z e y t zh i l kh ts k h dz gh ch m y n sh o ch p j r s v t r ts u p k o f`),
	signs(0x0561, `a b g d e z e y t zh i l kh ts k h dz gh ch m y n sh o ch p j r s v t r ts u p k o f ev`),
	signs(0x0591, strings.Repeat("- ", 0x05c8-0x0591)), // points
	signs(0x05d0, `a b g d h v z h t y k k l m m n n s a p p ts ts k r sh t`),
	signs(0x0621, `- a a w a y a b a t th j h kh d dh r z s sh s d t z a gh = = = = = - f q k l m n h w a y`+strings.Repeat(" -", 0x0660-0x064b)),
	signs(0x0670, `- a`),
	signs(0x0679, `t = = = = p`),
	signs(0x0686, `ch = d`),
	signs(0x0691, `r = = = = = = zh`),
	signs(0x06a9, `k`),
	signs(0x06af, `g`),
	signs(0x06ba, `n`),
	signs(0x06be, `h = = h = = = = = = = = = = y`),
	signs(0x06d2, `y`),
	signs(0x0e01, `k kh kh kh kh kh ng ch ch ch s ch y d t th th th n d t th th th n b p ph f ph f ph m y r rue l lue w s s s h l o h
		- a a a am i i ue ue u u - = = = = - e ae o ai ai - - - - - - - - - -`),
	signs(0x10d0, `a b g d e v z t i k l m n o p zh r s t u p k gh q sh ch ts dz ts ch kh j h`),
	signs(0x3041, kana),
	signs(0x30a1, kana),
	signs(0x30fc, `-`),
}

const kana = `a a i i u u e e o o ka ga ki gi ku gu ke ge ko go sa za shi ji su zu se ze so zo ta da chi ji - tsu zu te de to do na ni nu ne no
	ha ba pa hi bi pi fu bu pu he be pe ho bo po ma mi mu me mo ya ya yu yu yo yo ra ri ru re ro wa wa i e o n vu ka ke`

// indic is what the scripts of India share: each has its signs in the order of Devanagari, in 128 places of its own.
//
// Source: The Unicode Standard, chapter 12: South Asian scripts follow ISCII.
var indic = strings.Fields(`= n n h = a a i i u u ri l e e e ai o o o au k kh g gh ng ch ch j jh n t th d dh n t th d dh n n p ph b bh m y r r l l l v sh sh s h
	= = - - a i i u u ri ri e e e ai o o o au -`)

const (
	firstIndic, lastIndic = 0x0900, 0x0d7f
	firstHangul, lastJamo = 0xac00, 0xd7a3
)

// The sounds a Korean syllable begins with, goes on with and ends in. What only a vowel would be is written as in family names: oh, yi, woo.
var (
	hangulStarts = strings.Split("g kk n d tt r m b pp s ss  j jj ch k t p h", " ")
	hangulMiddle = strings.Fields(`a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i`)
	hangulEnds   = strings.Split(" k k k n n n t l k m l l l p l m p p t t ng t t k t p t", " ")
	hangulAlone  = map[string]string{"o": "oh", "i": "yi", "u": "woo"}
)

// latinOf returns what a rune of another script becomes, as foldRune has it.
func latinOf(r rune) string {
	switch {
	case r >= firstHangul && r <= lastJamo:
		n := int(r - firstHangul)
		s := hangulStarts[n/588] + hangulMiddle[n%588/28] + hangulEnds[n%28]
		if alone := hangulAlone[s]; alone != "" {
			return alone
		}
		return s
	case r >= firstIndic && r <= lastIndic:
		if at := int(r-firstIndic) % 128; at < len(indic) && indic[at] != "=" {
			return indic[at]
		}
		return ""
	}
	for i := len(scripts) - 1; i >= 0; i-- {
		s := &scripts[i]
		if at := int(r - s.from); at >= 0 && at < len(s.to) && s.to[at] != "=" {
			return s.to[at]
		}
	}
	return ""
}

// decimal returns the value of a decimal digit of any script; ok is false for what is none.
func decimal(r rune) (value byte, ok bool) {
	for _, zero := range [...]rune{'0', 0x0660, 0x06f0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0e50, 0xff10} {
		if r >= zero && r <= zero+9 {
			return byte(r - zero), true
		}
	}
	return 0, false
}
