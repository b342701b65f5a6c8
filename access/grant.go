package access

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// TokenLife is how long an access token holds.
const TokenLife = 5 * time.Minute

// A Grant is what an access token says.
type Grant struct {
	hie.Private
	// Issuer and Audience are this server and its FHIR base.
	Issuer, Audience string
	Client           hie.ClientID
	// Organization acts; OrganizationURI and OrganizationName are how others know it.
	Organization                      hie.OrgID
	OrganizationURI, OrganizationName string
	// User acts for the organisation, as it names them; "" when a system acts on its own.
	User, UserName string
	// Roles are User's, as [RoleOf] writes them, sorted.
	Roles    []string
	Purposes []hie.Purpose
	// Exchange is the network exchange code asserted with them, or "".
	Exchange string
	// Scopes are in normal form, sorted.
	Scopes []string
	// Patient is the public id of the one patient the token is bound to, or "". Representative is who acts in their name,
	// "" when they do; then User is the same.
	Patient, Representative string
	// ID is the token's jti.
	ID string
	// IssuedAt, NotBefore and Expires are whole seconds.
	IssuedAt, NotBefore, Expires time.Time
}

// Actor returns who asks with the token. Patient is set by the [Verifier], which can open the id.
func (g Grant) Actor() hie.Actor {
	return hie.Actor{Organization: g.Organization, Client: g.Client, User: g.User, UserName: g.UserName, Roles: g.Roles,
		Purposes: g.Purposes, Exchange: g.Exchange, Scopes: g.Scopes, TokenID: g.ID, Representative: g.Representative}
}

// An Organization is what access needs to know of one.
type Organization struct {
	ID               hie.OrgID
	Identifier, Name string
	Active           bool
	// Shut says that nothing may be disclosed to it as yet, or any more: it acts for nobody but itself.
	Shut bool
}

const (
	maxText       = 256
	patientPrefix = "Patient/"
)

// considerB2B is rows 14 and 15: it returns the part of the grant that the extension states. org is the organisation
// that organization_id names, the zero Organization when there is none.
//
// A missing purpose of use is refused like an unknown one; nothing is ever assumed in its place, nor a role.
func considerB2B(a Assertion, c Client, org Organization, now time.Time) (Grant, *Refusal) {
	b := a.B2B
	switch {
	case a.B2BFault:
		return Grant{}, refuse(InvalidGrant, "hl7-b2b unreadable")
	case b == nil:
		return Grant{}, refuse(InvalidGrant, "hl7-b2b missing")
	case b.Version != "1":
		return Grant{}, refuse(InvalidGrant, "hl7-b2b version not 1")
	case b.OrganizationID == "":
		return Grant{}, refuse(InvalidGrant, "organization_id missing")
	case org.ID == "":
		return Grant{}, refuse(InvalidGrant, "organization unknown")
	case !c.Represents(org.ID, now):
		return Grant{}, refuse(InvalidGrant, "organization not the client's")
	case !org.Active:
		return Grant{}, refuse(InvalidGrant, "organization not active")
	case len(b.Purposes) == 0:
		return Grant{}, refuse(InvalidGrant, "purpose of use missing")
	case !plainText(b.SubjectID) || !plainText(b.SubjectName):
		return Grant{}, refuse(InvalidGrant, "subject not plain text")
	}
	g := Grant{Client: c.ID, Organization: org.ID, OrganizationURI: org.Identifier, OrganizationName: org.Name,
		User: b.SubjectID, UserName: b.SubjectName}
	for _, coding := range b.Purposes {
		code, p, exchange := ExchangeOf(coding)
		known := p != ""
		switch {
		case !exchange:
			p, known = PurposeOf(coding)
		case g.Exchange != "" && g.Exchange != code:
			return Grant{}, refuse(InvalidGrant, "several exchange codes")
		case known && !slices.Contains(c.Exchanges, code):
			return Grant{}, refuse(InvalidGrant, "exchange code not the client's")
		default:
			g.Exchange = code
		}
		if !known {
			return Grant{}, refuse(InvalidGrant, "purpose of use unknown")
		}
		if exchange && slices.ContainsFunc(b.Purposes, func(o hie.Coding) bool { _, _, other := ExchangeOf(o); return !other }) {
			continue // the purposes are stated beside it; whether they go together is the network's rule
		}
		if !slices.Contains(c.Purposes, p) {
			return Grant{}, refuse(InvalidGrant, "purpose of use not the client's")
		}
		g.Purposes = append(g.Purposes, p)
	}
	slices.Sort(g.Purposes)
	g.Purposes = slices.Compact(g.Purposes)
	for _, coding := range b.SubjectRoles {
		r, ok := RoleOf(coding)
		if !ok {
			return Grant{}, refuse(InvalidGrant, "role unreadable")
		}
		g.Roles = append(g.Roles, r)
	}
	slices.Sort(g.Roles)
	g.Roles = slices.Compact(g.Roles)
	if c.PatientAccess {
		return asPatient(g, a.ActsFor)
	}
	if a.ActsFor != "" {
		return Grant{}, refuse(InvalidGrant, "act without a patient")
	}
	return asUser(g, c)
}

// asUser checks the person who acts for the organisation, when one does: all of id, name and role, each role one that
// the client may assert.
func asUser(g Grant, c Client) (Grant, *Refusal) {
	if g.User == "" && g.UserName == "" && len(g.Roles) == 0 {
		return g, nil // a system acts on its own
	}
	switch {
	case g.User == "" || g.UserName == "" || len(g.Roles) == 0:
		return Grant{}, refuse(InvalidGrant, "subject needs id, name and role")
	case strings.HasPrefix(g.User, patientPrefix):
		return Grant{}, refuse(InvalidGrant, "subject is a patient")
	}
	for _, r := range g.Roles {
		if !slices.Contains(c.Roles, r) {
			return Grant{}, refuse(InvalidGrant, "role not the client's")
		}
	}
	return g, nil
}

// asPatient binds the grant to the patient its subject names. A representative, who acts, is named beside; whether they
// may is looked at whenever the token is used.
func asPatient(g Grant, representative string) (Grant, *Refusal) {
	id, found := strings.CutPrefix(g.User, patientPrefix)
	switch {
	case !found || id == "":
		return Grant{}, refuse(InvalidGrant, "subject is no patient")
	case len(g.Roles) > 0 && !slices.Equal(g.Roles, []string{hie.RolePatient}):
		return Grant{}, refuse(InvalidGrant, "role not the client's")
	case representative != "" && (strings.HasPrefix(representative, patientPrefix) || !plainText(representative)):
		return Grant{}, refuse(InvalidGrant, "representative not one")
	}
	g.Patient, g.Roles = id, []string{hie.RolePatient}
	if g.Representative = representative; representative != "" {
		g.User = representative
	}
	return g, nil
}

// plainText reports whether s is at most 256 bytes without control characters.
func plainText(s string) bool {
	return len(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\u2028' || r == '\u2029' })
}

// stamp gives g its times and id. An end put to earlier tokens of the client or organisation at killed is respected:
// the token's whole second must not lie before it.
func (g Grant) stamp(now, killed time.Time, id string) Grant {
	g.NotBefore = now.Truncate(time.Second)
	g.IssuedAt = g.NotBefore
	if g.IssuedAt.Before(killed) {
		g.IssuedAt = killed.Truncate(time.Second).Add(time.Second)
	}
	g.Expires = g.NotBefore.Add(TokenLife)
	g.ID = id
	return g
}

// checkToken says whether a token whose signature is good is acceptable at now, as "" or a fixed phrase.
func checkToken(g Grant, issuer, audience string, s *Snapshot, now time.Time) string {
	c, known := s.Client(g.Client)
	switch {
	case g.Issuer != issuer:
		return "iss not this server"
	case g.Audience != audience:
		return "aud not this FHIR base"
	case g.ID == "" || g.Expires.IsZero() || g.IssuedAt.IsZero():
		return "claims missing"
	case !now.Before(g.Expires.Add(Skew)):
		return "token expired"
	case g.NotBefore.After(now.Add(Skew)) || g.IssuedAt.After(now.Add(Skew)):
		return "token not yet valid"
	case s.Revoked(g.ID):
		return "token revoked"
	case !known || c.Status != Active:
		return "client not active"
	case g.IssuedAt.Before(s.Killed(g.Client, g.Organization, g.User)):
		return "token ended"
	}
	return ""
}
