package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/internal/sim"
)

// stateWishes files the consents of the people of the stories, each through the patients' app.
func (m *demo) stateWishes(ctx context.Context) error {
	for _, w := range []struct {
		story    string
		absolute bool
	}{{sim.OptedOut, true}, {sim.EmergencyOnly, false}} {
		for _, p := range m.region.Story(w.story) {
			r, err := m.wish(ctx, p, "riverside-clinic", w.absolute)
			if err != nil {
				return err
			}
			if r.status != http.StatusCreated && r.status != http.StatusOK {
				return fmt.Errorf("demo: a consent was refused: %s", r.problem())
			}
		}
	}
	return nil
}

// wish files a refusal by p, given on their record at site: nobody may have anything, except in an emergency
// unless absolute.
func (m *demo) wish(ctx context.Context, p sim.Person, site string, absolute bool) (reply, error) {
	id, err := m.patientID(ctx, p, site)
	if err != nil {
		return reply{}, err
	}
	return m.clients["patient-app"].api.call(ctx, patientActs(id), http.MethodPost, "/fhir/Consent", refusal(id, absolute, time.Now()))
}

// refusal is the Consent of a patient who shares nothing, except in an emergency unless absolute.
//
// Source: FHIR R4 Consent (ppc-1: a policyRule); IHE PCF; spec consent 2.7.
func refusal(patient string, absolute bool, now time.Time) []byte {
	type object = map[string]any
	self := object{"reference": "Patient/" + patient}
	c := object{"resourceType": "Consent", "status": "active", "patient": self, "performer": []object{self}, "dateTime": now.UTC().Format(time.RFC3339),
		"scope":      object{"coding": []object{{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}}},
		"category":   []object{{"coding": []object{{"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}}}},
		"policyRule": object{"coding": []object{{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}}},
		"provision":  object{"type": "deny"}}
	if absolute {
		c["extension"] = []object{{"url": consentfhir.AbsoluteURL, "valueBoolean": true}}
	}
	body, err := json.Marshal(c)
	if err != nil { // maps of strings are always JSON
		panic("demo: " + err.Error())
	}
	return body
}

// withdraw takes back every consent in force that p has given on their record at site, back to the defaults.
func (m *demo) withdraw(ctx context.Context, p sim.Person, site string) error {
	id, err := m.patientID(ctx, p, site)
	if err != nil {
		return err
	}
	app := m.clients["patient-app"].api
	r, err := app.call(ctx, patientActs(id), http.MethodGet, "/fhir/Consent?status=active&_count=100&patient=Patient/"+id, nil)
	if err != nil {
		return err
	}
	var set struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	if err := json.Unmarshal(r.body, &set); err != nil || r.status != http.StatusOK {
		return fmt.Errorf("demo: a patient's consents cannot be read: %s", r.problem())
	}
	back := map[string]any{"resourceType": "Parameters", "parameter": []map[string]any{{"name": "returnToDefault", "valueBoolean": true}}}
	for _, e := range set.Entry {
		if e.Resource.ResourceType != "Consent" {
			continue
		}
		r, err := app.call(ctx, patientActs(id), http.MethodPost, "/fhir/Consent/"+e.Resource.ID+"/$revoke-consent", back)
		if err != nil {
			return err
		}
		if r.status != http.StatusOK {
			return fmt.Errorf("demo: a consent cannot be revoked: %s", r.problem())
		}
	}
	return nil
}
