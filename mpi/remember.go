package mpi

// remember keeps, behind what f says, what the record said before of that which changes in a life: family names,
// addresses, phones and mail. A link that rests on a former name or address so outlives a marriage and a move. What
// does not change in a life (given names, birth date, sex, numbers) counts as corrected.
//
// Source: spec mpi section 6, 19: address history and prior names are multi-valued.
func (f *Features) remember(before *Features) {
	for i := range before.nFamilies {
		t := before.families[i]
		known := false
		for j := range f.nFamilies {
			known = known || string(f.families[j].bytes()) == string(t.bytes())
		}
		if !known && f.nFamilies < maxFamilies {
			t.flags |= flagAlso
			f.families[f.nFamilies] = t
			f.nFamilies++
		}
	}
	f.nAddresses = keep(f.addresses[:], f.nAddresses, before.addresses[:before.nAddresses])
	f.nPhones = keep(f.phones[:], f.nPhones, before.phones[:before.nPhones])
	f.nEmails = keep(f.emails[:], f.nEmails, before.emails[:before.nEmails])
}

// keep adds to the first n of list what of before is not among them, as long as there is room, and returns the new n.
func keep[T comparable](list []T, n byte, before []T) byte {
	for _, v := range before {
		known := false
		for _, w := range list[:n] {
			known = known || w == v
		}
		if !known && int(n) < len(list) {
			list[n] = v
			n++
		}
	}
	return n
}
