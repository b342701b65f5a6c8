// Package audit says what is recorded: who did what, to whose record, on what ground, with what outcome. It
// decides the shape of an event and what a patient is shown of it; the tamper-evident log that keeps events is
// auditpg, their FHIR form auditfhir.
//
// No record, no release: an event is committed in the transaction of the change it tells of, or before the
// first byte of a disclosure leaves.
//
// Source: DESIGN idea 7; spec federation section 3; IHE BALP; 45 CFR 164.528 (accounting of disclosures).
package audit

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Kind says what happened. It is stored by name: names never change meaning.
type Kind string

// The kinds of event.
const (
	PatientRegistered Kind = "patient.registered" // a registration was made, revised, deactivated or merged in its site
	PatientQueried    Kind = "patient.queried"    // demographics search, $match or cross-reference
	LinkChanged       Kind = "link.changed"       // source patients were linked, unlinked or constrained, by rule or by steward
	TaskWorked        Kind = "task.worked"        // a question about identities was raised, taken, put off, handed on or judged, and no link changed
	DocumentPublished Kind = "document.published" // pointers were published, superseded, revised or deleted
	DocumentsQueried  Kind = "documents.queried"  // documents were asked for; Released and Withheld tell what came of it
	Decision          Kind = "consent.decision"   // a consent decision was made
	Disclosed         Kind = "disclosed"          // metadata or bytes left to a requester
	Refused           Kind = "refused"            // a request was refused, whatever the reason
	ConsentChanged    Kind = "consent.changed"    // a directive was filed, changed or revoked
	EmergencyClaimed  Kind = "emergency.claimed"  // break-glass was used or refused
	EmergencyEnded    Kind = "emergency.ended"    // what break-glass had opened was closed before its time
	TokenIssued       Kind = "token.issued"
	SignInFailed      Kind = "signin.failed" // a token request or a token was refused
	Administered      Kind = "administered"  // directory, client or policy was changed
	SiteAsked         Kind = "site.asked"    // one site was asked in a fan-out or for a document
	AuditRead         Kind = "audit.read"    // the audit trail was searched, by an auditor or by a patient
)

// An Outcome says how it ended.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Refusal Outcome = "refused"
	Failure Outcome = "failed"
)

// An Event is one thing that happened. It is private: it names patients' records and may hold a query.
type Event struct {
	hie.Private
	// ID is a UUIDv7, given by NewEvent.
	ID      string
	Time    time.Time
	Kind    Kind
	Outcome Outcome
	// Action is the FHIR audit-event-action: C, R, U, D or E.
	Action string
	Actor  hie.Actor
	// Records are the source patients whose record this touches, each once. Attribution is by source patient,
	// so it follows merge and unmerge. Empty when no patient was established.
	Records []hie.SourcePatientID
	// Site is the site whose content or registration this is about, or "".
	Site hie.SiteID
	// Documents names the documents disclosed, published or changed.
	Documents []Document
	// Classes are the document classes involved, sorted, each once: what a patient is told.
	Classes []string
	// Released and Withheld count documents of a query.
	Released, Withheld int
	// Reasons are coded reasons, in order ("DEFAULT", "jti replayed"). They never reach a requester.
	Reasons []string
	// Ground names what the act rests on: directive ids with versions, model id, policy versions.
	Ground []string
	// Emergency is set when break-glass was claimed.
	Emergency bool
	// Query is the request's raw query, for auditors; "" when there was none.
	Query string
	// Detail holds coded facts of the kind, such as "interaction" or "status". Never personal data.
	Detail map[string]string
}

// A Document names one document in an event.
type Document struct {
	Record  hie.SourcePatientID
	Pointer hie.PointerID
	// Class is the document class code, "" when unknown.
	Class string
}
