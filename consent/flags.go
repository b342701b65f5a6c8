package consent

import "slices"

// The flags a document can carry besides its labels.
const (
	// FlagSelfPay: the patient paid in full and asked to keep it from their plan. Source: 45 CFR 164.522(a)(1)(vi).
	FlagSelfPay = "self-pay"
	// FlagMinorConsented: a minor consented to the service alone, as law allows. Source: 45 CFR 164.502(g)(3).
	FlagMinorConsented = "minor-consented"
)

// unflagged are the flags of a document that carries none. Nobody writes to it.
var unflagged = []string{}

// ReadLabels tells a document's v3-ActCode labels apart: its sensitivity codes, sorted as given, and the flags the others
// stand for, not nil. HIPAASelfPay is a policy and no sensitivity; HIPAAPsyNotes says what PSYTHPN says; ADOL, what is kept
// confidential for an adolescent, is a sensitivity like any other and flags a service the minor consented to alone. It
// allocates only where there is such a code.
//
// Source: spec consent 2.1 ("policy codes", "self-pay and agreed-restriction flags"); HL7 v3 ActCode, ActPrivacyLaw and
// ActInformationSensitivityPolicy.
func ReadLabels(codes []string) (sensitivity, flags []string) {
	sensitivity, flags = codes, unflagged
	for _, code := range codes {
		switch code {
		case "HIPAASelfPay":
			sensitivity = slices.DeleteFunc(slices.Clone(sensitivity), func(c string) bool { return c == code })
			flags = append(slices.Clip(flags), FlagSelfPay)
		case "HIPAAPsyNotes":
			sensitivity = slices.Clone(sensitivity)
			sensitivity[slices.Index(sensitivity, code)] = "PSYTHPN"
		case "ADOL":
			flags = append(slices.Clip(flags), FlagMinorConsented)
		}
	}
	return sensitivity, flags
}
