package fhir

import (
	"net/url"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// A Param is one search parameter as sent: name, modifier, and the alternatives of its value. Alternatives
// (comma) are OR; repeated parameters are AND.
//
// Source: FHIR R4 search, 3.1.1.3 and 3.1.1.4.
type Param struct {
	Name     string   // "patient.identifier", "date"
	Modifier string   // "exact", "not", "identifier", "of-type", ...; "" for none
	Values   []string // at least one; escapes removed only by Token, Text and Date
}

// ParseParams reads a query string or form body in the order sent. Names keep their chain ("patient.identifier").
// It returns an *hie.InvalidError for an encoding that cannot be read and for an empty value.
func ParseParams(query string) ([]Param, error) {
	var out []Param
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil || strings.ContainsRune(value, 0) {
			return nil, hie.Invalid("", "the query cannot be decoded")
		}
		p := Param{}
		p.Name, p.Modifier, _ = strings.Cut(name, ":")
		if value == "" {
			continue // FHIR R4 search 3.1.1: a parameter without a value is ignored
		}
		p.Values = splitEscaped(value, ',')
		out = append(out, p)
	}
	return out, nil
}

// splitEscaped splits s at sep where it is not escaped with a backslash; escapes stay.
func splitEscaped(s string, sep byte) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// unescape removes the backslashes of \\ \, \$ and \|.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// A Token is system|code as sought. HasSystem is false for "code" (any system); a true HasSystem with an empty
// System means "no system" ("|code"); an empty Code means any code of System ("system|").
type Token struct {
	System, Code string
	HasSystem    bool
}

// ParseToken reads one alternative of a token parameter.
func ParseToken(value string) Token {
	parts := splitEscaped(value, '|')
	if len(parts) == 1 {
		return Token{Code: unescape(parts[0])}
	}
	return Token{System: unescape(parts[0]), Code: unescape(parts[1]), HasSystem: true}
}

// Text reads one alternative of a string, reference or uri parameter.
func Text(value string) string { return unescape(value) }

// A DateTest compares a span of time with a sought one.
type DateTest struct {
	Prefix string // eq ne gt ge lt le sa eb ap
	Span   Span
}

// ParseDateTest reads one alternative of a date parameter: an optional prefix and a date. Values without an
// offset are UTC.
func ParseDateTest(value string) (DateTest, bool) {
	t := DateTest{Prefix: "eq"}
	if len(value) > 2 {
		switch p := value[:2]; p {
		case "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap":
			t.Prefix, value = p, value[2:]
		}
	}
	var ok bool
	t.Span, ok = ParseSpan(unescape(value), nil)
	return t, ok
}
