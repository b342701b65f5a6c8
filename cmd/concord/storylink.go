package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/concord-hie/concord/internal/sim"
)

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
