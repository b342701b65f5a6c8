package mpitest

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

func pruned(t *testing.T, w *World) {
	now := hie.Now()
	w.Index = mpi.New(w.Store, hie.NewIDs(nil), w.Log, mpi.Options{Now: func() time.Time { return now }})
	const limit = 90 * 24 * time.Hour
	prune := func(want int, why string) {
		t.Helper()
		if n, err := w.PruneNotices(ctx, limit); err != nil || n != want {
			t.Errorf("%s: %d pruned, %v; want %d", why, n, err, want)
		}
	}
	fast, err := w.RegisterReader(ctx, Actor, "fast", false)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := w.RegisterReader(ctx, Actor, "slow", true)
	if err != nil {
		t.Fatal(err)
	}
	w.Register("a", "1", stranger(0))
	w.Register("a", "2", stranger(1))
	page, err := w.ReadNotices(ctx, "fast", fast.At, 0)
	if err != nil || len(page) != 2 {
		t.Fatalf("read %d, %v", len(page), err)
	}
	if more, err := w.ReadNotices(ctx, "fast", page[1].Cursor, 0); err != nil || len(more) != 0 {
		t.Fatalf("behind the last: %d, %v", len(more), err)
	}
	now = now.Add(48 * time.Hour)
	prune(0, "one reader has not passed them")
	again, err := w.ReadNotices(ctx, "slow", slow.At, 1)
	if err != nil || len(again) != 1 {
		t.Fatalf("a slow reader reads %d, %v", len(again), err)
	}
	if _, err := w.ReadNotices(ctx, "slow", again[0].Cursor, 1); err != nil {
		t.Fatal(err)
	}
	prune(1, "both have passed the first")
	if _, err := w.Notices(ctx, mpi.Cursor{}, 0); !errors.Is(err, hie.ErrGone) {
		t.Errorf("reading from the beginning after that = %v, want gone", err)
	}
	if rest, err := w.Notices(ctx, again[0].Cursor, 0); err != nil || len(rest) != 1 || rest[0].Cursor != page[1].Cursor {
		t.Errorf("reading on from where nothing is missing = %d, %v", len(rest), err)
	}
	w.Register("a", "3", stranger(2))
	now = now.Add(limit - 24*time.Hour)
	prune(1, "the second is too old, though the slow reader has not passed it")
	if _, err := w.ReadNotices(ctx, "slow", again[0].Cursor, 1); !errors.Is(err, hie.ErrGone) {
		t.Errorf("the slow reader = %v; want to be told that it missed some", err)
	}
	readers, err := w.Readers(ctx)
	if err != nil || len(readers) != 2 || readers[0].Lost || !readers[1].Lost || readers[0].At != page[1].Cursor || readers[1].Name != "slow" {
		t.Errorf("readers = %+v, %v", readers, err)
	}
	if anew, err := w.RegisterReader(ctx, Actor, "slow", false); err != nil {
		t.Error(err)
	} else if rest, err := w.ReadNotices(ctx, "slow", anew.At, 0); err != nil || len(rest) != 1 {
		t.Errorf("begun anew it reads %d, %v; want the one that is left", len(rest), err)
	}
	if err := w.ForgetReader(ctx, Actor, "slow"); err != nil {
		t.Error(err)
	}
	own, err := w.RegisterReader(ctx, Actor, mpi.OwnReaders+"desk", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ForgetReader(ctx, Actor, "fast"); err != nil {
		t.Error(err)
	}
	now = now.Add(12 * time.Hour)
	prune(0, "that the exchange's own reader has passed them is no reason by itself")
	if err := w.ForgetReader(ctx, Actor, own.Name); err != nil {
		t.Error(err)
	}
	if _, err := w.ReadNotices(ctx, "slow", page[1].Cursor, 0); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a reader that was forgotten = %v, want not found", err)
	}
	if err := w.ForgetReader(ctx, Actor, "slow"); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("forgotten twice = %v", err)
	}
	if _, err := w.RegisterReader(ctx, Actor, "no name", true); err == nil {
		t.Error("a name with a space was accepted")
	}
}
