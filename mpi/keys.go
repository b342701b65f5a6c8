package mpi

import (
	"cmp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// A KeyKind says what a candidate key is made of. Kinds are stored inside hashes: their numbers never change.
type KeyKind uint8

// The kinds of candidate key. Each is narrow: a value few records share.
const (
	KeySSN            KeyKind = iota + 1 // whole social security number
	KeySSN4Year                          // its last four + year of birth
	KeyIdentifier                        // any other identifier with its namespace
	KeyPhone                             // a phone number
	KeyEmail                             // a mail address
	KeyBirthGiven                        // date of birth + formal given name
	KeyBirthFamily                       // date of birth + sound of the family name
	KeyBirthInitials                     // date of birth with day and month in order + both initials
	KeyYearNames                         // year of birth + sound of the family name + initial of the given
	KeyMonthDayNames                     // month and day of birth + sound of the family name + initial of the given
	KeyYearMonthNames                    // year and month of birth + formal given name + initial of the family
	KeyStreetGiven                       // house number, postal code or street, initial of the given name
	KeyNames                             // both names, in any order
	KeyStreetBirth                       // house number, postal code or street, date of birth

	// Kinds from here on serve batches only, where a key costs no disk: they are wider, and find records with little
	// on them or with several errors.
	KeyBirth        // date of birth
	KeyMonthDaySome // month and day + sound of any name
	KeyYearDaySome  // year and day + sound of any name
	KeyYearMonthSome
	KeyYearSome    // year + any name
	KeySounds      // sounds of two names, in any order
	KeySound       // sound of any name
	KeyName        // any name
	KeyHalves      // first and second half of the digits of an identifier
	KeyPhoneEnd    // last seven digits; last four + sound of any name
	KeyMailLocal   // a mail address up to "@", or behind it
	KeyStreet      // a line of an address
	KeyStreetName  // a line of an address + initial of any name
	KeyPlaceName   // city or postal code + sound of any name
	KeyPlaceBirth  // city or postal code + year of birth, month and day
	KeyPlaceNumber // house number + postal code or city
	KeyPlace       // postal code or city
	KeyStem        // beginning or end of a name + beginning of another, or year
)

var keyNames = [...]string{"", "ssn", "ssn-last-four+year", "identifier", "phone", "email", "birth-date+given", "birth-date+family",
	"birth-date+initials", "year+names", "month-day+names", "year-month+names", "street+given", "names", "street+birth-date",
	"birth-date", "month-day+sound", "year-day+sound", "year-month+sound", "year+name", "sounds", "sound", "name", "identifier-half",
	"phone-end", "mail-part", "street", "street+initial", "place+sound", "place+birth", "number+place", "place", "stems"}

func (k KeyKind) String() string {
	if int(k) < len(keyNames) {
		return keyNames[k]
	}
	return ""
}

// A Key is one candidate key of a record: records sharing a Hash are compared.
type Key struct {
	Kind KeyKind
	Hash int64
}

// newKey is hash64 of the kind's letter and parts, without putting them together: half of a batch's keys are made of three.
func newKey(k KeyKind, parts ...string) Key {
	h := hashOn(hashBegin, string(rune('@'+k)))
	for _, p := range parts {
		h = hashOn(hashOn(h, hashBetween), p)
	}
	return Key{k, int64(hashEnd(h))}
}

// Keys returns the candidate keys of d, sorted by hash, each once: about 8 to 15.
func Keys(d Demographics) []Key {
	v := normalize(d)
	return v.keys()
}

// maxNameKeys bounds how many given and family names take part in keys.
const maxNameKeys = 2

func (v *values) keys() []Key { return v.appendKeys(nil) }

// appendKeys is keys into out, which is empty.
func (v *values) appendKeys(out []Key) []Key {
	add := func(k KeyKind, parts ...string) { out = append(out, newKey(k, parts...)) }
	year, birth, ordered, monthDay, yearMonth := v.birthParts()
	if len(v.ssn) == 9 {
		add(KeySSN, v.ssn)
	}
	if v.ssn != "" && year != "" {
		add(KeySSN4Year, v.ssn[len(v.ssn)-4:], year)
	}
	for _, x := range v.ids[:min(len(v.ids), maxIDs)] {
		add(KeyIdentifier, x.system, x.value)
	}
	for _, p := range v.phones[:min(len(v.phones), maxPhones)] {
		add(KeyPhone, p)
	}
	for _, m := range v.emails[:min(len(v.emails), maxEmails)] {
		add(KeyEmail, m)
	}
	givens := v.givens[:min(len(v.givens), maxNameKeys)]
	families := v.familyWords()
	for _, g := range givens {
		if birth != "" {
			add(KeyBirthGiven, birth, formal(g))
		}
		for _, f := range families {
			if ordered != "" {
				add(KeyBirthInitials, ordered, initials(g, f))
			}
			if year != "" {
				add(KeyYearNames, year, sound(f), initial(g))
			}
			if monthDay != "" {
				add(KeyMonthDayNames, monthDay, sound(f), initial(g))
			}
			if yearMonth != "" {
				add(KeyYearMonthNames, yearMonth, formal(g), initial(f))
			}
			add(KeyNames, inOrder(formal(g), f)...)
		}
		for _, a := range v.addresses[:min(len(v.addresses), maxAddresses)] {
			if a.number != "" && (a.zip != "" || a.street != "") {
				add(KeyStreetGiven, a.number, cmp.Or(a.zip, a.street), initial(g))
			}
		}
	}
	for _, f := range families {
		if birth != "" {
			add(KeyBirthFamily, birth, sound(f))
		}
	}
	if birth != "" {
		for _, a := range v.addresses[:min(len(v.addresses), maxAddresses)] {
			if a.number != "" && (a.zip != "" || a.street != "") {
				add(KeyStreetBirth, a.number, cmp.Or(a.zip, a.street), birth)
			}
		}
	}
	slices.SortFunc(out, func(a, b Key) int { return cmp.Compare(a.Hash, b.Hash) })
	return slices.CompactFunc(out, func(a, b Key) bool { return a.Hash == b.Hash })
}

// birthParts returns the pieces of the date of birth, as typed, that keys are made of, "" for what is not known.
func (v *values) birthParts() (year, birth, ordered, monthDay, yearMonth string) {
	d := v.typed
	if d.Year == 0 {
		return
	}
	year = strconv.Itoa(d.Year)
	if d.Month == 0 {
		return
	}
	yearMonth = year + "-" + strconv.Itoa(d.Month)
	if d.Day == 0 {
		return
	}
	monthDay = strconv.Itoa(d.Month) + "-" + strconv.Itoa(d.Day)
	birth = year + "-" + monthDay
	ordered = year + "-" + strconv.Itoa(min(d.Month, d.Day)) + "-" + strconv.Itoa(max(d.Month, d.Day))
	return
}

// familyWords returns the whole family names, then parts of double ones, at most maxNameKeys+1.
func (v *values) familyWords() []string {
	var out []string
	for _, f := range v.families {
		out = addOnce(out, f.whole)
	}
	for _, f := range v.families {
		for _, p := range f.parts {
			out = addOnce(out, p)
		}
	}
	return out[:min(len(out), maxNameKeys+1)]
}

// sound returns a word's phonetic code as text, or the word itself where it has none.
func sound(word string) string {
	if c := phonetic([]byte(word)); c != 0 {
		return strconv.FormatUint(uint64(c), 32)
	}
	return word
}

// initial is the first letter of a word.
func initial(w string) string {
	_, n := utf8.DecodeRuneInString(w)
	return w[:n]
}

func initials(a, b string) string { return initial(a) + initial(b) }

func inOrder(a, b string) []string {
	if a > b {
		a, b = b, a
	}
	return []string{a, b}
}

// hashes returns the keys' hashes, in the same order: sorted.
func hashes(keys []Key) []int64 {
	out := make([]int64, len(keys))
	for i, k := range keys {
		out[i] = k.Hash
	}
	return out
}
