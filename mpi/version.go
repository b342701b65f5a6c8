package mpi

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Version is what a registration said from Since until Until.
type Version struct {
	hie.Private
	Record       hie.SourcePatientID
	Number       int64
	Since, Until time.Time
	Active       bool
	// Disputed is set when it was never accepted as the same person's: an overlay.
	Disputed     bool
	Demographics Demographics
	Received     []byte
}

// version returns what p says as a version that ends at until.
func (p *PatientRow) version(until time.Time, disputed bool) Version {
	return Version{Record: p.Record, Number: p.Version, Since: p.Updated, Until: until, Active: p.Active, Disputed: disputed,
		Demographics: p.Demographics, Received: p.Received}
}

// RecordVersions returns everything record has said, oldest first, the current version last with a zero Until.
// hie.ErrNotFound means that there is no such record.
func (x *Index) RecordVersions(ctx context.Context, record hie.SourcePatientID) ([]Version, error) {
	row, err := patient(ctx, x.store, record)
	if err != nil {
		return nil, fmt.Errorf("mpi: record versions: %w", err)
	}
	out, err := x.store.RecordVersions(ctx, record)
	if err != nil {
		return nil, fmt.Errorf("mpi: record versions: %w", err)
	}
	members, err := x.store.Members(ctx, []hie.PersonID{row.Person})
	if err != nil {
		return nil, fmt.Errorf("mpi: record versions: %w", err)
	}
	disputed := false
	for _, m := range members {
		disputed = disputed || m.Record == record && m.Link == hie.LinkDisputed
	}
	return append(out, row.version(time.Time{}, disputed)), nil
}

// SaidAt returns what each of records said at t, in order; one that was not registered yet is left out.
func (x *Index) SaidAt(ctx context.Context, records []hie.SourcePatientID, t time.Time) ([]SourcePatient, error) {
	rows, err := x.store.Patients(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("mpi: said at: %w", err)
	}
	var out []SourcePatient
	for _, row := range rows {
		if !row.Updated.After(t) {
			out = append(out, row.SourcePatient)
			continue
		}
		versions, err := x.store.RecordVersions(ctx, row.Record)
		if err != nil {
			return nil, fmt.Errorf("mpi: said at: %w", err)
		}
		for _, v := range versions {
			if !v.Since.After(t) && v.Until.After(t) {
				then := row.SourcePatient
				then.Demographics, then.Received, then.Active, then.Version, then.Updated = v.Demographics, v.Received, v.Active, v.Number, v.Since
				out = append(out, then)
			}
		}
	}
	return out, nil
}
