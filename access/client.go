// Package access decides who is asking: which client signed, for which organisation, as whom and what for, and
// what its access token may do. It issues, checks, introspects and revokes tokens.
//
// Rules are pure functions over parsed input, in the order of the specification's table (rules.go); the services
// around them ([Issuer], [Verifier]) load, decide and record. What a token allows on a record is consent's matter;
// reading signatures is internal/token's, through accessjwt; clients are kept by accesspg.
//
// Source: SMART App Launch 2.2 (Backend Services); RFC 6749, 7009, 7521, 7523, 7662, 9068; HL7 UDAP Security
// (hl7-b2b); IHE IUA; spec federation section 2.
package access

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Status says whether a client may act. The zero Status may not.
type Status string

// The statuses of a client; only active ones get and keep tokens.
const (
	Draft     Status = "draft"
	Active    Status = "active"
	Suspended Status = "suspended"
	Closed    Status = "closed"
)

// A Client is registered software that acts for one organisation.
type Client struct {
	ID           hie.ClientID
	Name         string
	Organization hie.OrgID
	Status       Status
	// Keys are the public keys it signs with, by kid.
	Keys map[string]Key
	// Scopes it may be granted, in SMART v2 normal form, sorted.
	Scopes []string
	// Purposes it may state. There is no default.
	Purposes []hie.Purpose
	// Exchanges are the network exchange codes it may assert with them ("T-TRTMNT"); none by default.
	Exchanges []string
	// Abilities are obligations that it honours and that nobody can honour for it ("DELAU": it erases by the day it is told); none
	// by default, and then nothing is released to it that obliges to them.
	//
	// Source: spec consent 2.1 (declared obligation abilities) and 2.11.
	Abilities []string
	// Roles it may assert for the person acting, as [Role] writes them.
	Roles []string
	// PatientAccess says that its tokens are each bound to the one patient who uses it. Such a client has no other
	// tokens.
	PatientAccess bool
	// Delegations are the other organisations it may act for; none by default.
	Delegations []Delegation
}

// A Key is a registered public key as accessjwt can use it.
type Key struct {
	Kid string
	// Alg is the one algorithm the key verifies.
	Alg string
	// Thumbprint is its RFC 7638 thumbprint.
	Thumbprint string
	// Public is the key in the form of the [Codec].
	Public any
}

// A Delegation lets a client act for another organisation for a time.
type Delegation struct {
	Principal hie.OrgID
	// Until is when it ends; the zero time means it does not.
	Until time.Time
}

// Represents reports whether c may act for org at now: its own, or one with a live delegation.
//
// Source: spec federation 2.2 row 15.
func (c Client) Represents(org hie.OrgID, now time.Time) bool {
	if org == "" {
		return false
	}
	return org == c.Organization || slices.ContainsFunc(c.Delegations, func(d Delegation) bool {
		return d.Principal == org && (d.Until.IsZero() || now.Before(d.Until))
	})
}

// abilities are the obligations that a client can declare. All others the exchange honours itself, by telling them.
//
// Source: HL7 v3 ActCode, ObligationPolicy; ABDM consent artefact, permission.frequency.
var abilities = []string{"DELAU", "FREQUENCY"}

var clientPattern = regexp.MustCompile(`^[!-~]{1,128}$`)

// Check returns the first thing wrong with a registration, as an *hie.InvalidError with the member's path, or nil.
func (c Client) Check() error {
	switch {
	case !clientPattern.MatchString(string(c.ID)):
		return hie.Invalid("client_id", "must be 1-128 printable ASCII characters without spaces")
	case c.Name == "":
		return hie.Required("name")
	case c.Organization == "":
		return hie.Required("organization")
	case !slices.Contains([]Status{Draft, Active, Suspended, Closed}, c.Status):
		return hie.Invalid("status", "must be draft, active, suspended or closed")
	case len(c.Keys) == 0:
		return hie.Required("jwks")
	case len(c.Scopes) == 0:
		return hie.Required("scopes")
	case len(c.Purposes) == 0:
		return hie.Required("purposes")
	case len(c.Scopes) > 64:
		return hie.Invalid("scopes", "must not be more than 64: they travel in every token")
	}
	for i, text := range c.Scopes {
		path := fmt.Sprintf("scopes[%d]", i)
		s, ok := ParseScope(text)
		switch {
		case !ok:
			return hie.Invalid(path, "must be a SMART scope such as system/DocumentReference.rs, or concord/<area>.<verb>")
		case c.PatientAccess && s.Level != "patient":
			return hie.Invalid(path, "must be a patient/ scope: the client has patient_access")
		case !c.PatientAccess && s.Level != "system" && s.Level != "concord":
			return hie.Invalid(path, "must be a system/ or concord/ scope: the client has no patient_access")
		}
	}
	for i, p := range c.Purposes {
		if _, known := purposes[p]; !known {
			return hie.Invalid(fmt.Sprintf("purposes[%d]", i), "must be a purpose of use of HL7 v3 ActReason, such as TREAT")
		}
	}
	for i, code := range c.Exchanges {
		switch p := exchanges[code]; {
		case p == "":
			return hie.Invalid(fmt.Sprintf("exchanges[%d]", i), "must be an exchange purpose code of the network, such as T-TRTMNT")
		case !slices.Contains(c.Purposes, p):
			return hie.Invalid(fmt.Sprintf("exchanges[%d]", i), "needs the purpose it stands for among purposes")
		}
	}
	for i, a := range c.Abilities {
		if !slices.Contains(abilities, a) {
			return hie.Invalid(fmt.Sprintf("abilities[%d]", i), "must be an obligation that a client honours by itself: "+strings.Join(abilities, ", "))
		}
	}
	for i, r := range c.Roles {
		if _, ok := ParseRole(r); !ok {
			return hie.Invalid(fmt.Sprintf("roles[%d]", i), "must be a plain code or system#code")
		}
		if r == hie.RolePatient {
			return hie.Invalid(fmt.Sprintf("roles[%d]", i), "patient is given by patient_access, not asserted")
		}
	}
	if c.PatientAccess && (len(c.Roles) > 0 || !slices.Equal(c.Purposes, []hie.Purpose{hie.PurposePatientRequest})) {
		return hie.Invalid("patient_access", "goes with purpose PATRQT alone and no roles")
	}
	for i, d := range c.Delegations {
		if d.Principal == "" || d.Principal == c.Organization {
			return hie.Invalid(fmt.Sprintf("delegations[%d].principal", i), "must be another organization")
		}
	}
	return nil
}
