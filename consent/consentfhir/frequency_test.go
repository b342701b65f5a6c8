package consentfhir

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

// What a Consent says of how often one may ask is read, refused at filing where it says nothing, and holds the Consent where it is there
// all the same, twice, or on something it cannot be on.
func TestHowOftenOneMayAskIsRead(t *testing.T) {
	for _, tt := range []struct {
		name, extensions string
		often            string
		held, refused    bool
	}{
		{"no extension", ``, "", false, false},
		{"another's extension", `{"url":"urn:x","valueString":"4/DAY"}`, "", false, false},
		{"four times a day", `{"url":"` + FrequencyURL + `","valueString":"4/DAY"}`, "4/DAY", false, false},
		{"among others", `{"url":"urn:x","valueCode":"y"},{"url":"` + FrequencyURL + `","valueString":"1/MONTH"}`, "1/MONTH", false, false},
		{"no number", `{"url":"` + FrequencyURL + `","valueString":"DAY"}`, "DAY", true, true},
		{"never", `{"url":"` + FrequencyURL + `","valueString":"0/DAY"}`, "0/DAY", true, true},
		{"an unknown unit", `{"url":"` + FrequencyURL + `","valueString":"4/FORTNIGHT"}`, "4/FORTNIGHT", true, true},
		{"no value", `{"url":"` + FrequencyURL + `"}`, "", true, true},
		{"twice", `{"url":"` + FrequencyURL + `","valueString":"4/DAY"},{"url":"` + FrequencyURL + `","valueString":"9/DAY"}`, "9/DAY", true, false},
	} {
		in := []byte(`{"resourceType":"Consent","extension":[` + tt.extensions + `],"status":"active","scope":{"coding":[{"code":"patient-privacy"}]},` +
			`"category":[{"coding":[{"code":"59284-0"}]}],"patient":{"reference":"Patient/p"},"dateTime":"2026-02-01T10:00:00Z","policyRule":{"coding":[{"code":"OPTIN"}]},"provision":{"type":"permit"}}`)
		d, err := Read(in)
		if err != nil || d.Frequency != tt.often || d.Modified != tt.held {
			t.Errorf("%s: %q, held %t, %v; want %q, held %t", tt.name, d.Frequency, d.Modified, err, tt.often, tt.held)
		}
		var invalid *hie.InvalidError
		if _, _, err := ReadFiling(in, noon, time.UTC); errors.As(err, &invalid) != tt.refused {
			t.Errorf("%s: filing it gives %v", tt.name, err)
		}
	}
}
