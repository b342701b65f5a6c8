package sim

import (
	"crypto/sha1" //nolint:gosec // FHIR R4 Attachment.hash and MHD are defined on SHA-1
	"encoding/base64"
	"fmt"
	"time"
)

// A Document is one document a site keeps about one of its patients: what its reference says. Bytes makes its
// content.
type Document struct {
	Registration Registration
	// N counts a registration's documents from 0, oldest first.
	N int
	// ID names it at its site: 39 characters of [0-9a-v] that tell nothing about the patient.
	ID string
	// UID is its unique id, a urn:uuid.
	UID      string
	Type     Code // LOINC
	Category Code // LOINC
	Format   Code
	// ContentType is "application/xml" (C-CDA), "application/pdf", "text/plain" or "application/fhir+json".
	ContentType string
	Created     time.Time // UTC, to the second
	Start, End  time.Time // of the visit
	Author      string    // a clinician's name
	// Confidentiality is N, R or V; Sensitivity codes of v3-ActCode, nil for none.
	Confidentiality string
	Sensitivity     []string

	papers *papers
	site   Site
}

// A Code is a coded value.
type Code struct{ System, Code, Display string }

const loinc = "http://loinc.org"

func lc(code, display string) Code { return Code{loinc, code, display} }

// A kind of document: what a site of a kind writes, and how often.
type kind struct {
	typ, category Code
	weight        int
	sensitivity   []string
	restricted    bool
}

var (
	summary   = lc("34133-9", "Summary of episode note")
	consult   = lc("11488-4", "Consult note")
	discharge = lc("18842-5", "Discharge summary")
	lab       = lc("11502-2", "Laboratory report")
	radiology = lc("18748-4", "Diagnostic imaging study")
	plan      = lc("18776-5", "Plan of care note")
	progress  = lc("11506-3", "Progress note")
	note      = lc("34109-9", "Note")
)

// kinds is what each kind of site writes. A "clinic" writes what a practice does.
var kinds = map[string][]kind{
	"hospital": {
		{typ: discharge, category: discharge, weight: 4},
		{typ: lc("34111-5", "Emergency department Note"), category: note, weight: 3},
		{typ: lab, category: lab, weight: 5},
		{typ: radiology, category: radiology, weight: 3},
		{typ: lc("34117-2", "History and physical note"), category: note, weight: 2},
		{typ: lc("11504-8", "Surgical operation note"), category: note, weight: 1},
		{typ: lc("34788-0", "Psychiatry Consult note"), category: consult, weight: 1, sensitivity: []string{"PSY"}, restricted: true},
	},
	"practice": {
		{typ: summary, category: summary, weight: 3},
		{typ: progress, category: note, weight: 5},
		{typ: lab, category: lab, weight: 3},
		{typ: lc("11369-6", "History of Immunization note"), category: summary, weight: 1},
	},
	"cardiology": {
		{typ: lc("34099-2", "Cardiology Consult note"), category: consult, weight: 3},
		{typ: lc("11524-6", "EKG study"), category: radiology, weight: 2},
	},
	"part2-program": {
		{typ: consult, category: consult, weight: 2, sensitivity: []string{"ETH"}, restricted: true},
		{typ: plan, category: plan, weight: 2, sensitivity: []string{"ETH"}, restricted: true},
		{typ: progress, category: note, weight: 3, sensitivity: []string{"ETH"}, restricted: true},
	},
	"housing-agency": {{typ: plan, category: plan, weight: 1}, {typ: note, category: note, weight: 1}},
	"imaging":        {{typ: radiology, category: radiology, weight: 1}},
}

const formats = "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"

// contents is how a document may come.
var contents = []struct {
	contentType string
	format      Code
}{
	{"application/xml", Code{formats, "urn:hl7-org:sdwg:ccda-structuredBody:2.1", "C-CDA 2.1 structured body"}},
	{"application/xml", Code{formats, "urn:hl7-org:sdwg:ccda-structuredBody:2.1", "C-CDA 2.1 structured body"}},
	{"application/pdf", Code{formats, "urn:ihe:iti:xds:2017:mimeTypeSufficient", "mimeType Sufficient"}},
	{"text/plain", Code{formats, "urn:ihe:iti:xds:2017:mimeTypeSufficient", "mimeType Sufficient"}},
	{"application/fhir+json", Code{formats, "urn:ihe:iti:xds:2017:mimeTypeSufficient", "mimeType Sufficient"}},
}

var clinicians = []string{"Avery Bloom", "Noor Hadley", "Samir Voss", "Ingrid Tate", "Calvin Roe", "Yuki Marlow", "Bianca Frost", "Peter Nakamura"}

// Document returns the n-th document of g, 0 <= n < g.Documents. It is the same each time.
func (r *Region) Document(g Registration, n int) Document {
	site, _ := r.Site(g.Site)
	return r.document(site, g, n)
}

func (r *papers) document(site Site, g Registration, n int) Document {
	of := kinds[site.Kind]
	if of == nil {
		of = kinds["practice"]
	}
	rnd := source(r.seed, "document", g.Index, n)
	k := weighted(of, rnd.IntN)
	c := contents[rnd.IntN(len(contents))]
	d := Document{Registration: g, N: n, ID: r.ids.ID("doc", int64(g.Index), int64(n)), Type: k.typ, Category: k.category,
		Format: c.format, ContentType: c.contentType, Author: pick(rnd, clinicians), Confidentiality: "N", Sensitivity: k.sensitivity,
		papers: r, site: site}
	if k.restricted {
		d.Confidentiality = "R"
	}
	d.UID = fmt.Sprintf("urn:uuid:%08x-%04x-4%03x-8%03x-%012x", rnd.Uint32(), rnd.Uint32()>>16, rnd.Uint32()>>20, rnd.Uint32()>>20, rnd.Uint64()>>16)

	// Visits are spread over the years up to the last one, the n-th document in the n-th share of them.
	until := Today.AddDate(0, 0, -3)
	if g.Death != "" {
		until, _ = time.Parse(time.DateOnly, g.Death)
	}
	from := until.AddDate(-8, 0, 0)
	if born, err := time.Parse(time.DateOnly, g.Birth); err == nil && born.After(from) && born.Before(until) {
		from = born
	}
	step := until.Sub(from) / time.Duration(g.Documents)
	d.Start = from.Add(step*time.Duration(n) + time.Duration(rnd.Int64N(int64(step)))).Truncate(time.Minute)
	d.End = d.Start.Add(time.Duration(15+rnd.IntN(300)) * time.Minute)
	d.Created = d.End.Add(time.Duration(5+rnd.IntN(600)) * time.Minute)
	return d
}

// ByID returns the document of site that ID names.
func (r *Region) ByID(site, id string) (Document, bool) {
	g, n, err := r.ids.OpenID("doc", id)
	if err != nil || g < 0 || g >= int64(len(r.Registrations)) {
		return Document{}, false
	}
	reg := r.Registrations[g]
	if reg.Site != site || n < 0 || n >= int64(reg.Documents) {
		return Document{}, false
	}
	return r.Document(reg, int(n)), true
}

// Hash returns the base64 SHA-1 of content, as FHIR R4 Attachment.hash wants it.
func Hash(content []byte) string {
	sum := sha1.Sum(content) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

func weighted(of []kind, intn func(int) int) kind {
	total := 0
	for _, k := range of {
		total += k.weight
	}
	x := intn(total)
	for _, k := range of {
		if x -= k.weight; x < 0 {
			return k
		}
	}
	return of[len(of)-1]
}
