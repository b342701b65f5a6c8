// Package federation brings one person's documents together for one requester: it resolves whose records are
// meant, lets consent decide what the requester may learn, reads the index within that, asks the sites that do
// not publish, merges the answers into one stable order, records what is disclosed before it leaves, and hands
// over bytes proved to be those that were published.
//
// It leaves to others who is who (mpi), which documents exist (locator), what may be disclosed (consent), how a
// site is spoken to (federationhttp) and where what sites told is kept (federationpg). Nothing is answered under
// rules that have changed meanwhile: the person's version and the epochs of its records are read before the data
// and compared again at the end, and before every chunk of a document.
//
// "Unknown patient", "nothing there" and "withheld" are one answer here: the zero [Found], hie.ErrNotFound.
//
// Source: DESIGN ideas 4 and 6-10; IHE MHD ITI-67 and ITI-68; spec federation section 6; spec consent 2.12-2.14.
package federation

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// ErrBadBody means a document that may be released could not be had from its site as it was published: its
// bytes are wrong, broken off or not what was announced. It is hie.ErrUnavailable too.
var ErrBadBody = &badBody{}

type badBody struct{}

func (*badBody) Error() string {
	return "federation: the site did not deliver the document as published"
}
func (*badBody) Is(target error) bool { return target == hie.ErrUnavailable }

// errMoved means rules or links changed while an answer was made.
var errMoved = errors.New("federation: the rules moved")

// Patients is what the exchange asks of the index of persons.
type Patients interface {
	// Resolve returns the person whom id's source means, following merges to the survivor, or hie.ErrNotFound.
	Resolve(ctx context.Context, id hie.Identifier) (mpi.Person, error)
	// PersonOf returns the person record belongs to, or hie.ErrNotFound.
	PersonOf(ctx context.Context, record hie.SourcePatientID) (mpi.Person, error)
	// Versions returns the current version of each person; one that was merged away is missing.
	Versions(ctx context.Context, persons []hie.PersonID) (map[hie.PersonID]int64, error)
}

// Holdings is what the exchange asks of the locator. Pages are newest first by SortAt and ID, both descending.
type Holdings interface {
	Presence(ctx context.Context, records []hie.SourcePatientID) ([]locator.Presence, error)
	Find(ctx context.Context, f locator.Filter, plans []locator.Plan, c locator.Cursor, limit int) (locator.Page, error)
	Count(ctx context.Context, f locator.Filter, plans []locator.Plan, c locator.Cursor) (int64, error)
	// All calls yield with everything that Find would give over all pages from c's first one on, without received
	// bytes, until yield returns false.
	All(ctx context.Context, f locator.Filter, plans []locator.Plan, c locator.Cursor, yield func(locator.Pointer) bool) error
	// Marks gives of everything that Find would give over all pages from c's first one on what tells whether another
	// place holds the same content, in no order; of that with one of hashes alone, if these are not nil.
	Marks(ctx context.Context, f locator.Filter, plans []locator.Plan, c locator.Cursor, hashes [][]byte) ([]locator.Pointer, error)
	// Read returns one pointer with its received bytes, or hie.ErrNotFound. It decides nothing.
	Read(ctx context.Context, record hie.SourcePatientID, id hie.PointerID) (locator.Pointer, error)
}

// Epochs returns the epoch of each record; one that never moved is 0.
type Epochs func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error)

// Sites asks sites. Its methods end when ctx does, wait for nothing beyond it, and fail with a *[SiteError].
type Sites interface {
	// Search asks one site which documents it holds about one of its own patients. The pointers returned carry
	// Record, Site and Received; their IDs are settled by what the document is, so that asking twice gives the same.
	// An answer that was understood in part gives what was understood together with a *SiteError of Fate Partial.
	Search(ctx context.Context, ask Ask) ([]locator.Pointer, error)
	// Decode makes the pointer of a document that a site told of before, as Search made it.
	Decode(site hie.SiteID, record hie.SourcePatientID, received []byte) (locator.Pointer, error)
	// Fetch opens the bytes of a document; the caller closes the body.
	Fetch(ctx context.Context, p locator.Pointer) (Body, error)
}

// An Ask is one question to one site about one of its own patients.
type Ask struct {
	hie.Private
	Site   hie.SiteID
	Record hie.SourcePatientID
	Local  hie.Identifier
	// Status are the states sought, nil for any.
	Status []locator.Status
	// Most is how many documents are taken from its answer.
	Most int
	// Request is the request id everything is recorded under; the site is told it.
	Request string
}

// A Body is a document's bytes as a site sends them.
type Body struct {
	io.ReadCloser
	// ContentType is what the site says, "" when it says nothing.
	ContentType string
	// Length is what the site announces, -1 when it announces nothing.
	Length int64
	// Framed says that the transfer tells its end from a break.
	Framed bool
}

// Handles keeps, for a short time, what live sites told, so that later pages and retrievals need not ask again.
type Handles interface {
	// Keep stores documents told at asked until expires. One kept before stays where it is in time.
	Keep(ctx context.Context, docs []locator.Pointer, asked, expires time.Time) error
	// Kept returns what was told of records in the asking at asked, in any when asked is zero, and is kept at now.
	Kept(ctx context.Context, records []hie.SourcePatientID, asked, now time.Time) ([]Told, error)
	// Read returns one document kept at now, or hie.ErrNotFound.
	Read(ctx context.Context, ref locator.Ref, now time.Time) (Told, error)
}

// A Told is a document as a live site told of it.
type Told struct {
	hie.Private
	locator.Ref
	Site     hie.SiteID
	Received []byte
}

// Representatives returns who may act for the patient of any of records, in their current version.
type Representatives func(ctx context.Context, records []hie.SourcePatientID) ([]consent.Representative, error)

// Record commits events to the audit trail before it returns.
type Record func(ctx context.Context, events ...audit.Event) error

// Limits bound what one request may cost. The zero Limits mean the values named with each field.
type Limits struct {
	// Budget is how long a query may wait for sites, 5 s; Reserve what of it is kept for merging and recording,
	// 250 ms.
	Budget, Reserve time.Duration
	// Follow is how long a query may wait whose caller hears of each site as it answers, 30 s.
	Follow time.Duration
	// Sites is how many records are asked live in one query, 256; others count as skipped.
	Sites int
	// PerSite is how many documents are taken from one site's answer, 1,000.
	PerSite int
	// Linger is how long a site that was late is still listened to after its query was answered; what it says then is kept
	// for the next query. 0 is not at all.
	Linger time.Duration
	// Keep is how long what live sites told is kept, 10 minutes.
	Keep time.Duration
	// Document is the largest document passed on whose size is not known, 2 GiB.
	Document int64
}

func (l Limits) withDefaults() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&l.Budget, 5*time.Second)
	set(&l.Reserve, 250*time.Millisecond)
	set(&l.Follow, 30*time.Second)
	set(&l.Keep, 10*time.Minute)
	if l.Sites == 0 {
		l.Sites = 256
	}
	if l.PerSite == 0 {
		l.PerSite = 1000
	}
	if l.Document == 0 {
		l.Document = 2 << 30
	}
	return l
}

// Parts are what an Exchange is made of; all but Limits and Now are needed.
type Parts struct {
	Patients   Patients
	Holdings   Holdings
	Directives Directives
	// Representatives is asked when somebody acts in a patient's name; nil lets nobody.
	Representatives Representatives
	// CareTeams is asked when directives name care teams; nil knows of none.
	CareTeams CareTeams
	Epochs    Epochs
	Sites     Sites
	Handles   Handles
	Record    Record
	// Network is the current picture of the participants, Env the consent environment made of the same picture.
	Network func() *directory.Network
	Env     func() *consent.Env
	// DocumentID is the name by which directives refer to a document: its public FHIR id.
	DocumentID func(locator.Ref) string
	Limits     Limits
	// Now is the clock; nil is hie.Now.
	Now func() time.Time
}

// An Exchange answers where a person's documents are and hands them over. It is safe for use by many goroutines.
type Exchange struct {
	Parts
	late lateness
}

// New returns an Exchange of parts.
func New(parts Parts) *Exchange {
	parts.Limits = parts.Limits.withDefaults()
	if parts.Now == nil {
		parts.Now = hie.Now
	}
	return &Exchange{Parts: parts, late: newLateness()}
}

// Close stops listening to late sites and returns when nothing runs any more.
func (x *Exchange) Close() {
	x.late.end()
	x.late.running.Wait()
}

// recordTimeout bounds how long the audit trail may take; a request never waits longer for it.
const recordTimeout = 5 * time.Second

// record commits events even if the caller has gone, since what they tell of has happened.
func (x *Exchange) record(ctx context.Context, events ...audit.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	end := hie.Step(ctx)
	err := x.Record(ctx, events...)
	for _, e := range events {
		end(hie.Span{Name: stepAudit, Outcome: traceOutcome(err), Detail: string(e.Kind) + " " + e.ID})
	}
	return err
}
