package mpi

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// Criteria are the conditions of a demographics search; all that are set must hold, on one source patient.
// Strings match where a value begins with them, ignoring case and accents; a list holds if any entry does.
//
// Source: IHE PDQm ITI-78; FHIR R4 search (string, token, date).
type Criteria struct {
	hie.Private
	Records []hie.SourcePatientID
	// Identifiers match the local identifier or any other; an empty System matches every system.
	Identifiers []hie.Identifier
	// Family and Given: each entry is one parameter's alternatives; all entries must hold.
	Family, Given [][]string
	// FamilyExact and GivenExact are the same with the :exact modifier: case and accents count, whole value.
	FamilyExact, GivenExact [][]string
	Birth                   []DateRange
	// Sex lists alternatives.
	Sex []Sex
	// Address matches any part; the others that part.
	Address, City, State, PostalCode, Country []string
	// Telecoms match phone numbers and mail addresses however they are written.
	Telecoms []string
	// Active restricts to active or inactive registrations when set.
	Active *bool
	// After continues behind a record: the Next of the page before.
	After hie.SourcePatientID
	// Count bounds the page; 0 means 50, at most 200.
	Count int
}

// A DateRange holds for dates that lie within it: From <= date < Until, either zero for open. Not turns it round.
type DateRange struct {
	hie.Private
	From, Until Date
	Not         bool
}

// A Page is one page of a search.
type Page struct {
	hie.Private
	// Patients are ordered by record.
	Patients []SourcePatient
	// Next is the After of the following page, or 0 when there is none. A page may be short, even empty, and
	// still have a next one: one call reads a bounded number of rows.
	Next hie.SourcePatientID
}

// scanLimit bounds the rows one call reads, whatever it returns.
const scanLimit = 2000

// Search returns the source patients that meet c, ordered by record. An *hie.InvalidError says when c names
// nothing to search by. The caller records the query.
func (x *Index) Search(ctx context.Context, c Criteria) (Page, error) {
	if c.empty() {
		return Page{}, fmt.Errorf("mpi: search: %w", hie.Invalid("", "at least one search parameter is required"))
	}
	n := pageSize(c.Count)
	probe := c.probe()
	var page Page
	after := c.After
	for read := 0; read < scanLimit; {
		want := min(max(2*n, 50), scanLimit-read)
		ids, err := x.store.Find(ctx, probe, after, want)
		if err != nil {
			return Page{}, fmt.Errorf("mpi: search: %w", err)
		}
		rows, err := x.store.Patients(ctx, ids)
		if err != nil {
			return Page{}, fmt.Errorf("mpi: search: %w", err)
		}
		for i := range rows {
			if c.Meets(&rows[i].SourcePatient) {
				if len(page.Patients) == n {
					page.Next = page.Patients[n-1].Record
					return page, nil
				}
				page.Patients = append(page.Patients, rows[i].SourcePatient)
			}
		}
		if len(ids) < want {
			return page, nil
		}
		after = ids[len(ids)-1]
		read += len(ids)
	}
	page.Next = after
	return page, nil
}

func (c *Criteria) empty() bool {
	n := len(c.Records) + len(c.Identifiers) + len(c.Family) + len(c.Given) + len(c.FamilyExact) + len(c.GivenExact) + len(c.Birth) +
		len(c.Sex) + len(c.Address) + len(c.City) + len(c.State) + len(c.PostalCode) + len(c.Country) + len(c.Telecoms)
	return n == 0 && c.Active == nil
}

// probe chooses how to find rows: by the criterion that few rows meet.
func (c *Criteria) probe() Probe {
	if len(c.Records) > 0 {
		return Probe{Records: c.Records}
	}
	if len(c.Identifiers) > 0 && !slices.ContainsFunc(c.Identifiers, func(i hie.Identifier) bool { return i.System == "" }) {
		if keys := identifierKeys(c.Identifiers); len(keys) > 0 {
			return Probe{Keys: keys}
		}
	}
	if keys := telecomKeys(c.Telecoms); len(c.Telecoms) > 0 && len(keys) == len(c.Telecoms) {
		return Probe{Keys: keys}
	}
	if from, until, ok := birthBounds(c.Birth); ok && until-from <= 100 { // within a month: narrower than a name
		return Probe{BirthFrom: from, BirthUntil: until}
	}
	for _, p := range []struct {
		prefix string
		lists  [][]string
	}{{"f:", append(slices.Clone(c.Family), c.FamilyExact...)}, {"g:", append(slices.Clone(c.Given), c.GivenExact...)}} {
		for _, list := range p.lists {
			if terms := prefixes(p.prefix, list); len(terms) > 0 {
				return Probe{Terms: terms}
			}
		}
	}
	if from, until, ok := birthBounds(c.Birth); ok {
		return Probe{BirthFrom: from, BirthUntil: until}
	}
	return Probe{}
}

// identifierKeys returns the candidate keys under which records with one of ids are found: none when one of
// them is of a kind that is not found by its own key.
func identifierKeys(ids []hie.Identifier) []int64 {
	var out []int64
	for _, i := range ids {
		v := normalize(Demographics{Identifiers: []Identifier{{Identifier: i}}})
		found := false
		for _, k := range v.keys() {
			if k.Kind == KeyIdentifier || k.Kind == KeySSN {
				out, found = append(out, k.Hash), true
			}
		}
		if !found {
			return nil
		}
	}
	return out
}

func telecomKeys(values []string) []int64 {
	var out []int64
	for _, t := range values {
		v := normalize(Demographics{Telecoms: []Telecom{{Value: t}}})
		for _, k := range v.keys() {
			out = append(out, k.Hash)
		}
	}
	return out
}

// prefixes returns the term prefixes of a list of alternatives, or nil when one of them has no words.
func prefixes(kind string, list []string) []string {
	var out []string
	for _, s := range list {
		w := words(s)
		if len(w) == 0 {
			return nil
		}
		out = append(out, kind+w[0])
	}
	return out
}

// birthBounds returns the range all of ranges lie in; ok is false when it is open on both sides.
func birthBounds(ranges []DateRange) (from, until int, ok bool) {
	until = 1 << 30
	for _, r := range ranges {
		if r.Not {
			continue
		}
		lower := r.From.BirthNumber()
		switch { // a date known only to the month or year sorts before its first day
		case r.From.Day == 1 && r.From.Month == 1:
			lower = r.From.Year * 10000
		case r.From.Day == 1:
			lower--
		}
		from = max(from, lower)
		if !r.Until.IsZero() {
			until = min(until, r.Until.BirthNumber())
		}
		ok = true
	}
	return from, until, ok
}

// Meets reports whether p meets every criterion of c.
func (c *Criteria) Meets(p *SourcePatient) bool {
	d := &p.Demographics
	var families, givens []string
	for _, n := range d.Names {
		families = append(families, n.Family)
		givens = append(givens, n.Given...)
	}
	return (len(c.Records) == 0 || slices.Contains(c.Records, p.Record)) &&
		(c.Active == nil || *c.Active == p.Active) &&
		(len(c.Sex) == 0 || slices.Contains(c.Sex, d.Sex)) &&
		(len(c.Identifiers) == 0 || slices.ContainsFunc(c.Identifiers, p.identifiedBy)) &&
		every(c.Family, families, begins) && every(c.Given, givens, begins) &&
		every(c.FamilyExact, families, same) && every(c.GivenExact, givens, same) &&
		c.birthMeets(d.Birth) && c.addressMeets(d.Addresses) && c.telecomMeets(d.Telecoms)
}

func (p *SourcePatient) identifiedBy(id hie.Identifier) bool {
	if id.Value == p.Local.Value && (id.System == "" || id.System == p.Local.System) {
		return true
	}
	for _, i := range p.Demographics.Identifiers {
		if id.Value == i.Value && (id.System == "" || id.System == i.System) {
			return true
		}
	}
	return false
}

// every reports whether each list has an alternative that one of values meets.
func every(lists [][]string, values []string, meets func(value, want string) bool) bool {
	for _, list := range lists {
		if !some(list, values, meets) {
			return false
		}
	}
	return true
}

func some(list, values []string, meets func(value, want string) bool) bool {
	for _, want := range list {
		for _, v := range values {
			if meets(v, want) {
				return true
			}
		}
	}
	return false
}

func same(value, want string) bool { return value == want }

// begins reports whether value, or the rest of it from one of its words on, begins with want, both folded.
func begins(value, want string) bool {
	v, w := fold(value), fold(want)
	return w != "" && (strings.HasPrefix(v, w) || strings.Contains(v, " "+w))
}

func words(s string) []string { return strings.Fields(fold(s)) }

// birthMeets compares at the precision of the record: a known year meets a range it may lie in whole or in part
// only if it lies in it whole.
func (c *Criteria) birthMeets(d Date) bool {
	if len(c.Birth) > 0 && d.IsZero() {
		return false
	}
	first := d.Year*10000 + max(1, d.Month)*100 + max(1, d.Day)
	last := d.Year*10000 + cmp.Or(d.Month, 12)*100 + cmp.Or(d.Day, 31)
	for _, r := range c.Birth {
		in := first >= r.From.BirthNumber() && (r.Until.IsZero() || last < r.Until.BirthNumber())
		if in == r.Not {
			return false
		}
	}
	return true
}

func (c *Criteria) addressMeets(all []Address) bool {
	if len(c.Address)+len(c.City)+len(c.State)+len(c.PostalCode)+len(c.Country) == 0 {
		return true
	}
	return slices.ContainsFunc(all, func(a Address) bool {
		parts := append(slices.Clone(a.Lines), a.Text, a.City, a.District, a.State, a.PostalCode, a.Country)
		return (len(c.Address) == 0 || some(c.Address, parts, begins)) && (len(c.City) == 0 || some(c.City, []string{a.City}, begins)) &&
			(len(c.State) == 0 || some(c.State, []string{a.State}, begins)) &&
			(len(c.PostalCode) == 0 || some(c.PostalCode, []string{a.PostalCode}, begins)) &&
			(len(c.Country) == 0 || some(c.Country, []string{a.Country}, begins))
	})
}

func (c *Criteria) telecomMeets(all []Telecom) bool {
	if len(c.Telecoms) == 0 {
		return true
	}
	return slices.ContainsFunc(all, func(t Telecom) bool {
		return slices.ContainsFunc(c.Telecoms, func(want string) bool {
			if strings.EqualFold(t.Value, want) {
				return true
			}
			if strings.Contains(want, "@") || strings.Contains(t.Value, "@") {
				a, okA := normalEmail(t.Value)
				b, okB := normalEmail(want)
				return okA && okB && a == b
			}
			a, badA := normalPhone(t.Value)
			b, badB := normalPhone(want)
			return badA == "" && badB == "" && a == b
		})
	})
}
