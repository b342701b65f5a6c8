package consentfhir

import (
	"bytes"
	"strconv"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json/jsontext"
)

// Exported returns v as one line of R4 JSON that [ReadFiling] makes v of again: the patient named by patient, and what
// stands beside the content said in it (status, reach, verification, the instant of signing).
func Exported(v consent.Version, patient hie.Identifier) ([]byte, error) {
	b, err := Render(v, strconv.FormatInt(v.ID, 10))
	if err != nil {
		return nil, err
	}
	o, err := fhir.ParseObject(b)
	if err != nil {
		return nil, err
	}
	o.Set("patient", fhir.Reference{Identifier: &fhir.Identifier{System: patient.System, Value: patient.Value}})
	o.Set("status", v.Status)
	meta, err := fhir.ParseObject(o.Value("meta"))
	if err != nil {
		return nil, err
	}
	meta.Set("lastUpdated", v.Filed.UTC().Format("2006-01-02T15:04:05.000000Z")) // whole, since order hangs on it
	o.Set("meta", meta)
	if !v.Signed.IsZero() {
		o.Set("dateTime", v.Signed.UTC().Format(time.RFC3339Nano))
	}
	if !v.Verified {
		no := false
		o.Set("verification", []fhir.ConsentVerification{{Verified: &no}})
	}
	if err := sayReach(&o, v.NetworkWide); err != nil {
		return nil, err
	}
	line := jsontext.Value(o.Bytes())
	if err := line.Compact(); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(line), nil
}

// sayReach states how far the consent was meant, when it does not say so itself.
func sayReach(o *fhir.Object, wide bool) error {
	var extensions []jsontext.Value
	if raw := o.Value("extension"); raw != nil {
		if err := fhir.Decode(raw, &extensions); err != nil {
			return err
		}
	}
	for _, e := range extensions {
		var x fhir.Extension
		if fhir.Decode(e, &x) == nil && x.URL == ReachURL {
			return nil
		}
	}
	code := "site"
	if wide {
		code = "network"
	}
	o.Set("extension", append(extensions, fhir.Encode(fhir.Extension{URL: ReachURL, ValueCode: code})))
	return nil
}
