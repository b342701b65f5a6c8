package consent_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
)

// atTheSite is the engine a site runs on a copy, with the rules that hold there.
func atTheSite(t *testing.T, env *consent.Env, c consent.Copy) *consent.Decider {
	t.Helper()
	s := env.SetupAt(c.Site)
	s.Policies = slices.Concat(s.Policies, c.Policies)
	s.Sites = slices.Concat(s.Sites, c.Sites)
	theirs, err := consent.NewEnv(s)
	if err != nil {
		t.Fatal(err)
	}
	var dirs []consent.Directive
	for _, d := range c.Directives {
		dirs = append(dirs, d.Directive)
	}
	return consent.Compile(theirs, c.Subject, dirs)
}

// readable reports whether everything of o can be written as FHIR and read again: what a filing refuses is not stored.
func readable(o *oracle) bool {
	return !slices.ContainsFunc(o.dirs, func(d consent.Directive) bool { return d.Filed.IsZero() || d.SignedWithin%time.Second != 0 })
}

// asWritten is atTheSite of what goes over the wire.
func (g gen) asWritten(t *testing.T, env *consent.Env, c consent.Copy) *consent.Decider {
	t.Helper()
	said := map[string]any{}
	for _, d := range c.Directives {
		if !d.Elsewhere {
			said[d.ID] = g.consentLine(d.Directive)["resource"]
		}
	}
	out, err := consentfhir.WriteCopy(c, func(d consent.Directive) ([]byte, error) {
		b, err := json.Marshal(said[d.ID])
		return bytes.ReplaceAll(b, []byte(`,"system":7`), nil), err // a system no filing takes
	}, func(d consent.Directive) string { return "sealed" })
	if err != nil {
		t.Fatal(err)
	}
	var back consentfhir.CopyJSON
	var rules consentfhir.SetupJSON
	for v, into := range map[any]any{&out: &back, ptr(consentfhir.WriteSetup(env.SetupAt(c.Site))): &rules} {
		b, err := jsonv2.Marshal(v)
		if err == nil {
			err = jsonv2.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := consentfhir.ReadCopy(back, rules)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ptr[T any](v T) *T { return &v }

func everyDocument(string) bool { return true }

// TestASiteWithACopyDecidesAsTheExchange asks both about random documents of random people, at the instant of the copy and up to
// the instant it says it holds until. Where the copy says that it is stricter, it releases nothing that the exchange does not.
//
// Source: spec consent 2.19; 2.13.
func TestASiteWithACopyDecidesAsTheExchange(t *testing.T) {
	n := 40_000
	if testing.Short() {
		n /= 20
	}
	alike, stricter, released, lost, crossed, later := 0, 0, 0, 0, 0, 0
	for i := range n {
		g := gen{rand.New(rand.NewPCG(uint64(i), 2019))}
		o := g.all()
		for j := range o.subj.Records {
			if g.chance(50) {
				o.subj.Records[j].Link = hie.LinkConfirmed
			}
		}
		for j := range o.dirs {
			if g.chance(50) {
				o.dirs[j].Verified, o.dirs[j].NetworkWide, o.dirs[j].Performers = true, true, nil
			}
		}
		env, err := consent.NewEnv(o.setup)
		if err != nil {
			t.Fatal(err)
		}
		here := consent.Compile(env, o.subj, o.dirs)
		c, ok := consent.CopyOf(env, o.subj, o.dirs, o.doc.Record, o.now, everyDocument)
		if !ok {
			if d := here.Decide(o.req, o.doc, o.now); d.Release && o.doc.Site == "s1" {
				t.Fatalf("case %d: there is no copy, and the exchange releases", i)
			}
			continue
		}
		there := atTheSite(t, env, c)
		written := g.chance(15) && readable(o)
		if written {
			there = g.asWritten(t, env, c)
		}
		crossed += len(c.Subject.Records) - 1
		for range 8 {
			doc := g.document()
			doc.Record, doc.Site = c.Record, c.Site
			theirs := doc
			if written {
				theirs.Record = consentfhir.OwnRecord
			}
			at := o.now
			if g.chance(30) && !at.IsZero() {
				if at = at.Add(time.Duration(g.IntN(72)) * time.Hour); !c.Until.IsZero() && !at.Before(c.Until) {
					at = c.Until.Add(-time.Microsecond)
				}
				later++
			}
			want, got := here.Decide(o.req, doc, at), there.Decide(o.req, theirs, at)
			if want.Release {
				released++
			}
			if slices.Contains(c.Ask, "source") || slices.Contains(c.Ask, "erasure") {
				stricter++
				if got.Release && !want.Release {
					t.Fatalf("case %d: the site releases what the exchange refuses (%v)", i, want.Reason)
				}
				if want.Release && !got.Release {
					lost++
				}
				continue
			}
			alike++
			if got.Release != want.Release || !cmp.Equal(got.Obligations, want.Obligations) || got.Reason != want.Reason {
				t.Fatalf("case %d: the site says %v %v %v, the exchange %v %v %v\nat %v", i, got.Release, got.Reason, got.Obligations, want.Release, want.Reason, want.Obligations, at)
			}
		}
	}
	t.Logf("%d alike, %d where the copy is stricter (%d refused there alone), %d released, %d wishes given elsewhere, %d later", alike, stricter, lost, released, crossed, later)
	if alike < 5*stricter || released < alike/20 || crossed < n/20 || later == 0 {
		t.Error("too little was compared")
	}
}

// TestACopyTellsNothingOfWhereAWishWasGiven takes copies for a hospital of a patient who is also known to a Part 2 program, and
// looks at every text in them.
//
// Source: DESIGN idea 6; 42 CFR 2.13(c); spec consent 2.19.
func TestACopyTellsNothingOfWhereAWishWasGiven(t *testing.T) {
	env, err := consent.NewEnv(consent.Setup{Organizations: []consent.Organization{{ID: "hospital"}, {ID: "harbor"}, {ID: "clinic"}},
		Sites:    []consent.Site{{ID: "main", Org: "hospital", Regimes: []string{}}, {ID: "pier", Org: "harbor", Regimes: []string{"part2"}}},
		Policies: consent.BuiltinPolicies(), EmergencyHours: 4})
	if err != nil {
		t.Fatal(err)
	}
	atPier := func(p consent.Provision) consent.Directive {
		return consent.Directive{ID: "417", Version: 1, Record: "77", Filed: t0, Signed: t0, Verified: true, Status: "active", Scope: "patient-privacy",
			Policies: []string{consent.PolicyPart2}, Organizations: []string{"Organization/harbor"}, Performers: []string{"RelatedPerson/anna"}, Provision: &p}
	}
	network := func(d consent.Directive) consent.Directive { d.NetworkWide = true; return d }
	at := func(refs ...string) (out []consent.Actor) {
		for _, r := range refs {
			out = append(out, consent.Actor{Role: "CST", Reference: r})
		}
		return out
	}
	for _, tt := range []struct {
		name string
		wish consent.Directive
		told bool
		ask  []string
	}{
		{"a permission about the program's own documents is not told", atPier(consent.Provision{Type: "permit"}), false, nil},
		{"nor is a refusal about them", atPier(consent.Provision{Type: "deny"}), false, nil},
		{"nor one that names the program as its source", network(atPier(consent.Provision{Type: "deny", Actors: at("Organization/harbor", "Location/pier")})), false, nil},
		{"nor one about a single document there", network(atPier(consent.Provision{Type: "deny", Data: []consent.Data{{Meaning: "instance", Reference: "DocumentReference/pier-note"}}})), false, nil},
		{"a refusal meant for everybody is told, as anybody's", network(atPier(consent.Provision{Type: "deny"})), true, nil},
		{"a part of it about the program is left out", network(atPier(consent.Provision{Type: "deny", Provisions: []consent.Provision{{Type: "permit", Actors: at("Location/pier")}}})), true, nil},
		{"of the sources named, the hospital alone keeps its name", network(atPier(consent.Provision{Type: "deny", Actors: at("Organization/harbor", "Organization/hospital")})), true, nil},
		{"a revoked permission is told as the refusal it left, without its form", func() consent.Directive {
			d := network(atPier(consent.Provision{Type: "permit"}))
			d.Performers, d.Status = nil, "inactive"
			return d
		}(), true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			subject := consent.Subject{Records: []consent.Record{{ID: "42", Site: "main", Link: hie.LinkConfirmed}, {ID: "77", Site: "pier", Link: hie.LinkConfirmed}},
				Proxies: []consent.Proxy{{Ref: "RelatedPerson/anna"}}, Grants: []consent.Grant{{Record: "77", Organization: "clinic", Until: t0.Add(time.Hour)}},
				Instruments: []consent.Instrument{{Record: 77, Kind: "court-order", Organization: "clinic"}}}
			c, ok := consent.CopyOf(env, subject, []consent.Directive{tt.wish}, "42", t0.Add(time.Minute), func(id string) bool { return id == "main-note" })
			if !ok || c.Binds() != tt.told || !slices.Equal(c.Ask, tt.ask) {
				t.Fatalf("a copy: %v, binding: %v, want %v; ask %v", ok, c.Binds(), tt.told, c.Ask)
			}
			if !tt.told && (len(c.Subject.Records) != 1 || len(c.Sites) > 0 || len(c.Policies) > 0 || !c.Until.IsZero()) {
				t.Errorf("something is told beside the record: %d records, %d sites, %d policies, until %v", len(c.Subject.Records), len(c.Sites), len(c.Policies), c.Until)
			}
			for i := range c.Directives {
				c.Directives[i].ID = "" // sealed before it leaves
			}
			b, err := json.Marshal([]any{c.Policies, c.Sites, c.Ask, len(c.Subject.Proxies) + len(c.Subject.Grants) + len(c.Subject.Instruments)})
			if err != nil {
				t.Fatal(err)
			}
			all := string(b)
			for _, d := range c.Directives {
				b, err := json.Marshal([]any{d.Record, d.Policies, d.PolicyRules, d.Organizations, d.Performers, d.Provision})
				if err != nil {
					t.Fatal(err)
				}
				all += string(b)
			}
			for _, r := range c.Subject.Records {
				all += " " + r.ID + " " + string(r.Site)
			}
			for _, word := range []string{"pier", "harbor", "part2", "anna", "77", "clinic", "417"} {
				if strings.Contains(all, word) {
					t.Errorf("the copy says %q: %s", word, all)
				}
			}
		})
	}
}

// TestACopySaysUntilWhenItHolds: what ends by time alone changes no row, so nobody is told of it.
func TestACopySaysUntilWhenItHolds(t *testing.T) {
	env, err := consent.NewEnv(consent.Setup{Organizations: []consent.Organization{{ID: "a"}, {ID: "b"}}, EmergencyHours: 4,
		Sites: []consent.Site{{ID: "s1", Org: "a", Zone: "America/New_York"}, {ID: "s2", Org: "b", Zone: "Asia/Tokyo"}}})
	if err != nil {
		t.Fatal(err)
	}
	wish := func(record string, p consent.Provision) consent.Directive {
		return consent.Directive{ID: "c", Record: record, Filed: t0, Signed: t0, Verified: true, NetworkWide: true, Status: "active", Scope: "patient-privacy", Provision: &p}
	}
	lastDay, birthday := time.Date(2026, 4, 1, 4, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	signed := wish("r2", consent.Provision{Type: "permit"})
	signed.Performers = []string{"RelatedPerson/m"}
	for _, tt := range []struct {
		name string
		wish consent.Directive
		more func(*consent.Subject)
		want time.Time
	}{
		{"nothing that ends", wish("r1", consent.Provision{Type: "deny"}), nil, time.Time{}},
		{"the last day of a wish of its own, where the site is", wish("r1", consent.Provision{Type: "deny", Period: &consent.Period{End: "2026-03-31"}}), nil, lastDay},
		{"the last day of a wish given elsewhere, where that is", wish("r2", consent.Provision{Type: "deny", Period: &consent.Period{End: "2026-03-31"}}), nil, time.Date(2026, 3, 31, 15, 0, 0, 0, time.UTC)},
		{"a part that begins", wish("r2", consent.Provision{Type: "deny", Provisions: []consent.Provision{{Type: "permit", Period: &consent.Period{Start: "2026-05-01T00:00:00Z"}}}}), nil,
			time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)},
		{"a wish elsewhere about that place ends unheard", func() consent.Directive {
			d := wish("r2", consent.Provision{Type: "deny", Period: &consent.Period{End: "2026-03-31"}})
			d.NetworkWide = false
			return d
		}(), nil, time.Time{}},
		{"what a parent signed, until the child comes of age", signed, func(s *consent.Subject) { s.Proxies = []consent.Proxy{{Ref: "RelatedPerson/m", Lapses: birthday}} }, birthday},
		{"an emergency here", wish("r1", consent.Provision{Type: "deny"}), func(s *consent.Subject) {
			s.Grants = []consent.Grant{{Record: "r1", Emergency: consent.Emergency{At: t0}, Until: t0.Add(2 * time.Hour)}}
		}, t0.Add(2 * time.Hour)},
		{"an emergency elsewhere is not told", wish("r1", consent.Provision{Type: "deny"}), func(s *consent.Subject) {
			s.Grants = []consent.Grant{{Record: "r2", Emergency: consent.Emergency{At: t0}, Until: t0.Add(2 * time.Hour)}}
		}, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			subject := consent.Subject{Records: []consent.Record{{ID: "r1", Site: "s1", Link: hie.LinkConfirmed}, {ID: "r2", Site: "s2", Link: hie.LinkConfirmed}}}
			if tt.more != nil {
				tt.more(&subject)
			}
			c, ok := consent.CopyOf(env, subject, []consent.Directive{tt.wish}, "r1", t0.Add(time.Minute), everyDocument)
			if !ok || !c.Until.Equal(tt.want) {
				t.Errorf("it holds until %v, want %v", c.Until, tt.want)
			}
		})
	}
}
