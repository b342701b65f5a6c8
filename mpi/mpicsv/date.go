package mpicsv

import (
	"strings"

	"github.com/concord-hie/concord/mpi"
)

// misread are letters that readers of scans and typists put for digits.
var misread = strings.NewReplacer("l", "1", "I", "1", "i", "1", "|", "1", "o", "0", "O", "0", "Z", "2", "z", "2", "S", "5", "s", "5", "B", "8")

// Date reads a birth date as recorded: year first, or year last with month or day before it, with or without
// separators; letters that stand for digits are read as those. Digits that make no date stay as they are, for
// comparing. It returns the zero Date where there is no year to be found.
func Date(raw string) mpi.Date {
	s := misread.Replace(raw)
	parts := strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if len(parts) == 1 && len(parts[0]) == 8 {
		p := parts[0]
		if likelyYear(number(p[:4])) {
			parts = []string{p[:4], p[4:6], p[6:]}
		} else {
			parts = []string{p[:2], p[2:4], p[4:]}
		}
	}
	switch len(parts) {
	case 3:
		if len(parts[0]) > 2 {
			return date(parts[0], parts[1], parts[2])
		}
		if len(parts[2]) < 3 {
			return mpi.Date{}
		}
		if number(parts[0]) > 12 { // the day stands first
			return date(parts[2], parts[1], parts[0])
		}
		return date(parts[2], parts[0], parts[1])
	case 2:
		if len(parts[0]) == 4 {
			return mpi.Date{Year: number(parts[0]), Month: number(parts[1])}
		}
	case 1:
		if len(parts[0]) == 4 {
			return mpi.Date{Year: number(parts[0])}
		}
	}
	return mpi.Date{}
}

func date(year, month, day string) mpi.Date {
	d := mpi.Date{Year: number(first(year, 4)), Month: number(first(month, 2)), Day: number(first(day, 2))}
	if d.Month > 12 && d.Day <= 12 && d.Month <= 31 && d.Day > 0 { // year, day, month
		d.Month, d.Day = d.Day, d.Month
	}
	return d
}

func likelyYear(y int) bool { return y >= 1800 && y <= 2100 }

func first(s string, n int) string { return s[:min(len(s), n)] }

func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
