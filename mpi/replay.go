package mpi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// A Replayed is what link events alone say of the present: nothing about links is kept that they do not tell.
type Replayed struct {
	// Places are where records belong, Redirects what persons were merged into, Aliases what registrations were
	// replaced by, Verdicts what stands between records (the smaller first). Zero values are left out.
	Places    map[hie.SourcePatientID]Place
	Redirects map[hie.PersonID]hie.PersonID
	Aliases   map[hie.SourcePatientID]hie.SourcePatientID
	Verdicts  map[[2]hie.SourcePatientID]Verdict
}

// Replay runs events, which are in order of their ids, from the beginning.
//
// Source: DESIGN idea 2 (links are events); spec mpi section 7, scenario 8 (replay gives a byte-equal state).
func Replay(events []Event) Replayed {
	r := Replayed{Places: map[hie.SourcePatientID]Place{}, Redirects: map[hie.PersonID]hie.PersonID{},
		Aliases: map[hie.SourcePatientID]hie.SourcePatientID{}, Verdicts: map[[2]hie.SourcePatientID]Verdict{}}
	for _, e := range events {
		switch e.Kind {
		case EventMoved:
			r.Places[e.Record] = e.To
		case EventRedirected:
			put(r.Redirects, e.Person, e.To.Person)
		case EventAliased:
			put(r.Aliases, e.Record, e.ToAlias)
		case EventConstrained:
			put(r.Verdicts, ends(e.Record, e.Other), e.ToVerdict)
		}
	}
	return r
}

// put writes m[k] = v, and takes k out where v is zero.
func put[K, V comparable](m map[K]V, k K, v V) {
	var zero V
	if v == zero {
		delete(m, k)
		return
	}
	m[k] = v
}

// String writes the state one fact a line, in an order that depends on the facts only: equal states are equal bytes.
func (r Replayed) String() string {
	var lines []string
	for k, v := range r.Places {
		lines = append(lines, fmt.Sprintf("record %d in %d %s", int64(k), int64(v.Person), v.Link))
	}
	for k, v := range r.Redirects {
		lines = append(lines, fmt.Sprintf("person %d is %d", int64(k), int64(v)))
	}
	for k, v := range r.Aliases {
		lines = append(lines, fmt.Sprintf("record %d stands for %d", int64(v), int64(k)))
	}
	for k, v := range r.Verdicts {
		lines = append(lines, fmt.Sprintf("records %d and %d %s", int64(k[0]), int64(k[1]), v))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
