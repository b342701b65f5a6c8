package server

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// An ownOperation is an operation that nobody else has published a definition of.
type ownOperation struct {
	resource, name, title, description string
	affectsState                       bool
	instance                           bool // about one resource, else about the type
	in, out                            []operationParameter
}

type operationParameter struct {
	Name          string               `json:"name"`
	Use           string               `json:"use"`
	Min           int                  `json:"min"`
	Max           string               `json:"max"`
	Documentation string               `json:"documentation,omitempty"`
	Type          string               `json:"type,omitempty"`
	Part          []operationParameter `json:"part,omitempty"`
}

func input(name string, least int, most, kind, doc string) operationParameter {
	return operationParameter{Name: name, Use: "in", Min: least, Max: most, Type: kind, Documentation: doc}
}

func output(name string, least int, most, kind, doc string, parts ...operationParameter) operationParameter {
	return operationParameter{Name: name, Use: "out", Min: least, Max: most, Type: kind, Documentation: doc, Part: parts}
}

// ownOperations are served where the CapabilityStatement says that their definitions are.
var ownOperations = []ownOperation{
	{resource: "DocumentReference", name: "presence", title: "Where a patient has documents",
		description: "At which sites a patient has documents, of which classes, how many and how new, as far as the caller may learn of it.",
		in: []operationParameter{
			input("patient.identifier", 0, "1", "Identifier", "The patient by a site's identifier. This or patient is required."),
			input("patient", 0, "1", "Reference", "The patient by reference.")},
		out: []operationParameter{
			output("presence", 0, "*", "", "One site and class.", output("site", 1, "1", "Reference", "The site, as an Organization."),
				output("class", 0, "1", "code", "LOINC class of the documents."), output("count", 1, "1", "integer", "How many there are."),
				output("newest", 1, "1", "dateTime", "When the newest was made.")),
			output("statement", 0, "*", "", "What goes with saying so in words, as $notice of Binary tells it."),
			output("notice", 1, "1", "string", "That there may be more than may be told.")}},
	{resource: "Binary", name: "notice", title: "What goes with a document in words", instance: true,
		description: "The statements that law has accompany a document, such as that of 42 CFR 2.32, and the scope of the patient's consent it left by. To who may have the document now; to anybody else it is not there.",
		out: []operationParameter{
			output("statement", 0, "*", "", "One statement.", output("obligation", 1, "1", "code", "What obliges to it: P2-NOTICE."), output("source", 1, "1", "string", "What asks for it."),
				output("policy", 0, "1", "string", "The policy in force whose words they are, and its edition."), output("version", 0, "1", "integer", "The policy's version here, 0 for the program's own."),
				output("words", 1, "*", "", "The statement in one language.", output("language", 1, "1", "code", "en or es."), output("text", 1, "1", "string", "The statement whole."),
					output("short", 0, "1", "string", "A form that may stand in its place."), output("scope", 0, "1", "string", "What the consent permits, as far as it concerns this document.")))}},
	{resource: "Patient", name: "break-glass", title: "Emergency access", affectsState: true,
		description: "Claims access to a patient's documents in an emergency. The claim is reviewed, and the patient can see it.",
		in: []operationParameter{
			input("identifier", 1, "1", "Identifier", "The patient by a site's identifier."),
			input("reason", 1, "1", "code", "Why: an emergency reason code."),
			input("text", 0, "1", "string", "Why, in words; at most 4000 bytes."),
			input("attested", 0, "*", "code", "What the claimant attests.")},
		out: []operationParameter{output("until", 1, "1", "dateTime", "Until when the claim holds.")}},
	{resource: "Patient", name: "end-emergency", title: "End of emergency access", affectsState: true,
		description: "What the caller claimed about a patient in an emergency ends before its time. The claim is reviewed all the same. The answer is 204 where there was nothing to end, too.",
		in: []operationParameter{
			input("identifier", 1, "1", "Identifier", "The patient by a site's identifier."),
			input("text", 0, "1", "string", "Why, in words; at most 4000 bytes.")}},
	{resource: "Consent", name: "capture", title: "File a consent from a form", affectsState: true,
		description: "A form as filled in and signed becomes a consent in force.", in: formParameters(1),
		out: []operationParameter{output("return", 1, "1", "Consent", "The consent as filed.")}},
	{resource: "Consent", name: "preview", title: "What a consent would change",
		description: "Who can see what now, and who could if the consent in the request were filed. Nothing is written but that somebody looked.",
		in: append(formParameters(0), input("consent", 0, "1", "Consent", "The consent whole, in place of a form."),
			input("asker", 0, "*", "Reference", "Organizations to suppose as askers.")),
		out: []operationParameter{output("return", 1, "1", "Parameters", "Outlook and conflicts.")}},
	{resource: "Consent", name: "residual", title: "What a site that filters for itself may let go",
		description: "The ihe_pcf extension of a token about one of the caller's own patients. What rules cannot say exactly is said by naming documents, or refused.",
		in: []operationParameter{input("patient", 1, "1", "Reference", "One of the caller's own patients."), input("organization", 1, "1", "Reference", "Who would have it."),
			input("purpose", 1, "1", "code", "What for."),
			input("oneLabel", 0, "1", "boolean", "The site asks for each document that bears several sensitivity labels or lacks what a rule looks at; without it, rules that are not exact for these are not given.")},
		out: []operationParameter{output("permit", 1, "1", "boolean", "Whether anything may leave."), output("ihe_pcf", 0, "1", "string", "The extension, as JSON."),
			output("token", 0, "1", "string", "A JWT that carries it, signed with the keys of /oauth/jwks, to the caller's organization for a minute at most.")}},
}

// formParameters are what a form is filled in and signed with; least says whether patient and template must be given.
func formParameters(least int) []operationParameter {
	required := map[string]bool{"patient": true, "template": true}
	kinds := map[string]string{"patient": "Reference", "version": "integer", "language": "code", "organization": "Reference", "label": "code", "until": "dateTime",
		"performer": "Reference", "kind": "code", "method": "code", "verified": "boolean", "document": "Resource"}
	var out []operationParameter
	for _, name := range captureParameters {
		name, many := strings.CutSuffix(name, "*")
		p := input(name, 0, "1", "string", "")
		if many {
			p.Max = "*"
		}
		if required[name] {
			p.Min = least
		}
		if k := kinds[name]; k != "" {
			p.Type = k
		}
		out = append(out, p)
	}
	return out
}

func (o ownOperation) id() string { return o.resource + "-" + o.name }

// definition answers GET /fhir/OperationDefinition/{id} with one of them. It needs no token, like the CapabilityStatement
// that refers to it.
//
// Source: FHIR R4 OperationDefinition.
func (s *Server) definition(o ownOperation) gin.HandlerFunc {
	d := struct {
		ResourceType string               `json:"resourceType"`
		ID           string               `json:"id"`
		URL          string               `json:"url"`
		Name         string               `json:"name"`
		Title        string               `json:"title"`
		Status       string               `json:"status"`
		Kind         string               `json:"kind"`
		Description  string               `json:"description"`
		AffectsState bool                 `json:"affectsState"`
		Code         string               `json:"code"`
		Resource     []string             `json:"resource"`
		System       bool                 `json:"system"`
		Type         bool                 `json:"type"`
		Instance     bool                 `json:"instance"`
		Parameter    []operationParameter `json:"parameter"`
	}{"OperationDefinition", o.id(), s.cfg.FHIRBase() + "/OperationDefinition/" + o.id(), strings.NewReplacer("-", "").Replace(o.resource + strings.ToUpper(o.name[:1]) + o.name[1:]),
		o.title, "active", "operation", o.description, o.affectsState, o.name, []string{o.resource}, false, !o.instance, o.instance, append(o.in, o.out...)}
	return func(c *gin.Context) { s.send(c, http.StatusOK, d) }
}
