package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/internal/sim"
)

// Who acts in the story.
var (
	treating = asker{purposes: "TREAT", user: "dr-bloom", name: "Dr. Avery Bloom", role: "physician", scopes: strings.Join(emrScopes, " ")}
	claiming = asker{purposes: "BTG", user: "dr-bloom", name: "Dr. Avery Bloom", role: "physician", scopes: strings.Join(emrScopes, " ")}
	officer  = asker{purposes: "HCOMPL", user: "p.stone", name: "Priya Stone", role: "privacy-officer", scopes: "system/AuditEvent.rs concord/review.read concord/review.write"}
	auditing = asker{purposes: "HCOMPL", user: "i.lowe", name: "Imani Lowe", role: "auditor", scopes: "concord/audit.read"}
	settling = asker{purposes: "PATADMIN", user: "m.reyes", name: "Marta Reyes", role: "steward", scopes: "system/Patient.rs concord/match.read concord/match.write"}
)

// errStory means that something went otherwise than told.
var errStory = errors.New("the story did not go as told")

// A teller plays the guided story and compares each step with what was expected.
type teller struct {
	*demo
	step, wrong int
}

// story plays the guided story through the node's public API: Maria's documents are found and one is opened, she
// limits sharing, it looks as if there were nothing, an emergency opens them again, the claim is there to be
// reviewed and in her own history, a wrong link is undone without a trace, and the log verifies. It returns an
// *exitError with status 1 when anything differed.
func (m *demo) story(ctx context.Context) error {
	t := &teller{demo: m}
	maria := m.region.Story(sim.Ordinary)[0]
	if err := t.reset(ctx, maria); err != nil {
		return err
	}
	for _, play := range []func(context.Context, sim.Person) error{t.locate, t.limit, t.emergency, t.review, t.wrongLink, t.verifyLog} {
		if err := play(ctx, maria); err != nil {
			return fmt.Errorf("story: step %d: %w", t.step, err)
		}
	}
	if err := t.reset(ctx, maria); err != nil {
		return err
	}
	if t.wrong > 0 {
		return &exitError{status: 1, text: fmt.Sprintf("%v: %d of its observations differ", errStory, t.wrong)}
	}
	_, err := fmt.Fprintln(m.s.out, "\nThe story went as told.")
	return err
}

// reset brings the people of the story back to where it begins, so that it can be played again, also after a run
// that was stopped in the middle: Maria has no wish on file, and the two Carters are two.
func (t *teller) reset(ctx context.Context, maria sim.Person) error {
	if err := t.withdraw(ctx, maria, "riverside-clinic"); err != nil {
		return err
	}
	james := t.region.Story(sim.Namesakes)
	id, err := t.patientID(ctx, james[0], "riverside-clinic")
	if err != nil {
		return err
	}
	r, err := t.clients["steward-desk"].api.call(ctx, settling, http.MethodGet, "/admin/v1/match/records/"+id+"/history", nil)
	if err != nil {
		return err
	}
	var history struct {
		Events []struct{ Change, Kind, Cause, Undoes string }
	}
	if err := json.Unmarshal(r.body, &history); err != nil || r.status != http.StatusOK {
		return fmt.Errorf("story: link history: %s", r.problem())
	}
	open := ""
	for _, e := range history.Events {
		switch {
		case e.Cause == "steward" && e.Kind == "constrained":
			open = e.Change
		case e.Undoes == open:
			open = ""
		}
	}
	if open == "" {
		return nil
	}
	_, err = t.decide(ctx, "/admin/v1/match/changes/"+open+"/undo", map[string]any{"reason": "left over from a story that was stopped"})
	return err
}

// tell begins a step.
func (t *teller) tell(format string, args ...any) {
	t.step++
	fmt.Fprintf(t.s.out, "\n%d. %s\n", t.step, fmt.Sprintf(format, args...))
}

// see prints one observation beside what was expected of it.
func (t *teller) see(what, expected, seen string) {
	verdict := "as expected"
	if expected != seen {
		verdict = "DIFFERENT"
		t.wrong++
	}
	fmt.Fprintf(t.s.out, "   %s\n     expected: %s\n     seen:     %s (%s)\n", what, expected, seen, verdict)
}

// emr returns the EMR client of a site.
func (t *teller) emr(site string) *apiClient { return t.clients[site+"-emr"].api }

// A found document is one entry of a search.
type foundDocument struct {
	uid, custodian, url, hash, contentType string
}

// find searches for the current documents of the patient site|local as who.
func (t *teller) find(ctx context.Context, site string, who asker, identifier string) (reply, []foundDocument, error) {
	var all []foundDocument
	var first reply
	q := url.Values{"patient.identifier": {identifier}, "status": {"current"}, "_count": {"100"}}
	target := "/fhir/DocumentReference?" + q.Encode()
	for page := 0; target != "" && page < 100; page++ {
		r, err := t.emr(site).call(ctx, who, http.MethodGet, target, nil)
		if err != nil {
			return reply{}, nil, err
		}
		if page == 0 {
			first = r
		}
		var set struct {
			Link  []struct{ Relation, URL string }
			Entry []struct {
				Resource struct {
					ResourceType     string
					MasterIdentifier struct{ Value string }
					Custodian        struct{ Identifier struct{ Value string } }
					Content          []struct {
						Attachment struct{ URL, Hash, ContentType string }
					}
				}
			}
		}
		if r.status != http.StatusOK {
			return r, nil, nil
		}
		if err := json.Unmarshal(r.body, &set); err != nil {
			return reply{}, nil, err
		}
		for _, e := range set.Entry {
			d := e.Resource
			if d.ResourceType != "DocumentReference" || len(d.Content) == 0 {
				continue
			}
			a := d.Content[0].Attachment
			all = append(all, foundDocument{d.MasterIdentifier.Value, d.Custodian.Identifier.Value, a.URL, a.Hash, a.ContentType})
		}
		target = ""
		for _, l := range set.Link {
			if l.Relation == "next" {
				target = l.URL
			}
		}
	}
	return first, all, nil
}

// expected returns the unique ids of everything the sites have published about p, sorted.
func (t *teller) expected(p sim.Person) []string {
	var out []string
	for _, i := range p.Registrations {
		g := t.region.Registrations[i]
		if s, _ := t.region.Site(g.Site); !s.Publishes {
			continue
		}
		for n := range g.Documents {
			out = append(out, t.region.Document(g, n).UID)
		}
	}
	slices.Sort(out)
	return out
}

// census says how many documents came from whom, and whether they are the ones expected.
func (t *teller) census(found []foundDocument, want []string) string {
	var uids []string
	counts := map[string]int{}
	for _, d := range found {
		uids = append(uids, d.uid)
		counts[d.custodian]++
	}
	slices.Sort(uids)
	var parts []string
	for _, s := range t.region.Sites {
		if n := counts[s.OrgURI]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s.OrgName, n))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	if !slices.Equal(uids, want) {
		parts = append(parts, "but not the documents that were published")
	}
	return strings.Join(parts, ", ")
}

const mariasDocuments = "Harbor General Hospital 3, Riverside Family Medicine 4, Chesapeake Cardiology Associates 2"

// locate plays steps 1 and 2: primary care finds the documents by its own number and opens one.
func (t *teller) locate(ctx context.Context, maria sim.Person) error {
	t.tell("Riverside Family Medicine treats %s and looks for her records under its own number.", maria.Name())
	_, found, err := t.find(ctx, "riverside-clinic", treating, t.at(maria, "riverside-clinic"))
	if err != nil {
		return err
	}
	t.see("documents found", mariasDocuments, t.census(found, t.expected(maria)))

	t.tell("It opens the hospital's newest document.")
	at := slices.IndexFunc(found, func(d foundDocument) bool { return d.custodian == t.region.Sites[0].OrgURI })
	if at < 0 {
		t.see("document", "a document of the hospital", "none")
		return nil
	}
	d := found[at]
	r, err := t.emr("riverside-clinic").call(ctx, treating, http.MethodGet, d.url, nil)
	if err != nil {
		return err
	}
	original := t.original(d.uid, maria)
	t.see("answer", fmt.Sprintf("200 %s, %d bytes, SHA-1 %s", original.ContentType, len(original.Bytes()), sim.Hash(original.Bytes())),
		fmt.Sprintf("%d %s, %d bytes, SHA-1 %s", r.status, r.header.Get("Content-Type"), len(r.body), sim.Hash(r.body)))
	t.see("hash in the reference", sim.Hash(original.Bytes()), d.hash)
	return nil
}

// original returns the site's own document of that unique id.
func (t *teller) original(uid string, p sim.Person) sim.Document {
	for _, i := range p.Registrations {
		g := t.region.Registrations[i]
		for n := range g.Documents {
			if d := t.region.Document(g, n); d.UID == uid {
				return d
			}
		}
	}
	return sim.Document{}
}

// limit plays steps 3 and 4: Maria shares in emergencies only; it looks as if there were nothing.
func (t *teller) limit(ctx context.Context, maria sim.Person) error {
	_, before, err := t.find(ctx, "riverside-clinic", treating, t.at(maria, "riverside-clinic"))
	if err != nil {
		return err
	}
	t.tell("Maria limits sharing to emergencies, in the patients' app.")
	r, err := t.wish(ctx, maria, "riverside-clinic", false)
	if err != nil {
		return err
	}
	t.see("her consent is filed", "201", fmt.Sprint(r.status))

	t.tell("Riverside looks again.")
	refused, found, err := t.find(ctx, "riverside-clinic", treating, t.at(maria, "riverside-clinic"))
	if err != nil {
		return err
	}
	t.see("documents found", "none", t.census(found, nil))
	unknown, _, err := t.find(ctx, "riverside-clinic", treating, t.authority("riverside-clinic")+"|"+sim.Unknown)
	if err != nil {
		return err
	}
	t.see("the answer beside that for a number nobody has", "the same bytes", sameBytes(refused, unknown))
	if len(before) == 0 {
		return nil
	}
	held, err := t.emr("riverside-clinic").call(ctx, treating, http.MethodGet, before[0].url, nil)
	if err != nil {
		return err
	}
	nothing, err := t.emr("riverside-clinic").call(ctx, treating, http.MethodGet, "/fhir/Binary/nothing", nil)
	if err != nil {
		return err
	}
	t.see("the document opened with the link from before", "404, the same bytes as for a link that never was",
		fmt.Sprintf("%d, %s as for a link that never was", held.status, sameBytes(held, nothing)))
	return nil
}

func sameBytes(a, b reply) string {
	if a.status == b.status && bytes.Equal(a.body, b.body) {
		return "the same bytes"
	}
	return "other bytes"
}

// emergency plays step 5: with a reason, a physician opens what Maria kept for emergencies.
func (t *teller) emergency(ctx context.Context, maria sim.Person) error {
	t.tell("Maria is brought in unconscious. Dr. Bloom claims an emergency and says why.")
	type object = map[string]any
	system, value, _ := strings.Cut(t.at(maria, "riverside-clinic"), "|")
	claim := object{"resourceType": "Parameters", "parameter": []object{
		{"name": "identifier", "valueIdentifier": object{"system": system, "value": value}},
		{"name": "reason", "valueCode": "unconscious"},
		{"name": "text", "valueString": "Found unconscious at home; cardiac history and medication needed now."},
		{"name": "attested", "valueCode": "emergency-exists"},
		{"name": "attested", "valueCode": "consent-not-obtainable-in-time"},
		{"name": "attested", "valueCode": "not-refused-if-able"},
	}}
	r, err := t.emr("riverside-clinic").call(ctx, claiming, http.MethodPost, "/fhir/Patient/$break-glass", claim)
	if err != nil {
		return err
	}
	t.see("the claim is taken", "200", fmt.Sprint(r.status))
	_, found, err := t.find(ctx, "riverside-clinic", claiming, t.at(maria, "riverside-clinic"))
	if err != nil {
		return err
	}
	t.see("documents found under the claim", mariasDocuments, t.census(found, t.expected(maria)))
	_, found, err = t.find(ctx, "harbor-main", treating, t.at(maria, "harbor-main"))
	if err != nil {
		return err
	}
	t.see("documents the hospital finds without one", "none", t.census(found, nil))
	return nil
}

// review plays step 6: the claim waits for the privacy officer and stands in Maria's own history.
func (t *teller) review(ctx context.Context, maria sim.Person) error {
	t.tell("The privacy officer looks at claims to be reviewed; Maria looks at who saw her records.")
	r, err := t.clients["privacy-desk"].api.call(ctx, officer, http.MethodGet, "/admin/v1/reviews", nil)
	if err != nil {
		return err
	}
	var reviews struct {
		Reviews []struct{ ID, Organization, User, Reason string }
	}
	if err := json.Unmarshal(r.body, &reviews); err != nil {
		return fmt.Errorf("reviews: %s", r.problem())
	}
	seen, open := "no such claim", []string{}
	for _, v := range reviews.Reviews {
		if v.User == claiming.user && v.Reason == "unconscious" {
			seen, open = fmt.Sprintf("%s of %s, %s", v.User, v.Organization, v.Reason), append(open, v.ID)
		}
	}
	t.see("open review", "dr-bloom of riverside, unconscious", seen)
	for _, review := range open {
		r, err := t.clients["privacy-desk"].api.call(ctx, officer, http.MethodPost, "/admin/v1/reviews/"+review+"/close",
			map[string]any{"finding": "justified", "note": "Admission confirmed by the emergency department."})
		if err != nil {
			return err
		}
		t.see("she finds it justified and closes it", "200", fmt.Sprint(r.status))
	}

	id, err := t.patientID(ctx, maria, "riverside-clinic")
	if err != nil {
		return err
	}
	history, err := t.history(ctx, id)
	if err != nil {
		return err
	}
	t.see("in her access history", "Riverside Family Medicine, Dr. Avery Bloom, BTG", cmp.Or(history, "nothing of the kind"))
	return nil
}

// history returns who is named by the newest event of the patient's own history that was done under a claimed
// emergency: organisation, person, purpose; "" when there is none.
func (t *teller) history(ctx context.Context, id string) (string, error) {
	target := "/fhir/AuditEvent?patient=Patient/" + id + "&_count=100"
	r, err := t.clients["patient-app"].api.call(ctx, patientActs(id), http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	if r.status != http.StatusOK {
		return "", fmt.Errorf("access history: %s", r.problem())
	}
	type concept struct{ Coding []struct{ Code string } }
	var set struct {
		Entry []struct {
			Resource struct {
				PurposeOfEvent []concept
				Agent          []struct {
					Name         string
					Who          struct{ Display string }
					PurposeOfUse []concept
				}
			}
		}
	}
	if err := json.Unmarshal(r.body, &set); err != nil {
		return "", err
	}
	for _, e := range set.Entry {
		names, emergency := []string{}, false
		for _, a := range e.Resource.Agent {
			names = append(names, a.Name, a.Who.Display)
			for _, p := range append(a.PurposeOfUse, e.Resource.PurposeOfEvent...) {
				emergency = emergency || len(p.Coding) > 0 && p.Coding[0].Code == "BTG"
			}
		}
		if emergency {
			var out []string
			for _, n := range []string{"Riverside Family Medicine", claiming.name} {
				if slices.Contains(names, n) {
					out = append(out, n)
				}
			}
			return strings.Join(append(out, "BTG"), ", "), nil
		}
	}
	return "", nil
}

// An aspect is what can be seen of one of two people: the steward's view of the person and the documents their
// site finds.
type aspect struct{ person, documents string }

// wrongLink plays steps 7 and 8: two people are taken for one, and that is undone.
func (t *teller) wrongLink(ctx context.Context, _ sim.Person) error {
	james := t.region.Story(sim.Namesakes)
	a, err := t.patientID(ctx, james[0], "riverside-clinic")
	if err != nil {
		return err
	}
	b, err := t.patientID(ctx, james[1], "harbor-main")
	if err != nil {
		return err
	}
	look := func() (out [2]aspect, err error) {
		if out[0], err = t.aspect(ctx, a, "riverside-clinic", james[0]); err != nil {
			return out, err
		}
		out[1], err = t.aspect(ctx, b, "harbor-main", james[1])
		return out, err
	}
	before, err := look()
	if err != nil {
		return err
	}
	t.tell("Two men are called James Carter and were born on one day. A steward takes them for one person.")
	change, err := t.decide(ctx, "/admin/v1/match/verdicts", map[string]any{"records": []string{a, b}, "verdict": "same",
		"reason": "same name and birth date (a mistake, for the story)"})
	if err != nil {
		return err
	}
	_, found, err := t.find(ctx, "riverside-clinic", treating, t.at(james[0], "riverside-clinic"))
	if err != nil {
		return err
	}
	both := append(t.expected(james[0]), t.expected(james[1])...)
	slices.Sort(both)
	t.see("what Riverside finds about its James", "Harbor General Hospital 2, Riverside Family Medicine 3", t.census(found, both))

	t.tell("The mistake is noticed and undone.")
	if _, err := t.decide(ctx, "/admin/v1/match/changes/"+change+"/undo", map[string]any{"reason": "two men: SSN, address and middle name differ"}); err != nil {
		return err
	}
	after, err := look()
	if err != nil {
		return err
	}
	for i, who := range []string{"Riverside's James Carter", "the hospital's James Carter"} {
		seen := "as before, byte for byte"
		switch {
		case after[i].person != before[i].person:
			seen = "another person than before"
		case after[i].documents != before[i].documents:
			seen = "other documents than before"
		}
		t.see(who, "as before, byte for byte", seen)
	}
	return nil
}

// aspect looks at the person of record id, registered at site.
func (t *teller) aspect(ctx context.Context, id, site string, p sim.Person) (aspect, error) {
	r, err := t.clients["steward-desk"].api.call(ctx, settling, http.MethodGet, "/admin/v1/match/records/"+id, nil)
	if err != nil {
		return aspect{}, err
	}
	var view map[string]json.RawMessage
	if err := json.Unmarshal(r.body, &view); err != nil || r.status != http.StatusOK {
		return aspect{}, fmt.Errorf("steward's view: %s", r.problem())
	}
	delete(view, "version") // counts the changes, the undone one too
	person, err := json.Marshal(view)
	if err != nil {
		return aspect{}, err
	}
	documents, _, err := t.find(ctx, site, treating, t.at(p, site))
	return aspect{string(person), string(documents.body)}, err
}

// decide has the steward decide something and returns the change.
func (t *teller) decide(ctx context.Context, target string, body any) (string, error) {
	r, err := t.clients["steward-desk"].api.call(ctx, settling, http.MethodPost, target, body)
	if err != nil {
		return "", err
	}
	var done struct{ Change string }
	if err := json.Unmarshal(r.body, &done); err != nil || r.status != http.StatusOK {
		return "", fmt.Errorf("steward: %s", r.problem())
	}
	return done.Change, nil
}

// verifyLog plays the last step: the audit log verifies, against a checkpoint fetched from outside first.
func (t *teller) verifyLog(ctx context.Context, _ sim.Person) error {
	t.tell("Everything above is in the audit log. It is verified as by `concord audit verify`.")
	kept := filepath.Join(t.dir, "story.checkpoint")
	r, err := t.clients["auditor-desk"].api.call(ctx, auditing, http.MethodGet, "/admin/v1/audit/checkpoint", nil)
	if err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("checkpoint: %s", r.problem())
	}
	if err := os.WriteFile(kept, r.body, 0o644); err != nil {
		return err
	}
	verify := auditVerifyCmd{auditKey: auditKey{Key: keysIn(filepath.Join(t.dir, "keys")).audit}, Checkpoint: []string{kept}, Skew: auditpg.DefaultSkew, Output: "text"}
	var report bytes.Buffer
	seen := "the log holds"
	if err := verify.Run(ctx, &Globals{DatabaseURL: t.databaseURL}, &streams{out: &report, err: io.Discard}); err != nil {
		seen = err.Error()
	}
	t.see("verification", "the log holds", seen)
	for line := range strings.Lines(report.String()) {
		fmt.Fprint(t.s.out, "     ", line)
	}
	return nil
}

// patientActs returns what Maria's app says when she uses it. id is her sealed FHIR id.
func patientActs(id string) asker {
	return asker{purposes: "PATRQT", user: "Patient/" + id, scopes: strings.Join(patientScopes, " ")}
}

// patientID returns the sealed FHIR id of p's registration at site.
func (m *demo) patientID(ctx context.Context, p sim.Person, site string) (string, error) {
	who := asker{purposes: "HOPERAT", scopes: "system/Patient.rs"}
	r, err := m.clients[site+"-feed"].api.call(ctx, who, http.MethodGet, "/fhir/Patient?identifier="+url.QueryEscape(m.at(p, site)), nil)
	if err != nil {
		return "", err
	}
	var set struct {
		Entry []struct {
			Resource struct {
				ResourceType, ID string
				Identifier       []struct{ System, Value string }
			}
		}
	}
	if err := json.Unmarshal(r.body, &set); err != nil || r.status != http.StatusOK {
		return "", fmt.Errorf("a site does not find its own patient: %s", r.problem())
	}
	for _, e := range set.Entry {
		for _, i := range e.Resource.Identifier {
			if e.Resource.ResourceType == "Patient" && i.System+"|"+i.Value == m.at(p, site) {
				return e.Resource.ID, nil
			}
		}
	}
	return "", errors.New("a site does not find its own patient")
}
