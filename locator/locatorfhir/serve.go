package locatorfhir

import (
	"strconv"
	"sync"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/go-json-experiment/json/jsontext"
)

// Public are the public names a served resource bears.
type Public struct {
	// ID is the id of the DocumentReference or List, Patient that of its subject.
	ID, Patient string
	// URL is where the document is retrieved: an absolute URL of ours.
	URL string
	// Marks are what its meta bears besides, nil for nothing.
	Marks Marks
}

// Marks are how a resource is to be handled: they stand in its meta after what was received there.
//
// Source: HL7 FHIR R4 security labels.
type Marks struct {
	Security []fhir.Coding
	Display  []fhir.Extension
}

// DocumentReference returns p as it is served: the bytes received, but for id, meta.versionId,
// meta.lastUpdated, marks, status, the subject's reference and attachment.url. p needs Received.
func DocumentReference(p locator.Pointer, public Public) []byte {
	d := desks.Get().(*desk)
	defer d.tidy()
	o := &d.resource
	if o.Know(p.Received) != nil {
		o.SetRaw("resourceType", d.text("DocumentReference")) // see parsed
	}
	o.SetRaw("id", d.text(public.ID))
	_ = d.meta.Know(o.Value("meta")) // absent is empty
	d.meta.SetRaw("versionId", d.text(strconv.FormatInt(p.Version, 10)))
	d.meta.SetRaw("lastUpdated", d.text(fhir.Instant(p.Updated)))
	if public.Marks.Security != nil || public.Marks.Display != nil {
		extend(&d.meta, "security", public.Marks.Security)
		extend(&d.meta, "extension", public.Marks.Display)
	}
	o.SetRaw("meta", d.cut(d.meta.Append(d.small)))
	o.SetRaw("status", d.text(p.Status.String()))
	o.SetRaw("subject", d.cut(fhir.AppendReference(d.small, "Patient/"+public.Patient)))
	url := d.text(public.URL)
	var err error
	d.content, err = fhir.AppendKnown(d.content[:0], o.Value("content"), &d.item, func(_ int, c *fhir.Object) error {
		a := &d.attachment
		if err := a.Know(c.Value("attachment")); err != nil {
			return err
		}
		a.SetRaw("url", url)
		a.Delete("data") // never stored; a site asked live may send it, and its bytes are not checked here
		c.SetRaw("attachment", d.cut(a.Append(d.small)))
		return nil
	})
	if err == nil {
		o.SetRaw("content", d.content)
	} else {
		o.Delete("content")
	}
	return o.Bytes()
}

// extend appends values to the list that is o's member called name; what is no list gives way.
func extend[T any](o *fhir.Object, name string, values []T) {
	if values == nil {
		return
	}
	var list []jsontext.Value
	if fhir.Decode(o.Value(name), &list) != nil {
		list = nil
	}
	for _, v := range values {
		list = append(list, fhir.Encode(v))
	}
	o.SetRaw(name, fhir.Encode(list))
}

// A desk is what a resource is taken apart and put together on. Pages hold many resources, so desks are kept.
type desk struct {
	resource, meta, item, attachment fhir.Object
	// small holds values made for the resource, content its content as it will be.
	small, content []byte
}

var desks = sync.Pool{New: func() any { return new(desk) }}

// maxDesk bounds what a desk that is kept may hold.
const maxDesk = 64 << 10

// cut returns what grown, which is d.small with something appended, has more than d.small, and keeps it there.
func (d *desk) cut(grown []byte) []byte {
	at := len(d.small)
	d.small = grown
	return grown[at:len(grown):len(grown)]
}

// text returns s as JSON.
func (d *desk) text(s string) []byte { return d.cut(fhir.AppendString(d.small, s)) }

// tidy puts d back, with nothing on it.
func (d *desk) tidy() {
	for _, o := range []*fhir.Object{&d.resource, &d.meta, &d.item, &d.attachment} {
		o.Clear()
	}
	if d.small, d.content = d.small[:0], d.content[:0]; cap(d.small)+cap(d.content) <= maxDesk {
		desks.Put(d)
	}
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
