package mpi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// Bits measure evidence: +10 means what was seen is 1024 times likelier for one person than for two.
type Bits float32

// A Probability is between 0 and 1.
type Probability float64

// A Grade says what may be done with a match. The zero Grade is no match.
type Grade uint8

// The grades, weakest first.
const (
	GradeNone Grade = iota
	GradePossible
	GradeProbable
	GradeCertain
)

// String returns the FHIR match-grade code: "certain", "probable", "possible" or "certainly-not".
func (g Grade) String() string {
	return [...]string{"certainly-not", "possible", "probable", "certain"}[g]
}

// GradeOf returns the grade a FHIR match-grade code names.
func GradeOf(code string) (Grade, bool) {
	for g := GradeNone; g <= GradeCertain; g++ {
		if g.String() == code {
			return g, true
		}
	}
	return 0, false
}

// MatchOptions say what a caller wants of Match. The zero value asks for all identities.
type MatchOptions struct {
	// OnlyCertain asks for exactly one provable person or nothing.
	OnlyCertain bool
	// Count bounds the identities returned; 0 means 20.
	Count int
	// Stewardship asks for Identity.Stewarded, which takes one more read.
	Stewardship bool
	// Also, if set, is shown what was found before the query is recorded, and returns further events to record in the same
	// write: what the caller goes on to do with it. The query is recorded even where Also fails; its error is Match's.
	Also func(ctx context.Context, m Matched) ([]audit.Event, error)
}

// Matched is what a search for somebody found.
type Matched struct {
	hie.Private
	// Identities are the persons found, best first, each once.
	Identities []Identity
	// Dropped names the values of the query that were not compared, with the reason.
	Dropped []Dropped
	// Keys are the kinds of key that were looked up, Skipped those left out because too many records share
	// the value; both sorted, each once.
	Keys, Skipped []string
	// Truncated is set when somebody who would have to be weighed may not have been seen.
	Truncated bool
	// Withheld says in a code why nobody may be disclosed ("none", "truncated", "unproven", "two-proven", "disputed",
	// "uncertain"); "" when one person may. It is for the audit trail, never for the caller.
	Withheld string
}

// An Identity is one person found, with why.
type Identity struct {
	hie.Private
	Person Person
	// Records are the person's live registrations, ordered by record.
	Records     []SourcePatient
	Grade       Grade
	Bits        Bits
	Probability Probability
	// Margin is how many bits better than the next identity; the last one's is its own Bits.
	Margin Bits
	// Evidence is the waterfall: one row a field that said anything, in field order, then ceilings and the
	// consistency term; they add up to Bits.
	Evidence []Evidence
	// Vetoes name what forbids linking ("suffix", "birth-order", "steward", ...), sorted; nil for none.
	Vetoes []string
	// Scores say how strongly each of Records resembles the query by itself, in their order.
	Scores []Bits
	// Proof is what proves the identity; its Rule is "" when nothing does.
	Proof Proof
	// Stewarded says that a steward has decided about one of the records; false when it was not asked for.
	Stewarded bool
}

// Evidence is one step of a waterfall. It holds no value of the person's.
type Evidence struct {
	// Field is what was compared ("given", "family", "birth-date", ...), or "household" for its ceiling, "consistency".
	Field string
	// Level is how well it agreed ("exact", "nickname", "one-edit", "different", ...).
	Level string
	Bits  Bits
}

// The reasons why nobody found is disclosed.
const (
	WithheldNone      = "none"       // nobody was found
	WithheldTruncated = "truncated"  // somebody who would have to be weighed may not have been seen
	WithheldUnproven  = "unproven"   // no approved combination proves anybody
	WithheldTwo       = "two-proven" // more than one person is proven
	WithheldDisputed  = "disputed"   // a link of the person is in dispute or tentative
	WithheldUncertain = "uncertain"  // proven, but the evidence as a whole is not certain
)

// maxWeighed bounds the identities whose demographics are read; more mean that the search is not complete.
const maxWeighed = 24

// Match says who d might be: identities with grade, bits, probability and evidence. It records the query, together with what
// o.Also makes of it.
// With OnlyCertain it returns exactly one identity whose grade is certain and that an approved combination
// proves, and only if no other identity is provable, the search was complete and nothing about it is in
// dispute; else none.
//
// Source: IHE PDQm ITI-119; spec cms-matching; DESIGN idea 3.
func (x *Index) Match(ctx context.Context, actor hie.Actor, d Demographics, o MatchOptions) (Matched, error) {
	m, err := x.match(ctx, d, o)
	if err != nil {
		return Matched{}, fmt.Errorf("mpi: match: %w", err)
	}
	e := audit.NewEvent(audit.PatientQueried, actor, x.now())
	for _, i := range m.Identities {
		e = e.About(i.Person.Records()...)
	}
	e.Detail = map[string]string{"interaction": "match", "identities": strconv.Itoa(len(m.Identities))}
	e.Ground = []string{"model " + x.model.ID}
	if found, reason := m.disclosable(); reason == "" {
		e.Ground = append(e.Ground, "combination "+found.Proof.Rule)
	}
	if m.Withheld != "" {
		e.Reasons = []string{m.Withheld}
	}
	events := []audit.Event{e}
	if o.Also != nil {
		var further []audit.Event
		further, err = o.Also(ctx, m)
		events = append(events, further...)
	}
	if recordErr := x.log.Record(context.WithoutCancel(ctx), events...); recordErr != nil {
		return Matched{}, fmt.Errorf("mpi: record match: %w", recordErr)
	}
	if err != nil {
		return Matched{}, err
	}
	return m, nil
}

func (x *Index) match(ctx context.Context, d Demographics, o MatchOptions) (Matched, error) {
	v := knownOf(d)
	f := v.features("")
	keys := v.keys()
	l, err := x.find(ctx, &f, keys)
	if err != nil {
		return Matched{}, err
	}
	l.found = slices.DeleteFunc(l.found, func(f found) bool { return f.best == 0 || f.set.Bits < 0 })
	worth := 0 // found is in order of grades, so what is read stands before what is not
	for i := range l.found {
		if l.found[i].grade > GradeNone || l.found[i].mayProve(&f, d.Identifiers) {
			l.found[worth], l.found[i] = l.found[i], l.found[worth]
			worth++
		}
	}
	m := Matched{Dropped: v.dropped, Truncated: l.truncated || worth > maxWeighed || unguarded(&v, keys, l.skipped)}
	m.Keys, m.Skipped = kindsOf(keys, l.skipped)
	if m.Identities, err = x.identities(ctx, &v, &f, d.Identifiers, &l, min(worth, maxWeighed), hubsOf(keys, l.skipped)); err != nil {
		return Matched{}, err
	}
	if o.Stewardship {
		if err := x.stewardship(ctx, m.Identities); err != nil {
			return Matched{}, err
		}
	}
	if o.OnlyCertain {
		m.Identities, m.Withheld = onlyCertain(m)
		return m, nil
	}
	n := o.Count
	if n <= 0 {
		n = 20
	}
	// One that is proven stays whatever its grade: a second proven person forbids disclosing the first (Proven).
	m.Identities = slices.DeleteFunc(m.Identities, func(i Identity) bool { return i.Grade == GradeNone && i.Proof.Rule == "" })
	_, m.Withheld = m.disclosable()
	m.Identities = m.Identities[:min(len(m.Identities), n)]
	return m, nil
}

// onlyCertain returns the one provable identity, or none and why.
func onlyCertain(m Matched) ([]Identity, string) {
	i, reason := m.disclosable()
	if reason != "" {
		return nil, reason
	}
	return []Identity{*i}, ""
}

// kindsOf names the kinds of keys looked under and of those skipped, each sorted and once.
func kindsOf(keys []Key, skipped map[int64]bool) (looked, left []string) {
	in, out := map[string]bool{}, map[string]bool{}
	for _, k := range keys {
		if skipped[k.Hash] {
			out[k.Kind.String()] = true
		} else {
			in[k.Kind.String()] = true
		}
	}
	return slices.Sorted(maps.Keys(in)), slices.Sorted(maps.Keys(out))
}

// identities says what each of the first n persons that l found is worth beside all.
func (x *Index) identities(ctx context.Context, query *known, features *Features, quoted []Identifier, l *lookup, n int, hubs [numAttributes]bool) ([]Identity, error) {
	if n == 0 {
		return nil, nil
	}
	all := l.found
	rows, err := x.hear(ctx, l, n)
	if err != nil {
		return nil, err
	}
	out := make([]Identity, n)
	for i, f := range all[:n] {
		id := Identity{Person: Person{ID: f.ID, Version: f.Version}, Grade: f.grade, Bits: f.set.Bits,
			Probability: x.model.Probability(f.set.Bits), Margin: f.set.Bits, Evidence: x.model.evidence(&f.set), Vetoes: f.set.vetoes.names()}
		if i+1 < n {
			id.Margin = f.set.Bits - all[i+1].set.Bits
		}
		var values []known
		var local []hie.Identifier
		for _, m := range f.Members {
			id.Person.Members = append(id.Person.Members, m.Member)
			row := rows[m.Record]
			if row == nil {
				continue
			}
			if row.Active {
				id.Records, id.Scores = append(id.Records, row.SourcePatient), append(id.Scores, x.resemblance(features, m.Features))
			}
			if m.Link != hie.LinkDisputed {
				values = append(values, knownOf(row.Demographics))
				local = append(local, row.Local)
			}
		}
		id.Proof = prove(query, values, local, quoted, twinBeside(all, i), hubs)
		out[i] = id
	}
	if _, clear := x.margin(all); !clear && out[0].Grade == GradeCertain {
		out[0].Grade = GradeProbable
		for i := range out[1:] {
			if out[i+1].Grade == GradeCertain {
				out[i+1].Grade = GradeProbable
			}
		}
	}
	return out, nil
}

// hear returns what the members of the first n persons say, reading what l has not. What was read before the memberships
// counts only if the record belonged where it belongs now: else it may be what it said when it was somebody else's, and prove
// this person by that.
func (x *Index) hear(ctx context.Context, l *lookup, n int) (map[hie.SourcePatientID]*PatientRow, error) {
	rows := map[hie.SourcePatientID]*PatientRow{}
	var ask []hie.SourcePatientID
	for _, f := range l.found[:n] {
		for _, m := range f.Members {
			if l.homes[m.Record].Person == f.ID {
				row, err := l.said(m.Record)
				if err != nil {
					return nil, err
				}
				if row != nil {
					rows[m.Record] = row
					continue
				}
			}
			ask = append(ask, m.Record)
		}
	}
	read, err := x.store.Patients(ctx, ask)
	if err != nil {
		return nil, err
	}
	for i := range read {
		rows[read[i].Record] = &read[i]
	}
	return rows, nil
}

// twinBeside reports whether another candidate than all[i] shares the query's date of birth and its family
// name, phone or address.
func twinBeside(all []found, i int) bool {
	for j, f := range all {
		l := &f.set.Union.levels
		if j != i && l[fieldBirth] >= birthExact && l[fieldBirth] <= birthWeak &&
			(l[fieldFamily] >= familyExact && l[fieldFamily] <= familyPart || l[fieldPhone] == phoneEqual ||
				l[fieldAddress] >= addressExact && l[fieldAddress] <= addressNear) {
			return true
		}
	}
	return false
}

// resemblance says how strongly one record's stored features resemble f; 0 when they cannot be read.
func (x *Index) resemblance(f *Features, stored []byte) Bits {
	var g Features
	if g.Decode(stored) != nil {
		return 0
	}
	c := Compare(f, &g)
	return x.model.Score(&c)
}

// stewardship fills in Stewarded.
func (x *Index) stewardship(ctx context.Context, all []Identity) error {
	var records []hie.SourcePatientID
	for _, i := range all {
		records = append(records, i.Person.Records()...)
	}
	verdicts, err := x.store.Constraints(ctx, records)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].Stewarded = slices.ContainsFunc(verdicts, func(v Constraint) bool { return slices.Contains(all[i].Person.Records(), v.A) })
	}
	return nil
}
