package locator

import (
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// oracle answers a date comparison from the definitions of FHIR R4 search 3.1.1.4.2, point by point on a line of
// whole hours: no interval arithmetic, so that it cannot share a mistake with Compare.
func oracle(prefix string, target, sought [2]int) bool {
	inside := func(h int, r [2]int) bool { return h >= r[0] && h < r[1] }
	contains, overlapsAbove, overlapsBelow, allAfter, allBefore, overlaps := true, false, false, true, true, false
	for h := -60; h < 60; h++ {
		if !inside(h, target) {
			continue
		}
		contains = contains && inside(h, sought)
		overlaps = overlaps || inside(h, sought)
		overlapsAbove = overlapsAbove || h >= sought[1]
		overlapsBelow = overlapsBelow || h < sought[0]
		allAfter = allAfter && h >= sought[1]
		allBefore = allBefore && h < sought[0]
	}
	switch prefix {
	case "eq":
		return contains
	case "ne":
		return !contains
	case "gt":
		return overlapsAbove
	case "lt":
		return overlapsBelow
	case "ge":
		return overlapsAbove || contains
	case "le":
		return overlapsBelow || contains
	case "sa":
		return allAfter
	case "eb":
		return allBefore
	}
	return overlaps
}

func TestDateComparisonsAgreeWithTheirDefinition(t *testing.T) {
	hour := func(h int) time.Time { return at("2026-03-01T00:00:00Z").Add(time.Duration(h) * time.Hour) }
	n := 0
	for _, prefix := range []string{"eq", "ne", "gt", "ge", "lt", "le", "sa", "eb"} {
		for tl := -4; tl <= 4; tl++ {
			for th := tl + 1; th <= 6; th++ {
				for sl := -3; sl <= 3; sl++ {
					for sh := sl + 1; sh <= 5; sh++ {
						n++
						got := false
						for _, b := range Compare(prefix, Span{hour(sl), hour(sh)}, time.Time{}) {
							got = got || b.Holds(Span{hour(tl), hour(th)})
						}
						if want := oracle(prefix, [2]int{tl, th}, [2]int{sl, sh}); got != want {
							t.Fatalf("[%d,%d) %s [%d,%d) = %v, want %v", tl, th, prefix, sl, sh, got, want)
						}
					}
				}
			}
		}
	}
	if n < 5000 {
		t.Errorf("only %d comparisons were made", n)
	}
}

// The cases every implementer gets wrong once, by name. Targets and sought dates are as their precision makes them.
func TestDateComparisonsBySentence(t *testing.T) {
	day := Span{at("2026-03-08T05:00:00Z"), at("2026-03-09T04:00:00Z")} // 8 March in New York: 23 hours
	second := Span{at("2026-03-08T12:00:00Z"), at("2026-03-08T12:00:01Z")}
	year := Span{at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")}
	utcDay := Span{at("2026-03-08T00:00:00Z"), at("2026-03-09T00:00:00Z")}
	open := Span{Start: at("2026-03-01T00:00:00Z")}
	past := Span{End: at("2026-03-01T00:00:00Z")}
	now := at("2026-03-10T00:00:00Z")
	for _, tt := range []struct {
		name   string
		target Span
		prefix string
		sought Span
		want   bool
	}{
		{"a second of a day equals the day", second, "eq", utcDay, true},
		{"a day does not equal one of its seconds", utcDay, "eq", second, false},
		{"a day of a year equals the year", utcDay, "eq", year, true},
		{"a year is not equal to one of its days", year, "ne", utcDay, true},
		{"a day in New York is not equal to the UTC day: it ends later", day, "eq", utcDay, false},
		{"a day is not greater than itself", utcDay, "gt", utcDay, false},
		{"a day is greater or equal to itself", utcDay, "ge", utcDay, true},
		{"a day is less or equal to itself", utcDay, "le", utcDay, true},
		{"a year is greater than its first day", year, "gt", utcDay, true},
		{"a year is less than one of its days as well", year, "lt", utcDay, true},
		{"a year does not start after one of its days", year, "sa", utcDay, false},
		{"the next day starts after", Span{utcDay.End, utcDay.End.Add(24 * time.Hour)}, "sa", utcDay, true},
		{"the day before ends before", Span{utcDay.Start.Add(-24 * time.Hour), utcDay.Start}, "eb", utcDay, true},
		{"a period without end is greater than everything", open, "gt", year, true},
		{"a period without end equals nothing", open, "eq", year, false},
		{"a period without end ends before nothing", open, "eb", year, false},
		{"a period without end does not start after a year it began in", open, "sa", year, false},
		{"a period without end is less than what comes after its start", open, "lt", utcDay, true},
		{"a period without start is less than everything", past, "lt", year, true},
		{"a period without start starts after nothing", past, "sa", Span{at("2020-01-01T00:00:00Z"), at("2020-01-02T00:00:00Z")}, false},
		{"a period without start ends before what comes later", past, "eb", utcDay, true},
		{"no date passes no test, not even ne", Span{}, "ne", utcDay, false},
		{"two days ago is about one and a half days ago", utcDay, "ap", Span{at("2026-03-08T12:00:00Z"), at("2026-03-08T12:00:01Z")}, true},
		{"last year is not about two days ago", Span{at("2025-03-08T00:00:00Z"), at("2025-03-09T00:00:00Z")}, "ap", utcDay, false},
		{"ten years ago is about ten and a half years ago", Span{at("2016-03-08T00:00:00Z"), at("2016-03-09T00:00:00Z")}, "ap", Span{at("2015-09-08T00:00:00Z"), at("2015-09-09T00:00:00Z")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := false
			for _, b := range Compare(tt.prefix, tt.sought, now) {
				got = got || b.Holds(tt.target)
			}
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if Compare("xx", utcDay, now) != nil {
		t.Error("an unknown prefix gave a test")
	}
}

func TestKinds(t *testing.T) {
	cs := codings
	plain := KindOf(cs("urn:c", "note"), cs("urn:t", "1"), nil, true)
	for _, tt := range []struct {
		name string
		k    Kind
		same bool
	}{
		{"the order and repetition of codes does not matter", KindOf(cs("urn:c", "note", "note"), cs("urn:t", "1"), nil, true), true},
		{"another class is another kind", KindOf(cs("urn:c", "lab"), cs("urn:t", "1"), nil, true), false},
		{"a class is not a type", KindOf(cs("urn:c", "1"), cs("urn:t", "note"), nil, true), false},
		{"a label makes another kind", KindOf(cs("urn:c", "note"), cs("urn:t", "1"), cs(SystemConfidentiality, "N"), true), false},
		{"what a document may be used for is not looked at", KindOf(cs("urn:c", "note"), cs("urn:t", "1"), cs("http://terminology.hl7.org/CodeSystem/v3-ActReason", "TREAT"), true), true},
	} {
		if (tt.k.ID == plain.ID) != tt.same || tt.k.Equal(plain) != tt.same {
			t.Errorf("%s: same = %v", tt.name, tt.k.ID == plain.ID)
		}
	}
	high := KindOf(nil, nil, cs(SystemConfidentiality, "N", "R", "L"), true)
	if high.Confidentiality != "R" || !high.Labelled {
		t.Errorf("the highest label counts: %+v", high)
	}
	if k := KindOf(nil, nil, cs(SystemConfidentiality, "secret"), true); k.Confidentiality != "V" {
		t.Errorf("an unknown confidentiality counts as the highest: %+v", k)
	}
	if k := KindOf(nil, nil, cs(SystemActCode, "HIV"), false); k.Labelled || len(k.Sensitivity) != 1 {
		t.Errorf("a site that does not label leaves its codes and no label state: %+v", k)
	}
	for name, unread := range map[string][]hie.Coding{"of a system nobody knows": cs("urn:local:labels", "HIV"), "of no system": cs("", "HIV"), "without a code": {{}},
		"of the right system without a code": {{System: SystemActCode}}, "that names a policy nobody reads": cs(SystemConsentPolicy, "hipaa-auth")} {
		if k := KindOf(nil, nil, append(cs(SystemConfidentiality, "N"), unread...), true); k.Labelled || k.Confidentiality != "N" {
			t.Errorf("a label %s leaves open what else there is: %+v", name, k)
		}
	}
	for _, system := range []string{"urn:oid:2.16.840.1.113883.5.4", "http://hl7.org/fhir/v3/ActCode"} {
		if k := KindOf(nil, nil, cs(system, "HIV"), true); !k.Labelled || len(k.Sensitivity) != 1 {
			t.Errorf("a sensitivity under its system's other name: %+v", k)
		}
	}
	if k := KindOf(nil, nil, nil, true); k.Labelled || k.ID <= 0 {
		t.Errorf("a document without labels is unlabelled at a labelling site: %+v", k)
	}
}

func TestFiltersFoldNames(t *testing.T) {
	p := Pointer{Authors: []Author{{Given: []string{"Zoë"}, Family: "Ångström-Lund"}, {Family: "de Vries"}}}
	for _, tt := range []struct {
		field Field
		text  string
		exact bool
		want  bool
	}{
		{FieldFamily, "angstrom", false, true}, {FieldFamily, "ANG", false, true}, {FieldFamily, "lund", false, false},
		{FieldGiven, "zoe", false, true}, {FieldGiven, "angstrom", false, false}, {FieldFamily, "Ångström-Lund", true, true},
		{FieldFamily, "ångström-lund", true, false}, {FieldFamily, "Ångström", true, false}, {FieldFamily, "de V", false, true},
		{FieldFamily, "x\nauthor.family~de", false, false},
	} {
		f := Filter{Names: []NameClause{{Field: tt.field, Any: []NameMatch{{Text: tt.text, Exact: tt.exact}}}}}
		if got := f.Matches(p); got != tt.want {
			t.Errorf("%s %q exact=%v = %v, want %v", tt.field, tt.text, tt.exact, got, tt.want)
		}
	}
}
