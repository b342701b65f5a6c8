package mpitest

import (
	"context"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// An earlier store read one record's row when it belonged to another person, or said something else.
type earlier struct {
	*Memory
	record hie.SourcePatientID
	home   hie.PersonID
	said   mpi.Demographics
}

func (e *earlier) Sighted(ctx context.Context, records []hie.SourcePatientID, whole int) (map[hie.SourcePatientID]mpi.Home, mpi.Said, error) {
	homes, said, err := e.Memory.Sighted(ctx, records, whole)
	if h, found := homes[e.record]; found {
		h.Person = e.home
		homes[e.record] = h
	}
	return homes, func(r hie.SourcePatientID) (*mpi.PatientRow, error) {
		row, err := said(r)
		if row != nil && r == e.record {
			row.Demographics = e.said
		}
		return row, err
	}, err
}

// Source: spec cms-matching: what proves a person is what that person's records say.
func TestARecordProvesNobodyByWhatItSaidWhenItWasSomebodyElses(t *testing.T) {
	now := Maria()
	now.Telecoms = nil
	then := Maria()
	then.Identifiers = []mpi.Identifier{SSN("219-09-9137")}
	query := then
	query.Addresses = nil
	for _, tt := range []struct {
		name          string
		moved, proves bool
	}{
		{"it was this person's", false, true},
		{"it was somebody else's", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &earlier{Memory: NewMemory(), said: then}
			w := NewWorld(t, store)
			a, b := w.Register("a", "1", now), w.Register("b", "1", now)
			if !w.Together(a.Record, b.Record) {
				t.Fatal("not one person")
			}
			store.record, store.home = a.Record, a.Person
			if tt.moved {
				store.home = 999
			}
			m, err := w.Match(ctx, Actor, query, mpi.MatchOptions{})
			if err != nil || len(m.Identities) != 1 || len(m.Identities[0].Records) != 2 {
				t.Fatalf("%d identities, %v; want one of two records", len(m.Identities), err)
			}
			if rule := m.Identities[0].Proof.Rule; (rule != "") != tt.proves {
				t.Errorf("proven by %q, want proven %t", rule, tt.proves)
			}
		})
	}
}
