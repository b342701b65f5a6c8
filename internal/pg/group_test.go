package pg

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A commit that panics is a bug of ours: its own caller hears of it as such, who shared it gets an error, and whoever comes next is
// served.
func TestAPanicHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var commits [][]int
		var mu sync.Mutex
		g := NewGroup(GroupLimits{Writers: 1, Weight: 10, Patience: time.Minute}, func(int) int { return 1 }, func(_ context.Context, items []int) error {
			mu.Lock()
			commits = append(commits, items)
			n := len(commits)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			if n == 2 {
				panic("a bug")
			}
			return nil
		})
		errs, panics := make([]error, 4), make([]any, 4)
		var wg sync.WaitGroup
		for i, after := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 12 * time.Millisecond} {
			wg.Go(func() {
				defer func() { panics[i] = recover() }()
				time.Sleep(after)
				errs[i] = g.Do(t.Context(), i)
			})
		}
		wg.Wait()
		if got, want := fmt.Sprint(commits), "[[0] [1 2] [3]]"; got != want {
			t.Errorf("committed %s, want %s", got, want)
		}
		if panics[1] == nil || panics[0] != nil || panics[2] != nil || panics[3] != nil {
			t.Errorf("panics %v, want one in the caller who wrote", panics)
		}
		if errs[0] != nil || !errors.Is(errs[2], errBroken) || errs[3] != nil {
			t.Errorf("errors %v, want one for who waited for what broke off", errs)
		}
		if !g.Idle() {
			t.Error("somebody is still thought to write")
		}
	})
}
