package consentpg

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/hie"
)

// A PolicySet is every policy that was ever activated, and those that come with the program. It does not change, and says
// what was or will be in force at any instant.
type PolicySet struct {
	// Version moves with every step of a policy.
	Version   int64
	histories map[string]consent.PolicyHistory
	packs     map[packVersion]loadedPack
}

type packVersion struct {
	policy  string
	version int64
}

// loadedPack is a pack, or why it cannot be used.
type loadedPack struct {
	pack consent.Pack
	err  error
}

// Set loads the policies.
func (p *Policies) Set(ctx context.Context) (*PolicySet, error) {
	out := &PolicySet{packs: map[packVersion]loadedPack{}}
	for {
		if err := p.db.QueryRow(ctx, `select version from consent.policy_set where id = 1`).Scan(&out.Version); err != nil {
			return nil, fmt.Errorf("consentpg: policies: %w", err)
		}
		var err error
		if out.histories, err = histories(ctx, p.db, ""); err != nil {
			return nil, fmt.Errorf("consentpg: policies: %w", err)
		}
		after := int64(0)
		if err := p.db.QueryRow(ctx, `select version from consent.policy_set where id = 1`).Scan(&after); err != nil {
			return nil, fmt.Errorf("consentpg: policies: %w", err)
		}
		if after == out.Version {
			break // no step was taken while they were read
		}
	}
	builtins, err := consentjson.Builtins()
	if err != nil {
		return nil, err
	}
	for _, b := range builtins {
		if b.Standing {
			out.packs[packVersion{b.Pack.ID, 0}] = loadedPack{pack: b.Pack}
		}
	}
	for id, h := range out.histories {
		for _, e := range h {
			key := packVersion{id, e.Version}
			if _, have := out.packs[key]; have || e.Effective.IsZero() || e.Version == 0 {
				continue
			}
			stored, err := p.load(ctx, p.db, id, e.Version)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			out.packs[key] = loadedPack{stored.Pack, err}
		}
	}
	return out, nil
}

// At returns the policies in force at an instant, ordered by id, and when that changes next, zero for never that is
// known. A policy in force that cannot be read, or whose signature is not trusted any more, is hie.ErrUnavailable:
// deciding without it could release.
//
// Source: spec consent 2.15 (policy pack signature invalid).
func (s *PolicySet) At(t time.Time) (packs []consent.PackVersion, next time.Time, _ error) {
	in := map[string]int64{}
	for key := range s.packs {
		if key.version == 0 {
			in[key.policy] = 0
		}
	}
	for id, h := range s.histories {
		version, turn := h.InForce(t)
		if version > 0 {
			in[id] = version
		}
		next = earlier(next, turn)
	}
	for _, id := range slices.Sorted(maps.Keys(in)) {
		l := s.packs[packVersion{id, in[id]}]
		if l.err != nil {
			return nil, time.Time{}, fmt.Errorf("consentpg: policy in force: %w", hie.ErrUnavailable)
		}
		packs = append(packs, consent.PackVersion{Version: in[id], Pack: l.pack})
	}
	return packs, earlier(next, consent.PackTurn(packs, t)), nil
}

// earlier returns the earlier of two instants, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// A PolicyWatch holds the policies for the readers of one node.
type PolicyWatch struct {
	policies *Policies
	log      *slog.Logger
	current  atomic.Pointer[PolicySet] // nil while nothing may be decided
}

// Watch loads the policies. Keep them current with [PolicyWatch.Run].
func (p *Policies) Watch(ctx context.Context, log *slog.Logger) (*PolicyWatch, error) {
	w := &PolicyWatch{policies: p, log: log}
	set, err := p.Set(ctx)
	if err != nil {
		return nil, err
	}
	if _, off, err := w.ask(ctx); err != nil {
		return nil, fmt.Errorf("consentpg: policies: %w", err)
	} else if off > ClockLimit {
		w.astray(ctx, off)
		return w, nil
	}
	p.astray.Store(false)
	w.current.Store(set)
	return w, nil
}

// ClockLimit is how far a node's clock may be from the database's. Beyond it the node decides nothing: what is in force, has
// lapsed or is an emergency's hour would be another than on the nodes beside it. It is what clients' clocks are allowed
// (access.Skew).
//
// Source: spec consent 2.15 (clock skew beyond limit).
const ClockLimit = 30 * time.Second

// Set returns the policies, or hie.ErrUnavailable while it is not known whether there are newer ones in force, and while the
// node's clock is off by more than ClockLimit.
func (w *PolicyWatch) Set() (*PolicySet, error) {
	if s := w.current.Load(); s != nil {
		return s, nil
	}
	return nil, hie.ErrUnavailable
}

// policyPoll is how often a node looks for steps. A step takes effect consent.PolicyNotice after it was recorded at the
// earliest, so each node has read it by then, or knows that it could not.
const policyPoll = 400 * time.Millisecond

// Run refreshes the policies until ctx ends, and returns then. It reads one number each time nothing is new. While
// PostgreSQL does not answer, the last ones stay for as long as nothing newer could have come into force.
func (w *PolicyWatch) Run(ctx context.Context) {
	ticker := time.NewTicker(policyPoll)
	defer ticker.Stop()
	held, read := w.current.Load(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked := time.Now() // what is read holds as of then at least
		set, off, err := w.refresh(ctx, held)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && off > ClockLimit:
			if !w.policies.astray.Load() {
				w.astray(ctx, off)
			}
			held, read = set, asked
		case err == nil:
			if held == nil || set.Version != held.Version {
				w.log.InfoContext(ctx, "policies refreshed", "n", set.Version)
			}
			held, read = set, asked
			w.policies.astray.Store(false)
			w.current.Store(set)
		case w.current.Load() != nil && time.Since(read) > consent.PolicyNotice-policyPoll:
			w.log.ErrorContext(ctx, "policies not refreshed; nothing is decided until they are", "kind", err.Error())
			w.current.Store(nil)
		}
	}
}

// astray has the node decide nothing while its clock is off by so much.
func (w *PolicyWatch) astray(ctx context.Context, off time.Duration) {
	w.policies.astray.Store(true)
	w.current.Store(nil)
	w.log.ErrorContext(ctx, "this node's clock is off the database's; nothing is decided until it is set right", "seconds", int64(off/time.Second))
}

// refresh returns the policies, held (nil for none yet) where they are still those, and how far the clock is off.
func (w *PolicyWatch) refresh(ctx context.Context, held *PolicySet) (*PolicySet, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, policyPoll)
	defer cancel()
	version, off, err := w.ask(ctx)
	if err != nil || held != nil && version == held.Version {
		return held, off, err
	}
	set, err := w.policies.Set(ctx)
	return set, off, err
}

// ask reads the version of the policies and how far this node's clock is from the database's: by how much the database's
// time lies outside the time it took to ask.
func (w *PolicyWatch) ask(ctx context.Context) (version int64, off time.Duration, err error) {
	var theirs time.Time
	before := w.policies.now()
	err = w.policies.db.QueryRow(ctx, `select version, clock_timestamp() from consent.policy_set where id = 1`).Scan(&version, &theirs)
	after := w.policies.now()
	return version, max(before.Sub(theirs), theirs.Sub(after), 0), err
}
