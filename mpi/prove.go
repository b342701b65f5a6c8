package mpi

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// An attribute is a field of the approved combinations.
type attribute uint8

const (
	attrFirst attribute = iota
	attrLast
	attrBirth
	attrStreet
	attrPhone
	attrEmail
	attrSSN4
	attrITIN4
	attrMBI
	attrLegal
	attrMember
	numAttributes
)

// agreement says how an attribute agrees.
type agreement uint8

const (
	agreesNot agreement = iota
	agreesFuzzy
	agreesExact
)

// A combination of attributes proves two records to be one person closely enough to disclose on.
type combination struct {
	name string
	// attributes must all agree; of those in fuzzy, one may differ by a single edit.
	attributes, fuzzy []attribute
	// guards are the kinds of key each of which alone finds everybody who could satisfy it exactly.
	guards []KeyKind
}

// combinations are the approved ones of category 1. Number 22, an identifier bound to its namespace, is
// decided by equality of the local identifier and stands outside the table.
//
// Source: CMS HTE patient matching proposal v3.4.0, Table 2 (spec cms-matching).
var combinations = []combination{
	{"01", attrs(attrFirst, attrLast, attrBirth, attrStreet), attrs(attrFirst, attrLast, attrBirth, attrStreet), birthKeys},
	{"02", attrs(attrFirst, attrLast, attrBirth, attrPhone), attrs(attrLast, attrBirth), append(birthKeys, KeyPhone)},
	{"03", attrs(attrFirst, attrLast, attrBirth, attrEmail), attrs(attrFirst, attrLast, attrBirth), append(birthKeys, KeyEmail)},
	{"04", attrs(attrFirst, attrLast, attrBirth, attrSSN4), attrs(attrFirst), append(birthKeys, KeySSN4Year)},
	{"05", attrs(attrFirst, attrLast, attrBirth, attrSSN4), attrs(attrLast), append(birthKeys, KeySSN4Year)},
	{"06", attrs(attrFirst, attrLast, attrBirth, attrITIN4), attrs(attrFirst), birthKeys},
	{"07", attrs(attrFirst, attrLast, attrBirth, attrITIN4), attrs(attrLast), birthKeys},
	{"08", attrs(attrFirst, attrBirth, attrMBI), nil, []KeyKind{KeyBirthGiven, KeyIdentifier}},
	{"09", attrs(attrFirst, attrBirth, attrLegal), nil, []KeyKind{KeyBirthGiven, KeyIdentifier}},
	{"10", attrs(attrLast, attrBirth, attrLegal), attrs(attrLast, attrBirth), []KeyKind{KeyBirthFamily, KeyIdentifier}},
	{"11", attrs(attrFirst, attrBirth, attrPhone), nil, []KeyKind{KeyBirthGiven, KeyPhone}},
	{"12", attrs(attrFirst, attrBirth, attrEmail), nil, []KeyKind{KeyBirthGiven, KeyEmail}},
	{"13", attrs(attrFirst, attrPhone, attrSSN4), nil, []KeyKind{KeyPhone}},
	{"14", attrs(attrFirst, attrPhone, attrITIN4), nil, []KeyKind{KeyPhone}},
	{"15", attrs(attrFirst, attrEmail, attrSSN4), nil, []KeyKind{KeyEmail}},
	{"16", attrs(attrFirst, attrEmail, attrITIN4), nil, []KeyKind{KeyEmail}},
	{"17", attrs(attrPhone, attrMBI), nil, []KeyKind{KeyPhone, KeyIdentifier}},
	{"18", attrs(attrPhone, attrLegal), nil, []KeyKind{KeyPhone, KeyIdentifier}},
	{"19", attrs(attrEmail, attrMBI), nil, []KeyKind{KeyEmail, KeyIdentifier}},
	{"20", attrs(attrEmail, attrLegal), nil, []KeyKind{KeyEmail, KeyIdentifier}},
	{"21", attrs(attrLegal, attrMBI), nil, []KeyKind{KeyIdentifier}},
	{"23", attrs(attrFirst, attrBirth, attrMember), nil, []KeyKind{KeyBirthGiven, KeyIdentifier}},
	{"24", attrs(attrLast, attrBirth, attrMember), attrs(attrLast, attrBirth), []KeyKind{KeyBirthFamily, KeyIdentifier}},
	{"25", attrs(attrPhone, attrMember), nil, []KeyKind{KeyPhone, KeyIdentifier}},
	{"26", attrs(attrEmail, attrMember), nil, []KeyKind{KeyEmail, KeyIdentifier}},
}

var birthKeys = []KeyKind{KeyBirthGiven, KeyBirthFamily}

func attrs(a ...attribute) []attribute { return a }

// proofNamespace is the combination of an identifier bound to its namespace.
const proofNamespace = "22"

// prove returns the name of the first combination that proves query and a person of these records to be one,
// or "". Values known of any of the records count. With twin set, another candidate shares the date of birth
// and the family or household: then only combinations with an exact given name count.
//
// Source: spec cms-matching, Table 2, "at most one fuzzy field", suffix veto, I-01's gate.
func prove(query *values, records []values, local []hie.Identifier, identifiers []Identifier, twin bool) string {
	for i := range records {
		if query.suffix != 0 && records[i].suffix != 0 && query.suffix != records[i].suffix {
			return ""
		}
	}
	agree := agreements(query, records)
	for _, q := range identifiers {
		for _, l := range local {
			if q.System != "" && q.Value != "" && q.System == l.System && q.Value == l.Value {
				return proofNamespace
			}
		}
	}
	for _, c := range combinations {
		if c.holds(&agree, twin) {
			return c.name
		}
	}
	return ""
}

func (c *combination) holds(agree *[numAttributes]agreement, twin bool) bool {
	fuzzy := 0
	for _, a := range c.attributes {
		switch agree[a] {
		case agreesNot:
			return false
		case agreesFuzzy:
			if fuzzy++; fuzzy > 1 || !slices.Contains(c.fuzzy, a) {
				return false
			}
		}
	}
	return !twin || slices.Contains(c.attributes, attrFirst) && agree[attrFirst] == agreesExact
}

// unguarded reports whether somebody who could satisfy a combination query has the fields for may have gone
// unseen because every key that would find them was skipped.
func unguarded(query *values, keys []Key, skipped map[int64]bool) bool {
	if len(skipped) == 0 {
		return false
	}
	have := query.has()
	looked := map[KeyKind]bool{}
	lost := map[KeyKind]bool{}
	for _, k := range keys {
		if skipped[k.Hash] {
			lost[k.Kind] = true
		} else {
			looked[k.Kind] = true
		}
	}
	for _, c := range combinations {
		applies := true
		for _, a := range c.attributes {
			applies = applies && have[a]
		}
		if !applies {
			continue
		}
		guarded := false
		for _, g := range c.guards {
			guarded = guarded || looked[g] && !lost[g] // all keys of the kind
		}
		if !guarded {
			return true
		}
	}
	return false
}

// has tells which attributes v carries.
func (v *values) has() [numAttributes]bool {
	kinds := map[string]bool{}
	for _, x := range v.ids {
		kinds[x.kind] = true
	}
	return [numAttributes]bool{
		attrFirst: len(v.givens) > 0, attrLast: len(v.families) > 0, attrBirth: v.birth.Day != 0,
		attrStreet: slices.ContainsFunc(v.addresses, func(p postal) bool { return p.line != "" && p.number != "" }),
		attrPhone:  len(v.phones) > 0, attrEmail: len(v.emails) > 0, attrSSN4: v.ssn != "", attrITIN4: kinds["itin"],
		attrMBI: kinds["mbi"], attrLegal: kinds["legal"], attrMember: kinds["member"],
	}
}

// agreements compares query with everything known of the records.
func agreements(query *values, records []values) [numAttributes]agreement {
	var out [numAttributes]agreement
	better := func(a attribute, g agreement) { out[a] = max(out[a], g) }
	for i := range records {
		r := &records[i]
		better(attrFirst, anyText(query.givens, r.givens))
		better(attrLast, anyText(wholes(query.families), wholes(r.families)))
		better(attrBirth, dateAgreement(query.birth, r.birth))
		better(attrStreet, anyText(lines(query.addresses), lines(r.addresses)))
		better(attrPhone, exactly(slices.ContainsFunc(query.phones, func(p string) bool { return slices.Contains(r.phones, p) })))
		better(attrEmail, exactly(slices.ContainsFunc(query.emails, func(m string) bool { return slices.Contains(r.emails, m) })))
		if query.ssn != "" && r.ssn != "" {
			whole := len(query.ssn) == 9 && len(r.ssn) == 9
			better(attrSSN4, exactly(last4(query.ssn) == last4(r.ssn) && (!whole || query.ssn == r.ssn)))
		}
		for _, q := range query.ids {
			for _, x := range r.ids {
				if q.kind != x.kind || q.system != x.system {
					continue
				}
				switch q.kind {
				case "itin":
					better(attrITIN4, exactly(len(q.value) >= 4 && len(x.value) >= 4 && last4(q.value) == last4(x.value)))
				case "mbi":
					better(attrMBI, exactly(q.value == x.value))
				case "legal":
					better(attrLegal, exactly(q.value == x.value))
				case "member":
					better(attrMember, exactly(q.value == x.value))
				}
			}
		}
	}
	return out
}

func exactly(yes bool) agreement {
	if yes {
		return agreesExact
	}
	return agreesNot
}

func last4(s string) string { return s[len(s)-4:] }

func wholes(names []familyName) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.whole
	}
	return out
}

func lines(addresses []postal) []string {
	var out []string
	for _, a := range addresses {
		if a.line != "" && a.number != "" {
			out = append(out, strings.ReplaceAll(a.line, " ", ""))
		}
	}
	return out
}

// anyText returns the best agreement over all pairs; fuzzy is one edit in five characters or more.
func anyText(a, b []string) agreement {
	out := agreesNot
	for _, x := range a {
		for _, y := range b {
			switch {
			case x == y && len(x) > 1:
				return agreesExact
			case min(len(x), len(y)) >= 5 && oneEdit([]byte(x), []byte(y)):
				out = agreesFuzzy
			}
		}
	}
	return out
}

func dateAgreement(a, b Date) agreement {
	switch {
	case a.Day == 0 || b.Day == 0:
		return agreesNot
	case a == b:
		return agreesExact
	case oneDigit(a.Year*10000+a.Month*100+a.Day, b.Year*10000+b.Month*100+b.Day):
		return agreesFuzzy
	}
	return agreesNot
}
