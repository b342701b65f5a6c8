// Package accesspg keeps clients, ended and revoked tokens in PostgreSQL, and gives each node a picture of them that is
// at most half a second old: a suspension acts everywhere within a second.
//
// Source: spec federation 2.1 ("suspension effective on all nodes ≤ 1 s") and 2.4 (kill switches).
package accesspg

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjson"
	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/token"
	"github.com/go-json-experiment/json"
)

const (
	// freshFor is how long a picture is used without asking; staleAfter is when it is no longer used at all, even if
	// the database does not answer.
	freshFor   = 400 * time.Millisecond
	staleAfter = time.Second
	// pauseAfter keeps callers from queueing up behind a database that does not answer.
	pauseAfter  = 200 * time.Millisecond
	readTimeout = 2 * time.Second
)

// A Store implements access.Store.
type Store struct {
	db  *pg.DB
	now func() time.Time

	current atomic.Pointer[picture]
	mu      sync.Mutex // held while reading a newer picture
	failed  time.Time
}

type picture struct {
	snapshot *access.Snapshot
	read     time.Time
}

// New returns a Store in db.
func New(db *pg.DB) *Store { return &Store{db: db, now: hie.Now} }

// Current implements access.Store. The picture is read by whoever first finds it too old; nothing runs in between.
func (s *Store) Current(ctx context.Context) (*access.Snapshot, error) {
	p := s.current.Load()
	if p != nil && time.Since(p.read) < freshFor {
		return p.snapshot, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p = s.current.Load()
	if p != nil && time.Since(p.read) < freshFor {
		return p.snapshot, nil
	}
	var err error
	if time.Since(s.failed) < pauseAfter {
		err = hie.ErrUnavailable
	} else if err = s.refresh(ctx, p); err == nil {
		return s.current.Load().snapshot, nil
	} else if ctx.Err() == nil {
		s.failed = time.Now()
	}
	if p != nil && time.Since(p.read) < staleAfter {
		return p.snapshot, nil
	}
	return nil, fmt.Errorf("accesspg: current: %w: %w", hie.ErrUnavailable, err)
}

// refresh reads the version, and everything else when it moved. The version is read first: what is read after it can
// only be newer, and is then read again under its own number.
func (s *Store) refresh(ctx context.Context, have *picture) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	start := time.Now()
	var version int64
	if err := s.db.QueryRow(ctx, `select version from access.version where id = 1`).Scan(&version); err != nil {
		return err
	}
	if have != nil && have.snapshot.Version == version {
		s.current.Store(&picture{snapshot: have.snapshot, read: start})
		return nil
	}
	snapshot, err := load(ctx, s.db, version)
	if err != nil {
		return err
	}
	s.current.Store(&picture{snapshot: snapshot, read: start})
	return nil
}

// Load reads the whole picture now.
func (s *Store) Load(ctx context.Context) (*access.Snapshot, error) {
	var version int64
	if err := s.db.QueryRow(ctx, `select version from access.version where id = 1`).Scan(&version); err != nil {
		return nil, fmt.Errorf("accesspg: load: %w", err)
	}
	snapshot, err := load(ctx, s.db, version)
	if err != nil {
		return nil, fmt.Errorf("accesspg: load: %w", err)
	}
	return snapshot, nil
}

func load(ctx context.Context, q pg.Querier, version int64) (*access.Snapshot, error) {
	clients, err := pg.Collect(ctx, q, scanClient, `
		select client_id, name, organization_id, status, scopes, purposes, exchanges, abilities, roles, patient_access, delegations, jwks
		from access.client order by client_id`)
	if err != nil {
		return nil, err
	}
	kills, err := pg.Collect(ctx, q, func(r *pg.Rows) (k access.Kill, err error) {
		err = r.Scan(&k.Kind, &k.Subject, &k.Before)
		k.Before = k.Before.UTC()
		return k, err
	}, `select kind, subject, before from access.kill`)
	if err != nil {
		return nil, err
	}
	revoked, err := pg.Collect(ctx, q, func(r *pg.Rows) (id string, err error) { return id, r.Scan(&id) },
		`select token_id from access.revoked where expires_at > now()`)
	if err != nil {
		return nil, err
	}
	return access.NewSnapshot(version, clients, kills, revoked), nil
}

func scanClient(r *pg.Rows) (access.Client, error) {
	var c access.Client
	var purposes []string
	var delegations, jwks []byte
	err := r.Scan(&c.ID, &c.Name, &c.Organization, &c.Status, pg.Array(&c.Scopes), pg.Array(&purposes), pg.Array(&c.Exchanges), pg.Array(&c.Abilities), pg.Array(&c.Roles),
		&c.PatientAccess, &delegations, &jwks)
	if err != nil {
		return access.Client{}, err
	}
	for _, p := range purposes {
		c.Purposes = append(c.Purposes, hie.Purpose(p))
	}
	var ds []accessjson.Delegation
	if err := json.Unmarshal(delegations, &ds); err != nil {
		return access.Client{}, fmt.Errorf("accesspg: stored delegations of a client cannot be read")
	}
	for _, d := range ds {
		c.Delegations = append(c.Delegations, access.Delegation{Principal: hie.OrgID(d.Principal), Until: d.Until})
	}
	keys, err := token.ParseSet(jwks)
	if err != nil {
		return access.Client{}, fmt.Errorf("accesspg: stored keys of a client cannot be read")
	}
	c.Keys = accessjwt.Keys(keys)
	return c, nil
}
