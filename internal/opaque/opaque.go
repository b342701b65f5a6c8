// Package opaque makes identifiers and cursors that carry meaning for Concord and none for anybody else:
// public ids that hold a row's two keys, and sealed values (cursors, handles) that cannot be read or altered.
package opaque

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"sync"
)

// ErrForged means a value was not made by this Sealer for this use, or was changed since.
var ErrForged = errors.New("opaque: not a value of ours")

// A Sealer seals with keys derived from one secret. It is safe for use by many goroutines.
type Sealer struct {
	block cipher.Block
	mac   []byte
	aead  cipher.AEAD
	// macs holds hash.Hash under mac, ready to be written to: making one costs more than using it.
	macs sync.Pool
}

// New returns a Sealer for secret, which must have at least 32 bytes and be the same on every node.
func New(secret []byte) (*Sealer, error) {
	if len(secret) < 32 {
		return nil, fmt.Errorf("opaque: the secret needs at least 32 bytes")
	}
	keys, err := hkdf.Key(sha256.New, secret, nil, "concord opaque v1", 96)
	if err != nil {
		return nil, fmt.Errorf("opaque: %w", err)
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		return nil, fmt.Errorf("opaque: %w", err)
	}
	inner, err := aes.NewCipher(keys[64:])
	if err != nil {
		return nil, fmt.Errorf("opaque: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(inner)
	if err != nil {
		return nil, fmt.Errorf("opaque: %w", err)
	}
	s := &Sealer{block: block, mac: keys[32:64], aead: aead}
	s.macs.New = func() any { return hmac.New(sha256.New, s.mac) }
	return s, nil
}

// lower is base32 in digits and lower-case letters, so that ids fit FHIR's id type.
var lower = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// tagSize is how many bytes of MAC an id carries: guessing one takes 2^63 tries on average.
const tagSize = 8

// ID returns the public id of the pair (a, b) as kind ("patient", "document", ...): 39 characters of
// [0-9a-v], always the same for the same input, telling nothing. Ids of different kinds are not exchangeable.
func (s *Sealer) ID(kind string, a, b int64) string {
	var buf [aes.BlockSize + tagSize]byte
	binary.BigEndian.PutUint64(buf[:8], uint64(a))
	binary.BigEndian.PutUint64(buf[8:16], uint64(b))
	s.block.Encrypt(buf[:16], buf[:16]) // one block under a key used for nothing else: a permutation
	tag := s.tag(kind, buf[:16])
	copy(buf[16:], tag[:])
	return lower.EncodeToString(buf[:])
}

// OpenID returns the pair an id of kind was made from, or ErrForged.
func (s *Sealer) OpenID(kind, id string) (a, b int64, err error) {
	if len(id) != lower.EncodedLen(aes.BlockSize+tagSize) {
		return 0, 0, ErrForged
	}
	buf, err := lower.DecodeString(id)
	if err != nil || lower.EncodeToString(buf) != id {
		return 0, 0, ErrForged
	}
	if tag := s.tag(kind, buf[:16]); !hmac.Equal(buf[16:], tag[:]) {
		return 0, 0, ErrForged
	}
	s.block.Decrypt(buf[:16], buf[:16])
	return int64(binary.BigEndian.Uint64(buf[:8])), int64(binary.BigEndian.Uint64(buf[8:16])), nil
}

// tag is the MAC of b as kind: of "LENGTH:KIND:" and b.
func (s *Sealer) tag(kind string, b []byte) [tagSize]byte {
	h := s.macs.Get().(hash.Hash)
	h.Reset()
	var room [sha256.Size + 64]byte
	text := append(strconv.AppendInt(room[:0], int64(len(kind)), 10), ':')
	text = append(append(append(text, kind...), ':'), b...)
	_, _ = h.Write(text)
	sum := h.Sum(text[:0])
	s.macs.Put(h)
	return [tagSize]byte(sum)
}

// Seal encrypts and authenticates payload for one use, named by context (for a cursor: what it may continue,
// for whom). The result is URL-safe and differs each time.
func (s *Sealer) Seal(context string, payload []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, payload, []byte(context)))
}

// Open returns what Seal sealed under the same context, or ErrForged.
func (s *Sealer) Open(context, sealed string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != sealed { // one value, one spelling
		return nil, ErrForged
	}
	payload, err := s.aead.Open(nil, nil, raw, []byte(context))
	if err != nil {
		return nil, ErrForged
	}
	return payload, nil
}

// MAC returns a keyed 32-byte digest of payload for one use; it lets equal values be recognised without
// being stored.
func (s *Sealer) MAC(context string, payload []byte) []byte {
	h := hmac.New(sha256.New, s.mac)
	_, _ = fmt.Fprintf(h, "mac:%d:%s:", len(context), context)
	_, _ = h.Write(payload)
	return h.Sum(nil)
}

// NewSecret returns 32 random bytes.
func NewSecret() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}
