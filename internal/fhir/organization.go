package fhir

// Organization is a participant, a unit of one, or a site.
type Organization struct {
	ResourceType string            `json:"resourceType"`
	ID           string            `json:"id"`
	Meta         *Meta             `json:"meta,omitzero"`
	Identifier   []Identifier      `json:"identifier,omitempty"`
	Active       bool              `json:"active"`
	Type         []CodeableConcept `json:"type,omitempty"`
	Name         string            `json:"name"`
	Telecom      []ContactPoint    `json:"telecom,omitempty"`
	PartOf       *Reference        `json:"partOf,omitzero"`
	Endpoint     []Reference       `json:"endpoint,omitempty"`
}

// Endpoint is an address at which an organisation answers.
type Endpoint struct {
	ResourceType         string            `json:"resourceType"`
	ID                   string            `json:"id"`
	Meta                 *Meta             `json:"meta,omitzero"`
	Identifier           []Identifier      `json:"identifier,omitempty"`
	Status               string            `json:"status"`
	ConnectionType       Coding            `json:"connectionType"`
	Name                 string            `json:"name,omitzero"`
	ManagingOrganization *Reference        `json:"managingOrganization,omitzero"`
	PayloadType          []CodeableConcept `json:"payloadType"`
	PayloadMimeType      []string          `json:"payloadMimeType,omitempty"`
	Address              string            `json:"address"`
}
