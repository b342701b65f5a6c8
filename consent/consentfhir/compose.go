package consentfhir

import (
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/internal/fhir"
)

// TemplateURL (valueString "id/version") names the form a Consent was signed on.
const TemplateURL = "https://concord-hie.org/fhir/StructureDefinition/consent-template"

// A Signing is what a filled-in form becomes a Consent with.
type Signing struct {
	// Patient and Performer are references; the performer signed.
	Patient, Performer fhir.Reference
	Signed             time.Time
	// Verified is whether somebody has seen the evidence.
	Verified bool
	Language string
}

// Compose returns the Consent of a form whose rule, filled in, is root.
//
// Source: FHIR R4 Consent; IHE PCF, Consent profiles.
func Compose(t consent.Template, root consent.Provision, s Signing) []byte {
	yes := true
	concept := func(system, code string) fhir.CodeableConcept {
		return fhir.CodeableConcept{Coding: []fhir.Coding{{System: system, Code: code}}}
	}
	scope := concept(scopeSystem, "patient-privacy")
	o := fhir.Object{}
	o.Set("resourceType", "Consent")
	if s.Language != "" {
		o.Set("language", s.Language)
	}
	extensions := []fhir.Extension{{URL: TemplateURL, ValueString: templateName(t.ID, t.Version)},
		{URL: ReachURL, ValueCode: "network"}} // a form is about the network, at whichever desk it is signed
	if t.Absolute {
		extensions = append(extensions, fhir.Extension{URL: AbsoluteURL, ValueBoolean: &yes})
	}
	o.Set("extension", extensions)
	o.Set("status", "active")
	o.Set("scope", scope)
	o.Set("category", []fhir.CodeableConcept{concept("http://loinc.org", "59284-0")})
	o.Set("patient", s.Patient)
	o.Set("dateTime", s.Signed.UTC().Format(time.RFC3339))
	o.Set("performer", []fhir.Reference{s.Performer})
	var policies []fhir.ConsentPolicy
	for _, uri := range t.Policies {
		policies = append(policies, fhir.ConsentPolicy{URI: uri})
	}
	o.Set("policy", policies)
	o.Set("verification", []fhir.ConsentVerification{{Verified: &s.Verified}})
	o.Set("provision", WriteProvision(root))
	return o.Bytes()
}

// WriteProvision writes a tree as R4 has it. Codes get the systems that are theirs in HL7's lists, others none.
func WriteProvision(p consent.Provision) fhir.Object {
	o := fhir.Object{}
	list := func(name string, n int, item func(int) any) {
		if n == 0 {
			return
		}
		all := make([]any, n)
		for i := range all {
			all[i] = item(i)
		}
		o.Set(name, all)
	}
	period := func(name string, p *consent.Period) {
		if p != nil {
			o.Set(name, fhir.Period{Start: p.Start, End: p.End})
		}
	}
	if p.Type != "" {
		o.Set("type", p.Type)
	}
	period("period", p.Period)
	list("actor", len(p.Actors), func(i int) any {
		a := p.Actors[i]
		role := a.Role
		if role == "" {
			role = "IRCP"
		}
		return struct {
			Role      fhir.CodeableConcept `json:"role"`
			Reference fhir.Reference       `json:"reference"`
		}{fhir.CodeableConcept{Coding: []fhir.Coding{{System: participationSystem, Code: role}}}, fhir.Reference{Reference: a.Reference}}
	})
	list("action", len(p.Actions), func(i int) any {
		return fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/consentaction", Code: p.Actions[i]}}}
	})
	list("securityLabel", len(p.Labels), func(i int) any {
		system := ""
		if consent.StandardLabel(p.Labels[i]) {
			if system = labelSystems[3]; consent.StandardConfidentiality(p.Labels[i]) {
				system = labelSystems[0]
			}
		}
		return fhir.Coding{System: system, Code: p.Labels[i]}
	})
	list("purpose", len(p.Purposes), func(i int) any {
		system := ""
		if consent.StandardPurpose(p.Purposes[i]) {
			system = purposeSystems[0]
		}
		return fhir.Coding{System: system, Code: p.Purposes[i]}
	})
	list("class", len(p.Classes), func(i int) any { return fhir.Coding{Code: p.Classes[i]} })
	list("code", len(p.Codes), func(i int) any { return fhir.CodeableConcept{Coding: []fhir.Coding{{Code: p.Codes[i]}}} })
	period("dataPeriod", p.DataPeriod)
	list("data", len(p.Data), func(i int) any {
		return struct {
			Meaning   string         `json:"meaning"`
			Reference fhir.Reference `json:"reference"`
		}{p.Data[i].Meaning, fhir.Reference{Reference: p.Data[i].Reference}}
	})
	list("provision", len(p.Provisions), func(i int) any { return WriteProvision(p.Provisions[i]) })
	return o
}

const participationSystem = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
