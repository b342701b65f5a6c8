package mpi

import "testing"

// counting is the default model with values counted among a million persons, of whom some bear each of common.
func counting(persons int, common ...person) *Model {
	m := DefaultModel()
	for _, f := range counted {
		var hashes []uint32
		for _, p := range common {
			features := p.features()
			features.each(f, func(h uint32) {
				for range persons {
					hashes = append(hashes, h)
				}
			})
		}
		m.freq[f] = newFrequencies(hashes, 1_000_000)
	}
	m.finish()
	return m
}

// What may be wanting depends on what else could be: somebody else in the house, or a namesake in the place.
//
// Source: README.md, "Grades".
func TestWhatMayBeWantingBesideNamesAndBirthDate(t *testing.T) {
	base := person{given: "Ottoline", family: "Fairweather", birth: day(1964, 6, 20), sex: Female, street: "12 Harbor Road", phone: "410-366-0912"}
	with := func(f func(p *person)) person { p := base; f(&p); return p }
	newborn := with(func(p *person) { p.given = "Baby Girl" })
	rare, common := counting(0), counting(100_000, person{given: "Ottoline", family: "Fairweather"})
	alone := counting(0) // hardly any relatives and twins in its population
	alone.Kin = [kinds]Bits{-24, -32}
	alone.finish()
	family := with(func(p *person) { p.mail = "fairweather.family@mail.example" })
	elsewhere := with(func(p *person) { p.phone, p.street = "", "14 Quarry Lane" })
	renamed := with(func(p *person) { p.family, p.street = "Dobrzynski", "" })
	for _, test := range []struct {
		name  string
		model *Model
		a, b  person
		want  Grade
	}{
		{"rare names and a birth date in one place are one person's", rare, base, elsewhere, GradeCertain},
		{"common names may be a namesake's", common, base, elsewhere, GradeProbable},
		{"where nobody counted names, they may be common", DefaultModel(), base, elsewhere, GradeProbable},
		{"rare names and another sex may be a namesake's", rare, base, with(func(p *person) { p.phone, p.street, p.sex = "", "14 Quarry Lane", Male }), GradeProbable},
		{"another family name, one telephone: married", rare, base, renamed, GradeCertain},
		{"the same where nobody counted who has this telephone", DefaultModel(), base, renamed, GradeProbable},
		{"another family name and another middle name", rare, with(func(p *person) { p.given = "Ottoline Maud" }),
			with(func(p *person) { p.given, p.family, p.street = "Ottoline Perpetua", "Dobrzynski", "" }), GradeProbable},
		{"a newborn without a name, and the child in its house", alone, newborn, base, GradeCertain},
		{"the same where twins are as common as anywhere", DefaultModel(), newborn, base, GradeProbable},
		{"of one of several it is not known which", alone, newborn, with(func(p *person) { p.order = 2 }), GradePossible},
		{"of another sex it is another's child, or a slip", alone, newborn, with(func(p *person) { p.sex = Male }), GradeProbable},
		{"with the address alone it may be a neighbour's child", alone, newborn, with(func(p *person) { p.phone = "" }), GradeProbable},
		{"another sex, where names, birth date and house agree", DefaultModel(), base, with(func(p *person) { p.sex = Male }), GradeCertain},
		{"a misprint, where all else agrees and twins are few", alone, family, with(func(p *person) { p.given, p.mail = "Ottalline", "fairweather.family@mail.example" }), GradeCertain},
		{"two names that exist may be twins all the same", alone, with(func(p *person) { p.given, p.mail = "Devin", "fairweather.family@mail.example" }),
			with(func(p *person) { p.given, p.mail = "Devon", "fairweather.family@mail.example" }), GradeProbable},
		{"another middle name may be the twin's", DefaultModel(), with(func(p *person) { p.given = "Pedro Henrique" }),
			with(func(p *person) { p.given = "Pedro Lucas" }), GradePossible},
	} {
		a, b := test.a.features(), test.b.features()
		s := test.model.ScoreSet(&a, []Features{b})
		if got := test.model.grade(&s); got != test.want {
			t.Errorf("%s: %v at %.1f bits, missing %q, want %v", test.name, got, s.Bits, test.model.gap(&s), test.want)
		}
	}
}
