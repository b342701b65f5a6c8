package fhir

// Patient is a person receiving care, as one source registered them.
type Patient struct {
	ResourceType         string           `json:"resourceType"`
	ID                   string           `json:"id,omitzero"`
	Meta                 *Meta            `json:"meta,omitzero"`
	ImplicitRules        string           `json:"implicitRules,omitzero"`
	Extension            []Extension      `json:"extension,omitempty"`
	ModifierExtension    []Extension      `json:"modifierExtension,omitempty"`
	Identifier           []Identifier     `json:"identifier,omitempty"`
	Active               *bool            `json:"active,omitzero"`
	Name                 []HumanName      `json:"name,omitempty"`
	Telecom              []ContactPoint   `json:"telecom,omitempty"`
	Gender               string           `json:"gender,omitzero"`
	BirthDate            string           `json:"birthDate,omitzero"`
	DeceasedBoolean      *bool            `json:"deceasedBoolean,omitzero"`
	DeceasedDateTime     string           `json:"deceasedDateTime,omitzero"`
	Address              []Address        `json:"address,omitempty"`
	MultipleBirthBoolean *bool            `json:"multipleBirthBoolean,omitzero"`
	MultipleBirthInteger *int             `json:"multipleBirthInteger,omitzero"`
	Photo                []Attachment     `json:"photo,omitempty"`
	Contact              []PatientContact `json:"contact,omitempty"`
	Link                 []PatientLink    `json:"link,omitempty"`
}

// PatientContact is a person to turn to about the patient: a parent, a guardian, next of kin.
type PatientContact struct {
	Relationship []CodeableConcept `json:"relationship,omitempty"`
	Name         *HumanName        `json:"name,omitzero"`
}

// PatientLink relates a Patient to another about the same person.
type PatientLink struct {
	Other Reference `json:"other"`
	Type  string    `json:"type"`
}
