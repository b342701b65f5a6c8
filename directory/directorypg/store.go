// Package directorypg keeps the directory in PostgreSQL and gives every node the current picture of it.
//
// A file is applied whole, in one transaction under the version row, with its audit event. What it no longer
// names becomes inactive and keeps its rows.
package directorypg

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/go-json-experiment/json"
)

// An AppendEvents records events within q's transaction; auditpg.Append is one.
type AppendEvents func(ctx context.Context, q pg.Querier, events ...audit.Event) error

// A Store is the directory in PostgreSQL.
type Store struct {
	db     *pg.DB
	record AppendEvents
	now    func() time.Time
}

// New returns the directory kept in db. now may be nil for the system clock.
func New(db *pg.DB, record AppendEvents, now func() time.Time) *Store {
	if now == nil {
		now = hie.Now
	}
	return &Store{db: db, record: record, now: now}
}

// Load returns the current picture. It is whole: a file applied while it is read makes it read again.
func (s *Store) Load(ctx context.Context) (*directory.Network, error) {
	for {
		version, err := s.version(ctx)
		if err != nil {
			return nil, fmt.Errorf("directory: load: %w", err)
		}
		f, err := read(ctx, s.db)
		if err != nil {
			return nil, fmt.Errorf("directory: load: %w", err)
		}
		after, err := s.version(ctx)
		if err != nil {
			return nil, fmt.Errorf("directory: load: %w", err)
		}
		if version != after {
			continue
		}
		n, err := f.Network(version)
		if err != nil {
			return nil, fmt.Errorf("directory: load: the stored picture does not fit together: %w", err)
		}
		return n, nil
	}
}

// version returns the number of the current picture.
func (s *Store) version(ctx context.Context) (v int64, err error) {
	err = s.db.QueryRow(ctx, `select version from directory.version where id = 1`).Scan(&v)
	return v, err
}

// Apply replaces the whole picture by f and returns what that changes; with dryRun it only says so. A file that
// changes nothing writes nothing. The change and its audit event by actor are one transaction, and other
// callers of Apply wait for its end. An *hie.InvalidError names the part of f that does not fit.
func (s *Store) Apply(ctx context.Context, actor hie.Actor, f directory.File, dryRun bool) (directory.Diff, error) {
	var diff directory.Diff
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		before, since, err := hold(ctx, tx)
		if err != nil {
			return err
		}
		entered, err := f.Enter(before)
		if err != nil {
			return err
		}
		if _, err := entered.Network(0); err != nil { // before retired parts join, so that places are those of the file
			return err
		}
		whole, err := entered.Retire(before)
		if err != nil {
			return err
		}
		after, err := whole.Network(before.Version() + 1)
		if err != nil {
			return err
		}
		diff = directory.Compare(before, after)
		if dryRun || len(diff) == 0 {
			return nil
		}
		if err := write(ctx, tx, after); err != nil {
			return err
		}
		now := s.now()
		if err := turn(ctx, tx, before, since, after, now); err != nil {
			return err
		}
		return s.record(ctx, tx, applied(actor, diff, after.Version(), now))
	})
	if pg.IsUnique(err) {
		// Only two organisations trading identifiers in one file can do this: rows are written one by one.
		err = hie.Invalid("organizations", "trade an identifier; give it up in one file and take it in the next")
	}
	if err != nil {
		return nil, fmt.Errorf("directory: apply: %w", err)
	}
	return diff, nil
}

// hold returns the picture that is current until tx ends, and since when it is: others who would change it wait.
func hold(ctx context.Context, tx *pg.Tx) (*directory.Network, time.Time, error) {
	var version int64
	var since time.Time
	if err := tx.QueryRow(ctx, `select version, changed_at from directory.version where id = 1 for update`).Scan(&version, &since); err != nil {
		return nil, since, err
	}
	stored, err := read(ctx, tx)
	if err != nil {
		return nil, since, err
	}
	n, err := stored.Network(version)
	return n, since, err
}

// turn makes after the current picture in the place of before, which held since then, and keeps both.
func turn(ctx context.Context, tx *pg.Tx, before *directory.Network, since time.Time, after *directory.Network, now time.Time) error {
	if err := keep(ctx, tx, before, since); err != nil {
		return err
	}
	if err := keep(ctx, tx, after, now); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update directory.version set version = $1, changed_at = $2 where id = 1`, after.Version(), now)
	return err
}

func applied(actor hie.Actor, diff directory.Diff, version int64, now time.Time) audit.Event {
	e := audit.NewEvent(audit.Administered, actor, now)
	e.Action = "U"
	e.Detail = map[string]string{"interaction": "site apply", "version": strconv.FormatInt(version, 10)}
	for _, verb := range []string{"add", "change", "remove"} {
		e.Detail[verb] = strconv.Itoa(diff.Count(verb))
	}
	return e
}

// read returns the stored picture as a file, inactive parts included.
func read(ctx context.Context, q pg.Querier) (directory.File, error) {
	var f directory.File
	var err error
	f.Organizations, err = pg.Collect(ctx, q, func(r *pg.Rows) (o directory.Organization, err error) {
		err = r.Scan(&o.ID, &o.Parent, &o.Name, &o.Identifier, &o.Kind, &o.Jurisdiction, &o.Active)
		return o, err
	}, `select org_id, coalesce(parent_id, ''), name, identifier, kind, jurisdiction, active
		from directory.organization order by org_id`)
	if err != nil {
		return f, err
	}
	f.Sites, err = pg.Collect(ctx, q, func(r *pg.Rows) (s directory.Site, err error) {
		err = r.Scan(&s.ID, &s.Org, &s.Name, &s.Zone, &s.Jurisdiction, pg.Array(&s.Regimes), &s.Labelled,
			pg.Array(&s.PrivilegedRoles), &s.Publishes, &s.Active, &s.Membership, &s.Phone)
		return s, err
	}, `select site_id, org_id, name, zone, jurisdiction, regimes, labelled, privileged_roles, publishes, active, membership, phone
		from directory.site order by site_id`)
	if err != nil {
		return f, err
	}
	if err := readParts(ctx, q, f.Sites); err != nil {
		return f, err
	}
	f.Defaults, err = pg.Collect(ctx, q, func(r *pg.Rows) (d directory.Default, err error) {
		err = r.Scan(&d.Network, &d.Site, &d.Jurisdiction, &d.PurposeClass, &d.Category, &d.Rule)
		return d, err
	}, `select network, coalesce(site_id, ''), jurisdiction, purpose_class, category, rule
		from directory.consent_default order by rank`)
	return f, err
}

// readParts adds the authorities and endpoints of sites.
func readParts(ctx context.Context, q pg.Querier, sites []directory.Site) error {
	type part struct {
		site     hie.SiteID
		system   string
		endpoint directory.Endpoint
	}
	authorities, err := pg.Collect(ctx, q, func(r *pg.Rows) (p part, err error) {
		err = r.Scan(&p.site, &p.system)
		return p, err
	}, `select site_id, system from directory.site_authority order by site_id, rank`)
	if err != nil {
		return err
	}
	endpoints, err := pg.Collect(ctx, q, func(r *pg.Rows) (p part, err error) {
		var capability []byte
		e := &p.endpoint
		if err := r.Scan(&p.site, &e.ID, &e.Protocol, &e.Address, &e.Permits, &capability); err != nil {
			return p, err
		}
		return p, json.Unmarshal(capability, &e.Capability)
	}, `select site_id, endpoint_id, protocol, address, permits, capability
		from directory.endpoint order by site_id, rank`)
	if err != nil {
		return err
	}
	at := map[hie.SiteID]int{}
	for i, s := range sites {
		at[s.ID] = i
	}
	for _, p := range authorities {
		sites[at[p.site]].Authorities = append(sites[at[p.site]].Authorities, p.system)
	}
	for _, p := range endpoints {
		sites[at[p.site]].Endpoints = append(sites[at[p.site]].Endpoints, p.endpoint)
	}
	return nil
}

// write stores n; parents go before their units. It runs once an applied file, so row by row is soon enough.
func write(ctx context.Context, q pg.Querier, n *directory.Network) error {
	orgs := n.Organizations()
	slices.SortStableFunc(orgs, func(a, b directory.Organization) int { return len(n.Ancestors(a.ID)) - len(n.Ancestors(b.ID)) })
	for _, o := range orgs {
		if _, err := q.Exec(ctx, `
			insert into directory.organization (org_id, parent_id, name, identifier, kind, jurisdiction, active)
			values ($1, nullif($2, ''), $3, $4, $5, $6, $7)
			on conflict (org_id) do update set parent_id = excluded.parent_id, name = excluded.name,
				identifier = excluded.identifier, kind = excluded.kind, jurisdiction = excluded.jurisdiction, active = excluded.active`,
			string(o.ID), string(o.Parent), o.Name, o.Identifier, o.Kind, o.Jurisdiction, o.Active); err != nil {
			return err
		}
	}
	for _, table := range []string{
		`delete from directory.consent_default`, `delete from directory.endpoint`, `delete from directory.site_authority`,
	} {
		if _, err := q.Exec(ctx, table); err != nil {
			return err
		}
	}
	for _, s := range n.Sites() {
		if err := writeSite(ctx, q, s); err != nil {
			return err
		}
	}
	for i, d := range n.Defaults() {
		if _, err := q.Exec(ctx, `
			insert into directory.consent_default (rank, network, site_id, jurisdiction, purpose_class, category, rule)
			values ($1, $2, nullif($3, ''), $4, $5, $6, $7)`,
			i, d.Network, string(d.Site), d.Jurisdiction, d.PurposeClass, d.Category, d.Rule); err != nil {
			return err
		}
	}
	return nil
}

func writeSite(ctx context.Context, q pg.Querier, s directory.Site) error {
	if _, err := q.Exec(ctx, `
		insert into directory.site (site_id, org_id, name, zone, jurisdiction, regimes, labelled, privileged_roles, publishes, active, membership, phone)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		on conflict (site_id) do update set org_id = excluded.org_id, name = excluded.name, zone = excluded.zone,
			jurisdiction = excluded.jurisdiction, regimes = excluded.regimes, labelled = excluded.labelled,
			privileged_roles = excluded.privileged_roles, publishes = excluded.publishes, active = excluded.active,
			membership = excluded.membership, phone = excluded.phone`,
		string(s.ID), string(s.Org), s.Name, s.Zone, s.Jurisdiction, some(s.Regimes), s.Labelled,
		some(s.PrivilegedRoles), s.Publishes, s.Active, string(s.Membership), s.Phone); err != nil {
		return err
	}
	for i, system := range s.Authorities {
		if _, err := q.Exec(ctx, `insert into directory.site_authority (system, site_id, rank) values ($1, $2, $3)`,
			system, string(s.ID), i); err != nil {
			return err
		}
	}
	for i, e := range s.Endpoints {
		capability, err := json.Marshal(e.Capability, json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := q.Exec(ctx, `
			insert into directory.endpoint (endpoint_id, site_id, rank, protocol, address, permits, capability)
			values ($1, $2, $3, $4, $5, $6, $7)`,
			e.ID, string(s.ID), i, e.Protocol, e.Address, e.Permits, capability); err != nil {
			return err
		}
	}
	return nil
}

// some makes an absent list an empty one, which the columns require.
func some(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}
