// Package consentpg keeps directives, emergency grants and review tasks in PostgreSQL. Each change moves the
// epoch of the records it concerns and writes its audit event in one transaction, so a revocation that was
// acknowledged is what every later decision sees.
//
// Source: DESIGN ideas 7 and 8; spec consent 2.14; spec scale-out section 5.
package consentpg

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// A Store is the consents of an exchange.
type Store struct {
	db    *pg.DB
	ids   *hie.IDs
	audit func(ctx context.Context, q pg.Querier, events ...audit.Event) error
	now   func() time.Time
	// clock returns an error while what is recorded now would bear a wrong time.
	clock func() error
	// meanwhile is told of a record while a change of its wishes waits for leases to end.
	meanwhile func(ctx context.Context, record hie.SourcePatientID)
}

// New returns a Store on db. Events are written by audit (auditpg.Append) in the transaction of the change.
func New(db *pg.DB, ids *hie.IDs, audit func(context.Context, pg.Querier, ...audit.Event) error, now func() time.Time) *Store {
	return &Store{db: db, ids: ids, audit: audit, now: now, clock: func() error { return nil }}
}

// Clock has nothing recorded while check, such as [Policies.Clock], returns an error, which is then the answer: another node is
// asked. It is set before anything is filed.
func (s *Store) Clock(check func() error) { s.clock = check }

// Meanwhile has f called after each change of what a record's patient wishes, once it is committed and before it is acknowledged:
// while the leases of gates end that may act on what they read before. The change stands whatever becomes of f, and is
// acknowledged no sooner than f returns. It is set before anything is filed.
func (s *Store) Meanwhile(f func(ctx context.Context, record hie.SourcePatientID)) { s.meanwhile = f }

// settle waits until no gate acts on what it read before a change of record, which was committed a moment ago.
//
// Source: spec consent 2.14; hie.ReleaseLease.
func (s *Store) settle(ctx context.Context, record hie.SourcePatientID) {
	committed := time.Now()
	if s.meanwhile != nil {
		s.meanwhile(ctx, record)
	}
	time.Sleep(consent.ReleaseLease - time.Since(committed))
}

// File adds a version: the first of a new directive when v.ID is 0, else the one after expected, which must be
// current. It returns v with ID, Number and Filed set, when nothing can
// leave under the old rules any more. Errors: hie.ErrNotFound when v.ID is not a
// directive of v.Record; hie.ErrStale when expected is not its current version.
func (s *Store) File(ctx context.Context, actor hie.Actor, v consent.Version, expected int64) (consent.Version, error) {
	action := "U"
	if v.ID == 0 {
		v.ID, action, expected = s.ids.Next(), "C", 0
	}
	var out consent.Version
	if err := s.clock(); err != nil {
		return out, err
	}
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		// Writers of one record queue on its epoch, so what is read next does not change before the commit.
		if err := s.move(ctx, tx, s.now(), v.Record); err != nil {
			return err
		}
		out = v
		out.Filed = s.now()
		if action == "U" {
			current, filed, err := currentVersion(ctx, tx, v.Record, v.ID)
			switch {
			case err != nil:
				return err
			case current != expected:
				return hie.ErrStale
			case !out.Filed.After(filed):
				out.Filed = filed.Add(time.Microsecond) // clocks of two nodes differ; versions rise all the same
			}
		}
		out.Number = expected + 1
		if err := insert(ctx, tx, out); err != nil {
			return err
		}
		if err := insertEvidence(ctx, tx, s.ids, &out); err != nil {
			return err
		}
		return s.audit(ctx, tx, changed(actor, out, action))
	})
	if err != nil {
		return consent.Version{}, fmt.Errorf("consentpg: file: %w", err)
	}
	s.settle(ctx, out.Record)
	return out, nil
}

// changed is the event of a filing. It names the directive by its own ids, never by content.
func changed(actor hie.Actor, v consent.Version, action string) audit.Event {
	e := audit.NewEvent(audit.ConsentChanged, actor, v.Filed).About(v.Record)
	e.Action = action
	e.Ground = []string{ground(v)}
	e.Detail = map[string]string{"status": v.Status}
	return e
}

func ground(v consent.Version) string {
	return strconv.FormatInt(v.ID, 10) + "/" + strconv.FormatInt(v.Number, 10)
}

func currentVersion(ctx context.Context, q pg.Querier, record hie.SourcePatientID, id int64) (version int64, filed time.Time, err error) {
	err = q.QueryRow(ctx, `
		select version, filed from consent.directive
		where sp_id = $1 and directive_id = $2 order by version desc limit 1`, int64(record), id).Scan(&version, &filed)
	return version, filed, err
}

func insert(ctx context.Context, q pg.Querier, v consent.Version) error {
	var signed *time.Time
	if !v.Signed.IsZero() {
		signed = &v.Signed
	}
	_, err := q.Exec(ctx, `
		insert into consent.directive (sp_id, directive_id, version, status, filed, signed, verified, network_wide,
			absolute, return_to_default, org, by_patient, content)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		int64(v.Record), v.ID, v.Number, v.Status, v.Filed, signed, v.Verified, v.NetworkWide,
		v.Absolute, v.ReturnToDefault, string(v.By), v.ByPatient, v.Content)
	return err
}

func scanVersion(rows *pg.Rows) (consent.Version, error) {
	var v consent.Version
	var record int64
	var signed *time.Time
	var org string
	err := rows.Scan(&record, &v.ID, &v.Number, &v.Status, &v.Filed, &signed, &v.Verified, &v.NetworkWide,
		&v.Absolute, &v.ReturnToDefault, &org, &v.ByPatient, &v.Content)
	v.Record, v.By, v.Filed = hie.SourcePatientID(record), hie.OrgID(org), v.Filed.UTC()
	if signed != nil {
		v.Signed = signed.UTC()
	}
	return v, err
}

// Current returns the current version of every directive of the records, in the order they were first filed
// within each record.
func (s *Store) Current(ctx context.Context, records []hie.SourcePatientID) ([]consent.Version, error) {
	return currentAt(ctx, s.db, records, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
}

// currentAt is Current as it was at an instant.
func currentAt(ctx context.Context, q pg.Querier, records []hie.SourcePatientID, at time.Time) ([]consent.Version, error) {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = int64(r)
	}
	out, err := pg.Collect(ctx, q, scanVersion, `
		select distinct on (sp_id, directive_id) sp_id, directive_id, version, status, filed, signed, verified,
			network_wide, absolute, return_to_default, org, by_patient, content
		from consent.directive where sp_id = any($1) and filed <= $2
		order by sp_id, directive_id, version desc`, pg.Few(ids), at)
	if err != nil {
		return nil, fmt.Errorf("consentpg: current: %w", err)
	}
	return out, nil
}

// History returns all versions of one directive, newest first, or hie.ErrNotFound.
func (s *Store) History(ctx context.Context, record hie.SourcePatientID, id int64) ([]consent.Version, error) {
	out, err := pg.Collect(ctx, s.db, scanVersion, `
		select sp_id, directive_id, version, status, filed, signed, verified, network_wide, absolute,
			return_to_default, org, by_patient, content
		from consent.directive where sp_id = $1 and directive_id = $2 order by version desc`, int64(record), id)
	if err != nil {
		return nil, fmt.Errorf("consentpg: history: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("consentpg: history: %w", hie.ErrNotFound)
	}
	return out, nil
}

// Load returns what decisions about the records need: the current version of each directive, the emergency grants that
// hold now, the proxies and the legal bases, with the epochs that guard them. A directive whose content cannot be read any more is an error: deciding without it could
// release.
func (s *Store) Load(ctx context.Context, records []hie.SourcePatientID) (consent.OnFile, error) {
	now := s.now()
	there, err := s.thereNow(ctx, records, now)
	if err != nil {
		return consent.OnFile{}, err
	}
	return s.loadAt(ctx, records, there, unbounded, now)
}

// unbounded is after all that is filed. What is on file now is on file by whatever clock: another node's may be ahead of this
// one's, and what it acknowledged counts ([consent.OnFile.NoEarlier]).
var unbounded = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// LoadAt is Load as it was at an instant.
func (s *Store) LoadAt(ctx context.Context, records []hie.SourcePatientID, at time.Time) (consent.OnFile, error) {
	there, err := s.thereAt(ctx, records, at)
	if err != nil {
		return consent.OnFile{}, err
	}
	return s.loadAt(ctx, records, there, at, at)
}

// loadAt loads what was filed until an instant and, of emergency grants, those that hold at now.
func (s *Store) loadAt(ctx context.Context, records []hie.SourcePatientID, there onFile, at, now time.Time) (consent.OnFile, error) {
	var err error
	var versions []consent.Version
	if there.directives {
		if versions, err = currentAt(ctx, s.db, records, at); err != nil {
			return consent.OnFile{}, err
		}
	}
	out := consent.OnFile{Directives: make([]consent.Directive, 0, len(versions)), Epochs: there.epochs}
	signed := false
	for _, v := range versions {
		d, err := consentfhir.Directive(v)
		if err != nil {
			return consent.OnFile{}, fmt.Errorf("consentpg: load: %w", err)
		}
		signed = signed || slices.ContainsFunc(d.Performers, func(p string) bool { return !strings.HasPrefix(p, "Patient/") })
		out.Directives = append(out.Directives, d)
	}
	if signed { // nobody else's proxies matter to a decision
		representatives, err := representativesAt(ctx, s.db, records, at)
		if err != nil {
			return consent.OnFile{}, err
		}
		out.Proxies = consent.Proxies(representatives)
	}
	if there.grants {
		if out.Grants, err = s.grants(ctx, records, at, now); err != nil {
			return consent.OnFile{}, err
		}
	}
	if there.instruments {
		if out.Instruments, err = instrumentsAt(ctx, s.db, records, at); err != nil {
			return consent.OnFile{}, err
		}
	}
	return out, nil
}

// onFile says of what kinds there is anything on file, and the epochs of the records where it is about now.
type onFile struct {
	directives, grants, instruments bool
	epochs                          map[hie.SourcePatientID]int64
}

// thereNow looks what kinds of things there are about records, most people having none, and their epochs: one statement, so that
// neither is newer than the other. It asks for all that is filed and names no instant: one taken before the statement would
// leave out what was filed between, under an epoch that counts it.
//
// Source: spec scale-out section 5 ("Epoch"): read before, or with, the data it guards.
func (s *Store) thereNow(ctx context.Context, records []hie.SourcePatientID, now time.Time) (onFile, error) {
	there := onFile{epochs: make(map[hie.SourcePatientID]int64, len(records))}
	for _, r := range records {
		there.epochs[r] = 0
	}
	var moved, epochs []int64
	err := s.db.QueryRow(ctx, `
		select array(select sp_id from locator.subject where sp_id = any($1) and epoch > 0 order by sp_id),
			array(select epoch from locator.subject where sp_id = any($1) and epoch > 0 order by sp_id),
			exists (select from consent.directive where sp_id = any($1)),
			exists (select from consent.emergency_grant where sp_id = any($1) and until > $2 and ended is null),
			exists (select from consent.instrument where sp_id = any($1))`, pg.Few(numbers(records)), now).
		Scan(pg.Array(&moved), pg.Array(&epochs), &there.directives, &there.grants, &there.instruments)
	if err != nil {
		return onFile{}, fmt.Errorf("consentpg: what is on file: %w", err)
	}
	for i, r := range moved {
		there.epochs[hie.SourcePatientID(r)] = epochs[i]
	}
	return there, nil
}

// thereAt looks what kinds of things there were about records at an instant.
func (s *Store) thereAt(ctx context.Context, records []hie.SourcePatientID, at time.Time) (onFile, error) {
	var there onFile
	err := s.db.QueryRow(ctx, `
		select exists (select from consent.directive where sp_id = any($1) and filed <= $2),
			exists (select from consent.emergency_grant where sp_id = any($1) and since <= $2 and until > $2 and (ended is null or ended > $2)),
			exists (select from consent.instrument where sp_id = any($1) and recorded <= $2)`, pg.Few(numbers(records)), at).
		Scan(&there.directives, &there.grants, &there.instruments)
	if err != nil {
		return onFile{}, fmt.Errorf("consentpg: what was on file: %w", err)
	}
	return there, nil
}
