package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
)

var copying = asker{purposes: "HOPERAT", scopes: "concord/copy.read"}

// TestASiteEnforcesByTheFeedAlone: two men are taken for one. The hospital, which only follows the feed and runs the engine on its
// copies, hears of the refusal given at the clinic when the link is made, refuses as the exchange does, and lets go again when the link is
// undone. A refusal that a node acknowledged before it was killed is told by the other. The clinic's name is nowhere in what it is told, and nobody reads another's registrations.
//
// Source: spec consent 2.13, 2.19.
func TestASiteEnforcesByTheFeedAlone(t *testing.T) {
	x := newExchange(t, 2)
	james := x.region.Story(sim.Namesakes)
	x.enter(james[0], james[1])
	clinic, err1 := x.patientID(x.ctx, james[0], "riverside-clinic")
	hospital, err2 := x.patientID(x.ctx, james[1], "harbor-main")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	asks, _ := x.region.Site("riverside-clinic")
	after := ""
	changes := func(wait string) map[string]*string {
		t.Helper()
		out := map[string]*string{}
		for i := 0; ; i++ {
			q := url.Values{"wait": {"0"}, "count": {"2"}}
			if i == 0 {
				q.Set("wait", wait)
			}
			if after != "" {
				q.Set("after", after)
			}
			var page copyPage
			decode(t, x.must(http.StatusOK, "harbor-main-feed", copying, http.MethodGet, x.origins[i%len(x.origins)]+"/admin/v1/consent/copies?"+q.Encode(), nil), &page)
			for _, n := range page.Changes {
				out[n.Patient] = n.Version
			}
			if after = page.Next; len(page.Changes) == 0 && !page.Pending {
				return out
			}
		}
	}
	var rules struct {
		Version string
		Setup   consentfhir.SetupJSON
	}
	decode(t, x.must(http.StatusOK, "harbor-main-feed", copying, http.MethodGet, "/admin/v1/consent/rules", nil), &rules)
	released := func() bool { // for treatment, to the clinic, an ordinary letter
		t.Helper()
		r := x.must(http.StatusOK, "harbor-main-feed", copying, http.MethodGet, "/admin/v1/consent/copies/"+hospital, nil)
		var c consentfhir.CopyJSON
		decode(t, r, &c)
		if text := string(r.body); strings.Contains(text, "riverside") || strings.Contains(text, clinic) {
			t.Errorf("the copy names where the refusal was given: %s", text)
		}
		if c.Rules != rules.Version {
			t.Errorf("made under rules %s, read %s", c.Rules, rules.Version)
		}
		d, err := consentfhir.ReadCopy(c, rules.Setup)
		if err != nil {
			t.Fatal(err)
		}
		return d.Decide(consent.Request{Organization: hie.OrgID(asks.Org), Roles: []string{"physician"}, Purposes: []hie.Purpose{"TREAT"}, Abilities: []string{"P2-NOTICE"}, CareTeams: []string{}},
			consent.Document{ID: "d", Record: consentfhir.OwnRecord, Site: "harbor-main", Class: "11488-4", Type: "11488-4", Confidentiality: "N", Sensitivity: []string{}, LabelState: consent.Labelled, Flags: []string{}}, time.Now()).Release
	}
	changes("0")
	if !released() {
		t.Fatal("nothing is released before the refusal, so the test shows nothing")
	}
	x.must(http.StatusCreated, "patient-app", patientActs(clinic), http.MethodPost, "/fhir/Consent", refusal(clinic, false, time.Now().Add(-time.Hour)))
	if got := changes("0"); len(got) != 0 || !released() {
		t.Errorf("%d changes by another man's refusal", len(got))
	}
	change := x.link(clinic, hospital)
	if got := changes("20"); got[hospital] == nil || len(got) != 1 {
		t.Fatalf("the link told %d changes, want that of the hospital's own registration", len(got))
	}
	if released() {
		t.Error("a copy taken after the link lets go what the refusal holds back")
	}
	x.must(http.StatusOK, "steward-desk", settling, http.MethodPost, "/admin/v1/match/changes/"+change+"/undo", map[string]any{"reason": "two men"})
	if got, told := changes("20")[hospital]; !told || got != nil || !released() {
		t.Errorf("the link undone: told %v, still binding %v", told, got != nil)
	}
	x.must(http.StatusCreated, "patient-app", patientActs(hospital), http.MethodPost, x.origins[1]+"/fhir/Consent", refusal(hospital, false, time.Now().Add(-time.Hour)))
	x.nodes[1].kill()
	x.origins = x.origins[:1]
	if got := changes("0"); got[hospital] == nil || released() {
		t.Error("a refusal that was acknowledged is not in the feed, or not in the copy")
	}

	reader := copyReader{Client: "harbor-main-feed", Key: filepath.Join(x.dir, "keys", "harbor-main-feed.jwk"), Org: x.clients["harbor-main-feed"].api.org, URL: x.origins[0]}
	for _, tt := range []struct {
		name string
		run  func(context.Context, *streams) error
		want []string
	}{
		{"changes as a table", (&consentChangesCmd{copyReader: reader, Output: "table"}).Run, []string{"PATIENT", hospital}},
		{"changes as JSON", (&consentChangesCmd{copyReader: reader, Output: "json"}).Run, []string{`"patient":"` + hospital, `"next":`}},
		{"a copy", (&consentCopyCmd{copyReader: reader, Patient: hospital}).Run, []string{hospital, `"subject"`, "OPTOUT"}},
		{"the rules", (&consentCopyCmd{copyReader: reader, Rules: true}).Run, []string{rules.Version, `"policies"`}},
	} {
		var out bytes.Buffer
		if err := tt.run(x.ctx, &streams{out: &out, err: io.Discard}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, w := range tt.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %q is not in it", tt.name, w)
			}
		}
	}
	if err := (&consentCopyCmd{copyReader: reader, Patient: clinic}).Run(x.ctx, &streams{out: io.Discard, err: io.Discard}); err == nil {
		t.Error("another site's patient was printed")
	}

	x.must(http.StatusNotFound, "harbor-main-feed", copying, http.MethodGet, "/admin/v1/consent/copies/"+clinic, nil)
	x.must(http.StatusNotFound, "harbor-main-feed", copying, http.MethodGet, "/admin/v1/consent/copies/nobody", nil)
	for _, path := range []string{"/admin/v1/consent/copies", "/admin/v1/consent/rules", "/admin/v1/consent/copies/" + hospital} {
		x.must(http.StatusForbidden, "harbor-main-emr", treating, http.MethodGet, path, nil)
		x.must(http.StatusForbidden, "privacy-desk", asOfficer, http.MethodGet, path, nil)
	}
	for _, q := range []string{"after=forged", "wait=26", "count=0", "reader=x", "wait=1&wait=2"} {
		x.must(http.StatusBadRequest, "harbor-main-feed", copying, http.MethodGet, "/admin/v1/consent/copies?"+q, nil)
	}
}
