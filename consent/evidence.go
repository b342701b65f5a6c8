package consent

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An Evidence is what a version of a directive rests on: a scan, a signature, or somebody's word that they were told.
//
// Source: spec consent 2.20; 42 CFR 2.31(a)(8)-(9) (signature and date); 45 CFR 171.202(e) (documented request).
type Evidence struct {
	hie.Private
	// ID names it within its version; 0 until filed.
	ID   int64
	Kind string // one of EvidenceKinds
	// Hash is the SHA-256 of the paper, in 64 lower-case hexadecimal digits; "" for a spoken word.
	Hash      string
	MediaType string
	Size      int64 // bytes of the paper, 0 when not known
	// Signer is who signed, as Consents name them ("Patient/x", "RelatedPerson/y"), and in which capacity.
	Signer   string
	Capacity Capacity
	// Witness is who saw it, as staff wrote it; "" for nobody.
	Witness string
	// Method is how it was taken: one of EvidenceMethods.
	Method string
	// Language is what the patient was asked in, "en" or "es"; "" when not known.
	Language string
	// Template and TemplateVersion name the form, "" for none.
	Template        string
	TemplateVersion int64
	// Content is the paper as received, nil when only its hash came.
	Content  []byte
	Recorded time.Time
}

// EvidenceKinds are the kinds of evidence.
func EvidenceKinds() []string { return []string{"scan", "signature", "form", "spoken"} }

// EvidenceMethods are the ways a wish is taken down.
func EvidenceMethods() []string { return []string{"paper", "electronic", "spoken", "telephone"} }

// maxEvidence bounds a paper kept with a consent, in bytes.
const maxEvidence = 8 << 20

// Check says what is wrong with e: an *hie.InvalidError naming the member, or nil.
func (e *Evidence) Check() error {
	invalid := func(path, rule string) error { return &hie.InvalidError{Path: path, Rule: rule, Code: "value"} }
	switch {
	case !slices.Contains(EvidenceKinds(), e.Kind):
		return invalid("kind", "must be scan, signature, form or spoken")
	case !slices.Contains(EvidenceMethods(), e.Method):
		return invalid("method", "must be paper, electronic, spoken or telephone")
	case e.Hash == "" && e.Kind != "spoken":
		return invalid("hash", "is required but for what was only spoken")
	case e.Hash != "" && !isHash(e.Hash):
		return invalid("hash", "must be a SHA-256 in 64 hexadecimal digits")
	case e.Kind == "spoken" && e.Witness == "":
		return invalid("witness", "is required for what was only spoken")
	case e.Capacity != CapacityPatient && !slices.Contains(Capacities(), e.Capacity):
		return invalid("capacity", "must be patient, parent, guardian, agent, executor or helper")
	case len(e.Witness) > 200:
		return invalid("witness", "must not be longer than 200 bytes")
	case len(e.Content) > maxEvidence:
		return invalid("content", "must not exceed 8 MiB")
	}
	return nil
}
