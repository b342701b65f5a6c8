package mpifhir

import (
	"math"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

// A CrossReferenceQuery is the input of $ihe-pix.
type CrossReferenceQuery struct {
	hie.Private
	// Source is the identifier whose person's other identifiers are asked for.
	Source hie.Identifier
	// Targets are the systems wanted, in order; nil for all.
	Targets []string
	// Unknown are names of parameters that are not part of the operation, in order.
	Unknown []string
}

// ReadCrossReference reads the parameters of a $ihe-pix by GET.
//
// Source: IHE PIXm ITI-83, 2:3.83.4.1.2: sourceIdentifier once, as system|value; targetSystem any number of times.
func ReadCrossReference(ps []fhir.Param) (CrossReferenceQuery, error) {
	var q CrossReferenceQuery
	for _, p := range ps {
		switch p.Name {
		case "sourceIdentifier":
			if len(p.Values) != 1 {
				return q, errSourceIdentifier
			}
			if err := q.source(p.Values[0]); err != nil {
				return q, err
			}
		case "targetSystem":
			for _, v := range p.Values {
				q.Targets = append(q.Targets, fhir.Text(v))
			}
		case "_format", "_pretty":
		default:
			q.Unknown = append(q.Unknown, p.Name)
		}
	}
	return q, q.check()
}

// ReadCrossReferenceBody reads the input of a $ihe-pix by POST: a Parameters resource.
func ReadCrossReferenceBody(body []byte) (CrossReferenceQuery, error) {
	var q CrossReferenceQuery
	in, err := readParameters(body)
	if err != nil {
		return q, err
	}
	for _, p := range in.Parameter {
		switch p.Name {
		case "sourceIdentifier":
			if id := p.ValueIdentifier; id != nil {
				p.ValueString = escape(id.System) + "|" + escape(id.Value)
			}
			if err := q.source(p.ValueString); err != nil {
				return q, err
			}
		case "targetSystem":
			q.Targets = append(q.Targets, p.ValueURI+p.ValueString)
		case "_format":
		default:
			q.Unknown = append(q.Unknown, p.Name)
		}
	}
	return q, q.check()
}

var errSourceIdentifier = &hie.InvalidError{Path: "sourceIdentifier", Rule: "must be given once, as system|value", Code: "required"}

func (q *CrossReferenceQuery) source(value string) error {
	t := fhir.ParseToken(value)
	if !q.Source.IsZero() || t.System == "" || t.Code == "" {
		return errSourceIdentifier
	}
	q.Source = hie.Identifier{System: t.System, Value: t.Code}
	return nil
}

func (q *CrossReferenceQuery) check() error {
	if q.Source.IsZero() {
		return errSourceIdentifier
	}
	return nil
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `|`, `\|`, `,`, `\,`, `$`, `\$`).Replace(s)
}

// A CrossReference is one other identity of a person.
type CrossReference struct {
	// ID is the public id of the Patient.
	ID         string
	Identifier hie.Identifier
}

// CrossReferences returns the output of $ihe-pix: for each reference a targetId and a targetIdentifier.
//
// Source: IHE PIXm ITI-83, 2:3.83.4.2.2.
func CrossReferences(refs []CrossReference) fhir.Parameters {
	out := fhir.Parameters{ResourceType: "Parameters"}
	for _, r := range refs {
		out.Parameter = append(out.Parameter,
			fhir.Parameter{Name: "targetId", ValueReference: &fhir.Reference{Reference: "Patient/" + r.ID}},
			fhir.Parameter{Name: "targetIdentifier", ValueIdentifier: &fhir.Identifier{System: r.Identifier.System, Value: r.Identifier.Value}})
	}
	return out
}

// A MatchQuery is the input of $match.
type MatchQuery struct {
	hie.Private
	Patient     Patient
	OnlyCertain bool
	// Count bounds the records wanted; 0 when not said.
	Count int
	// Stewardship asks whether a steward has decided about the identities.
	Stewardship bool
	// Unknown are names of parameters that are not part of the operation, in order.
	Unknown []string
}

// ReadMatch reads the input of $match: Parameters, or a bare Patient. onlySingleMatch asks for what
// onlyCertainMatches means here anyway: one person who is certain, or nobody.
//
// Source: IHE PDQm ITI-119; FHIR R4 Patient/$match; HL7 identity matching IG (IDIPatient, onlySingleMatch).
func ReadMatch(body []byte) (MatchQuery, error) {
	var q MatchQuery
	kind, err := fhir.ResourceType(body)
	if err != nil {
		return q, err
	}
	if kind == "Patient" {
		q.Patient, err = Read(body)
		return q, err
	}
	in, err := readParameters(body)
	if err != nil {
		return q, err
	}
	found := false
	for _, p := range in.Parameter {
		switch p.Name {
		case "resource", "patient", "IDIPatient":
			if found || p.Resource == nil {
				return q, &hie.InvalidError{Path: "Parameters.parameter", Rule: "must hold one Patient under the name resource", Code: "required"}
			}
			found = true
			if q.Patient, err = Read(p.Resource); err != nil {
				return q, err
			}
		case "onlyCertainMatches", "onlySingleMatch":
			if p.ValueBoolean == nil {
				return q, &hie.InvalidError{Path: p.Name, Rule: "must be a valueBoolean", Code: "value"}
			}
			q.OnlyCertain = q.OnlyCertain || *p.ValueBoolean
		case "count":
			if p.ValueInteger == nil || *p.ValueInteger < 1 {
				return q, &hie.InvalidError{Path: "count", Rule: "must be a valueInteger from 1", Code: "value"}
			}
			q.Count = *p.ValueInteger
		default:
			q.Unknown = append(q.Unknown, p.Name)
		}
	}
	if !found {
		return q, &hie.InvalidError{Path: "Parameters.parameter", Rule: "must hold one Patient under the name resource", Code: "required"}
	}
	return q, nil
}

func readParameters(body []byte) (fhir.Parameters, error) {
	var in fhir.Parameters
	if err := fhir.Decode(body, &in); err != nil {
		return in, err
	}
	if in.ResourceType != "Parameters" {
		return in, hie.Invalid("resourceType", "must be Parameters")
	}
	return in, nil
}

// MatchEvidenceURL is the extension of a match entry that says which approved combination proves its identity:
// rule, the fields it compares, and the one that differs by an edit.
const MatchEvidenceURL = "https://concord-hie.org/fhir/StructureDefinition/match-evidence"

// StewardshipURL is the extension that says whether a steward has decided about records of the identity.
//
// Source: HL7 identity matching IG, "A match output SHOULD reveal a presence or lack of manual stewardship".
const StewardshipURL = "https://concord-hie.org/fhir/StructureDefinition/match-stewardship"

// MatchSearch says how well an entry of a $match answer matches: its score, its match-grade and what proves it.
// The score is the probability in steps of 0.05: finer ones would let a caller feel his way to a value field by
// field. For the same reason the evidence is told only of what is proven: that the fields of a rule agree.
//
// Source: IHE PDQm ITI-119; FHIR R4 Patient/$match; spec federation 2.9 ("$match as oracle").
func MatchSearch(i *mpi.Identity) *fhir.BundleSearch {
	score := math.Round(min(max(float64(i.Probability), 0), 1)*20) / 20
	s := &fhir.BundleSearch{Mode: "match", Score: &score, Extension: []fhir.Extension{{
		URL: "http://hl7.org/fhir/StructureDefinition/match-grade", ValueCode: i.Grade.String()}}}
	if p := i.Proof; p.Rule != "" && i.Grade == mpi.GradeCertain {
		e := fhir.Extension{URL: MatchEvidenceURL, Extension: []fhir.Extension{{URL: "rule", ValueCode: p.Rule}}}
		for _, f := range p.Fields {
			e.Extension = append(e.Extension, fhir.Extension{URL: "field", ValueCode: f})
		}
		if p.Fuzzy != "" {
			e.Extension = append(e.Extension, fhir.Extension{URL: "one-edit", ValueCode: p.Fuzzy})
		}
		s.Extension = append(s.Extension, e)
	}
	return s
}
