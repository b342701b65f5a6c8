// Package token is the only owner of jwx: JSON Web Signatures in compact form, read strictly and verified with
// an algorithm and a key chosen beforehand; keys read from JWK and PEM; what is published as a JWK Set.
//
// It knows formats and signatures. Which claims are acceptable is package access's matter. Nothing named in a
// header is ever fetched, and a header never chooses the algorithm.
//
// Source: RFC 7515, 7517, 7518, 7638, 8725; spec federation 2.1 and 2.2 rows 4, 5 and 7.
package token

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxSize bounds a compact JWS in bytes.
const MaxSize = 8 << 10

// A Fault says why a token cannot be read or believed, as a fixed phrase for the audit trail. It never quotes
// the token.
type Fault string

func (f Fault) Error() string { return "token: " + string(f) }

// The faults of reading and verifying.
const (
	FaultSize      Fault = "token over 8 KiB or empty"
	FaultParts     Fault = "token not of three parts"
	FaultBase64    Fault = "token not strict base64url"
	FaultHeader    Fault = "token header not a JSON object of known members"
	FaultDuplicate Fault = "token with duplicate members"
	FaultPayload   Fault = "token payload not a JSON object"
	FaultHeaderKey Fault = "token header brings its own key or critical extension"
	FaultAlgorithm Fault = "token algorithm not that of the key"
	FaultSignature Fault = "signature wrong"
)

// A Header is the protected header of a JWS, reduced to the members that may occur.
type Header struct {
	Alg, Typ, Kid string
	// JKU is kept to be compared, never fetched.
	JKU string
}

// A Compact is a JWS in compact form, taken apart. Nothing about it is established until [PublicKey.Verify].
type Compact struct {
	Header Header
	// Payload is a well-formed JSON object without duplicate members and in valid UTF-8.
	Payload []byte

	signed    string
	signature []byte
}

// Parse takes a compact JWS apart. Errors are [Fault]s.
//
// Refused are: more than [MaxSize] bytes, other than three parts (so JWE), padding, white space or stray bits in
// base64url, duplicate members at any depth, members of the header that are not known here, and those by which a
// header would bring its own rules or key: crit, b64, jwk, x5u, x5c.
func Parse(compact string) (Compact, error) {
	if compact == "" || len(compact) > MaxSize {
		return Compact{}, FaultSize
	}
	head, rest, ok1 := strings.Cut(compact, ".")
	body, sig, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || strings.Contains(sig, ".") || head == "" || body == "" || sig == "" {
		return Compact{}, FaultParts
	}
	header, err1 := decodeBase64(head)
	payload, err2 := decodeBase64(body)
	signature, err3 := decodeBase64(sig)
	if err1 != nil || err2 != nil || err3 != nil {
		return Compact{}, FaultBase64
	}
	c := Compact{Payload: payload, signed: compact[:len(head)+1+len(body)], signature: signature}
	var err error
	if c.Header, err = parseHeader(header); err != nil {
		return Compact{}, err
	}
	if err := checkObject(payload); err != nil {
		return Compact{}, err
	}
	return c, nil
}

// decodeBase64 is strict: the library's decoder skips CR and LF, which would give one token many spellings.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, FaultBase64
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

// knownHeader lists the members a header may have. x5t and x5t#S256 are hints that some clients send; they
// choose nothing here.
var knownHeader = map[string]bool{"alg": true, "typ": true, "kid": true, "jku": true, "x5t": true, "x5t#S256": true}

func parseHeader(data []byte) (Header, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(data, &members); err != nil {
		return Header{}, jsonFault(err, FaultHeader)
	}
	for name := range members {
		switch {
		case knownHeader[name]:
		case name == "crit" || name == "b64" || name == "jwk" || name == "x5u" || name == "x5c":
			return Header{}, FaultHeaderKey
		default:
			return Header{}, FaultHeader
		}
	}
	var h Header
	for name, field := range map[string]*string{"alg": &h.Alg, "typ": &h.Typ, "kid": &h.Kid, "jku": &h.JKU} {
		raw, present := members[name]
		if !present {
			continue
		}
		if raw.Kind() != '"' {
			return Header{}, FaultHeader
		}
		if err := json.Unmarshal(raw, field); err != nil {
			return Header{}, FaultHeader
		}
	}
	return h, nil
}

// checkObject makes sure that data is one JSON object, without duplicate members at any depth.
func checkObject(data []byte) error {
	v := jsontext.Value(data)
	if !v.IsValid() { // jsontext refuses duplicate members and invalid UTF-8 unless told otherwise
		var discard any
		return jsonFault(json.Unmarshal(data, &discard), FaultPayload)
	}
	if v.Kind() != '{' {
		return FaultPayload
	}
	return nil
}

func jsonFault(err error, otherwise Fault) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return FaultDuplicate
	}
	return otherwise
}
