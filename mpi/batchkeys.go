package mpi

import (
	"strconv"
	"unicode/utf8"
)

// Blocks larger than these say too little to compare all their records. A single value makes a key only while it is rare.
const (
	blockCap     = 150
	rareBlockCap = 40
)

// firstBatchKind is the first kind that serves batches only.
const firstBatchKind = KeyBirth

// capOf is the largest block of a kind.
func capOf(k KeyKind) int {
	switch k {
	case KeySound, KeyName, KeyPlace, KeyStreet, KeyYearSome, KeyMailLocal, KeyHalves:
		return rareBlockCap
	}
	return blockCap
}

// batchKeys returns the keys of a record for a batch, in room if there is enough of it: those of the live index and the wider ones.
func (v *values) batchKeys(room []Key) []Key {
	out := v.appendKeys(room[:0])
	add := func(k KeyKind, parts ...string) {
		for _, p := range parts {
			if p == "" {
				return
			}
		}
		out = append(out, newKey(k, parts...))
	}
	year, birth, monthDay, yearMonth, yearDay := "", "", "", "", ""
	if d := v.typed; d.Year != 0 {
		year = strconv.Itoa(d.Year)
		if d.Month != 0 {
			yearMonth = year + "-" + strconv.Itoa(d.Month)
		}
		if d.Day != 0 {
			monthDay, yearDay = strconv.Itoa(d.Month)+"-"+strconv.Itoa(d.Day), year+"--"+strconv.Itoa(d.Day)
			birth = year + "-" + monthDay
		}
	}
	names := v.anyNames()
	add(KeyBirth, birth)
	var said [mostNames]string
	sounds := said[:0]
	for i, w := range names {
		s := sound(w)
		sounds = append(sounds, s)
		add(KeyMonthDaySome, monthDay, s)
		add(KeyYearDaySome, yearDay, s)
		add(KeyYearMonthSome, yearMonth, s)
		add(KeyYearSome, year, w)
		add(KeyName, w)
		add(KeySound, s)
		for j, x := range names[:i] {
			add(KeySounds, inOrder(s, sounds[j])...)
			add(KeyNames, inOrder(formal(w), formal(x))...)
			add(KeyStem, inOrder(stem(w), stem(x))...)
			add(KeyStem, inOrder(ending(w), ending(x))...)
		}
		add(KeyStem, stem(w), year)
		add(KeyStem, ending(w), year)
	}
	numbers := make([]string, 0, 4)
	if len(v.ssn) > 4 {
		numbers = append(numbers, v.ssn)
	}
	for _, x := range v.ids {
		if x.kind != "local" && len(x.value) >= 6 {
			numbers = append(numbers, x.value)
		}
	}
	for _, n := range numbers {
		add(KeyHalves, "a", n[:len(n)/2])
		add(KeyHalves, "b", n[len(n)/2:])
	}
	for _, p := range v.phones {
		if len(p) >= 7 {
			add(KeyPhoneEnd, p[len(p)-7:])
			for _, s := range sounds {
				add(KeyPhoneEnd, p[len(p)-4:], s)
			}
		}
	}
	for _, m := range v.emails {
		for i := range len(m) {
			if m[i] == '@' {
				add(KeyMailLocal, m[:i])
				add(KeyMailLocal, m[i:])
			}
		}
	}
	for _, a := range v.addresses {
		v.placeKeys(add, a, names, sounds, year, monthDay)
	}
	return out
}

func (v *values) placeKeys(add func(KeyKind, ...string), a postal, names, sounds []string, year, monthDay string) {
	for _, s := range [...]string{a.street, a.second} {
		add(KeyStreet, s)
		for _, w := range names {
			add(KeyStreetName, s, initial(w))
		}
	}
	for i, p := range [...]string{a.zip, a.city} {
		tag := strconv.Itoa(i)
		add(KeyPlace, tag, p)
		add(KeyPlaceNumber, tag, p, a.number)
		add(KeyPlaceBirth, tag, p, year)
		add(KeyPlaceBirth, tag, p, monthDay)
		for _, s := range sounds {
			add(KeyPlaceName, tag, p, s)
		}
	}
}

// mostNames is how many names of a person a batch looks under.
const mostNames = 5

// anyNames returns the names a person may be looked for under, given and family alike: at most mostNames.
func (v *values) anyNames() []string {
	var out []string
	for _, g := range v.givens {
		if len(g) > 1 {
			out = addOnce(out, g)
		}
	}
	for _, f := range v.familyWords() {
		if len(f) > 1 {
			out = addOnce(out, f)
		}
	}
	for _, m := range v.middles {
		if len(m) > 2 {
			out = addOnce(out, m)
		}
	}
	return out[:min(len(out), mostNames)]
}

// stem and ending are what a single error elsewhere in the word leaves alone.
func stem(w string) string {
	if len(w) < 3 {
		return w
	}
	if w[0] >= utf8.RuneSelf { // a sign of a script that is kept says as much as two letters
		return initial(w)
	}
	return w[:max(2, len(w)/2)]
}

func ending(w string) string {
	if len(w) < 3 {
		return "-" + w
	}
	if w[0] >= utf8.RuneSelf {
		_, n := utf8.DecodeLastRuneInString(w)
		return "-" + w[len(w)-n:]
	}
	return "-" + w[len(w)-max(2, len(w)/2):]
}

// BatchKeys returns the keys of d for a batch: those of Keys and wider ones, in no order, some twice.
func BatchKeys(d Demographics) []Key {
	v := normalize(d)
	return v.batchKeys(nil)
}

// BlockCap is the largest block of a batch whose records are compared; larger ones say too little.
func (k KeyKind) BlockCap() int { return capOf(k) }

// Live reports whether the live index has keys of the kind.
func (k KeyKind) Live() bool { return k < firstBatchKind }
