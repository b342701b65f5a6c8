package mpi

import (
	"reflect"
	"testing"

	"github.com/concord-hie/concord/hie"
)

// full carries every attribute of the approved combinations.
func full() Demographics {
	id := func(system, value, kind string) Identifier {
		return Identifier{Identifier: hie.Identifier{System: system, Value: value}, Type: kind}
	}
	return Demographics{
		Names: []Name{{Given: []string{"Ottoline"}, Family: "Fairweather"}}, Birth: day(1964, 6, 20),
		Addresses: []Address{{Lines: []string{"1288 Harbor Road"}, City: "Laurel", PostalCode: "20707"}},
		Telecoms:  []Telecom{{System: "phone", Value: "410-366-0912"}, {System: "email", Value: "otto@mail.test"}},
		Identifiers: []Identifier{id(systemSSN, "219-42-0938", "SS"), id(systemITIN, "912-70-1234", "TAX"), id(systemMBI, "1EG4TE5MK73", "MC"),
			id("urn:oid:2.16.840.1.113883.4.3.24", "F-530-118", "DL"), id("urn:payer:one", "W55301", "MB"), id("urn:payer:one", "S-1", "SN")},
	}
}

// only keeps of full what the combination names.
func only(attributes ...attribute) Demographics {
	all, out := full(), Demographics{}
	for _, a := range attributes {
		switch a {
		case attrFirst:
			name(&out).Given = all.Names[0].Given
		case attrLast:
			name(&out).Family = all.Names[0].Family
		case attrBirth:
			out.Birth = all.Birth
		case attrStreet:
			out.Addresses = all.Addresses
		case attrPhone:
			out.Telecoms = append(out.Telecoms, all.Telecoms[0])
		case attrEmail:
			out.Telecoms = append(out.Telecoms, all.Telecoms[1])
		default:
			i := map[attribute]int{attrSSN4: 0, attrITIN4: 1, attrMBI: 2, attrLegal: 3, attrMember: 4, attrSubscriber: 5}[a]
			out.Identifiers = append(out.Identifiers, all.Identifiers[i])
		}
	}
	return out
}

func name(d *Demographics) *Name {
	if len(d.Names) == 0 {
		d.Names = []Name{{}}
	}
	return &d.Names[0]
}

func proof(query, record Demographics, twin bool) string {
	q := knownOf(query)
	return prove(&q, []known{knownOf(record)}, []hie.Identifier{{System: "urn:site:a", Value: "77"}}, query.Identifiers, twin, [numAttributes]bool{}).Rule
}

func TestEveryApprovedCombinationProvesAndNothingLessDoes(t *testing.T) {
	if len(combinations) != 25 {
		t.Fatalf("%d combinations, want 01 to 26 without 22", len(combinations))
	}
	proves := func(have []attribute) bool {
		for _, c := range provable() {
			all := true
			for _, a := range c.attributes {
				in := false
				for _, h := range have {
					in = in || a == h
				}
				all = all && in
			}
			if all {
				return true
			}
		}
		return false
	}
	for _, c := range combinations {
		if got := proof(only(c.attributes...), full(), false); got == "" {
			t.Errorf("combination %s proves nothing", c.name)
		}
		for i := range c.attributes {
			less := append(append([]attribute(nil), c.attributes[:i]...), c.attributes[i+1:]...)
			if got := proof(only(less...), full(), false); got != "" && !proves(less) {
				t.Errorf("combination %s without its part %d still proves (as %s)", c.name, i, got)
			}
		}
	}
}

func TestProofs(t *testing.T) {
	alter := func(d Demographics, f func(d *Demographics)) Demographics { f(&d); return d }
	base := func() Demographics { return only(attrFirst, attrLast, attrBirth, attrStreet) }
	for _, test := range []struct {
		name  string
		query Demographics
		twin  bool
		want  string
	}{
		{"01 exact", base(), false, "01"},
		{"01 with one edit in the given name", alter(base(), func(d *Demographics) { d.Names[0].Given = []string{"Otoline"} }), false, "01"},
		{"01 with one digit of the date", alter(base(), func(d *Demographics) { d.Birth = day(1964, 6, 21) }), false, "01"},
		{"01 with two fuzzy fields", alter(base(), func(d *Demographics) { d.Names[0].Given = []string{"Otoline"}; d.Names[0].Family = "Fairwether" }), false, ""},
		{"01 with a fuzzy given name beside a twin", alter(base(), func(d *Demographics) { d.Names[0].Given = []string{"Otoline"} }), true, ""},
		{"01 exact beside a twin", base(), true, "01"},
		{"a nickname is no exact name", alter(base(), func(d *Demographics) { d.Names[0].Given = []string{"Otti"} }), false, ""},
		{"02 with a fuzzy given name", alter(only(attrFirst, attrLast, attrBirth, attrPhone), func(d *Demographics) { d.Names[0].Given = []string{"Otoline"} }), false, ""},
		{"02 with a fuzzy family name", alter(only(attrFirst, attrLast, attrBirth, attrPhone), func(d *Demographics) { d.Names[0].Family = "Fairwether" }), false, "02"},
		{"another number of the same last four", alter(only(attrFirst, attrLast, attrBirth, attrSSN4), func(d *Demographics) { d.Identifiers[0].Value = "530-11-0938" }), false, ""},
		{"the last four alone given", alter(only(attrFirst, attrLast, attrBirth, attrSSN4), func(d *Demographics) { d.Identifiers[0].Value = "0938" }), false, "04"},
		{"the legal id of another authority", alter(only(attrFirst, attrBirth, attrLegal), func(d *Demographics) { d.Identifiers[0].System = "urn:other" }), false, ""},
		{"a subscriber number is a family's", Demographics{Identifiers: full().Identifiers[5:], Telecoms: full().Telecoms}, false, ""},
		{"birth date, street and postal code", only(attrBirth, attrStreet), false, ""},
		{"name and address", only(attrFirst, attrLast, attrStreet), false, ""},
		{"name and birth date", only(attrFirst, attrLast, attrBirth), false, ""},
		{"the site's own identifier", Demographics{Identifiers: []Identifier{{Identifier: hie.Identifier{System: "urn:site:a", Value: "77"}}}}, false, "22"},
		{"the same value of another site", Demographics{Identifiers: []Identifier{{Identifier: hie.Identifier{System: "urn:site:b", Value: "77"}}}}, false, ""},
	} {
		if got := proof(test.query, full(), test.twin); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	senior := alter(full(), func(d *Demographics) { d.Names[0].Suffix = []string{"Sr"} })
	junior := alter(base(), func(d *Demographics) { d.Names[0].Suffix = []string{"Jr"} })
	if got := proof(junior, senior, false); got != "" {
		t.Errorf("conflicting generations were proven by %s", got)
	}
}

func TestHouseholdAndIndividualLegsProveTogether(t *testing.T) {
	alter := func(d Demographics, f func(d *Demographics)) Demographics { f(&d); return d }
	first := func(name string) func(*Demographics) {
		return func(d *Demographics) { d.Names[0].Given = []string{name} }
	}
	zip := func(d Demographics) Demographics {
		d.Addresses = []Address{{PostalCode: "20707"}}
		return d
	}
	for _, test := range []struct {
		name  string
		query Demographics
		twin  bool
		want  string
	}{
		{"SSN and street make the household, first name and birth date the member", only(attrFirst, attrBirth, attrSSN4, attrStreet), false, "H-03+I-01"},
		{"a first name of one edit", alter(only(attrFirst, attrBirth, attrSSN4, attrStreet), first("Otoline")), false, "H-03+I-01"},
		{"a first name of one edit beside a twin", alter(only(attrFirst, attrBirth, attrSSN4, attrStreet), first("Otoline")), true, ""},
		{"the exact first name beside a twin", only(attrFirst, attrBirth, attrSSN4, attrStreet), true, "H-03+I-01"},
		{"a birth date of one digit is father and son", alter(only(attrFirst, attrBirth, attrSSN4, attrStreet), func(d *Demographics) { d.Birth = day(1964, 6, 21) }), false, ""},
		{"ITIN and street", only(attrFirst, attrBirth, attrITIN4, attrStreet), false, "H-06+I-01"},
		{"subscriber and street", only(attrFirst, attrBirth, attrSubscriber, attrStreet), false, "H-09+I-01"},
		{"SSN and subscriber", only(attrFirst, attrBirth, attrSSN4, attrSubscriber), false, "H-11+I-01"},
		{"the first name alone in a household of phone and mail", only(attrFirst, attrPhone, attrEmail), false, "H-10+I-03"},
		{"the first name alone in a household of phone and street", only(attrFirst, attrPhone, attrStreet), false, "H-14+I-03"},
		{"the first name alone in a household of subscriber and phone", only(attrFirst, attrSubscriber, attrPhone), false, "H-07+I-03"},
		{"the first name alone needs a household row of 1e-10: phone and postal code have 3e-10", zip(only(attrFirst, attrPhone)), false, ""},
		{"the first name alone needs more than SSN and street", only(attrFirst, attrSSN4, attrStreet), false, ""},
		{"the first name alone must be exact", alter(only(attrFirst, attrPhone, attrEmail), first("Otoline")), false, ""},
		{"the first name alone against another birth date", alter(only(attrFirst, attrPhone, attrStreet), func(d *Demographics) { d.Birth = day(1991, 2, 3) }), false, ""},
		{"a household is nobody", only(attrPhone, attrEmail, attrStreet, attrSubscriber, attrSSN4), false, ""},
		{"a household and a birth date is nobody", only(attrBirth, attrStreet, attrSubscriber, attrEmail), false, ""},
	} {
		if got := proof(test.query, full(), test.twin); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	for _, h := range households {
		if p := h.p * firstFuzzed; p > 2e-12 {
			t.Errorf("%s with I-01 has a collision of %g, above the threshold", h.name, p)
		}
		if p := h.p * firstAlone.p; h.p <= firstAloneNeeds && p > 2e-12 {
			t.Errorf("%s with I-03 has a collision of %g, above the threshold", h.name, p)
		}
	}
	q := knownOf(only(attrFirst, attrPhone, attrStreet))
	if p := prove(&q, []known{knownOf(full())}, nil, nil, false, [numAttributes]bool{attrPhone: true}); p.Rule != "" {
		t.Errorf("a phone that is no household's proved by %s", p.Rule)
	}
}

func TestAProofSaysWhatItComparesAndHowSureItIs(t *testing.T) {
	d := only(attrFirst, attrLast, attrBirth, attrStreet)
	d.Names[0].Family = "Fairwether"
	q := knownOf(d)
	got := prove(&q, []known{knownOf(full())}, nil, nil, false, [numAttributes]bool{})
	want := Proof{Rule: "01", Fields: []string{"given", "family", "birth-date", "address"}, Fuzzy: "family", Collision: 9e-13}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestASearchIsCutShortWhenNoGuardOfACombinationWasLookedUnder(t *testing.T) {
	d := only(attrFirst, attrLast, attrBirth, attrStreet, attrPhone)
	v := knownOf(d)
	keys := v.keys()
	skip := func(kinds ...KeyKind) map[int64]bool {
		out := map[int64]bool{}
		for _, k := range keys {
			for _, kind := range kinds {
				if k.Kind == kind {
					out[k.Hash] = true
				}
			}
		}
		return out
	}
	for _, test := range []struct {
		name    string
		skipped map[int64]bool
		want    bool
	}{
		{"nothing skipped", nil, false},
		{"the names key is no guard", skip(KeyNames, KeyYearNames), false},
		{"a shared phone is guarded by the birth date", skip(KeyPhone), false},
		{"one of two birth keys suffices", skip(KeyBirthGiven), false},
		{"birth keys both lost", skip(KeyBirthGiven, KeyBirthFamily), true},
	} {
		if got := unguarded(&v, keys, test.skipped); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
