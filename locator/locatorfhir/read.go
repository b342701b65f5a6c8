// Package locatorfhir translates between pointers and FHIR: DocumentReference, List, the transaction Bundle
// of ITI-65 and the search parameters of ITI-67. It decides what is well formed and what Concord does not
// take in (documents themselves: Concord holds no charts); who may publish or see what is decided elsewhere.
//
// Source: IHE MHD 4.2 (ITI-65, 66, 67, 105); FHIR R4 DocumentReference, List, search; spec locator section 3.
package locatorfhir

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// maxList bounds how many elements of one list in a resource are taken (categories, authors, labels, ...).
const maxList = 200

// Read returns the pointer that received, a DocumentReference, states about record at site. ID, Custodian,
// Kind, Version and times of record keeping are not set; relations keep only what they say of their target.
// Dates without an offset are in the site's zone.
//
// Errors are *hie.InvalidError with a path that begins with "DocumentReference".
func Read(site directory.Site, record hie.SourcePatientID, received []byte) (locator.Pointer, error) {
	d, err := decode(received)
	if err != nil {
		return locator.Pointer{}, err
	}
	p, err := pointer(site, "DocumentReference", d)
	p.Record, p.Received = record, received
	return p, err
}

// maxResource bounds one DocumentReference in bytes: a page holds hundreds of them.
const maxResource = 256 << 10

func decode(received []byte) (fhir.DocumentReference, error) {
	var d fhir.DocumentReference
	if len(received) > maxResource {
		return d, &hie.InvalidError{Path: "DocumentReference", Rule: "must not be larger than 256 KiB", Code: "too-long"}
	}
	if err := fhir.Decode(received, &d); err != nil {
		return d, err
	}
	if d.ResourceType != "DocumentReference" {
		return d, &hie.InvalidError{Path: "resourceType", Rule: "must be DocumentReference", Code: "structure"}
	}
	return d, nil
}

// pointer translates d, which stands at path.
func pointer(site directory.Site, path string, d fhir.DocumentReference) (locator.Pointer, error) {
	r := reader{path: path, zone: zoneOf(site)}
	p := locator.Pointer{Site: site.ID, DocStatus: d.DocStatus, Size: -1}
	var known bool
	if p.Status, known = locator.ParseStatus(d.Status); !known {
		if d.Status == "" {
			return p, hie.Required(path + ".status")
		}
		return p, r.invalid("status", "code-invalid", "must be current, superseded or entered-in-error")
	}
	if d.ImplicitRules != "" {
		return p, r.invalid("implicitRules", "not-supported", "is not supported")
	}
	if len(d.ModifierExtension) > 0 {
		return p, r.invalid("modifierExtension", "extension", "must not be present: it could change what the rest means")
	}
	if d.MasterIdentifier != nil {
		p.MasterIdentifier = r.identifier("masterIdentifier", *d.MasterIdentifier)
	}
	for i, id := range bounded(&r, "identifier", d.Identifier) {
		p.Identifiers = append(p.Identifiers, r.identifier(fmt.Sprintf("identifier[%d]", i), id))
	}
	if d.Type != nil {
		p.Types = r.codings("type", d.Type.Coding)
	}
	p.Categories = r.concepts("category", d.Category)
	p.Labels = r.concepts("securityLabel", d.SecurityLabel)
	unread := slices.ContainsFunc(d.SecurityLabel, func(cc fhir.CodeableConcept) bool {
		return len(cc.Coding) == 0 || slices.ContainsFunc(cc.Coding, noCode)
	})
	if d.Meta != nil {
		p.Labels = append(p.Labels, r.codings("meta.security", d.Meta.Security)...)
		unread = unread || slices.ContainsFunc(d.Meta.Security, noCode)
	}
	if unread { // a label in words alone, or miswritten: there is one, and nobody knows which
		p.Labels = append(p.Labels, hie.Coding{})
	}
	p.Date = r.span("date", d.Date)
	for _, a := range bounded(&r, "author", d.Author) {
		p.Authors = append(p.Authors, author(a, d.Contained))
	}
	for i, rel := range bounded(&r, "relatesTo", d.RelatesTo) {
		out := locator.Relation{Code: rel.Code}
		if rel.Target.Identifier != nil {
			out.Identifier = r.identifier(fmt.Sprintf("relatesTo[%d].target.identifier", i), *rel.Target.Identifier)
		}
		p.Relations = append(p.Relations, out)
	}
	r.content(&p, site, d.Content)
	if c := d.Context; c != nil {
		r.context(&p, *c)
	}
	return p, r.err
}

// content reads the one content a pointer can have.
//
// Source: IHE MHD 4.2 DocumentReference Minimal (content 1..1); spec locator section 3 (hash, size).
func (r *reader) content(p *locator.Pointer, site directory.Site, content []fhir.DocumentReferenceContent) {
	if len(content) != 1 {
		r.fail("content", "structure", "must occur exactly once: a reference points to one document")
		return
	}
	a := content[0].Attachment
	switch {
	case a.Data != "":
		r.fail("content[0].attachment.data", "not-supported", "must not be present: documents stay at their site, which is named by attachment.url")
	case a.URL == "":
		r.required("content[0].attachment.url")
	case a.ContentType == "":
		r.required("content[0].attachment.contentType")
	}
	var ok bool
	if p.Location, ok = locator.Locate(site, a.URL); !ok && a.URL != "" && a.Data == "" {
		r.fail("content[0].attachment.url", "value", "must be relative, or an address at an endpoint of the publishing site")
	}
	p.ContentType, p.Language, p.Title = a.ContentType, a.Language, a.Title
	p.Creation = r.span("content[0].attachment.creation", a.Creation)
	if a.Size != nil {
		if p.Size = *a.Size; p.Size < 0 {
			r.fail("content[0].attachment.size", "value", "must not be negative")
		}
	}
	if a.Hash != "" {
		if p.Hash, ok = hash(a.Hash); !ok {
			r.fail("content[0].attachment.hash", "value", "must be a SHA-1 hash in base64")
			r.detail(locator.ErrorBadHash)
		}
	}
	if f := content[0].Format; f != nil {
		p.Formats = r.codings("content[0].format", []fhir.Coding{*f})
	}
}

// hash reads attachment.hash: the 20 bytes of SHA-1 in base64, or their 40 hexadecimal digits in base64 as the
// examples of MHD itself have them.
func hash(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, false
	}
	if len(b) == 40 {
		if b, err = hex.DecodeString(string(b)); err != nil {
			return nil, false
		}
	}
	return b, len(b) == 20
}

func (r *reader) context(p *locator.Pointer, c fhir.DocumentReferenceContext) {
	for _, e := range bounded(r, "context.encounter", c.Encounter) {
		p.Encounters = append(p.Encounters, referenceText(e)...)
	}
	for _, e := range bounded(r, "context.related", c.Related) {
		p.Related = append(p.Related, referenceText(e)...)
	}
	p.Events = r.concepts("context.event", c.Event)
	if c.FacilityType != nil {
		p.Facilities = r.codings("context.facilityType", c.FacilityType.Coding)
	}
	if c.PracticeSetting != nil {
		p.Settings = r.codings("context.practiceSetting", c.PracticeSetting.Coding)
	}
	if c.Period != nil {
		p.Period = locator.Span{Start: r.span("context.period.start", c.Period.Start).Start, End: r.span("context.period.end", c.Period.End).End}
		if !p.Period.Start.IsZero() && !p.Period.End.IsZero() && !p.Period.Start.Before(p.Period.End) {
			r.fail("context.period", "value", "must not end before it starts")
		}
	}
}

// referenceText returns what a reference can be sought by: its literal form and "system|value".
func referenceText(ref fhir.Reference) []string {
	var out []string
	if ref.Reference != "" && !strings.HasPrefix(ref.Reference, "#") {
		out = append(out, ref.Reference)
	}
	if id := ref.Identifier; id != nil && id.Value != "" {
		out = append(out, id.System+"|"+id.Value)
	}
	return out
}

// A reader keeps the first fault it meets.
type reader struct {
	path string
	zone *time.Location
	err  error
}

func (r *reader) invalid(at, code, rule string) error {
	return &hie.InvalidError{Path: r.path + "." + at, Rule: rule, Code: code, Detail: locator.ErrorMetadata}
}

func (r *reader) fail(at, code, rule string) {
	if r.err == nil {
		r.err = r.invalid(at, code, rule)
	}
}

func (r *reader) required(at string) { r.fail(at, "required", "is required") }

func (r *reader) detail(code string) {
	if inv, ok := r.err.(*hie.InvalidError); ok { //nolint:errorlint // made here
		inv.Detail = code
	}
}

// bounded returns at most maxList elements and faults more.
func bounded[T any](r *reader, at string, list []T) []T {
	if len(list) > maxList {
		r.fail(at, "too-long", fmt.Sprintf("must not occur more than %d times", maxList))
		return nil
	}
	return list
}

func (r *reader) identifier(at string, id fhir.Identifier) hie.Identifier {
	if id.Value == "" {
		r.required(at + ".value")
	}
	return hie.Identifier{System: id.System, Value: id.Value}
}

func (r *reader) codings(at string, cs []fhir.Coding) []hie.Coding {
	var out []hie.Coding
	for _, c := range bounded(r, at, cs) {
		if c.Code != "" {
			out = append(out, hie.Coding{System: c.System, Code: c.Code, Display: c.Display})
		}
	}
	return out
}

func noCode(c fhir.Coding) bool { return c.Code == "" }

func (r *reader) concepts(at string, ccs []fhir.CodeableConcept) []hie.Coding {
	var out []hie.Coding
	for _, cc := range bounded(r, at, ccs) {
		out = append(out, r.codings(at, cc.Coding)...)
	}
	if len(out) > maxList {
		r.fail(at, "too-long", fmt.Sprintf("must not hold more than %d codings", maxList))
	}
	return out
}

func (r *reader) span(at, value string) locator.Span {
	if value == "" {
		return locator.Span{}
	}
	s, ok := fhir.ParseSpan(value, r.zone)
	if !ok {
		r.fail(at, "value", "must be a date or time that exists")
	}
	return locator.Span{Start: s.Start, End: s.End}
}

// zones remembers time zones by name: loading one reads a file.
var zones sync.Map

func zoneOf(site directory.Site) *time.Location {
	if z, ok := zones.Load(site.Zone); ok {
		return z.(*time.Location)
	}
	zone, err := time.LoadLocation(site.Zone)
	if err != nil { // checked when the directory was made; without the machine's zone data UTC is what is left
		return time.UTC
	}
	zones.Store(site.Zone, zone)
	return zone
}

func at(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
