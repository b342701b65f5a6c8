package mpi

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A NoticeKind says what changed about a record or a person.
type NoticeKind string

// The kinds of notice.
const (
	NoticeRegistered NoticeKind = "registered" // a record is new, and belongs to Person
	NoticeRevised    NoticeKind = "revised"    // a record says something else than before
	NoticeWithdrawn  NoticeKind = "withdrawn"  // a record was withdrawn by its site
	NoticeMoved      NoticeKind = "moved"      // a record went from Former to Person
	NoticeLink       NoticeKind = "link"       // how surely a record belongs to Person changed
	NoticeReplaced   NoticeKind = "replaced"   // a record was replaced by another of its site, or was again its own
	NoticeRedirected NoticeKind = "redirected" // the person Former was merged into Person
	NoticeRestored   NoticeKind = "restored"   // Person, which had been merged into Former, stands for itself again
)

// A Notice tells others that an identity changed. It holds no demographics: who may see them asks.
type Notice struct {
	Cursor Cursor
	Kind   NoticeKind
	At     time.Time
	// Record is what changed, or 0 for a notice about persons.
	Record hie.SourcePatientID
	// Person is where the record belongs now, or the person that stays; Former the one before, or 0.
	Person, Former hie.PersonID
	Change         ChangeID

	id int64
}

// ID returns the notice's own id, by which somebody who hears of it twice knows it again.
func (n Notice) ID() int64 { return n.id }

// NoticeWith returns n as a store read it: under id, at cursor.
func NoticeWith(n Notice, id int64, at Cursor) Notice {
	n.id, n.Cursor = id, at
	return n
}

// A Cursor is a place in the stream of notices. The zero Cursor is its beginning.
type Cursor struct{ Transaction, Notice int64 }

// Notices returns what changed behind after, in an order in which nothing is ever inserted before what was read:
// who goes on from the last cursor misses nothing. What was read may be read again (at least once). count bounds the
// page: 0 means 100, at most 1,000. An empty page means that there is nothing yet. hie.ErrGone means that notices behind
// after were pruned: the caller missed some, and must read anew what it follows.
//
// Source: spec mpi section 1, "task, link-id change notices"; DESIGN idea 9: PostgreSQL is the only truth, so a
// change and its notice are one transaction.
func (x *Index) Notices(ctx context.Context, after Cursor, count int) ([]Notice, error) {
	if count <= 0 {
		count = 100
	}
	out, err := x.store.Notices(ctx, after, min(count, 1000))
	if err != nil {
		return nil, fmt.Errorf("mpi: notices: %w", err)
	}
	// Looked at last: what was pruned while the notices were read is seen to be.
	pruned, _, err := x.store.NoticeBounds(ctx)
	if err != nil {
		return nil, fmt.Errorf("mpi: notices: %w", err)
	}
	if after.Before(pruned) {
		return nil, fmt.Errorf("mpi: notices: %w", errPruned)
	}
	return out, nil
}
