package auditpg

import (
	"context"
	"errors"
	"fmt"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Proof shows, to anybody with the public key, that one event is in the log a checkpoint was signed over.
type Proof struct {
	hie.Private
	Event string
	Seq   int64
	// Salt and Body are nil when the event was shredded; then Leaf alone is proved.
	Salt, Body []byte
	Leaf       tlog.Hash
	// Path is the audit path of RFC 6962 section 2.1.1, from the leaf upwards.
	Path []tlog.Hash
	// Checkpoint is the signed note.
	Checkpoint string
}

// Prove builds the proof that event is in the log, against the signed checkpoint, or against the newest stored one
// when signed is "". It returns hie.ErrNotFound for an event that is not in the tree (yet), and an *hie.InvalidError
// for a checkpoint older than the event. The proof is not checked: see [Proof.Check].
func Prove(ctx context.Context, db *pg.DB, v note.Verifier, event, signed string) (Proof, error) {
	return prove(ctx, db, event, signed, func(signed string) (int64, error) {
		c, err := OpenCheckpoint(signed, v)
		return c.Size, err
	})
}

// prove builds a proof; size reads how many rows a checkpoint covers.
func prove(ctx context.Context, db *pg.DB, event, signed string, size func(string) (int64, error)) (Proof, error) {
	if !isUUID(event) {
		return Proof{}, fmt.Errorf("auditpg: prove: %w", hie.ErrNotFound)
	}
	p := Proof{Event: event, Checkpoint: signed}
	err := snapshot(ctx, db, func(tx *pg.Tx) error {
		var hashes []byte
		err := tx.QueryRow(ctx, `
			select l.seq, l.hashes, e.salt, e.body from audit.leaf l join audit.event e on e.id = l.event_id
			where l.event_id = $1`, event).Scan(&p.Seq, &hashes, &p.Salt, &p.Body)
		if err != nil {
			return err
		}
		copy(p.Leaf[:], hashes)
		if p.Checkpoint == "" {
			if err := tx.QueryRow(ctx, `select note from audit.checkpoint order by size desc limit 1`).Scan(&p.Checkpoint); err != nil {
				return err
			}
		}
		n, err := size(p.Checkpoint)
		if err != nil {
			return err
		}
		if n <= p.Seq {
			return hie.Invalid("checkpoint", "must be younger than the event")
		}
		p.Path, err = tlog.ProveRecord(n, p.Seq, storedHashes(ctx, tx))
		return err
	})
	if err != nil {
		return Proof{}, fmt.Errorf("auditpg: prove: %w", err)
	}
	return p, nil
}

// errProof says that a proof does not hold.
var errProof = errors.New("auditpg: the proof does not hold")

// Check reports whether p holds: the checkpoint is signed by v's key, the event stands at p.Seq of the tree it was
// signed over, and salt and body, unless shredded, are what was hashed.
func (p Proof) Check(v note.Verifier) error {
	c, err := OpenCheckpoint(p.Checkpoint, v)
	if err != nil {
		return err
	}
	if p.Salt != nil || p.Body != nil {
		e, err := Decode(p.Body)
		if err != nil || e.ID != p.Event || leafHash(p.Salt, p.Body) != p.Leaf {
			return errProof
		}
	}
	if tlog.CheckRecord(p.Path, c.Size, c.Root, p.Seq, p.Leaf) != nil {
		return errProof
	}
	return nil
}
