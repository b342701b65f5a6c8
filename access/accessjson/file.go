// Package accessjson reads and writes client registrations as JSON: the file an operator applies, and how a client is
// listed.
package accessjson

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/strict"
	"github.com/concord-hie/concord/internal/token"
	"github.com/go-json-experiment/json/jsontext"
)

// A Client is one registration on the wire.
type Client struct {
	ID            string         `json:"client_id"`
	Name          string         `json:"name"`
	Organization  string         `json:"organization"`
	Status        string         `json:"status"`
	Scopes        []string       `json:"scopes"`
	Purposes      []string       `json:"purposes"`
	Exchanges     []string       `json:"exchanges,omitempty"`
	Abilities     []string       `json:"abilities,omitempty"`
	Roles         []string       `json:"roles,omitempty"`
	PatientAccess bool           `json:"patient_access,omitempty"`
	Delegations   []Delegation   `json:"delegations,omitempty"`
	JWKS          jsontext.Value `json:"jwks"`
}

// A Delegation is one entry of the table of whom a client may act for beside its own organisation.
type Delegation struct {
	Principal string    `json:"principal"`
	Until     time.Time `json:"until,omitzero"`
}

// notOffered are members of other servers' registrations that would promise what Concord does not do.
var notOffered = map[string]string{
	"jwks_uri":      "is not fetched: register the keys themselves in jwks",
	"require_mtls":  "is not offered: a client is known by its signature",
	"require_dpop":  "is not offered: a client is known by its signature",
	"client_secret": "is not used: register a public key in jwks",
}

// Parse reads {"clients": [...]}, the file of `concord client apply`. An *hie.InvalidError names the first member that
// cannot be accepted ("clients[2].jwks.keys[0].kid"); unknown members are refused.
func Parse(data []byte) ([]access.Client, error) {
	var file struct {
		Clients []jsontext.Value `json:"clients"`
	}
	if err := strict.Decode("", data, &file); err != nil {
		return nil, err
	}
	if len(file.Clients) == 0 {
		return nil, hie.Required("clients")
	}
	out := make([]access.Client, 0, len(file.Clients))
	for i, raw := range file.Clients {
		path := fmt.Sprintf("clients[%d]", i)
		c, err := parseClient(path, raw)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o access.Client) bool { return o.ID == c.ID }) {
			return nil, hie.Invalid(path+".client_id", "is used twice")
		}
		out = append(out, c)
	}
	return out, nil
}

func parseClient(path string, raw jsontext.Value) (access.Client, error) {
	var members map[string]jsontext.Value
	if err := strict.Decode(path, raw, &members); err != nil {
		return access.Client{}, err
	}
	for name, why := range notOffered {
		if _, present := members[name]; present {
			return access.Client{}, hie.Invalid(path+"."+name, why)
		}
	}
	var w Client
	if err := strict.Decode(path, raw, &w); err != nil {
		return access.Client{}, err
	}
	if w.JWKS == nil {
		return access.Client{}, hie.Required(path + ".jwks")
	}
	keys, err := token.ParseSet(w.JWKS)
	if err != nil {
		return access.Client{}, under(path+".jwks", err)
	}
	c := access.Client{ID: hie.ClientID(w.ID), Name: w.Name, Organization: hie.OrgID(w.Organization), Status: access.Status(w.Status),
		Keys: accessjwt.Keys(keys), Scopes: access.NormalScopes(w.Scopes), Exchanges: w.Exchanges, Abilities: w.Abilities,
		Roles: w.Roles, PatientAccess: w.PatientAccess}
	for _, p := range w.Purposes {
		c.Purposes = append(c.Purposes, hie.Purpose(p))
	}
	for _, d := range w.Delegations {
		c.Delegations = append(c.Delegations, access.Delegation{Principal: hie.OrgID(d.Principal), Until: d.Until.UTC()})
	}
	if err := c.Check(); err != nil {
		return access.Client{}, under(path, err)
	}
	return c, nil
}

// Format writes a registration as Parse reads one, keys ordered by kid.
func Format(c access.Client) Client {
	w := Client{ID: string(c.ID), Name: c.Name, Organization: string(c.Organization), Status: string(c.Status), Scopes: c.Scopes,
		Exchanges: c.Exchanges, Abilities: c.Abilities, Roles: c.Roles, PatientAccess: c.PatientAccess, JWKS: KeySet(c)}
	for _, p := range c.Purposes {
		w.Purposes = append(w.Purposes, string(p))
	}
	for _, d := range c.Delegations {
		w.Delegations = append(w.Delegations, Delegation{Principal: string(d.Principal), Until: d.Until})
	}
	return w
}

// KeySet writes a client's public keys as a JWK Set, ordered by kid.
func KeySet(c access.Client) []byte {
	var keys []token.PublicKey
	for _, k := range c.Keys {
		if p, ok := k.Public.(token.PublicKey); ok {
			keys = append(keys, p)
		}
	}
	slices.SortFunc(keys, func(a, b token.PublicKey) int { return strings.Compare(a.Kid, b.Kid) })
	return token.Set(keys)
}

// under puts path in front of an *hie.InvalidError's.
func under(path string, err error) error {
	inv, ok := errors.AsType[*hie.InvalidError](err)
	if !ok {
		return err
	}
	at := *inv
	at.Path = strings.TrimSuffix(path+"."+inv.Path, ".")
	return &at
}
