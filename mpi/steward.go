package mpi

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A ChangeID names everything one decision changed. Same shape as the other ids.
type ChangeID int64

// A TaskID names a review task. Same shape as the other ids.
type TaskID int64

// A Verdict is a steward's word about two records. It outlives every rescoring.
type Verdict uint8

// The verdicts.
const (
	// Clear takes an earlier verdict back and leaves the links as they are.
	Clear Verdict = iota
	MustLink
	CannotLink
)

func (v Verdict) String() string { return [...]string{"clear", "must-link", "cannot-link"}[v] }

// A Cause says who or what changed a link.
type Cause string

// The causes.
const (
	CauseRule    Cause = "rule"    // the engine
	CauseSite    Cause = "site"    // the site merged or withdrew its own registration
	CauseSteward Cause = "steward" // a person decided
	CauseUndo    Cause = "undo"    // a person took a change back
)

// An EventKind says what an Event changed.
type EventKind string

// The kinds of event.
const (
	EventMoved       EventKind = "moved"       // a record went from one person to another, or its link state changed
	EventRedirected  EventKind = "redirected"  // a person was merged into another, or brought back
	EventConstrained EventKind = "constrained" // a verdict about two records was set or cleared
	EventAliased     EventKind = "aliased"     // a record was replaced by another of its site, or was again its own
)

// A Place is where a record belongs. The zero Place is nowhere.
type Place struct {
	Person hie.PersonID
	Link   hie.LinkState
}

// An Event is one link row's change. Events are only ever added.
type Event struct {
	ID     int64
	Change ChangeID
	Kind   EventKind
	At     time.Time
	// Record is what moved or was constrained; 0 for a redirect. Other is the record it moved because of, the
	// other end of a constraint, or the record it became an alias of; 0 for none.
	Record, Other hie.SourcePatientID
	From, To      Place
	// FromVerdict and ToVerdict are set for a constraint.
	FromVerdict, ToVerdict Verdict
	// FromAlias and ToAlias are set for an alias.
	FromAlias, ToAlias hie.SourcePatientID
	Cause              Cause
	// Model names the weights that scored it ("hand-1"), "" when a person decided.
	Model    string
	Grade    Grade
	Bits     Bits
	Evidence []Evidence
	// By is the organisation and user who decided, "org/user"; Reason their words, "" for the engine.
	By, Reason string
	// Undoes names the change this one took back, or 0.
	Undoes ChangeID
}

// Decide records a steward's verdict about records a and b and brings the links in line with it: MustLink
// joins their persons; CannotLink parts them, the record that came later leaving with those that joined
// because of it. It returns the change, for Undo. A reason is required. Errors: *hie.InvalidError,
// hie.ErrNotFound, hie.ErrConflict when an opposite verdict binds others between them.
func (x *Index) Decide(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v Verdict, reason string) (ChangeID, error) {
	return 0, fmt.Errorf("mpi: decide: %w", hie.ErrUnavailable)
}

// Undo takes a change back: every link row it wrote is again as it was before, byte for byte but for the
// person's version; records that joined later because of one that goes back go with it. Undoing what the
// engine linked records a cannot-link between the records, so that rescoring does not bring it back.
// hie.ErrConflict means that a later change moved one of the same records: undo that one first.
func (x *Index) Undo(ctx context.Context, actor hie.Actor, change ChangeID, reason string) (ChangeID, error) {
	return 0, fmt.Errorf("mpi: undo: %w", hie.ErrUnavailable)
}

// HistoryOfRecord returns the events that touched record, oldest first; nil when there were none.
func (x *Index) HistoryOfRecord(ctx context.Context, record hie.SourcePatientID) ([]Event, error) {
	return nil, fmt.Errorf("mpi: history: %w", hie.ErrUnavailable)
}

// HistoryOfPerson returns the events that touched person, oldest first; nil when there were none.
func (x *Index) HistoryOfPerson(ctx context.Context, person hie.PersonID) ([]Event, error) {
	return nil, fmt.Errorf("mpi: history: %w", hie.ErrUnavailable)
}

// AsOf returns the person record belonged to at t, with the members it had then. Version is 0: it is not a
// current version. hie.ErrNotFound means record was not registered yet.
func (x *Index) AsOf(ctx context.Context, record hie.SourcePatientID, t time.Time) (Person, error) {
	return Person{}, fmt.Errorf("mpi: as of: %w", hie.ErrUnavailable)
}

// A TaskKind says why a steward should look.
type TaskKind string

// The kinds of task.
const (
	TaskDuplicate TaskKind = "duplicate" // two persons may be one
	TaskOverlay   TaskKind = "overlay"   // an update looks like somebody else
	TaskConflict  TaskKind = "conflict"  // new evidence contradicts a link or a steward's verdict
)

// A Task asks a steward to look at two records.
type Task struct {
	ID   TaskID
	Kind TaskKind
	// Record is what raised it; Other the best record of the other person, or 0 for an overlay.
	Record, Other hie.SourcePatientID
	Grade         Grade
	Bits          Bits
	Evidence      []Evidence
	// Missing names the field that would settle it ("birth-order", "suffix", ...), or "".
	Missing string
	Opened  time.Time
	// Closed is zero while the task is open; then Verdict, By and Reason tell how it ended.
	Closed     time.Time
	Verdict    Verdict
	By, Reason string
}

// TaskFilter selects tasks. The zero filter selects all open ones.
type TaskFilter struct {
	Kind TaskKind
	// Closed selects closed tasks instead of open ones.
	Closed bool
	Record hie.SourcePatientID
	After  TaskID
	// Count bounds the page; 0 means 50, at most 200.
	Count int
}

// Tasks returns review tasks, oldest first, and whether there are more.
func (x *Index) Tasks(ctx context.Context, f TaskFilter) (tasks []Task, more bool, err error) {
	return nil, false, fmt.Errorf("mpi: tasks: %w", hie.ErrUnavailable)
}

// Task returns one task.
func (x *Index) Task(ctx context.Context, id TaskID) (Task, error) {
	return Task{}, fmt.Errorf("mpi: task: %w", hie.ErrUnavailable)
}

// Settle closes a task with a verdict: for a duplicate or a conflict as Decide does; for an overlay, MustLink
// says the record still means the same person (the update takes effect), CannotLink that it now means another
// (it gets a person of its own), Clear leaves it in dispute. hie.ErrConflict means it is closed already.
func (x *Index) Settle(ctx context.Context, actor hie.Actor, id TaskID, v Verdict, reason string) (ChangeID, error) {
	return 0, fmt.Errorf("mpi: settle: %w", hie.ErrUnavailable)
}
