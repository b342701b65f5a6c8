package accesspg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjson"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/go-json-experiment/json"
)

// errDry ends a dry run's transaction.
var errDry = errors.New("dry run")

// Apply registers clients as actor and returns what that changes; with dryRun it changes nothing. Clients not named
// stay as they are. A change that allows less ends the tokens issued under the old registration. An *hie.InvalidError
// names a client whose organisation is not in the directory. The change and its audit events are one transaction.
func (s *Store) Apply(ctx context.Context, actor hie.Actor, clients []access.Client, dryRun bool) (access.Diff, error) {
	var diff access.Diff
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		version, err := lockVersion(ctx, tx)
		if err != nil {
			return err
		}
		before, err := load(ctx, tx, version)
		if err != nil {
			return err
		}
		if err := checkOrganizations(ctx, tx, clients); err != nil {
			return err
		}
		if diff = before.Compare(clients); len(diff) == 0 {
			return nil
		}
		if dryRun {
			return errDry
		}
		return s.write(ctx, tx, actor, clients, diff)
	})
	if err != nil && !errors.Is(err, errDry) {
		return nil, fmt.Errorf("accesspg: apply: %w", err)
	}
	if !dryRun {
		s.forget()
	}
	return diff, nil
}

func lockVersion(ctx context.Context, tx *pg.Tx) (version int64, err error) {
	err = tx.QueryRow(ctx, `select version from access.version where id = 1 for update`).Scan(&version)
	return version, err
}

func (s *Store) write(ctx context.Context, tx *pg.Tx, actor hie.Actor, clients []access.Client, diff access.Diff) error {
	now := s.now()
	byID := map[hie.ClientID]access.Client{}
	for _, c := range clients {
		byID[c.ID] = c
	}
	for _, change := range diff {
		if err := upsert(ctx, tx, byID[change.Client], now); err != nil {
			return err
		}
		if change.EndsTokens {
			if err := kill(ctx, tx, access.Kill{Kind: "client", Subject: string(change.Client), Before: now}); err != nil {
				return err
			}
		}
		var fields []string
		for _, f := range change.Fields {
			fields = append(fields, f.Name)
		}
		e := audit.NewEvent(audit.Administered, actor, now)
		e.Action = map[string]string{"add": "C", "change": "U"}[change.Verb]
		e.Detail = map[string]string{"object": "client", "client": string(change.Client), "verb": change.Verb,
			"fields": strings.Join(fields, ","), "status": string(byID[change.Client].Status)}
		if err := auditpg.Append(ctx, tx, e); err != nil {
			return err
		}
	}
	return moveVersion(ctx, tx, now)
}

func moveVersion(ctx context.Context, tx *pg.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `update access.version set version = version + 1, changed_at = $1 where id = 1`, now)
	return err
}

func checkOrganizations(ctx context.Context, tx *pg.Tx, clients []access.Client) error {
	known := map[hie.OrgID]bool{}
	ids, err := pg.Collect(ctx, tx, func(r *pg.Rows) (id hie.OrgID, err error) { return id, r.Scan(&id) },
		`select org_id from directory.organization`)
	if err != nil {
		return err
	}
	for _, id := range ids {
		known[id] = true
	}
	for i, c := range clients {
		if !known[c.Organization] {
			return hie.Invalid(fmt.Sprintf("clients[%d].organization", i), "is not an organization of the directory (concord site apply)")
		}
		for j, d := range c.Delegations {
			if !known[d.Principal] {
				return hie.Invalid(fmt.Sprintf("clients[%d].delegations[%d].principal", i, j), "is not an organization of the directory")
			}
		}
	}
	return nil
}

func upsert(ctx context.Context, tx *pg.Tx, c access.Client, now time.Time) error {
	w := accessjson.Format(c)
	delegations, err := json.Marshal(append([]accessjson.Delegation{}, w.Delegations...))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		insert into access.client (client_id, name, organization_id, status, scopes, purposes, exchanges, abilities, roles, patient_access, delegations, jwks, changed_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		on conflict (client_id) do update set name = excluded.name, organization_id = excluded.organization_id, status = excluded.status,
			scopes = excluded.scopes, purposes = excluded.purposes, exchanges = excluded.exchanges, abilities = excluded.abilities, roles = excluded.roles, patient_access = excluded.patient_access,
			delegations = excluded.delegations, jwks = excluded.jwks, changed_at = excluded.changed_at`,
		w.ID, w.Name, w.Organization, w.Status, list(w.Scopes), list(w.Purposes), list(w.Exchanges), list(w.Abilities), list(w.Roles), w.PatientAccess,
		string(delegations), string(w.JWKS), now)
	return err
}

// list makes an absent list an empty one: the columns are not null.
func list(s []string) []string { return append([]string{}, s...) }

func kill(ctx context.Context, tx *pg.Tx, k access.Kill) error {
	_, err := tx.Exec(ctx, `
		insert into access.kill (kind, subject, before) values ($1, $2, $3)
		on conflict (kind, subject) do update set before = greatest(kill.before, excluded.before)`, k.Kind, k.Subject, k.Before)
	return err
}

// EndTokens ends all tokens of a client, an organisation or a user that were issued up to now, as actor. Kind and Subject
// of k say whose.
func (s *Store) EndTokens(ctx context.Context, actor hie.Actor, k access.Kill) error {
	k.Before = s.now()
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if _, err := lockVersion(ctx, tx); err != nil {
			return err
		}
		if err := kill(ctx, tx, k); err != nil {
			return err
		}
		e := audit.NewEvent(audit.Administered, actor, k.Before)
		e.Action, e.Detail = "D", map[string]string{"object": "tokens", "kind": k.Kind, "subject": k.Subject}
		if err := auditpg.Append(ctx, tx, e); err != nil {
			return err
		}
		return moveVersion(ctx, tx, k.Before)
	})
	if err != nil {
		return fmt.Errorf("accesspg: end tokens: %w", err)
	}
	s.forget()
	return nil
}

// Revoke implements access.Store.
func (s *Store) Revoke(ctx context.Context, actor hie.Actor, tokenID string, client hie.ClientID, expires time.Time) error {
	now := s.now()
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if _, err := lockVersion(ctx, tx); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			insert into access.revoked (token_id, client_id, expires_at) values ($1, $2, $3)
			on conflict (token_id) do nothing`, tokenID, string(client), expires)
		if err != nil || n == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from access.revoked where expires_at < $1`, now); err != nil {
			return err
		}
		e := audit.NewEvent(audit.Administered, actor, now)
		e.Action, e.Detail = "D", map[string]string{"object": "token", "token": tokenID, "client": string(client)}
		if err := auditpg.Append(ctx, tx, e); err != nil {
			return err
		}
		return moveVersion(ctx, tx, now)
	})
	if err != nil {
		return fmt.Errorf("accesspg: revoke: %w", err)
	}
	s.forget()
	return nil
}

// forget makes this node read the picture anew at its next use; the others do so within half a second.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.current.Load(); p != nil {
		s.current.Store(&picture{snapshot: p.snapshot, read: p.read.Add(-freshFor)})
	}
}
