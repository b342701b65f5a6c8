package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directoryjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// zoneFile is a zone that is always offset seconds east of Greenwich. Source: RFC 8536, version 1.
func zoneFile(offset int) []byte {
	b := append([]byte("TZif"), make([]byte, 16)...)
	for _, count := range []uint32{0, 0, 0, 0, 1, 4} {
		b = binary.BigEndian.AppendUint32(b, count)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(int32(offset)))
	return append(b, 0, 0, 'T', 'S', 'T', 0)
}

// midnightAt returns the offset of a zone where a day begins at t, and that day.
func midnightAt(t time.Time) (offset int, day time.Time) {
	offset = -int(t.Unix() % 86400)
	if offset < -12*3600 {
		offset += 86400
	}
	return offset, t.Add(time.Duration(offset) * time.Second).UTC()
}

// TestMinorsComeOfAgeAtMidnightOfTheirZones is scenario 11: three children in three zones come of age seconds apart, each at
// their own midnight and at no other's. Their mother sees what they see until then and nothing after; a query that runs
// across midnight shows nothing. What a child consented to alone leaves no gap in what she sees.
func TestMinorsComeOfAgeAtMidnightOfTheirZones(t *testing.T) {
	oneAfterAnother(t)
	sites := newLiveSites(t, 1)
	w, authorities := newLiveExchange(t, sites)
	// So much time is there to enter everybody.
	base := time.Now().Truncate(time.Second).Add(25 * time.Second)
	zones := t.TempDir()
	if err := os.MkdirAll(filepath.Join(zones, "Test"), 0o755); err != nil {
		t.Fatal(err)
	}
	type child struct {
		site, system, local, id string
		of                      time.Time // comes of age
		mother                  asker
	}
	children := make([]child, 3)
	f := demoDirectory(w.region.Sites, w.bases)
	f.Organizations = append(f.Organizations, directory.Organization{ID: "live", Name: "Live Clinics", Identifier: "https://live.example.org", Kind: "practice", Jurisdiction: "US-MD", Active: true})
	f.Sites = append(f.Sites, directory.Site{ID: "live-0", Org: "live", Name: "live-0", Authorities: authorities, Zone: "America/New_York", Labelled: true, Active: true,
		Endpoints: []directory.Endpoint{{ID: "live-0-fhir", Protocol: "fhir-r4", Address: sites[0].base}}})
	born := make([]string, 3)
	for i := range children {
		c := &children[i]
		c.of = base.Add(time.Duration(3*i) * time.Second)
		offset, day := midnightAt(c.of)
		born[i] = day.AddDate(-18, 0, 0).Format(time.DateOnly)
		zone := fmt.Sprintf("Test/Z%d", i)
		if err := os.WriteFile(filepath.Join(zones, zone), zoneFile(offset), 0o644); err != nil {
			t.Fatal(err)
		}
		c.site, c.local = fmt.Sprintf("zone-%d", i), fmt.Sprintf("CHILD-%d", i)
		c.system = "https://live.example.org/" + c.site
		f.Sites = append(f.Sites, directory.Site{ID: hie.SiteID(c.site), Org: "live", Name: c.site, Authorities: []string{c.system}, Zone: zone, Labelled: true, Publishes: true, Active: true,
			Endpoints: []directory.Endpoint{{ID: c.site + "-fhir", Protocol: "fhir-r4", Address: w.bases["harbor-main"]}}})
	}
	for i := range f.Sites {
		f.Sites[i].Membership = ""
	}
	file := filepath.Join(zones, "directory.json")
	if err := os.WriteFile(file, directoryjson.Write(f), 0o644); err != nil {
		t.Fatal(err)
	}
	w.nodes[0].kill()
	w.env = append(w.env, "ZONEINFO="+zones)
	apply := start(t, concord(w.env, "site", "apply", file))
	if <-apply.done; apply.cmd.ProcessState.ExitCode() != 0 {
		t.Fatalf("the directory: %s", apply.printed())
	}
	if _, err := w.db.SQL().ExecContext(w.ctx, `update directory.site set membership = 'live'`); err != nil { // this process does not know the zones
		t.Fatal(err)
	}
	w.nodes[0] = w.startNode(0)

	publish := func(c child, unique string, labels ...string) {
		t.Helper()
		var d map[string]any
		if err := json.Unmarshal(pointerPost(w.exchangeUnderTest, c.local, unique), &d); err != nil {
			t.Fatal(err)
		}
		d["subject"] = map[string]any{"identifier": map[string]any{"system": c.system, "value": c.local}}
		for _, l := range labels {
			d["securityLabel"] = append(d["securityLabel"].([]any), labelled(locator.SystemActCode, l))
		}
		w.must(http.StatusCreated, "live-feed", feeding, http.MethodPost, "/fhir/DocumentReference", d)
	}
	scopes := strings.Join(patientScopes, " ")
	look := func(who asker, c child) reply {
		t.Helper()
		r, err := w.clients["patient-app"].api.call(w.ctx, who, http.MethodGet, "/fhir/DocumentReference?patient=Patient/"+c.id, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for i := range children {
		c := &children[i]
		systems := []string{c.system}
		if i == 2 { // also known where answers come late
			systems = append(systems, authorities[0])
		}
		for n, system := range systems {
			body := fmt.Appendf(nil, `{"resourceType":"Patient","identifier":[{"system":%q,"value":%q},{"system":"http://hl7.org/fhir/sid/us-ssn","value":"21%d-44-6107"}],
"name":[{"family":"Quillfeather%c","given":["Kestrel%c"]}],"gender":"female","birthDate":%q,"address":[{"line":["%d Heron Lane"],"city":"Baltimore","state":"MD","postalCode":"2120%d"}]}`,
				system, c.local, 2+i, 'a'+i, 'm'+2*i, born[i], 7+i, i)
			id := idOf(t, w.must(http.StatusCreated, "live-feed", feeding, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(system+"|"+c.local), body))
			if n == 0 {
				c.id = id
			}
		}
		publish(*c, fmt.Sprintf("urn:child:%d", i))
		var recorded struct{ Lapses string }
		decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/representatives",
			map[string]any{"patient": c.id, "ref": "RelatedPerson/mother", "capacity": "parent", "rights": "view"}), &recorded)
		if at, err := time.Parse(time.RFC3339Nano, recorded.Lapses); err != nil || !at.Equal(c.of) {
			t.Fatalf("child %d comes of age %s, want %s", i, recorded.Lapses, c.of.UTC().Format(time.RFC3339))
		}
		c.mother = asker{purposes: "PATRQT", user: "Patient/" + c.id, representative: "RelatedPerson/mother", scopes: scopes}
	}

	// What the first consented to alone.
	visible := func(r reply) string {
		t.Helper()
		var set struct {
			Total int
			Entry json.RawMessage
		}
		decode(t, r, &set)
		return fmt.Sprint(r.status, set.Total, string(set.Entry))
	}
	her := asker{purposes: "PATRQT", user: "Patient/" + children[0].id, scopes: scopes}
	before, own := look(children[0].mother, children[0]), total(t, look(her, children[0]))
	publish(children[0], "urn:child:alone", "ADOL", "STD")
	if after := look(children[0].mother, children[0]); visible(after) != visible(before) || total(t, before) != 1 {
		t.Errorf("her mother's answer tells that there is something more:\n%s\n%s", visible(before), visible(after))
	}
	if n := total(t, look(her, children[0])); n != own+1 {
		t.Errorf("she herself is shown %d, want %d", n, own+1)
	}
	if time.Now().After(base) {
		t.Skip("entering everybody took too long on this machine: midnight is over")
	}

	var all sync.WaitGroup
	for i := range children[:2] {
		all.Go(func() {
			c, seen := children[i], 0
			for {
				asked := time.Now()
				r := look(c.mother, c)
				answered := time.Now()
				switch {
				case answered.Before(c.of) && (r.status != http.StatusOK || total(t, r) != 1):
					t.Errorf("child %d, before midnight: %d", i, r.status)
					return
				case answered.Before(c.of):
					seen++
				case asked.After(c.of) && (r.status != http.StatusForbidden || seen == 0):
					t.Errorf("child %d, after midnight: %d, and %d answers before", i, r.status, seen)
				}
				if asked.After(c.of) {
					return
				}
				time.Sleep(30 * time.Millisecond)
			}
		})
	}
	all.Go(func() { // the third's mother asks before midnight, a site answers after it
		c := children[2]
		if r := look(c.mother, c); r.status != http.StatusOK || total(t, r) == 0 {
			t.Errorf("long before midnight: %d, %d documents", r.status, total(t, r))
		}
		time.Sleep(time.Until(c.of.Add(-time.Second)))
		answer := sites[0].hold(&sites[0].search)
		done := make(chan reply, 1)
		began := time.Now()
		go func() {
			r, err := w.clients["patient-app"].api.call(w.ctx, c.mother, http.MethodGet, "/fhir/DocumentReference?patient=Patient/"+c.id, nil)
			if err != nil {
				t.Error(err)
			}
			done <- r
		}()
		time.Sleep(time.Until(c.of.Add(20 * time.Millisecond)))
		close(answer)
		r := <-done
		if began.Before(c.of) && r.status == http.StatusOK && total(t, r) != 0 || r.status != http.StatusOK && r.status != http.StatusForbidden {
			t.Errorf("a query across midnight is answered with %d", r.status)
		}
		if r := look(c.mother, c); r.status != http.StatusForbidden {
			t.Errorf("child 2, after midnight: %d", r.status)
		}
	})
	all.Wait()
	for i, c := range children {
		if r := look(asker{purposes: "PATRQT", user: "Patient/" + c.id, scopes: scopes}, c); r.status != http.StatusOK || total(t, r) == 0 {
			t.Errorf("child %d herself, of age: %d", i, r.status)
		}
	}
}
