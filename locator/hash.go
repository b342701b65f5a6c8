package locator

import (
	"crypto/sha256"
	"encoding/binary"
)

// digest hashes parts so that no two lists of parts give the same input.
func digest(parts ...string) [sha256.Size]byte {
	var room [256]byte // most are shorter, and need no memory
	b := room[:0]
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(p))), p...)
	}
	return sha256.Sum256(b)
}

// hash63 returns a positive number that stands for parts.
func hash63(parts ...string) int64 {
	d := digest(parts...)
	return int64(binary.BigEndian.Uint64(d[:8]) >> 1)
}
