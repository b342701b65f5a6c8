package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
)

// TestWhoBelongsToACareTeamIsLookedUpAtEveryRequest files a wish that lets a care team alone have a patient's documents, and asks
// a running node as one of its members while the team is made over HTTP, changed and ended from the command line. Who belongs to it
// counts from the next request on; a dry run changes nothing, and another's change in between is not overwritten. What was
// decided while somebody belonged to the team is explained as it was.
//
// Source: spec consent 2.4 and 2.17, vector 26.
func TestWhoBelongsToACareTeamIsLookedUpAtEveryRequest(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	const local = "TEAM-1"
	target, body := patientPut(w.exchangeUnderTest, local, "Ingeborg", "Halvorsen", "1951-09-23")
	id := idOf(t, w.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, target, body))
	w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/DocumentReference", pointerPost(w.exchangeUnderTest, local, "urn:team:1"))
	c := object{}
	if err := json.Unmarshal(refusal(id, false, time.Now()), &c); err != nil {
		t.Fatal(err)
	}
	delete(c, "policyRule")
	c["policy"] = []any{object{"uri": consent.PolicySharing}}
	c["provision"] = json.RawMessage(`{"type":"deny","provision":[{"type":"permit","actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"CareTeam/rehab"}}]}]}`)
	w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/Consent", c)
	member := treating
	member.user = "Practitioner/bloom"
	shown := func(who asker) int {
		t.Helper()
		return total(t, w.search("riverside-clinic", who, w.authority("harbor-main")+"|"+local))
	}
	if n := shown(member); n != 0 {
		t.Errorf("%d documents to a team there is not", n)
	}
	type team struct {
		Version int64
		Members []struct{ Member, Until string }
	}
	put := func(status int, version int64, members ...object) (out team) {
		t.Helper()
		r := w.must(status, "privacy-desk", asOfficer, http.MethodPut, "/admin/v1/care-teams/rehab", object{"version": version, "organization": "harbor-general",
			"name": "Cardiac rehabilitation", "members": members})
		if status == http.StatusOK {
			decode(t, r, &out)
		}
		return out
	}
	put(http.StatusOK, 0, object{"member": "Practitioner/bloom"})
	if n := shown(member); n != 1 {
		t.Errorf("%d documents to a member of the team, want 1", n)
	}
	other := treating
	other.user = "Practitioner/other"
	if n := shown(other); n != 0 {
		t.Errorf("%d documents to another of the same practice", n)
	}
	put(http.StatusPreconditionFailed, 0, object{"member": "Practitioner/other"})
	put(http.StatusPreconditionFailed, 7, object{"member": "Practitioner/other"})
	put(http.StatusBadRequest, 1, object{"member": "Organization/nobody"})
	within := time.Now().UTC()
	time.Sleep(10 * time.Millisecond)

	file := filepath.Join(t.TempDir(), "team.json")
	cli := func(args ...string) (out team, failed bool) {
		t.Helper()
		p := start(t, concord(w.env, append([]string{"site", "careteam"}, append(args, "--output", "json")...)...))
		<-p.done
		if p.cmd.ProcessState.ExitCode() != 0 {
			return out, true
		}
		text := p.printed()
		if err := json.NewDecoder(strings.NewReader(text[strings.IndexByte(text, '{'):])).Decode(&out); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return out, false
	}
	before := w.digest()
	if got, failed := cli("end", "rehab", "--member", "Practitioner/bloom", "--version", "1", "--dry-run"); failed || len(got.Members) != 1 || got.Members[0].Until == "" {
		t.Errorf("a dry run says %+v, failed: %t", got, failed)
	}
	if _, failed := cli("end", "rehab", "--member", "Practitioner/bloom", "--version", "7"); !failed {
		t.Error("a version that is not current was changed")
	}
	w.unchanged(t, before)
	if _, failed := cli("end", "rehab", "--member", "Practitioner/bloom", "--version", "1"); failed || shown(member) != 0 {
		t.Errorf("ended from the command line, %d documents are shown", shown(member))
	}
	if err := os.WriteFile(file, []byte(`{"id":"rehab","version":2,"organization":"harbor-general","name":"Cardiac rehabilitation","members":[{"member":"Organization/riverside"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, failed := cli("put", file); failed || got.Version != 3 || shown(other) != 1 {
		t.Errorf("the whole practice put in from the command line: %+v, failed: %t, %d documents", got, failed, shown(other))
	}
	var listed struct {
		Teams []team `json:"care_teams"`
	}
	decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/care-teams?organization=harbor-general", nil), &listed)
	if len(listed.Teams) != 1 || listed.Teams[0].Version != 3 {
		t.Errorf("listed: %+v", listed)
	}
	var then team
	decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/care-teams/rehab?at="+within.Format(time.RFC3339Nano), nil), &then)
	if then.Version != 1 {
		t.Errorf("as of then version %d, want 1", then.Version)
	}
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/care-teams/rehab/end", object{"version": 3, "member": "Organization/riverside"})
	if n := shown(other); n != 0 {
		t.Errorf("%d documents on a membership that was ended over HTTP", n)
	}

	for _, tt := range []struct {
		name         string
		at           time.Time
		practitioner string
		release      bool
		version      int64
	}{
		{"while a member", within, "bloom", true, 1},
		{"another, then", within, "other", false, 1},
		{"now that the membership is over", time.Time{}, "bloom", false, 4},
	} {
		question := object{"patient": id, "organization": "riverside", "practitioner": tt.practitioner, "roles": []string{"physician"}, "purposes": []string{"TREAT"},
			"document": object{"class": "11488-4", "confidentiality": "N", "labelled": true}}
		if !tt.at.IsZero() {
			question["at"] = tt.at.Format(time.RFC3339Nano)
		}
		var got struct {
			Release bool
			Basis   struct {
				CareTeams []struct {
					Team    string
					Version int64
					Member  *bool
				} `json:"care_teams"`
			}
		}
		decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/explain", question), &got)
		if teams := got.Basis.CareTeams; got.Release != tt.release || len(teams) != 1 || teams[0].Version != tt.version || teams[0].Member == nil || *teams[0].Member != tt.release {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
