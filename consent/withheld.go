package consent

import (
	"cmp"
	"slices"
)

// A WithheldNotice is what a requester is told about what an answer leaves out. It is a network policy.
//
// Source: spec ux, finding 10; spec consent 2.12.
type WithheldNotice string

// The notices, from the least to the most telling. Whatever the policy, an answer that shows nothing is the same for a patient
// nobody knows, for one without documents and for one whose documents are withheld.
const (
	// NoticeSilent says nothing, ever.
	NoticeSilent WithheldNotice = "silent"
	// NoticeGeneric says in every answer alike that something may be withheld. It holds where no policy says otherwise.
	NoticeGeneric WithheldNotice = "generic"
	// NoticeNamed is NoticeGeneric, and an answer that shows something names the ordinary kinds of document it leaves out.
	NoticeNamed WithheldNotice = "named-category"
)

var notices = []WithheldNotice{NoticeSilent, NoticeGeneric, NoticeNamed}

// reticent is the less telling of two notices; "" says nothing about it.
func reticent(a, b WithheldNotice) WithheldNotice {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	case slices.Index(notices, b) < slices.Index(notices, a):
		return b
	}
	return a
}

// Notice is the policy in force about what is withheld.
func (e *Env) Notice() WithheldNotice { return cmp.Or(e.setup.Notice, NoticeGeneric) }

// ordinaryClasses are the kinds of document that say nothing of what somebody is treated for: LOINC codes of document classes.
var ordinaryClasses = []string{"10160-0", "11369-6", "11488-4", "11502-2", "11506-3", "18726-0", "18748-4", "18842-5", "26436-6", "28570-0", "29549-3",
	"34117-2", "34133-9", "48765-2", "57133-1"}

// NamesWithheld reports whether a requester from whom d is withheld may be told that something of its class is: where the
// policy says so, and nothing about d is, or may be, sensitive. What is not known counts as sensitive.
//
// Source: spec ux, finding 10 (a sensitive category or site is never named).
func (e *Env) NamesWithheld(d Document) bool {
	s := e.sites[d.Site]
	level := readConfidentiality(d.Confidentiality)
	return e.Notice() == NoticeNamed && s != nil && s.Regimes != nil && len(s.Regimes) == 0 && d.LabelState == Labelled &&
		level != noConfidentiality && level <= normal && len(d.Sensitivity) == 0 && len(d.Flags) == 0 && slices.Contains(ordinaryClasses, d.Class)
}
