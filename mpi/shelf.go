package mpi

import "encoding/binary"

// A shelf holds the features of up to chunkSize records one after the other in one piece of memory, about a fifth of what
// they take ready to be compared. A record is what AppendTo writes and behind it what follows from its words, which is
// dear to find out again for every comparison.
type shelf struct {
	bytes []byte
	ends  []shelved
}

// A shelved says where a record's compact form and the whole of it end.
type shelved struct{ compact, end uint32 }

// put adds a record.
func (s *shelf) put(f *Features) {
	s.bytes = f.AppendTo(s.bytes)
	compact := uint32(len(s.bytes))
	s.bytes = f.appendDerived(s.bytes)
	s.ends = append(s.ends, shelved{compact, uint32(len(s.bytes))})
}

// add puts all of other behind s.
func (s *shelf) add(other *shelf) {
	from := uint32(len(s.bytes))
	s.bytes = append(s.bytes, other.bytes...)
	for _, e := range other.ends {
		s.ends = append(s.ends, shelved{from + e.compact, from + e.end})
	}
}

func (s *shelf) start(i int32) uint32 {
	if i == 0 {
		return 0
	}
	return s.ends[i-1].end
}

// size is how many bytes the i-th record takes.
func (s *shelf) size(i int32) int { return int(s.ends[i].end - s.start(i)) }

// copy puts the i-th record of other behind s.
func (s *shelf) copy(other *shelf, i int32) {
	start, e, at := other.start(i), other.ends[i], uint32(len(s.bytes))
	s.bytes = append(s.bytes, other.bytes[start:e.end]...)
	s.ends = append(s.ends, shelved{at + e.compact - start, at + e.end - start})
}

// compact returns the i-th record's compact form, to be read only.
func (s *shelf) compact(i int32) []byte { return s.bytes[s.start(i):s.ends[i].compact] }

// take writes the i-th record into f, which is zero or was taken from a shelf.
func (s *shelf) take(i int32, f *Features) {
	e := s.ends[i]
	f.empty()
	if err := f.decode(s.bytes[s.start(i):e.compact], s.bytes[e.compact:e.end]); err != nil {
		panic(err) // put wrote it
	}
}

// empty makes f zero: a few hundred bytes of the thousand there are.
func (f *Features) empty() {
	clear(f.givens[:f.nGivens])
	clear(f.middles[:f.nMiddles])
	clear(f.families[:f.nFamilies])
	clear(f.ids[:f.nIDs])
	clear(f.phones[:f.nPhones])
	clear(f.emails[:f.nEmails])
	clear(f.addresses[:f.nAddresses])
	if f.maiden.n != 0 {
		f.maiden = token{}
	}
	if f.guardian.n != 0 {
		f.guardian = token{}
	}
	f.Birth, f.Died, f.ssn = 0, 0, 0
	f.nGivens, f.nMiddles, f.nFamilies, f.nIDs, f.nPhones, f.nEmails, f.nAddresses = 0, 0, 0, 0, 0, 0, 0
}

// warm touches the i-th record, so that it is at hand when it is taken.
func (s *shelf) warm(i int32) byte {
	at := s.start(i)
	last := s.ends[i].end - 1
	return s.bytes[at] ^ s.bytes[min(at+64, last)] ^ s.bytes[min(at+128, last)] ^ s.bytes[last]
}

// derivedSize is the room of what follows from a token's text: sound, hash and letters.
const derivedSize = 12

// appendDerived appends what follows from the text of each token, in the order of the compact form.
func (f *Features) appendDerived(b []byte) []byte {
	put := func(t *token) {
		b = binary.LittleEndian.AppendUint32(b, t.sound)
		b = binary.LittleEndian.AppendUint32(b, t.hash)
		b = binary.LittleEndian.AppendUint32(b, t.mask)
	}
	for i := range f.nGivens {
		put(&f.givens[i])
	}
	for i := range f.nMiddles {
		put(&f.middles[i])
	}
	for i := range f.nFamilies {
		put(&f.families[i])
	}
	if f.maiden.n != 0 {
		put(&f.maiden)
	}
	if f.guardian.n != 0 {
		put(&f.guardian)
	}
	return b
}

// derive reads what appendDerived wrote for t and returns the rest.
func (t *token) derive(b []byte) []byte {
	t.sound, t.hash, t.mask = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	return b[derivedSize:]
}
