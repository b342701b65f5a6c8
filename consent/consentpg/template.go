package consentpg

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Templates returns every version of every form, the built-in ones among them, by id and version.
func (s *Store) Templates(ctx context.Context) ([]consent.Template, error) {
	rows, err := templates(ctx, s.db)
	if err != nil {
		return nil, fmt.Errorf("consentpg: templates: %w", err)
	}
	return rows, nil
}

func templates(ctx context.Context, q pg.Querier) ([]consent.Template, error) {
	stored, err := pg.Collect(ctx, q, func(rows *pg.Rows) (consent.Template, error) {
		var id, state string
		var version int64
		var content []byte
		var proposed time.Time
		var decided *time.Time
		var proposedBy, decidedBy string
		if err := rows.Scan(&id, &version, &state, &content, &proposed, &proposedBy, &decided, &decidedBy); err != nil {
			return consent.Template{}, err
		}
		t, err := consentfhir.ReadTemplate(content)
		t.Version, t.State, t.Proposed, t.ProposedBy, t.Decided, t.DecidedBy = version, consent.TemplateState(state), proposed.UTC(), proposedBy, utc(decided), decidedBy
		return t, err
	}, `
		/* all shards: a reference table, read by staff and at signing */
		select template_id, version, state, content, proposed, proposed_by, decided, decided_by
		from consent.template order by template_id, version`)
	if err != nil {
		return nil, err
	}
	out := stored
	for _, b := range consent.BuiltinTemplates() {
		if !slices.ContainsFunc(stored, func(t consent.Template) bool { return t.ID == b.ID && t.Version == b.Version }) {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b consent.Template) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), cmp.Compare(a.Version, b.Version))
	})
	return out, nil
}

// ProposeTemplate adds the next version of a form as a draft and returns it. Two who propose at once get two versions.
func (s *Store) ProposeTemplate(ctx context.Context, actor hie.Actor, t consent.Template) (consent.Template, error) {
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		all, err := templates(ctx, tx)
		if err != nil {
			return err
		}
		t.Version = 1
		for _, x := range all {
			if x.ID == t.ID {
				t.Version = max(t.Version, x.Version+1)
			}
		}
		t.State, t.Proposed, t.ProposedBy = consent.TemplateDraft, s.now(), string(actor.Organization)+"/"+actor.User
		n, err := tx.Exec(ctx, `
			insert into consent.template (template_id, version, state, content, proposed, proposed_by)
			values ($1, $2, 'draft', $3, $4, $5) on conflict (template_id, version) do nothing`,
			t.ID, t.Version, consentfhir.WriteTemplate(t), t.Proposed, t.ProposedBy)
		if err == nil && n == 0 {
			err = hie.ErrConflict
		}
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, formChanged(actor, t, "proposed"))
	})
	if err != nil {
		return consent.Template{}, fmt.Errorf("consentpg: propose template: %w", err)
	}
	return t, nil
}

// DecideTemplate puts a draft in force or rejects it. Errors: hie.ErrNotFound for a version there is not;
// hie.ErrForbidden when actor proposed it; hie.ErrConflict for one that is no draft.
func (s *Store) DecideTemplate(ctx context.Context, actor hie.Actor, id string, version int64, approve bool) (consent.Template, error) {
	return s.turnTemplate(ctx, actor, id, version, func(t *consent.Template, by string) error {
		if t.State != consent.TemplateDraft {
			return hie.ErrConflict
		}
		if !t.MayDecide(by) {
			return hie.ErrForbidden
		}
		if t.State = consent.TemplateRejected; approve {
			t.State = consent.TemplateActive
		}
		return nil
	})
}

// RetireTemplate takes a version out of what is offered; what was signed on it stands. Errors: hie.ErrNotFound,
// hie.ErrConflict for one that is not in force.
func (s *Store) RetireTemplate(ctx context.Context, actor hie.Actor, id string, version int64) (consent.Template, error) {
	return s.turnTemplate(ctx, actor, id, version, func(t *consent.Template, _ string) error {
		if t.State != consent.TemplateActive {
			return hie.ErrConflict
		}
		t.State = consent.TemplateRetired
		return nil
	})
}

func (s *Store) turnTemplate(ctx context.Context, actor hie.Actor, id string, version int64, turn func(*consent.Template, string) error) (consent.Template, error) {
	var out consent.Template
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		all, err := templates(ctx, tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(t consent.Template) bool { return t.ID == id && t.Version == version })
		if i < 0 {
			return hie.ErrNotFound
		}
		out = all[i]
		was, by, now := string(out.State), string(actor.Organization)+"/"+actor.User, s.now()
		if err := turn(&out, by); err != nil {
			return err
		}
		out.Decided, out.DecidedBy = now, by
		n, err := tx.Exec(ctx, `
			insert into consent.template as t (template_id, version, state, content, proposed, proposed_by, decided, decided_by)
			values ($1, $2, $3, $4, $5, $6, $7, $8)
			on conflict (template_id, version) do update set state = excluded.state, decided = excluded.decided, decided_by = excluded.decided_by
			where t.state = $9`,
			id, version, string(out.State), consentfhir.WriteTemplate(out), proposedAt(out, now), out.ProposedBy, now, by, was)
		if err == nil && n == 0 {
			err = hie.ErrConflict
		}
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, formChanged(actor, out, string(out.State)))
	})
	if err != nil {
		return consent.Template{}, fmt.Errorf("consentpg: template: %w", err)
	}
	return out, nil
}

func formChanged(actor hie.Actor, t consent.Template, what string) audit.Event {
	e := audit.NewEvent(audit.Administered, actor, hie.Now())
	e.Action, e.Detail = "U", map[string]string{"interaction": "consent form " + what}
	e.Ground = []string{fmt.Sprintf("form %s version %d", t.ID, t.Version)}
	return e
}

// proposedAt is when a form was proposed; a built-in one, when it is first turned.
func proposedAt(t consent.Template, now time.Time) time.Time {
	if t.Proposed.IsZero() {
		return now
	}
	return t.Proposed
}
