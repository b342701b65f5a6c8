// Package accessjwt reads and writes what package access decides on as JSON Web Tokens: client assertions with their
// hl7-b2b extension, and our own access tokens with the claims of IHE IUA.
//
// Source: RFC 7523, 9068; SMART App Launch 2.2; HL7 UDAP Security IG; IHE ITI IUA; spec federation 2.2 and 2.3.
package accessjwt

import (
	"slices"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/internal/token"
)

// A Codec implements access.Codec.
type Codec struct {
	signer *token.Signer
	keys   []token.PublicKey
}

// New returns a Codec that signs with the first of signers and accepts tokens signed by any of them, so that a new key
// can be published before it is used and an old one kept until its last token has ended.
func New(signers ...*token.Signer) *Codec {
	c := &Codec{signer: signers[0]}
	for _, s := range signers {
		c.keys = append(c.keys, s.Public())
	}
	token.StandIn(token.ES384) // made now rather than while the first stranger waits
	return c
}

// KeySet returns our public keys as a JWK Set.
func (c *Codec) KeySet() []byte { return token.Set(c.keys) }

// ParseAssertion implements access.Codec.
func (c *Codec) ParseAssertion(compact string) (access.Assertion, error) {
	t, err := token.Parse(compact)
	if err != nil {
		return access.Assertion{}, err
	}
	a, err := assertionOf(t.Payload)
	if err != nil {
		return access.Assertion{}, err
	}
	a.Alg, a.Typ, a.Kid, a.JKU = t.Header.Alg, t.Header.Typ, t.Header.Kid, t.Header.JKU
	a.Proof = t
	return a, nil
}

// VerifyAssertion implements access.Codec.
func (c *Codec) VerifyAssertion(a access.Assertion, key access.Key) bool {
	t, parsed := a.Proof.(token.Compact)
	public, known := key.Public.(token.PublicKey)
	if !parsed {
		return false
	}
	if !known || public.Alg != a.Alg {
		_ = token.StandIn(a.Alg).Verify(t) // always a fault; takes as long as the real thing
		return false
	}
	return public.Verify(t) == nil
}

// Keys turns a client's checked keys into what access pins to it.
func Keys(keys []token.PublicKey) map[string]access.Key {
	out := make(map[string]access.Key, len(keys))
	for _, k := range keys {
		out[k.Kid] = access.Key{Kid: k.Kid, Alg: k.Alg, Thumbprint: k.Thumbprint(), Public: k}
	}
	return out
}

// keyFor returns our key named kid.
func (c *Codec) keyFor(kid string) (token.PublicKey, bool) {
	i := slices.IndexFunc(c.keys, func(k token.PublicKey) bool { return k.Kid == kid })
	if i < 0 {
		return token.PublicKey{}, false
	}
	return c.keys[i], true
}
