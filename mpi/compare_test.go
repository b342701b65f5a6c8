package mpi

import (
	"testing"

	"github.com/concord-hie/concord/hie"
	"pgregory.net/rapid"
)

// person builds demographics in few words for tables.
type person struct {
	given, family, suffix string
	birth                 Date
	sex                   Sex
	ssn, mbi, phone, mail string
	street                string
	order                 int
}

func (p person) demographics() Demographics {
	d := Demographics{Sex: p.sex, Birth: p.birth}
	if p.given != "" || p.family != "" || p.suffix != "" {
		n := Name{Family: p.family}
		if p.given != "" {
			n.Given = []string{p.given}
		}
		if p.suffix != "" {
			n.Suffix = []string{p.suffix}
		}
		d.Names = []Name{n}
	}
	if p.ssn != "" {
		d.Identifiers = []Identifier{{Identifier: hie.Identifier{System: systemSSN, Value: p.ssn}}}
	}
	if p.mbi != "" {
		d.Identifiers = append(d.Identifiers, Identifier{Identifier: hie.Identifier{System: systemMBI, Value: p.mbi}})
	}
	if p.phone != "" {
		d.Telecoms = []Telecom{{System: "phone", Value: p.phone}}
	}
	if p.mail != "" {
		d.Telecoms = append(d.Telecoms, Telecom{System: "email", Value: p.mail})
	}
	if p.street != "" {
		d.Addresses = []Address{{Lines: []string{p.street}, City: "Laurel", PostalCode: "20707"}}
	}
	if p.order != 0 {
		d.Multiple = MultipleBirth{Known: true, Multiple: true, Order: p.order}
	}
	return d
}

func (p person) features() Features { return Extract("", p.demographics()) }

func day(y, m, d int) Date { return Date{Year: y, Month: m, Day: d} }

func TestLevels(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b person
		f    field
		want level
	}{
		{"rare given name", person{given: "Ottoline"}, person{given: "OTTOLINE"}, fieldGiven, givenExact},
		{"nickname", person{given: "Peggy"}, person{given: "Margaret"}, fieldGiven, givenNickname},
		{"nicknames of one name", person{given: "Bill"}, person{given: "Willy"}, fieldGiven, givenNickname},
		{"groups are not joined", person{given: "Patricia"}, person{given: "Patrick"}, fieldGiven, givenNear},
		{"nor through a nickname of both", person{given: "Christina"}, person{given: "Christopher"}, fieldGiven, givenSimilar},
		{"which may be either's", person{given: "Chris"}, person{given: "Christopher"}, fieldGiven, givenNickname},
		{"two in one digit of a day that cannot be", person{birth: day(1977, 2, 31)}, person{birth: day(1977, 2, 21)}, fieldBirth, birthOneDigit},
		{"a month that cannot be against the one meant", person{birth: day(1977, 13, 8)}, person{birth: day(1977, 12, 8)}, fieldBirth, birthOneDigit},
		{"one edit", person{given: "Casimir"}, person{given: "Casmir"}, fieldGiven, givenOneEdit},
		{"initial", person{given: "C"}, person{given: "Casimir"}, fieldGiven, givenInitial},
		{"another initial", person{given: "D"}, person{given: "Casimir"}, fieldGiven, givenDifferent},
		{"the other's middle name", person{given: "Ann Ottoline"}, person{given: "Ottoline"}, fieldGiven, givenMiddle},
		{"names in each other's place", person{given: "Reuben", family: "Davies"}, person{given: "Davies", family: "Reuben"}, fieldSwap, nameSwapped},
		{"half a double name", person{family: "Garcia Lopez"}, person{family: "Garcia"}, fieldFamily, familyPart},
		{"a particle less", person{family: "van der Berg"}, person{family: "Berg"}, fieldFamily, familyPart},
		{"particles glued", person{family: "De La Cruz"}, person{family: "Delacruz"}, fieldFamily, familyExact},
		{"two edits in a long name", person{family: "Wojciechowska"}, person{family: "Wojcechovska"}, fieldFamily, familyNear},
		{"sounds alike", person{family: "Schmidt"}, person{family: "Shmit"}, fieldFamily, familySimilar},
		{"day and month", person{birth: day(1970, 4, 9)}, person{birth: day(1970, 9, 4)}, fieldBirth, birthSwapped},
		{"one digit", person{birth: day(1970, 4, 9)}, person{birth: day(1979, 4, 9)}, fieldBirth, birthOneDigit},
		{"year and month at a partial date's precision", person{birth: Date{Year: 1970, Month: 4}}, person{birth: day(1970, 4, 9)}, fieldBirth, birthMonth},
		{"year only", person{birth: Date{Year: 1970}}, person{birth: day(1970, 4, 9)}, fieldBirth, birthYear},
		{"another year only", person{birth: Date{Year: 1971}}, person{birth: day(1970, 4, 9)}, fieldBirth, birthDifferent},
		{"dates of father and son", person{birth: day(1970, 4, 9)}, person{birth: day(2001, 11, 23)}, fieldBirth, birthGeneration},
		{"two parts", person{birth: day(1970, 4, 9)}, person{birth: day(1970, 4, 28)}, fieldBirth, birthTwoParts},
		{"a placeholder is missing", person{birth: day(1900, 1, 1)}, person{birth: day(1900, 1, 1)}, fieldBirth, missing},
		{"a first of January says less", person{birth: day(1977, 1, 1)}, person{birth: day(1977, 1, 1)}, fieldBirth, birthWeak},
		{"last four against whole", person{ssn: "XXX-XX-0938"}, person{ssn: "219-42-0938"}, fieldSSN, ssnLast4Equal},
		{"neighbouring digits swapped", person{ssn: "219-42-0938"}, person{ssn: "219-42-0983"}, fieldSSN, ssnOneDigit},
		{"default numbers are missing", person{ssn: "999-99-9999"}, person{ssn: "999-99-9999"}, fieldSSN, missing},
		{"suffixes", person{given: "A", suffix: "Jr"}, person{given: "A", suffix: "II"}, fieldSuffix, suffixEqual},
		{"generations", person{given: "A", suffix: "Jr"}, person{given: "A", suffix: "Sr"}, fieldSuffix, suffixDifferent},
		{"street spelled otherwise", person{street: "12 North Harbor Road Apt 4"}, person{street: "12 N Harbor Rd"}, fieldAddress, addressExact},
		{"same place", person{street: "12 Harbor Road"}, person{street: "14 Quarry Lane"}, fieldAddress, addressPlace},
		{"spelled otherwise and said the same", person{given: "Kayla"}, person{given: "Kaiela"}, fieldGiven, givenSpelling},
		{"a slip of a key in a known name", person{given: "Logan"}, person{given: "Loagn"}, fieldGiven, givenKeyed},
		{"two known names one letter apart", person{given: "Devin"}, person{given: "Devon"}, fieldGiven, givenOneEdit},
		{"a letter too many is no slip", person{given: "Madison"}, person{given: "Madisoyn"}, fieldGiven, givenOneEdit},
		{"brought from another script otherwise", person{family: "Zhang"}, person{family: "Chang"}, fieldFamily, familySpelling},
		{"half a double name with an error", person{family: "Avila Maartinoz"}, person{family: "Martinoz"}, fieldFamily, familySimilar},
		{"a half of it among the given names", person{given: "Ana Garcia", family: "Lopez"}, person{given: "Ana", family: "Garcia Lopez"}, fieldFamily, familyExact},
		{"such a half is no middle name", person{given: "Ana Garcia", family: "Lopez"}, person{given: "Ana Maria", family: "Garcia Lopez"}, fieldMiddle, missing},
		{"family name first, as its people write it", person{given: "Nguyen", family: "Lan"}, person{given: "Lan", family: "Nguyen"}, fieldSwap, nameFamilyFirst},
		{"names of two letters in each other's place", person{given: "Do", family: "Hung"}, person{given: "Hung", family: "Do"}, fieldSwap, nameFamilyFirst},
		{"mail that bears the person's name", person{given: "Ottoline", mail: "ottoline9@mail.example"}, person{given: "O", mail: "ottoline9@mail.example"}, fieldEmail, emailOwn},
		{"the mother's mail is a family's", person{given: "Ottoline", mail: "ottoline9@mail.example"}, person{given: "Casimir", mail: "ottoline9@mail.example"}, fieldEmail, emailEqual},
		{"a new year's day stands for the year", person{birth: day(1970, 1, 1)}, person{birth: day(1970, 4, 9)}, fieldBirth, birthYear},
		{"family name first, and brought from another script otherwise", person{given: "Li", family: "Amy"}, person{given: "Amy", family: "Lee"}, fieldSwap, nameFamilyFirst},
		{"syllables of a given name written as one", person{given: "Jiwoo", family: "Kim"}, person{given: "Ji-Woo", family: "Kim"}, fieldGiven, givenSpelling},
		{"an Arabic name of two words written as one", person{given: "Abdul Rahman", family: "Saleh"}, person{given: "ABDULRAHMAN", family: "SALEH"}, fieldGiven, givenExact},
		{"and with the article apart", person{given: "Abd al-Rahman", family: "Saleh"}, person{given: "Abdalrahman", family: "Saleh"}, fieldGiven, givenExact},
		{"the word between a Vietnamese family and given name is neither", person{given: "Thi Lan", family: "Nguyen"}, person{given: "Lan", family: "Nguyen"}, fieldGiven, givenExact},
		{"two sisters have it in common", person{given: "Thi Lan", family: "Nguyen"}, person{given: "Thi Mai", family: "Nguyen"}, fieldGiven, givenDifferent},
		{"children of a generation share the first syllable", person{given: "Jia Hao", family: "Chen"}, person{given: "Jia Ming", family: "Chen"}, fieldGiven, givenSimilar},
		{"a second name is no syllable", person{given: "Jia Marie", family: "Chen"}, person{given: "Jia Rose", family: "Chen"}, fieldGiven, givenExact},
		{"sisters called Maria go by what follows", person{given: "María Elena", family: "Vega"}, person{given: "María José", family: "Vega"}, fieldGiven, givenSimilar},
		{"a slip of a key that leaves no syllable", person{given: "Mei", family: "Chen"}, person{given: "Mri", family: "Chen"}, fieldGiven, givenKeyed},
		{"two syllables that both exist", person{given: "Min", family: "Chen"}, person{given: "Mun", family: "Chen"}, fieldGiven, givenOneEdit},
		{"the family name keyed into both fields says nothing of the given", person{given: "Li", family: "Lee"}, person{given: "Amy", family: "Lee"}, fieldGiven, missing},
		{"a letter read as a digit", person{given: "J0an"}, person{given: "Joan"}, fieldGiven, givenExact},
		{"a year of two digits put into another century", person{birth: day(2019, 4, 9)}, person{birth: day(1919, 4, 9)}, fieldBirth, birthOneDigit},
		{"another Chinese character", person{given: "伟"}, person{given: "伤"}, fieldGiven, givenDifferent},
		{"one of two characters", person{given: "建国"}, person{given: "建军"}, fieldGiven, givenDifferent},
		{"the second character left out", person{given: "建国"}, person{given: "建"}, fieldGiven, givenSimilar},
		{"an error in a Hebrew name", person{family: "רוזנברג"}, person{family: "רוזנבורג"}, fieldFamily, familyOneEdit},
		{"two Hebrew names", person{given: "שרה"}, person{given: "דוד"}, fieldGiven, givenDifferent},
		{"a Korean name and its transcription", person{family: "박"}, person{family: "Park"}, fieldFamily, familySpelling},
		{"a phone with the country's number", person{phone: "+49 30 4418722"}, person{phone: "030 4418722"}, fieldPhone, phoneEqual},
		{"phone without its area", person{phone: "366-2187"}, person{phone: "410-366-2187"}, fieldPhone, phoneEqual},
	} {
		a, b := test.a.features(), test.b.features()
		c := Compare(&a, &b)
		if got := c.levels[test.f]; got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, levelNames[test.f][got], levelNames[test.f][test.want])
		}
	}
}

func TestGrades(t *testing.T) {
	w := DefaultModel()
	base := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912"}
	with := func(f func(p *person)) person { p := base; f(&p); return p }
	for _, test := range []struct {
		name string
		a, b person
		want Grade
		veto string
		gap  string
	}{
		{"everything agrees", base, base, GradeCertain, "", ""},
		{"married, moved, same phone and no address", base, with(func(p *person) { p.family = "Dobrzynski"; p.street = "" }), GradeProbable, "", "family"},
		{"name, birth date and sex only", with(func(p *person) { p.street, p.phone = "", "" }), base, GradeProbable, "", "address"},
		{"household alone", base, person{family: "Fairweather", street: base.street, phone: base.phone}, GradePossible, "", "given"},
		{"no birth date", base, with(func(p *person) { p.birth = Date{} }), GradeProbable, "", "birth-date"},
		{"a sister: another given name", base, with(func(p *person) { p.given = "Perpetua" }), GradePossible, "given", "given"},
		{"a typo in the given name is not certain", base, with(func(p *person) { p.given = "Ottaline" }), GradeProbable, "", "given"},
		{"another spelling that is said the same is no twin's", base, with(func(p *person) { p.given = "Otoline" }), GradeCertain, "", ""},
		{"but for one known to be a twin it may be the other's", with(func(p *person) { p.order = 1 }), with(func(p *person) { p.given = "Otoline" }), GradeProbable, "", "given"},
		{"unless both records say which of the two", with(func(p *person) { p.order = 1 }), with(func(p *person) { p.given, p.order = "Otoline", 1 }), GradeCertain, "", ""},
		{"a typo in the given name, and mail that bears it", with(func(p *person) { p.mail = "ottoline.fw@mail.example" }),
			with(func(p *person) { p.given, p.mail = "Ottaline", "ottoline.fw@mail.example" }), GradeCertain, "", ""},
		{"a typo in the given name with the number", with(func(p *person) { p.ssn = "219-42-0938" }), with(func(p *person) { p.given, p.ssn = "Otoline", "219-42-0938" }), GradeCertain, "", ""},
		{"another Medicare number, reached otherwise", with(func(p *person) { p.mbi = "1EG4-TE5-MK73" }),
			with(func(p *person) { p.mbi, p.phone = "2FH5-UF6-NL84", "717-261-1940" }), GradeProbable, "", "identifier"},
		{"a card replaced, where all else agrees", with(func(p *person) { p.mbi = "1EG4-TE5-MK73" }),
			with(func(p *person) { p.mbi = "2FH5-UF6-NL84" }), GradeCertain, "", ""},
		{"another number, reached otherwise", with(func(p *person) { p.ssn = "219-42-0938" }),
			with(func(p *person) { p.ssn, p.phone = "418-77-2051", "717-261-1940" }), GradeProbable, "", "ssn"},
		{"another number where all else agrees is a relative's", with(func(p *person) { p.ssn = "219-42-0938" }),
			with(func(p *person) { p.ssn = "418-77-2051" }), GradeCertain, "", ""},
		{"an initial with the last four of the number", with(func(p *person) { p.ssn = "XXX-XX-0938" }),
			with(func(p *person) { p.given, p.ssn = "O", "219-42-0938" }), GradeCertain, "", ""},
		{"a typo beside a family's phone, mail and address may be a twin's", with(func(p *person) { p.mail = "fairweather.family@mail.example" }),
			with(func(p *person) { p.given, p.mail = "Ottaline", "fairweather.family@mail.example" }), GradeProbable, "", "given"},
		{"a namesake of one birth date may live in the same place", base, with(func(p *person) { p.phone, p.street = "", "14 Quarry Lane" }), GradeProbable, "", "address"},
		{"exact names and birth date, and the full middle name", with(func(p *person) { p.given = "Ottoline Maud" }),
			with(func(p *person) { p.given, p.phone, p.street = "Ottoline Maud", "", "" }), GradeCertain, "", ""},
		{"a second name beside a given name of one syllable", person{given: "Xiu Marie", family: "He", birth: base.birth, sex: Female, street: base.street},
			person{given: "Xiu Marie", family: "He", birth: base.birth, sex: Female}, GradeCertain, "", ""},
		{"a given name of two syllables is no second name", person{given: "Hyun Woo", family: "Yoon", birth: base.birth, sex: Male, street: base.street},
			person{given: "Hyun Woo", family: "Yoon", birth: base.birth, sex: Male}, GradeProbable, "", "address"},
		{"the year of birth, and more than relatives share", with(func(p *person) { p.given, p.mail = "Ottoline Maud", "fairweather.family@mail.example" }),
			with(func(p *person) {
				p.given, p.birth, p.mail = "Ottoline Maud", day(1964, 1, 1), "fairweather.family@mail.example"
			}), GradeCertain, "", "birth-date"},
		{"an initial alone may be a twin's", base, with(func(p *person) { p.given = "O" }), GradeProbable, "", "given"},
		{"a typo with the initial of the middle name", with(func(p *person) { p.given = "Ottoline Maud" }),
			with(func(p *person) { p.given = "Otoline M" }), GradeCertain, "", ""},
		{"no birth date, but the last four of the number and the phone", with(func(p *person) { p.ssn = "XXX-XX-0938" }),
			with(func(p *person) { p.birth, p.ssn = Date{}, "219-42-0938" }), GradeCertain, "", ""},
		{"one who goes by the middle name, in one house", with(func(p *person) { p.given = "Ottoline Maud" }), with(func(p *person) { p.given = "Maud" }), GradeCertain, "", "given"},
		{"one called by it of whom nothing else is known", with(func(p *person) { p.given = "Ottoline Maud" }),
			with(func(p *person) { p.given, p.phone, p.street = "Maud", "", "" }), GradeProbable, "", "given"},
		{"a typo, and nothing but the initial of the middle name", with(func(p *person) { p.given = "Ottoline Maud" }),
			with(func(p *person) { p.given, p.phone, p.street = "Ottaline M", "", "" }), GradeProbable, "", "given"},
		{"a namesake of one birth date in the same place is seldom of the same middle initial", with(func(p *person) { p.given = "Ottoline Maud" }),
			with(func(p *person) { p.given, p.phone, p.street = "Ottoline M", "", "14 Quarry Lane" }), GradeCertain, "", "address"},
		{"elsewhere there are more of them", with(func(p *person) { p.given = "Ottoline Maud" }),
			with(func(p *person) { p.given, p.phone, p.street = "Ottoline M", "", "" }), GradeProbable, "", "address"},
		{"names in each other's place, another phone, one house", base, with(func(p *person) {
			p.given, p.family, p.phone = "Fairweather", "Ottoline", "717-261-1940"
		}), GradeCertain, "", ""},
		{"a nickname is the name", with(func(p *person) { p.given = "Michael" }), with(func(p *person) { p.given = "Miguel" }), GradeProbable, "", ""},
		{"but of a twin it may be the other's name", with(func(p *person) { p.given, p.order = "Michael", 2 }), with(func(p *person) { p.given = "Miguel" }),
			GradeProbable, "", "given"},
		{"senior and junior", with(func(p *person) { p.suffix = "Sr" }), with(func(p *person) { p.suffix = "Jr" }), GradePossible, "suffix", ""},
		{"a generation apart", base, with(func(p *person) { p.birth = day(1991, 2, 3) }), GradePossible, "generation", "birth-date"},
		{"birth orders differ", with(func(p *person) { p.order = 1 }), with(func(p *person) { p.order = 2 }), GradePossible, "birth-order", ""},
		{"mother's number on her child", with(func(p *person) { p.ssn = "219-42-0938" }),
			with(func(p *person) { p.ssn, p.given, p.birth = "219-42-0938", "", day(2024, 5, 2) }), GradePossible, "borrowed-identifier", ""},
		{"strangers", base, person{given: "Casimir", family: "Dobrzynski", birth: day(1966, 1, 2), sex: Male}, GradeNone, "given", "given"},
	} {
		a, b := test.a.features(), test.b.features()
		s := w.ScoreSet(&a, []Features{b})
		if got := w.grade(&s); got != test.want {
			t.Errorf("%s: %s at %.1f bits, want %s", test.name, got, s.Bits, test.want)
		}
		veto := ""
		for _, v := range s.vetoes.names() {
			if v == test.veto {
				veto = v
			}
		}
		if veto != test.veto || test.veto == "" && s.vetoes != 0 {
			t.Errorf("%s: vetoes %v, want %q", test.name, s.vetoes.names(), test.veto)
		}
		if got := w.gap(&s); got != test.gap {
			t.Errorf("%s: gap %q, want %q", test.name, got, test.gap)
		}
	}
}

// drawPerson draws somebody from a small world, so that values meet.
func drawPerson(t *rapid.T, label string) person {
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label+" "+what) }
	return person{
		given:  pick("given", "", "John", "Jon", "Ottoline", "Otoline", "Peggy", "Margaret", "C", "BABY BOY", "Fairweather"),
		family: pick("family", "", "Smith", "Smyth", "Fairweather", "Fairweathers", "Garcia Lopez", "Garcia", "Ottoline"),
		suffix: pick("suffix", "", "", "Jr", "Sr"),
		birth: rapid.SampledFrom([]Date{{}, day(1964, 6, 20), day(1964, 6, 21), day(1964, 2, 6), day(1964, 6, 2), day(1991, 2, 3), {Year: 1964}, {Year: 1964, Month: 6}}).
			Draw(t, label+" birth"),
		sex:    Sex(pick("sex", "", "male", "female")),
		ssn:    pick("ssn", "", "219-42-0938", "219-42-0983", "418-77-2051", "0938"),
		phone:  pick("phone", "", "410-366-0912", "410-366-0913"),
		street: pick("street", "", "12 Harbor Road", "14 Quarry Lane"),
		order:  rapid.SampledFrom([]int{0, 1, 2}).Draw(t, label+" order"),
	}
}

func score(a, b person) Bits {
	x, y := a.features(), b.features()
	c := Compare(&x, &y)
	return DefaultModel().Score(&c)
}

func TestComparingIsSymmetric(t *testing.T) {
	w := DefaultModel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPerson(t, "a").features(), drawPerson(t, "b").features()
		if Compare(&a, &b) != Compare(&b, &a) {
			t.Fatal("levels depend on the order")
		}
		x, y := w.ScoreSet(&a, []Features{b}), w.ScoreSet(&b, []Features{a})
		if x.Bits != y.Bits || x.vetoes != y.vetoes || w.grade(&x) != w.grade(&y) {
			t.Fatal("scores depend on the order")
		}
	})
}

// blanks and agreements of each part, for the two properties below.
var parts = []struct {
	name  string
	blank func(p *person)
	copy  func(p *person, from person)
}{
	{"given", func(p *person) { p.given = "" }, func(p *person, from person) { p.given = from.given }},
	{"family", func(p *person) { p.family = "" }, func(p *person, from person) { p.family = from.family }},
	{"suffix", func(p *person) { p.suffix = "" }, func(p *person, from person) { p.suffix = from.suffix }},
	{"birth", func(p *person) { p.birth = Date{} }, func(p *person, from person) { p.birth = from.birth }},
	{"sex", func(p *person) { p.sex = "" }, func(p *person, from person) { p.sex = from.sex }},
	{"ssn", func(p *person) { p.ssn = "" }, func(p *person, from person) { p.ssn = from.ssn }},
	{"phone", func(p *person) { p.phone = "" }, func(p *person, from person) { p.phone = from.phone }},
	{"street", func(p *person) { p.street = "" }, func(p *person, from person) { p.street = from.street }},
}

func TestMissingNeverBeatsAgreement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPerson(t, "a"), drawPerson(t, "b")
		for _, p := range parts {
			agreeing, blank := b, b
			p.copy(&agreeing, a)
			p.blank(&blank)
			x, y := a.features(), blank.features()
			if c := Compare(&x, &y); c.levels[fieldSwap] == nameSingle {
				continue // a single name may be of either kind; a second one then contradicts
			}
			if score(a, blank) > score(a, agreeing) {
				t.Fatalf("leaving %s out scores more than agreeing", p.name)
			}
		}
	})
}

func TestContradictionNeverRaisesAScore(t *testing.T) {
	contrary := person{given: "Xochitl", family: "Vanterpool", birth: day(1999, 12, 31), ssn: "530-11-8826", phone: "202-713-8850"}
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPerson(t, "a"), drawPerson(t, "b")
		for _, p := range parts {
			if p.name == "suffix" || p.name == "sex" || p.name == "street" {
				continue // no value contradicts all others there
			}
			blank, against := b, b
			p.blank(&blank)
			p.copy(&against, contrary)
			if score(a, against) > score(a, blank) {
				t.Fatalf("contradicting %s scores more than leaving it out", p.name)
			}
		}
	})
}

func TestAMoreLikeMemberNeverLowersTheUnion(t *testing.T) {
	w := DefaultModel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawPerson(t, "r").features()
		one := []Features{drawPerson(t, "a").features()}
		two := append(one, drawPerson(t, "b").features())
		x, y := w.ScoreSet(&r, one), w.ScoreSet(&r, two)
		for f := range numFields {
			was, now := x.Union.levels[f], y.Union.levels[f]
			if was != missing && (now == missing || now > was) {
				t.Fatalf("field %s got worse with another member", fieldNames[f])
			}
		}
		if x.Consistency != 0 {
			t.Fatal("consistency is 0 for one member")
		}
	})
}

func TestEvidenceAddsUpAndIsStoredExactly(t *testing.T) {
	w := DefaultModel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawPerson(t, "r").features()
		s := w.ScoreSet(&r, []Features{drawPerson(t, "a").features(), drawPerson(t, "b").features()})
		var sum Bits
		rows := w.evidence(&s)
		for _, e := range rows {
			sum += e.Bits
		}
		if d := sum - s.Bits; d > .01 || d < -.01 {
			t.Fatalf("rows add up to %v, the score is %v", sum, s.Bits)
		}
		back := DecodeEvidence(EncodeEvidence(rows))
		if len(back) != len(rows) {
			t.Fatalf("%d rows came back of %d", len(back), len(rows))
		}
		for i := range rows {
			if d := back[i].Bits - rows[i].Bits; back[i].Field != rows[i].Field || back[i].Level != rows[i].Level || d > .006 || d < -.006 {
				t.Fatalf("row %d came back different", i)
			}
		}
	})
}

func BenchmarkComparePair(b *testing.B) {
	x := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912", ssn: "219-42-0938"}.features()
	y := person{given: "Otoline", family: "Fairwether", birth: day(1964, 6, 2), sex: Female, street: "14 Quarry Lane", phone: "410-366-0999"}.features()
	w := DefaultModel()
	b.ReportAllocs()
	for b.Loop() {
		c := Compare(&x, &y)
		_ = w.Score(&c)
	}
}

func BenchmarkDecodeFeatures(b *testing.B) {
	f := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912"}.features()
	raw := f.AppendTo(nil)
	b.ReportMetric(float64(len(raw)), "bytes")
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}
