package accessjwt

import (
	"fmt"
	"strings"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
	"github.com/go-json-experiment/json"
)

// typ is the type of our access tokens (RFC 9068).
const typ = "at+jwt"

// The faults of access tokens.
const (
	faultType  token.Fault = "token not of type at+jwt"
	faultKey   token.Fault = "token signed by no key of ours"
	faultClaim token.Fault = "token claims not ours"
)

type accessClaims struct {
	Issuer     string     `json:"iss"`
	Subject    string     `json:"sub"`
	Client     string     `json:"client_id"`
	Audience   string     `json:"aud"`
	Expires    int64      `json:"exp"`
	NotBefore  int64      `json:"nbf"`
	IssuedAt   int64      `json:"iat"`
	ID         string     `json:"jti"`
	Scope      string     `json:"scope"`
	Act        *act       `json:"act,omitempty"`
	Extensions extensions `json:"extensions"`
}

type extensions struct {
	IUA iua  `json:"ihe_iua"`
	PCF *pcf `json:"ihe_pcf,omitempty"`
	Own own  `json:"concord"`
}

// iua is the extension of ITI-71 as far as it is known here.
type iua struct {
	SubjectName           string   `json:"subject_name,omitempty"`
	SubjectOrganization   string   `json:"subject_organization"`
	SubjectOrganizationID string   `json:"subject_organization_id"`
	SubjectRole           []coding `json:"subject_role,omitempty"`
	PurposeOfUse          []coding `json:"purpose_of_use"`
}

// pcf binds the token to one patient.
type pcf struct {
	PatientID string `json:"patient_id"`
}

// own says what IUA has no claim for.
type own struct {
	Organization string `json:"organization"`
	User         string `json:"user,omitempty"`
}

// Mint implements access.Codec.
func (c *Codec) Mint(g access.Grant) (string, error) {
	payload, err := json.Marshal(claimsOf(g))
	if err != nil {
		return "", fmt.Errorf("accessjwt: mint: %w", err)
	}
	return c.signer.Sign(typ, payload)
}

// claimsOf writes g's claims. sub is the person who acts, else the client.
func claimsOf(g access.Grant) accessClaims {
	w := accessClaims{Issuer: g.Issuer, Subject: g.User, Client: string(g.Client), Audience: g.Audience, Expires: g.Expires.Unix(),
		NotBefore: g.NotBefore.Unix(), IssuedAt: g.IssuedAt.Unix(), ID: g.ID, Scope: strings.Join(g.Scopes, " "),
		Extensions: extensions{IUA: iuaOf(g), Own: own{Organization: string(g.Organization), User: g.User}}}
	if g.Representative != "" { // the token is about the patient; who acts is named beside
		w.Subject, w.Act = "Patient/"+g.Patient, &act{Subject: g.Representative}
	}
	if w.Subject == "" {
		w.Subject = w.Client
	}
	if g.Patient != "" {
		w.Extensions.PCF = &pcf{PatientID: g.Patient}
	}
	return w
}

// Introspection returns the answer of RFC 7662 for an active token: its claims. Patient repeats what the token is
// bound to, as SMART's launch context names it.
func Introspection(g access.Grant) []byte {
	b, err := json.Marshal(struct {
		Active    bool   `json:"active"`
		TokenType string `json:"token_type"`
		accessClaims
		Patient string `json:"patient,omitempty"`
	}{true, "Bearer", claimsOf(g), g.Patient})
	if err != nil {
		panic("accessjwt: introspection: " + err.Error()) // plain strings and numbers
	}
	return b
}

func iuaOf(g access.Grant) iua {
	w := iua{SubjectName: g.UserName, SubjectOrganization: g.OrganizationName, SubjectOrganizationID: g.OrganizationURI}
	for _, r := range g.Roles {
		c, _ := access.ParseRole(r)
		if c.System == "" {
			c.System = access.RoleSystem
		}
		w.SubjectRole = append(w.SubjectRole, coding{System: c.System, Code: c.Code})
	}
	for _, p := range g.Purposes {
		w.PurposeOfUse = append(w.PurposeOfUse, coding{System: access.ActReasonURI, Code: string(p), Display: access.PurposeDisplay(p)})
	}
	if g.Exchange != "" {
		w.PurposeOfUse = append(w.PurposeOfUse, coding{System: access.ExchangeOID, Code: g.Exchange})
	}
	return w
}

// OpenToken implements access.Codec. A claim that is not as Mint writes it makes the token not ours.
func (c *Codec) OpenToken(compact string) (access.Grant, error) {
	t, err := token.Parse(compact)
	if err != nil {
		return access.Grant{}, err
	}
	if t.Header.Typ != typ {
		return access.Grant{}, faultType
	}
	if t.Header.JKU != "" {
		return access.Grant{}, token.FaultHeaderKey
	}
	key, known := c.keyFor(t.Header.Kid)
	if !known {
		return access.Grant{}, faultKey
	}
	if err := key.Verify(t); err != nil {
		return access.Grant{}, err
	}
	var w accessClaims
	if err := json.Unmarshal(t.Payload, &w, json.RejectUnknownMembers(true)); err != nil {
		return access.Grant{}, faultClaim
	}
	return grantOf(w)
}

func grantOf(w accessClaims) (access.Grant, error) {
	g := access.Grant{Issuer: w.Issuer, Audience: w.Audience, Client: hie.ClientID(w.Client), ID: w.ID,
		Organization: hie.OrgID(w.Extensions.Own.Organization), OrganizationURI: w.Extensions.IUA.SubjectOrganizationID,
		OrganizationName: w.Extensions.IUA.SubjectOrganization, User: w.Extensions.Own.User, UserName: w.Extensions.IUA.SubjectName,
		Scopes: strings.Fields(w.Scope), Expires: time.Unix(w.Expires, 0).UTC(), NotBefore: time.Unix(w.NotBefore, 0).UTC(),
		IssuedAt: time.Unix(w.IssuedAt, 0).UTC()}
	for _, c := range w.Extensions.IUA.SubjectRole {
		r, ok := access.RoleOf(hie.Coding{System: c.System, Code: c.Code})
		if !ok {
			return access.Grant{}, faultClaim
		}
		g.Roles = append(g.Roles, r)
	}
	for _, c := range w.Extensions.IUA.PurposeOfUse {
		if code, _, exchange := access.ExchangeOf(hie.Coding{System: c.System, Code: c.Code}); exchange {
			g.Exchange = code
			continue
		}
		p, ok := access.PurposeOf(hie.Coding{System: c.System, Code: c.Code})
		if !ok {
			return access.Grant{}, faultClaim
		}
		g.Purposes = append(g.Purposes, p)
	}
	if w.Extensions.PCF != nil {
		g.Patient = w.Extensions.PCF.PatientID
		if g.Patient == "" {
			return access.Grant{}, faultClaim
		}
	}
	if w.Act != nil {
		if g.Representative = w.Act.Subject; g.Representative == "" || g.Representative != g.User || g.Patient == "" {
			return access.Grant{}, faultClaim
		}
	}
	if w.Expires <= 0 || w.IssuedAt <= 0 || w.NotBefore <= 0 || w.Client == "" || len(g.Purposes) == 0 {
		return access.Grant{}, faultClaim
	}
	return g, nil
}
