package federation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// CopyPatients is what copies ask of the index besides Patients: persons, and the outbox of identity changes.
type CopyPatients interface {
	Patients
	Persons(ctx context.Context, ids []hie.PersonID) ([]mpi.Person, error)
	Notices(ctx context.Context, after mpi.Cursor, count int) ([]mpi.Notice, error)
	ReadNotices(ctx context.Context, reader string, after mpi.Cursor, count int) ([]mpi.Notice, error)
	Readers(ctx context.Context) ([]mpi.NoticeReader, error)
	RegisterReader(ctx context.Context, actor hie.Actor, name string, fromEnd bool) (mpi.NoticeReader, error)
}

// CopyFeed is what copies ask of the store of wishes. *consentpg.Store is one; its methods say what each does.
type CopyFeed interface {
	CopiesDue(ctx context.Context, by []byte) (due, swept bool, err error)
	RenewCopies(ctx context.Context, by []byte, more []hie.SourcePatientID, f func(ctx context.Context, records []hie.SourcePatientID) ([]consent.CopyState, error)) error
	SweepCopies(ctx context.Context) error
	CopyChanges(ctx context.Context, sites []hie.SiteID, after int64, limit int) ([]consent.CopyNotice, error)
	Wished(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]bool, error)
}

// Copies gives sites that enforce for themselves what binds their registrations, and tells them when that changed.
//
// What may have changed is written down in the transaction that changes it: a wish in the queue of the feed, a link in the outbox of
// identity changes. Before the feed is read these are worked off: the copy of every registration concerned is made anew, and
// what differs from the last one is told. So a site is told only of what it must do otherwise, whatever else happened to other
// registrations of the person, and a wish that was acknowledged before it asks is in the answer; a link is, once no transaction that
// began before it still runs.
//
// Source: spec consent 2.13, 2.14, 2.19.
type Copies struct {
	Patients   CopyPatients
	Directives Directives
	Epochs     Epochs
	Feed       CopyFeed
	Env        func() *consent.Env
	// Own says whether a document, by its public id, is the record's.
	Own func(record hie.SourcePatientID, document string) bool
	Now func() time.Time

	renewing sync.Mutex // one of this node at a time: it holds a connection while it reads through others
	renewed  time.Time  // when the last renewal began that worked off everything
}

// A HeldCopy is a copy with the state it was made of: the epoch of its own record, and when.
type HeldCopy struct {
	consent.Copy
	Epoch int64
	At    time.Time
}

// copyTries bounds how often a copy is made anew because something changed meanwhile.
const copyTries = 8

// Copy returns what binds record now, as of one state of links, wishes and rules. hie.ErrNotFound means that there is no such
// record, or that it is no registration in force; hie.ErrUnavailable that nothing can be said now: then nothing leaves.
func (c *Copies) Copy(ctx context.Context, record hie.SourcePatientID) (HeldCopy, error) {
	for range copyTries {
		env := c.Env()
		p, err := c.Patients.PersonOf(ctx, record)
		if err != nil {
			return HeldCopy{}, err
		}
		if _, member := p.Member(record); !member {
			return HeldCopy{}, hie.ErrNotFound
		}
		onFile, err := c.Directives(ctx, p.Records())
		if err != nil {
			return HeldCopy{}, err
		}
		epochs, err := c.Epochs(ctx, p.Records())
		if err != nil {
			return HeldCopy{}, err
		}
		versions, err := c.Patients.Versions(ctx, []hie.PersonID{p.ID})
		if err != nil {
			return HeldCopy{}, err
		}
		if !maps.Equal(epochs, onFile.Epochs) || versions[p.ID] != p.Version || c.Env().Version() != env.Version() {
			continue
		}
		now := onFile.NoEarlier(c.Now())
		made, ok := c.of(env, p, onFile, record, now)
		if !ok {
			return HeldCopy{}, fmt.Errorf("federation: copy: %w", hie.ErrUnavailable)
		}
		return HeldCopy{Copy: made, Epoch: epochs[record], At: now}, nil
	}
	return HeldCopy{}, fmt.Errorf("federation: copy: it changes faster than it can be read: %w", hie.ErrUnavailable)
}

func (c *Copies) of(env *consent.Env, p mpi.Person, onFile consent.OnFile, record hie.SourcePatientID, now time.Time) (consent.Copy, bool) {
	return consent.CopyOf(env, SubjectOf(p, onFile), onFile.Directives, record.String(), now, func(document string) bool { return c.Own(record, document) })
}

// reduced stands for the rules in force as far as copies are made of them.
func (c *Copies) reduced() ([]byte, error) {
	env := c.Env()
	if !env.Open() {
		return nil, fmt.Errorf("federation: the policies in force are not known: %w", hie.ErrUnavailable)
	}
	sum := sha256.Sum256([]byte(env.ReducedBy()))
	return sum[:], nil
}

// Changes returns at most limit notices about registrations of sites behind after. pending says that not everything was worked off
// that happened before it was called (a bulk load, a change of rules), so that more is to come: who holds no copies yet is not complete.
func (c *Copies) Changes(ctx context.Context, sites []hie.SiteID, after int64, limit int) (_ []consent.CopyNotice, pending bool, err error) {
	if pending, err = c.renew(ctx, time.Now().Add(renewBudget)); err != nil {
		return nil, false, err
	}
	out, err := c.Feed.CopyChanges(ctx, sites, after, limit)
	return out, pending, err
}

// How long a reader waits for what is to be worked off, how often a node does so although nobody reads, how many identity notices at
// once, and the name under which they are kept.
const (
	renewBudget  = 2 * time.Second
	renewEvery   = time.Second
	renewNotices = 1000
	copyReader   = mpi.OwnReaders + "copies"
)

// Watch works off what is to be told until ctx ends.
func (c *Copies) Watch(ctx context.Context, log *slog.Logger) {
	for {
		if _, err := c.renew(ctx, time.Now().Add(time.Minute)); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "the consent change feed was not brought in step", "kind", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(renewEvery):
		}
	}
}

// renew works off what is to be told, until it has or the time is up, which it reports.
func (c *Copies) renew(ctx context.Context, until time.Time) (pending bool, err error) {
	asked := time.Now()
	c.renewing.Lock()
	defer c.renewing.Unlock()
	if c.renewed.After(asked) {
		return false, nil // all that was acknowledged before this caller came was worked off while it waited
	}
	began := time.Now()
	by, err := c.reduced()
	if err != nil {
		return false, err
	}
	at, err := c.join(ctx)
	if err != nil {
		return false, err
	}
	for {
		notices, err := c.Patients.Notices(ctx, at, renewNotices)
		if errors.Is(err, hie.ErrGone) { // pruned for age: what changed is not known
			if at, err = c.begin(ctx); err != nil {
				return false, err
			}
			continue
		}
		if err != nil {
			return false, err
		}
		due, _, err := c.Feed.CopiesDue(ctx, by)
		if err != nil {
			return false, err
		}
		if !due && len(notices) == 0 {
			c.renewed = began
			return false, nil
		}
		if !time.Now().Before(until) {
			return true, nil
		}
		more, err := c.linked(ctx, notices)
		if err != nil {
			return false, err
		}
		if due || len(more) > 0 {
			if err := c.Feed.RenewCopies(ctx, by, more, c.states); err != nil {
				return false, err
			}
		}
		if len(notices) > 0 { // what was dealt with and not said to be, after a crash, is dealt with again
			at = notices[len(notices)-1].Cursor
			if _, err := c.Patients.ReadNotices(ctx, copyReader, at, 1); err != nil {
				return false, err
			}
		}
	}
}

// join returns how far identity changes were dealt with.
func (c *Copies) join(ctx context.Context) (mpi.Cursor, error) {
	readers, err := c.Patients.Readers(ctx)
	if err != nil {
		return mpi.Cursor{}, err
	}
	if i := slices.IndexFunc(readers, func(r mpi.NoticeReader) bool { return r.Name == copyReader }); i >= 0 && !readers[i].Lost {
		return readers[i].At, nil
	}
	return c.begin(ctx)
}

// begin has all copies looked through, since what changed before is not known, and goes on from the oldest identity change kept: a
// link that was disputed binds where nobody wishes anything, which no look through wishes finds.
func (c *Copies) begin(ctx context.Context) (mpi.Cursor, error) {
	r, err := c.Patients.RegisterReader(ctx, hie.Actor{Client: "concord"}, copyReader, false)
	if err != nil {
		return mpi.Cursor{}, err
	}
	return r.At, c.Feed.SweepCopies(ctx)
}

// linked returns records of the persons that notices are about, as far as anything is on file about one of them or a link of theirs is
// disputed, and those that the feed tells of.
func (c *Copies) linked(ctx context.Context, notices []mpi.Notice) ([]hie.SourcePatientID, error) {
	var ids []hie.PersonID
	var all, out []hie.SourcePatientID
	for _, n := range notices {
		if n.Record != 0 {
			all = append(all, n.Record)
		}
		for _, id := range []hie.PersonID{n.Person, n.Former} {
			if id != 0 {
				ids = append(ids, id)
			}
		}
	}
	persons, err := c.Patients.Persons(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, p := range persons {
		for _, m := range p.Members {
			all = append(all, m.Record)
			if m.Link == hie.LinkDisputed {
				out = append(out, m.Record)
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	slices.Sort(all)
	wished, err := c.Feed.Wished(ctx, slices.Compact(all))
	if err != nil {
		return nil, err
	}
	return append(out, slices.Collect(maps.Keys(wished))...), nil
}

// states says what binds records and all other registrations of their persons.
func (c *Copies) states(ctx context.Context, records []hie.SourcePatientID) ([]consent.CopyState, error) {
	env := c.Env()
	var out []consent.CopyState
	done := map[hie.SourcePatientID]bool{}
	for _, record := range records {
		if done[record] {
			continue
		}
		done[record] = true
		p, err := c.Patients.PersonOf(ctx, record)
		if err != nil && !errors.Is(err, hie.ErrNotFound) {
			return nil, err
		}
		if _, member := p.Member(record); !member {
			out = append(out, consent.CopyState{Record: record}) // withdrawn, or replaced by another: nothing is had of it
		}
		if len(p.Members) == 0 {
			continue
		}
		onFile, err := c.Directives(ctx, p.Records())
		if err != nil {
			return nil, err
		}
		now := onFile.NoEarlier(c.Now())
		for _, m := range p.Members {
			done[m.Record] = true
			state := consent.CopyState{Record: m.Record, Site: m.Site}
			switch made, ok := c.of(env, p, onFile, m.Record, now); {
			case !ok:
				state.Digest = []byte{0} // something binds it that cannot be told: whoever asks is refused
			case made.Binds():
				sum := made.Digest()
				state.Digest = sum[:]
			}
			out = append(out, state)
		}
	}
	return out, nil
}
