package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/server"
)

// A door is one route with a good request through it: who may make it, and what others get for the same.
type door struct {
	route        string // as the server names it
	target, body string // with {names} of the town
	form         bool   // the body is a form
	headers      []string
	// owner may, as as, and is answered with want.
	owner string
	as    asker
	want  int
	// rights are the scopes it takes, by their resource or their whole name; roled that it takes a role besides.
	rights []string
	roled  bool
	// stranger is another organisation's client with the same rights; it gets refused, and for what never was the
	// same bytes. patient is what somebody else's patient gets, through the hospital's own app with all scopes there
	// are.
	stranger   string
	strangerAs asker
	refused    int
	patient    int
	// opens are the kinds of ids the path takes.
	opens []string
}

// openDoors need no token.
var openDoors = []string{"GET /version", "GET /livez", "GET /readyz", "GET /oauth/jwks", "GET /.well-known/smart-configuration",
	"GET /fhir/.well-known/smart-configuration", "GET /fhir/metadata", "GET /admin/openapi.yaml", "GET /cds-services",
	"GET /fhir/OperationDefinition/Binary-notice", "GET /fhir/OperationDefinition/DocumentReference-presence", "GET /fhir/OperationDefinition/Patient-break-glass",
	"GET /fhir/OperationDefinition/Patient-end-emergency",
	"GET /fhir/OperationDefinition/Consent-capture", "GET /fhir/OperationDefinition/Consent-preview", "GET /fhir/OperationDefinition/Consent-residual"}

// signedDoors take a client assertion in place of a token.
var signedDoors = []string{"POST /oauth/token", "POST /oauth/introspect", "POST /oauth/revoke"}

// doors are all others. The good requests are made in this order, after all the bad ones.
func doors(w *town) []door {
	const (
		feed, emr, practice = "harbor-main-feed", "harbor-main-emr", "riverside-clinic-emr"
		dawnFeed, dawnEMR   = "new-dawn-east-feed", "new-dawn-east-emr"
		dawn                = "new-dawn-desk"
	)
	who := "{system}%7C{local}"
	app := patientActs(w.real["refuser"])
	documents := []string{"DocumentReference"}
	directory := func(route, target, resource string) door {
		return door{route: route, target: target, owner: emr, as: treating, want: 200, rights: []string{resource},
			stranger: dawnEMR, strangerAs: treating, refused: 200, patient: 200}
	}
	search := func(route, target, body string, rights ...string) door {
		return door{route: route, target: target, body: body, form: body != "", owner: practice, as: treating, want: 200, rights: rights,
			stranger: dawnEMR, strangerAs: asPayer, refused: 200, patient: 200}
	}
	published := func(route, target, body string, want int) door {
		return door{route: route, target: target, body: body, owner: feed, as: feeding, want: want, rights: documents,
			stranger: dawnFeed, strangerAs: feeding, refused: 404, patient: 404, opens: []string{"document"}}
	}
	registered := func(route, target, body string, want, refused, patient int) door {
		return door{route: route, target: target, body: body, owner: feed, as: feeding, want: want, rights: []string{"Patient"},
			stranger: dawnFeed, strangerAs: feeding, refused: refused, patient: patient}
	}
	consents := func(route, target, body string, want, refused int) door {
		d := door{route: route, target: target, body: body, owner: "patient-app", as: app, want: want, rights: []string{"Consent"},
			stranger: dawn, strangerAs: asClerk, refused: refused, patient: refused}
		if strings.Contains(route, ":id") {
			d.opens = []string{"consent"}
		}
		return d
	}
	trail := func(route, target, body string, refused int) door {
		return door{route: route, target: target, body: body, form: body != "", owner: "auditor-desk", as: asReader, want: 200, rights: []string{"AuditEvent"}, roled: true,
			stranger: dawn, strangerAs: asReader, refused: refused, patient: refused}
	}
	desk := func(route, target, body, owner string, as asker, right string, refused int, opens ...string) door {
		return door{route: route, target: target, body: body, owner: owner, as: as, want: 200, rights: []string{right}, roled: true,
			stranger: dawn, strangerAs: as, refused: refused, patient: 403, opens: opens}
	}
	steward := func(route, target, body, right string, opens ...string) door {
		return desk(route, target, body, "steward-desk", asSteward, right, 403, opens...)
	}
	operator := func(route, target, body, right string, opens ...string) door {
		d := desk(route, target, body, "operator-desk", asOperator, right, 403, opens...)
		d.stranger, d.strangerAs = "steward-desk", asSteward
		return d
	}
	copies := func(route, target string, refused int, opens ...string) door {
		return door{route: route, target: target, owner: feed, as: copying, want: 200, rights: []string{"concord/copy.read"},
			stranger: dawnFeed, strangerAs: copying, refused: refused, patient: 403, opens: opens}
	}
	officer := func(route, target, body, right string, refused int, opens ...string) door {
		return desk(route, target, body, "privacy-desk", asOfficer, right, refused, opens...)
	}
	patient := `{"resourceType":"Patient","identifier":[{"system":"{system}","value":"{local}"}],"name":[{"family":"ALVAREZ","given":["MARIA","ELENA"]}],` +
		`"birthDate":"1968-04-17","gender":"female"}`
	list := published("GET /fhir/List/:id", "/fhir/List/{list}", "", 200)
	list.rights, list.opens = []string{"List"}, []string{"list"}
	bundle := published("POST /fhir", "/fhir", "{bundle}", 200)
	bundle.rights, bundle.refused, bundle.patient, bundle.opens = []string{"DocumentReference", "List"}, 400, 403, nil
	slash := bundle
	slash.route, slash.target = "POST /fhir/", "/fhir/"
	post := published("POST /fhir/DocumentReference", "/fhir/DocumentReference", strings.Replace("{reference}", `"id":"{document}",`, "", 1), 200)
	post.refused, post.patient, post.opens = 400, 403, nil
	read := published("GET /fhir/DocumentReference/:id", "/fhir/DocumentReference/{document}", "", 200)
	read.stranger, read.strangerAs, read.opens = dawnEMR, asPayer, []string{"document", "live"}
	binary := search("GET /fhir/Binary/:id", "/fhir/Binary/{binary}", "", "Binary", "DocumentReference")
	binary.refused, binary.patient, binary.opens = 404, 404, []string{"binary", "live"}
	live := binary
	live.target = "/fhir/Binary/{live}"
	notice := binary
	notice.route, notice.target = "GET /fhir/Binary/:id/$notice", "/fhir/Binary/{binary}/$notice"
	pix := search("GET /fhir/Patient/$ihe-pix", "/fhir/Patient/$ihe-pix?sourceIdentifier="+who, "", "Patient")
	pix.refused, pix.patient = 404, 403
	pixBody := pix
	pixBody.route, pixBody.target = "POST /fhir/Patient/$ihe-pix", "/fhir/Patient/$ihe-pix"
	pixBody.body = `{"resourceType":"Parameters","parameter":[{"name":"sourceIdentifier","valueIdentifier":{"system":"{system}","value":"{local}"}}]}`
	match := search("POST /fhir/Patient/$match", "/fhir/Patient/$match", "", "Patient")
	match.patient = 403
	match.body = `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient","name":[{"family":"{family}","given":["Maria","Elena"]}],
 "birthDate":"1968-04-17","gender":"female","telecom":[{"system":"phone","value":"410-226-4471"}]}}]}`
	idi := match
	idi.route, idi.target = "POST /fhir/Patient/$idi-match", "/fhir/Patient/$idi-match"
	idiText := match
	idiText.route, idiText.target = "POST /fhir/Patient/$IDI-match", "/fhir/Patient/$IDI-match"
	claim := search("POST /fhir/Patient/$break-glass", "/fhir/Patient/$break-glass", "", "Patient")
	claim.body, claim.as, claim.strangerAs, claim.refused, claim.patient = "{claim}", claiming, treating, 403, 403
	over := claim // one who claimed nothing is answered the same
	over.route, over.target, over.refused = "POST /fhir/Patient/$end-emergency", "/fhir/Patient/$end-emergency", 204
	over.want = 204
	over.body = `{"resourceType":"Parameters","parameter":[{"name":"identifier","valueIdentifier":{"system":"{system}","value":"{local}"}}]}`
	own := registered("GET /fhir/Patient/:id", "/fhir/Patient/{patient}", "", 200, 404, 404)
	own.opens = []string{"patient"}
	event := trail("GET /fhir/AuditEvent/:id", "/fhir/AuditEvent/{event}", "", 404)
	put := consents("PUT /fhir/Consent/:id", "/fhir/Consent/{consent}", "{revision}", 200, 404)
	put.headers = []string{"If-Match", `W/"1"`}
	checkpoint := desk("GET /admin/v1/audit/checkpoint", "/admin/v1/audit/checkpoint", "", "auditor-desk", asReader, "concord/audit.read", 200)
	proof := desk("GET /admin/v1/audit/events/:id/proof", "/admin/v1/audit/events/{event}/proof", "", "auditor-desk", asReader, "concord/audit.read", 404)
	table := desk("POST /admin/v1/audit/table", "/admin/v1/audit/table", "date=ge2020-01-01", "auditor-desk", asReader, "concord/audit.read", 200)
	table.form = true
	flags := desk("POST /admin/v1/audit/flags", "/admin/v1/audit/flags", `{"events":["{event}"]}`, "auditor-desk", asReader, "concord/audit.read", 404)
	explain := officer("POST /admin/v1/consent/explain", "/admin/v1/consent/explain", `{"patient":"{patient}","organization":"riverside","purposes":["TREAT"],"roles":["physician"],
 "document":{"class":"11488-4","type":"18842-5","confidentiality":"N","labelled":true}}`, "concord/consent.read", 404)
	presence := search("POST /fhir/DocumentReference/$presence", "/fhir/DocumentReference/$presence", "", "DocumentReference")
	presence.body = `{"resourceType":"Parameters","parameter":[{"name":"patient.identifier","valueIdentifier":{"system":"{system}","value":"{local}"}}]}`

	residual := registered("POST /fhir/Consent/$residual", "/fhir/Consent/$residual", `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/{patient}"}},
 {"name":"organization","valueReference":{"reference":"Organization/riverside"}},{"name":"purpose","valueCode":"TREAT"}]}`, 200, 200, 200)
	residual.rights = []string{"Consent"}
	consult := registered("POST /cds-services/patient-consent-consult", "/cds-services/patient-consent-consult",
		`{"hook":"patient-consent-consult","hookInstance":"1","context":{"patientId":[{"value":"Patient/{patient}"}],"actor":[{"value":"Organization/riverside"}],"purposeOfUse":["TREAT"]}}`, 200, 200, 200)
	consult.rights = []string{"Consent"}
	hold := officer("POST /admin/v1/reviews/:id/hold", "/admin/v1/reviews/{review}/hold",
		`{"until":"{tomorrow}","reason":"the sheriff asked for it: she is with him still"}`, "concord/review.write", 403, "review")
	contest := officer("POST /admin/v1/reviews/:id/contest", "/admin/v1/reviews/{review}/contest", `{"reason":"she was awake and declined"}`, "concord/review.write", 404, "review")
	contest.owner = "harbor-desk"
	requests := officer("GET /admin/v1/reports/requests", "/admin/v1/reports/requests", "", "concord/report.read", 200)
	asks := consents("POST /admin/v1/reports/requests", "/admin/v1/reports/requests", `{"kind":"correction","organization":"harbor-general","words":"not my allergy"}`, 200, 403)
	asks.rights = []string{"concord/report.write"}
	leaned := officer("GET /admin/v1/reports/leaned", "/admin/v1/reports/leaned?patient={patient}", "", "concord/report.read", 403)
	disclosed := registered("POST /fhir/AuditEvent/$record-disclosure", "/fhir/AuditEvent/$record-disclosure", `{"resourceType":"Parameters","parameter":[
 {"name":"consent","valueReference":{"reference":"Consent/{paper}"}},{"name":"disclosure","resource":{"resourceType":"AuditEvent",
 "type":{"code":"rest"},"recorded":"{since}","agent":[{"requestor":true}],"source":{"observer":{"display":"EMR"}}}}]}`, 200, 400, 400)
	disclosed.rights = []string{"AuditEvent"}
	disclosedByCode := disclosed // as the guide's definition spells it, like the two of Consent below
	disclosedByCode.route, disclosedByCode.target = "POST /fhir/AuditEvent/$recordDisclosure", "/fhir/AuditEvent/$recordDisclosure"

	return []door{
		directory("GET /fhir/Organization", "/fhir/Organization", "Organization"),
		directory("GET /fhir/Organization/:id", "/fhir/Organization/harbor-general", "Organization"),
		directory("GET /fhir/Endpoint", "/fhir/Endpoint", "Endpoint"),
		directory("GET /fhir/Endpoint/:id", "/fhir/Endpoint/harbor-main-fhir", "Endpoint"),
		formed(directory("POST /fhir/Organization/_search", "/fhir/Organization/_search", "Organization"), "name=Harbor"),
		formed(directory("POST /fhir/Endpoint/_search", "/fhir/Endpoint/_search", "Endpoint"), "_count=5"),

		search("GET /fhir/DocumentReference", "/fhir/DocumentReference?status=current&patient.identifier="+who, "", "DocumentReference"),
		search("GET /fhir/DocumentReference", "/fhir/DocumentReference?patient=Patient/{patient}", "", "DocumentReference"),
		search("GET /fhir/DocumentReference", "/fhir/DocumentReference?_id={document}", "", "DocumentReference"),
		search("POST /fhir/DocumentReference/_search", "/fhir/DocumentReference/_search", "patient.identifier="+who, "DocumentReference"),
		search("GET /fhir/DocumentReference/$presence", "/fhir/DocumentReference/$presence?patient.identifier="+who, "", "DocumentReference"),
		presence, read, binary, live, notice, list, bundle, slash, post,
		published("PUT /fhir/DocumentReference/:id", "/fhir/DocumentReference/{document}", "{reference}", 200),

		search("GET /fhir/Patient", "/fhir/Patient?identifier="+who, "", "Patient"),
		search("GET /fhir/Patient", "/fhir/Patient?_id={patient}", "", "Patient"),
		search("GET /fhir/Patient", "/fhir/Patient?family={family}&birthdate=1968-04-17", "", "Patient"),
		search("POST /fhir/Patient/_search", "/fhir/Patient/_search", "identifier="+who, "Patient"),
		pix, pixBody, match, idi, idiText, own,
		registered("PUT /fhir/Patient", "/fhir/Patient?identifier="+who, patient, 200, 403, 403),
		registered("POST /fhir/Patient", "/fhir/Patient", patient, 200, 400, 403),
		registered("DELETE /fhir/Patient", "/fhir/Patient?identifier="+who, "", 400, 400, 400),
		claim,

		consents("GET /fhir/Consent", "/fhir/Consent?patient=Patient/{refuser}", "", 200, 200),
		formed(consents("POST /fhir/Consent/_search", "/fhir/Consent/_search", "", 200, 200), "patient=Patient/{refuser}"),
		consents("GET /fhir/Consent/:id", "/fhir/Consent/{consent}", "", 200, 404),
		put,
		consents("GET /fhir/Consent/:id/_history", "/fhir/Consent/{consent}/_history", "", 200, 404),
		consents("GET /fhir/Consent/:id/_history/:version", "/fhir/Consent/{consent}/_history/1", "", 200, 404),
		consents("POST /fhir/Consent/:id/$revoke-consent", "/fhir/Consent/{consent}/$revoke-consent", `{"resourceType":"Parameters"}`, 200, 404),
		consents("POST /fhir/Consent", "/fhir/Consent", "{filing}", 201, 400),
		consents("POST /fhir/Consent/$preview", "/fhir/Consent/$preview", `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/{refuser}"}},
 {"name":"template","valueString":"share"}]}`, 200, 400),
		consents("POST /fhir/Consent/$capture", "/fhir/Consent/$capture", `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/{refuser}"}},
 {"name":"template","valueString":"emergency-only"},{"name":"language","valueCode":"es"}]}`, 201, 400),
		consents("POST /fhir/Consent/$file-consent", "/fhir/Consent/$file-consent", "{papers}", 200, 400),
		consents("POST /fhir/Consent/$fileConsent", "/fhir/Consent/$fileConsent", "{papers}", 200, 400),
		consents("POST /fhir/Consent/$revoke-consent", "/fhir/Consent/$revoke-consent", `{"resourceType":"Parameters","parameter":[
 {"name":"consent","valueReference":{"reference":"Consent/{consent}"}},{"name":"patient","valueReference":{"reference":"Patient/{refuser}"}}]}`, 200, 400),
		consents("POST /fhir/Consent/$revokeConsent", "/fhir/Consent/$revokeConsent", `{"resourceType":"Parameters","parameter":[
 {"name":"consent","valueReference":{"reference":"Consent/{consent}"}},{"name":"patient","valueReference":{"reference":"Patient/{refuser}"}}]}`, 200, 400),
		disclosed, disclosedByCode, consult, residual,

		trail("GET /fhir/AuditEvent", "/fhir/AuditEvent?patient=Patient/{patient}&date=lt{since}", "", 200),
		trail("GET /fhir/AuditEvent", "/fhir/AuditEvent?patient.identifier="+who+"&date=lt{since}", "", 200),
		trail("POST /fhir/AuditEvent/_search", "/fhir/AuditEvent/_search", "patient=Patient/{patient}&date=lt{since}", 200),
		event, checkpoint, proof, table, flags,

		steward("GET /admin/v1/match/tasks", "/admin/v1/match/tasks?record={patient}", "", "concord/match.read"),
		steward("GET /admin/v1/match/tasks/:id", "/admin/v1/match/tasks/{task}", "", "concord/match.read", "task"),
		steward("GET /admin/v1/match/records/:id", "/admin/v1/match/records/{patient}", "", "concord/match.read", "patient"),
		steward("GET /admin/v1/match/records/:id/history", "/admin/v1/match/records/{first}/history", "", "concord/match.read", "patient"),
		steward("GET /admin/v1/match/records/:id/versions", "/admin/v1/match/records/{patient}/versions", "", "concord/match.read", "patient"),
		steward("GET /admin/v1/match/records/:id/best", "/admin/v1/match/records/{patient}/best", "", "concord/match.read", "patient"),
		steward("POST /admin/v1/match/records/:id/reveal", "/admin/v1/match/records/{patient}/reveal", `{"reason":"asked by the site"}`, "concord/match.write", "patient"),
		steward("GET /admin/v1/match/persons/:id/history", "/admin/v1/match/persons/{person}/history", "", "concord/match.read", "person"),
		steward("GET /admin/v1/match/changes", "/admin/v1/match/changes", "", "concord/match.read"),
		steward("POST /admin/v1/match/compare", "/admin/v1/match/compare", `{"records":["{first}","{second}"]}`, "concord/match.read"),
		steward("GET /admin/v1/match/quality", "/admin/v1/match/quality", "", "concord/match.read"),
		steward("POST /admin/v1/match/readers", "/admin/v1/match/readers", `{"name":"ward","from":"end"}`, "concord/match.write"),
		steward("GET /admin/v1/match/readers", "/admin/v1/match/readers", "", "concord/match.read"),
		steward("DELETE /admin/v1/match/readers/:name", "/admin/v1/match/readers/ward", "", "concord/match.write"),
		steward("POST /admin/v1/match/tasks/:id/snooze", "/admin/v1/match/tasks/{task}/snooze", `{"until":"{tomorrow}","reason":"the site looks it up"}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/:id/wake", "/admin/v1/match/tasks/{task}/wake", `{}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/:id/escalate", "/admin/v1/match/tasks/{task}/escalate", `{"role":"steward","reason":"two men of one name"}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/:id/recall", "/admin/v1/match/tasks/{task}/recall", `{}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/assign", "/admin/v1/match/tasks/assign", `{"tasks":["{task}"],"minutes":5}`, "concord/match.write"),
		steward("POST /admin/v1/match/tasks/:id/claim", "/admin/v1/match/tasks/{task}/claim", `{"minutes":5}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/:id/release", "/admin/v1/match/tasks/{task}/release", `{}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/:id/preview", "/admin/v1/match/tasks/{task}/preview", `{"verdict":"cannot-tell"}`, "concord/match.read", "task"),
		steward("POST /admin/v1/match/tasks", "/admin/v1/match/tasks", `{"record":"{first}","reason":"not mine"}`, "concord/match.write"),
		steward("GET /admin/v1/match/changes/:id/preview", "/admin/v1/match/changes/{change}/preview", "", "concord/match.read", "change"),
		steward("POST /admin/v1/match/verdicts/preview", "/admin/v1/match/verdicts/preview", `{"records":["{first}","{second}"],"verdict":"different"}`, "concord/match.read"),
		steward("POST /admin/v1/match/changes/:id/undo", "/admin/v1/match/changes/{change}/undo", `{"reason":"two men"}`, "concord/match.write", "change"),
		steward("POST /admin/v1/match/verdicts", "/admin/v1/match/verdicts", `{"records":["{first}","{second}"],"verdict":"different","reason":"two men"}`, "concord/match.write"),
		steward("POST /admin/v1/match/tasks/:id/ask", "/admin/v1/match/tasks/{task}/ask", `{"site":"harbor-main","question":"who was it?"}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/:id/answer", "/admin/v1/match/tasks/{task}/answer", `{"site":"harbor-main","answer":"her sister"}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/:id/withdraw", "/admin/v1/match/tasks/{reported}/withdraw", `{"reason":"she remembers"}`, "concord/match.write", "task"),
		steward("POST /admin/v1/match/tasks/:id/verdict", "/admin/v1/match/tasks/{task}/verdict", `{"verdict":"cannot-tell","reason":"no telling"}`, "concord/match.write", "task"),

		officer("GET /admin/v1/reports/accounting", "/admin/v1/reports/accounting?law=all&patient={patient}", "", "concord/report.read", 404),
		officer("GET /admin/v1/reports/access", "/admin/v1/reports/access?patient={patient}", "", "concord/report.read", 404),
		leaned,
		officer("POST /admin/v1/reports/suspensions", "/admin/v1/reports/suspensions", `{"patient":"{patient}","recipient":"riverside","ground":"letter of 1 March","until":"{tomorrow}"}`, "concord/report.write", 404),
		requests, asks,
		officer("POST /admin/v1/reports/requests/:id/extend", "/admin/v1/reports/requests/{owed}/extend", `{"words":"the archive is being moved"}`, "concord/report.write", 404, "report"),
		officer("POST /admin/v1/reports/requests/:id/answer", "/admin/v1/reports/requests/{owed}/answer", `{"outcome":"given","words":"sent by post"}`, "concord/report.write", 404, "report"),
		officer("GET /admin/v1/agreements/ending", "/admin/v1/agreements/ending", "", "concord/report.read", 403),
		officer("GET /admin/v1/reviews", "/admin/v1/reviews", "", "concord/review.read", 200),
		officer("GET /admin/v1/reviews/:id", "/admin/v1/reviews/{review}", "", "concord/review.read", 404, "review"),
		contest, hold,
		copies("GET /admin/v1/consent/copies", "/admin/v1/consent/copies", 200),
		copies("GET /admin/v1/consent/copies/:id", "/admin/v1/consent/copies/{patient}", 404, "patient"),
		copies("GET /admin/v1/consent/rules", "/admin/v1/consent/rules", 200),
		officer("GET /admin/v1/consent/tasks", "/admin/v1/consent/tasks", "", "concord/consent.read", 200),
		officer("POST /admin/v1/consent/tasks/:id/settle", "/admin/v1/consent/tasks/{desk}/settle", `{"note":"asked her; she meant both"}`, "concord/consent.write", 404, "desk"),
		officer("GET /admin/v1/consent/representatives", "/admin/v1/consent/representatives?patient={patient}", "", "concord/consent.read", 404),
		officer("POST /admin/v1/consent/representatives", "/admin/v1/consent/representatives", `{"patient":"{patient}","ref":"RelatedPerson/x","capacity":"helper","rights":"view"}`, "concord/consent.write", 404),
		officer("POST /admin/v1/consent/representatives/:id/end", "/admin/v1/consent/representatives/{representative}/end", `{"version":1,"end":"2030-01-01"}`, "concord/consent.write", 404, "representative"),
		officer("GET /admin/v1/consent/instruments", "/admin/v1/consent/instruments?patient={patient}", "", "concord/consent.read", 404),
		officer("POST /admin/v1/consent/instruments", "/admin/v1/consent/instruments", `{"patient":"{patient}","kind":"court-order","organization":"riverside","from":"2026-01-01T00:00:00Z","ground":"order 7"}`, "concord/consent.write", 404),
		officer("POST /admin/v1/consent/instruments/:id/end", "/admin/v1/consent/instruments/{instrument}/end", `{"version":1}`, "concord/consent.write", 404, "instrument"),
		officer("GET /admin/v1/care-teams", "/admin/v1/care-teams", "", "concord/consent.read", 200),
		officer("PUT /admin/v1/care-teams/:id", "/admin/v1/care-teams/ward", `{"organization":"harbor-general","name":"Ward 3","members":[{"member":"Practitioner/x"}]}`, "concord/consent.write", 403),
		officer("GET /admin/v1/care-teams/:id", "/admin/v1/care-teams/ward", "", "concord/consent.read", 404),
		officer("POST /admin/v1/care-teams/:id/end", "/admin/v1/care-teams/ward/end", `{"version":1,"member":"Practitioner/x"}`, "concord/consent.write", 404),
		officer("GET /admin/v1/consent/forms", "/admin/v1/consent/forms", "", "concord/consent.read", 200),
		officer("POST /admin/v1/consent/forms", "/admin/v1/consent/forms", "{form}", "concord/consent.write", 403),
		officer("POST /admin/v1/consent/forms/decide", "/admin/v1/consent/forms/decide", `{"id":"share-more","version":1,"approve":true}`, "concord/consent.write", 403),
		officer("POST /admin/v1/consent/forms/retire", "/admin/v1/consent/forms/retire", `{"id":"never","version":1}`, "concord/consent.write", 403),
		officer("GET /admin/v1/consent/directives/:id/evidence", "/admin/v1/consent/directives/{paper}/evidence", "", "concord/consent.read", 404, "consent"),
		officer("POST /admin/v1/consent/directives/:id/verify", "/admin/v1/consent/directives/{paper}/verify", `{"verified":true,"version":1}`, "concord/consent.write", 404, "consent"),
		officer("GET /admin/v1/notices", "/admin/v1/notices?patient={patient}", "", "concord/report.read", 404),
		officer("GET /admin/v1/policies", "/admin/v1/policies", "", "concord/policy.read", 403),
		officer("POST /admin/v1/policies", "/admin/v1/policies", `{"content":{pack},"note":"board of 3 March"}`, "concord/policy.write", 403),
		officer("POST /admin/v1/policies/$test", "/admin/v1/policies/$test", `{"content":{pack}}`, "concord/policy.read", 403),
		officer("GET /admin/v1/policies/:policy", "/admin/v1/policies/{policy}", "", "concord/policy.read", 403),
		officer("GET /admin/v1/policies/:policy/versions/:version", "/admin/v1/policies/{policy}/versions/1", "", "concord/policy.read", 403),
		officer("POST /admin/v1/policies/:policy/versions/:version/simulate", "/admin/v1/policies/{policy}/versions/1/simulate", `{}`, "concord/policy.write", 403),
		officer("POST /admin/v1/policies/:policy/versions/:version/approve", "/admin/v1/policies/{policy}/versions/1/approve", `{"note":"as decided"}`, "concord/policy.write", 403),
		officer("POST /admin/v1/policies/:policy/versions/:version/activate", "/admin/v1/policies/{policy}/versions/1/activate", `{"effective":"{tomorrow}"}`, "concord/policy.write", 403),
		officer("POST /admin/v1/policies/:policy/rollback", "/admin/v1/policies/{policy}/rollback", `{"dry_run":true}`, "concord/policy.write", 403),
		operator("GET /admin/v1/sites", "/admin/v1/sites", "", "concord/site.read"),
		operator("GET /admin/v1/config", "/admin/v1/config", "", "concord/site.read"),
		operator("GET /admin/v1/trace/:id", "/admin/v1/trace/{traced}", "", "concord/site.read"),
		operator("GET /admin/v1/sites/:id/history", "/admin/v1/sites/harbor-main/history?hours=2", "", "concord/site.read"),
		operator("GET /admin/v1/sites/:id/onboarding", "/admin/v1/sites/harbor-main/onboarding", "", "concord/site.read"),
		operator("POST /admin/v1/sites/:id/onboarding/agreements", "/admin/v1/sites/harbor-main/onboarding/agreements",
			`{"kind":"baa","signed_by":"Harbor General, its privacy officer","from":"2026-01-01","until":"2036-12-31","document_hash":"`+strings.Repeat("0a", 32)+`"}`, "concord/site.write"),
		operator("POST /admin/v1/sites/:id/onboarding/contacts", "/admin/v1/sites/harbor-main/onboarding/contacts",
			`{"role":"technical","name":"Integration desk","email":"integration@harbor.example.org","phone":"410-555-0100"}`, "concord/site.write"),
		operator("POST /admin/v1/sites/:id/onboarding/probe", "/admin/v1/sites/harbor-main/onboarding/probe", `{}`, "concord/site.write"),
		operator("POST /admin/v1/sites/:id/onboarding/alert", "/admin/v1/sites/harbor-main/onboarding/alert", `{}`, "concord/site.write"),
		operator("POST /admin/v1/sites/:id/onboarding/steps", "/admin/v1/sites/harbor-main/onboarding/steps", `{"move":"suspended","note":"an incident","dry_run":true}`, "concord/site.write"),
		explain,
		officer("POST /admin/v1/reviews/:id/end", "/admin/v1/reviews/{review}/end", `{"reason":"she was sent home"}`, "concord/review.write", 404, "review"), over,
		officer("POST /admin/v1/reviews/:id/close", "/admin/v1/reviews/{review}/close", `{"finding":"justified","note":"admission confirmed"}`, "concord/review.write", 404, "review"),

		published("DELETE /fhir/DocumentReference/:id", "/fhir/DocumentReference/{document}", "", 204),
	}
}

func formed(d door, body string) door { d.body, d.form = body, true; return d }

// knock makes d's request about names with a bearer token, "" for none.
func (w *town) knock(d door, names map[string]string, bearer string) reply {
	w.t.Helper()
	method, _, _ := strings.Cut(d.route, " ")
	body, media := []byte(w.fill(d.body, names)), ""
	switch {
	case d.form:
		form := w.fillURL("?"+d.body, names)[1:]
		body, media = []byte(form), "application/x-www-form-urlencoded"
	case d.body != "" && strings.HasPrefix(d.target, "/admin/"):
		media = "application/json"
	case d.body != "":
		media = "application/fhir+json"
	}
	headers := append([]string{"X-Request-Id", "a-crossing"}, d.headers...)
	r, err := w.clients[d.owner].api.send(w.ctx, method, w.base+w.fillURL(d.target, names), bearer, media, body, headers)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *town) bearer(client string, who asker) string {
	w.t.Helper()
	b, err := w.clients[client].api.token(w.ctx, who)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// without returns scopes client may have that are not about d.
func (w *town) without(d door) string {
	var left []string
	for _, s := range w.clients[d.owner].Scopes {
		if !slices.ContainsFunc(d.rights, func(r string) bool { return s == r || strings.Contains(s, "/"+r+".") }) {
			left = append(left, s)
		}
	}
	return strings.Join(left, " ")
}

var place = regexp.MustCompile(`\{[a-z]+\}`)

// TestNobodyPassesADoorThatIsNotTheirs goes through every route of the node as callers who may not: whatever they
// ask about, they are answered as about what never was, and nothing changes. Then those who may, do.
func TestNobodyPassesADoorThatIsNotTheirs(t *testing.T) {
	w := newTown(t, 1)
	paper := underContract(t, w.exchangeUnderTest)
	all := doors(w)
	routes := server.New(server.Config{}, server.Deps{}).Routes()
	everyRouteIsTried(t, routes, all)

	for _, route := range openDoors {
		method, path, _ := strings.Cut(route, " ")
		if r, err := w.clients["auditor-desk"].api.send(w.ctx, method, w.base+path, "", "", nil, nil); err != nil || r.status != http.StatusOK {
			t.Errorf("%s without a token: %d %v", route, r.status, err)
		}
	}
	patient := w.bearer("harbor-app", asker{purposes: "PATRQT", user: "Patient/" + w.real["other"], scopes: "patient/*.cruds"})
	before := w.digest()
	for i, d := range all {
		t.Run(fmt.Sprint(i, " ", d.route), func(t *testing.T) {
			w.refuses(t, d, patient)
			w.unchanged(t, before)
		})
	}
	t.Run("tokens of other clients", func(t *testing.T) { w.keepsTokensApart(t); w.unchanged(t, before) })
	t.Run("who may, does", func(t *testing.T) {
		for i, d := range all {
			if r := w.knock(d, w.real, w.bearer(d.owner, d.as)); r.status != d.want {
				t.Errorf("%d %s: %s, want %d", i, d.route, r.problem(), d.want)
			}
		}
	})
	paper.covered(t, routes)
}

// everyRouteIsTried fails for a route that is in no table, and for one that is no route.
func everyRouteIsTried(t *testing.T, routes []server.Route, all []door) {
	t.Helper()
	tried := map[string]bool{}
	for _, route := range append(slices.Clone(openDoors), signedDoors...) {
		tried[route] = true
	}
	for _, d := range all {
		tried[d.route] = true
	}
	for _, r := range routes {
		if !tried[r.Method+" "+r.Path] {
			t.Errorf("%s %s is in no table: say who may pass it", r.Method, r.Path)
		}
		delete(tried, r.Method+" "+r.Path)
	}
	for route := range tried {
		t.Errorf("%s is no route", route)
	}
}

// refuses tries d as everybody who may not.
func (w *town) refuses(t *testing.T, d door, patient string) {
	owner := w.bearer(d.owner, d.as)
	for name, bearer := range map[string]string{"no token": "", "an altered token": owner[:len(owner)-4] + "AAAA", "no JWT": "letmein",
		"an unsigned token": strings.Join(append([]string{"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0"}, strings.Split(owner, ".")[1], ""), ".")} {
		r := w.knock(d, w.real, bearer)
		if r.status != http.StatusUnauthorized || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: %s, want 401", name, r.problem())
		}
	}
	less := d.as
	less.scopes = w.without(d)
	w.same(t, d, "without the scope", w.bearer(d.owner, less), http.StatusForbidden)
	if d.roled {
		system := d.as
		system.user, system.name, system.role = "", "", ""
		w.same(t, d, "without the role", w.bearer(d.owner, system), http.StatusForbidden)
	}
	w.same(t, d, "another organisation's", w.bearer(d.stranger, d.strangerAs), d.refused)
	w.same(t, d, "another patient", patient, d.patient)

	// Ids of other kinds, to who may do everything here.
	if len(d.opens) == 0 {
		return
	}
	nothing := w.knock(d, w.never, owner)
	if nothing.status != http.StatusNotFound {
		t.Errorf("what never was: %s, want 404", nothing.problem())
	}
	named := strings.Trim(place.FindString(d.target), "{}")
	for key, id := range w.real {
		kind := kindOf(w, key)
		if kind == "" || slices.Contains(d.opens, kind) {
			continue
		}
		names := map[string]string{}
		for k, v := range w.real {
			names[k] = v
		}
		names[named] = id
		if r := w.knock(d, names, owner); face(r) != face(nothing) {
			t.Errorf("the id of a %s where one of a %s belongs: %s", kind, d.opens[0], r.problem())
		}
	}
}

// same makes d's request about what is and about what never was: one status, the same bytes, and no id of what is.
func (w *town) same(t *testing.T, d door, name, bearer string, status int) {
	t.Helper()
	got := w.knock(d, w.real, bearer)
	if got.status != status {
		t.Errorf("%s: %s, want %d", name, got.problem(), status)
		return
	}
	if !place.MatchString(d.target + d.body) {
		return
	}
	nothing := w.knock(d, w.never, bearer)
	if face(got) != face(nothing) {
		t.Errorf("%s: told apart from what never was (%s and %s):\n%s\n---\n%s", name, mark(face(got)), mark(face(nothing)), got.problem(), nothing.problem())
	}
	for key, id := range w.real {
		if kindOf(w, key) != "" && key != "other" && strings.Contains(string(got.body), id) {
			t.Errorf("%s: the answer names the %s", name, key)
		}
	}
}

// keepsTokensApart: a client learns nothing of another's token and cannot end it.
func (w *town) keepsTokensApart(t *testing.T) {
	token := w.bearer("harbor-main-feed", feeding)
	ask := func(client, path, token string) reply {
		api := w.clients[client].api
		signed, err := api.assertion(w.base+"/oauth/token", asker{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"token": {token}, "client_assertion": {signed}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
		r, err := api.send(w.ctx, http.MethodPost, w.base+path, "", "application/x-www-form-urlencoded", []byte(form.Encode()), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := ask("harbor-main-feed", "/oauth/introspect", token); r.status != http.StatusOK || !strings.Contains(string(r.body), `"active":true`) {
		t.Fatalf("its own client does not see a token as active: %d %s", r.status, r.body)
	}
	none := face(ask("new-dawn-east-feed", "/oauth/introspect", "none"))
	if got := face(ask("new-dawn-east-feed", "/oauth/introspect", token)); got != none || !strings.HasSuffix(got, `{"active":false}`) {
		t.Errorf("another client is told of a token:\n%s", got)
	}
	none = face(ask("new-dawn-east-feed", "/oauth/revoke", "none"))
	if got := face(ask("new-dawn-east-feed", "/oauth/revoke", token)); got != none {
		t.Errorf("another client's revocation is told apart from one of nothing:\n%s", got)
	}
	if r := ask("harbor-main-feed", "/oauth/introspect", token); !strings.Contains(string(r.body), `"active":true`) {
		t.Error("another client ended a token")
	}
}

// kindOf returns the kind of the sealed id under a key of the town, "" for what is none.
func kindOf(w *town, key string) string {
	for _, kind := range []string{"patient", "document", "list", "binary", "live", "consent", "review", "task", "change", "person", "desk", "representative", "instrument"} {
		if _, _, err := w.sealer.OpenID(kind, w.real[key]); err == nil {
			return kind
		}
	}
	return ""
}
