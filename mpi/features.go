package mpi

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// Bounds on what is compared of one record. More is left out: the first values are the current ones.
const (
	maxGivens    = 3
	maxMiddles   = 3
	maxFamilies  = 5
	maxIDs       = 5
	maxPhones    = 3
	maxEmails    = 2
	maxAddresses = 3
	maxToken     = 24
)

// Features are a record's normalised values, ready to be compared: fixed arrays, nothing to allocate. A zero
// part is missing. They hold personal data and are never printed.
type Features struct {
	// Birth is year<<14 | month<<7 | day as typed, 0 to 99 each of the latter two; a zero month or day is unknown, and
	// a date that cannot be is still compared by its digits. BirthWeak marks a date often put for "only the year is
	// known". Died is the same for death.
	Birth, Died uint32
	BirthWeak   bool
	Sex         byte // 'm', 'f' or 0
	Suffix      byte // generation: 1 senior, 2 junior, 3, 4, ...; 0 unknown
	// Order is 0 when nothing is known, single for a single birth, firstOrOnly for the first or only one, multiple for a multiple one without order,
	// else 1-9.
	Order byte

	nGivens, nMiddles, nFamilies, nIDs, nPhones, nEmails, nAddresses byte

	givens   [maxGivens]token
	middles  [maxMiddles]token
	families [maxFamilies]token

	// ssn holds the digits as a number; ssnLast4 says that only the last four are known.
	ssn      uint32
	ssnLast4 bool
	// maiden is the mother's maiden name, guardian the first given name of a parent or guardian; n 0 when missing.
	maiden, guardian token
	// source is the hash of the registering site, 0 for a query.
	source uint32

	ids       [maxIDs]id
	phones    [maxPhones]uint64
	emails    [maxEmails]mail
	addresses [maxAddresses]address
}

const (
	firstOrOnly byte = 0xfd
	single      byte = 0xfe
	multiple    byte = 0xff
)

// A token is one folded name word.
type token struct {
	n     uint8
	flags uint8
	nicks [maxNicks]uint8
	sound uint32
	hash  uint32 // of the text, for frequencies
	mask  uint32 // the letters in it
	text  [maxToken]byte
}

const (
	flagKnown = 1 << iota // a given or middle name known to exist; a family name of a people that writes it first
	flagPart              // one part of a double family name, beside the whole; a given name that is also a family name of the table of transcriptions
	flagAlso              // of a name in use beside or before the first
)

func (t *token) bytes() []byte { return t.text[:t.n] }

// An id is an identifier: the hash of its namespace, its lowest bit set for a site's own number and the next for a number in an
// insurance plan, and its digits behind a 1, or a hash with the highest bit set.
type id struct {
	space uint32
	value uint64
}

// local reports whether it is a site's own number, of which one person may have several.
func (x id) local() bool { return x.space&1 != 0 }

// full reports whether the record may have said more than f holds of what proofs compare.
func (f *Features) full() bool {
	return f.nGivens == maxGivens || f.nIDs == maxIDs || f.nPhones == maxPhones || f.nEmails == maxEmails
}

// sharesOwn reports whether f and g share a number that belongs to one person alone: none of family.
func (f *Features) sharesOwn(g *Features, family []id) bool {
	if f.ssn != 0 && f.ssn == g.ssn && !f.ssnLast4 && !g.ssnLast4 {
		return true
	}
	return slices.ContainsFunc(f.ids[:f.nIDs], func(x id) bool { return slices.Contains(g.ids[:g.nIDs], x) && !slices.Contains(family, x) })
}

// member reports whether it is a number in an insurance plan, which a family may share.
func (x id) member() bool { return x.space&2 != 0 }

// A mail is a mail address: its hash and the sketch of its letters. The lowest bit of hash is set when it bears a given name of
// the record.
type mail struct {
	hash   uint32
	sketch uint64
}

// own reports whether the address bears a given name of the record.
func (m *mail) own() bool { return m.hash&1 != 0 }

// value is the hash without the mark.
func (m *mail) value() uint32 { return m.hash &^ 1 }

// An address is reduced to what is compared: the names in its two lines, in any order, house number, place.
type address struct {
	lines      [2]line
	number     uint32
	zip        uint32
	area       uint16 // of the beginning of the postal code
	city       uint32
	citySketch uint32
}

// A line is a line of an address: hash and sketch of its words without number, unit and kind of street.
type line struct {
	hash   uint32
	sketch uint64
}

// featuresVersion is the first byte of every encoded vector. A change of the layout, of a normaliser or of
// the nickname table's order needs a new one, and a rebuild of the stored rows.
const featuresVersion = 6

// errFeatures means that stored features are not what this program writes.
var errFeatures = errors.New("mpi: features cannot be read")

// Which optional parts follow the header.
const (
	hasBirth = 1 << iota
	hasDied
	hasWeakBirth
	hasSSN
	hasLast4
	hasMaiden
	hasGuardian
)

// AppendTo appends f's compact form to b, about 60 to 160 bytes, and returns it.
//
// Layout: version, parts, sex, suffix, order, source, counts (two a byte), then the parts present, then the
// repeated ones. Numbers are little-endian.
func (f *Features) AppendTo(b []byte) []byte {
	var parts byte
	on := func(set bool, bit byte) {
		if set {
			parts |= bit
		}
	}
	on(f.Birth != 0, hasBirth)
	on(f.Died != 0, hasDied)
	on(f.BirthWeak, hasWeakBirth)
	on(f.ssn != 0 || f.ssnLast4, hasSSN)
	on(f.ssnLast4, hasLast4)
	on(f.maiden.n != 0, hasMaiden)
	on(f.guardian.n != 0, hasGuardian)
	b = append(b, featuresVersion, parts, f.Sex, f.Suffix, f.Order)
	b = binary.LittleEndian.AppendUint32(b, f.source)
	b = append(b, f.nGivens|f.nMiddles<<4, f.nFamilies|f.nIDs<<4, f.nPhones|f.nEmails<<4, f.nAddresses)
	for _, p := range [...]struct {
		bit byte
		v   uint32
	}{{hasBirth, f.Birth}, {hasDied, f.Died}, {hasSSN, f.ssn}} {
		if parts&p.bit != 0 {
			b = binary.LittleEndian.AppendUint32(b, p.v)
		}
	}
	for i := range f.nGivens {
		b = f.givens[i].appendTo(b, maxNicks)
	}
	for i := range f.nMiddles {
		b = f.middles[i].appendTo(b, 0)
	}
	for i := range f.nFamilies {
		b = f.families[i].appendTo(b, familyNicks)
	}
	if f.maiden.n != 0 {
		b = f.maiden.appendTo(b, 0)
	}
	if f.guardian.n != 0 {
		b = f.guardian.appendTo(b, maxNicks)
	}
	for i := range f.nIDs {
		b = binary.LittleEndian.AppendUint32(b, f.ids[i].space)
		b = binary.LittleEndian.AppendUint64(b, f.ids[i].value)
	}
	for i := range f.nPhones {
		b = binary.LittleEndian.AppendUint32(b, uint32(f.phones[i]))
		b = append(b, byte(f.phones[i]>>32))
	}
	for i := range f.nEmails {
		b = binary.LittleEndian.AppendUint32(b, f.emails[i].hash)
		b = binary.LittleEndian.AppendUint64(b, f.emails[i].sketch)
	}
	for i := range f.nAddresses {
		b = f.addresses[i].appendTo(b)
	}
	return b
}

// appendTo writes which parts there are, then those.
func (a *address) appendTo(b []byte) []byte {
	at := len(b)
	b = append(b, 0)
	for i, l := range a.lines {
		if l.hash != 0 {
			b[at] |= 1 << i
			b = binary.LittleEndian.AppendUint32(b, l.hash)
			b = binary.LittleEndian.AppendUint64(b, l.sketch)
		}
	}
	if a.city != 0 {
		b[at] |= 4
		b = binary.LittleEndian.AppendUint32(b, a.city)
		b = binary.LittleEndian.AppendUint32(b, a.citySketch)
	}
	b = binary.LittleEndian.AppendUint16(b, a.area)
	b = binary.AppendUvarint(b, uint64(a.number))
	return binary.AppendUvarint(b, uint64(a.zip))
}

// decode reads what appendTo wrote and returns the rest; ok is false for anything else.
func (a *address) decode(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] > 7 || len(b) < 3+12*bits.OnesCount8(b[0]&3)+8*int(b[0]>>2) {
		return nil, false
	}
	parts := b[0]
	b = b[1:]
	for i := range a.lines {
		if parts&(1<<i) != 0 {
			a.lines[i] = line{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])}
			b = b[12:]
			ok = a.lines[i].hash != 0
			if !ok {
				return nil, false
			}
		}
	}
	if parts&4 != 0 {
		a.city, a.citySketch = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		b = b[8:]
		if a.city == 0 {
			return nil, false
		}
	}
	a.area = binary.LittleEndian.Uint16(b)
	b = b[2:]
	for _, to := range [...]*uint32{&a.number, &a.zip} {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<32-1 {
			return nil, false
		}
		*to = uint32(v)
		b = b[n:]
	}
	return b, true
}

// appendTo writes t with the first nicks of its groups.
func (t *token) appendTo(b []byte, nicks int) []byte {
	b = append(b, t.n|t.flags<<5)
	b = append(b, t.bytes()...)
	return append(b, t.nicks[:nicks]...)
}

// Decode reads the form AppendTo wrote into f, overwriting all of it, without allocating. It returns an error
// for anything else, and then f must not be used.
func (f *Features) Decode(b []byte) error {
	*f = Features{}
	return f.decode(b, nil)
}

// decode is Decode into f, which is empty; derived, if not nil, holds what follows from the tokens' texts, as appendDerived
// wrote it.
func (f *Features) decode(b, derived []byte) error {
	if len(b) < 13 || b[0] != featuresVersion {
		return errFeatures
	}
	parts := b[1]
	f.Sex, f.Suffix, f.Order = b[2], b[3], b[4]
	f.source = binary.LittleEndian.Uint32(b[5:])
	f.nGivens, f.nMiddles, f.nFamilies, f.nIDs = b[9]&15, b[9]>>4, b[10]&15, b[10]>>4
	f.nPhones, f.nEmails, f.nAddresses = b[11]&15, b[11]>>4, b[12]
	if f.nGivens > maxGivens || f.nMiddles > maxMiddles || f.nFamilies > maxFamilies || f.nIDs > maxIDs ||
		f.nPhones > maxPhones || f.nEmails > maxEmails || f.nAddresses > maxAddresses {
		return errFeatures
	}
	f.BirthWeak, f.ssnLast4 = parts&hasWeakBirth != 0, parts&hasLast4 != 0
	b = b[13:]
	if len(b) < 4*bits.OnesCount8(parts&(hasBirth|hasDied|hasSSN)) {
		return errFeatures
	}
	for _, p := range [...]struct {
		bit byte
		to  *uint32
	}{{hasBirth, &f.Birth}, {hasDied, &f.Died}, {hasSSN, &f.ssn}} {
		if parts&p.bit != 0 {
			*p.to = binary.LittleEndian.Uint32(b)
			b = b[4:]
		}
	}
	for i := range f.nGivens {
		b, derived = f.givens[i].decode(b, derived, maxNicks)
	}
	for i := range f.nMiddles {
		b, derived = f.middles[i].decode(b, derived, 0)
	}
	for i := range f.nFamilies {
		b, derived = f.families[i].decode(b, derived, familyNicks)
	}
	if parts&hasMaiden != 0 {
		b, derived = f.maiden.decode(b, derived, 0)
	}
	if parts&hasGuardian != 0 {
		b, _ = f.guardian.decode(b, derived, maxNicks)
	}
	if b == nil || len(b) < 12*int(f.nIDs)+5*int(f.nPhones)+12*int(f.nEmails) {
		return errFeatures
	}
	for i := range f.nIDs {
		f.ids[i] = id{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])}
		b = b[12:]
	}
	for i := range f.nPhones {
		f.phones[i] = uint64(binary.LittleEndian.Uint32(b)) | uint64(b[4])<<32
		b = b[5:]
	}
	for i := range f.nEmails {
		f.emails[i] = mail{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])}
		b = b[12:]
	}
	for i := range f.nAddresses {
		var ok bool
		if b, ok = f.addresses[i].decode(b); !ok {
			return errFeatures
		}
	}
	if len(b) != 0 {
		return errFeatures
	}
	return nil
}

// decode reads what appendTo wrote, and from derived, if not nil, what follows from it, into t, which is zero. It returns the rest of
// both, nil for a b that is nothing appendTo wrote.
func (t *token) decode(b, derived []byte, nicks int) (rest, restDerived []byte) {
	if len(b) < 1 {
		return nil, derived
	}
	n := int(b[0] & 31)
	if n == 0 || n > maxToken || len(b) < 1+n+nicks {
		return nil, derived
	}
	t.n, t.flags = uint8(n), b[0]>>5
	copy(t.text[:], b[1:1+n])
	b = b[1+n:]
	for i := range nicks {
		t.nicks[i] = b[i]
	}
	if derived == nil {
		t.finish()
		return b[nicks:], nil
	}
	return b[nicks:], t.derive(derived)
}

// finish sets what follows from the text.
func (t *token) finish() {
	t.sound = phonetic(t.bytes())
	h := uint64(14695981039346656037)
	for _, c := range t.bytes() {
		h = (h ^ uint64(c)) * 1099511628211
		if c >= 'a' {
			t.mask |= 1 << (c - 'a') & (1<<26 - 1)
		} else {
			t.mask |= 1 << 26
		}
	}
	t.hash = uint32(h ^ h>>32)
}

// sketch returns the pairs of neighbouring letters of s, and its first and last, as a set of 64 places: strings
// that share most pairs share most places.
func sketch(s string) uint64 {
	var out uint64
	last := uint64('^')
	put := func(c uint64) {
		x := (last<<8 | c) * 0x9e3779b97f4a7c15
		out |= 1 << (x >> 58)
		last = c
	}
	for i := range len(s) {
		put(uint64(s[i]))
	}
	put('$')
	return out
}

// resembles reports whether two sketches have at least part/100 of their places in common (Dice's coefficient).
func resembles(a, b uint64, part int) bool {
	return 200*bits.OnesCount64(a&b) >= part*(bits.OnesCount64(a)+bits.OnesCount64(b))
}

// hash32 and hash64 are FNV-1a: stable for ever, since their values are stored.
func hash32(parts ...string) uint32 {
	h := hash64(parts...)
	if v := uint32(h ^ h>>32); v != 0 {
		return v
	}
	return 1
}

func hash64(parts ...string) uint64 {
	h := uint64(hashBegin)
	for i, p := range parts {
		if i > 0 {
			h = hashOn(h, hashBetween)
		}
		h = hashOn(h, p)
	}
	return hashEnd(h)
}

// hash64 is FNV-1a with a separator between parts, hashed on part by part.
const (
	hashBegin   = 14695981039346656037
	hashBetween = "\x1f" // no folded value holds it
)

func hashOn(h uint64, p string) uint64 {
	for j := range len(p) {
		h = (h ^ uint64(p[j])) * 1099511628211
	}
	return h
}

// hashEnd mixes: FNV's high bits are weak for short input; one round makes all of them count.
func hashEnd(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return h
}
