package consentfhir

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A FHIR resource may say, on itself or on any element inside, that something which nobody here understands changes the meaning
// of what stands around it. What follows finds that wherever it stands, so that the directive is held.
//
// Source: FHIR R4 extensibility 2.4.0.1 (modifierExtension); FHIR R4 resource (implicitRules); spec consent 2.7.

// besides passes over a member that is not read, and notes one that changes what stands around it.
func (r *reader) besides(name []byte) {
	if string(name) == "modifierExtension" {
		r.modifies()
	} else {
		r.skip()
	}
}

// modifies passes over a value, and notes that it changes what stands around it: of whatever shape, unless it says nothing.
func (r *reader) modifies() {
	if !r.filed {
		r.skip()
		return
	}
	v := r.value()
	r.modified = r.modified || v.Kind() != 'n' && v.Kind() != 0 && string(v) != "[]"
}

// backbones passes over a list of elements, of whatever shape, and notes a modifierExtension among their members.
func (r *reader) backbones() {
	if !r.filed {
		r.skip()
		return
	}
	if r.err != nil {
		return
	}
	var entries []jsontext.Value
	if v := r.value(); v.Kind() != '[' || json.Unmarshal(v, &entries) != nil {
		return
	}
	for _, e := range entries {
		var element struct {
			Modifying []jsontext.Value `json:"modifierExtension"`
		}
		r.modified = r.modified || e.Kind() == '{' && (json.Unmarshal(e, &element) != nil || len(element.Modifying) > 0)
	}
}

// extended reports whether a list of extensions, of which nobody here understands any, has an entry.
func (r *reader) extended() bool {
	return len(list(r, func(r *reader, _ *struct{}) {
		for range r.members {
			r.skip()
		}
	})) > 0
}
