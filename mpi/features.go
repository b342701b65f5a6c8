package mpi

import (
	"encoding/binary"
	"errors"
	"math/bits"
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
	// Birth is year<<9 | month<<5 | day; a zero month or day is unknown. BirthWeak marks a date often put for
	// "only the year is known". Died is the same for death.
	Birth, Died uint32
	BirthWeak   bool
	Sex         byte // 'm', 'f' or 0
	Suffix      byte // generation: 1 senior, 2 junior, 3, 4, ...; 0 unknown
	// Order is 0 when nothing is known, single for a single birth, multiple for a multiple one without order,
	// else 1-9.
	Order byte

	nGivens, nMiddles, nFamilies, nIDs, nPhones, nEmails, nAddresses byte

	givens   [maxGivens]token
	middles  [maxMiddles]token
	families [maxFamilies]token

	// ssn holds the digits as a number; ssnLast4 says that only the last four are known.
	ssn      uint32
	ssnLast4 bool
	// maiden is the hash of the mother's maiden name.
	maiden uint32
	// source is the hash of the registering site, 0 for a query.
	source uint32

	ids       [maxIDs]id
	phones    [maxPhones]uint64
	emails    [maxEmails]uint32
	addresses [maxAddresses]address
}

const (
	single   byte = 0xfe
	multiple byte = 0xff
)

// A token is one folded name word.
type token struct {
	n     uint8
	flags uint8
	nicks [maxNicks]uint8
	sound uint32
	text  [maxToken]byte
}

const (
	flagCommon = 1 << iota // many people bear it
	flagPart               // one part of a double family name, beside the whole
	flagAlso               // of a name in use beside or before the first
)

func (t *token) bytes() []byte { return t.text[:t.n] }

// An id is an identifier that belongs to one person: the hash of its namespace and of its value.
type id struct{ space, value uint32 }

// An address is reduced to what is compared: number, hash of the street's name, how it sounds, place.
type address struct {
	street uint32
	sound  uint32
	number uint32
	zip    uint32
	city   uint32
}

// featuresVersion is the first byte of every encoded vector. A change of the layout, of a normaliser or of
// the nickname table's order needs a new one, and a rebuild of the stored rows.
const featuresVersion = 1

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
	on(f.maiden != 0, hasMaiden)
	b = append(b, featuresVersion, parts, f.Sex, f.Suffix, f.Order)
	b = binary.LittleEndian.AppendUint32(b, f.source)
	b = append(b, f.nGivens|f.nMiddles<<4, f.nFamilies|f.nIDs<<4, f.nPhones|f.nEmails<<4, f.nAddresses)
	for _, p := range [...]struct {
		bit byte
		v   uint32
	}{{hasBirth, f.Birth}, {hasDied, f.Died}, {hasSSN, f.ssn}, {hasMaiden, f.maiden}} {
		if parts&p.bit != 0 {
			b = binary.LittleEndian.AppendUint32(b, p.v)
		}
	}
	for i := range f.nGivens {
		b = f.givens[i].appendTo(b, true)
	}
	for i := range f.nMiddles {
		b = f.middles[i].appendTo(b, false)
	}
	for i := range f.nFamilies {
		b = f.families[i].appendTo(b, false)
	}
	for i := range f.nIDs {
		b = binary.LittleEndian.AppendUint32(b, f.ids[i].space)
		b = binary.LittleEndian.AppendUint32(b, f.ids[i].value)
	}
	for i := range f.nPhones {
		b = binary.LittleEndian.AppendUint32(b, uint32(f.phones[i]))
		b = append(b, byte(f.phones[i]>>32))
	}
	for i := range f.nEmails {
		b = binary.LittleEndian.AppendUint32(b, f.emails[i])
	}
	for i := range f.nAddresses {
		a := &f.addresses[i]
		for _, v := range [...]uint32{a.street, a.sound, a.number, a.zip, a.city} {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	return b
}

func (t *token) appendTo(b []byte, nicks bool) []byte {
	b = append(b, t.n|t.flags<<5)
	b = append(b, t.bytes()...)
	if nicks {
		b = append(b, t.nicks[:]...)
	}
	return b
}

// Decode reads the form AppendTo wrote into f, overwriting all of it, without allocating. It returns an error
// for anything else, and then f must not be used.
func (f *Features) Decode(b []byte) error {
	*f = Features{}
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
	if len(b) < 4*bits.OnesCount8(parts&(hasBirth|hasDied|hasSSN|hasMaiden)) {
		return errFeatures
	}
	for _, p := range [...]struct {
		bit byte
		to  *uint32
	}{{hasBirth, &f.Birth}, {hasDied, &f.Died}, {hasSSN, &f.ssn}, {hasMaiden, &f.maiden}} {
		if parts&p.bit != 0 {
			*p.to = binary.LittleEndian.Uint32(b)
			b = b[4:]
		}
	}
	ok := true
	for i := range f.nGivens {
		b, ok = f.givens[i].decode(b, true, ok)
	}
	for i := range f.nMiddles {
		b, ok = f.middles[i].decode(b, false, ok)
	}
	for i := range f.nFamilies {
		b, ok = f.families[i].decode(b, false, ok)
	}
	if !ok || len(b) < 8*int(f.nIDs)+5*int(f.nPhones)+4*int(f.nEmails) {
		return errFeatures
	}
	for i := range f.nIDs {
		f.ids[i] = id{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])}
		b = b[8:]
	}
	for i := range f.nPhones {
		f.phones[i] = uint64(binary.LittleEndian.Uint32(b)) | uint64(b[4])<<32
		b = b[5:]
	}
	for i := range f.nEmails {
		f.emails[i] = binary.LittleEndian.Uint32(b)
		b = b[4:]
	}
	for i := range f.nAddresses {
		a := &f.addresses[i]
		for _, to := range [...]*uint32{&a.street, &a.sound, &a.number, &a.zip, &a.city} {
			v, n := binary.Uvarint(b)
			if n <= 0 || v > 1<<32-1 {
				return errFeatures
			}
			*to = uint32(v)
			b = b[n:]
		}
	}
	if len(b) != 0 {
		return errFeatures
	}
	return nil
}

func (t *token) decode(b []byte, nicks, ok bool) ([]byte, bool) {
	if !ok || len(b) < 1 {
		return nil, false
	}
	t.n, t.flags = b[0]&31, b[0]>>5
	need := 1 + int(t.n)
	if nicks {
		need += maxNicks
	}
	if t.n == 0 || t.n > maxToken || len(b) < need {
		return nil, false
	}
	copy(t.text[:], b[1:1+t.n])
	if nicks {
		copy(t.nicks[:], b[1+t.n:])
	}
	t.sound = phonetic(t.bytes())
	return b[need:], true
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
	h := uint64(14695981039346656037)
	for i, p := range parts {
		if i > 0 {
			h = (h ^ 0x1f) * 1099511628211 // a separator no folded value holds
		}
		for j := range len(p) {
			h = (h ^ uint64(p[j])) * 1099511628211
		}
	}
	// FNV's high bits are weak for short input; one round of mixing makes all of them count.
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return h
}
