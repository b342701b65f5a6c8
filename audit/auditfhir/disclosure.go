package auditfhir

import (
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// A Disclosure is what a site tells of a disclosure it made itself.
type Disclosure struct {
	// At is when, Recipient the organisation it went to, "" when none is named by a reference.
	At        time.Time
	Recipient hie.OrgID
	Purposes  []hie.Purpose
}

// ReadDisclosure reads an AuditEvent in which a site tells of a disclosure; now bounds its time. Nothing else of the
// AuditEvent is taken over: it may say anything. Errors: *hie.InvalidError with the FHIRPath.
//
// Source: HL7 FAST consent management, FASTConsentAuditEvent; IHE BALP, PrivacyDisclosure.
func ReadDisclosure(resource []byte, now time.Time) (Disclosure, error) {
	var e fhir.AuditEvent
	if err := fhir.Decode(resource, &e); err != nil {
		return Disclosure{}, err
	}
	if e.ResourceType != "AuditEvent" {
		return Disclosure{}, hie.Invalid("resourceType", "must be AuditEvent")
	}
	if e.Recorded == "" {
		return Disclosure{}, hie.Required("AuditEvent.recorded")
	}
	at, err := time.Parse(time.RFC3339Nano, e.Recorded)
	if err != nil || at.After(now) {
		return Disclosure{}, &hie.InvalidError{Path: "AuditEvent.recorded", Rule: "must be an instant that has come", Code: "value"}
	}
	out := Disclosure{At: at}
	for _, c := range e.PurposeOfEvent {
		for _, k := range c.Coding {
			if k.System == actReason && k.Code != "" {
				out.Purposes = append(out.Purposes, hie.Purpose(k.Code))
			}
		}
	}
	for _, a := range e.Agent {
		if a.Type == nil || a.Who == nil || out.Recipient != "" {
			continue
		}
		for _, k := range a.Type.Coding {
			if k.Code == recipient.Code || k.Code == destination.Code || k.Code == provider.Code {
				if id, ok := strings.CutPrefix(a.Who.Reference, "Organization/"); ok {
					out.Recipient = hie.OrgID(id)
				}
			}
		}
	}
	return out, nil
}
