package locator

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// A Field names what a clause of a [Filter] looks at.
type Field string

// The fields that hold codes, identifiers and references.
const (
	FieldType       Field = "type"
	FieldCategory   Field = "category"
	FieldSetting    Field = "setting"
	FieldFacility   Field = "facility"
	FieldEvent      Field = "event"
	FieldLabel      Field = "security-label"
	FieldFormat     Field = "format"
	FieldIdentifier Field = "identifier"
	FieldRelated    Field = "related"
	FieldEncounter  Field = "encounter"
	FieldCustodian  Field = "custodian"
	FieldContent    Field = "contenttype"
	FieldLanguage   Field = "language"
	FieldGiven      Field = "author.given"
	FieldFamily     Field = "author.family"
	FieldDate       Field = "date"
	FieldCreation   Field = "creation"
	FieldPeriod     Field = "period"
	// FieldSame holds the keys of [Pointer.Same]. No search parameter asks for it; federation finds with it the
	// documents that two places hold.
	FieldSame Field = "same document"
)

// A Filter says which pointers are sought. Clauses are all required; within a clause one alternative suffices.
// The zero Filter matches every pointer. It is private: it may hold an identifier.
type Filter struct {
	hie.Private
	// Status lists the states sought; nil means any.
	Status []Status
	// IDs, if not nil, are the only pointers sought; an empty one matches nothing.
	IDs   []Ref
	Codes []CodeClause
	Times []TimeClause
	Names []NameClause
}

// OnlyStates reports whether f asks for nothing but states.
func (f Filter) OnlyStates() bool {
	return f.IDs == nil && len(f.Codes)+len(f.Names)+len(f.Times) == 0
}

// A CodeClause wants one of its alternatives among the codes of Field.
type CodeClause struct {
	Field Field
	Any   []CodeMatch
}

// A CodeMatch is a code sought: of any system when AnySystem (System is then ""), any code of System when Code
// is "".
type CodeMatch struct {
	hie.Private
	System, Code string
	AnySystem    bool
}

// A TimeClause wants the span of Field to pass one of its tests.
type TimeClause struct {
	Field Field
	Any   []Box
}

// A NameClause wants an author's given or family name to begin with one of its alternatives, case and accents
// aside, or to equal it when Exact.
type NameClause struct {
	Field Field
	Any   []NameMatch
}

// A NameMatch is a name sought.
type NameMatch struct {
	hie.Private
	Text  string
	Exact bool
}

// Matches reports whether f wants p. It is the meaning of a filter: stores answer as it does, and documents
// found by asking a site are sifted with it.
func (f Filter) Matches(p Pointer) bool {
	if f.Status != nil && !slices.Contains(f.Status, p.Status) {
		return false
	}
	if f.IDs != nil && !slices.Contains(f.IDs, p.Ref()) {
		return false
	}
	if len(f.Codes) > 0 {
		terms := p.Terms()
		for _, c := range f.Codes {
			if !slices.ContainsFunc(c.Any, func(m CodeMatch) bool { return slices.Contains(terms, m.Term(c.Field)) }) {
				return false
			}
		}
	}
	for _, c := range f.Times {
		span := p.span(c.Field)
		if !slices.ContainsFunc(c.Any, func(b Box) bool { return b.Holds(span) }) {
			return false
		}
	}
	if len(f.Names) > 0 {
		names := p.NameIndex()
		for _, c := range f.Names {
			if !slices.ContainsFunc(c.Any, func(m NameMatch) bool { return strings.Contains(names, m.needle(c.Field)) }) {
				return false
			}
		}
	}
	return true
}

func (p Pointer) span(f Field) Span {
	switch f {
	case FieldDate:
		return p.Date
	case FieldCreation:
		return p.Creation
	case FieldPeriod:
		return p.Period
	default:
		return Span{}
	}
}
