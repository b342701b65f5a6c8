package locatorfhir

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/go-json-experiment/json"
)

// maxEntries bounds a transaction Bundle: the documents of one publication, their submission set, and as many
// folders and patches again. A larger one is hie.ErrTooLarge.
const maxEntries = 2*locator.MaxDocuments + 2

const profileBase = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD."

// profiles are the Bundles of ITI-65, true for those with comprehensive metadata.
var profiles = map[string]bool{
	profileBase + "Minimal.ProvideBundle":                   false,
	profileBase + "Comprehensive.ProvideBundle":             true,
	profileBase + "UnContained.Comprehensive.ProvideBundle": true,
}

// A Subject says whom a resource is about, as its sender named them.
type Subject struct {
	hie.Private
	// Path is where it stands.
	Path string
	// PatientID is the public id of a Patient here, or "".
	PatientID string
	// Identifiers are what else names the patient: a logical reference's identifier, or those of the Patient
	// that came in the same Bundle. The first that means somebody counts.
	Identifiers []hie.Identifier
}

// An Entry is one entry of a transaction as it was understood; the answer names its outcome in the same place.
type Entry struct {
	// Kind is "DocumentReference", "List", "Patient" or "Parameters".
	Kind string
	// Index is the position among the documents (DocumentReference) or lists (List).
	Index int
	// Target is the document a Parameters entry says is superseded.
	Target locator.Ref
}

// A Provision is a Provide Document Bundle request, checked as far as that goes without knowing the patient.
type Provision struct {
	Entries []Entry
	// Subjects are the different ways in which the resources name their patient. All must mean one record.
	Subjects []Subject

	docs  []provided
	lists []providedList
}

type provided struct {
	path    string
	body    []byte
	d       fhir.DocumentReference
	targets []target // of relatesTo, in order
}

// A target is what a relatesTo points to: a document of the bundle (entry, from 1), one here, or neither.
type target struct {
	entry int
	ref   locator.Ref
}

type providedList struct {
	path  string
	body  []byte
	l     fhir.List
	code  string
	items []int
}

// ReadProvision reads the transaction Bundle of ITI-65 and checks it in the order of its profile: the Bundle,
// the closed set of entries, the submission set, each document, references within the Bundle, and superseding.
//
// Errors: hie.ErrTooLarge; *hie.InvalidError whose path begins with "Bundle" and whose Detail is an ITI code.
//
// Source: IHE MHD 4.2, 2:3.65.4.1; spec locator section 3.
func ReadProvision(data []byte, known Known) (*Provision, error) {
	var b fhir.Bundle
	if err := fhir.Decode(data, &b); err != nil {
		return nil, err
	}
	comprehensive, err := checkBundle(b)
	if err != nil {
		return nil, err
	}
	w := provider{b: b, known: known, comprehensive: comprehensive, p: &Provision{}, docAt: map[string]int{}, listAt: map[string]int{}, patientAt: map[string]fhir.Contained{}}
	for _, step := range []func() error{w.sort, w.checkLists, w.checkDocuments, w.checkPatches, w.subjects} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return w.p, nil
}

func metadataError(path, code, rule string) error {
	return &hie.InvalidError{Path: path, Rule: rule, Code: code, Detail: locator.ErrorMetadata}
}

func checkBundle(b fhir.Bundle) (comprehensive bool, err error) {
	switch {
	case b.ResourceType != "Bundle":
		return false, &hie.InvalidError{Path: "resourceType", Rule: "must be Bundle", Code: "structure"}
	case b.Type != "transaction":
		return false, &hie.InvalidError{Path: "Bundle.type", Rule: "must be transaction", Code: "not-supported"}
	case len(b.Entry) > maxEntries:
		return false, fmt.Errorf("locatorfhir: bundle: %w", hie.ErrTooLarge)
	case b.Meta == nil || len(b.Meta.Profile) == 0:
		return false, metadataError("Bundle.meta.profile", "required", "must name one of the Provide Document Bundle profiles of MHD")
	}
	found := false
	for _, p := range b.Meta.Profile {
		p, _, _ = strings.Cut(p, "|")
		if full, ok := profiles[p]; ok {
			found, comprehensive = true, comprehensive || full
		}
	}
	if !found {
		return false, metadataError("Bundle.meta.profile", "not-supported", "must name one of the Provide Document Bundle profiles of MHD")
	}
	return comprehensive, nil
}

// A provider reads one transaction.
type provider struct {
	b             fhir.Bundle
	known         Known
	comprehensive bool
	p             *Provision
	// docAt, listAt and patientAt find entries by fullUrl.
	docAt, listAt map[string]int
	patientAt     map[string]fhir.Contained
	patches       []int // entries
	replaced      []locator.Ref
}

// sort puts each entry where it belongs and refuses what does not belong into this transaction.
func (w *provider) sort() error {
	seen := map[string]bool{}
	for i, e := range w.b.Entry {
		at := fmt.Sprintf("Bundle.entry[%d]", i)
		switch {
		case e.Request == nil || e.Request.Method == "" || e.Request.URL == "":
			return metadataError(at+".request", "required", "must say method and url")
		case len(e.Resource) == 0 && e.Request.Method != http.MethodGet:
			return metadataError(at+".resource", "required", "is required")
		case e.FullURL != "" && seen[e.FullURL]:
			return metadataError(at+".fullUrl", "duplicate", "is used twice")
		}
		seen[e.FullURL] = e.FullURL != ""
		if e.Request.IfNoneExist != "" || e.Request.IfMatch != "" {
			return metadataError(at+".request", "not-supported", "must not be conditional: a document is recognised by its masterIdentifier")
		}
		kind := "Patient"
		if len(e.Resource) > 0 {
			var err error
			if kind, err = fhir.ResourceType(e.Resource); err != nil {
				return metadataError(at+".resource", "structure", "must be a FHIR resource")
			}
		}
		if err := w.sortOne(i, at, kind, e); err != nil {
			return err
		}
	}
	return nil
}

func (w *provider) sortOne(i int, at, kind string, e fhir.BundleEntry) error {
	method := e.Request.Method
	switch kind {
	case "DocumentReference":
		if method != "POST" || e.Request.URL != kind {
			return metadataError(at+".request", "not-supported", "must be POST DocumentReference")
		}
		w.docAt[e.FullURL] = len(w.p.docs)
		w.p.Entries = append(w.p.Entries, Entry{Kind: kind, Index: len(w.p.docs)})
		w.p.docs = append(w.p.docs, provided{path: at + ".resource", body: e.Resource})
	case "List":
		if method != "POST" || e.Request.URL != kind {
			return metadataError(at+".request", "not-supported", "must be POST List: a folder is not updated here")
		}
		w.listAt[e.FullURL] = len(w.p.lists)
		w.p.Entries = append(w.p.Entries, Entry{Kind: kind, Index: len(w.p.lists)})
		w.p.lists = append(w.p.lists, providedList{path: at + ".resource", body: e.Resource})
	case "Parameters":
		if method != "PATCH" {
			return metadataError(at+".request", "not-supported", "must be PATCH DocumentReference/[id]")
		}
		w.patches = append(w.patches, i)
		w.p.Entries = append(w.p.Entries, Entry{Kind: kind})
	case "Patient":
		if !slices.Contains([]string{"GET", "POST", "PUT"}, method) {
			return metadataError(at+".request", "not-supported", "must be GET, POST or PUT")
		}
		if len(w.patientAt) > 0 {
			return metadataError(at, "structure", "must be the only Patient of the Bundle")
		}
		var patient fhir.Contained
		if len(e.Resource) > 0 {
			if err := fhir.Decode(e.Resource, &patient); err != nil {
				return metadataError(at+".resource", "structure", "must be a Patient")
			}
		}
		w.patientAt[e.FullURL] = patient
		w.p.Entries = append(w.p.Entries, Entry{Kind: kind})
	case "Binary":
		return &hie.InvalidError{Path: at, Rule: "must not be a Binary: documents stay at their site, which is named by attachment.url", Code: "not-supported", Detail: locator.ErrorMetadata}
	case "Bundle":
		return &hie.InvalidError{Path: at, Rule: "must not be a document Bundle: documents stay at their site, which is named by attachment.url", Code: "not-supported", Detail: "FHIRDocumentNotSupported"}
	default:
		return metadataError(at+".resource", "not-supported", "must be a List, a DocumentReference, a Patient, or Parameters that supersede")
	}
	return nil
}

func (w *provider) checkDocuments() error {
	if len(w.p.docs) > locator.MaxDocuments {
		return fmt.Errorf("locatorfhir: bundle: %w", hie.ErrTooLarge)
	}
	for i := range w.p.docs {
		doc := &w.p.docs[i]
		d, err := decode(doc.body)
		if err != nil {
			return under(doc.path, err)
		}
		doc.d = d
		if err := checkMinimal(doc.path, d); err != nil {
			return err
		}
		if w.comprehensive {
			if err := checkComprehensive(doc.path, d); err != nil {
				return err
			}
		}
		for j, rel := range d.RelatesTo {
			t, err := w.target(fmt.Sprintf("%s.relatesTo[%d].target", doc.path, j), rel.Target, i)
			if err != nil {
				return err
			}
			doc.targets = append(doc.targets, t)
			if rel.Code == "replaces" {
				w.replaced = append(w.replaced, t.ref)
			}
		}
	}
	return nil
}

// target resolves what a relatesTo of document self points to.
func (w *provider) target(path string, ref fhir.Reference, self int) (target, error) {
	if n, ok := w.docAt[ref.Reference]; ok && ref.Reference != "" {
		if n == self {
			return target{}, metadataError(path, "business-rule", "must name another document")
		}
		return target{entry: n + 1}, nil
	}
	if ref.Reference == "" {
		if ref.Identifier == nil || ref.Identifier.Value == "" {
			return target{}, metadataError(path, "required", "must name a document")
		}
		return target{}, nil
	}
	id, ok := localID(ref.Reference, "DocumentReference", w.known.Base)
	if ok {
		var r locator.Ref
		if r, ok = w.known.Document(id); ok {
			return target{ref: r}, nil
		}
	}
	return target{}, &hie.InvalidError{Path: path, Rule: "must name a document you published", Code: "not-found", Detail: locator.ErrorUnresolved}
}

// checkPatches reads the Parameters that set a document's status to superseded. They confirm what a document
// of the same Bundle replaces; superseding without a replacement is not offered.
//
// Source: IHE MHD 4.2, 2:3.65.4.1.2 (FHIRPath patch); spec locator section 5 ("Replace": the server decides).
func (w *provider) checkPatches() error {
	n := 0
	for k := range w.p.Entries {
		if w.p.Entries[k].Kind != "Parameters" {
			continue
		}
		i := w.patches[n]
		n++
		at := fmt.Sprintf("Bundle.entry[%d]", i)
		var params fhir.Parameters
		if err := fhir.Decode(w.b.Entry[i].Resource, &params); err != nil {
			return under(at+".resource", err)
		}
		if !supersedes(params) {
			return metadataError(at+".resource", "not-supported", "must replace DocumentReference.status by superseded and nothing else")
		}
		id, ok := localID(w.b.Entry[i].Request.URL, "DocumentReference", w.known.Base)
		var ref locator.Ref
		if ok {
			ref, ok = w.known.Document(id)
		}
		if !ok {
			return &hie.InvalidError{Path: at + ".request.url", Rule: "must name a document you published", Code: "not-found", Detail: locator.ErrorUnresolved}
		}
		if !slices.Contains(w.replaced, ref) {
			return metadataError(at, "business-rule", "must name a document that one of this Bundle replaces")
		}
		w.p.Entries[k].Target = ref
	}
	return nil
}

func supersedes(params fhir.Parameters) bool {
	if len(params.Parameter) != 1 || params.Parameter[0].Name != "operation" {
		return false
	}
	said := map[string]string{}
	for _, part := range params.Parameter[0].Part {
		said[part.Name] = part.ValueString + part.ValueCode
	}
	return len(said) == 3 && said["path"] == "DocumentReference.status" && said["type"] == "replace" && said["value"] == "superseded"
}

// under puts an error's path below where its resource stands.
func under(path string, err error) error {
	inv, ok := err.(*hie.InvalidError) //nolint:errorlint // made by fhir.Decode or here
	if !ok {
		return err
	}
	out := *inv
	_, rest, found := strings.Cut(inv.Path, ".")
	out.Path = path
	if found {
		out.Path += "." + rest
	}
	if out.Detail == "" {
		out.Detail = locator.ErrorMetadata
	}
	return &out
}

// subjects gathers how the resources name their patient.
func (w *provider) subjects() error {
	set := &fhir.Reference{}
	for _, l := range w.p.lists {
		if l.code == "submissionset" && l.l.Subject != nil {
			set = l.l.Subject
		}
	}
	seen := map[string]bool{}
	note := func(path string, ref *fhir.Reference) error {
		s, key, err := w.subject(path, ref)
		if err == nil && !seen[key] {
			seen[key] = true
			w.p.Subjects = append(w.p.Subjects, s)
		}
		return err
	}
	for i := range w.p.docs {
		ref := w.p.docs[i].d.Subject
		if ref == nil {
			ref = set
		}
		if err := note(w.p.docs[i].path+".subject", ref); err != nil {
			return err
		}
	}
	for _, l := range w.p.lists {
		if l.l.Subject != nil {
			if err := note(l.path+".subject", l.l.Subject); err != nil {
				return err
			}
		}
	}
	if len(w.p.Subjects) == 0 {
		return unknownPatient("Bundle.entry")
	}
	return nil
}

func unknownPatient(path string) error {
	return &hie.InvalidError{Path: path, Rule: "must name a patient registered by a site of yours", Code: "not-found", Detail: locator.ErrorUnknownPatient}
}

func (w *provider) subject(path string, ref *fhir.Reference) (Subject, string, error) {
	if patient, ok := w.patientAt[ref.Reference]; ok && ref.Reference != "" {
		s := Subject{Path: path}
		var ids []fhir.Identifier
		if patient.Identifier.Kind() == '[' {
			if err := json.Unmarshal(patient.Identifier, &ids); err != nil {
				return s, "", unknownPatient(path)
			}
		}
		for _, id := range ids {
			if id.System != "" && id.Value != "" {
				s.Identifiers = append(s.Identifiers, hie.Identifier{System: id.System, Value: id.Value})
			}
		}
		return s, "entry", nil
	}
	return subjectOf(path, ref, w.known.Base)
}

// subjectOf reads a reference to a patient here, or a logical one by identifier. key is equal for equal ones.
func subjectOf(path string, ref *fhir.Reference, base string) (s Subject, key string, err error) {
	s = Subject{Path: path}
	if ref == nil {
		return s, "", unknownPatient(path)
	}
	if id, ok := localID(ref.Reference, "Patient", base); ok {
		s.PatientID = id
		return s, "id " + id, nil
	}
	if id := ref.Identifier; ref.Reference == "" && id != nil && id.System != "" && id.Value != "" {
		s.Identifiers = []hie.Identifier{{System: id.System, Value: id.Value}}
		return s, "identifier " + id.System + "|" + id.Value, nil
	}
	return s, "", unknownPatient(path)
}
