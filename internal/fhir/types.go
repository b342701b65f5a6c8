// Package fhir reads and writes FHIR R4 JSON: the datatypes and resources Concord speaks, dates with their
// precision, search parameters, and edits of received bytes that leave everything else as it came.
//
// It knows nothing of the exchange's rules. Structs name the elements Concord reads or writes; what they do
// not name survives because received bytes are kept beside them.
//
// Source: FHIR R4 (4.0.1) datatypes and JSON format.
package fhir

import "github.com/go-json-experiment/json/jsontext"

// Meta is Resource.meta.
type Meta struct {
	VersionID   string   `json:"versionId,omitzero"`
	LastUpdated string   `json:"lastUpdated,omitzero"`
	Source      string   `json:"source,omitzero"`
	Profile     []string `json:"profile,omitempty"`
	Security    []Coding `json:"security,omitempty"`
	Tag         []Coding `json:"tag,omitempty"`
}

// Coding is a code of a code system.
type Coding struct {
	System  string `json:"system,omitzero"`
	Version string `json:"version,omitzero"`
	Code    string `json:"code,omitzero"`
	Display string `json:"display,omitzero"`
}

// CodeableConcept is a concept named by codings or text.
type CodeableConcept struct {
	Coding []Coding `json:"coding,omitempty"`
	Text   string   `json:"text,omitzero"`
}

// Identifier is a business identifier.
type Identifier struct {
	Use      string           `json:"use,omitzero"`
	Type     *CodeableConcept `json:"type,omitzero"`
	System   string           `json:"system,omitzero"`
	Value    string           `json:"value,omitzero"`
	Period   *Period          `json:"period,omitzero"`
	Assigner *Reference       `json:"assigner,omitzero"`
}

// Reference points to another resource, literally or by identifier.
type Reference struct {
	Reference  string      `json:"reference,omitzero"`
	Type       string      `json:"type,omitzero"`
	Identifier *Identifier `json:"identifier,omitzero"`
	Display    string      `json:"display,omitzero"`
}

// Period is a span of time, either end open.
type Period struct {
	Start string `json:"start,omitzero"`
	End   string `json:"end,omitzero"`
}

// HumanName is a name of a person.
type HumanName struct {
	Use    string   `json:"use,omitzero"`
	Text   string   `json:"text,omitzero"`
	Family string   `json:"family,omitzero"`
	Given  []string `json:"given,omitempty"`
	Prefix []string `json:"prefix,omitempty"`
	Suffix []string `json:"suffix,omitempty"`
	Period *Period  `json:"period,omitzero"`
}

// Address is a postal address.
type Address struct {
	Use        string   `json:"use,omitzero"`
	Type       string   `json:"type,omitzero"`
	Text       string   `json:"text,omitzero"`
	Line       []string `json:"line,omitempty"`
	City       string   `json:"city,omitzero"`
	District   string   `json:"district,omitzero"`
	State      string   `json:"state,omitzero"`
	PostalCode string   `json:"postalCode,omitzero"`
	Country    string   `json:"country,omitzero"`
	Period     *Period  `json:"period,omitzero"`
}

// ContactPoint is a phone number, e-mail address or the like.
type ContactPoint struct {
	System string  `json:"system,omitzero"`
	Value  string  `json:"value,omitzero"`
	Use    string  `json:"use,omitzero"`
	Rank   int     `json:"rank,omitzero"`
	Period *Period `json:"period,omitzero"`
}

// Extension is an extension with the value types Concord reads or writes.
type Extension struct {
	URL                  string           `json:"url"`
	Extension            []Extension      `json:"extension,omitempty"`
	ValueString          string           `json:"valueString,omitzero"`
	ValueCode            string           `json:"valueCode,omitzero"`
	ValueURI             string           `json:"valueUri,omitzero"`
	ValueBoolean         *bool            `json:"valueBoolean,omitzero"`
	ValueInteger         *int             `json:"valueInteger,omitzero"`
	ValueDecimal         *float64         `json:"valueDecimal,omitzero"`
	ValueDateTime        string           `json:"valueDateTime,omitzero"`
	ValueIdentifier      *Identifier      `json:"valueIdentifier,omitzero"`
	ValueReference       *Reference       `json:"valueReference,omitzero"`
	ValueCoding          *Coding          `json:"valueCoding,omitzero"`
	ValueCodeableConcept *CodeableConcept `json:"valueCodeableConcept,omitzero"`
	ValueAnnotation      *Annotation      `json:"valueAnnotation,omitzero"`
}

// Annotation is a text note.
type Annotation struct {
	Extension []Extension `json:"extension,omitempty"`
	Text      string      `json:"text"`
}

// Narrative is the human-readable text of a resource.
type Narrative struct {
	Status string `json:"status"`
	Div    string `json:"div"`
}

// Attachment is content carried inline or by url.
type Attachment struct {
	ContentType string `json:"contentType,omitzero"`
	Language    string `json:"language,omitzero"`
	Data        string `json:"data,omitzero"`
	URL         string `json:"url,omitzero"`
	// Size is a pointer: 0 and absent differ (delayed assembly, MHD 2:3.105).
	Size     *int64 `json:"size,omitzero"`
	Hash     string `json:"hash,omitzero"`
	Title    string `json:"title,omitzero"`
	Creation string `json:"creation,omitzero"`
}

// Header is what every resource begins with.
type Header struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id,omitzero"`
	Meta         *Meta  `json:"meta,omitzero"`
}

// Bundle is a collection of resources.
type Bundle struct {
	ResourceType string        `json:"resourceType"`
	ID           string        `json:"id,omitzero"`
	Meta         *Meta         `json:"meta,omitzero"`
	Identifier   *Identifier   `json:"identifier,omitzero"`
	Type         string        `json:"type"`
	Timestamp    string        `json:"timestamp,omitzero"`
	Total        *int          `json:"total,omitzero"`
	Link         []BundleLink  `json:"link,omitempty"`
	Entry        []BundleEntry `json:"entry,omitempty"`
}

// BundleLink is a link of a searchset.
type BundleLink struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

// BundleEntry is one entry; Resource stays as received.
type BundleEntry struct {
	FullURL  string          `json:"fullUrl,omitzero"`
	Resource jsontext.Value  `json:"resource,omitempty"`
	Search   *BundleSearch   `json:"search,omitzero"`
	Request  *BundleRequest  `json:"request,omitzero"`
	Response *BundleResponse `json:"response,omitzero"`
}

// BundleSearch says why an entry is in a searchset.
type BundleSearch struct {
	Extension []Extension `json:"extension,omitempty"`
	Mode      string      `json:"mode,omitzero"`
	Score     *float64    `json:"score,omitzero"`
}

// BundleRequest is what a transaction entry asks.
type BundleRequest struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	IfMatch     string `json:"ifMatch,omitzero"`
	IfNoneExist string `json:"ifNoneExist,omitzero"`
}

// BundleResponse is what became of a transaction entry.
type BundleResponse struct {
	Status       string         `json:"status"`
	Location     string         `json:"location,omitzero"`
	Etag         string         `json:"etag,omitzero"`
	LastModified string         `json:"lastModified,omitzero"`
	Outcome      jsontext.Value `json:"outcome,omitempty"`
}

// Parameters is the input or output of an operation.
type Parameters struct {
	ResourceType string      `json:"resourceType"`
	ID           string      `json:"id,omitzero"`
	Parameter    []Parameter `json:"parameter,omitempty"`
}

// Parameter is one named value.
type Parameter struct {
	Name            string         `json:"name"`
	ValueString     string         `json:"valueString,omitzero"`
	ValueCode       string         `json:"valueCode,omitzero"`
	ValueURI        string         `json:"valueUri,omitzero"`
	ValueBoolean    *bool          `json:"valueBoolean,omitzero"`
	ValueInteger    *int           `json:"valueInteger,omitzero"`
	ValueDecimal    *float64       `json:"valueDecimal,omitzero"`
	ValueDateTime   string         `json:"valueDateTime,omitzero"`
	ValueIdentifier *Identifier    `json:"valueIdentifier,omitzero"`
	ValueReference  *Reference     `json:"valueReference,omitzero"`
	ValueCoding     *Coding        `json:"valueCoding,omitzero"`
	Resource        jsontext.Value `json:"resource,omitempty"`
	Part            []Parameter    `json:"part,omitempty"`
}

// OperationOutcome says what went wrong or is worth knowing.
type OperationOutcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []Issue `json:"issue"`
}

// Issue is one point of an OperationOutcome.
type Issue struct {
	Severity    string           `json:"severity"`
	Code        string           `json:"code"`
	Details     *CodeableConcept `json:"details,omitzero"`
	Diagnostics string           `json:"diagnostics,omitzero"`
	Expression  []string         `json:"expression,omitempty"`
}
