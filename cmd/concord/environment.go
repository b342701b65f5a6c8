package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// environments makes the consent environment of the directory's current picture and the policies in force, once a
// picture and set of policies.
type environments struct {
	network  func() *directory.Network
	policies func() (*consentpg.PolicySet, error)
	clock    func() time.Time

	mu   sync.Mutex
	of   *directory.Network
	in   *consentpg.PolicySet
	next time.Time // when the policies in force change by themselves; zero is never
	now  *consent.Env
}

// env returns the environment of the picture and policies in force. While these are not known it is one that refuses
// everything.
func (e *environments) env() *consent.Env {
	n, now := e.network(), e.clock()
	set, err := e.policies()
	if err != nil {
		return consent.Closed()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == n && e.in == set && (e.next.IsZero() || now.Before(e.next)) {
		return e.now
	}
	packs, next, err := set.At(now)
	if err != nil {
		return consent.Closed()
	}
	env, err := consent.FromNetwork(n, consent.Options{}.In(packs, now))
	if err != nil { // a pack was checked before it was kept, the picture when it was made
		return consent.Closed()
	}
	e.of, e.in, e.next, e.now = n, set, next, env
	return env
}

// environmentAt is the environment of an instant: n, with the policies that were in force then.
func environmentAt(ctx context.Context, db *pg.DB, keys []string, n *directory.Network, at time.Time) (*consent.Env, []consent.PackVersion, error) {
	policies, err := openPolicies(db, keys)
	if err != nil {
		return nil, nil, err
	}
	set, err := policies.Set(ctx)
	if err != nil {
		return nil, nil, err
	}
	packs, _, err := set.At(at)
	if err != nil {
		return nil, nil, err
	}
	env, err := consent.FromNetwork(n, consent.Options{}.In(packs, at))
	if err != nil {
		return nil, nil, fmt.Errorf("the policies and the directory do not fit together: %w", err)
	}
	return env, packs, nil
}

// openPolicies opens the policies of db, whose law packs are signed by the publisher or by one of the keys in files.
func openPolicies(db *pg.DB, files []string) (*consentpg.Policies, error) {
	var trusted []ed25519.PublicKey
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("policy key: %s cannot be read", f)
		}
		key, err := consentjson.ReadPublicKey(raw)
		if err != nil {
			return nil, fmt.Errorf("policy key: %s: %w", f, err)
		}
		trusted = append(trusted, key)
	}
	return consentpg.NewPolicies(db, auditpg.Append, hie.Now, trusted...)
}
