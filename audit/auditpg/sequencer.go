package auditpg

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrBroken means that the stored tree contradicts a checkpoint signed earlier: rows were changed, or the database
// was taken back to an older copy. The sequencer signs nothing on top of that; `concord audit verify` names the row.
var ErrBroken = errors.New("the audit log contradicts a checkpoint signed earlier")

// SequencerOptions say how a Sequencer works. Zero values take the defaults.
type SequencerOptions struct {
	// Key signs checkpoints. Required.
	Key ed25519.PrivateKey
	// Witness is a file outside the database that always holds a recent checkpoint; "" for none.
	Witness string
	// Log hears of leadership and faults. Required.
	Log *slog.Logger
	// Now is the clock; nil means hie.Now.
	Now func() time.Time
}

const (
	// sequenceEvery is how long a committed event waits at most for its place in the tree.
	sequenceEvery = 200 * time.Millisecond
	// witnessEvery is how old the witness file's checkpoint may be while events come in.
	witnessEvery = 5 * time.Second
	// maxBatch bounds the events of one batch: one transaction, one signature.
	maxBatch = 4096
	// retryAfter is the pause before a sequencer that does not lead, or failed, tries again.
	retryAfter = time.Second
	// lockKey is the session advisory lock of the one leader: "concord" in ASCII, audit being its only user.
	lockKey = 0x636f6e636f7264
)

// A Sequencer gives committed events their places in the tree and signs its head. Every node runs one; a session
// advisory lock on a connection of its own lets one lead. The lock only spares work: should two ever lead at once,
// the primary key of audit.leaf lets one of them commit, and the other starts over.
type Sequencer struct {
	db       *pg.DB
	signer   note.Signer
	verifier note.Verifier
	witness  string
	log      *slog.Logger
	now      func() time.Time

	tree      *tree
	signed    string    // the newest checkpoint, as signed
	published time.Time // when the witness file was last written
	witnessed bool      // whether it holds signed

	leads atomic.Bool
	size  atomic.Int64
	// fault, in tests, is called between the steps of a batch and may fail it.
	fault func(step string) error
}

// NewSequencer returns a Sequencer over db.
func NewSequencer(db *pg.DB, o SequencerOptions) (*Sequencer, error) {
	if len(o.Key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("auditpg: sequencer: an Ed25519 key is required")
	}
	s, err := NewSigner(o.Key)
	if err != nil {
		return nil, err
	}
	v, err := s.(signer).verifier()
	if err != nil {
		return nil, fmt.Errorf("auditpg: sequencer: %w", err)
	}
	if o.Now == nil {
		o.Now = hie.Now
	}
	return &Sequencer{db: db, signer: s, verifier: v, witness: o.Witness, log: o.Log, now: o.Now,
		fault: func(string) error { return nil }}, nil
}

// Leads reports whether this Sequencer is the one that works now.
func (s *Sequencer) Leads() bool { return s.leads.Load() }

// Size returns how many events the tree had after this Sequencer's last batch.
func (s *Sequencer) Size() int64 { return s.size.Load() }

// Run sequences whenever it leads, until ctx ends; then it returns nil. It returns an error that wraps ErrBroken
// when the log must not be continued. Other failures are logged and tried again: events wait, none is lost.
func (s *Sequencer) Run(ctx context.Context) error {
	for {
		err := s.lead(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was asked to stop; what a cut-off batch did is in the rows
		case errors.Is(err, ErrBroken):
			s.log.ErrorContext(ctx, "audit log must not be continued", "kind", err.Error())
			return err
		case err != nil:
			s.log.WarnContext(ctx, "audit sequencer starts over", "kind", err.Error())
		}
		if !pause(ctx, retryAfter) {
			return nil
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// lead works while the lock is held, or returns nil at once when another holds it.
func (s *Sequencer) lead(ctx context.Context) error {
	conn, err := s.db.SQL().Conn(ctx)
	if err != nil {
		return fmt.Errorf("auditpg: sequencer: no connection: %w", hie.ErrUnavailable)
	}
	defer func() {
		s.leads.Store(false)
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // ends the session, and its lock with it
	}()
	var got bool
	if err := conn.QueryRowContext(ctx, `select pg_try_advisory_lock($1)`, int64(lockKey)).Scan(&got); err != nil {
		return fmt.Errorf("auditpg: sequencer: no lock: %w", hie.ErrUnavailable)
	}
	if !got {
		return nil
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	s.leads.Store(true)
	s.log.InfoContext(ctx, "audit sequencer leads", "n", s.tree.size)
	for {
		n, err := s.batch(ctx)
		if err != nil {
			return err
		}
		if n == maxBatch {
			continue // there is more
		}
		if !pause(ctx, sequenceEvery) {
			return s.publish(true)
		}
		if err := conn.PingContext(ctx); err != nil { // the session is gone, and the lock with it
			return fmt.Errorf("auditpg: sequencer: lost the lock: %w", hie.ErrUnavailable)
		}
	}
}

// load reads the head of the tree, in one snapshot, and holds it against the newest checkpoint in the database and
// the one in the witness file. It returns an error wrapping ErrBroken when they disagree.
func (s *Sequencer) load(ctx context.Context) error {
	return snapshot(ctx, s.db, func(tx *pg.Tx) error {
		var size int64
		if err := tx.QueryRow(ctx, `select coalesce(max(seq) + 1, 0) from audit.leaf`).Scan(&size); err != nil {
			return err
		}
		t, err := loadTree(ctx, tx, size)
		if err != nil {
			return err
		}
		s.tree, s.signed, s.witnessed = t, "", true
		err = tx.QueryRow(ctx, `select note from audit.checkpoint order by size desc limit 1`).Scan(&s.signed)
		if err != nil && !errors.Is(err, hie.ErrNotFound) {
			return err
		}
		if s.signed != "" || size > 0 {
			c, err := OpenCheckpoint(s.signed, s.verifier)
			if err != nil || c.Size != size || c.Root != t.root() {
				return fmt.Errorf("auditpg: the newest checkpoint in the database is not of the tree beside it: %w", ErrBroken)
			}
			s.witnessed = false
		}
		s.size.Store(size)
		return s.checkWitness(ctx, tx)
	})
}

func (s *Sequencer) checkWitness(ctx context.Context, q pg.Querier) error {
	if s.witness == "" {
		return nil
	}
	signed, err := readWitness(s.witness)
	if err != nil || signed == "" {
		return err
	}
	c, err := OpenCheckpoint(signed, s.verifier)
	if err != nil {
		return fmt.Errorf("auditpg: the witness file holds no checkpoint of this key: %w", ErrBroken)
	}
	if c.Size > s.tree.size {
		return fmt.Errorf("auditpg: the witness file has seen %d events, the database holds %d: %w", c.Size, s.tree.size, ErrBroken)
	}
	t, err := loadTree(ctx, q, c.Size)
	if err != nil {
		return err
	}
	if t.root() != c.Root {
		return fmt.Errorf("auditpg: the first %d events are not those the witness file has seen: %w", c.Size, ErrBroken)
	}
	return nil
}

// batch sequences up to maxBatch pending events in one transaction and returns how many. After an error nothing
// in s may be trusted: lead ends, and load reads what the database holds. Whether a failed commit happened or not
// is told by the rows alone.
func (s *Sequencer) batch(ctx context.Context) (int, error) {
	next := *s.tree
	var n int
	var signed string
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		next = *s.tree // InTx may run this more than once
		var err error
		n, err = s.place(ctx, tx, &next)
		if err != nil || n == 0 {
			return err
		}
		c := Checkpoint{Size: next.size, Root: next.root(), Time: s.now()}
		if signed, err = c.sign(s.signer); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into audit.checkpoint (size, note) values ($1, $2)`, c.Size, signed); err != nil {
			return err
		}
		// The commit cannot be undone. A restart before it finds the events pending and the tree without them; a
		// restart after it finds leaves, tree hashes and checkpoint, and the events no longer pending.
		return s.fault("before commit")
	})
	if err == nil && n > 0 {
		err = s.fault("after commit")
	}
	if err != nil {
		return 0, fmt.Errorf("auditpg: sequence: %w", err)
	}
	if n > 0 {
		s.tree, s.signed, s.witnessed = &next, signed, false
		s.size.Store(next.size)
	}
	return n, s.publish(false)
}

// place takes pending events in the order of their ids and writes their leaves into t and the database.
func (s *Sequencer) place(ctx context.Context, tx *pg.Tx, t *tree) (int, error) {
	type pending struct {
		event string
		leaf  tlog.Hash
	}
	events, err := pg.Collect(ctx, tx, func(r *pg.Rows) (pending, error) {
		var p pending
		var leaf []byte
		err := r.Scan(&p.event, &leaf)
		copy(p.leaf[:], leaf)
		return p, err
	}, `select event_id, leaf from audit.pending order by event_id limit $1`, maxBatch)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	if err := s.fault("after read"); err != nil {
		return 0, err
	}
	ids, places, hashes := make([]string, len(events)), make([]int64, len(events)), make([][]byte, len(events))
	for i, p := range events {
		ids[i], places[i] = p.event, t.size
		hashes[i] = flat(t.add(p.leaf))
	}
	if _, err := tx.Exec(ctx, `/* all shards: a table of one machine (group L), filled by the one sequencer */
		insert into audit.leaf (seq, event_id, hashes) select * from unnest($1::bigint[], $2::uuid[], $3::bytea[])`,
		places, ids, pg.Array(hashes)); err != nil {
		return 0, err
	}
	if err := s.fault("after leaves"); err != nil {
		return 0, err
	}
	gone, err := tx.Exec(ctx, `/* all shards: a table of one machine (group L), emptied by the one sequencer */
		delete from audit.pending where event_id = any($1::uuid[])`, ids)
	if err != nil {
		return 0, err
	}
	if gone != int64(len(ids)) {
		return 0, fmt.Errorf("another sequencer took %d of %d events: %w", int64(len(ids))-gone, len(ids), hie.ErrConflict)
	}
	return len(ids), s.fault("after pending")
}

func flat(hashes []tlog.Hash) []byte {
	out := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		out = append(out, h[:]...)
	}
	return out
}

// publish brings the witness file up to date when that is due. A restart before or after it finds a checkpoint
// this log has passed; the newest one is in the database all the while.
func (s *Sequencer) publish(now bool) error {
	if s.witness == "" || s.witnessed || (!now && s.now().Sub(s.published) < witnessEvery) {
		return nil
	}
	if err := s.fault("before witness"); err != nil {
		return err
	}
	if err := writeWitness(s.witness, s.signed); err != nil {
		return err
	}
	s.witnessed, s.published = true, s.now()
	return s.fault("after witness")
}
