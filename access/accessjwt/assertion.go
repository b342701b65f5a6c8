package accessjwt

import (
	"math"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// faultClaims says that a registered claim has the wrong JSON type.
const faultClaims token.Fault = "claims of the wrong type"

const extensionName = "hl7-b2b"

type claims struct {
	Issuer    *string        `json:"iss"`
	Subject   *string        `json:"sub"`
	Audience  jsontext.Value `json:"aud"`
	Expires   jsontext.Value `json:"exp"`
	NotBefore jsontext.Value `json:"nbf"`
	IssuedAt  jsontext.Value `json:"iat"`
	ID        *string        `json:"jti"`
	Act       *act           `json:"act"`
	// Extensions are read apart: a fault in them is row 14's, not row 4's.
	Extensions jsontext.Value `json:"extensions"`
}

// act names who acts in place of the subject.
type act struct {
	Subject string `json:"sub"`
}

// assertionOf reads the claims of a client assertion. The payload is a JSON object without duplicate members.
func assertionOf(payload []byte) (access.Assertion, error) {
	var raw claims
	if err := json.Unmarshal(payload, &raw); err != nil {
		return access.Assertion{}, faultClaims
	}
	var a access.Assertion
	for _, s := range []struct {
		from *string
		to   *string
	}{{raw.Issuer, &a.Issuer}, {raw.Subject, &a.Subject}, {raw.ID, &a.ID}} {
		if s.from != nil {
			*s.to = *s.from
		}
	}
	if raw.Act != nil {
		if a.ActsFor = raw.Act.Subject; a.ActsFor == "" {
			return access.Assertion{}, faultClaims
		}
	}
	var ok bool
	if a.Audience, ok = oneOrMany(raw.Audience); !ok {
		return access.Assertion{}, faultClaims
	}
	for _, d := range []struct {
		from jsontext.Value
		to   *time.Time
	}{{raw.Expires, &a.Expires}, {raw.NotBefore, &a.NotBefore}, {raw.IssuedAt, &a.IssuedAt}} {
		if *d.to, ok = numericDate(d.from); !ok {
			return access.Assertion{}, faultClaims
		}
	}
	if raw.Extensions != nil {
		var all map[string]jsontext.Value
		if err := json.Unmarshal(raw.Extensions, &all); err != nil {
			a.B2BFault = true
		} else if b := all[extensionName]; b != nil {
			if a.B2B, ok = parseB2B(b); !ok {
				a.B2B, a.B2BFault = nil, true
			}
		}
	}
	return a, nil
}

// oneOrMany reads a string or an array of strings; absent gives none.
func oneOrMany(v jsontext.Value) ([]string, bool) {
	switch v.Kind() {
	case '"':
		var s string
		err := json.Unmarshal(v, &s)
		return []string{s}, err == nil
	case '[':
		var s []*string
		if err := json.Unmarshal(v, &s); err != nil {
			return nil, false
		}
		out := make([]string, 0, len(s))
		for _, p := range s {
			if p == nil {
				return nil, false
			}
			out = append(out, *p)
		}
		return out, true
	}
	return nil, v == nil
}

// maxDate is the end of the year 9999: beyond it a NumericDate is a mistake.
const maxDate = 253402300799

// numericDate reads seconds since 1970, possibly with a fraction; absent gives the zero time.
func numericDate(v jsontext.Value) (time.Time, bool) {
	if v == nil {
		return time.Time{}, true
	}
	var f float64
	if v.Kind() != '0' || json.Unmarshal(v, &f) != nil || math.IsNaN(f) || f < 1 || f > maxDate {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), true
}

type b2b struct {
	Version          *string          `json:"version"`
	SubjectName      *string          `json:"subject_name"`
	SubjectID        *string          `json:"subject_id"`
	SubjectRole      jsontext.Value   `json:"subject_role"`
	OrganizationName *string          `json:"organization_name"`
	OrganizationID   *string          `json:"organization_id"`
	PurposeOfUse     []jsontext.Value `json:"purpose_of_use"`
	ConsentPolicy    []string         `json:"consent_policy"`
	ConsentReference []string         `json:"consent_reference"`
}

// maxItems bounds every list in the extension.
const maxItems = 16

// parseB2B reads the hl7-b2b extension. subject_role may be a string, a Coding or a list of them, and each purpose_of_use
// a string or a Coding: both forms are in use.
func parseB2B(v jsontext.Value) (*access.B2B, bool) {
	var raw b2b
	if v.Kind() != '{' || json.Unmarshal(v, &raw) != nil {
		return nil, false
	}
	if len(raw.PurposeOfUse) > maxItems || len(raw.ConsentPolicy) > maxItems || len(raw.ConsentReference) > maxItems {
		return nil, false
	}
	b := &access.B2B{ConsentPolicy: raw.ConsentPolicy, ConsentReference: raw.ConsentReference}
	for _, s := range []struct {
		from *string
		to   *string
	}{{raw.Version, &b.Version}, {raw.SubjectName, &b.SubjectName}, {raw.SubjectID, &b.SubjectID},
		{raw.OrganizationName, &b.OrganizationName}, {raw.OrganizationID, &b.OrganizationID}} {
		if s.from != nil {
			*s.to = *s.from
		}
	}
	roles := []jsontext.Value{raw.SubjectRole}
	if raw.SubjectRole == nil {
		roles = nil
	} else if raw.SubjectRole.Kind() == '[' {
		if err := json.Unmarshal(raw.SubjectRole, &roles); err != nil || len(roles) > maxItems {
			return nil, false
		}
	}
	var ok bool
	if b.SubjectRoles, ok = codings(roles); !ok {
		return nil, false
	}
	b.Purposes, ok = codings(raw.PurposeOfUse)
	return b, ok
}

func codings(values []jsontext.Value) ([]hie.Coding, bool) {
	var out []hie.Coding
	for _, v := range values {
		var c hie.Coding
		switch v.Kind() {
		case '"':
			if json.Unmarshal(v, &c.Code) != nil {
				return nil, false
			}
		case '{':
			var w coding
			if json.Unmarshal(v, &w) != nil {
				return nil, false
			}
			c = hie.Coding{System: w.System, Code: w.Code}
		default:
			return nil, false
		}
		if c.Code == "" {
			return nil, false
		}
		out = append(out, c)
	}
	return out, true
}

type coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}
