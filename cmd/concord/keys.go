package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/concord-hie/concord/internal/opaque"
)

// keysCmd groups what concerns the node's own keys.
type keysCmd struct {
	New keysNewCmd `cmd:"" help:"Make the secret and the keys a node needs."`
}

// keysNewCmd writes the three files every node of one installation shares.
type keysNewCmd struct {
	Out    string `required:"" help:"Directory to write to; made when missing." placeholder:"DIR"`
	DryRun bool   `help:"Say what would be written and write nothing."`
}

// Help implements kong.HelpProvider.
func (keysNewCmd) Help() string {
	return "Writes secret (seals ids and cursors), token.pem (P-256, signs access tokens) and audit.pem (Ed25519, signs audit checkpoints). " +
		"Files that exist are kept: a lost secret makes every id handed out so far unknown.\n\nExample: concord keys new --out /etc/concord/keys"
}

// Run makes the files that are missing.
func (k *keysNewCmd) Run(s *streams) error {
	made, err := makeKeys(k.Out, k.DryRun)
	for _, f := range made {
		verb := "wrote"
		if k.DryRun {
			verb = "would write"
		}
		fmt.Fprintln(s.err, verb, f)
	}
	return err
}

// nodeKeys names the key files of a node in dir.
type nodeKeys struct{ secret, token, audit string }

func keysIn(dir string) nodeKeys {
	return nodeKeys{secret: filepath.Join(dir, "secret"), token: filepath.Join(dir, "token.pem"), audit: filepath.Join(dir, "audit.pem")}
}

// makeKeys writes the key files dir lacks and returns their names.
func makeKeys(dir string, dryRun bool) ([]string, error) {
	if !dryRun {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
	}
	names := keysIn(dir)
	var made []string
	for _, f := range []struct {
		name string
		make func() ([]byte, error)
	}{
		{names.secret, func() ([]byte, error) { return []byte(hex.EncodeToString(opaque.NewSecret()) + "\n"), nil }},
		{names.token, newTokenKey},
		{names.audit, newAuditKey},
	} {
		if _, err := os.Stat(f.name); err == nil {
			continue
		}
		content, err := f.make()
		if err != nil {
			return made, fmt.Errorf("keys: %w", err)
		}
		if !dryRun {
			if err := writeNew(f.name, content); err != nil {
				return made, fmt.Errorf("keys: %w", err)
			}
		}
		made = append(made, f.name)
	}
	return made, nil
}

// writeNew writes a private file that must not exist, and makes it durable.
func writeNew(name string, content []byte) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}

func newTokenKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return pemPrivate(key)
}

func newAuditKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return pemPrivate(key)
}

func pemPrivate(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// readAuditKey reads the Ed25519 key that signs checkpoints.
func readAuditKey(path string) (ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("audit key: %s cannot be read", path)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("audit key: %s is not PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("audit key: %s is not a PKCS #8 private key", path)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("audit key: %s is not an Ed25519 key", path)
	}
	return ed, nil
}

// readSealer reads the secret ids and cursors are sealed with.
func readSealer(path string) (*opaque.Sealer, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("secret: %s cannot be read", path)
	}
	return opaque.New(raw)
}
