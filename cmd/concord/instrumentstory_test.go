package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
)

// TestALegalBasisAndARepresentativeCountFromTheNextDecisionOn records a report that law requires about a patient who refused
// everything, and somebody who acts for another, once over HTTP and once from the command line. The next request to the running
// node is answered by it; ended, the next is refused again. A dry run changes nothing, and a version another officer has changed
// meanwhile is not overwritten.
//
// Source: spec consent 2.1 (legal basis), 2.20; vector 17.
func TestALegalBasisAndARepresentativeCountFromTheNextDecisionOn(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	file := demoDirectory(w.region.Sites, w.bases)
	file.Organizations = append(file.Organizations, directory.Organization{ID: "state-health", Name: "State Health Department", Identifier: "https://state-health.example.org", Kind: "public-health",
		Jurisdiction: "US-MD", Active: true})
	if _, err := directorypg.New(w.db, auditpg.Append, nil).Apply(w.ctx, operatorActor, file, false); err != nil {
		t.Fatal(err)
	}
	w.region.Sites = append(w.region.Sites, sim.Site{ID: "none", Org: "state-health", OrgURI: "https://state-health.example.org"})
	w.admit("state-health", access.Client{ID: "state-health-desk", Scopes: emrScopes, Purposes: []hie.Purpose{"PUBHLTH"}, Roles: []string{"physician"}})
	okafor, james := w.person(sim.OptedOut), w.region.Story(sim.Namesakes)[1]
	w.enter(okafor, w.person(sim.EmergencyOnly), james)
	if err := w.stateWishes(w.ctx); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond) // the node has looked at directory and clients since

	id, err := w.patientID(w.ctx, okafor, "riverside-clinic")
	if err != nil {
		t.Fatal(err)
	}
	asks := asker{purposes: "PUBHLTH", user: "e.marsh", name: "Ellis Marsh", role: "physician", scopes: strings.Join(emrScopes, " ")}
	reported := func() int {
		t.Helper()
		return total(t, w.must(http.StatusOK, "state-health-desk", asks, http.MethodGet, "/fhir/DocumentReference?patient.identifier="+w.at(okafor, "riverside-clinic"), nil))
	}
	if n := reported(); n != 0 {
		t.Fatalf("the authority sees %d documents on no ground", n)
	}
	type row struct {
		ID                         string
		Instrument, Representative int64
		Version                    int64
	}
	basis := map[string]any{"patient": id, "kind": "required-by-law", "organization": "state-health", "purposes": []string{"PUBHLTH"}, "from": "2026-01-01T00:00:00Z",
		"ground": "Md. Code, Health-Gen. 18-201"}
	var r row
	decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/instruments", basis), &r)
	all := reported()
	if all == 0 {
		t.Error("recorded over HTTP, the report that law requires is not made")
	}
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/instruments/"+r.ID+"/end", map[string]any{"version": r.Version})
	if n := reported(); n != 0 {
		t.Errorf("%d documents on a ground that was ended over HTTP", n)
	}

	record, _, err := w.sealer.OpenID("patient", id)
	if err != nil {
		t.Fatal(err)
	}
	cli := func(args ...string) (rows []row, failed bool) {
		t.Helper()
		p := start(t, concord(w.env, append([]string{"consent"}, append(args, "--output", "json")...)...))
		<-p.done
		text := p.printed()
		at := strings.IndexByte(text, '[')
		if p.cmd.ProcessState.ExitCode() != 0 {
			return nil, true
		}
		if at < 0 || json.NewDecoder(bytes.NewReader([]byte(text[at:]))).Decode(&rows) != nil {
			t.Fatalf("concord consent %s printed no rows", args[0])
		}
		return rows, false
	}
	on := "--record=" + strconv.FormatInt(record, 10)
	add := []string{"instrument", "add", on, "--kind", "required-by-law", "--organization", "state-health", "--purpose", "PUBHLTH", "--from", "2026-01-01T00:00:00Z", "--ground", "Md. Code, Health-Gen. 18-201"}
	before := w.digest()
	if _, failed := cli(append(add, "--dry-run")...); failed {
		t.Error("a dry run failed")
	}
	if _, failed := cli("instrument", "add", on, "--kind", "required-by-law", "--organization", "nobody", "--ground", "none"); !failed {
		t.Error("a legal basis for nobody was recorded")
	}
	w.unchanged(t, before)
	made, failed := cli(add...)
	if failed || len(made) != 1 || reported() != all {
		t.Fatalf("recorded from the command line: %v, %d documents, want %d", made, reported(), all)
	}
	number := strconv.FormatInt(made[0].Instrument, 10)
	if _, failed := cli("instrument", "end", on, "--version", "7", number); !failed || reported() != all {
		t.Error("a version that is not current was ended")
	}
	if _, failed := cli("instrument", "end", on, "--version", "1", number); failed || reported() != 0 {
		t.Errorf("ended from the command line, %d documents are shown", reported())
	}
	if rows, _ := cli("instrument", "list", on); len(rows) != 2 || rows[1].Version != 2 {
		t.Errorf("listed: %+v", rows)
	}

	// Somebody who acts for a patient, from the command line; over HTTP it is TestSomebodyActsForAPatient.
	jid, err := w.patientID(w.ctx, james, "harbor-main")
	if err != nil {
		t.Fatal(err)
	}
	if record, _, err = w.sealer.OpenID("patient", jid); err != nil {
		t.Fatal(err)
	}
	on = "--record=" + strconv.FormatInt(record, 10)
	son := patientActs(jid)
	son.representative = "RelatedPerson/son"
	look := func() int {
		t.Helper()
		r, err := w.clients["patient-app"].api.call(w.ctx, son, http.MethodGet, "/fhir/DocumentReference?patient=Patient/"+jid, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.status
	}
	if s := look(); s != http.StatusForbidden {
		t.Fatalf("nobody has recorded the son: %d", s)
	}
	appoint := []string{"representative", "add", on, "--ref", "RelatedPerson/son", "--capacity", "agent"}
	if _, failed := cli(append(appoint, "--dry-run")...); failed || look() != http.StatusForbidden {
		t.Error("a dry run let the son act, or failed")
	}
	if made, failed = cli(appoint...); failed || len(made) != 1 || look() != http.StatusOK {
		t.Fatalf("recorded from the command line: %v, %d", made, look())
	}
	if _, failed := cli("representative", "add", on, "--ref", "RelatedPerson/mother", "--capacity", "parent"); !failed {
		t.Error("a grown man was given a parent")
	}
	if _, failed := cli("representative", "end", on, "--version", "1", "--withdrawn", strconv.FormatInt(made[0].Representative, 10)); failed || look() != http.StatusForbidden {
		t.Errorf("withdrawn from the command line, the son is answered with %d", look())
	}
	if rows, _ := cli("representative", "list", on); len(rows) != 1 || rows[0].Version != 2 {
		t.Errorf("listed: %+v", rows)
	}
}
