package fhir

// AuditEvent is a record of something that happened.
//
// Source: FHIR R4 auditevent.html.
type AuditEvent struct {
	ResourceType   string             `json:"resourceType"`
	ID             string             `json:"id,omitzero"`
	Meta           *Meta              `json:"meta,omitzero"`
	Type           Coding             `json:"type"`
	Subtype        []Coding           `json:"subtype,omitempty"`
	Action         string             `json:"action,omitzero"`
	Recorded       string             `json:"recorded"`
	Outcome        string             `json:"outcome,omitzero"`
	OutcomeDesc    string             `json:"outcomeDesc,omitzero"`
	PurposeOfEvent []CodeableConcept  `json:"purposeOfEvent,omitempty"`
	Agent          []AuditEventAgent  `json:"agent"`
	Source         AuditEventSource   `json:"source"`
	Entity         []AuditEventEntity `json:"entity,omitempty"`
}

// AuditEventAgent is somebody or something that took part. Requestor is required and so always written.
type AuditEventAgent struct {
	Type         *CodeableConcept   `json:"type,omitzero"`
	Role         []CodeableConcept  `json:"role,omitempty"`
	Who          *Reference         `json:"who,omitzero"`
	AltID        string             `json:"altId,omitzero"`
	Name         string             `json:"name,omitzero"`
	Requestor    bool               `json:"requestor"`
	Policy       []string           `json:"policy,omitempty"`
	Network      *AuditEventNetwork `json:"network,omitzero"`
	PurposeOfUse []CodeableConcept  `json:"purposeOfUse,omitempty"`
}

// AuditEventNetwork is where an agent stood. Type 1 is a machine name, 2 an IP address, 5 a URI.
type AuditEventNetwork struct {
	Address string `json:"address,omitzero"`
	Type    string `json:"type,omitzero"`
}

// AuditEventSource is what recorded the event.
type AuditEventSource struct {
	Site     string    `json:"site,omitzero"`
	Observer Reference `json:"observer"`
	Type     []Coding  `json:"type,omitempty"`
}

// AuditEventEntity is data or an object involved. It has a name or a query, never both (sev-1).
type AuditEventEntity struct {
	What        *Reference         `json:"what,omitzero"`
	Type        *Coding            `json:"type,omitzero"`
	Role        *Coding            `json:"role,omitzero"`
	Name        string             `json:"name,omitzero"`
	Description string             `json:"description,omitzero"`
	Query       string             `json:"query,omitzero"` // base64
	Detail      []AuditEventDetail `json:"detail,omitempty"`
}

// AuditEventDetail is one further fact about an entity.
type AuditEventDetail struct {
	Type        string `json:"type"`
	ValueString string `json:"valueString"`
}
