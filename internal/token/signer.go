package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// A Signer signs with one private key and one algorithm. It is safe for use by many goroutines.
type Signer struct {
	public PublicKey
	raw    crypto.Signer
	signer jws.Signer
}

// Public returns the key that verifies what s signs.
func (s *Signer) Public() PublicKey { return s.public }

// Sign returns payload, a JSON object, as a compact JWS of type typ with the key's kid and algorithm.
func (s *Signer) Sign(typ string, payload []byte) (string, error) {
	head, err := json.Marshal(map[string]string{"alg": s.public.Alg, "kid": s.public.Kid, "typ": typ}, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sig, err := s.signer.Sign([]byte(signed), s.raw)
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// NewSigner returns a Signer for a private key: ES256 for P-256, ES384 for P-384, RS384 for RSA, or alg when it is
// not "". kid "" means the key's RFC 7638 thumbprint.
func NewSigner(raw crypto.Signer, kid, alg string) (*Signer, error) {
	public, inv := newPublicKey(raw.Public(), kid, alg)
	if inv != nil {
		return nil, fmt.Errorf("token: private key: %w", inv)
	}
	if kid == "" {
		public.Kid = public.Thumbprint()
	} else if !SafeKid(kid) {
		return nil, errors.New("token: private key: its kid must be 1-128 of letters, digits and . _ ~ : @ + / = -")
	}
	s, err := jws.NewSigner(jwa.SignatureAlgorithm(public.Alg))
	if err != nil {
		return nil, fmt.Errorf("token: private key: %w", err)
	}
	return &Signer{public: public, raw: raw, signer: s}, nil
}

// Generate makes a key for alg, one of [Algorithms]; RSA keys have 3072 bits.
func Generate(alg string) (*Signer, error) {
	var raw crypto.Signer
	var err error
	switch alg {
	case ES256:
		raw, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		raw, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RS384, PS384:
		raw, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		return nil, errors.New("token: generate: the algorithm must be ES256, ES384, PS384 or RS384")
	}
	if err != nil {
		return nil, fmt.Errorf("token: generate: %w", err)
	}
	return NewSigner(raw, "", alg)
}

// ReadSigner reads a private key: a JWK, a JWK Set of one key, or PEM (PKCS #8, SEC 1 or PKCS #1). Error text
// never quotes the key.
func ReadSigner(data []byte) (*Signer, error) {
	if block, _ := pem.Decode(data); block != nil {
		raw, err := privateFromDER(block.Bytes)
		if err != nil {
			return nil, err
		}
		return NewSigner(raw, "", "")
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("token: private key: is neither PEM nor a JSON Web Key")
	}
	if len(set.Keys) > 1 {
		return nil, errors.New("token: private key: the file holds several keys; give it one")
	}
	if len(set.Keys) == 1 {
		data = set.Keys[0]
	}
	key, err := jwk.ParseKey(data)
	if err != nil {
		return nil, errors.New("token: private key: cannot be read as a JSON Web Key")
	}
	var raw any
	if err := key.Raw(&raw); err != nil {
		return nil, errors.New("token: private key: cannot be read as a JSON Web Key")
	}
	signer, ok := raw.(crypto.Signer)
	if !ok {
		return nil, errors.New("token: private key: the file holds a public or symmetric key")
	}
	if e, isEC := raw.(*ecdsa.PrivateKey); isEC && !matches(e) {
		return nil, errors.New("token: private key: d and the point (x, y) do not belong together")
	}
	return NewSigner(signer, key.KeyID(), key.Algorithm().String())
}

// matches reports whether a private key's point is that of its secret: a JWK states both.
func matches(k *ecdsa.PrivateKey) bool {
	dh, err := k.ECDH()
	if err != nil {
		return false
	}
	public, err := k.PublicKey.ECDH()
	return err == nil && dh.PublicKey().Equal(public)
}

func privateFromDER(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := key.(crypto.Signer); ok {
			return s, nil
		}
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("token: private key: the PEM block holds no RSA or EC private key")
}

// MarshalPrivate writes the key of s as a private JWK with kid, alg and use, for a key file.
func (s *Signer) MarshalPrivate() ([]byte, error) {
	key, err := jwk.FromRaw(s.raw)
	if err != nil {
		return nil, fmt.Errorf("token: private key: %w", err)
	}
	for name, value := range map[string]any{jwk.KeyIDKey: s.public.Kid, jwk.AlgorithmKey: s.public.Alg, jwk.KeyUsageKey: "sig"} {
		if err := key.Set(name, value); err != nil {
			return nil, fmt.Errorf("token: private key: %w", err)
		}
	}
	b, err := json.Marshal(key, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("token: private key: %w", err)
	}
	return b, nil
}

// standIns are keys whose private halves were thrown away; nothing verifies under them. RSA has 2048 bits, as most
// clients' keys do.
var standIns = sync.OnceValue(func() map[string]PublicKey {
	out := map[string]PublicKey{}
	of := func(raw crypto.Signer, err error, algs ...string) {
		for _, alg := range algs {
			s, fault := NewSigner(raw, "", alg)
			if err != nil || fault != nil {
				panic("token: stand-in keys cannot be made") // key generation does not fail since Go 1.24
			}
			out[alg] = s.public
		}
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	of(p256, err, ES256)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	of(p384, err, ES384)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	of(rsa2048, err, RS384, PS384)
	return out
})

// StandIn returns a key nobody can sign for, so that an assertion of an unknown client costs what one of a known
// client costs. It has the algorithm asked for, or ES384 when that is not supported. The first call makes the keys
// and takes a moment: make it at start.
func StandIn(alg string) PublicKey {
	if k, known := standIns()[alg]; known {
		return k
	}
	return standIns()[ES384]
}
