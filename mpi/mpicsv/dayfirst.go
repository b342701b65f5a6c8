package mpicsv

import (
	"errors"
	"io"
	"strings"
)

// DayFirst are the sources of a file that write the day before the month. In 03/02/1980 that cannot be seen, but a source writes all its dates
// one way, and half of them tell which: 23/02/1980. The zero DayFirst knows none, and then the month is taken to stand first.
type DayFirst map[string]bool

// A source writes the day first if so many of its dates at least cannot be read otherwise, so many times more than cannot be read with the day first, and
// one in so many of all it has: where somebody has read the others already, as years first, what is left is what could not be read, and tells nothing.
const (
	tellingDates = 3
	tellingTimes = 4
	tellingShare = 4
)

// ReadDayFirst returns the sources of r, a file as Read takes it, that write the day first. Errors as Read.
func ReadDayFirst(r io.Reader) (DayFirst, error) {
	in, err := openRecords(r)
	if err != nil {
		return nil, err
	}
	type votes struct{ day, month, all int }
	seen := map[string]*votes{}
	for {
		if err := in.next(); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, err
		}
		raw := in.at("birth_date")
		if raw == "" {
			continue
		}
		v := seen[in.at("source")]
		if v == nil {
			v = &votes{}
			seen[strings.Clone(in.at("source"))] = v
		}
		v.all++
		switch day, month := tells(raw); {
		case day:
			v.day++
		case month:
			v.month++
		}
	}
	out := DayFirst{}
	for source, v := range seen {
		if v.day >= tellingDates && v.day > tellingTimes*v.month && tellingShare*v.day >= v.all {
			out[source] = true
		}
	}
	return out, nil
}

// tells reports whether a date with its year last can have only the day first, or only the month.
func tells(raw string) (day, month bool) {
	parts := dateParts(raw)
	if len(parts) != 3 || len(parts[0]) > 2 || len(parts[1]) > 2 || len(parts[2]) < 2 || strings.ContainsAny(raw, letters) {
		return false, false
	}
	a, b := number(parts[0]), number(parts[1])
	return a > 12 && a <= 31 && b >= 1 && b <= 12, b > 12 && b <= 31 && a >= 1 && a <= 12
}
