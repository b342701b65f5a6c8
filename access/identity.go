package access

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// PortalClient is the client under which people who signed in to the portal act.
const PortalClient hie.ClientID = "concord-portal"

// An Identity is what an identity provider says of somebody who signed in.
type Identity struct {
	hie.Private
	// Subject is who it is, as the provider names them for ever; Name is for showing.
	Subject, Name string
	// Organization is the URI of the organisation they act for.
	Organization string
	// Roles are plain codes or "system#code".
	Roles []string
	// Patient is an identifier of the patient this is, the zero Identifier for anybody else.
	Patient hie.Identifier
	// ProvedAt is when the provider last made sure of who it is, zero when it does not say. Class is the
	// authentication context class (acr), "" when it does not say.
	ProvedAt time.Time
	Class    string
}

// A Duty is what somebody is signed in to do. Each session has exactly one.
type Duty string

// The duties.
const (
	DutyPatient    Duty = "patient"
	DutyHelper     Duty = "helper" // somebody whom patients named, before they act for one of them
	DutyClinician  Duty = "clinician"
	DutyDesk       Duty = "front-desk"
	DutyPrivacy    Duty = "privacy-officer"
	DutySteward    Duty = "steward"
	DutyOperator   Duty = "operator"
	DutyAuditor    Duty = "auditor"
	DutyIntegrator Duty = "integrator"
)

// duties says what each duty is given to and what it may do.
var duties = []struct {
	duty Duty
	// roles of which one gives the duty.
	roles    []string
	purposes []hie.Purpose
	scopes   []string
}{
	{DutyPatient, []string{hie.RolePatient}, []hie.Purpose{hie.PurposePatientRequest},
		[]string{"patient/Patient.rs", "patient/DocumentReference.rs", "patient/Binary.r", "patient/Consent.cruds", "patient/AuditEvent.rs", "concord/report.read", "concord/report.write"}},
	{DutyHelper, []string{hie.RoleHelper}, []hie.Purpose{hie.PurposePatientRequest}, nil},
	{DutyClinician, []string{"physician", "nurse", "ed"}, []hie.Purpose{hie.PurposeTreat},
		[]string{"system/Patient.rs", "system/DocumentReference.rs", "system/List.rs", "system/Binary.r", "system/Organization.rs", "system/Endpoint.rs"}},
	{DutyDesk, []string{"front-desk"}, []hie.Purpose{"PATADMIN"}, []string{"system/Patient.rs", "system/Consent.cruds"}},
	{DutyPrivacy, []string{hie.RolePrivacyOfficer}, []hie.Purpose{"HCOMPL"},
		[]string{"system/AuditEvent.rs", "system/Consent.cruds", "concord/review.read", "concord/review.write", "concord/audit.read", "concord/consent.read", "concord/consent.write", "concord/report.read", "concord/report.write", "concord/policy.read", "concord/policy.write"}},
	{DutySteward, []string{hie.RoleSteward}, []hie.Purpose{"PATADMIN"}, []string{"system/Patient.rs", "concord/match.read", "concord/match.write"}},
	{DutyOperator, []string{hie.RoleOperator}, []hie.Purpose{"HSYSADMIN"}, []string{"system/Organization.rs", "system/Endpoint.rs", "concord/site.read", "concord/site.write"}},
	{DutyAuditor, []string{hie.RoleAuditor}, []hie.Purpose{"HCOMPL"}, []string{"system/AuditEvent.rs", "concord/audit.read"}},
	{DutyIntegrator, []string{"integrator"}, []hie.Purpose{"HTEST"}, []string{"system/Organization.rs", "system/Endpoint.rs"}},
}

// Admit returns the actor and the duty of id, or why there is none. org is the organisation id names, the zero
// Organization when there is none; record is the patient's record, 0 when id names none. A reason is a fixed phrase
// for the audit trail; the person is told only that they cannot be signed in.
//
// Whoever holds roles of two duties has neither: a steward who is a privacy officer too could settle an identity and
// then approve it. They ask their provider for one account a duty.
//
// Source: spec federation 2.7 (separation of duties).
func Admit(id Identity, org Organization, record hie.SourcePatientID) (hie.Actor, Duty, string) {
	var mine []int
	for i, d := range duties {
		if slices.ContainsFunc(d.roles, func(r string) bool { return slices.Contains(id.Roles, r) }) {
			mine = append(mine, i)
		}
	}
	switch {
	case id.Subject == "" || !plainText(id.Subject) || !plainText(id.Name):
		return hie.Actor{}, "", "subject not plain text"
	case org.ID == "":
		return hie.Actor{}, "", "organization unknown"
	case !org.Active:
		return hie.Actor{}, "", "organization not active"
	case len(mine) == 0:
		return hie.Actor{}, "", "no role of ours"
	case len(mine) > 1:
		return hie.Actor{}, "", "roles of two duties"
	}
	d := duties[mine[0]]
	patient := d.duty == DutyPatient
	if patient != (record != 0) {
		return hie.Actor{}, "", "patient role without a patient, or a patient without the role"
	}
	a := hie.Actor{Organization: org.ID, Client: PortalClient, User: id.Subject, UserName: id.Name,
		Purposes: slices.Clone(d.purposes), Scopes: NormalScopes(d.scopes), Patient: record}
	for _, r := range id.Roles { // roles that are none of ours give nothing and are not passed on
		if slices.Contains(d.roles, r) {
			a.Roles = append(a.Roles, r)
		}
	}
	slices.Sort(a.Roles)
	a.Roles = slices.Compact(a.Roles)
	return a, d.duty, ""
}

// ActFor returns helper, an actor who was admitted to DutyHelper, as they act in a patient's name, and the duty that is: what
// the patient may do, bound to the patient's record and recorded under the helper's own name. ref and name are how they are
// recorded with the patient. Whether they may, and what, is looked at anew with every request.
//
// Source: 45 CFR 164.502(g); spec ux P8.
func ActFor(helper hie.Actor, record hie.SourcePatientID, ref, name string) (hie.Actor, Duty) {
	for _, d := range duties {
		if d.duty == DutyPatient {
			helper.Purposes, helper.Scopes, helper.Roles = slices.Clone(d.purposes), NormalScopes(d.scopes), slices.Clone(d.roles)
		}
	}
	helper.Patient, helper.Representative, helper.User, helper.UserName = record, ref, ref, name
	return helper, DutyPatient
}
