package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// The desk follows the outbox of identity changes: how often it looks, how much it takes at once, and the name under which
// notices are kept for it. All nodes share one name; each looks for itself, and a task is opened once however many find it.
const (
	followEvery = 2 * time.Second
	followTakes = 200
	deskReader  = mpi.OwnReaders + "desk"
)

// follow brings the desk in step with links made, undone or weakened, until ctx ends: a merge can bring two wishes together
// that contradict each other, and undoing it parts them.
//
// Source: spec consent 2.13 (merge or unlink recompiles both) and 2.8c (a conflict is somebody's task).
func (d *desk) follow(ctx context.Context) {
	var at mpi.Cursor
	begun := false
	for {
		var err error
		if !begun {
			at, err = d.joinNotices(ctx)
			begun = err == nil
		}
		for more := begun && err == nil; more; {
			at, more, err = d.takeNotices(ctx, at)
		}
		if errors.Is(err, hie.ErrGone) || errors.Is(err, hie.ErrNotFound) {
			begun = false // forgotten, or too far behind: begin anew
		}
		if err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "the consent desk could not follow identity changes", "kind", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(followEvery):
		}
	}
}

// joinNotices returns where to go on. A reader that is new, or missed some, begins at the end of the stream and looks
// through everybody's wishes, since it cannot know what changed before.
func (d *desk) joinNotices(ctx context.Context) (mpi.Cursor, error) {
	readers, err := d.patients.Readers(ctx)
	if err != nil {
		return mpi.Cursor{}, err
	}
	if i := slices.IndexFunc(readers, func(r mpi.NoticeReader) bool { return r.Name == deskReader }); i >= 0 && !readers[i].Lost {
		return readers[i].At, nil
	}
	r, err := d.patients.RegisterReader(ctx, deskActor, deskReader, true)
	if err != nil {
		return mpi.Cursor{}, err
	}
	if _, err := d.sweep(ctx); err != nil && ctx.Err() == nil {
		d.log.WarnContext(ctx, "wishes were not looked through", "kind", err.Error())
	}
	return r.At, nil
}

// takeNotices deals with the next notices behind at, and returns what was dealt with and whether there may be more. After a
// restart in the middle the same are dealt with again, which changes nothing.
func (d *desk) takeNotices(ctx context.Context, at mpi.Cursor) (mpi.Cursor, bool, error) {
	notices, err := d.patients.Notices(ctx, at, followTakes)
	if err != nil || len(notices) == 0 {
		return at, false, err
	}
	var persons []hie.PersonID
	for _, n := range notices {
		switch n.Kind {
		case mpi.NoticeRegistered, mpi.NoticeRevised: // nobody's wishes meet others' by that
			continue
		}
		for _, id := range []hie.PersonID{n.Person, n.Former} {
			if id != 0 && !slices.Contains(persons, id) {
				persons = append(persons, id)
			}
		}
	}
	for _, id := range persons {
		person, err := d.patients.Person(ctx, id)
		if err == nil && len(person.Members) > 0 {
			err = d.checkPerson(ctx, person)
		}
		switch {
		case errors.Is(err, hie.ErrUnavailable) || ctx.Err() != nil:
			return at, false, err // what was not dealt with is read again
		case err != nil && !errors.Is(err, hie.ErrNotFound):
			d.log.WarnContext(ctx, "the consent desk was not brought in step", "kind", err.Error())
		}
	}
	at = notices[len(notices)-1].Cursor
	if _, err := d.patients.ReadNotices(ctx, deskReader, at, 1); err != nil {
		return at, false, fmt.Errorf("read up to here: %w", err)
	}
	return at, len(notices) == followTakes, nil
}
