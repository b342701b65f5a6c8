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

// A wireConsent is a Consent being read: exactly the elements that count, so that an element not named here may have any shape.
//
// Source: spec consent-cases, "Consent elements read".
type wireConsent struct {
	says      *consent.Directive
	filed     bool // as of its reader
	contained []jsontext.Value
}

// UnmarshalJSONFrom reads a Consent.
func (w *wireConsent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	r := reader{dec: dec, filed: true}
	w.readFrom(&r)
	return r.err
}

// readFrom reads a Consent. A modifierExtension on any element inside, and rules that it says must be known (implicitRules),
// may change what the whole means: it is then Modified. Of one in a case only those on itself and on its provisions count.
//
// Source: FHIR R4 extensibility 2.4.0.1 (isModifier); spec consent 2.7.
func (w *wireConsent) readFrom(r *reader) {
	d, outer := w.says, r.modified
	r.modified, w.filed = false, r.filed
	defer func() { d.Modified, r.modified = d.Modified || r.modified, outer }()
	for name := range r.members {
		switch string(name) {
		case "status":
			d.Status = r.text()
		case "scope":
			if codes := r.concept(); len(codes) > 0 {
				d.Scope = codes[0]
			}
		case "performer":
			d.Performers = some(list(r, (*reader).reference))
		case "organization":
			d.Organizations = some(list(r, (*reader).reference))
		case "policy":
			d.Policies = some(list(r, (*reader).policy))
		case "policyRule":
			d.PolicyRules = some(r.concept())
		case "contained":
			w.contained = r.values()
		case "modifierExtension":
			d.Modified = r.extended()
		case "extension":
			d.Frequency = r.frequency()
		case "implicitRules":
			r.modifies()
		case "verification":
			r.backbones()
		case "dateTime":
			if r.filed {
				d.SignedWithin = leeway(r.text())
			} else {
				r.skip()
			}
		case "provision":
			if r.there() {
				d.Provision = new(consent.Provision)
			}
			r.provision(d.Provision)
		default:
			r.skip()
		}
	}
}

// A wireProvision is a provision that stands by itself.
type wireProvision consent.Provision

// UnmarshalJSONFrom reads a provision.
func (w *wireProvision) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	r := reader{dec: dec, filed: true}
	r.provision((*consent.Provision)(w))
	return r.err
}

// provision reads one into p, which is nil only where null stands for it.
func (r *reader) provision(p *consent.Provision) {
	for name := range r.members {
		switch string(name) {
		case "type":
			p.Type = r.said()
		case "period":
			p.Period = r.period()
		case "actor":
			p.Actors = some(list(r, (*reader).actor))
		case "action":
			p.Actions = r.concepts()
		case "securityLabel":
			p.Labels = some(list(r, (*reader).label))
		case "purpose":
			p.Purposes = some(list(r, (*reader).purpose))
		case "class":
			p.Classes = some(list(r, (*reader).code))
		case "code":
			p.Codes = r.concepts()
		case "dataPeriod":
			p.DataPeriod = r.period()
		case "data":
			p.Data = some(list(r, (*reader).data))
		case "provision":
			p.Provisions = some(list(r, (*reader).provision))
		case "modifierExtension":
			p.Modified = r.extended()
		default:
			r.skip()
		}
	}
}

func (r *reader) coding() (system, code string) {
	for name := range r.members {
		switch string(name) {
		case "system":
			system = r.system()
		case "code":
			code = r.said()
		default:
			r.skip()
		}
	}
	return system, code
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

// code, purpose and label read the code of a coding: "" is a coding without a code.
func (r *reader) code(out *string) { _, *out = r.coding() }

func (r *reader) purpose(out *string) {
	*out = r.codeOf(purposeSystems, consent.StandardPurpose)
}

func (r *reader) label(out *string) { *out = r.codeOf(labelSystems, consent.StandardLabel) }

// The systems whose codes purposes and labels are; a coding without a system is taken for one of them.
var (
	purposeSystems = []string{"http://terminology.hl7.org/CodeSystem/v3-ActReason", "http://hl7.org/fhir/v3/ActReason", "urn:oid:2.16.840.1.113883.5.8"}
	labelSystems   = []string{"http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "http://hl7.org/fhir/v3/Confidentiality", "urn:oid:2.16.840.1.113883.5.25",
		"http://terminology.hl7.org/CodeSystem/v3-ActCode", "http://hl7.org/fhir/v3/ActCode", "urn:oid:2.16.840.1.113883.5.4"}
)

// codeOf reads the code of a coding and, of a Consent that was filed, makes an unknown code of one that another system shares with
// HL7's list: TREAT of a system nobody here knows is not HL7's, and counts as a match for a deny and as none for a permit. Codes
// that HL7 does not have stay: a policy or a document may know them.
//
// Source: spec consent 2.2 and 2.15 (unknown code system).
func (r *reader) codeOf(systems []string, standard func(string) bool) string {
	system, code := r.coding()
	if r.filed && system != "" && !slices.Contains(systems, system) && standard(code) {
		return system + "|" + code
	}
	return code
}

// concept reads the codes of a CodeableConcept.
func (r *reader) concept() []string {
	var out []string
	for name := range r.members {
		if string(name) == "coding" {
			out = list(r, (*reader).code)
		} else {
			r.skip()
		}
	}
	return out
}

// concepts reads the codes of a list of concepts, nil when there is none; a concept without a coding is an unknown code, "".
func (r *reader) concepts() []string {
	var out []string
	list(r, func(r *reader, _ *struct{}) {
		if codes := r.concept(); len(codes) > 0 {
			out = append(out, codes...)
		} else {
			out = append(out, "")
		}
	})
	return out
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

func (r *reader) actor(a *consent.Actor) {
	for name := range r.members {
		switch string(name) {
		case "role":
			a.Role = r.role()
		case "reference":
			r.reference(&a.Reference)
		default:
			r.besides(name)
		}
	}
}

// role reads the first code of an actor's role: "" when there is no coding, consent.UnknownRole for a coding without a code.
//
// Source: spec consent-cases ("a coding without a code is an unknown code").
func (r *reader) role() string {
	codes := r.concept()
	switch {
	case len(codes) == 0:
		return ""
	case codes[0] == "":
		return consent.UnknownRole
	}
	return codes[0]
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

// A wireTeam is a contained PractitionerRole being read.
type wireTeam struct {
	id       string
	says     consent.PractitionerRole
	modified bool
}

// UnmarshalJSONFrom reads a PractitionerRole; its lists have no nulls even where those of others may.
func (w *wireTeam) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	r := reader{dec: dec, noNulls: true, filed: true} // whether what modifies it counts is for its Consent to say
	for name := range r.members {
		switch string(name) {
		case "id":
			w.id = r.text()
		case "organization":
			w.says.HasOrganization = r.there()
			r.reference(&w.says.Organization)
		case "practitioner":
			w.says.HasPractitioner = r.there()
			r.reference(&w.says.Practitioner)
		case "code":
			w.says.Codes = r.concepts()
		default:
			r.besides(name)
		}
	}
	w.modified = r.modified
	return r.err
}

// Read returns what a Consent says: its header elements and its tree. What the exchange knows of it (record,
// filing, evidence, reach) is left to the caller. An element of the wrong JSON type is an *hie.InvalidError;
// anything else is passed on, for consent to hold.
func Read(resource []byte) (consent.Directive, error) {
	resource, err := inR4(resource)
	if err != nil {
		return consent.Directive{}, err
	}
	var d consent.Directive
	w := wireConsent{says: &d}
	if err := fhir.Decode(resource, &w); err != nil {
		return consent.Directive{}, err
	}
	if err := w.readTeams(); err != nil {
		return consent.Directive{}, err
	}
	return d, nil
}

// readTeams reads who is contained, and puts them where an actor refers to them.
func (w *wireConsent) readTeams() error {
	if len(w.contained) == 0 {
		return nil
	}
	teams := map[string]*consent.PractitionerRole{}
	for _, raw := range w.contained {
		modified, err := readTeam(raw, teams)
		if err != nil {
			return err
		}
		w.says.Modified = w.says.Modified || w.filed && modified
	}
	if w.says.Provision != nil {
		joinTeams(w.says.Provision, teams)
	}
	return nil
}

func joinTeams(p *consent.Provision, teams map[string]*consent.PractitionerRole) {
	for i := range p.Actors {
		if id, local := strings.CutPrefix(p.Actors[i].Reference, "#"); local {
			p.Actors[i].Team = teams[id]
		}
	}
	for i := range p.Provisions {
		joinTeams(&p.Provisions[i], teams)
	}
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
	var w wireTeam
	if err := json.Unmarshal(raw, &w); err != nil {
		return false, &hie.InvalidError{Path: "Consent.contained", Rule: "has a PractitionerRole with a member of the wrong type", Code: "structure"}
	}
	if _, twice := teams[w.id]; !twice && w.id != "" { // a second resource of one id cannot be meant
		teams[w.id] = &w.says
	}
	return w.modified, nil
}

// some is list, nil where it is empty: an element that is there and empty states nothing.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
