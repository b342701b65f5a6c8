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
	// Classes are the codes of the categories, Types those of the type, Sensitivity the v3-ActCode labels:
	// sorted, each once, without their systems; nil when there are none.
	Classes, Types []string
	// Confidentiality is the highest v3-Confidentiality code (U < L < M < N < R < V), or "".
	Confidentiality string
	Sensitivity     []string
	// Labelled says that the site labels its documents and that this one carried a label.
	Labelled bool
}

// The code systems of labels.
const (
	SystemConfidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	SystemActCode         = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
)

// confidentialityOrder ranks the codes of v3-Confidentiality, lowest first.
const confidentialityOrder = "ULMNRV"

// KindOf returns the kind of a document with these categories, types and labels from a site that labels its
// documents or does not. A confidentiality code that is none of the six counts as "V".
func KindOf(categories, types, labels []hie.Coding, siteLabels bool) Kind {
	k := Kind{Classes: codes(categories), Types: codes(types)}
	rank := -1
	for _, l := range labels {
		switch l.System {
		case SystemConfidentiality:
			rank = max(rank, confidentialityRank(l.Code))
		case SystemActCode:
			if l.Code != "" {
				k.Sensitivity = append(k.Sensitivity, l.Code)
			}
		}
	}
	if rank >= 0 {
		k.Confidentiality = confidentialityOrder[rank : rank+1]
	}
	slices.Sort(k.Sensitivity)
	k.Sensitivity = slices.Compact(k.Sensitivity)
	k.Labelled = siteLabels && (rank >= 0 || len(k.Sensitivity) > 0)
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
