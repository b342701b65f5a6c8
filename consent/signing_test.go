package consent

import (
	"slices"
	"testing"
	"time"
)

// TestWhoSignedAndOnWhatIsSeenTo: a guardian's power ends with 2026, and the form has had a second version since.
//
// Source: spec consent 2.20 (guardian end, policy-version change).
func TestWhoSignedAndOnWhatIsSeenTo(t *testing.T) {
	filed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	guardian := Proxy{Ref: "RelatedPerson/g", Period: Period{Start: "2025-01-01", End: "2026-12-31"}}
	signed := wish("1", "p1", filed, Provision{Type: "permit"})
	signed.Performers = []string{guardian.Ref}
	refused := signed
	refused.Provision = &Provision{Type: "deny"}
	revoked := signed
	revoked.Status = "inactive"
	ended := signed
	ended.Provision = &Provision{Type: "permit", Period: &Period{End: "2026-06-30"}}
	own := wish("1", "p1", filed, Provision{Type: "permit"})
	extended := guardian
	extended.Period.End = "2027-12-31"
	parent := Proxy{Ref: guardian.Ref, Lapses: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	forms := map[string]SignedForm{"1": {"share", 1}}
	newer := []Template{{ID: "share", Version: 2}, {ID: "never", Version: 4}}
	for _, tt := range []struct {
		name    string
		in      Directive
		proxies []Proxy
		forms   map[string]SignedForm
		offered []Template
		now     string
		want    []string
	}{
		{"long before", signed, []Proxy{guardian}, nil, nil, "2026-10-01", nil},
		{"sixty days before", signed, []Proxy{guardian}, nil, nil, "2026-11-05", []string{"representative 60"}},
		{"a week before", signed, []Proxy{guardian}, nil, nil, "2026-12-28", []string{"representative 7"}},
		{"when it has ended", signed, []Proxy{guardian}, nil, nil, "2027-01-02", []string{"representative ended"}},
		{"a refusal signed by them", refused, []Proxy{guardian}, nil, nil, "2027-01-02", []string{"representative ended"}},
		{"what was revoked", revoked, []Proxy{guardian}, nil, nil, "2027-01-02", nil},
		{"the court has prolonged it", signed, []Proxy{guardian, extended}, nil, nil, "2027-01-02", nil},
		{"what the patient signed", own, []Proxy{guardian}, nil, nil, "2027-01-02", nil},
		{"a parent's lapses, which is another finding", signed, []Proxy{parent}, nil, nil, "2027-01-02", nil},
		{"a newer form", own, nil, forms, newer, "2026-03-01", []string{"form 2"}},
		{"the newest form", own, nil, map[string]SignedForm{"1": {"share", 2}}, newer, "2026-03-01", nil},
		{"a form that is not offered any more", own, nil, forms, newer[1:], "2026-03-01", nil},
		{"no form", own, nil, nil, newer, "2026-03-01", nil},
		{"a newer form of what has ended", ended, nil, forms, newer, "2026-08-01", nil},
	} {
		now, err := time.Parse(time.DateOnly, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		d := wishes(t)
		d = Compile(d.env, Subject{Records: d.records, Proxies: tt.proxies}, []Directive{tt.in})
		var got []string
		for _, f := range d.FindingsOfSigning([]Directive{tt.in}, tt.forms, func(Directive) []Template { return tt.offered }, now.Add(12*time.Hour)) {
			got = append(got, string(f.Kind)+" "+f.Mark)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
