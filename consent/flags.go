package consent

import "slices"

// The flags a document can carry besides its labels.
const (
	// FlagSelfPay: the patient paid in full and asked to keep it from their plan. Source: 45 CFR 164.522(a)(1)(vi).
	FlagSelfPay = "self-pay"
	// FlagMinorConsented: a minor consented to the service alone, as law allows. Source: 45 CFR 164.502(g)(3).
	FlagMinorConsented = "minor-consented"
	// FlagAgreedRestriction: the site agreed with the patient to restrict it. Source: 45 CFR 164.522(a)(1)(iii).
	FlagAgreedRestriction = "agreed-restriction"
)

// unflagged are the flags of a document that carries none. Nobody writes to it.
var unflagged = []string{}

// ReadLabels tells a document's labels of v3-ActCode and consentpolicycodes apart: its sensitivity codes, sorted as given, and the flags the others
// stand for, not nil. HIPAASelfPay, hipaa-self-pay and hipaa-restrictions are policies and no sensitivities; HIPAAPsyNotes says what PSYTHPN says; ADOL, what is kept
// confidential for an adolescent, is a sensitivity like any other and flags a service the minor consented to alone. It
// allocates only where there is such a code.
//
// Source: spec consent 2.1 ("policy codes", "self-pay and agreed-restriction flags"); HL7 v3 ActCode, ActPrivacyLaw and
// ActInformationSensitivityPolicy; HL7 FHIR consentpolicycodes.
func ReadLabels(codes []string) (sensitivity, flags []string) {
	sensitivity, flags = codes, unflagged
	for _, code := range codes {
		switch code {
		case "HIPAASelfPay", "hipaa-self-pay":
			sensitivity, flags = without(sensitivity, code), append(slices.Clip(flags), FlagSelfPay)
		case "hipaa-restrictions":
			sensitivity, flags = without(sensitivity, code), append(slices.Clip(flags), FlagAgreedRestriction)
		case "HIPAAPsyNotes":
			sensitivity = slices.Clone(sensitivity)
			sensitivity[slices.Index(sensitivity, code)] = "PSYTHPN"
		case "ADOL":
			flags = append(slices.Clip(flags), FlagMinorConsented)
		}
	}
	return sensitivity, flags
}

func without(codes []string, code string) []string {
	return slices.DeleteFunc(slices.Clone(codes), func(c string) bool { return c == code })
}
