package locatorfhir

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// maxAlternatives bounds how many values a search may hold in all.
const maxAlternatives = 200

// A Search is a search for documents as its parameters state it.
type Search struct {
	hie.Private
	Filter locator.Filter
	// PatientID is the public id of the Patient sought, or ""; Patient the identifier of the person sought, or
	// zero. At most one of the two is set; both are empty in a search by _id alone.
	PatientID string
	Patient   hie.Identifier
	// Unknown are the names of parameters that are not part of this search, in order.
	Unknown []string
}

// Known is what reading a search needs to know of the world.
type Known struct {
	// Base is our FHIR base URL: references below it are ours.
	Base string
	// Document opens the public id of a DocumentReference; false for one that is not ours.
	Document func(id string) (locator.Ref, bool)
	// Organization returns the organisation a business identifier names; false for none.
	Organization func(id hie.Identifier) (hie.OrgID, bool)
	// Now is for the prefix ap alone.
	Now time.Time
}

var tokenFields = map[string]locator.Field{
	"type": locator.FieldType, "category": locator.FieldCategory, "setting": locator.FieldSetting, "facility": locator.FieldFacility,
	"event": locator.FieldEvent, "security-label": locator.FieldLabel, "format": locator.FieldFormat, "identifier": locator.FieldIdentifier,
	"contenttype": locator.FieldContent, "language": locator.FieldLanguage,
}

var dateFields = map[string]locator.Field{"date": locator.FieldDate, "creation": locator.FieldCreation, "period": locator.FieldPeriod}

var nameFields = map[string]locator.Field{"author.given": locator.FieldGiven, "author.family": locator.FieldFamily}

var statusSystem = "http://hl7.org/fhir/document-reference-status"

// ReadSearch reads the parameters of a search for documents. Alternatives within one parameter are OR, repeated
// parameters AND. Parameters it does not know are listed, never guessed at; a modifier or value it cannot honour
// is an *hie.InvalidError whose path is the parameter, since leaving it out could widen the answer.
//
// Source: IHE MHD ITI-67 2:3.67.4.1.2; FHIR R4 search and DocumentReference search parameters.
func ReadSearch(ps []fhir.Param, known Known) (Search, error) {
	s := Search{}
	total := 0
	for _, p := range ps {
		if total += len(p.Values); total > maxAlternatives {
			return s, &hie.InvalidError{Path: p.Name, Rule: "brings the search over the number of values allowed", Code: "too-costly"}
		}
		if err := s.add(p, known); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Search) add(p fhir.Param, known Known) error {
	switch p.Name {
	case "patient", "subject", "patient.identifier", "subject.identifier":
		return s.patient(p, known)
	case "_id":
		return s.ids(p, known)
	case "status":
		return s.status(p)
	case "custodian", "custodian.identifier":
		return s.custodian(p, known)
	case "related", "related.identifier", "encounter", "encounter.identifier":
		return s.reference(p)
	case "_sort":
		if len(p.Values) != 1 || p.Values[0] != "-date" || p.Modifier != "" {
			return &hie.InvalidError{Path: "_sort", Rule: "must be -date, the order of every answer here", Code: "not-supported"}
		}
		return nil
	}
	if field, ok := tokenFields[p.Name]; ok {
		return s.tokens(p, field)
	}
	if field, ok := dateFields[p.Name]; ok {
		return s.dates(p, field, known.Now)
	}
	if field, ok := nameFields[p.Name]; ok {
		return s.names(p, field)
	}
	s.Unknown = append(s.Unknown, p.Name)
	return nil
}

func plain(p fhir.Param) error {
	if p.Modifier == "" {
		return nil
	}
	return &hie.InvalidError{Path: p.Name, Rule: "must come without this modifier", Code: "not-supported"}
}

func badValue(p fhir.Param, rule string) error {
	return &hie.InvalidError{Path: p.Name, Rule: rule, Code: "value"}
}

// patient reads who is sought: patient=Patient/[id], patient.identifier=system|value and their equals with
// subject and with the modifier :identifier.
func (s *Search) patient(p fhir.Param, known Known) error {
	if len(p.Values) != 1 || s.PatientID != "" || !s.Patient.IsZero() {
		return badValue(p, "must name one patient, once")
	}
	byIdentifier := strings.HasSuffix(p.Name, ".identifier")
	switch {
	case p.Modifier == "identifier" && !byIdentifier:
		byIdentifier = true
	case p.Modifier == "Patient" && !byIdentifier:
	default:
		if err := plain(p); err != nil {
			return err
		}
	}
	if !byIdentifier {
		id, ok := localID(fhir.Text(p.Values[0]), "Patient", known.Base)
		if !ok {
			return badValue(p, "must be a reference to a Patient here")
		}
		s.PatientID = id
		return nil
	}
	t := fhir.ParseToken(p.Values[0])
	if t.System == "" || t.Code == "" {
		return badValue(p, "must be system|value")
	}
	s.Patient = hie.Identifier{System: t.System, Value: t.Code}
	return nil
}

// localID returns the id in "Patient/id", "id" or the same below our base; false for references elsewhere.
func localID(ref, kind, base string) (string, bool) {
	if base != "" {
		ref = strings.TrimPrefix(ref, base+"/")
	}
	id, _ := strings.CutPrefix(ref, kind+"/")
	if id == "" || len(id) > 64 || strings.ContainsAny(id, "/:?#|") {
		return "", false
	}
	return id, true
}

func (s *Search) ids(p fhir.Param, known Known) error {
	if err := plain(p); err != nil {
		return err
	}
	refs := []locator.Ref{}
	for _, v := range p.Values {
		if ref, ok := known.Document(fhir.Text(v)); ok && (s.Filter.IDs == nil || slices.Contains(s.Filter.IDs, ref)) {
			refs = append(refs, ref)
		}
	}
	s.Filter.IDs = refs
	return nil
}

func (s *Search) status(p fhir.Param) error {
	if err := plain(p); err != nil {
		return err
	}
	var states []locator.Status
	for _, v := range p.Values {
		t := fhir.ParseToken(v)
		st, ok := locator.ParseStatus(t.Code)
		if !ok || (t.HasSystem && t.System != statusSystem) {
			return badValue(p, "must be current, superseded or entered-in-error")
		}
		if s.Filter.Status == nil || slices.Contains(s.Filter.Status, st) {
			states = append(states, st)
		}
	}
	if len(states) == 0 { // two demands that exclude each other
		s.Filter.IDs = []locator.Ref{}
		return nil
	}
	s.Filter.Status = states
	return nil
}

func (s *Search) tokens(p fhir.Param, field locator.Field) error {
	if err := plain(p); err != nil {
		return err
	}
	clause := locator.CodeClause{Field: field}
	for _, v := range p.Values {
		t := fhir.ParseToken(v)
		if t.Code == "" && t.System == "" {
			return badValue(p, "must be code, system|code, |code or system|")
		}
		clause.Any = append(clause.Any, locator.CodeMatch{System: t.System, Code: t.Code, AnySystem: !t.HasSystem || isPlainText(field)})
	}
	s.Filter.Codes = append(s.Filter.Codes, clause)
	return nil
}

// isPlainText reports whether the codes of field have no system that a pointer keeps.
func isPlainText(f locator.Field) bool {
	return f == locator.FieldContent || f == locator.FieldLanguage
}

func (s *Search) dates(p fhir.Param, field locator.Field, now time.Time) error {
	if err := plain(p); err != nil {
		return err
	}
	clause := locator.TimeClause{Field: field}
	for _, v := range p.Values {
		t, ok := fhir.ParseDateTest(v)
		if !ok {
			return badValue(p, "must be a date that exists, with one of the prefixes eq ne gt ge lt le sa eb ap or none")
		}
		clause.Any = append(clause.Any, locator.Compare(t.Prefix, locator.Span{Start: t.Span.Start, End: t.Span.End}, now)...)
	}
	s.Filter.Times = append(s.Filter.Times, clause)
	return nil
}

func (s *Search) names(p fhir.Param, field locator.Field) error {
	if p.Modifier != "exact" {
		if err := plain(p); err != nil {
			return err
		}
	}
	clause := locator.NameClause{Field: field}
	for _, v := range p.Values {
		text := fhir.Text(v)
		if text == "" {
			return badValue(p, "must be the beginning of a name")
		}
		clause.Any = append(clause.Any, locator.NameMatch{Text: text, Exact: p.Modifier == "exact"})
	}
	s.Filter.Names = append(s.Filter.Names, clause)
	return nil
}

func (s *Search) custodian(p fhir.Param, known Known) error {
	byIdentifier := strings.HasSuffix(p.Name, ".identifier") || p.Modifier == "identifier"
	if p.Modifier != "identifier" && p.Modifier != "Organization" {
		if err := plain(p); err != nil {
			return err
		}
	}
	clause := locator.CodeClause{Field: locator.FieldCustodian}
	for _, v := range p.Values {
		var org string
		var ok bool
		if byIdentifier {
			t := fhir.ParseToken(v)
			var id hie.OrgID
			id, ok = known.Organization(hie.Identifier{System: t.System, Value: t.Code})
			org = string(id)
		} else {
			org, ok = localID(fhir.Text(v), "Organization", known.Base)
		}
		if ok { // one that nobody is named by matches nothing
			clause.Any = append(clause.Any, locator.CodeMatch{Code: org, AnySystem: true})
		}
	}
	s.Filter.Codes = append(s.Filter.Codes, clause)
	if len(clause.Any) == 0 {
		s.Filter.IDs = []locator.Ref{}
	}
	return nil
}

// reference reads related and encounter: a literal reference, or system|value of a logical one.
func (s *Search) reference(p fhir.Param) error {
	if p.Modifier != "identifier" {
		if err := plain(p); err != nil {
			return err
		}
	}
	field := locator.FieldRelated
	if strings.HasPrefix(p.Name, "encounter") {
		field = locator.FieldEncounter
	}
	clause := locator.CodeClause{Field: field}
	for _, v := range p.Values {
		text := fhir.Text(v)
		if t := fhir.ParseToken(v); t.HasSystem {
			text = t.System + "|" + t.Code
		}
		clause.Any = append(clause.Any, locator.CodeMatch{Code: text, AnySystem: true})
	}
	s.Filter.Codes = append(s.Filter.Codes, clause)
	return nil
}
