package consentfhir

import (
	"bytes"
	"slices"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json/jsontext"
)

// R5ElementURL (valueString, the element's JSON) carries what an R5 Consent said that R4 has no element for: as an
// extension when it bears on no decision, as a modifierExtension when it may, so that the directive is held.
const R5ElementURL = "https://concord-hie.org/fhir/StructureDefinition/consent-r5-element"

// inR4 returns resource in the shape of R4: itself, or what an R5 Consent says put in R4's words. The base is the
// decision, and what is nested alternates: an exception of a deny permits, an exception of that denies. Nothing is
// dropped: see [R5ElementURL]. Errors are those of fhir.Decode.
//
// Source: FHIR R5 Consent; spec consent 2.7 ("R5: base = decision, nested type alternates").
func inR4(resource []byte) ([]byte, error) {
	if !bytes.Contains(resource, []byte(`"decision"`)) && !bytes.Contains(resource, []byte(`"subject"`)) && !bytes.Contains(resource, []byte(`"policyBasis"`)) &&
		!bytes.Contains(resource, []byte(`"controller"`)) {
		return resource, nil
	}
	o, err := fhir.ParseObject(resource)
	if err != nil {
		return nil, err
	}
	if !isR5(o) {
		return resource, nil
	}
	t := r5{from: o}
	return t.consent()
}

// isR5 tells R5's shape by elements R4 does not have.
func isR5(o fhir.Object) bool {
	if o.Value("patient") != nil || o.Value("policyRule") != nil {
		return false
	}
	provision := o.Value("provision")
	return o.Value("decision") != nil || o.Value("subject") != nil || o.Value("policyBasis") != nil || o.Value("controller") != nil ||
		provision != nil && provision.Kind() == '['
}

// r5 is a translation under way.
type r5 struct {
	from      fhir.Object
	to        fhir.Object
	beside    []fhir.Extension // of no consequence to a decision
	modifying []fhir.Extension
}

// keep carries an element R4 does not have.
func keep(list *[]fhir.Extension, name string, value jsontext.Value) {
	*list = append(*list, fhir.Extension{URL: R5ElementURL + "#" + name, ValueString: string(value)})
}

// r5Same are elements both releases have in one shape, r5Header those R4 has no place for and no decision reads. grantee is none
// of them: it may say to whom alone a permission is given.
var (
	r5Same   = []string{"resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "identifier", "category"}
	r5Header = []string{"manager", "regulatoryBasis", "policyText"}
)

func (t *r5) consent() ([]byte, error) {
	t.to = fhir.Object{}
	if err := t.header(); err != nil {
		return nil, err
	}
	var w struct {
		Decision  string           `json:"decision"`
		Period    jsontext.Value   `json:"period"`
		Provision []jsontext.Value `json:"provision"`
	}
	if err := fhir.Decode(t.from.Bytes(), &w); err != nil {
		return nil, err
	}
	root := fhir.Object{}
	if w.Decision != "" {
		root.Set("type", w.Decision)
	}
	if w.Period != nil {
		root.Set("period", w.Period)
	}
	var kids []jsontext.Value
	for _, p := range w.Provision {
		kid, err := r5Provision(p, opposite(w.Decision), 1)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	if kids != nil {
		root.Set("provision", kids)
	}
	t.to.Set("provision", root)
	if t.to.Value("policy") == nil { // R4 ppc-1
		code := map[string]string{"permit": "OPTIN", "deny": "OPTOUT"}[w.Decision]
		if code == "" {
			code = "unknown"
		}
		t.to.Set("policyRule", fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v3-ActCode", Code: code}}})
	}
	if err := t.extensions("extension", t.beside); err != nil {
		return nil, err
	}
	if err := t.extensions("modifierExtension", t.modifying); err != nil {
		return nil, err
	}
	return t.to.Bytes(), nil
}

func opposite(kind string) string {
	switch kind {
	case "permit":
		return "deny"
	case "deny":
		return "permit"
	}
	return "" // not stated: the node is a deny, and the directive held
}

// extensions writes what the resource had under name, and more behind it.
func (t *r5) extensions(name string, more []fhir.Extension) error {
	var all []jsontext.Value
	if raw := t.from.Value(name); raw != nil {
		if err := fhir.Decode(raw, &all); err != nil {
			return err
		}
	}
	for _, e := range more {
		all = append(all, fhir.Encode(e))
	}
	if all != nil {
		t.to.Set(name, all)
	}
	return nil
}

// header translates everything but the rules.
func (t *r5) header() error {
	t.to.Set("resourceType", "Consent")
	for _, m := range t.from.Members() {
		v := t.from.Value(m)
		switch m {
		case "decision", "period", "provision", "extension", "modifierExtension", "resourceType":
		case "status":
			t.to.Set(m, r5Status(v))
		case "subject":
			t.to.Set("patient", v)
		case "date":
			t.to.Set("dateTime", v)
		case "grantor":
			t.to.Set("performer", v)
		case "controller":
			t.to.Set("organization", v)
		case "sourceAttachment", "sourceReference":
			first, rest := firstOf(v)
			if first != nil {
				t.to.Set(m, first)
			}
			if rest != nil {
				keep(&t.beside, m, rest)
			}
		case "policyBasis":
			t.policies(v)
		case "verification":
			t.verification(v)
		default:
			switch {
			case slices.Contains(r5Same, m):
				t.to.Set(m, v)
			case slices.Contains(r5Header, m):
				keep(&t.beside, m, v)
			default:
				keep(&t.modifying, m, v)
			}
		}
	}
	t.scope()
	return nil
}

// r5Status gives R4's code for R5's: what was not done was rejected, what is not known does not count.
func r5Status(v jsontext.Value) any {
	switch string(v) {
	case `"not-done"`:
		return "rejected"
	case `"unknown"`:
		return "proposed"
	}
	return v
}

// firstOf splits a JSON list; what is no list is its own first.
func firstOf(v jsontext.Value) (first, rest jsontext.Value) {
	var all []jsontext.Value
	if fhir.Decode(v, &all) != nil {
		return v, nil
	}
	if len(all) > 1 {
		rest = fhir.Encode(all[1:])
	}
	if len(all) > 0 {
		first = all[0]
	}
	return first, rest
}

// policies turns policyBasis, one in R5, into R4's list; a basis named only by reference is kept beside.
func (t *r5) policies(v jsontext.Value) {
	var p struct {
		URL       string         `json:"url"`
		URI       string         `json:"uri"`
		Reference jsontext.Value `json:"reference"`
	}
	if fhir.Decode(v, &p) != nil || p.URL == "" && p.URI == "" {
		keep(&t.modifying, "policyBasis", v)
		return
	}
	uri := p.URL
	if uri == "" {
		uri = p.URI
	}
	t.to.Set("policy", []fhir.ConsentPolicy{{URI: uri}})
	if p.Reference != nil {
		keep(&t.beside, "policyBasis", v)
	}
}

// verification keeps of each verification what R4 has.
func (t *r5) verification(v jsontext.Value) {
	var all []struct {
		Verified         *bool           `json:"verified"`
		VerifiedWith     *fhir.Reference `json:"verifiedWith"`
		VerificationDate []string        `json:"verificationDate"`
	}
	if fhir.Decode(v, &all) != nil {
		keep(&t.modifying, "verification", v)
		return
	}
	var out []fhir.ConsentVerification
	for _, x := range all {
		r := fhir.ConsentVerification{Verified: x.Verified, VerifiedWith: x.VerifiedWith}
		if len(x.VerificationDate) > 0 {
			r.VerificationDate = x.VerificationDate[0]
		}
		out = append(out, r)
	}
	t.to.Set("verification", out)
	if bytes.Contains(v, []byte("modifierExtension")) {
		keep(&t.modifying, "verification", v)
	} else {
		keep(&t.beside, "verification", v)
	}
}

const scopeSystem = "http://terminology.hl7.org/CodeSystem/consentscope"

// scope sets R4's scope, which R5 folded into category: a category that is a code of R4's scopes, else privacy.
func (t *r5) scope() {
	var categories []fhir.CodeableConcept
	if v := t.from.Value("category"); v != nil {
		_ = fhir.Decode(v, &categories) // of another shape, it says nothing here and is refused on filing
	}
	code := "patient-privacy"
	for _, c := range categories {
		for _, k := range c.Coding {
			if k.System == scopeSystem && k.Code != "" {
				code = k.Code
			}
		}
	}
	t.to.Set("scope", fhir.CodeableConcept{Coding: []fhir.Coding{{System: scopeSystem, Code: code}}})
}

// r5Provision translates one node and what is nested in it. depth bounds what is walked; the engine holds what is
// deeper than it reads.
func r5Provision(raw jsontext.Value, kind string, depth int) (jsontext.Value, error) {
	in, err := fhir.ParseObject(raw)
	if err != nil {
		return nil, err
	}
	out, modifying := fhir.Object{}, []fhir.Extension(nil)
	if kind != "" {
		out.Set("type", kind)
	}
	for _, m := range in.Members() {
		v := in.Value(m)
		switch m {
		case "id", "extension", "modifierExtension", "period", "actor", "action", "securityLabel", "purpose", "code", "dataPeriod", "data":
			out.Set(m, v)
		case "documentType":
			out.Set("class", v)
		case "resourceType":
			if in.Value("documentType") != nil { // both must hold, which R4's one list cannot say
				keep(&modifying, m, v)
			} else {
				out.Set("class", v)
			}
		case "provision":
			var kids, translated []jsontext.Value
			if err := fhir.Decode(v, &kids); err != nil {
				return nil, err
			}
			if depth > 16 {
				keep(&modifying, m, v)
				continue
			}
			for _, k := range kids {
				t, err := r5Provision(k, opposite(kind), depth+1)
				if err != nil {
					return nil, err
				}
				translated = append(translated, t)
			}
			out.Set(m, translated)
		default:
			keep(&modifying, m, v)
		}
	}
	if modifying != nil {
		t := r5{from: in, to: out}
		if err := t.extensions("modifierExtension", modifying); err != nil {
			return nil, err
		}
		out = t.to
	}
	return out.Bytes(), nil
}
