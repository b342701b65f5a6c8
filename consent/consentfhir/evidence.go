package consentfhir

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// ReadEvidence reads the document that comes with a Consent: a DocumentReference with the scan, or a
// QuestionnaireResponse. The hash is of the bytes of an inline attachment, else of the resource as received, which is
// kept either way. Errors: *hie.InvalidError with the FHIRPath.
//
// Source: HL7 FAST consent management, $file-consent ("document"); US Core DocumentReference.
func ReadEvidence(resource []byte) (consent.Evidence, error) {
	kind, err := fhir.ResourceType(resource)
	if err != nil {
		return consent.Evidence{}, err
	}
	e := consent.Evidence{Kind: "form", Method: "electronic", MediaType: "application/fhir+json", Size: int64(len(resource)), Content: resource, Capacity: consent.CapacityPatient}
	switch kind {
	case "QuestionnaireResponse":
	case "DocumentReference":
		var d struct {
			Content []struct {
				Attachment *fhir.Attachment `json:"attachment"`
			} `json:"content"`
		}
		if err := fhir.Decode(resource, &d); err != nil {
			return consent.Evidence{}, err
		}
		if len(d.Content) == 0 || d.Content[0].Attachment == nil {
			return consent.Evidence{}, hie.Required("DocumentReference.content.attachment")
		}
		e.Kind, e.Method = "scan", "paper"
		a := d.Content[0].Attachment
		if a.Data != "" {
			return withAttachment(e, a, "DocumentReference.content[0].attachment")
		}
		if a.URL == "" {
			return consent.Evidence{}, hie.Required("DocumentReference.content[0].attachment.data")
		}
	default:
		return consent.Evidence{}, &hie.InvalidError{Path: "resourceType", Rule: "must be DocumentReference or QuestionnaireResponse", Code: "not-supported"}
	}
	e.Hash = Hash(resource)
	return e, nil
}

// withAttachment takes hash, kind and size from an inline attachment.
func withAttachment(e consent.Evidence, a *fhir.Attachment, path string) (consent.Evidence, error) {
	data, err := base64.StdEncoding.DecodeString(a.Data)
	if err != nil || len(data) == 0 {
		return consent.Evidence{}, &hie.InvalidError{Path: path + ".data", Rule: "must be base64", Code: "value"}
	}
	e.Hash, e.Size, e.MediaType = Hash(data), int64(len(data)), a.ContentType
	if e.MediaType == "" {
		e.MediaType = "application/octet-stream"
	}
	return e, nil
}

func Hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// attached returns the evidence inside a Consent: its sourceAttachment with data, whose bytes are in the Consent itself.
func attached(c *fhir.Consent) ([]consent.Evidence, error) {
	if c.SourceAttachment == nil || c.SourceAttachment.Data == "" {
		return nil, nil
	}
	e, err := withAttachment(consent.Evidence{Kind: "scan", Method: "paper", Capacity: consent.CapacityPatient}, c.SourceAttachment, "Consent.sourceAttachment")
	if err != nil {
		return nil, err
	}
	return []consent.Evidence{e}, nil
}
