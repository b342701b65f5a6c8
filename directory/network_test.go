package directory

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
)

// sample is a small network: a health system with a hospital unit, and a practice of its own.
func sample() File {
	return File{
		Organizations: []Organization{
			{ID: "mercy", Name: "Mercy Health", Identifier: "urn:org:mercy", Kind: "hospital", Jurisdiction: "US-MD", Active: true},
			{ID: "mercy-heart", Name: "Mercy Heart Center", Parent: "mercy", Identifier: "urn:org:mercy-heart", Kind: "practice", Active: true},
			{ID: "oak", Name: "Oak Street Practice", Identifier: "urn:org:oak", Kind: "practice", Active: true},
		},
		Sites: []Site{
			{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:oid:1.1", "urn:oid:1.2"}, Zone: "America/New_York",
				Publishes: true, Active: true, Membership: Live, Endpoints: []Endpoint{{ID: "mercy-fhir", Protocol: "fhir-r4", Address: "https://mercy.example/fhir"}}},
			{ID: "mercy-heart-east", Org: "mercy-heart", Name: "Heart East", Authorities: []string{"urn:oid:1.3"}, Zone: "America/New_York", Active: true, Membership: Live},
			{ID: "oak-street", Org: "oak", Name: "Oak Street", Authorities: []string{"urn:oid:2.1"}, Zone: "America/Chicago", Jurisdiction: "US-IL", Active: true, Membership: Live},
		},
		Defaults: []Default{{Network: true, PurposeClass: "TREAT", Category: "*", Rule: "basic-normal"},
			{Jurisdiction: "US-IL", PurposeClass: "TREAT", Category: "*", Rule: "deny"}},
	}
}

func mustNetwork(t *testing.T, f File) *Network {
	t.Helper()
	n, err := f.Network(1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAFileThatDoesNotFitTogetherIsRefusedWithItsPlace(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		spoil      func(*File)
	}{
		{"an organization id that is no FHIR id", "organizations[0].id", func(f *File) { f.Organizations[0].ID = "a b" }},
		{"an organization named twice", "organizations[2].id", func(f *File) { f.Organizations[2].ID = "mercy" }},
		{"an organization without a name", "organizations[1].name", func(f *File) { f.Organizations[1].Name = "" }},
		{"an organization without an identifier", "organizations[1].identifier", func(f *File) { f.Organizations[1].Identifier = "" }},
		{"an identifier of two organizations", "organizations[2].identifier", func(f *File) { f.Organizations[2].Identifier = "urn:org:mercy" }},
		{"a parent that is not there", "organizations[2].parent", func(f *File) { f.Organizations[2].Parent = "elm" }},
		{"organizations that are units of each other", "organizations[0].parent", func(f *File) { f.Organizations[0].Parent = "mercy-heart" }},
		{"a site named twice", "sites[1].id", func(f *File) { f.Sites[1].ID = "mercy-main" }},
		{"a site of nobody", "sites[2].org", func(f *File) { f.Sites[2].Org = "elm" }},
		{"a site that assigns nothing", "sites[2].authorities", func(f *File) { f.Sites[2].Authorities = nil }},
		{"an assigning authority of two sites", "sites[2].authorities", func(f *File) { f.Sites[2].Authorities = []string{"urn:oid:1.2"} }},
		{"no time zone", "sites[0].zone", func(f *File) { f.Sites[0].Zone = "" }},
		{"an unknown time zone", "sites[0].zone", func(f *File) { f.Sites[0].Zone = "Mars/Olympus" }},
		{"an endpoint without an address", "sites[0].endpoints[0]", func(f *File) { f.Sites[0].Endpoints[0].Address = "" }},
		{"an endpoint of an unknown protocol", "sites[0].endpoints[0]", func(f *File) { f.Sites[0].Endpoints[0].Protocol = "fax" }},
		{"an endpoint id that is no FHIR id", "sites[0].endpoints[0].id", func(f *File) { f.Sites[0].Endpoints[0].ID = "a/b" }},
		{"an endpoint id of two sites", "sites[1].endpoints[0].id", func(f *File) { f.Sites[1].Endpoints = f.Sites[0].Endpoints }},
		{"a site and an organization of one id", "sites[2].id", func(f *File) { f.Sites[2].ID = "oak" }},
		{"a default of nobody", "defaults[0]", func(f *File) { f.Defaults[0].Network = false }},
		{"a default of two", "defaults[0]", func(f *File) { f.Defaults[0].Jurisdiction = "US-MD" }},
		{"a default of an unknown site", "defaults[1].site", func(f *File) { f.Defaults[1].Jurisdiction, f.Defaults[1].Site = "", "elm" }},
		{"an unknown rule", "defaults[0].rule", func(f *File) { f.Defaults[0].Rule = "maybe" }},
		{"a default without a purpose", "defaults[0]", func(f *File) { f.Defaults[0].PurposeClass = "" }},
		{"two defaults for the same", "defaults[1]", func(f *File) { f.Defaults[1].Jurisdiction, f.Defaults[1].Network = "", true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := sample()
			tt.spoil(&f)
			_, err := f.Network(1)
			inv, ok := errors.AsType[*hie.InvalidError](err)
			if !ok || inv.Path != tt.path {
				t.Errorf("err = %v, want an InvalidError at %s", err, tt.path)
			}
		})
	}
}

func TestANetworkAnswersWhoIsWhere(t *testing.T) {
	n := mustNetwork(t, sample())
	if s, ok := n.SiteOf("urn:oid:1.2"); !ok || s.ID != "mercy-main" {
		t.Errorf("SiteOf(second authority) = %q, %v", s.ID, ok)
	}
	if _, ok := n.SiteOf("urn:oid:9"); ok {
		t.Error("a system nobody assigns has a site")
	}
	if o, ok := n.OrganizationByURI("urn:org:oak"); !ok || o.ID != "oak" {
		t.Errorf("OrganizationByURI = %q, %v", o.ID, ok)
	}
	if got := n.Ancestors("mercy-heart"); len(got) != 2 || got[0] != "mercy-heart" || got[1] != "mercy" {
		t.Errorf("Ancestors = %v, nearest first wanted", got)
	}
	if !n.Within("mercy-heart", "mercy") || n.Within("mercy", "mercy-heart") || n.Within("elm", "elm") {
		t.Error("Within follows units upwards and knows only organizations of the file")
	}
	for site, want := range map[hie.SiteID]string{"mercy-heart-east": "US-MD", "oak-street": "US-IL", "nowhere": ""} {
		if got := n.Jurisdiction(site); got != want {
			t.Errorf("Jurisdiction(%s) = %q, want %q", site, got, want)
		}
	}
}

func TestADiffSaysWhatAFileChanges(t *testing.T) {
	before := mustNetwork(t, sample())
	f := sample()
	f.Organizations = f.Organizations[:2] // oak leaves
	f.Sites = append(f.Sites[:2:2], Site{ID: "mercy-west", Org: "mercy", Name: "Mercy West", Authorities: []string{"urn:oid:1.4"}, Zone: "America/New_York", Active: true, Membership: Live})
	f.Sites[0].Publishes = false
	f.Sites[0].Endpoints = []Endpoint{{ID: "mercy-fhir", Protocol: "fhir-r4", Address: "https://new.example/fhir", Permits: 4}}
	f.Defaults[1].Rule = "btg-only"
	whole, err := f.Retire(before)
	if err != nil {
		t.Fatal(err)
	}
	after, err := whole.Network(2)
	if err != nil {
		t.Fatal(err)
	}
	want := `- organization oak
~ site mercy-main
    publishes: "yes" -> "no"
+ site mercy-west
    org: mercy
    name: Mercy West
    authorities: urn:oid:1.4
    zone: America/New_York
    labelled: no
    publishes: no
    membership: live
    active: yes
- site oak-street
~ endpoint mercy-fhir
    address: "https://mercy.example/fhir" -> "https://new.example/fhir"
    permits: "0" -> "4"
~ default jurisdiction US-IL TREAT *
    rule: "deny" -> "btg-only"
`
	if got := Compare(before, after).String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := Compare(after, after); len(again) != 0 {
		t.Errorf("a picture differs from itself: %v", again)
	}
	if s, ok := after.SiteOf("urn:oid:2.1"); !ok || s.Active {
		t.Errorf("a retired site keeps its systems and is inactive; got %v, active %v", ok, s.Active)
	}
	back, err := sample().Retire(after)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := back.Network(3)
	if err != nil {
		t.Fatal(err)
	}
	if got := Compare(after, restored).String(); !strings.Contains(got, "+ organization oak\n") || !strings.Contains(got, "- site mercy-west\n") {
		t.Errorf("what comes back is added, what was new is removed; got\n%s", got)
	}
}

func TestWhatARetiredPartMeantIsNotGivenToAnother(t *testing.T) {
	all := mustNetwork(t, sample())
	for _, tt := range []struct {
		name, path string
		take       func(*File)
	}{
		{"an identifier of a removed organization", "organizations[0].identifier", func(f *File) { f.Organizations[0].Identifier = "urn:org:oak" }},
		{"a system of a removed site", "sites[0].authorities", func(f *File) { f.Sites[0].Authorities = append(f.Sites[0].Authorities, "urn:oid:2.1") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := sample()
			f.Organizations, f.Sites, f.Defaults = f.Organizations[:2], f.Sites[:2], f.Defaults[:1]
			tt.take(&f)
			_, err := f.Retire(all)
			if inv, ok := errors.AsType[*hie.InvalidError](err); !ok || inv.Path != tt.path {
				t.Errorf("err = %v, want an InvalidError at %s", err, tt.path)
			}
		})
	}
}
