package consentjson

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
)

// ErrSignature means that a pack is not signed by a key that is trusted, or was changed after it was signed.
var ErrSignature = errors.New("consentjson: the signature is missing, of another key, or not of this content")

// signed is what a signature is over: the content as it stands, byte for byte, kept apart from anything else a key might
// sign.
func signed(content []byte) []byte { return append([]byte("concord policy pack\x00"), content...) }

// Sign returns the signature of content: "KEYID BASE64".
//
// Source: RFC 8032 (Ed25519).
func Sign(content []byte, key ed25519.PrivateKey) string {
	public := key.Public().(ed25519.PublicKey) // by the type's contract
	return KeyID(public) + " " + base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed(content)))
}

// KeyID names a key: the first 16 hex digits of its SHA-256.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// Verify returns nil when signature is one of keys' over content, else ErrSignature.
func Verify(content []byte, signature string, keys []ed25519.PublicKey) error {
	id, encoded, ok := strings.Cut(strings.TrimSpace(signature), " ")
	sig, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return ErrSignature
	}
	for _, k := range keys {
		if KeyID(k) == id && ed25519.Verify(k, signed(content), sig) {
			return nil
		}
	}
	return ErrSignature
}

// ReadPublicKey reads an Ed25519 public key in PEM (PKIX).
func ReadPublicKey(raw []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("consentjson: not PEM")
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if key, ok := k.(ed25519.PublicKey); err == nil && ok {
		return key, nil
	}
	return nil, errors.New("consentjson: not an Ed25519 public key")
}

// ReadPublicKeys reads the Ed25519 public keys in PEM (PKIX) that raw holds one after the other, at least one.
func ReadPublicKeys(raw []byte) ([]ed25519.PublicKey, error) {
	var out []ed25519.PublicKey
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		key, err := ReadPublicKey(pem.EncodeToMemory(block))
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	if out == nil {
		return nil, errors.New("consentjson: not PEM")
	}
	return out, nil
}

// ReadPrivateKey reads an Ed25519 private key in PEM (PKCS #8).
func ReadPrivateKey(raw []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("consentjson: not PEM")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := k.(ed25519.PrivateKey); err == nil && ok {
		return key, nil
	}
	return nil, errors.New("consentjson: not an Ed25519 private key")
}
