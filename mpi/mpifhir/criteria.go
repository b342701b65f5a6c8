package mpifhir

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

// A Search is a demographics search as its parameters state it.
type Search struct {
	hie.Private
	Criteria mpi.Criteria
	// IDs are the alternatives of _id, in order; nil when it was not given. Criteria.Records is for the caller to
	// fill, who knows what public ids mean.
	IDs []string
	// Domains are systems the patient's own identifier is to be of ("identifier=system|"), one of each group; nil
	// for any.
	Domains [][]string
	// checks are conditions the index does not know; Meets applies them.
	checks []func(mpi.SourcePatient) bool
	// Unknown are names of parameters that are not part of this search, in order.
	Unknown []string
}

// Meets applies to a patient the index returned those conditions of s that Criteria cannot express.
func (s Search) Meets(sp mpi.SourcePatient) bool {
	for _, group := range s.Domains {
		if !slices.Contains(group, sp.Local.System) {
			return false
		}
	}
	for _, check := range s.checks {
		if !check(sp) {
			return false
		}
	}
	return true
}

// ReadSearch reads the parameters of a Patient search. Alternatives (comma) are OR and repeated parameters AND, as FHIR
// says: what the index cannot require itself is required of what it returns. What cannot be had at all is refused with
// an *hie.InvalidError, never answered with too much.
//
// Source: IHE PDQm ITI-78, 2:3.78.4.1.2; FHIR R4 search.
func ReadSearch(ps []fhir.Param) (Search, error) {
	var s Search
	seen := map[string]bool{}
	for _, p := range ps {
		read, known := searchParams[p.Name]
		switch {
		case !known:
			s.Unknown = append(s.Unknown, p.Name)
			continue
		case !slices.Contains(read.modifiers, p.Modifier):
			return s, &hie.InvalidError{Path: p.Name, Rule: "has a modifier that is not supported here", Code: "not-supported"}
		}
		criterion := read.criterion
		if criterion == "" {
			criterion = p.Name
		}
		if !seen[criterion] || read.repeats {
			seen[criterion] = true
			if err := read.into(&s, p); err != nil {
				return s, err
			}
			continue
		}
		if err := s.also(read, p); err != nil {
			return s, err
		}
	}
	return s, nil
}

// also requires one more parameter of a kind of which the index can require one alone.
func (s *Search) also(read searchParam, p fhir.Param) error {
	var more Search
	if err := read.into(&more, p); err != nil {
		return err
	}
	if more.IDs != nil {
		s.IDs = slices.DeleteFunc(s.IDs, func(id string) bool { return !slices.Contains(more.IDs, id) })
		return nil
	}
	s.checks = append(s.checks, func(sp mpi.SourcePatient) bool { return more.Criteria.Meets(&sp) && more.Meets(sp) })
	return nil
}

// A searchParam says how one parameter is read.
type searchParam struct {
	modifiers []string
	// repeats is set where the index can require several of them at once.
	repeats bool
	into    func(*Search, fhir.Param) error
	// criterion is what several parameters fill in common, "" for the parameter's own name.
	criterion string
}

var searchParams = map[string]searchParam{
	"_id":        {modifiers: plain, into: func(s *Search, p fhir.Param) error { s.IDs = texts(p); return nil }},
	"identifier": {modifiers: plain, repeats: true, into: readIdentifier},
	"family": {modifiers: exactToo, repeats: true, into: func(s *Search, p fhir.Param) error {
		return readName(p, &s.Criteria.Family, &s.Criteria.FamilyExact)
	}},
	"given": {modifiers: exactToo, repeats: true, into: func(s *Search, p fhir.Param) error {
		return readName(p, &s.Criteria.Given, &s.Criteria.GivenExact)
	}},
	"birthdate":         {modifiers: plain, repeats: true, into: readBirthdate},
	"gender":            {modifiers: plain, into: readGender},
	"active":            {modifiers: plain, into: readActive},
	"telecom":           {modifiers: plain, into: readTelecom, criterion: "telecom"},
	"phone":             {modifiers: plain, into: readTelecom, criterion: "telecom"},
	"email":             {modifiers: plain, into: readTelecom, criterion: "telecom"},
	"mothersMaidenName": {modifiers: exactToo, repeats: true, into: readMaidenName},
	"address": {modifiers: exactToo, into: func(s *Search, p fhir.Param) error {
		return readAddress(s, p, &s.Criteria.Address, func(a mpi.Address) []string {
			return append([]string{a.Text, a.City, a.District, a.State, a.PostalCode, a.Country}, a.Lines...)
		})
	}},
	"address-city": {modifiers: exactToo, into: func(s *Search, p fhir.Param) error {
		return readAddress(s, p, &s.Criteria.City, func(a mpi.Address) []string { return []string{a.City} })
	}},
	"address-state": {modifiers: exactToo, into: func(s *Search, p fhir.Param) error {
		return readAddress(s, p, &s.Criteria.State, func(a mpi.Address) []string { return []string{a.State} })
	}},
	"address-postalcode": {modifiers: exactToo, into: func(s *Search, p fhir.Param) error {
		return readAddress(s, p, &s.Criteria.PostalCode, func(a mpi.Address) []string { return []string{a.PostalCode} })
	}},
	"address-country": {modifiers: exactToo, into: func(s *Search, p fhir.Param) error {
		return readAddress(s, p, &s.Criteria.Country, func(a mpi.Address) []string { return []string{a.Country} })
	}},
}

var (
	plain    = []string{""}
	exactToo = []string{"", "exact"}
)

func texts(p fhir.Param) []string {
	var out []string
	for _, v := range p.Values {
		out = append(out, fhir.Text(v))
	}
	return out
}

func readName(p fhir.Param, begins, exact *[][]string) error {
	if p.Modifier == "exact" {
		*exact = append(*exact, texts(p))
	} else {
		*begins = append(*begins, texts(p))
	}
	return nil
}

// readAddress asks the index for values beginning so and, for :exact, checks what it returns: whole values are
// among those that begin so.
func readAddress(s *Search, p fhir.Param, criterion *[]string, parts func(mpi.Address) []string) error {
	sought := texts(p)
	*criterion = sought
	if p.Modifier == "exact" {
		s.checks = append(s.checks, func(sp mpi.SourcePatient) bool {
			return slices.ContainsFunc(sp.Demographics.Addresses, func(a mpi.Address) bool {
				return slices.ContainsFunc(parts(a), func(v string) bool { return slices.Contains(sought, v) })
			})
		})
	}
	return nil
}

// readMaidenName narrows what other parameters find: the index has no key on the mother's maiden name.
func readMaidenName(s *Search, p fhir.Param) error {
	sought := texts(p)
	s.checks = append(s.checks, func(sp mpi.SourcePatient) bool {
		name := sp.Demographics.MothersMaidenName
		return slices.ContainsFunc(sought, func(v string) bool {
			if p.Modifier == "exact" {
				return name == v
			}
			return strings.HasPrefix(strings.ToLower(name), strings.ToLower(v))
		})
	})
	return nil
}

// readIdentifier reads system|value, |value, value, and system| which asks for patients of that domain.
func readIdentifier(s *Search, p fhir.Param) error {
	var ids []hie.Identifier
	var domains []string
	for _, v := range p.Values {
		t := fhir.ParseToken(v)
		switch {
		case t.Code == "" && t.System != "":
			domains = append(domains, t.System)
		case t.Code == "":
			return &hie.InvalidError{Path: "identifier", Rule: "needs a value, system|value", Code: "value"}
		default:
			ids = append(ids, hie.Identifier{System: t.System, Value: t.Code})
		}
	}
	switch {
	case ids != nil && domains != nil:
		return &hie.InvalidError{Path: "identifier", Rule: "must hold identifiers or domains, not both; repeat the parameter", Code: "not-supported"}
	case domains != nil:
		s.Domains = append(s.Domains, domains)
	case s.Criteria.Identifiers == nil:
		s.Criteria.Identifiers = ids
	default:
		s.checks = append(s.checks, func(sp mpi.SourcePatient) bool { return holdsOne(sp, ids) })
	}
	return nil
}

func holdsOne(sp mpi.SourcePatient, ids []hie.Identifier) bool {
	return slices.ContainsFunc(ids, func(id hie.Identifier) bool {
		same := func(other hie.Identifier) bool {
			return other.Value == id.Value && (id.System == "" || other.System == id.System)
		}
		return same(sp.Local) || slices.ContainsFunc(sp.Demographics.Identifiers, func(i mpi.Identifier) bool { return same(i.Identifier) })
	})
}

func readGender(s *Search, p fhir.Param) error {
	for _, v := range p.Values {
		code := fhir.ParseToken(v).Code
		if !slices.Contains([]string{"male", "female", "other", "unknown"}, code) {
			return &hie.InvalidError{Path: "gender", Rule: "must be male, female, other or unknown", Code: "code-invalid"}
		}
		s.Criteria.Sex = append(s.Criteria.Sex, mpi.Sex(code))
	}
	return nil
}

func readActive(s *Search, p fhir.Param) error {
	code := fhir.ParseToken(p.Values[0]).Code
	if len(p.Values) != 1 || (code != "true" && code != "false") {
		return &hie.InvalidError{Path: "active", Rule: "must be true or false", Code: "value"}
	}
	active := code == "true"
	s.Criteria.Active = &active
	return nil
}

func readTelecom(s *Search, p fhir.Param) error {
	for _, v := range p.Values {
		s.Criteria.Telecoms = append(s.Criteria.Telecoms, fhir.ParseToken(v).Code)
	}
	return nil
}

// readBirthdate reads dates with their prefixes; a partial date covers its month or year. The index is asked for the
// span in which all alternatives lie, and what it returns is held against each.
func readBirthdate(s *Search, p fhir.Param) error {
	alternatives := make([]mpi.Criteria, 0, len(p.Values))
	for _, v := range p.Values {
		r, err := dateRange(v)
		if err != nil {
			return err
		}
		alternatives = append(alternatives, mpi.Criteria{Birth: []mpi.DateRange{r}})
	}
	if len(alternatives) == 1 {
		s.Criteria.Birth = append(s.Criteria.Birth, alternatives[0].Birth...)
		return nil
	}
	if hull, bounded := hullOf(alternatives); bounded {
		s.Criteria.Birth = append(s.Criteria.Birth, hull)
	}
	s.checks = append(s.checks, func(sp mpi.SourcePatient) bool {
		return slices.ContainsFunc(alternatives, func(c mpi.Criteria) bool { return c.Meets(&sp) })
	})
	return nil
}

// hullOf returns the least range that holds those of all alternatives; bounded is false when it is open on both sides.
func hullOf(alternatives []mpi.Criteria) (hull mpi.DateRange, bounded bool) {
	for i, c := range alternatives {
		r := c.Birth[0]
		if r.Not {
			return mpi.DateRange{}, false
		}
		if i == 0 {
			hull = r
			continue
		}
		if r.From.BirthNumber() < hull.From.BirthNumber() { // an open beginning is the zero date, before all others
			hull.From = r.From
		}
		if r.Until.IsZero() || (!hull.Until.IsZero() && r.Until.BirthNumber() > hull.Until.BirthNumber()) {
			hull.Until = r.Until
		}
	}
	return hull, !hull.From.IsZero() || !hull.Until.IsZero()
}

func dateRange(value string) (mpi.DateRange, error) {
	t, ok := fhir.ParseDateTest(value)
	if !ok {
		return mpi.DateRange{}, &hie.InvalidError{Path: "birthdate", Rule: "must be a date that exists, with an optional prefix", Code: "value"}
	}
	from, until := calendar(t.Span.Start), calendar(t.Span.End)
	if from == until {
		return mpi.DateRange{}, &hie.InvalidError{Path: "birthdate", Rule: "must be a date without a time", Code: "value"}
	}
	switch t.Prefix {
	case "eq":
		return mpi.DateRange{From: from, Until: until}, nil
	case "ne":
		return mpi.DateRange{From: from, Until: until, Not: true}, nil
	case "ge":
		return mpi.DateRange{From: from}, nil
	case "gt", "sa":
		return mpi.DateRange{From: until}, nil
	case "lt", "eb":
		return mpi.DateRange{Until: from}, nil
	case "le":
		return mpi.DateRange{Until: until}, nil
	default:
		return mpi.DateRange{}, &hie.InvalidError{Path: "birthdate", Rule: "has the prefix ap, which is not supported here", Code: "not-supported"}
	}
}

func calendar(t time.Time) mpi.Date {
	return mpi.Date{Year: t.Year(), Month: int(t.Month()), Day: t.Day()}
}
