package consent

import (
	"math"
	"testing"
	"time"
)

func TestDatesMeanTheirWidestIntervalInTheirZone(t *testing.T) {
	for _, tt := range []struct{ name, in, zone, from, to string }{
		{"a day", "2026-03-01", "UTC", "2026-03-01T00:00:00Z", "2026-03-01T23:59:59.999999999Z"},
		{"a month", "2024-02", "UTC", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999999999Z"},
		{"a year", "2025", "Asia/Tokyo", "2024-12-31T15:00:00Z", "2025-12-31T14:59:59.999999999Z"},
		{"a day of 23 hours", "2026-03-08", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T03:59:59.999999999Z"},
		{"a day that begins where clocks skip midnight", "2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T01:59:59.999999999Z"},
		{"the day before it", "2018-11-03", "America/Sao_Paulo", "2018-11-03T03:00:00Z", "2018-11-04T02:59:59.999999999Z"},
		{"a day whose midnight comes twice", "2023-11-05", "America/Havana", "2023-11-05T04:00:00Z", "2023-11-06T04:59:59.999999999Z"},
		{"a day that comes again for an hour when the next has begun", "2010-11-06", "America/St_Johns", "2010-11-06T02:30:00Z", "2010-11-07T03:29:59.999999999Z"},
		{"the day after it", "2010-11-07", "America/St_Johns", "2010-11-07T02:30:00Z", "2010-11-08T03:29:59.999999999Z"},
		{"a day whose last hour comes twice", "2018-02-17", "America/Sao_Paulo", "2018-02-17T02:00:00Z", "2018-02-18T02:59:59.999999999Z"},
		{"the day before one whose midnight comes twice", "2023-11-04", "America/Havana", "2023-11-04T04:00:00Z", "2023-11-05T03:59:59.999999999Z"},
		{"a day after one that was left out", "2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T09:59:59.999999999Z"},
		{"a year long ago", "1899", "UTC", "1899-01-01T00:00:00Z", "1899-12-31T23:59:59.999999Z"},
		{"a year far away", "9999", "UTC", "9999-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"},
		{"an instant", "2026-03-01T10:00:00.25+05:30", "Asia/Tokyo", "2026-03-01T04:30:00.25Z", "2026-03-01T04:30:00.25Z"},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Skip("no time zone data on this machine")
		}
		got, ok := readMoment(tt.in, zone)
		from, to := got.from.time().Format(time.RFC3339Nano), got.to.time().Format(time.RFC3339Nano)
		if !ok || from != tt.from || to != tt.to {
			t.Errorf("%s: %s to %s (%t), want %s to %s", tt.name, from, to, ok, tt.from, tt.to)
		}
	}
	for _, bad := range []string{"", "26", "2026-3-1", "2026-02-29", "2026-13", "0000", "2026-03-01T10:00:00", "2026-03-01T10:00Z", "2026-03-01 10:00:00Z", "2026-03T10:00:00Z",
		"2026-03-01T24:00:00Z", "2026-03-01T10:00:60Z", "2026-03-01T10:00:00.Z", "2026-03-01T10:00:00+25:00", "2026-03-01T10:00:00z", "20260301", "+026"} {
		if _, ok := readMoment(bad, time.UTC); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestAnInstantIsReadToTheNanosecond(t *testing.T) {
	for in, want := range map[string]string{
		"2026-03-01T10:00:00Z":                   "2026-03-01T10:00:00Z",
		"2026-03-01T10:00:00+05:30":              "2026-03-01T04:30:00Z",
		"2026-03-01T10:00:00.5-05:00":            "2026-03-01T15:00:00.5Z", // the offset is no part of the fraction
		"2026-03-01T10:00:00.25-05:39":           "2026-03-01T15:39:00.25Z",
		"2026-03-01T10:00:00.123456-05:00":       "2026-03-01T15:00:00.123456Z",
		"2026-03-01T10:00:00.1234567Z":           "2026-03-01T10:00:00.1234567Z",
		"2026-03-01T10:00:00.123456789+00:00":    "2026-03-01T10:00:00.123456789Z",
		"2026-03-01T10:00:00.123456789123-00:01": "2026-03-01T10:01:00.123456789Z", // what is finer is dropped
	} {
		if got, ok := ParseInstant(in); !ok || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %s (%t), want %s", in, got.Format(time.RFC3339Nano), ok, want)
		}
	}
}

func TestTicksAreOrderedAsInstantsAre(t *testing.T) {
	order := []string{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000002Z", "1600-02-29T12:00:00Z", "1899-12-31T23:59:59.999998Z", "1899-12-31T23:59:59.999999Z", "1900-01-01T00:00:00Z",
		"1900-01-01T00:00:00.000000001Z", "1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z", "2026-03-01T10:00:00.123456788Z", "2026-03-01T10:00:00.123456789Z", "2149-12-31T23:59:59.999999999Z",
		"2150-01-01T00:00:00Z", "2150-01-01T00:00:00.000001Z", "2262-04-12T00:00:00Z", "9999-12-31T23:59:59.999999Z"}
	last := always
	for _, s := range order {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		if now := tickOf(at); now <= last || now >= forever || !now.time().Equal(at) {
			t.Errorf("%s is tick %d, and that is %s", s, now, now.time())
		}
		last = tickOf(at)
	}
}

func TestTheHoursOfAnEmergencyAreTheDecimalNumberWritten(t *testing.T) {
	for h, want := range map[float64]time.Duration{4: 4 * time.Hour, 0: 0, -1: -time.Hour, -0.5: 0, 0.5: 30 * time.Minute, 1.1: 66 * time.Minute, 0.7: 42 * time.Minute, 2.9: 174 * time.Minute,
		1e-12: 4, 1e300: math.MaxInt64, math.Inf(1): math.MaxInt64, 1e6: 1e6 * time.Hour} {
		if got := hours(h); got != want {
			t.Errorf("%v hours: %v, want %v", h, got, want)
		}
	}
}

func FuzzMoment(f *testing.F) {
	f.Add("2026-03-01T10:00:00.25+05:30")
	f.Add("2026-03-01T10:00:00.5-05:00")
	f.Add("2026-03")
	f.Fuzz(func(t *testing.T, s string) {
		if m, ok := readMoment(s, time.UTC); ok && m.from > m.to {
			t.Error("an interval upside down")
		}
		ParseInstant(s) // never panics
	})
}
