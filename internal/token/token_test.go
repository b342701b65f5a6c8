package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
)

var b64 = base64.RawURLEncoding.EncodeToString

// The published example of RFC 7515 appendix A.3 (ES256).
const (
	rfc7515A3 = "eyJhbGciOiJFUzI1NiJ9." +
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	rfc7515A3Key = `{"keys":[{"kty":"EC","crv":"P-256","kid":"a3",
		"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
)

func TestThePublishedSignatureVerifies(t *testing.T) {
	keys, err := ParseSet([]byte(rfc7515A3Key))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(rfc7515A3)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys[0].Verify(c); err != nil {
		t.Error(err)
	}
	c.Payload[0]++ // the payload is a copy: what was signed is what counts
	if err := keys[0].Verify(c); err != nil {
		t.Error(err)
	}
}

// Source: RFC 7638 section 3.1.
func TestThePublishedThumbprint(t *testing.T) {
	keys, err := ParseSet([]byte(`{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","kid":"2011-04-29"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keys[0].Thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("thumbprint %s, want %s", got, want)
	}
	if keys[0].Alg != RS384 {
		t.Errorf("an RSA key without alg is pinned to %s, want RS384", keys[0].Alg)
	}
}

func TestEachKeyVerifiesItsOwnAlgorithmAlone(t *testing.T) {
	for _, alg := range Algorithms {
		s, err := Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := s.Sign("JWT", []byte(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(signed)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Public().Verify(c); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		for _, other := range append([]string{"none", "HS256", "RS256", ""}, Algorithms...) {
			if other == alg {
				continue
			}
			forged := c
			forged.Header.Alg = other
			if err := s.Public().Verify(forged); !errors.Is(err, FaultAlgorithm) {
				t.Errorf("%s key, header %q: %v, want %v", alg, other, err, FaultAlgorithm)
			}
		}
		for i := range c.signature {
			c.signature[i] ^= 1
			if s.Public().Verify(c) == nil {
				t.Fatalf("%s: a flipped bit in byte %d of the signature went unnoticed", alg, i)
			}
			c.signature[i] ^= 1
		}
	}
	if (PublicKey{}).Verify(Compact{}) == nil {
		t.Error("the zero key verified something")
	}
	if c, err := Parse(rfc7515A3); err != nil || StandIn("ES256").Verify(c) == nil || StandIn("nonsense").Verify(c) == nil {
		t.Error("a stand-in verified something")
	}
}

func TestKeysThatMayNotBeRegistered(t *testing.T) {
	ec := func(curve elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	jwk := func(change map[string]any) string {
		k := ec(elliptic.P256())
		m := map[string]any{"kty": "EC", "crv": "P-256", "kid": "a", "x": b64(k.X.FillBytes(make([]byte, 32))), "y": b64(k.Y.FillBytes(make([]byte, 32)))}
		for name, v := range change {
			if v == nil {
				delete(m, name)
			} else {
				m[name] = v
			}
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	rsaKey := func(n []byte, e string) string {
		return fmt.Sprintf(`{"kty":"RSA","kid":"a","n":%q,"e":%q}`, b64(n), e)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p521 := ec(elliptic.P521())
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	for _, c := range []struct{ name, set, path string }{
		{"a good key is taken", set(jwk(nil)), "ok"},
		{"a good RSA key is taken", set(rsaKey(large.N.Bytes(), "AQAB")), "ok"},
		{"unknown members are taken", set(jwk(map[string]any{"x5t": "abc"})), "ok"},
		{"a private EC key is refused", set(jwk(map[string]any{"d": "AA"})), "keys[0].d"},
		{"a private RSA member is refused", set(jwk(map[string]any{"qi": "AA"})), "keys[0].qi"},
		{"a symmetric key is refused", set(`{"kty":"oct","kid":"a","k":"AAAA"}`), "keys[0].k"},
		{"a symmetric key without its value is refused", set(`{"kty":"oct","kid":"a"}`), "keys[0].kty"},
		{"an Ed25519 key is refused", set(`{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AA"}`), "keys[0].kty"},
		{"RSA of 1024 bits is refused", set(rsaKey(small.N.Bytes(), "AQAB")), "keys[0].n"},
		{"RSA with e = 1 is refused", set(rsaKey(large.N.Bytes(), "AQ")), "keys[0].e"},
		{"RSA with an even e is refused", set(rsaKey(large.N.Bytes(), "BA")), "keys[0].e"},
		{"RSA of 16384 bits is refused", set(rsaKey(append([]byte{0xff}, make([]byte, 2047)...), "AQAB")), "keys[0].n"},
		{"P-521 is refused", set(jwk(map[string]any{"crv": "P-521", "x": b64(p521.X.FillBytes(make([]byte, 66))), "y": b64(p521.Y.FillBytes(make([]byte, 66)))})), "keys[0].crv"},
		{"a point off the curve is refused", set(jwk(map[string]any{"x": b64(make([]byte, 32))})), "keys[0].x"},
		{"no kid is refused", set(jwk(map[string]any{"kid": nil})), "keys[0].kid"},
		{"a kid that is a path is refused", set(jwk(map[string]any{"kid": "../a b"})), "keys[0].kid"},
		{"a kid of 129 characters is refused", set(jwk(map[string]any{"kid": strings.Repeat("k", 129)})), "keys[0].kid"},
		{"a kid used twice is refused", set(jwk(nil), jwk(nil)), "keys[1].kid"},
		{"use enc is refused", set(jwk(map[string]any{"use": "enc"})), "keys[0].use"},
		{"key_ops with sign is refused", set(jwk(map[string]any{"key_ops": []string{"sign"}})), "keys[0].key_ops"},
		{"another algorithm than the key's is refused", set(jwk(map[string]any{"alg": "ES384"})), "keys[0].alg"},
		{"RS256 is refused", set(fmt.Sprintf(`{"kty":"RSA","kid":"a","alg":"RS256","n":%q,"e":"AQAB"}`, b64(large.N.Bytes()))), "keys[0].alg"},
		{"an alg of the wrong type is refused", set(jwk(map[string]any{"alg": 1})), "keys[0]"},
		{"17 keys are refused", set(strings.Split(strings.TrimSuffix(strings.Repeat(jwk(nil)+"\n", 17), "\n"), "\n")...), "keys"},
		{"no keys are refused", set(), "keys"},
		{"duplicate members are refused", `{"keys":[],"keys":[]}`, "keys"},
		{"over 64 KiB is refused", `{"keys":[` + strings.Repeat(" ", 64<<10) + `]}`, "keys"},
		{"no set at all is refused", `[]`, "keys"},
	} {
		_, err := ParseSet([]byte(c.set))
		inv, _ := errors.AsType[*hie.InvalidError](err)
		switch {
		case c.path == "ok" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.path != "ok" && inv == nil:
			t.Errorf("%s: got %v", c.name, err)
		case c.path != "ok" && inv.Path != c.path:
			t.Errorf("%s: at %s, want %s", c.name, inv.Path, c.path)
		}
	}
}

func TestPrivateKeysFromEveryFormAreTheSameKey(t *testing.T) {
	for _, alg := range []string{ES256, ES384, RS384} {
		s, err := Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := s.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(s.raw)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[string][]byte{"JWK": jwk, "JWK Set": []byte(`{"keys":[` + string(jwk) + `]}`),
			"PKCS #8": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})}
		switch k := s.raw.(type) {
		case *ecdsa.PrivateKey:
			der, err := x509.MarshalECPrivateKey(k)
			if err != nil {
				t.Fatal(err)
			}
			forms["SEC 1"] = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
		case *rsa.PrivateKey:
			forms["PKCS #1"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
		}
		for name, data := range forms {
			got, err := ReadSigner(data)
			if err != nil {
				t.Errorf("%s %s: %v", alg, name, err)
				continue
			}
			if got.Public().Thumbprint() != s.Public().Thumbprint() || got.Public().Kid != s.Public().Kid || got.Public().Alg != alg {
				t.Errorf("%s %s: another key came back", alg, name)
			}
		}
		if strings.Contains(string(Set([]PublicKey{s.Public()})), `"d"`) {
			t.Errorf("%s: the published set holds a private member", alg)
		}
	}
	for name, data := range map[string]string{"nothing": "", "a public key": rfc7515A3Key, "a symmetric key": `{"kty":"oct","k":"AAAA"}`,
		"two keys": `{"keys":[{},{}]}`, "a torn PEM": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := ReadSigner([]byte(data)); err == nil {
			t.Errorf("%s was taken for a private key", name)
		}
	}
}

func TestAPrivateJWKWhosePointIsAnotherKeysIsRefused(t *testing.T) {
	a, err := Generate(ES256)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Generate(ES256)
	if err != nil {
		t.Fatal(err)
	}
	var mixed, other map[string]any
	for s, m := range map[*Signer]*map[string]any{a: &mixed, b: &other} {
		raw, err := s.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, m); err != nil {
			t.Fatal(err)
		}
	}
	mixed["d"] = other["d"]
	raw, err := json.Marshal(mixed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSigner(raw); err == nil {
		t.Error("a key whose halves do not belong together was taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rfc7515A3)
	f.Add("e30.e30.AA")
	f.Add(b64([]byte(`{"alg":"ES256","kid":"a","kid":"b"}`)) + ".e30.AA")
	f.Add("..")
	keys, err := ParseSet([]byte(rfc7515A3Key))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err != nil {
			var fault Fault
			if !errors.As(err, &fault) {
				t.Errorf("error %T is no fault", err)
			}
			return
		}
		var payload map[string]any
		if json.Unmarshal(c.Payload, &payload) != nil {
			t.Error("a payload that is no object was taken")
		}
		parts := strings.Split(s, ".")
		if len(parts) != 3 || b64(c.Payload) != parts[1] || b64(c.signature) != parts[2] {
			t.Error("one token has two spellings")
		}
		if keys[0].Verify(c) == nil && s != rfc7515A3 {
			t.Error("a forged token was believed")
		}
	})
}

func FuzzParseSet(f *testing.F) {
	f.Add([]byte(rfc7515A3Key))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AA","e":"AQ","kid":"a"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseSet(data)
		if err != nil {
			return
		}
		again, err := ParseSet(Set(keys))
		if err != nil || len(again) != len(keys) {
			t.Fatalf("what was taken cannot be read again: %v", err)
		}
		for i := range keys {
			if keys[i].Thumbprint() != again[i].Thumbprint() || keys[i].Kid != again[i].Kid || keys[i].Alg != again[i].Alg {
				t.Error("a key changed on the way")
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range Algorithms {
		b.Run(alg, func(b *testing.B) {
			s, err := Generate(alg)
			if err != nil {
				b.Fatal(err)
			}
			signed, err := s.Sign("JWT", []byte(`{"iss":"client","sub":"client","aud":"https://concord.example.org/oauth/token"}`))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				c, err := Parse(signed)
				if err != nil || s.Public().Verify(c) != nil {
					b.Fatal("not verified")
				}
			}
		})
	}
}
