package consent

import "slices"

// alikeDocuments remembers answers about documents that the rules asked could not tell apart: where nothing of a single
// document was looked at, the next of its kind is answered the same.
//
// Source: spec consent section 4 (bulk method, 2).
type alikeDocuments [64]struct {
	doc    *Document
	answer Decision
}

// place is where doc's kind is looked for: a hash of what of it rules read most.
func (a *alikeDocuments) place(doc *Document) int {
	h := uint32(2166136261)
	add := func(s string) {
		for i := 0; i < len(s); i++ {
			h = (h ^ uint32(s[i])) * 16777619
		}
	}
	add(doc.Class)
	add(doc.Confidentiality)
	for _, s := range doc.Sensitivity {
		add(s)
	}
	if n := len(doc.Record); n > 0 { // records differ in their last digits
		h = (h ^ uint32(doc.Record[n-1])) * 16777619
	}
	return int((h ^ h>>15) % uint32(len(a)))
}

// alike reports whether doc and other differ in nothing but what belongs to single documents.
func (doc *Document) alike(other *Document) bool {
	same := func(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }
	return doc.Class == other.Class && doc.Type == other.Type && doc.Record == other.Record && doc.Site == other.Site && doc.Confidentiality == other.Confidentiality &&
		doc.LabelState == other.LabelState && same(doc.Sensitivity, other.Sensitivity) && same(doc.Flags, other.Flags)
}

// DecideAll answers for each document, in their order, into out, which is grown as needed and returned.
func (q *Question) DecideAll(docs []Document, out []Decision) []Decision {
	out = out[:0]
	var known alikeDocuments
	for i := range docs {
		doc := &docs[i]
		k := &known[known.place(doc)]
		if k.doc != nil && k.doc.alike(doc) {
			out = append(out, k.answer)
			continue
		}
		d, single := q.answer(doc)
		if !single {
			k.doc, k.answer = doc, d
		}
		out = append(out, d)
	}
	return out
}
