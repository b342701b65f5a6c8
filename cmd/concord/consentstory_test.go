package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
)

// newDesks is an exchange with one node, and a privacy officer at the hospital beside the network's.
func newDesks(t *testing.T) *town {
	t.Helper()
	x := newExchange(t, 1)
	sealer, err := readSealer(keysIn(x.dir + "/keys").secret)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{exchangeUnderTest: x, sealer: sealer, real: map[string]string{}, never: map[string]string{}}
	w.admit("harbor-general", access.Client{ID: "harbor-desk", Scopes: []string{"concord/review.read", "concord/review.write"}, Purposes: []hie.Purpose{"HCOMPL"},
		Roles: []string{hie.RolePrivacyOfficer}})
	time.Sleep(1200 * time.Millisecond) // the node has looked at the clients since
	return w
}

// report reads every page of a report as the network's officer.
func (w *town) report(path string) (rows []struct {
	Event, Kind, Organization, Record, Site string
	Why                                     []string
	Documents                               int
	Emergency                               bool
}) {
	w.t.Helper()
	for after := ""; ; {
		var page struct {
			Rows []struct {
				Event, Kind, Organization, Record, Site string
				Why                                     []string
				Documents                               int
				Emergency                               bool
			}
			Next string
		}
		decode(w.t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/reports/"+path+"&count=13"+after, nil), &page)
		rows = append(rows, page.Rows...)
		if page.Next == "" {
			return rows
		}
		after = "&after=" + page.Next
	}
}

// TestAnUndoneLinkTellsWhatLeanedOnIt is scenario 1: two people taken for one; one refuses, which hides the other; 40
// disclosures were made; the link is undone. Both are as they were, at once; the 40 are listed with what they leaned on; each
// person's accounting holds what was disclosed of them.
func TestAnUndoneLinkTellsWhatLeanedOnIt(t *testing.T) {
	w := newDesks(t)
	james := w.region.Story(sim.Namesakes)
	w.enter(james[0], james[1])
	at := []string{w.at(james[0], "riverside-clinic"), w.at(james[1], "harbor-main")}
	ids := make([]string, 2)
	for i, site := range []string{"riverside-clinic", "harbor-main"} {
		id, err := w.patientID(w.ctx, james[i], site)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = id
	}
	count := func(i int) int { return total(t, w.search("harbor-main", treating, at[i])) }
	own := []int{count(0), count(1)}
	if own[0] == 0 || own[1] == 0 {
		t.Fatalf("%v documents: nothing would be shown", own)
	}
	var done struct{ Change string }
	decode(t, w.must(http.StatusOK, "steward-desk", asSteward, http.MethodPost, "/admin/v1/match/verdicts",
		map[string]any{"records": ids, "verdict": "same", "reason": "one man, it seems"}), &done)
	const disclosures = 40
	for range disclosures {
		if n := count(1); n != own[0]+own[1] { // asked about the second, shown the first's too
			t.Fatalf("%d documents of two people taken for one, want %d", n, own[0]+own[1])
		}
	}
	if r, err := w.wish(w.ctx, james[1], "harbor-main", true); err != nil || r.status != http.StatusCreated {
		t.Fatalf("%d %v", r.status, err)
	}
	if a, b := count(0), count(1); a != 0 || b != 0 {
		t.Errorf("%d and %d after one of them refused: a refusal crosses every link", a, b)
	}
	w.must(http.StatusOK, "steward-desk", asSteward, http.MethodPost, "/admin/v1/match/changes/"+done.Change+"/undo", map[string]any{"reason": "two men"})
	if a, b := count(0), count(1); a != own[0] || b != 0 {
		t.Errorf("after the undoing %d and %d, want %d and none: each as he was", a, b, own[0])
	}

	leaned := w.report("leaned?patient=" + ids[0] + "&other=" + ids[1])
	asked := 0
	for _, row := range leaned {
		if row.Record == ids[0] && strings.Join(row.Why, "") == "asked about the other" {
			asked++
		}
		if row.Kind != "disclosed" {
			t.Errorf("%s is listed", row.Kind)
		}
	}
	if asked != disclosures {
		t.Errorf("%d disclosures leaned on the link, want %d; %d rows", asked, disclosures, len(leaned))
	}
	if all := w.report("leaned?patient=" + ids[1]); len(all) != len(leaned) {
		t.Errorf("from the other side, with nobody named, %d rows, want %d", len(all), len(leaned))
	}
	for i, id := range ids {
		rows := w.report("accounting?law=all&patient=" + id)
		site := []string{"riverside-clinic", "harbor-main"}[i]
		n := 0
		for _, row := range rows {
			if n += row.Documents; row.Site != site {
				t.Errorf("the accounting of one names the site %s of the other", row.Site)
			}
		}
		if n < disclosures*own[i] {
			t.Errorf("%d documents accounted for, want at least %d", n, disclosures*own[i])
		}
	}
}

// TestAPart2ProgramIsSilentThroughAMerge is scenario 3: a record of the program linked with the hospital's is not named,
// counted or hinted at; with the patient's consent it appears with its notice; after the link is undone the consent does not
// follow the wrong person.
func TestAPart2ProgramIsSilentThroughAMerge(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	maria, derek := w.person(sim.Ordinary), w.person(sim.Part2Only)
	w.enter(maria, derek)
	hers, err1 := w.patientID(w.ctx, maria, "harbor-main")
	his, err2 := w.patientID(w.ctx, derek, "new-dawn-east")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	find := func() reply { return w.search("harbor-main", treating, w.at(maria, "harbor-main")) }
	silent := func(r reply) bool {
		return !strings.Contains(strings.ToLower(string(r.body)), "dawn") && !strings.Contains(string(r.body), "P2-NOTICE")
	}
	before := find()
	if total(t, before) == 0 || !silent(before) {
		t.Fatal("her own documents are not what is found")
	}
	var done struct{ Change string }
	decode(t, w.must(http.StatusOK, "steward-desk", asSteward, http.MethodPost, "/admin/v1/match/verdicts",
		map[string]any{"records": []string{hers, his}, "verdict": "same", "reason": "it seems"}), &done)
	if r := find(); total(t, r) != total(t, before) || !silent(r) {
		t.Errorf("linked with the program's record, %d documents are told of, want %d and no word of it", total(t, r), total(t, before))
	}
	// The consent to the program's disclosures, given at the hospital.
	form := map[string]any{"resourceType": "Parameters", "parameter": []any{map[string]any{"name": "patient", "valueReference": map[string]any{"reference": "Patient/" + hers}},
		map[string]any{"name": "template", "valueString": "part2-treatment"}, map[string]any{"name": "organization", "valueReference": map[string]any{"reference": "Organization/new-dawn"}}}}
	w.must(http.StatusCreated, "patient-app", patientActs(hers), http.MethodPost, "/fhir/Consent/$capture", form)
	with := find()
	if n := total(t, with); n <= total(t, before) || !strings.Contains(string(with.body), "P2-NOTICE") || !strings.Contains(string(with.body), "NO-PROCEEDINGS") {
		t.Errorf("with consent %d documents, notice %t", n, strings.Contains(string(with.body), "P2-NOTICE"))
	}
	for _, words := range []string{"42 CFR part 2 prohibits unauthorized use or disclosure of these records.",
		"The patient has consented that documents from their record held by New Dawn Recovery, East Center may be given to whoever takes part in this exchange, for treatment, payment and health care operations."} {
		if !strings.Contains(string(with.body), words) || strings.Contains(string(before.body), words) {
			t.Errorf("with consent, and not before, it should say %q", words)
		}
	}
	w.must(http.StatusOK, "steward-desk", asSteward, http.MethodPost, "/admin/v1/match/changes/"+done.Change+"/undo", map[string]any{"reason": "two people"})
	if r := find(); total(t, r) != total(t, before) || !silent(r) {
		t.Errorf("after the undoing %d, want %d", total(t, r), total(t, before))
	}
	if r := w.search("harbor-main", treating, w.at(derek, "new-dawn-east")); total(t, r) != 0 {
		t.Errorf("her consent followed the wrong person: %d", total(t, r))
	}
	rows := w.report("leaned?patient=" + his + "&other=" + hers)
	if len(rows) == 0 || !strings.Contains(strings.Join(rows[0].Why, ","), "consent of the other") {
		t.Errorf("%d disclosures leaned on her consent", len(rows))
	}
}

// TestFiftyEmergenciesAtOnce is scenario 9: they open what may give way and nothing else, for their window and purpose;
// an absolute refusal holds; the claimant's claims raise an alarm; the source contests; patient and source are told.
func TestFiftyEmergenciesAtOnce(t *testing.T) {
	w := newDesks(t)
	linda, okafor := w.person(sim.EmergencyOnly), w.person(sim.OptedOut)
	w.enter(linda, okafor)
	if err := w.stateWishes(w.ctx); err != nil {
		t.Fatal(err)
	}
	claim := func(identifier string) []byte {
		system, value, _ := strings.Cut(identifier, "|")
		return []byte(fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"identifier","valueIdentifier":{"system":%q,"value":%q}},{"name":"reason","valueCode":"unconscious"},
 {"name":"text","valueString":"Found unconscious at home; history needed now."},{"name":"attested","valueCode":"emergency-exists"},
 {"name":"attested","valueCode":"consent-not-obtainable-in-time"},{"name":"attested","valueCode":"not-refused-if-able"}]}`, system, value))
	}
	find := func(who asker, p sim.Person) int {
		return total(t, w.search("riverside-clinic", who, w.at(p, "riverside-clinic")))
	}
	if find(treating, linda) != 0 || find(claiming, linda) != 0 {
		t.Fatal("it is open before anybody claimed an emergency")
	}
	var all sync.WaitGroup
	until := make([]string, 50)
	for i := range until {
		who := w.at(linda, "riverside-clinic")
		if i%2 == 1 {
			who = w.at(okafor, "riverside-clinic")
		}
		all.Go(func() {
			r, err := w.clients["riverside-clinic-emr"].api.call(w.ctx, claiming, http.MethodPost, "/fhir/Patient/$break-glass", claim(who))
			var p struct {
				Parameter []struct{ ValueDateTime string }
			}
			if err == nil && r.status == http.StatusOK && json.Unmarshal(r.body, &p) == nil && len(p.Parameter) == 1 {
				until[i] = p.Parameter[0].ValueDateTime
			}
		})
	}
	all.Wait()
	for i, u := range until {
		end, err := time.Parse(time.RFC3339Nano, u)
		if left := time.Until(end); err != nil || left > 4*time.Hour || left < 3*time.Hour+58*time.Minute {
			t.Errorf("claim %d holds until %q", i, u)
		}
	}
	if find(claiming, linda) == 0 {
		t.Error("an emergency does not open what gives way to one")
	}
	if n := find(treating, linda); n != 0 {
		t.Errorf("it opens %d documents for another purpose", n)
	}
	if n := find(claiming, okafor); n != 0 {
		t.Errorf("it opens %d documents against an absolute refusal", n)
	}
	other := claiming
	other.user = "dr-somebody-else"
	if n := find(other, linda); n != 0 {
		t.Errorf("it opens %d documents to somebody who claimed nothing", n)
	}

	number := strings.SplitN(w.at(linda, "riverside-clinic"), "|", 2)
	w.must(http.StatusNoContent, "riverside-clinic-emr", claiming, http.MethodPost, "/fhir/Patient/$end-emergency",
		[]byte(fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"identifier","valueIdentifier":{"system":%q,"value":%q}}]}`, number[0], number[1])))
	if n := find(claiming, linda); n != 0 {
		t.Errorf("after the emergency was said to be over it opens %d documents", n)
	}

	type review struct {
		ID, Claimed string
		Claims      int
		Alarm       bool
		Records     []string
	}
	var listed struct{ Reviews []review }
	decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/reviews?alarm=true&count=200", nil), &listed)
	if len(listed.Reviews) < 40 || !listed.Reviews[0].Alarm {
		t.Errorf("%d claims raise an alarm; want all from the fifth on", len(listed.Reviews))
	}
	decode(t, w.must(http.StatusOK, "harbor-desk", asOfficer, http.MethodGet, "/admin/v1/reviews?count=200", nil), &listed)
	if len(listed.Reviews) == 0 {
		t.Fatal("the source of what was opened is told of no claim")
	}
	path := "/admin/v1/reviews/" + listed.Reviews[0].ID
	w.must(http.StatusOK, "harbor-desk", asOfficer, http.MethodPost, path+"/contest", map[string]any{"reason": "she was awake and declined"})
	w.must(http.StatusForbidden, "harbor-desk", asOfficer, http.MethodPost, path+"/close", map[string]any{"finding": "unjustified", "note": "we say so"})
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, path+"/close", map[string]any{"finding": "unjustified", "note": "the record agrees"})

	id, err := w.patientID(w.ctx, linda, "riverside-clinic")
	if err != nil {
		t.Fatal(err)
	}
	me := patientActs(id)
	var told struct{ Notices []struct{ Kind string } }
	decode(t, w.must(http.StatusOK, "patient-app", me, http.MethodGet, "/admin/v1/notices?count=200", nil), &told)
	if len(told.Notices) < 25 {
		t.Errorf("the patient is told of %d emergencies, want 25 and more", len(told.Notices))
	}
	emergencies := 0
	var mine struct{ Rows []struct{ Emergency bool } }
	decode(t, w.must(http.StatusOK, "patient-app", me, http.MethodGet, "/admin/v1/reports/access?count=200", nil), &mine)
	for _, r := range mine.Rows {
		if r.Emergency {
			emergencies++
		}
	}
	if emergencies < 26 {
		t.Errorf("her own report shows %d emergencies", emergencies)
	}

	// The sandbox puts her back: she shared everything, an emergency holds, and she said that a registration is not hers.
	w.must(http.StatusOK, "riverside-clinic-emr", claiming, http.MethodPost, "/fhir/Patient/$break-glass", claim(w.at(linda, "riverside-clinic")))
	if err := w.withdraw(w.ctx, linda, "riverside-clinic"); err != nil {
		t.Fatal(err)
	}
	hers := map[string]any{"record": id, "reason": "that visit was not mine"}
	w.must(http.StatusOK, "steward-desk", asSteward, http.MethodPost, "/admin/v1/match/tasks", hers)
	if find(treating, linda) == 0 {
		t.Fatal("she shares, and nothing is found")
	}
	if err := w.sandboxReset(w.ctx, w.local(linda, "riverside-clinic")); err != nil {
		t.Fatal(err)
	}
	if a, b := find(treating, linda), find(claiming, linda); a+b != 0 {
		t.Errorf("put back, %d documents are found for treatment and %d in the emergency that was ended", a, b)
	}
	var tasks struct{ Tasks []struct{ Withdrawn bool } }
	decode(t, w.must(http.StatusOK, "steward-desk", asSteward, http.MethodGet, "/admin/v1/match/tasks?closed=true&kind=patient-reported", nil), &tasks)
	if len(tasks.Tasks) != 1 || !tasks.Tasks[0].Withdrawn {
		t.Errorf("what she reported: %+v; want it withdrawn", tasks.Tasks)
	}
	if err := w.sandboxReset(w.ctx, "nobody"); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("nobody is put back: %v", err)
	}
}

// reasons are every word a decision gives itself, and what else would tell why.
var reasons = []string{"INPUT", "LABEL_STALE", "EMERGENCY_INVALID", "LAW_FORBID", "LAW_REQUIRE", "NETWORK_FORBID", "NETWORK_REQUIRE", "SITE_FORBID", "SITE_REQUIRE",
	"BTG_ONLY", "LINK_DISPUTED", "ABSOLUTE", "DENY", "TOMBSTONE", "NOT_COVERED", "DEFAULT_DENY", "DEFAULT_BTG", "DEFAULT_NORMAL", "OBLIGATION", "UNKNOWN_PATIENT",
	"opted", "refus", "consent", "directive", "Part 2", "part2", "42 CFR", "us-42cfr"}

// TestNoReasonReachesARequester asks by every door a requester has about people whose documents are withheld for every
// reason there is in the stories, and reads each answer for a word of why.
func TestNoReasonReachesARequester(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	maria, okafor, linda, derek := w.person(sim.Ordinary), w.person(sim.OptedOut), w.person(sim.EmergencyOnly), w.person(sim.Part2Only)
	w.enter(maria, okafor, linda, derek)
	handles := map[string][]string{}
	for name, p := range map[string]sim.Person{"okafor": okafor, "linda": linda} {
		handles[name] = attachments(t, w.search("riverside-clinic", treating, w.at(p, "riverside-clinic")))
	}
	if err := w.stateWishes(w.ctx); err != nil {
		t.Fatal(err)
	}
	emr := w.clients["riverside-clinic-emr"].api
	asked := 0
	read := func(what string, who asker, method, target string, body any) {
		t.Helper()
		r, err := emr.call(w.ctx, who, method, target, body)
		if err != nil {
			t.Fatal(err)
		}
		asked++
		text := string(r.body)
		for name, values := range r.header {
			text += "\n" + name + ": " + strings.Join(values, ",")
		}
		for _, why := range reasons {
			if strings.Contains(text, why) {
				t.Errorf("%s: an answer of %d says %q", what, r.status, why)
			}
		}
	}
	payer := treating
	payer.purposes = "HPAYMT"
	for name, p := range map[string]sim.Person{"the one who refused": okafor, "the one of emergencies": linda, "the Part 2 program's": derek, "one shared for treatment alone": maria} {
		site := "riverside-clinic"
		if name == "the Part 2 program's" {
			site = "new-dawn-east"
		}
		q := "patient.identifier=" + strings.ReplaceAll(w.at(p, site), "|", "%7C")
		for _, who := range []asker{treating, claiming, payer} {
			read(name+", found", who, http.MethodGet, "/fhir/DocumentReference?"+q, nil)
			read(name+", counted", who, http.MethodGet, "/fhir/DocumentReference?_summary=count&"+q, nil)
			read(name+", presence", who, http.MethodGet, "/fhir/DocumentReference/$presence?"+q, nil)
			read(name+", cross-reference", who, http.MethodGet, "/fhir/Patient/$ihe-pix?sourceIdentifier="+strings.TrimPrefix(q, "patient.identifier="), nil)
			read(name+", patient search", who, http.MethodGet, "/fhir/Patient?identifier="+strings.TrimPrefix(q, "patient.identifier="), nil)
		}
	}
	for name, urls := range handles {
		for _, u := range urls {
			read(name+", retrieved", treating, http.MethodGet, u, nil)
			read(name+", retrieved for payment", payer, http.MethodGet, u, nil)
		}
	}
	if asked < 60 {
		t.Errorf("only %d answers were read", asked)
	}
}
