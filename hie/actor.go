package hie

import "slices"

// A Purpose is a purpose-of-use code of HL7 v3 ActReason, such as "TREAT" or "BTG". There is no default:
// a request without a purpose is refused.
type Purpose string

// The purposes the code itself names.
const (
	PurposeTreat          Purpose = "TREAT"
	PurposeBreakGlass     Purpose = "BTG"
	PurposeEmergency      Purpose = "ETREAT"
	PurposePatientRequest Purpose = "PATRQT"
)

// The functional roles of Concord's own staff and of patients, carried in Actor.Roles beside the requester's
// clinical roles ("physician", "ed", ...).
//
// Source: spec federation 2.7, separation of duties.
const (
	RolePatient        = "patient"
	RoleHelper         = "helper"          // acts for patients who named them
	RoleSteward        = "steward"         // settles identities; sees no documents
	RolePrivacyOfficer = "privacy-officer" // audit and consent; does not merge
	RoleAuditor        = "auditor"         // reads the audit trail; nothing else
	RoleOperator       = "operator"        // sites and clients; no personal data
)

// An Actor is who asks: the organisation, through which client, which person there, as what and what for.
// It is established at the door and passed as an argument, never taken from a context. The zero Actor may
// do nothing.
type Actor struct {
	Organization OrgID
	Client       ClientID
	// User is the person acting, as the organisation names them; "" when a system acts on its own.
	User string
	// UserName is that person's display name for the audit trail, or "".
	UserName string
	Roles    []string
	Purposes []Purpose
	// Scopes are the granted SMART scopes ("system/DocumentReference.rs"), sorted.
	Scopes []string
	// Patient is set when a patient (or a proxy) acts on their own record through a patient access client.
	Patient SourcePatientID
	// Representative is who acts in Patient's name, as they are recorded ("RelatedPerson/x"); "" when the patient does.
	Representative string
	// Exchange is the network exchange code asserted with the purposes ("T-TRTMNT"), or "".
	Exchange string
	// Abilities are the obligations that Client is registered to honour by itself ("DELAU"); nobody may write to the slice.
	Abilities []string
	// TokenID is the access token's jti, for the audit trail.
	TokenID string
	// Request is the request id under which everything this request causes is recorded.
	Request string
	// Address is the network address the request came from, as this node saw it, or "".
	Address string
}

// HasRole reports whether a acts in role.
func (a Actor) HasRole(role string) bool { return slices.Contains(a.Roles, role) }

// HasPurpose reports whether p is among a's purposes.
func (a Actor) HasPurpose(p Purpose) bool { return slices.Contains(a.Purposes, p) }
