package consentpg

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// A Policies keeps the policies of an exchange: versions and steps, both only ever added.
type Policies struct {
	db    *pg.DB
	audit func(ctx context.Context, q pg.Querier, events ...audit.Event) error
	now   func() time.Time
	// keys sign law packs; the publisher's are among them.
	keys []ed25519.PublicKey
	// astray says that a watch found this node's clock off.
	astray atomic.Bool
}

// Clock returns hie.ErrUnavailable while this node's clock is off the database's by more than ClockLimit, as a watch found it, else
// nil. What such a node recorded would be from another time than what stands beside it: a wish filed by a clock that is a year
// ahead has everybody decide as of then, when others have ended.
//
// Source: spec consent 2.15 (clock skew beyond limit).
func (p *Policies) Clock() error {
	if p.astray.Load() {
		return fmt.Errorf("consentpg: this node's clock is off: %w", hie.ErrUnavailable)
	}
	return nil
}

// NewPolicies returns the policies in db. Law packs must be signed by the publisher of the program's own, or by one of
// trusted. The error is for a program that was built wrong.
func NewPolicies(db *pg.DB, audit func(context.Context, pg.Querier, ...audit.Event) error, now func() time.Time, trusted ...ed25519.PublicKey) (*Policies, error) {
	publisher, err := consentjson.PublisherKeys()
	if err != nil {
		return nil, err
	}
	return &Policies{db: db, audit: audit, now: now, keys: append(slices.Clip(publisher), trusted...)}, nil
}

// Draft keeps a new version of a policy and returns it with its number. Nothing changes until it is activated. A law
// pack must carry a signature that is trusted; each pack must mean what its tests say. With dryRun nothing is kept.
// Errors: *hie.InvalidError.
func (p *Policies) Draft(ctx context.Context, actor hie.Actor, content []byte, signature, note string, dryRun bool) (consent.PolicyEvent, error) {
	pack, err := p.read(content, signature)
	if err == nil {
		err = tried(&pack)
	}
	if err != nil {
		return consent.PolicyEvent{}, fmt.Errorf("consentpg: draft: %w", err)
	}
	return p.step(ctx, actor, consent.PolicyEvent{Policy: pack.ID, Action: consent.PolicyDrafted, Note: note}, dryRun, func(tx *pg.Tx, e consent.PolicyEvent) error {
		_, err := tx.Exec(ctx, `insert into consent.policy_version (policy_id, version, content, signature) values ($1, $2, $3, $4)`,
			e.Policy, e.Version, content, signature)
		return err
	})
}

// read reads a pack and checks the signature that a law pack needs.
func (p *Policies) read(content []byte, signature string) (consent.Pack, error) {
	pack, err := consentjson.ReadPack(content)
	if err == nil {
		err = pack.Validate()
	}
	if err != nil {
		return consent.Pack{}, err
	}
	if pack.Kind == consent.PackLaw || signature != "" {
		if consentjson.Verify(content, signature, p.keys) != nil {
			return consent.Pack{}, hie.Invalid("signature", "must be of a trusted key, over the content as it stands")
		}
	}
	return pack, nil
}

func tried(pack *consent.Pack) error {
	faults, err := pack.Check()
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return &hie.InvalidError{Path: "tests", Rule: faults[0].String(), Code: "business-rule"}
	}
	return nil
}

// Take takes a further step about a version: simulate, approve, activate or rollback. What may follow on what is said by
// consent.PolicyHistory. With dryRun it only says what the step would be.
func (p *Policies) Take(ctx context.Context, actor hie.Actor, e consent.PolicyEvent, dryRun bool) (consent.PolicyEvent, error) {
	return p.step(ctx, actor, e, dryRun, func(*pg.Tx, consent.PolicyEvent) error { return nil })
}

// step adds a step after the policy's last one, with its event, in one transaction.
func (p *Policies) step(ctx context.Context, actor hie.Actor, e consent.PolicyEvent, dryRun bool, with func(*pg.Tx, consent.PolicyEvent) error) (consent.PolicyEvent, error) {
	var out consent.PolicyEvent
	if err := p.Clock(); err != nil {
		return out, err
	}
	err := pg.InTx(ctx, p.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		var version int64
		if err := tx.QueryRow(ctx, `select version from consent.policy_set where id = 1 for update`).Scan(&version); err != nil {
			return err
		}
		history, err := steps(ctx, tx, e.Policy)
		if err != nil {
			return err
		}
		next := e
		next.At, next.By = p.now(), who(actor)
		if out, err = history.Next(next); err != nil || dryRun {
			return err
		}
		if err := with(tx, out); err != nil {
			return err
		}
		var effective *time.Time
		if !out.Effective.IsZero() {
			effective = &out.Effective
		}
		if _, err := tx.Exec(ctx, `insert into consent.policy_step (policy_id, seq, version, action, at, by_whom, effective, note) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			out.Policy, out.Seq, out.Version, string(out.Action), out.At, out.By, effective, out.Note); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update consent.policy_set set version = $1 where id = 1`, version+1); err != nil {
			return err
		}
		return p.audit(ctx, tx, stepped(actor, out))
	})
	if err != nil {
		return consent.PolicyEvent{}, fmt.Errorf("consentpg: policy %s: %w", e.Action, err)
	}
	return out, nil
}

func who(actor hie.Actor) string {
	if actor.User == "" {
		return "" // a system approves nothing
	}
	return string(actor.Organization) + "/" + actor.User
}

func stepped(actor hie.Actor, e consent.PolicyEvent) audit.Event {
	out := audit.NewEvent(audit.Administered, actor, e.At)
	out.Action = "U"
	out.Ground = []string{"policy " + e.Policy + "/" + strconv.FormatInt(e.Version, 10)}
	out.Detail = map[string]string{"interaction": "policy " + string(e.Action), "version": strconv.FormatInt(e.Version, 10)}
	if !e.Effective.IsZero() {
		out.Detail["effective"] = e.Effective.Format(time.RFC3339Nano)
	}
	return out
}

func steps(ctx context.Context, q pg.Querier, policy string) (consent.PolicyHistory, error) {
	all, err := histories(ctx, q, policy)
	return all[policy], err
}

// histories returns the steps of one policy, or of all when policy is "".
func histories(ctx context.Context, q pg.Querier, policy string) (map[string]consent.PolicyHistory, error) {
	list, err := pg.Collect(ctx, q, func(rows *pg.Rows) (consent.PolicyEvent, error) {
		var e consent.PolicyEvent
		var action string
		var effective *time.Time
		err := rows.Scan(&e.Policy, &e.Seq, &e.Version, &action, &e.At, &e.By, &effective, &e.Note)
		e.Action, e.At = consent.PolicyAction(action), e.At.UTC()
		if effective != nil {
			e.Effective = effective.UTC()
		}
		return e, err
	}, `select policy_id, seq, version, action, at, by_whom, effective, note from consent.policy_step
		where $1 = '' or policy_id = $1 order by policy_id, seq`, policy)
	out := map[string]consent.PolicyHistory{}
	for _, e := range list {
		out[e.Policy] = append(out[e.Policy], e)
	}
	return out, err
}

// Version returns one version of a policy, or hie.ErrNotFound. Version 0 is the one the program brings along. One whose
// signature is not trusted any more is an error.
func (p *Policies) Version(ctx context.Context, policy string, version int64) (consent.StoredPack, error) {
	out, err := p.load(ctx, p.db, policy, version)
	if err != nil {
		return consent.StoredPack{}, fmt.Errorf("consentpg: policy: %w", err)
	}
	return out, nil
}

func (p *Policies) load(ctx context.Context, q pg.Querier, policy string, version int64) (consent.StoredPack, error) {
	out := consent.StoredPack{Version: version}
	if version == 0 {
		all, err := consentjson.Builtins()
		if err != nil {
			return out, err
		}
		for _, b := range all {
			if b.Pack.ID == policy {
				return consent.StoredPack{Content: b.Content, Signature: b.Signature, Pack: b.Pack}, nil
			}
		}
		return out, hie.ErrNotFound
	}
	if err := q.QueryRow(ctx, `select content, signature from consent.policy_version where policy_id = $1 and version = $2`, policy, version).
		Scan(&out.Content, &out.Signature); err != nil {
		return out, err
	}
	var err error
	if out.Pack, err = p.read(out.Content, out.Signature); err != nil {
		return out, err
	}
	all, err := consentjson.Builtins()
	if err != nil {
		return out, err
	}
	for _, b := range all { // a version from before packs held words says what the pack of that name says
		if b.Pack.ID == policy {
			out.Pack.Speak(b.Pack.Statements)
		}
	}
	for _, b := range all { // and one drafted from it under another name too
		out.Pack.Speak(b.Pack.Statements)
	}
	return out, nil
}

// History returns the steps of one policy; none for one that was never drafted.
func (p *Policies) History(ctx context.Context, policy string) (consent.PolicyHistory, error) {
	h, err := steps(ctx, p.db, policy)
	if err != nil {
		return nil, fmt.Errorf("consentpg: policy history: %w", err)
	}
	return h, nil
}

// Histories returns the steps of every policy that was ever drafted, by policy.
func (p *Policies) Histories(ctx context.Context) (map[string]consent.PolicyHistory, error) {
	h, err := histories(ctx, p.db, "")
	if err != nil {
		return nil, fmt.Errorf("consentpg: policy histories: %w", err)
	}
	return h, nil
}
