package auditpg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// proofJSON is a Proof as it is handed out. Hashes, salt and body are base64: the body is what was hashed, byte for byte.
type proofJSON struct {
	Event      string   `json:"event"`
	Row        int64    `json:"row"`
	Salt       []byte   `json:"salt,omitempty"`
	Body       []byte   `json:"body,omitempty"`
	Leaf       []byte   `json:"leaf"`
	Path       [][]byte `json:"path"`
	Checkpoint string   `json:"checkpoint"`
}

// Encode writes p as JSON, for [ReadProof].
func (p Proof) Encode() []byte {
	w := proofJSON{Event: p.Event, Row: p.Seq, Salt: p.Salt, Body: p.Body, Leaf: p.Leaf[:], Checkpoint: p.Checkpoint, Path: [][]byte{}}
	for _, h := range p.Path {
		w.Path = append(w.Path, bytes.Clone(h[:]))
	}
	b, err := json.Marshal(w)
	if err != nil {
		panic("auditpg: encode a proof: " + err.Error()) // bytes, strings and numbers always encode
	}
	return b
}

// maxPath is the longest audit path a tree of 2^63 leaves has.
const maxPath = 63

// ReadProof reads what [Proof.Encode] wrote. The error quotes nothing; whether the proof holds is [Proof.Check]'s to say.
func ReadProof(b []byte) (Proof, error) {
	var w proofJSON
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil || len(w.Leaf) != tlog.HashSize || len(w.Path) > maxPath || w.Row < 0 {
		return Proof{}, errProofForm
	}
	p := Proof{Event: w.Event, Seq: w.Row, Salt: w.Salt, Body: w.Body, Leaf: tlog.Hash(w.Leaf), Checkpoint: w.Checkpoint}
	for _, h := range w.Path {
		if len(h) != tlog.HashSize {
			return Proof{}, errProofForm
		}
		p.Path = append(p.Path, tlog.Hash(h))
	}
	return p, nil
}

var errProofForm = errors.New("auditpg: not a proof of an audit event")

// Checkpoint returns the newest signed checkpoint, as signed, or hie.ErrNotFound before the first event.
func (l *Log) Checkpoint(ctx context.Context) (string, error) {
	var signed string
	err := l.db.QueryRow(ctx, `select note from audit.checkpoint order by size desc limit 1`).Scan(&signed)
	if err != nil {
		return "", fmt.Errorf("auditpg: checkpoint: %w", err)
	}
	return signed, nil
}

// Proof returns the proof of event against the newest checkpoint as JSON, or hie.ErrNotFound. It is for those who hold
// the public key to check.
func (l *Log) Proof(ctx context.Context, event string) ([]byte, error) {
	p, err := prove(ctx, l.db, event, "", sizeOf)
	if err != nil {
		return nil, err
	}
	return p.Encode(), nil
}

// sizeOf reads the size of a checkpoint from our own database without checking its signature.
func sizeOf(signed string) (int64, error) {
	var size int64
	if _, err := fmt.Sscanf(signed, origin+"\n%d\n", &size); err != nil {
		return 0, errCheckpoint
	}
	return size, nil
}
