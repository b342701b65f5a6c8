package consent

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

// wishes is a person with one record and these directives, at a general hospital in New York.
func wishes(t *testing.T, directives ...Directive) *Decider {
	t.Helper()
	env, err := NewEnv(Setup{EmergencyHours: 4, Organizations: []Organization{{ID: "gh"}, {ID: "elm"}, {ID: "elm-north", Parent: "elm"}, {ID: "oak"}},
		Sites:    []Site{{ID: "s", Org: "gh", Zone: "America/New_York", PrivilegedRoles: []string{"ed"}}},
		Policies: []Policy{{URI: "p1"}, {URI: "p2"}, {URI: "p3"}},
		Defaults: []Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}})
	if err != nil {
		t.Fatal(err)
	}
	return Compile(env, Subject{Records: []Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}}}, directives)
}

func wish(id, policy string, filed time.Time, root Provision) Directive {
	return Directive{ID: id, Version: 1, Record: "1", Status: "active", Scope: "patient-privacy", Filed: filed, Signed: filed, Verified: true, NetworkWide: true,
		Policies: []string{policy}, Provision: &root}
}

func TestConflictsAreWhatThePapersLeaveOpen(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 3, n, 10, 0, 0, 0, time.UTC) }
	now := day(20)
	elm := Provision{Type: "permit", Actors: []Actor{{Reference: "Organization/elm"}}}
	all := Provision{Type: "permit"}
	no := Provision{Type: "deny"}
	absolute := wish("d", "p2", day(1), no)
	absolute.Absolute = true
	held := wish("p", "p1", day(2), elm)
	held.Policies = []string{"unregistered"}
	for _, tt := range []struct {
		name string
		in   []Directive
		want string
	}{
		{"vector 76: an older opt-out, later one practice named", []Directive{wish("d", "p2", day(1), no), wish("p", "p1", day(2), elm)}, "[]"},
		{"vector 77: an older permit, later opted out", []Directive{wish("p", "p1", day(1), elm), wish("d", "p2", day(2), no)}, "[]"},
		{"vector 79: both on one day", []Directive{wish("p", "p1", day(1), elm), wish("d", "p2", day(1), no)}, "[p/d neither is later than the other]"},
		{"later and no narrower", []Directive{wish("d", "p2", day(1), no), wish("p", "p1", day(2), all)}, "[p/d the later permission is not narrower than the refusal]"},
		{"against an absolute refusal", []Directive{absolute, wish("p", "p1", day(2), elm)}, "[p/d the refusal was marked absolute]"},
		{"about different practices", []Directive{wish("d", "p2", day(1), Provision{Type: "deny", Actors: []Actor{{Reference: "Organization/oak"}}}), wish("p", "p1", day(1), elm)}, "[]"},
		{"about a unit of the practice", []Directive{wish("d", "p2", day(1), Provision{Type: "deny", Actors: []Actor{{Reference: "Organization/elm-north"}}}), wish("p", "p1", day(1), elm)}, "[p/d neither is later than the other]"},
		{"for different purposes", []Directive{wish("d", "p2", day(1), Provision{Type: "deny", Purposes: []string{"HRESCH"}}), wish("p", "p1", day(1), Provision{Type: "permit", Purposes: []string{"TREAT"}})}, "[]"},
		{"of different labels", []Directive{wish("d", "p2", day(1), Provision{Type: "deny", Labels: []string{"HIV"}}), wish("p", "p1", day(1), Provision{Type: "permit", Labels: []string{"MH"}})}, "[]"},
		{"of one label within the other", []Directive{wish("d", "p2", day(1), Provision{Type: "deny", Labels: []string{"SUD"}}), wish("p", "p1", day(1), Provision{Type: "permit", Labels: []string{"ETHUD"}})}, "[p/d neither is later than the other]"},
		{"a permit that is held, which is another finding", []Directive{wish("d", "p2", day(2), no), held}, "[]"},
	} {
		var got []string
		for _, c := range wishes(t, tt.in...).Conflicts(now) {
			got = append(got, c.Permit.ID+"/"+c.Deny.ID+" "+c.Why)
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

func TestFindingsAreWhatSomebodyMustSeeTo(t *testing.T) {
	filed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	until := func(day string) Provision { return Provision{Type: "permit", Period: &Period{End: day}} }
	unverified := wish("1", "p1", filed, Provision{Type: "permit"})
	unverified.Verified = false
	for _, tt := range []struct {
		name string
		in   Directive
		now  string
		want []string
	}{
		{"a plain wish", wish("1", "p1", filed, Provision{Type: "permit"}), "2026-03-01", nil},
		{"61 days before its end", wish("1", "p1", filed, until("2026-12-31")), "2026-10-31", nil},
		{"60 days before", wish("1", "p1", filed, until("2026-12-31")), "2026-11-03", []string{"renewal 60"}},
		{"30 days before", wish("1", "p1", filed, until("2026-12-31")), "2026-12-05", []string{"renewal 30"}},
		{"7 days before", wish("1", "p1", filed, until("2026-12-31")), "2026-12-28", []string{"renewal 7"}},
		{"after its end", wish("1", "p1", filed, until("2026-12-31")), "2027-01-02", []string{"renewal ended"}},
		{"long after", wish("1", "p1", filed, until("2026-12-31")), "2027-06-01", nil},
		{"not verified", unverified, "2026-03-01", []string{"unverified "}},
		{"under a policy nobody knows", wish("1", "px", filed, Provision{Type: "permit"}), "2026-03-01", []string{"held "}},
		{"naming a care team there is not", wish("1", "p1", filed, Provision{Type: "permit", Actors: []Actor{{Reference: "CareTeam/nobody"}}}), "2026-03-01", []string{"broken "}},
		{"naming a care team there is", wish("1", "p1", filed, Provision{Type: "permit", Actors: []Actor{{Reference: "CareTeam/ward"}}}), "2026-03-01", nil},
		{"naming a practice that left", wish("1", "p1", filed, Provision{Type: "permit", Actors: []Actor{{Reference: "Organization/gone"}}}), "2026-03-01", []string{"broken "}},
	} {
		now, err := time.Parse(time.DateOnly, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range wishes(t, tt.in).Findings(now.Add(12*time.Hour), "nobody") {
			got = append(got, string(f.Kind)+" "+f.Mark)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestAPreviewSaysWhoCanSeeWhatBeforeAndAfter: one practice named beside an opt-out.
func TestAPreviewSaysWhoCanSeeWhatBeforeAndAfter(t *testing.T) {
	filed := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	choice := Provision{Type: "deny", Provisions: []Provision{{Type: "permit", Actors: []Actor{{Reference: "Organization/elm"}}, Purposes: []string{"TREAT"}},
		{Type: "deny", Labels: []string{"HIV"}}}}
	now, then := wishes(t), wishes(t, wish("1", "p1", filed, choice))
	askers := then.env.PreviewAskers(Subject{Records: then.records}, []Directive{wish("1", "p1", filed, choice)}, nil, 8)
	if len(askers) != 2 || askers[0].Organization != "elm" || askers[1].Organization != "gh" {
		t.Fatalf("askers %v", askers)
	}
	released := map[string]string{}
	for _, o := range Preview(now, then, []hie.SiteID{"s"}, askers, filed.Add(time.Hour)) {
		released[fmt.Sprint(o.Asker.Organization, " ", o.Purpose, " ", o.Kind)] = fmt.Sprint(o.Now, " ", o.Then)
	}
	for what, want := range map[string]string{
		"elm TREAT ordinary": "true true", "elm TREAT HIV": "true false", "elm TREAT MH": "true true", "gh TREAT ordinary": "true false",
		"gh BTG ordinary": "true true", "gh HMARKT ordinary": "true false", "elm HPAYMT ordinary": "true false",
	} {
		if released[what] != want {
			t.Errorf("%s: %s, want %s", what, released[what], want)
		}
	}
	if len(released) != 2*len(SightPurposes())*len(SightKinds()) {
		t.Errorf("%d cells", len(released))
	}
}
