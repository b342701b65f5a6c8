package mpi

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// HistoryOfRecord returns the events that touched record, oldest first; nil when there were none.
func (x *Index) HistoryOfRecord(ctx context.Context, record hie.SourcePatientID) ([]Event, error) {
	events, err := x.store.EventsOfRecords(ctx, []hie.SourcePatientID{record})
	if err != nil {
		return nil, fmt.Errorf("mpi: history: %w", err)
	}
	return events, nil
}

// HistoryOfPerson returns the events that put somebody into person, took them out again, or redirected it,
// oldest first; nil when there were none.
func (x *Index) HistoryOfPerson(ctx context.Context, person hie.PersonID) ([]Event, error) {
	joined, err := x.store.EventsOfPerson(ctx, person)
	if err != nil {
		return nil, fmt.Errorf("mpi: history: %w", err)
	}
	ever := everIn(joined, person)
	moves, err := x.store.EventsOfRecords(ctx, ever)
	if err != nil {
		return nil, fmt.Errorf("mpi: history: %w", err)
	}
	var out []Event
	seen := map[int64]bool{}
	for _, e := range append(joined, moves...) {
		if !seen[e.ID] && (e.Person == person || e.From.Person == person || e.To.Person == person || e.Kind == EventConstrained) {
			seen[e.ID] = true
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Event) int { return int(max(-1, min(1, a.ID-b.ID))) })
	return out, nil
}

// everIn returns the records events put into person, in order.
func everIn(events []Event, person hie.PersonID) []hie.SourcePatientID {
	var out []hie.SourcePatientID
	for _, e := range events {
		if e.Kind == EventMoved && e.To.Person == person {
			out = append(out, e.Record)
		}
	}
	return sortedRecords(out)
}

// AsOf returns the person record belonged to at t, with the members it had then. Version is 0: it is not a
// current version. hie.ErrNotFound means record was not registered yet.
func (x *Index) AsOf(ctx context.Context, record hie.SourcePatientID, t time.Time) (Person, error) {
	own, err := x.store.EventsOfRecords(ctx, []hie.SourcePatientID{record})
	if err != nil {
		return Person{}, fmt.Errorf("mpi: as of: %w", err)
	}
	at, ok := placeAt(own, record, t)
	if !ok {
		return Person{}, fmt.Errorf("mpi: as of: %w", hie.ErrNotFound)
	}
	joined, err := x.store.EventsOfPerson(ctx, at.Person)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: as of: %w", err)
	}
	ever := everIn(joined, at.Person)
	moves, err := x.store.EventsOfRecords(ctx, ever)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: as of: %w", err)
	}
	rows, err := x.store.Patients(ctx, ever)
	if err != nil {
		return Person{}, fmt.Errorf("mpi: as of: %w", err)
	}
	p := Person{ID: at.Person}
	for _, row := range rows {
		if then, ok := placeAt(moves, row.Record, t); ok && then.Person == at.Person {
			m := Member{Record: row.Record, Site: row.Site, Local: row.Local, Link: then.Link}
			if d := row.Demographics.Deceased; d.Dead {
				m.Died = diedBy(packDate(d.On))
			}
			p.Members = append(p.Members, m)
		}
	}
	return p, nil
}

// placeAt returns where record was at t, from events in order.
func placeAt(events []Event, record hie.SourcePatientID, t time.Time) (Place, bool) {
	var at Place
	for _, e := range events {
		if e.Kind == EventMoved && e.Record == record && !e.At.After(t) {
			at = e.To
		}
	}
	return at, at != Place{}
}
