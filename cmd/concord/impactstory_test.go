package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/internal/sim"
)

// A previewedCell is a cell of a simulation.
type previewedCell struct {
	Site, Purpose, Class, Label, Confidentiality, Requester, Before, After string
	Emergency, Opens, Closes                                               bool
	Patients                                                               int64
}

// adopt takes a policy the whole way, as two officers do, and returns what its simulation said.
func (w *town) adopt(content string, activate bool) (version int64, preview struct {
	Patients, Changed int64
	Cells             []previewedCell
	Records           []string
}) {
	w.t.Helper()
	var step struct {
		Policy  string
		Version int64
	}
	other := asOfficer
	other.user, other.name = "h.vale", "Hester Vale"
	decode(w.t, w.must(http.StatusOK, "privacy-desk", other, http.MethodPost, "/admin/v1/policies", []byte(`{"content":`+content+`}`)), &step)
	path := fmt.Sprintf("/admin/v1/policies/%s/versions/%d/", step.Policy, step.Version)
	decode(w.t, w.must(http.StatusOK, "privacy-desk", other, http.MethodPost, path+"simulate", map[string]any{}), &preview)
	if activate {
		w.activate(path)
	}
	return step.Version, preview
}

func (w *town) activate(path string) {
	w.t.Helper()
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, path+"approve", map[string]any{})
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, path+"activate", map[string]any{})
	time.Sleep(consent.PolicyNotice + 1500*time.Millisecond) // from then on it is in force on every node
}

// TestAnImpactPreviewIsWhatTheSwitchDoes is scenario 7 asked of a node: the default of an opt-in state is to change. The
// preview names cells and patients. Then the switch is made, and every cell it names, beside as many it does not, is asked
// patient by patient as before: exactly as many answers differ as it said. Whose documents an organisation sees changes for
// no patient who is not listed.
//
// Over a million patients: the figure "impact of a default" of make bench, and its reverse check.
func TestAnImpactPreviewIsWhatTheSwitchDoes(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	people := slices.DeleteFunc(slices.Clone(w.region.People), func(p sim.Person) bool { return p.Story == sim.Heavy })
	w.enter(people...)
	if err := w.stateWishes(w.ctx); err != nil {
		t.Fatal(err)
	}
	const state = `{"id":"opt-in","title":"The state's default","kind":"network","defaults":[{"jurisdiction":"US-MD","purposeClass":"TREAT","category":"*","rule":%q}]}`
	w.adopt(fmt.Sprintf(state, "deny"), true)

	// Who is who: patient ids by person and by site.
	type registration struct{ site, id string }
	own := make([][]registration, len(people))
	of := map[string]int{}
	for i, p := range people {
		for _, n := range p.Registrations {
			site := w.region.Registrations[n].Site
			if slices.ContainsFunc(own[i], func(r registration) bool { return r.site == site }) {
				continue
			}
			id, err := w.patientID(w.ctx, p, site)
			if err != nil {
				t.Fatal(err)
			}
			own[i] = append(own[i], registration{site, id})
			of[id] = i
		}
	}
	version, preview := w.adopt(fmt.Sprintf(state, "basic-normal"), false)
	if preview.Changed == 0 || len(preview.Cells) == 0 || preview.Patients < int64(len(people)) {
		t.Fatalf("%d of %d patients, %d cells", preview.Changed, preview.Patients, len(preview.Cells))
	}
	listed := map[int]bool{}
	for _, id := range preview.Records {
		if i, known := of[id]; known {
			listed[i] = true
		}
	}

	// Cells to ask about: of those named some, and of those not named as many.
	rng := rand.New(rand.NewPCG(7, 7))
	key := func(c previewedCell) string {
		return strings.Join([]string{c.Site, c.Purpose, c.Class, c.Label, c.Confidentiality, c.Requester, fmt.Sprint(c.Emergency)}, "|")
	}
	named := map[string]previewedCell{}
	for _, c := range preview.Cells {
		if c.Requester == "any organisation" && !c.Emergency && !strings.Contains(c.Label, " ") {
			named[key(c)] = c
		}
	}
	keys := slices.Sorted(maps.Keys(named))
	rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var cells []previewedCell
	for _, k := range keys[:min(len(keys), 20)] {
		cells = append(cells, named[k])
	}
	for range 20 {
		c := previewedCell{Site: w.region.Sites[rng.IntN(len(w.region.Sites))].ID, Purpose: []string{"TREAT", "HPAYMT", "HMARKT", "PATRQT", "BTG", "COC"}[rng.IntN(6)], Class: []string{"other", "psychotherapy-note"}[rng.IntN(2)],
			Label: []string{"plain", "PSYTHPN"}[rng.IntN(2)], Confidentiality: []string{"N", "R"}[rng.IntN(2)], Requester: "any organisation"}
		if _, is := named[key(c)]; !is && c.Purpose != "COC" { // what is under a purpose stands for itself in no cell
			cells = append(cells, c)
		}
	}
	// The answer of a cell for one patient, now.
	ask := func(c previewedCell, i int) string {
		for _, r := range own[i] {
			if r.site != c.Site {
				continue
			}
			class, labels := c.Class, []string{}
			if class == "other" {
				class = "zz-other"
			}
			if c.Label != "plain" {
				labels = append(labels, c.Label)
			}
			got := w.explain(map[string]any{"patient": r.id, "organization": exchangeOrg, "roles": []string{}, "purposes": []string{c.Purpose},
				"document": map[string]any{"id": "zz", "class": class, "type": "zz", "confidentiality": c.Confidentiality, "sensitivity": labels, "labelled": true}})
			return got.Reason
		}
		return ""
	}
	seen := func() (out []string) { // what three askers see of each patient
		for _, p := range people {
			var all []string
			for _, site := range []string{"riverside-clinic", "new-dawn-east", "harbor-main"} {
				for _, who := range []asker{treating, asPayer} {
					r := w.search(site, who, w.at(p, w.region.Registrations[p.Registrations[0]].Site), "_count", "100")
					all = append(all, fmt.Sprint(total(t, r)))
				}
			}
			out = append(out, strings.Join(all, " "))
		}
		return out
	}
	before, sights := make([][]string, len(cells)), seen()
	for n, c := range cells {
		for i := range people {
			before[n] = append(before[n], ask(c, i))
		}
	}
	w.activate(fmt.Sprintf("/admin/v1/policies/opt-in/versions/%d/", version))
	changed := 0
	for n, c := range cells {
		differ := int64(0)
		for i := range people {
			if after := ask(c, i); after != before[n][i] {
				if differ++; named[key(c)].Patients > 0 && (before[n][i] != c.Before || after != c.After) {
					t.Errorf("%s: %s became %s, previewed was %s to %s", key(c), before[n][i], after, c.Before, c.After)
				}
				if !listed[i] {
					t.Errorf("%s: the answer changed for somebody who is not listed", key(c))
				}
			}
		}
		if differ != c.Patients {
			t.Errorf("%s: the answer changed for %d patients, previewed were %d", key(c), differ, c.Patients)
		}
		changed += int(differ)
	}
	opened := 0
	for i, s := range seen() {
		if s == sights[i] {
			continue
		}
		if opened++; !listed[i] {
			t.Errorf("what is seen of somebody not listed changed: %s, was %s", s, sights[i])
		}
	}
	if changed == 0 || opened == 0 {
		t.Errorf("%d answers and %d sights changed: nothing is shown", changed, opened)
	}
	t.Logf("%d cells named, %d asked about; %d answers differ, %d of %d patients are seen otherwise, %d are listed", len(preview.Cells), len(cells), changed, opened, len(people), len(preview.Records))
}

// TestAChangeOfWhatLiesUnderWhatIsWhatItsPreviewSaid is scenario 7 for a sensitivity hierarchy: two patients, one of whom keeps back
// what is about sexual health. The network puts STD under SEX. The preview names her alone and the label; the switch hides her
// document labelled STD, and rolling back shows it again.
func TestAChangeOfWhatLiesUnderWhatIsWhatItsPreviewSaid(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	ids := make([]string, 2)
	for i, local := range []string{"KIN-1", "KIN-2"} {
		target, body := patientPut(w.exchangeUnderTest, local, []string{"Ingeborg", "Bertrand"}[i], []string{"Halvorsen", "Okonkwo"}[i], []string{"1951-09-23", "1964-02-11"}[i])
		ids[i] = idOf(t, w.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, target, body))
		for _, label := range []string{"STD", "HIV"} {
			d := strings.Replace(string(pointerPost(w.exchangeUnderTest, local, "urn:"+local+":"+label)), `"securityLabel":[`,
				`"securityLabel":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"`+label+`"}]},`, 1)
			w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/DocumentReference", []byte(d))
		}
	}
	refused := strings.Replace(string(refusal(ids[0], false, time.Now())), `"type":"deny"`, `"type":"deny","securityLabel":[{"code":"SEX"}]`, 1)
	w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/Consent", []byte(refused))
	seen := func() string {
		return fmt.Sprint(total(t, w.search("riverside-clinic", treating, w.authority("harbor-main")+"|KIN-1")), total(t, w.search("riverside-clinic", treating, w.authority("harbor-main")+"|KIN-2")))
	}
	if got := seen(); got != "2 2" {
		t.Fatalf("before, %s documents are shown", got)
	}
	version, preview := w.adopt(`{"id":"kinship","title":"STD is about sexual health","kind":"network","sensitivities":[{"code":"STD","under":"SEX"}]}`, false)
	if preview.Changed != 1 || len(preview.Records) != 1 || preview.Records[0] != ids[0] || len(preview.Cells) == 0 {
		t.Errorf("%d change, %v, in %d cells; want her alone", preview.Changed, preview.Records, len(preview.Cells))
	}
	closes := 0
	for _, c := range preview.Cells {
		if c.Site != "harbor-main" || c.Label != "STD" || c.After != "DENY" && !(c.Emergency && c.After == "EMERGENCY") {
			t.Errorf("%+v changes", c)
		}
		if c.Purpose == "TREAT" && c.Closes && c.Patients == 1 {
			closes++
		}
	}
	if closes == 0 {
		t.Error("no cell says that it closes for treatment")
	}
	// Who drafted it cannot approve it, nothing is put in force that nobody approved, and nothing in the past.
	drafter, path := asOfficer, fmt.Sprintf("/admin/v1/policies/kinship/versions/%d/", version)
	drafter.user, drafter.name = "h.vale", "Hester Vale"
	w.must(http.StatusForbidden, "privacy-desk", drafter, http.MethodPost, path+"approve", map[string]any{})
	w.must(http.StatusBadRequest, "privacy-desk", asOfficer, http.MethodPost, path+"activate", map[string]any{})
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, path+"approve", map[string]any{"dry_run": true})
	w.must(http.StatusBadRequest, "privacy-desk", asOfficer, http.MethodPost, path+"activate", map[string]any{})
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, path+"approve", map[string]any{})
	w.must(http.StatusBadRequest, "privacy-desk", asOfficer, http.MethodPost, path+"activate", map[string]any{"effective": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)})
	if got := seen(); got != "2 2" {
		t.Errorf("before the switch %s documents are shown", got)
	}
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, path+"activate", map[string]any{})
	time.Sleep(consent.PolicyNotice + 1500*time.Millisecond)
	if got := seen(); got != "1 2" {
		t.Errorf("after the switch %s documents are shown", got)
	}
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/policies/kinship/rollback", map[string]any{})
	w.must(http.StatusBadRequest, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/policies/kinship/rollback", map[string]any{})
	time.Sleep(consent.PolicyNotice + 1500*time.Millisecond)
	if got := seen(); got != "2 2" {
		t.Errorf("rolled back, %s documents are shown", got)
	}
}
