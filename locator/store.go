package locator

import (
	"context"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A Store keeps pointers. Every method that changes something does so in one transaction together with the
// audit events it is given; on an error nothing has changed.
type Store interface {
	// Deposit publishes all of d or nothing. Claims are taken first, in an order common to all callers; a
	// claim that is taken answers from its own row: same record and same hash gives that pointer with Existing
	// set, anything else hie.ErrConflict. Targets to supersede are read under lock and judged by d.Judge.
	Deposit(ctx context.Context, d Deposit) ([]Published, error)
	// Change replaces the pointer named ref by what change makes of it, under lock, and keeps the former
	// version as history. The epoch of the record moves when rules may see it otherwise ([Pointer.RuledAs]). It returns hie.ErrNotFound when
	// there is no such pointer, and change's error as it is.
	Change(ctx context.Context, ref Ref, at time.Time, change func(old Pointer) (Pointer, []audit.Event, error)) (Pointer, error)
	// Remove deletes the pointer named ref, unless allow refuses, and keeps what it was as history; its claim
	// is free again. allow is told whether a relation of another document names it. It returns hie.ErrNotFound when there
	// is no such pointer.
	Remove(ctx context.Context, ref Ref, at time.Time, allow func(old Pointer, named bool) ([]audit.Event, error)) error
	// Read returns one pointer with Received, or hie.ErrNotFound.
	Read(ctx context.Context, ref Ref) (Pointer, error)
	// ReadList returns one list, or hie.ErrNotFound.
	ReadList(ctx context.Context, record hie.SourcePatientID, id int64) (List, error)
	// Presence returns what exists of records, ordered by record and kind id; kinds nobody has any more are
	// left out. One statement.
	Presence(ctx context.Context, records []hie.SourcePatientID) ([]Presence, error)
	// Rows returns the pointers of one record that q wants, newest first, at most q.Limit. One statement.
	Rows(ctx context.Context, record hie.SourcePatientID, q Query) ([]Pointer, error)
	// Marks returns of the pointers of one record that q wants, whatever its Limit and After, what [Index.Marks] tells,
	// in no order; hashes, if not nil, are the only ones wanted. One statement.
	Marks(ctx context.Context, record hie.SourcePatientID, q Query, hashes [][]byte) ([]Pointer, error)
	// Count returns how many pointers of one record q wants, whatever its Limit and After. One statement.
	Count(ctx context.Context, record hie.SourcePatientID, q Query) (int64, error)
}

// A Query is what is asked of one record's pointers.
type Query struct {
	Filter Filter
	// Kinds are the only kinds sought; none means nothing is.
	Kinds []int64
	// After is where to go on from; its Highest bounds the ids when not 0.
	After Cursor
	Limit int
	// Received asks for the received bytes as well.
	Received bool
}

// A Deposit is a publication made ready for a store.
type Deposit struct {
	Documents []Document
	Lists     []List
	// Now is the time of publication.
	Now time.Time
	// Judge says whether target may be superseded by d: its error refuses the whole deposit.
	Judge func(target Pointer, by Pointer) error
	// Relate says whether by may state another relation to target.
	Relate func(target Pointer, by Pointer) error
	// Events returns the audit events for what was published, in the same transaction; it is called once the
	// outcome is known.
	Events func(published []Published) []audit.Event
}

// A Document is one pointer of a deposit with the claim that makes it unique.
type Document struct {
	Pointer Pointer
	Claim   Claim
	// Targets are the claims of relations that name their target by identifier, as Relations does; zero where
	// a relation is resolved already.
	Targets []Claim
	// Render is that of the [Submission].
	Render func(docs []Ref) []byte
}

// A Claim is the 16-byte key under which an organisation's document is unique.
type Claim [16]byte

// Published tells what became of one document of a publication.
type Published struct {
	Ref
	Version int64
	// Existing says that the same document had been published before: nothing was stored anew.
	Existing bool
	// Pointer is the stored pointer; the zero Pointer when Existing.
	Pointer Pointer
}

// A List is a submission set or a folder: a group of documents published together.
type List struct {
	hie.Private
	Record    hie.SourcePatientID
	ID        int64
	Custodian hie.OrgID
	// Code is "submissionset" or "folder".
	Code string
	// Identifier is its unique id, or zero.
	Identifier hie.Identifier
	// Claim makes it unique when Identifier is not zero.
	Claim Claim
	// Digest tells a repeated list from another one under the same identifier.
	Digest [32]byte
	// Entries are 1 + the positions of its documents in the publication; Items the documents once stored.
	Entries []int
	Items   []Ref
	// Received is the resource as published; Render makes the stored bytes of it once ids are known.
	Received []byte
	Render   func(docs []Ref, self int64) []byte
	Recorded time.Time
	// Existing says that the same list had been published before.
	Existing bool
}
