package mpitest

import (
	"context"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// An earlier store reads rows as they were before the records came to belong where they do.
type earlier struct {
	*Memory
	was func(*mpi.PatientRow)
}

func (e *earlier) Sighted(ctx context.Context, records []hie.SourcePatientID, whole int) (map[hie.SourcePatientID]mpi.Home, []mpi.PatientRow, error) {
	homes, rows, err := e.Memory.Sighted(ctx, records, whole)
	for i := range rows {
		e.was(&rows[i])
	}
	return homes, rows, err
}

// Source: spec cms-matching: what proves a person is what that person's records say.
func TestARecordProvesNobodyByWhatItSaidBeforeItBelongedToThem(t *testing.T) {
	for _, tt := range []struct {
		name          string
		moved, proves bool
	}{
		{"while it belonged to the same person", false, true},
		{"while it belonged to somebody else", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWorld(t, &earlier{Memory: NewMemory(), was: func(p *mpi.PatientRow) {
				p.Demographics.Identifiers = []mpi.Identifier{SSN("219-09-9137")}
				p.Demographics.Telecoms = Maria().Telecoms
				if tt.moved {
					p.Person++
				}
			}})
			now := Maria()
			now.Telecoms, now.Addresses[0].Lines = nil, nil
			w.Register("a", "1", now)
			query := Maria()
			query.Identifiers, query.Addresses[0].Lines = []mpi.Identifier{SSN("219-09-9137")}, nil
			m, err := w.Match(ctx, Actor, query, mpi.MatchOptions{})
			if err != nil || len(m.Identities) != 1 {
				t.Fatalf("%d identities, %v; want one", len(m.Identities), err)
			}
			if proven := m.Identities[0].Proof.Rule != ""; proven != tt.proves {
				t.Errorf("proven %t by rule %q", proven, m.Identities[0].Proof.Rule)
			}
		})
	}
}
