package mpi

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A NoticeReader is somebody who follows the stream of notices and for whom it is kept. Registering is not needed to read:
// who is not registered may find that notices are gone.
type NoticeReader struct {
	Name string
	// At is what it has read, as it said itself by asking for what follows; all before may be pruned.
	At         Cursor
	Registered time.Time
	// Seen is when it last asked; zero for never.
	Seen time.Time
	// Lost is set when notices behind At were pruned, for age: it must read the index anew and begin again.
	Lost bool
}

// minNoticeAge is how long a notice is kept though all readers have passed it: long enough to read a day again.
const minNoticeAge = 24 * time.Hour

// pruneStep bounds how many notices one transaction prunes.
const pruneStep = 2000

var readerName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)

// Before reports whether c stands before o in the stream.
func (c Cursor) Before(o Cursor) bool {
	return c.Transaction < o.Transaction || c.Transaction == o.Transaction && c.Notice < o.Notice
}

// errPruned is what a reader is told who asks for what was pruned.
var errPruned = fmt.Errorf("%w: %w", hie.ErrGone,
	hie.Invalid("after", "is older than the notices kept here: read what you follow anew, then go on from the end of the stream"))

// ReadNotices is Notices for a registered reader: asking for what follows after says that all before was dealt with.
// hie.ErrNotFound means that there is no such reader; hie.ErrGone that notices it has not read were pruned.
func (x *Index) ReadNotices(ctx context.Context, reader string, after Cursor, count int) ([]Notice, error) {
	out, err := x.Notices(ctx, after, count)
	if err != nil {
		return nil, err
	}
	err = x.update(ctx, func(tx attempt) error {
		r, err := readerOf(ctx, tx, reader)
		if err != nil {
			return err
		}
		if r.At.Before(after) {
			r.At = after
		}
		r.Seen = x.now()
		return tx.PutNoticeReader(ctx, r)
	})
	if err != nil {
		return nil, fmt.Errorf("mpi: read notices: %w", err)
	}
	return out, nil
}

func readerOf(ctx context.Context, r Reader, name string) (NoticeReader, error) {
	all, err := r.NoticeReaders(ctx)
	if err != nil {
		return NoticeReader{}, err
	}
	i := slices.IndexFunc(all, func(r NoticeReader) bool { return r.Name == name })
	if i < 0 {
		return NoticeReader{}, hie.ErrNotFound
	}
	return all[i], nil
}

// RegisterReader keeps the stream for a reader from now on: from its end, or from the oldest notice kept. Registering again
// begins anew. name is a word of small letters, digits, dots and hyphens.
func (x *Index) RegisterReader(ctx context.Context, actor hie.Actor, name string, fromEnd bool) (NoticeReader, error) {
	if !readerName.MatchString(name) {
		return NoticeReader{}, fmt.Errorf("mpi: register reader: %w", hie.Invalid("name", "must be small letters, digits, dots and hyphens, at most 64"))
	}
	out := NoticeReader{Name: name, Registered: x.now()}
	err := x.update(ctx, func(tx attempt) error {
		oldest, end, err := tx.NoticeBounds(ctx)
		if err != nil {
			return err
		}
		if out.At = oldest; fromEnd {
			out.At = end
		}
		if err := tx.PutNoticeReader(ctx, out); err != nil {
			return err
		}
		return tx.Record(ctx, readerEvent(actor, out.Registered, "C", name))
	})
	if err != nil {
		return NoticeReader{}, fmt.Errorf("mpi: register reader: %w", err)
	}
	return out, nil
}

func readerEvent(actor hie.Actor, at time.Time, action, name string) audit.Event {
	e := audit.NewEvent(audit.Administered, actor, at)
	e.Action, e.Detail = action, map[string]string{"interaction": "notice reader", "name": name}
	return e
}

// Readers returns the registered readers, by name.
func (x *Index) Readers(ctx context.Context) ([]NoticeReader, error) {
	all, err := x.store.NoticeReaders(ctx)
	if err != nil {
		return nil, fmt.Errorf("mpi: readers: %w", err)
	}
	oldest, _, err := x.store.NoticeBounds(ctx)
	if err != nil {
		return nil, fmt.Errorf("mpi: readers: %w", err)
	}
	for i := range all {
		all[i].Lost = all[i].At.Before(oldest)
	}
	return all, nil
}

// ForgetReader keeps the stream for a reader no longer. hie.ErrNotFound means that there is none of that name.
func (x *Index) ForgetReader(ctx context.Context, actor hie.Actor, name string) error {
	err := x.update(ctx, func(tx attempt) error {
		if _, err := readerOf(ctx, tx, name); err != nil {
			return err
		}
		if err := tx.RemoveNoticeReader(ctx, name); err != nil {
			return err
		}
		return tx.Record(ctx, readerEvent(actor, x.now(), "D", name))
	})
	if err != nil {
		return fmt.Errorf("mpi: forget reader: %w", err)
	}
	return nil
}

// OwnReaders begins the names of the exchange's own readers: notices are kept for them as for others, but that they have
// passed is no reason to let go of what somebody outside may come for within the age limit.
const OwnReaders = "concord."

// PruneNotices takes the oldest notices away, at most 2,000: those older than limit, and those older than a day that every
// registered reader, one from outside at least, has passed. It returns how many.
func (x *Index) PruneNotices(ctx context.Context, limit time.Duration) (n int, err error) {
	err = x.update(ctx, func(tx attempt) error {
		n = 0
		readers, err := tx.NoticeReaders(ctx)
		if err != nil {
			return err
		}
		oldest, err := tx.Notices(ctx, Cursor{}, pruneStep)
		if err != nil {
			return err
		}
		if n = prunable(oldest, readers, x.now(), limit); n == 0 {
			return nil
		}
		return tx.DropNotices(ctx, oldest[n-1].Cursor)
	})
	if err != nil {
		return 0, fmt.Errorf("mpi: prune notices: %w", err)
	}
	return n, nil
}

// prunable returns how many of the oldest notices may go: a beginning of the stream, so that what is left has no gaps.
func prunable(oldest []Notice, readers []NoticeReader, now time.Time, limit time.Duration) int {
	outside := slices.ContainsFunc(readers, func(r NoticeReader) bool { return !strings.HasPrefix(r.Name, OwnReaders) })
	for i, n := range oldest {
		age := now.Sub(n.At)
		waiting := slices.ContainsFunc(readers, func(r NoticeReader) bool { return r.At.Before(n.Cursor) })
		if age <= limit && (age <= minNoticeAge || !outside || waiting) {
			return i
		}
	}
	return len(oldest)
}
