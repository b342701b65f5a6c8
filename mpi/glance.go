package mpi

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// A glance is what of a record tells most pairs of strangers apart, in two cache lines: most candidate pairs of a batch fall so far
// short of the bar that this is enough, and their records are never fetched and compared. What it shows is at least what a comparison
// would find (see [sight]), so that nothing is decided by it but who need not be compared.
//
// It is made from a record as a shelf gives it back. Where a field has more values than there is room for, its marks say so.
type glance struct {
	mailSketch, lineSketch uint64

	birth  uint32 // eight digits of the date, four bits each
	source uint32
	ssn    uint32 // the last eight digits
	phone  uint32 // the last seven digits

	given, family, middle   outline
	givenBegin, familyBegin uint32 // their first four letters
	sounds                  uint32 // of given and family name, 16 bits each
	mail                    uint32
	marks                   marks
	own                     uint32 // number at the site, with its namespace
	member                  uint32 // number in an insurance plan
	plan                    uint32 // its namespace

	line, number, zip, city, citySketch uint32
	area                                uint16

	families         uint16 // places of all family names
	groups           uint16 // places of the groups of nicknames the given name stands in
	maiden, guardian uint16 // 0 for none
	spellings        uint8  // places of the groups of transcriptions the family name stands in
	suffix, sex      byte

	// how common the values are: see Frequencies.commonness
	qGiven, qFamily, qMiddle, qStreet, qLine, qZip, qCity uint8
}

// An outline is what a glance shows of a token: hash, letters, and behind 27 bits the length.
type outline struct{ hash, letters uint32 }

const lettersBits = 27

func outlineOf(t *token) outline { return outline{t.hash, t.mask | uint32(t.n)<<lettersBits} }

func (w outline) length() uint32 { return w.letters >> lettersBits }

// leastLikeness returns what likeness of two different words, of letters all, is at least. begin is how many of their first four letters agree, and
// more where that is not known; sound is set when they may sound alike.
func leastLikeness(a, b outline, begin int, sound bool) int {
	x, y := int(a.length()), int(b.length())
	least := 3
	if sound {
		least = 2
	}
	la, lb := a.letters<<(32-lettersBits), b.letters<<(32-lettersBits)
	onlyA, onlyB := bits.OnesCount32(la&^lb), bits.OnesCount32(lb&^la)
	n, longest := min(x, y), max(x, y)
	switch {
	case onlyA+onlyB > 2+longest/2:
		return least
	case longest-n <= 1 && onlyA+onlyB <= 2:
		return 0
	case begin >= min(4, n) && (onlyA == 0 || onlyB == 0):
		return 0 // cut short, perhaps
	case n < 3:
		return least
	}
	most := mostSimilar(x, y, min(x-onlyA, y-onlyB), min(begin, 4, n))
	switch {
	case most >= nearJaro, n >= 7 && most >= farJaro && longest-n <= 2 && onlyA+onlyB <= 4:
		return 1
	case most >= similarJaro:
		return 2
	}
	return least
}

// beginning counts the letters that two words have in common from the first on, up to four.
func beginning(a, b uint32) int { return bits.TrailingZeros32(a^b) / 8 }

// within reports whether one of two words has all letters of the other: it may be its beginning or its end.
func (w outline) within(x outline) bool {
	a, b := w.letters<<(32-lettersBits), x.letters<<(32-lettersBits)
	return a&^b == 0 || b&^a == 0
}

type marks uint32

const (
	markNames    marks = 1 << iota // names are other than one given name and a family name of letters: they may agree anyhow
	markFamilies                   // more than one
	markParts                      // and parts of them
	markMiddle
	markMiddles
	markFamilyFirst
	markDoubled
	markTranscribed
	markBirth
	markPart // the date is known in part
	markWeak
	markNewYear
	markSSN
	markLast4
	markPhone
	markPhones
	markMail
	markMails
	markAddress
	markAddresses
	markDied
	markOrder
	markSingle
	markOwn
	markOwns
	markMember
	markMembers
	markMemberDigits
	markOther
)

// glanceOf returns what is to be seen of f at a glance; how common its values are is filled in by commonness.
func glanceOf(f *Features) glance {
	g := glance{source: f.source, suffix: f.Suffix, sex: f.Sex, maiden: shown(&f.maiden), guardian: shown(&f.guardian)}
	mark := func(set bool, m marks) {
		if set {
			g.marks |= m
		}
	}
	g.names(f, mark)
	if mark(f.Birth != 0, markBirth); f.Birth != 0 {
		d := unpackDate(f.Birth)
		mark(d.month == 0 || d.day == 0 || d.year > 9999, markPart)
		mark(d.newYear(), markNewYear)
		mark(f.BirthWeak, markWeak)
		g.birth = lastDigits(uint64(d.year*10000 + d.month*100 + d.day))
	}
	mark(f.Died != 0, markDied)
	mark(f.Order != 0, markOrder)
	mark(f.Order == single, markSingle)
	mark(f.ssn != 0, markSSN)
	mark(f.ssnLast4, markLast4)
	g.ssn = lastDigits(uint64(f.ssn))
	mark(f.nPhones > 0, markPhone)
	mark(f.nPhones > 1, markPhones)
	g.phone = lastDigits(f.phones[0] % 1e7)
	mark(f.nEmails > 0, markMail)
	mark(f.nEmails > 1, markMails)
	g.mail, g.mailSketch = f.emails[0].value(), f.emails[0].sketch
	for _, x := range f.ids[:f.nIDs] {
		digits, v := x.value>>63 == 0, uint32(x.value^x.value>>32)
		switch {
		case x.member():
			mark(g.marks&markMember != 0, markMembers)
			mark(digits, markMemberDigits)
			g.member, g.plan, g.marks = v, x.space, g.marks|markMember
		case x.local():
			mark(g.marks&markOwn != 0, markOwns)
			g.own, g.marks = v^x.space, g.marks|markOwn
		default:
			g.marks |= markOther
		}
	}
	a := &f.addresses[0]
	mark(f.nAddresses > 0, markAddress)
	mark(f.nAddresses > 1 || a.lines[1].hash != 0, markAddresses)
	g.line, g.lineSketch = a.lines[0].hash, a.lines[0].sketch
	g.number, g.zip, g.city, g.citySketch, g.area = a.number, a.zip, a.city, a.citySketch, a.area
	return g
}

func (g *glance) names(f *Features, mark func(bool, marks)) {
	given, family, middle := &f.givens[0], &f.families[0], &f.middles[0]
	mark(f.nGivens != 1 || f.nFamilies == 0 || given.n < 2 || family.n < 2 || given.text[0] >= utf8.RuneSelf || family.text[0] >= utf8.RuneSelf, markNames)
	mark(f.nMiddles > 0, markMiddle)
	mark(f.nMiddles > 1, markMiddles)
	mark(f.familyFirst(), markFamilyFirst)
	mark(f.doubled(), markDoubled)
	mark(given.flags&flagPart != 0, markTranscribed)
	g.given, g.family, g.middle = outlineOf(given), outlineOf(family), outlineOf(middle)
	g.givenBegin, g.familyBegin = binary.LittleEndian.Uint32(given.text[:]), binary.LittleEndian.Uint32(family.text[:])
	for _, n := range given.nicks {
		if n != 0 {
			g.groups |= 1 << (n & 15)
		}
	}
	for _, n := range family.nicks[:familyNicks] {
		if n != 0 {
			g.spellings |= 1 << (n & 7)
		}
	}
	g.sounds = uint32(folded(given.sound)) | uint32(folded(family.sound))<<16
	whole := 0
	for i := range f.nFamilies {
		g.families |= place16(f.families[i].hash)
		if f.families[i].flags&flagPart == 0 {
			whole++
		}
	}
	mark(whole > 1 || family.flags&flagPart != 0, markFamilies)
	mark(int(f.nFamilies) > whole, markParts)
}

// shown is 0 for no word, and else something that equal words have in common.
func shown(t *token) uint16 {
	if t.n == 0 {
		return 0
	}
	return folded(t.hash) | 1
}

func folded(h uint32) uint16 { return uint16(h ^ h>>16) }

// place16 is a value's place in a set of 16.
func place16(h uint32) uint16 { return 1 << (h * 0x9e3779b1 >> 28) }

// lastDigits returns the last eight decimal digits of x, four bits each.
func lastDigits(x uint64) uint32 {
	out := uint32(0)
	for i := range 8 {
		out |= uint32(x%10) << (4 * i)
		x /= 10
	}
	return out
}

// digitsBetween counts the digits in which two results of lastDigits differ.
func digitsBetween(a, b uint32) int {
	x := a ^ b
	x |= x >> 1
	x |= x >> 2
	return bits.OnesCount32(x & 0x11111111)
}

// warm touches g, so that it is at hand when it is looked at.
func (g *glance) warm() byte { return byte(g.mailSketch) ^ g.qCity }

// address is what g shows of the record's address.
func (g *glance) address() address {
	return address{lines: [2]line{{g.line, g.lineSketch}}, number: g.number, zip: g.zip, area: g.area, city: g.city, citySketch: g.citySketch}
}

// commonness fills in how common g's values are.
func (g *glance) commonness(m *Model) {
	g.qGiven, g.qFamily, g.qMiddle = m.freq[fieldGiven].commonness(g.given.hash), m.freq[fieldFamily].commonness(g.family.hash), m.freq[fieldMiddle].commonness(g.middle.hash)
	if f := m.freq[fieldAddress]; g.marks&markAddress != 0 && f != nil {
		g.qStreet, g.qLine = f.commonness(g.line^g.number*0x9e3779b1), f.commonness(g.line)
		g.qZip, g.qCity = f.commonness(g.zip*0x9e3779b1|1), f.commonness(g.city)
	}
}

// commonSteps is in how many steps commonness tells that a value is twice as common.
const commonSteps = 8

// commonness returns how many persons other than two bear the value, on a scale of logarithms and not too many; 0 where nothing was counted.
func (f *Frequencies) commonness(hash uint32) uint8 {
	if f == nil || len(f.slots) == 0 {
		return 0
	}
	others := max(0, float64(f.count(hash))-2)
	return uint8(min(255, commonSteps*math.Log2(1+others)))
}

// ratioOf returns the largest ratio of a value that is as common as q at least, as Frequencies.ratio has it.
func (f *Frequencies) ratioOf(what field, q int, u float64) float64 {
	others := math.Exp2(float64(q)/commonSteps) - 1
	return min(rarest[what], max(1.0/commonest, u*(f.persons+doubt)/(others+doubt*u)))
}
