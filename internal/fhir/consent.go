package fhir

import "github.com/go-json-experiment/json/jsontext"

// Consent is what Concord reads and checks of a Consent besides its rules, which consentfhir reads on its own.
//
// Source: FHIR R4 Consent; IHE PCF, ITI-108.
type Consent struct {
	ResourceType      string                `json:"resourceType"`
	ID                string                `json:"id,omitzero"`
	Meta              *Meta                 `json:"meta,omitzero"`
	Extension         []Extension           `json:"extension,omitempty"`
	Identifier        []Identifier          `json:"identifier,omitempty"`
	Status            string                `json:"status,omitzero"`
	Scope             *CodeableConcept      `json:"scope,omitzero"`
	Category          []CodeableConcept     `json:"category,omitempty"`
	Patient           *Reference            `json:"patient,omitzero"`
	DateTime          string                `json:"dateTime,omitzero"`
	Performer         []Reference           `json:"performer,omitempty"`
	Organization      []Reference           `json:"organization,omitempty"`
	SourceAttachment  *Attachment           `json:"sourceAttachment,omitzero"`
	SourceReference   *Reference            `json:"sourceReference,omitzero"`
	Policy            []ConsentPolicy       `json:"policy,omitempty"`
	PolicyRule        *CodeableConcept      `json:"policyRule,omitzero"`
	Verification      []ConsentVerification `json:"verification,omitempty"`
	Provision         *ConsentProvision     `json:"provision,omitzero"`
	ModifierExtension []jsontext.Value      `json:"modifierExtension,omitempty"`
}

// ConsentPolicy names a policy by URI.
type ConsentPolicy struct {
	Authority string `json:"authority,omitzero"`
	URI       string `json:"uri,omitzero"`
}

// ConsentVerification says whether and when the patient or family verified the consent.
type ConsentVerification struct {
	Verified         *bool      `json:"verified,omitzero"`
	VerifiedWith     *Reference `json:"verifiedWith,omitzero"`
	VerificationDate string     `json:"verificationDate,omitzero"`
}

// ConsentProvision is the part of a provision that searches read; its rules are consentfhir's.
type ConsentProvision struct {
	Type   string  `json:"type,omitzero"`
	Period *Period `json:"period,omitzero"`
}
