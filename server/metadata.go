package server

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// metadata answers GET /fhir/metadata with what this server offers. It needs no token: who would connect must
// learn how.
//
// Source: FHIR R4 http 3.1.0.12 (capabilities).
func (s *Server) metadata(c *gin.Context) { s.send(c, http.StatusOK, s.capability()) }

// A searchParam is a search parameter with its FHIR type.
type searchParam struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// resourceFacts are what routes do not tell of a resource: what may be sought, and how its versions work.
var resourceFacts = map[string]struct {
	search     []searchParam
	versioning string
	doc        string
}{
	"DocumentReference": {versioning: "versioned", search: []searchParam{
		{"_id", "token"}, {"author.family", "string"}, {"author.given", "string"}, {"category", "token"}, {"creation", "date"},
		{"custodian", "reference"}, {"date", "date"}, {"event", "token"}, {"facility", "token"}, {"format", "token"},
		{"identifier", "token"}, {"patient", "reference"}, {"patient.identifier", "token"}, {"period", "date"},
		{"related", "reference"}, {"security-label", "token"}, {"setting", "token"}, {"status", "token"}, {"type", "token"}},
		doc: "Pointers to documents at their sites. A search names its patient by patient or patient.identifier. Prefer: wait=N is how many seconds sites that do not publish may take; wait=0 asks none of them and shows what they told lately. Sentences that law has go with a document stand in its meta, as DS4P's extension-display."},
	"AuditEvent": {versioning: "no-version", search: []searchParam{
		{"agent", "reference"}, {"agent.identifier", "token"}, {"altid", "token"}, {"date", "date"}, {"entity", "reference"},
		{"outcome", "token"}, {"patient", "reference"}, {"patient.identifier", "token"}, {"subtype", "token"}, {"type", "token"}},
		doc: "The audit trail (ITI-81): for auditors, who must bound the date, and for patients their own access history."},
	"Binary": {doc: "The bytes of a document, fetched from its site and proved against what was published. Statements that law has go with it, such as that of 42 CFR 2.32, stand in the header Concord-Notice; a link of relation describedby leads to them whole ($notice)."},
	"Patient": {versioning: "versioned", doc: "One site's registration of a patient.", search: []searchParam{
		{"_id", "token"}, {"active", "token"}, {"address", "string"}, {"address-city", "string"}, {"address-country", "string"},
		{"address-postalcode", "string"}, {"address-state", "string"}, {"birthdate", "date"}, {"email", "token"}, {"family", "string"},
		{"gender", "token"}, {"given", "string"}, {"identifier", "token"}, {"phone", "token"}, {"telecom", "token"}}},
	"Consent": {versioning: "versioned", search: []searchParam{
		{"_id", "token"}, {"_lastUpdated", "date"}, {"category", "token"}, {"date", "date"}, {"patient", "reference"}, {"patient.identifier", "token"},
		{"period", "date"}, {"scope", "token"}, {"status", "token"}}},
	"List": {versioning: "no-version"},
	"Endpoint": {versioning: "no-version", search: []searchParam{
		{"_id", "token"}, {"identifier", "token"}, {"name", "string"}, {"organization", "reference"}, {"status", "token"}}},
	"Organization": {versioning: "no-version", search: []searchParam{
		{"_id", "token"}, {"active", "token"}, {"identifier", "token"}, {"name", "string"}, {"partof", "reference"}, {"type", "token"}}},
}

// capability is the CapabilityStatement of the routes there are: each path under /fhir with its method becomes an
// interaction or an operation, so that the statement cannot promise what no route does.
func (s *Server) capability() any {
	type interaction struct {
		Code string `json:"code"`
	}
	type operation struct {
		Name       string `json:"name"`
		Definition string `json:"definition"`
	}
	type resource struct {
		Type              string        `json:"type"`
		Documentation     string        `json:"documentation,omitzero"`
		Interaction       []interaction `json:"interaction,omitempty"`
		Versioning        string        `json:"versioning,omitzero"`
		ConditionalUpdate bool          `json:"conditionalUpdate,omitzero"`
		SearchParam       []searchParam `json:"searchParam,omitempty"`
		Operation         []operation   `json:"operation,omitempty"`
	}
	byType := map[string]*resource{}
	var system []interaction
	for _, route := range s.engine.Routes() {
		o, ok := offerOf(route.Method, route.Path)
		if !ok {
			continue
		}
		if o.resource == "" {
			if !slices.Contains(system, interaction{o.interaction}) {
				system = append(system, interaction{o.interaction})
			}
			continue
		}
		r := byType[o.resource]
		if r == nil {
			r = &resource{Type: o.resource}
			byType[o.resource] = r
		}
		switch {
		case o.operation != "":
			op := operation{o.operation, s.cfg.FHIRBase() + "/OperationDefinition/" + o.resource + "-" + o.operation}
			if known := operationDefinitions[o.resource+"/"+o.operation]; known != "" {
				op.Definition = known
			}
			if !slices.Contains(r.Operation, op) {
				r.Operation = append(r.Operation, op)
			}
		case !slices.Contains(r.Interaction, interaction{o.interaction}):
			r.Interaction = append(r.Interaction, interaction{o.interaction})
		}
		r.ConditionalUpdate = r.ConditionalUpdate || o.conditional
	}
	resources := make([]resource, 0, len(byType))
	for name, r := range byType {
		facts := resourceFacts[name]
		r.Documentation, r.Versioning = facts.doc, facts.versioning
		if slices.Contains(r.Interaction, interaction{"search-type"}) {
			r.SearchParam = facts.search
		}
		slices.SortFunc(r.Interaction, func(a, b interaction) int { return cmp.Compare(a.Code, b.Code) })
		slices.SortFunc(r.Operation, func(a, b operation) int { return cmp.Compare(a.Name, b.Name) })
		resources = append(resources, *r)
	}
	slices.SortFunc(resources, func(a, b resource) int { return cmp.Compare(a.Type, b.Type) })
	slices.SortFunc(system, func(a, b interaction) int { return cmp.Compare(a.Code, b.Code) })
	type security struct {
		Service     []fhir.CodeableConcept `json:"service"`
		Description string                 `json:"description"`
		Extension   []fhir.Extension       `json:"extension"`
	}
	type rest struct {
		Mode        string        `json:"mode"`
		Security    security      `json:"security"`
		Resource    []resource    `json:"resource"`
		Interaction []interaction `json:"interaction,omitempty"`
	}
	return struct {
		ResourceType   string            `json:"resourceType"`
		Status         string            `json:"status"`
		Date           string            `json:"date"`
		Kind           string            `json:"kind"`
		Software       map[string]string `json:"software"`
		Implementation map[string]string `json:"implementation"`
		FHIRVersion    string            `json:"fhirVersion"`
		Format         []string          `json:"format"`
		Rest           []rest            `json:"rest"`
	}{"CapabilityStatement", "active", fhir.Instant(s.started), "instance",
		map[string]string{"name": "Concord", "version": cmp.Or(s.cfg.Version, "unversioned")},
		map[string]string{"description": "Concord record locator and exchange", "url": s.cfg.FHIRBase()},
		"4.0.1", []string{"application/fhir+json", "json"},
		[]rest{{Mode: "server", Resource: resources, Interaction: system, Security: security{
			Service: []fhir.CodeableConcept{{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/restful-security-service", Code: "SMART-on-FHIR"}},
				Text: "SMART Backend Services"}},
			Description: "SMART Backend Services (private_key_jwt) with a purpose of use in every token.",
			Extension: []fhir.Extension{{URL: "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
				Extension: []fhir.Extension{{URL: "token", ValueURI: s.cfg.BaseURL + "/oauth/token"}}}},
		}}}}
}

// operationDefinitions are the published definitions of operations by resource and name.
var operationDefinitions = map[string]string{
	"Patient/idi-match":            "http://hl7.org/fhir/us/identity-matching/OperationDefinition/IDI-match",
	"Patient/match":                "http://hl7.org/fhir/OperationDefinition/Patient-match",
	"Consent/file-consent":         "http://hl7.org/fhir/us/consent-management/OperationDefinition/file-consent",
	"Consent/revoke-consent":       "http://hl7.org/fhir/us/consent-management/OperationDefinition/revoke-consent",
	"AuditEvent/record-disclosure": "http://hl7.org/fhir/us/consent-management/OperationDefinition/record-disclosure",
	"Patient/ihe-pix":              "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix",
}

// An offer is what one route offers.
type offer struct {
	resource, interaction, operation string
	conditional                      bool
}

// offerOf reads a route under /fhir as FHIR's REST does; ok is false for the others and for metadata itself.
//
// Source: FHIR R4 http 3.1.0.1 (summary of interactions).
func offerOf(method, path string) (_ offer, ok bool) {
	rest, under := strings.CutPrefix(path, "/fhir")
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	if !under || strings.HasPrefix(parts[0], ".well-known") || parts[0] == "metadata" || parts[0] == "OperationDefinition" {
		return offer{}, false
	}
	if parts[0] == "" {
		return offer{interaction: "transaction"}, method == http.MethodPost
	}
	o := offer{resource: parts[0]}
	last := parts[len(parts)-1]
	switch {
	case strings.HasPrefix(last, "$"):
		o.operation = operationName(last[1:])
	case len(parts) == 2 && last == "_search", len(parts) == 1 && method == http.MethodGet:
		o.interaction = "search-type"
	case len(parts) == 1 && method == http.MethodPost:
		o.interaction = "create"
	case len(parts) == 1 && method == http.MethodPut:
		o.interaction, o.conditional = "update", true
	case len(parts) == 2:
		o.interaction = map[string]string{http.MethodGet: "read", http.MethodPut: "update", http.MethodDelete: "delete", http.MethodPatch: "patch"}[method]
	case len(parts) == 3 && last == "_history":
		o.interaction = "history-instance"
	case len(parts) == 4 && parts[2] == "_history":
		o.interaction = "vread"
	}
	return o, o.interaction != "" || o.operation != ""
}

// operationName is the one name of an operation that guides write in several ways: $IDI-match is $idi-match,
// $fileConsent is $file-consent.
func operationName(written string) string {
	var b strings.Builder
	for i, r := range written {
		if unicode.IsUpper(r) && i > 0 && unicode.IsLower(rune(written[i-1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
