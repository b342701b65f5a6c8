package mpicsv

import (
	"strconv"
	"strings"

	"github.com/concord-hie/concord/mpi"
)

// misread are letters that readers of scans and typists put for digits.
var misread = strings.NewReplacer("l", "1", "I", "1", "i", "1", "|", "1", "o", "0", "O", "0", "Z", "2", "z", "2", "S", "5", "s", "5", "B", "8")

// Date reads a birth date as recorded: year first, or year last with month or day before it, with or without
// separators; the month may be a word, the year its last two digits, and a time may follow. Letters that stand for
// digits are read as those. Digits that make no date stay as they are, for comparing. It returns the zero Date where there
// is no year to be found.
func Date(raw string) mpi.Date { return dateOf(raw, false) }

// dateParts returns the digits of a date in groups, a month that is a word as its number, before the day.
func dateParts(raw string) []string {
	s := misread.Replace(numberMonth(withoutTime(raw)))
	return strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// dateOf is Date of a source that writes the day first, or the month.
func dateOf(raw string, dayFirst bool) mpi.Date {
	parts := dateParts(raw)
	if len(parts) == 1 && len(parts[0]) == 8 {
		p := parts[0]
		last := likelyYear(number(p[4:])) && monthAndDay(number(p[:2]), number(p[2:4]))
		if likelyYear(number(p[:4])) && (number(p[4:6]) <= 12 || !last) {
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
		if len(parts[2]) < 2 {
			return mpi.Date{}
		}
		if number(parts[0]) > 12 || dayFirst && number(parts[1]) <= 12 && !strings.ContainsAny(raw, letters) { // the day stands first
			return date(parts[2], parts[1], parts[0])
		}
		return date(parts[2], parts[0], parts[1])
	case 2:
		switch {
		case len(parts[0]) == 4:
			return mpi.Date{Year: number(parts[0]), Month: number(parts[1])}
		case len(parts[1]) == 4:
			return mpi.Date{Year: number(parts[1]), Month: number(parts[0])}
		}
	case 1:
		if len(parts[0]) == 4 {
			return mpi.Date{Year: number(parts[0])}
		}
	}
	return mpi.Date{}
}

// thisCentury is the last year that two digits stand for in the present century: those from there on are of the one before. Who is
// older than that is told by the rest of the record, and a date a century off is compared as a slip.
const thisCentury = 30

func date(year, month, day string) mpi.Date {
	d := mpi.Date{Year: number(first(year, 4)), Month: number(first(month, 2)), Day: number(first(day, 2))}
	if len(year) == 2 {
		d.Year += 1900
		if d.Year <= 1900+thisCentury {
			d.Year += 100
		}
	}
	if d.Month > 12 && d.Day <= 12 && d.Month <= 31 && d.Day > 0 { // year, day, month
		d.Month, d.Day = d.Day, d.Month
	}
	return d
}

// withoutTime cuts off the time of day behind a date: "1980-02-03T00:00:00Z", "3/2/1980 0:00".
func withoutTime(raw string) string {
	if at := strings.IndexByte(raw, ':'); at > 0 {
		if end := strings.LastIndexAny(raw[:at], "T "); end > 0 {
			return raw[:end]
		}
	}
	return raw
}

var monthNames = [...]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// numberMonth writes a month that is a word as its number, before the day, or behind the year where that stands first:
// "3-Feb-1980" and "February 3, 1980" become "2/3-/-1980" and "2// 3, 1980".
func numberMonth(raw string) string {
	for i, name := range monthNames {
		at := strings.Index(strings.ToLower(raw), name)
		if at < 0 {
			continue
		}
		before, behind := raw[:at], strings.TrimLeft(raw[at:], letters)
		if countDigits(before) == 4 {
			return before + "/" + strconv.Itoa(i+1) + "/" + behind
		}
		return strconv.Itoa(i+1) + "/" + before + "/" + behind
	}
	return raw
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// monthAndDay reports whether two numbers may be a month and a day, in either order.
func monthAndDay(a, b int) bool { return min(a, b) >= 1 && min(a, b) <= 12 && max(a, b) <= 31 }

func likelyYear(y int) bool { return y >= 1800 && y <= 2100 }

func first(s string, n int) string { return s[:min(len(s), n)] }

func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
