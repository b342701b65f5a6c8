package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/portal"
)

// stateWishes files the consents of the people of the stories, each through the patients' app.
func (m *demo) stateWishes(ctx context.Context) error {
	for _, story := range []string{sim.OptedOut, sim.EmergencyOnly} {
		for _, p := range m.region.Story(story) {
			if err := m.stateWish(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// stateWish files what p, who opted out or shares only in an emergency, chose.
func (m *demo) stateWish(ctx context.Context, p sim.Person) error {
	r, err := m.wish(ctx, p, "riverside-clinic", p.Story == sim.OptedOut)
	if err != nil {
		return err
	}
	if r.status != http.StatusCreated && r.status != http.StatusOK {
		return fmt.Errorf("demo: a consent was refused: %s", r.problem())
	}
	return nil
}

// entrust has the people of the stories who cannot speak for themselves be spoken for.
func (m *demo) entrust(ctx context.Context) error {
	for _, p := range m.region.Story(sim.Teen) {
		if err := m.proxyWish(ctx, p, "riverside-clinic", time.Now()); err != nil {
			return err
		}
		if err := m.bindMother(ctx, p, "riverside-clinic"); err != nil {
			return err
		}
	}
	return nil
}

// bindMother notes which account the mother of p signs in with, as if she had opened the link an officer hands to a parent.
func (m *demo) bindMother(ctx context.Context, p sim.Person, site string) error {
	id, err := m.patientID(ctx, p, site)
	if err != nil {
		return err
	}
	sealer, err := readSealer(keysIn(filepath.Join(m.dir, "keys")).secret)
	if err != nil {
		return err
	}
	record, _, err := sealer.OpenID("patient", id)
	if err != nil {
		return err
	}
	store := consentpg.New(m.node.db, hie.NewIDs(nil), auditpg.Append, hie.Now)
	all, err := store.Representatives(ctx, []hie.SourcePatientID{hie.SourcePatientID(record)})
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Ref != motherRef {
			continue
		}
		actor := hie.Actor{Organization: exchangeOrg, Client: "concord-demo", User: motherAccount, Roles: []string{hie.RoleHelper}}
		if err := store.BindHelper(ctx, actor, portal.HelperAccount(m.signIn.issuer, exchangeOrg, motherAccount), r.Record, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// Sofia Delgado's mother: how she is named wherever she acts for her, and the account she signs in with.
const (
	motherRef     = "RelatedPerson/ruth-delgado"
	motherName    = "Ruth Delgado"
	motherAccount = "r.delgado"
)

// proxyWish puts the mother of p, a child, on record as her proxy, and files the permission the mother signs on p's record at
// site. Both end when p comes of age; somebody who has, speaks for themselves, and nothing is filed.
//
// Source: spec consent 2.20 and scenario 11.
func (m *demo) proxyWish(ctx context.Context, p sim.Person, site string, now time.Time) error {
	if !now.Before(p.Birth.AddDate(18, 0, 0)) {
		return nil
	}
	id, err := m.patientID(ctx, p, site)
	if err != nil {
		return err
	}
	officer := asker{purposes: "HCOMPL", user: "p.stone", name: "Priya Stone", role: hie.RolePrivacyOfficer, scopes: "concord/consent.write"}
	r, err := m.clients["privacy-desk"].api.call(ctx, officer, http.MethodPost, "/admin/v1/consent/representatives",
		map[string]any{"patient": id, "ref": motherRef, "name": motherName, "capacity": string(consent.CapacityParent), "rights": string(consent.RightsManage)})
	if err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("demo: a proxy was refused: %s", r.problem())
	}
	return m.proxyConsent(ctx, p, site, now)
}

// proxyConsent files the permission the mother of p signs on p's record at site, unless p has come of age.
func (m *demo) proxyConsent(ctx context.Context, p sim.Person, site string, now time.Time) error {
	if !now.Before(p.Birth.AddDate(18, 0, 0)) {
		return nil
	}
	id, err := m.patientID(ctx, p, site)
	if err != nil {
		return err
	}
	mother := patientActs(id)
	mother.representative = motherRef
	r, err := m.clients["patient-app"].api.call(ctx, mother, http.MethodPost, "/fhir/Consent", permission(id, motherRef, now))
	if err != nil {
		return err
	}
	if r.status != http.StatusCreated && r.status != http.StatusOK {
		return fmt.Errorf("demo: a proxy's consent was refused: %s", r.problem())
	}
	return nil
}

// permission is the Consent by which performer lets those who treat patient have everything.
//
// Source: FHIR R4 Consent; IHE PCF; spec consent 2.7.
func permission(patient, performer string, now time.Time) []byte {
	type object = map[string]any
	c := object{"resourceType": "Consent", "status": "active", "patient": object{"reference": "Patient/" + patient}, "performer": []object{{"reference": performer}},
		"dateTime":  now.UTC().Format(time.RFC3339),
		"scope":     object{"coding": []object{{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}}},
		"category":  []object{{"coding": []object{{"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}}}},
		"policy":    []object{{"uri": consent.PolicyAdditional}},
		"provision": object{"type": "permit", "purpose": []object{{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}}}}
	body, err := json.Marshal(c)
	if err != nil { // maps of strings are always JSON
		panic("demo: " + err.Error())
	}
	return body
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
