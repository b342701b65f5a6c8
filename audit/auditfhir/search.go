package auditfhir

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/opaque"
)

// A Search is what search parameters ask of the trail.
type Search struct {
	hie.Private
	// Query holds all but Records, which follow from Patients and Identifiers, and Limit.
	Query audit.Query
	// Dated says that the caller bounded the time.
	Dated bool
	// Patients are records named by public id, Identifiers patients named by business identifier; Named says that a
	// patient was named at all, also one that does not exist.
	Patients    []hie.SourcePatientID
	Identifiers []hie.Identifier
	Named       bool
}

// ParseSearch reads the parameters of an AuditEvent search: date (repeatable, with prefixes), patient, entity
// (Patient/id), patient.identifier, agent (Organization/id), agent.identifier and altid (a user), type,
// subtype (urn:concord:audit-event-kind|disclosed), outcome.
// Alternatives (commas) are OR, save in dates, where FHIR's spans allow one only. It returns the names of parameters it
// does not know, and an *hie.InvalidError for values that cannot be read.
func ParseSearch(ps []fhir.Param, sealer *opaque.Sealer) (s Search, unknown []string, err error) {
	seen := map[string]bool{}
	for _, p := range ps {
		name := p.Name
		if p.Modifier != "" {
			name += ":" + p.Modifier
		}
		if seen[name] && name != "date" {
			return Search{}, nil, &hie.InvalidError{Path: name, Rule: "may be given once", Code: "not-supported"}
		}
		seen[name] = true
		switch name {
		case "date":
			s.Dated = true
			err = s.date(p)
		case "patient", "entity", "patient:Patient", "entity:Patient":
			s.patient(p, sealer)
		case "patient.identifier":
			err = s.identifier(p)
		case "agent":
			for _, v := range p.Values {
				id := strings.TrimPrefix(fhir.Text(v), "Organization/")
				s.Query.Organizations = append(s.Query.Organizations, hie.OrgID(id))
			}
		case "agent.identifier", "altid":
			if len(p.Values) != 1 || s.Query.User != "" {
				return Search{}, nil, &hie.InvalidError{Path: name, Rule: "must name one user, once", Code: "not-supported"}
			}
			s.Query.User = fhir.ParseToken(p.Values[0]).Code
		case "type":
			err = s.kinds(p, func(f form) []fhir.Coding { return []fhir.Coding{f.typ} })
		case "subtype":
			err = s.kinds(p, func(f form) []fhir.Coding {
				return []fhir.Coding{f.subtype, {System: kindSystem, Code: string(f.kind)}}
			})
		case "outcome":
			err = s.outcomes(p)
		default:
			unknown = append(unknown, name)
		}
		if err != nil {
			return Search{}, nil, err
		}
	}
	return s, unknown, nil
}

func (s *Search) date(p fhir.Param) error {
	t, ok := fhir.ParseDateTest(p.Values[0])
	if !ok || len(p.Values) != 1 {
		return &hie.InvalidError{Path: "date", Rule: "must be one FHIR date with an optional prefix", Code: "value"}
	}
	q := &s.Query
	from, to := t.Span.Start, t.Span.End
	switch t.Prefix {
	case "eq":
	case "ge":
		to = q.To
	case "gt", "sa":
		from, to = t.Span.End, q.To
	case "le":
		from = q.From
	case "lt", "eb":
		from, to = q.From, t.Span.Start
	default:
		return &hie.InvalidError{Path: "date", Rule: "cannot be searched with this prefix", Code: "not-supported"}
	}
	if from.After(q.From) {
		q.From = from
	}
	if q.To.IsZero() || (!to.IsZero() && to.Before(q.To)) {
		q.To = to
	}
	return nil
}

// patient collects the records named; a name that is none of ours selects nothing, as an unknown patient does.
func (s *Search) patient(p fhir.Param, sealer *opaque.Sealer) {
	s.Named = true
	for _, v := range p.Values {
		id := fhir.Text(v)
		id = id[strings.LastIndexByte(id, '/')+1:]
		if record, _, err := sealer.OpenID("patient", id); err == nil {
			s.Patients = append(s.Patients, hie.SourcePatientID(record))
		}
	}
}

func (s *Search) identifier(p fhir.Param) error {
	s.Named = true
	for _, v := range p.Values {
		t := fhir.ParseToken(v)
		if t.System == "" || t.Code == "" {
			return &hie.InvalidError{Path: "patient.identifier", Rule: "must be system|value", Code: "value"}
		}
		s.Identifiers = append(s.Identifiers, hie.Identifier{System: t.System, Value: t.Code})
	}
	return nil
}

// kinds selects the kinds whose AuditEvent has one of the codes, as type or as a subtype its kind always has.
func (s *Search) kinds(p fhir.Param, codes func(form) []fhir.Coding) error {
	var found []audit.Kind
	for _, v := range p.Values {
		t := fhir.ParseToken(v)
		n := len(found)
		for _, f := range forms {
			for _, c := range codes(f) {
				if c.Code != "" && (t.Code == "" || t.Code == c.Code) && (!t.HasSystem || t.System == c.System) {
					found = append(found, f.kind)
				}
			}
		}
		if len(found) == n {
			return &hie.InvalidError{Path: p.Name, Rule: "must be a code by which this trail can be searched", Code: "code-invalid"}
		}
	}
	if s.Query.Kinds != nil { // type and subtype must both hold
		found = slices.DeleteFunc(found, func(k audit.Kind) bool { return !slices.Contains(s.Query.Kinds, k) })
	}
	slices.Sort(found)
	s.Query.Kinds = slices.Compact(found)
	return nil
}

func (s *Search) outcomes(p fhir.Param) error {
	for _, v := range p.Values {
		code := fhir.ParseToken(v).Code
		found := false
		for o, c := range outcomeCodes {
			if c == code {
				s.Query.Outcomes, found = append(s.Query.Outcomes, o), true
			}
		}
		if !found {
			return &hie.InvalidError{Path: "outcome", Rule: "must be 0, 4 or 8", Code: "code-invalid"}
		}
	}
	return nil
}
