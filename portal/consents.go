package portal

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// A pick is one of the answers to the question who may have a patient's records.
type pick string

// The picks. They are written as a FHIR Consent; what that means is consent's to say.
const (
	pickShare     pick = "share"     // with whoever treats the patient
	pickSome      pick = "some"      // with the organisations named
	pickEmergency pick = "emergency" // with nobody, except in an emergency
	pickNever     pick = "never"     // with nobody, whatever happens
)

var picks = []pick{pickShare, pickEmergency, pickNever, pickSome}

// choiceSystem marks the one Consent that holds a patient's choice as made on these pages.
const choiceSystem = "urn:concord:portal"

// A wish is what a patient has picked.
type wish struct {
	Pick pick
	// Orgs are the organisations of pickSome, sorted.
	Orgs []hie.OrgID
}

// A filed consent is one on file, as far as these pages understand it.
type filed struct {
	ID      string
	Version int64
	// At is when it took effect.
	At     time.Time
	Status string
	// Wish is what it says when it is a pick, else Other is true.
	Wish  wish
	Other bool
	// Mine says that the patient gave it, Ours that it was made on these pages, Formed that it was signed on a form.
	Mine, Ours, Formed bool
	// Rule is what it keeps back when it is a rule made on these pages.
	Rule rule
	// Over says that the last day of the rule is past.
	Over bool
}

type wireConsent struct {
	fhir.Consent
	Provision *wireProvision `json:"provision,omitzero"`
}

type wireProvision struct {
	Type      string                 `json:"type,omitzero"`
	Actor     []wireActor            `json:"actor,omitempty"`
	Purpose   []fhir.Coding          `json:"purpose,omitempty"`
	Class     []fhir.Coding          `json:"class,omitempty"`
	Label     []fhir.Coding          `json:"securityLabel,omitempty"`
	Code      []fhir.CodeableConcept `json:"code,omitempty"`
	Data      []wireData             `json:"data,omitempty"`
	Period    *fhir.Period           `json:"period,omitzero"`
	Provision []wireProvision        `json:"provision,omitempty"`
}

type wireData struct {
	Meaning   string         `json:"meaning"`
	Reference fhir.Reference `json:"reference"`
}

type wireActor struct {
	Role      fhir.CodeableConcept `json:"role"`
	Reference fhir.Reference       `json:"reference"`
}

const (
	actCode       = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	actReason     = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
)

// bare reports whether p says nothing beyond its type.
func (p *wireProvision) bare() bool {
	return len(p.Actor)+len(p.Purpose)+len(p.Class)+len(p.Label)+len(p.Code)+len(p.Data) == 0 && p.Period == nil
}

func treatOnly(p []fhir.Coding) bool { return len(p) == 1 && p[0].Code == "TREAT" }

// readWish says which pick c is, if it is one.
func readWish(c *wireConsent) (wish, bool) {
	rule := ""
	if c.PolicyRule != nil && len(c.PolicyRule.Coding) > 0 {
		rule = c.PolicyRule.Coding[0].Code
	}
	absolute := slices.ContainsFunc(c.Extension, func(e fhir.Extension) bool {
		return e.URL == consentfhir.AbsoluteURL && e.ValueBoolean != nil && *e.ValueBoolean
	})
	root := c.Provision
	if root == nil {
		root = &wireProvision{}
	}
	switch {
	case root.Type == "permit" && treatOnly(root.Purpose) && (&wireProvision{}).bare() && len(root.Provision) == 0 && len(root.Actor) == 0 &&
		len(c.Policy) == 1 && c.Policy[0].URI == consent.PolicyAdditional:
		return wish{Pick: pickShare}, true
	case root.Type == "permit" && len(root.Provision)+len(root.Actor)+len(root.Class)+len(root.Label)+len(root.Code)+len(root.Data) == 0 && root.Period == nil &&
		slices.ContainsFunc(root.Purpose, func(c fhir.Coding) bool { return c.Code == "TREAT" }) && len(c.Policy) == 1 && c.Policy[0].URI == consent.PolicySharing:
		return wish{Pick: pickShare}, true // as the form has it
	case !root.bare() || (root.Type != "deny" && rule != "OPTOUT") || root.Type == "permit":
		return wish{}, false
	case len(root.Provision) == 0 && absolute:
		return wish{Pick: pickNever}, true
	case len(root.Provision) == 0:
		return wish{Pick: pickEmergency}, true
	}
	out := wish{Pick: pickSome}
	for i := range root.Provision {
		p := &root.Provision[i]
		if p.Type != "permit" || !treatOnly(p.Purpose) || len(p.Provision)+len(p.Class)+len(p.Label)+len(p.Code)+len(p.Data) > 0 {
			return wish{}, false
		}
		for _, a := range p.Actor {
			id, ok := strings.CutPrefix(a.Reference.Reference, "Organization/")
			if !ok {
				return wish{}, false
			}
			out.Orgs = append(out.Orgs, hie.OrgID(id))
		}
	}
	slices.Sort(out.Orgs)
	out.Orgs = slices.Compact(out.Orgs)
	return out, true
}

// writeWish writes w as a Consent of patient, given by performer: the patient, or who may act for them.
//
// Source: FHIR R4 Consent (ppc-1: a policy or policyRule); IHE PCF; spec consent 2.7; spec ux P2.
func writeWish(w wish, patient string, now time.Time) wireConsent {
	self := fhir.Reference{Reference: "Patient/" + patient}
	c := wireConsent{Consent: fhir.Consent{ResourceType: "Consent", Status: "active", Patient: &self, Performer: []fhir.Reference{self},
		DateTime:   now.UTC().Format(time.RFC3339),
		Identifier: []fhir.Identifier{{System: choiceSystem, Value: "choice"}},
		Scope:      &fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/consentscope", Code: "patient-privacy"}}},
		Category:   []fhir.CodeableConcept{{Coding: []fhir.Coding{{System: "http://loinc.org", Code: "59284-0", Display: "Consent Document"}}}}}}
	treat := []fhir.Coding{{System: actReason, Code: "TREAT"}}
	optOut := &fhir.CodeableConcept{Coding: []fhir.Coding{{System: actCode, Code: "OPTOUT"}}}
	switch w.Pick {
	case pickShare:
		c.Policy = []fhir.ConsentPolicy{{URI: consent.PolicyAdditional}}
		c.Provision = &wireProvision{Type: "permit", Purpose: treat}
	case pickNever:
		yes := true
		c.Extension = []fhir.Extension{{URL: consentfhir.AbsoluteURL, ValueBoolean: &yes}}
		c.PolicyRule, c.Provision = optOut, &wireProvision{Type: "deny"}
	case pickSome:
		c.PolicyRule, c.Provision = optOut, &wireProvision{Type: "deny"}
		recipient := fhir.CodeableConcept{Coding: []fhir.Coding{{System: participation, Code: recipientRole}}}
		for _, o := range w.Orgs {
			c.Provision.Provision = append(c.Provision.Provision, wireProvision{Type: "permit", Purpose: treat,
				Actor: []wireActor{{Role: recipient, Reference: fhir.Reference{Reference: "Organization/" + string(o)}}}})
		}
	default: // pickEmergency, and whatever is not known keeps most back that an emergency may open
		c.PolicyRule, c.Provision = optOut, &wireProvision{Type: "deny"}
	}
	return c
}

// signed is c as whoever acts signs it: the patient, or in their name who may.
func (v *visit) signed(c wireConsent) wireConsent {
	if ref := v.session.Actor.Representative; ref != "" {
		c.Performer = []fhir.Reference{{Reference: ref}}
	}
	return c
}

// consentsOf returns the active consents of a patient's record, newest first; patient "" is the patient who is signed in.
func (v *visit) consentsOf(patient string) ([]filed, error) { return v.consentsWith("active", patient) }

// consentsWith is consentsOf for the states named.
func (v *visit) consentsWith(states, patient string) ([]filed, error) {
	query := "status=" + states + "&_count=200"
	if patient != "" {
		query += "&patient=Patient/" + patient
	}
	var set fhir.Bundle
	if err := v.read(http.MethodPost, "/fhir/Consent/_search", []byte(query), &set, "Content-Type", "application/x-www-form-urlencoded"); err != nil {
		return nil, err
	}
	var out []filed
	for _, e := range set.Entry {
		if e.Search != nil && e.Search.Mode == "outcome" {
			continue
		}
		f, err := readFiled(e.Resource)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b filed) int { return b.At.Compare(a.At) })
	return out, nil
}

// readFiled reads one consent as the API serves it.
func readFiled(raw []byte) (filed, error) {
	var c wireConsent
	if err := (answer{body: raw}).into(&c); err != nil {
		return filed{}, err
	}
	f := filed{ID: c.ID, Status: c.Status}
	if c.Meta != nil {
		f.Version, _ = strconv.ParseInt(c.Meta.VersionID, 10, 64)
		f.At, _ = time.Parse(time.RFC3339Nano, c.Meta.LastUpdated)
	}
	var known bool
	f.Wish, known = readWish(&c)
	f.Other = !known
	f.Rule, _ = readRule(&c)
	f.Mine = c.Patient != nil && len(c.Performer) == 1 && c.Performer[0].Reference == c.Patient.Reference && c.Patient.Reference != ""
	f.Ours = slices.ContainsFunc(c.Identifier, func(i fhir.Identifier) bool { return i.System == choiceSystem && i.Value == "choice" })
	f.Formed = slices.ContainsFunc(c.Extension, func(e fhir.Extension) bool { return e.URL == consentfhir.TemplateURL })
	return f, nil
}

// picked reports whether f is a pick that a later one of the patient's takes the place of.
func (f filed) picked() bool { return !f.Other && (f.Ours || f.Mine || f.Formed) }

// standing returns the choice in force among what is on file, nil when the patient has made none, and what else is on file.
func standing(all []filed) (now *filed, others []filed) {
	for i := range all {
		f := all[i]
		if now == nil && f.picked() {
			now = &all[i]
			continue
		}
		others = append(others, f)
	}
	return now, others
}

// fileWish files w for patient and takes back the earlier picks it replaces. What it returns is the consent on file.
//
// The new one is filed first: should the rest fail, an earlier refusal still stands beside it, which keeps back more.
func (v *visit) fileWish(w wish, patient string) (filed, error) {
	all, err := v.consentsOf(patientParam(v, patient))
	if err != nil {
		return filed{}, err
	}
	c := v.signed(writeWish(w, patient, v.now))
	verb, path, headers := http.MethodPost, "/fhir/Consent", []string(nil)
	var mine *filed
	for i := range all {
		if all[i].Ours {
			mine = &all[i]
			break
		}
	}
	if mine != nil {
		c.ID = mine.ID
		verb, path, headers = http.MethodPut, "/fhir/Consent/"+mine.ID, []string{"If-Match", `W/"` + strconv.FormatInt(mine.Version, 10) + `"`}
	}
	a, err := v.call(verb, path, c, append([]string{"Content-Type", "application/fhir+json"}, headers...)...)
	if err != nil {
		return filed{}, err
	}
	done, err := readFiled(a.body)
	if err != nil {
		return filed{}, err
	}
	return done, v.takeBack(all, done)
}

// takeBack takes the picks among all back that done takes the place of.
func (v *visit) takeBack(all []filed, done filed) error {
	back := map[string]any{"resourceType": "Parameters", "parameter": []map[string]any{{"name": "returnToDefault", "valueBoolean": true}}}
	for _, f := range all {
		if f.ID == done.ID || !f.picked() {
			continue
		}
		if _, err := v.call(http.MethodPost, "/fhir/Consent/"+f.ID+"/$revoke-consent", back, "Content-Type", "application/fhir+json"); err != nil {
			return err
		}
	}
	return nil
}

// patientParam is how a search names patient: not at all for the patient who is signed in, whose own it is then.
func patientParam(v *visit, patient string) string {
	if v.session.Actor.Patient != 0 {
		return ""
	}
	return patient
}
