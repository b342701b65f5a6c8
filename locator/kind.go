package locator

import (
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A Kind is what consent needs to know of a document when no single document matters: its classes, types and
// labels. Documents of one source patient and one kind are decided together, before any of them is read.
//
// Source: DESIGN idea 4; spec consent section 4 ("Bulk method").
type Kind struct {
	// ID is a positive 63-bit hash of the rest: the same on every node and for ever.
	ID int64
	// Classes are the codes of the categories, Types those of the type, Sensitivity the labels of v3-ActCode and those that say
	// what a patient had restricted: sorted, each once, without their systems; nil when there are none.
	Classes, Types []string
	// Confidentiality is the highest v3-Confidentiality code (U < L < M < N < R < V), or "".
	Confidentiality string
	Sensitivity     []string
	// Labelled says that the site labels its documents, that this one carried a label, and that every label on it can be
	// read: what a label in a system nobody knows would keep back is not known to be absent.
	Labelled bool
}

// The code systems of labels.
const (
	SystemConfidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	SystemActCode         = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	SystemConsentPolicy   = "http://terminology.hl7.org/CodeSystem/consentpolicycodes"
)

// restrictions are the codes of SystemConsentPolicy that say of a document what its patient had restricted. v3-ActCode has a
// code for what the patient paid for alone.
//
// Source: 45 CFR 164.522(a); HL7 FHIR R4 consentpolicycodes.
var restrictions = []string{"hipaa-restrictions", "hipaa-self-pay"}

// labelSystems are the systems of labels under every name they have. Those of the last two say what a document may be used
// for and how far it is to be trusted, nothing of what is in it.
//
// Source: HL7 terminology, former canonicals and OIDs of the v3 code systems.
var labelSystems = map[string]string{
	SystemConfidentiality: SystemConfidentiality, "http://hl7.org/fhir/v3/Confidentiality": SystemConfidentiality, "urn:oid:2.16.840.1.113883.5.25": SystemConfidentiality,
	SystemActCode: SystemActCode, "http://hl7.org/fhir/v3/ActCode": SystemActCode, "urn:oid:2.16.840.1.113883.5.4": SystemActCode,
	SystemConsentPolicy: SystemConsentPolicy,
	"http://terminology.hl7.org/CodeSystem/v3-ActReason": systemUse, "http://hl7.org/fhir/v3/ActReason": systemUse, "urn:oid:2.16.840.1.113883.5.8": systemUse,
	"http://terminology.hl7.org/CodeSystem/v3-ObservationValue": systemUse, "http://hl7.org/fhir/v3/ObservationValue": systemUse, "urn:oid:2.16.840.1.113883.5.1063": systemUse,
}

// systemUse stands for the systems whose labels are not looked at.
const systemUse = "use"

// confidentialityOrder ranks the codes of v3-Confidentiality, lowest first.
const confidentialityOrder = "ULMNRV"

// KindOf returns the kind of a document with these categories, types and labels from a site that labels its
// documents or does not. A confidentiality code that is none of the six counts as "V". A label without a code, of a system
// nobody knows, or one that names another policy, leaves open what the document is: it counts as not labelled.
//
// Source: spec consent 2.2 and 2.15 ("unknown code system").
func KindOf(categories, types, labels []hie.Coding, siteLabels bool) Kind {
	k := Kind{Classes: codes(categories), Types: codes(types)}
	rank, unread := -1, false
	for _, l := range labels {
		switch system := labelSystems[l.System]; {
		case l.Code == "" || system == "", system == SystemConsentPolicy && !slices.Contains(restrictions, l.Code):
			unread = true
		case system == SystemConfidentiality:
			rank = max(rank, confidentialityRank(l.Code))
		case system == SystemActCode, system == SystemConsentPolicy:
			k.Sensitivity = append(k.Sensitivity, l.Code)
		}
	}
	if rank >= 0 {
		k.Confidentiality = confidentialityOrder[rank : rank+1]
	}
	slices.Sort(k.Sensitivity)
	k.Sensitivity = slices.Compact(k.Sensitivity)
	k.Labelled = siteLabels && !unread && (rank >= 0 || len(k.Sensitivity) > 0)
	k.ID = k.hash()
	return k
}

func confidentialityRank(code string) int {
	for i := range len(confidentialityOrder) {
		if confidentialityOrder[i:i+1] == code {
			return i
		}
	}
	return len(confidentialityOrder) - 1
}

func codes(cs []hie.Coding) []string {
	var out []string
	for _, c := range cs {
		if c.Code != "" {
			out = append(out, c.Code)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Equal reports whether k and other say the same, ids aside.
func (k Kind) Equal(other Kind) bool {
	return slices.Equal(k.Classes, other.Classes) && slices.Equal(k.Types, other.Types) &&
		k.Confidentiality == other.Confidentiality && slices.Equal(k.Sensitivity, other.Sensitivity) && k.Labelled == other.Labelled
}

// RuledAs reports whether nothing a rule of consent looks at differs between p and other: kind, authors, service period and
// encounters. Whatever else changes, a decision made about the one holds for the other.
//
// Source: spec consent 2.1 (Document).
func (p Pointer) RuledAs(other Pointer) bool {
	return p.Kind.ID == other.Kind.ID && p.Period.Start.Equal(other.Period.Start) && p.Period.End.Equal(other.Period.End) && slices.Equal(p.Encounters, other.Encounters) &&
		slices.EqualFunc(p.Authors, other.Authors, func(a, b Author) bool { return a.Reference == b.Reference && a.Organization == b.Organization })
}

func (k Kind) hash() int64 {
	parts := []string{"kind", k.Confidentiality, "unlabelled"}
	if k.Labelled {
		parts[2] = "labelled"
	}
	for _, list := range [][]string{k.Classes, k.Types, k.Sensitivity} {
		parts = append(parts, "/")
		parts = append(parts, list...)
	}
	return hash63(parts...)
}
