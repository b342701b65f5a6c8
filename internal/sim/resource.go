package sim

import (
	"encoding/json"
	"strings"
	"time"
)

// The wire shapes of what a site sends. They are its own, not package fhir's: a site is somebody else's program.
type (
	coding     = map[string]string
	identifier struct {
		Use    string   `json:"use,omitempty"`
		Type   *concept `json:"type,omitempty"`
		System string   `json:"system"`
		Value  string   `json:"value"`
	}
	concept struct {
		Coding []coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	reference struct {
		Reference  string      `json:"reference,omitempty"`
		Identifier *identifier `json:"identifier,omitempty"`
		Display    string      `json:"display,omitempty"`
	}
	period struct {
		Start string `json:"start,omitempty"`
		End   string `json:"end,omitempty"`
	}
	humanName struct {
		Use    string   `json:"use,omitempty"`
		Family string   `json:"family,omitempty"`
		Given  []string `json:"given,omitempty"`
		Suffix []string `json:"suffix,omitempty"`
	}
	contact struct {
		System string `json:"system"`
		Value  string `json:"value"`
	}
	postal struct {
		Line       []string `json:"line,omitempty"`
		City       string   `json:"city,omitempty"`
		State      string   `json:"state,omitempty"`
		PostalCode string   `json:"postalCode,omitempty"`
		Country    string   `json:"country,omitempty"`
	}
	extension struct {
		URL   string `json:"url"`
		Value string `json:"valueString"`
	}
	patient struct {
		ResourceType string       `json:"resourceType"`
		Extension    []extension  `json:"extension,omitempty"`
		Identifier   []identifier `json:"identifier"`
		Active       bool         `json:"active"`
		Name         []humanName  `json:"name,omitempty"`
		Telecom      []contact    `json:"telecom,omitempty"`
		Gender       string       `json:"gender,omitempty"`
		BirthDate    string       `json:"birthDate,omitempty"`
		Deceased     string       `json:"deceasedDateTime,omitempty"`
		Twin         bool         `json:"multipleBirthBoolean,omitempty"`
		Order        int          `json:"multipleBirthInteger,omitempty"`
		Address      []postal     `json:"address,omitempty"`
	}
	attachment struct {
		ContentType string `json:"contentType"`
		Language    string `json:"language"`
		URL         string `json:"url"`
		Size        int    `json:"size"`
		Hash        string `json:"hash"`
		Title       string `json:"title"`
		Creation    string `json:"creation"`
	}
	content struct {
		Attachment attachment `json:"attachment"`
		Format     coding     `json:"format"`
	}
	practitioner struct {
		ResourceType string      `json:"resourceType"`
		ID           string      `json:"id"`
		Name         []humanName `json:"name"`
	}
	setting struct {
		Period          period  `json:"period"`
		FacilityType    concept `json:"facilityType"`
		PracticeSetting concept `json:"practiceSetting"`
	}
	documentReference struct {
		ResourceType     string         `json:"resourceType"`
		ID               string         `json:"id,omitempty"`
		Contained        []practitioner `json:"contained"`
		MasterIdentifier identifier     `json:"masterIdentifier"`
		Status           string         `json:"status"`
		Type             concept        `json:"type"`
		Category         []concept      `json:"category"`
		Subject          reference      `json:"subject"`
		Date             string         `json:"date"`
		Author           []reference    `json:"author"`
		Custodian        reference      `json:"custodian"`
		SecurityLabel    []concept      `json:"securityLabel"`
		Content          []content      `json:"content"`
		Context          setting        `json:"context"`
	}
)

// Patient returns g as a FHIR R4 Patient, as the site's feed sends it.
func (g Registration) Patient(s Site) []byte {
	p := patient{ResourceType: "Patient", Active: true, Gender: g.Sex, BirthDate: g.Birth, Deceased: g.Death,
		Identifier: []identifier{{Use: "usual", Type: idType("MR"), System: s.Authority, Value: g.Local}}}
	if g.SSN != "" {
		p.Identifier = append(p.Identifier, identifier{Type: idType("SS"), System: "http://hl7.org/fhir/sid/us-ssn", Value: g.SSN})
	}
	if payer, member, ok := strings.Cut(g.Insurance, "|"); ok {
		p.Identifier = append(p.Identifier, identifier{Type: idType("MB"), System: payer, Value: member})
	}
	if g.MotherMaiden != "" {
		p.Extension = []extension{{"http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", g.MotherMaiden}}
	}
	if p.Order = g.Order; g.Multiple && g.Order == 0 {
		p.Twin = true
	}
	name := humanName{Use: "official", Family: g.Family}
	for _, given := range []string{g.Given, g.Middle} {
		if given != "" {
			name.Given = append(name.Given, given)
		}
	}
	if g.Suffix != "" {
		name.Suffix = []string{g.Suffix}
	}
	p.Name = []humanName{name}
	if g.Maiden != "" {
		p.Name = append(p.Name, humanName{Use: "maiden", Family: g.Maiden})
	}
	if g.Phone != "" {
		p.Telecom = append(p.Telecom, contact{"phone", g.Phone})
	}
	if g.Email != "" {
		p.Telecom = append(p.Telecom, contact{"email", g.Email})
	}
	if a := g.Address; a != (Address{}) {
		p.Address = []postal{{Line: []string{a.Line}, City: a.City, State: a.State, PostalCode: a.ZIP, Country: a.Country()}}
	}
	return marshal(p)
}

// Reference returns d as a FHIR R4 DocumentReference whose attachment is at the site's server at base (a FHIR
// base URL without a trailing slash). The patient is named by the site's identifier. Size and hash are those of
// [Document.Bytes].
//
// Source: IHE MHD 4.2, DocumentReference Minimal and the elements its searches need.
func (d Document) Reference(base string) []byte {
	body := d.Bytes()
	return marshal(documentReference{
		ResourceType:     "DocumentReference",
		Contained:        []practitioner{{ResourceType: "Practitioner", ID: "author", Name: []humanName{splitName(d.Author)}}},
		MasterIdentifier: identifier{Use: "usual", System: "urn:ietf:rfc:3986", Value: d.UID},
		Status:           "current",
		Type:             d.Type.concept(),
		Category:         []concept{d.Category.concept()},
		Subject:          reference{Identifier: &identifier{System: d.site.Authority, Value: d.Registration.Local}},
		Date:             d.Created.Format(time.RFC3339),
		Author:           []reference{{Reference: "#author"}},
		Custodian:        reference{Identifier: &identifier{System: "urn:ietf:rfc:3986", Value: d.site.OrgURI}, Display: d.site.OrgName},
		SecurityLabel:    d.labels(),
		Content: []content{{
			Attachment: attachment{ContentType: d.ContentType, Language: "en-US", URL: base + "/Binary/" + d.ID, Size: len(body), Hash: Hash(body),
				Title: d.Type.Display, Creation: d.Created.Format(time.RFC3339)},
			Format: d.Format.coding(),
		}},
		Context: setting{Period: period{d.Start.Format(time.RFC3339), d.End.Format(time.RFC3339)},
			FacilityType: facility(d.site.Kind).concept(), PracticeSetting: practiceSetting(d.site.Kind).concept()},
	})
}

func (d Document) labels() []concept {
	out := []concept{Code{"http://terminology.hl7.org/CodeSystem/v3-Confidentiality", d.Confidentiality,
		map[string]string{"N": "normal", "R": "restricted", "V": "very restricted"}[d.Confidentiality]}.concept()}
	for _, s := range d.Sensitivity {
		out = append(out, Code{"http://terminology.hl7.org/CodeSystem/v3-ActCode", s,
			map[string]string{"PSY": "psychiatry disorder information sensitivity", "ETH": "substance abuse information sensitivity"}[s]}.concept())
	}
	return out
}

func (c Code) coding() coding {
	return coding{"system": c.System, "code": c.Code, "display": c.Display}
}

func (c Code) concept() concept { return concept{Coding: []coding{c.coding()}} }

func idType(code string) *concept {
	c := Code{"http://terminology.hl7.org/CodeSystem/v2-0203", code, map[string]string{"MR": "Medical record number", "SS": "Social Security number", "MB": "Member number"}[code]}.concept()
	return &c
}

const sct = "http://snomed.info/sct"

func facility(kind string) Code {
	switch kind {
	case "hospital":
		return Code{sct, "22232009", "Hospital"}
	case "housing-agency":
		return Code{sct, "385432009", "Not applicable"}
	default:
		return Code{sct, "35971002", "Ambulatory care site"}
	}
}

func practiceSetting(kind string) Code {
	switch kind {
	case "cardiology":
		return Code{sct, "394579002", "Cardiology"}
	case "imaging":
		return Code{sct, "394914008", "Radiology"}
	case "part2-program":
		return Code{sct, "394587001", "Psychiatry"}
	default:
		return Code{sct, "408443003", "General medical practice"}
	}
}

func splitName(s string) humanName {
	given, family, _ := strings.Cut(s, " ")
	return humanName{Family: family, Given: []string{given}}
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // structs of strings are always JSON
		panic("sim: " + err.Error())
	}
	return b
}
