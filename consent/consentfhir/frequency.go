package consentfhir

import (
	"regexp"

	"github.com/concord-hie/concord/hie"
)

// FrequencyURL is the extension by which a Consent says how often at most who is permitted may ask: a string of a number and of
// HOUR, DAY, WEEK, MONTH or YEAR ("4/DAY"). R4 has no element for it.
//
// Source: ABDM consent artefact, permission.frequency (repeats of a unit).
const FrequencyURL = "https://concord-hie.org/fhir/StructureDefinition/consent-frequency"

var frequencyPattern = regexp.MustCompile(`^[1-9][0-9]{0,5}/(HOUR|DAY|WEEK|MONTH|YEAR)$`)

// checkFrequency refuses what is no frequency.
func checkFrequency(value, path string) error {
	if !frequencyPattern.MatchString(value) {
		return &hie.InvalidError{Path: path + ".value", Rule: "must be a number of times an HOUR, DAY, WEEK, MONTH or YEAR, such as 4/DAY", Code: "value"}
	}
	return nil
}

// frequency reads a list of extensions for the frequency among them, "" where there is none or in a case. What cannot be read as one
// holds the Consent: what it limits is not known.
func (r *reader) frequency() (out string) {
	if !r.filed {
		r.skip()
		return ""
	}
	type extension struct{ url, value string }
	for _, e := range list(r, func(r *reader, e *extension) {
		for name := range r.members {
			switch string(name) {
			case "url":
				e.url = r.text()
			case "valueString":
				e.value = r.text()
			default:
				r.skip()
			}
		}
	}) {
		if e.url != FrequencyURL {
			continue
		}
		if out != "" || !frequencyPattern.MatchString(e.value) {
			r.modified = true
		}
		out = e.value
	}
	return out
}
