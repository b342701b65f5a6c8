package accessjwt

import (
	"fmt"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// permissionType is the type of a permission's token: it opens nothing here, and is no access token.
const permissionType = "permission+jwt"

// A Permission is what a site that filters for itself is given: who may have what of one of its patients, until when. The
// site needs nothing but our published keys to believe it.
type Permission struct {
	ID, Issuer string
	// Audience is the identifier of the organisation that holds the documents and nobody else's; Requester that of who may
	// have them, RequesterName its name.
	Audience, Requester, RequesterName string
	Purpose                            hie.Purpose
	IssuedAt, Expires                  time.Time
	// PCF is the ihe_pcf extension as JSON: patient, consent, policies and residual.
	PCF []byte
}

// SignPermission returns p as a JWT of type permission+jwt, signed with the key that signs access tokens. sub is the
// organisation that may have the documents.
//
// Source: IHE PCF, ITI-71 3.71.4.2.2.1.4 (ihe_pcf beside ihe_iua); IHE ITI IUA (the claims); RFC 7519; RFC 8725 3.11 (its own type).
func (c *Codec) SignPermission(p Permission) (string, error) {
	payload, err := json.Marshal(struct {
		Issuer     string `json:"iss"`
		Subject    string `json:"sub"`
		Audience   string `json:"aud"`
		Expires    int64  `json:"exp"`
		NotBefore  int64  `json:"nbf"`
		IssuedAt   int64  `json:"iat"`
		ID         string `json:"jti"`
		Extensions struct {
			IUA iua            `json:"ihe_iua"`
			PCF jsontext.Value `json:"ihe_pcf"`
		} `json:"extensions"`
	}{p.Issuer, p.Requester, p.Audience, p.Expires.Unix(), p.IssuedAt.Unix(), p.IssuedAt.Unix(), p.ID, struct {
		IUA iua            `json:"ihe_iua"`
		PCF jsontext.Value `json:"ihe_pcf"`
	}{iuaOf(access.Grant{OrganizationName: p.RequesterName, OrganizationURI: p.Requester, Purposes: []hie.Purpose{p.Purpose}}), p.PCF}})
	if err != nil {
		return "", fmt.Errorf("accessjwt: permission: %w", err)
	}
	return c.signer.Sign(permissionType, payload)
}
