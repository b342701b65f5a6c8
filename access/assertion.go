package access

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An Assertion is a client assertion as the [Codec] read it: nothing about it is established yet.
type Assertion struct {
	hie.Private
	Alg, Typ, Kid, JKU string

	Issuer, Subject, ID string
	// Audience holds the values of aud, whether it was a string or an array.
	Audience []string
	// Expires, NotBefore and IssuedAt are zero when absent.
	Expires, NotBefore, IssuedAt time.Time
	// B2B is the hl7-b2b extension, nil when absent; B2BFault says that it is there and cannot be read.
	B2B      *B2B
	B2BFault bool

	// ActsFor is who acts for the subject the extension names (act.sub), "" when they act themselves.
	//
	// Source: RFC 8693 section 4.1; spec federation 2.3 ("act for proxies").
	ActsFor string

	// Proof is what the codec needs to verify the signature.
	Proof any
}

// A B2B is the hl7-b2b authorization extension: which organisation the client acts for, for whom there, what for.
//
// Source: HL7 UDAP Security IG, "B2B Authorization Extension Object".
type B2B struct {
	hie.Private
	Version                          string
	SubjectID, SubjectName           string
	SubjectRoles                     []hie.Coding
	OrganizationID, OrganizationName string
	Purposes                         []hie.Coding
	// ConsentPolicy and ConsentReference are recorded, never trusted and never fetched.
	ConsentPolicy, ConsentReference []string
}

// A Refusal says why a request to the authorization server was turned down. Only Code reaches the caller; Reason is
// for the audit trail.
type Refusal struct {
	// Code is an error code of RFC 6749 section 5.2.
	Code string
	// Reason is a fixed phrase. It quotes nothing of the request.
	Reason string
	// Wait is how long to wait before trying again, when that is the remedy.
	Wait time.Duration
}

func (r *Refusal) Error() string { return "access: " + r.Code + ": " + r.Reason }

// The error codes used.
const (
	InvalidRequest       = "invalid_request"
	UnsupportedGrantType = "unsupported_grant_type"
	InvalidClient        = "invalid_client"
	InvalidScope         = "invalid_scope"
	InvalidGrant         = "invalid_grant"
	TooManyRequests      = "temporarily_unavailable"
)

func refuse(code, reason string) *Refusal { return &Refusal{Code: code, Reason: reason} }

// Limits of rows 9 to 11.
const (
	// Skew is how far clocks may be apart.
	Skew = 30 * time.Second
	// maxAhead is how far in the future an assertion may end.
	maxAhead = 300 * time.Second
	// replayMargin keeps a replay key a little longer than its assertion could be used.
	replayMargin = 5 * time.Second
	maxJTI       = 256
)

// assertionType is the one client_assertion_type.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// A Form is the body of a request to the authorization server.
type Form struct {
	hie.Private
	// Fields are its parameters with all their values.
	Fields map[string][]string
	// Malformed says that the request is not a form POST of at most 16 KiB without a query, as a fixed phrase; "" if
	// it is.
	Malformed string
	// Authorization holds the values of all Authorization headers.
	Authorization []string
}

// Value returns the one value of a parameter, or "".
func (f Form) Value(name string) string {
	if v := f.Fields[name]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// checkForm is row 1: one way to say each thing.
func checkForm(f Form) *Refusal {
	if f.Malformed != "" {
		return refuse(InvalidRequest, f.Malformed)
	}
	for _, values := range f.Fields {
		if len(values) != 1 {
			return refuse(InvalidRequest, "repeated parameter")
		}
	}
	if _, secret := f.Fields["client_secret"]; secret {
		return refuse(InvalidRequest, "client_secret sent")
	}
	return nil
}

// checkGrantType is row 2.
func checkGrantType(f Form) *Refusal {
	if len(f.Authorization) > 0 {
		return refuse(InvalidRequest, "Authorization header beside an assertion") // row 1, for this endpoint
	}
	if f.Value("grant_type") != "client_credentials" {
		return refuse(UnsupportedGrantType, "grant_type not client_credentials")
	}
	return nil
}

// checkAssertionType is row 3.
func checkAssertionType(f Form) *Refusal {
	if f.Value("client_assertion_type") != assertionType {
		return refuse(InvalidClient, "client_assertion_type missing or other")
	}
	if f.Value("client_assertion") == "" {
		return refuse(InvalidClient, "client_assertion missing")
	}
	return nil
}

// algorithms are those an assertion may be signed with.
var algorithms = []string{"ES256", "ES384", "PS384", "RS384"}

// checkHeader is row 5. A jku is refused whatever it says: no client has a registered one yet, and none is fetched.
func checkHeader(a Assertion) *Refusal {
	switch {
	case !slices.Contains(algorithms, a.Alg):
		return refuse(InvalidClient, "algorithm not allowed")
	case !strings.EqualFold(a.Typ, "JWT") && !strings.EqualFold(a.Typ, "client-authentication+jwt"):
		return refuse(InvalidClient, "typ missing or other")
	case a.Kid == "" || len(a.Kid) > 128:
		return refuse(InvalidClient, "kid missing or too long")
	case a.JKU != "":
		return refuse(InvalidClient, "jku not registered")
	}
	return nil
}

// checkClient is row 6, and the part of row 7 before the signature: the key the assertion must have been signed with.
// The zero Key stands for "none": verifying with it costs as much and fails.
func checkClient(a Assertion, c Client, known bool, orgActive bool) (Key, *Refusal) {
	key := c.Keys[a.Kid] // a map key and nothing else
	switch {
	case !known:
		return Key{}, refuse(InvalidClient, "client unknown")
	case c.Status != Active:
		return key, refuse(InvalidClient, "client "+string(c.Status))
	case !orgActive:
		return key, refuse(InvalidClient, "organization not active")
	case key.Kid == "":
		return Key{}, refuse(InvalidClient, "key unknown")
	case key.Alg != a.Alg:
		return Key{}, refuse(InvalidClient, "algorithm not that of the key")
	}
	return key, nil
}

// checkClaims is rows 8 to 10 and the form of row 11.
func checkClaims(a Assertion, c Client, clientParameter string, audiences []string, now time.Time) *Refusal {
	switch {
	case a.Issuer != string(c.ID) || a.Subject != a.Issuer:
		return refuse(InvalidClient, "iss and sub differ")
	case clientParameter != "" && clientParameter != a.Issuer:
		return refuse(InvalidClient, "client_id differs")
	case len(a.Audience) != 1:
		return refuse(InvalidClient, "aud not a single value")
	case !slices.Contains(audiences, a.Audience[0]):
		return refuse(InvalidClient, "aud not this server")
	case a.Expires.IsZero():
		return refuse(InvalidClient, "exp missing")
	case !now.Before(a.Expires.Add(Skew)):
		return refuse(InvalidClient, "assertion expired")
	case a.Expires.After(now.Add(maxAhead + Skew)):
		return refuse(InvalidClient, "exp too far ahead")
	case a.NotBefore.After(now.Add(Skew)):
		return refuse(InvalidClient, "nbf in the future")
	case a.IssuedAt.After(now.Add(Skew)):
		return refuse(InvalidClient, "iat in the future")
	case a.ID == "" || len(a.ID) > maxJTI:
		return refuse(InvalidClient, "jti missing or too long")
	}
	return nil
}

// forgotten reports whether a could have been used before since, when the replay keys that are left begin. One that states
// when it was made is believed about that, up to the skew of clocks: whoever replays it cannot change it.
func forgotten(a Assertion, since time.Time) bool {
	if !a.IssuedAt.IsZero() {
		return !a.IssuedAt.After(since.Add(Skew))
	}
	return !a.Expires.After(since.Add(maxAhead + Skew))
}

// replayFor is how long an assertion's jti must be remembered: as long as it would be accepted, and a little more.
func replayFor(a Assertion, now time.Time) time.Duration {
	return a.Expires.Add(Skew).Sub(now) + replayMargin
}
