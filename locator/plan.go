package locator

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Presence says that a source patient has documents of a kind.
type Presence struct {
	Record hie.SourcePatientID
	Site   hie.SiteID
	Kind   Kind
	// Count is how many pointers of this kind exist in any state, Current how many are current.
	Count, Current int64
	// Newest is the largest SortAt among them.
	Newest time.Time
}

// A Plan says which documents of one source patient a requester may learn of. The zero Plan permits none.
type Plan struct {
	Record hie.SourcePatientID
	// Kinds are the ids of kinds permitted as a whole.
	Kinds []int64
	// PerRow are the ids of kinds of which Decide tells for each document; the two lists share no id.
	PerRow []int64
	// Decide reports whether p may be shown. It gets every attribute but Received. Needed when PerRow is
	// not empty: without it those kinds are withheld.
	Decide func(p Pointer) bool
}

// A Cursor is a place in an answer: the page after it begins with the next pointer in the order. The zero
// Cursor is before the first.
type Cursor struct {
	// SortAt and ID are those of the last pointer already given.
	SortAt time.Time
	ID     hie.PointerID
	// Highest bounds the ids of all pages: what was published after the first page is not mixed in. 0 at the
	// first page, where Find chooses it.
	Highest hie.PointerID
}

// A Page is a stretch of an answer, newest first: by SortAt, then by ID, both descending.
type Page struct {
	Pointers []Pointer
	// Next continues after this page; meaningful when More.
	Next Cursor
	More bool
}
