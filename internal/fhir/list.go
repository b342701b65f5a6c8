package fhir

import "github.com/go-json-experiment/json/jsontext"

// List is what Concord reads of a submission set or a folder.
//
// Source: FHIR R4 List; IHE MHD 4.2 (SubmissionSet, Folder).
type List struct {
	ResourceType      string           `json:"resourceType"`
	ID                string           `json:"id,omitzero"`
	Meta              *Meta            `json:"meta,omitzero"`
	Extension         []Extension      `json:"extension,omitempty"`
	ModifierExtension []jsontext.Value `json:"modifierExtension,omitempty"`
	Identifier        []Identifier     `json:"identifier,omitempty"`
	Status            string           `json:"status,omitzero"`
	Mode              string           `json:"mode,omitzero"`
	Title             string           `json:"title,omitzero"`
	Code              *CodeableConcept `json:"code,omitzero"`
	Subject           *Reference       `json:"subject,omitzero"`
	Encounter         *Reference       `json:"encounter,omitzero"`
	Date              string           `json:"date,omitzero"`
	OrderedBy         *CodeableConcept `json:"orderedBy,omitzero"`
	Entry             []ListEntry      `json:"entry,omitempty"`
	EmptyReason       *CodeableConcept `json:"emptyReason,omitzero"`
}

// ListEntry is one item of a list.
type ListEntry struct {
	Flag    *CodeableConcept `json:"flag,omitzero"`
	Deleted *bool            `json:"deleted,omitzero"`
	Date    string           `json:"date,omitzero"`
	Item    Reference        `json:"item"`
}
