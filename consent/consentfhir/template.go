package consentfhir

import (
	"strconv"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json/jsontext"
)

func templateName(id string, version int64) string { return id + "/" + strconv.FormatInt(version, 10) }

// wireTemplate is a form as JSON: in the store and at the doors of administration.
type wireTemplate struct {
	ID            string               `json:"id"`
	Jurisdictions []string             `json:"jurisdictions,omitempty"`
	Policies      []string             `json:"policies"`
	Absolute      bool                 `json:"absolute,omitzero"`
	Rule          jsontext.Value       `json:"rule"`
	Asks          []consent.Ask        `json:"asks,omitempty"`
	Words         map[string]wireWords `json:"words"`
}

type wireWords struct {
	Choice  string `json:"choice"`
	Happens string `json:"happens"`
	Anyway  string `json:"anyway"`
	Undo    string `json:"undo"`
}

// WriteTemplate returns what a form says as JSON, without its version and state. Its rule is a Consent.provision of R4.
func WriteTemplate(t consent.Template) []byte {
	w := wireTemplate{ID: t.ID, Jurisdictions: t.Jurisdictions, Policies: t.Policies, Absolute: t.Absolute, Rule: WriteProvision(t.Root).Bytes(), Asks: t.Asks,
		Words: map[string]wireWords{}}
	for lang, x := range t.Words {
		w.Words[lang] = wireWords(x)
	}
	return fhir.Encode(w)
}

// ReadTemplate reads what WriteTemplate wrote, or somebody proposes, and checks it. Errors: *hie.InvalidError.
func ReadTemplate(b []byte) (consent.Template, error) {
	var w wireTemplate
	if err := fhir.Decode(b, &w); err != nil {
		return consent.Template{}, err
	}
	t := consent.Template{ID: w.ID, Jurisdictions: w.Jurisdictions, Policies: w.Policies, Absolute: w.Absolute, Asks: w.Asks, Words: map[string]consent.Words{}}
	for lang, x := range w.Words {
		t.Words[lang] = consent.Words(x)
	}
	var p wireProvision
	if len(w.Rule) > 0 {
		if err := fhir.Decode(w.Rule, &p); err != nil {
			return consent.Template{}, err
		}
	}
	t.Root = consent.Provision(p)
	return t, t.Check()
}
