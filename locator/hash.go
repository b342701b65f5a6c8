package locator

import (
	"crypto/sha256"
	"encoding/binary"
)

// digest hashes parts so that no two lists of parts give the same input.
func digest(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		_, _ = h.Write(n[:])
		_, _ = h.Write([]byte(p))
	}
	var out [sha256.Size]byte
	h.Sum(out[:0])
	return out
}

// hash63 returns a positive number that stands for parts.
func hash63(parts ...string) int64 {
	d := digest(parts...)
	return int64(binary.BigEndian.Uint64(d[:8]) >> 1)
}
