package rds_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/rds"
	"github.com/concord-hie/concord/internal/rds/rdstest"
)

func TestAKeepHoldsWhatItWasGivenAndSaysWhenItCannotTell(t *testing.T) {
	each(t, func(t *testing.T, s rdstest.Server, c *rds.Client) {
		ctx, keep := context.Background(), c.Keep("session")
		if _, err := keep.Get(ctx, "a"); !errors.Is(err, hie.ErrNotFound) {
			t.Errorf("nothing kept: %v, want not found", err)
		}
		if err := keep.Put(ctx, "a", []byte("one"), time.Minute); err != nil {
			t.Fatal(err)
		}
		if got, err := keep.Get(ctx, "a"); err != nil || string(got) != "one" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := c.Keep("other").Get(ctx, "a"); !errors.Is(err, hie.ErrNotFound) {
			t.Errorf("spaces are not apart: %v", err)
		}
		if got, err := keep.Take(ctx, "a"); err != nil || string(got) != "one" {
			t.Errorf("took %q, %v", got, err)
		}
		if _, err := keep.Take(ctx, "a"); !errors.Is(err, hie.ErrNotFound) {
			t.Errorf("taken twice: %v", err)
		}
		_ = keep.Put(ctx, "b", []byte("two"), time.Minute)
		if err := keep.Remove(ctx, "b"); err != nil {
			t.Fatal(err)
		}
		if _, err := keep.Get(ctx, "b"); !errors.Is(err, hie.ErrNotFound) {
			t.Errorf("removed and still there: %v", err)
		}
		if keep.Put(ctx, "c", nil, 0) == nil {
			t.Error("a value that never ends was taken")
		}
		s.Stop()
		if _, err := keep.Get(ctx, "b"); !errors.Is(err, hie.ErrUnavailable) {
			t.Errorf("without Redis: %v, want unavailable", err)
		}
		if err := keep.Put(ctx, "b", nil, time.Minute); !errors.Is(err, hie.ErrUnavailable) {
			t.Errorf("without Redis: %v, want unavailable", err)
		}
	})
}
