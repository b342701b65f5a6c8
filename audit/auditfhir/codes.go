package auditfhir

import (
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/internal/fhir"
)

// Code systems.
const (
	dcm           = "http://dicom.nema.org/resources/ontology/DCM"
	restful       = "http://hl7.org/fhir/restful-interaction"
	eventType     = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	entityType    = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	objectRole    = "http://terminology.hl7.org/CodeSystem/object-role"
	participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	roleClass     = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
	actReason     = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	sourceType    = "http://terminology.hl7.org/CodeSystem/security-source-type"
	lifecycle     = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
	balp          = "https://profiles.ihe.net/ITI/BALP/"
	kindSystem    = "urn:concord:audit-event-kind"
)

var (
	rest         = fhir.Coding{System: eventType, Code: "rest", Display: "RESTful Operation"}
	export       = fhir.Coding{System: dcm, Code: "110106", Display: "Export"}
	alert        = fhir.Coding{System: dcm, Code: "110113", Display: "Security Alert"}
	userAuth     = fhir.Coding{System: dcm, Code: "110114", Display: "User Authentication"}
	login        = fhir.Coding{System: dcm, Code: "110122", Display: "Login"}
	emergency    = fhir.Coding{System: dcm, Code: "110127", Display: "Emergency Override Started"}
	logUsed      = fhir.Coding{System: dcm, Code: "110101", Display: "Audit Log Used"}
	record       = fhir.Coding{System: dcm, Code: "110110", Display: "Patient Record"}
	disclose     = fhir.Coding{System: lifecycle, Code: "disclose", Display: "Disclose Record Lifecycle Event"}
	search       = fhir.Coding{System: restful, Code: "search", Display: "search"}
	read         = fhir.Coding{System: restful, Code: "read", Display: "read"}
	source       = fhir.Coding{System: dcm, Code: "110153", Display: "Source Role ID"}
	destination  = fhir.Coding{System: dcm, Code: "110152", Display: "Destination Role ID"}
	application  = fhir.Coding{System: dcm, Code: "110150", Display: "Application"}
	authServer   = fhir.Coding{System: "http://terminology.hl7.org/CodeSystem/extra-security-role-type", Code: "authserver", Display: "authorization server"}
	recipient    = fhir.Coding{System: participation, Code: "IRCP", Display: "information recipient"}
	author       = fhir.Coding{System: participation, Code: "AUT", Display: "author (originator)"}
	provider     = fhir.Coding{System: roleClass, Code: "PROV", Display: "healthcare provider"}
	person       = fhir.Coding{System: entityType, Code: "1", Display: "Person"}
	object       = fhir.Coding{System: entityType, Code: "2", Display: "System Object"}
	other        = fhir.Coding{System: entityType, Code: "4", Display: "Other"}
	requestIDKey = fhir.Coding{System: balp + "CodeSystem/BasicAuditEntityType", Code: "XrequestId"}
	consentType  = fhir.Coding{System: "http://hl7.org/fhir/resource-types", Code: "Consent", Display: "Consent"}
	tokenType    = fhir.Coding{System: balp + "CodeSystem/UserAgentTypes", Code: "UserOauthAgent"}
	authzConsent = fhir.Coding{System: balp + "CodeSystem/AuthZsubType", Code: "AuthZ-Consent", Display: "Authorization Decision using Roles and Consent"}
	authzRole    = fhir.Coding{System: balp + "CodeSystem/AuthZsubType", Code: "AuthZ-Role", Display: "Authorization Decision using only Roles"}
	patientRole  = fhir.Coding{System: objectRole, Code: "1", Display: "Patient"}
	reportRole   = fhir.Coding{System: objectRole, Code: "3", Display: "Report"}
	resourceRole = fhir.Coding{System: objectRole, Code: "4", Display: "Domain Resource"}
	queryRole    = fhir.Coding{System: objectRole, Code: "24", Display: "Query"}
)

// A shape is the pattern of BALP an event follows.
type shape int

const (
	querying shape = iota // client is the source of the query, the server its destination
	reading               // the other way round: data flows to the client
	writing
	exporting // a privacy disclosure, recorded at its source
	deciding  // an authorization decision
	signing   // sign-in and tokens
	plain     // none of BALP's
)

// form is what an event's kind says about its AuditEvent.
type form struct {
	kind    audit.Kind
	typ     fhir.Coding
	subtype fhir.Coding // zero: by action
	shape   shape
}

// forms is the one table from kind to type, subtype and pattern, in the order of package audit.
//
// Source: spec federation 3.1.
var forms = []form{
	{audit.PatientRegistered, rest, fhir.Coding{}, writing},
	{audit.PatientQueried, rest, search, querying},
	{audit.LinkChanged, record, fhir.Coding{}, plain},
	{audit.TaskWorked, record, fhir.Coding{}, plain},
	{audit.DocumentPublished, rest, fhir.Coding{}, writing},
	{audit.DocumentsQueried, rest, search, querying},
	{audit.Decision, alert, fhir.Coding{}, deciding},
	{audit.Disclosed, export, disclose, exporting},
	{audit.Refused, rest, fhir.Coding{}, plain},
	{audit.ConsentChanged, rest, fhir.Coding{}, writing},
	{audit.EmergencyClaimed, alert, emergency, plain},
	{audit.EmergencyEnded, alert, emergency, plain},
	{audit.TokenIssued, userAuth, login, signing},
	{audit.SignInFailed, userAuth, login, signing},
	{audit.Administered, rest, fhir.Coding{}, plain},
	{audit.SiteAsked, rest, read, plain},
	{audit.AuditRead, logUsed, fhir.Coding{}, plain},
}

func formOf(k audit.Kind) form {
	for _, f := range forms {
		if f.kind == k {
			return f
		}
	}
	return form{kind: k, typ: rest, shape: plain}
}

// actions are the restful interactions of FHIR's audit-event-action, with the profile of a change.
var actions = map[string]struct{ interaction, profile string }{
	"C": {"create", "Create"}, "U": {"update", "Update"}, "D": {"delete", ""}, "R": {"read", ""},
}

// outcomeCodes are FHIR's audit-event-outcome. A refusal is the caller's fault, a failure ours or a site's.
var outcomeCodes = map[audit.Outcome]string{audit.Success: "0", audit.Refusal: "4", audit.Failure: "8"}

// transactions are the IHE transactions by kind and Detail["interaction"].
//
// Source: IHE PIXm, PDQm, MHD, PCF; ITI TF-2.
var transactions = map[audit.Kind]map[string]string{
	audit.PatientRegistered: {"patient register": "ITI-104", "merge": "ITI-104"},
	audit.PatientQueried:    {"patient search": "ITI-78", "patient match": "ITI-119", "match": "ITI-119", "patient ihe-pix": "ITI-83"},
	audit.DocumentsQueried:  {"search-type": "ITI-67", "count": "ITI-67"},
	audit.Disclosed:         {"find": "ITI-67", "retrieve": "ITI-68"},
	audit.ConsentChanged:    {"create": "ITI-108", "update": "ITI-108"},
}
