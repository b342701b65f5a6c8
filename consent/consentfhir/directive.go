// Package consentfhir reads and writes directives as FHIR R4 Consent, and reads those in the shape of R5: what a resource says becomes a
// consent.Directive, received bytes are kept and served unchanged but for id and meta, and the cases of
// `concord consent decide` are read and answered.
//
// It decides nothing: what cannot be understood is passed on as it stands, and consent holds it.
//
// Source: spec consent 2.7; spec consent-cases; IHE PCF; FHIR R4 Consent.
package consentfhir

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The wire structs name exactly the elements that are read: an element not named here may have any shape.
//
// Source: spec consent-cases, "Consent elements read".
type wireConsent struct {
	Status            string           `json:"status"`
	Scope             *wireConcept     `json:"scope"`
	Performer         []wireReference  `json:"performer"`
	Organization      []wireReference  `json:"organization"`
	Policy            []wirePolicy     `json:"policy"`
	PolicyRule        *wireConcept     `json:"policyRule"`
	Contained         []jsontext.Value `json:"contained"`
	ModifierExtension []wireAny        `json:"modifierExtension"`
	Provision         *wireProvision   `json:"provision"`
}

type wireProvision struct {
	Type              text            `json:"type"`
	Period            *wirePeriod     `json:"period"`
	Actor             []wireActor     `json:"actor"`
	Action            []wireConcept   `json:"action"`
	SecurityLabel     []wireCoding    `json:"securityLabel"`
	Purpose           []wireCoding    `json:"purpose"`
	Class             []wireCoding    `json:"class"`
	Code              []wireConcept   `json:"code"`
	DataPeriod        *wirePeriod     `json:"dataPeriod"`
	Data              []wireData      `json:"data"`
	Provision         []wireProvision `json:"provision"`
	ModifierExtension []wireAny       `json:"modifierExtension"`
}

type (
	wireAny    struct{} // an object whatever its members
	wireCoding struct {
		System system `json:"system"`
		Code   text   `json:"code"`
	}
	wireConcept struct {
		Coding []wireCoding `json:"coding"`
	}
	wireReference struct {
		Reference text `json:"reference"`
	}
	wirePolicy struct {
		URI text `json:"uri"`
	}
	wirePeriod struct {
		Start text `json:"start"`
		End   text `json:"end"`
	}
	wireActor struct {
		Role      *wireConcept   `json:"role"`
		Reference *wireReference `json:"reference"`
	}
	wireData struct {
		Meaning   string         `json:"meaning"`
		Reference *wireReference `json:"reference"`
	}
	wireContained struct {
		ID           string         `json:"id"`
		Organization *wireReference `json:"organization"`
		Practitioner *wireReference `json:"practitioner"`
		Code         []wireConcept  `json:"code"`
	}
)

// system is a coding's system. Only Read looks at it; in a case it may have any shape.
//
// Source: spec consent-cases ("only codes are compared, never systems").
type system string

// UnmarshalJSONFrom takes a string; anything else but null is a system nobody knows.
func (s *system) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, v)
		*s = system(text)
		return err
	case 'n':
		*s = ""
	default:
		*s = "?"
	}
	return nil
}

// A text is a string that is "" only where it is absent. One that is there and empty is a value nobody knows: FHIR has no
// empty strings, and of a case only null is absent.
//
// Source: FHIR R4 json.html (a string is never empty); spec consent-cases, "Case", 11, 12, 16 and 17.
type text string

// emptied is what an empty string is read as.
const emptied text = "(empty)"

// UnmarshalJSONFrom takes a string or null.
func (t *text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	absent := dec.PeekKind() == 'n'
	var s string
	if err := json.UnmarshalDecode(dec, &s); err != nil {
		return err
	}
	if *t = text(s); s == "" && !absent {
		*t = emptied
	}
	return nil
}

// Read returns what a Consent says: its header elements and its tree. What the exchange knows of it (record,
// filing, evidence, reach) is left to the caller. An element of the wrong JSON type is an *hie.InvalidError;
// anything else is passed on, for consent to hold.
func Read(resource []byte) (consent.Directive, error) {
	var w wireConsent
	resource, err := inR4(resource)
	if err != nil {
		return consent.Directive{}, err
	}
	if err := fhir.Decode(resource, &w); err != nil {
		return consent.Directive{}, err
	}
	if w.Provision != nil {
		w.Provision.foreign()
	}
	return w.directive()
}

// The systems whose codes purposes and labels are; a coding without a system is taken for one of them.
var (
	purposeSystems = []string{"http://terminology.hl7.org/CodeSystem/v3-ActReason", "http://hl7.org/fhir/v3/ActReason", "urn:oid:2.16.840.1.113883.5.8"}
	labelSystems   = []string{"http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "http://hl7.org/fhir/v3/Confidentiality", "urn:oid:2.16.840.1.113883.5.25",
		"http://terminology.hl7.org/CodeSystem/v3-ActCode", "http://hl7.org/fhir/v3/ActCode", "urn:oid:2.16.840.1.113883.5.4"}
)

// foreign makes unknown codes of those that other systems share with HL7's lists: TREAT of a system nobody here knows is
// not HL7's, and counts as a match for a deny and as none for a permit. Codes that HL7 does not have stay: a policy
// or a document may know them.
//
// Source: spec consent 2.2 and 2.15 (unknown code system).
func (w *wireProvision) foreign() {
	for i := range w.Purpose {
		w.Purpose[i].foreign(purposeSystems, consent.StandardPurpose)
	}
	for i := range w.SecurityLabel {
		w.SecurityLabel[i].foreign(labelSystems, consent.StandardLabel)
	}
	for i := range w.Provision {
		w.Provision[i].foreign()
	}
}

func (w *wireCoding) foreign(systems []string, standard func(string) bool) {
	if w.System != "" && !slices.Contains(systems, string(w.System)) && standard(string(w.Code)) {
		w.Code = text(w.System) + "|" + w.Code
	}
}

func (w *wireConsent) directive() (consent.Directive, error) {
	d := consent.Directive{Status: w.Status, Scope: w.Scope.first(), Modified: len(w.ModifierExtension) > 0}
	for _, p := range w.Performer {
		d.Performers = append(d.Performers, string(p.Reference))
	}
	for _, o := range w.Organization {
		d.Organizations = append(d.Organizations, string(o.Reference))
	}
	for _, p := range w.Policy {
		d.Policies = append(d.Policies, string(p.URI))
	}
	if w.PolicyRule != nil {
		d.PolicyRules = codes(w.PolicyRule.Coding)
	}
	teams := map[string]*consent.PractitionerRole{}
	for _, raw := range w.Contained {
		if err := readTeam(raw, teams); err != nil {
			return consent.Directive{}, err
		}
	}
	if w.Provision != nil {
		p := w.Provision.read(teams)
		d.Provision = &p
	}
	return d, nil
}

// isPractitionerRole reports whether raw says that it is one; what says otherwise, or nothing, may be of any shape.
func isPractitionerRole(raw jsontext.Value) bool {
	var kind struct {
		ResourceType jsontext.Value `json:"resourceType"`
	}
	if raw.Kind() != '{' || json.Unmarshal(raw, &kind) != nil {
		return false
	}
	name, err := jsontext.AppendUnquote(nil, kind.ResourceType)
	return err == nil && string(name) == "PractitionerRole"
}

// readTeam adds raw to teams when it is a PractitionerRole; other contained resources are not looked at. A PractitionerRole
// with a member of the wrong type is an *hie.InvalidError, its id included: what it was meant to name would be lost.
func readTeam(raw jsontext.Value, teams map[string]*consent.PractitionerRole) error {
	if !isPractitionerRole(raw) {
		return nil
	}
	var c wireContained
	if err := json.Unmarshal(raw, &c, strictLists); err != nil {
		return &hie.InvalidError{Path: "Consent.contained", Rule: "has a PractitionerRole with a member of the wrong type", Code: "structure"}
	}
	if _, twice := teams[c.ID]; twice || c.ID == "" {
		return nil // a second resource of one id cannot be meant
	}
	t := &consent.PractitionerRole{Codes: conceptCodes(c.Code)}
	if c.Organization != nil {
		t.HasOrganization, t.Organization = true, string(c.Organization.Reference)
	}
	if c.Practitioner != nil {
		t.HasPractitioner, t.Practitioner = true, string(c.Practitioner.Reference)
	}
	teams[c.ID] = t
	return nil
}

func (w *wireProvision) read(teams map[string]*consent.PractitionerRole) consent.Provision {
	p := consent.Provision{
		Type: string(w.Type), Period: w.Period.read(), DataPeriod: w.DataPeriod.read(), Modified: len(w.ModifierExtension) > 0,
		Actions: conceptCodes(w.Action), Labels: codes(w.SecurityLabel), Purposes: codes(w.Purpose),
		Classes: codes(w.Class), Codes: conceptCodes(w.Code),
	}
	for _, a := range w.Actor {
		actor := consent.Actor{Role: a.Role.role(), Reference: a.Reference.text()}
		if id, local := strings.CutPrefix(actor.Reference, "#"); local {
			actor.Team = teams[id]
		}
		p.Actors = append(p.Actors, actor)
	}
	for _, d := range w.Data {
		p.Data = append(p.Data, consent.Data{Meaning: d.Meaning, Reference: d.Reference.text()})
	}
	for i := range w.Provision {
		p.Provisions = append(p.Provisions, w.Provision[i].read(teams))
	}
	return p
}

func (w *wirePeriod) read() *consent.Period {
	if w == nil {
		return nil
	}
	return &consent.Period{Start: string(w.Start), End: string(w.End)}
}

func (w *wireReference) text() string {
	if w == nil {
		return ""
	}
	return string(w.Reference)
}

// first returns the concept's first code, "" when there is none.
func (w *wireConcept) first() string {
	if w == nil || len(w.Coding) == 0 {
		return ""
	}
	return string(w.Coding[0].Code)
}

// role returns the first code of an actor's role: "" when there is no coding, consent.UnknownRole for a coding
// without a code.
//
// Source: spec consent-cases ("a coding without a code is an unknown code").
func (w *wireConcept) role() string {
	code := w.first()
	if code == "" && w != nil && len(w.Coding) > 0 {
		return consent.UnknownRole
	}
	return code
}

func codes(in []wireCoding) []string {
	var out []string
	for _, c := range in {
		out = append(out, string(c.Code))
	}
	return out
}

// conceptCodes returns the codes of all concepts; a concept without a coding is an unknown code, "".
func conceptCodes(in []wireConcept) []string {
	var out []string
	for _, c := range in {
		if len(c.Coding) == 0 {
			out = append(out, "")
		}
		out = append(out, codes(c.Coding)...)
	}
	return out
}
