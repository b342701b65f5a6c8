// Package consentfhir reads and writes directives as FHIR R4 Consent, and reads those in the shape of R5: what a resource says becomes a
// consent.Directive, received bytes are kept and served unchanged but for id and meta, and the cases of
// `concord consent decide` are read and answered.
//
// It decides nothing: what cannot be understood is passed on as it stands, and consent holds it.
//
// Source: spec consent 2.7; spec consent-cases; IHE PCF; FHIR R4 Consent.
package consentfhir

import (
	"bytes"
	"slices"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The wire structs hold exactly the elements that are read: an element not named here may have any shape.
//
// Source: spec consent-cases, "Consent elements read".
type (
	wireConsent struct {
		Status                          string
		Scope, PolicyRule               *wireConcept
		Performer, Organization, Policy []string // references and URIs
		Contained                       []jsontext.Value
		Modified                        bool // has a modifierExtension
		Provision                       *wireProvision
	}
	wireProvision struct {
		Type                          string
		Period, DataPeriod            *consent.Period
		Actor                         []wireActor
		Action, Code                  []wireConcept
		SecurityLabel, Purpose, Class []wireCoding
		Data                          []consent.Data
		Provision                     []wireProvision
		Modified                      bool
	}
	wireCoding  struct{ System, Code string }
	wireConcept struct{ Coding []wireCoding }
	wireActor   struct {
		Role      *wireConcept
		Reference string
	}
	wireContained struct {
		ID                         string
		Organization, Practitioner *string // references
		Code                       []wireConcept
		Modified                   bool
	}
)

// UnmarshalJSONFrom reads a Consent.
func (w *wireConsent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	r := reader{dec: dec}
	w.readFrom(&r)
	return r.err
}

// readFrom reads a Consent. A modifierExtension on any element inside, and rules that it says must be known (implicitRules),
// may change what the whole means: it is then Modified.
//
// Source: FHIR R4 extensibility 2.4.0.1 (isModifier); spec consent 2.7.
func (w *wireConsent) readFrom(r *reader) {
	outer := r.modified
	r.modified = false
	defer func() { w.Modified, r.modified = w.Modified || r.modified, outer }()
	for name := range r.members {
		switch string(name) {
		case "status":
			w.Status = r.text()
		case "scope":
			w.Scope = r.concept()
		case "performer":
			w.Performer = list(r, (*reader).reference)
		case "organization":
			w.Organization = list(r, (*reader).reference)
		case "policy":
			w.Policy = list(r, (*reader).policy)
		case "policyRule":
			w.PolicyRule = r.concept()
		case "contained":
			w.Contained = r.values()
		case "modifierExtension":
			w.Modified = r.extended()
		case "implicitRules":
			r.modifies()
		case "verification":
			r.backbones()
		case "provision":
			if r.there() {
				w.Provision = new(wireProvision)
			}
			r.provision(w.Provision)
		default:
			r.skip()
		}
	}
}

// UnmarshalJSONFrom reads a provision.
func (w *wireProvision) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	r := reader{dec: dec}
	r.provision(w)
	return r.err
}

// provision reads one into w, which is nil only where null stands for it.
func (r *reader) provision(w *wireProvision) {
	for name := range r.members {
		switch string(name) {
		case "type":
			w.Type = r.said()
		case "period":
			w.Period = r.period()
		case "actor":
			w.Actor = list(r, (*reader).actor)
		case "action":
			w.Action = list(r, (*reader).conceptInto)
		case "securityLabel":
			w.SecurityLabel = list(r, (*reader).coding)
		case "purpose":
			w.Purpose = list(r, (*reader).coding)
		case "class":
			w.Class = list(r, (*reader).coding)
		case "code":
			w.Code = list(r, (*reader).conceptInto)
		case "dataPeriod":
			w.DataPeriod = r.period()
		case "data":
			w.Data = list(r, (*reader).data)
		case "provision":
			w.Provision = list(r, (*reader).provision)
		case "modifierExtension":
			w.Modified = r.extended()
		default:
			r.skip()
		}
	}
}

func (r *reader) coding(w *wireCoding) {
	for name := range r.members {
		switch string(name) {
		case "system":
			w.System = r.system()
		case "code":
			w.Code = r.said()
		default:
			r.skip()
		}
	}
}

// system reads a coding's system. Only Read looks at it; in a case it may have any shape, and one that is no text is a system
// nobody knows.
//
// Source: spec consent-cases ("only codes are compared, never systems").
func (r *reader) system() string {
	if r.err == nil {
		switch r.dec.PeekKind() {
		case '"', 'n':
			return r.text()
		}
	}
	r.skip()
	return "?"
}

func (r *reader) conceptInto(w *wireConcept) {
	for name := range r.members {
		if string(name) == "coding" {
			w.Coding = list(r, (*reader).coding)
		} else {
			r.skip()
		}
	}
}

func (r *reader) concept() *wireConcept {
	if !r.there() {
		r.skip()
		return nil
	}
	w := new(wireConcept)
	r.conceptInto(w)
	return w
}

// reference and policy read the one member of an object that counts.
func (r *reader) reference(out *string) { r.only("reference", out) }
func (r *reader) policy(out *string)    { r.only("uri", out) }

func (r *reader) only(member string, out *string) {
	for name := range r.members {
		if string(name) == member {
			*out = r.said()
		} else {
			r.besides(name)
		}
	}
}

func (r *reader) period() *consent.Period {
	if !r.there() {
		r.skip()
		return nil
	}
	p := new(consent.Period)
	for name := range r.members {
		switch string(name) {
		case "start":
			p.Start = r.said()
		case "end":
			p.End = r.said()
		default:
			r.skip()
		}
	}
	return p
}

func (r *reader) actor(w *wireActor) {
	for name := range r.members {
		switch string(name) {
		case "role":
			w.Role = r.concept()
		case "reference":
			r.reference(&w.Reference)
		default:
			r.besides(name)
		}
	}
}

func (r *reader) data(d *consent.Data) {
	for name := range r.members {
		switch string(name) {
		case "meaning":
			d.Meaning = r.text()
		case "reference":
			r.reference(&d.Reference)
		default:
			r.besides(name)
		}
	}
}

// UnmarshalJSONFrom reads a PractitionerRole; its lists have no nulls even where those of others may.
func (w *wireContained) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	r := reader{dec: dec, noNulls: true}
	for name := range r.members {
		switch string(name) {
		case "id":
			w.ID = r.text()
		case "organization":
			w.Organization = r.party()
		case "practitioner":
			w.Practitioner = r.party()
		case "code":
			w.Code = list(&r, (*reader).conceptInto)
		default:
			r.besides(name)
		}
	}
	w.Modified = r.modified
	return r.err
}

func (r *reader) party() *string {
	if !r.there() {
		r.skip()
		return nil
	}
	ref := new(string)
	r.reference(ref)
	return ref
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
	var d consent.Directive
	if err := w.into(&d); err != nil {
		return consent.Directive{}, err
	}
	return d, nil
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
	if w.System != "" && !slices.Contains(systems, w.System) && standard(w.Code) {
		w.Code = w.System + "|" + w.Code
	}
}

// into puts what w says into d.
func (w *wireConsent) into(d *consent.Directive) error {
	d.Status, d.Scope, d.Modified = w.Status, w.Scope.first(), w.Modified
	d.Performers, d.Organizations, d.Policies = some(w.Performer), some(w.Organization), some(w.Policy)
	if w.PolicyRule != nil {
		d.PolicyRules = codes(w.PolicyRule.Coding)
	}
	var teams map[string]*consent.PractitionerRole
	if len(w.Contained) > 0 {
		teams = map[string]*consent.PractitionerRole{}
	}
	for _, raw := range w.Contained {
		modified, err := readTeam(raw, teams)
		if err != nil {
			return err
		}
		d.Modified = d.Modified || modified
	}
	if w.Provision != nil {
		p := w.Provision.read(teams)
		d.Provision = &p
	}
	return nil
}

// isPractitionerRole reports whether raw says that it is one; what says otherwise, or nothing, may be of any shape.
func isPractitionerRole(raw jsontext.Value) bool {
	var kind struct {
		ResourceType jsontext.Value `json:"resourceType"`
	}
	if !bytes.Contains(raw, []byte("PractitionerRole")) && bytes.IndexByte(raw, '\\') < 0 || raw.Kind() != '{' || json.Unmarshal(raw, &kind) != nil {
		return false
	}
	name, err := jsontext.AppendUnquote(nil, kind.ResourceType)
	return err == nil && string(name) == "PractitionerRole"
}

// readTeam adds raw to teams when it is a PractitionerRole; other contained resources are not looked at. A PractitionerRole
// with a member of the wrong type is an *hie.InvalidError, its id included: what it was meant to name would be lost. modified
// says that it carries a modifierExtension.
func readTeam(raw jsontext.Value, teams map[string]*consent.PractitionerRole) (modified bool, _ error) {
	if !isPractitionerRole(raw) {
		return false, nil
	}
	var c wireContained
	if err := json.Unmarshal(raw, &c); err != nil {
		return false, &hie.InvalidError{Path: "Consent.contained", Rule: "has a PractitionerRole with a member of the wrong type", Code: "structure"}
	}
	if _, twice := teams[c.ID]; twice || c.ID == "" {
		return c.Modified, nil // a second resource of one id cannot be meant
	}
	t := &consent.PractitionerRole{Codes: conceptCodes(c.Code)}
	if c.Organization != nil {
		t.HasOrganization, t.Organization = true, *c.Organization
	}
	if c.Practitioner != nil {
		t.HasPractitioner, t.Practitioner = true, *c.Practitioner
	}
	teams[c.ID] = t
	return c.Modified, nil
}

func (w *wireProvision) read(teams map[string]*consent.PractitionerRole) consent.Provision {
	p := consent.Provision{
		Type: w.Type, Period: w.Period, DataPeriod: w.DataPeriod, Modified: w.Modified, Data: some(w.Data),
		Actions: conceptCodes(w.Action), Labels: codes(w.SecurityLabel), Purposes: codes(w.Purpose),
		Classes: codes(w.Class), Codes: conceptCodes(w.Code),
	}
	for _, a := range w.Actor {
		actor := consent.Actor{Role: a.Role.role(), Reference: a.Reference}
		if id, local := strings.CutPrefix(actor.Reference, "#"); local {
			actor.Team = teams[id]
		}
		p.Actors = append(p.Actors, actor)
	}
	for i := range w.Provision {
		p.Provisions = append(p.Provisions, w.Provision[i].read(teams))
	}
	return p
}

// some is list, nil where it is empty: an element that is there and empty states nothing.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// first returns the concept's first code, "" when there is none.
func (w *wireConcept) first() string {
	if w == nil || len(w.Coding) == 0 {
		return ""
	}
	return w.Coding[0].Code
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
		out = append(out, c.Code)
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
