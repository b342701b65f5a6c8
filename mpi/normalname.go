package mpi

import (
	"slices"
	"strings"
)

// A familyName is one family name: whole with particles and parts joined, and its parts when there are several.
type familyName struct {
	whole string
	parts []string
}

var titles = set(`mr mrs ms miss mx dr prof professor sir dame lady lord rev reverend fr father sister hon capt captain col sgt maj lt mister`)

var particles = set(`de del della dela delas delos da das do dos di du la las le les lo van von der den ter ten vander vanden zu zum
	bin ibn bint al el ul ben st saint mac mc o y e af av`)

var generations = map[string]byte{
	"sr": 1, "senior": 1, "i": 1, "jr": 2, "junior": 2, "jnr": 2, "snr": 1, "ii": 2, "2nd": 2, "iii": 3, "3rd": 3, "iv": 4, "4th": 4, "v": 5, "vi": 6,
}

// addName takes one name apart: titles and suffixes off, placeholders out, the first given name from the rest.
func (v *values) addName(n Name) {
	given := strings.Fields(fold(strings.Join(n.Given, " ")))
	family := strings.Fields(fold(n.Family))
	switch all := strings.Join(n.Given, " "); {
	case len(given) == 0 && len(family) == 0:
		given, family = splitText(n.Text)
	case len(family) == 0 && strings.Contains(all, ","): // the whole name in one field
		given, family = splitText(all)
	case len(given) == 0 && strings.Contains(n.Family, ","):
		given, family = splitText(n.Family)
	}
	for _, s := range n.Suffix {
		for w := range strings.FieldsSeq(fold(s)) {
			v.setSuffix(generations[w])
		}
	}
	given = lettersOnly(v.stripSuffix(stripTitles(given), numerals))
	family = lettersOnly(v.stripSuffix(stripDegrees(stripTitles(family)), nil))
	if n.Use == "anonymous" {
		v.drop("name", "anonymous")
		return
	}
	if nobody[strings.Join(given, "")+strings.Join(family, "")] {
		v.drop("name", "nobody's name")
		return
	}
	if order, ok := newborn(given); ok {
		v.drop("given", "newborn")
		if order != 0 && v.order == 0 {
			v.order = order
		}
		given = nil
	}
	if all := strings.Join(given, ""); unknownNames[all] && !(all == "na" && len(family) > 0 && familyFirst[family[0]]) { // Na is a Chinese name
		v.drop("given", "placeholder")
		given = nil
	}
	first, more := firstGiven(given, family)
	if unknownNames[first] && len(given) > 1 {
		v.drop("given", "placeholder")
		first = ""
	}
	v.givens = addOnce(v.givens, first)
	for _, w := range more {
		if !unknownNames[w] {
			v.middles = addOnce(v.middles, w)
		}
	}
	f := familyOf(strings.Join(family, " "))
	switch {
	case f.whole == "":
	case unknownNames[f.whole] || f.whole == "doe" && len(given) == 0:
		v.drop("family", "placeholder")
	default:
		if !slices.ContainsFunc(v.families, func(o familyName) bool { return o.whole == f.whole }) {
			v.families = append(v.families, f)
		}
	}
}

// splitText takes a name given only as text apart: "Family, Given Middle" or "Given Middle Family".
func splitText(text string) (given, family []string) {
	if last, first, ok := strings.Cut(text, ","); ok {
		given, family = strings.Fields(fold(first)), strings.Fields(fold(last))
		if len(given) > 0 && (generations[given[0]] == 0 || len(given) > 1) {
			return given, family
		}
		text = strings.ReplaceAll(text, ",", " ") // "Ann Lee, Jr."
	}
	words := strings.Fields(fold(text))
	if len(words) < 2 {
		return nil, words
	}
	end := len(words) - 1
	if end > 1 && generations[words[end]] != 0 {
		end--
	}
	start := end
	for start > 1 && particles[words[start-1]] {
		start--
	}
	return words[:start], words[start:]
}

// degrees stand behind a family name and are no part of it.
var degrees = set(`md phd rn esq dds dmd dvm`)

func stripDegrees(words []string) []string {
	for len(words) > 1 && degrees[words[len(words)-1]] {
		words = words[:len(words)-1]
	}
	return words
}

func stripTitles(words []string) []string {
	for len(words) > 1 && titles[words[0]] {
		words = words[1:]
	}
	return words
}

// numerals are generations that behind a given name are an initial, or a name: Vi.
var numerals = set(`i v vi`)

// stripSuffix takes a generation off the end of words, glued ones ("smithjr") too, and none of but.
func (v *values) stripSuffix(words []string, but map[string]bool) []string {
	if len(words) > 1 {
		if g := generations[words[len(words)-1]]; g != 0 && !but[words[len(words)-1]] {
			v.setSuffix(g)
			words = words[:len(words)-1]
		}
	}
	if len(words) > 0 {
		last := words[len(words)-1]
		for _, glued := range []struct {
			end string
			g   byte
		}{{"iii", 3}, {"jr", 2}} {
			if strings.HasSuffix(last, glued.end) && len(last) >= len(glued.end)+3 {
				v.setSuffix(glued.g)
				words = append(slices.Clone(words[:len(words)-1]), strings.TrimSuffix(last, glued.end))
			}
		}
	}
	return words
}

func (v *values) setSuffix(g byte) {
	if v.suffix == 0 {
		v.suffix = g
	}
}

// newborn reports whether words are a name given to a newborn before it had one ("BABY BOY A",
// "1WENDYSGIRL"), and the birth order it tells, or 0.
//
// Source: Adelman et al. 2015, naming of newborns.
func newborn(words []string) (order byte, ok bool) {
	if len(words) == 0 {
		return 0, false
	}
	joined := strings.Join(words, "")
	if strings.HasSuffix(joined, "sboy") || strings.HasSuffix(joined, "sgirl") {
		if joined[0] >= '1' && joined[0] <= '9' {
			order = joined[0] - '0'
		}
		return order, len(joined) > 6
	}
	found := false
	for i, w := range words {
		switch {
		case newbornWords[w] && (i > 0 || w != "male" && w != "female" && w != "child" || len(words) == 1):
			found = true
		case i > 0 && found && len(w) == 1 && w[0] >= 'a' && w[0] <= 'd':
			order = w[0] - 'a' + 1
		case i > 0 && found && len(w) == 1 && w[0] >= '1' && w[0] <= '9':
			order = w[0] - '0'
		default:
			return 0, false
		}
	}
	return order, found
}

// familyOf joins a folded family name with its particles and keeps the parts when there are several.
func familyOf(folded string) familyName {
	words := strings.Fields(folded)
	f := familyName{whole: strings.Join(words, "")}
	if len(words) > 1 {
		for _, w := range words {
			if !particles[w] && len(w) > 1 {
				f.parts = addOnce(f.parts, w)
			}
		}
	}
	return f
}
