package fhir

import (
	"strconv"
	"strings"
	"time"
)

// A Span is the time a FHIR date, dateTime or instant covers: [Start, End), as wide as its precision. "2024"
// covers a year, "2024-03-01T10:00:00Z" one second.
type Span struct {
	Start, End time.Time // UTC
}

// ParseSpan reads a FHIR date, dateTime or instant. A value without an offset is taken in zone (nil: UTC).
// ok is false for anything else, for dates that do not exist and for years outside 1000-9999.
//
// Source: FHIR R4 datatypes (date, dateTime, instant) and search 3.1.1.5.4 (implicit ranges).
func ParseSpan(s string, zone *time.Location) (_ Span, ok bool) {
	if zone == nil {
		zone = time.UTC
	}
	day, clock, timed := strings.Cut(s, "T")
	parts := strings.Split(day, "-")
	year, ok := digits(parts[0], 4)
	if !ok || year < 1000 || len(parts) > 3 || (timed && len(parts) != 3) {
		return Span{}, false
	}
	month, dayOfMonth := 1, 1
	if len(parts) > 1 {
		if month, ok = digits(parts[1], 2); !ok || month < 1 || month > 12 {
			return Span{}, false
		}
	}
	if len(parts) > 2 {
		if dayOfMonth, ok = digits(parts[2], 2); !ok || dayOfMonth < 1 || dayOfMonth > daysIn(year, month) {
			return Span{}, false
		}
	}
	if timed {
		return parseTimed(year, month, dayOfMonth, clock, zone)
	}
	start := time.Date(year, time.Month(month), dayOfMonth, 0, 0, 0, 0, zone)
	var end time.Time
	switch len(parts) {
	case 1:
		end = time.Date(year+1, 1, 1, 0, 0, 0, 0, zone)
	case 2:
		end = time.Date(year, time.Month(month)+1, 1, 0, 0, 0, 0, zone)
	default:
		end = time.Date(year, time.Month(month), dayOfMonth+1, 0, 0, 0, 0, zone)
	}
	return Span{Start: start.UTC(), End: end.UTC()}, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func digits(s string, n int) (int, bool) {
	if len(s) != n || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	v, err := strconv.Atoi(s)
	return v, err == nil
}

// parseTimed reads hh:mm[:ss[.fff]] with an optional Z or ±hh:mm. Seconds may be missing in search values.
func parseTimed(year, month, day int, clock string, zone *time.Location) (Span, bool) {
	switch i := strings.IndexAny(clock, "Z+-"); {
	case i >= 0 && clock[i:] == "Z":
		clock, zone = clock[:i], time.UTC
	case i >= 0:
		hh, mm, found := strings.Cut(clock[i+1:], ":")
		h, ok1 := digits(hh, 2)
		m, ok2 := digits(mm, 2)
		if !found || !ok1 || !ok2 || h > 14 || m > 59 {
			return Span{}, false
		}
		offset := h*3600 + m*60
		if clock[i] == '-' {
			offset = -offset
		}
		clock, zone = clock[:i], time.FixedZone("", offset)
	}
	clock, fraction, fractional := strings.Cut(clock, ".")
	parts := strings.Split(clock, ":")
	if len(parts) < 2 || len(parts) > 3 || (fractional && len(parts) != 3) {
		return Span{}, false
	}
	var v [3]int
	for i, p := range parts {
		n, ok := digits(p, 2)
		if !ok || n > [3]int{23, 59, 60}[i] {
			return Span{}, false
		}
		v[i] = n
	}
	nanos, width := 0, time.Second
	if len(parts) == 2 {
		width = time.Minute
	}
	if fractional {
		if fraction == "" || len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "" {
			return Span{}, false
		}
		for range fraction {
			width /= 10
		}
		padded := fraction + strings.Repeat("0", 9-len(fraction))
		nanos, _ = strconv.Atoi(padded) // only digits
		width = max(width, time.Microsecond)
	}
	start := time.Date(year, time.Month(month), day, v[0], v[1], min(v[2], 59), nanos, zone).UTC().Truncate(time.Microsecond)
	return Span{Start: start, End: start.Add(width)}, true
}

// Instant writes t as FHIR instants are written here: UTC, to the millisecond.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
