package mpi

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/hie"
)

// An Index answers who is who. Make one with New; it is safe for concurrent use.
type Index struct{}

// Resolve returns the person whom id's source means, following merges in the site and between persons to the
// survivor. hie.ErrNotFound means no site has registered id.
func (x *Index) Resolve(ctx context.Context, id hie.Identifier) (Person, error) {
	return Person{}, fmt.Errorf("mpi: resolve: %w", hie.ErrUnavailable)
}

// RecordOf returns the record registered under id, following merges in the site to the survivor.
// hie.ErrNotFound means no site has registered id.
func (x *Index) RecordOf(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, error) {
	return 0, fmt.Errorf("mpi: record of: %w", hie.ErrUnavailable)
}

// PersonOf returns the person record belongs to, or hie.ErrNotFound.
func (x *Index) PersonOf(ctx context.Context, record hie.SourcePatientID) (Person, error) {
	return Person{}, fmt.Errorf("mpi: person of: %w", hie.ErrUnavailable)
}

// Record returns one registration, retired ones too, or hie.ErrNotFound.
func (x *Index) Record(ctx context.Context, record hie.SourcePatientID) (SourcePatient, error) {
	return SourcePatient{}, fmt.Errorf("mpi: record: %w", hie.ErrUnavailable)
}

// Records returns the registrations that exist of records, ordered by record, each once.
func (x *Index) Records(ctx context.Context, records []hie.SourcePatientID) ([]SourcePatient, error) {
	return nil, fmt.Errorf("mpi: records: %w", hie.ErrUnavailable)
}

// Versions returns the current version of each person; one that does not exist, or was merged away, is
// missing. The release gate compares it.
func (x *Index) Versions(ctx context.Context, persons []hie.PersonID) (map[hie.PersonID]int64, error) {
	return nil, fmt.Errorf("mpi: versions: %w", hie.ErrUnavailable)
}
