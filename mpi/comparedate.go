package mpi

import (
	"encoding/binary"
	"time"
)

// A date's digits, as compared.
type dateParts struct{ year, month, day int }

func unpackDate(d uint32) dateParts { return dateParts{int(d >> 14), int(d >> 7 & 127), int(d & 127)} }

// FeaturesHead is how much of a record's features DiedOf needs.
const FeaturesHead = 21

// DiedOf returns when a record with these features, or at least FeaturesHead bytes of them, says its patient died, as
// [Member] has it. What cannot be read says nothing.
func DiedOf(features []byte) time.Time {
	if len(features) < 13 || features[0] != featuresVersion || features[1]&hasDied == 0 {
		return time.Time{}
	}
	at := 13
	if features[1]&hasBirth != 0 {
		at += 4
	}
	if len(features) < at+4 {
		return time.Time{}
	}
	return diedBy(binary.LittleEndian.Uint32(features[at:]))
}

// diedBy returns the end of the stretch a packed date of death names, as [Member] has it.
func diedBy(d uint32) time.Time {
	at := unpackDate(d)
	var next time.Time
	switch {
	case at.year == 0:
		return time.Time{}
	case at.month == 0:
		next = time.Date(at.year+1, 1, 1, 12, 0, 0, 0, time.UTC)
	case at.day == 0:
		next = time.Date(at.year, time.Month(at.month)+1, 1, 12, 0, 0, 0, time.UTC)
	default:
		next = time.Date(at.year, time.Month(at.month), at.day+1, 12, 0, 0, 0, time.UTC)
	}
	return next
}

// compareDates compares birth dates at the coarser of the two precisions.
func compareDates(a, b *Features) level {
	if a.Birth == 0 || b.Birth == 0 {
		return missing
	}
	x, y := unpackDate(a.Birth), unpackDate(b.Birth)
	if x.month == 0 || y.month == 0 {
		if x.year == y.year {
			return birthYear
		}
		return x.otherThan(y)
	}
	if x.day == 0 || y.day == 0 {
		switch {
		case x.year == y.year && x.month == y.month:
			return birthMonth
		case x.year == y.year || x.month == y.month && oneDigit(x.year, y.year):
			return birthTwoParts
		}
		return x.otherThan(y)
	}
	if x == y {
		return pick(a.BirthWeak, birthWeak, birthExact)
	}
	if x.year == y.year && (x.newYear() || y.newYear()) {
		return birthYear // the first of January stands for "the year is all we know"
	}
	if x.year == y.year && x.month == y.day && x.day == y.month {
		return birthSwapped
	}
	if x.month == y.month && x.day == y.day && (x.year-y.year == 100 || y.year-x.year == 100) {
		return birthOneDigit // two digits of a year, put into another century
	}
	p, q := x.year*10000+x.month*100+x.day, y.year*10000+y.month*100+y.day
	if oneDigit(p, q) {
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
	case digitsApart(p, q) == 2:
		return birthTwoDigits
	case x.year == y.year:
		return birthSameYear
	}
	return x.otherThan(y)
}

// generation is how many years lie between parents and children at least.
const generation = 14

// otherThan returns the level of two dates that differ.
func (d dateParts) otherThan(e dateParts) level {
	if years := d.year - e.year; years >= generation || years <= -generation {
		return birthGeneration
	}
	return birthDifferent
}

func (d dateParts) newYear() bool { return d.month == 1 && d.day == 1 }

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

// oneDigit reports whether two numbers, not negative, differ in exactly one decimal digit, or by a swap of two neighbours.
func oneDigit(x, y int) bool {
	// A digit makes a difference of 1 to 9 with zeros behind it, a swap one of nine times that; most numbers differ otherwise.
	for apart := max(x, y) - min(x, y); apart > 9*9; apart /= 10 {
		if apart%10 != 0 {
			return false
		}
	}
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
