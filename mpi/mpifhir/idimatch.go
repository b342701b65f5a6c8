package mpifhir

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

const (
	idiProfiles   = "http://hl7.org/fhir/us/identity-matching/StructureDefinition/"
	idiIdentifier = "http://hl7.org/fhir/us/identity-matching/ns/HL7Identifier"
)

// idiLevels are the least weights of the profiles that ask for one.
//
// Source: HL7 identity matching IG STU 2, invariants idi-L0 and idi-L1; L2 asks for more assurance of the same weight.
var idiLevels = map[string]int{idiProfiles + "IDI-Patient-L0": 9, idiProfiles + "IDI-Patient-L1": 10, idiProfiles + "IDI-Patient-L2": 10}

// ReadIDIMatch reads the input of $idi-match: Parameters with an IDIPatient. The Patient must hold what the base
// profile asks for, and weigh what the profiles ask for that it claims in meta.profile.
//
// Source: HL7 identity matching IG STU 2, IDI Match Operation, invariants idi-1, idi-2, idi-L0, idi-L1.
func ReadIDIMatch(body []byte) (MatchQuery, error) {
	q, err := ReadMatch(body)
	q.Stewardship = true
	if err != nil {
		return q, err
	}
	var p fhir.Patient
	if err := fhir.Decode(q.Patient.received, &p); err != nil {
		return q, err
	}
	if rule := idiBase(&p); rule != "" {
		return q, &hie.InvalidError{Path: "IDIPatient", Rule: rule, Code: "invariant"}
	}
	if p.Meta == nil {
		return q, nil
	}
	for _, profile := range p.Meta.Profile {
		canonical, _, _ := strings.Cut(profile, "|")
		if least, weighs := idiLevels[canonical]; weighs && idiWeight(&p) < least {
			return q, &hie.InvalidError{Path: "IDIPatient", Rule: "weighs less than the profile it claims asks for", Code: "invariant"}
		}
	}
	return q, nil
}

// idiBase returns which invariant of the base profile p breaks, or "".
func idiBase(p *fhir.Patient) string {
	for _, n := range p.Name {
		if len(n.Given) == 0 && n.Family == "" {
			return "needs a given or a family name in each name (idi-2)"
		}
	}
	named := slices.ContainsFunc(p.Name, func(n fhir.HumanName) bool { return len(n.Given) > 0 && n.Family != "" })
	addressed := slices.ContainsFunc(p.Address, func(a fhir.Address) bool { return len(a.Line) > 0 && a.City != "" })
	if len(p.Identifier) == 0 && len(p.Telecom) == 0 && !named && !addressed && p.BirthDate == "" {
		return "needs an identifier, a telecom, a full name, an address or a birth date (idi-1)"
	}
	return ""
}

// idiWeight returns what p weighs: 10 for a passport, driver's licence, state or digital identifier; 4 for one and 5
// for two or more of home address, other identifier, mail address, telephone number and photo; 3 for a full name; 2
// for a birth date.
//
// Source: HL7 identity matching IG STU 2, expression of idi-L0.
func idiWeight(p *fhir.Patient) int {
	strong, other, valued := false, false, false
	for _, i := range p.Identifier {
		valued = valued || i.Value != ""
		strong = strong || i.System == idiIdentifier
		if i.Type == nil {
			continue
		}
		for _, c := range i.Type.Coding {
			if c.Code == "PPN" || c.Code == "DL" || c.Code == "STID" {
				strong = true
			} else if c.Code != "" {
				other = true
			}
		}
	}
	weight, some := 0, 0
	if strong && valued {
		weight += 10
	}
	for _, has := range []bool{
		slices.ContainsFunc(p.Address, func(a fhir.Address) bool {
			return a.Use == "home" && len(a.Line) > 0 && (a.PostalCode != "" || a.State != "" && a.City != "")
		}),
		other && valued,
		slices.ContainsFunc(p.Telecom, func(t fhir.ContactPoint) bool { return t.System == "email" && t.Value != "" }),
		slices.ContainsFunc(p.Telecom, func(t fhir.ContactPoint) bool { return t.System == "phone" && t.Value != "" }),
		len(p.Photo) > 0,
	} {
		if has {
			some++
		}
	}
	weight += []int{0, 4, 5}[min(some, 2)]
	if slices.ContainsFunc(p.Name, func(n fhir.HumanName) bool { return n.Family != "" && len(n.Given) > 0 }) {
		weight += 3
	}
	if p.BirthDate != "" {
		weight += 2
	}
	return weight
}

// Linked returns patient, a Patient, with a link of type seealso to each of others: public ids of the same person's
// other registrations in the answer.
//
// Source: HL7 identity matching IG, "Linkage between records SHOULD be indicated by the Patient.link field".
func Linked(patient []byte, others []string) []byte {
	o, err := fhir.ParseObject(patient)
	if err != nil || len(others) == 0 {
		return patient
	}
	var r fhir.Patient
	_ = fhir.Decode(patient, &r) // a link that cannot be read is replaced
	for _, id := range others {
		r.Link = append(r.Link, fhir.PatientLink{Other: fhir.Reference{Reference: "Patient/" + id}, Type: "seealso"})
	}
	o.Set("link", r.Link)
	return o.Bytes()
}

// IDIMatchOutput returns the output of $idi-match: b under the name IDIMatchBundle.
func IDIMatchOutput(b fhir.Bundle) fhir.Parameters {
	b.Meta = &fhir.Meta{Profile: []string{idiProfiles + "idi-match-bundle"}}
	return fhir.Parameters{ResourceType: "Parameters", Parameter: []fhir.Parameter{{Name: "IDIMatchBundle", Resource: fhir.Encode(b)}}}
}
