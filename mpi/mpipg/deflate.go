package mpipg

import (
	"encoding/binary"
	"math/bits"
)

// A body is so short that a code of its own for it (RFC 1951, dynamic Huffman) takes longer to find than all else a registration
// does in the program, and saves little. So deflate looks for repeats in one pass, in the dictionary and in what came before, and writes one
// block in the fixed code. Any inflater reads it.
//
// Source: RFC 1951, 3.2.5 and 3.2.6.
const (
	deflateHash  = 12
	deflateMost  = 1 << 15 // how far back a repeat may lie, and the longest body
	deflateShort = 4       // the shortest repeat looked for
	deflateLong  = 258
)

// A place table says where four bytes of a hash came last, counted from 1.
type placeTable [1 << deflateHash]uint16

var dictionaryPlaces = func() (t placeTable) {
	for i := range len(dictionary) - deflateShort + 1 {
		t[hashOf(binary.LittleEndian.Uint32([]byte(dictionary[i:i+4])))] = uint16(i + 1)
	}
	return t
}()

func hashOf(v uint32) uint32 { return v * 0x9E3779B1 >> (32 - deflateHash) }

// appendDeflated appends text to out in one block, with the dictionary before it. text and dictionary together are at most deflateMost
// long.
func appendDeflated(out, text []byte) []byte {
	all := make([]byte, 0, len(dictionary)+len(text))
	all = append(append(all, dictionary...), text...)
	places := dictionaryPlaces
	w := bitWriter{out: out}
	w.put(0b011, 3) // the last block, in the fixed code
	i := len(dictionary)
	for i+deflateShort <= len(all) {
		v := binary.LittleEndian.Uint32(all[i:])
		h := hashOf(v)
		at := int(places[h]) - 1
		places[h] = uint16(i + 1)
		if at < 0 || binary.LittleEndian.Uint32(all[at:]) != v {
			w.literal(all[i])
			i++
			continue
		}
		n := deflateShort
		for n < deflateLong && i+n < len(all) && all[at+n] == all[i+n] {
			n++
		}
		w.repeat(n, i-at)
		for end := i + n; i+1 < end; {
			i++
			if i+deflateShort <= len(all) {
				places[hashOf(binary.LittleEndian.Uint32(all[i:]))] = uint16(i + 1)
			}
		}
		i++
	}
	for ; i < len(all); i++ {
		w.literal(all[i])
	}
	w.put(0, 7) // the end of the block
	return w.end()
}

// A bitWriter writes bits, the lowest first.
type bitWriter struct {
	out  []byte
	have uint64
	n    uint
}

func (w *bitWriter) put(v uint64, n uint) {
	w.have |= v << w.n
	if w.n += n; w.n >= 32 {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.have))
		w.have >>= 32
		w.n -= 32
	}
}

// code writes a code of the fixed table, its highest bit first.
func (w *bitWriter) code(v uint16, n uint) { w.put(uint64(bits.Reverse16(v)>>(16-n)), n) }

func (w *bitWriter) literal(b byte) {
	if b < 144 {
		w.code(0x30+uint16(b), 8)
	} else {
		w.code(0x190+uint16(b)-144, 9)
	}
}

// repeat writes that n bytes are those from back bytes before.
func (w *bitWriter) repeat(n, back int) {
	symbol, extra, rest := 285, uint(0), 0
	if n < deflateLong {
		symbol, extra, rest = stepped(n-3, 4)
		symbol += 257
	}
	if symbol < 280 {
		w.code(uint16(symbol-256), 7)
	} else {
		w.code(0xC0+uint16(symbol-280), 8)
	}
	w.put(uint64(rest), extra)
	symbol, extra, rest = stepped(back-1, 2)
	w.code(uint16(symbol), 5)
	w.put(uint64(rest), extra)
}

// stepped returns the symbol of v, counted from 0, in a table that has each symbols for every number of extra bits but the first, which
// has twice as many.
func stepped(v, each int) (symbol int, extra uint, rest int) {
	if v < 2*each {
		return v, 0, 0
	}
	e := bits.Len(uint(v)) - bits.Len(uint(each))
	return each*e + v>>e, uint(e), v & (1<<e - 1)
}

func (w *bitWriter) end() []byte {
	for ; w.n > 0; w.n -= min(w.n, 8) {
		w.out = append(w.out, byte(w.have))
		w.have >>= 8
	}
	return w.out
}
