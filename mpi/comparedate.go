package mpi

// A date's digits, as compared.
type dateParts struct{ year, month, day int }

func unpackDate(d uint32) dateParts { return dateParts{int(d >> 14), int(d >> 7 & 127), int(d & 127)} }

// compareDates compares birth dates at the coarser of the two precisions.
func compareDates(a, b *Features) level {
	if a.Birth == 0 || b.Birth == 0 {
		return missing
	}
	x, y := unpackDate(a.Birth), unpackDate(b.Birth)
	if x.month == 0 || y.month == 0 {
		return pick(x.year == y.year, birthYear, birthDifferent)
	}
	if x.day == 0 || y.day == 0 {
		switch {
		case x.year == y.year && x.month == y.month:
			return birthMonth
		case x.year == y.year || x.month == y.month && oneDigit(x.year, y.year):
			return birthTwoParts
		}
		return birthDifferent
	}
	if x == y {
		return pick(a.BirthWeak, birthWeak, birthExact)
	}
	if x.year == y.year && x.month == y.day && x.day == y.month {
		return birthSwapped
	}
	p, q := x.year*10000+x.month*100+x.day, y.year*10000+y.month*100+y.day
	differing := digitsApart(p, q)
	if differing == 1 || differing == 2 && oneDigit(p, q) {
		return birthOneDigit
	}
	same := 0
	for _, eq := range [...]bool{x.year == y.year, x.month == y.month, x.day == y.day} {
		if eq {
			same++
		}
	}
	switch {
	case same == 2:
		return birthTwoParts
	case differing == 2:
		return birthTwoDigits
	case x.year == y.year:
		return birthSameYear
	}
	return birthDifferent
}

// digitsApart counts the decimal digits in which two numbers differ.
func digitsApart(x, y int) int {
	n := 0
	for x != 0 || y != 0 {
		if x%10 != y%10 {
			n++
		}
		x, y = x/10, y/10
	}
	return n
}

// oneDigit reports whether two numbers differ in exactly one decimal digit, or by a swap of two neighbours.
func oneDigit(x, y int) bool {
	diff, last, at, swap := 0, 0, -2, false
	for i := 0; x != 0 || y != 0; i++ {
		p, q := x%10, y%10
		if p != q {
			if diff++; diff > 2 {
				return false
			}
			swap = diff == 2 && at == i-1 && last == q*10+p
			last, at = p*10+q, i
		}
		x, y = x/10, y/10
	}
	return diff == 1 || diff == 2 && swap
}
