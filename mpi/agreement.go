package mpi

import (
	"slices"
	"strings"
)

// known is what a record or a query says, in the form proofs compare.
type known struct {
	values
	// subscribers are subscriber numbers of payers: a family's, so no evidence of a person, but of a household.
	subscribers []typedID
}

func knownOf(d Demographics) known {
	k := known{values: normalize(d)}
	for _, i := range d.Identifiers {
		if value := strings.ReplaceAll(fold(i.Value), " ", ""); i.Type == "SN" && i.System != "" && value != "" {
			k.subscribers = append(k.subscribers, typedID{"subscriber", i.System, value})
		}
	}
	return k
}

// has tells which attributes v carries.
func (v *known) has() [numAttributes]bool {
	kinds := map[string]bool{}
	for _, x := range v.ids {
		kinds[x.kind] = true
	}
	return [numAttributes]bool{
		attrFirst: len(v.givens) > 0, attrLast: len(v.families) > 0, attrBirth: v.birth.Day != 0,
		attrStreet: slices.ContainsFunc(v.addresses, func(p postal) bool { return p.line != "" && p.number != "" }),
		attrPhone:  len(v.phones) > 0, attrEmail: len(v.emails) > 0, attrSSN4: v.ssn != "", attrITIN4: kinds["itin"],
		attrMBI: kinds["mbi"], attrLegal: kinds["legal"], attrMember: kinds["member"],
		attrSubscriber: len(v.subscribers) > 0,
		attrZIP:        slices.ContainsFunc(v.addresses, func(p postal) bool { return p.zip != "" }),
	}
}

// agreements compares query with everything known of the records.
func agreements(query *known, records []known) [numAttributes]agreement {
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
		better(attrSubscriber, exactly(slices.ContainsFunc(query.subscribers, func(s typedID) bool { return slices.Contains(r.subscribers, s) })))
		better(attrZIP, exactly(slices.ContainsFunc(query.addresses, func(p postal) bool {
			return p.zip != "" && slices.ContainsFunc(r.addresses, func(o postal) bool { return o.zip == p.zip })
		})))
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
