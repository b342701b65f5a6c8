package federation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// A Query asks for one person's documents. It is private: it names a patient.
type Query struct {
	hie.Private
	// Patient names the person by an identifier of theirs, or Record by one of their records; one of the two.
	Patient hie.Identifier
	Record  hie.SourcePatientID
	Filter  locator.Filter
	// Limit is the size of a page, 1 to locator.MaxPage. CountOnly asks for the total alone.
	Limit     int
	CountOnly bool
	// Cursor continues an answer; the zero Cursor begins one.
	Cursor Cursor
	// Wait is how long the caller waits, 0 when it does not say; Limits.Budget bounds it.
	Wait time.Duration
	// Remembered asks no site: of those that do not publish, the answer holds what they told within Limits.Keep, and those
	// that would have been asked are Unasked.
	Remembered bool
	// Heard, if not nil, is told what becomes of each site as soon as that is recorded, one call at a time; an answer that is
	// made anew because rules moved tells it again. Sites then have up to Limits.Follow, and what they tell is kept at once.
	Heard func(Hearing)
	// Raw is the query as sent, for auditors.
	Raw string
}

// A Hearing is what became of asking one site that may be named.
type Hearing struct {
	Site hie.SiteID
	Fate Fate
	// New says that it told of something that is sought and may be shown.
	New bool
}

// A Cursor is a place in an answer. It tells nothing of the person, and is only good for the same caller and query:
// the door that hands it out seals it so.
type Cursor struct {
	locator.Cursor
	// Asked is when the live sites were asked, zero when none were.
	Asked time.Time
	// Standing tells whether rules or links have moved since the first page.
	Standing int64
}

// IsZero reports whether c is before the first page.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// Found is the answer to a Query. The zero Found is the answer about an unknown patient, about one without documents,
// and about one whose documents are withheld.
type Found struct {
	hie.Private
	// Entries are in order: newest first.
	Entries []Entry
	// Total counts what may be shown, over all pages.
	Total int64
	// Next continues after this page; meaningful when More.
	Next Cursor
	More bool
	// Silent are the sites that did not answer, or not in full, ordered by site; only those that may be named.
	Silent []Silence
	// Withheld are the classes of document that are withheld and may be named, sorted; nil in an answer that shows nothing.
	Withheld []string
	// Moved says that rules or links changed since the first page, so that pages may not fit together.
	Moved bool
}

// An Entry is one document that may be shown.
type Entry struct {
	locator.Pointer
	// Live says that a site was asked for it; its ID is then that of a handle, good for Limits.Keep.
	Live bool
	// Alternates are the same document at other places, in order; they have none themselves.
	Alternates []Entry
	// Obligations go with showing it and its alternates, sorted ("P2-NOTICE", "NORDSCLCD").
	Obligations []string
	// Caveats are what of that is told in words, nil for nothing.
	Caveats []consent.Caveat

	ruling ruling
}

// A Silence is a site that did not answer, and why.
type Silence struct {
	Site  hie.SiteID
	Fate  Fate
	Again time.Duration
	// Caveats are what goes in words with saying that the site has the person, nil for nothing.
	Caveats []consent.Caveat
}

// tries is how often an answer is made anew because rules moved under it.
const tries = 4

// Find returns the page of q's documents that actor may learn of, after recording what it discloses. Documents of
// sites that publish come from the index; sites that do not are asked, if anything there might be shown. The same
// document held twice is one entry. If rules or links move while the answer is made it is made anew, and hie.ErrUnavailable
// is returned when they do not come to rest.
//
// Source: DESIGN section 2; IHE ITI-67; spec consent 2.14.
func (x *Exchange) Find(ctx context.Context, actor hie.Actor, q Query) (Found, error) {
	for range tries {
		found, err := x.find(ctx, actor, q)
		if err == nil {
			return found, nil
		}
		if !errors.Is(err, errMoved) {
			return Found{}, fmt.Errorf("federation: find: %w", err)
		}
	}
	return Found{}, fmt.Errorf("federation: find: rules did not come to rest: %w", hie.ErrUnavailable)
}

func (x *Exchange) find(ctx context.Context, actor hie.Actor, q Query) (Found, error) {
	q.Limit = min(max(q.Limit, 1), locator.MaxPage)
	person, err := x.person(ctx, actor, q.Patient, q.Record)
	if absent(err) {
		return Found{}, x.record(ctx, x.queried(actor, q, nil, nil, nil))
	}
	if err != nil {
		return Found{}, err
	}
	m, err := x.open(ctx, actor, person)
	if err != nil {
		return Found{}, err
	}
	held, err := x.presences(ctx, m)
	if err != nil {
		return Found{}, err
	}
	var plan *lot
	_ = traced(ctx, stepConsent, func() error { plan = m.plan(held); return nil })
	live, err := x.live(ctx, m, q, plan, held)
	if err != nil {
		return Found{}, err
	}
	var found Found
	err = traced(ctx, stepLocate, func() (err error) { found, err = x.read(ctx, m, q, plan, live); return err })
	if err != nil {
		return Found{}, err
	}
	for i := range found.Entries {
		m.account(&found.Entries[i])
	}
	if found.Silent, err = x.silent(ctx, m, held, live.answers); err != nil {
		return Found{}, err
	}
	if found.Next.Standing, found.Next.Asked = m.digest(), live.asked; !found.More {
		found.Next = Cursor{}
	}
	if found.Total > 0 {
		slices.Sort(plan.named)
		found.Withheld = slices.Compact(plan.named)
	}
	found.Moved = !q.Cursor.IsZero() && (q.Cursor.Standing != m.digest() || live.anew) && len(found.Entries) > 0
	events := append([]audit.Event{x.queried(actor, q, m, &found, plan)}, live.events...)
	if !q.CountOnly {
		events = append(events, x.disclosed(m, found.Entries, "find")...)
	}
	if _, err := x.commit(ctx, m, events); err != nil {
		return Found{}, err
	}
	return found, nil
}

// account adds to e, which is shown, the ground it is shown on and what goes with it in words. An entry tells that its
// alternates are there, so what goes with these goes with it.
func (m *matter) account(e *Entry) {
	parts := documents(m.whole(e.Pointer), e.Kind)
	e.ruling.ground, e.Caveats = m.grounds(parts), m.caveats(e.ruling, parts)
	for _, c := range e.Caveats {
		for _, p := range c.Permissions { // a consent that law requires need not be what decided
			e.ruling.ground = append(e.ruling.ground, p.Directive)
		}
	}
	e.ruling.tidy()
	for i := range e.Alternates {
		a := &e.Alternates[i]
		m.account(a)
		e.Obligations = append(slices.Clip(e.Obligations), a.Obligations...)
		e.Caveats = consent.Join(slices.Clip(e.Caveats), a.Caveats)
	}
	if e.Alternates != nil {
		slices.Sort(e.Obligations)
		e.Obligations = slices.Compact(e.Obligations)
	}
}

// commit records events between two looks at m's standing: nothing is recorded as disclosed under rules that moved
// before, and nothing leaves under rules that moved meanwhile. seen is when the second look began, which may be acted on for
// consent.ReleaseLease. errMoved means that the answer must be made anew.
func (x *Exchange) commit(ctx context.Context, m *matter, events []audit.Event) (seen time.Time, err error) {
	still, err := x.still(ctx, m)
	if err == nil && !still {
		err = errMoved
	}
	if err != nil {
		return time.Time{}, err
	}
	if err := x.record(ctx, events...); err != nil {
		return time.Time{}, err
	}
	if still, seen, err = x.fresh(ctx, m); err != nil || still {
		return seen, err
	}
	// What was just recorded as disclosed did not leave; the trail says so rather than being silent.
	e := audit.NewEvent(audit.Decision, m.actor, x.Now())
	e.Outcome, e.Reasons = audit.Refusal, []string{"MOVED"}
	for _, recorded := range events {
		if recorded.Kind == audit.Disclosed {
			e = e.About(recorded.Records...)
			e.Ground = append(e.Ground, "event "+recorded.ID)
		}
	}
	if err := x.record(ctx, e); err != nil {
		return time.Time{}, err
	}
	return time.Time{}, errMoved
}
