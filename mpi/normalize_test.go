package mpi

import (
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
)

func TestFold(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"accents go", "Núñez-Élan", "nunez elan"},
		{"combining accents go", "Jose\u0301", "jose"},
		{"an apostrophe joins", "O'Brien O’Brien D`Arcy", "obrien obrien darcy"},
		{"full stops join", "J.R. St. John", "jr st john"},
		{"letters of two", "Straße Ærø Þór Łódź İstanbul", "strasse aero thor lodz istanbul"},
		{"Vietnamese", "Nguyễn Thị Đỗ", "nguyen thi do"},
		{"Cyrillic", "Щербакова Юлия Ёлкина", "shcherbakova yuliya elkina"},
		{"Greek", "Παπαδόπουλος", "papadopoylos"},
		{"Chinese characters are kept", "王 伟", "王 伟"},
		{"Korean", "이 민준", "yi minjun"},
		{"Japanese, in either syllabary", "さとう ハナコ", "satou hanako"},
		{"Arabic, with vowel signs and without", "مُحَمَّد محمد", "mhmd mhmd"},
		{"an alif, however written", "أحمد احمد", "ahmd ahmd"},
		{"Hebrew", "שָׂרָה כהן", "shrh khn"},
		{"Hindi", "राम शर्मा", "ram shrma"},
		{"Tamil", "ரவி", "rvi"},
		{"Armenian and Georgian", "Անի ნინო", "ani nino"},
		{"Thai", "สมชาย", "smchay"},
		{"as wide as a Chinese character", "ＡＮＮ　Ｌｅｅ", "ann lee"},
		{"digits of another script", "١٢٣ ४५६", "123 456"},
		{"spaces are single", "  a \t b\u00a0c ", "a b c"},
		{"nothing", "—", ""},
	} {
		if got := fold(test.in); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	type want struct {
		givens, middles, families, dropped string
		suffix, order                      byte
	}
	for _, test := range []struct {
		name string
		in   Name
		want want
	}{
		{"title and middle name", Name{Given: []string{"Dr. Ann", "Marie"}, Family: "Lee"}, want{givens: "ann", middles: "marie", families: "lee"}},
		{"particles join the family name", Name{Given: []string{"Jan"}, Family: "van der Berg"}, want{givens: "jan", families: "vanderberg/berg"}},
		{"a double name keeps its parts", Name{Given: []string{"Ana"}, Family: "García-López"}, want{givens: "ana", families: "garcialopez/garcia/lopez"}},
		{"suffix behind the family name", Name{Given: []string{"John"}, Family: "Smith Jr."}, want{givens: "john", families: "smith", suffix: 2}},
		{"suffix glued to it", Name{Given: []string{"John"}, Family: "SMITHJR"}, want{givens: "john", families: "smith", suffix: 2}},
		{"suffix in the given names", Name{Given: []string{"John III"}, Family: "Smith"}, want{givens: "john", families: "smith", suffix: 3}},
		{"a senior is not told from a letter left out: Fraser", Name{Given: []string{"John"}, Family: "FRASR"}, want{givens: "john", families: "frasr"}},
		{"a middle initial is no generation", Name{Given: []string{"Ann", "I"}, Family: "Lee"}, want{givens: "ann", middles: "i", families: "lee"}},
		{"nor is a Vietnamese name", Name{Given: []string{"Thi Vi"}, Family: "Tran"}, want{givens: "vi", middles: "thi", families: "tran"}},
		{"the first of the name", Name{Given: []string{"John"}, Family: "Smith", Suffix: []string{"I"}}, want{givens: "john", families: "smith", suffix: 1}},
		{"a degree and a generation", Name{Given: []string{"John"}, Family: "Smith Jr., MD"}, want{givens: "john", families: "smith", suffix: 2}},
		{"suffix in its own place", Name{Given: []string{"John"}, Family: "Smith", Suffix: []string{"Sr"}}, want{givens: "john", families: "smith", suffix: 1}},
		{"a newborn without a name", Name{Given: []string{"BABY BOY"}, Family: "Ash"}, want{families: "ash", dropped: "given:newborn"}},
		{"a newborn twin tells its order", Name{Given: []string{"BabyGirl", "B"}, Family: "Ash"}, want{families: "ash", dropped: "given:newborn", order: 2}},
		{"a newborn named after the mother", Name{Given: []string{"1WendysBoy"}, Family: "Ash"}, want{families: "ash", dropped: "given:newborn", order: 1}},
		{"nobody", Name{Given: []string{"John"}, Family: "Doe"}, want{dropped: "name:nobody's name"}},
		{"Doe is a family name of somebody", Name{Given: []string{"Rosalind"}, Family: "Doe"}, want{givens: "rosalind", families: "doe"}},
		{"unknown given", Name{Given: []string{"UNKNOWN"}, Family: "Ash"}, want{families: "ash", dropped: "given:placeholder"}},
		{"an unknown given name beside a middle name", Name{Given: []string{"Unknown", "Cory"}, Family: "Ash"}, want{middles: "cory", families: "ash", dropped: "given:placeholder"}},
		{"digits read for letters", Name{Given: []string{"J0SEPH"}, Family: "WI1SON"}, want{givens: "joseph", families: "wilson"}},
		{"a word before the given name, where it is Vietnamese", Name{Given: []string{"Van Long"}, Family: "Tran"}, want{givens: "long", middles: "van", families: "tran"}},
		{"where it is not", Name{Given: []string{"Van Long"}, Family: "Morrison"}, want{givens: "van", middles: "long", families: "morrison"}},
		{"text with a comma", Name{Text: "de la Cruz, Maria Elena"}, want{givens: "maria", middles: "elena", families: "delacruz/cruz"}},
		{"a generation behind a comma", Name{Text: "Ann Lee, Jr."}, want{givens: "ann", families: "lee", suffix: 2}},
		{"the whole name in the field of the family name", Name{Family: "Lee, Ann Marie"}, want{givens: "ann", middles: "marie", families: "lee"}},
		{"or of the given name", Name{Given: []string{"Lee, Ann Marie"}}, want{givens: "ann", middles: "marie", families: "lee"}},
		{"not available", Name{Given: []string{"NA"}, Family: "Lopez"}, want{families: "lopez", dropped: "given:placeholder"}},
		{"a Chinese name", Name{Given: []string{"Na"}, Family: "Wang"}, want{givens: "na", families: "wang"}},
		{"text without", Name{Text: "Maria Elena de la Cruz"}, want{givens: "maria", middles: "elena", families: "delacruz/cruz"}},
		{"one word", Name{Text: "Suharto"}, want{families: "suharto"}},
	} {
		v := normalize(Demographics{Names: []Name{test.in}})
		got := want{givens: strings.Join(v.givens, " "), middles: strings.Join(v.middles, " "), suffix: v.suffix, order: v.order}
		for _, f := range v.families {
			got.families = strings.Join(append([]string{f.whole}, f.parts...), "/")
		}
		for _, d := range v.dropped {
			got.dropped = d.Field + ":" + d.Reason
		}
		if got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestNumbersAndAddresses(t *testing.T) {
	one := func(d Demographics) values { return normalize(d) }
	ssn := func(s string) Demographics {
		return Demographics{Identifiers: []Identifier{{Identifier: hie.Identifier{System: systemSSN, Value: s}}}}
	}
	for _, test := range []struct{ name, in, want string }{
		{"an ordinary number", "219-42-0938", "219420938"},
		{"the last four only", "XXX-XX-1234", "1234"},
		{"the last four behind zeros", "000-00-1234", "1234"},
		{"an area never issued", "666-12-3456", ""},
		{"every digit the same", "333-33-3333", ""},
		{"the one on the wallet card", "078-05-1120", ""},
		{"a tax number in its place", "912-70-1234", ""},
		{"nines instead of a number", "999-99-9999", ""},
		{"too short", "12-34", "1234"},
	} {
		if v := one(ssn(test.in)); v.ssn != test.want {
			t.Errorf("ssn, %s: got %q, want %q", test.name, v.ssn, test.want)
		}
	}
	for _, test := range []struct{ name, in, want string }{
		{"a tax number", "912-70-1234", "912701234"},
		{"a group never issued", "912-93-1234", ""},
		{"every digit the same", "999-99-9999", ""},
	} {
		got := ""
		if v := one(ssn(test.in)); len(v.ids) > 0 {
			got = v.ids[0].value
		}
		if got != test.want {
			t.Errorf("tax number in the place of a social security number, %s: got %q, want %q", test.name, got, test.want)
		}
	}
	for _, test := range []struct{ name, in, want, reason string }{
		{"punctuation and country", "+1 (410) 366-2187", "4103662187", ""},
		{"an extension", "410-366-2187 x12", "4103662187", ""},
		{"fictional", "410-555-0123", "", "fictional"},
		{"directory assistance", "410-555-1212", "", "directory"},
		{"all nines", "999-999-9999", "", "default"},
		{"too short", "12345", "", "too short"},
	} {
		if got, reason := normalPhone(test.in); got != test.want || reason != test.reason {
			t.Errorf("phone, %s: got %q, %q; want %q, %q", test.name, got, reason, test.want, test.reason)
		}
	}
	for _, test := range []struct{ name, in, number, street, line string }{
		{"kind and unit", "418 Alder Street Apt 3", "418", "alder", "418 alder st"},
		{"direction", "12 N. Harbor Rd", "12", "harbor", "12 n harbor rd"},
		{"a number sign", "77 Ferry Point Road #4", "77", "ferrypoint", "77 ferry point rd"},
		{"a post office box", "P.O. Box 90", "90", "pobox", "pobox 90"},
		{"a street named like a kind", "5 Court Street", "5", "court", "5 court st"},
		{"the number behind", "Hauptstrasse 12", "12", "hauptstrasse", "12 hauptstrasse"},
		{"a unit before the number", "Apt 3, 418 Alder Street", "418", "alder", "418 alder st"},
		{"direction behind", "12 Harbor Road Northwest", "12", "harbor", "12 harbor rd nw"},
		{"a street named after a direction", "12 North Street", "12", "north", "12 north st"},
		{"half a number", "418 1/2 Alder St", "418", "alder", "418 alder st"},
		{"a range of numbers", "418-420 Alder St", "418", "alder", "418 alder st"},
		{"a box in full", "Post Office Box 90", "90", "pobox", "pobox 90"},
		{"a box in short", "POB 90", "90", "pobox", "pobox 90"},
		{"a box on a rural route", "Rural Route 2, Box 15", "15", "rr2", "rr2 15"},
		{"the same in short", "RR 2 BOX 15", "15", "rr2", "rr2 15"},
		{"a highway contract route", "HC 68 Box 23", "23", "hc68", "hc68 23"},
	} {
		if number, street, line := normalStreet(test.in); number != test.number || street != test.street || line != test.line {
			t.Errorf("street, %s: got %q %q %q, want %q %q %q", test.name, number, street, line, test.number, test.street, test.line)
		}
	}
	for _, test := range []struct {
		name string
		in   Date
		want Date
	}{
		{"a default", Date{Year: 1900, Month: 1, Day: 1}, Date{}},
		{"an epoch", Date{Year: 1899, Month: 12, Day: 30}, Date{}},
		{"first of January of an ordinary year stays", Date{Year: 1977, Month: 1, Day: 1}, Date{Year: 1977, Month: 1, Day: 1}},
		{"year and month", Date{Year: 1977, Month: 8}, Date{Year: 1977, Month: 8}},
		{"no month but a day", Date{Year: 1977, Day: 8}, Date{}},
		{"a thirteenth month", Date{Year: 1977, Month: 13, Day: 8}, Date{}},
		{"the 31st of February", Date{Year: 1977, Month: 2, Day: 31}, Date{}},
		{"the 29th of February in a leap year", Date{Year: 2000, Month: 2, Day: 29}, Date{Year: 2000, Month: 2, Day: 29}},
		{"and in another", Date{Year: 1900, Month: 2, Day: 29}, Date{}},
		{"the 31st of April", Date{Year: 1977, Month: 4, Day: 31}, Date{}},
		{"before anybody alive", Date{Year: 1853, Month: 9, Day: 11}, Date{}},
		{"the first day of a data base", Date{Year: 1753, Month: 1, Day: 1}, Date{}},
		{"a year that is none", Date{Year: 2977, Month: 1, Day: 8}, Date{}},
	} {
		if v := one(Demographics{Birth: test.in}); v.birth != test.want {
			t.Errorf("birth date, %s: not as wanted", test.name)
		}
	}
	for _, test := range []struct {
		name   string
		in     Date
		digits Date
		reason string
	}{
		{"a date that can be", day(1977, 8, 3), day(1977, 8, 3), ""},
		{"the 31st of February", day(1977, 2, 31), day(1977, 2, 31), "no date"},
		{"a thirteenth month", day(1977, 13, 8), day(1977, 13, 8), "no date"},
		{"before anybody alive", day(1853, 9, 11), day(1853, 9, 11), "too old"},
		{"a default", day(1900, 1, 1), Date{}, "default"},
		{"the first day of a calendar", day(1582, 10, 15), Date{}, "epoch"},
		{"the first day of a data base", day(1753, 1, 1), Date{}, "epoch"},
		{"a year that is none", day(2977, 3, 8), Date{}, "default"},
	} {
		v := one(Demographics{Birth: test.in})
		reason := ""
		for _, d := range v.dropped {
			reason = d.Reason
		}
		if v.typed != test.digits || reason != test.reason {
			t.Errorf("digits of a birth date, %s: not as wanted, dropped for %q", test.name, reason)
		}
	}
	mail, ok := normalEmail("MAILTO:x")
	if ok || mail != "" {
		t.Error("what is no address was taken for one")
	}
	if mail, ok := normalEmail(" Rosa+clinic@Mail.Test "); !ok || mail != "rosa@mail.test" {
		t.Errorf("mail = %v", ok)
	}
	if _, ok := normalEmail("none@none.com"); ok {
		t.Error("a placeholder mail address was kept")
	}
}

func TestNicknameTableFitsItsEncoding(t *testing.T) {
	groups := strings.Count(strings.TrimSpace(nicknameGroups), "\n") + 1
	if groups < 100 || groups > 255 {
		t.Errorf("%d groups, want 100 to 255: a group is one byte", groups)
	}
	if nicknames["bob"] == nicknames["william"] || formal("bob") != "robert" || formal("zebulon") != "zebulon" {
		t.Error("the table is not read as written")
	}
}

// FuzzNormalize holds the normalisers to what features and keys rely on.
func FuzzNormalize(f *testing.F) {
	f.Add("Dr. Ann Marie", "van der Berg-Ortíz Jr", "418 Alder Street", "219-42-0938", "+1 410 366 2187", 1980, 2, 3)
	f.Add("BABY BOY A", "", "#", "XXX-XX-1234", "@", 0, 13, -1)
	f.Add("王", "ß", "12", "é", "1e9", 99999, 1, 1)
	f.Fuzz(func(t *testing.T, given, family, street, number, phone string, y, m, day int) {
		d := Demographics{Names: []Name{{Given: []string{given}, Family: family}, {Text: given + " " + family}}, Birth: Date{Year: y, Month: m, Day: day},
			Addresses:   []Address{{Lines: []string{street}, City: family, PostalCode: number}},
			Telecoms:    []Telecom{{Value: phone}, {System: "email", Value: given}},
			Identifiers: []Identifier{{Identifier: hie.Identifier{System: systemSSN, Value: number}}, {Identifier: hie.Identifier{System: "urn:x", Value: family}}}}
		features := Extract("site", d)
		b := features.AppendTo(nil)
		var back Features
		if err := back.Decode(b); err != nil {
			t.Fatalf("features cannot be read back: %v", err)
		}
		if back != features {
			t.Fatal("features come back different")
		}
		if c := Compare(&features, &back); DefaultModel().contradiction(&c) < 0 {
			t.Fatal("a record contradicts itself")
		}
		for i, k := range Keys(d) {
			if k.Kind.String() == "" {
				t.Fatalf("key %d has no kind", i)
			}
		}
		if again := fold(fold(given)); again != fold(given) {
			t.Fatal("folding twice is not folding once")
		}
	})
}

func FuzzDecodeFeatures(f *testing.F) {
	v := Extract("s", Demographics{Names: []Name{{Given: []string{"Ann"}, Family: "Lee"}}, Birth: Date{Year: 1980, Month: 2, Day: 3}})
	f.Add(v.AppendTo(nil))
	f.Add([]byte{featuresVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		var x, y Features
		if x.Decode(b) != nil {
			return
		}
		if err := y.Decode(x.AppendTo(nil)); err != nil || x != y {
			t.Fatalf("what was read does not come back: %v", err)
		}
		c := Compare(&x, &v)
		_ = DefaultModel().Score(&c)
	})
}
