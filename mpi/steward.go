package mpi

import (
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
	// Person is the person whose row this concerns: the one moved into, or the one redirected.
	Person hie.PersonID
	// Record is what moved or was constrained; 0 for a redirect. Other is the record it moved because of, the
	// other end of a constraint, or the record it became an alias of; 0 for none.
	Record, Other hie.SourcePatientID
	From, To      Place
	// FromVerdict and ToVerdict are set for a constraint.
	FromVerdict, ToVerdict Verdict
	// FromAlias and ToAlias are set for an alias; WasActive tells the registration's state before.
	FromAlias, ToAlias hie.SourcePatientID
	WasActive          bool
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
