package main

import (
	"bytes"
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
	treating  = asker{purposes: "TREAT", user: "dr-bloom", name: "Dr. Avery Bloom", role: "physician", scopes: strings.Join(emrScopes, " ")}
	claiming  = asker{purposes: "BTG", user: "dr-bloom", name: "Dr. Avery Bloom", role: "physician", scopes: strings.Join(emrScopes, " ")}
	officer   = asker{purposes: "HCOMPL", user: "p.stone", name: "Priya Stone", role: "privacy-officer", scopes: "system/AuditEvent.rs concord/review.read concord/review.write"}
	auditing  = asker{purposes: "HCOMPL", user: "i.lowe", name: "Imani Lowe", role: "auditor", scopes: "concord/audit.read"}
	operating = asker{purposes: "HSYSADMIN", user: "o.quist", name: "Omar Quist", role: "operator", scopes: "concord/site.read"}
	settling  = asker{purposes: "PATADMIN", user: "m.reyes", name: "Marta Reyes", role: "steward", scopes: "system/Patient.rs concord/match.read concord/match.write"}
)

// errStory means that something went otherwise than told.
var errStory = errors.New("the story did not go as told")

// A teller plays the guided story and compares each step with what was expected.
type teller struct {
	*demo
	step, wrong int
	// opened is the id of the request in which the hospital's document was opened.
	opened string
}

// story plays the guided story through the node's public API: Maria's documents are found and one is opened, she
// limits sharing, it looks as if there were nothing, an emergency opens them again, the claim is there to be
// reviewed and in her own history, a wrong link is undone without a trace, an operator follows one of the requests, and the log verifies. It returns an
// *exitError with status 1 when anything differed.
func (m *demo) story(ctx context.Context) error {
	t := &teller{demo: m}
	maria := m.region.Story(sim.Ordinary)[0]
	if err := t.reset(ctx, maria); err != nil {
		return err
	}
	for _, play := range []func(context.Context, sim.Person) error{t.locate, t.limit, t.emergency, t.review, t.wrongLink, t.follow, t.verifyLog} {
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
	t.opened = r.header.Get("X-Request-Id")
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
