package auditpg

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// origin names the log in its checkpoints. Logs of different installations differ by their keys.
const origin = "concord.audit"

// A Checkpoint is the head of the tree at one time.
type Checkpoint struct {
	Size int64
	Root tlog.Hash
	// Time is when it was signed, to the microsecond.
	Time time.Time
}

// text is what is signed: origin, size and root as C2SP tlog-checkpoint lays down, then one extension line.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\ntime %s\n", origin, c.Size, c.Root, c.Time.UTC().Format(timeLayout))
}

// sign returns c as a signed note.
func (c Checkpoint) sign(s note.Signer) (string, error) {
	b, err := note.Sign(&note.Note{Text: c.text()}, s)
	if err != nil {
		return "", fmt.Errorf("auditpg: sign a checkpoint: %w", err)
	}
	return string(b), nil
}

// maxNote bounds a checkpoint file; ours have about 250 bytes, cosigned ones some more.
const maxNote = 16 << 10

// OpenCheckpoint reads a signed checkpoint that v's key signed; other signatures beside it are allowed. The
// error says that it is not one and quotes nothing.
func OpenCheckpoint(signed string, v note.Verifier) (Checkpoint, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, errCheckpoint
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, errCheckpoint
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 5 || lines[0] != origin {
		return Checkpoint{}, errCheckpoint
	}
	var c Checkpoint
	c.Size, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return Checkpoint{}, errCheckpoint
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return Checkpoint{}, errCheckpoint
	}
	if c.Time, err = time.Parse("time "+timeLayout, lines[3]); err != nil {
		return Checkpoint{}, errCheckpoint
	}
	if c.Size < 0 || c.text() != n.Text {
		return Checkpoint{}, errCheckpoint
	}
	return c, nil
}

var errCheckpoint = fmt.Errorf("auditpg: not a checkpoint signed with this key")

// NewSigner returns what signs checkpoints with key.
func NewSigner(key ed25519.PrivateKey) (note.Signer, error) {
	vkey, err := PublicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("auditpg: signer: %w", err)
	}
	return signer{name: v.Name(), hash: v.KeyHash(), key: key}, nil
}

type signer struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
}

func (s signer) Name() string                    { return s.name }
func (s signer) KeyHash() uint32                 { return s.hash }
func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// verifier returns what checks s's signatures.
func (s signer) verifier() (note.Verifier, error) {
	vkey, err := PublicKey(s.key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(vkey)
}

// PublicKey writes key as a one-line verifier key ("concord.audit+1a2b3c4d+…"), the form auditors are given.
func PublicKey(key ed25519.PublicKey) (string, error) {
	vkey, err := note.NewEd25519VerifierKey(origin, key)
	if err != nil {
		return "", fmt.Errorf("auditpg: public key: %w", err)
	}
	return vkey, nil
}

// ParseKey reads a key that checks checkpoints: a verifier key line as [PublicKey] writes it, or a PEM public key,
// or the PEM private key of the node. The error quotes nothing.
func ParseKey(raw []byte) (note.Verifier, error) {
	line, err := KeyLine(raw)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(line)
}

// KeyLine reads a key as [ParseKey] does and returns its verifier key line, never anything of a private key.
func KeyLine(raw []byte) (string, error) {
	line := strings.TrimSpace(string(raw))
	if block, _ := pem.Decode(raw); block != nil {
		pub, err := pemKey(block)
		if err != nil {
			return "", err
		}
		if line, err = PublicKey(pub); err != nil {
			return "", err
		}
	}
	v, err := note.NewVerifier(line)
	if err != nil || v.Name() != origin {
		return "", errKey
	}
	return line, nil
}

var errKey = fmt.Errorf("auditpg: not an Ed25519 key for this log's checkpoints")

func pemKey(block *pem.Block) (ed25519.PublicKey, error) {
	var key any
	var err error
	if block.Type == "PUBLIC KEY" {
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errKey
	}
	switch k := key.(type) {
	case ed25519.PublicKey:
		return k, nil
	case ed25519.PrivateKey:
		return k.Public().(ed25519.PublicKey), nil
	}
	return nil, errKey
}
