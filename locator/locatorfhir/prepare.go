package locatorfhir

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// Names gives the public ids of what is stored.
type Names struct {
	Document func(locator.Ref) string
	List     func(record hie.SourcePatientID, id int64) string
}

// Documents returns how many documents p holds.
func (p *Provision) Documents() int { return len(p.docs) }

// Prepare completes a provision once its patient is known to be record, registered at site. References within
// the Bundle become references to what is stored.
func (p *Provision) Prepare(site directory.Site, record hie.SourcePatientID, names Names) (locator.Provision, error) {
	var out locator.Provision
	for i := range p.docs {
		s, err := p.docs[i].submission(site, record, names)
		if err != nil {
			return out, err
		}
		out.Documents = append(out.Documents, s)
	}
	for i := range p.lists {
		out.Lists = append(out.Lists, p.lists[i].list(site, record, names))
	}
	return out, nil
}

func (d *provided) submission(site directory.Site, record hie.SourcePatientID, names Names) (locator.Submission, error) {
	ptr, err := pointer(site, d.path, d.d)
	if err != nil {
		return locator.Submission{}, err
	}
	if err := checkCustodian(site, d.path, d.d.Custodian); err != nil {
		return locator.Submission{}, err
	}
	ptr.Record, ptr.Received = record, d.body
	within := false
	for i := range ptr.Relations {
		ptr.Relations[i].Target, ptr.Relations[i].Entry = d.targets[i].ref, d.targets[i].entry
		within = within || d.targets[i].entry > 0
	}
	s := locator.Submission{Pointer: ptr, Path: d.path}
	if within {
		s.Render = func(docs []locator.Ref) []byte { return d.render(docs, names) }
	}
	return s, nil
}

// checkCustodian refuses a custodian that is named by our own id and is not the publishing site's organisation.
// Other forms name the organisation in the sender's words and are kept as they came.
func checkCustodian(site directory.Site, path string, ref *fhir.Reference) error {
	if ref == nil {
		return nil
	}
	id, ok := localID(ref.Reference, "Organization", "")
	if !ok || !strings.HasPrefix(ref.Reference, "Organization/") || hie.OrgID(id) == site.Org {
		return nil
	}
	return &hie.InvalidError{Path: path + ".custodian", Rule: "must be the organization of the publishing site", Code: "business-rule", Detail: locator.ErrorMetadata}
}

// render writes the stored names of documents of the same Bundle into relatesTo.
func (d *provided) render(docs []locator.Ref, names Names) []byte {
	o, err := fhir.ParseObject(d.body)
	if err != nil {
		return d.body // it was read before; kept as it came
	}
	edited, err := fhir.EditArray(o.Value("relatesTo"), func(i int, rel *fhir.Object) error {
		if e := d.targets[i].entry; e > 0 {
			rel.Set("target", fhir.Reference{Reference: "DocumentReference/" + names.Document(docs[e-1])})
		}
		return nil
	})
	if err != nil {
		return d.body
	}
	o.Set("relatesTo", edited)
	return o.Bytes()
}

func (l *providedList) list(site directory.Site, record hie.SourcePatientID, names Names) locator.List {
	out := locator.List{Record: record, Custodian: site.Org, Code: l.code, Received: l.body, Entries: l.items}
	for _, id := range l.l.Identifier { // the unique id of the list: use usual, else the first
		if id.Value != "" && (out.Identifier.IsZero() || id.Use == "usual") {
			out.Identifier = hie.Identifier{System: id.System, Value: id.Value}
		}
	}
	out.Render = func(docs []locator.Ref, _ int64) []byte {
		o, err := fhir.ParseObject(l.body)
		if err != nil {
			return l.body
		}
		entries := make([]fhir.ListEntry, len(l.items))
		for i, n := range l.items {
			entries[i].Item.Reference = "DocumentReference/" + names.Document(docs[n-1])
		}
		if len(entries) > 0 {
			o.Set("entry", entries)
		}
		return o.Bytes()
	}
	return out
}

// A Published is one document to publish on its own, checked as far as that goes without knowing the patient.
type Published struct {
	Subject Subject
	doc     provided
}

// ReadPublished reads a DocumentReference that is posted on its own.
//
// Errors: *hie.InvalidError whose path begins with "DocumentReference".
//
// Source: IHE MHD ITI-105 with attachment.url in place of data; NRL producer API (spec locator section 2).
func ReadPublished(body []byte, known Known) (*Published, error) {
	d, err := decode(body)
	if err != nil {
		return nil, err
	}
	out := &Published{doc: provided{path: "DocumentReference", body: body, d: d}}
	if out.Subject, _, err = subjectOf("DocumentReference.subject", d.Subject, known.Base); err != nil {
		return nil, err
	}
	w := provider{known: known}
	for i, rel := range d.RelatesTo {
		t, err := w.target(at("DocumentReference.relatesTo", i)+".target", rel.Target, -1)
		if err != nil {
			return nil, err
		}
		out.doc.targets = append(out.doc.targets, t)
	}
	return out, nil
}

// Submission completes p once its patient is known to be record, registered at site.
func (p *Published) Submission(site directory.Site, record hie.SourcePatientID) (locator.Submission, error) {
	return p.doc.submission(site, record, Names{})
}

// SameRelations reports whether a revision states the relations that old has, or none.
func (p *Published) SameRelations(old locator.Pointer) bool {
	if len(p.doc.d.RelatesTo) == 0 {
		return len(old.Relations) == 0
	}
	if len(p.doc.d.RelatesTo) != len(old.Relations) {
		return false
	}
	for i, rel := range p.doc.d.RelatesTo {
		t := p.doc.targets[i]
		if rel.Code != old.Relations[i].Code || (t.ref != locator.Ref{} && t.ref != old.Relations[i].Target) {
			return false
		}
	}
	return true
}

// Warnings are what a publisher should know of a document that was accepted: that its address names the
// patient.
//
// Source: spec locator section 2 (urls must carry no patient identifier).
func Warnings(p locator.Pointer, identifiers []hie.Identifier) []fhir.Issue {
	named := slices.ContainsFunc(identifiers, func(id hie.Identifier) bool {
		return len(id.Value) >= 4 && strings.Contains(p.Location.Path, id.Value)
	})
	if !named {
		return nil
	}
	return []fhir.Issue{{Severity: "warning", Code: "business-rule", Expression: []string{"DocumentReference.content[0].attachment.url"},
		Diagnostics: "The address holds an identifier of the patient. Addresses end up in logs; use one that names only the document."}}
}

// ID returns the id the resource bears, or "".
func (p *Published) ID() string { return p.doc.d.ID }

// Keep puts address where the resource has served as its attachment.url, so that what was read here can be
// sent back unchanged.
func (p *Published) Keep(served, address string) {
	if len(p.doc.d.Content) != 1 || p.doc.d.Content[0].Attachment.URL != served {
		return
	}
	o, err := fhir.ParseObject(p.doc.body)
	if err != nil {
		return
	}
	content, err := fhir.EditArray(o.Value("content"), func(_ int, c *fhir.Object) error {
		a, err := fhir.ParseObject(c.Value("attachment"))
		if err != nil {
			return err
		}
		a.Set("url", address)
		c.Set("attachment", a)
		return nil
	})
	if err != nil {
		return
	}
	o.Set("content", content)
	p.doc.body = o.Bytes()
	p.doc.d.Content[0].Attachment.URL = address
}
