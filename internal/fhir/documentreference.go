package fhir

import "github.com/go-json-experiment/json/jsontext"

// DocumentReference is what Concord reads of a reference to a document; everything else survives in the
// received bytes.
//
// Source: FHIR R4 DocumentReference; IHE MHD 4.2 (ITI-65, ITI-67).
type DocumentReference struct {
	ResourceType      string                     `json:"resourceType"`
	ID                string                     `json:"id,omitzero"`
	Meta              *Meta                      `json:"meta,omitzero"`
	ImplicitRules     string                     `json:"implicitRules,omitzero"`
	Contained         []Contained                `json:"contained,omitempty"`
	ModifierExtension []jsontext.Value           `json:"modifierExtension,omitempty"`
	MasterIdentifier  *Identifier                `json:"masterIdentifier,omitzero"`
	Identifier        []Identifier               `json:"identifier,omitempty"`
	Status            string                     `json:"status,omitzero"`
	DocStatus         string                     `json:"docStatus,omitzero"`
	Type              *CodeableConcept           `json:"type,omitzero"`
	Category          []CodeableConcept          `json:"category,omitempty"`
	Subject           *Reference                 `json:"subject,omitzero"`
	Date              string                     `json:"date,omitzero"`
	Author            []Reference                `json:"author,omitempty"`
	Authenticator     *Reference                 `json:"authenticator,omitzero"`
	Custodian         *Reference                 `json:"custodian,omitzero"`
	RelatesTo         []DocumentRelation         `json:"relatesTo,omitempty"`
	Description       string                     `json:"description,omitzero"`
	SecurityLabel     []CodeableConcept          `json:"securityLabel,omitempty"`
	Content           []DocumentReferenceContent `json:"content,omitempty"`
	Context           *DocumentReferenceContext  `json:"context,omitzero"`
}

// DocumentRelation says how a document stands to another.
type DocumentRelation struct {
	Code   string    `json:"code"`
	Target Reference `json:"target"`
}

// DocumentReferenceContent is one form of the document.
type DocumentReferenceContent struct {
	Attachment Attachment `json:"attachment"`
	Format     *Coding    `json:"format,omitzero"`
}

// DocumentReferenceContext is the setting a document was made in.
type DocumentReferenceContext struct {
	Encounter         []Reference       `json:"encounter,omitempty"`
	Event             []CodeableConcept `json:"event,omitempty"`
	Period            *Period           `json:"period,omitzero"`
	FacilityType      *CodeableConcept  `json:"facilityType,omitzero"`
	PracticeSetting   *CodeableConcept  `json:"practiceSetting,omitzero"`
	SourcePatientInfo *Reference        `json:"sourcePatientInfo,omitzero"`
	Related           []Reference       `json:"related,omitempty"`
}

// Contained is what Concord reads of a contained resource: an author's or a patient's identity.
type Contained struct {
	ResourceType string         `json:"resourceType"`
	ID           string         `json:"id,omitzero"`
	Identifier   jsontext.Value `json:"identifier,omitempty"`
	Name         jsontext.Value `json:"name,omitempty"`
}
