package locatorfhir

import (
	"strconv"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// Public are the public names a served resource bears.
type Public struct {
	// ID is the id of the DocumentReference or List, Patient that of its subject.
	ID, Patient string
	// URL is where the document is retrieved: an absolute URL of ours.
	URL string
}

// DocumentReference returns p as it is served: the bytes received, but for id, meta.versionId,
// meta.lastUpdated, status, the subject's reference and attachment.url. p needs Received.
func DocumentReference(p locator.Pointer, public Public) []byte {
	o := parsed(p.Received, "DocumentReference")
	o.Set("id", public.ID)
	setMeta(&o, p.Version, fhir.Instant(p.Updated))
	o.Set("status", p.Status.String())
	o.Set("subject", fhir.Reference{Reference: "Patient/" + public.Patient})
	content, err := fhir.EditKnown(o.Value("content"), func(_ int, c *fhir.Object) error {
		a, err := fhir.KnownObject(c.Value("attachment"))
		if err != nil {
			return err
		}
		a.Set("url", public.URL)
		a.Delete("data") // never stored; a site asked live may send it, and its bytes are not checked here
		c.Set("attachment", a)
		return nil
	})
	if err == nil {
		o.Set("content", content)
	} else {
		o.Delete("content")
	}
	return o.Bytes()
}

// List returns l as it is served: the bytes received, but for id, meta, the subject's reference and, in a
// folder, the documents that joined it since. document gives the public id of a document.
func List(l locator.List, public Public, document func(locator.Ref) string) []byte {
	o := parsed(l.Received, "List")
	o.Set("id", public.ID)
	setMeta(&o, 1, fhir.Instant(l.Recorded))
	o.Set("subject", fhir.Reference{Reference: "Patient/" + public.Patient})
	entries := make([]fhir.ListEntry, len(l.Items))
	for i, item := range l.Items {
		entries[i].Item.Reference = "DocumentReference/" + document(item)
	}
	if len(entries) > 0 {
		o.Set("entry", entries)
	} else {
		o.Delete("entry")
	}
	return o.Bytes()
}

func setMeta(o *fhir.Object, version int64, updated string) {
	meta, err := fhir.KnownObject(o.Value("meta"))
	if err != nil {
		meta, _ = fhir.ParseObject([]byte(`{}`)) // absent
	}
	meta.Set("versionId", strconv.FormatInt(version, 10))
	meta.Set("lastUpdated", updated)
	o.Set("meta", meta)
}

// parsed reads stored bytes. They were read once before they were stored, so what cannot be read is damage; it
// is served as the bare resource rather than as whatever it has become.
func parsed(b []byte, kind string) fhir.Object {
	o, err := fhir.KnownObject(b)
	if err != nil {
		o, _ = fhir.ParseObject([]byte(`{"resourceType":"` + kind + `"}`)) // a constant
	}
	return o
}
