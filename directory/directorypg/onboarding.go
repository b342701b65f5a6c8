package directorypg

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Agree records what was signed with a site, and returns it as recorded. With dryRun it only says that it may be. Errors are
// Agreement.Check's, and hie.ErrNotFound for a site that does not take part.
func (s *Store) Agree(ctx context.Context, actor hie.Actor, a directory.Agreement, dryRun bool) (directory.Agreement, error) {
	if err := a.Check(); err != nil {
		return a, err
	}
	err := s.about(ctx, actor, a.Site, "site agreement", dryRun, func(tx *pg.Tx, now time.Time) (map[string]string, error) {
		held, err := agreements(ctx, tx, a.Site)
		if err != nil {
			return nil, err
		}
		a.Number, a.Recorded, a.By = int64(len(held))+1, now, actor.User
		if dryRun {
			return nil, nil
		}
		_, err = tx.Exec(ctx, `insert into directory.agreement (site_id, number, kind, signed_by, valid_from, valid_until, document_hash, recorded, organization, person)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, string(a.Site), a.Number, a.Kind, a.SignedBy, a.From,
			sql.NullTime{Time: a.Until, Valid: !a.Until.IsZero()}, a.Hash, now, string(actor.Organization), actor.User)
		return map[string]string{"kind": a.Kind, "agreement": strconv.FormatInt(a.Number, 10)}, err
	})
	return a, err
}

// PutContact records whom to turn to at a site in one role, in the place of whom there was. With dryRun it only says that it may
// be. Errors are Contact.Check's, and hie.ErrNotFound for a site that does not take part.
func (s *Store) PutContact(ctx context.Context, actor hie.Actor, c directory.Contact, dryRun bool) error {
	if err := c.Check(); err != nil {
		return err
	}
	return s.about(ctx, actor, c.Site, "site contact", dryRun, func(tx *pg.Tx, now time.Time) (map[string]string, error) {
		if dryRun {
			return nil, nil
		}
		_, err := tx.Exec(ctx, `insert into directory.contact (site_id, role, name, email, phone, changed) values ($1, $2, $3, $4, $5, $6)
			on conflict (site_id, role) do update set name = excluded.name, email = excluded.email, phone = excluded.phone, changed = excluded.changed`,
			string(c.Site), c.Role, c.Name, c.Email, c.Phone, now)
		return map[string]string{"role": c.Role}, err
	})
}

// KeepTrial stores how a trial went, in the place of the last of its kind, for actor who had it made.
func (s *Store) KeepTrial(ctx context.Context, actor hie.Actor, t directory.Trial) error {
	return s.about(ctx, actor, t.Site, "site trial", false, func(tx *pg.Tx, _ time.Time) (map[string]string, error) {
		_, err := tx.Exec(ctx, `insert into directory.trial (site_id, kind, at, passed, detail, took_us) values ($1, $2, $3, $4, $5, $6)
			on conflict (site_id, kind) do update set at = excluded.at, passed = excluded.passed, detail = excluded.detail, took_us = excluded.took_us`,
			string(t.Site), t.Kind, t.At, t.Passed, t.Detail, t.Took.Microseconds())
		return map[string]string{"trial": t.Kind, "passed": strconv.FormatBool(t.Passed)}, err
	})
}

// about does something about a site that takes part, in one transaction with its audit event, one at a time.
func (s *Store) about(ctx context.Context, actor hie.Actor, site hie.SiteID, interaction string, dryRun bool, do func(*pg.Tx, time.Time) (map[string]string, error)) error {
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		var active bool
		if err := tx.QueryRow(ctx, `select active from directory.site where site_id = $1 for update`, string(site)).Scan(&active); err != nil {
			return err
		}
		if !active {
			return hie.ErrNotFound
		}
		now := s.now()
		detail, err := do(tx, now)
		if err != nil || dryRun {
			return err
		}
		e := audit.NewEvent(audit.Administered, actor, now)
		e.Action, e.Site, e.Detail = "U", site, map[string]string{"interaction": interaction, "site": string(site)}
		for k, v := range detail {
			e.Detail[k] = v
		}
		return s.record(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("directory: %s: %w", interaction, err)
	}
	return nil
}

// Agreements returns the agreements of all sites that take part, ordered by site and number.
func (s *Store) Agreements(ctx context.Context) ([]directory.Agreement, error) {
	out, err := pg.Collect(ctx, s.db, scanAgreement, `
		select a.site_id, a.number, a.kind, a.signed_by, a.valid_from, a.valid_until, a.document_hash, a.recorded, a.person
		from directory.agreement a join directory.site s on s.site_id = a.site_id where s.active order by a.site_id, a.number`)
	if err != nil {
		return nil, fmt.Errorf("directory: agreements: %w", err)
	}
	return out, nil
}

func scanAgreement(r *pg.Rows) (a directory.Agreement, err error) {
	var until sql.NullTime
	err = r.Scan(&a.Site, &a.Number, &a.Kind, &a.SignedBy, &a.From, &until, &a.Hash, &a.Recorded, &a.By)
	a.From, a.Until = midnight(a.From), midnight(until.Time)
	return a, err
}

func agreements(ctx context.Context, q pg.Querier, site hie.SiteID) ([]directory.Agreement, error) {
	return pg.Collect(ctx, q, scanAgreement, `select site_id, number, kind, signed_by, valid_from, valid_until, document_hash, recorded, person from directory.agreement where site_id = $1 order by number`, string(site))
}

// midnight is a day as the database gives it, in UTC.
func midnight(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// Contacts returns whom to turn to at a site, ordered by role.
func (s *Store) Contacts(ctx context.Context, site hie.SiteID) ([]directory.Contact, error) {
	out, err := pg.Collect(ctx, s.db, func(r *pg.Rows) (c directory.Contact, err error) {
		err = r.Scan(&c.Site, &c.Role, &c.Name, &c.Email, &c.Phone, &c.Changed)
		return c, err
	}, `select site_id, role, name, email, phone, changed from directory.contact where site_id = $1 order by role`, string(site))
	if err != nil {
		return nil, fmt.Errorf("directory: contacts: %w", err)
	}
	return out, nil
}

// Recorded returns the agreements of a site in order, its contacts and its trials, and what was refused of what its organisation
// sent to publish since an instant.
func (s *Store) Recorded(ctx context.Context, site directory.Site, since time.Time) (e directory.Evidence, err error) {
	fail := func(err error) (directory.Evidence, error) {
		return directory.Evidence{}, fmt.Errorf("directory: recorded: %w", err)
	}
	e.Site, e.Since = site, since
	if e.Agreements, err = agreements(ctx, s.db, site.ID); err != nil {
		return fail(err)
	}
	if e.Contacts, err = s.Contacts(ctx, site.ID); err != nil {
		return fail(err)
	}
	e.Trials, err = pg.Collect(ctx, s.db, func(r *pg.Rows) (t directory.Trial, err error) {
		var micros int64
		err = r.Scan(&t.Site, &t.Kind, &t.At, &t.Passed, &t.Detail, &micros)
		t.Took = time.Duration(micros) * time.Microsecond
		return t, err
	}, `select site_id, kind, at, passed, detail, took_us from directory.trial where site_id = $1 order by kind`, string(site.ID))
	if err != nil {
		return fail(err)
	}
	e.Refusals, err = pg.Collect(ctx, s.db, func(r *pg.Rows) (f directory.Refusal, err error) {
		err = r.Scan(&f.Reason, &f.Count, &f.Last)
		return f, err
	}, `select reason, n, last from directory.publish_refusal where org_id = $1 and last >= $2 order by n desc, reason limit 20`, string(site.Org), since)
	if err != nil {
		return fail(err)
	}
	return e, nil
}

// maxReason bounds the text of a reason, in bytes.
const maxReason = 300

// PublishRefused counts one refusal of what org sent to publish. Reason says where and by which rule, and quotes nothing.
func (s *Store) PublishRefused(ctx context.Context, org hie.OrgID, reason string) error {
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	_, err := s.db.Exec(ctx, `insert into directory.publish_refusal as p (org_id, reason, n, last) values ($1, $2, 1, $3)
		on conflict (org_id, reason) do update set n = p.n + 1, last = excluded.last`, string(org), reason, s.now())
	if err != nil {
		return fmt.Errorf("directory: publish refused: %w", err)
	}
	return nil
}
