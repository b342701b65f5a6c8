package mpi

import (
	"strconv"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// Extract returns the features of d as registered by site; site is "" for a query.
func Extract(site hie.SiteID, d Demographics) Features {
	v := normalize(d)
	return v.features(site)
}

func (v *values) features(site hie.SiteID) Features {
	f := Features{Birth: packDate(v.typed), Died: packDate(v.died), BirthWeak: weakBirth(v.typed), Sex: v.sex, Suffix: v.suffix, Order: v.order}
	if site != "" {
		f.source = hash32(string(site))
	}
	for i, g := range v.givens {
		f.addGiven(g, i > 0)
	}
	if len(v.families) > 0 && familyFirst[v.families[0].whole] {
		f.knowSyllables()
	}
	for _, m := range v.middles {
		if f.nMiddles < maxMiddles {
			t := newToken(m)
			if knownGivens[m] {
				t.flags |= flagKnown
			}
			f.middles[f.nMiddles] = t
			f.nMiddles++
		}
	}
	for i, n := range v.families {
		f.addFamily(n, i > 0)
	}
	if v.ssn != "" {
		n, _ := strconv.ParseUint(v.ssn, 10, 32) // digits only
		f.ssn, f.ssnLast4 = uint32(n), len(v.ssn) == 4
	}
	for _, x := range v.ids {
		if f.nIDs < maxIDs {
			f.ids[f.nIDs] = packID(x)
			f.nIDs++
		}
	}
	for _, p := range v.phones {
		if f.nPhones < maxPhones {
			f.phones[f.nPhones], _ = strconv.ParseUint(p, 10, 40) // at most ten digits
			f.nPhones++
		}
	}
	for _, m := range v.emails {
		if f.nEmails < maxEmails {
			f.emails[f.nEmails] = packMail(m, v.givens)
			f.nEmails++
		}
	}
	for _, a := range v.addresses {
		if f.nAddresses < maxAddresses {
			f.addresses[f.nAddresses] = packAddress(a)
			f.nAddresses++
		}
	}
	if v.maiden != "" {
		f.maiden = newToken(v.maiden)
	}
	if v.guardian != "" {
		f.guardian = newToken(v.guardian)
		f.guardian.nicks = nicknames[v.guardian]
	}
	return f
}

func (f *Features) addGiven(g string, also bool) {
	if f.nGivens == maxGivens {
		return
	}
	t := newToken(g)
	t.nicks = nicknames[g]
	if knownGivens[g] {
		t.flags |= flagKnown
	}
	if transcriptions[g] != [maxNicks]uint8{} {
		t.flags |= flagPart
	}
	if also {
		t.flags |= flagAlso
	}
	f.givens[f.nGivens] = t
	f.nGivens++
}

func (f *Features) addFamily(n familyName, also bool) {
	add := func(s string, flags uint8) {
		if f.nFamilies == maxFamilies {
			return
		}
		t := newToken(s)
		t.flags |= flags
		if familyFirst[s] {
			t.flags |= flagKnown
		}
		t.nicks = transcriptions[s]
		if also {
			t.flags |= flagAlso
		}
		f.families[f.nFamilies] = t
		f.nFamilies++
	}
	add(n.whole, 0)
	for _, p := range n.parts {
		if p != n.whole {
			add(p, flagPart)
		}
	}
}

func newToken(s string) token {
	var t token
	t.n = uint8(copy(t.text[:], s))
	t.finish()
	return t
}

// areaOf is how much of a postal code names its wider area: three of five digits in the United States, all but the last
// three characters elsewhere.
func areaOf(zip string) int {
	switch {
	case len(zip) == 5 && digits(zip) == zip:
		return 3
	case len(zip) <= 4:
		return min(2, len(zip))
	}
	return len(zip) - 3
}

// How many letters a given name needs to be seen in a mail address: anywhere, and at its beginning.
const (
	leastOwn      = 4
	leastOwnFirst = 3
)

func packMail(m string, givens []string) mail {
	out := mail{hash32(m) &^ 1, sketch(m)}
	local, _, _ := strings.Cut(m, "@")
	for _, g := range givens {
		if len(g) >= leastOwn && strings.Contains(local, g) || len(g) >= leastOwnFirst && strings.HasPrefix(local, g) {
			out.hash |= 1
		}
	}
	return out
}

func packDate(d Date) uint32 { return uint32(d.Year)<<14 | uint32(d.Month)<<7 | uint32(d.Day) }

func packID(x typedID) id {
	out := id{space: hash32(x.system) &^ 3, value: hash64(x.value) | 1<<63}
	switch x.kind {
	case "local":
		out.space |= 1
	case "member":
		out.space |= 2
	}
	if d := digits(x.value); d == x.value && len(d) <= 17 {
		out.value, _ = strconv.ParseUint("1"+d, 10, 64) // at most eighteen digits
	}
	return out
}

// familyIDs returns the numbers of v that a family may share: those of its insurance.
func (v *values) familyIDs() []id {
	var out []id
	for _, x := range v.ids {
		if x.kind == "member" {
			out = append(out, packID(x))
		}
	}
	return out
}

func packAddress(p postal) address {
	var a address
	for i, s := range [...]string{p.street, p.second} {
		if s != "" {
			a.lines[i] = line{hash32(s), sketch(s)}
		}
	}
	if p.number != "" {
		n, err := strconv.ParseUint(p.number, 10, 24)
		if err != nil || n == 0 {
			n = uint64(hash32(p.number)>>8 | 1<<24)
		}
		a.number = uint32(n)
	}
	if p.zip != "" {
		n, err := strconv.ParseUint(p.zip, 10, 24)
		if err != nil || n == 0 || len(p.zip) != 5 {
			n = uint64(hash32(p.zip)>>8 | 1<<24)
		}
		a.zip = uint32(n)
		a.area = uint16(hash32(p.zip[:areaOf(p.zip)])) | 1
	}
	if p.city != "" {
		a.city = hash32(p.city)
		s := sketch(p.city)
		a.citySketch = uint32(s | s>>32)
	}
	return a
}
