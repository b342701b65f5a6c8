package consentfhir

import (
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json/jsontext"
)

// A Consult is a request of the CDS Hook patient-consent-consult: may this actor have this content about this patient?
//
// Source: CDS Hooks 2.0; ASU SHARES and LEAP, patient-consent-consult.
type Consult struct {
	hie.Private
	// Patients name one patient: a literal reference, or an identifier.
	Patients []fhir.Reference
	// Organizations and Practitioners are bare ids of who would receive it.
	Organizations []hie.OrgID
	Practitioners []string
	// Purposes are as stated, nil when none is: the caller's own then hold.
	Purposes []hie.Purpose
	// Classes are document classes asked about when no content is sent.
	Classes []string
	// Content is what would be sent, nil when only the question is asked.
	Content []ConsultEntry
}

// A ConsultEntry is one resource of the content, as received, with what is known of it.
type ConsultEntry struct {
	// Name is "Type/id", ID its id, Entry the whole entry.
	Name, ID string
	Entry    fhir.BundleEntry
	// Classes are the resource's type and the codes of its categories, Types what it is coded as, nil where that is not
	// said; Labels its security labels, those without a system taken for HL7's.
	Classes, Types []string
	Labels         []hie.Coding
}

type wireValue struct {
	System string `json:"system"`
	Value  string `json:"value"`
	Code   string `json:"code"`
}

type wireHook struct {
	Hook         string `json:"hook"`
	HookInstance string `json:"hookInstance"`
	Context      *struct {
		PatientID    []wireValue    `json:"patientId"`
		Actor        []wireValue    `json:"actor"`
		PurposeOfUse jsontext.Value `json:"purposeOfUse"`
		Class        []wireValue    `json:"class"`
		Content      *fhir.Bundle   `json:"content"`
	} `json:"context"`
}

// maxConsult bounds the resources of one consultation.
const maxConsult = 1000

// ReadConsult reads a request of the hook. Errors: *hie.InvalidError naming the member. What cannot be understood of an
// actor or a purpose is kept as unknown, never left out: it must be permitted too.
func ReadConsult(body []byte) (Consult, error) {
	var w wireHook
	if err := fhir.Decode(body, &w); err != nil {
		return Consult{}, err
	}
	switch {
	case w.Hook != "patient-consent-consult":
		return Consult{}, &hie.InvalidError{Path: "hook", Rule: "must be patient-consent-consult", Code: "value"}
	case w.HookInstance == "":
		return Consult{}, hie.Required("hookInstance")
	case w.Context == nil:
		return Consult{}, hie.Required("context")
	case len(w.Context.PatientID) == 0:
		return Consult{}, hie.Required("context.patientId")
	}
	c := Consult{}
	for _, p := range w.Context.PatientID {
		if p.System != "" {
			c.Patients = append(c.Patients, fhir.Reference{Identifier: &fhir.Identifier{System: p.System, Value: p.Value}})
		} else {
			c.Patients = append(c.Patients, fhir.Reference{Reference: p.Value})
		}
	}
	for _, a := range w.Context.Actor {
		kind, id, _ := strings.Cut(a.Value, "/")
		switch kind {
		case "Organization":
			c.Organizations = append(c.Organizations, hie.OrgID(id))
		case "Practitioner":
			c.Practitioners = append(c.Practitioners, id)
		default:
			c.Organizations = append(c.Organizations, hie.OrgID(a.Value)) // nobody the directory knows
		}
	}
	var err error
	if c.Purposes, err = readPurposes(w.Context.PurposeOfUse); err != nil {
		return Consult{}, err
	}
	for _, k := range w.Context.Class {
		c.Classes = append(c.Classes, k.Code)
	}
	if w.Context.Content == nil {
		return c, nil
	}
	if len(w.Context.Content.Entry) > maxConsult {
		return Consult{}, hie.ErrTooLarge
	}
	c.Content = []ConsultEntry{}
	for _, e := range w.Context.Content.Entry {
		entry, err := readConsulted(e)
		if err != nil {
			return Consult{}, err
		}
		c.Content = append(c.Content, entry)
	}
	return c, nil
}

// readPurposes reads one code, or a list of codes or codings.
func readPurposes(raw jsontext.Value) ([]hie.Purpose, error) {
	if raw == nil {
		return nil, nil
	}
	invalid := &hie.InvalidError{Path: "context.purposeOfUse", Rule: "must be a code, or a list of codes or codings", Code: "structure"}
	switch raw.Kind() {
	case '"':
		var code string
		if fhir.Decode(raw, &code) != nil {
			return nil, invalid
		}
		return []hie.Purpose{hie.Purpose(code)}, nil
	case '[':
	default:
		return nil, invalid
	}
	var items []jsontext.Value
	if fhir.Decode(raw, &items) != nil {
		return nil, invalid
	}
	var out []hie.Purpose
	for _, item := range items {
		var code string
		var coding fhir.Coding
		switch {
		case item.Kind() == '"' && fhir.Decode(item, &code) == nil:
			out = append(out, hie.Purpose(code))
		case item.Kind() == '{' && fhir.Decode(item, &coding) == nil:
			out = append(out, hie.Purpose(coding.Code))
		default:
			return nil, invalid
		}
	}
	return out, nil
}

// readConsulted reads what the labels and codes of a resource tell.
func readConsulted(e fhir.BundleEntry) (ConsultEntry, error) {
	var r struct {
		ResourceType string         `json:"resourceType"`
		ID           string         `json:"id"`
		Meta         *fhir.Meta     `json:"meta"`
		Category     jsontext.Value `json:"category"`
		Code         jsontext.Value `json:"code"`
		Type         jsontext.Value `json:"type"`
		Medication   jsontext.Value `json:"medicationCodeableConcept"`
		Vaccine      jsontext.Value `json:"vaccineCode"`
	}
	if err := fhir.Decode(e.Resource, &r); err != nil {
		return ConsultEntry{}, err
	}
	if r.ResourceType == "" {
		return ConsultEntry{}, hie.Required("context.content.entry.resource.resourceType")
	}
	out := ConsultEntry{Name: r.ResourceType + "/" + r.ID, ID: r.ID, Entry: e, Classes: append([]string{r.ResourceType}, codings(r.Category)...)}
	for _, v := range []jsontext.Value{r.Code, r.Type, r.Medication, r.Vaccine} {
		out.Types = append(out.Types, codings(v)...)
	}
	if r.Meta != nil {
		for _, l := range r.Meta.Security {
			if l.System == "" && l.Code != "" {
				l.System = labelSystem(l.Code)
			}
			out.Labels = append(out.Labels, hie.Coding{System: l.System, Code: l.Code})
		}
	}
	return out, nil
}

// labelSystem is HL7's system of a label that names none.
func labelSystem(code string) string {
	if consent.StandardConfidentiality(code) {
		return "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	}
	return "http://terminology.hl7.org/CodeSystem/v3-ActCode"
}

// codings returns the codes of a CodeableConcept or of a list of them; what has another shape has none.
func codings(v jsontext.Value) (out []string) {
	var concepts []fhir.CodeableConcept
	var one fhir.CodeableConcept
	switch {
	case v.Kind() == '[' && fhir.Decode(v, &concepts) == nil:
	case v.Kind() == '{' && fhir.Decode(v, &one) == nil:
		concepts = []fhir.CodeableConcept{one}
	}
	for _, c := range concepts {
		for _, k := range c.Coding {
			if k.Code != "" {
				out = append(out, k.Code)
			}
		}
	}
	return out
}
