package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/concord-hie/concord/internal/sim"
)

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
