package fhir

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestBadJSONIsRefusedWithItsPlace(t *testing.T) {
	for _, tt := range []struct{ name, in, path string }{
		{"a duplicate member", `{"resourceType":"Bundle","type":"a","type":"b"}`, "Bundle.type"},
		{"a wrong type", `{"resourceType":"Bundle","type":7}`, "Bundle.type"},
		{"a wrong type deep inside", `{"resourceType":"Bundle","type":"x","entry":[{},{"fullUrl":[]}]}`, "Bundle.entry[1].fullUrl"},
		{"a truncated body", `{"resourceType":"Bundle","type":"x`, "Bundle"},
		{"not an object", `[]`, ""},
		{"nothing", ``, ""},
		{"invalid UTF-8", "{\"resourceType\":\"Bundle\",\"type\":\"\xff\"}", "Bundle.type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b Bundle
			err := Decode([]byte(tt.in), &b)
			var inv *hie.InvalidError
			if !errors.As(err, &inv) {
				t.Fatalf("Decode = %v, want an InvalidError", err)
			}
			if inv.Path != tt.path && tt.name != "a truncated body" && tt.name != "invalid UTF-8" {
				t.Errorf("path = %q, want %q", inv.Path, tt.path)
			}
		})
	}
	deep := make([]byte, 100)
	for i := range deep {
		deep[i] = '['
	}
	if err := Decode(deep, new(Bundle)); err == nil {
		t.Error("nesting beyond MaxDepth was accepted")
	}
}

func TestAnObjectKeepsWhatItIsNotAskedToChange(t *testing.T) {
	o, err := ParseObject([]byte(`{"resourceType":"X", "b" : 1.10, "id":"old","z":{"k":[1, 2]}}`))
	if err != nil {
		t.Fatal(err)
	}
	o.Set("id", "new")
	o.Set("meta", Meta{VersionID: "2"})
	o.Delete("nothing")
	want := `{"resourceType":"X","meta":{"versionId":"2"},"b":1.10,"id":"new","z":{"k":[1, 2]}}`
	if got := string(o.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDatesCoverTheirPrecision(t *testing.T) {
	ny, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skip("no time zone data on this machine")
	}
	for _, tt := range []struct{ in, start, end string }{
		{"2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"},
		{"2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"2024-02-29T10:00", "2024-02-29T10:00:00Z", "2024-02-29T10:01:00Z"},
		{"2024-02-29T10:00:01+05:30", "2024-02-29T04:30:01Z", "2024-02-29T04:30:02Z"},
		{"2024-02-29T10:00:01.25Z", "2024-02-29T10:00:01.25Z", "2024-02-29T10:00:01.26Z"},
	} {
		s, ok := ParseSpan(tt.in, nil)
		if !ok || s.Start.Format(time.RFC3339Nano) != tt.start || s.End.Format(time.RFC3339Nano) != tt.end {
			t.Errorf("%s = %v-%v %v, want %s-%s", tt.in, s.Start, s.End, ok, tt.start, tt.end)
		}
	}
	if s, ok := ParseSpan("2024-03-10", ny); !ok || s.End.Sub(s.Start) != 23*time.Hour {
		t.Errorf("the day clocks go forward in New York covers %v, want 23h", s.End.Sub(s.Start))
	}
	for _, bad := range []string{"", "24", "2023-02-29", "2024-13", "2024-1-1", "2024-01-01T25:00:00Z", "2024T10:00:00Z",
		"2024-01-01T10", "2024-01-01T10:00:00+1", "2024-01-01T10:00:00.Z", "0000", "2024-01-01 10:00:00"} {
		if _, ok := ParseSpan(bad, nil); ok {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestSearchValuesKeepEscapedSeparators(t *testing.T) {
	ps, err := ParseParams(`patient.identifier=urn%3Aa%7C1%5C%2C2,x&status:not=current&empty=`)
	if err != nil || len(ps) != 2 {
		t.Fatalf("got %d parameters, %v; want 2", len(ps), err)
	}
	if got := ParseToken(ps[0].Values[0]); got != (Token{System: "urn:a", Code: "1,2", HasSystem: true}) {
		t.Errorf("token = %+v", got)
	}
	if ps[0].Name != "patient.identifier" || len(ps[0].Values) != 2 || ps[1].Modifier != "not" {
		t.Errorf("parameters = %+v", ps)
	}
	if got := ParseToken("|x"); !got.HasSystem || got.System != "" {
		t.Errorf("|x = %+v, want: no system", got)
	}
}

func FuzzParseSpan(f *testing.F) {
	f.Add("2024-02-29T10:00:01.25+05:30")
	f.Fuzz(func(t *testing.T, s string) {
		if span, ok := ParseSpan(s, nil); ok && !span.Start.Before(span.End) {
			t.Errorf("an empty span")
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"a":1}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v Bundle
		if Decode(b, &v) == nil {
			if err := Decode(Encode(v), new(Bundle)); err != nil {
				t.Errorf("what was read cannot be read again once written: %v", err)
			}
		}
		if o, err := ParseObject(b); err == nil {
			if _, err := ParseObject(o.Bytes()); err != nil {
				t.Errorf("an object does not survive a round trip: %v", err)
			}
		}
	})
}

func FuzzParseParams(f *testing.F) {
	f.Add("a=b&c:not=d,e")
	f.Fuzz(func(t *testing.T, s string) {
		ps, err := ParseParams(s)
		if err != nil {
			return
		}
		for _, p := range ps {
			for _, v := range p.Values {
				ParseToken(v)
				ParseDateTest(v)
			}
		}
	})
}
