package mpi

import (
	"slices"

	"github.com/concord-hie/concord/hie"
)

// proofNamespace is the combination of an identifier bound to its namespace.
const proofNamespace = "22"

// A Proof is what proves a query and a person to be one closely enough to disclose on. The zero Proof proves
// nothing.
type Proof struct {
	// Rule is the approved combination: "01" to "26", or a household and an individual leg ("H-14+I-01"); "" for none.
	Rule string
	// Fields are what the rule compares ("given", "birth-date", ...), in its order; Fuzzy is the one of them that
	// agrees but for one edit, or "".
	Fields []string
	Fuzzy  string
	// Collision is how likely two people agree so by chance, as published; 0 for an identifier bound to its namespace.
	Collision Probability
}

// prove returns the first combination that proves query and a person of these records to be one. Values known of
// any of the records count. With twin set, another candidate shares the date of birth and the family or
// household: then only combinations with an exact given name count. hubs are the attributes whose value in the
// query more share than any household has: they make none.
//
// Source: spec cms-matching, Table 2, "at most one fuzzy field", suffix veto; Tables 2-H and 2-I.
func prove(query *known, records []known, local []hie.Identifier, identifiers []Identifier, twin bool, hubs [numAttributes]bool) Proof {
	for i := range records {
		if query.suffix != 0 && records[i].suffix != 0 && query.suffix != records[i].suffix {
			return Proof{}
		}
	}
	for _, q := range identifiers {
		for _, l := range local {
			if q.System != "" && q.Value != "" && q.System == l.System && q.Value == l.Value {
				return Proof{Rule: proofNamespace, Fields: []string{"identifier"}}
			}
		}
	}
	agree := agreements(query, records)
	for i := range combinations {
		if p := combinations[i].holds(&agree, twin); p.Rule != "" {
			return p
		}
	}
	return proveInHousehold(&agree, twin, contradictsBirth(query, records), hubs)
}

func (c *combination) holds(agree *[numAttributes]agreement, twin bool) Proof {
	p := Proof{Collision: Probability(c.exact)}
	for _, a := range c.attributes {
		p.Fields = append(p.Fields, attributeNames[a])
		switch agree[a] {
		case agreesNot:
			return Proof{}
		case agreesFuzzy:
			if p.Fuzzy != "" || !slices.Contains(c.fuzzy, a) {
				return Proof{}
			}
			p.Fuzzy, p.Collision = attributeNames[a], Probability(c.fuzzed)
		}
	}
	if twin && !(slices.Contains(c.attributes, attrFirst) && agree[attrFirst] == agreesExact) {
		return Proof{}
	}
	p.Rule = c.name
	return p
}

// proveInHousehold is category 2: a household leg, exact, with an individual leg. The given name may differ by one
// edit in I-01 only, not beside a twin, and the birth date never: one digit of a year is what father and son differ by.
// I-03, the given name alone, is not enough where the birth dates are known and differ.
func proveInHousehold(agree *[numAttributes]agreement, twin, contradicted bool, hubs [numAttributes]bool) Proof {
	for _, h := range households {
		if slices.ContainsFunc(h.attributes, func(a attribute) bool { return agree[a] != agreesExact || hubs[a] }) {
			continue
		}
		p := Proof{}
		for _, a := range append(slices.Clone(h.attributes), attrFirst) {
			p.Fields = append(p.Fields, attributeNames[a])
		}
		first := agree[attrFirst]
		switch {
		case agree[attrBirth] == agreesExact && first == agreesExact:
			p.Rule, p.Collision = h.name+"+"+firstAndBirth.name, Probability(h.p*firstAndBirth.p)
			p.Fields = append(p.Fields, attributeNames[attrBirth])
		case agree[attrBirth] == agreesExact && first == agreesFuzzy && !twin:
			p.Rule, p.Collision, p.Fuzzy = h.name+"+"+firstAndBirth.name, Probability(h.p*firstFuzzed), attributeNames[attrFirst]
			p.Fields = append(p.Fields, attributeNames[attrBirth])
		case h.p <= firstAloneNeeds && first == agreesExact && !contradicted:
			p.Rule, p.Collision = h.name+"+"+firstAlone.name, Probability(h.p*firstAlone.p)
		default:
			continue
		}
		return p
	}
	return Proof{}
}

// contradictsBirth reports whether the query's birth date is known and is none of the records'.
func contradictsBirth(query *known, records []known) bool {
	some := false
	for i := range records {
		if r := records[i].birth; r.Day != 0 {
			if some = true; r == query.birth {
				return false
			}
		}
	}
	return some && query.birth.Day != 0
}

// mayProve reports whether a proof of f and the person found could hold at all, by what their features say: every
// combination takes an equal identifier, or the given name with the birth date, or the given name with a phone or mail
// address. It saves reading what everybody said who only shares a key.
//
// Source: spec cms-matching, Tables 2, 2-H and 2-I.
func (p *found) mayProve(f *Features, quoted []Identifier) bool {
	l := &p.set.Union.levels
	some := func(f field, different level) bool { return l[f] != missing && l[f] < different }
	given := some(fieldGiven, givenDifferent) || some(fieldSwap, nameStraight)
	if p.full || f.full() || l[fieldID] == idEqual || some(fieldSSN, ssnOneDigit) || given && (some(fieldBirth, birthSameYear) || l[fieldPhone] == phoneEqual || some(fieldEmail, emailNear)) {
		return true
	}
	return slices.ContainsFunc(p.Members, func(m MemberRow) bool {
		return slices.ContainsFunc(quoted, func(q Identifier) bool { return q.Identifier == m.Local })
	})
}

// unguarded reports whether somebody who could satisfy a combination query has the fields for may have gone
// unseen because every key that would find them was skipped.
func unguarded(query *known, keys []Key, skipped map[int64]bool) bool {
	if len(skipped) == 0 {
		return false
	}
	have, hubs := query.has(), hubsOf(keys, skipped)
	looked := map[KeyKind]bool{}
	lost := map[KeyKind]bool{}
	for _, k := range keys {
		if skipped[k.Hash] {
			lost[k.Kind] = true
		} else {
			looked[k.Kind] = true
		}
	}
	for _, c := range provable() {
		applies := true
		for _, a := range c.attributes {
			applies = applies && have[a] && !(c.household && hubs[a])
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

// hubsOf returns the attributes with a value in the query that too many share to be looked under.
func hubsOf(keys []Key, skipped map[int64]bool) (out [numAttributes]bool) {
	for _, k := range keys {
		if skipped[k.Hash] {
			out[attrPhone], out[attrEmail] = out[attrPhone] || k.Kind == KeyPhone, out[attrEmail] || k.Kind == KeyEmail
		}
	}
	return out
}

// provable returns the combinations of both categories with their guards. What is found by a household's values is
// guarded by their keys; with a birth date, by the given name on that date too.
func provable() []combination {
	out := slices.Clone(combinations)
	for _, h := range households {
		var guards []KeyKind
		for _, a := range h.attributes {
			switch a {
			case attrPhone:
				guards = append(guards, KeyPhone)
			case attrEmail:
				guards = append(guards, KeyEmail)
			}
		}
		if h.p <= firstAloneNeeds {
			out = append(out, combination{name: h.name, household: true, attributes: append(slices.Clone(h.attributes), attrFirst), guards: guards})
		}
		out = append(out, combination{name: h.name, household: true, attributes: append(slices.Clone(h.attributes), attrFirst, attrBirth),
			guards: append([]KeyKind{KeyBirthGiven}, guards...)})
	}
	return out
}
