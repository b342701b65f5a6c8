package mpi

import (
	"strings"
)

// Values typed because a form wanted something. They say nothing about anybody, and treated as data they tie
// strangers together, so they count as missing. Each list has the reason given in evidence rows.
//
// Source: placeholder values attested in registries and software (RecordLinker skip values, Adelman 2015 on
// newborn naming, SSA numbering rules, CMS test-set catalogue).

// words that stand for "no name known" in any name part.
var unknownNames = set(`unknown unk anon anonymous nfn fnu lnu nln noname none refused declined patient pt na null nil
	notspecified unspecified unnamed noone nobody void blank xx xxx xxxx zz zzz x2 trauma test zztest testing donotuse
	duplicate merged error delete deleted`)

// words of which a name of a newborn not yet named is made.
var newbornWords = set(`baby babyboy babygirl bb bg bboy bgirl boy girl newborn infant fetus foetus stillborn male female twin triplet nb child`)

// whole names that belong to nobody.
var nobody = set(`johndoe janedoe babydoe mickeymouse minniemouse donaldduck daffyduck testpatient patienttest testtest joebloggs`)

var unknownStreets = set(`unknown unk none na null homeless undomiciled transient nofixedabode nfa nofixedaddress noaddress
	generaldelivery returnmail badaddress undeliverable streets shelter anystreet`)

var unknownCities = set(`unknown unk none na null anytown nowhere`)

var unknownMail = set(`none na no noemail nomail noreply declined refused test unknown null a x abc email patient anonymous`)

func set(words string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		out[w] = true
	}
	return out
}

// oldest is the year from which on a date may be the birth of somebody who is treated today; newest that up to which it is a year at all.
const (
	oldest = 1880
	newest = 2200
)

// placeholderBirth returns why d is no birth date ("default", "epoch", "too old"), or "".
func placeholderBirth(d Date) string {
	switch {
	case d.Year > newest:
		return "default"
	case d.Month == 1 && d.Day == 1 && (d.Year == 1900 || d.Year == 1901):
		return "default"
	case d.Year == 1900 && d.Month == 6 && d.Day == 15:
		return "default"
	}
	switch [3]int{d.Year, d.Month, d.Day} {
	case [3]int{1582, 10, 15}, [3]int{1601, 1, 1}, [3]int{1753, 1, 1}, [3]int{1840, 12, 31}, [3]int{1858, 11, 17}, [3]int{1899, 12, 30},
		[3]int{1899, 12, 31}, [3]int{1904, 1, 1}:
		return "epoch"
	}
	if d.Year < oldest {
		return "too old"
	}
	return ""
}

// weakBirth reports whether d is a date often put for "only the year is known" or by software.
func weakBirth(d Date) bool {
	return d.Day == 1 && (d.Month == 1 || d.Month == 7) || d.Day == 15 && d.Month == 6
}

// placeholderSSN returns why nine digits are no social security number, or "".
//
// Source: SSA numbering: area 000, 666 and 900-999, group 00 and serial 0000 are never issued.
func placeholderSSN(d string) string {
	switch {
	case len(d) != 9:
		return "length"
	case allSame(d), d == "123456789", d == "012345678", d == "987654321":
		return "default"
	case d == "078051120" || d == "219099999":
		return "famous"
	case d[:3] == "000" || d[:3] == "666" || d[0] == '9' || d[3:5] == "00" || d[5:] == "0000":
		return "never issued"
	}
	return ""
}

// placeholderITIN returns why nine digits that begin with 9 are nobody's tax number, or "".
//
// Source: IRS Publication 4757: the fourth and fifth digit are 50 to 65, 70 to 88, 90 to 92 or 94 to 99.
func placeholderITIN(d string) string {
	if len(d) != 9 || d[0] != '9' {
		return "length"
	}
	group := d[3:5]
	switch {
	case allSame(d), d == "987654321":
		return "default"
	case group >= "50" && group <= "65", group >= "70" && group <= "88", group >= "90" && group <= "92", group >= "94":
		return ""
	}
	return "never issued"
}

// placeholderPhone returns why ten digits are nobody's number, or "".
func placeholderPhone(d string) string {
	switch {
	case allSame(d), d == "1234567890", d == "0123456789", allSame(d[3:]):
		return "default"
	case d[3:] == "5551212":
		return "directory"
	case d[3:8] == "55501" && len(d) == 10:
		return "fictional"
	}
	return ""
}

func allSame(s string) bool { return s != "" && strings.Count(s, s[:1]) == len(s) }
