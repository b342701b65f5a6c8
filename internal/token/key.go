package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// The algorithms Concord signs or verifies with. SMART asks every server for RS384 and ES384.
const (
	ES256 = "ES256"
	ES384 = "ES384"
	PS384 = "PS384"
	RS384 = "RS384"
)

// Algorithms lists them, sorted.
var Algorithms = []string{ES256, ES384, PS384, RS384}

// A PublicKey verifies signatures of one algorithm and no other. The zero PublicKey verifies nothing.
type PublicKey struct {
	// Kid is the key's name within its set: 1-128 of [A-Za-z0-9._~:@+/=-].
	Kid string
	// Alg is the pinned algorithm.
	Alg string

	raw      crypto.PublicKey
	verifier jws.Verifier
}

// Verify reports whether c was signed by the key, as nil or a [Fault]. The header must name the pinned
// algorithm; nothing else about the header counts.
func (k PublicKey) Verify(c Compact) error {
	if k.verifier == nil || c.Header.Alg != k.Alg {
		return FaultAlgorithm
	}
	if err := k.verifier.Verify([]byte(c.signed), c.signature, k.raw); err != nil {
		return FaultSignature
	}
	return nil
}

// Thumbprint returns the key's RFC 7638 SHA-256 thumbprint in base64url.
func (k PublicKey) Thumbprint() string {
	key, err := jwk.FromRaw(k.raw)
	if err != nil {
		panic("token: thumbprint of a key that was not checked") // newPublicKey has accepted it
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		panic("token: thumbprint: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// JWK returns the key as a public JSON Web Key with kid, alg and use.
func (k PublicKey) JWK() jsontext.Value {
	key, err := jwk.FromRaw(k.raw)
	if err != nil {
		panic("token: a key that was not checked")
	}
	for name, value := range map[string]any{jwk.KeyIDKey: k.Kid, jwk.AlgorithmKey: k.Alg, jwk.KeyUsageKey: "sig"} {
		if err := key.Set(name, value); err != nil {
			panic("token: jwk: " + err.Error())
		}
	}
	b, err := json.Marshal(key, json.Deterministic(true))
	if err != nil {
		panic("token: jwk: " + err.Error())
	}
	return b
}

// Set writes keys as a JWK Set, ordered as given.
func Set(keys []PublicKey) []byte {
	set := struct {
		Keys []jsontext.Value `json:"keys"`
	}{Keys: make([]jsontext.Value, 0, len(keys))}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.JWK())
	}
	b, err := json.Marshal(set)
	if err != nil {
		panic("token: key set: " + err.Error())
	}
	return b
}

// newPublicKey pins alg ("" for the key's usual one) to raw after checking that they may go together.
func newPublicKey(raw crypto.PublicKey, kid, alg string) (PublicKey, *hie.InvalidError) {
	var usual string
	switch k := raw.(type) {
	case *rsa.PublicKey:
		switch {
		case k.N.BitLen() < 2048 || k.N.BitLen() > 8192:
			return PublicKey{}, hie.Invalid("n", "must have 2048 to 8192 bits")
		case k.E < 3 || k.E%2 == 0:
			return PublicKey{}, hie.Invalid("e", "must be an odd number of at least 3")
		}
		usual = RS384
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			usual = ES256
		case elliptic.P384():
			usual = ES384
		default:
			return PublicKey{}, hie.Invalid("crv", "must be P-256 or P-384")
		}
		if _, err := k.ECDH(); err != nil {
			return PublicKey{}, hie.Invalid("x", "and y must name a point of the curve")
		}
	default:
		return PublicKey{}, hie.Invalid("kty", "must be RSA or EC")
	}
	_, isRSA := raw.(*rsa.PublicKey)
	switch {
	case alg == "":
		alg = usual
	case alg != usual && (!isRSA || alg != PS384):
		return PublicKey{}, hie.Invalid("alg", "must be RS384 or PS384 for RSA, ES256 for P-256, ES384 for P-384")
	}
	v, err := jws.NewVerifier(jwa.SignatureAlgorithm(alg))
	if err != nil {
		return PublicKey{}, hie.Invalid("alg", "is not supported")
	}
	return PublicKey{Kid: kid, Alg: alg, raw: raw, verifier: v}, nil
}

var kidPattern = regexp.MustCompile(`^[A-Za-z0-9._~:@+/=-]{1,128}$`)

// SafeKid reports whether kid has the form a key's name may have.
func SafeKid(kid string) bool { return kidPattern.MatchString(kid) }

// privateMembers are those of a JWK that tell a secret.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

const (
	maxKeys    = 16
	maxSetSize = 64 << 10
)

// ParseSet reads a client's JWK Set. An *hie.InvalidError names the first key that may not be registered
// ("keys[1].kid"): private or symmetric keys, RSA under 2048 bits, curves other than P-256 and P-384, an algorithm
// other than the key's, a missing or repeated kid, use other than sig, more than 16 keys or 64 KiB.
//
// Source: spec federation 2.1, "Key proof"; SMART App Launch 2.2, asymmetric client authentication.
func ParseSet(data []byte) ([]PublicKey, error) {
	if len(data) > maxSetSize {
		return nil, hie.Invalid("keys", "must not exceed 64 KiB")
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, hie.Invalid("keys", "must be a JWK Set without duplicate members")
	}
	if len(set.Keys) == 0 || len(set.Keys) > maxKeys {
		return nil, hie.Invalid("keys", "must be 1 to 16 keys")
	}
	out := make([]PublicKey, 0, len(set.Keys))
	for i, raw := range set.Keys {
		k, inv := parsePublic(raw)
		if inv == nil && slices.ContainsFunc(out, func(o PublicKey) bool { return o.Kid == k.Kid }) {
			inv = hie.Invalid("kid", "is used by two keys")
		}
		if inv != nil {
			return nil, within(i, inv)
		}
		out = append(out, k)
	}
	return out, nil
}

func parsePublic(raw jsontext.Value) (PublicKey, *hie.InvalidError) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return PublicKey{}, hie.Invalid("", "must be a JSON Web Key")
	}
	for _, m := range privateMembers {
		if _, present := members[m]; present {
			return PublicKey{}, hie.Invalid(m, "belongs to a private or symmetric key; register public keys only, and replace this one: it is no longer secret")
		}
	}
	var head struct {
		Kid string   `json:"kid"`
		Kty string   `json:"kty"`
		Alg string   `json:"alg"`
		Use string   `json:"use"`
		Ops []string `json:"key_ops"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return PublicKey{}, hie.Invalid("", "has a member of the wrong type")
	}
	switch {
	case !SafeKid(head.Kid):
		return PublicKey{}, hie.Invalid("kid", "must be 1-128 of letters, digits and . _ ~ : @ + / = -")
	case head.Kty != "RSA" && head.Kty != "EC":
		return PublicKey{}, hie.Invalid("kty", "must be RSA or EC")
	case head.Use != "" && head.Use != "sig":
		return PublicKey{}, hie.Invalid("use", "must be sig")
	case head.Ops != nil && !slices.Equal(head.Ops, []string{"verify"}):
		return PublicKey{}, hie.Invalid("key_ops", "must be verify alone")
	}
	key, err := jwk.ParseKey(raw)
	if err != nil {
		return PublicKey{}, hie.Invalid("", "cannot be read as a JSON Web Key")
	}
	var public any
	if err := key.Raw(&public); err != nil {
		return PublicKey{}, hie.Invalid("", "cannot be read as a public key")
	}
	return newPublicKey(public, head.Kid, head.Alg)
}

// within puts the place of one key in front of inv's path.
func within(i int, inv *hie.InvalidError) *hie.InvalidError {
	inv.Path = strings.TrimSuffix(fmt.Sprintf("keys[%d].%s", i, inv.Path), ".")
	return inv
}
