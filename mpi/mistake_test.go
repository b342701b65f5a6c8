package mpi

import "testing"

// A statistician reads from these kinds what to mend, so each must name what really differs.
func TestAnErrorIsNamedByWhatDiffers(t *testing.T) {
	base := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912"}
	with := func(f func(p *person)) person { p := base; f(&p); return p }
	type because = func(a, b *Features) Mistake
	for _, test := range []struct {
		name    string
		because because
		other   person
		want    Mistake
	}{
		{"missed: another given name", MissedBecause, with(func(p *person) { p.given = "Perpetua" }), MissedGiven},
		{"missed: a given name misspelt", MissedBecause, with(func(p *person) { p.given = "Ottaline" }), MissedGivenDamaged},
		{"missed: another family name", MissedBecause, with(func(p *person) { p.family = "Vanterpool" }), MissedFamily},
		{"missed: both names are others", MissedBecause, with(func(p *person) { p.given, p.family = "Perpetua", "Vanterpool" }), MissedNamesReplaced},
		{"missed: both names misspelt", MissedBecause, with(func(p *person) { p.given, p.family = "Ottaline", "Fairwether" }), MissedNamesDamaged},
		{"missed: a misspelt name and a wrong digit", MissedBecause, with(func(p *person) { p.given, p.birth = "Ottaline", day(1964, 6, 29) }), MissedAllDamaged},
		{"missed: a wrong digit", MissedBecause, with(func(p *person) { p.birth = day(1964, 6, 29) }), MissedBirthDamaged},
		{"missed: another birth date", MissedBecause, with(func(p *person) { p.birth = day(1971, 2, 3) }), MissedBirth},
		{"missed: nothing but a family name", MissedBecause, person{family: "Fairweather"}, MissedFewFields},
		{"missed: moved, with another phone", MissedBecause, with(func(p *person) { p.street, p.phone = "9 Mill Lane", "301-555-0123" }), MissedBare},
		{"missed: nothing differs", MissedBecause, base, MissedOthers},
		{"wrong: a given name unlike on one birth date", WronglyBecause, with(func(p *person) { p.given = "Perpetua" }), WrongTwins},
		{"wrong: one household, another birth date", WronglyBecause, with(func(p *person) { p.given, p.birth = "Ottaline", day(1991, 2, 3) }), WrongHousehold},
		{"wrong: a son of one name", WronglyBecause, with(func(p *person) { p.birth = day(1991, 2, 3) }), WrongRelatives},
		{"wrong: nothing but names and birth date", WronglyBecause, with(func(p *person) { p.street, p.phone = "9 Mill Lane", "301-555-0123" }), WrongNamesakes},
		{"wrong: nothing but names", WronglyBecause, person{given: "Ottoline", family: "Fairweather", birth: day(1991, 2, 3)}, WrongNames},
		{"wrong: unlike altogether", WronglyBecause, person{given: "Casimir", family: "Fairweather", birth: day(1991, 2, 3)}, WrongThrough},
	} {
		a, b := base.features(), test.other.features()
		if got := test.because(&a, &b); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if got := test.because(&b, &a); got != test.want {
			t.Errorf("%s, the other way round: %q, want %q", test.name, got, test.want)
		}
	}
	lent := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), ssn: "219-42-0938"}
	borrower := person{given: "Casimir", family: "Dobrzynski", birth: day(1966, 1, 2), ssn: "219-42-0938"}
	a, b := lent.features(), borrower.features()
	if got := WronglyBecause(&a, &b); got != WrongNumber {
		t.Errorf("a lent number: %q", got)
	}
	senior, junior := with(func(p *person) { p.suffix = "Sr" }), with(func(p *person) { p.suffix = "Jr" })
	a, b = senior.features(), junior.features()
	if got := MissedBecause(&a, &b); got != MissedSaidApart {
		t.Errorf("generations that differ: %q", got)
	}
}
