package consent

import (
	"math"
	"strings"
	"time"
)

// tick is an instant as the engine compares it: ticks are ordered as instants are, and between two neighbours lies
// a nanosecond from 1900 until 2150, a microsecond before and after, so that every year FHIR can write has its place.
type tick int64

const (
	always  tick = math.MinInt64 // an open start
	forever tick = math.MaxInt64 // an open end
)

// Seconds since 1970 between which ticks are nanoseconds, and the tick of the later one; the earlier one's is 0.
const (
	fineFrom      = -2208988800 // 1900-01-01T00:00:00Z
	fineTo        = 5680281600  // 2150-01-01T00:00:00Z
	fineEnd  tick = (fineTo - fineFrom) * 1e9
)

// tickOf is t as a tick; what t says beyond the tick's unit is dropped.
func tickOf(t time.Time) tick { return tickAt(t.Unix(), t.Nanosecond()) }

func tickAt(second int64, nanos int) tick {
	switch {
	case second < fineFrom:
		return tick((second-fineFrom)*1e6) + tick(nanos/1000)
	case second < fineTo:
		return tick((second-fineFrom)*1e9) + tick(nanos)
	}
	return fineEnd + tick((second-fineTo)*1e6) + tick(nanos/1000)
}

// time is t as a time in UTC.
func (t tick) time() time.Time {
	switch {
	case t < 0:
		return time.UnixMicro(fineFrom*1e6 + int64(t)).UTC()
	case t < fineEnd:
		return time.Unix(fineFrom+int64(t)/1e9, int64(t)%1e9).UTC()
	}
	return time.UnixMicro(fineTo*1e6 + int64(t-fineEnd)).UTC()
}

// interval is a span of time, both ends included. The zero interval is an instant in 1900, never a default.
type interval struct{ from, to tick }

func (a interval) within(b interval) bool   { return b.from <= a.from && a.to <= b.to }
func (a interval) overlaps(b interval) bool { return a.from <= b.to && b.from <= a.to }
func (a interval) holds(t tick) bool        { return a.from <= t && t <= a.to }

// ParseInstant reads a date and time with seconds and offset ("2026-03-01T10:00:00Z"), as fine as a tick is; for anything
// else it returns the zero time and is not ok. The instant that is the zero time is read a microsecond late: it is one.
//
// Source: FHIR R4 datatypes, instant; spec consent-cases 1.
func ParseInstant(s string) (_ time.Time, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[10] != 'T' {
		return time.Time{}, false
	}
	m, ok := readMoment(s, time.UTC)
	if !ok {
		return time.Time{}, false
	}
	return stated(m.from), true
}

// stated is t as a time that is never the zero one, which would say that nothing is stated.
func stated(t tick) time.Time {
	out := t.time()
	if out.IsZero() {
		return out.Add(time.Microsecond)
	}
	return out
}

// readMoment reads a FHIR date, partial date or dateTime. A date covers its widest interval in zone; a dateTime
// is one instant and needs an offset.
//
// Source: spec consent-cases 1; FHIR R4 datatypes, dateTime.
func readMoment(s string, zone *time.Location) (_ interval, ok bool) {
	day, clock, timed := strings.Cut(s, "T")
	if len(day) != 4 && len(day) != 7 && len(day) != 10 || timed && len(day) != 10 {
		return interval{}, false
	}
	y, ok := number(day[:4])
	if !ok || y == 0 {
		return interval{}, false
	}
	m, d := 1, 1
	if len(day) >= 7 {
		if m, ok = number(day[5:7]); !ok || day[4] != '-' || m < 1 || m > 12 {
			return interval{}, false
		}
	}
	if len(day) == 10 {
		if d, ok = number(day[8:10]); !ok || day[7] != '-' || d < 1 || d > time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day() {
			return interval{}, false
		}
	}
	if timed {
		return readClock(y, m, d, clock)
	}
	from, _ := midnight(y, m, d, zone)
	switch len(day) {
	case 4:
		y, m, d = y+1, 1, 1
	case 7:
		m, d = m+1, 1
	default:
		d++
	}
	_, end := midnight(y, m, d, zone)
	return interval{from, end - 1}, true
}

// readClock reads hh:mm:ss[.fraction](Z|±hh:mm).
func readClock(y, m, d int, clock string) (interval, bool) {
	if len(clock) < len("15:04:05Z") || clock[2] != ':' || clock[5] != ':' {
		return interval{}, false
	}
	hh, ok1 := number(clock[:2])
	mm, ok2 := number(clock[3:5])
	ss, ok3 := number(clock[6:8])
	if !ok1 || !ok2 || !ok3 || hh > 23 || mm > 59 || ss > 59 {
		return interval{}, false
	}
	rest := clock[8:]
	nanos := 0
	if rest[0] == '.' {
		digits := strings.TrimLeft(rest[1:], "0123456789")
		f := rest[1 : len(rest)-len(digits)]
		if f == "" {
			return interval{}, false
		}
		nanos, _ = number((f + "000000000")[:9]) // digits only; what is finer is dropped
		rest = digits
	}
	offset := 0
	if rest != "Z" {
		if len(rest) != 6 || rest[3] != ':' || rest[0] != '+' && rest[0] != '-' {
			return interval{}, false
		}
		oh, ok1 := number(rest[1:3])
		om, ok2 := number(rest[4:6])
		if !ok1 || !ok2 || om > 59 || oh*60+om > 14*60 {
			return interval{}, false
		}
		if offset = oh*3600 + om*60; rest[0] == '-' {
			offset = -offset
		}
	}
	at := tickAt(time.Date(y, time.Month(m), d, hh, mm, ss, 0, time.UTC).Unix()-int64(offset), nanos)
	return interval{at, at}, true
}

// midnight returns the first instant of a local day, and the instant from which the day before it does not come again. They
// differ where clocks are put back to before midnight just after it. Where they skip midnight it is the instant they
// skip at; where midnight comes twice on one day it is the first.
func midnight(y, m, d int, zone *time.Location) (first, last tick) {
	wall := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if zone == time.UTC {
		return tickOf(wall), tickOf(wall)
	}
	local := func(at time.Time) time.Time {
		_, offset := at.In(zone).Zone()
		return at.Add(time.Duration(offset) * time.Second)
	}
	first, last = forever, always
	for _, probe := range [...]time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(probe).In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		if local(at).Before(wall) {
			continue // this offset no longer, or not yet, holds then
		}
		first = min(first, tickOf(at))
		if local(at.Add(-time.Second)).Before(wall) {
			last = max(last, tickOf(at))
		}
	}
	if first == forever || last == always {
		at := tickOf(time.Date(y, time.Month(m), d, 0, 0, 0, 0, zone))
		return at, at
	}
	return first, last
}

func number(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, s != ""
}

// A Period is a span of time as FHIR writes it; "" is an open end.
type Period struct{ Start, End string }

// read returns the interval p means in zone. It is not ok when an end cannot be read or p is inverted.
func (p Period) read(zone *time.Location) (_ interval, ok bool) {
	out := interval{always, forever}
	if p.Start != "" {
		m, ok := readMoment(p.Start, zone)
		if !ok {
			return interval{}, false
		}
		out.from = m.from
	}
	if p.End != "" {
		m, ok := readMoment(p.End, zone)
		if !ok {
			return interval{}, false
		}
		out.to = m.to
	}
	return out, out.from <= out.to
}

// seconds is d in whole seconds, the next one up, none for what is not positive.
func seconds(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	return uint32(min((d+time.Second-1)/time.Second, math.MaxUint32))
}
