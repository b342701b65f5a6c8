package auditpg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// body is an event as it is hashed and stored. Its JSON is canonical: members in the order below and absent when
// empty, no white space, strings escaped as encoding/json does without HTML escaping, the members of detail
// sorted by name, ids of 63 bits as decimal strings, time in UTC with six decimals; bytes that are no UTF-8 are U+FFFD,
// so that what somebody sent cannot make an event unreadable. One event has one encoding
// on every machine and in every version; a change of meaning needs a new V.
type body struct {
	V            int               `json:"v"`
	ID           string            `json:"id"`
	Time         string            `json:"time"`
	Kind         audit.Kind        `json:"kind"`
	Outcome      audit.Outcome     `json:"outcome"`
	Action       string            `json:"action,omitempty"`
	Organization hie.OrgID         `json:"org,omitempty"`
	Client       hie.ClientID      `json:"client,omitempty"`
	User         string            `json:"user,omitempty"`
	UserName     string            `json:"user_name,omitempty"`
	Roles        []string          `json:"roles,omitempty"`
	Purposes     []hie.Purpose     `json:"purposes,omitempty"`
	Scopes       []string          `json:"scopes,omitempty"`
	Patient      key               `json:"patient,omitempty"`
	Token        string            `json:"token,omitempty"`
	Request      string            `json:"request,omitempty"`
	Address      string            `json:"address,omitempty"`
	Records      []key             `json:"records,omitempty"`
	Site         hie.SiteID        `json:"site,omitempty"`
	Documents    []document        `json:"documents,omitempty"`
	Classes      []string          `json:"classes,omitempty"`
	Released     int               `json:"released,omitempty"`
	Withheld     int               `json:"withheld,omitempty"`
	Reasons      []string          `json:"reasons,omitempty"`
	Ground       []string          `json:"ground,omitempty"`
	Emergency    bool              `json:"emergency,omitempty"`
	Query        string            `json:"query,omitempty"`
	Detail       map[string]string `json:"detail,omitempty"`
}

type document struct {
	Record  key    `json:"record"`
	Pointer key    `json:"pointer"`
	Class   string `json:"class,omitempty"`
}

// key is a 63-bit id, a decimal string in JSON: numbers lose digits beyond 2^53 in many readers.
type key int64

// MarshalJSON implements json.Marshaler.
func (k key) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatInt(int64(k), 10)), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (k *key) UnmarshalJSON(b []byte) error {
	s := string(b)
	if len(s) < 3 || s[0] != '"' || s[len(s)-1] != '"' {
		return errBody
	}
	n, err := strconv.ParseInt(s[1:len(s)-1], 10, 64)
	if err != nil {
		return errBody // the number error would quote the input
	}
	*k = key(n)
	return nil
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

// errBody says that a body is not one of ours; nothing of it is quoted.
var errBody = fmt.Errorf("auditpg: not a canonical event body")

// Encode returns e's canonical body.
func Encode(e audit.Event) []byte {
	w := body{
		V: 1, ID: e.ID, Time: e.Time.UTC().Format(timeLayout), Kind: text(e.Kind), Outcome: text(e.Outcome), Action: text(e.Action),
		Organization: text(e.Actor.Organization), Client: text(e.Actor.Client), User: text(e.Actor.User), UserName: text(e.Actor.UserName),
		Roles: texts(e.Actor.Roles), Purposes: texts(e.Actor.Purposes), Scopes: texts(e.Actor.Scopes), Patient: key(e.Actor.Patient),
		Token: text(e.Actor.TokenID), Request: text(e.Actor.Request), Address: text(e.Actor.Address), Site: text(e.Site),
		Classes: texts(e.Classes), Released: e.Released, Withheld: e.Withheld, Reasons: texts(e.Reasons), Ground: texts(e.Ground),
		Emergency: e.Emergency, Query: text(e.Query),
	}
	for name, value := range e.Detail {
		if w.Detail == nil {
			w.Detail = make(map[string]string, len(e.Detail))
		}
		w.Detail[text(name)] = text(value)
	}
	for _, r := range e.Records {
		w.Records = append(w.Records, key(r))
	}
	for _, d := range e.Documents {
		w.Documents = append(w.Documents, document{Record: key(d.Record), Pointer: key(d.Pointer), Class: text(d.Class)})
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		panic("auditpg: encode an event: " + err.Error()) // strings, numbers and booleans always encode
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// text returns s with what is no UTF-8 replaced, as a JSON string can hold it.
func text[T ~string](s T) T { return T(strings.ToValidUTF8(string(s), "\uFFFD")) }

func texts[T ~string](all []T) []T {
	out := make([]T, len(all))
	for i, s := range all {
		out[i] = text(s)
	}
	return out
}

// Decode returns the event of a canonical body. Bytes that Encode would not have written are refused, so that
// what a reader sees and what was hashed cannot differ. The error quotes nothing.
func Decode(b []byte) (audit.Event, error) {
	var w body
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil || w.V != 1 {
		return audit.Event{}, errBody
	}
	at, err := time.Parse(timeLayout, w.Time)
	if err != nil {
		return audit.Event{}, errBody
	}
	e := audit.Event{
		ID: w.ID, Time: at, Kind: w.Kind, Outcome: w.Outcome, Action: w.Action,
		Actor: hie.Actor{
			Organization: w.Organization, Client: w.Client, User: w.User, UserName: w.UserName, Roles: w.Roles,
			Purposes: w.Purposes, Scopes: w.Scopes, Patient: hie.SourcePatientID(w.Patient), TokenID: w.Token, Request: w.Request, Address: w.Address,
		},
		Site: w.Site, Classes: w.Classes, Released: w.Released, Withheld: w.Withheld, Reasons: w.Reasons, Ground: w.Ground,
		Emergency: w.Emergency, Query: w.Query, Detail: w.Detail,
	}
	for _, r := range w.Records {
		e.Records = append(e.Records, hie.SourcePatientID(r))
	}
	for _, d := range w.Documents {
		e.Documents = append(e.Documents, audit.Document{Record: hie.SourcePatientID(d.Record), Pointer: hie.PointerID(d.Pointer), Class: d.Class})
	}
	if !bytes.Equal(Encode(e), b) {
		return audit.Event{}, errBody
	}
	return e, nil
}
