package consentfhir

import (
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/internal/fhir"
)

// WriteResidual returns the ihe_pcf extension of a token as JSON: who the patient is, which consent it rests on ("" for
// the defaults), and what the site must not let go. A document that is listed is named by its address here, under base, and by
// the unique id its site gave it.
//
// Source: IHE PCF, ITI-71 3.71.4.2.2.1.4.
func WriteResidual(r consent.Residual, base, patient, doc string) []byte {
	type datum struct {
		Meaning   string         `json:"meaning"`
		Reference fhir.Reference `json:"reference"`
	}
	type rule struct {
		Type          string        `json:"type"`
		SecurityLabel []fhir.Coding `json:"securityLabel,omitempty"`
		DataPeriod    *fhir.Period  `json:"dataPeriod,omitzero"`
		Data          []datum       `json:"data,omitempty"`
	}
	out := struct {
		PatientID string   `json:"patient_id"`
		DocID     []string `json:"doc_id"`
		ACP       []string `json:"acp,omitempty"`
		Residual  []rule   `json:"residual,omitempty"`
	}{PatientID: patient, DocID: []string{}, ACP: r.Policies}
	if doc != "" {
		out.DocID = append(out.DocID, doc)
	}
	for _, x := range r.Rules {
		w := rule{Type: "forbid"}
		if x.Permit {
			w.Type = "permit"
		}
		for _, l := range x.Labels {
			system := labelSystems[3]
			if consent.StandardConfidentiality(l) {
				system = labelSystems[0]
			}
			w.SecurityLabel = append(w.SecurityLabel, fhir.Coding{System: system, Code: l})
		}
		if x.Period != nil {
			w.DataPeriod = &fhir.Period{Start: x.Period.Start, End: x.Period.End}
		}
		for i, d := range x.Data {
			ref := fhir.Reference{Reference: d.Reference}
			if x.Masters != nil {
				if ref.Reference = base + "/" + d.Reference; !x.Masters[i].IsZero() {
					ref.Identifier = &fhir.Identifier{System: x.Masters[i].System, Value: x.Masters[i].Value}
				}
			}
			w.Data = append(w.Data, datum{d.Meaning, ref})
		}
		out.Residual = append(out.Residual, w)
	}
	return fhir.Encode(out)
}
